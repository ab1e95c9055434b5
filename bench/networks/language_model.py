"""A network and its tokens as a model: embeddings, likelihoods, a trained head, fine-tuning."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..errors import NotApplicable
from ..types import Examples, FloatArray, Inputs, IntArray, Strings
from . import embedding, likelihood
from . import sites as sites_of
from .chunks import Reading
from .engine import Engine
from .families import Head
from .finetuning import FineTuned, fine_tune
from .saving import check_saving, save
from .settings import NETWORK, training_values
from .tokens import Tokens

_NUMBERED = re.compile(r"(LABEL_)?\d+", re.IGNORECASE)
"""Class names that are no more than a number."""


class TunedHead(Protocol):
    """The head of a network that was fine-tuned here."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes in their order."""

    def predict(self, engine: Engine, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs)."""


class LanguageModel(Engine):
    """A language model of DNA; which of its methods apply depends on its head.

    `redraw(seed)` builds the network with random weights; only a random twin has it. `source` is the folder that it was
    opened from, and `tuned` the head that it was fine-tuned under. All other parameters are the `Engine`'s.
    """

    reads_sites = True
    declared = NETWORK
    """The settings of its methods, by mode, for the card of the model to declare."""

    def __init__(
        self,
        network: nn.Module,
        tokens: Tokens,
        *,
        redraw: Callable[[int], nn.Module] | None = None,
        source: Path | None = None,
        tuned: TunedHead | None = None,
        **options: Any,
    ) -> None:
        super().__init__(network, tokens, **options)
        self.source = source
        self._redraw = redraw
        self._tuned = tuned

    @property
    def random_weights(self) -> bool:
        """Whether this is a random twin, whose weights each seed draws anew."""
        return self._redraw is not None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the head's classes in their order, empty where it has none or they are only numbers."""
        if self._tuned is not None:
            return self._tuned.classes
        names = getattr(getattr(self.network, "config", None), "id2label", None) or {}
        if self.head != "classifier" or all(_NUMBERED.fullmatch(str(name)) for name in names.values()):
            return ()
        return tuple(str(names[i]) for i in sorted(names, key=int))

    def redrawn(self, seed: int) -> LanguageModel:
        """Return the model with weights drawn from `seed`. Raises NotApplicable unless it is a random twin."""
        if self._redraw is None:
            raise NotApplicable(f"{self.name}: has trained weights")
        other = copy.copy(self)
        other.network = self._redraw(seed).to(self.device).eval()
        return other

    def n_truncated(self, sequences: Sequence[str] | Strings, *, max_length: int | None = None) -> int:
        """Return how many sequences are too long to be used whole: in bases, or in tokens because of letters like N."""
        return int(np.count_nonzero(self.left_out(sequences, max_length=max_length)))

    def embed(
        self,
        sequences: Strings,
        *,
        layer: float = -1,
        pooling: str = "mean",
        max_length: int | None = None,
        truncation: str = "both",
        window: str = "truncate",
        overlap: int | None = None,
    ) -> NDArray[np.float32]:
        """Return one vector per sequence, (n, d): `embed_all` for one layer and pooling."""
        reading = Reading(max_length, truncation, window, overlap)
        return embedding.embed_all(self, sequences, [(layer, pooling)], reading)[0]

    def embed_all(
        self,
        sequences: Strings,
        requests: Sequence[tuple[float, str]],
        *,
        max_length: int | None = None,
        truncation: str = "both",
        window: str = "truncate",
        overlap: int | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return the vectors (n, d) of each (layer, pooling), all from one forward pass.

        `layer` counts hidden states: 0 the embeddings, -1 the last with its final norm; 0.5 are those of half the
        depth. `pooling` is 'mean' or 'max'
        over the tokens that spell A, C, G and T alone, 'last' the last of these, or 'cls' the special token before
        them. A longer sequence is cut to `max_length` bases (by default the whole context) on the side that
        `truncation` names: 'left', 'right' or 'both'. With `window` 'chunk' it is read in chunks of so many bases that
        share `overlap` of them, by default a quarter: each token counts once, in the chunk where it is most central,
        'last' is of the last chunk and 'cls' the mean over all. Raises DataError, naming the row, for a sequence
        without a base.
        """
        return embedding.embed_all(self, sequences, requests, Reading(max_length, truncation, window, overlap))

    def embed_tokens(
        self,
        sequences: Strings,
        *,
        layer: float = -1,
        max_length: int | None = None,
        truncation: str = "both",
    ) -> list[NDArray[np.float32]]:
        """Return the states (t, d) of the tokens of each sequence: those of which `embed` returns the mean.

        Raises DataError, naming the row, for a sequence without a base.
        """
        return embedding.embed_tokens(self, sequences, layer=layer, max_length=max_length, truncation=truncation)

    def embed_sites(
        self,
        sequences: Strings,
        sites: IntArray,
        *,
        layer: float = -1,
        span: int = 1,
        shared: bool = False,
        max_length: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the state of the token that spells base `sites[i]` of sequence i, (n, d).

        With a `span` above 1 it is the mean over the tokens that spell so many bases from the site on. Equal sequences
        run once, however many sites they have. A longer sequence is cut to `max_length` bases about the site, by
        default to the whole context. Where `shared`, these windows begin on a grid, so that neighbouring sites share a
        pass, and a window with more tokens than fit, because of letters other than A, C, G and T, gives way to
        shorter ones. Where not `shared`, the sites of such a window are NaN.
        """
        return sites_of.embed_sites(
            self, sequences, sites, layer=layer, span=span, shared=shared, max_length=max_length
        )

    def masked_log_probs(self, sequences: Strings, sites: Sequence[IntArray]) -> list[FloatArray]:
        """Return log-probabilities (nats) of A, C, G, T, (k, 4), at each sequence's sites, masked together.

        They are normalised over the four bases. Raises NotApplicable where a token is not one base.
        """
        self._need_head("masked")
        return likelihood.masked_log_probs(self, sequences, sites)

    def masked_llr(self, references: Strings, alternates: Strings) -> FloatArray:
        """Return log p(ALT) - log p(REF) (n,), in nats, summed over the tokens that differ, masked together in REF.

        With single-base tokens these are the bases that differ, with k-mers the k-mers that contain them, with
        overlapping k-mers all that cover them. NaN where lengths differ, where a letter other than A, C, G, T is
        involved, where tokens do not fit, and for subwords unless exactly one token differs (the same-slot rule).
        """
        self._need_head("masked")
        return likelihood.masked_llr(self, references, alternates)

    def pseudo_log_likelihood(
        self,
        sequences: Strings,
        *,
        one_pass: bool = False,
        window: str = "truncate",
        overlap: int | None = None,
    ) -> FloatArray:
        """Return the sum over tokens of log p(token | all others) (n,), in nats (Salazar 2020).

        Each token is masked in turn; with `one_pass` none is, and one forward pass serves all: cheaper by a factor of
        the length, and biased, since the network sees the token that it predicts. NaN where a sequence, cut to the
        bases that fit if all are A, C, G and T, takes more tokens than fit. With `window` 'chunk' nothing is cut: a
        token counts in the chunk where it is most central.
        """
        self._need_head("masked")
        reading = Reading(window=window, overlap=overlap)
        return likelihood.pseudo_log_likelihood(self, sequences, one_pass=one_pass, reading=reading)

    def log_likelihood(
        self,
        sequences: Strings,
        *,
        temperature: float = 1.0,
        window: str = "truncate",
        overlap: int | None = None,
    ) -> FloatArray:
        """Return the log-likelihood (n,), in nats, summed over the tokens that spell A, C, G and T alone.

        It is normalised over these tokens. The first token of a model without a beginning token has no prediction and
        does not count. Logits are divided by `temperature`. NaN where a sequence, cut to the bases that fit if all are
        A, C, G and T, takes more tokens than fit. With `window` 'chunk' nothing is cut: a token counts in the chunk
        where most stands on its left.
        """
        self._need_head("causal")
        reading = Reading(window=window, overlap=overlap)
        return likelihood.log_likelihood(self, sequences, temperature=temperature, reading=reading)

    def n_terms(self, sequences: Strings) -> FloatArray:
        """Return how many tokens the likelihood, or pseudo-log-likelihood, of each sequence adds up, (n,)."""
        return likelihood.n_terms(self, sequences)

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the log-probabilities (n, 4) of A, C, G, T as the next base, summed over tokens that begin with it.

        NaN where a sequence takes more tokens than fit.
        """
        self._need_head("causal")
        return likelihood.next_base_log_probs(self, sequences)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the probabilities (n, n_classes), or values (n, outputs), of the checkpoint's own head.

        Classes are in the order of `labels`; where they do not exclude each other, each has a probability of its own.
        """
        if self._tuned is not None:
            return self._tuned.predict(self, inputs)
        self._need_head("classifier")
        if inputs.alternates is not None:
            raise NotApplicable(f"{self.name}: its head reads one sequence, not REF and ALT")
        return embedding.head_outputs(self, inputs.sequences)

    def fit(
        self,
        train: Examples,
        valid: Examples,
        /,
        *,
        n_classes: int,
        seed: int,
        valid_score: Callable[[FloatArray], float] | None = None,
        state_file: Path | None = None,
        **settings: Any,
    ) -> FineTuned:
        """Return a fine-tuned copy with a new linear head; of a random twin, a copy with weights drawn from `seed`.

        The settings are those of `networks.settings.training_values`. `valid_score` is the metric on valid of scores as
        `predict` returns them, higher being better; without it the loss alone chooses the epoch. With a `state_file`
        training goes on from there after a kill.
        """
        network = self.redrawn(seed).network if self.random_weights else copy.deepcopy(self.network)
        fitted = fine_tune(
            self,
            network,
            (train, valid),
            training_values(settings),
            n_classes=n_classes,
            seed=seed,
            valid_score=valid_score,
            state_file=state_file,
        )
        fitted.save = functools.partial(save, fitted)
        return fitted

    def check_saving(self) -> None:
        """Raise ConfigError where what `fit` returns cannot be saved."""
        check_saving(self.name, self.network, self.source)

    def _need_head(self, head: Head) -> None:
        if self.head != head:
            kind = {"masked": "a masked", "causal": "a causal"}.get(head, "a trained classification")
            has = {"none": "no head", "classifier": "a classification head"}.get(self.head, f"a {self.head} head")
            raise NotApplicable(f"{self.name}: needs {kind} head, but has {has}")
