"""The file of a run's predictions: a parquet table with a row for each test example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .results import Predictions
from .types import StrArray, strings

_SINGLE = ("id", "cluster")


def write_predictions(file: Path, predictions: Predictions) -> None:
    """Write the table. Raises OSError where the file cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"id": list(predictions.ids)}
    if predictions.targets.ndim == 1:
        columns["target"] = predictions.targets
    else:
        columns |= {f"target:{k}": np.ascontiguousarray(t) for k, t in enumerate(predictions.targets.T)}
    columns["cluster"] = list(predictions.clusters)
    if predictions.coarser is not None:
        columns["coarser"] = list(predictions.coarser)
    if predictions.scored is not None:
        columns["scored"] = predictions.scored
    columns |= {f"stratum:{name}": list(values) for name, values in sorted(predictions.strata.items())}
    for s, seed in enumerate(predictions.seeds):
        for k in range(predictions.scores.shape[2]):
            columns[f"score:{seed}:{k}"] = np.ascontiguousarray(predictions.scores[s, :, k])
    # The first bytes of all scores together, then the second ones: scores that differ share their signs and exponents.
    scores = [name for name in columns if name.startswith("score:")]
    differ = [name for name in scores if 2 * len(np.unique(columns[name])) > len(columns[name])]
    with file.open("wb") as out:  # pyarrow would take a path for a URI, such as run:1, or for a home, such as ~/x
        pq.write_table(
            pa.table(columns),
            out,
            compression="zstd",
            use_byte_stream_split=differ,
            use_dictionary=[name for name in columns if name not in differ],
        )


def predictions_in(content: bytes, seeds: Sequence[int], *, one_set: bool) -> Predictions:
    """Return the predictions of the seeds from the content of the file.

    Raises DataError, which does not name the file, where it is no such table or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)  # read_table would import pandas
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read ({error})") from error
    names = table.column_names
    outputs = sum(name.startswith(f"score:{seeds[0]}:") for name in names)
    width = sum(name.startswith("target:") for name in names)
    scores = [[f"score:{seed}:{k}" for k in range(max(1, outputs))] for seed in seeds]
    targets = [f"target:{k}" for k in range(width)] or ["target"]
    if missing := [
        name for name in (*_SINGLE, *targets, *(name for of_seed in scores for name in of_seed)) if name not in names
    ]:
        raise DataError(f"has no column {missing[0]!r}; it has {', '.join(names) or 'none'}")
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in names}

    def text(name: str) -> StrArray:
        is_text = table.schema.field(name).type == pa.string() and not table[name].null_count
        return column[name] if is_text else strings(column[name])

    strata = {n.removeprefix("stratum:"): text(n) for n in column if n.startswith("stratum:")}
    return Predictions(
        text("id"),
        np.stack([column[name] for name in targets], axis=1) if width else column["target"],
        text("cluster"),
        strata,
        np.stack([np.stack([column[name] for name in of_seed], axis=1) for of_seed in scores]),
        tuple(seeds),
        column.get("scored"),
        text("coarser") if "coarser" in column else None,
        one_set,
    )
