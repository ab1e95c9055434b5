"""The built-in tasks are what their cards say, on the real data, and no trivial method solves them."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from baserate.audit.relatives import COPY
from baserate.cards.find import find_task
from baserate.dna.similarity import nearest
from baserate.registry import TASKS, get_task
from baserate.sources.genbank import read_features
from baserate.sources.intervals import Transcript, read_transcripts, splice_sites, windows
from baserate.sources.sequences import read_sequences
from baserate.splits import load_split
from baserate.tasks import yeast_coding
from baserate.tasks.genes import ARABIDOPSIS, ARABIDOPSIS_GENES, DROSOPHILA, DROSOPHILA_GENES, human_genes
from baserate.tasks.human_splice_sites import in_train
from baserate.tasks.splice import APART, CLASSES, WIDTH, Gene, fit_matrix, score
from baserate.tasks.yeast_coding import YEAST
from baserate.types import Examples, Split

SPLICE = ("human_splice_sites", "arabidopsis_splice_sites", "splice_transfer", "splice_transfer_yeast")
FINGERPRINTS: dict[str, tuple[str, ...]] = {
    "human_splice_sites": ("5105a6d6dbbb0457", "729d88950ab755b1", "e219af0e8f52126d"),
    "arabidopsis_splice_sites": ("4392982cde61dfd7", "7e240da102b11467", "34e8aa41fc3900b5"),
    "arabidopsis_promoters": ("eac3236e5bf03ac8", "a41cefd406c2c38c", "dffef8925d6511fe"),
    "arabidopsis_promoters_2kb": ("cf9e3ad6a521f9a9", "eeba1392cd824c7d", "9bf1f27d9b57e139"),
    "human_splice_2kb": ("afafc760bfb88a0a", "829e0f23307b3e25", "eee1a50578509e88"),
    "splice_transfer_yeast": ("5105a6d6dbbb0457", "729d88950ab755b1", "419e6d975c6f6981"),
    "yeast_coding": ("e76c87afd35ac9e2", "3fa113310cfa2dd4", "fefd6bc406b495b6"),
    "yeast_coding@1": ("e76c87afd35ac9e2", "3fa113310cfa2dd4", "52e318c7a402ca9e"),
    "wt1_exon5_splicing": ("b48302952390c0a5", "9e9095fef5e27ce3", "e40a7533542a56ed"),
    "splice_transfer": ("5105a6d6dbbb0457", "729d88950ab755b1", "ac1e71413402bdd5"),
}
"""Data and split of every version: a change here is another task, and needs another version."""


@functools.cache
def split_of(name: str) -> Split:
    """Return the task's split, read once for all tests."""
    return load_split(get_task(name))


def test_no_test_window_of_yeast_is_a_near_copy_of_another() -> None:
    whole, part = split_of("yeast_coding@1"), split_of("yeast_coding")
    known = np.concatenate([whole.train.inputs.sequences, whole.valid.inputs.sequences])
    close = nearest(whole.test.inputs.sequences, known).similarity >= COPY
    assert close.sum() == 24 and set(part.test.ids) == set(whole.test.ids[~close])
    assert part.omissions == "24 rows of the source left out (24 in test that are near copies of others)"
    assert (get_task("yeast_coding@1").superseded_by, yeast_coding.COPY) == ("yeast_coding@2", COPY)


@functools.cache
def annotation_of(reference: str) -> list[Transcript]:
    """Return the transcripts of an annotation, read once for all tests."""
    return read_transcripts(reference)


def gc_auroc(examples: Examples) -> float:
    """Return how far GC content alone tells the first class from the others."""
    gc = [s.count("G") + s.count("C") for s in examples.inputs.sequences]
    return float(roc_auc_score(examples.targets > 0, gc))


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_data_and_split_are_those_of_the_version(name: str) -> None:
    split = split_of(name)
    task = get_task(name)
    assert {part: len(examples) for part, examples in split} == task.sizes
    found = tuple(examples.fingerprint for _, examples in split)
    assert found == FINGERPRINTS[name], found


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_small_variant_is_a_part_of_the_whole_with_its_proportions(name: str) -> None:
    base, at, version = name.partition("@")
    small, subset = split_of(f"{base}.small{at}{version}"), get_task(name).small
    assert subset is not None
    assert [len(e) for _, e in small] == [subset.train, subset.valid, subset.test]
    for (_, few), (_, all_) in zip(small, split_of(name), strict=True):
        assert set(few.ids) <= set(all_.ids)
        if few.targets.dtype.kind == "i" and not subset.balance and not few.inputs.per_base:
            wanted = np.bincount(all_.targets) * len(few) / len(all_)
            assert np.abs(np.bincount(few.targets) - wanted).max() < 1
        if subset.balance:
            counts = np.unique(few.strata[subset.balance], return_counts=True)[1]
            assert np.ptp(counts) <= 1


