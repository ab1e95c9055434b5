"""Files fetched once and identified by their content, and files of the Hugging Face hub at a pinned revision."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..errors import BaserateError, DataError
from ..files import write_whole
from ..progress import activity
from .folder import cache_dir, file_digest

log = logging.getLogger(__name__)

_PASS = "pass --data-dir DIR, or set BASERATE_DATA_DIR to it"
_CHUNK = 1 << 20
_TIMEOUT = 60.0
"""Seconds without an answer after which a server counts as unreachable."""
_SILENT = 60.0
"""Seconds during which a hub that did not answer is not asked again."""
_silence: list[tuple[float, Exception]] = []
"""When the hub last did not answer, and the error raised then."""
_COMMIT = re.compile("[0-9a-f]{40}")

T = TypeVar("T")


def fetch(url: str, *, sha256: str, name: str) -> Path:
    """Return a file whose content has this SHA-256: a local copy, a cached one, or downloaded from `url`.

    Local copies are files called `name` anywhere under the folders of `$BASERATE_DATA_DIR` (one or more, in the syntax
    of PATH). A download is written beside its final name in the cache and renamed. Raises DataError naming the file
    with its digest and the one expected, or the URL where it cannot be downloaded.
    """
    local = [path for folder in data_folders() for path in sorted(folder.rglob(name)) if path.is_file()]
    for path in local:
        if file_digest(path) == sha256:
            return path
    if local:
        raise _wrong(local[0], sha256, file_digest(local[0]), "BASERATE_DATA_DIR has another version of it")
    cached = cache_dir() / "downloads" / sha256[:16] / name
    if cached.is_file():
        cached_digest = file_digest(cached)
        if cached_digest == sha256:
            return cached
        log.warning("%s", _wrong(cached, sha256, cached_digest, "it is downloaded again"))

    def download(beside: Path) -> None:
        digest = _download(url, beside, name)
        if digest != sha256:
            raise _wrong(name, sha256, digest, f"{url} has changed or its download was cut off")

    try:
        write_whole(cached, download)
    except OSError as error:
        raise DataError(
            f"{cached.parent}: cannot write the cache ({error.strerror or error}); set BASERATE_CACHE to a writable "
            "folder"
        ) from error
    return cached


def hub_file(repository: str, path: str, *, revision: str = "main") -> Path:
    """Return a file of a data set on the Hugging Face hub: from a local copy, else downloaded at `revision`.

    Raises DataError, which says how to get the file by hand, where it is not available.
    """
    for copy in hub_copies(repository, revision):
        if (copy / path).is_file():
            return copy / path
    with hub_errors(f"{repository}@{revision}, file {path}", by_hand(repository, revision, paths=[path])):
        return hub_download(repository, path, revision=revision, repo_type="dataset")


def hub_download(repository: str, path: str, *, revision: str | None, repo_type: str) -> Path:
    """Return a file of a repository in the hub's cache, downloaded where it is not there.

    Raises what the hub's client raises. Without a network the client alone would try six times in half a minute; here
    it tries once. A file that is in the cache at a commit is not requested at all.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    url = hf_hub_url(repository, path, revision=revision, repo_type=repo_type)
    cached = try_to_load_from_cache(repository, path, revision=revision, repo_type=repo_type)
    if not isinstance(cached, str):
        ask_hub(lambda: get_hf_file_metadata(url))
    elif _COMMIT.fullmatch(revision or "") or not _in_reach(url):
        return Path(cached)
    return Path(hf_hub_download(repository, path, revision=revision, repo_type=repo_type))


def hub_snapshot(repository: str, commit: str, patterns: Sequence[str]) -> Path:
    """Return the folder of a model's files at a commit: all that match, or without a network those in the cache.

    Raises what the hub's client raises. The client alone would try for half a minute before it uses its cache.
    """
    from huggingface_hub import hf_hub_url, snapshot_download

    local = not _in_reach(hf_hub_url(repository, "config.json", revision=commit))
    return Path(snapshot_download(repository, revision=commit, allow_patterns=list(patterns), local_files_only=local))


def _in_reach(url: str) -> bool:
    """Return whether the hub answers, even if with a refusal."""
    from huggingface_hub import get_hf_file_metadata

    try:
        ask_hub(lambda: get_hf_file_metadata(url))
    except _failures() as error:
        return getattr(error, "response", None) is not None
    return True


def ask_hub(ask: Callable[[], T]) -> T:
    """Return what `ask()` gets from the hub. Raises what it raises.

    After a request without an answer none is made for a minute, and the same error is raised: otherwise each of many
    tasks in a row would wait for an answer.
    """
    if _silence and time.monotonic() - _silence[0][0] < _SILENT:
        raise _silence[0][1].with_traceback(None)
    try:
        return ask()
    except _failures() as error:
        if getattr(error, "response", None) is None:
            _silence[:] = [(time.monotonic(), error)]
        raise


