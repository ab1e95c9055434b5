"""What a card's [source] gives: a reader by name with its arguments, held to the rows that the card expects."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..types import Examples, Kind, SplitRule, digest, strings
from . import concatenate
from .hub import HubSet, content_key, find_hub, read_parts
from .intervals import read_intervals
from .labelled import is_fasta
from .tables import read_table, table_examples
from .variants import read_variants

if TYPE_CHECKING:
    import pyarrow as pa

READERS: Mapping[str, Callable[..., Examples]] = {
    "table": read_table,
    "bed": read_intervals,
    "variants": read_variants,
}
"""The readers of a [source], each by the key that names its main file."""


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
                held = "there are" if name == "rows" else f"{name} has"
                raise self._refusal(f"{held} {len(rows):,} rows, expected {total:,}")
            if isinstance(expected, tuple):
                found = np.bincount(examples.targets[rows], minlength=len(self.classes))
                for label, n, m in zip(self.classes, found, expected, strict=True):
                    if n != m:
                        raise self._refusal(f"{name} has {n:,} rows of class {label!r}, expected {m:,}")

    def _refusal(self, found: str) -> DataError:
        return DataError(f"{self.what}: {found}; {self.advice}")


def read_expected(
    *, reader: str, expected: Expected | None, published: SplitRule | None = None, **arguments: Any
) -> Examples:
    """Return what the reader gives. Raises DataError where it is not what is expected.

    Of a `published` split, which is kept as it is, a group in several parts becomes a group of each.
    """
    if expected and reader == "variants":
        examples = read_variants(**arguments, check=expected.check)
    else:
        examples = READERS[reader](**arguments)
        if expected:
            expected.check(examples)
    return examples if published is None else _parted(examples, published)


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
    """The examples of a data set of the hub; `columns` are those of `table_examples`.

    Labels or measurements whose number no card knows are counted in the first row. The stratum `part` says which part
    an example is of. Without a group of its own, equal sequences of a part are one group; those of two parts are two,
    since the authors' split is kept as it is.
    """

    wanted: HubSet
    kind: Kind
    classes: tuple[str, ...]
    columns: tuple[tuple[str, Any], ...]
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
        columns: dict[str, Any] = {"id": "row", "target": "label", **dict(self.columns)}
        if is_fasta(where) or Path(where).is_dir():  # where a column may lack the name that it has in a table
            for key, name in (("id", "id"), ("sequence", "sequence"), ("target", "label")):
                wanted = columns.get(key, "")
                if not set([wanted] if isinstance(wanted, str) else wanted) <= set(table.column_names):
                    columns[key] = name
        columns["strata"] = ("part", *columns.get("strata", ()))
        classes = self.classes
        names = [columns["target"]] if isinstance(columns["target"], str) else columns["target"]
        for name in names:
            if name in table.column_names and self.kind in ("classification", "multilabel"):
                index = table.schema.get_field_index(name)
                table = table.set_column(index, name, _plain_labels(table[name]))
        if not classes and len(names) == 1 and self.kind in ("multilabel", "regression"):
            classes = _numbered(table, names[0])
        examples = table_examples(table, where, kind=self.kind, classes=classes, **columns)
        if "group" in columns:
            return examples
        named = {group: f"{part}:{group}" for group in dict.fromkeys(examples.groups)}
        groups = strings([named[group] for group in examples.groups])
        return replace(examples, groups=groups, clusters=examples.clusters if "cluster" in columns else groups)

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self.wanted)), repr(self), code_key()


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
