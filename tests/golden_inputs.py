"""Made inputs for golden predictions, and tiny models: all of it drawn from seeds, the same whenever it is made."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import LAYOUTS, build, opened

from baserate import splits
from baserate.probes.tokens import TokenStates
from baserate.registry import get_model, load_model
from baserate.types import Examples, FloatArray, Inputs, Intervals, Split, Task, strings

LENGTH = 44
SIZES = {"train": 48, "valid": 16, "test": 8}
KINDS = ("two classes", "three classes", "labels", "measurement", "measurements", "pairs", "prompts", "bases")


def _dna(rng: np.random.Generator, length: int = LENGTH) -> str:
    return "".join("ACGT"[i] for i in rng.integers(0, 4, length))


def _changed(sequence: str, at: int, n: int, inserted: str) -> str:
    return sequence[:at] + inserted + sequence[at + n :]


def _alternates(rng: np.random.Generator, references: list[str], at: list[int]) -> list[str]:
    """Return ALT windows: for the most part of single bases, some of two bases, insertions and deletions."""
    out = []
    for i, (reference, place) in enumerate(zip(references, at, strict=True)):
        others = [b for b in "ACGT" if b != reference[place]]
        base = others[int(rng.integers(0, 3))]
        kind = i % 8
        if kind == 4:
            beside = "ACGT"[("ACGT".index(reference[place + 1]) + 1) % 4]
            out.append(_changed(reference, place, 2, base + beside))
        elif kind == 5:
            out.append(_changed(reference, place, 0, base + "GA"))
        elif kind == 6:
            out.append(_changed(reference, place, 3, ""))
        else:
            out.append(_changed(reference, place, 1, base))
    return out


def _targets(kind: str, n: int, sequences: list[str]) -> Any:
    """Return targets that the sequences tell, so that what is learnt has something to learn."""
    a, g = (np.array([s.count(base) for s in sequences], np.float64) for base in "AG")
    if kind == "two classes":
        return (np.arange(n) + (a > 11)) % 2
    if kind == "three classes":
        return (np.arange(n) + (a > 11)) % 3
    if kind == "labels":
        return np.stack([(a > 11), (g > 11), np.arange(n) % 2], axis=1).astype(np.int64)
    if kind == "measurements":
        return np.stack([a / 4 - g / 8, 30 * g], axis=1)
    return a / 4 - g / 8


def examples(kind: str, part: str, *, variants: bool = False) -> Examples:
    """Return made examples of a kind, the same whenever it is called."""
    n = SIZES[part]
    rng = np.random.default_rng([len(part), n, KINDS.index(kind), variants])
    lengths = [LENGTH] * n if kind not in ("measurements", "prompts") else rng.integers(30, LENGTH, n).tolist()
    sequences = [_dna(rng, length) for length in lengths]
    targets = _targets(kind, n, sequences)
    ids = strings([f"{part}{i}" for i in range(n)])
    inputs = Inputs(strings(sequences))
    if variants or kind == "pairs":
        at = rng.integers(4, 26, n)
        alternates = strings(_alternates(rng, sequences, at.tolist()))
        inputs = Inputs(strings(sequences), alternates, at if variants else None)
    if kind == "two classes" and not variants:
        sequences = [s[:18] + "TATAAA" + s[24:] if t else s for s, t in zip(sequences, targets, strict=True)]
        inputs = Inputs(strings(sequences))
    if kind == "pairs":
        targets = np.zeros(n)
    if kind == "prompts":  # which repeat their beginning, so that there is something to copy
        inputs = Inputs(strings([s + s[:12] for s in sequences]))
        targets = rng.integers(0, 4, (n, 3))
    if kind == "bases":
        inputs = Inputs(strings([sequences[i // 4] for i in range(n)]), positions=np.arange(n) % 4 * 9 + 5)
        targets = np.array([float(s[p] in "AG") for s, p in zip(inputs.sequences, inputs.positions, strict=True)])
        targets = targets.astype(np.int64)
    clusters = strings([f"c{i // 2}" for i in range(n)])
    return Examples(ids, inputs, targets, clusters, clusters)


@functools.cache
def split_of(kind: str, *, variants: bool = False) -> Split:
    """Return train, valid and test of a kind."""
    return Split(*(examples(kind, part, variants=variants) for part in SIZES))


def task_of(kind: str, *, variants: bool = False) -> Task:
    """Return a task of a kind; its split is given apart."""
    names = {"two classes": 2, "three classes": 3, "labels": 3, "bases": 2}
    task_kind = {"labels": "multilabel", "pairs": "paired", "prompts": "generation"}
    found: Any = task_kind.get(kind, "classification" if kind in names else "regression")
    return Task(
        name=kind.replace(" ", "_"),
        version=1,
        kind=found,
        metrics=("spearman",),
        source=lambda: examples(kind, "train"),
        split=splits.all_test(),
        description="Made up.",
        split_rule="none",
        citation="none",
        licence="CC0-1.0",
        species=("none",),
        assembly=("none",),
        sizes={},
        classes=tuple("abc"[: names.get(kind, 0)]),
        variants=variants,
        per_base=kind == "bases",
        zero_shot=("likelihood",) if kind in ("two classes", "bases") else (),
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """States of tokens that are in memory."""

    states: list[Any]

    def read(self, rows: Any) -> list[Any]:
        """Return the states (t, 6) at `rows`."""
        return [self.states[i] for i in rows]


def tokens(rng: np.random.Generator, n: int) -> TokenStates:
    """Return states of 5 to 11 tokens for each of n examples."""
    states = [rng.normal(size=(int(t), 6)).astype(np.float32) * 2 + 1 for t in rng.integers(5, 12, n)]
    return TokenStates(Drawn(states), np.arange(n)[:, None])


class Native:
    """A model that scores variants by a rule of its own."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return the change in the share of G."""
        assert inputs.alternates is not None
        pairs = zip(inputs.sequences, inputs.alternates, strict=True)
        return np.array([a.count("G") / len(a) - r.count("G") / len(r) for r, a in pairs])


