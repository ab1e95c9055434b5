"""What a card's [source] may give: a source by the key of its main file, held to the rows that the card expects."""

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
from .hub import HubSet, content_key, find_hub, read_parts
from .labelled import is_fasta
from .labelled_intervals import Bed
from .source import Source
from .tables import Columns, Table, table_examples
from .variants import Variants

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES: Mapping[str, type[Source]] = {"table": Table, "bed": Bed, "variants": Variants}
"""The sources that a card's [source] may give, each by the key that names its main file."""


@dataclass(frozen=True)
class Expected:
    """How many rows a source gives, in all or a part, or of each class; `rule` tells the parts, none being carved yet.

    `what` is the data set with its revision, and `advice` the next step, as a refusal says them.
    """

    counts: tuple[tuple[str, int | tuple[int, ...]], ...]
    rule: SplitRule
    classes: tuple[str, ...]
    what: str
    advice: str

    def check(self, examples: Examples) -> None:
        """Raise DataError, naming the first part whose rows are not as many as expected."""
        part = self.rule(examples)
        for name, expected in self.counts:
            rows = np.arange(len(examples)) if name == "rows" else np.flatnonzero(part == name)
            total = expected if isinstance(expected, int) else sum(expected)
            if len(rows) != total:
                what = "there are" if name == "rows" else f"{name} has"
                raise self._refusal(f"{what} {len(rows):,} rows, expected {total:,}")
            if isinstance(expected, tuple):
                counted = np.bincount(examples.targets[rows], minlength=len(self.classes))
                for label, n, m in zip(self.classes, counted, expected, strict=True):
                    if n != m:
                        raise self._refusal(f"{name} has {n:,} rows of class {label!r}, expected {m:,}")

    def _refusal(self, difference: str) -> DataError:
        return DataError(f"{self.what}: {difference}; {self.advice}")


@dataclass(frozen=True)
class Checked:
    """The examples of a source, if they are what is expected.

    Of a `published` split, which is kept as it is, a group in several parts becomes a group of each.
    """

    source: Source
    expected: Expected | None
    published: SplitRule | None = None

    def __call__(self) -> Examples:
        """Return the examples. Raises DataError where they are not as many as expected."""
        examples = self.source(self.expected.check if self.expected else None)
        return examples if self.published is None else _parted(examples, self.published)


def _parted(examples: Examples, rule: SplitRule) -> Examples:
    """Return the examples with the part before the name of each group that is in several parts."""
    part = rule(examples)
    seen: dict[str, str] = {}
    several = {group for group, name in zip(examples.groups, part, strict=True) if seen.setdefault(group, name) != name}
    if not several:
        return examples
    groups = [f"{p}:{g}" if g in several else g for g, p in zip(examples.groups, part, strict=True)]
    return replace(examples, groups=strings(groups))


@dataclass(frozen=True)
class HubSource:
    """The examples of a data set of the hub; without a column of ids they are named by part and row.

    Labels or measurements whose number no card knows are counted in the first row. The stratum `part` says which part
    an example is of. Without a group of its own, equal sequences of a part are one group; those of two parts are two,
    since the authors' split is kept as it is.
    """

    wanted: HubSet
    kind: Kind
    classes: tuple[str, ...]
    columns: Columns = field(default_factory=Columns)
    expected: Expected | None = None

    def __call__(self) -> Examples:
        """Return the examples of all parts, in the order of the files."""
        parts: list[Examples] = []
        for part, table, where in read_parts(self.wanted):
            parts.append(self._part(part, table, where))
            first, other = ((*e.targets.shape, 1)[1] for e in (parts[0], parts[-1]))
            if first != other:
                raise DataError(f"{where}: row 1 holds {other} values of the target, in the other parts {first}")
        examples = concatenate(parts) if len(parts) > 1 else parts[0]
        if self.expected:
            self.expected.check(examples)
        return examples

    def _part(self, part: str, table: pa.Table, where: str) -> Examples:
        columns = replace(self.columns, id=self.columns.id or "row", strata=("part", *self.columns.strata))
        if is_fasta(where) or Path(where).is_dir():
            columns = _named_by_headers(columns, table.column_names)
        classes = self.classes
        names = (columns.target,) if isinstance(columns.target, str) else columns.target
        for name in names:
            if name in table.column_names and self.kind in ("classification", "multilabel"):
                index = table.schema.get_field_index(name)
                table = table.set_column(index, name, _plain_labels(table[name]))
        if not classes and len(names) == 1 and self.kind in ("multilabel", "regression"):
            classes = _numbered(table, names[0])
        examples = table_examples(table, where, columns, kind=self.kind, classes=classes)
        if columns.group:
            return examples
        named = {group: f"{part}:{group}" for group in dict.fromkeys(examples.groups)}
        groups = strings([named[group] for group in examples.groups])
        return replace(examples, groups=groups, clusters=examples.clusters if columns.cluster else groups)

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self.wanted)), repr(self), code_key()


def _named_by_headers(columns: Columns, there: Sequence[str]) -> Columns:
    """Return the columns, those that a table has and FASTA or folders of classes lack by the names that they have."""
    target = (columns.target,) if isinstance(columns.target, str) else columns.target
    return replace(
        columns,
        id=columns.id if columns.id in there else "id",
        sequence=columns.sequence if columns.sequence in there else "sequence",
        target=columns.target if set(target) <= set(there) else "label",
    )


def _numbered(table: pa.Table, name: str) -> tuple[str, ...]:
    """Return names for as many outputs as the first row joins by ';' or ','; none where it holds a single number."""
    if name not in table.column_names or not len(table):
        return ()
    n = len(re.split("[;,]", str(table[name][0])))
    return tuple(str(i) for i in range(n)) if n > 1 else ()


def _plain_labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels as a card names them: '1' for '1.0' and for 'True'."""
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(column, r"^(\d+)\.0$", r"\1")
    if {str(v).lower() for v in pc.unique(plain).to_pylist()} <= {"true", "false"}:
        plain = pc.replace_substring_regex(pc.replace_substring_regex(plain, "(?i)true", "1"), "(?i)false", "0")
    return plain


@functools.cache
def code_key(*files: str) -> str:
    """Return the digest of the code that makes tables of what the hub holds: ours, and the task's own `files`."""
    here = Path(__file__).parent
    ours = [*sorted(here.glob("*.py")), here.parent / "text.py", here.parent / "types.py"]
    return digest(*(path.read_bytes() for path in [*ours, *map(Path, files)]))
