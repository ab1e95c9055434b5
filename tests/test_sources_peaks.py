"""Negatives made of peaks and their genome: where they lie, what they are like, and what is refused."""

from __future__ import annotations

import gzip
import lzma
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.audit import audit
from baserate.cards.task import task_card
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError
from baserate.sources import intervals
from baserate.sources.negatives import NEGATIVES, Rule, Shares, draw_negatives, spans
from baserate.sources.peaks import Peaks, TooFewNegatives
from baserate.splits import by_chromosome, by_group, load_split
from baserate.types import Examples

SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
WINDOWS = [how for how in NEGATIVES if how != "shuffled"]
CONTIGS = ("chr1", "chr2", "chr3")
WIDTH, LENGTH = 100, 60_000


def planted(seed: int = 0) -> tuple[dict[str, str], list[tuple[str, int, int, str]]]:
    """Return contigs of stretches that differ in GC and case, with a gap each, and peaks in some of the rich ones."""
    rng = np.random.default_rng(seed)
    genome, peaks = {}, []
    for name in CONTIGS:
        pieces = []
        for at in range(0, LENGTH, 500):
            gc = (0.35, 0.5, 0.65)[int(rng.integers(3))]
            piece = "".join(rng.choice(list("ACGT"), 500, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]))
            pieces.append(piece.lower() if rng.random() < 0.4 else piece)
            if gc > 0.5 and at != 30_000 and rng.random() < 0.4:
                width = int(rng.integers(80, 121))
                peaks.append((name, at + 200, at + 200 + width, "+-"[len(peaks) % 2]))
        pieces[60] = "N" * 500
        genome[name] = "".join(pieces)
    return genome, peaks


GENOME, PEAKS = planted()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in GENOME.items()))
    write_bed(tmp_path, PEAKS)
    return tmp_path


def write_bed(folder: Path, peaks: list[tuple[str, int, int, str]], name: str = "p.bed") -> None:
    lines = [f"{chrom}\t{start}\t{end}\tp{i}\t0\t{strand}" for i, (chrom, start, end, strand) in enumerate(peaks)]
    (folder / name).write_text("\n".join(lines) + "\n")


def source(folder: Path, how: Any, *, bed: str = "p.bed", **keys: Any) -> Peaks:
    given = {"kind": "classification", "classes": ("background", "peak"), **keys}
    return Peaks(str(folder / "g.fa"), str(folder / bed), negatives=how, **given)


def places(examples: Examples) -> list[tuple[str, int, int, str]]:
    at = examples.intervals
    assert at is not None
    return list(zip(at.chrom, at.start.tolist(), at.end.tolist(), at.strand, strict=True))


def share(letters: str, kind: str) -> float:
    return sum(letter in kind for letter in letters) / len(letters)


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("how", WINDOWS)
def test_windows_are_free_as_wide_on_the_same_chromosome_and_in_the_group_of_their_peak(
    folder: Path, how: str, ratio: int
) -> None:
    examples = source(folder, how, ratio=ratio, gc_tolerance=0.1, repeat_tolerance=0.3)()
    rows, step = places(examples), 1 + ratio
    assert rows[::step] == PEAKS and examples.targets.tolist() == [1, *[0] * ratio] * len(PEAKS)
    for i, (chrom, start, end, strand) in enumerate(rows):
        piece = GENOME[chrom][start:end].upper()
        assert examples.inputs.sequences[i] == (reverse_complement(piece) if strand == "-" else piece)
        of_peak = rows[i - i % step]
        assert (chrom, end - start, strand) == (of_peak[0], of_peak[2] - of_peak[1], of_peak[3])
        assert examples.groups[i] == examples.clusters[i] == examples.groups[i - i % step]
        assert "N" not in examples.inputs.sequences[i]
    ordered = sorted((chrom, start, end) for chrom, start, end, _ in rows)
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(ordered))


@pytest.mark.parametrize("how", NEGATIVES)
def test_no_split_parts_a_peak_from_its_negatives(folder: Path, how: str) -> None:
    examples = source(folder, how, ratio=2, gc_tolerance=0.1, repeat_tolerance=0.3)()
    for rule in (by_group(test=0.2, valid=0.1), by_chromosome(test=("chr2",), valid=("chr3",))):
        part = rule(examples).reshape(-1, 3)
        assert (part == part[:, :1]).all() and set(part[:, 0]) == {"train", "valid", "test"}


