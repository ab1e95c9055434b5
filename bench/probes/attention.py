"""Attention pooling of frozen states of tokens."""

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
    "attention",
    tokens=True,
    description="A linear layer on means of the states of tokens, weighted by attention of learnt queries, which "
    "begin as plain means; the states are turned to principal components, scaled alike. Trained by AdamW;"
    " the epoch is the one with the lowest loss on valid.",
    settings={
        "heads": count(4, "learnt queries, each with a mean of its own", search=among(1, 2, 4, 8)),
        **training(lr=3e-3, epochs=20, batch_size=32, patience=4, dropout=0.1),
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
    heads: int,
    dropout: float,
    valid_score: Callable[[FloatArray], float] | None = None,
    **settings: Any,
) -> FittedNetwork:
    """Return the trained network; `seed` draws weights, the order of examples, and dropout."""
    from torch import nn

    from ._networks import OfTokens, fit_network
    from ._pooling import Attention

    def make(outputs: int) -> OfTokens:
        width = train_x.width
        head = nn.Sequential(nn.Dropout(dropout), nn.Linear(heads * width, outputs))
        return OfTokens(train_x, Attention(width, heads), head)

    return fit_network(
        make,
        (train_x, train_y),
        (valid_x, valid_y),
        n_classes=n_classes,
        seed=seed,
        training=settings,
        valid_score=valid_score,
        doing="training the attention pooling",
    )
