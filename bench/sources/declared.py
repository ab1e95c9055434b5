"""What a card's [source] gives: a reader by name with its arguments, held to the rows that the card expects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..types import PARTS, Examples, Inputs, Kind, SplitRule, digest, strings
from . import concatenate
from .hub import HubSet, content_key, find_hub, read_hub
from .intervals import read_intervals
from .tables import clean_sequences, read_table, require_column
from .targets import parse_targets
from .variants import read_variants

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
                raise self._refusal(f"{name} has {len(rows):,} rows, expected {total:,}")
            if isinstance(expected, tuple):
                found = np.bincount(examples.targets[rows], minlength=len(self.classes))
                for label, n, m in zip(self.classes, found, expected, strict=True):
                    if n != m:
                        raise self._refusal(f"{name} has {n:,} rows of class {label!r}, expected {m:,}")

    def _refusal(self, found: str) -> DataError:
        return DataError(f"{self.what}: {found}; {self.advice}")


def read_expected(*, reader: str, expected: Expected, **arguments: Any) -> Examples:
    """Return what the reader gives. Raises DataError where it is not what is expected."""
    examples = READERS[reader](**arguments)
    expected.check(examples)
    return examples


@dataclass(frozen=True)
class HubSource:
    """The examples of a data set of the hub; `columns` are those of `table_examples`.

    The stratum `part` says which part an example is of. Without a group of its own, equal sequences of a part are one
    group; those of two parts are two, since the authors' split is kept as it is.
    """

    wanted: HubSet
    kind: Kind
    classes: tuple[str, ...]
    columns: tuple[tuple[str, Any], ...]
    expected: Expected | None = None

    def __call__(self) -> Examples:
        """Return the examples of all parts, in the order of the files."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = find_hub(self.wanted)
        rows = read_hub(self.wanted, found)
        columns: dict[str, Any] = {"id": "row", "sequence": "sequence", "target": "label", **dict(self.columns)}
        if self.kind == "paired":
            columns["target"] = ""
        parts = []
        for part in PARTS:
            table = rows.filter(pc.equal(rows["part"], part))
            if not len(table):
                continue
            where = found.parts[part][0]
            targets = columns["target"] if isinstance(columns["target"], list | tuple) else [columns["target"]]
            for name in targets:
                if name in table.column_names and self.kind in ("classification", "multilabel"):
                    table = _with(table, name, _plain_labels(table[name]))
            if "group" not in columns and columns["sequence"] in table.column_names:
                same = [f"{part}:{digest(s.upper())}" for s in table[columns["sequence"]].to_pylist()]
                table = _with(table, "_group", pa.chunked_array([pa.array(same)]))
            strata = ("part", *columns.get("strata", ()))
            named = {"group": "_group", **columns, "strata": strata}
            parts.append(table_examples(table, where, kind=self.kind, classes=self.classes, **named))
        examples = concatenate(parts) if len(parts) > 1 else parts[0]
        if self.expected:
            self.expected.check(examples)
        return examples

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self.wanted)), repr(self), _code()


def table_examples(
    table: Any, where: str, *, id: str, sequence: str, target: Any, group: str, strata: Sequence[str], **columns: Any
) -> Examples:
    """Return the examples of a table."""
    kind, classes = columns["kind"], columns["classes"]
    values = {name: table[name].to_pylist() for name in table.column_names}
    for name in (sequence, *([target] if isinstance(target, str) else target), *filter(None, strata)):
        require_column(values, name, where)
    column = values[target] if isinstance(target, str) else [values[name] for name in target]
    groups = strings(values[group])
    return Examples(
        strings(values[id]),
        Inputs(clean_sequences(values[sequence], where, sequence)),
        parse_targets(column, kind=kind, classes=classes, reference=where, column=target),
        groups,
        groups,
        {name: strings(values[name]) for name in strata},
    )


def _with(table: Any, name: str, column: Any) -> Any:
    index = table.schema.get_field_index(name)
    return table.append_column(name, column) if index < 0 else table.set_column(index, name, column)


def _plain_labels(column: Any) -> Any:
    """Return labels as a card names them: '1' for '1.0' and for 'True'."""
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(column, r"^(\d+)\.0$", r"\1")
    if {str(v).lower() for v in pc.unique(plain).to_pylist()} <= {"true", "false"}:
        plain = pc.replace_substring_regex(pc.replace_substring_regex(plain, "(?i)true", "1"), "(?i)false", "0")
    return plain


@functools.lru_cache(maxsize=1)
def _code() -> str:
    return digest(*(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
