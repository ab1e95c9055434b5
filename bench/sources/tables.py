"""Tables of examples, one per row. Errors name file and row."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..dna.sequence import Alphabet
from ..errors import ConfigError, DataError, nearest
from ..text import Text
from ..types import Examples, Inputs, IntArray, Kind, StrArray, Strings, strings
from ..unpack import BLOCK, PACKED, read_text, text_name
from .cleaning import Cleaning, clean_sequences
from .collecting import Collector, joined_list, text_array
from .delimited import DELIMITERS, open_delimited
from .ids import check_ids, ids_of_replicates
from .json_lines import JSON, json_columns
from .labelled import FASTA, read_fasta
from .replicates import Replicates, replicated, same_inputs
from .sequences import package_file
from .source import Check, Source
from .spreadsheet import SPREADSHEET, read_spreadsheet
from .targets import WITHOUT, parse_targets, with_target

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

__all__ = [
    "Columns",
    "Table",
    "clean_sequences",
    "first_changes",
    "parse_targets",
    "read_columns",
    "require_column",
    "table_examples",
    "text_of",
]

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather")


@dataclass(frozen=True)
class Opened:
    """A table that is read a block at a time: `batches(names)` yields those columns as text."""

    names: Sequence[str]
    batches: Callable[[Sequence[str]], Iterable[pa.RecordBatch]]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The roles of the columns of a table.

    `target` is a tuple where there are several target columns. Without `id` rows are numbered from 1; without `group`
    equal sequences are one group, and with 'row', where no column has that name, each row is one; without `cluster` the
    groups are the clusters. `alternate` is the ALT sequence of a
    variant task, where `sequence` is REF, or the perturbed sequence of a paired task, which has no target. A column
    that a split rule reads must be among `strata`. With `alphabet` 'RNA' sequences are written with U, read as T. With
    `replicates` = 'mean' the rows of one input, in one group and stratum, are one example of their mean; with 'grouped'
    they stay, in one group and one cluster; with 'columns' the target is the mean of its columns.
    """

    sequence: str = "sequence"
    target: str | tuple[str, ...] = "label"
    id: str = ""
    group: str = ""
    cluster: str = ""
    strata: tuple[str, ...] = ()
    alternate: str = ""
    drop_missing: bool = False
    replicates: Replicates = ""
    alphabet: Alphabet = "DNA"


