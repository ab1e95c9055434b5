"""The trials of a tuning budget, drawn in advance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..digests import canonical_json, digest
from ..settings import Search

VERSION = 1
"""Is raised whenever other trials are drawn from the same space."""
DRAWS = 64
"""How many points are drawn for each trial of a budget, at most, where many of them are equal."""


def draw_trials(space: Mapping[str, Search], budget: int, current: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what each trial of a budget changes: nothing in the first, in the others every setting of the space.

    They are points of a scrambled Sobol sequence (Owen 1998), seeded, so that all models of a space have the same
    trials, and those of a smaller budget are the first ones of a larger. Equal trials, and those that are the `current`
    values, are drawn once, and so there may be fewer than `budget`.
    """
    trials: list[dict[str, Any]] = [{}]
    if budget == 1 or not space:
        return trials
    from scipy.stats import qmc  # a run without tuning is spared it

    names = sorted(space)
    seen = {_key({name: current.get(name) for name in names})}
    points = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(0)).random_base2(_log2(DRAWS * budget))
    for point in points:
        trial = {name: space[name].at(share) for name, share in zip(names, point.tolist(), strict=True)}
        if len(trials) < budget and _key(trial) not in seen:
            seen.add(_key(trial))
            trials.append(trial)
    return trials


def trials_version(space: Mapping[str, Search]) -> str:
    """Return the digest of all that decides which trials are drawn, but for the budget and the current values."""
    return digest(canonical_json({name: asdict(search) for name, search in space.items()}), str(VERSION))[:8]


def _key(trial: Mapping[str, Any]) -> str:
    return canonical_json(dict(trial))


def _log2(n: int) -> int:
    return max(1, (n - 1).bit_length())
