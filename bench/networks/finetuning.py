"""Fine-tuning: a copy of the network, all of it trained, under a linear head on pooled states."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._torch import fit_module
from ..types import Examples, FloatArray, Inputs, IntArray
from .batches import in_batches
from .embedding import check_usable, pool
from .tokens import Encoded

if TYPE_CHECKING:
    from .language_model import LanguageModel


def fine_tune(
    model: LanguageModel,
    train: Examples,
    valid: Examples,
    *,
    n_classes: int,
    seed: int,
    pooling: str = "mean",
    lr: float = 5e-4,
    epochs: int = 10,
    batch_size: int = 32,
    warmup: float = 0.1,
    patience: int = 2,
    max_length: int | None = None,
) -> FineTuned:
    """Return a predictor: a copy of the network, all of it trained, with a linear head on pooled states.

    A variant is predicted from the pooled state of ALT minus that of REF. Of a random twin a new network is drawn for
    each seed. The weights are those of the epoch with the lowest loss on `valid`.
    """
    from .language_model import backbone_of

    network = model.redrawn(seed).network if model.random_weights else copy.deepcopy(model.network)
    y_train, y_valid = (_targets(e, n_classes) for e in (train, valid))
    shift, scale = (0.0, 1.0) if n_classes else (float(y_train.mean()), float(y_train.std()) or 1.0)
    width = model.embed(train.inputs.sequences[:1], pooling=pooling).shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(width, n_classes or 1)
    fitted = FineTuned(
        model, backbone_of(network, model.family), head.to(model.device), n_classes, shift, scale, pooling, max_length
    )
    columns, held_out = fitted.encode(train.inputs), fitted.encode(valid.inputs)
    t_train, t_valid = (torch.from_numpy((y - shift) / scale if not n_classes else y) for y in (y_train, y_valid))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if n_classes:
            return nn.functional.cross_entropy(outputs, targets)
        return nn.functional.mse_loss(outputs[:, 0], targets.float())

    def batch_loss(index: IntArray) -> Tensor:
        chosen = [[column[i] for i in index] for column in columns]
        return loss(fitted.outputs(chosen), t_train[torch.from_numpy(index)].to(model.device))

    fit_module(
        nn.ModuleList([fitted.backbone, fitted.head]),
        batch_loss,
        lambda: loss(fitted.all_outputs(held_out), t_valid).item(),
        len(train),
        lr=lr,
        epochs=epochs,
        batch_size=batch_size,
        warmup=warmup,
        patience=patience,
        seed=seed,
        doing=f"fine-tuning {model.name}",
    )
    return fitted


class FineTuned:
    """A fine-tuned network and its head."""

    def __init__(
        self,
        model: LanguageModel,
        backbone: nn.Module,
        head: nn.Linear,
        n_classes: int,
        shift: float,
        scale: float,
        pooling: str,
        max_length: int | None,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self._model = model
        self._n_classes = n_classes
        self._shift = shift
        self._scale = scale
        self._pooling = pooling
        self._max_length = max_length

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class probabilities (n, n_classes), or values (n, 1)."""
        outputs = self.all_outputs(self.encode(inputs)).double()
        found: FloatArray = (outputs.softmax(-1) if self._n_classes else outputs * self._scale + self._shift).numpy()
        return found

    def encode(self, inputs: Inputs) -> list[list[Encoded]]:
        """Return the tokens of REF, and of ALT where there is one."""
        columns = []
        for sequences in (inputs.sequences, inputs.alternates):
            if sequences is not None:
                check_usable(sequences)
                columns.append(self._model.encode(list(sequences), max_length=self._max_length))
        return columns

    def outputs(self, columns: Sequence[Sequence[Encoded]]) -> Tensor:
        """Return the head's outputs (n, k) for one batch; equal rows, as those of REF, run once."""
        pooled = []
        for rows in columns:
            first: dict[bytes, int] = {}
            for i, row in enumerate(rows):
                first.setdefault(row.ids.tobytes(), i)
            place = {key: j for j, key in enumerate(first)}
            chosen = [rows[i] for i in first.values()]
            # A network that padding disturbs sees one length at a time.
            states = self._pool_equal(chosen) if self._model.equal_lengths else self._pool(chosen)
            pooled.append(states[torch.tensor([place[row.ids.tobytes()] for row in rows], device=states.device)])
        found: Tensor = self.head(pooled[0] if len(pooled) == 1 else pooled[1] - pooled[0])
        return found

    def _pool(self, rows: Sequence[Encoded]) -> Tensor:
        return pool(self._model, self.backbone, rows, [(-1, self._pooling)])[0].to(self.head.weight.dtype)

    def _pool_equal(self, rows: Sequence[Encoded]) -> Tensor:
        by_length: dict[int, list[int]] = {}
        for i, row in enumerate(rows):
            by_length.setdefault(len(row.ids), []).append(i)
        parts = [self._pool([rows[i] for i in index]) for index in by_length.values()]
        back = np.argsort([i for index in by_length.values() for i in index])
        return torch.cat(parts)[torch.from_numpy(back).to(parts[0].device)]

    def all_outputs(self, columns: Sequence[Sequence[Encoded]]) -> Tensor:
        """Return the head's outputs (n, k), on the CPU, in batches of like length."""
        from .language_model import evaluating

        out = torch.empty(len(columns[0]), self.head.out_features)
        lengths = np.max([[len(row.ids) for row in column] for column in columns], axis=0)

        def compute(index: IntArray) -> None:
            chosen = [[column[i] for i in index] for column in columns]
            out[torch.from_numpy(index)] = self.outputs(chosen).float().cpu()

        with evaluating(self.backbone):
            in_batches(lengths, compute, budget=self._model.budget, done=lambda n: None)
        return out.clone()


def _targets(examples: Examples, n_classes: int) -> NDArray[Any]:
    return examples.targets.astype(np.int64 if n_classes else np.float64)
