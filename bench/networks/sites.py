"""States of single bases, or of bins: every site of a window comes from one pass over it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import DataError, NotApplicable
from ..progress import activity
from ..types import IntArray, Strings, strings
from .batches import in_batches
from .embedding import CHUNK, embed_all, token_states
from .engine import Engine, evaluating
from .tokens import Encoded

SHARE = 4
"""Windows of long sequences begin at multiples of the context divided by this, so that neighbours share a pass."""


@dataclass(frozen=True, eq=False)
class Cut:
    """The distinct windows (m) that contain n sites, and where in them each site is.

    Site i is in window `window[i]`, at tokens `first[i]` to `last[i]`, half-open; -1 where the window does not fit.
    """

    encoded: list[Encoded]
    window: IntArray
    first: IntArray
    last: IntArray

    def members(self) -> list[IntArray]:
        """Return the sites of each window."""
        order = np.argsort(self.window, kind="stable")
        edges = np.searchsorted(self.window[order], np.arange(len(self.encoded) + 1))
        return [order[a:b] for a, b in itertools.pairwise(edges)]


def cut(
    engine: Engine,
    sequences: Strings,
    sites: IntArray,
    *,
    span: int,
    shared: bool,
    max_length: int | None,
) -> Cut:
    """Return the windows about the sites, centred on them or, where `shared`, moved so that neighbours share one.

    A site is `span` bases from `sites[i]` on. Its tokens are the first that spells its base or, where it has several
    bases, all that spell one of them. A shared window that takes more tokens than fit gives way to shorter ones; any
    other is left out, since the window of REF must be as long as that of ALT. Raises NotApplicable where `span` is
    longer than a window.
    """
    known: dict[tuple[str, int], int] = {}
    windows: list[str] = []
    owner, offset = np.empty(len(sites), np.int64), np.empty(len(sites), np.int64)
    for i, (sequence, at) in enumerate(zip(sequences, sites.tolist(), strict=True)):
        keep = engine.around(len(sequence), at + span / 2, max_length=max_length)
        start, length = keep.start, keep.stop - keep.start
        if span > length:
            raise NotApplicable(f"{engine.name}: a bin of {span} bp is longer than the {length} bp that fit")
        if shared and length < len(sequence):
            # Moved by no more than leaves the site inside, and only then moved into the sequence: a window that an end
            # of the sequence has moved already would be moved off its site.
            step = max(1, min(length // SHARE, length - span))
            start = int(at + span / 2 - length / 2)
            start = min(max(0, (start + step // 2) // step * step), len(sequence) - length)
        owner[i] = known.setdefault((sequence, start), len(known))
        if owner[i] == len(windows):
            windows.append(sequence[start : start + length])
        offset[i] = at - start
    encoded, fits = engine.whole(windows)
    place = np.full(len(windows), -1)
    place[fits] = np.arange(len(fits))
    out = Cut([encoded[i] for i in fits], place[owner], np.zeros_like(owner), np.ones_like(owner))
    for e, members in zip(out.encoded, out.members(), strict=True):
        at = offset[members]
        first = np.searchsorted(e.ends, at, side="right")
        unspelt = np.flatnonzero((first == len(e.ends)) | (e.starts[np.minimum(first, len(e.ends) - 1)] > at))
        if len(unspelt):
            raise DataError(f"no token spells base {at[unspelt[0]]} of a sequence")
        out.first[members] = first
        last = first + 1 if span == 1 else np.searchsorted(e.starts, at + span, side="left")
        out.last[members] = np.maximum(last, first + 1)
    missing = np.flatnonzero(out.window < 0)
    limit = min(n for n in (max_length, engine.context, 1 << 60) if n is not None)
    if not shared or not len(missing) or limit <= span:
        return out
    shorter = cut(
        engine, sequences[missing], sites[missing], span=span, shared=True, max_length=max(span, limit * 3 // 4)
    )
    out.window[missing] = np.where(shorter.window < 0, -1, shorter.window + len(out.encoded))
    out.first[missing], out.last[missing] = shorter.first, shorter.last
    return Cut(out.encoded + shorter.encoded, out.window, out.first, out.last)


def gather(states: Tensor, rows: IntArray, first: IntArray, last: IntArray) -> Tensor:
    """Return the means (n, d) of `states` (m, t, d) over tokens `first[i]` to `last[i]`, half-open, of `rows[i]`."""
    row, a, b = (torch.from_numpy(index).to(states.device) for index in (rows, first, last))
    if (last - first == 1).all():
        return states[row, a]
    sums = nn.functional.pad(states.double().cumsum(1), (0, 0, 1, 0))
    return ((sums[row, b] - sums[row, a]) / (b - a)[:, None]).to(states.dtype)


def site_states(
    engine: Engine, backbone: nn.Module, windows: Cut, members: Sequence[IntArray], index: IntArray, layer: float
) -> Tensor:
    """Return the states of all sites of the windows at `index`, window by window, (n, d)."""
    (states,) = token_states(engine, backbone, [windows.encoded[i] for i in index], [layer])
    sites = np.concatenate([members[i] for i in index])
    rows = np.repeat(np.arange(len(index)), [len(members[i]) for i in index])
    return gather(states, rows, windows.first[sites], windows.last[sites])


def embed_sites(
    engine: Engine,
    sequences: Strings,
    sites: IntArray,
    *,
    layer: float,
    span: int,
    shared: bool,
    max_length: int | None,
) -> NDArray[np.float32]:
    """Return the state of each site, (n, d), NaN where its window takes more tokens than fit; see `LanguageModel`."""
    out: NDArray[np.float32] | None = None
    backbone = engine.backbone()
    advance = activity(f"embedding bases with {engine.name}", len(sequences))
    for start in range(0, len(sequences), CHUNK):
        part = slice(start, start + CHUNK)
        windows = cut(engine, sequences[part], sites[part], span=span, shared=shared, max_length=max_length)
        members = windows.members()

        def compute(
            index: IntArray, start: int = start, windows: Cut = windows, members: list[IntArray] = members
        ) -> None:
            nonlocal out
            values = site_states(engine, backbone, windows, members, index, layer).float().cpu().numpy()
            if out is None:
                out = np.full((len(sequences), values.shape[1]), np.nan, np.float32)
            out[start + np.concatenate([members[i] for i in index])] = values

        lengths = np.array([len(e.ids) for e in windows.encoded], np.int64)
        with evaluating(engine.network):
            in_batches(lengths, compute, budget=engine.budget, equal=engine.equal_lengths, done=lambda n: None)
        advance(len(windows.window))
    if out is None:
        width = engine.width or (
            embed_all(engine, strings(["ACGT"]), [(layer, "mean")])[0].shape[1] if len(sequences) else 0
        )
        out = np.full((len(sequences), width), np.nan, np.float32)
    return out
