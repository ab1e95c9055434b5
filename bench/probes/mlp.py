"""A network with one hidden layer on frozen embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..settings import among, count
from ..types import FloatArray
from ._settings import training
from .probe import probe

if TYPE_CHECKING:
    from ._networks import FittedNetwork


@probe(
    "mlp",
    description="One hidden layer (GELU) on the principal components of the features, scaled alike, trained by AdamW;"
    " the epoch is the one with the lowest loss on valid.",
    settings={
        "hidden": count(256, "the width of the hidden layer", search=among(64, 128, 256, 512)),
        **training(lr=1e-3, epochs=50, batch_size=64, patience=5, dropout=0.2),
    },
)
def fit(
    train_x: NDArray[Any],
    train_y: NDArray[Any],
    valid_x: NDArray[Any],
    valid_y: NDArray[Any],
    *,
    n_classes: int,
    seed: int,
    hidden: int,
    dropout: float,
    valid_score: Callable[[FloatArray], float] | None = None,
    **settings: Any,
) -> FittedNetwork:
    """Return the trained network, which is on the CPU; `seed` draws weights, the order of examples, and dropout."""
    from torch import nn

    from ._networks import Dense, fit_network

    def make(outputs: int) -> Dense:
        first = nn.Linear(train_x.shape[1], hidden)
        return Dense(train_x, nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, outputs)))

    return fit_network(
        make,
        (train_x, train_y),
        (valid_x, valid_y),
        n_classes=n_classes,
        seed=seed,
        training=settings,
        valid_score=valid_score,
        doing="training the MLP",
    )
