"""Insertions and deletions in promoters that are causal eQTLs, or surely not: LOL-EVE's benchmark.

The file has every indel with its fine-mapping probability (PIP) and the promoter with and without it. Indels with a PIP
up to .01 or from .99 are kept, unless they are in repeats in which sequencing slips.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from baserate.digests import digest
from baserate.dna.sequence import check_sequence
from baserate.errors import DataError
from baserate.registry import task
from baserate.sources.sequences import package_file
from baserate.sources.tables import first_changes, require_column
from baserate.splits import by_group
from baserate.types import Examples, Inputs, Task, strings

FILE = "hub:Marks-lab/LOL-EVE-eQTL_benchmark@main/dataset/data-00000-of-00001.arrow"
LOW, HIGH = 0.01, 0.99
"""PIP up to which a variant is not causal, and from which it is."""
SLIPPAGE = 100.0
"""The slippage score above which a variant is left out."""
_AROUND = 10
_WEIGHTS = {2: 0.8, 3: 0.6, 4: 0.5}
_COLUMNS = ("pip", "wt_sequence", "var_sequence", "position", "wt_sequence_start", "variant_type")


def read_indels(reference: str) -> Examples:
    """Return the indels with a certain label. Raises DataError, naming the row, for a table of another kind."""
    import pyarrow as pa

    path = package_file(reference)
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not an Arrow stream ({str(error).splitlines()[0]})") from error
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in _COLUMNS:
        require_column(columns, name, str(path))
    rows = []
    for row in range(len(table)):
        at = int(columns["position"][row]) - int(columns["wt_sequence_start"][row])
        wild = columns["wt_sequence"][row].upper()
        sure = columns["pip"][row] <= LOW or columns["pip"][row] >= HIGH
        indel = columns["variant_type"][row].lower() in ("insertion", "deletion")
        inside = 0 <= at < len(wild)
        if sure and indel and not (inside and slippage(wild[max(0, at - _AROUND) : at + _AROUND]) > SLIPPAGE):
            rows.append(row)
    if not rows:
        raise DataError(f"{path}: no insertion or deletion with a PIP up to {LOW} or from {HIGH}")
    refs, alts = (
        strings([check_sequence(columns[name][row], f"{path}: row {row + 1}: {name!r}") for row in rows])
        for name in ("wt_sequence", "var_sequence")
    )
    same = strings([digest(ref) for ref in refs])
    return Examples(
        ids=strings([str(row + 1) for row in rows]),
        inputs=Inputs(refs, alts, first_changes(refs, alts, str(path))),
        targets=np.array([int(columns["pip"][row] >= HIGH) for row in rows], np.int64),
        groups=same,
        clusters=same,
        strata={"variant_type": strings([columns["variant_type"][row].lower() for row in rows])},
    )


def slippage(region: str) -> float:
    """Return the slippage score of a stretch of DNA, from its repeats of 1 to 4 bp with three copies or more.

    A run of one base counts its length squared; n copies of a longer unit of k bp count (n k)^1.5 times .8, .6 or .5
    for k = 2, 3, 4, from every base at which they begin, as in the authors' notebook.
    """
    score = float(sum(len(run.group()) ** 2 for run in re.finditer(r"(.)\1{2,}", region)))
    for size, weight in _WEIGHTS.items():
        for start in range(len(region) - size):
            unit, copies = region[start : start + size], 1
            while region[start + copies * size : start + (copies + 1) * size] == unit:
                copies += 1
            if copies >= 3:
                score += weight * (copies * size) ** 1.5
    return score


@task
def lol_eve_causal_eqtl() -> Task:
    """Return the card; the data are read when the source is called."""
    rule = by_group(test=1.0)
    return Task(
        name="lol_eve.causal_eqtl",
        version=1,
        kind="classification",
        metrics=("auroc", "auprc"),
        source=functools.partial(read_indels, FILE),
        split=rule,
        description="Indels in human promoters, zero-shot: is it a causal eQTL (PIP from .99) or not (up to .01)?",
        split_rule="every variant is in test; there is no train and no valid",
        citation="Shearer et al. 2025, MLCB (LOL-EVE)",
        licence="MIT",
        species=("Homo sapiens",),
        assembly=("GRCh38",),
        sizes={"train": 0, "valid": 0},
        classes=("not causal", "causal"),
        variants=True,
        deleterious=True,
        unit="promoter",
        files=(FILE,),
        origin="Marks-lab/LOL-EVE-eQTL_benchmark at main",
        loaded="a few rows in its layout",
    )
