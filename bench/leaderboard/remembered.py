"""A whole leaderboard read back from the cache, where none of its records has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..cache.folder import cache_dir
from ..digests import digest
from ..errors import ConfigError
from ..machine import cores
from ..metrics import parse
from ..records import Record
from .board import Leaderboard
from .cache import code_digest, is_intact, write_cached

_BOARDS = 20


def cached_board(records: Sequence[Record], about: Sequence[str], make: Callable[[], Leaderboard]) -> Leaderboard:
    """Return the leaderboard of these records, cached or as `make` returns it; `about` is what else it follows from.

    Of the cached ones the latest `_BOARDS` are kept: each new record makes another.
    """
    import msgspec

    file = _board_file(records, about)
    if file is None:
        return make()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Leaderboard)
    except (OSError, ValueError):
        made = make()
    with contextlib.suppress(ValueError):  # it has text that is not Unicode, such as the name of a file
        write_cached(file, msgspec.json.encode(made))
    with contextlib.suppress(OSError):
        for old in sorted(file.parent.glob("*.json"), key=lambda f: f.stat().st_mtime)[:-_BOARDS]:
            old.unlink()
    return made


def _board_file(records: Sequence[Record], about: Sequence[str]) -> Path | None:
    """Return the file of the cached leaderboard, None where a record has no digest or its predictions were altered."""
    import scipy

    predicted = [r for r in records if r.predictions_digest]
    with ThreadPoolExecutor(n := cores()) as pool:  # hashes are made outside the interpreter's lock
        shares = [predicted[i::n] for i in range(n)]
        if not all(r.digest for r in records) or not all(pool.map(lambda share: all(map(is_intact, share)), shares)):
            return None
    try:
        metrics = {e.metric for r in records for e in r.estimates}
        code = {code_digest(parse(metric).metric.of) for metric in metrics}
    except ConfigError:
        return None
    code |= {np.__version__, scipy.__version__}
    package = [file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py"))]
    made_of = digest(*sorted(r.digest for r in records), *sorted(code), *package, *about)
    return cache_dir() / "boards" / f"{made_of}.json"
