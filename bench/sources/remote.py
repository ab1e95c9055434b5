"""Files that are fetched once and known by their content."""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..progress import activity
from .cache import cache_dir

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_TIMEOUT = 60.0
"""Seconds without an answer, after which a server counts as not there."""


def fetch(url: str, *, sha256: str, name: str) -> Path:
    """Return a file whose content has this SHA-256: a local copy, a cached one, or downloaded from `url`.

    Local copies are files called `name` anywhere under the folders of `$BASERATE_DATA_DIR` (as many as there are in
    PATH's syntax). A download is written beside its final name in the cache and renamed. Raises DataError naming the
    file with the digest expected and found, or the URL where it cannot be had.
    """
    local = [path for folder in _data_folders() for path in sorted(folder.rglob(name)) if path.is_file()]
    for path in local:
        if _sha256(path) == sha256:
            return path
    if local:
        raise _wrong(local[0], sha256, _sha256(local[0]), "BASERATE_DATA_DIR holds another version of it")
    cached = cache_dir() / "downloads" / sha256[:16] / name
    if cached.is_file():
        found = _sha256(cached)
        if found == sha256:
            return cached
        log.warning("%s", _wrong(cached, sha256, found, "it is downloaded again"))
    beside = cached.with_name(f".{name}.{uuid.uuid4().hex[:8]}")
    try:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            digest = _download(url, beside, name)
            if digest != sha256:
                raise _wrong(name, sha256, digest, f"{url} has changed or its download was cut off")
            beside.replace(cached)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{cached.parent}: cannot write the cache ({error.strerror or error}); set BASERATE_CACHE to a writable "
            "folder"
        ) from error
    return cached


def _download(url: str, path: Path, name: str) -> str:
    """Write what the URL holds to `path` and return its SHA-256. Raises DataError where the URL cannot be read."""
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for chunk in _chunks(url, name):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _chunks(url: str, name: str) -> Iterator[bytes]:
    import http.client
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            advance = activity(f"downloading {name}", int(answer.headers.get("Content-Length") or 0))
            while chunk := answer.read(_CHUNK):
                yield chunk
                advance(len(chunk))
    except urllib.error.HTTPError as error:
        with error:
            raise _unreachable(url, name, str(error)) from error
    except urllib.error.URLError as error:
        raise _unreachable(url, name, str(error.reason)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unreachable(url, name, str(error)) from error


def _unreachable(url: str, name: str, reason: str) -> DataError:
    return DataError(
        f"cannot download {url} ({' '.join(reason.split())}); put {name} in a folder and set BASERATE_DATA_DIR to that "
        "folder"
    )


def _data_folders() -> list[Path]:
    """Return the folders of `$BASERATE_DATA_DIR`. Raises DataError for one that is not there."""
    folders = [Path(f).expanduser() for f in os.environ.get("BASERATE_DATA_DIR", "").split(os.pathsep) if f]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"BASERATE_DATA_DIR names {folder}, which is not a folder")
    return folders


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _wrong(file: Path | str, expected: str, found: str, why: str) -> DataError:
    return DataError(f"{file}: SHA-256 is {found}, expected {expected}: {why}")