def test_windows_of_2_kb_have_the_narrow_ones_in_their_middle() -> None:
    for wide, narrow, flank in (
        ("arabidopsis_promoters_2kb", "arabidopsis_promoters", 150),
        ("human_splice_2kb", "human_splice_sites", 200),
    ):
        for (_, examples), (_, others) in zip(split_of(wide), split_of(narrow), strict=True):
            known = dict(zip(others.ids, zip(others.inputs.sequences, others.targets, strict=True), strict=True))
            assert set(map(len, examples.inputs.sequences)) == {2048}
            both = 0
            for name, sequence, target in zip(examples.ids, examples.inputs.sequences, examples.targets, strict=True):
                if name in known:
                    assert (sequence[1024 - flank : 1024 + flank], target) == known[name]
                    both += 1
            # Of a gene other negatives may be drawn, since fewer places are far enough from its ends.
            assert both == len(examples) if wide.startswith("arabidopsis") else both > 0.5 * len(examples)
    wide, cut = split_of("human_splice_2kb").test, load_split(find_task("human_splice_2kb(window=64)")).test
    assert set(wide.inputs.positions.tolist()) == {1024} and set(cut.inputs.positions.tolist()) == {32}  # type: ignore[union-attr]
    assert [s[992:1056] for s in wide.inputs.sequences[:50]] == list(cut.inputs.sequences[:50])


@pytest.mark.parametrize(
    "name", ["arabidopsis_splice_sites", "arabidopsis_promoters", "arabidopsis_promoters_2kb", "yeast_coding"]
)
def test_windows_are_what_the_genome_holds_there(name: str) -> None:
    genome = read_sequences(YEAST if name == "yeast_coding" else ARABIDOPSIS)
    for _, examples in split_of(name):
        assert examples.intervals is not None
        assert (windows(genome, examples.intervals) == examples.inputs.sequences).all()


def test_human_windows_are_what_their_gene_holds_there() -> None:
    genes = {gene.name: gene for gene in human_genes()}
    for _, examples in split_of("human_splice_sites"):
        at = examples.intervals
        assert at is not None
        for i in range(0, len(examples), 50):
            gene = genes[examples.groups[i]]
            assert (gene.chrom, gene.strand) == (at.chrom[i], at.strand[i])
            end = gene.start + len(gene.sequence)
            offset = at.start[i] - gene.start if gene.strand == "+" else end - at.end[i]
            assert gene.sequence[offset : offset + WIDTH] == examples.inputs.sequences[i]


@pytest.mark.parametrize("name", SPLICE)
def test_sites_carry_their_dinucleotide_and_negatives_are_half_decoys(name: str) -> None:
    for _, examples in split_of(name):
        middle = np.array([s[198:202] for s in examples.inputs.sequences])
        origin = examples.strata["origin"]
        for target, has in ((1, np.char.startswith(middle, "AG")), (2, np.char.endswith(middle, "GT"))):
            assert has[examples.targets == target].mean() > 0.97
        decoys = origin == "decoy"
        assert all(m.startswith("AG") or m.endswith("GT") for m in middle[decoys])
        assert abs(decoys.sum() / (origin == "random").sum() - 1) < 0.05
        assert abs((examples.targets == 0).mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("name", "annotation"), [("arabidopsis_splice_sites", ARABIDOPSIS_GENES), ("splice_transfer", DROSOPHILA_GENES)]
)
def test_no_negative_is_at_a_site_of_any_transcript(name: str, annotation: str) -> None:
    known: dict[tuple[str, str], set[int]] = {}
    for transcript in annotation_of(annotation):
        for site in splice_sites(transcript):
            known.setdefault((site.chrom, site.strand), set()).add(site.boundary)
    for _, examples in split_of(name):
        at = examples.intervals
        assert at is not None
        for i in np.flatnonzero(examples.targets == 0):
            sites = known.get((at.chrom[i], at.strand[i]), set())
            middle = int(at.start[i]) + WIDTH // 2
            assert not any(middle + d in sites for d in range(-APART + 1, APART)), examples.ids[i]


@dataclass(frozen=True)
class Matrices:
    """One matrix a kind of site, and the score of each example under both."""

    acceptor: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    donor: np.ndarray[tuple[int, int], np.dtype[np.int64]]

    def score(self, examples: Examples, kind: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the score of every window's centre, (n,)."""
        none = np.empty(0, np.int64)
        whole = Gene("", "", "", "+", 0, "".join(examples.inputs.sequences), none, none, none)
        centres = np.arange(len(examples)) * WIDTH + WIDTH // 2
        return score(whole.codes, centres, getattr(self, kind), kind)


def test_one_matrix_does_not_tell_decoys_and_does_not_solve_the_task() -> None:
    train = [gene for gene in human_genes() if in_train(gene)]
    matrices = Matrices(fit_matrix(train, "acceptor"), fit_matrix(train, "donor"))
    test = split_of("human_splice_sites").test
    for kind in ("acceptor", "donor"):
        scores = matrices.score(test, kind)
        sites = test.targets == CLASSES.index(kind)
        middle = np.array(
            [s[198:200] == "AG" if kind == "acceptor" else s[200:202] == "GT" for s in test.inputs.sequences]
        )
        # A donor's decoy may follow an AG by chance, as one in 16 does; it is an easy negative for acceptors.
        decoys = middle & (test.strata["origin"] == "decoy")
        rows = sites | decoys
        assert 0.45 < roc_auc_score(sites[rows], scores[rows]) < 0.70
        rows = sites | (test.targets == 0)
        assert 0.80 < roc_auc_score(sites[rows], scores[rows]) < 0.90


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("human_splice_sites", 0.60),
        ("arabidopsis_splice_sites", 0.55),
        ("arabidopsis_promoters", 0.52),
        ("yeast_coding", 0.80),
    ],
)
def test_gc_content_does_not_solve_it(name: str, most: float) -> None:
    assert 1 - most < gc_auroc(split_of(name).test) < most
    assert len({len(s) for s in split_of(name).test.inputs.sequences}) == 1, "length tells nothing"


