"""Labels for every base, or every bin of bases, of an interval: one example each, all with the same sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, MissingExtra
from ..types import Examples, Inputs, IntArray, Intervals, Kind, strings
from .numbers import is_number
from .sequences import package_file
from .targets import class_indices


def label_rows(
    values: Sequence[str] | None, labels: str, *, classes: Sequence[str], reference: str, column: str
) -> Iterable[NDArray[Any]]:
    """Yield the labels of each interval, (m,) or (m, k), from a column of text or from the HDF5 file `labels`.

    Text is numbers joined by ';' or ',', or one letter or digit per base. An HDF5 file has them in its data set
    'labels', one row per interval. Raises DataError naming the row, MissingExtra where h5py is not installed.
    """
    if labels:
        yield from _hdf5_rows(labels)
        return
    known = class_indices(classes)
    for row, text in enumerate(values or (), 1):
        join = ";" if ";" in text else ","  # with ';' a comma is one of decimals, which is refused
        fields = text.split(join) if join in text else list(text)
        try:
            yield np.array([known[f.strip()] if classes else float(f) for f in fields])
        except (KeyError, ValueError):
            bad = next(f for f in fields if (f.strip() not in known if classes else not is_number(f)))
            expected = f"one of {', '.join(list(known)[:8])}" if classes else "a number"
            raise DataError(
                f"{reference}: row {row}: {column!r} holds {bad!r}, expected {expected} for each base"
            ) from None


def _hdf5_rows(labels: str) -> Iterable[NDArray[Any]]:
    try:
        import h5py  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{labels}: reading HDF5 needs the package 'h5py': `pip install h5py`") from error
    path = package_file(labels)
    try:
        with h5py.File(path, "r") as file:
            if "labels" not in file:
                raise DataError(f"{path}: no data set 'labels'; it has {', '.join(file) or 'none'}")
            yield from file["labels"]
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({str(error).splitlines()[0]})") from error


@dataclass(frozen=True)
class Bins:
    """How bases are labelled: in bins of `span` bases, thinned in train.

    With `train_ratio` the commonest class keeps, in rows whose stratum 'split' is 'train', at most that many times the
    number of all other examples, drawn with `seed`; valid and test keep all examples.
    """

    kind: Kind
    classes: tuple[str, ...]
    span: int
    train_ratio: float = 0.0
    seed: int = 0


def per_base_examples(whole: Examples, rows: Iterable[NDArray[Any]], bins: Bins, source: str) -> Examples:
    """Return one example for each labelled bin of every interval in `whole`; a negative label means none.

    `rows` are the labels of each interval along the genome, so they are reversed for intervals on '-'. Raises
    DataError, naming the row, where an interval is not a whole number of bins or has another number of labels.
    """
    kind, classes, span, at = bins.kind, bins.classes, bins.span, whole.intervals
    assert at is not None
    if kind not in ("classification", "multilabel", "regression"):
        raise ConfigError(f"{source}: a task with a label for each base cannot have kind {kind!r}")
    index: list[IntArray] = []
    bin_of: list[IntArray] = []
    targets: list[NDArray[Any]] = []
    lengths = at.end - at.start
    n = -1
    for n, labels in enumerate(rows):
        if n >= len(lengths):
            continue
        count, rest = divmod(int(lengths[n]), span)
        where = f"{source}: row {n + 1}"
        labels = np.asarray(labels)
        if rest:
            raise DataError(f"{where}: {lengths[n]} bp are not a whole number of bins of {span} bp")
        beyond = labels[count:]
        if len(labels) < count or (len(beyond) and (kind == "regression" or (beyond >= 0).any())):
            raise DataError(f"{where}: {len(labels)} labels where {lengths[n]} bp in bins of {span} need {count}")
        labels = labels[:count][::-1] if at.strand[n] == "-" else labels[:count]
        flat = labels.reshape(count, -1)
        labelled = np.flatnonzero(np.isfinite(flat).all(axis=1) if kind == "regression" else (flat >= 0).all(axis=1))
        index.append(np.full(len(labelled), n, np.int64))
        bin_of.append(labelled.astype(np.int64))
        targets.append((flat[:, 0] if flat.shape[1] == 1 and kind != "multilabel" else flat)[labelled])
    if n + 1 != len(lengths):
        raise DataError(f"{source}: {len(lengths)} intervals, but labels for {n + 1}")
    row, bin_ = np.concatenate(index), np.concatenate(bin_of)
    target = np.concatenate(targets).astype(np.float64 if kind == "regression" else np.int64)
    if kind == "classification" and len(target) and target.max() >= len(classes):
        raise DataError(f"{source}: label {target.max()} where there are {len(classes)} classes")
    if kind == "multilabel" and (target.shape[1] != len(classes) or target.max() > 1):
        raise DataError(f"{source}: {target.shape[1]} labels a bin where there are {len(classes)} classes")
    n_labelled, thinned = len(target), 0
    if bins.train_ratio:
        if "split" not in whole.strata:
            raise ConfigError(f"{source}: train_ratio needs the column 'split' among strata")
        keep = _thinned(target, whole.strata["split"][row] == "train", bins.train_ratio, bins.seed)
        row, bin_, target = row[keep], bin_[keep], target[keep]
        thinned = n_labelled - len(target)
    left_out = {"bins without a label": int(lengths.sum()) // span - n_labelled, "bins thinned by train_ratio": thinned}
    position = bin_ * span
    names = [f"{c}:{s}-{e}({d})" for c, s, e, d in zip(at.chrom, at.start, at.end, at.strand, strict=True)]
    low = np.where(at.strand[row] == "-", at.end[row] - position - span, at.start[row] + position)
    return Examples(
        ids=strings([f"{names[i]}+{p}" for i, p in zip(row.tolist(), position.tolist(), strict=True)]),
        inputs=Inputs(whole.inputs.sequences[row], None, position, span),  # stored once per interval
        targets=target,
        groups=whole.groups[row],
        clusters=whole.clusters[row],
        strata={name: values[row] for name, values in whole.strata.items()},
        intervals=Intervals(at.chrom[row], low, low + span, at.strand[row]),
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def _thinned(target: NDArray[Any], train: NDArray[Any], ratio: float, seed: int) -> IntArray:
    """Return the rows that are kept, in order."""
    if target.ndim > 1:
        raise ConfigError("train_ratio needs one class for each base")
    classes, counts = np.unique(target[train], return_counts=True)
    if not len(classes):
        return np.arange(len(target))
    common = classes[counts.argmax()]
    many = np.flatnonzero(train & (target == common))
    most = round(ratio * (int(train.sum()) - len(many)))
    drawn = np.random.default_rng([20_261, seed]).permutation(many)[: max(1, most)]
    keep = np.ones(len(target), bool)
    keep[many] = False
    keep[drawn] = True
    return np.flatnonzero(keep)
