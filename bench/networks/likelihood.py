"""Log-probabilities of tokens: of masked ones, of the next one, and of whole sequences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, NotApplicable
from ..progress import activity
from ..types import FloatArray, IntArray, Strings
from .batches import in_batches
from .chunks import TRUNCATED, Reading, Rows, portions, rows_of
from .embedding import CHUNK, check_usable, logits_of
from .engine import Engine, evaluating
from .token_tables import KmerTokens
from .tokens import Encoded

_AT_ONCE = 1 << 24
"""How many log-probabilities are in memory in double precision at a time."""

_BATCHES = 16
"""How many batches of rows with one token masked are made at a time."""


def at_slots(
    engine: Engine,
    rows: Sequence[IntArray],
    slots: Sequence[IntArray],
    places: IntArray | None,
    *,
    shift: int = 0,
    temperature: float = 1.0,
) -> FloatArray:
    """Return log-probabilities (nats) at the slots of all rows, one after another: (number of slots, w).

    They are normalised over the tokens that spell A, C, G, T alone. `places` (number of slots, w) are the positions,
    among these, of the tokens to return; None returns the sums over the tokens that begin with A, C, G and T. With
    `shift` 1 the prediction for a slot is read one token before it, as causal networks give it.
    """
    vocabulary = engine.tokens.vocabulary
    dna = torch.from_numpy(vocabulary.dna).to(engine.device)
    begins = [torch.from_numpy(np.flatnonzero(vocabulary.first_base == b)).to(engine.device) for b in range(4)]
    bounds = np.concatenate([[0], np.cumsum([len(at) for at in slots])]).astype(np.int64)
    out = np.empty((int(bounds[-1]), 4 if places is None else places.shape[1]))

    def select(logits: Tensor, which: IntArray) -> Tensor:
        log_probs = (logits[:, dna].double() / temperature).log_softmax(-1)
        if places is None:
            return torch.stack([log_probs[:, tokens].logsumexp(1) for tokens in begins], 1)
        return log_probs.gather(1, torch.from_numpy(places[which]).to(engine.device))

    def compute(index: IntArray) -> None:
        output, _ = engine.forward(engine.network, [rows[i] for i in index])
        logits = logits_of(output)
        in_batch = np.repeat(np.arange(len(index)), np.diff(bounds)[index])
        which = np.concatenate([np.arange(bounds[i], bounds[i + 1]) for i in index])
        columns = np.concatenate([slots[i] for i in index]) - shift
        size = max(1, _AT_ONCE // len(dna))
        for start in range(0, len(which), size):
            part = slice(start, start + size)
            at = (torch.from_numpy(in_batch[part]).to(engine.device), torch.from_numpy(columns[part]).to(engine.device))
            out[which[part]] = select(logits[at], which[part]).cpu().numpy()

    with evaluating(engine.network):
        lengths = np.array([len(r) for r in rows], np.int64)
        in_batches(lengths, compute, budget=engine.budget, equal=engine.equal_lengths, done=lambda n: None)
    return out


def masked_log_probs(engine: Engine, sequences: Strings, sites: Sequence[IntArray]) -> list[FloatArray]:
    """Return log-probabilities of A, C, G, T, (k, 4), at each sequence's sites, masked together."""
    if engine.tokens.kind != "nucleotide":
        raise NotApplicable(f"{engine.name}: its tokens are not single bases")
    mask = _mask(engine)
    check_usable(sequences)
    cut, moved = [], []
    for row, (sequence, at) in enumerate(zip(sequences, sites, strict=True)):
        if len(at) and (at.min() < 0 or at.max() >= len(sequence)):
            raise DataError(f"sequence {row}: a site lies outside its {len(sequence)} bases")
        keep = _about(engine, sequence, at)
        if len(at) and (at.min() < keep.start or at.max() >= keep.stop):
            raise DataError(f"sequence {row}: its sites do not fit in a context of {engine.context} bases")
        cut.append(sequence[keep])
        moved.append(at - keep.start)
    encoded = engine.tokens.encode(engine.clipped(cut))
    slots = [_slots_of(e, at) for e, at in zip(encoded, moved, strict=True)]
    order = np.argsort(engine.tokens.vocabulary.first_base)
    advance = activity(f"scoring with {engine.name}", len(encoded))
    log_probs: list[FloatArray] = []
    for start in range(0, len(encoded), CHUNK):
        part = slots[start : start + CHUNK]
        rows = [_put(e.ids, at, mask) for e, at in zip(encoded[start : start + CHUNK], part, strict=True)]
        places = np.tile(order, (sum(len(at) for at in part), 1))
        log_probs += _split(at_slots(engine, rows, part, places), part)
        advance(len(rows))
    return log_probs