def test_transfer_is_asked_on_the_very_windows_of_the_other_tasks() -> None:
    transfer = split_of("splice_transfer")
    species = transfer.test.strata["species"]
    for name, own in (("human", "human_splice_sites"), ("arabidopsis", "arabidopsis_splice_sites")):
        assert set(transfer.test.ids[species == name]) == set(split_of(own).test.ids)
    assert transfer.train.fingerprint == split_of("human_splice_sites").train.fingerprint
    assert set(transfer.valid.strata["species"]) == {"human"}
    genome = read_sequences(DROSOPHILA)
    fly = transfer.test.take(np.flatnonzero(species == "drosophila"))
    assert fly.intervals is not None and set(fly.intervals.chrom) == {"NC_004353.4"}
    assert (windows(genome, fly.intervals) == fly.inputs.sequences).all()


def test_yeast_windows_are_at_introns_of_four_chromosomes() -> None:
    test = split_of("splice_transfer_yeast").test
    yeast = test.take(np.flatnonzero(test.strata["species"] == "yeast"))
    human = test.take(np.flatnonzero(test.strata["species"] == "human"))
    assert human.fingerprint == split_of("human_splice_sites").test.fingerprint
    at = yeast.intervals
    assert at is not None and set(at.chrom) == {"chr04", "chr05", "chr13", "chr14"}
    assert (windows(read_sequences(YEAST), at) == yeast.inputs.sequences).all()
    gaps = {
        (f.contig, start, end)
        for f in read_features(YEAST, ("CDS",))
        for (_, start), (end, _) in itertools.pairwise(sorted(f.parts))
    }
    ends = {(contig, place) for contig, start, end in gaps for place in (start, end)}
    middles = list(zip(at.chrom.tolist(), (at.start + WIDTH // 2).tolist(), strict=True))
    sites = yeast.targets > 0
    assert all((place in ends) == site for place, site in zip(middles, sites.tolist(), strict=True))


def test_promoters_start_where_genes_do_and_their_controls_do_not() -> None:
    tss = np.array(sorted({t.tss for t in annotation_of(ARABIDOPSIS_GENES)}))
    for _, examples in split_of("arabidopsis_promoters"):
        at = examples.intervals
        assert at is not None
        own = np.where(at.strand == "+", at.start + 250, at.start + 49)
        assert np.isin(own[examples.targets == 1], tss).all()
        controls = np.flatnonzero(examples.targets == 0)
        for start, end in zip(at.start[controls], at.end[controls], strict=True):
            assert not ((tss > start - 1000) & (tss < end + 1000)).any()


def test_wt1_variants_are_the_measured_ones() -> None:
    split = split_of("wt1_exon5_splicing")
    assert [sorted(set(e.groups)) for _, e in split] == [["A", "B", "C", "D"], ["E", "F"], ["G", "H", "I", "J"]]
    for _, examples in split:
        inputs = examples.inputs
        assert inputs.alternates is not None and inputs.positions is not None
        for ref, alt, at, n in zip(
            inputs.sequences, inputs.alternates, inputs.positions, examples.strata["substitutions"], strict=True
        ):
            changed = [i for i in range(90) if ref[i] != alt[i]]
            assert changed == list(range(at, at + int(n))) and 23 <= at < 74
        assert len(set(examples.clusters)) == 47
    train = split.train
    # Row 4 of the published table: GT to AA at exon position 2 of background A has relative EI 0.26894.
    assert train.targets[list(train.ids).index("A:G24A+T25A")] == pytest.approx(np.log2(0.2689433624593983), abs=1e-12)


def test_every_task_of_variants_says_which_are_the_more_harmful() -> None:
    """Of one it is not known what its labels 0 and 1 are; the audit says so, and zero-shot scores are not ranked."""
    silent = {t.name for t in TASKS.all().values() if t.variants and t.deleterious is None}
    assert silent == {"variant_benchmark.common_vs_rare"}
    harmful = {t.classes[-1] for t in TASKS.all().values() if t.variants and t.deleterious and t.classes}
    assert harmful == {"pathogenic", "LOF", "causal", "effect"}