@pytest.mark.parametrize("width", [0, 64])
def test_matched_windows_have_the_gc_and_lower_case_of_their_peak(folder: Path, width: int) -> None:
    matched = source(folder, "gc_matched", width=width, gc_tolerance=0.03, repeat_tolerance=0.2)()
    drawn = source(folder, "random", width=width)()
    apart = []
    for examples in (matched, drawn):
        letters = [GENOME[chrom][start:end] for chrom, start, end, _ in places(examples)]
        for kind in ("GCgc", "acgt"):
            shares = np.array([share(text, kind) for text in letters]).reshape(-1, 2)
            apart.append(np.abs(shares[:, 0] - shares[:, 1]))
        assert examples.soft_masked is not None
        assert np.allclose(examples.soft_masked, [share(text, "acgt") for text in letters])
    assert apart[0].max() <= 0.03 + 1e-9 and apart[1].max() <= 0.2 + 1e-9
    assert apart[2].mean() > 0.1 and apart[3].mean() > 0.3  # what chance gives
    assert apart[0].mean() < 0.015


def test_flanking_windows_are_the_nearest_free_ones_beyond_the_distance(folder: Path) -> None:
    sides: Counter[bool] = Counter()
    rows = places(source(folder, "flanking", distance=40)())
    for peak, window in zip(rows[::2], rows[1::2], strict=True):
        left = window[1] < peak[1]
        apart = peak[1] - window[2] if left else window[1] - peak[2]
        assert 40 <= apart < 10_000
        sides[left] += 1
    assert min(sides.values()) > 0.25 * len(PEAKS)
    apart = [max(b[1] - a[2], a[1] - b[2]) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    assert np.median(apart) == 40


def test_shuffles_keep_the_dinucleotides_of_the_peak_as_it_is_read(folder: Path) -> None:
    examples = source(folder, "shuffled", ratio=2)()
    assert places(examples)[::3] == places(examples)[1::3] == places(examples)[2::3] == PEAKS
    for i in range(0, len(examples), 3):
        peak, *shuffles = (examples.inputs.sequences[i + k] for k in range(3))
        words = Counter(pairwise(peak))
        assert len({peak, *shuffles}) == 3 and all(Counter(pairwise(text)) == words for text in shuffles)
    assert len(set(examples.ids)) == len(examples) and examples.ids[1].endswith(":shuffled")
    assert examples.soft_masked is not None and (examples.soft_masked[::3] == examples.soft_masked[1::3]).all()


@pytest.mark.parametrize("how", NEGATIVES)
def test_the_draw_is_a_function_of_card_and_data(folder: Path, how: str) -> None:
    keys = {"gc_tolerance": 0.1, "repeat_tolerance": 0.3}
    first, again = (source(folder, how, **keys)() for _ in range(2))
    other = source(folder, how, seed=1, **keys)()
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert list(first.ids[::2]) == list(other.ids[::2])
    (folder / "g2.fa").write_text("".join(f">{name}\n{GENOME[name]}\n" for name in reversed(CONTIGS)))
    moved = Peaks(str(folder / "g2.fa"), str(folder / "p.bed"), kind="classification", classes=("b", "p"),
                  negatives=how, **keys)()  # fmt: skip
    assert moved.fingerprint == first.fingerprint


def test_a_planted_genome_leaves_one_place_for_each_negative(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    at = "".join(rng.choice(list("AT"), 4000))
    rich = "".join(rng.choice(list("CG"), 50))
    letters = f"{at[:1000]}{rich}{at[1000:2000]}{rich[::-1]}{at[2000:]}"
    (tmp_path / "g.fa").write_text(f">c\n{letters}\n")
    write_bed(tmp_path, [("c", 1000, 1050, "+")])
    rows = places(source(tmp_path, "gc_matched", gc_tolerance=0.1)())
    assert rows[0] == ("c", 1000, 1050, "+") and abs(rows[1][1] - 2050) <= 5
    with pytest.raises(TooFewNegatives, match=r"no negatives for 1 of 1 peaks: 1 without 2 free windows like them"):
        source(tmp_path, "gc_matched", gc_tolerance=0.1, ratio=2)()


def test_peaks_of_two_widths_and_parts_of_wide_peaks_are_no_negatives(folder: Path) -> None:
    wide = [("chr1", 1000, 25_000, "+"), ("chr1", 40_000, 40_050, "+")]
    write_bed(folder, wide)
    rows = places(source(folder, "random", width=200, seed=4)())
    for _, start, end, _ in rows[1::2]:
        assert all(end <= a or start >= b for _, a, b, _ in wide)


def test_two_names_of_one_contig_are_one(folder: Path) -> None:
    write_bed(folder, [("chr1", 1000, 1400, "+"), ("1", 3000, 3400, "+")])
    examples = source(folder, "flanking", distance=0)()
    rows = sorted(row[1:3] for row in places(examples))
    assert all(a[1] <= b[0] for a, b in pairwise(rows))


@pytest.mark.parametrize(
    ("peaks", "how", "keys", "said"),
    [
        ([("chr9", 0, 90, "+")], "random", {}, r"row 1: the genome has no contig 'chr9'; did you mean 'chr"),
        ([("chr1", 59_990, 60_010, "+")], "shuffled", {}, "row 1: chr1:59990-60010 is outside the contig of 60000 bp"),
        ([("chr1", 59_970, 59_990, "+")], "random", {"width": 90}, "no negatives for 1 of 1 peaks: 1 with a wi"),
        ([("chr1", 0, 40_000, "+")], "random", {}, r'row 1, chr1:0-40000; lower width, or take negatives = "shuffled"'),
        ([("chr1", 0, 55_000, "+")], "flanking", {}, r"free window within 100 widths.*lower distance \(1000\)"),
        ([("chr2", 30_100, 30_200, "+")], "shuffled", {}, "whose dinucleotides have no other order"),
        (PEAKS, "gc_matched", {"gc_tolerance": 0.0, "repeat_tolerance": 0.0, "ratio": 9},
         r"raise gc_tolerance \(0\) or repeat_tolerance \(0\), lower width or ratio"),
        (PEAKS, "matched", {}, "negatives = 'matched'; expected one of gc_matched, shuffled"),
        (PEAKS, "random", {"ratio": 0}, "ratio = 0; expected 1 or more"),
        (PEAKS, "random", {"gc_tolerance": -0.1}, "gc_tolerance = -0.1; expected 0 or more"),
        (PEAKS, "random", {"kind": "regression"}, 'need kind = "classification" and two classes'),
        (PEAKS, "random", {"classes": ("a", "b", "c")}, 'need kind = "classification" and two classes'),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_with_the_numbers_and_what_to_relax(
    folder: Path, peaks: list[tuple[str, int, int, str]], how: str, keys: dict[str, Any], said: str
) -> None:
    write_bed(folder, peaks)
    with pytest.raises((DataError, ConfigError), match=said) as raised:
        source(folder, how, **keys)()
    assert str(folder / "p.bed") in str(raised.value) and "\n" not in str(raised.value)


def test_peaks_without_negatives_are_left_out_and_counted_where_the_card_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_bed(folder, [("chr1", 59_970, 59_990, "+"), *PEAKS])
    with pytest.raises(TooFewNegatives, match="1 of"):
        source(folder, "random", width=90)()
    examples = source(folder, "random", width=90, unmatched="leave_out")()
    assert [row[1] + 45 for row in places(examples)[::2]] == [(start + end) // 2 for _, start, end, _ in PEAKS]
    assert f"no negatives for 1 of {len(PEAKS) + 1} peaks" in caplog.text and "they are left out" in caplog.text


def test_a_card_is_audited_for_what_tells_negatives_from_peaks(folder: Path) -> None:
    text = (
        'name = "p"\nkind = "classification"\nclasses = ["background", "peak"]\n'
        '[split]\nrule = "by_chromosome"\ntest = ["chr2"]\nvalid = ["chr3"]\n'
        '[source]\ngenome = "g.fa"\npeaks = "p.bed"\nwidth = 100\nnegatives = '
    )
    scores = {}
    for how in ('"gc_matched"\ngc_tolerance = 0.03\nrepeat_tolerance = 0.2', '"random"'):
        (folder / "p.toml").write_text(text + how + "\n")
        task = task_card(folder / "p.toml")
        assert task.files == (str(folder / "g.fa"), str(folder / "p.bed"))
        found = {finding.name: finding for finding in audit(task, load_split(task)).findings}
        assert {"feature:GC", "feature:lower case", "feature:other letters", "feature:length"} <= found.keys()
        assert found["overlap_test"].status == found["group_test"].status == "PASS"
        scores[how] = {name: found[f"feature:{name}"].numbers["rank"] for name in ("GC", "lower case")}
    matched, drawn = scores.values()
    assert abs(matched["GC"] - 0.5) < 0.15 and drawn["GC"] > 0.75
    assert abs(matched["lower case"] - 0.5) < 0.2
    (folder / "p.toml").write_text(text + '"matched"\n')
    with pytest.raises(ConfigError, match="negatives = 'matched'; expected 'gc_matched' or 'shuffled'"):
        task_card(folder / "p.toml")


def test_a_genome_that_is_not_read_whole_gives_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = source(folder, "gc_matched", gc_tolerance=0.1, repeat_tolerance=0.3)()
    monkeypatch.setenv("BASERATE_GENOMES", str(tmp_path / "genomes"))
    monkeypatch.setattr(intervals, "_LARGE", 0)
    sliced = source(folder, "gc_matched", gc_tolerance=0.1, repeat_tolerance=0.3)()
    assert sliced.fingerprint == whole.fingerprint and (tmp_path / "genomes").is_dir()
    assert sliced.soft_masked is not None and np.array_equal(sliced.soft_masked, whole.soft_masked)


def test_shares_of_any_window_are_exact() -> None:
    rng = np.random.default_rng(5)
    letters = np.frombuffer("".join(rng.choice(list("ACGTacgtN"), 2000)).encode(), np.uint8)
    kind = np.isin(np.arange(256), np.frombuffer(b"CGcg", np.uint8))
    start = rng.integers(0, 2000, 500)
    end = rng.integers(start + 1, 2001)
    expected = [int(kind[letters[a:b]].sum()) for a, b in zip(start, end, strict=True)]
    assert Shares(letters, kind).count(start, end).tolist() == expected
    whole = Shares(letters[:512], kind)
    assert whole.count(np.array([0]), np.array([512])) == kind[letters[:512]].sum()


def test_spans_join_what_overlaps_or_touches() -> None:
    joined = spans(np.array([5, 0, 8, 20, 1]), np.array([9, 3, 12, 21, 2]))
    assert joined.start.tolist() == [0, 5, 20] and joined.end.tolist() == [3, 12, 21]
    assert joined.free(np.array([3, 2, 12, 21, 25, -1]), np.array([5, 4, 20, 30, 31, 1]), 30).tolist() == [
        True, False, True, True, False, False,
    ]  # fmt: skip


def test_every_free_place_is_used_where_there_is_just_enough_room() -> None:
    letters = np.frombuffer(b"ACGT" * 1000, np.uint8)
    start = np.arange(0, 4000, 200)
    rule = Rule("flanking", 0, 0.02, 0.1)
    drawn = draw_negatives(letters, start, start + 100, spans(start, start + 100), rule, np.random.default_rng(0))
    assert sorted(drawn.tolist()) == (start + 100).tolist()


def test_ctcf_sites_of_chr20_are_matched(tmp_path: Path) -> None:
    packed = SHARED_DATA / "hg19_chr20" / "20.fa.xz"
    annotation = SHARED_DATA / "hg19_annot" / "CTCF.chr20_chrX70M.tsv.gz"
    if not packed.is_file() or not annotation.is_file():
        pytest.skip("human chr20 with its CTCF sites is not here")
    with lzma.open(packed, "rt") as file:
        letters = "".join(line.strip() for line in file.read(12_000_000).splitlines() if not line.startswith(">"))
    (tmp_path / "g.fa").write_text(f">chr20\n{letters}\n")
    with gzip.open(annotation, "rt") as file:
        rows = [line.split() for line in file if line.startswith("chr20")]
    peaks = [(row[0], int(row[1]), int(row[2]), "+") for row in rows if int(row[2]) < len(letters) - 1000]
    write_bed(tmp_path, peaks, "ctcf.bed")
    assert len(peaks) > 700
    examples = source(tmp_path, "gc_matched", bed="ctcf.bed", width=300)()
    gc = np.array([share(text, "GC") for text in examples.inputs.sequences]).reshape(-1, 2)
    assert len(gc) == len(peaks) and np.abs(gc[:, 0] - gc[:, 1]).max() <= 0.02 + 1e-9
    drawn = source(tmp_path, "random", bed="ctcf.bed", width=300)()
    chance = np.array([share(text, "GC") for text in drawn.inputs.sequences]).reshape(-1, 2)
    assert (chance[:, 0] - chance[:, 1]).mean() > 0.05
