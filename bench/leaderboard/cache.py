"""Draws and estimates cached on disk, by the predictions and the code that they come from."""

from __future__ import annotations

import functools
import inspect
import io
import json
import logging
import uuid
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import statistics
from ..cache.folder import cache_dir
from ..digests import digest
from ..files import write_whole
from ..metrics import Prepare, parse
from ..provenance import sources
from ..records import Record
from ..results import Estimate
from ..types import FloatArray

log = logging.getLogger(__name__)


def is_intact(record: Record) -> bool:
    """Return whether the record's predictions are as they were written; reading them says what is wrong if not.

    Those that were never written have no digest that they could be kept under.
    """
    if record.path is None:
        return bool(record.predictions_digest)
    try:
        return digest((record.path / "predictions.parquet").read_bytes()) == record.predictions_digest
    except OSError:
        return False


def draws_file(record: Record, metric: str, *about: str) -> Path:
    """Return the file of cached draws of a metric, by the record's predictions, the code and what they are `about`."""
    return cache_dir() / "draws" / f"{_key(record, metric, *about)}.npy"


def estimate_file(record: Record, metric: str, *about: str) -> Path:
    """Return the file of a cached metric computed from the record's predictions."""
    return cache_dir() / "estimates" / f"{_key(record, metric, *about)}.json"


def read_draws(file: Path, n_resamples: int) -> FloatArray | None:
    """Return the draws (n_resamples,), None where there is no whole file of them."""
    try:
        draws: FloatArray = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return draws if draws.shape == (n_resamples,) and draws.dtype == np.float64 else None


def write_draws(file: Path, draws: FloatArray) -> None:
    """Cache the draws; where that fails, log a warning."""
    content = io.BytesIO()
    np.save(content, draws)
    _write(file, content.getvalue())


def read_estimate(file: Path) -> Estimate | None:
    """Return the estimate, None where there is no whole file of it."""
    try:
        value = json.loads(file.read_bytes())
        return Estimate(**{**value, "per_seed": tuple(value["per_seed"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_estimate(file: Path, estimate: Estimate) -> None:
    """Cache the estimate; where that fails, log a warning."""
    _write(file, json.dumps(asdict(estimate), sort_keys=True).encode())


def _key(record: Record, metric: str, *about: str) -> str:
    return digest(record.predictions_digest, metric, _code_digest(parse(metric).metric.of), *about)


@functools.cache
def _code_digest(prepare: Prepare) -> str:
    """Return the digest of the code that makes estimates of a metric with this function, wherever that is defined."""
    source = Path(inspect.unwrap(prepare).__code__.co_filename)
    if not source.is_file():
        return uuid.uuid4().hex  # typed at a prompt: nothing computed with it can be used again
    files = {file for first in (source, Path(str(statistics.__file__))) for file in sources(first)}
    return digest(*(file.read_bytes() for file in sorted(files)), np.__version__)


def _write(file: Path, content: bytes) -> None:
    try:
        write_whole(file, lambda beside: beside.write_bytes(content))
    except OSError as error:
        log.warning(
            "cannot cache results in %s (%s); they will be computed again next time", file.parent, error.strerror
        )
