"""Fine-tuning: a copy of the network, or a part of it, is trained under a linear head on states, pooled or of bases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError
from ..types import Examples, FloatArray, Inputs, IntArray
from .adapters import Trainable, decayed_rates, set_checkpointing, slow_attention, trainable
from .batches import in_batches
from .chunks import Reading
from .embedding import check_usable, embed_all, pool
from .engine import Engine, backbone_of, evaluating
from .loop import Progress, Recipe, train
from .objectives import OnStates, Units, room_of
from .sites import cut, site_states
from .tokens import Encoded
from .training import Head, head_for


def fine_tune(
    engine: Engine,
    network: nn.Module,
    data: tuple[Examples, Examples],
    settings: Mapping[str, Any],
    *,
    n_classes: int,
    seed: int,
    valid_score: Callable[[FloatArray], float] | None = None,
    state_file: Path | None = None,
) -> FineTuned:
    """Return a predictor: `network`, what `settings` say of it trained, with a linear head on pooled states.

    `engine` is the model's, `data` are train and valid, `settings` those of `networks.settings.training_values`.
    A variant is predicted from the pooled state of ALT minus that of REF, a base from its own state; for bases a batch
    is `batch_size` windows with all of their bases. Classes are learnt by cross-entropy, labels by the mean of theirs,
    and measurements, standardised, by squared error. `valid_score(scores)` is the task's metric on valid, higher being
    better; without it the loss chooses the epoch. With a `state_file` the training can be resumed, see `loop.train`.
    """
    learnt, valid = data
    kind, pooling, max_length = settings["train"], settings["pooling"], settings["max_length"]
    meaning = head_for(learnt.targets, n_classes, class_weights=settings["class_weights"])
    first = learnt.inputs.sequences[:1]
    width = embed_all(engine, first, [(-1, pooling)])[0].shape[1]
    backbone = backbone_of(network, engine.family)
    with torch.random.fork_rng(), slow_attention():
        torch.manual_seed(seed)
        linear = nn.Linear(width, meaning.width).to(engine.device)
        what = trainable(
            kind,
            backbone,
            settings,
            lambda: _one_pass(engine, backbone, first[0], max_length),
            name=engine.name,
            headed=engine.headed,
        )
        reading = Reading(max_length, window=settings["window"], overlap=settings["overlap"])
        fitted = FineTuned(engine, network, backbone, linear, meaning, pooling, reading)
        fitted.reads = inputs_kind(learnt.inputs)
        if settings["checkpointing"]:
            set_checkpointing(backbone, name=engine.name)
        units = fitted.prepare(learnt.inputs), fitted.prepare(valid.inputs)
        y_learnt, y_valid = (meaning.as_tensor(part.targets) for part in data)
        states, outputs, fold = _frozen(fitted, units) if kind == "head" else _moving(fitted, units)
        decay = settings.get("layer_decay", 1.0)
        progress = train(
            nn.ModuleDict({"head": linear} if kind == "head" else {"backbone": backbone, "head": linear}),
            OnStates(
                units[0], y_learnt, y_valid, linear, meaning, states, outputs, valid_score, *room_of(engine.device)
            ),
            _recipe(settings, scored=valid_score is not None),
            seed=seed,
            doing=f"fine-tuning {engine.name}",
            rates={f"backbone.{n}": rate for n, rate in decayed_rates(backbone, decay, name=engine.name).items()},
            state_file=state_file,
            setting_of="" if state_file is None else _identity(engine, data, seed, settings),
        )
        fold()
    what.merge()
    if settings["checkpointing"]:
        backbone.gradient_checkpointing_disable()
    fitted.describe(what, progress)
    return fitted


_Source = tuple[Callable[[IntArray], Tensor], Callable[[], Tensor], Callable[[], None]]
"""The states of units of train by index, the outputs on valid, and what is to be done after training."""


def _moving(fitted: FineTuned, units: tuple[Units, Units]) -> _Source:
    """Return states that change in training, computed anew in every step."""
    train_units, valid_units = units
    return partial(train_units.states, fitted.backbone), lambda: fitted.outputs(valid_units), lambda: None


def _frozen(fitted: FineTuned, units: tuple[Units, Units]) -> _Source:
    """Return states that stay as they are, computed once, and standardised by those of train for the head.

    In the end the standardisation becomes part of the head.
    """
    train_states, valid_states = (fitted.all_states(part) for part in units)
    mean = train_states.double().mean(0)
    deviation = train_states.double().std(0, correction=0)
    deviation = torch.where(deviation > 1e-6 * mean.abs(), deviation, 1.0)  # less is rounding
    learnt, valid = (((states.double() - mean) / deviation).float() for states in (train_states, valid_states))
    head = fitted.head

    def fold() -> None:
        with torch.no_grad():
            weight = head.weight.double() / deviation
            head.bias.sub_((weight @ mean).to(head.bias.dtype))
            head.weight.copy_(weight)

    def states(index: IntArray) -> Tensor:
        return learnt[torch.from_numpy(units[0].examples(index)).to(learnt.device)]

    return states, lambda: head(valid).detach().float().cpu(), fold


def _recipe(settings: Mapping[str, Any], *, scored: bool) -> Recipe:
    names = ("lr", "epochs", "batch_size", "warmup", "weight_decay", "patience")
    return Recipe(**{name: settings[name] for name in names}, stop_on=settings["stop_on"] if scored else "loss")


def _identity(engine: Engine, data: tuple[Examples, Examples], seed: int, settings: Mapping[str, Any]) -> str:
    """Return what must be the same for a training to be resumed."""
    weights, device = engine.parameter_hash(), f"{engine.device.type} {engine.precision}"
    return repr((weights, device, *(part.fingerprint for part in data), seed, sorted(settings.items())))


def _one_pass(engine: Engine, backbone: nn.Module, sequence: str, max_length: int | None) -> None:
    rows = engine.encode([sequence], max_length=max_length)
    with evaluating(backbone):
        engine.forward(backbone, [row.ids for row in rows])


def inputs_kind(inputs: Inputs) -> str:
    """Return what examples are: 'sequences', 'variants' or 'bases'."""
    if inputs.alternates is not None:
        return "variants"
    return "sequences" if inputs.positions is None else "bases"


class FineTuned:
    """A fine-tuned network and its head, which `reads` 'sequences', 'variants' or 'bases'.

    `chosen` is what was chosen on valid and what was trained, `history` has a row for each epoch, and `notes` are what
    a reader of the result must know. `save(folder, ...)` writes it, see `saving.save`.
    """

    def __init__(
        self,
        engine: Engine,
        network: nn.Module,
        backbone: nn.Module,
        head: nn.Linear,
        meaning: Head,
        pooling: str,
        reading: Reading,
    ) -> None:
        self.network = network
        self.backbone = backbone
        self.head = head
        self.meaning = meaning
        self.pooling = pooling
        self.reading = reading
        self.reads = ""
        self.save: Callable[..., None] | None = None
        self.chosen: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self.notes: list[str] = []
        self._engine = engine

    @property
    def name(self) -> str:
        """The name of the model that was fine-tuned."""
        return self._engine.name

    @property
    def source(self) -> Path | None:
        """The folder that the network was opened from, before it was fine-tuned."""
        return self._engine.source

    @property
    def precision(self) -> str:
        """The precision in which the network was trained and predicts, 'fp32' or 'bf16'."""
        return self._engine.precision

    def describe(self, what: Trainable, progress: Progress) -> None:
        """Set `chosen`, `history` and `notes` from what was trained and how it went."""
        n_head = sum(p.numel() for p in self.head.parameters())
        self.chosen = {
            "epoch": progress.best,
            "trained_parameters": what.trained + n_head,
            "trained_share": float(f"{(what.trained + n_head) / (what.total + n_head):.4g}"),
        }
        if what.adapted:
            self.chosen["adapted"] = list(what.adapted)
        self.history = [{k: v for k, v in asdict(e).items() if v == v} for e in progress.history]
        self.notes = list(progress.notes)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs)."""
        return self.meaning.scores(self.outputs(self.prepare(inputs)))

    def prepare(self, inputs: Inputs) -> Units:
        """Return the tokens of the inputs, in units of an example or, in tasks of bases, of a window with its sites."""
        if inputs_kind(inputs) == "bases":
            return Sites(self._engine, inputs, self.reading.max_length)
        return Pooled(self._engine, inputs, self.pooling, self.reading)

    def outputs(self, units: Units) -> Tensor:
        """Return the head's outputs (n, width), on the CPU, in batches of like length."""
        return self._of_all(units, self.head.out_features, lambda states: self.head(states).float().cpu(), "cpu")

    def all_states(self, units: Units) -> Tensor:
        """Return the states (n, d) that the head reads, on the network's device, in batches of like length."""
        return self._of_all(units, self.head.in_features, lambda states: states, str(self._engine.device))

    def _of_all(self, units: Units, width: int, compute: Callable[[Tensor], Tensor], device: str) -> Tensor:
        out = torch.empty(units.n, width, device=device)

        def put(index: IntArray) -> None:
            states = units.states(self.backbone, index)
            out[torch.from_numpy(units.examples(index)).to(device)] = compute(states)

        with evaluating(self.backbone):
            in_batches(units.lengths, put, budget=self._engine.budget, done=lambda n: None)
        return out.clone()


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
