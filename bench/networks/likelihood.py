"""Log-probabilities of tokens: of masked ones, of the next one, and of whole sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, NotApplicable
from ..progress import activity
from ..types import FloatArray, IntArray, StrArray
from .batches import in_batches, window
from .embedding import CHUNK, check_usable
from .tokens import Encoded

if TYPE_CHECKING:
    from .language_model import LanguageModel

Pick = Callable[[int, Tensor], FloatArray]
"""Takes a row's number and the log-probabilities (k, dna tokens) at its slots; returns what is kept of them."""


def at_slots(
    model: LanguageModel,
    rows: Sequence[IntArray],
    slots: Sequence[IntArray],
    pick: Pick,
    *,
    shift: int = 0,
    temperature: float = 1.0,
) -> list[FloatArray]:
    """Return `pick` of the log-probabilities at each row's slots, normalised over the tokens that spell A, C, G, T.

    With `shift` 1 the prediction for a slot is read one token before it, as causal networks give it.
    """
    from .language_model import evaluating

    found: list[FloatArray] = [np.empty(0)] * len(rows)
    dna = torch.from_numpy(model.tokens.vocabulary.dna).to(model.device)

    def compute(index: IntArray) -> None:
        output, _ = model.forward(model.network, [rows[i] for i in index])
        logits = output[0] if isinstance(output, tuple) else output.logits
        for j, i in enumerate(index):
            at = torch.from_numpy(slots[i] - shift).to(model.device)
            found[i] = pick(i, (logits[j, at][:, dna].double() / temperature).log_softmax(-1))

    with evaluating(model.network):
        in_batches(
            np.array([len(r) for r in rows], np.int64),
            compute,
            budget=model.budget,
            equal=model.equal_lengths,
            done=lambda n: None,
        )
    return found


def masked_log_probs(model: LanguageModel, sequences: StrArray, sites: Sequence[IntArray]) -> list[FloatArray]:
    """Return log-probabilities of A, C, G, T, (k, 4), at each sequence's sites, masked together."""
    if model.tokens.kind != "nucleotide":
        raise NotApplicable(f"{model.name}: its tokens are not single bases")
    mask = _mask(model)
    check_usable(sequences)
    kept = []
    for row, (sequence, at) in enumerate(zip(sequences, sites, strict=True)):
        if len(at) and (at.min() < 0 or at.max() >= len(sequence)):
            raise DataError(f"sequence {row}: a site lies outside its {len(sequence)} bases")
        keep = _about(model, sequence, at)
        if len(at) and (at.min() < keep.start or at.max() >= keep.stop):
            raise DataError(f"sequence {row}: its sites do not fit in a context of {model.context} bases")
        kept.append(keep)
    encoded = model.tokens.encode([s[keep] for s, keep in zip(sequences, kept, strict=True)])
    slots = [_slots_of(e, at - keep.start) for e, at, keep in zip(encoded, sites, kept, strict=True)]
    order = np.argsort(model.tokens.vocabulary.first_base)
    rows = [_put(e.ids, s, mask) for e, s in zip(encoded, slots, strict=True)]
    advance = activity(f"scoring with {model.name}", len(rows))
    found = at_slots(model, rows, slots, lambda i, p: p.cpu().numpy()[:, order])
    advance(len(rows))
    return found


