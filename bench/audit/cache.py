"""Audits on disk, one for each combination of data, split and code."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from pathlib import Path

import numpy as np

from ..digests import canonical_json, digest
from ..errors import DataError
from ..files import write_whole
from ..provenance import sources
from ..types import Split, Task
from .finding import SCHEMA, Audit
from .shortcuts import by_rows


def key_of(task: Task, split: Split) -> str:
    """Return the digest of all that decides an audit: data, split, places, the task, our code, library versions."""
    places: list[bytes | str] = []
    for _, e in split:
        if e.intervals is not None:
            places += ["\n".join(e.intervals.chrom), e.intervals.start.tobytes(), e.intervals.end.tobytes()]
        if e.inputs.positions is not None:
            places.append(np.ascontiguousarray(e.inputs.positions).tobytes())
        soft = getattr(e, "soft_masked", None)
        if soft is not None:
            places.append(np.ascontiguousarray(soft).tobytes())
    about = [task.id, task.kind, task.classes, task.metrics[:1], task.variants, task.per_base, task.transform, SCHEMA]
    about += [by_rows(split, task.split)]
    about += [task.lacks_direction] if task.variants else []
    return digest(split.data_fingerprint, split.fingerprint, canonical_json(about), _code(), *places)


def read_audit(cache: Path, key: str) -> Audit | None:
    """Return the audit stored under the key, or None where there is none or it cannot be read."""
    try:
        return Audit.from_json(json.loads((cache / "audits" / f"{key}.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError):
        return None


def write_audit(cache: Path, key: str, audit: Audit) -> None:
    """Write the audit, whole or not at all. Raises DataError where the cache cannot be written."""
    file = cache / "audits" / f"{key}.json"
    text = json.dumps(audit.to_json(), allow_nan=False)
    try:
        write_whole(file, text)
    except OSError as error:
        raise DataError(
            f"{file.parent}: cannot write the cache ({error.strerror}); set BASERATE_CACHE to a writable folder"
        ) from error


@functools.cache
def _code() -> str:
    folder = Path(__file__).resolve().parent
    files = {file for module in sorted(folder.glob("*.py")) for file in (module, *sources(module))}
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scikit-learn")]
    return digest(*versions, *(file.read_bytes() for file in sorted(files)))
