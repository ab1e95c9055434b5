"""The effect of every single-base change on 21 human promoters and enhancers, measured by reporter assays."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from baserate.cache.remote import fetch
from baserate.errors import DataError
from baserate.progress import activity
from baserate.registry import task
from baserate.sources.tables import first_changes, read_columns, require_column
from baserate.splits import by_group
from baserate.types import Examples, Inputs, Intervals, Subset, Task, strings

log = logging.getLogger(__name__)

URL = (
    "https://raw.githubusercontent.com/kircherlab/MPRA_SaturationMutagenesis/"
    "c5cadb46a3ec9bbeb8f678e8dc2b2335191f121b/data/elements.tsv.gz"
)
SHA256 = "fec2eed91fe27af3aae07ebce2eca65e9bad4bb6abba5d8c27f478887dd7b134"
RELEASE = "GRCh38"
MIN_BARCODES = 10

_ELEMENT = {
    "LDLR.2": "LDLR",
    "PKLR-24h": "PKLR",
    "PKLR-48h": "PKLR",
    "SORT1-flip": "SORT1",
    "SORT1.2": "SORT1",
    "TERT-GAa": "TERT",
    "TERT-GBM": "TERT",
    "TERT-GSc": "TERT",
    "TERT-HEK": "TERT",
    "ZRSh-13": "ZRS",
    "ZRSh-13h2": "ZRS",
}
"""The element of each experiment whose name differs; experiments on one element share its DNA."""

_COLUMNS = ("Chrom", "Pos", "Ref", "Alt", "Barcodes", "Coefficient", "Element", "Release")


def examples() -> Examples:
    """Return the variants of all experiments, downloading the table unless it is cached."""
    return read_examples(fetch(URL, sha256=SHA256, name="elements.tsv.gz"))


def by_element() -> Examples:
    """Return the same variants with whole elements as the clusters: those of one element share its sequence."""
    every = examples()
    return replace(every, clusters=every.groups)


def read_examples(path: Path) -> Examples:
    """Return substitutions and one-base deletions seen with 10 barcodes or more, experiment by experiment.

    REF is the whole element on the plus strand of GRCh38, assembled from the reference bases of its variants; a
    position without a variant is N.
    """
    columns = read_columns(str(path)).to_pydict()
    for name in _COLUMNS:
        require_column(columns, name, str(path))
    table = list(zip(*(columns[name] for name in _COLUMNS), strict=True))
    rows: dict[str, list[tuple[int, str, str, int, float]]] = {}
    chroms: dict[str, str] = {}
    for number, (chrom, pos, ref, alt, barcodes, effect, experiment, release) in enumerate(table, 2):
        if release != RELEASE or pos == "NA":  # 11 changes of two experiments have neither a place nor bases
            continue
        try:
            rows.setdefault(experiment, []).append((int(pos) - 1, ref, alt, int(barcodes), float(effect)))
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}") from None
        if (
            len(ref) != 1
            or ref not in "ACGT"
            or alt not in ("A", "C", "G", "T", "-")
            or not math.isfinite(float(effect))
        ):
            raise DataError(f"{path}: line {number}: {ref!r} to {alt!r} is not a change of one base with an effect")
        chroms[experiment] = f"chr{chrom}"
    if not rows:
        raise DataError(f"{path}: no variants of release {RELEASE}")
    advance = activity("building saturation mutagenesis variants", len(rows))
    ids: list[str] = []
    ref_windows: list[str] = []
    alt_windows: list[str] = []
    variants_kept: list[tuple[str, str, int, float, int, int]] = []
    for experiment, variants in rows.items():
        start, sequence = _rebuild(variants, f"{path}: {experiment}")
        for at, ref, alt, barcodes, effect in variants:
            if barcodes < MIN_BARCODES:
                continue
            ids.append(f"{experiment}:{chroms[experiment]}:{at + 1}:{ref}>{alt}")
            ref_windows.append(sequence)
            alt_windows.append(sequence[: at - start] + alt.replace("-", "") + sequence[at - start + 1 :])
            variants_kept.append(
                (experiment, "deletion" if alt == "-" else "snv", at, effect, start, start + len(sequence))
            )
        advance(1)
    log.info("%s: %d of %d variants kept", path, len(variants_kept), sum(map(len, rows.values())))
    experiments, kinds, positions, effects, starts, ends = zip(*variants_kept, strict=True)
    elements = [_ELEMENT.get(name, name) for name in experiments]
    return Examples(
        ids=strings(ids),
        inputs=Inputs(strings(ref_windows), strings(alt_windows), first_changes(ref_windows, alt_windows, str(path))),
        targets=np.array(effects, np.float64),
        groups=strings(elements),
        clusters=strings([f"{element}:{at + 1}" for element, at in zip(elements, positions, strict=True)]),
        strata={"element": strings(experiments), "type": strings(kinds)},
        intervals=Intervals(
            strings([chroms[name] for name in experiments]),
            np.array(starts, np.int64),
            np.array(ends, np.int64),
            strings(["+"] * len(ids)),
        ),
    )


def _rebuild(variants: Sequence[tuple[int, str, str, int, float]], where: str) -> tuple[int, str]:
    """Return where the element starts (0-based) and its sequence. Raises DataError where it cannot be assembled."""
    bases: dict[int, str] = {}
    for at, ref, *_ in variants:
        if bases.setdefault(at, ref) != ref:
            raise DataError(f"{where}: position {at + 1} has reference {bases[at]} and {ref}")
    start, end = min(bases), max(bases) + 1
    missing = end - start - len(bases)
    if missing > 1:
        raise DataError(f"{where}: {missing} of {end - start} positions have no variant, so the element is not known")
    return start, "".join(bases.get(at, "N") for at in range(start, end))


_ABOUT = (
    "The effect of single-base substitutions and deletions on the activity of 21 human promoters and enhancers in "
    "29 reporter-assay experiments: log2 of the change in expression (the coefficient of the authors' linear model), "
    "for variants seen with 10 barcodes or more. REF is the whole element of 187 to 601 bp on the plus strand of "
    "GRCh38, put together from the table (one base of TCF7L2 that it lacks is N); ALT of a deletion is one base "
    "shorter. A score is right where it is higher for what is more active, experiment by experiment."
)
_POSITIONS = "Clusters are the positions of an element, shared by its experiments."
_UNTRAINED = "Every element is tested, so there is nothing to train on."
_CITATION = "Kircher et al. 2019, Nat Commun 10:3583"
_LICENCE = (
    "repository kircherlab/MPRA_SaturationMutagenesis: GPL-3.0; fetched from there, or read from BASERATE_DATA_DIR"
)


@task
def kircher_satmut() -> Task:
    """Return the card of the task without training."""
    return Task(
        name="kircher_satmut",
        version=2,
        kind="regression",
        variants=True,
        deleterious=False,
        metrics=("spearman:element=*", "pearson:element=*", "spearman:type=snv", "spearman:type=deletion"),
        source=by_element,
        split=by_group(test=1.0),
        description=f"{_ABOUT} Clusters are the elements. {_UNTRAINED}",
        split_rule="every variant is in test; there is no train and no valid",
        citation=_CITATION,
        licence=_LICENCE,
        species=("Homo sapiens",),
        assembly=("GRCh38",),
        sizes={"train": 0, "valid": 0, "test": 41_724},
        unit="element",
        small=Subset(train=0, valid=0, test=2_900, balance="element"),
    )


@task
def kircher_satmut_1() -> Task:
    """Return the card of version 1, whose intervals were about other positions of these elements."""
    return replace(
        kircher_satmut(),
        version=1,
        source=examples,
        description=f"{_ABOUT} {_POSITIONS} {_UNTRAINED}",
        unit="position",
        fixed="the elements",
        superseded_by="kircher_satmut@2",
    )


@task
def kircher_satmut_elements() -> Task:
    """Return the card of the task with training on other elements."""
    return Task(
        name="kircher_satmut_elements",
        version=1,
        kind="regression",
        variants=True,
        deleterious=False,
        metrics=("spearman:element=*", "pearson:element=*", "spearman:type=snv", "spearman:type=deletion"),
        source=examples,
        split=by_group(test=("F9", "HBB", "HBG1", "IRF6", "LDLR", "SORT1"), valid=("GP1BA", "PKLR", "ZFAND3")),
        description=f"{_ABOUT} {_POSITIONS} Trained and tested on different elements.",
        split_rule="test: F9, HBB, HBG1 and LDLR (promoters), IRF6 and SORT1 (enhancers); valid: GP1BA, PKLR and "
        "ZFAND3; train: the other 12 elements. All experiments of an element are in one part, as are the related HBB "
        "and HBG1",
        citation=_CITATION,
        licence=_LICENCE,
        species=("Homo sapiens",),
        assembly=("GRCh38",),
        sizes={"train": 23_745, "valid": 6_168, "test": 11_811},
        unit="position",
        fixed="the six elements, too few to be a sample",
        small=Subset(train=1_500, valid=500, test=1_000, balance="element"),
    )
