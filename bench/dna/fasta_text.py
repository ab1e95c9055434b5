"""FASTA as text: its records, and the fields of their headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..errors import DataError
from .sequence import join_kmers

_PAIR = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)
_BARE = re.compile(r"field\d+")


class Record(NamedTuple):
    """A sequence with its header, and the line number of the header, from 1."""

    header: str
    sequence: str
    line: int


def fasta_records(lines: Iterable[str], where: str) -> Iterator[Record]:
    """Yield the records of FASTA, letters as they are, without blanks and blank lines.

    Raises DataError, naming the line, where the text is not FASTA or a record has no name or no sequence.
    """
    header, at = "", 0
    pieces: list[str] = []

    def record() -> Record:
        if not any(pieces):
            raise DataError(f"{where}: line {at}: {header.split()[0]!r} has no sequence")
        return Record(header, "".join(pieces), at)

    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(">"):
            if at:
                yield record()
            header, pieces, at = text[1:].strip(), [], number
            if not header.strip(" \t|"):
                raise DataError(f"{where}: line {number}: a header without a name")
        elif text and not at:
            raise DataError(f"{where}: line {number}: expected '>NAME', found {text[:20]!r}")
        elif not text.isascii():
            odd = next(letter for letter in text if not letter.isascii())
            raise DataError(f"{where}: line {number}: {odd!r} is not ASCII, so this is not a sequence")
        elif " " not in text and "\t" not in text:
            pieces.append(text)
        else:
            words = text.split()
            if len(words) > 2 and len(words[0]) > 1 and len(set(text)) > 2 and join_kmers(words):
                raise DataError(f"{where}: line {number}: overlapping k-mers; write each record as one sequence")
            pieces.append("".join(words))
    if not at:
        raise DataError(f"{where}: empty, expected FASTA")
    yield record()


def header_columns(headers: Sequence[str]) -> dict[str, list[str]]:
    """Return the fields of the headers as columns: `id`, and one for each further field.

    Fields are separated by '|' or by blanks; `gene=abc` is the column 'gene', a bare field is 'field2', 'field3' and so
    on. Where headers differ in their fields, the text after the first word is the column 'description'; but where all
    use '|', as headers with one or more labels do, the bare fields of each are joined by ';' as the column 'label'.
    Headers of a single word that recur, such as '>tRNA', are labels too.
    """
    fields = [_fields(header) for header in headers]
    names = _names(fields[0]) if fields else ["id"]
    if names == ["id"] and all(len(f) == 1 for f in fields) and _recur([f[0] for f in fields]):
        values = [f[0] for f in fields]
        return {"id": values, "label": values}
    if all(_names(f) == names for f in fields):
        return {name: [_value(f[i]) for f in fields] for i, name in enumerate(names)}
    if all("|" in header for header in headers):
        bare = [[field for field in f[1:] if not _PAIR.fullmatch(field)] for f in fields]
        return {"id": [f[0] for f in fields], "label": [";".join(b) for b in bare]}
    words = [header.split(maxsplit=1) for header in headers]
    return {"id": [w[0] for w in words], "description": [w[1] if len(w) > 1 else "" for w in words]}


def add_label(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the columns of `header_columns` with 'label', the bare fields joined by ';', unless it exists."""
    bare = [values for name, values in columns.items() if _BARE.fullmatch(name)]
    if "label" in columns or not bare:
        return columns
    return columns | {"label": bare[0] if len(bare) == 1 else [";".join(row) for row in zip(*bare, strict=True)]}


def drop_bare(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the columns without the bare fields, if there is a label made of them."""
    if "label" not in columns:
        return columns
    return {name: values for name, values in columns.items() if not _BARE.fullmatch(name)}


def _recur(values: Sequence[str]) -> bool:
    """Return whether the values are few for their number, as labels are and names are not."""
    return 1 < len(set(values)) <= len(values) // 2


def _fields(header: str) -> list[str]:
    return [f.strip() for f in header.split("|")] if "|" in header else header.split()


def _names(fields: Sequence[str]) -> list[str]:
    names = ["id"]
    for i, field in enumerate(fields[1:], 2):
        pair = _PAIR.fullmatch(field)
        name = pair[1] if pair else f"field{i}"
        names.append(f"field{i}" if name in (*names, "sequence") else name)
    return names


def _value(field: str) -> str:
    pair = _PAIR.fullmatch(field)
    return pair[2] if pair else field
