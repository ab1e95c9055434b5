"""The values that all other modules share. They are frozen; nothing here reads a file or imports a heavy library."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .digests import digest
from .errors import DataError
from .frames import examples_frame
from .text import Strings as Strings
from .text import distinct, hash_column

if TYPE_CHECKING:
    from pandas import DataFrame

StrArray = NDArray[np.object_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")
Kind = Literal["classification", "multilabel", "regression", "paired", "generation"]
"""What is predicted: a class, several labels, one or more measurements, which of two sequences is the real one, or the
bases that follow a sequence."""
Transform = Literal["none", "log", "rank"]
"""What models learn in place of measurements; see `transforms`."""


def strings(values: Sequence[str] | NDArray[Any]) -> StrArray:
    """Return a (n,) object array of str, the form of every column of text."""
    out = np.empty(len(values), dtype=object)
    out[:] = [str(v) for v in values]
    return out


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that a model may see: no target, no group, no name.

    `sequences` (n,) are upper-case IUPAC DNA, an object array of str or a `Text` that may lie on disk; for a variant
    task they are the REF windows, `alternates` (n,) the ALT windows and `positions` (n,) the 0-based offset of the
    first base that differs. For a paired task `sequences` are real and `alternates` perturbed. For a per-base task
    `positions` is the base to predict, or the first of the `span` bases of a bin, and there are no `alternates`.
    """

    sequences: Strings
    alternates: Strings | None = None
    positions: IntArray | None = None
    span: int = 1

    def __post_init__(self) -> None:
        for name in ("sequences", "alternates"):
            if isinstance(values := getattr(self, name), (list, tuple)):
                object.__setattr__(self, name, strings(values))

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def per_base(self) -> bool:
        """Whether an example is a base, or a bin, of its sequence."""
        return self.positions is not None and self.alternates is None

    def take(self, index: IntArray | slice) -> Inputs:
        """Return the inputs at `index`."""
        return Inputs(
            self.sequences[index],
            None if self.alternates is None else self.alternates[index],
            None if self.positions is None else self.positions[index],
            self.span,
        )


@dataclass(frozen=True, eq=False)
class Intervals:
    """Where each example lies: `chrom` (n,), 0-based half-open `start` and `end` (n,), `strand` (n,) of '+' or '-'."""

    chrom: StrArray
    start: IntArray
    end: IntArray
    strand: StrArray

    def take(self, index: IntArray | slice) -> Intervals:
        """Return the intervals at `index`."""
        return Intervals(self.chrom[index], self.start[index], self.end[index], self.strand[index])


