"""A model that is loaded once for all checks, and what it gives for sequences, whatever its methods."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, NotApplicable, expect
from ..registry import MODELS, load_model
from ..types import Inputs, ModelCard, StrArray, strings
from .toys import random_dna, substituted

Rows = NDArray[Any]
Answers = Mapping[str, Rows]
"""What a model gives for some sequences: by method, one row a sequence."""

TOLERANCE = 1e-4
BF16_TOLERANCE = 3e-2
"""Differences that count as none, relative to the largest value of a method; bfloat16 keeps 8 bits of a number."""

_SHORT = 12
"""Bases of a sequence whose tokens are masked in turn, which costs a pass each."""


class LoadedModel:
    """A model's card with its model, loaded when a check first asks for it; no two models are in memory at once."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The loaded model; one that learns from unlabelled DNA has seen some."""
        if self._model is None:
            self._model = _ready(self.card)
        return self._model

    def again(self) -> Any:
        """Return the model loaded anew, which takes the place of the one loaded."""
        self.let_go()
        return self.model

    def let_go(self) -> None:
        """Forget the model, for another to have its memory; it is loaded again when next asked for."""
        self._model = None
        gc.collect()

    @property
    def tolerance(self) -> float:
        """How much two computations of one thing may differ, relative to the largest value."""
        return BF16_TOLERANCE if getattr(self.model, "precision", "") == "bf16" else TOLERANCE

    def parameter_hash(self) -> str:
        """Return the digest of the model's parameters, '' where it tells none."""
        return str(getattr(self.model, "parameter_hash", str)())

    def n_parameters(self) -> int:
        """Return how many parameters the network has, by the card where there is no network to ask."""
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
        """Return the vectors (n, d) that the probe would get. Raises NotApplicable where the model gives none."""
        if not hasattr(self.model, "embed"):
            raise NotApplicable("the model has no embed()")
        return np.asarray(self.model.embed(sequences, **_embedding(self.card)))

    def answers(self, sequences: StrArray) -> Answers:
        """Return all that the model gives for the sequences, with a base of each substituted where it wants variants.

        Raises NotApplicable where that is nothing, and CheckFailed where a method gives another number of rows.
        """
        found = dict(self._each(_METHODS, sequences))
        if not found:
            raise NotApplicable("the model only trains: it gives nothing for a sequence by itself")
        return found

    def answers_to_text(self, sequences: StrArray) -> Answers:
        """Return what the methods give that take sequences as the user has them. Raises NotApplicable for none."""
        found = dict(self._each([name for name in _METHODS if name not in _OF_INPUTS], sequences))
        if not found:
            raise NotApplicable("the model takes no sequence by itself")
        return found

    def _each(self, names: Sequence[str] | Mapping[str, Any], sequences: StrArray) -> Iterator[tuple[str, Rows]]:
        for name in names:
            method = getattr(self.model, name.split(" ")[0], None)
            if method is None:
                continue
            try:
                rows = np.asarray(_METHODS[name](method, self.card, sequences))
            except NotApplicable:  # such as the likelihood of a model with another head
                continue
            expect(rows.ndim and len(rows) == len(sequences), f"{name} gave shape {rows.shape} for {len(sequences)}")
            yield name, rows


def _ready(card: ModelCard) -> Any:
    model = load_model(card)
    if hasattr(model, "learn"):
        model.learn(Inputs(random_dna(20, seed=30, length=200)))
    return model


def expect_same(one: Answers, other: Answers, tolerance: float, what: str) -> None:
    """Raise CheckFailed, naming method and size, where two sets of answers differ by more than `tolerance`."""
    for name in one:
        a, b = (np.asarray(answers[name], np.float64) for answers in (one, other))
        expect(a.shape == b.shape, f"{name}: {what}: shapes {a.shape} and {b.shape}")
        expect(np.array_equal(np.isnan(a), np.isnan(b)), f"{name}: {what}: not NaN for the same sequences")
        scale = max(np.nanmax(np.abs(a), initial=0.0), 1e-9)
        worst = np.nanmax(np.abs(a - b), initial=0.0) / scale
        expect(worst <= tolerance, f"{name}: {what}: they differ by {100 * worst:.2g} % of the largest value")


def rows_of(answers: Answers, index: Any) -> Answers:
    """Return the answers at `index`."""
    return {name: rows[index] for name, rows in answers.items()}


def joined(parts: Sequence[Answers]) -> Answers:
    """Return the answers of several calls, one after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _embedding(card: ModelCard) -> dict[str, Any]:
    """Return the card's settings of an embedding, the first where it names several to choose from."""
    settings = {k: v for k, v in card.modes.get("linear_probe", {}).items() if k not in ("strands", "penalties")}
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
    except (NotApplicable, ConfigError):  # a card need not say that its model works on variants
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
_OF_INPUTS = ("score_variants", "predict")
"""Methods that get what a task holds, which is upper-case."""
