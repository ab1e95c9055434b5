"""Tasks for scoring without labels: what is shuffled stays what it says, and elements are rebuilt as they were."""

from __future__ import annotations

import gzip
import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from baserate.baselines import markov
from baserate.dna.shuffle import shuffle_dinucleotides, shuffle_letters
from baserate.errors import DataError
from baserate.registry import get_task
from baserate.sources.sequences import read_sequences
from baserate.splits import load_split
from baserate.tasks import human_shuffled, kircher_satmut
from baserate.tasks.genes import PREMRNAS
from baserate.tasks.human_shuffled import pairs
from baserate.tasks.splice import Gene
from baserate.types import Examples

SHARED = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
KIRCHER = SHARED / "kircher_satmut"
needs_kircher = pytest.mark.skipif(not KIRCHER.is_dir(), reason=f"{KIRCHER} is not there")


def _words(sequence: str, k: int) -> Counter[str]:
    return Counter(sequence[i : i + k] for i in range(len(sequence) - k + 1))


def _dna(length: int, *, seed: int, letters: str = "ACGT") -> str:
    return "".join(np.random.default_rng(seed).choice(list(letters), size=length))


@pytest.mark.parametrize("sequence", ["A", "AC", "ACA", "AAAAT", "ACGTACGTT", "AAAACCCCGT", _dna(400, seed=1)])
def test_shuffles_keep_what_they_promise(sequence: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        assert _words(shuffle_letters(sequence, rng), 1) == _words(sequence, 1)
        shuffled = shuffle_dinucleotides(sequence, rng)
        assert _words(shuffled, 2) == _words(sequence, 2)
        assert (shuffled[0], shuffled[-1]) == (sequence[0], sequence[-1])


def test_a_shuffle_depends_on_its_generator_alone() -> None:
    sequence = _dna(400, seed=3)
    first, again, other = (shuffle_dinucleotides(sequence, np.random.default_rng(s)) for s in (4, 4, 5))
    assert first == again != other
    # 3-mers are not kept: of the distinct ones of 400 random letters a good part changes its number.
    assert sum((_words(first, 3) - _words(sequence, 3)).values()) > 40


@pytest.mark.parametrize("sequence", ["AACAGACA", "ACGTCACGA", "TACATCATA"])
def test_every_sequence_with_the_same_dinucleotides_is_as_likely(sequence: str) -> None:
    """Chi-square against all rearrangements, found by trying each order of the letters."""
    same = {
        "".join(order)
        for order in itertools.permutations(sequence)
        if order[0] == sequence[0] and _words("".join(order), 2) == _words(sequence, 2)
    }
    rng = np.random.default_rng(6)
    n = 400 * len(same)
    drawn = Counter(shuffle_dinucleotides(sequence, rng) for _ in range(n))
    assert set(drawn) == same and len(same) > 3
    chi = sum((drawn[s] - 400) ** 2 / 400 for s in same)
    freedom = len(same) - 1
    assert chi < freedom + 4 * np.sqrt(2 * freedom)


def _gene(name: str, sequence: str, *, start: int = 1000, strand: str = "+") -> Gene:
    none = np.empty(0, np.int64)
    return Gene(name, "human", "chr3", strand, start, sequence, none, none, none)


def test_windows_are_read_from_the_gene_and_paired() -> None:
    text = _dna(4000, seed=7)
    plus = pairs([_gene("g", text)])
    assert len(plus) == 12 and not plus.targets.any()
    assert plus.strata["shuffle"].tolist() == ["mononucleotide", "dinucleotide"] * 6
    assert plus.intervals is not None and plus.inputs.alternates is not None
    for i in range(12):
        at = int(plus.intervals.start[i]) - 1000
        assert plus.inputs.sequences[i] == text[at : at + 400] and at % 400 == 0
    assert _words(plus.inputs.alternates[1], 2) == _words(plus.inputs.sequences[1], 2)
    assert _words(plus.inputs.alternates[0], 2) != _words(plus.inputs.sequences[0], 2)
    minus = pairs([_gene("g", text, strand="-")])
    assert (minus.inputs.sequences == plus.inputs.sequences).all() and minus.intervals is not None
    assert (minus.intervals.start + plus.intervals.start == 2 * 1000 + 4000 - 400).all()
    # A gene's windows do not depend on what other genes there are.
    beside = pairs([_gene("f", _dna(1200, seed=8), start=90_000), _gene("g", text)])
    assert beside.take(slice(len(beside) - 12, None)).fingerprint == plus.fingerprint


def test_windows_that_cannot_be_asked_about_are_left_out() -> None:
    once = _dna(400, seed=9)
    found = pairs([_gene("repeat", once * 3), _gene("unknown", once[:200] + "N" * 400), _gene("flat", "A" * 800)])
    assert found.inputs.sequences.tolist() == [once, once]


@pytest.fixture(scope="module")
def shuffled() -> Examples:
    pytest.importorskip("frame_alignment_checks", reason="frame-alignment-checks is not installed")
    return load_split(get_task("human_shuffled")).test


def test_real_windows_lie_in_their_genes_and_only_dinucleotides_are_kept(shuffled: Examples) -> None:
    inputs = shuffled.inputs
    assert inputs.alternates is not None and 950 < len(set(inputs.sequences)) < 1050
    genes = [(name.rsplit(":", 1)[1], sequence) for name, sequence in read_sequences(PREMRNAS).items()]
    by_gene: dict[str, list[str]] = {}
    for name, sequence in genes:
        by_gene.setdefault(name, []).append(sequence)
    for i in range(0, len(shuffled), 97):
        assert any(inputs.sequences[i] in s for s in by_gene[shuffled.groups[i]])
    for kind, k in (("mononucleotide", 1), ("dinucleotide", 2)):
        rows = np.flatnonzero(shuffled.strata["shuffle"] == kind)
        assert len(rows) == len(shuffled) // 2
        assert all(_words(inputs.sequences[i], k) == _words(inputs.alternates[i], k) for i in rows[::10])
        assert not any(_words(inputs.sequences[i], k + 1) == _words(inputs.alternates[i], k + 1) for i in rows)


def test_a_chain_of_order_1_cannot_see_a_dinucleotide_shuffle_and_longer_ones_can(shuffled: Examples) -> None:
    train = load_split(get_task("human_shuffled")).train.inputs
    right = {}
    for order in (1, 5):
        chain = markov.load(order=order)
        chain.learn(train)
        scores = chain.score_variants(shuffled.inputs)
        two = shuffled.strata["shuffle"] == "dinucleotide"
        if order == 1:
            assert not scores[two].any()
        right[order] = [(scores[rows] < 0).mean() for rows in (~two, two)]
    assert right[1][0] > 0.9 and right[5][0] > 0.95 and right[5][1] > 0.85


def _table(folder: Path, rows: list[str]) -> Path:
    head = "Chrom\tPos\tRef\tAlt\tBarcodes\tDNA\tRNA\tCoefficient\tpValue\tElement\tRelease"
    path = folder / "elements.tsv.gz"
    path.write_bytes(gzip.compress("\n".join([head, *rows, ""]).encode()))
    return path


def _row(pos: object, ref: str, alt: str, *, n: object = 10, effect: object = 0.5, name: str = "E") -> str:
    return f"7\t{pos}\t{ref}\t{alt}\t{n}\t1\t1\t{effect}\t0.1\t{name}\tGRCh38"


def test_elements_are_rebuilt_and_variants_put_in(tmp_path: Path) -> None:
    rows = [
        _row(11, "A", "C"),
        _row(12, "A", "-", effect=-0.25),
        _row(14, "T", "G", n=9),
        _row(14, "T", "-", n=11, effect=1),
        _row("NA", "NA", "NA"),
        _row(11, "A", "C").replace("GRCh38", "GRCh37"),
        _row(11, "A", "T", name="SORT1-flip"),
        _row(12, "A", "T", name="SORT1-flip"),
    ]
    found = kircher_satmut.read_examples(_table(tmp_path, rows))
    assert found.ids.tolist() == [
        "E:chr7:11:A>C", "E:chr7:12:A>-", "E:chr7:14:T>-", "SORT1-flip:chr7:11:A>T", "SORT1-flip:chr7:12:A>T",
    ]  # fmt: skip
    assert found.inputs.sequences.tolist() == ["AANT"] * 3 + ["AA"] * 2
    assert found.inputs.alternates is not None and found.inputs.positions is not None
    assert found.inputs.alternates.tolist() == ["CANT", "ANT", "AAN", "TA", "AT"]
    # A deletion in a run is seen where the sequences begin to differ.
    assert found.inputs.positions.tolist() == [0, 1, 2, 0, 1]
    assert found.targets.tolist() == [0.5, -0.25, 1, 0.5, 0.5]
    assert found.groups.tolist() == ["E"] * 3 + ["SORT1"] * 2
    assert found.clusters.tolist() == ["E:11", "E:12", "E:14", "SORT1:11", "SORT1:12"]
    assert found.strata["type"].tolist() == ["snv", "deletion", "deletion", "snv", "snv"]
    assert found.intervals is not None and found.intervals.take(slice(0, 1)).start == [10]
    assert found.intervals.end.tolist() == [14] * 3 + [12] * 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_row("x", "A", "C")], "line 2: invalid literal"),
        ([_row(1, "A", "C"), _row(1, "G", "C")], "E: position 1 has reference A and G"),
        ([_row(1, "A", "C"), _row(4, "G", "C")], "E: 2 of 4 positions have no variant"),
        ([_row(1, "AT", "C")], "line 2: 'AT' to 'C' is not a change of one base"),
        ([_row(1, "A", "C", effect="nan")], "line 2: 'A' to 'C' is not a change of one base with an effect"),
        ([_row("NA", "NA", "NA")], "no variants of release GRCh38"),
    ],
)
def test_a_table_that_is_not_the_expected_one_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as told:
        kircher_satmut.read_examples(_table(tmp_path, rows))
    assert "elements.tsv.gz" in str(told.value)


