"""What the shipped model saw in pretraining touches no test or validation window of any built-in task."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from baserate.models.baserate_mlm import CHECKPOINT
from baserate.pretrain_config import read_config
from baserate.registry import TASKS
from baserate.sources.corpus import Corpus, select
from baserate.sources.sequences import read_sequences, reverse_complement
from baserate.splits import load_split
from baserate.types import Examples

CORPORA = read_config(CHECKPOINT / "pretrain.toml").corpora
PLACED = [task for task in TASKS.all().values() if not task.variants]
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
