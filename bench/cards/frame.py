"""A task from a data frame, through the same door as one from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cache.folder import cache_dir
from ..digests import digest
from ..errors import DataError
from ..files import write_whole
from ..types import Task
from .task import task_from

if TYPE_CHECKING:
    import pandas as pd


def frame_task(
    frame: pd.DataFrame,
    name: str,
    *,
    kind: str = "classification",
    source: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Task:
    """Return the task whose examples are the rows of a data frame, checked as a card of a file is.

    `source` names its columns as a card's [source] does (`sequence` and `label` unless it says others), `split` is a
    card's [split], by homology unless it says another, and further `keys` are those of a card: metrics, description,
    classes (those that the column holds, unless named), and so on. The rows are kept as Parquet in the cache folder
    under their content, which is what the task's fingerprint follows. Raises ConfigError or DataError, in one line.
    """
    columns = {"sequence": "sequence", "target": "label", **(source or {})}
    where = f"task {name!r} from a data frame"
    target = columns["target"]
    if kind == "classification" and "classes" not in keys and target in frame:
        keys["classes"] = sorted(map(str, frame[target].dropna().unique()))
    path = _table(frame, where)
    rule = dict(split) if split else {"rule": "by_homology"}
    return task_from(
        {"name": name, "kind": kind, "source": {"table": str(path), **columns}, "split": rule, **keys}, path, where
    )


def _table(frame: pd.DataFrame, where: str) -> Path:
    """Return the Parquet file of the frame, written unless it is there."""
    text = frame.to_csv(index=False)
    path = cache_dir() / "frames" / f"{digest(text)}.parquet"
    if not path.exists():
        try:
            write_whole(path, lambda beside: frame.to_parquet(beside, index=False))
        except OSError as error:
            advice = "set BASERATE_CACHE to a writable folder"
            raise DataError(f"{where}: {path.parent}: cannot write ({error.strerror or error}); {advice}") from error
        except Exception as error:
            raise DataError(f"{where}: cannot be kept as a table: {error}") from error
    return path
