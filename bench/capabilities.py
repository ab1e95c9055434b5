"""What a model can do. A model has one or more of these capabilities, and a mode or a rule names the one it needs."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .types import Examples, FloatArray, Inputs, IntArray, Strings


@runtime_checkable
class Embedder(Protocol):
    """A model that turns sequences into vectors."""

    def embed(self, sequences: Strings, **settings: Any) -> NDArray[np.float32]:
        """Return one vector per sequence, (n, d), which must not depend on the batch it is computed in.

        `settings` are those that the model's card names for the mode, such as `layer` and `pooling`.
        """


@runtime_checkable
class TokenEmbedder(Protocol):
    """A model that also gives the vectors of all tokens of a sequence, for probes that read these."""

    def embed_tokens(self, sequences: Strings, **settings: Any) -> list[NDArray[np.float32]]:
        """Return the states (t, d) of the t tokens of each sequence, which must not depend on the batch.

        `settings` are those of `embed`, without `pooling`.
        """


@runtime_checkable
class SiteEmbedder(Protocol):
    """A model that also gives the vector of the token at a base.

    It may take `span`, the number of bases from each site on to average over, and `shared`, which allows it to compute
    neighbouring sites of a long sequence from one window.
    """

    def embed_sites(self, sequences: Strings, sites: IntArray, **settings: Any) -> NDArray[np.float32]:
        """Return the state of the token that spells base `sites[i]` of sequence i, (n, d)."""


@runtime_checkable
class MaskedModel(Protocol):
    """A masked language model."""

    def masked_llr(self, references: Strings, alternates: Strings) -> FloatArray:
        """Return log p(ALT) - log p(REF) (n,), in nats, at the tokens that differ, masked together in REF.

        NaN where the two do not have the same number of tokens or cannot be compared otherwise.
        """

    def pseudo_log_likelihood(self, sequences: Strings, *, one_pass: bool = False) -> FloatArray:
        """Return the sum over tokens of log p(token | all others) (n,), in nats.

        Each token is masked in turn; with `one_pass` none is, and one forward pass serves all.
        """


@runtime_checkable
class CausalModel(Protocol):
    """A model that computes the log-likelihood of a sequence."""

    def log_likelihood(self, sequences: Strings) -> FloatArray:
        """Return the log-likelihood of each sequence (n,), in nats, summed over its tokens."""


@runtime_checkable
class CountsTerms(Protocol):
    """A masked or causal model that says how many log-probabilities its likelihoods add up; else it is one a base."""

    def n_terms(self, sequences: Strings) -> FloatArray:
        """Return the number of terms in the log-likelihood, or pseudo-log-likelihood, of each sequence (n,)."""


@runtime_checkable
class NextBaseModel(Protocol):
    """A model that predicts the base after a sequence."""

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the log-probabilities of A, C, G and T as the next base, (n, 4), in nats, summing to one."""


@runtime_checkable
class VariantScorer(Protocol):
    """A model that scores variants, or pairs, by a rule of its own."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return one score per variant, (n,), ALT over REF: higher where ALT is more likely, NaN for no score."""


@runtime_checkable
class Learner(Protocol):
    """A model that learns from unlabelled training DNA before it scores anything, such as a Markov chain."""

    def learn(self, inputs: Inputs) -> None:
        """Fit on the training inputs of a task, which may be empty, without labels."""


@runtime_checkable
class Classifier(Protocol):
    """A model with a trained head."""

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs)."""


Predictor = Classifier
"""What `fit` returns."""


@runtime_checkable
class Trainable(Protocol):
    """A model that learns from labels.

    In a task of bases it gets windows centred on them, unless it has an attribute `reads_sites` that is true: then it
    gets whole sequences with `positions` and `span`, and so does the predictor that it returns.
    """

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> Predictor:
        """Return a predictor fitted on `train`, with every choice made on `valid`.

        `n_classes` is the number of classes, or of labels where targets are (n, k), and 0 for a regression.

        For a variant task the model sees REF and ALT and predicts from their difference.
        """


@runtime_checkable
class Twin(Protocol):
    """A model that may be a random twin."""

    random_weights: bool

    def redrawn(self, seed: int) -> Any:
        """Return the same network with weights drawn from `seed`."""


Model = Any
"""What a loader returns: an object with one or more of these capabilities."""
