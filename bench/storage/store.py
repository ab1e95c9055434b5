"""A store by its URL, through fsspec: what is there, reading and writing its files, and errors in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BaserateError, ConfigError, DataError, MissingExtra, UnknownName
from ..progress import activity

RECORD, PREDICTIONS = "record.json", "predictions.parquet"
_NAME = re.compile(r".+\.[0-9a-f]{8}")
"""The name of a record's folder."""
_COPIES = ("mlartifacts", "mlruns")
"""Folders in which MLflow has copies of records."""
_DEEPEST = 12
"""Levels of folders that are looked through, where a link may lead back up."""
_TAGS = ("ETag", "etag", "md5Hash", "generation", "blob_id")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created", "ino")
_AT_ONCE = 16
"""Records on their way at once, where the store's package can do so."""

Files = Mapping[str, Mapping[str, Any]]
"""What a store says of the files of a record, by their names."""


def is_url(name: object) -> bool:
    """Return whether a name is a URL, such as s3://bucket/folder, rather than a path."""
    return isinstance(name, str) and re.match(r"[A-Za-z][\w.+-]*://", name) is not None


def is_at(folder: str) -> bool:
    """Return whether a record may be in a folder below results: not in what is hidden, or MLflow's."""
    parts = folder.split("/")
    return not any(part in ("", *_COPIES) or part.startswith(".") for part in parts) and bool(
        _NAME.fullmatch(parts[-1])
    )


class Store:
    """What is at a URL. The file system's own errors come out of every method; `asked` makes them one line."""

    def __init__(self, url: str) -> None:
        """Ask nothing of a server. Raises MissingExtra, and ConfigError for a URL that cannot be used."""
        self._fs, self.root = _opened(url)
        self.url: str = self._fs.unstrip_protocol(self.root)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.root.rpartition("/")[2]

    @contextmanager
    def asked(self, what: str) -> Iterator[None]:
        """Turn whatever the store's package raises into a DataError of one line: it cannot be `what`."""
        try:
            yield
        except BaserateError:
            raise
        except Exception as error:
            raise DataError(f"{self.url}: cannot be {what} ({reason(error)})") from error

    def about(self, path: str = "") -> dict[str, Any] | None:
        """Return what the store says of a path below, or of itself, as of now; None where there is nothing.

        Raises FileNotFoundError where there is not even a bucket: a folder in one is there once it has something.
        """
        self._fs.invalidate_cache()
        try:
            return dict(self._fs.info(self._path(path)))
        except FileNotFoundError:
            if not path:
                self._check_bucket()
            return None

    def records(self) -> dict[str, Files]:
        """Return the files of each record, by the record's folder.

        These are the records in its root or, where there are none, anywhere below, as in any folder of results.
        """
        found: dict[str, dict[str, Any]] = {}
        for path, info in self._files():
            at, _, name = path.rpartition("/")
            if name in (RECORD, PREDICTIONS) and is_at(at):
                found.setdefault(at, {})[name] = info
        whole: dict[str, Files] = {at: files for at, files in found.items() if RECORD in files}
        return {at: files for at, files in whole.items() if at.count("/") == 1} or whole

    def get(self, path: str, to: Path) -> None:
        """Write a file of the store to a path of this machine; its own file, where the path below it is ''."""
        self._fs.get_file(self._path(path), str(to))

    def put(self, file: Path, path: str) -> None:
        """Write a file to the store; `path` is '' as for `get`."""
        to = self._path(path)
        if self._fs.root_marker:  # it has folders; in one with buckets this would make any that is misspelt
            self._fs.makedirs(to.rpartition("/")[0], exist_ok=True)
        self._fs.put_file(str(file), to)

    def each(self, doing: str, items: Sequence[str], act: Callable[[str], None]) -> None:
        """Call a function with every item, several at once where the store's package can do so, and say how many."""
        if not items:
            return
        advance = activity(f"{doing} {self.url}", len(items))
        if not self._fs.async_impl:
            for item in items:
                act(item)
                advance(1)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ends = [pool.submit(act, item) for item in items]
            try:
                for end in as_completed(ends):
                    end.result()
                    advance(1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _path(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def _files(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the files below. Every folder is listed here: `find` leaves out those that cannot be, and says nothing.

        Where all levels are listed in one request, it says so.
        """
        level = {info["name"]: info for info in self._fs.ls(self.root, detail=True)}
        if self._fs.async_impl:
            level = self._fs.find(self.root, detail=True)
        for _ in range(_DEEPEST):
            below: dict[str, Mapping[str, Any]] = {}
            for path, info in level.items():
                name = path.rstrip("/").rpartition("/")[2]
                if info["type"] != "directory":
                    yield path[len(self.root) :].lstrip("/"), info
                elif not (name.startswith(".") or name in _COPIES or path.rstrip("/") == self.root):
                    below |= {each["name"]: each for each in self._fs.ls(path, detail=True)}
            level = below

    def _check_bucket(self) -> None:
        if self._fs.root_marker:
            return
        bucket = self.root.partition("/")[0]
        try:
            self._fs.ls(bucket)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no bucket {bucket}") from None
        except Exception:  # noqa: BLE001 - such as where only a folder in it may be seen
            return


def marks(files: Files) -> str:
    """Return by what files of a store are known to be as they were, '' where it does not say when they changed."""
    found = [_mark(files[name]) for name in (RECORD, PREDICTIONS) if name in files]
    return " ".join(found) if all(found) else ""


def reason(error: BaseException) -> str:
    """Return the first line of what an error says."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def _mark(info: Mapping[str, Any]) -> str:
    known = [str(info[key]).strip('"') for key in _TAGS if info.get(key)]
    known = known or [str(info[key]) for key in _TIMES if info.get(key)]
    return " ".join([*known, str(info.get("size"))]) if known else ""


def _opened(url: str) -> tuple[Any, str]:
    protocol, _, path = url.partition("://")
    if re.match(r"[^/@]*:[^/@]*@", path):
        raise ConfigError(f"{protocol}://…: has a password, which would be stored; put it into fsspec's configuration")
    if not path.strip("/"):
        raise ConfigError(f"{url}: names no folder; expected one, such as {protocol}://bucket/results")
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    try:
        fs, root = url_to_fs(url)
        return fs, str(root).rstrip("/")
    except ImportError as error:
        package = str(known_implementations[protocol]["class"]).partition(".")[0]
        if package == "fsspec":  # it has the class, and lacks what that imports
            package = getattr(error.__cause__ or error, "name", "") or package
        raise MissingExtra(f"{url}: needs {package}, which is not installed: pip install {package}") from error
    except Exception as error:
        if protocol not in known_implementations:
            raise UnknownName("protocol", protocol, known_implementations, "Known are those of fsspec.") from error
        raise DataError(f"{url}: cannot be opened ({reason(error)})") from error
