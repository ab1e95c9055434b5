"""What a probe is, and how to register one."""

from __future__ import annotations

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
"""`fit(train_x, train_y, valid_x, valid_y, *, n_classes, seed, **settings)` on features (n, d) of frozen embeddings.

`n_classes` is the number of classes, or of labels where targets are (n, k), and 0 for a regression. Every choice is
made on valid.
"""


@dataclass(frozen=True)
class Probe:
    """A model that is fitted on frozen embeddings; `version` is raised whenever its predictions change."""

    name: str
    fit: Fit
    description: str
    settings: Settings = field(default_factory=dict)
    version: int = 1


PROBES: Registry[Probe] = Registry("probe", builtin="baserate.probes")


def probe(name: str, *, description: str, settings: Settings | None = None, version: int = 1) -> Callable[[Fit], Fit]:
    """Return a decorator that registers a function as a probe; see `Fit`."""

    def register(fit: Fit) -> Fit:
        PROBES.add(name, Probe(name, fit, description, settings or {}, version), origin=origin_of(fit))
        return fit

    return register
