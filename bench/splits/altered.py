"""Splits whose inputs are altered: cut to a window, repeated in test with errors and shifts, or with an artefact."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..digests import digest
from ..dna.sequence import reverse_complement
from ..errors import ConfigError, DataError, nearest
from ..results import CLEAN, INPUT, PERTURBED, STATE
from ..sources import concatenate
from ..types import Examples, Intervals, Split, Task, strings

ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
"""The start of the adapter that ends reads longer than their fragment (Illumina TruSeq)."""
ARTEFACT_BP = 20
"""How much of it is the artefact of a batch."""

Rng = np.random.Generator
Change = Callable[[str, float, Rng], str]


@dataclass(frozen=True)
class window:
    """Cuts the sequences of all parts to the `bp` bases about their middle; base `len // 2` is base `bp // 2` then.

    In a task of bases it is the base in question, or the middle of the bin, about which they are cut. What a sequence
    lacks on one side stays away, and one that is shorter stays as it is.
    """

    bp: int

    def __call__(self, split: Split) -> Split:
        """Return the split with windows. Raises DataError where no sequence is longer, or a bin is."""
        if self.bp < split.test.inputs.span:
            raise DataError(f"window = {self.bp}: a bin has {split.test.inputs.span} bp")
        longest = max((len(s) for _, examples in split for s in examples.inputs.sequences), default=0)
        if longest < self.bp:
            raise DataError(f"window = {self.bp}: the longest sequence has {longest} bp")
        parts = (self._cut(examples) for _, examples in split)
        return Split(*parts, dropped=split.dropped, left_out=split.left_out)

    def _cut(self, examples: Examples) -> Examples:
        sequences, positions = list(examples.inputs.sequences), examples.inputs.positions
        middles = np.array([len(s) // 2 for s in sequences], np.int64)
        if positions is not None:
            middles = positions + examples.inputs.span // 2
        first = middles - self.bp // 2
        starts = np.maximum(first, 0)
        cut = [s[start:end] for s, start, end in zip(sequences, starts, first + self.bp, strict=True)]
        positions = None if positions is None else positions - starts
        at = examples.intervals
        if at is not None:
            lengths = np.array([len(s) for s in cut], np.int64)
            whole = np.array([len(s) for s in sequences], np.int64)
            left = np.where(at.strand == "-", whole - starts - lengths, starts)
            exact = at.end - at.start == whole  # one of another length, such as of a transcript, stays
            start = np.where(exact, at.start + left, at.start)
            at = Intervals(at.chrom, start, np.where(exact, start + lengths, at.end), at.strand)
        inputs = replace(examples.inputs, sequences=strings(cut), positions=positions)
        return replace(examples, inputs=inputs, intervals=at, soft_masked=None)


@dataclass(frozen=True)
class confounded:
    """Puts an artefact of a batch into train and valid, which goes with the label; test is without it.

    The artefact, 20 bp of a sequencing adapter at the end, is in a share `share` of the examples of all classes but the
    first, and in the rest, 1 - `share`, of the first: at .5 it says nothing, at 1 it tells the first class from the
    others. Which examples have it depends on their ids alone: those of the other classes that have it at .7 have it at
    .9.
    """

    share: float

    def __call__(self, split: Split) -> Split:
        """Return the split whose train and valid have the artefact."""
        train, valid = map(self._with_artefact, (split.train, split.valid))
        return Split(train, valid, split.test, dropped=split.dropped, left_out=split.left_out)

    def _with_artefact(self, examples: Examples) -> Examples:
        sequences = list(examples.inputs.sequences)
        for i, (name, target) in enumerate(zip(examples.ids, examples.targets.tolist(), strict=True)):
            drawn = np.random.default_rng(int(digest("batch", str(name)), 16)).random()
            if drawn < (self.share if target else 1 - self.share):
                sequences[i] = _with_adapter(sequences[i], ARTEFACT_BP)
        return replace(examples, inputs=replace(examples.inputs, sequences=strings(sequences)), soft_masked=None)


@dataclass(frozen=True)
class perturbed:
    """Repeats the test examples once for each of `names`, altered so, after the examples as they are.

    The strata `input` and `state` say which is which, and a repeated example has its own id but the group and cluster
    of the first, so that a difference between two strata is paired. What is drawn depends on id and name alone. Train
    and valid stay as they are.
    """

    names: tuple[str, ...]

    def __call__(self, split: Split) -> Split:
        """Return the split whose test part is repeated."""
        train, valid = (_named(examples, CLEAN) for examples in (split.train, split.valid))
        test = concatenate([_named(split.test, CLEAN), *(_changed(split.test, name) for name in self.names)])
        return Split(train, valid, test, dropped=split.dropped, left_out=split.left_out)


def unperturbed(task: Task, split: Split) -> tuple[Task, Split]:
    """Return a task and its split without the perturbed copies of test examples, scored by the metric of the others."""
    if not isinstance(task.alter, perturbed):
        return task, split
    rows = np.flatnonzero(split.test.strata[STATE] == CLEAN)
    metrics = (task.metrics[0].partition(":")[0],)
    clean = Split(split.train, split.valid, split.test.take(rows), dropped=split.dropped, left_out=split.left_out)
    return replace(task, alter=None, metrics=metrics), clean


def _named(examples: Examples, name: str) -> Examples:
    state = CLEAN if name == CLEAN else PERTURBED
    columns = {column: strings([value] * len(examples)) for column, value in ((INPUT, name), (STATE, state))}
    return replace(examples, strata={**examples.strata, **columns})


def _changed(examples: Examples, name: str) -> Examples:
    change, value = parse_change(name)
    sequences = [
        change(sequence, value, np.random.default_rng(int(digest("perturbed", name, str(i)), 16)))
        for i, sequence in zip(examples.ids, examples.inputs.sequences, strict=True)
    ]
    inputs = replace(examples.inputs, sequences=strings(sequences))
    ids = strings([f"{i} · {name}" for i in examples.ids])
    return replace(_named(examples, name), ids=ids, inputs=inputs)


def parse_change(name: str) -> tuple[Change, float]:
    """Return the change that NAME or NAME_VALUE stands for, and its value. Raises ConfigError for anything else."""
    kind, value = name, ""
    if found := re.fullmatch(r"(.+?)_(\d+(?:\.\d+)?)", name):
        kind, value = found[1], found[2]
    if kind not in CHANGES:
        near = nearest(kind, CHANGES)
        advice = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(CHANGES)}, {', '.join(SETS)}"
        raise ConfigError(f"perturb: {name!r} is unknown; {advice}")
    change, unit = CHANGES[kind]
    example = {"": kind, "share": f"{kind}_0.01", "bp": f"{kind}_20"}[unit]
    number = float(value or 0)
    fits = {"": not value, "share": 0 < number < 1, "bp": number >= 1 and number == int(number)}[unit]
    if not fits:
        what = {"": "it takes no value", "share": "a share between 0 and 1", "bp": "a whole number of bp from 1"}[unit]
        raise ConfigError(f"perturb: {name!r}; expected {example!r}: {what}")
    return change, number


def changes_from(value: object) -> tuple[str, ...]:
    """Return the names of changes in a text with commas or a list; a name of `SETS` stands for several.

    Raises ConfigError for an unknown one.
    """
    given: Sequence[object] = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple) else ()
    names = [name for each in given for name in SETS.get(str(each).strip(), (str(each).strip(),))]
    if not names:
        raise ConfigError(f"perturb = {value!r}; expected names of changes, such as 'standard' or 'shift_20,n_run_20'")
    for name in names:
        parse_change(name)
    return tuple(dict.fromkeys(names))


def _errors(sequence: str, rng: Rng, *, substituted: float = 0, inserted: float = 0, deleted: float = 0) -> str:
    """Return the sequence with errors at these rates a base, of the length that it had.

    What insertions push out at the end is cut off, and what deletions lack there is filled.
    """
    draws = rng.random((3, len(sequence)))
    out = []
    for i, base in enumerate(sequence):
        if draws[0, i] < inserted:
            out.append("ACGT"[rng.integers(4)])
        if draws[1, i] < deleted:
            continue
        others = [other for other in "ACGT" if other != base]
        out.append(others[rng.integers(len(others))] if draws[2, i] < substituted else base)
    text = "".join(out)[: len(sequence)]
    return text + _filling(len(sequence) - len(text), sequence, rng)


def _filling(n: int, sequence: str, rng: Rng) -> str:
    """Return `n` random bases of the composition of a sequence: what lies beyond it is not known."""
    letters = list(sequence)
    return "".join(letters[i] for i in rng.integers(len(letters), size=n)) if letters else ""


def _n_run(sequence: str, bp: float, rng: Rng) -> str:
    n = min(int(bp), len(sequence))
    start = int(rng.integers(len(sequence) - n + 1))
    return sequence[:start] + "N" * n + sequence[start + n :]


def _shifted(sequence: str, bp: float, rng: Rng) -> str:
    """Return the sequence with everything `bp` bases further right or left, each half of the time."""
    n = min(int(bp), len(sequence))
    filling = _filling(n, sequence, rng)
    return filling + sequence[: len(sequence) - n] if rng.random() < 0.5 else sequence[n:] + filling


def _with_adapter(sequence: str, bp: int) -> str:
    n = min(bp, len(sequence), len(ADAPTER))
    return sequence[: len(sequence) - n] + ADAPTER[:n]


CHANGES: Mapping[str, tuple[Change, str]] = {
    "substitutions": (lambda s, rate, rng: _errors(s, rng, substituted=rate), "share"),
    "insertions": (lambda s, rate, rng: _errors(s, rng, inserted=rate), "share"),
    "deletions": (lambda s, rate, rng: _errors(s, rng, deleted=rate), "share"),
    # .21 % substitutions a base in first reads, and indels of a few in a million, which are left out: Schirmer et al.
    # 2016, BMC Bioinformatics 17:125.
    "short_reads": (lambda s, _, rng: _errors(s, rng, substituted=0.0021), ""),
    # 6 % errors in all: Delahaye & Nicolas 2021, PLoS One 16:e0257521. Equal thirds are a simplification of ours.
    "long_reads": (lambda s, _, rng: _errors(s, rng, substituted=0.02, inserted=0.02, deleted=0.02), ""),
    "n_run": (_n_run, "bp"),
    "lower_case": (lambda s, _, rng: s.lower(), ""),
    "other_strand": (lambda s, _, rng: reverse_complement(s), ""),
    "shift": (_shifted, "bp"),
    "adapter": (lambda s, bp, _: _with_adapter(s, int(bp)), "bp"),
}
"""What may be done to an input, and the unit of its value: a share of bases, bp, or '' for none."""

SETS: Mapping[str, tuple[str, ...]] = {
    "reads": ("short_reads", "long_reads"),
    "errors": tuple(f"{kind}_{rate}" for kind in ("substitutions", "insertions", "deletions") for rate in (0.01, 0.05)),
    "shifts": ("shift_1", "shift_3", "shift_10", "shift_30", "shift_100"),
    "standard": (
        "short_reads",
        "long_reads",
        "substitutions_0.01",
        "insertions_0.01",
        "deletions_0.01",
        "n_run_20",
        "lower_case",
        "other_strand",
        "shift_10",
        "shift_100",
        "adapter_20",
    ),
}
"""Changes that go together, by one name."""
