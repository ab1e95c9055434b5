"""Derived tables on disk, keyed by the content that they came from.

A table is Parquet, written beside its final name and renamed, so that a reader never sees half of one.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..types import Examples, Inputs, Intervals, StrArray, digest

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger(__name__)

_SCHEMA = "examples/1"


def cache_dir() -> Path:
    """Return the folder of cached tables: `$BASERATE_CACHE`, or baserate's own under the user's cache directory."""
    named = os.environ.get("BASERATE_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("baserate", appauthor=False))


def cached_examples(key: Sequence[str], build: Callable[[], Examples]) -> Examples:
    """Return what `build()` returns, from the cache where a table with this key is there.

    The key must hold everything that the table depends on: its first part is a readable name, the rest are digests.
    A damaged table is rebuilt with a warning. Raises DataError where the cache cannot be written.
    """
    path = cache_dir() / "examples" / f"{key[0]}-{digest(_SCHEMA, *key)}.parquet"
    if path.is_file():
        try:
            return read_examples(path)
        except DataError as error:
            log.warning("rebuilding a damaged cache file: %s", error)
    examples = build()
    write_examples(examples, path)
    return examples


def write_examples(examples: Examples, path: Path) -> None:
    """Write every column to Parquet at `path`, whole or not at all. Raises DataError where it cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "id": examples.ids,
        "sequence": examples.inputs.sequences,
        "alternate": examples.inputs.alternates,
        "position": examples.inputs.positions,
        "target": examples.targets,
        "group": examples.groups,
        "cluster": examples.clusters,
    }
    at = examples.intervals
    if at is not None:
        columns |= {"chrom": at.chrom, "start": at.start, "end": at.end, "strand": at.strand}
    columns |= {f"strata.{name}": column for name, column in examples.strata.items()}
    table = pa.table({name: pa.array(column) for name, column in columns.items() if column is not None})
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(table.replace_schema_metadata({"baserate": _SCHEMA}), beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{path.parent}: cannot write the cache ({reason}); set BASERATE_CACHE to a writable folder"
        ) from error


def read_examples(path: Path) -> Examples:
    """Return the examples that `write_examples` wrote. Raises DataError for a damaged or another kind of file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        if (table.schema.metadata or {}).get(b"baserate") != _SCHEMA.encode():
            raise DataError(f"{path}: not a table of examples written by this version of baserate")
        names = set(table.column_names)
        at = None
        if "chrom" in names:
            at = Intervals(
                _text(table, "chrom"), _numbers(table, "start"), _numbers(table, "end"), _text(table, "strand")
            )
        return Examples(
            ids=_text(table, "id"),
            inputs=Inputs(
                _text(table, "sequence"),
                _text(table, "alternate") if "alternate" in names else None,
                _numbers(table, "position") if "position" in names else None,
            ),
            targets=_numbers(table, "target"),
            groups=_text(table, "group"),
            clusters=_text(table, "cluster"),
            strata={n.removeprefix("strata."): _text(table, n) for n in table.column_names if n.startswith("strata.")},
            intervals=at,
        )
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path}: damaged ({str(error).splitlines()[0]})") from error


def _text(table: pyarrow.Table, name: str) -> StrArray:
    values = table[name].to_pylist()  # to_numpy would import pandas, half a second
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _numbers(table: pyarrow.Table, name: str) -> NDArray[Any]:
    import pyarrow as pa

    dtype = np.float64 if pa.types.is_floating(table[name].type) else np.int64
    return np.array(table[name].to_pylist(), dtype=dtype)
