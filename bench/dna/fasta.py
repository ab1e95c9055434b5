"""FASTA files too large for memory: read once to check and index them, then window by window."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from ..errors import DataError
from ..files import check_regular
from ..progress import Advance, activity
from .assemblies import Entry

if TYPE_CHECKING:
    import pyfaidx

SUFFIXES = (".fa", ".fna", ".fasta")
PACKED = (".gz", ".bgz", ".xz")

_CHUNK = 1 << 24
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
    """The result of one pass over a FASTA file: the SHA-256 of its text and of the packed file, and its contigs."""

    sha256: str
    packed_sha256: str
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


class _Hashing:
    """A file that is hashed, and reports its progress, as it is read."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        self._file, self._advance = file, advance
        self.digest = hashlib.sha256()

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(n)
        self.digest.update(data)
        self._advance(len(data))
        return data


def scan(path: Path, *, unpack: Path | None = None) -> Scan:
    """Return the index and digests of a FASTA file, plain or packed (gzip, xz); write its text to `unpack` if given.

    Raises DataError, naming file and contig, where it is damaged, a letter is not IUPAC DNA, a contig has no sequence
    or occurs twice, or lines have different lengths, so that it cannot be indexed.
    """
    try:
        check_regular(path)
        with path.open("rb") as raw:
            source = _Hashing(raw, activity(f"reading {path.name}", path.stat().st_size))
            text = hashlib.sha256()
            if unpack is None:
                contigs = _index(_pieces(path, source, text, None), str(path))
            else:
                with unpack.open("wb") as out:
                    contigs = _index(_pieces(path, source, text, out), str(path))
        return Scan(text.hexdigest(), source.digest.hexdigest(), tuple(contigs))
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise DataError(f"{path}: truncated or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}") from error


def _pieces(path: Path, source: _Hashing, text: hashlib._Hash, out: BinaryIO | None) -> Iterator[bytes]:
    """Yield the text of the file in large pieces."""
    reader: _Hashing | gzip.GzipFile | lzma.LZMAFile = source
    if path.suffix in (".gz", ".bgz"):
        reader = gzip.GzipFile(fileobj=source)  # type: ignore[call-overload]
    elif path.suffix == ".xz":
        reader = lzma.LZMAFile(source)  # type: ignore[arg-type]
    while piece := reader.read(_CHUNK):
        text.update(piece)
        if out is not None:
            out.write(piece)
        yield piece


def _index(pieces: Iterable[bytes], where: str) -> list[Indexed]:
    """Return the contigs of a FASTA text that comes in pieces."""
    contigs = _Contigs(where)
    rest: list[bytes] = []
    for piece in pieces:
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            contigs.add(b"".join([*rest, head, newline]))
            rest = [tail]
        else:
            rest.append(tail)
    last = b"".join(rest)
    if last:
        contigs.add(last + b"\n")
    return contigs.all()


class _Contigs:
    """The contigs so far of a FASTA text that is added in blocks of whole lines."""

    def __init__(self, where: str) -> None:
        self._where, self._offset = where, 0
        self._done: dict[str, Indexed] = {}
        self._header: tuple[str, str] | None = None
        self._start = self._length = self._bases = self._width = 0
        self._short = False

    def add(self, block: bytes) -> None:
        if not self._offset and block.startswith(_BOM):
            block, self._offset = block.removeprefix(_BOM), len(_BOM)
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        headers = np.flatnonzero(data[starts] == ord(">"))
        for line, after in zip([-1, *headers], [*headers, len(starts)], strict=True):
            if line >= 0:
                self._close()
                self._open(block[starts[line] + 1 : ends[line]], self._offset + int(ends[line]) + 1)
            if after > line + 1:
                rows = slice(line + 1, after)
                self._lines(block[starts[line + 1] : ends[after - 1] + 1], data, starts[rows], ends[rows])
        self._offset += len(block)

    def _open(self, header: bytes, start: int) -> None:
        try:
            words = header.decode().split(None, 1)
        except UnicodeDecodeError as error:
            raise DataError(f"{self._where}: a header is not UTF-8 text: {header[:40]!r}") from error
        if not words:
            raise DataError(f"{self._where}: a header without a name after contig {next(reversed(self._done), '')!r}")
        name, text = words[0], words[1].strip() if len(words) > 1 else ""
        if name in self._done:
            raise DataError(f"{self._where}: contig {name!r} occurs more than once")
        self._header, self._start = (name, text), start
        self._length = self._bases = self._width = 0
        self._short = False

    def _lines(self, block: bytes, data: np.ndarray[tuple[int], np.dtype[np.uint8]], a: object, b: object) -> None:
        starts, ends = np.asarray(a, np.int64), np.asarray(b, np.int64)
        if self._header is None:
            if block.strip():
                raise DataError(f"{self._where}: expected '>NAME', found {block.strip()[:20].decode('latin-1')!r}")
            return
        bad = block.translate(None, _LETTERS)
        if bad:
            raise DataError(
                f"{self._where}: contig {self._header[0]!r} has {chr(bad[0])!r}, which is not an IUPAC DNA letter"
            )
        lengths = np.where(ends == starts, 0, ends - starts - (data[ends - 1] == ord("\r")))
        filled = np.flatnonzero(lengths)
        if len(filled) and not self._bases and not self._short:
            self._bases, self._width = int(lengths[0]), int(ends[0] - starts[0] + 1)
        full = (lengths == self._bases) & (ends - starts + 1 == self._width)
        if len(filled):
            # All but the last line are full; blank lines may follow it, nothing else.
            last = filled[-1]
            if self._short or not full[:last].all() or lengths[last] > self._bases:
                raise DataError(
                    f"{self._where}: the lines of contig {self._header[0]!r} have different lengths, so it cannot be "
                    "indexed; write it with lines of one length, for instance with seqkit seq -w 60"
                )
        self._short = self._short or not bool(full[-1])
        self._length += int(lengths.sum())

    def _close(self) -> None:
        if self._header is None:
            return
        name, text = self._header
        if not self._length:
            raise DataError(f"{self._where}: contig {name!r} has no sequence")
        self._done[name] = Indexed(Entry(name, text, self._length), self._start, self._bases, self._width)

    def all(self) -> list[Indexed]:
        self._close()
        if not self._done:
            raise DataError(f"{self._where}: empty, expected FASTA")
        return list(self._done.values())
