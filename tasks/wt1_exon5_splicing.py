"""The effect of substitutions on the inclusion of WT1 exon 5, measured in ten versions of the exon."""

from __future__ import annotations

import importlib
import logging
import math
import zipfile
from collections import Counter
from typing import Any

import numpy as np

from baserate.dna.sequence import check_sequence
from baserate.errors import DataError, MissingExtra
from baserate.registry import task
from baserate.sources.sequences import package_file
from baserate.splits import by_stratum
from baserate.types import Examples, Inputs, Subset, Task, strings

log = logging.getLogger(__name__)

TABLE = "frame-alignment-checks:frame_alignment_checks/data/saturation_mutagenesis_Supplemental_Table_S2.xlsx"


def examples() -> Examples:
    """Return every measured variant whose sequence is in one background only, with that background's wild type."""
    rows = _rows()
    wild = {background: (sequence, index) for background, position, sequence, index, _ in rows if position == 0}
    shared = {s for s, n in Counter(sequence for _, _, sequence, _, _ in rows).items() if n > 1}
    unique_rows = [row for row in rows if row[1] != 0 and row[2] not in shared]
    dropped = len(rows) - len(wild) - len(unique_rows)
    log.info("%s: %d variants left out: their sequence occurs in more than one background", TABLE, dropped)
    ref = [wild[background][0] for background, *_ in unique_rows]
    alt = [sequence for _, _, sequence, _, _ in unique_rows]
    changed = [[i for i in range(len(r)) if r[i] != a[i]] for r, a in zip(ref, alt, strict=True)]
    backgrounds = strings([row[0] for row in unique_rows])
    ids = [
        f"{name}:" + "+".join(f"{r[i]}{i}{a[i]}" for i in at)
        for name, r, a, at in zip(backgrounds, ref, alt, changed, strict=True)
    ]
    return Examples(
        ids=strings(ids),
        inputs=Inputs(strings(ref), strings(alt), np.array([at[0] for at in changed], np.int64)),
        targets=np.array([math.log2(index / wild[background][1]) for background, _, _, index, _ in unique_rows]),
        groups=backgrounds,
        clusters=strings([f"position {position}" for _, position, *_ in unique_rows]),
        strata={"background": backgrounds, "substitutions": strings([str(len(at)) for at in changed])},
    )


@task
def wt1_exon5_splicing() -> Task:
    """Return the task's card."""
    return Task(
        name="wt1_exon5_splicing",
        version=1,
        kind="regression",
        variants=True,
        deleterious=False,
        metrics=("spearman:background=*", "pearson:background=*", "spearman", "pearson"),
        source=examples,
        split=by_stratum("background", test=("G", "H", "I", "J"), valid=("E", "F")),
        description="The effect of one or two adjacent substitutions on the inclusion of WT1 exon 5 in a minigene: "
        "log2 of the enrichment index of the ALT exon over that of its background's wild type (REF). 90 "
        "bp: the exon of 51 with 23 before and 16 after. The ten backgrounds A to J differ in exon "
        "positions 5 to 10 alone and carry the same substitutions, so a trained model has seen each test "
        "substitution in other backgrounds, a zero-shot one has not. Sequences that occur in two "
        "backgrounds are left out. Clusters are the mutated positions, shared by the backgrounds.",
        split_rule="train: backgrounds A to D; valid: E and F; test: G to J",
        citation="Ke et al. 2018, Genome Res 28:11 (Supplemental Table S2), as packaged in "
        "frame-alignment-checks 0.0.74",
        licence="supplement of a Genome Research article (CC BY-NC 4.0 after six months); see the package",
        species=("Homo sapiens",),
        assembly=("synthetic minigene (WT1 exon 5)",),
        sizes={"train": 2_194, "valid": 1_100, "test": 2_204},
        files=(TABLE,),
        requires="data",
        unit="position of the exon",
        fixed="the exon and its ten backgrounds",
        small=Subset(train=1000, valid=400, test=1000, balance="background"),
    )


def _rows() -> list[tuple[str, int, str, float, str]]:
    """Return (background, mutated exon position or 0 for the wild type, sequence, enrichment index, changes)."""
    path = package_file(TABLE)
    try:
        openpyxl: Any = importlib.import_module("openpyxl")
    except ImportError as error:
        raise MissingExtra('wt1_exon5_splicing needs openpyxl: `pip install "baserate[data]"`') from error
    rows: list[tuple[str, int, str, float, str]] = []
    missing = 0
    try:
        book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0].iter_rows(min_row=3, max_col=13, values_only=True)
        for number, row in enumerate(sheet, 3):
            if row[0] is None:
                continue
            background, position, sequence, index, changes = row[1], row[2], row[3], row[4], row[12]
            if not isinstance(index, int | float) or not index > 0:
                missing += 1
                continue
            sequence = check_sequence(str(sequence), f"{path}: row {number}")
            rows.append((str(background), int(position), sequence, float(index), str(changes)))
    except (zipfile.BadZipFile, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not the table of variants expected ({error}); reinstall the package") from error
    log.info("%s: %d rows left out: no measurement", TABLE, missing)
    return rows