@functools.cache
def network(layout: str, head: Any = None, *, twin: bool = False, **settings: Any) -> Any:
    """Return a tiny network, its weights drawn from a seed; a `twin` draws them anew for each seed of a run."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder) / layout, LAYOUTS[layout], head=head, **settings)
        return opened(built, random_weights=True) if twin else opened(built)


MODEL_WITH: Mapping[str, Callable[[], Any]] = {
    "score_variants": Native,
    "masked_llr": lambda: network("esm-rotary"),
    "pseudo_log_likelihood": lambda: network("esm-rotary"),
    "embed": lambda: network("esm-rotary"),
    "log_likelihood": lambda: network("gpt2", seed=5),
    "next_base_log_probs": lambda: network("gpt2", seed=5),
}
"""A model that has a method which a zero-shot rule needs."""

MODEL_IN: Mapping[str, Callable[[], Any]] = {
    "as_is": lambda: network("esm-rotary", "classifier"),
    "from_scratch": lambda: load_model(get_model("gc_content")),
}
"""A model for a mode; one with trained weights where none is named."""


@functools.cache
def places() -> Examples:
    """Return sixty examples with all that a split rule may go by: places, groups, clusters, strata and relatives."""
    rng = np.random.default_rng(8)
    n = 60
    families = [_dna(rng, 120) for _ in range(24)]
    sequences = []
    for i in range(n):
        letters = list(families[i % 24 if i < 48 else i % 6])
        for at in rng.integers(0, 120, 5):
            letters[at] = "ACGT"[int(rng.integers(0, 4))]
        sequences.append("".join(letters))
    start = np.arange(n) % 24 * 400 + rng.integers(0, 100, n)
    chrom = strings([f"chr{1 + i % 24 % 22}" for i in range(n)])
    group = strings([f"g{i % 24}" for i in range(n)])
    strata = {
        "split": strings(rng.choice(["train", "validation", "test"], n)),
        "species": strings(rng.choice(["human", "mouse", "yeast"], 24)[np.arange(n) % 24]),
    }
    return Examples(
        strings([f"e{i}" for i in range(n)]),
        Inputs(strings(sequences)),
        rng.integers(0, 3, n),
        group,
        strings([f"c{i % 24 // 2}" for i in range(n)]),
        strata,
        Intervals(chrom, start, start + 120, strings(["+"] * n)),
    )


def split_rules() -> dict[str, list[Any]]:
    """Return, by the name of each class of split rule, some rules of it."""
    regions = {"test": (("chr1", 0, 5000), ("chr3", 0, 5000)), "valid": (("chr2", 9000, 12_000),)}
    by_group = splits.by_group(test=0.2, valid=0.1, seed=3)
    return {
        "all_test": [splits.all_test()],
        "by_chromosome": [splits.by_chromosome(test=("chr1", "chr2"), valid=("chr3",))],
        "by_position": [splits.by_position(**regions), splits.by_position(**regions, gap=4000)],
        "by_preset": [
            splits.by_preset(name, fold) for name, fold in (("nt_revised", 0), ("dart", 0), ("genomecf", 3), ("m42", 5))
        ],
        "by_group": [splits.by_group(test=("g1", "g2"), valid=("g3",)), by_group],
        "by_stratum": [splits.by_stratum("species", test=("yeast",), valid=("mouse",))],
        "by_homology": [splits.by_homology(), splits.by_homology(threshold=0.6, test=0.3, seed=1)],
        "k_fold": [
            *(
                splits.k_fold(folds=3, fold=1, by=by)
                for by in ("group", "cluster", "chromosome", "homology", "species")
            ),
            splits.k_fold(seed=2),
        ],
        "stratified": [splits.stratified(), splits.stratified(test=0.4, valid=0.2, seed=1)],
        "predefined": [splits.predefined()],
        "with_families": [splits.with_families(by_group)],
        "with_valid": [
            splits.with_valid(splits.by_stratum("species", test=("yeast",)), 0.2, similarity=similarity)
            for similarity in (0.0, 0.6)
        ],
        "per_stratum": [splits.per_stratum("species", {"human": by_group, "mouse": "train", "yeast": "test"})],
        "few_shot": [splits.few_shot(by_group, shots=2)],
    }