def masked_llr(model: LanguageModel, references: StrArray, alternates: StrArray) -> FloatArray:
    """Return log p(ALT) - log p(REF) at the tokens that differ, masked together in REF; see `LanguageModel`."""
    mask = _mask(model)
    out = np.full(len(references), np.nan)
    advance = activity(f"scoring with {model.name}", len(references))
    for start in range(0, len(references), CHUNK):
        chunk = range(start, min(start + CHUNK, len(references)))
        same_length = [i for i in chunk if len(references[i]) == len(alternates[i])]
        pairs = [_window_pair(model, references[i], alternates[i]) for i in same_length]
        of_ref, of_alt = (model.tokens.encode([pair[side] for pair in pairs]) for side in (0, 1))
        # Many variants of one window differ in the same tokens: the network sees each masked row once.
        members: dict[tuple[bytes, bytes], list[int]] = {}
        slots = [_differing(model, r, a) for r, a in zip(of_ref, of_alt, strict=True)]
        for j, at in enumerate(slots):
            if at is not None and len(at):
                members.setdefault((_put(of_ref[j].ids, at, mask).tobytes(), at.tobytes()), []).append(j)
            elif at is not None:
                out[same_length[j]] = 0.0
        groups = list(members.values())
        rows = [_put(of_ref[g[0]].ids, slots[g[0]], mask) for g in groups]  # type: ignore[arg-type]
        where: list[IntArray] = [slots[g[0]] for g in groups]  # type: ignore[misc]
        alts = [np.stack([_place(model, of_alt[j].ids[at]) for j in g]) for g, at in zip(groups, where, strict=True)]
        refs = [_place(model, of_ref[g[0]].ids[at]) for g, at in zip(groups, where, strict=True)]
        for g, ratios in zip(groups, at_slots(model, rows, where, _ratio(alts, refs)), strict=True):
            out[[same_length[j] for j in g]] = ratios
        advance(len(chunk))
    return out


def _ratio(alts: Sequence[IntArray], refs: Sequence[IntArray]) -> Pick:
    """Return the picker of each alternative's (m, k) log-ratio to the reference (k,), summed over slots: (m,)."""

    def pick(i: int, log_probs: Tensor) -> FloatArray:
        values = log_probs.cpu().numpy()
        each = np.arange(len(refs[i]))
        ratios: FloatArray = (values[each, alts[i]] - values[each, refs[i]]).sum(1)
        return ratios

    return pick


