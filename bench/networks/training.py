"""What all training of torch modules shares: the device, one training loop, and what outputs mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ConfigError, NotApplicable
from ..provenance import DEVICE, WORKER
from ..types import FloatArray, IntArray
from .loop import Recipe, Whole, train


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; 'auto' is that of BASERATE_DEVICE, else CUDA where there is one, else the CPU.

    The processes of a run with several take GPUs in turn, unless one is named by its number. Raises ConfigError for a
    device that is unknown or not there.
    """
    name = os.environ.get(DEVICE) or name if name == "auto" else name
    if name in ("auto", "cuda") and torch.cuda.is_available():
        if (worker := os.environ.get(WORKER, "")).isdigit():  # kernels of some networks run on the current device alone
            torch.cuda.set_device(int(worker) % torch.cuda.device_count())
        return torch.device("cuda")
    if name == "auto":
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device {name!r}; expected auto, cpu, cuda or cuda:<index>") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(
            f"device {name!r} is not available; this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return device


def fit_module(
    module: nn.Module,
    batch_loss: Callable[[IntArray], Tensor],
    valid_loss: Callable[[], float],
    n: int,
    *,
    lr: float,
    epochs: int,
    batch_size: int,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    patience: int = 3,
    seed: int,
    doing: str = "training",
) -> int:
    """Return the epoch, counted from 1, with the lowest `valid_loss`, leaving its weights in `module`, in eval mode.

    `batch_loss(index)` is the mean loss of the training examples at `index` out of `n`; `valid_loss()` is called after
    each epoch in eval mode without gradients. It is trained by `loop.train`, each batch as one. Raises Diverged
    where a loss is not finite, and BaserateError where there is nothing to train on.
    """
    recipe = Recipe(lr, epochs, batch_size, warmup, weight_decay, patience)
    return train(module, Whole(batch_loss, valid_loss, n), recipe, seed=seed, doing=doing).best


@dataclass(frozen=True, eq=False)
class Head:
    """What a network's outputs (n, width) mean: classes, `labels` with a probability each, or measurements.

    Measurements are learnt standardised: less `offset` (width,), in units of `scale` (width,), both taken from train.
    `weights` (width,) are those of classes, or of the positives of each label, in the loss; None for equal ones.
    """

    width: int
    n_classes: int
    labels: bool
    offset: FloatArray
    scale: FloatArray
    weights: FloatArray | None = None

    def as_tensor(self, targets: NDArray[Any]) -> Tensor:
        """Return the targets as the loss takes them: indices (n,), or numbers (n, width)."""
        if self.n_classes and not self.labels:
            return torch.from_numpy(targets.astype(np.int64))
        values = targets.reshape(len(targets), -1).astype(np.float64)
        return torch.from_numpy(values if self.labels else (values - self.offset) / self.scale)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy, for labels also over the labels, or the mean squared error."""
        weights = None if self.weights is None else torch.from_numpy(self.weights).to(outputs)
        if self.labels:
            y = targets.to(outputs.dtype)
            return nn.functional.binary_cross_entropy_with_logits(outputs, y, pos_weight=weights)
        if self.n_classes and weights is not None:
            # Weights of the loss have mean 1 over train, so that a batch counts as much as it has rows.
            return nn.functional.cross_entropy(outputs, targets, weight=weights, reduction="sum") / len(targets)
        if self.n_classes:
            return nn.functional.cross_entropy(outputs, targets)
        return nn.functional.mse_loss(outputs, targets.to(outputs.dtype))

    def scores(self, outputs: Tensor) -> FloatArray:
        """Return probabilities of classes or labels, or values in the units of the targets, (n, width)."""
        outputs = outputs.detach().double()
        if self.n_classes:
            outputs = outputs.sigmoid() if self.labels else outputs.softmax(-1)
        values: FloatArray = outputs.cpu().numpy()
        return values if self.n_classes else values * self.scale + self.offset


def head_for(targets: NDArray[Any], n_classes: int, *, class_weights: str = "none") -> Head:
    """Return the head for training targets: classes (n,), labels (n, k) or measurements (n,) or (n, k).

    With `class_weights` 'balanced' all classes count alike in the loss, and positives of a label as much as its
    negatives. Raises NotApplicable where there are neither.
    """
    width = n_classes or (1 if targets.ndim == 1 else targets.shape[1])
    values = targets.reshape(len(targets), -1).astype(np.float64)
    deviation = values.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    labels = bool(n_classes) and targets.ndim == 2
    weights = None
    if class_weights == "balanced":
        if not n_classes:
            raise NotApplicable("class_weights = 'balanced': the task has measurements, and no classes to balance")
        if labels:
            positive = values.mean(axis=0)
            weights = np.where(positive > 0, (1 - positive) / np.maximum(positive, 1 / len(values)), 1.0)
        else:
            counts = np.bincount(targets.astype(np.int64), minlength=width)
            weights = np.where(counts > 0, len(targets) / (max(1, (counts > 0).sum()) * np.maximum(counts, 1)), 0.0)
    return Head(width, n_classes, labels, values.mean(axis=0), scale, weights)
