"""Two large reporter libraries: ribosome load of random 5' UTRs, expression from random yeast promoters.

Their files were not available when this was written: the layouts are as published and as others read them. The split of
the 5' UTRs, 260,000 and 20,000 by `total_reads`, is that of the authors' own notebook.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from baserate.dna.sequence import check_sequence
from baserate.errors import DataError
from baserate.registry import task
from baserate.sources.sequences import package_file
from baserate.sources.tables import parse_targets, read_columns, require_column
from baserate.splits import predefined, with_valid
from baserate.types import Examples, FloatArray, Inputs, Subset, Task, strings

UTRS = "data:GSM3130435_egfp_unmod_1.csv.gz"
PROMOTERS = "data:complex_media_training_data_Glu.txt"
PROMOTERS_TEST = "data:Random_testdata_complex_media.txt"
MOST_READ, UTRS_TEST = 280_000, 20_000
EVERY = 100
LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
"""The constant ends of the promoters, which every sequence of the files has."""

_SPLIT = with_valid(predefined("part"), 0.1)


def utrs() -> Examples:
    """Return the most-read 5' UTRs with their mean ribosome load; the 20,000 with most reads are test."""
    table = read_columns(UTRS)
    reads = next((name for name in ("total_reads", "total") if name in table.column_names), "total_reads")
    for name in ("utr", "rl", reads):
        require_column(table.column_names, name, UTRS)
    counts, load = (
        parse_targets(table[name], kind="regression", classes=(), reference=UTRS, column=name) for name in (reads, "rl")
    )
    most_read = np.argsort(-counts, kind="stable")[:MOST_READ]
    if len(most_read) <= UTRS_TEST:
        raise DataError(
            f"{UTRS}: {len(most_read):,} rows, of which the {UTRS_TEST:,} with most reads are test; none left for train"
        )
    sequences = table["utr"].to_pylist()
    dna = [check_sequence(sequences[i].replace("U", "T"), f"{UTRS}: row {i + 1}: column 'utr'") for i in most_read]
    return _labelled(dna, load[most_read], ["test"] * UTRS_TEST + ["train"] * (len(most_read) - UTRS_TEST))


def promoters() -> Examples:
    """Return the random promoters without their constant ends: every hundredth of the training file, all of test."""
    sequences: list[str] = []
    values: list[str] = []
    parts: list[str] = []
    for reference, part, every in ((PROMOTERS, "train", EVERY), (PROMOTERS_TEST, "test", 1)):
        path = package_file(reference)
        with path.open(encoding="utf-8", errors="replace") as lines:
            for row, line in enumerate(islice(lines, 0, None, every)):
                sequence, tab, value = line.rstrip("\n").partition("\t")
                where = f"{reference}: row {row * every + 1}"
                if not tab:
                    raise DataError(f"{where}: expected a sequence, a tab and a number")
                dna = check_sequence(sequence, where)
                if dna.startswith(LEFT) and dna.endswith(RIGHT):
                    dna = dna[len(LEFT) : len(dna) - len(RIGHT)]
                sequences.append(dna)
                values.append(value.strip())
                parts.append(part)
    targets = parse_targets(values, kind="regression", classes=(), reference=PROMOTERS, column="expression")
    return _labelled(sequences, targets, parts)


def _labelled(dna: list[str], targets: FloatArray, parts: list[str]) -> Examples:
    ids = strings([f"{part}{i}" for i, part in enumerate(parts)])
    sequences = strings(dna)
    groups = strings([f"{part}:{s}" for part, s in zip(parts, dna, strict=True)])
    return Examples(ids, Inputs(sequences), targets, groups, groups, {"part": strings(parts)})


@task
def mrl() -> Task:
    """Return the card of the 5' UTRs."""
    return Task(
        name="mave.mrl",
        version=1,
        kind="regression",
        metrics=("pearson", "spearman", "r2"),
        published="r2",
        source=utrs,
        split=_SPLIT,
        description="The mean ribosome load of eGFP mRNA behind 50 random nucleotides of 5' UTR in HEK293T cells. Of "
        "the 280,000 that were read most the first 20,000 are test, as the authors have it: they are measured best.",
        split_rule=repr(_SPLIT),
        citation="Sample et al. 2019, Nat Biotechnol 37:803 (GEO GSE114002)",
        licence="not stated by the source",
        species=("synthetic construct",),
        assembly=("none: a library",),
        sizes={"test": UTRS_TEST},
        origin="GEO GSM3130435, GSM3130435_egfp_unmod_1.csv.gz; split as in pjsample/human_5utr_modeling at a8d3201, "
        "training_MRL_CNN",
        loaded="a few rows in its layout",
        files=(UTRS,),
        unit="distinct sequence",
        fixed="the library",
        small=Subset(2000, 500, 1000),
    )


@task
def yeast_promoters() -> Task:
    """Return the card of the yeast promoters."""
    return Task(
        name="mave.yeast_promoters",
        version=1,
        kind="regression",
        metrics=("pearson", "spearman", "r2"),
        published="pearson",
        source=promoters,
        split=_SPLIT,
        description="Expression of a reporter in yeast in complex medium from 80 random bases within a promoter, "
        "without the promoter's constant ends. Train is every hundredth of the authors' 30 million, test their test.",
        split_rule=repr(_SPLIT),
        citation="Vaishnav et al. 2022, Nature 603:455",
        licence="not stated by the source",
        species=("synthetic construct",),
        assembly=("none: a library",),
        sizes={},
        origin="Zenodo record 4436477, complex_media_training_data_Glu.txt and Random_testdata_complex_media.txt",
        loaded="a few rows in its layout",
        files=(PROMOTERS, PROMOTERS_TEST),
        unit="distinct sequence",
        fixed="the library",
        small=Subset(2000, 500, 1000),
    )
