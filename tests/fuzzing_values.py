"""What data that authors ship are made of: sequences, labels, columns, and their text."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Shipped:
    """Files by their path, and the arguments after `baserate new task`: files first, then options."""

    files: dict[str, bytes]
    names: list[str]
    options: list[str] = field(default_factory=list)


Layout = Callable[[random.Random], Shipped]
LAYOUTS: list[Layout] = []

CLASSES = (("0", "1"), ("neg", "pos"), ("inactive", "active"), ("benign", "pathogenic"), ("rRNA", "tRNA", "mRNA"),
           ("Promoter", "promoter", "other"), ("True", "False"), ("strong", "weak"), ("A", "C", "G", "T"), ("-1", "1"),
           ("yes", "no"), ("\u03b1", "\u03b2"), ("class, one", 'class "two"'), ("1.0", "2.0"))  # fmt: skip
NAMES = ("seq", "sequence", "dna", "x", "text", "Sequence", "promoter seq", "SEQ-1", "s\u00e9q", "seq#", "a.b")
TARGETS = ("label", "y", "class", "target", "activity", "score", "phenotype", "log2FC", "label'", "is_bound")
MISSING = ("", "NA", "NaN", "nan", "inf", "-Inf", "null", "None", ".", "N/A", "?", "-")


def layout(make: Layout) -> Layout:
    """Add a layout to those that are drawn."""
    LAYOUTS.append(make)
    return make


def dna(pick: random.Random, low: int = 20, high: int = 0) -> str:
    """Return random DNA of `low` to `high` bases."""
    return "".join(pick.choices("ACGT", k=pick.randint(low, max(low, high))))


def related(pick: random.Random, n: int, length: int) -> list[str]:
    """Return sequences in a few families, large and small, of which some are equal."""
    parents = [dna(pick, length) for _ in range(pick.choice([1, 2, 5, n]))]
    out = []
    for _ in range(n):
        letters = list(pick.choice(parents))
        for _ in range(pick.choice([0, 1, 2, length // 5])):
            letters[pick.randrange(length)] = pick.choice("ACGT")
        out.append("".join(letters))
    return out


def sequences(pick: random.Random, n: int) -> list[str]:
    """Return sequences that are unrelated, related, of odd lengths or odd letters."""
    how = pick.choice(["plain"] * 7 + ["related", "related", "lengths", "letters", "short"])
    if how == "related":
        return related(pick, n, pick.choice([30, 60, 120]))
    if how == "lengths":
        return [dna(pick, 10, pick.choice([40, 400])) for _ in range(n)]
    out = [dna(pick, pick.choice([20, 40, 81]) if how != "short" else 8) for _ in range(n)]
    if how == "letters":
        odd = pick.choice(["N" * 10, "n", "acgt", "R", "-", " ", "*", "U", "X", "\u0410"])
        for i in pick.sample(range(n), min(n, pick.choice([1, 2, n]))):
            out[i] = odd + out[i][len(odd) :]
    return out


def size(pick: random.Random) -> int:
    """Return a number of rows, seldom very few."""
    return pick.choice([40, 40, 60, 60, 90, 60, 40, 24, 24, pick.choice([12, 6, 3, 1])])


def labels(pick: random.Random, n: int) -> list[str]:
    """Return labels: of classes, of classes of which one is rare, numbers, or several labels a row."""
    how = pick.choice(["even"] * 8 + ["rare", "sorted", "numbers", "counts", "several", "one"])
    names = pick.choice(CLASSES)
    if how == "numbers":
        digits = pick.choice([0, 1, 3, 6])
        return [f"{pick.gauss(0, pick.choice([1, 100])):.{digits}f}" for _ in range(n)]
    if how == "counts":
        return [str(int(pick.lognormvariate(1, 2))) for _ in range(n)]
    if how == "several":
        joint = pick.choice([";", ",", "|", ", "])
        return [joint.join(pick.sample(("nucleus", "cytosol", "membrane"), pick.randint(0, 3))) for _ in range(n)]
    if how == "one":
        return [names[0]] * n
    out = [pick.choice(names) for _ in range(n)] if how == "even" else [names[0]] * n
    if how == "rare":
        for i in pick.sample(range(n), min(n, pick.randint(1, 4))):
            out[i] = names[-1]
    if how == "sorted":
        out = sorted(pick.choice(names) for _ in range(n))
    return out


def more(pick: random.Random, n: int) -> dict[str, list[str]]:
    """Return columns beside sequence and target: ids, groups, chromosomes, measurements, parts."""
    out: dict[str, list[str]] = {}
    if pick.random() < 0.4:
        out[pick.choice(["id", "name", "gene", ""])] = [f"r{i}" for i in range(n)]
    if pick.random() < 0.3:
        of = pick.choice([2, 5, 20])
        out[pick.choice(["gene_id", "family", "chrom", "chromosome", "group"])] = [f"chr{i % of}" for i in range(n)]
    if pick.random() < 0.1:
        out[pick.choice(["gc", "signal", "rep2", "weight"])] = [f"{pick.random():.3f}" for _ in range(n)]
    if pick.random() < 0.3:
        out |= parts(pick, n)
    return out


def parts(pick: random.Random, n: int) -> dict[str, list[str]]:
    """Return a column that says the part of each row, under any name."""
    words = pick.choice([("train", "test"), ("train", "valid", "test"), ("Training", "Testing"), ("TRUE", "FALSE"),
                         ("0", "1"), ("tr", "va", "te"), ("train", "dev", "test"), ("train", "train", "valid"),
                         ("training", "validation", "test", "")])  # fmt: skip
    name = pick.choice(["split", "set", "part", "fold", "is_test", "test", "partition", "Split", "x1"])
    return {name: [pick.choice(words) for _ in range(n)]}


def columns(pick: random.Random, n: int = 0) -> dict[str, list[str]]:
    """Return a table by columns, in any order."""
    n = n or size(pick)
    table = {pick.choice(NAMES): sequences(pick, n), pick.choice(TARGETS): labels(pick, n), **more(pick, n)}
    return {name: table[name] for name in pick.sample(list(table), len(table))}


def written(table: Mapping[str, Sequence[Any]], separator: str = ",", *, header: bool = True) -> bytes:
    """Return the text of a table; fields are quoted where a CSV writer would."""
    import csv

    text = io.StringIO()
    out = csv.writer(text, delimiter=separator, lineterminator="\n")
    out.writerows([list(table)] * header + [list(row) for row in zip(*table.values(), strict=True)])
    return text.getvalue().encode()


def fasta(rows: Sequence[tuple[str, str]], width: int = 60) -> bytes:
    """Return FASTA of headers and sequences."""
    return "".join(
        f">{h}\n" + "".join(f"{s[i : i + width]}\n" for i in range(0, len(s), width)) for h, s in rows
    ).encode()


def any_file(pick: random.Random, stem: str, n: int) -> tuple[str, bytes]:
    """Return sequences alone, without labels, in one of three formats."""
    rows = sequences(pick, n)
    suffix = pick.choice([".fa", ".fasta", ".csv", ".tsv"])
    if suffix.startswith(".f"):
        return stem + suffix, fasta([(f"r{i}", s) for i, s in enumerate(rows)])
    return stem + suffix, written({"sequence": rows}, "," if suffix == ".csv" else "\t")
