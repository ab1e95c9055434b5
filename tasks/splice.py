"""How every splice-site task is built: real sites against decoys that one position weight matrix cannot tell apart.

Positions inside a gene are boundaries between bases, on the transcript's strand: an acceptor's lies before the first
base of an exon, a donor's after the last one.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baserate.digests import digest
from baserate.progress import activity
from baserate.types import Examples, FloatArray, Inputs, IntArray, Intervals, strings

log = logging.getLogger(__name__)

CLASSES = ("neither", "acceptor", "donor")
WIDTH = 400
METRICS = ("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece")
NEGATIVES = (
    "Negatives are as many as sites, from the same genes and strand, 10 bp or more from every annotated site: half are "
    "GT or AG positions, each chosen to score like one of the gene's real sites under a position weight matrix of real "
    "sites of train genes only; half are random positions."
)
APART = 10
"""Bases between a negative and the nearest annotated site, at least: closer ones may be alternative ends of an exon."""

_TAKEN = 1 << 40
"""The score of a decoy that is chosen: further than any other from each site's."""
_COLUMNS = {"acceptor": (-20, 3), "donor": (-3, 6)}
"""Bases around the boundary that the matrices weigh: those of MaxEntScan (Yeo and Burge 2004)."""
_LETTERS = np.full(256, 4, np.uint8)
_LETTERS[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)


@dataclass(frozen=True, eq=False)
class Gene:
    """A gene's DNA on the transcript's strand, from genome position `start`, with the boundaries of its splice sites.

    `annotated` are all annotated sites on this strand, of any transcript and gene: no negative is near one. Windows
    are centred at least half their width from either end of `sequence`.
    """

    name: str
    species: str
    chrom: str
    strand: str
    start: int
    sequence: str
    acceptors: IntArray
    donors: IntArray
    annotated: IntArray

    @functools.cached_property
    def codes(self) -> NDArray[np.uint8]:
        """The sequence as 0 to 3 for A, C, G, T and 4 for any other letter, (L,)."""
        return _LETTERS[np.frombuffer(self.sequence.encode(), np.uint8)]

    def in_genome(self, boundaries: IntArray) -> IntArray:
        """Return boundaries as genome coordinates, which rise along the '+' strand."""
        return self.start + boundaries if self.strand == "+" else self.start + len(self.sequence) - boundaries


def splice_examples(
    genes: Sequence[Gene], *, fit_on: Callable[[Gene], bool], per_gene: int = 0, width: int = WIDTH
) -> Examples:
    """Return windows of `width` bp centred on splice sites, and as many centred elsewhere in the same genes.

    Of a gene's negatives half are decoys, GT or AG positions each chosen to score like one of its real sites under a
    matrix fitted on the genes where `fit_on` is true, and half are positions drawn at random. `per_gene` bounds the
    sites taken of each kind (0 takes all). Windows that would leave the sequence, and sequences that occur more than
    once, are left out. The draws for a gene depend on its name alone.
    """
    flank = width // 2
    matrices = {kind: fit_matrix((g for g in genes if fit_on(g)), kind) for kind in _COLUMNS}
    rows: list[tuple[Gene, int, int, str]] = []
    advance = activity("choosing splice sites and decoys", len(genes))
    for gene in genes:
        rows += [(gene, at, target, origin) for at, target, origin in _choose(gene, matrices, per_gene, flank)]
        advance(1)
    windows = [gene.sequence[at - flank : at + flank] for gene, at, _, _ in rows]
    count: dict[str, int] = {}
    for window in windows:
        count[window] = count.get(window, 0) + 1
    unique = [i for i, window in enumerate(windows) if count[window] == 1]
    log.info("%d windows of %d left out: their sequence occurs more than once", len(rows) - len(unique), len(rows))
    return _examples([rows[i] for i in unique], [windows[i] for i in unique], flank)


