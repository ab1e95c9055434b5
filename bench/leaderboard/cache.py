"""What is computed from predictions cached on disk, by the predictions and the code that it comes from."""

from __future__ import annotations

import functools
import inspect
import io
import json
import logging
import uuid
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from .. import statistics
from ..cache.folder import cache_dir
from ..digests import digest
from ..files import remove_left, write_whole
from ..metrics import Prepare, parse
from ..provenance import sources
from ..records import Record
from ..results import Estimate
from ..statistics import Difference, Jackknife
from ..types import StrArray

log = logging.getLogger(__name__)

_DIFFERENCE = tuple(f.name for f in fields(Difference))


def is_intact(record: Record) -> bool:
    """Return whether the record's predictions are as they were written; reading them says what is wrong if not.

    Those that were never written have no digest that they could be kept under.
    """
    if record.path is None:
        return bool(record.predictions_digest)
    file = record.path / "predictions.parquet"
    try:
        seen = file.stat()
        return _digest_of(file, seen.st_mtime_ns, seen.st_size) == record.predictions_digest
    except OSError:
        return False


@functools.lru_cache(maxsize=4096)
def _digest_of(file: Path, changed: int, size: int) -> str:
    """Return the digest of the file, which is read once while it does not change: a record is in many pairs."""
    return digest(file.read_bytes())


def ids_key(ids: StrArray | None) -> tuple[str, ...]:
    """Return what a cached value over the examples with these ids is also about; nothing for all of them."""
    return () if ids is None else (digest(*ids),)


def jackknife_file(record: Record, metric: str, *about: str) -> Path:
    """Return the file of a cached jackknife of a metric, by the record's predictions and what it is `about`."""
    return cache_dir() / "jackknives" / f"{_key(record, metric, *about)}.npz"


def swap_file(a: Record, b: Record, metric: str, *about: str) -> Path:
    """Return the file of a cached p-value of swapping the predictions of two records."""
    return cache_dir() / "swaps" / f"{_key(a, metric, b.predictions_digest, *about)}.json"


def pairs_file(records: Sequence[Record], metric: str, *about: str) -> Path:
    """Return the file of the cached differences of all pairs of records, in this order."""
    return cache_dir() / "pairs" / f"{_key(records[0], metric, *(r.predictions_digest for r in records), *about)}.json"


def estimate_file(record: Record, metric: str, *about: str) -> Path:
    """Return the file of a cached metric computed from the record's predictions."""
    return cache_dir() / "estimates" / f"{_key(record, metric, *about)}.json"


def read_jackknife(file: Path) -> Jackknife | None:
    """Return the jackknife, None where there is no whole file of it."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            seeds = tuple(int(s) for s in stored["seeds"])
            values, without = stored["values"], stored["without"]
            return Jackknife(seeds, values, without, float(stored["effective"]), bool(stored["one_set"]))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def write_jackknife(file: Path, made: Jackknife) -> None:
    """Cache the jackknife; where that fails, log a warning."""
    content = io.BytesIO()
    np.savez(
        content,
        seeds=made.seeds,
        values=made.values,
        without=made.without,
        effective=made.effective,
        one_set=made.one_set,
    )
    write_cached(file, content.getvalue())


def read_differences(file: Path) -> list[Difference] | None:
    """Return the differences, None where there is no whole file of them."""
    try:
        columns = json.loads(file.read_bytes())
        columns["parts"] = [tuple(map(tuple, parts)) for parts in columns["parts"]]
        return [Difference(*row) for row in zip(*(columns[name] for name in _DIFFERENCE), strict=True)]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_differences(file: Path, made: Sequence[Difference]) -> None:
    """Cache the differences; where that fails, log a warning."""
    write_cached(file, json.dumps({name: [getattr(d, name) for d in made] for name in _DIFFERENCE}).encode())


def cached_number(file: Path, make: Callable[[], float | None]) -> float | None:
    """Return the number in the file, or what `make` returns, which is then cached there."""
    try:
        known = json.loads(file.read_bytes())
        return None if known is None else float(known)
    except (OSError, ValueError, TypeError):
        made = make()
        write_cached(file, json.dumps(made).encode())
        return made


def read_estimate(file: Path) -> Estimate | None:
    """Return the estimate, None where there is no whole file of it."""
    try:
        value = json.loads(file.read_bytes())
        return Estimate.from_json(value)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_estimate(file: Path, estimate: Estimate) -> None:
    """Cache the estimate; where that fails, log a warning."""
    write_cached(file, json.dumps(asdict(estimate), sort_keys=True).encode())


def _key(record: Record, metric: str, *about: str) -> str:
    return digest(record.predictions_digest, metric, code_digest(parse(metric).metric.of), *about)


@functools.cache
def code_digest(prepare: Prepare) -> str:
    """Return the digest of the code that makes estimates of a metric with this function, wherever that is defined."""
    source = Path(inspect.unwrap(prepare).__code__.co_filename)
    if not source.is_file():
        return uuid.uuid4().hex  # typed at a prompt: nothing computed with it can be used again
    files = {file for first in (source, Path(str(statistics.__file__))) for file in sources(first)}
    files |= {Path(__file__).with_name(name) for name in ("comparisons.py", "pairs.py")}
    return digest(*(file.read_bytes() for file in sorted(files)), np.__version__)


@functools.lru_cache(maxsize=64)
def _sweep(folder: Path) -> None:
    """Remove what dead processes left in the folder, once a process: it holds a file for each of many records."""
    remove_left(folder)


def write_cached(file: Path, content: bytes) -> None:
    """Write the file whole; where that fails, log a warning."""
    try:
        _sweep(file.parent)
        write_whole(file, lambda beside: beside.write_bytes(content), sweep=False)
    except OSError as error:
        log.warning(
            "cannot cache results in %s (%s); they will be computed again next time", file.parent, error.strerror
        )
