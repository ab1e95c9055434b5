"""Fine-tuning: a copy of the network, all of it trained, under a linear head on pooled states or on those of bases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError
from ..types import Examples, FloatArray, Inputs, IntArray
from .batches import in_batches
from .embedding import check_usable, embed_all, pool
from .engine import Engine, backbone_of, evaluating
from .sites import cut, site_states
from .tokens import Encoded
from .training import Head, fit_module, head_for


def fine_tune(
    engine: Engine,
    network: nn.Module,
    train: Examples,
    valid: Examples,
    *,
    n_classes: int,
    seed: int,
    pooling: str,
    lr: float,
    epochs: int,
    batch_size: int,
    warmup: float,
    patience: int,
    max_length: int | None,
) -> FineTuned:
    """Return a predictor: `network`, all of it trained, with a linear head on pooled states.

    `engine` is that of the model; the settings are those of `networks.settings.TRAINING`.

    A variant is predicted from the pooled state of ALT minus that of REF, a base from its own state; a batch then is of
    `batch_size` windows with all of their bases. Classes are learnt by cross-entropy, labels by that of each, and
    measurements, standardised, by squared error. Of a random twin a new network is drawn for
    each seed. The weights are those of the epoch with the lowest loss on `valid`.
    """
    head = head_for(train.targets, n_classes)
    width = embed_all(engine, train.inputs.sequences[:1], [(-1, pooling)])[0].shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        linear = nn.Linear(width, head.width)
    backbone = backbone_of(network, engine.family)
    fitted = FineTuned(engine, backbone, linear.to(engine.device), head, pooling, max_length)
    shown, held_out = fitted.prepare(train.inputs), fitted.prepare(valid.inputs)
    t_train, t_valid = head.wanted(train.targets), head.wanted(valid.targets)

    def batch_loss(index: IntArray) -> Tensor:
        wanted = t_train[torch.from_numpy(shown.examples(index))].to(engine.device)
        return head.loss(fitted.head(shown.states(backbone, index)), wanted)

    fit_module(
        nn.ModuleList([fitted.backbone, fitted.head]),
        batch_loss,
        lambda: head.loss(fitted.outputs(held_out), t_valid).item(),
        len(shown.lengths),
        lr=lr,
        epochs=epochs,
        batch_size=batch_size,
        warmup=warmup,
        patience=patience,
        seed=seed,
        doing=f"fine-tuning {engine.name}",
    )
    return fitted


class FineTuned:
    """A fine-tuned network and its head."""

    def __init__(
        self,
        engine: Engine,
        backbone: nn.Module,
        head: nn.Linear,
        meaning: Head,
        pooling: str,
        max_length: int | None,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self._engine = engine
        self._meaning = meaning
        self._pooling = pooling
        self._max_length = max_length

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs)."""
        return self._meaning.scores(self.outputs(self.prepare(inputs)))

    def prepare(self, inputs: Inputs) -> Units:
        """Return the tokens of the inputs: a unit an example or, for tasks of bases, one a window with its sites."""
        if inputs.positions is not None and inputs.alternates is None:
            return Sites(self._engine, inputs, self._max_length)
        return Pooled(self._engine, inputs, self._pooling, self._max_length)

    def outputs(self, units: Units) -> Tensor:
        """Return the head's outputs (n, width), on the CPU, in batches of like length."""
        out = torch.empty(units.n, self.head.out_features)

        def compute(index: IntArray) -> None:
            states = units.states(self.backbone, index)
            out[torch.from_numpy(units.examples(index))] = self.head(states).float().cpu()

        with evaluating(self.backbone):
            in_batches(units.lengths, compute, budget=self._engine.budget, done=lambda n: None)
        return out.clone()


class Units(Protocol):
    """What a batch is made of: `lengths` (units,) in tokens, of `n` examples in all."""

    n: int
    lengths: IntArray

    def examples(self, index: IntArray) -> IntArray:
        """Return the examples of the units at `index`, one unit's after another's."""

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the state (n, d) that the head reads of each of those examples."""


class Pooled:
    """Examples by their pooled states: of a sequence, or of ALT minus that of REF."""

    def __init__(self, engine: Engine, inputs: Inputs, pooling: str, max_length: int | None) -> None:
        self._engine = engine
        self._pooling = pooling
        self._columns = []
        for sequences in (inputs.sequences, inputs.alternates):
            if sequences is not None:
                check_usable(sequences)
                self._columns.append(engine.encode(list(sequences), max_length=max_length))
        self.n = len(inputs)
        self.lengths = np.max([[len(row.ids) for row in column] for column in self._columns], axis=0)

    def examples(self, index: IntArray) -> IntArray:
        """Return the index: a unit is an example."""
        return index

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the pooled states (n, d) for one batch; equal rows, as those of REF, run once."""
        pooled = []
        for column in self._columns:
            rows = [column[i] for i in index]
            first: dict[bytes, int] = {}
            for i, row in enumerate(rows):
                first.setdefault(row.ids.tobytes(), i)
            place = {key: j for j, key in enumerate(first)}
            chosen = [rows[i] for i in first.values()]
            states = of_like_length(
                self._engine, [len(row.ids) for row in chosen], partial(self._pool, backbone, chosen)
            )
            pooled.append(states[torch.tensor([place[row.ids.tobytes()] for row in rows], device=states.device)])
        return pooled[0] if len(pooled) == 1 else pooled[1] - pooled[0]

    def _pool(self, backbone: nn.Module, rows: Sequence[Encoded], at: IntArray) -> Tensor:
        return pool(self._engine, backbone, [rows[i] for i in at], [(-1, self._pooling)])[0].float()


class Sites:
    """Bases, or bins, by their states: a unit is a window with all of its sites, which share a pass."""

    def __init__(self, engine: Engine, inputs: Inputs, max_length: int | None) -> None:
        assert inputs.positions is not None
        self._engine = engine
        self._cut = cut(
            engine, inputs.sequences, inputs.positions, span=inputs.span, shared=True, max_length=max_length
        )
        lost = np.flatnonzero(self._cut.window < 0)
        if len(lost):
            raise DataError(f"{engine.name}: the window of example {lost[0]} takes more tokens than fit")
        self._members = self._cut.members()
        self.n = len(inputs)
        self.lengths = np.array([len(e.ids) for e in self._cut.encoded], np.int64)

    def examples(self, index: IntArray) -> IntArray:
        """Return the sites of the windows at `index`."""
        return np.concatenate([self._members[i] for i in index])

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the states (n, d) of all sites of the windows at `index`."""
        groups = _by_length(self.lengths[index]) if self._engine.equal_lengths else [np.arange(len(index))]
        parts = [site_states(self._engine, backbone, self._cut, self._members, index[g], -1).float() for g in groups]
        if len(groups) == 1:
            return parts[0]
        done = self.examples(index[np.concatenate(groups)])
        place = np.empty(self.n, np.int64)
        place[done] = np.arange(len(done))
        return torch.cat(parts)[torch.from_numpy(place[self.examples(index)]).to(parts[0].device)]


def of_like_length(engine: Engine, lengths: Sequence[int], compute: Callable[[IntArray], Tensor]) -> Tensor:
    """Return `compute(index)` (n, d) of all rows, a length at a time for a network that padding disturbs."""
    if not engine.equal_lengths:
        return compute(np.arange(len(lengths)))
    groups = _by_length(np.asarray(lengths))
    back = np.argsort(np.concatenate(groups))
    parts = [compute(index) for index in groups]
    return torch.cat(parts)[torch.from_numpy(back).to(parts[0].device)]


def _by_length(lengths: IntArray) -> list[IntArray]:
    return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
