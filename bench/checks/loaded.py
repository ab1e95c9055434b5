"""A model that is loaded once for all checks, and its outputs for sequences, whatever its methods."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, NotApplicable, expect
from ..probes.probe import PROBES
from ..registry import MODELS, load_model
from ..types import Inputs, ModelCard, StrArray, strings
from .toys import random_dna, substituted

Rows = NDArray[Any]
Outputs = Mapping[str, Rows]
"""A model's outputs for some sequences by method, one row per sequence."""

TOLERANCE = 1e-4
BF16_TOLERANCE = 3e-2
"""Largest difference that counts as none, relative to a method's largest value; bfloat16 has a precision of 8 bits."""

_SHORT = 12
"""Bases of a sequence whose tokens are masked in turn, at the cost of one pass each."""


class LoadedModel:
    """A model's card with its model, which is loaded at first use."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The loaded model; one that learns from unlabelled DNA has been trained on random DNA."""
        if self._model is None:
            self._model = _ready(self.card)
        return self._model

    def reload(self) -> Any:
        """Return the model loaded anew, which replaces the one in memory."""
        self.unload()
        return self.model

    def unload(self) -> None:
        """Free the model's memory; the model is loaded again at its next use."""
        self._model = None
        gc.collect()

    @property
    def tolerance(self) -> float:
        """How far two computations of the same output may differ, relative to the largest value."""
        return BF16_TOLERANCE if getattr(self.model, "precision", "") == "bf16" else TOLERANCE

    def parameter_hash(self) -> str:
        """Return the digest of the model's parameters, '' where it has no `parameter_hash`."""
        return str(getattr(self.model, "parameter_hash", str)())

    def n_parameters(self) -> int:
        """Return the number of parameters of the network, or that on the card where there is no network."""
        network = getattr(self.model, "network", None)
        return sum(p.numel() for p in network.parameters()) if network is not None else self.card.parameters or 0

    def twin(self) -> ModelCard:
        """Return the card of the random twin. Raises NotApplicable where the model is one itself, or has none."""
        if self.card.twin_of:
            raise NotApplicable("the model is a random twin itself")
        registered = next((c for c in MODELS.all().values() if c.twin_of == self.card.name), None)
        if registered is None and self.card.twin is None:
            raise NotApplicable("the model has no twin with random weights")
        return registered or self.card.twin()  # type: ignore[misc]

    def embed(self, sequences: StrArray) -> Rows:
        """Return the embeddings (n, d) that the probe would get. Raises NotApplicable where the model has none."""
        if not hasattr(self.model, "embed"):
            raise NotApplicable("the model has no embed()")
        return np.asarray(self.model.embed(sequences, **_embedding(self.card)))

    def outputs(self, sequences: StrArray) -> Outputs:
        """Return the outputs of all methods for the sequences, with one base of each substituted for variant methods.

        Raises NotApplicable where there is no such method, and CheckFailed where one returns another number of rows.
        """
        outputs = dict(self._each(_METHODS, sequences))
        if not outputs:
            raise NotApplicable("the model can only be trained: it has no output for a sequence by itself")
        return outputs

    def outputs_of_text(self, sequences: StrArray) -> Outputs:
        """Return the outputs of the methods that take sequences as a user writes them, or raise NotApplicable."""
        outputs = dict(self._each([name for name in _METHODS if name not in _TAKE_INPUTS], sequences))
        if not outputs:
            raise NotApplicable("the model has no method that takes sequences")
        return outputs

    def _each(self, names: Sequence[str] | Mapping[str, Any], sequences: StrArray) -> Iterator[tuple[str, Rows]]:
        for name in names:
            method = getattr(self.model, name.split(" ")[0], None)
            if method is None:
                continue
            try:
                rows = np.asarray(_METHODS[name](method, self.card, sequences))
            except NotApplicable:  # such as a likelihood, where the model has another head
                continue
            expect(
                rows.ndim and len(rows) == len(sequences),
                f"{name} returned shape {rows.shape} for {len(sequences)} sequences",
            )
            yield name, rows


def _ready(card: ModelCard) -> Any:
    model = load_model(card)
    if hasattr(model, "learn"):
        model.learn(Inputs(random_dna(20, seed=30, length=200)))
    return model


def expect_same(one: Outputs, other: Outputs, tolerance: float, what: str) -> None:
    """Raise CheckFailed, naming method and difference, where two sets of outputs differ by more than `tolerance`."""
    for name in one:
        a, b = (np.asarray(outputs[name], np.float64) for outputs in (one, other))
        expect(a.shape == b.shape, f"{name}: {what}: shapes {a.shape} and {b.shape}")
        expect(np.array_equal(np.isnan(a), np.isnan(b)), f"{name}: {what}: NaN for different sequences")
        scale = max(np.nanmax(np.abs(a), initial=0.0), 1e-9)
        worst = np.nanmax(np.abs(a - b), initial=0.0) / scale
        expect(worst <= tolerance, f"{name}: {what}: they differ by {100 * worst:.2g} % of the largest value")


def rows_of(outputs: Outputs, index: Any) -> Outputs:
    """Return the rows of the outputs at `index`."""
    return {name: rows[index] for name, rows in outputs.items()}


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Return the outputs of several calls, concatenated."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _embedding(card: ModelCard) -> dict[str, Any]:
    """Return the card's settings for embeddings, the first value of each that has several."""
    values = card.modes.get("linear_probe", {})
    apart = {"strands", "context", "probe", *PROBES.get(values.get("probe", "linear")).settings}
    settings = {k: v for k, v in values.items() if k not in apart}
    return {k: v[0] if isinstance(v, (list, tuple)) else v for k, v in settings.items()}


def _middles(sequences: StrArray) -> NDArray[np.int64]:
    return np.array([len(s) // 2 for s in sequences], np.int64)


def _pairs(sequences: StrArray) -> Inputs:
    sites = _middles(sequences)
    return Inputs(sequences, substituted(sequences, sites), sites)


def _predicted(method: Any, card: ModelCard, sequences: StrArray) -> Any:
    if card.variants:
        return method(_pairs(sequences))
    try:
        return method(Inputs(sequences))
    except (NotApplicable, ConfigError):  # a card need not declare that its model takes variants
        return method(_pairs(sequences))


_METHODS: Mapping[str, Callable[[Any, ModelCard, StrArray], Any]] = {
    "embed": lambda method, card, x: method(x, **_embedding(card)),
    "embed_sites": lambda method, card, x: method(x, _middles(x)),
    "log_likelihood": lambda method, card, x: method(x),
    "next_base_log_probs": lambda method, card, x: method(x),
    "masked_log_probs": lambda method, card, x: np.stack(method(x, [np.array([i - 1, i]) for i in _middles(x)])),
    "masked_llr": lambda method, card, x: method(x, substituted(x, _middles(x))),
    "pseudo_log_likelihood": lambda method, card, x: method(strings([s[:_SHORT] for s in x])),
    "pseudo_log_likelihood in one pass": lambda method, card, x: method(x, one_pass=True),
    "score_variants": lambda method, card, x: method(_pairs(x)),
    "predict": _predicted,
}
_TAKE_INPUTS = ("score_variants", "predict")
"""Methods whose input comes from a task, where it is upper case already."""
