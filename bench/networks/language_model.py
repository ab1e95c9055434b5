"""A network and its tokens as a model: embeddings, likelihoods, a trained head, fine-tuning."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._torch import pick_device
from ..errors import ConfigError, DataError, NotApplicable
from ..families import GENERIC, Family, Head
from ..types import Examples, FloatArray, Inputs, IntArray, Strings
from . import embedding, likelihood
from . import sites as sites_of
from .batches import pad, token_budget, window
from .finetuning import FineTuned, fine_tune
from .token_tables import KmerTokens
from .tokens import Encoded, Tokens

_NUMBERED = re.compile(r"(LABEL_)?\d+", re.IGNORECASE)
"""Names of classes that say no more than their place."""


class LanguageModel:
    """A language model of DNA; which of its methods apply depends on its head.

    `network` maps `input_ids` (n, t) to hidden states and logits in the manner of transformers; any `nn.Module` that
    does so will do. `context` is the most tokens that fit, None where there is no limit; `pad` the id that rows are
    filled up with, by default the tokenizer's. `redraw(seed)` builds the network with random weights; it is given for a
    model that is a random twin itself. `precision` is 'fp32', 'bf16' or 'auto': bf16 autocast where the device is
    faster with it. The weights and the training mode are left alone by every method.
    """

    reads_sites = True

    def __init__(
        self,
        network: nn.Module,
        tokens: Tokens,
        *,
        name: str,
        head: Head,
        family: Family = GENERIC,
        context: int | None = None,
        pad: int | None = None,
        width: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        compiled: bool = False,
        redraw: Callable[[int], nn.Module] | None = None,
    ) -> None:
        self.name = name
        self.tokens = tokens
        self.head = head
        self.family = family
        self.device = pick_device(device)
        self.precision = _precision(precision, self.device)
        self.network = network.to(self.device).eval()
        self.max_tokens = context
        self.pad = tokens.vocabulary.pad if pad is None else pad
        self.width = width
        self.budget = token_budget(self.device)
        self.compiled = compiled
        self.states_on_request = False
        self._redraw = redraw
        self._takes_mask = "attention_mask" in inspect.signature(network.forward).parameters

    @property
    def random_weights(self) -> bool:
        """Whether this is a random twin, whose weights each seed draws anew."""
        return self._redraw is not None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the head's classes in their order, empty where it has none or they are numbers alone."""
        named = getattr(getattr(self.network, "config", None), "id2label", None) or {}
        if self.head != "classifier" or all(_NUMBERED.fullmatch(str(name)) for name in named.values()):
            return ()
        return tuple(str(named[i]) for i in sorted(named, key=int))

    @property
    def equal_lengths(self) -> bool:
        """Whether a batch may not be padded: the network cannot be told what is padding, or counts it all the same."""
        return not (self._takes_mask and self.family.padding) or _counts_padding(getattr(self.network, "config", None))

    @property
    def context(self) -> int | None:
        """The most bases sure to fit, None where there is no limit."""
        if self.max_tokens is None:
            return None
        fits = self.tokens.bases_in(self.max_tokens)
        return fits - fits % self.family.multiple_of

    @property
    def frame(self) -> int:
        """How many bases a sequence must be a multiple of for all of them to count in a likelihood."""
        tokens = self.tokens
        k = tokens.k if isinstance(tokens, KmerTokens) and not tokens.restarts else 1
        return k if self.family.filler else math.lcm(k, self.family.multiple_of)

    def redrawn(self, seed: int) -> LanguageModel:
        """Return the model with weights drawn from `seed`. Raises NotApplicable unless it is a random twin."""
        if self._redraw is None:
            raise NotApplicable(f"{self.name}: has trained weights")
        other = copy.copy(self)
        other.network = self._redraw(seed).to(self.device).eval()
        return other

    def parameter_hash(self) -> str:
        """Return a digest of all parameters, by sorted name, dtype, shape and bytes."""
        h = hashlib.blake2b(digest_size=8)
        for name, value in sorted(self.network.named_parameters()):
            array = value.detach().cpu().contiguous().view(torch.uint8) if value.ndim else value.detach().cpu()
            h.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            h.update(array.numpy().tobytes())
        return h.hexdigest()

    def n_truncated(self, sequences: Sequence[str] | Strings, *, max_length: int | None = None) -> int:
        """Return how many sequences are longer than what is used of them: in bases, or in tokens of letters like N."""
        keep = self._keep(max_length)
        if keep is None:
            return 0
        room = self.max_tokens
        crowded = [s for s in sequences if room is not None and len(s) <= keep and self.tokens.may_exceed(s, room)]
        parts = (crowded[start : start + embedding.CHUNK] for start in range(0, len(crowded), embedding.CHUNK))
        over = sum(not self.fits(e) for part in parts for e in self.tokens.encode(self.clipped(part)))
        return sum(len(s) > keep for s in sequences) + over

    def embed(
        self,
        sequences: Strings,
        *,
        layer: int = -1,
        pooling: str = "mean",
        max_length: int | None = None,
        truncation: str = "both",
    ) -> NDArray[np.float32]:
        """Return one vector a sequence, (n, d): `embed_all` for one layer and pooling."""
        return self.embed_all(sequences, [(layer, pooling)], max_length=max_length, truncation=truncation)[0]

    def embed_all(
        self,
        sequences: Strings,
        requests: Sequence[tuple[int, str]],
        *,
        max_length: int | None = None,
        truncation: str = "both",
    ) -> list[NDArray[np.float32]]:
        """Return the vectors (n, d) of each (layer, pooling), all from one forward pass.

        `layer` counts hidden states: 0 the embeddings, -1 the last with its final norm. `pooling` is 'mean' or 'max'
        over the tokens that spell A, C, G and T alone, 'last' the last of these, or 'cls' the special token before
        them. Of an over-long sequence `max_length` bases (the whole context by default) are kept; `truncation` is the
        side that is cut: 'left', 'right' or 'both'. Raises DataError naming the row for a sequence without a base.
        """
        return embedding.embed_all(self, sequences, requests, max_length=max_length, truncation=truncation)

    def embed_sites(
        self,
        sequences: Strings,
        sites: IntArray,
        *,
        layer: int = -1,
        span: int = 1,
        shared: bool = False,
        max_length: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the state of the token that spells base `sites[i]` of sequence i, (n, d).

        With a `span` above 1 it is the mean over the tokens that spell the bases from there on. Equal sequences run
        once, however many sites they have. Of an over-long one `max_length` bases about the site are kept, the whole
        context by default; where `shared`, those windows begin on a grid, so that neighbouring sites share a pass, and
        one that takes more tokens than fit, as letters other than A, C, G and T may, gives way to shorter ones. NaN
        where such a window is not shared.
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

        With single-base tokens these are the bases that differ, with k-mers the k-mers that hold them, with overlapping
        k-mers all that cover them. NaN where lengths differ, where a letter other than A, C, G, T is involved, for
        subword tokens where the two do not differ in one token alone (the same-slot rule), and where tokens do not fit.
        """
        self._need_head("masked")
        return likelihood.masked_llr(self, references, alternates)

    def pseudo_log_likelihood(self, sequences: Strings, *, one_pass: bool = False) -> FloatArray:
        """Return the sum over tokens of log p(token | all others) (n,), in nats (Salazar 2020).

        Each token is masked in turn, or with `one_pass` none is and one forward pass serves all: cheaper by the length
        of the sequence, and biased, since the network sees what it is asked for. NaN where a sequence, cut to the bases
        that fit if all are A, C, G and T, takes more tokens than fit.
        """
        self._need_head("masked")
        return likelihood.pseudo_log_likelihood(self, sequences, one_pass=one_pass)

    def log_likelihood(self, sequences: Strings, *, temperature: float = 1.0) -> FloatArray:
        """Return the log-likelihood (n,), in nats, summed over the tokens that spell A, C, G and T alone.

        It is normalised over these tokens. The first token of a model without a beginning token has no prediction and
        does not count. Logits are divided by `temperature`. NaN where a sequence, cut to the bases that fit if all are
        A, C, G and T, takes more tokens than fit.
        """
        self._need_head("causal")
        return likelihood.log_likelihood(self, sequences, temperature=temperature)

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the log-probabilities of A, C, G, T as the next base, (n, 4), summed over the tokens that begin so.

        NaN where a sequence takes more tokens than fit.
        """
        self._need_head("causal")
        return likelihood.next_base_log_probs(self, sequences)

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the probabilities (n, n_classes), or values (n, outputs), of the head that the checkpoint brought.

        Classes are in the order of `labels`; where they do not exclude each other each has a probability of its own.
        """
        self._need_head("classifier")
        if inputs.alternates is not None:
            raise NotApplicable(f"{self.name}: its head reads one sequence, not REF and ALT")
        return embedding.head_outputs(self, inputs.sequences)

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> FineTuned:
        """Return a fine-tuned copy with a new linear head; see `finetuning.fine_tune` for the settings."""
        return fine_tune(self, train, valid, n_classes=n_classes, seed=seed, **settings)

    # What the engine's other modules use.

    def clipped(
        self, sequences: Sequence[str], *, max_length: int | None = None, truncation: str = "both"
    ) -> list[str]:
        """Return the sequences cut to what fits, and to the family's multiple of bases."""
        keep = self._keep(max_length)
        return [_cut(s, keep, truncation, self.family) for s in sequences]

    def encode(
        self, sequences: Sequence[str], *, max_length: int | None = None, truncation: str = "both"
    ) -> list[Encoded]:
        """Return the tokens of the sequences, clipped, and cut further where they are more than fit.

        How many tokens letters other than A, C, G and T take, and rare subwords, is known only then. Such a cut falls
        elsewhere in REF than in ALT: likelihoods are of `whole` sequences alone.
        """
        cut = self.clipped(sequences, max_length=max_length, truncation=truncation)
        encoded = self.tokens.encode(cut)
        for i, kept in enumerate(cut):
            while self.max_tokens is not None and not self.fits(encoded[i]) and len(kept) > 1:
                keep = len(kept) * self.max_tokens // len(encoded[i].ids) - 1
                kept = _cut(kept, max(1, keep), truncation, self.family)
                encoded[i] = self.tokens.encode([kept])[0]
        return encoded

    def whole(self, sequences: Sequence[str]) -> tuple[list[Encoded], IntArray]:
        """Return the tokens of the sequences, clipped, and which of them (m,) take no more tokens than fit."""
        encoded = self.tokens.encode(self.clipped(sequences))
        return encoded, np.array([i for i, e in enumerate(encoded) if self.fits(e)], np.int64)

    def fits(self, encoded: Encoded) -> bool:
        """Return whether there are no more tokens than the network takes."""
        return self.max_tokens is None or len(encoded.ids) <= self.max_tokens

    def around(self, length: int, middle: float, *, max_length: int | None = None) -> slice:
        """Return the bases of a sequence, as central about offset `middle` as can be, that fit and need no more cut."""
        limit = self._keep(max_length)
        keep = length if limit is None else min(length, limit)
        over = 0 if self.family.filler else keep % self.family.multiple_of
        return window(length, keep - over or keep, around=middle)

    def _keep(self, max_length: int | None) -> int | None:
        limits = [n for n in (max_length, self.context) if n is not None]
        return min(limits) if limits else None

    def backbone(self) -> nn.Module:
        """Return the network without its head."""
        return backbone_of(self.network, self.family)

    @property
    def headed(self) -> bool:
        """Whether the backbone is the whole network, head and all, so that what it returns first are logits."""
        return self.head != "none" and self.backbone() is self.network

    def forward(self, network: nn.Module, rows: Sequence[IntArray], *, hidden: bool = False) -> tuple[Any, Tensor]:
        """Return the network's output for rows of token ids, padded on the right, and the ids (n, t)."""
        ids, real = pad(rows, self.pad)
        if self.max_tokens is not None and ids.shape[1] > self.max_tokens:
            raise DataError(f"{self.name}: a sequence takes {ids.shape[1]} tokens, {self.max_tokens} fit; shorten it")
        given: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(self.device)}
        if real is not None and self._takes_mask:
            given["attention_mask"] = torch.from_numpy(real.astype(np.int64)).to(self.device)
        if hidden and _accepts(network, "output_hidden_states"):
            given["output_hidden_states"] = True
        if self.compiled and network._compiled_call_impl is None:
            network.compile()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return network(**given), given["input_ids"]

    def _need_head(self, head: Head) -> None:
        if self.head != head:
            kind = {"masked": "a masked", "causal": "a causal"}.get(head, "a trained classification")
            has = {"none": "no head", "classifier": "a classification head"}.get(self.head, f"a {self.head} head")
            raise NotApplicable(f"{self.name}: needs {kind} head; it has {has}")


