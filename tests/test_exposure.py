"""What is said of a model and a task; and what the shipped models saw touches no test window of any built-in task."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest

from baserate.dna.sequence import reverse_complement
from baserate.dna.taxa import belongs, related, same_species
from baserate.exposure import Exposed, exposure_of
from baserate.models.baserate_mlm import CHECKPOINT
from baserate.networks.families import FAMILIES
from baserate.pretraining.config import read_config
from baserate.pretraining.corpus import Corpus, select
from baserate.registry import MODELS, TASKS, get_model, get_task
from baserate.sources.sequences import read_sequences
from baserate.splits import load_split
from baserate.types import Examples, Exposure, Inputs, Intervals, ModelCard, Split, StrArray, Task, strings

LADDER = sorted((CHECKPOINT.parent.parent / "pretraining").glob("*.toml"))
CONFIGS = [CHECKPOINT / "pretrain.toml", *LADDER]
CORPORA = tuple({(c.fasta, c.include): c for path in CONFIGS for c in read_config(path).corpora}.values())
"""All corpora of the shipped checkpoint and of the ladder, each region once."""
PLACED = [task for task in TASKS.all().values() if task.requires == "data" and not task.variants]
_PLACE = re.compile(r"([^:]+):(\d+)-(\d+)(\([+-]\):.+)?")


@functools.cache
def seen(corpus: Corpus) -> dict[str, str]:
    """Return the corpus's sequences by the region that each is."""
    return select(read_sequences(corpus.fasta), corpus)


def overlapping(examples: Examples, regions: list[tuple[str, int, int]]) -> list[str]:
    """Return the ids of the examples that share a base with a region."""
    at = examples.intervals
    assert at is not None
    touched = np.zeros(len(examples), bool)
    for chrom, start, end in regions:
        touched |= (at.chrom == chrom) & (at.end > start) & (at.start < end)
    return list(examples.ids[touched])


def regions_of(corpus: Corpus) -> list[tuple[str, int, int]]:
    """Return the places of the corpus's sequences; a whole contig is all of its length."""
    places = []
    for name, sequence in seen(corpus).items():
        found = _PLACE.fullmatch(name)
        places.append((found[1], int(found[2]), int(found[3])) if found else (name, 0, len(sequence)))
        assert places[-1][2] - places[-1][1] == len(sequence)
    return places


def test_every_corpus_of_the_ladder_is_checked_here_and_named_alike() -> None:
    assert len(LADDER) == 9
    checked = {c.fasta: c.include for c in CORPORA}
    assert len(checked) == len(CORPORA)
    for path in LADDER:
        for corpus in read_config(path).corpora:
            assert checked[corpus.fasta] == corpus.include
            assert corpus.exposure in {c.exposure for c in CORPORA}


def test_there_is_something_to_check() -> None:
    """The human, Arabidopsis and yeast corpora are of the tasks' own assemblies, and they do hold training windows."""
    own = [c for c in CORPORA if c.level == "train"]
    assert {c.assembly for c in own} == {"hg19", "TAIR10", "R64"}
    for task in PLACED:
        regions = [r for c in own if c.assembly in task.assembly for r in regions_of(c)]
        train = load_split(task).train
        assert len(overlapping(train, regions)) > 0.9 * len(train), task.name


@pytest.mark.parametrize("task", PLACED, ids=lambda task: task.name)
def test_no_test_or_valid_window_was_seen(task) -> None:  # type: ignore[no-untyped-def]
    split = load_split(task)
    regions = [r for c in CORPORA if c.level == "train" and c.assembly in task.assembly for r in regions_of(c)]
    for examples in (split.valid, split.test):
        assert not overlapping(examples, regions)


