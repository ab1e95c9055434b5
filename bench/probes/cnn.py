"""Convolutions over frozen states of tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..settings import among, count
from ..types import FloatArray
from ._settings import training
from .probe import probe
from .tokens import TokenStates

if TYPE_CHECKING:
    from ._networks import FittedNetwork


@probe(
    "cnn",
    tokens=True,
    description="Two residual convolutions over the principal components of the states of tokens, reduced to some "
    "channels, then their mean and maximum and a linear layer. Trained by AdamW; the epoch is the one "
    "with the lowest loss on valid.",
    settings={
        "channels": count(64, "channels of the convolutions", search=among(32, 64, 128)),
        "kernel": count(9, "tokens that a convolution spans", search=among(5, 9, 15)),
        **training(lr=1e-3, epochs=20, batch_size=32, patience=4, dropout=0.1),
    },
)
def fit(
    train_x: TokenStates,
    train_y: NDArray[Any],
    valid_x: TokenStates,
    valid_y: NDArray[Any],
    *,
    n_classes: int,
    seed: int,
    channels: int,
    kernel: int,
    dropout: float,
    valid_score: Callable[[FloatArray], float] | None = None,
    **settings: Any,
) -> FittedNetwork:
    """Return the trained network; `seed` draws weights, the order of examples, and dropout."""
    from torch import nn

    from ._networks import OfTokens, fit_network
    from ._pooling import Convolutions

    def make(outputs: int) -> OfTokens:
        head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * channels, outputs))
        return OfTokens(train_x, Convolutions(train_x.width, channels, kernel), head)

    return fit_network(
        make,
        (train_x, train_y),
        (valid_x, valid_y),
        n_classes=n_classes,
        seed=seed,
        training=settings,
        valid_score=valid_score,
        doing="training the CNN on tokens",
    )