def masked_llr(engine: Engine, references: Strings, alternates: Strings) -> FloatArray:
    """Return log p(ALT) - log p(REF) at the tokens that differ, masked together in REF; see `LanguageModel`."""
    mask = _mask(engine)
    out = np.full(len(references), np.nan)
    advance = activity(f"scoring with {engine.name}", len(references))
    for start in range(0, len(references), CHUNK):
        chunk = range(start, min(start + CHUNK, len(references)))
        same_length = [i for i in chunk if len(references[i]) == len(alternates[i]) > 0]
        pairs = [_window_pair(engine, references[i], alternates[i]) for i in same_length]
        of_ref, of_alt = (engine.whole([pair[side] for pair in pairs])[0] for side in (0, 1))
        # Many variants of one window differ in the same tokens: the network sees the masked window once.
        members: dict[tuple[bytes, bytes], list[int]] = {}
        slots: dict[int, IntArray] = {}
        for j, (i, r, a) in enumerate(zip(same_length, of_ref, of_alt, strict=True)):
            at = _differing(engine, r, a)
            if references[i] == alternates[i]:
                out[i] = 0.0
            elif at is not None and engine.fits(r):
                slots[j] = at
                members.setdefault((r.ids.tobytes(), at.tobytes()), []).append(j)
        groups = list(members.values())
        if groups:
            where = [slots[g[0]] for g in groups]
            rows = [_put(of_ref[g[0]].ids, at, mask) for g, at in zip(groups, where, strict=True)]
            places = np.zeros((sum(len(at) for at in where), 1 + max(len(g) for g in groups)), np.int64)
            for columns, g, at in zip(_split(places, where), groups, where, strict=True):
                columns[:, 0] = _place(engine, of_ref[g[0]].ids[at])
                columns[:, 1 : 1 + len(g)] = np.stack([_place(engine, of_alt[j].ids[at]) for j in g], 1)
            log_probs = _split(at_slots(engine, rows, where, places), where)
            for g, values in zip(groups, log_probs, strict=True):
                out[[same_length[j] for j in g]] = (values[:, 1 : 1 + len(g)] - values[:, :1]).sum(0)
        advance(len(chunk))
    return out


def pseudo_log_likelihood(
    engine: Engine, sequences: Strings, *, one_pass: bool, reading: Reading = TRUNCATED
) -> FloatArray:
    """Return the sum over tokens of log p(token | all others) (n,); see `LanguageModel`."""
    mask = _mask(engine)
    if one_pass:
        return _totals(engine, sequences, reading, shift=0, temperature=1.0)
    check_usable(sequences)
    totals = np.full(len(sequences), np.nan)
    advance = activity(f"scoring with {engine.name}", len(sequences))
    for index, rows in _portions(engine, sequences, reading, advance):
        totals[index] = 0.0
        done, encoded, owners = 0, rows.encoded, rows.owners
        for part in _in_turn(engine, encoded):
            masked = [_put(encoded[j].ids, np.array([slot]), mask) for j, slot in part]
            places = _place(engine, np.array([encoded[j].ids[slot] for j, slot in part]))
            log_probs = at_slots(engine, masked, [np.array([slot]) for _, slot in part], places[:, None])
            np.add.at(totals, index[owners[[j for j, _ in part]]], log_probs[:, 0])
            latest = int(owners[part[-1][0]])
            advance(latest - done)
            done = latest
        advance(len(index) - done)
    return totals


def log_likelihood(
    engine: Engine, sequences: Strings, *, temperature: float, reading: Reading = TRUNCATED
) -> FloatArray:
    """Return the log-likelihood (n,) under a causal network; see `LanguageModel`."""
    return _totals(engine, sequences, reading, shift=1, temperature=temperature)


def n_terms(engine: Engine, sequences: Strings) -> FloatArray:
    """Return how many log-probabilities the likelihood of each sequence adds up, (n,); see `LanguageModel`."""
    shift = int(engine.head == "causal")
    return np.array([np.count_nonzero(_scored(engine, e) >= shift) for e in engine.whole(list(sequences))[0]], float)


def next_base_log_probs(engine: Engine, sequences: Strings) -> FloatArray:
    """Return the log-probabilities of A, C, G, T as the next base (n, 4): sums over the tokens that begin with each."""
    if engine.tokens.kind == "overlapping_kmer":
        raise NotApplicable(f"{engine.name}: its tokens overlap, so the next one does not begin with the next base")
    check_usable(sequences)
    keep, tokens = engine.context, engine.tokens
    # The next token must begin at the next base, so the last one has to end with the sequence.
    frame = math.lcm(tokens.k if isinstance(tokens, KmerTokens) else 1, engine.family.multiple_of)
    out = np.full((len(sequences), 4), np.nan)
    advance = activity(f"scoring with {engine.name}", len(sequences))
    for start in range(0, len(sequences), CHUNK):
        chunk = [s if keep is None else s[-keep:] for s in sequences[start : start + CHUNK]]
        encoded = tokens.encode([s[len(s) % frame :] or s for s in chunk])
        fits = np.array([i for i, e in enumerate(encoded) if engine.fits(e)], np.int64)
        # What a tokenizer puts after a sequence would stand between it and the next base.
        rows = [(e := encoded[i]).ids[: int(np.flatnonzero(e.ends > e.starts)[-1]) + 1] for i in fits]
        slots = [np.array([len(r)]) for r in rows]
        out[start + fits] = at_slots(engine, rows, slots, None, shift=1)
        advance(len(chunk))
    return out


