"""A store with buckets, as fsspec shows one, whose every request a test can watch, fail or answer late; its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec import AbstractFileSystem

from baserate.storage import mirror

URL = "bucket://lab/results"


class Bucket(AbstractFileSystem):
    """Objects by their names, the first part of which is a bucket: folders are there once they have something."""

    protocol = "bucket"
    objects: ClassVar[dict[str, tuple[bytes, int]]] = {}
    buckets: ClassVar[set[str]] = {"lab"}
    asked: ClassVar[list[tuple[str, str]]] = []
    before: ClassVar[Callable[[str, str], None]] = staticmethod(lambda what, path: None)
    """Called with 'ls', 'info', 'get' or 'put' and the path before each request; what it raises, the store does."""
    _writes: ClassVar[list[int]] = [0]

    @classmethod
    def empty(cls) -> None:
        """Forget all objects and requests."""
        cls.objects.clear()
        cls.asked.clear()
        Bucket.before = staticmethod(lambda what, path: None)

    def _ask(self, what: str, path: str) -> str:
        path = self._strip_protocol(path)
        self.asked.append((what, path))
        Bucket.before(what, path)
        if path.partition("/")[0] not in self.buckets:
            raise FileNotFoundError("The specified bucket does not exist")
        return path

    def _about(self, name: str) -> dict[str, Any]:
        content, number = self.objects[name]
        return {"name": name, "size": len(content), "type": "file", "ETag": f'"{number}"'}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._ask("ls", path)
        found: dict[str, dict[str, Any]] = {}
        for name in list(self.objects):
            if name.startswith(f"{path}/"):
                first, _, more = name[len(path) + 1 :].partition("/")
                at = f"{path}/{first}"
                found[at] = {"name": at, "size": 0, "type": "directory"} if more else self._about(name)
        if not found and path not in self.buckets:
            raise FileNotFoundError(path)
        return list(found.values()) if detail else list(found)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        path = self._ask("info", path)
        if path in self.objects:
            return self._about(path)
        if path in self.buckets or any(name.startswith(f"{path}/") for name in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        path = self._ask("get", rpath)
        if path not in self.objects:
            raise FileNotFoundError(path)
        Path(lpath).write_bytes(self.objects[path][0])

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        path = self._ask("put", rpath)
        self._writes[0] += 1
        self.objects[path] = (Path(lpath).read_bytes(), self._writes[0])

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise AssertionError("this would make a bucket of any name")


class Wide(Bucket):
    """The same store, of which several requests go on at once, and all levels are listed by one."""

    protocol = "wide"
    async_impl = True

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, **options: Any) -> dict[str, Any]:
        path = self._ask("find", path)
        return {name: self._about(name) for name in sorted(self.objects) if name.startswith(f"{path}/")}


@pytest.fixture(autouse=True)
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty the store, and let this test be the only client."""
    for store in (Bucket, Wide):
        fsspec.register_implementation(store.protocol, store, clobber=True)
    Bucket.empty()
    other_client(tmp_path, monkeypatch, "cache")
    yield
    Bucket.empty()
    fsspec.filesystem("memory").store.clear()


def other_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "other") -> None:
    """Go on as another machine, with copies of its own; what is derived from data may be shared."""
    monkeypatch.setattr(mirror, "cache_dir", lambda: tmp_path / name)


def fill(results: Path, url: str = URL) -> None:
    """Put the records of a folder into the store."""
    fs, root = fsspec.core.url_to_fs(url)
    for file in results.glob("*@*/*/*.*"):
        fs.put_file(str(file), f"{root}/{file.relative_to(results).as_posix()}")


def in_store(path: str = "lab/results") -> dict[str, bytes]:
    return {name[len(path) + 1 :]: of[0] for name, of in Bucket.objects.items() if name.startswith(f"{path}/")}


def in_folder(results: Path) -> dict[str, bytes]:
    return {file.relative_to(results).as_posix(): file.read_bytes() for file in results.glob("*@*/*/*.*")}


def puts() -> list[str]:
    return [path for what, path in Bucket.asked if what == "put"]