@pytest.mark.parametrize("task", PLACED, ids=lambda task: task.name)
def test_no_test_sequence_occurs_in_what_was_seen(task) -> None:  # type: ignore[no-untyped-def]
    """By sequence, in case a coordinate is wrong: a sample, on both strands, with training windows as the control."""
    text = "\n".join(s for c in CORPORA if c.level == "train" and c.assembly in task.assembly for s in seen(c).values())
    split = load_split(task)

    def found(examples: Examples) -> int:
        sample = examples.inputs.sequences[:: max(1, len(examples) // 5)]
        return sum(s in text or reverse_complement(s) in text for s in sample)

    assert found(split.train) >= 4
    assert found(split.valid) == found(split.test) == 0


def test_variants_of_wt1_were_not_seen() -> None:
    """WT1 lies on chromosome 11, of which the corpora hold nothing; its exon occurs on neither strand."""
    (task,) = (t for t in TASKS.all().values() if t.name == "wt1_exon5_splicing")
    split = load_split(task)
    exon = {s[33:74] for _, e in split for s in e.inputs.sequences}
    human = [c for c in CORPORA if c.species == "Homo sapiens"]
    assert human and len(exon) == 1
    for sequence in (s for c in human for s in seen(c).values()):
        assert not any(e in sequence or reverse_complement(e) in sequence for e in exon)


def model(*corpora: Exposure) -> ModelCard:
    return ModelCard("m", object, {}, {}, "", str, pretraining=corpora)


def task_of(species: tuple[str, ...] = ("Homo sapiens",), assembly: tuple[str, ...] = ("GRCh38",)) -> Task:
    """Return a task that is known by its name, species and assembly alone; its examples come from `at`."""
    none = lambda *_: None  # noqa: E731
    return Task("t", 1, "classification", (), none, none, "", "", "", "", species, assembly, {})  # type: ignore[arg-type]


def at(*places: str, **strata: list[str]) -> Split:
    """Return a split whose test examples lie at `chr1:100-200`, one each; without places there are four, nowhere."""
    n = len(places) or 4
    ids = strings([str(i) for i in range(n)])
    found = [_PLACE.fullmatch(p) for p in places]
    where = None
    if places:
        chrom, start, end = zip(*((p[1], int(p[2]), int(p[3])) for p in found if p), strict=True)
        where = Intervals(strings(chrom), np.array(start), np.array(end), strings(["+"] * n))
    columns = {name: strings(values) for name, values in strata.items()}
    test = Examples(ids, Inputs(ids), np.zeros(n, np.int64), ids, ids, columns, where)
    nothing = test.take(slice(0, 0))
    return Split(nothing, nothing, test)


HUMAN = Exposure("corpus", "Homo sapiens", "GRCh38", ("*",))


@pytest.mark.parametrize(
    ("regions", "held_out", "assembly", "places", "said"),
    [
        (("*",), (), "GRCh38", ("chr1:100-200", "chrUn_x:0-9"), "exposed: all test examples"),
        (("chr1:0-150",), (), "GRCh38", ("chr1:100-200", "chr1:150-200", "chr2:0-9"), "exposed: 1 of 3"),
        (("chr1:0-150",), (), "hg38", ("1:100-200", "1:150-200"), "exposed: 1 of 2"),
        (("chr1:0-150",), (), "hg19", ("chr1:900-950", "chr2:0-9"), "exposed: 1 of 2 .* by chromosome"),
        (("chr1",), (), "hg19", ("2:0-9",), "clean: no test example"),
        (("chr[12]",), (), "", ("chr02:0-9",), "exposed: all"),
        (("*",), ("chr7", "chr10"), "T2T-CHM13v2.0", ("7:0-9", "10:0-9"), "clean"),
        (("*",), ("chr7",), "T2T-CHM13v2.0", ("chr7:0-9", "chr8:0-9"), "exposed: 1 of 2"),
        (("*",), ("chr7:0-100",), "hg38", ("chr7:0-100", "chr7:90-101"), "exposed: 1 of 2"),
        (("*",), ("chr7:0-100",), "hg19", ("chr7:0-100",), "exposed: all"),
        (("chr1:0-150",), (), "GRCh38", ("NC_000001.11:0-9",), "unknown: .* not named as the task's"),
        (("*",), ("chr7",), "GRCh38", ("NC_000007.14:0-9",), "unknown: .* not named as the task's"),
        (("chr1",), (), "GRCh38", (), "unknown: .* does not say where its examples lie"),
        (("*",), (), "GRCh38", (), "exposed: all"),
        ((), (), "GRCh38", ("chr1:0-9",), "unknown: .* not said which regions"),
        (("chr1:5M-6M",), (), "GRCh38", ("chr1:5500000-5500100",), "unknown"),
        (("*",), ("chr1:5M-6M",), "GRCh38", ("chr1:5500000-5500100",), "exposed"),
    ],
)  # fmt: skip
def test_regions_are_compared_as_far_as_names_and_assemblies_allow(
    regions: tuple[str, ...], held_out: tuple[str, ...], assembly: str, places: tuple[str, ...], said: str
) -> None:
    card = model(Exposure("corpus", "Homo sapiens", assembly, regions, held_out=held_out))
    found = exposure_of(card, task_of(), at(*places))
    assert re.match(said, f"{found.status}: {found.reason}"), found


def test_a_column_of_chromosomes_serves_where_there_are_no_intervals() -> None:
    card = model(Exposure("corpus", "human", "hg19", ("chr1:5-9", "chr2")))
    assert exposure_of(card, task_of(), at(chromosome=["3", "X", "4", "5"])).status == "clean"
    assert "2 of 4" in exposure_of(card, task_of(), at(chromosome=["1", "2", "X", "MT"])).reason


def test_each_species_of_a_task_is_asked_for_its_own_examples() -> None:
    task = task_of(("Homo sapiens", "Drosophila melanogaster"), ("hg19", "Release 6"))
    split = at("chr4:0-9", "chr4:0-9", "chr4:20-29", species=["human", "fly", "drosophila"])
    fly = model(Exposure("fly", "Drosophila melanogaster", "dm6", ("chr4:0-9",)))
    assert exposure_of(fly, task, split) == Exposed(
        "exposed", "1 of 3 test examples lie in fly (Drosophila melanogaster)"
    )
    assert "1 of 3" in exposure_of(model(HUMAN), task, split).reason
    blind = at("chr4:0-9", "chr4:0-9")
    assert "all" in exposure_of(model(HUMAN), task, blind).reason, "any example may be of any species"


def test_what_is_not_pretrained_is_clean_and_what_is_not_said_is_unknown() -> None:
    assert exposure_of(get_model("cnn"), task_of(), at()) == Exposed("clean", "not pretrained")
    assert exposure_of(get_model("baserate_mlm_random"), task_of(), at()).reason == "not pretrained"
    assert exposure_of(model(), task_of(), at(), mode="from_scratch").status == "clean"
    assert exposure_of(model(), task_of(), at(), mode="linear_probe").status == "unknown"
    assert exposure_of(model(HUMAN), task_of(()), at()).status == "unknown"
    assert exposure_of(get_model("maxentscan"), task_of(), at()).status == "unknown", "its tables are of human sites"


def test_labels_of_the_task_or_its_benchmark_are_exposure_wherever_the_examples_lie() -> None:
    for corpus in ("t", "t@1", "[st]"):
        found = exposure_of(model(Exposure(corpus, "Mus musculus", "", ("*",))), task_of(), at("chr1:0-9"))
        assert found == Exposed("exposed", f"trained on the labels of {corpus}")


def test_a_variant_of_a_task_has_the_labels_of_the_task() -> None:
    card = model(Exposure("t", "Mus musculus", "", ("*",)))
    for name in ("t(shots=4)", "t.small"):
        found = exposure_of(card, replace(task_of(), name=name), at("chr1:0-9"))
        assert found == Exposed("exposed", "trained on the labels of t")


def test_relatives_of_one_task_are_the_species_of_another() -> None:
    card = model(Exposure("A. lyrata", "Arabidopsis lyrata", "", ("*",), level="homologous"))
    assert exposure_of(card, task_of(("Arabidopsis lyrata",)), at("chr1:0-9")).status == "exposed"
    assert exposure_of(card, task_of(("Arabidopsis thaliana",)), at("chr1:0-9")).status == "clean"


@pytest.mark.parametrize(
    ("corpus", "species", "held"),
    [
        ("Homo sapiens", "human", True),
        ("plants", "Homo sapiens", False),
        ("16 angiosperms", "Arabidopsis thaliana", None),
        ("Brassicales", "Oryza sativa", False),
        ("eukaryotes", "Escherichia coli", False),
        ("prokaryotes and phages", "Saccharomyces cerevisiae", False),
        ("443 vertebrates", "Drosophila melanogaster", False),
        ("443 vertebrates", "mouse", None),
        ("all domains of life", "human", None),
        ("many species", "human", None),
        ("metagenomic", "human", None),
        ("yeasts", "yeast", None),
        ("eukaryotes", "Quercus robur", None),
        ("Mus musculus", "Quercus robur", False),
        ("all domains of life", "synthetic construct", False),
        ("Homo sapiens", "many species", None),
        ("Homo sapiens", "eukaryotes", None),
        ("human genome", "Homo sapiens", None),
        ("great apes", "Homo sapiens", None),
        ("Model organisms", "mouse", None),
        ("human and mouse", "Homo sapiens", True),
        ("rice, maize", "Homo sapiens", False),
        ("fungi and bacteria", "Escherichia coli", None),
        ("Saccharomyces cerevisiae S288C", "yeast", True),
        ("Oryza sativa", "Oryza sativa japonica", True),
        ("Arabidopsis lyrata", "Arabidopsis thaliana", False),
        ("bacteriophages", "Escherichia coli", None),
        ("microbial species", "SARS-CoV-2", None),
    ],
)
def test_who_may_be_in_a_corpus(corpus: str, species: str, held: bool | None) -> None:
    assert same_species(corpus, species) is held


def test_relatives_are_of_one_genus_or_of_the_narrowest_group() -> None:
    assert related("Arabidopsis lyrata", "Arabidopsis thaliana") and related("mouse", "human")
    assert not related("Homo sapiens", "human") and not related("Drosophila melanogaster", "human")
    assert not related("16 angiosperms", "Arabidopsis thaliana"), "that is unknown, not related"
    assert belongs("arabidopsis", "Arabidopsis thaliana") and belongs("plants", "Oryza sativa")
    assert not belongs("plants", "human") and not belongs("oryza_indica", "Oryza sativa japonica")
    assert belongs("oryza_indica", "Oryza sativa indica")
    found = exposure_of(model(Exposure("mouse genome", "Mus musculus", "mm10", ("*",))), task_of(), at("chr1:0-9"))
    assert found.status == "clean" and found.reason.endswith("it holds relatives: Mus musculus")


def test_groups_that_a_corpus_of_many_left_out() -> None:
    (nt,) = (c for f in FAMILIES.all().values() for c in f.checkpoints if c.id.endswith("v2-50m-multi-species"))
    card = model(*nt.pretraining)
    assert exposure_of(card, task_of(("Arabidopsis thaliana",)), at("1:0-9")).status == "clean"
    assert exposure_of(card, task_of(("Homo sapiens",)), at("1:0-9")).status == "unknown"


@pytest.mark.parametrize("task", PLACED, ids=lambda task: task.name)
def test_what_the_card_of_the_shipped_model_says_agrees_with_what_its_corpora_hold(task: Task) -> None:
    found = exposure_of(get_model("baserate_mlm"), task, load_split(task))
    assert found.status == "clean", found
    assert ("Arabidopsis lyrata" in found.reason) == ("Arabidopsis thaliana" in task.species)


def test_every_card_gives_an_answer_for_every_task(fetched: Callable[[], AbstractContextManager[None]]) -> None:
    """GENA-LM left two chromosomes out; the other facts are as the cards have them."""
    task = get_task("kircher_satmut")
    with fetched():
        split = load_split(task)
    listed = {
        c.id: exposure_of(model(*c.pretraining), task, split) for f in FAMILIES.all().values() for c in f.checkpoints
    }
    chrom: StrArray = split.test.intervals.chrom  # type: ignore[union-attr]
    spared = int(np.isin(chrom.astype(str), ["chr22", "chrY"]).sum())
    assert f"{len(chrom) - spared} of {len(chrom)}" in listed["AIRI-Institute/gena-lm-bert-base"].reason
    assert listed["zhihan1996/DNABERT-2-117M"].status == "exposed"
    assert listed["kuleshov-group/PlantCaduceus_l20"].status == "clean"
    assert {found.status for found in listed.values()} == {"clean", "exposed", "unknown"}
    assert all(found.reason and "{" not in found.reason for found in listed.values())
    assert all(exposure_of(c, task, split).reason for c in MODELS.all().values())
