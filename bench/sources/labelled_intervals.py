"""Labelled intervals of a genome, from BED files and tables: one label for each interval, or for each base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ..errors import ConfigError, DataError
from ..types import Examples, Inputs, Intervals, strings
from .bases import Bins, label_rows, per_base_examples
from .bed import check_base, joined, read_places, table_columns
from .ids import distinct_ids
from .intervals import EDGES, Edge, check_locus, loci, read_genome, stretches, windows
from .replicates import Replicates, replicated
from .source import Check, Source
from .tables import require_column
from .targets import WITHOUT, parse_targets, with_target


@dataclass(frozen=True, kw_only=True)
class Bed(Source):
    """One example for each interval of BED, GFF or a table, or with `span` for each bin of that many bases.

    `target` is the column of the class, the labels or the measurement: by default 'label', else column 4; a list of
    labels or measurements may be in brackets. With `drop_missing` rows without one ('.', empty, NA; infinite ones too
    of measurements) are left out, and `replicates` are those of `Columns`, where an interval has several rows.
    `targets` is instead a table with the same rows, whose columns are all measurements. `width` re-centres every window
    to that many bp; with `edge` = 'pad' bases outside the contig are N. `chrom`, `start`, `end` and `position_base` are
    those of `read_places`; with `stranded` = false all windows are on the '+' strand. `group` and `cluster` may be
    several columns; without them overlapping intervals share a group. With `locus`, in place of `cluster`, the clusters
    are stretches of the contig of that many bp. With `span`, `labels` may name an HDF5 file, and
    `train_ratio` and `seed` are those of `Bins`. `sheet` names the sheet of a spreadsheet, whose first is read
    otherwise.
    """

    FILES: ClassVar[tuple[str, ...]] = ("genome", "bed", "labels", "targets")

    genome: str = field(kw_only=False)
    bed: str = field(kw_only=False)
    target: str | tuple[str, ...] = ""
    width: int = 0
    strata: tuple[str, ...] = ()
    group: str | tuple[str, ...] = ""
    cluster: str | tuple[str, ...] = ""
    locus: int = 0
    chrom: str = ""
    start: str = ""
    end: str = ""
    position_base: int = 0
    stranded: bool = True
    edge: Edge = "refuse"
    drop_missing: bool = False
    replicates: Replicates = ""
    targets: str = ""
    sheet: str = ""
    span: int = 0
    labels: str = ""
    train_ratio: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_locus(self.cluster, self.locus)

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples. Raises DataError, naming the file and row, for anything that cannot be used."""
        if self.edge not in EDGES:
            raise ConfigError(f"edge = {self.edge!r}; expected one of {', '.join(EDGES)}")
        check_base(self.bed, self.position_base)
        columns = table_columns(self.bed, sheet=self.sheet)
        at = self._places(columns)
        measured, target = self._measured(columns, len(at.chrom))
        for name in self.strata:
            require_column(columns, name, self.bed)
        sequences = windows(read_genome(self.genome), at, source=self.bed, edge=self.edge)
        groups = strings(joined(columns, self.group, self.bed)) if self.group else loci(at)
        clusters = strings(joined(columns, self.cluster, self.bed)) if self.cluster else groups
        whole = Examples(
            ids=distinct_ids(
                [f"{c}:{s}-{e}({d})" for c, s, e, d in zip(at.chrom, at.start, at.end, at.strand, strict=True)]
            ),
            inputs=Inputs(sequences),
            targets=np.zeros(len(at.chrom)),
            groups=groups,
            clusters=stretches(at, self.locus) if self.locus else clusters,
            strata={name: strings(columns[name]) for name in self.strata},
            intervals=at,
        )
        examples = self._of_bases(whole, columns, target) if self.span else self._labelled(whole, measured, target)
        examples = replicated(examples, self.replicates, kind=self.kind, where=self.bed)
        if check:
            check(examples)
        return examples

    def _places(self, columns: Mapping[str, Sequence[str]]) -> Intervals:
        """Return the window of each row, which may extend beyond its contig."""
        at = read_places(
            columns,
            self.bed,
            chrom=self.chrom,
            start=self.start,
            end=self.end,
            position_base=self.position_base,
            stranded=self.stranded,
        )
        if self.width:
            first = (at.start + at.end) // 2 - self.width // 2
            at = Intervals(at.chrom, first, first + self.width, at.strand)
        return at

    def _measured(
        self, columns: Mapping[str, Sequence[str]], n: int
    ) -> tuple[Mapping[str, Sequence[str]], str | tuple[str, ...]]:
        """Return the table of the targets, and which of its columns they are."""
        target = self.target or ("label" if "label" in columns else "name")
        measured = columns
        if self.targets:
            measured = table_columns(self.targets)
            target = tuple(measured)
            if len(measured[target[0]]) != n:
                raise DataError(f"{self.targets}: {len(measured[target[0]])} rows where {self.bed} has {n}")
        for name in [] if self.labels else _listed(target):
            require_column(measured, name, self.targets or self.bed)
        return measured, target

    def _of_bases(
        self, whole: Examples, columns: Mapping[str, Sequence[str]], target: str | tuple[str, ...]
    ) -> Examples:
        if self.replicates or self.drop_missing:
            key = "replicates" if self.replicates else "drop_missing"
            raise ConfigError(f"{self.bed}: {key} is for a label of each interval; leave it out beside span")
        if not isinstance(target, str):
            raise ConfigError(
                f"{self.bed}: target = {target!r}; expected one column for labels of bases, or labels = an HDF5 file"
            )
        rows = label_rows(columns.get(target), self.labels, classes=self.classes, reference=self.bed, column=target)
        bins = Bins(self.kind, self.classes, self.span, self.train_ratio, self.seed)
        return per_base_examples(whole, rows, bins, self.bed)

    def _labelled(
        self, whole: Examples, measured: Mapping[str, Sequence[str]], target: str | tuple[str, ...]
    ) -> Examples:
        if self.labels or self.train_ratio:
            raise ConfigError(f"{self.bed}: labels and train_ratio need span, the number of bases per label")
        values = [[cell.strip().strip("[]") for cell in measured[name]] for name in _listed(target)]
        there = None
        if self.drop_missing:
            values, there = with_target(values, kind=self.kind, reference=self.targets or self.bed, point=True)
        targets = parse_targets(
            values[0] if isinstance(target, str) else values,
            kind=self.kind,
            classes=self.classes,
            reference=self.targets or self.bed,
            column=target,
        )
        examples = replace(whole, targets=targets)
        if there is None or there.all():
            return examples
        return replace(examples.take(np.flatnonzero(there)), left_out={WITHOUT: int((~there).sum())})


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names
