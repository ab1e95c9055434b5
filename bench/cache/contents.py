"""What is in the cache, its size, and its removal; only files with baserate's names are seen or touched."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..digests import canonical_json
from ..errors import ConfigError, DataError, UnknownName
from .outputs import FILES, OUTPUTS, Segment

_HEX = "[0-9a-f]" * 16

KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        OUTPUTS: ("outputs of models for sequences", FILES),
        "examples": ("tables of examples, derived from sources", f"*-{_HEX}.*"),
        "jackknives": ("metrics without each cluster, for leaderboards", f"{_HEX}.npz*"),
        "pairs": ("differences of the rows of a column, for leaderboards", f"{_HEX}.json*"),
        "swaps": ("p-values of swapping two models", f"{_HEX}.json*"),
        "boards": ("leaderboards, each of the records that it was made of", f"{_HEX}.json*"),
        "estimates": ("metrics computed again from stored predictions", f"*{_HEX}.json*"),
        "checks": ("results of model checks", f"{_HEX}.json"),
        "trainings": ("states of trainings that were cut short", f"{_HEX}.pt*"),
        "downloads": ("files fetched from the web", f"{_HEX}/*"),
    }
)
"""What is in each folder of the cache, and which files there are baserate's: a cache may be anybody's folder."""


@dataclass(frozen=True)
class KindUse:
    """The size of one kind; `used` is when any of it was last used (outputs) or written, in seconds of the epoch."""

    kind: str
    what: str
    files: int
    bytes: int
    used: float | None


@dataclass(frozen=True)
class Entry:
    """The outputs under one key; `used` is when they were last used, in seconds of the epoch."""

    model: str
    method: str
    settings: str
    rows: int
    bytes: int
    used: float


@dataclass(frozen=True)
class _File:
    path: Path
    bytes: int
    used: float


def kinds(cache: Path) -> list[KindUse]:
    """Return the size of each kind, in the order of KINDS, empty ones included."""
    out = []
    for kind, (what, _) in KINDS.items():
        files = list(_files(cache, kind))
        used = max((file.used for file in files), default=None)
        out.append(KindUse(kind, what, len(files), sum(file.bytes for file in files), used))
    return out


def size(cache: Path) -> int:
    """Return the bytes of all kinds."""
    return sum(use.bytes for use in kinds(cache))


def entries(cache: Path) -> list[Entry]:
    """Return the outputs under each key, the most recently used first."""
    by_key: dict[str, Entry] = {}
    for file in _files(cache, OUTPUTS):
        segment = _described(file.path)
        if segment is None:
            continue
        key = file.path.parent.name
        before = by_key.get(key)
        settings = {k: v for k, v in segment.key.items() if k not in ("model", "method")}
        by_key[key] = Entry(
            str(segment.key.get("model", "")),
            str(segment.key.get("method", "")),
            " ".join(f"{k}={v if isinstance(v, str) else canonical_json(v)}" for k, v in sorted(settings.items())),
            segment.shape[0] + (before.rows if before else 0),
            file.bytes + (before.bytes if before else 0),
            max(file.used, before.used if before else 0.0),
        )
    return sorted(by_key.values(), key=lambda e: -e.used)


def clear(
    cache: Path, *, kind: str | None = None, model: str | None = None, older_than_days: float | None = None
) -> int:
    """Return how many bytes were freed by removing all files, or those that meet every condition.

    `model` selects among outputs only. Raises UnknownName for an unknown kind or a model without cached outputs, and
    ConfigError for a model with a kind other than outputs.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownName("kind of cached file", kind, KINDS)
    if model is not None and kind not in (None, OUTPUTS):
        raise ConfigError(f"{kind} are not stored by model; only {OUTPUTS} are")
    if model is not None and model not in (models := {entry.model for entry in entries(cache)}):
        raise UnknownName("model in the cache", model, models)
    chosen = [kind] if kind else [OUTPUTS] if model is not None else list(KINDS)
    before = time.time() - 86_400 * (older_than_days or 0.0)
    freed = 0
    for file in [file for name in chosen for file in _files(cache, name)]:
        if older_than_days is not None and file.used > before:
            continue
        if model is not None:
            segment = _described(file.path)
            if segment is None or segment.key.get("model") != model:
                continue
        with contextlib.suppress(FileNotFoundError):
            try:
                file.path.unlink()
            except PermissionError as error:
                raise DataError(f"{file.path}: cannot be removed ({error.strerror})") from error
            freed += file.bytes
        with contextlib.suppress(OSError):  # not empty
            file.path.parent.rmdir()
    return freed


def _files(cache: Path, kind: str) -> Iterator[_File]:
    for path in sorted((cache / kind).glob(KINDS[kind][1])):
        with contextlib.suppress(OSError):  # removed meanwhile
            about = path.stat()
            if path.is_file():
                yield _File(path, about.st_size, about.st_mtime)


def _described(path: Path) -> Segment | None:
    if path.suffix != ".rows":
        return None
    try:
        with path.open("rb") as file:
            return Segment.of(file)
    except (OSError, DataError):
        return None
