"""The copy of a store's records in the cache: whole records go both ways, and what stays behind goes the next time.

The predictions of a record go to the store before its `record.json`, which has their digest, so that a record that is
there in part is known for it and left out by who reads. The copy notes how each record looked on both sides when these
were last alike: what has changed since then, on either side, is what has to be fetched or uploaded.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..cache.folder import cache_dir
from ..digests import canonical_json, digest
from ..errors import DataError
from ..files import write_whole
from ..writing import prefix, write_folder
from .store import PREDICTIONS, RECORD, Files, Store, is_at, is_url, marks, reason

log = logging.getLogger(__name__)

FOLDER = "stores"
"""The folder of the cache that has the copies; `baserate cache --clear` leaves it, as it may have what no store has."""
_OWN = ".store"
"""The hidden folder of a copy: the URL of its store, and the notes on its records."""
_PAUSE = 60.0
"""Seconds after an upload that failed in which a run tries no other: each may take long to give up."""
_TRIES = 3
"""Uploads that fail before the first that does not, after which the others are not tried."""


def local(results: str | Path) -> Path:
    """Return where results are on this machine: a path as it is, for a URL the copy of what is there, made up to date.

    A URL is of a folder of results, whose whole records are fetched, and uploaded where the copy alone has them, or of
    a file, such as a bundle. Raises MissingExtra where the package for the protocol is not installed, ConfigError for
    a URL that cannot be used, and DataError, in one line, where the store cannot be read.
    """
    return _Mirror(Store(str(results))).fetched() if is_url(results) else Path(results)


def url_of(results: Path) -> str:
    """Return the URL of the store of which a folder is the copy, '' for any other, such as one copied from there."""
    with suppress(OSError):
        if results.resolve().parent == (cache_dir() / FOLDER).resolve():
            return (results / _OWN / "url").read_text(encoding="utf-8")
    return ""


def named(text: str) -> str:
    """Return the text of a message with the URLs of stores in place of the paths of their copies."""
    for folder in {cache_dir() / FOLDER, (cache_dir() / FOLDER).resolve()}:
        of_a_copy = re.escape(str(folder)) + r"/[^/\s:;,]+"
        text = re.sub(of_a_copy, lambda found: url_of(Path(found[0])) or found[0], text)
    return text


@contextmanager
def uploading(results: Path | None) -> Iterator[Callable[[Path | None], None]]:
    """Yield a function that uploads the record in a folder of `results`, where these are the copy of a store's.

    A record that cannot be uploaded stays in the copy, and is tried again at the end of the block. Raises DataError
    there for what is still missing in the store; the next call of `local` tries it again.
    """
    if results is None or not (url := url_of(results)):
        yield lambda folder: None
        return
    mirror = _Mirror(Store(url), results)
    not_before = 0.0

    def upload(folder: Path | None) -> None:
        nonlocal not_before
        if folder is None or time.monotonic() < not_before:
            return
        if failed := mirror.upload([folder.relative_to(mirror.folder).as_posix()]):
            log.warning("%s; this is tried again", failed)
            not_before = time.monotonic() + _PAUSE

    yield upload
    if failed := mirror.upload(mirror.records()):
        raise DataError(f"{failed}; the same command uploads them")


@contextmanager
def writing_file(out: str | Path) -> Iterator[Path]:
    """Yield the path at which to write a file, which is then uploaded where `out` is a URL. Raises as `local` does."""
    if not is_url(out):
        yield Path(out)
        return
    store = Store(str(out))
    with tempfile.TemporaryDirectory(prefix="baserate-") as folder:
        yield Path(folder) / store.name
        with store.asked("written"):
            store.put(Path(folder) / store.name, "")


class _InPart(Exception):
    """A record of a store is not whole, or not as it was written."""


class _OursStays(Exception):
    """A record of the copy takes the place of the store's."""


