"""FASTA files too large for memory: read once to check and index them, then window by window."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import DataError
from ..unpack import blocks, is_packed, text_lines
from .assemblies import Entry
from .fasta_text import Record, fasta_records
from .sequence import check_sequence

if TYPE_CHECKING:
    import pyfaidx

SUFFIXES = (".fa", ".fna", ".fasta")
_WIDTH = 80
_BOM = b"\xef\xbb\xbf"
_LETTERS = b"ACGTRYSWKMBDHVNacgtryswkmbdhvn\r\n"


class Bases(Protocol):
    """A contig: its length in bp, and slices of it as text. A str is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice, /) -> str: ...


@dataclass(frozen=True)
class Indexed:
    """A contig with its place in the file, as in a .fai: byte `offset`, bases a line, bytes a line."""

    entry: Entry
    offset: int
    bases: int
    width: int

    @property
    def fai(self) -> str:
        """The contig's line of a .fai file."""
        return f"{self.entry.name}\t{self.entry.length}\t{self.offset}\t{self.bases}\t{self.width}\n"


@dataclass(frozen=True)
class Scan:
    """The index of a FASTA file that is read slice by slice: the `file`, the SHA-256 of its text, and its contigs.

    `digests` are the SHA-256 of the user's file: as it is, and of its text.
    """

    file: Path
    sha256: str
    digests: tuple[str, str]
    contigs: tuple[Indexed, ...]


class Contig:
    """A contig whose slices are read from its file."""

    def __init__(self, faidx: pyfaidx.Faidx, name: str, length: int) -> None:
        self._faidx, self._name, self._length = faidx, name, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, at: slice, /) -> str:
        start, end, step = at.indices(self._length)
        if step != 1:
            raise ValueError("a contig is sliced without a step")
        return str(self._faidx.fetch(self._name, start + 1, end)) if start < end else ""


class Genome(Mapping[str, Contig]):
    """The contigs of an indexed FASTA file by name; aliases find a contig, but are not listed.

    With `upper` = false their letters are in the case of the file.
    """

    def __init__(
        self, path: Path, index: Path, contigs: Mapping[str, int], aliases: Mapping[str, str], *, upper: bool = True
    ) -> None:
        import pyfaidx

        self._aliases = aliases
        faidx = pyfaidx.Faidx(
            str(path), indexname=str(index), as_raw=True, sequence_always_upper=upper, rebuild=False, build_index=False
        )
        self._contigs = {name: Contig(faidx, name, length) for name, length in contigs.items()}

    def __getitem__(self, name: str) -> Contig:
        return self._contigs[self._aliases.get(name, name)]

    def __contains__(self, name: object) -> bool:
        return name in self._contigs or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._contigs)

    def __len__(self) -> int:
        return len(self._contigs)


class Aliased(Mapping[str, str]):
    """Sequences in memory by name; aliases find them too, but are not listed."""

    def __init__(self, sequences: Mapping[str, str], other: Mapping[str, str]) -> None:
        self._sequences, self._other = sequences, other

    def __getitem__(self, name: str) -> str:
        return self._sequences[self._other.get(name, name)]

    def __contains__(self, name: object) -> bool:
        return name in self._sequences or name in self._other

    def __iter__(self) -> Iterator[str]:
        return iter(self._sequences)

    def __len__(self) -> int:
        return len(self._sequences)


def contigs(path: Path, *, upper: bool = True) -> Iterator[Record]:
    """Yield the contigs of a FASTA file, plain or packed, in upper case or as they are; a header begins with the name.

    Lines may be of any length and end in any way; blanks and blank lines do not count. Raises DataError, naming the
    line, where a letter is not IUPAC DNA, a contig has no name or no sequence, or a name occurs twice.
    """
    names: set[str] = set()
    for record in fasta_records(text_lines(path), str(path)):
        name = record.header.split()[0]
        where = f"{path}: line {record.line}: contig {name!r}"
        if name in names:
            raise DataError(f"{where} occurs more than once")
        names.add(name)
        checked = check_sequence(record.sequence, where)
        yield record._replace(sequence=checked) if upper else record