@dataclass(frozen=True, eq=False)
class Examples:
    """Columns of one length.

    `targets` are class indices (n,) int64, labels (n, k) int64 of 0 and 1, measurements (n,) or (n, k) float64, or for
    generation the next bases (n, k) as int64 indices into ACGT. `groups` must not straddle a split; `clusters`
    are what intervals sample (dependent examples must share one); `strata` are named columns of text
    to report by. `soft_masked` (n,) is the share of a sequence's letters that its source writes in lower case, None
    if the source has none; models do not see it. `left_out` counts the rows of the source that are no example of their
    own, by the reason, in words that follow a number: {'without a target': 3}; examples that are taken have none.
    Raises DataError where lengths differ or an id occurs twice.
    """

    ids: StrArray
    inputs: Inputs
    targets: NDArray[Any]
    groups: StrArray
    clusters: StrArray
    strata: Mapping[str, StrArray] = field(default_factory=dict)
    intervals: Intervals | None = None
    soft_masked: FloatArray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        lengths = {"inputs": len(self.inputs), "targets": len(self.targets), "groups": len(self.groups)}
        lengths |= {"clusters": len(self.clusters)} | {name: len(column) for name, column in self.strata.items()}
        if self.soft_masked is not None:
            lengths["soft_masked"] = len(self.soft_masked)
        for name, length in lengths.items():
            if length != n:
                raise DataError(f"column {name!r} has {length} rows where ids has {n}")
        if len(set(self.ids)) != n:
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise DataError(f"id {twice!r} occurs more than once; ids must be unique")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: IntArray | slice) -> Examples:
        """Return the examples at `index`, in that order."""
        return Examples(
            self.ids[index],
            self.inputs.take(index),
            self.targets[index],
            self.groups[index],
            self.clusters[index],
            {name: column[index] for name, column in self.strata.items()},
            None if self.intervals is None else self.intervals.take(index),
            None if self.soft_masked is None else self.soft_masked[index],
        )

    def to_frame(self) -> DataFrame:
        """Return the examples as a tidy pandas table, a row each; see `frames.examples_frame`."""
        return examples_frame(self)

    @property
    def fingerprint(self) -> str:
        """The digest of everything a result can depend on: ids, inputs, targets, groups, clusters and strata.

        For per-base tasks it includes positions, and a sequence shared by many examples is read once.
        """
        inputs = self.inputs
        columns: list[Strings] = [self.ids, inputs.sequences, self.groups, self.clusters]
        numbers: list[NDArray[Any]] = [self.targets]
        if inputs.alternates is not None:
            columns.append(inputs.alternates)
        elif inputs.positions is not None:
            columns[1], which = distinct(inputs.sequences)
            numbers += [which, inputs.positions, np.array([inputs.span])]
        columns += [self.strata[name] for name in sorted(self.strata)]
        hasher = hashlib.blake2b(digest_size=8)
        for column in columns:
            hash_column(hasher, column)
        for values in numbers:
            data = np.ascontiguousarray(values).tobytes()
            hasher.update(len(data).to_bytes(8, "little"))
            hasher.update(data)
        return hasher.hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """Train, valid and test examples of a task; `train` and `valid` are empty where a task is zero-shot only.

    `dropped` is how many examples the split rule leaves out, such as those in a gap between two parts; `left_out` are
    the rows that the source left out before, by the reason, as in `Examples`.
    """

    train: Examples
    valid: Examples
    test: Examples
    dropped: int = field(default=0, kw_only=True)
    left_out: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def __iter__(self) -> Iterator[tuple[Part, Examples]]:
        yield from (("train", self.train), ("valid", self.valid), ("test", self.test))

    @property
    def omissions(self) -> str:
        """The rows that are no example of a part, in words, as check, audit and cards say it; '' for none.

        Such as '5 rows of the source left out (5 without a target); 2 rows in no part of the split'.
        """
        n = sum(self.left_out.values())
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())
        source = f"{n:,} {'row' if n == 1 else 'rows'} of the source left out ({reasons})" if n else ""
        dropped = f"{self.dropped:,} {'row' if self.dropped == 1 else 'rows'} in no part of the split"
        return "; ".join(filter(None, (source, dropped if self.dropped else "")))

    @functools.cached_property
    def data_fingerprint(self) -> str:
        """The digest of the examples of all parts."""
        return digest(*(examples.fingerprint for _, examples in self))

    @functools.cached_property
    def fingerprint(self) -> str:
        """The digest of which examples are in which part."""
        return digest(*("\n".join([part, *examples.ids]) for part, examples in self))


@dataclass(frozen=True)
class Subset:
    """A fixed, seeded subset of a task, with a name of its own: `<task>.small@<version>`.

    Classes keep their proportions; where `balance` names a stratum, its values have equal shares.
    """

    train: int
    valid: int
    test: int
    seed: int = 0
    balance: str = ""


SplitRule = Callable[[Examples], StrArray]
"""Gives each example 'train', 'valid', 'test', or '' where it is dropped (in a gap between parts)."""


