"""Embeddings on disk, so that a sequence set is embedded once across modes, seeds and runs.

A file is a plain .npy followed by the digest of its bytes, written beside its final name and renamed: a reader never
sees half of one, and two processes that write the same file leave the same content.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .capabilities import Embedder
from .errors import DataError
from .types import StrArray, canonical_json, digest

log = logging.getLogger(__name__)

_SCHEMA = "embeddings/1"
_DIGEST_SIZE = 16


def embed_cached(
    model: Embedder,
    sequences: StrArray,
    *,
    revision: str,
    params: Mapping[str, Any],
    settings: Mapping[str, Any],
    cache: Path | None,
) -> NDArray[np.float32]:
    """Return `model.embed(sequences, **settings)`, (n, d), from the folder `cache` where it is there.

    The key is the sequences' content, the weights' revision, the model's parameters and the settings. A damaged file
    is computed anew with a warning, and a folder that cannot be written costs a warning alone. Raises DataError where
    the model returns another number of rows or a value that is not finite.
    """
    if cache is None:
        return _embed(model, sequences, settings)
    path = cache / f"{_key(sequences, revision, params, settings)}.npy"
    if path.exists():
        try:
            return _read(path, len(sequences))
        except (OSError, DataError) as error:
            log.warning("embedding again what a damaged cache file held: %s", error)
    vectors = _embed(model, sequences, settings)
    try:
        _write(path, vectors)
    except OSError as error:
        log.warning("%s: embeddings are not cached (%s)", cache, error.strerror or error)
    return vectors


def _embed(model: Embedder, sequences: StrArray, settings: Mapping[str, Any]) -> NDArray[np.float32]:
    vectors = np.asarray(model.embed(sequences, **settings), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(sequences):
        raise DataError(
            f"{type(model).__name__}.embed gave {vectors.shape} for {len(sequences)} sequences, expected (n, d)"
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(f"{type(model).__name__}.embed gave a value that is not finite for sequence {bad[0]}")
    return vectors


def _key(sequences: StrArray, revision: str, params: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    return digest(
        _SCHEMA, str(len(sequences)), "\n".join(sequences), revision, canonical_json(params), canonical_json(settings)
    )


def _write(path: Path, vectors: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    content = buffer.getbuffer()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.write(_check(content))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path, n: int) -> NDArray[np.float32]:
    content = memoryview(path.read_bytes())
    body, check = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if _check(body) != bytes(check):
        raise DataError(f"{path}: its {len(content)} bytes do not match their digest")
    try:
        vectors: NDArray[np.float32] = np.load(io.BytesIO(body), allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != n:
        raise DataError(f"{path}: holds {vectors.dtype} {vectors.shape}, expected float32 ({n}, d)")
    return vectors


def _check(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()