@dataclass(frozen=True, kw_only=True)
class Table(Columns, Source):
    """The examples of a file as `read_columns` reads it; `columns` names those of a file without a header line.

    Rows are read and checked a block at a time; columns that are not named are not read. `sheet` names a sheet of a
    spreadsheet (.xlsx), whose first is read otherwise.
    """

    FILES: ClassVar[tuple[str, ...]] = ("table",)

    table: str = field(kw_only=False)
    columns: tuple[str, ...] = ()
    sheet: str = ""

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples. Raises DataError as `table_examples` does."""
        opened = open_table(package_file(self.table), self.columns, self.sheet)
        examples = table_examples(opened, self.table, self, kind=self.kind, classes=self.classes)
        if check:
            check(examples)
        return examples


def read_columns(reference: str, *, sheet: str = "") -> pa.Table:
    """Return a table's columns as text (large_string), in file order; a missing value is ''.

    Delimited text (.csv, .tsv, .txt, .vcf), JSON and FASTA, plain or packed, Parquet, Arrow and spreadsheets are read
    by their suffix; of these `sheet` names one of several, the first by default. A table of more than 256 MB is
    memory-mapped from a file. Raises DataError for a table without rows, a row of another width, a damaged file or an
    unknown format.
    """
    opened = open_table(package_file(reference), sheet=sheet)
    collector = Collector()
    for batch in opened.batches(opened.names):
        collector.add(batch)
    table = collector.table()
    if table is None:
        raise DataError(f"{reference}: the table has no rows")
    return table


def table_examples(
    table: pa.Table | Opened, where: str, columns: Columns, *, kind: Kind, classes: Sequence[str] = ()
) -> Examples:
    """Return the examples of a table; `where` names it in messages. Targets are as `parse_targets` reads them.

    Raises DataError, naming row and column, for anything that cannot be used.
    """
    opened = table if isinstance(table, Opened) else _of_table(table)
    sequence, alternate, target = columns.sequence, columns.alternate, columns.target
    paired = kind == "paired"
    if paired and not alternate:
        raise ConfigError(f"{where}: a paired task needs alternate = ..., the column of the perturbed sequences")
    targets = [] if paired else [target] if isinstance(target, str) else list(target)
    by_row = columns.group == "row" and "row" not in opened.names
    group = "" if by_row else columns.group
    roles = (columns.id, group, columns.cluster, *targets, *columns.strata)
    texts: dict[str, _Shared] = {name: _Shared() for name in roles if name}
    names = dict.fromkeys([sequence, *filter(None, [alternate]), *texts])
    for name in names:
        require_column(opened.names, name, where)
    sequences, alternates = (Cleaning(where, name, columns.alphabet) for name in (sequence, alternate))
    same = _Shared()
    positions: list[IntArray] = []
    n = 0
    for batch in opened.batches(list(names)):
        cleaned = sequences.add(batch.column(sequence))
        if not group and not by_row:
            same.add(_digests(cleaned))
        if alternate:
            changed = alternates.add(batch.column(alternate))
            if not paired:
                positions.append(first_changes(cleaned, changed, where, first_row=n + 1))
        for name, values in texts.items():
            values.add(Text(batch.column(name)))
        n += batch.num_rows
    if not n:
        raise DataError(f"{where}: the table has no rows")
    text_of = {name: values.array() for name, values in texts.items()}
    ids = text_of[columns.id] if columns.id else strings([str(i + 1) for i in range(n)])
    text, soft_masked = sequences.finish()
    inputs = Inputs(
        text,
        alternates.finish()[0] if alternate else None,
        np.concatenate(positions) if positions else None,
    )
    if columns.replicates in ("mean", "grouped"):
        ids = ids_of_replicates(ids, same_inputs(inputs), where)
    else:
        check_ids(ids, where)
    groups = ids if by_row else text_of[group] if group else same.array()
    parsed = [text_of[name].tolist() for name in targets]
    there = None
    if columns.drop_missing and parsed:
        parsed, there = with_target(parsed, kind=kind, reference=where)
    examples = Examples(
        ids=ids,
        inputs=inputs,
        targets=np.zeros(n)
        if paired
        else parse_targets(
            parsed[0] if isinstance(target, str) else parsed, kind=kind, classes=classes, reference=where, column=target
        ),
        groups=groups,
        clusters=text_of[columns.cluster] if columns.cluster else groups,
        strata={name: text_of[name] for name in columns.strata},
        soft_masked=soft_masked,
    )
    if there is not None and not there.all():
        examples = replace(examples.take(np.flatnonzero(there)), left_out={WITHOUT: int((~there).sum())})
    return replicated(examples, columns.replicates, kind=kind, where=where)


def require_column(columns: Iterable[str], name: str, reference: str) -> None:
    """Raise DataError, with the nearest name there is, where the table has no such column."""
    known = list(columns)
    if name not in known:
        near = nearest(name, known)
        advice = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(known)}"
        raise DataError(f"{reference}: no column {name!r}; {advice}")


def first_changes(
    ref: Sequence[str] | Strings, alt: Sequence[str] | Strings, where: str, *, first_row: int = 1
) -> IntArray:
    """Return the offset, (n,), of the first base of REF that differs in ALT, or of its last where ALT only extends it.

    Raises DataError, naming the row, where the two are equal.
    """
    out = np.empty(len(ref), np.int64)
    for i, (a, b) in enumerate(zip(ref, alt, strict=True)):
        if a == b:
            raise DataError(f"{where}: row {first_row + i}: REF and ALT sequences are equal")
        shorter = min(len(a), len(b))
        x, y = (np.frombuffer(s[:shorter].encode(), np.uint8) for s in (a, b))
        differ = x != y
        at = int(differ.argmax()) if shorter else 0
        out[i] = at if shorter and differ[at] else shorter - 1
    return out


def open_table(path: Path, columns: Sequence[str] = (), sheet: str = "") -> Opened:
    """Return the open table, by the suffix of the file; `columns` names those of delimited text without a header.

    Raises DataError for an unknown suffix.
    """
    name = text_name(path)
    suffix = Path(name).suffix
    if sheet and suffix != SPREADSHEET:
        raise ConfigError(f"{path}: sheet = {sheet!r} is for spreadsheets ({SPREADSHEET})")
    if suffix in (*_PARQUET, *_ARROW, SPREADSHEET):
        if name != path.name.lower():
            raise DataError(f"{path}: packed {suffix}; unpack it and name the file")
        if suffix == SPREADSHEET:
            return _in_memory(read_spreadsheet(path, sheet=sheet))
        return _open_parquet(path) if suffix in _PARQUET else _open_arrow(path)
    if suffix in DELIMITERS:
        delimited = open_delimited(path, columns)
        return Opened(delimited.names, delimited.batches)
    if suffix in FASTA:
        return _of_table(read_fasta(path))
    if suffix in JSON:
        return _in_memory(json_columns(read_text(path).splitlines(), path))
    text, other = ", ".join((*DELIMITERS, *FASTA, *JSON)), ", ".join((*_PARQUET, *_ARROW, SPREADSHEET))
    raise DataError(f"{path}: expected a table in {text} (or packed: {', '.join(PACKED)}), {other}")


def _in_memory(columns: dict[str, list[str]]) -> Opened:
    import pyarrow as pa

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays([text_array(columns[name]) for name in names], list(names))

    return Opened(list(columns), batches)


def _open_parquet(path: Path) -> Opened:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        about = file.metadata
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        rows = max(1, min(1 << 16, BLOCK * about.num_rows // max(size, 1)))
        try:
            for batch in file.iter_batches(batch_size=rows, columns=list(names)):
                yield _as_text(batch)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, "Parquet", error) from error

    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        return Opened(_unique(file.schema_arrow.names, path), batches)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, "Parquet", error) from error


def _open_arrow(path: Path) -> Opened:
    import pyarrow as pa

    try:
        source = pa.memory_map(str(path))
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:  # `datasets` writes the stream format, without an index at the end
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, "Arrow", error) from error
    _unique(table.column_names, path)
    return _of_table(table)


def _of_table(table: pa.Table) -> Opened:
    return Opened(table.column_names, lambda names: map(_as_text, table.select(list(names)).to_batches()))


def _unreadable(path: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable {what} file ({str(error).splitlines()[0]})")


def _unique(names: Sequence[str], path: Path) -> Sequence[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} occurs more than once")
    return names


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with every column as large_string, a missing value as ''."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([text_of(column) for column in batch.columns], batch.schema.names)


def text_of(column: pa.Array) -> pa.Array:
    """Return a column as large_string: a missing value is '', and a list's values are joined by ';'."""
    import pyarrow as pa

    if not column.null_count and (pa.types.is_integer(column.type) or str(column.type) in ("string", "large_string")):
        return column.cast(pa.large_string())
    return text_array([_written(value) for value in column.to_pylist()])


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return joined_list([_written(v) for v in value]) if isinstance(value, list) else str(value)


def _digests(sequences: Text) -> list[str]:
    """Return `types.digest` of each sequence."""
    digests = []
    for letters, bounds in sequences.letters():
        data = letters.tobytes()
        for start, end in pairwise(bounds.tolist()):
            key = hashlib.blake2b((end - start).to_bytes(8, "little"), digest_size=8)
            key.update(data[start:end])
            digests.append(key.hexdigest())
    return digests


class _Shared:
    """A column of strings in which equal values are one object, so that repeated names take little memory."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._values: list[str] = []

    def add(self, values: Iterable[str]) -> None:
        """Add values at the end."""
        self._values += [self._seen.setdefault(v, v) for v in values]

    def array(self) -> StrArray:
        """Return all values, (n,)."""
        out = np.empty(len(self._values), dtype=object)
        out[:] = self._values
        return out
