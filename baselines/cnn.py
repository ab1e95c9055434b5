"""What a small convolutional network learns from the same labels, without pretraining."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baserate.baselines._onehot import aligned_codes, widest
from baserate.errors import DataError, check_keys
from baserate.registry import baseline
from baserate.types import Examples, FloatArray, Inputs, Strings

if TYPE_CHECKING:
    from baserate.baselines._network import Network
    from baserate.networks.training import Head

BATCH = 64
PREDICT_BATCH = 256
EPOCHS = (8, 15)
PRESENTED = 20_000
"""How many examples the network sees in training in all, within the bounds of EPOCHS."""
MASKED = 0.2
"""The share of bases that are masked in a training example, drawn anew each time."""


@dataclass(frozen=True, eq=False)
class _Fitted:
    network: Network
    width: int
    head: Head
    both_strands: bool

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs): strand means if trained on both strands."""
        codes = _codes(inputs, self.width)
        scores = self._one_strand(codes)
        if self.both_strands:
            scores = (scores + self._one_strand(_complement(codes))) / 2
        return scores

    def _one_strand(self, codes: NDArray[np.uint8]) -> FloatArray:
        import torch

        device = next(self.network.parameters()).device
        scores = []
        with torch.no_grad():
            for at in range(0, len(codes), PREDICT_BATCH):
                outputs = self.network(torch.from_numpy(codes[at : at + PREDICT_BATCH]).to(device))
                scores.append(self.head.scores(outputs))
        return np.concatenate([np.zeros((0, self.head.width)), *scores])


@dataclass(frozen=True)
class CNN:
    """A small residual network on one-hot bases, trained with early stopping on valid.

    A variant's output is that of ALT minus that of REF, from the same network, plus a constant.
    """

    strand_augmentation: bool
    device: str

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> _Fitted:
        """Return the fitted predictor; `seed` draws the initial weights, the order of examples and the masks."""
        import torch

        from baserate.baselines._network import Network
        from baserate.networks.training import fit_module, head_for, pick_device

        check_keys(settings, (), "settings of from_scratch")
        if not len(train) or not len(valid):
            raise DataError(f"there are {len(train)} training and {len(valid)} validation examples; expected both")
        if not np.isfinite(np.asarray(train.targets, dtype=np.float64)).all():
            raise DataError("a training target is not finite")
        device = pick_device(self.device)
        width = widest(train.inputs)
        head = head_for(train.targets, n_classes)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = Network(width, head.width, difference=train.inputs.alternates is not None)
        network = network.to(device, memory_format=torch.channels_last)

        def tensors(part: Examples) -> tuple[NDArray[np.uint8], torch.Tensor]:
            return _codes(part.inputs, width), head.as_tensor(part.targets).to(device)

        def loss(codes: NDArray[np.uint8], y: torch.Tensor) -> torch.Tensor:
            return head.loss(network(torch.from_numpy(codes).to(device)), y)

        codes, y = tensors(train)
        valid_codes, valid_y = tensors(valid)
        rng = np.random.default_rng([seed, 1])

        def batch_loss(index: NDArray[np.int64]) -> torch.Tensor:
            batch = codes[index]
            if self.strand_augmentation:
                flipped = rng.random(len(batch)) < 0.5
                batch[flipped] = _complement(batch[flipped])
            return loss(_mask(batch, rng), y[torch.from_numpy(index).to(device)])

        def valid_loss() -> float:
            total = 0.0
            for at in range(0, len(valid_codes), PREDICT_BATCH):
                part = slice(at, at + PREDICT_BATCH)
                total += float(loss(valid_codes[part], valid_y[part])) * len(valid_codes[part])
            return total / len(valid_codes)

        epochs = min(max(math.ceil(PRESENTED / len(train)), EPOCHS[0]), EPOCHS[1])
        fit_module(
            network,
            batch_loss,
            valid_loss,
            len(train),
            lr=3e-3,
            epochs=epochs,
            batch_size=BATCH,
            weight_decay=0.1,
            patience=epochs // 2,
            seed=seed,
            doing="training the CNN",
        )
        return _Fitted(network, width, head, self.strand_augmentation)


def _codes(inputs: Inputs, width: int) -> NDArray[np.uint8]:
    """Return base codes (n, 1, width), or (n, 2, width) with REF and ALT."""
    columns: list[Strings] = [inputs.sequences] if inputs.alternates is None else [inputs.sequences, inputs.alternates]
    return np.stack([aligned_codes(column, width) for column in columns], axis=1)


def _complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the reverse complement of base codes along the last axis."""
    complement: NDArray[np.uint8] = np.array([3, 2, 1, 0, 4], dtype=np.uint8)[codes[..., ::-1]]
    return complement


def _mask(codes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `codes` with a share of positions masked, the same in REF and ALT, but none where the two differ."""
    hidden = rng.random((len(codes), 1, codes.shape[2])) < MASKED
    if codes.shape[1] == 2:
        hidden &= codes[:, :1] == codes[:, 1:]
    return np.where(hidden, np.uint8(4), codes)


@baseline(
    "cnn",
    version=1,
    modes={"from_scratch": {}},
    description="A residual dilated convolutional network of some 80,000 parameters on one-hot bases, aligned at the "
    "window's centre; a variant's output is ALT's minus REF's.",
)
def load(*, strand_augmentation: bool = False, device: str = "auto") -> CNN:
    """Return the convolutional baseline; with `strand_augmentation` it learns from, and averages, both strands."""
    return CNN(strand_augmentation, device)
