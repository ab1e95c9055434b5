"""Simple features of examples, by which a task might be solved without any biology."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..dna.kmers import count_kmers
from ..progress import activity
from ..types import Examples, FloatArray, Inputs, Split, Task, strings
from .hashes import blocks
from .overlaps import contigs

GC_STEP, CPG_STEP = 0.02, 0.05
"""The steps to which shares are rounded before learning: an exact fraction, such as 51/110, would reveal the length."""

BASES_AT_ONCE = 1 << 25


def composition(sequences: Any, doing: str = "counting bases") -> dict[str, FloatArray]:
    """Return for each sequence its length, GC share, CpG observed/expected, share of other letters, and simplicity.

    CpG observed/expected is count(CG) x bases / (count(C) x count(G)) (Gardiner-Garden & Frommer 1987). Simplicity is
    the probability that two of a sequence's 3-mers are equal (Simpson 1949): 1 for a homopolymer, 1/64 at random. What
    is undefined, for lack of bases, is 0.
    """
    n = len(sequences)
    out = {name: np.zeros(n) for name in ("length", "GC", "CpG", "other letters", "simplicity")}
    advance = activity(doing, n)
    for first, block in blocks(sequences):
        lengths = np.array([len(s) for s in block], np.int64)
        edges = np.r_[0, np.flatnonzero(np.diff(np.cumsum(lengths) // BASES_AT_ONCE)) + 1, len(block)]
        for low, high in itertools.pairwise(edges):
            if low == high:
                continue
            text, rows, length = strings(block[low:high]), slice(first + low, first + high), lengths[low:high]
            single = count_kmers(text, 1).toarray().astype(np.float64)
            bases, c, g = single.sum(axis=1), single[:, 1], single[:, 2]
            cpg = count_kmers(text, 2)[:, [6]].toarray()[:, 0]
            words = count_kmers(text, 3)
            total = np.asarray(words.sum(axis=1), np.float64).ravel()
            data = words.data.astype(np.float64)
            words.data = data * (data - 1)
            same = np.asarray(words.sum(axis=1)).ravel()
            out["length"][rows] = length
            out["GC"][rows] = (c + g) / np.maximum(bases, 1)
            out["CpG"][rows] = cpg * bases / np.maximum(c * g, 1)
            out["other letters"][rows] = (length - bases) / np.maximum(length, 1)
            out["simplicity"][rows] = same / np.maximum(total * (total - 1), 1)
        advance(len(block))
    return out


Table = Mapping[str, FloatArray]


def feature_table(task: Task, examples: Examples, base: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the features (n,) of a part by name; `base` is the composition of its sequences.

    Variants also have the changes that ALT makes; pairs have the differences, real less perturbed.
    """
    inputs = examples.inputs
    features = {
        "length": base["length"],
        "GC": np.round(base["GC"] / GC_STEP),
        "CpG": np.round(base["CpG"] / CPG_STEP),
        "other letters": np.round(base["other letters"] * base["length"]),
    }
    if inputs.alternates is not None:
        other = composition(inputs.alternates)
        change = {name: other[name] - base[name] for name in ("length", "GC", "CpG", "other letters")}
        if task.kind == "paired":
            features = {name: -values for name, values in change.items()}
        else:
            features |= {f"{name} change": values for name, values in change.items()}
    if inputs.positions is not None and task.kind != "paired":
        features["offset in the sequence"] = inputs.positions.astype(np.float64)
    soft = getattr(examples, "soft_masked", None)
    if soft is not None and task.kind != "paired":
        features["lower case"] = np.asarray(soft, np.float64)
    if task.kind != "paired":
        features["row order"] = np.arange(len(examples)) / max(len(examples), 1)
    return features


def add_positions(tables: Mapping[str, dict[str, FloatArray]], split: Split) -> None:
    """Add the feature `position` to each part: where its rows lie on the genome, in bp, contigs placed end to end."""
    parts = {part: e for part, e in split if len(e)}
    if any(e.intervals is None for e in parts.values()):
        return
    names = {part: contigs(e) for part, e in parts.items()}
    start, offset = {}, 0.0
    for contig in sorted({c for column in names.values() for c in column}):
        start[contig] = offset
        ends = [e.intervals.end[names[p] == contig] for p, e in parts.items() if e.intervals is not None]
        offset += max((float(end.max()) for end in ends if len(end)), default=0.0) + 1
    for part, e in parts.items():
        assert e.intervals is not None
        middle = (e.intervals.start + e.intervals.end) / 2
        tables[part]["position"] = np.array([start[c] for c in names[part]]) + middle


def inputs_of(task: Task, inputs: Inputs) -> Any:
    """Return the sequences that represent the inputs: the ALT windows of variants, else the sequences."""
    return inputs.alternates if task.variants and inputs.alternates is not None else inputs.sequences