@needs_kircher
def test_all_elements_are_tested_and_none_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(KIRCHER))
    split = load_split(get_task("kircher_satmut"))
    assert len(split.train) == len(split.valid) == 0
    test = split.test
    assert len(set(test.strata["element"])) == 29 and len(set(test.groups)) == 21
    assert Counter(test.strata["type"])["snv"] == 38_556
    assert {len(s) for s in test.inputs.sequences} >= {187, 601}
    assert [e for e in set(test.strata["element"]) if "N" in test.inputs.sequences[test.strata["element"] == e][0]] == [
        "TCF7L2"
    ]
    small = load_split(get_task("kircher_satmut.small")).test
    assert len(small) == 2900 and set(Counter(small.strata["element"]).values()) == {100}


@needs_kircher
def test_hnf4a_is_what_the_genome_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The element as rebuilt lies on chromosome 20 of hg19, whose copy is another source."""
    import lzma

    genome = SHARED / "hg19_chr20" / "20.fa.xz"
    if not genome.is_file():
        pytest.skip(f"{genome} is not there")
    with lzma.open(genome, "rt") as file:
        next(file)
        text = file.read(43_100_000 * 62 // 61).replace("\n", "").upper()
    examples = kircher_satmut.read_examples(KIRCHER / "elements.tsv.gz")
    element = examples.inputs.sequences[examples.strata["element"] == "HNF4A"][0]
    assert text[42_984_159 : 42_984_159 + 285] == element


@needs_kircher
def test_elements_of_a_part_are_in_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED))
    split = load_split(get_task("kircher_satmut_elements"))
    assert [len(set(e.groups)) for _, e in split] == [12, 3, 6]
    chain = markov.load(order=3)
    chain.learn(split.train.inputs)
    scores = chain.score_variants(split.test.inputs)
    assert np.isfinite(scores).all()


def test_cards_are_light_and_their_metrics_exist() -> None:
    from baserate.metrics import parse

    for build in (human_shuffled.human_shuffled, kircher_satmut.kircher_satmut, kircher_satmut.kircher_satmut_elements):
        for metric in build().metrics:
            parse(metric, ("shuffle", "element", "type"))
