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
from .chunks import Reading
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
    window: str = "truncate",
    overlap: int | None = None,
) -> FineTuned:
    """Return a predictor: `network`, all of it trained, with a linear head on pooled states.

    `engine` is the model's; the settings are those of `networks.settings.TRAINING`.

    A variant is predicted from the pooled state of ALT minus that of REF, a base from its own state; for bases a batch
    is `batch_size` windows with all of their bases. Classes are learnt by cross-entropy, labels by the mean of theirs,
    and measurements, standardised, by squared error. The weights are those of the epoch with the lowest loss on
    `valid`.
    """
    head = head_for(train.targets, n_classes)
    width = embed_all(engine, train.inputs.sequences[:1], [(-1, pooling)])[0].shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        linear = nn.Linear(width, head.width)
    backbone = backbone_of(network, engine.family)
    reading = Reading(max_length, window=window, overlap=overlap)
    fitted = FineTuned(engine, backbone, linear.to(engine.device), head, pooling, reading)
    train_units, valid_units = fitted.prepare(train.inputs), fitted.prepare(valid.inputs)
    t_train, t_valid = head.as_tensor(train.targets), head.as_tensor(valid.targets)

    def batch_loss(index: IntArray) -> Tensor:
        targets = t_train[torch.from_numpy(train_units.examples(index))].to(engine.device)
        return head.loss(fitted.head(train_units.states(backbone, index)), targets)

    fit_module(
        nn.ModuleList([fitted.backbone, fitted.head]),
        batch_loss,
        lambda: head.loss(fitted.outputs(valid_units), t_valid).item(),
        len(train_units.lengths),
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
        reading: Reading,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self._engine = engine
        self._meaning = meaning
        self._pooling = pooling
        self._reading = reading

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs)."""
        return self._meaning.scores(self.outputs(self.prepare(inputs)))

    def prepare(self, inputs: Inputs) -> Units:
        """Return the tokens of the inputs, in units of an example or, in tasks of bases, of a window with its sites."""
        if inputs.positions is not None and inputs.alternates is None:
            return Sites(self._engine, inputs, self._reading.max_length)
        return Pooled(self._engine, inputs, self._pooling, self._reading)

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
    """What batches are made of: units of `lengths` (units,) in tokens, with `n` examples in all."""

    n: int
    lengths: IntArray

    def examples(self, index: IntArray) -> IntArray:
        """Return the examples of the units at `index`, unit by unit."""

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the states (n, d) of those examples, which the head reads."""


class Pooled:
    """Examples by their pooled states: that of a sequence, or that of ALT minus that of REF.

    That of a sequence in chunks is of the tokens that count in all of them: all are trained on in one step.
    """

    def __init__(self, engine: Engine, inputs: Inputs, pooling: str, reading: Reading) -> None:
        self._engine = engine
        self._pooling = pooling
        self._columns = []
        for sequences in (inputs.sequences, inputs.alternates):
            if sequences is not None:
                check_usable(sequences)
                self._columns.append(engine.rows(list(sequences), reading))
        self.n = len(inputs)
        self.lengths = np.max([column.sums(column.lengths) for column in self._columns], axis=0)

    def examples(self, index: IntArray) -> IntArray:
        """Return the index: a unit is an example."""
        return index

    def states(self, backbone: nn.Module, index: IntArray) -> Tensor:
        """Return the pooled states (n, d) for one batch; equal rows, such as those of REF, run once."""
        pooled = []
        for column in self._columns:
            rows = column.take(index)
            # Chunks of the same tokens may differ in which of them count.
            keys = [row.ids.tobytes() + (row.ends > row.starts).tobytes() for row in rows.encoded]
            distinct = dict(zip(keys, rows.encoded, strict=True))
            place = {key: j for j, key in enumerate(distinct)}
            states = self._states(backbone, list(distinct.values()))
            states = states[torch.tensor([place[key] for key in keys], device=states.device)]
            pooled.append(rows.pooled(states, self._pooling))
        return pooled[0] if len(pooled) == 1 else pooled[1] - pooled[0]

    def _states(self, backbone: nn.Module, rows: Sequence[Encoded]) -> Tensor:
        """Return the pooled states (m, d) of the rows; without gradients, as many rows at a time as fit."""
        lengths = [len(row.ids) for row in rows]
        size = len(rows) if torch.is_grad_enabled() else max(1, self._engine.budget // max(lengths))
        parts = [slice(start, start + size) for start in range(0, len(rows), size)]
        return torch.cat(
            [of_like_length(self._engine, lengths[part], partial(self._pool, backbone, rows[part])) for part in parts]
        )

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
        too_long = np.flatnonzero(self._cut.window < 0)
        if len(too_long):
            raise DataError(f"{engine.name}: the window of example {too_long[0]} takes more tokens than fit")
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
    """Return `compute(index)` (n, d) of all rows, one length at a time for a network that padding disturbs."""
    if not engine.equal_lengths:
        return compute(np.arange(len(lengths)))
    groups = _by_length(np.asarray(lengths))
    back = np.argsort(np.concatenate(groups))
    parts = [compute(index) for index in groups]
    return torch.cat(parts)[torch.from_numpy(back).to(parts[0].device)]


def _by_length(lengths: IntArray) -> list[IntArray]:
    return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
