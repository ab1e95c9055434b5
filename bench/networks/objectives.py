"""What fine-tuning minimises: the loss of a head on the states of batches, cut into parts that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..types import FloatArray, IntArray
from .training import Head

TOKENS_ON_CPU, TOKENS_ON_GPU = 2048, 32_768
"""Padded tokens that a step takes at once at first; a result does not depend on them but for rounding and dropout."""
LIKE_ON_CPU = 0.95
"""The share of the longest row that a part's shortest has: there, padding and masks for it cost more than parts."""


class Units(Protocol):
    """What batches are made of: units of `lengths` (units,) in tokens, with `n` examples in all."""

    n: int
    lengths: IntArray

    def examples(self, index: IntArray) -> IntArray:
        """Return the examples of the units at `index`, unit by unit."""

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the states (n, d) of those examples, which the head reads."""


@dataclass(frozen=True, eq=False)
class OnStates:
    """The loss of `head` on `states(index)` of the units at `index`, the examples of which have `targets`.

    `outputs()` are the head's outputs on valid, whose targets are `valid_targets`; `score` is the task's metric of
    what they mean. A step takes `room` padded tokens at once at first, of rows as long as `like` of the longest.
    """

    units: Units
    targets: Tensor
    valid_targets: Tensor
    head: nn.Module
    meaning: Head
    states: Callable[[IntArray], Tensor]
    outputs: Callable[[], Tensor]
    score: Callable[[FloatArray], float] | None
    room: int
    like: float = 0.0

    @property
    def n(self) -> int:
        """The number of units of train."""
        return len(self.units.lengths)

    def loss(self, index: IntArray) -> Tensor:
        """Return the mean loss of the examples of the units at `index`."""
        states = self.states(index)
        targets = self.targets[torch.from_numpy(self.units.examples(index))]
        return self.meaning.loss(self.head(states), targets.to(states.device))

    def valid(self) -> tuple[float, float]:
        """Return the loss and the score on valid."""
        outputs = self.outputs()
        loss = self.meaning.loss(outputs, self.valid_targets).item()
        return loss, math.nan if self.score is None else float(self.score(self.meaning.scores(outputs)))

    def parts(self, index: IntArray, room: int) -> list[tuple[IntArray, float]]:
        """Return parts of the units at `index`, of like length and of at most `room` padded tokens each."""
        index = index[np.argsort(-self.units.lengths[index], kind="stable")]
        lengths, parts, start = self.units.lengths[index], [], 0
        while start < len(index):
            some = lengths[start : start + max(1, room // int(lengths[start]))]
            size = int((some >= self.like * some[0]).sum())
            parts.append(index[start : start + size])
            start += size
        n = len(self.units.examples(index))
        return [(part, len(self.units.examples(part)) / n) for part in parts]


def room_of(device: torch.device) -> tuple[int, float]:
    """Return how many padded tokens a step may take at once at first, and how alike in length its rows are."""
    return (TOKENS_ON_GPU, 0.0) if device.type == "cuda" else (TOKENS_ON_CPU, LIKE_ON_CPU)
