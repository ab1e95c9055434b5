"""One file with a folder of results in it, `x.tar.zst`: written from records that are whole, and unpacked with care."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import DataError, NoRecords
from ..files import check_regular, writable, write_whole
from ..leaderboard.several import united
from ..records import Record, read_predictions, read_records

FORMAT = 1
MANIFEST = "manifest.json"
SOURCES = "sources.json"
"""The file of a merged folder that says where each record is from."""
TABLES = ("leaderboard.json", "leaderboard.csv", "leaderboard.md")
_RATIO = 200
"""How many times larger than its file the content of a bundle may be: predictions are compressed already."""
_SLACK = 64 << 20
_MAX_FILES = 1_000_000
_BLOCK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_NAME = re.compile(r"[^\x00-\x1f\\:]+")


def bundle(results: Path, out: Path, *, author: str = "") -> Mapping[str, Any]:
    """Return the manifest of the bundle `out` that is written: all records below `results`, and their leaderboard.

    The same results give the same bytes. `author` is who made them, as the manifest says it. Raises DataError where
    there is no record, one is corrupt or differs from another of its run, or `out` cannot be written.
    """
    records = united(read_records(results))
    if not records:
        raise NoRecords(nothing_in([results]))
    files = dict(_files_of(results, records))
    manifest = _manifest(records, files, author)
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    try:
        write_whole(out, lambda beside: _write(beside, text.encode(), files))
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}; choose another file") from error
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Return, as a context, the folder of results that `path` is or, unpacked, that the bundle at `path` has.

    Raises DataError where it is neither, and for a bundle that `unpack` refuses.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="baserate-") as folder:
        unpack(path, Path(folder) / path.name)
        yield Path(folder) / path.name


def unpack(path: Path, folder: Path) -> None:
    """Unpack the bundle at `path` into the new `folder`.

    A name that leads out of it, a link, a device, a name that is there twice, and content much larger than the file
    are refused: DataError, before anything of that entry is written. Nothing but bytes is taken from the file: no
    owner, no mode, no time.
    """
    try:
        check_regular(path)
        with path.open("rb") as raw:
            head = raw.read(4)
        if head != _ZSTD:
            raise DataError(f"{path}: not a bundle, which is a .tar.zst that `baserate bundle` writes")
        import pyarrow as pa

        with path.open("rb") as raw:
            stream = _Limited(pa.CompressedInputStream(raw, "zstd"), path.stat().st_size * _RATIO + _SLACK, path)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                folder.mkdir(parents=True)
                _extract(archive, folder, path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such folder or bundle") from error
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise DataError(f"{path}: damaged, or not a bundle ({writable(str(error))}); fetch it again") from error


def manifest_of(folder: Path) -> Mapping[str, Any] | None:
    """Return the manifest in a folder, None where it has none. Raises DataError for one that cannot be read."""
    file = folder / MANIFEST
    if not file.is_file():
        return None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not isinstance(value["files"], dict):
            raise ValueError("no table of files")
        if value["format"] > FORMAT:
            raise DataError(f"{file}: format {value['format']} is newer than {FORMAT}; update baserate")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a readable manifest ({error})") from error
    return value


def nothing_in(folders: Sequence[Path]) -> str:
    """Return the error, in one line, for folders in which no record was found."""
    where = ", ".join(str(folder.resolve()) for folder in folders)
    return f"no records in {where}, nor in any folder below: expected TASK@VERSION/MODEL.MODE.HASH/record.json"


def environments_of(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the environments in which the records were made, each once, with the runs that each made."""
    by_text: dict[str, dict[str, Any]] = {}
    for record in records:
        environment = {k: v for k, v in record.environment.items() if k != "precision"}
        key = json.dumps(environment, sort_keys=True)
        by_text.setdefault(key, {"environment": environment, "runs": []})["runs"].append(record.hash)
    return list(by_text.values())


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _files_of(results: Path, records: Sequence[Record]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a bundle by name; of a record those two that it has, checked by their digests."""
    for name in (*TABLES, SOURCES):
        if (results / name).is_file():
            yield name, results / name
    for record in records:
        folder = record.path
        assert folder is not None
        at = f"{folder.parent.name}/{folder.name}"
        yield f"{at}/record.json", folder / "record.json"
        if record.predictions_digest:
            read_predictions(record)
            yield f"{at}/predictions.parquet", folder / "predictions.parquet"


def _manifest(records: Sequence[Record], files: Mapping[str, Path], author: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "baserate": importlib.metadata.version("baserate"),
        "author": author,
        "files": {
            name: {"sha256": digest_of(file), "bytes": file.stat().st_size} for name, file in sorted(files.items())
        },
        "records": [
            {
                "run": r.hash,
                "task": r.spec.task,
                "model": r.spec.model,
                "mode": r.spec.mode,
                "status": r.status,
                "digest": r.digest,
                "predictions": r.predictions_digest,
            }
            for r in records
        ],
        "audits": {r.spec.task: dict(r.audit) for r in records if r.audit},
        "environments": environments_of(records),
    }


def _write(file: Path, manifest: bytes, files: Mapping[str, Path]) -> None:
    import pyarrow as pa

    with file.open("wb") as raw:
        stream = pa.CompressedOutputStream(raw, "zstd")
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, MANIFEST, len(manifest), io.BytesIO(manifest))
            for name, path in files.items():
                with path.open("rb") as content:
                    _add(archive, name, path.stat().st_size, content)
        stream.close()


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)  # without owner, mode and time
    member.size = size
    archive.addfile(member, content)


def _extract(archive: tarfile.TarFile, folder: Path, path: Path) -> None:
    seen: set[str] = set()
    for member in archive:
        name = writable(member.name)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise DataError(f"{path}: {name!r} is not a file but a link or a device; refused")
        parts = PurePosixPath(member.name).parts
        plain = _NAME.fullmatch(member.name) and not member.name.startswith("/") and ".." not in parts
        if not plain or len(parts) > 3 or not parts:
            raise DataError(f"{path}: {name!r} leads out of the bundle, or is no name of a file of results; refused")
        if member.isdir():
            continue
        if str(PurePosixPath(*parts)) in seen:
            raise DataError(f"{path}: {name!r} is there twice; refused")
        seen.add(str(PurePosixPath(*parts)))
        if len(seen) > _MAX_FILES:
            raise DataError(f"{path}: more than {_MAX_FILES:,} files; refused")
        content = archive.extractfile(member)
        assert content is not None
        to = folder.joinpath(*parts)
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("xb") as out:
            left = member.size
            while left and (block := content.read(min(_BLOCK, left))):
                left -= len(block)
                out.write(block)
        if left:
            raise EOFError(f"{name} is cut short")


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes: a small file must not fill the disk or the memory."""

    def __init__(self, stream: Any, limit: int, path: Path) -> None:
        self._stream, self._left, self._path = stream, limit, path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        content: bytes = self._stream.read(size if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._path}: unpacks to more than {_RATIO} times its size; refused")
        return content