def _totals(engine: Engine, sequences: Strings, reading: Reading, *, shift: int, temperature: float) -> FloatArray:
    """Return the sum of the log-probabilities of each sequence's own tokens (n,), from one pass per row."""
    check_usable(sequences)
    totals = np.full(len(sequences), np.nan)
    advance = activity(f"scoring with {engine.name}", len(sequences))
    for index, rows in _portions(engine, sequences, reading, advance, causal=shift > 0):
        encoded = rows.encoded
        slots = [(at := _scored(engine, e))[at >= shift] for e in encoded]
        places = np.concatenate([_place(engine, e.ids[at]) for e, at in zip(encoded, slots, strict=True)])[:, None]
        log_probs = at_slots(engine, [e.ids for e in encoded], slots, places, shift=shift, temperature=temperature)
        totals[index] = rows.sums([values.sum() for values in _split(log_probs, slots)])
        advance(len(index))
    return totals


def _portions(
    engine: Engine, sequences: Strings, reading: Reading, advance: Callable[[int], None], *, causal: bool = False
) -> Iterator[tuple[IntArray, Rows]]:
    """Yield the indices and rows of some sequences at a time.

    Those that are truncated and of which more tokens result than fit are left out and count as done.
    """
    for part in portions(sequences, CHUNK, reading):
        some = list(sequences[part])
        if reading.window == "chunk":
            yield part.start + np.arange(len(some)), engine.rows(some, reading, causal=causal)
            continue
        encoded, fits = engine.whole(some)
        advance(len(encoded) - len(fits))
        if len(fits):
            yield part.start + fits, rows_of([[encoded[i]] for i in fits], engine.tokens)


def _in_turn(engine: Engine, encoded: Sequence[Encoded]) -> Iterator[list[tuple[int, int]]]:
    """Yield (sequence, slot) of every token that spells bases, enough at a time for a few batches of rows."""
    part: list[tuple[int, int]] = []
    tokens = 0
    for j, e in enumerate(encoded):
        for slot in _scored(engine, e):
            part.append((j, int(slot)))
            tokens += len(e.ids)
            if tokens >= _BATCHES * engine.budget:
                yield part
                part, tokens = [], 0
    if part:
        yield part


def _split(values: NDArray[Any], slots: Sequence[IntArray]) -> list[NDArray[Any]]:
    """Return the parts of `values` that belong to each row's slots, as views."""
    return np.split(values, np.cumsum([len(at) for at in slots])[:-1])


def _scored(engine: Engine, e: Encoded) -> IntArray:
    """Return the slots whose token spells A, C, G, T alone."""
    return np.flatnonzero(np.isin(e.ids, engine.tokens.vocabulary.dna) & (e.ends > e.starts))


def _place(engine: Engine, ids: IntArray) -> IntArray:
    """Return where the ids stand among the tokens that spell A, C, G, T alone."""
    return np.searchsorted(engine.tokens.vocabulary.dna, ids)


def _slots_of(e: Encoded, sites: IntArray) -> IntArray:
    spelling = np.flatnonzero(e.ends > e.starts)
    return spelling[np.searchsorted(e.starts[spelling], sites)]


def _put(ids: IntArray, slots: IntArray, mask: int) -> IntArray:
    out = ids.copy()
    out[slots] = mask
    return out


def _mask(engine: Engine) -> int:
    mask = engine.tokens.vocabulary.mask
    if mask is None:
        raise NotApplicable(f"{engine.name}: its tokenizer has no mask token")
    return mask


def _about(engine: Engine, sequence: str, at: IntArray) -> slice:
    return engine.around(len(sequence), (at.min() + at.max() + 1) / 2 if len(at) else len(sequence) / 2)


def _window_pair(engine: Engine, reference: str, alternate: str) -> tuple[str, str]:
    """Return REF and ALT, of one length, cut to the context about where they differ."""
    codes = [np.frombuffer(s.encode(), np.uint8) for s in (reference, alternate)]
    keep = _about(engine, reference, np.flatnonzero(codes[0] != codes[1]))
    return reference[keep], alternate[keep]


def _differing(engine: Engine, ref: Encoded, alt: Encoded) -> IntArray | None:
    """Return the slots in which two encodings differ, None where they cannot be compared."""
    if len(ref.ids) != len(alt.ids):
        return None
    at = np.flatnonzero(ref.ids != alt.ids)
    if not len(at) or (engine.tokens.kind == "subword" and len(at) > 1):
        return None
    known = np.isin(ref.ids[at], engine.tokens.vocabulary.dna) & np.isin(alt.ids[at], engine.tokens.vocabulary.dna)
    return at if known.all() else None
