"""A network and its tokens on a device: what every use of a language model is built on."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError, DataError
from ..types import IntArray, Strings
from .batches import pad as pad_rows
from .batches import token_budget, window
from .chunks import TRUNCATED, Grid, Reading, Rows, cut, portions, rows_of
from .families import GENERIC, Family, Head
from .token_tables import KmerTokens
from .tokens import Encoded, Tokens
from .training import pick_device

_AT_ONCE = 4096
"""How many sequences are encoded at a time to count what of them is left out."""


class Engine:
    """A network, its tokens and its device: encodes sequences, cuts them to what fits, runs forward passes.

    `network` maps `input_ids` (n, t) to hidden states and logits in the manner of transformers; any `nn.Module` that
    does so will do. `context` is the most tokens that fit, None where there is no limit; `pad` is the id that rows are
    padded with, by default the tokenizer's. `precision` is 'fp32', 'bf16' or 'auto': bf16 autocast where the device is
    faster with it. No method changes the weights or the training mode.
    """

    source: Path | None = None
    """The folder that the network was opened from."""

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
    ) -> None:
        self.name = name
        self.tokens = tokens
        self.head = head
        self.family = family
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.network = network.to(self.device).eval()
        self.max_tokens = context
        self.pad = tokens.vocabulary.pad if pad is None else pad
        self.width = width
        self.budget = token_budget(self.device)
        self.compiled = compiled
        self.states_on_request = False
        self._takes_mask = "attention_mask" in inspect.signature(network.forward).parameters

    @property
    def equal_lengths(self) -> bool:
        """Whether batches must not be padded: the network cannot mask padding, or counts it even when masked."""
        return not (self._takes_mask and self.family.padding) or _counts_padding(getattr(self.network, "config", None))

    @property
    def context(self) -> int | None:
        """The most bases that are sure to fit, None where there is no limit."""
        if self.max_tokens is None:
            return None
        fits = self.tokens.bases_in(self.max_tokens)
        return fits - fits % self.family.multiple_of

    @property
    def frame(self) -> int:
        """The number of bases of which a sequence must be a multiple if all its bases are to count in a likelihood."""
        tokens = self.tokens
        k = tokens.k if isinstance(tokens, KmerTokens) and not tokens.restarts else 1
        return k if self.family.filler else math.lcm(k, self.family.multiple_of)

    def parameter_hash(self) -> str:
        """Return a digest of all parameters, by sorted name, dtype, shape and bytes."""
        h = hashlib.blake2b(digest_size=8)
        for name, value in sorted(self.network.named_parameters()):
            array = value.detach().cpu().contiguous().view(torch.uint8) if value.ndim else value.detach().cpu()
            h.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            h.update(array.numpy().tobytes())
        return h.hexdigest()

    def clipped(
        self, sequences: Sequence[str], *, max_length: int | None = None, truncation: str = "both"
    ) -> list[str]:
        """Return the sequences cut to what fits, and to the family's multiple of bases."""
        keep = self.usable(max_length)
        return [_cut(s, keep, truncation, self.family) for s in sequences]

    def encode(
        self, sequences: Sequence[str], *, max_length: int | None = None, truncation: str = "both"
    ) -> list[Encoded]:
        """Return the tokens of the sequences, clipped, and cut further where more tokens result than fit.

        Only then is it known how many tokens rare subwords and letters other than A, C, G and T take. Such a cut may
        fall elsewhere in REF than in ALT, so likelihoods use `whole` sequences only.
        """
        cut = self.clipped(sequences, max_length=max_length, truncation=truncation)
        encoded = self.tokens.encode(cut)
        for i, sequence in enumerate(cut):
            while self.max_tokens is not None and not self.fits(encoded[i]) and len(sequence) > 1:
                keep = len(sequence) * self.max_tokens // len(encoded[i].ids) - 1
                sequence = _cut(sequence, max(1, keep), truncation, self.family)
                encoded[i] = self.tokens.encode([sequence])[0]
        return encoded

    def rows(self, sequences: Sequence[str], reading: Reading = TRUNCATED, *, causal: bool = False) -> Rows:
        """Return the sequences as rows of tokens, one each or, by `reading`, chunks of those that are too long.

        With `causal` a token counts in the chunk in which most stands on its left. Raises ConfigError where there can
        be no such chunks.
        """
        limit = self.usable(reading.max_length)
        if reading.window == "truncate" or limit is None:
            encoded = self.encode(sequences, max_length=reading.max_length, truncation=reading.truncation)
            return rows_of([[e] for e in encoded], self.tokens)
        grid = self.grid(reading, causal=causal)
        encoded = self.tokens.encode([_cut(s, None, "", self.family) for s in sequences])
        parts = [
            [e] if len(s) <= limit and self.fits(e) else cut(e, self.tokens, grid)
            for s, e in zip(sequences, encoded, strict=True)
        ]
        return rows_of(parts, self.tokens)

    def grid(self, reading: Reading, *, causal: bool = False) -> Grid:
        """Return where the chunks of a long sequence lie. Raises ConfigError where there can be no such chunks."""
        limit, overlap = self.usable(reading.max_length), reading.overlap
        if limit is None:
            raise ConfigError(f"window = 'chunk': {self.name} has no limit on length; set max_length")
        k = self.tokens.k if isinstance(self.tokens, KmerTokens) else 1
        frame = math.lcm(k, self.family.multiple_of)
        bases = limit - limit % frame
        if not bases:
            raise ConfigError(f"max_length = {limit}: a chunk of {self.name} is {frame} bases or a multiple of them")
        if overlap is not None and overlap > bases - frame:
            raise ConfigError(
                f"overlap = {overlap}: expected at most {bases - frame}, so that of the {bases} bases of a chunk of "
                f"{self.name} {frame} or more are new"
            )
        room = None if self.max_tokens is None else self.max_tokens - self.tokens.n_special
        return Grid(bases, bases // 4 if overlap is None else overlap, frame, room, causal)

    def chunks(self, *, max_length: int | None = None, overlap: int | None = None) -> str:
        """Return what the chunks of a long sequence are, in words. Raises ConfigError where there can be none."""
        grid = self.grid(Reading(max_length, window="chunk", overlap=overlap))
        return f"{grid.bases} bases each, {grid.overlap} of them or more in the next"

    def left_out(self, sequences: Sequence[str] | Strings, *, max_length: int | None = None) -> IntArray:
        """Return how many bases of each sequence (n,) are cut off: those that do not fit, or whose tokens do not."""
        keep = self.usable(max_length)
        out = np.zeros(len(sequences), np.int64)
        if keep is None:
            return out
        for part in portions(sequences, _AT_ONCE):
            some = list(sequences[part])
            out[part] = [max(0, len(s) - keep) for s in some]
            clipped = self.clipped(some, max_length=max_length)
            room = self.max_tokens
            crowded = [i for i, s in enumerate(clipped) if room is not None and self.tokens.may_exceed(s, room)]
            for i, e in zip(crowded, self.tokens.encode([clipped[i] for i in crowded]), strict=True):
                if not self.fits(e):
                    out[part.start + i] = max(1, len(some[i]) - int(self.encode([clipped[i]])[0].ends.max()))
        return out

    def whole(self, sequences: Sequence[str]) -> tuple[list[Encoded], IntArray]:
        """Return the tokens of the sequences, clipped, and the indices (m,) of those whose tokens fit."""
        encoded = self.tokens.encode(self.clipped(sequences))
        return encoded, np.array([i for i, e in enumerate(encoded) if self.fits(e)], np.int64)

    def fits(self, encoded: Encoded) -> bool:
        """Return whether the network takes so many tokens."""
        return self.max_tokens is None or len(encoded.ids) <= self.max_tokens

    def around(self, length: int, middle: float, *, max_length: int | None = None) -> slice:
        """Return the slice of a sequence that fits without a further cut, as near to `middle` as can be."""
        limit = self.usable(max_length)
        keep = length if limit is None else min(length, limit)
        over = 0 if self.family.filler else keep % self.family.multiple_of
        return window(length, keep - over or keep, around=middle)

    def usable(self, max_length: int | None) -> int | None:
        """Return how many bases of a longer sequence are used, None where there is no limit."""
        limits = [n for n in (max_length, self.context) if n is not None]
        return min(limits) if limits else None

    def backbone(self) -> nn.Module:
        """Return the network without its head."""
        return backbone_of(self.network, self.family)

    @property
    def headed(self) -> bool:
        """Whether the backbone is the whole network, head and all, so that its first output is the logits."""
        return self.head != "none" and self.backbone() is self.network

    def forward(self, network: nn.Module, rows: Sequence[IntArray], *, hidden: bool = False) -> tuple[Any, Tensor]:
        """Return the network's output for rows of token ids, padded on the right, and the ids (n, t)."""
        ids, real = pad_rows(rows, self.pad)
        if self.max_tokens is not None and ids.shape[1] > self.max_tokens:
            raise DataError(
                f"{self.name}: a sequence takes {ids.shape[1]} tokens, but only {self.max_tokens} fit; shorten it"
            )
        arguments: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(self.device)}
        if real is not None and self._takes_mask:
            arguments["attention_mask"] = torch.from_numpy(real.astype(np.int64)).to(self.device)
        if hidden and _accepts(network, "output_hidden_states"):
            arguments["output_hidden_states"] = True
        if self.compiled and network._compiled_call_impl is None:
            network.compile()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return network(**arguments), arguments["input_ids"]


def backbone_of(network: nn.Module, family: Family) -> nn.Module:
    """Return the network without its head."""
    inner: nn.Module = getattr(network, family.backbone) if family.backbone else getattr(network, "base_model", network)
    return inner


def _accepts(network: nn.Module, argument: str) -> bool:
    taken = inspect.signature(network.forward).parameters.values()
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in taken)


def _counts_padding(config: Any) -> bool:
    """Return whether padding counts in the share of masked tokens: ESM's token_dropout before transformers 5.0."""
    if getattr(config, "model_type", "") != "esm" or not getattr(config, "token_dropout", False):
        return False
    import transformers

    return int(transformers.__version__.split(".")[0]) < 5


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put the network in eval mode without gradients, and restore its mode at the end."""
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


def pick_precision(name: str, device: torch.device) -> str:
    """Return 'fp32' or 'bf16', which `name` is; 'auto' is what the device is faster with. Raises ConfigError."""
    if name not in ("auto", "fp32", "bf16"):
        raise ConfigError(f"precision = {name!r}: expected auto, fp32 or bf16")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # Without AMX tiles bf16 runs at a fifth of the speed of fp32 on CPUs.
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"
