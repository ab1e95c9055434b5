"""What everything that trains a torch module shares: the device, and one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from .errors import BaserateError, ConfigError
from .progress import activity
from .types import IntArray


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
    each epoch in eval mode without gradients. AdamW (Loshchilov & Hutter 2019; matrices alone decay), linear warm-up
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
    advance = activity(doing, epochs * n)
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
                advance(len(index))
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


def _rate(step: int, *, ramp: int, total: int) -> float:
    """Return the share of the learning rate at `step`: up to 1 over `ramp` steps, then down a half cosine."""
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1.0 + math.cos(math.pi * (step - ramp) / max(1, total - ramp)))
