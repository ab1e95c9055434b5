"""A task from a data frame, built as one from a file is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cache.folder import cache_dir
from ..digests import digest
from ..errors import ConfigError, DataError, nearest
from ..files import write_whole
from ..types import Task
from .task import task_from

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("sequence", "target", "alternate", "id", "group", "cluster")
"""The keys of a [source] that name a column, or several as a list; `strata` is a list of columns too."""


def frame_task(
    frame: pd.DataFrame,
    name: str,
    *,
    kind: str = "classification",
    source: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Task:
    """Return the task whose examples are the rows of a data frame, checked as a card in a file is.

    `source` names the columns as a card's [source] does (by default `sequence` and `label`), `split` is a card's
    [split] (by default by homology), and further `keys` are those of a card: metrics, description, classes (by default
    those in the column), and so on. The rows are stored as Parquet in the cache folder, under a digest of their
    content. Raises ConfigError or DataError, in one line.
    """
    where = f"task {name!r} from a data frame"
    if not hasattr(frame, "columns"):
        raise ConfigError(f"{where}: got a {type(frame).__name__}, expected a pandas DataFrame")
    columns: dict[str, Any] = {"sequence": "sequence", "target": "label", **(source or {})}
    rule = dict(split) if split else {"rule": "by_homology"}
    if rule.get("rule") == "predefined":  # the rule looks the column up among the strata
        part = rule.get("column", "part")
        columns["strata"] = list(dict.fromkeys([*columns.get("strata", ()), part]))
    _check_columns(frame, columns, where)
    target = columns["target"]
    if kind == "classification" and "classes" not in keys and isinstance(target, str):
        keys["classes"] = sorted(map(str, frame[target].dropna().unique()))
    path = _table(frame, name, where)
    return task_from(
        {"name": name, "kind": kind, "source": {"table": str(path), **columns}, "split": rule, **keys}, path, where
    )


def _check_columns(frame: pd.DataFrame, columns: Mapping[str, Any], where: str) -> None:
    known = [str(column) for column in frame.columns]
    for key in (*_COLUMNS, "strata"):
        names = columns.get(key, ())
        for column in [names] if isinstance(names, str) else names:
            if column not in known:
                near = nearest(str(column), known)
                advice = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(known)}"
                raise ConfigError(f"{where}: {key}: no column {column!r}; {advice}")


def _table(frame: pd.DataFrame, name: str, where: str) -> Path:
    """Return the Parquet file of the frame, written unless it exists; messages about rows name it."""
    file = re.sub(r"[^\w.-]", "_", name) + ".parquet"
    path = cache_dir() / "frames" / digest(frame.to_csv(index=False)) / file
    if not path.exists():
        try:
            write_whole(path, lambda beside: frame.to_parquet(beside, index=False))
        except OSError as error:
            advice = "set BASERATE_CACHE to a writable folder"
            raise DataError(
                f"{where}: {path.parent}: cannot be written ({error.strerror or error}); {advice}"
            ) from error
        except Exception as error:
            raise DataError(f"{where}: cannot be stored as a Parquet table: {str(error).splitlines()[0]}") from error
    return path
