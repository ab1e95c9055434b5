"""What all training of torch modules shares: the device, one training loop, and what outputs mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import BaserateError, ConfigError
from ..progress import activity
from ..types import FloatArray, IntArray


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; 'auto' is CUDA where there is one, else the CPU. Raises ConfigError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    each epoch in eval mode without gradients. AdamW (Loshchilov & Hutter 2019; only matrices decay), linear warm-up
    over the share `warmup` of all steps, then cosine decay to 0; gradients are clipped to norm 1; training stops after
    `patience` epochs without a better `valid_loss`. Nothing depends on, or changes, torch's global random state.
    Raises BaserateError where a loss is not finite or there is nothing to train on.
    """
    if n < 1:
        raise BaserateError(f"{doing}: there are no training examples")
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=lr,
    )
    # Even parts rather than full batches and a rest: batch normalisation cannot use a last batch of one.
    n_batches = math.ceil(n / batch_size)
    total = epochs * n_batches
    ramp = max(1, round(warmup * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, ramp=ramp, total=total))
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    rng = np.random.default_rng(seed)
    advance = activity(f"{doing} · seed {seed}", epochs * n)
    best, best_epoch, best_weights = math.inf, 0, {}
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        for epoch in range(1, epochs + 1):
            module.train()
            for index in np.array_split(rng.permutation(n), n_batches):
                optimizer.zero_grad(set_to_none=True)
                loss = batch_loss(index)
                if not torch.isfinite(loss):
                    raise BaserateError(
                        f"{doing}: the loss is not finite in epoch {epoch}; try a learning rate below {lr:g}"
                    )
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
                advance(len(index), f"epoch {epoch} · loss {loss.item():.3f}")
            module.eval()
            with torch.no_grad():
                current = float(valid_loss())
            if not math.isfinite(current):
                raise BaserateError(
                    f"{doing}: the validation loss is not finite after epoch {epoch}; try a learning rate below {lr:g}"
                )
            if current < best:
                best, best_epoch = current, epoch
                best_weights = {name: value.detach().clone() for name, value in module.state_dict().items()}
            elif epoch - best_epoch >= patience:
                advance((epochs - epoch) * n)
                break
    module.load_state_dict(best_weights)
    return best_epoch


@dataclass(frozen=True, eq=False)
class Head:
    """What a network's outputs (n, width) mean: classes, `labels` with a probability each, or measurements.

    Measurements are learnt standardised: less `offset` (width,), in units of `scale` (width,), both taken from train.
    """

    width: int
    n_classes: int
    labels: bool
    offset: FloatArray
    scale: FloatArray

    def as_tensor(self, targets: NDArray[Any]) -> Tensor:
        """Return the targets as the loss takes them: indices (n,), or numbers (n, width)."""
        if self.n_classes and not self.labels:
            return torch.from_numpy(targets.astype(np.int64))
        values = targets.reshape(len(targets), -1).astype(np.float64)
        return torch.from_numpy(values if self.labels else (values - self.offset) / self.scale)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy, for labels also over the labels, or the mean squared error."""
        if self.labels:
            return nn.functional.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))
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


def head_for(targets: NDArray[Any], n_classes: int) -> Head:
    """Return the head for training targets: classes (n,), labels (n, k) or measurements (n,) or (n, k)."""
    width = n_classes or (1 if targets.ndim == 1 else targets.shape[1])
    values = targets.reshape(len(targets), -1).astype(np.float64)
    deviation = values.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return Head(width, n_classes, bool(n_classes) and targets.ndim == 2, values.mean(axis=0), scale)


def _rate(step: int, *, ramp: int, total: int) -> float:
    """Return the share of the learning rate at `step`: up to 1 over `ramp` steps, then down a half cosine."""
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1.0 + math.cos(math.pi * (step - ramp) / max(1, total - ramp)))