@dataclass(frozen=True)
class Task:
    """A task: where its examples come from, how they are split, and its metrics (the first is primary).

    `source()` returns the examples of all parts; it is slow, so its result is cached under the content of `files`.
    A corrected task is a new version, and the old one names it in `superseded_by`; a version is never edited.
    `classes` names the classes, the labels, or the outputs of a regression with several. `per_base` says that an
    example is a base or a bin of its sequence. `published` is the metric that the task's own benchmark reports, one of
    `metrics`; `origin` says where the data come from, with the pinned revision, and `loaded` which data the
    loader has been tested on.
    `deleterious` says whether a higher target, or the last class, is the more harmful variant: zero-shot scores, which
    are ALT over REF, are then negated. None says nothing, and such scores may be mirrored. `zero_shot` names the rules
    by which a task without variants may be scored without training, such as 'likelihood' or 'centroid'; the first is
    the default. `transform` is what whatever trains learns in place of the measurements of a regression: their 'log' or
    their 'rank' in train. Predictions are on the measured scale all the same. `shots` is the number of training
    examples of each class where it is not all of them, 0 where it is, `window` the bp of each input where it is cut,
    and `batch` how strongly an artefact in training goes with the label, from .5, where there is one. `alter` changes
    a split when it is loaded: it cuts inputs, repeats test with perturbed ones, or adds the artefact. `whole` is the id
    of the task with all examples, and with inputs as they are.
    `unit` says what a cluster is, such as 'gene': intervals are about other units of the kind. `coarser` is a stratum,
    or 'chromosome', whose values are units too, of which intervals stand beside; clusters that are in one of them are
    never parted. `fixed` names what was chosen, of which intervals promise nothing, such as 'the species'. `margin` is
    the difference in the primary metric that counts as none, where the card says.
    """

    name: str
    version: int
    kind: Kind
    metrics: tuple[str, ...]
    source: Callable[[], Examples]
    split: SplitRule
    description: str
    split_rule: str
    citation: str
    licence: str
    species: tuple[str, ...]
    assembly: tuple[str, ...]
    sizes: Mapping[str, int]
    classes: tuple[str, ...] = ()
    variants: bool = False
    per_base: bool = False
    published: str = ""
    origin: str = ""
    loaded: str = ""
    deleterious: bool | None = None
    zero_shot: tuple[str, ...] = ()
    transform: Transform = "none"
    files: tuple[str, ...] = ()
    requires: str = ""
    small: Subset | None = None
    subset: Subset | None = None
    superseded_by: str = ""
    shots: int = 0
    whole: str = ""
    window: int = 0
    batch: float = 0.0
    alter: Callable[[Split], Split] | None = None
    unit: str = ""
    coarser: str = ""
    fixed: str = ""
    margin: float | None = None

    @property
    def id(self) -> str:
        """`name@version`, which identifies the task in records and leaderboards."""
        return f"{self.name}@{self.version}"

    @property
    def trainable(self) -> bool:
        """Whether there is a training part; a task may be for zero-shot use only."""
        return self.sizes.get("train", 1) > 0

    @property
    def lacks_direction(self) -> bool:
        """Whether the task is one of variants and does not say which of them are the more harmful."""
        return self.variants and self.deleterious is None and len(self.classes) <= 2

    def small_variant(self) -> Task:
        """Return the task's `small` subset as a task of its own. Raises DataError where none is declared."""
        if self.small is None:
            raise DataError(f"task {self.name!r} declares no small variant")
        s = self.small
        return replace(
            self,
            name=f"{self.name}.small",
            sizes={"train": s.train, "valid": s.valid, "test": s.test},
            small=None,
            subset=s,
        )


@dataclass(frozen=True)
class Exposure:
    """DNA seen in pretraining.

    `corpus` is its name, or that of tasks whose labels were seen. `species` is its scientific name, or the group of a
    corpus of several. `assembly` is that of the coordinates in the regions. `regions` are contigs, a glob for several
    ('*' for all), or ranges NAME:START-END, in bp from 0 and without the end. `held_out` are regions that were left
    out, or groups of species. `level` is 'train' (those regions) or 'homologous' (relatives of a test region).
    """

    corpus: str
    species: str
    assembly: str = ""
    regions: tuple[str, ...] = ("*",)
    level: Literal["train", "homologous"] = "train"
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """Where a checkpoint is in its pretraining, whose other checkpoints have the same `name` and `config`.

    `bases` is how many it had seen, repeats counted, and `operations` what that cost, 0 where it is not known. `config`
    is the digest of the training's configuration, '' where there is none.
    """

    name: str
    bases: int
    operations: float = 0.0
    config: str = ""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without loading it. `load(**params)` imports heavy packages and returns the model.

    `modes` maps each mode that the model supports to the settings that differ from the defaults; `settings` are, by
    mode, the tables (`settings.Setting`) of what the model's own methods take; `search` is where the trials of a
    tuning budget draw values of `params` (`settings.Search`). `later` are the params that earlier versions of baserate
    did not have, each with the value at which results are what they were: at it, it is no part of a run's identity.
    `revision()` identifies the weights without importing torch. `twin_of` names the model whose network this is with
    random weights, `twin()` makes that card where none is registered; `remote_code` is the revision whose custom code
    the user allowed to run, '' for none; `place` is the end of the path of its folder or file. `training` says how far
    its pretraining was.
    """

    name: str
    load: Callable[..., Any]
    modes: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    description: str
    revision: Callable[..., str]
    variants: bool | None = None
    parameters: int | None = None
    context: int | None = None
    tokenizer: str = ""
    pretraining: tuple[Exposure, ...] = ()
    training: Training | None = None
    licence: str = ""
    citation: str = ""
    requires: str = ""
    family: str = ""
    twin_of: str = ""
    twin: Callable[[], Any] | None = None
    remote_code: str = ""
    place: str = ""
    baseline: bool = False
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    later: Mapping[str, Any] = field(default_factory=dict)