def hub_copies(repository: str, revision: str) -> list[Path]:
    """Return the local folders with a copy of a data set of the hub, the one to prefer first.

    Under each folder of `$BASERATE_DATA_DIR`: `ORG/NAME`, `NAME`, and the layout of the hub's own cache,
    `datasets--ORG--NAME/snapshots/COMMIT`, where the commit is the revision or the one that its ref names.
    """
    folders = []
    for folder in data_folders():
        cached = folder / f"datasets--{repository.replace('/', '--')}"
        ref = cached / "refs" / revision
        commit = ref.read_text().strip() if ref.is_file() else revision
        folders += [folder / repository, folder / repository.partition("/")[2], cached / "snapshots" / commit]
    return [folder for folder in folders if folder.is_dir()]


def by_hand(repository: str, revision: str, *, paths: Sequence[str] = (), include: Sequence[str] = ()) -> str:
    """Return advice on how to get files of a data set of the hub: all, those at `paths` or those that match globs."""
    which = "".join(f" {path}" for path in paths) + "".join(f" --include '{glob}'" for glob in include)
    return (
        f"get it with `hf download {repository}{which} --repo-type dataset --revision {revision} "
        f"--local-dir DIR/{repository}` and {_PASS}"
    )


@contextmanager
def hub_errors(
    what: str,
    advice: str,
    *,
    kind: str = "data set",
    missing: str = "the repository has no such file at this revision",
    error_type: type[BaserateError] = DataError,
) -> Iterator[None]:
    """Turn errors of the hub's clients inside the block into one line: what is not to be had, why, and the advice.

    `kind` is what the hub has or has not under that name, `missing` what is said of a file that its repository lacks.
    """
    from huggingface_hub import errors

    def refused(why: str) -> BaserateError:
        return error_type(f"{what}: {why}")

    try:
        yield
    except errors.GatedRepoError as error:
        raise refused("gated; accept its terms on its page on the hub, then log in with `hf auth login`") from error
    except errors.RevisionNotFoundError as error:
        raise refused("no such revision on the hub") from error
    except errors.RepositoryNotFoundError as error:
        raise refused(f"no such {kind} on the hub, or it is private (`hf auth login`)") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        cause = error.__cause__
        if getattr(cause, "response", None) is not None:  # the hub is reached, and answers with an error
            raise refused(f"cannot be fetched from the hub ({_first_line(cause)}); {advice}") from error
        raise refused(f"not here, and the hub is out of reach (offline mode, or no network); {advice}") from error
    except no_network() as error:
        raise refused(f"not here, and the hub is out of reach ({_first_line(error)}); {advice}") from error
    except errors.EntryNotFoundError as error:
        raise refused(missing) from error
    except (errors.HFValidationError, errors.HfHubHTTPError, OSError) as error:
        raise refused(f"cannot be fetched from the hub ({_first_line(error)}); {advice}") from error


def _first_line(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def no_network() -> tuple[type[Exception], ...]:
    """Return the errors of the hub's client where there is no network, whichever HTTP library its version uses."""
    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return tuple(library.TransportError for library in libraries)


def _failures() -> tuple[type[Exception], ...]:
    return OSError, *no_network()


def _download(url: str, path: Path, name: str) -> str:
    """Return the SHA-256 of the URL's content, written to `path`. Raises DataError where the URL cannot be read."""
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
    return DataError(f"cannot download {url} ({' '.join(reason.split())}); put {name} in a folder DIR and {_PASS}")


def data_file(path: str) -> Path:
    """Return the file at `path` below a folder of data, at any depth. Raises DataError where there is none."""
    for folder in data_folders():
        files = [file for file in [folder / path, *sorted(folder.rglob(path))] if file.is_file()]
        if files:
            return files[0]
    raise DataError(
        f"data:{path} is in no folder of data; get it (the card's origin says where) as DIR/{path} and {_PASS}"
    )


def data_folders() -> list[Path]:
    """Return the folders of `$BASERATE_DATA_DIR`. Raises DataError for one that does not exist."""
    folders = [Path(f).expanduser() for f in os.environ.get("BASERATE_DATA_DIR", "").split(os.pathsep) if f]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"--data-dir or BASERATE_DATA_DIR names {folder}, which is not a folder")
    return folders


def _wrong(file: Path | str, expected: str, digest: str, why: str) -> DataError:
    return DataError(f"{file}: SHA-256 is {digest}, expected {expected}: {why}")