class _Mirror:
    """The copy of a store; records are named by their folders below it."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self._store = store
        name = re.sub(r"[^\w.=+-]+", "_", store.name)[:60].lstrip(".")
        self.folder = folder or (cache_dir() / FOLDER / f"{name}.{digest(store.url)[:8]}").absolute()

    def fetched(self) -> Path:
        """Return the copy, made up to date, or that of a file where the URL is of one."""
        store = self._store
        with store.asked("read"):
            there = store.about()
        try:
            write_whole(self.folder / _OWN / "url", store.url)
        except OSError as error:
            raise DataError(f"{self.folder}: no copy of {store.url} can be made there ({error.strerror})") from error
        with store.asked("read"):
            if there is not None and there["type"] == "file":
                return self._fetch_file(marks({RECORD: there}))
            self._fetch_all({} if there is None else store.records())
        return self.folder

    def records(self) -> list[str]:
        """Return the records of the copy."""
        found = (file.parent.relative_to(self.folder).as_posix() for file in self.folder.rglob(RECORD))
        return sorted(filter(is_at, found))

    def upload(self, records: Sequence[str]) -> str:
        """Return why records could not be uploaded, '' where the store has all; those that it has already are left."""
        failed: dict[str, str] = {}
        sent: list[str] = []

        def upload(at: str) -> None:
            if len(failed) >= _TRIES and not sent:
                failed[at] = ""
                return
            try:
                self._upload(at)
                sent.append(at)
            except Exception as error:  # noqa: BLE001 - whatever the store's package raises
                failed[at] = reason(error)

        self._store.each("uploading records to", [at for at in records if self._is_changed(at)], upload)
        if not failed:
            return ""
        why = next(iter(failed.values()))
        return f"{self._store.url}: {_count(failed)} not uploaded ({why}), and stay in {self.folder}"

    def _fetch_file(self, mark: str) -> Path:
        path, note = self.folder / self._store.name, self.folder / _OWN / "file"
        if not (mark and path.is_file() and note.is_file() and note.read_text() == mark):
            write_whole(path, lambda beside: self._store.get("", beside))
            note.write_text(mark)
        return path

    def _fetch_all(self, there: dict[str, Files]) -> None:
        """Let both sides have what either has, but for what was removed from the store."""
        in_part: list[str] = []

        def fetch(at: str) -> None:
            try:
                self._fetch(at, there[at])
            except _InPart:
                in_part.append(at)
                self._forget(at)
            except _OursStays:
                self._forget(at)

        def is_alike(at: str) -> bool:
            mark = marks(there[at])
            return bool(mark) and self._note(at)[0] == mark and self._mark(at) is not None

        self._store.each("fetching records of", [at for at in there if not is_alike(at)], fetch)
        left = [at for at in self.records() if at not in there and not self._is_changed(at)]
        self._store.each("looking for records of", left, self._let_go)
        if lost := [at for at in in_part if self._mark(at) is None]:
            log.warning("%s: %s there in part and left out, such as %s", self._store.url, _count(lost), lost[0])
        if failed := self.upload(self.records()):
            log.warning("%s", failed)

    def _fetch(self, at: str, files: Files) -> None:
        """Take the store's record into the copy. Raises _InPart, or _OursStays where the copy's is to be uploaded.

        Of two that differ the copy's is the later, and stays, unless it failed and the store's is done.
        """
        here = self.folder / at
        contested = self._mark(at) is not None and self._is_changed(at)

        def write(folder: Path) -> None:
            self._download(at, folder)
            if contested:
                theirs, ours = ((of / RECORD).read_bytes() for of in (folder, here))
                if theirs != ours and (_is_done(ours) or not _is_done(theirs)):
                    raise _OursStays

        write_folder(here, write)
        self._take_note(at, marks(files))

    def _download(self, at: str, folder: Path) -> None:
        """Write the store's record into the folder. Raises _InPart."""
        try:
            self._store.get(f"{at}/{RECORD}", folder / RECORD)
            value = json.loads((folder / RECORD).read_bytes())
            sealed = value.pop("digest", "")
            if sealed and sealed != digest(canonical_json(value)):
                raise _InPart
            if stated := value.get("predictions_digest"):
                self._store.get(f"{at}/{PREDICTIONS}", folder / PREDICTIONS)
                if digest((folder / PREDICTIONS).read_bytes()) != stated:
                    raise _InPart
        except (FileNotFoundError, ValueError, AttributeError) as error:
            raise _InPart from error

    def _upload(self, at: str) -> None:
        """Write a record of the copy to the store, unless that has one that is done where this is not."""
        here, mark = self.folder / at, self._mark(at)
        if not _is_done((here / RECORD).read_bytes()):
            with suppress(_InPart, _OursStays):
                there = {name: self._store.about(f"{at}/{name}") or {} for name in (RECORD, PREDICTIONS)}
                return self._fetch(at, {name: info for name, info in there.items() if info})
        written = {}
        for name in (PREDICTIONS, RECORD):
            if (here / name).is_file():
                self._store.put(here / name, f"{at}/{name}")
                written[name] = self._store.about(f"{at}/{name}") or {}
        if mark == self._mark(at):  # else it was replaced meanwhile, and is still to be uploaded
            self._take_note(at, marks(written))

    def _let_go(self, at: str) -> None:
        """Remove a record from the copy that was in the store, and was removed there."""
        if self._store.about(f"{at}/{RECORD}") is None:
            log.warning("%s: %s was removed there, and leaves the copy too", self._store.url, at)
            beside = (self.folder / at).with_name(f"{prefix()}{uuid.uuid4().hex}")
            (self.folder / at).rename(beside)
            shutil.rmtree(beside, ignore_errors=True)
            self._forget(at)

    def _mark(self, at: str) -> str | None:
        """Return by what a record of the copy is known to be as it was; None where there is none."""
        try:
            status = (self.folder / at / RECORD).stat()
            return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        except FileNotFoundError:
            return None

    def _is_changed(self, at: str) -> bool:
        return self._note(at)[1] != self._mark(at)

    def _note(self, at: str) -> tuple[str, str]:
        """Return how a record looked there and here when both were last alike, as '' where they never were."""
        try:
            there, here = json.loads((self.folder / _OWN / "alike" / at).read_text())
            return str(there), str(here)
        except (OSError, ValueError, TypeError):  # such as cut off with the process that wrote it
            return "", ""

    def _take_note(self, at: str, there: str) -> None:
        file = self.folder / _OWN / "alike" / at
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([there, self._mark(at)]))

    def _forget(self, at: str) -> None:
        (self.folder / _OWN / "alike" / at).unlink(missing_ok=True)


def _is_done(record: bytes) -> bool:
    try:
        return bool(json.loads(record)["status"] == "done")
    except (ValueError, KeyError, TypeError):
        return False


def _count(records: Sequence[str] | dict[str, str]) -> str:
    return "1 record is" if len(records) == 1 else f"{len(records)} records are"