def fit_matrix(genes: Iterable[Gene], kind: str) -> IntArray:
    """Return log-odds (width, 5) of the bases around the real sites over those of the genes' DNA; column 4 is for N.

    They are whole thousandths of a nat, so that scores are the same on every machine.
    """
    low, high = _COLUMNS[kind]
    sites: FloatArray = np.full((high - low, 4), 1.0)
    background: FloatArray = np.ones(4)
    for gene in genes:
        codes = gene.codes
        background += np.bincount(codes, minlength=5)[:4]
        at = gene.acceptors if kind == "acceptor" else gene.donors
        around = codes[_inside(at, len(codes), WIDTH // 2)[:, None] + np.arange(low, high)]
        for base in range(4):
            sites[:, base] += (around == base).sum(axis=0)
    odds = np.log(sites / sites.sum(axis=1, keepdims=True)) - np.log(background / background.sum())
    thousandths: IntArray = np.rint(1000 * odds).astype(np.int64)
    return np.column_stack([thousandths, thousandths.min(axis=1)])


def score(codes: NDArray[np.uint8], at: IntArray, matrix: IntArray, kind: str) -> IntArray:
    """Return the matrix's log-odds (thousandths of a nat) of each boundary, (n,)."""
    columns = np.arange(len(matrix))
    out: IntArray = matrix[columns, codes[at[:, None] + columns + _COLUMNS[kind][0]]].sum(axis=1)
    return out


def _choose(gene: Gene, matrices: dict[str, IntArray], per_gene: int, flank: int) -> list[tuple[int, int, str]]:
    """Return (boundary, class index, origin) of the gene's positives and negatives, `flank` or more from its ends."""
    rng = np.random.default_rng(int(digest("splice", gene.name), 16))
    codes = gene.codes
    taken = _near(gene.annotated, len(codes))
    candidates = {kind: _candidates(codes, kind, taken, flank) for kind in _COLUMNS}
    chosen: list[tuple[int, int, str]] = []
    decoys: set[int] = set()
    n_sites = 0
    for kind, sites in (("acceptor", gene.acceptors), ("donor", gene.donors)):
        sites = rng.permutation(_inside(np.unique(sites), len(codes), flank))
        sites = sites[:per_gene] if per_gene else sites
        chosen += [(int(at), CLASSES.index(kind), "site") for at in sites]
        n_sites += len(sites)
        half = sites[: (len(sites) + rng.integers(2)) // 2]
        free = candidates[kind]
        scores = score(codes, free, matrices[kind], kind)
        for site_score in score(codes, half, matrices[kind], kind)[: len(free)]:
            best = int(np.abs(scores - site_score).argmin())
            decoys.add(int(free[best]))
            scores[best] = _TAKEN
    chosen += [(at, 0, "decoy") for at in sorted(decoys)]
    taken[np.array(sorted(decoys), np.int64)] = True
    anywhere = _inside(np.flatnonzero(~taken), len(codes), flank)
    n_random = min(max(0, n_sites - len(decoys)), len(anywhere))
    chosen += [(int(at), 0, "random") for at in np.sort(rng.choice(anywhere, n_random, replace=False))]
    return chosen


def _candidates(codes: NDArray[np.uint8], kind: str, near: NDArray[np.bool_], flank: int) -> IntArray:
    """Return the boundaries after AG, or before GT, that are not near an annotated site."""
    first, second = (0, 2) if kind == "acceptor" else (2, 3)
    at = np.flatnonzero((codes[:-1] == first) & (codes[1:] == second)) + (2 if kind == "acceptor" else 0)
    return _inside(at[~near[at]], len(codes), flank)


def _inside(at: IntArray, length: int, flank: int) -> IntArray:
    return at[(at >= flank) & (at <= length - flank)]


def _near(annotated: IntArray, length: int) -> NDArray[np.bool_]:
    """Return whether each boundary, from 0 to `length`, is closer than APART to an annotated site."""
    near = np.zeros(length + 1, dtype=bool)
    for site in annotated:
        near[max(0, site - APART + 1) : max(0, site + APART)] = True
    return near


def _examples(rows: Sequence[tuple[Gene, int, int, str]], windows: Sequence[str], flank: int) -> Examples:
    at = np.array([int(gene.in_genome(np.int64(at))) for gene, at, _, _ in rows], np.int64)  # type: ignore[arg-type]
    groups = strings([gene.name for gene, *_ in rows])
    ids = [
        f"{gene.chrom}:{where}({gene.strand}):{CLASSES[target]}"
        for (gene, _, target, _), where in zip(rows, at, strict=True)
    ]
    return Examples(
        ids=strings(ids),
        inputs=Inputs(strings(windows)),
        targets=np.array([target for *_, target, _ in rows], np.int64),
        groups=groups,
        clusters=groups,
        strata={
            "species": strings([gene.species for gene, *_ in rows]),
            "origin": strings([origin for *_, origin in rows]),
        },
        intervals=Intervals(
            strings([gene.chrom for gene, *_ in rows]),
            at - flank,
            at + flank,
            strings([gene.strand for gene, *_ in rows]),
        ),
    )
