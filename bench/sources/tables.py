"""Examples from CSV, TSV, Parquet, JSON lines and FASTA, plain or gzip. Mistakes are told by file and row."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, nearest
from ..types import Examples, Inputs, Kind, StrArray, digest, strings
from .record_tables import FASTA, JSON_LINES, fasta_columns, json_columns
from .sequences import check_sequence, package_file
from .targets import parse_targets

log = logging.getLogger(__name__)

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".vcf": "\t"}


def read_table(
    reference: str,
    *,
    kind: Kind,
    sequence: str = "sequence",
    target: str = "label",
    classes: Sequence[str] = (),
    id: str = "",
    group: str = "",
    cluster: str = "",
    strata: Sequence[str] = (),
    alternate: str = "",
) -> Examples:
    """Return the examples of a table whose columns are named by the arguments.

    Labels are class names, or indices '0', '1', ... into `classes`; targets of a regression are numbers. Without `id`
    rows are numbered from 1; without `group` equal sequences are one group; without `cluster` the groups are the
    clusters. `alternate` names the ALT sequence of a variant task, and `sequence` is REF; of a paired task, which has
    no target, it names the perturbed sequence. A column that a split rule reads goes in `strata`. Raises DataError,
    naming file and row, for anything that cannot be used.
    """
    paired = kind == "paired"
    if paired and not alternate:
        raise ConfigError(f"{reference}: a paired task needs alternate = ..., the column of the perturbed sequences")
    columns = read_columns(reference)
    chosen = {
        "sequence": sequence,
        "target": "" if paired else target,
        "id": id,
        "group": group,
        "cluster": cluster,
        "alternate": alternate,
    }
    for name in (*filter(None, chosen.values()), *strata):
        require_column(columns, name, reference)
    sequences = clean_sequences(columns[sequence], reference, sequence)
    alternates = clean_sequences(columns[alternate], reference, alternate) if alternate else None
    n = len(sequences)
    ids = strings(columns[id]) if id else strings([str(i + 1) for i in range(n)])
    check_ids(ids, reference)
    groups = strings(columns[group]) if group else strings([digest(s) for s in sequences])
    positions = None if alternates is None or paired else first_changes(sequences, alternates, reference)
    return Examples(
        ids=ids,
        inputs=Inputs(sequences, alternates, positions),
        targets=np.zeros(n)
        if paired
        else parse_targets(columns[target], kind=kind, classes=classes, reference=reference, column=target),
        groups=groups,
        clusters=strings(columns[cluster]) if cluster else groups,
        strata={name: strings(columns[name]) for name in strata},
    )


def read_columns(reference: str) -> dict[str, list[str]]:
    """Return a table's columns as text, by name, in file order; a missing value is ''.

    Raises DataError for a table without rows, a row of another width, a damaged file or an unknown format.
    """
    path = package_file(reference)
    if path.name.endswith((".parquet", ".pq")):
        columns = _read_parquet(path)
    elif (suffix := Path(path.name.removesuffix(".gz")).suffix) in FASTA:
        columns = fasta_columns(read_text(path), path)
    elif suffix in JSON_LINES:
        columns = json_columns(read_text(path).split("\n"), path)
    else:
        columns = _read_delimited(path)
    if not next(iter(columns.values()), None):
        raise DataError(f"{path}: the table has no rows")
    return columns


def require_column(columns: Mapping[str, object], name: str, reference: str) -> None:
    """Raise DataError, with the nearest name there is, where the table has no such column."""
    if name not in columns:
        near = nearest(name, columns)
        advice = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(columns)}"
        raise DataError(f"{reference}: no column {name!r}; {advice}")


def clean_sequences(values: Sequence[str], reference: str, column: str) -> StrArray:
    """Return the sequences in upper case, logging a census of letters other than A, C, G, T and of lower case.

    Raises DataError, naming the row, for an empty sequence or a letter that is not IUPAC DNA.
    """
    out = []
    for row, value in enumerate(values, 1):
        text = value.strip()
        if not text:
            raise DataError(f"{reference}: row {row}: column {column!r} is empty, expected DNA")
        if ("U" in text or "u" in text) and not set(text.upper()) - set("ACGU"):
            raise DataError(f"{reference}: row {row}: column {column!r} holds RNA; write T for U")
        out.append(check_sequence(text, f"{reference}: row {row}: column {column!r}"))
    counts = census(values)
    if counts:
        said = ", ".join(f"{letter}: {n}" for letter, n in counts.items())
        log.info("%s: column %r: kept as they are, upper-cased: %s", reference, column, said)
    return strings(out)


def census(sequences: Sequence[str]) -> dict[str, int]:
    """Return how many letters are ambiguous, by letter, and how many 'lower case'; empty where all are A, C, G, T."""
    data = np.frombuffer("".join(sequences).encode("latin-1", "replace"), np.uint8)
    counts = np.bincount(data, minlength=256)
    upper = counts[65:91] + counts[97:123]
    found = {chr(65 + i): int(n) for i, n in enumerate(upper) if n and chr(65 + i) not in "ACGT"}
    lower = int(counts[97:123].sum())
    return found | ({"lower case": lower} if lower else {})


def check_ids(ids: StrArray, reference: str) -> None:
    """Raise DataError, naming both rows, where an id is empty or occurs twice."""
    seen: dict[str, int] = {}
    for row, name in enumerate(ids, 1):
        if not name.strip():
            raise DataError(f"{reference}: row {row}: the id is empty")
        if name in seen:
            raise DataError(
                f"{reference}: row {row}: id {name!r} occurs already in row {seen[name]}; ids must be unique"
            )
        seen[name] = row


def first_changes(ref: Sequence[str] | StrArray, alt: Sequence[str] | StrArray, reference: str) -> NDArray[np.int64]:
    """Return the offset, (n,), of the first base of REF at which ALT differs; its last where ALT is only longer.

    Raises DataError, naming the row, where the two are equal.
    """
    out = np.empty(len(ref), np.int64)
    for i, (a, b) in enumerate(zip(ref, alt, strict=True)):
        if a == b:
            raise DataError(f"{reference}: row {i + 1}: REF and ALT sequences are equal")
        out[i] = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)) - 1)
    return out


def read_text(path: Path) -> str:
    """Return a text file's content, unpacked where it is gzip. Raises DataError where it is damaged or not UTF-8."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: truncated or damaged gzip ({error}); fetch the file again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8 text") from error


def _read_delimited(path: Path) -> dict[str, list[str]]:
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in _DELIMITERS:
        raise DataError(f"{path}: expected a table in {', '.join(_DELIMITERS)} (or .gz of these), .parquet or .pq")
    text = read_text(path)
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("##")]
    rows = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=_DELIMITERS[suffix])
    try:
        header = [name.strip() for name in next(rows, [])]
        if not header:
            raise DataError(f"{path}: empty, expected a header line")
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{path}: column {twice!r} occurs more than once")
        columns: dict[str, list[str]] = {name: [] for name in header}
        lists = list(columns.values())
        for number, row in enumerate((r for r in rows if r), 1):
            if len(row) != len(header):
                raise DataError(f"{path}: row {number}: {len(row)} fields where the header has {len(header)}")
            for values, value in zip(lists, row, strict=True):
                values.append(value)
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from error
    return columns


def _read_parquet(path: Path) -> dict[str, list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    return {name: ["" if v is None else str(v) for v in table[name].to_pylist()] for name in table.column_names}
