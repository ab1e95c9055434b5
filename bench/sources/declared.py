"""The sources that a card's [source] may name, and checks that a source has the rows that the card expects."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..digests import digest
from ..errors import DataError
from ..types import Examples, Kind, SplitRule, strings
from . import concatenate
from .files import Files
from .hub import HubSet, content_key, find_hub, read_parts
from .labelled import is_fasta
from .labelled_intervals import Bed
from .numbers import ADVICE, read_numbers
from .peaks import Peaks
from .source import Source
from .tables import Columns, Table, table_examples
from .variants import Variants

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES: Mapping[str, type[Source]] = {
    "table": Table,
    "files": Files,
    "bed": Bed,
    "peaks": Peaks,
    "variants": Variants,
}
"""The sources of a card, each by the key that names its main file."""


@dataclass(frozen=True)
class Expected:
    """The expected numbers of rows: in all, by part, or by part and class; `rule` gives the parts of the source.

    `what` names the data set with its revision, and `advice` the next step, for the error message.
    """

    counts: tuple[tuple[str, int | tuple[int, ...]], ...]
    rule: SplitRule
    classes: tuple[str, ...]
    what: str
    advice: str

    def check(self, examples: Examples) -> None:
        """Raise DataError for the first part whose number of rows is not the expected one."""
        part = self.rule(examples)
        for name, expected in self.counts:
            rows = np.arange(len(examples)) if name == "rows" else np.flatnonzero(part == name)
            total = expected if isinstance(expected, int) else sum(expected)
            if len(rows) != total:
                what = "there are" if name == "rows" else f"{name} has"
                raise self._error(f"{what} {len(rows):,} rows, expected {total:,}")
            if isinstance(expected, tuple):
                counted = np.bincount(examples.targets[rows], minlength=len(self.classes))
                for label, n, m in zip(self.classes, counted, expected, strict=True):
                    if n != m:
                        raise self._error(f"{name} has {n:,} rows of class {label!r}, expected {m:,}")

    def _error(self, difference: str) -> DataError:
        return DataError(f"{self.what}: {difference}; {self.advice}")


@dataclass(frozen=True)
class Checked:
    """A source whose numbers of rows are checked.

    A `published` split is kept as it is: a group in several parts becomes a separate group in each.
    """

    source: Source
    expected: Expected | None
    published: SplitRule | None = None

    def __call__(self) -> Examples:
        """Return the examples. Raises DataError where their number is not the expected one."""
        examples = self.source(self.expected.check if self.expected else None)
        return examples if self.published is None else _parted(examples, self.published)


def _parted(examples: Examples, rule: SplitRule) -> Examples:
    """Return the examples, with the part prefixed to the name of each group that is in several parts."""
    part = rule(examples)
    seen: dict[str, str] = {}
    several = {group for group, name in zip(examples.groups, part, strict=True) if seen.setdefault(group, name) != name}
    if not several:
        return examples
    groups = [f"{p}:{g}" if g in several else g for g, p in zip(examples.groups, part, strict=True)]
    return replace(examples, groups=strings(groups))


@dataclass(frozen=True)
class HubSource:
    """The examples of a data set on the hub; without a column of ids their ids are part and row.

    Where the card does not name the labels or measurements, the first row tells how many there are. The stratum `part`
    is an example's part. Without a `group` column, equal sequences within a part are one group; equal sequences in two
    parts are two groups, since the authors' split is kept as it is.
    """

    dataset: HubSet
    kind: Kind
    classes: tuple[str, ...]
    columns: Columns = field(default_factory=Columns)
    expected: Expected | None = None

    def __call__(self) -> Examples:
        """Return the examples of all parts, in the order of the files."""
        parts: list[Examples] = []
        for part, table, where in read_parts(self.dataset):
            parts.append(self._part(part, table, where))
            first, other = ((*e.targets.shape, 1)[1] for e in (parts[0], parts[-1]))
            if first != other:
                raise DataError(f"{where}: row 1 has {other} target values, the other parts have {first}")
        examples = concatenate(parts) if len(parts) > 1 else parts[0]
        if self.expected:
            self.expected.check(examples)
        return examples

    def _part(self, part: str, table: pa.Table, where: str) -> Examples:
        columns = replace(self.columns, id=self.columns.id or "row", strata=("part", *self.columns.strata))
        if is_fasta(where) or Path(where).is_dir():
            columns = _fasta_columns(columns, table.column_names)
        classes = self.classes
        names = (columns.target,) if isinstance(columns.target, str) else columns.target
        for name in names:
            if name in table.column_names and self.kind in ("classification", "multilabel"):
                index = table.schema.get_field_index(name)
                table = table.set_column(index, name, _plain_labels(table[name]))
        if not classes and len(names) == 1 and self.kind in ("multilabel", "regression"):
            classes = _numbered(table, names[0], self.kind, where)
        examples = table_examples(table, where, columns, kind=self.kind, classes=classes)
        if columns.group:
            return examples
        group_names = {group: f"{part}:{group}" for group in dict.fromkeys(examples.groups)}
        groups = strings([group_names[group] for group in examples.groups])
        return replace(examples, groups=groups, clusters=examples.clusters if columns.cluster else groups)

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self.dataset)), repr(self), code_key()


def _fasta_columns(columns: Columns, existing: Sequence[str]) -> Columns:
    """Return the columns with the names that FASTA and folders of classes give them, for those that are missing."""
    target = (columns.target,) if isinstance(columns.target, str) else columns.target
    return replace(
        columns,
        id=columns.id if columns.id in existing else "id",
        sequence=columns.sequence if columns.sequence in existing else "sequence",
        target=columns.target if set(target) <= set(existing) else "label",
    )


def _numbered(table: pa.Table, name: str, kind: Kind, where: str) -> tuple[str, ...]:
    """Return names for the outputs that ';' or ',' joins in the first row; none where it has a single number.

    Raises DataError where a comma may as well be one of decimals.
    """
    if name not in table.column_names or not len(table):
        return ()
    first = str(table[name][0])
    if kind == "regression" and "," in first and ";" not in first:
        numbers = read_numbers(table[name].to_pylist())
        if numbers is not None and numbers.lists:
            raise DataError(
                f"{where}: {name!r}: {numbers.lists} of measurements; {ADVICE}, or ';' between measurements"
            )
        if numbers is not None:
            return ()
    n = len(re.split(";" if ";" in first and kind == "regression" else "[;,]", first))
    return tuple(str(i) for i in range(n)) if n > 1 else ()


def _plain_labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels as cards name them: '1' for '1.0' and 'True'."""
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(column, r"^(\d+)\.0$", r"\1")
    if {str(v).lower() for v in pc.unique(plain).to_pylist()} <= {"true", "false"}:
        plain = pc.replace_substring_regex(pc.replace_substring_regex(plain, "(?i)true", "1"), "(?i)false", "0")
    return plain


@functools.cache
def code_key(*files: str) -> str:
    """Return the digest of the code that reads data sets of the hub: this package's, and the task's own `files`."""
    folder = Path(__file__).parent
    ours = [*sorted(folder.glob("*.py")), folder.parent / "text.py", folder.parent / "types.py"]
    return digest(*(path.read_bytes() for path in [*ours, *map(Path, files)]))
