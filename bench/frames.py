"""Results as pandas tables. Importing this module does not import pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame


def predictions_frame(predictions: Any) -> DataFrame:
    """Return `Predictions` as a tidy table: a row per seed and example, seeds one after another.

    Columns are id, target (target_0, target_1, ... where there are several), cluster, coarser where the task has such
    units, each stratum by its name (after 'stratum_' where that is taken), `scored` where examples were skipped, seed,
    and score (score_0, score_1, ...).
    """
    import pandas as pd

    columns: dict[str, Any] = {"id": predictions.ids, **_numbered("target", predictions.targets)}
    columns["cluster"] = predictions.clusters
    if predictions.coarser is not None:
        columns["coarser"] = predictions.coarser
    if predictions.scored is not None:
        columns["scored"] = predictions.scored
    scores = [_numbered("score", of_seed) for of_seed in predictions.scores]
    taken = {*columns, "seed", *scores[0]}
    columns |= {f"stratum_{k}" if k in taken else k: column for k, column in predictions.strata.items()}
    parts = [pd.DataFrame({**columns, "seed": s, **score}) for s, score in zip(predictions.seeds, scores, strict=True)]
    return pd.concat(parts, ignore_index=True)


def examples_frame(examples: Any) -> DataFrame:
    """Return `Examples` as a tidy table, a row per example.

    Columns are id, sequence, alternate and position where there are any, target (target_0, ...), group, cluster, and
    each stratum by its name (after 'stratum_' where that is taken).
    """
    import pandas as pd

    inputs = examples.inputs
    columns: dict[str, Any] = {"id": examples.ids, "sequence": list(inputs.sequences)}
    if inputs.alternates is not None:
        columns["alternate"] = list(inputs.alternates)
    if inputs.positions is not None:
        columns["position"] = inputs.positions
    columns |= {**_numbered("target", examples.targets), "group": examples.groups, "cluster": examples.clusters}
    columns |= {f"stratum_{k}" if k in columns else k: column for k, column in examples.strata.items()}
    return pd.DataFrame(columns)


def _numbered(name: str, values: Any) -> dict[str, Any]:
    """Return the columns of an array (n,) or (n, k): `name`, or `name_0` to `name_<k-1>` where k > 1."""
    if values.ndim == 1 or values.shape[1] == 1:
        return {name: values.reshape(len(values))}
    return {f"{name}_{k}": np.ascontiguousarray(column) for k, column in enumerate(values.T)}
