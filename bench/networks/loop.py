"""The training loop of torch modules: steps of one size however many rows fit into memory, the best epoch, resuming."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import BaserateError, DataError, Diverged
from ..progress import activity
from ..types import IntArray
from .batches import is_memory
from .resuming import read_state, write_state

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How to train: the settings of the optimiser, and what ends training; see `train`."""

    lr: float
    epochs: int
    batch_size: int
    warmup: float = 0.1
    weight_decay: float = 0.01
    patience: int = 3
    stop_on: str = "loss"


class Objective(Protocol):
    """What a module is trained for, on `n` examples of which it may take so many at once."""

    @property
    def n(self) -> int:
        """The number of training examples."""

    @property
    def room(self) -> int:
        """What fits into memory at once at first, in the measure of `parts`."""

    @property
    def loss(self) -> Callable[[IntArray], Tensor]:
        """The mean loss of the training examples at an index."""

    def valid(self) -> tuple[float, float]:
        """Return the loss and the score on valid, higher being better; NaN for a score that is not defined."""

    def parts(self, index: IntArray, room: int) -> list[tuple[IntArray, float]]:
        """Return parts of `index` of which each fits into `room`, with the share of the mean loss that each has.

        No `room` is too small for a part of one row.
        """


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: mean losses on train and valid, the score on valid, the last learning rate."""

    epoch: int
    train_loss: float
    valid_loss: float
    valid_score: float
    lr: float

    def betters(self, other: Epoch | None, stop_on: str) -> bool:
        """Return whether this epoch is better than the other by the score, or by the loss where that says nothing."""
        if other is None:
            return True
        both = math.isfinite(self.valid_score) and math.isfinite(other.valid_score)
        if stop_on == "metric" and both and self.valid_score != other.valid_score:
            return self.valid_score > other.valid_score
        return self.valid_loss < other.valid_loss


@dataclass
class Progress:
    """What is known of a training after an epoch: everything but the weights, all of it JSON."""

    history: list[Epoch] = field(default_factory=list)
    best: int = 0
    """The epoch, counted from 1, whose weights are the best so far."""
    step: int = 0
    room: int = 0
    notes: list[str] = field(default_factory=list)
    order: Any = None
    """The state of what draws the order of examples."""
    ended: bool = False

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Progress:
        """Return the progress that `to_json` wrote."""
        value = json.loads(text)
        return Progress(**{**value, "history": [Epoch(**epoch) for epoch in value["history"]]})


def train(
    module: nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int,
    doing: str = "training",
    rates: Mapping[str, float] | None = None,
    state_file: Path | None = None,
    setting_of: str = "",
) -> Progress:
    """Return how training went, leaving the weights of the best epoch in `module`, in eval mode.

    AdamW (Loshchilov & Hutter 2019; only matrices decay), linear warm-up over the share `warmup` of all steps, then
    cosine decay to 0; gradients are clipped to norm 1. `rates` are shares of the learning rate by parameter, 1 where
    none is named. A step is over all rows of a batch, in parts that fit into memory: where it runs out, the parts are
    halved, and the step is taken again.
    The best epoch is that of the lowest loss on valid or, with `stop_on` 'metric', of the highest score, and of the
    lowest loss where scores are equal or undefined. Training ends after `patience` epochs in which neither was better
    than before. Nothing depends on, or changes, torch's global random state. With a `state_file` its state is written
    there after each epoch, and a later call goes on from it to the same weights, unless it is of another `setting_of`.
    Raises Diverged where a loss is not finite, and BaserateError where there is nothing to train on.
    """
    if objective.n < 1:
        raise BaserateError(f"{doing}: there are no training examples")
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(_groups(module, recipe, rates or {}), lr=recipe.lr)
    shares = [group.pop("share") for group in optimizer.param_groups]
    # Even parts rather than full batches and a rest: batch normalisation cannot use a last batch of one.
    n_batches = math.ceil(objective.n / recipe.batch_size)
    total = recipe.epochs * n_batches
    ramp = max(1, round(recipe.warmup * total))
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    rng = np.random.default_rng(seed)
    advance = activity(f"{doing} · seed {seed}", recipe.epochs * objective.n)
    state = Progress(room=objective.room)
    best = _weights(module)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        torch.manual_seed(seed)
        if state_file is not None and (found := read_state(state_file, setting_of)) is not None:
            state = Progress.from_json(found["progress"])
            best = found["best"]
            rng.bit_generator.state = state.order
            if not state.ended:
                _put(module, found["weights"])
                optimizer.load_state_dict(found["optimizer"])
                _set_random(found["random"], devices)
            advance(len(state.history) * objective.n)
        for epoch in range(len(state.history) + 1, recipe.epochs + 1):
            if state.ended:
                break
            module.train()
            losses = 0.0
            for index in np.array_split(rng.permutation(objective.n), n_batches):
                lr = recipe.lr * _rate(state.step, ramp=ramp, total=total)
                for group, share in zip(optimizer.param_groups, shares, strict=True):
                    group["lr"] = lr * share
                loss = _backward(objective, optimizer, index, state, devices, doing)
                if not math.isfinite(loss):
                    raise Diverged(
                        f"{doing}: the loss is not finite in epoch {epoch}; try a learning rate below {recipe.lr:g}"
                    )
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                state.step += 1
                losses += loss * len(index)
                advance(len(index), f"epoch {epoch} · loss {loss:.3f}")
            module.eval()
            with torch.no_grad():
                valid_loss, score = objective.valid()
            if not math.isfinite(valid_loss):
                raise Diverged(
                    f"{doing}: the validation loss is not finite after epoch {epoch}; "
                    f"try a learning rate below {recipe.lr:g}"
                )
            now = Epoch(epoch, losses / objective.n, valid_loss, score, lr)
            if now.betters(state.history[state.best - 1] if state.best else None, recipe.stop_on):
                state.best, best = epoch, _weights(module)
            state.history.append(now)
            state.ended = epoch == recipe.epochs or _is_over(state.history, recipe)
            state.order = rng.bit_generator.state
            if state_file is not None:
                more = {} if state.ended else {"weights": _weights(module), "optimizer": optimizer.state_dict()}
                value = {"progress": state.to_json(), "best": best, "random": _random(devices), **more}
                write_state(state_file, setting_of, value)
        advance((recipe.epochs - len(state.history)) * objective.n)
    optimizer.zero_grad(set_to_none=True)
    _put(module, best)
    module.eval()
    return state


def _backward(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    index: IntArray,
    state: Progress,
    devices: Sequence[int],
    doing: str,
) -> float:
    """Return the mean loss of the rows at `index`, whose gradients are in the parameters then.

    NaN or infinity where the loss of a part is; then the gradients are of no use.
    """
    before = _random(devices)
    loss: Tensor | None
    while True:
        loss = None  # what is left of a try that ran out of memory goes before the next
        optimizer.zero_grad(set_to_none=True)
        whole = 0.0
        try:
            for part, share in objective.parts(index, state.room):
                loss = objective.loss(part)
                value = float(loss.item())
                if not math.isfinite(value):
                    return value
                (loss * share if share != 1.0 else loss).backward()
                whole += value * share
            return whole
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            halved = _halved(objective, index, state.room)
            if halved is None:
                raise DataError(
                    f"{doing}: out of memory on the smallest part of a batch; cut sequences with max_length"
                ) from error
            log.warning("%s: out of memory; each step is taken in parts half as large", doing)
        state.room = halved
        state.notes = ["memory ran out in training: steps were taken in smaller parts, each still over a whole batch"]
        if devices:
            torch.cuda.empty_cache()
        _set_random(before, devices)


def _halved(objective: Objective, index: IntArray, room: int) -> int | None:
    """Return room for parts of half as many rows, None where parts cannot be smaller."""
    largest = max(len(part) for part, _ in objective.parts(index, room))
    while room > 1 and largest > 1:
        room //= 2
        if max(len(part) for part, _ in objective.parts(index, room)) <= largest // 2:
            return room
    return None


def _is_over(history: Sequence[Epoch], recipe: Recipe) -> bool:
    """Return whether for `patience` epochs neither the loss nor, where it is asked for, the score was at its best."""
    last = int(np.argmin([e.valid_loss for e in history]))
    if recipe.stop_on == "metric":
        scores = np.array([e.valid_score for e in history])
        if np.isfinite(scores).any():
            last = max(last, int(np.nanargmax(np.where(np.isfinite(scores), scores, np.nan))))
    return len(history) - 1 - last >= recipe.patience


def _groups(module: nn.Module, recipe: Recipe, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the parameters that are trained, by their share of the learning rate and whether they decay."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for share in dict.fromkeys([1.0, *rates.values()]):
        groups[share, True], groups[share, False] = [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[rates.get(name, 1.0), parameter.ndim > 1].append(parameter)
    return [
        {"params": members, "share": share, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (share, decays), members in groups.items()
        if members
    ]


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of the parameters that are trained, and of all buffers."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    return {name: value.detach().clone() for name, value in {**trained, **dict(module.named_buffers())}.items()}


def _put(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put copies of weights back into the module."""
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)


def _random(devices: Sequence[int]) -> list[Tensor]:
    """Return torch's random state on the CPU and the devices."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]


def _set_random(states: Sequence[Tensor], devices: Sequence[int]) -> None:
    torch.set_rng_state(states[0])
    for device, state in zip(devices, states[1:], strict=True):
        torch.cuda.set_rng_state(state, device)


def _rate(step: int, *, ramp: int, total: int) -> float:
    """Return the share of the learning rate at `step`: up to 1 over `ramp` steps, then down a half cosine."""
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1.0 + math.cos(math.pi * (step - ramp) / max(1, total - ramp)))


@dataclass(frozen=True, eq=False)
class Whole:
    """An objective whose batches fit into memory whole, of a loss by index and a loss on valid."""

    loss: Callable[[IntArray], Tensor]
    valid_loss: Callable[[], float]
    n: int
    room: int = 1

    def valid(self) -> tuple[float, float]:
        """Return the loss on valid, and NaN."""
        return float(self.valid_loss()), math.nan

    def parts(self, index: IntArray, room: int) -> list[tuple[IntArray, float]]:
        """Return the index as it is."""
        return [(index, 1.0)]
