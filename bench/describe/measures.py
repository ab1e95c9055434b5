"""Measures of a cloud of embeddings (n, d): its rank and shape, how classes lie in it, and what else it is like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray

Matrix = NDArray[np.floating]

NEIGHBOURS = 10


def rankme(x: Matrix) -> float:
    """Return the effective rank, from 1 to min(n, d): the exponential of the entropy of the singular values.

    It is RankMe of Garrido et al. (2023), not centred, without their constant of 1e-7, which only keeps logarithms
    finite.
    """
    values = np.linalg.svd(x, compute_uv=False)
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_cosine(x: Matrix) -> float:
    """Return the mean cosine of the embeddings of two different examples (Ethayarajh 2019): 0 where none is preferred.

    An embedding of zeros has the cosine 0 with any other.
    """
    n = len(x)
    unit = _unit(x)
    return float((np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (n * (n - 1)))


def isoscore(x: Matrix) -> float:
    """Return how evenly the variance is spread over the dimensions: 1 where evenly, 0 where one has all of it.

    It is IsoScore of Rudman et al. (2022), which is (r - 1) / (d - 1) for the participation ratio r of the eigenvalues
    of the covariance.
    """
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    ratio = variances.sum() ** 2 / np.square(variances).sum()
    return float((ratio - 1) / (x.shape[1] - 1))


def directions(x: Matrix) -> FloatArray:
    """Return the embeddings as unit vectors from their mean, (n, d): what clusters and neighbours are found in."""
    return _unit(x - x.mean(axis=0))


def _unit(x: Matrix) -> FloatArray:
    wide = np.asarray(x, np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: FloatArray = wide / np.where(length > 0, length, 1)
    return unit


def cluster_agreement(unit: FloatArray, classes: IntArray) -> float:
    """Return the adjusted Rand index of k-means with as many clusters as classes: 1 for the classes, 0 by chance."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    found = KMeans(len(set(classes.tolist())), n_init=10, random_state=0).fit_predict(unit)
    return float(adjusted_rand_score(classes, found))


def silhouette(unit: FloatArray, classes: IntArray) -> float:
    """Return the mean silhouette of the classes, from -1 to 1: 0 where they lie in one another."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(unit, classes))


def purity(unit: FloatArray, classes: IntArray, units: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return of each example the share of its nearest neighbours that have its class, and what chance gives, (n,) each.

    The NEIGHBOURS nearest by cosine are taken among the examples of other `units`, such as genes, since windows of one
    gene resemble one another whatever their class. Chance is the share of its class among these. Both are NaN for an
    example with fewer others than neighbours.
    """
    likeness = unit @ unit.T
    apart = units[:, None] != units
    likeness[~apart] = -np.inf
    same = classes[:, None] == classes
    others = apart.sum(axis=1)
    k = min(NEIGHBOURS, len(unit) - 1)
    nearest = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
    enough = others >= NEIGHBOURS
    shares = np.where(enough, np.take_along_axis(same, nearest, axis=1).mean(axis=1), np.nan)
    chance = np.where(enough, (same & apart).sum(axis=1) / np.maximum(others, 1), np.nan)
    return shares, chance


def cka(x: Matrix, y: Matrix) -> float:
    """Return the linear CKA of two clouds of the same examples: 1 where they are alike but for rotation and scale.

    It is that of Kornblith et al. (2019) with the unbiased estimator of HSIC (Song et al. 2012), so that clouds that
    have nothing in common are at 0 whatever their dimensions; it may be a little below. NaN where one has no spread.
    """
    grams = [_gram(x), _gram(y)]
    cross, own = _hsic(*grams), [_hsic(g, g) for g in grams]
    return float(cross / np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")


def _gram(x: Matrix) -> FloatArray:
    centred = np.asarray(x, np.float64) - np.asarray(x, np.float64).mean(axis=0)
    scale = np.sqrt(np.square(centred).mean())
    gram: FloatArray = (centred / scale) @ (centred / scale).T if scale > 0 else np.zeros((len(x), len(x)))
    np.fill_diagonal(gram, 0)
    return gram


def _hsic(a: FloatArray, b: FloatArray) -> float:
    n = len(a)
    sums_a, sums_b = a.sum(axis=1), b.sum(axis=1)
    whole = (a * b).sum() + sums_a.sum() * sums_b.sum() / ((n - 1) * (n - 2)) - 2 * (sums_a @ sums_b) / (n - 2)
    return float(whole / (n * (n - 3)))


def cosines(x: Matrix, y: Matrix) -> FloatArray:
    """Return the cosine of each row of `x` with that of `y`, (n,), both from the mean of `x`: 0 for unlike examples."""
    centre = x.mean(axis=0)
    both: FloatArray = (_unit(x - centre) * _unit(y - centre)).sum(axis=1)
    return both


def principal(x: Matrix) -> tuple[FloatArray, FloatArray]:
    """Return the first two principal components (n, 2), and the share of the variance that each has (2,).

    Embeddings that are all equal have none. Signs are such that the coordinate of largest size is positive.
    """
    wide = np.asarray(x, np.float64)
    left, values, _ = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)
    at = (left * values)[:, :2]
    at = at * np.where(np.take_along_axis(at, np.abs(at).argmax(axis=0)[None], axis=0) < 0, -1, 1)
    whole = np.square(values).sum()
    return at, (values**2 / whole)[:2] if whole > 0 else np.zeros(len(values))[:2]