def pseudo_log_likelihood(model: LanguageModel, sequences: StrArray, *, one_pass: bool) -> FloatArray:
    """Return the sum over tokens of log p(token | all others) (n,); see `LanguageModel`."""
    mask = _mask(model)
    check_usable(sequences)
    totals = np.zeros(len(sequences))
    advance = activity(f"scoring with {model.name}", len(sequences))
    for part in _chunks(model, sequences):
        index, encoded = part
        slots = [_scored(model, e) for e in encoded]
        if one_pass:
            picked = at_slots(model, [e.ids for e in encoded], slots, _own(model, encoded, slots))
            totals[index] = [values.sum() for values in picked]
        else:
            for i, e, at in zip(index, encoded, slots, strict=True):
                for block in np.array_split(at, max(1, -(-len(at) * len(e.ids) // (16 * model.budget)))):
                    rows = [_put(e.ids, np.array([s]), mask) for s in block]
                    ones = [np.array([s]) for s in block]
                    picked = at_slots(model, rows, ones, _own(model, [e] * len(block), ones))
                    totals[i] += sum(float(values[0]) for values in picked)
        advance(len(index))
    return totals


def log_likelihood(model: LanguageModel, sequences: StrArray, *, temperature: float) -> FloatArray:
    """Return the log-likelihood (n,) under a causal network; see `LanguageModel`."""
    check_usable(sequences)
    totals = np.zeros(len(sequences))
    advance = activity(f"scoring with {model.name}", len(sequences))
    for index, encoded in _chunks(model, sequences):
        slots = [(at := _scored(model, e))[at > 0] for e in encoded]
        picked = at_slots(
            model,
            [e.ids for e in encoded],
            slots,
            _own(model, encoded, slots),
            shift=1,
            temperature=temperature,
        )
        totals[index] = [values.sum() for values in picked]
        advance(len(index))
    return totals


def next_base_log_probs(model: LanguageModel, sequences: StrArray) -> FloatArray:
    """Return the log-probabilities of A, C, G, T as the next base (n, 4): sums over the tokens that begin with each."""
    check_usable(sequences)
    first = torch.from_numpy(model.tokens.vocabulary.first_base).to(model.device)
    keep = model.context
    out = np.empty((len(sequences), 4))
    for start in range(0, len(sequences), CHUNK):
        chunk = [s if keep is None else s[-keep:] for s in sequences[start : start + CHUNK]]
        framed = [s[len(s) % model.family.multiple_of :] or s for s in chunk]
        encoded = model.tokens.encode(framed)
        # What a tokenizer puts after a sequence would stand between it and the next base.
        rows = [e.ids[: int(np.flatnonzero(e.ends > e.starts)[-1]) + 1] for e in encoded]
        slots = [np.array([len(r)]) for r in rows]

        def pick(i: int, log_probs: Tensor) -> FloatArray:
            bases: FloatArray = torch.stack([log_probs[0, first == b].logsumexp(0) for b in range(4)]).cpu().numpy()
            return bases

        out[start : start + len(rows)] = np.stack(at_slots(model, rows, slots, pick, shift=1))
    return out


def _chunks(model: LanguageModel, sequences: StrArray) -> Iterator[tuple[IntArray, list[Encoded]]]:
    for start in range(0, len(sequences), CHUNK):
        chunk = sequences[start : start + CHUNK]
        yield np.arange(start, start + len(chunk)), model.tokens.encode(model.clipped(list(chunk)))


def _own(model: LanguageModel, encoded: Sequence[Encoded], slots: Sequence[IntArray]) -> Pick:
    """Return the picker of each row's own tokens."""

    def pick(i: int, log_probs: Tensor) -> FloatArray:
        own = torch.from_numpy(_place(model, encoded[i].ids[slots[i]])).to(log_probs.device)
        values: FloatArray = log_probs.gather(1, own[:, None])[:, 0].cpu().numpy()
        return values

    return pick


def _scored(model: LanguageModel, e: Encoded) -> IntArray:
    """Return the slots whose token spells A, C, G, T alone."""
    return np.flatnonzero(np.isin(e.ids, model.tokens.vocabulary.dna) & (e.ends > e.starts))


def _place(model: LanguageModel, ids: IntArray) -> IntArray:
    """Return where the ids stand among the tokens that spell A, C, G, T alone."""
    return np.searchsorted(model.tokens.vocabulary.dna, ids)


def _slots_of(e: Encoded, sites: IntArray) -> IntArray:
    spelling = np.flatnonzero(e.ends > e.starts)
    return spelling[np.searchsorted(e.starts[spelling], sites)]


def _put(ids: IntArray, slots: IntArray, mask: int) -> IntArray:
    out = ids.copy()
    out[slots] = mask
    return out


def _mask(model: LanguageModel) -> int:
    mask = model.tokens.vocabulary.mask
    if mask is None:
        raise NotApplicable(f"{model.name}: its tokenizer has no mask token")
    return mask


def _about(model: LanguageModel, sequence: str, at: IntArray) -> slice:
    middle = (at.min() + at.max() + 1) / 2 if len(at) else None
    return window(len(sequence), model.context or len(sequence), around=middle)


def _window_pair(model: LanguageModel, reference: str, alternate: str) -> tuple[str, str]:
    """Return REF and ALT, of one length, cut to the context about where they differ."""
    codes = [np.frombuffer(s.encode(), np.uint8) for s in (reference, alternate)]
    keep = _about(model, reference, np.flatnonzero(codes[0] != codes[1]))
    return reference[keep], alternate[keep]


def _differing(model: LanguageModel, ref: Encoded, alt: Encoded) -> IntArray | None:
    """Return the slots in which two encodings differ, None where they cannot be compared."""
    if len(ref.ids) != len(alt.ids):
        return None
    at = np.flatnonzero(ref.ids != alt.ids)
    if model.tokens.kind == "subword" and len(at) > 1:
        return None
    known = np.isin(ref.ids[at], model.tokens.vocabulary.dna) & np.isin(alt.ids[at], model.tokens.vocabulary.dna)
    return at if known.all() else None
