"""What a probe is, and how to register one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..registry import Registry, origin_of
from ..settings import Settings
from ..types import FloatArray


class FittedProbe(Protocol):
    """What a probe's fit returns.

    It may have `chosen`, a mapping of what it chose on valid, and `history`, rows of what it went by, such as the loss
    on valid of each penalty or epoch; both stand in the record.
    """

    @property
    def valid_loss(self) -> float:
        """The loss on valid, by which one of several layers or poolings is chosen; lower is better."""

    def predict(self, x: Any) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs), for features (n, d)."""


Fit = Callable[..., FittedProbe]
"""`fit(train_x, train_y, valid_x, valid_y, *, n_classes, seed, **settings)` on features of frozen embeddings.

Features are (n, d), dense, or `TokenStates` of n examples for a probe of tokens. `n_classes` is the number of classes,
or of labels where targets are (n, k), and 0 for a regression. Every choice is made on valid. Where the function takes
`valid_score`, it gets the task's metric of scores (n, k) on valid, signed so that higher is better and NaN where it is
undefined.
"""


@dataclass(frozen=True)
class Probe:
    """A model that is fitted on frozen embeddings; `version` is raised whenever its predictions change.

    With `tokens` it reads the states of all tokens instead of one vector for each example, so that there is no pooling.
    """

    name: str
    fit: Fit
    description: str
    settings: Settings = field(default_factory=dict)
    version: int = 1
    tokens: bool = False

    @property
    def without(self) -> tuple[str, ...]:
        """The settings of the mode that have no effect with this probe."""
        return ("pooling",) if self.tokens else ()


PROBES: Registry[Probe] = Registry("probe", builtin="baserate.probes")


def probe(
    name: str, *, description: str, settings: Settings | None = None, version: int = 1, tokens: bool = False
) -> Callable[[Fit], Fit]:
    """Return a decorator that registers a function as a probe; see `Fit`."""

    def register(fit: Fit) -> Fit:
        PROBES.add(name, Probe(name, fit, description, settings or {}, version, tokens), origin=origin_of(fit))
        return fit

    return register


def scored(valid_score: Callable[[FloatArray], float] | None, predicted: FloatArray) -> dict[str, float]:
    """Return the score of predictions on valid for a row of a history; {} where there is none or it is undefined."""
    score = math.nan if valid_score is None else valid_score(predicted)
    return {} if math.isnan(score) else {"valid_score": score}
