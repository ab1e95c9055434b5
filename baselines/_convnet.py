"""What the convolutional baselines share: how a network on one-hot bases is trained, and what it predicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baserate.baselines._design import Recipe, Shape
from baserate.baselines._onehot import aligned_codes, widest
from baserate.errors import DataError, check_keys
from baserate.types import Examples, FloatArray, Inputs, Strings

if TYPE_CHECKING:
    import torch

    from baserate.baselines._network import Network
    from baserate.networks.training import Head

BATCH = 64
PREDICT_BATCH = 256


@dataclass(frozen=True, eq=False)
class _Fitted:
    network: Network
    width: int
    head: Head
    both_strands: bool
    chosen: Mapping[str, int] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()

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
        with torch.no_grad():
            scores = [self.head.scores(self.network(part)) for part in _parts(codes, device)]
        return np.concatenate([np.zeros((0, self.head.width)), *scores])


@dataclass(frozen=True)
class ConvNet:
    """A network on one-hot bases, trained with early stopping on valid.

    A variant's output is that of ALT minus that of REF, from the same network, plus a constant.
    """

    shape: Shape
    recipe: Recipe
    device: str

    def fit(
        self,
        train: Examples,
        valid: Examples,
        *,
        n_classes: int,
        seed: int,
        valid_score: Callable[[FloatArray], float] | None = None,
        **settings: Any,
    ) -> _Fitted:
        """Return the fitted predictor; `seed` draws the initial weights, the order of examples and the masks."""
        import torch

        from baserate.baselines._network import Network
        from baserate.networks.training import fit_module, head_for, pick_device

        check_keys(settings, (), "settings of from_scratch")
        if not len(train) or not len(valid):
            raise DataError(f"there are {len(train)} training and {len(valid)} validation examples; expected both")
        if not np.isfinite(np.asarray(train.targets, dtype=np.float64)).all():
            raise DataError("a training target is not finite")
        recipe, device = self.recipe, pick_device(self.device)
        width = widest(train.inputs)
        head = head_for(train.targets, n_classes)
        variants = train.inputs.alternates is not None
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = Network(width, head.width, self.shape, recipe.dropout, difference=variants)
        network = network.to(device, memory_format=torch.channels_last)
        codes, valid_codes = _codes(train.inputs, width), _codes(valid.inputs, width)
        y, valid_y = (head.as_tensor(part.targets).to(device) for part in (train, valid))
        rng = np.random.default_rng([seed, 1])
        history: list[dict[str, float]] = []
        losses: list[torch.Tensor] = []

        def batch_loss(index: NDArray[np.int64]) -> torch.Tensor:
            batch = codes[index]
            if recipe.strand_augmentation:
                flipped = rng.random(len(batch)) < 0.5
                batch[flipped] = _complement(batch[flipped])
            batch = _mask(batch, recipe.masked, rng)
            loss = head.loss(network(torch.from_numpy(batch).to(device)), y[torch.from_numpy(index).to(device)])
            losses.append(loss.detach())
            return loss

        def valid_loss() -> float:
            outputs = torch.cat([network(part) for part in _parts(valid_codes, device)])
            loss = float(head.loss(outputs, valid_y))
            row = {"epoch": len(history) + 1, "train_loss": float(torch.stack(losses).mean()), "valid_loss": loss}
            score = math.nan if valid_score is None else valid_score(head.scores(outputs))
            history.append(row | ({"valid_score": score} if math.isfinite(score) else {}))
            losses.clear()
            return loss

        epochs = min(max(math.ceil(recipe.presented / len(train)), recipe.epochs[0]), recipe.epochs[1])
        best = fit_module(
            network,
            batch_loss,
            valid_loss,
            len(train),
            lr=recipe.lr,
            epochs=epochs,
            batch_size=BATCH,
            weight_decay=recipe.weight_decay,
            patience=epochs // 2,
            seed=seed,
            doing="training the network",
        )
        return _Fitted(network, width, head, recipe.strand_augmentation, {"epoch": best}, history)


def _parts(codes: NDArray[np.uint8], device: torch.device) -> Iterator[torch.Tensor]:
    """Yield base codes in batches, on the device."""
    import torch

    for at in range(0, len(codes), PREDICT_BATCH):
        yield torch.from_numpy(codes[at : at + PREDICT_BATCH]).to(device)


def _codes(inputs: Inputs, width: int) -> NDArray[np.uint8]:
    """Return base codes (n, 1, width), or (n, 2, width) with REF and ALT."""
    columns: list[Strings] = [inputs.sequences] if inputs.alternates is None else [inputs.sequences, inputs.alternates]
    return np.stack([aligned_codes(column, width) for column in columns], axis=1)


def _complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the reverse complement of base codes along the last axis."""
    complement: NDArray[np.uint8] = np.array([3, 2, 1, 0, 4], dtype=np.uint8)[codes[..., ::-1]]
    return complement


def _mask(codes: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `codes` with a share of positions masked, the same in REF and ALT, but none where the two differ."""
    hidden = rng.random((len(codes), 1, codes.shape[2])) < share
    if codes.shape[1] == 2:
        hidden &= codes[:, :1] == codes[:, 1:]
    return np.where(hidden, np.uint8(4), codes)