def scan(path: Path, copy: Path) -> Scan:
    """Return the index of a FASTA file, plain or packed; `copy` is written where the file itself cannot be indexed.

    That is a packed file, and one whose lines are of several lengths or hold blanks. What is FASTA, and what is
    refused, are the same as for `contigs`. Raises DataError as it does.
    """
    packed = is_packed(path)
    text = hashlib.sha256()
    index: _Contigs | None = _Contigs()
    rest: list[bytes] = []
    try:
        with copy.open("wb") if packed else nullcontext() as out:
            for piece in blocks(path):
                text.update(piece)
                if out is not None:
                    out.write(piece)
                head, newline, tail = piece.rpartition(b"\n")
                if index and newline and not index.add(b"".join([*rest, head, newline])):
                    index = None
                rest = [tail] if newline else [*rest, tail]
        found = index.all(b"".join(rest)) if index else ()
        digest = text.hexdigest()
        digests = (sha256_of(path) if packed else digest, digest)
        if found:
            return Scan(copy if packed else path, digest, digests, found)
        _write_even(path, copy)
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}") from error
    return replace(scan(copy, copy), digests=digests)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _write_even(path: Path, out: Path) -> None:
    """Write the contigs of a FASTA file with lines of one length, in upper case."""
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for header, sequence, _ in contigs(path):
            file.write(f">{header}\n")
            file.writelines(f"{sequence[i : i + _WIDTH]}\n" for i in range(0, len(sequence), _WIDTH))


class _Contigs:
    """The contigs so far of a FASTA text that is added in blocks of whole lines, as long as it can be indexed."""

    def __init__(self) -> None:
        self._offset = 0
        self._done: dict[str, Indexed] = {}
        self._header: tuple[str, str] | None = None
        self._start = self._length = self._bases = self._width = 0
        self._short = False

    def add(self, block: bytes) -> bool:
        """Return whether the text can be indexed so far: what cannot is read again, by `contigs`."""
        if not self._offset and block.startswith(_BOM):
            block, self._offset = block.removeprefix(_BOM), len(_BOM)
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        headers = np.flatnonzero(data[starts] == ord(">"))
        for line, after in zip([-1, *headers], [*headers, len(starts)], strict=True):
            if line >= 0:
                header = block[starts[line] + 1 : ends[line]]
                if not self._close() or not self._open(header, self._offset + int(ends[line]) + 1):
                    return False
            if after > line + 1:
                rows = slice(line + 1, after)
                lines = block[starts[line + 1] : ends[after - 1] + 1]
                if not self._lines(lines, data, starts[rows], ends[rows]):
                    return False
        self._offset += len(block)
        return True

    def _open(self, header: bytes, start: int) -> bool:
        try:
            text = header.decode().strip()
        except UnicodeDecodeError:
            return False
        if not text.strip(" \t|") or "\0" in text or "\r" in text:
            return False
        name, *rest = text.split(None, 1)
        if name in self._done:
            return False
        self._header, self._start = (name, rest[0] if rest else ""), start
        self._length = self._bases = self._width = 0
        self._short = False
        return True

    def _lines(self, block: bytes, data: np.ndarray[tuple[int], np.dtype[np.uint8]], a: object, b: object) -> bool:
        starts, ends = np.asarray(a, np.int64), np.asarray(b, np.int64)
        if self._header is None:
            return not block.strip()
        returns = (ends > starts) & (data[ends - 1] == ord("\r"))
        if block.translate(None, _LETTERS) or block.count(b"\r") != returns.sum():
            return False
        lengths = ends - starts - returns
        filled = np.flatnonzero(lengths)
        if len(filled) and not self._bases and not self._short:
            self._bases, self._width = int(lengths[0]), int(ends[0] - starts[0] + 1)
        full = (lengths == self._bases) & (ends - starts + 1 == self._width)
        if len(filled):
            # All but the last line are full; blank lines may follow it, nothing else.
            last = filled[-1]
            if self._short or not full[:last].all() or lengths[last] > self._bases:
                return False
        self._short = self._short or not bool(full[-1])
        self._length += int(lengths.sum())
        return True

    def _close(self) -> bool:
        if self._header is None:
            return True
        name, text = self._header
        self._done[name] = Indexed(Entry(name, text, self._length), self._start, self._bases, self._width)
        return self._length > 0

    def all(self, last: bytes) -> tuple[Indexed, ...]:
        """Return all contigs, () where the text cannot be indexed; `last` is its last line, if no newline ends it."""
        fits = (not last or self.add(last + b"\n")) and self._close()
        return tuple(self._done.values()) if fits else ()