def backbone_of(network: nn.Module, family: Family) -> nn.Module:
    """Return the network without its head."""
    inner: nn.Module = getattr(network, family.backbone) if family.backbone else getattr(network, "base_model", network)
    return inner


def _accepts(network: nn.Module, argument: str) -> bool:
    taken = inspect.signature(network.forward).parameters.values()
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in taken)


def _counts_padding(config: Any) -> bool:
    """Return whether masked tokens are counted in a share of all, padding included: ESM's token_dropout before 5.0."""
    if getattr(config, "model_type", "") != "esm" or not getattr(config, "token_dropout", False):
        return False
    import transformers

    return int(transformers.__version__.split(".")[0]) < 5


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put the network in eval mode without gradients, and back."""
    before = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(before)


def _cut(sequence: str, keep: int | None, truncation: str, family: Family) -> str:
    if keep is not None and len(sequence) > keep:
        extra = len(sequence) - keep
        starts = {"left": extra, "right": 0, "both": extra // 2}
        if truncation not in starts:
            raise ConfigError(f"truncation = {truncation!r}: expected 'left', 'right' or 'both', the side that is cut")
        sequence = sequence[starts[truncation] : starts[truncation] + keep]
    over = len(sequence) % family.multiple_of
    if not over:
        return sequence
    if family.filler:
        return sequence + family.filler * (family.multiple_of - over)
    return sequence[over:] if len(sequence) > over else sequence


def _precision(name: str, device: torch.device) -> str:
    if name not in ("auto", "fp32", "bf16"):
        raise ConfigError(f"precision = {name!r}: expected auto, fp32 or bf16")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # Without AMX tiles bf16 runs at a fifth of the speed of fp32 on CPUs.
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"
