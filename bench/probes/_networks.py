"""Small networks on frozen embeddings: how they are built, trained and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import DataError
from ..networks.training import Head, fit_module, head_for
from ..types import FloatArray, IntArray
from ._checks import check_features, check_targets
from ._descent import ROWS
from .probe import scored
from .tokens import States, TokenStates

SAMPLED = 1000
"""How many training examples tell the principal components of the states of tokens."""

FLOOR = 0.3
"""What is added to the variance of each component, as a share of the largest, where there is one example a feature."""

SPANNED = 1e-7
"""The variance, as a share of the largest, up to which a component is one that train does not span."""


class Whitened(nn.Module):
    """Turns features or states, (.., d), to their principal components on train, scaled the more alike the larger `n`.

    Embeddings vary a hundred times more along some directions than along others, where a gradient step sees little.
    But from few examples, `n`, small variances are not known, and what is made large there is noise: each component is
    divided by the root of its variance plus FLOOR * d / n of the largest. Directions that train does not span become
    0, as does a feature that is constant on train. The total variance is that of standardised features.
    """

    mean: Tensor
    turn: Tensor

    def __init__(self, blocks: Iterable[NDArray[Any]], n: int) -> None:
        super().__init__()
        mean, covariance = _moments(blocks)
        deviation = np.sqrt(np.diag(covariance))
        varies = deviation > 1e-6 * np.abs(mean)
        factor = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
        variance, directions = np.linalg.eigh(factor[:, None] * covariance * factor)
        spanned = variance > SPANNED * max(variance[-1], SPANNED)
        floor = FLOOR * len(mean) / n * variance[-1]
        scale = np.where(spanned, 1 / np.sqrt(np.where(spanned, variance, 1.0) + floor), 0.0)
        left = (variance * scale**2).sum()
        scale *= np.sqrt(variance[spanned].sum() / left) if left else 0.0
        turn = factor[:, None] * directions * scale
        for name, values in (("mean", mean), ("turn", turn)):
            self.register_buffer(name, torch.from_numpy(values).to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the components."""
        return (x.to(self.mean.dtype) - self.mean) @ self.turn


class Dense(nn.Module):
    """A network on features (n, d)."""

    def __init__(self, x: NDArray[Any], layers: nn.Module) -> None:
        super().__init__()
        self.whitened = Whitened((x[at : at + ROWS] for at in range(0, len(x), ROWS)), len(x))
        self.layers = layers
        self.width = x.shape[1]

    def forward(self, x: NDArray[Any], index: IntArray) -> Tensor:
        """Return the outputs (b, k) of the examples at `index`."""
        outputs: Tensor = self.layers(self.whitened(torch.from_numpy(x[index])))
        return outputs


class OfTokens(nn.Module):
    """A network on the states of tokens: `pool` makes a vector of each sequence, and `head` reads their weighted sum.

    So a variant is read from what is made of ALT minus what is made of REF.
    """

    def __init__(self, x: TokenStates, pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.whitened = Whitened(_sampled(x), len(x))
        self.pool = pool
        self.head = head
        self.width = x.width

    def forward(self, x: TokenStates, index: IntArray) -> Tensor:
        """Return the outputs (b, k) of the examples at `index`."""
        total: Tensor | None = None
        for weight, (states, mask) in zip(x.weights, x.batch(index), strict=True):
            real = torch.from_numpy(mask).to(x.device)
            part = weight * self.pool(self.whitened(torch.from_numpy(states).to(x.device)), real)
            total = part if total is None else total + part
        outputs: Tensor = self.head(total)
        return outputs


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network, with the epoch that was chosen on valid."""

    network: Dense | OfTokens
    head: Head
    batch_size: int
    epoch: int
    valid_loss: float
    history: tuple[Mapping[str, float], ...]

    @property
    def chosen(self) -> Mapping[str, int]:
        """What was chosen on valid."""
        return {"epoch": self.epoch}

    def predict(self, x: Any) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs) of a regression."""
        width = x.width if isinstance(x, TokenStates) else x.shape[1]
        if width != self.network.width:
            raise DataError(f"the probe was fitted on {self.network.width} features, not {width}")
        return self.head.scores(outputs_of(self.network, x, self.batch_size))


def fit_network(
    make: Callable[[int], Dense | OfTokens],
    train: tuple[Any, NDArray[Any]],
    valid: tuple[Any, NDArray[Any]],
    *,
    n_classes: int,
    seed: int,
    training: Mapping[str, Any],
    valid_score: Callable[[FloatArray], float] | None = None,
    doing: str,
) -> FittedNetwork:
    """Return the network that `make(outputs)` builds, trained, of the epoch with the lowest loss on valid.

    `train` and `valid` are features and targets, `training` the settings of `_settings.training`. The loss is that of
    fine-tuning: cross-entropy, for labels also over the labels, or squared error of standardised measurements. `seed`
    draws weights, the order of examples, and dropout. Raises DataError for what cannot be learned from.
    """
    (x, y), (valid_x, valid_y) = train, valid
    check_features(x, y, "training")
    check_features(valid_x, valid_y, "validation")
    check_targets(y, n_classes)
    head = head_for(y, n_classes)
    device = x.device if isinstance(x, TokenStates) else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make(head.width).to(device)
    targets, valid_targets = head.as_tensor(y), head.as_tensor(valid_y)
    batch_size = training["batch_size"]
    history: list[dict[str, float]] = []
    losses: list[float] = []

    def batch_loss(index: IntArray) -> Tensor:
        loss = head.loss(network(x, index), targets[torch.from_numpy(index)].to(device))
        losses.append(loss.item() * len(index))
        return loss

    def valid_loss() -> float:
        outputs = outputs_of(network, valid_x, batch_size)
        loss = float(head.loss(outputs, valid_targets))
        about = {"epoch": len(history) + 1, "train_loss": sum(losses) / len(y), "valid_loss": loss}
        history.append(about | scored(valid_score, head.scores(outputs)))
        losses.clear()
        return loss

    epoch = fit_module(network, batch_loss, valid_loss, len(y), seed=seed, doing=doing, **training)
    return FittedNetwork(network, head, batch_size, epoch, float(history[epoch - 1]["valid_loss"]), tuple(history))


def outputs_of(network: Dense | OfTokens, x: Any, batch_size: int) -> Tensor:
    """Return the outputs (n, k) on the CPU, a batch at a time; the network is in eval mode."""
    with torch.no_grad():
        parts = [network(x, np.arange(at, min(at + batch_size, len(x)))).cpu() for at in range(0, len(x), batch_size)]
    return torch.cat(parts)


def _sampled(x: TokenStates) -> Iterator[States]:
    """Yield the states of up to SAMPLED examples, evenly spread."""
    for i in np.unique(np.linspace(0, len(x) - 1, min(SAMPLED, len(x))).astype(np.int64)):
        for states, _ in x.batch(np.array([i])):
            yield states[0]


def _moments(blocks: Iterable[NDArray[Any]]) -> tuple[FloatArray, FloatArray]:
    """Return the mean (d,) and the covariance (d, d) of rows that come in blocks."""
    n = 0
    for block in blocks:
        rows = block.astype(np.float64)
        if not n:
            about = rows.mean(axis=0)  # sums about a point among them lose no digits
            total, products = np.zeros(len(about)), np.zeros((len(about), len(about)))
        rows -= about
        n += len(rows)
        total += rows.sum(axis=0)
        products += rows.T @ rows
    mean = total / n
    return mean + about, products / n - np.outer(mean, mean)
