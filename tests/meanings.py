"""Data in the layouts that authors ship, drawn at random, whose meaning is known."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from baserate.new_task import Choices

Rng = np.random.Generator

_SEQUENCE = ("sequence", "seq", "dna", "Sequence", "promoter_seq", "x", "oligo", "text")
_TARGET = ("label", "y", "target", "class", "activity", "expression", "phenotype", "log2fc", "score", "bound", "Label")
_CLASSES = (
    ("0", "1"),
    ("neg", "pos"),
    ("inactive", "active"),
    ("benign", "pathogenic"),
    ("rRNA", "tRNA"),
    ("exon", "intron", "intergenic"),
    ("A", "B", "C", "D"),
    ("True", "False"),
    ("weak", "strong"),
)
_PART = ("split", "set", "part", "fold", "is_test", "partition")
_WORDS = (("train", "test"), ("Training", "Testing"), ("tr", "te"), ("train set", "test set"))
_PAIRS = (("ref", "alt"), ("RefAllele", "AltAllele"), ("WT_SEQ", "MUT_SEQ"), ("wildtype", "variant"), ("seq1", "seq2"))
WIDTH = 512
"""The bases around a variant of a VCF, as `new task` has them by default."""


@dataclass
class Known:
    """A table by columns, and what it means: the target of each input, and its part where the table says one.

    An input is a sequence, or REF and ALT joined by '>'. `sequence`, `target` and `part` name columns.
    """

    columns: dict[str, list[Any]]
    kind: str
    targets: dict[str, Any]
    sequence: str
    target: str
    part: str = ""
    parts: dict[str, str] = field(default_factory=dict)


_NONE = Choices()


@dataclass(frozen=True)
class Given:
    """The arguments of `new_task`."""

    files: list[str]
    choices: Choices = _NONE


def dna(rng: Rng, length: int) -> str:
    return "".join(rng.choice(list("ACGT"), length))


def drawn(rng: Rng) -> Known:
    """Return a table that authors might ship."""
    n = int(rng.integers(60, 120))
    length = int(rng.choice([40, 81, 120, 200]))
    sequences = [dna(rng, length) for _ in range(n)]
    kind = str(rng.choice(["classification", "classification", "regression", "multilabel"]))
    if kind == "classification":
        names = _CLASSES[int(rng.integers(len(_CLASSES)))]
        values: list[Any] = [names[i % len(names)] for i in rng.permutation(n)]
        targets: list[Any] = values
    elif kind == "regression":
        scale = float(rng.choice([1, 100, 0.001]))
        values = targets = [round(float(v) * scale, 6) for v in rng.normal(size=n)]
    else:
        words = ["nucleus", "cytoplasm", "membrane"]
        chosen = [[w for w, bit in zip(words, rng.random(3) < 0.5, strict=True) if bit] for _ in range(n)]
        values, targets = [";".join(c) for c in chosen], [frozenset(c) for c in chosen]
    sequence, target = str(rng.choice(_SEQUENCE)), str(rng.choice(_TARGET))
    columns: dict[str, list[Any]] = {sequence: sequences, target: values}
    if rng.random() < 0.5:
        columns[str(rng.choice(["id", "name", "uid"]))] = [f"r{i}" for i in range(n)]
    if rng.random() < 0.4:
        columns[str(rng.choice(["gene", "chrom", "species", "length"]))] = (
            [f"chr{1 + i % 5}" for i in range(n)] if rng.random() < 0.5 else [f"g{i // 2}" for i in range(n)]
        )
    if rng.random() < 0.3:
        columns[str(rng.choice(["gc", "score2", "signal", "replicate"]))] = [round(float(v), 3) for v in rng.random(n)]
    if rng.random() < 0.2:
        columns[str(rng.choice(["utr", "mutant", "barcode", "seq2"]))] = [dna(rng, 30) for _ in range(n)]
    known = Known(columns, kind, dict(zip(sequences, targets, strict=True)), sequence, target)
    if rng.random() < 0.4:
        known.part = str(rng.choice(_PART))
        parts = ["test" if i % 4 == 0 else "train" for i in range(n)]
        words = _WORDS[int(rng.integers(len(_WORDS)))]
        flags = known.part == "is_test"
        columns[known.part] = [str(p == "test") if flags else words[p == "test"] for p in parts]
        known.parts = dict(zip(sequences, parts, strict=True))
    order = list(columns)
    rng.shuffle(order)
    known.columns = {name: columns[name] for name in order}
    return known


def _text(columns: dict[str, list[Any]], separator: str, *, header: bool = True) -> str:
    rows = [list(columns)] * header + [list(row) for row in zip(*columns.values(), strict=True)]
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def table(known: Known, rng: Rng) -> Given:
    """One file, packed or not."""
    suffix = str(rng.choice([".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".xlsx", ".gz", ".xz", ".zip"]))
    name = f"table{suffix}" if suffix not in (".gz", ".xz", ".zip") else f"table.csv{suffix}"
    path, rows = (
        Path(name),
        [dict(zip(known.columns, row, strict=True)) for row in zip(*known.columns.values(), strict=True)],
    )
    text = _text(known.columns, "," if ".csv" in name else "\t")
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(known.columns), path)
    elif suffix == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for row in [list(known.columns), *(list(row.values()) for row in rows)]:
            book.active.append(row)
        book.save(path)
    elif suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", text)
    else:
        pack = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}.get(suffix, bytes)
        path.write_bytes(pack(text.encode()))
    return Given([name])


def without_header(known: Known, rng: Rng) -> Given:
    """A table whose columns the user names."""
    Path("t.tsv").write_text(_text(known.columns, "\t", header=False))
    return Given(["t.tsv"], Choices(columns=list(known.columns)))


def spaced_kmers(known: Known, rng: Rng) -> Given:
    """Overlapping k-mers between blanks, as for DNABERT."""
    k = int(rng.choice([3, 5, 6]))
    words = [" ".join(s[i : i + k] for i in range(len(s) - k + 1)) for s in known.columns[known.sequence]]
    Path("t.tsv").write_text(_text(known.columns | {known.sequence: words}, "\t"))
    return Given(["t.tsv"])


def rna(known: Known, rng: Rng) -> Given:
    """RNA, of which every U is a T."""
    letters = [s.replace("T", "U") for s in known.columns[known.sequence]]
    Path("t.csv").write_text(_text(known.columns | {known.sequence: letters}, ","))
    return Given(["t.csv"])


def fasta(known: Known, rng: Rng) -> Given:
    """FASTA whose headers have the label, and the part where there is one; what else the table has is left out."""
    form = str(rng.choice([">{i}|{y}{p}", ">{i} label={y}{q}"]))
    words, width = ("training", "testing"), int(rng.choice([60, 7, 1000]))
    text = ""
    for i, (s, y) in enumerate(zip(known.columns[known.sequence], known.columns[known.target], strict=True)):
        part = words[known.parts[s] == "test"] if known.parts else ""
        text += form.format(i=f"r{i}", y=y, p=f"|{part}" * bool(part), q=f" part={part}" * bool(part)) + "\n"
        text += "".join(f"{s[j : j + width]}\n" for j in range(0, len(s), width))
    Path("t.fa").write_bytes(text.replace("\n", str(rng.choice(["\n", "\r\n", "\r"]))).encode())
    return Given(["t.fa"])


def file_for_each_part(known: Known, rng: Rng) -> Given:
    """A file of train and one of test."""
    names = [("train", "test"), ("x_train", "x_test"), ("my-train-set", "my-test-set")][int(rng.integers(3))]
    if not known.parts:
        known.parts = {s: "test" if i % 4 == 0 else "train" for i, s in enumerate(known.targets)}
    columns = {name: values for name, values in known.columns.items() if name != known.part}
    sequences, files = known.columns[known.sequence], []
    folder = bool(rng.random() < 0.5)
    Path("set").mkdir()
    for name, part in zip(names, ("train", "test"), strict=True):
        rows = [i for i, s in enumerate(sequences) if known.parts[s] == part]
        files.append(f"set/{name}.csv")
        Path(files[-1]).write_text(_text({c: [v[i] for i in rows] for c, v in columns.items()}, ","))
    return Given(["set"] if folder else files)


def file_for_each_class(known: Known, rng: Rng) -> Given:
    """FASTA files, or a folder of them, that are named after their class; what else the table has is left out."""
    known.parts = {}
    folder = bool(rng.random() < 0.5)
    Path("set").mkdir()
    for name in dict.fromkeys(known.columns[known.target]):
        rows = [s for s, y in known.targets.items() if y == name]
        Path(f"set/{name}.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(rows)))
    return Given(["set"] if folder else sorted(map(str, Path("set").iterdir())))


def alleles(known: Known, rng: Rng) -> Given:
    """REF and ALT in two columns, under usual names or named by the user."""
    names = _PAIRS[int(rng.integers(len(_PAIRS)))]
    refs = known.columns[known.sequence]
    alts = [s[: len(s) // 2] + ("C" if s[len(s) // 2] != "C" else "G") + s[len(s) // 2 + 1 :] for s in refs]
    columns = {names[0]: refs, names[1]: alts, known.target: known.columns[known.target]}
    if known.part:
        columns[known.part] = known.columns[known.part]
    joined = {r: f"{r}>{a}" for r, a in zip(refs, alts, strict=True)}
    known.targets = {joined[r]: y for r, y in known.targets.items()}
    known.parts = {joined[r]: p for r, p in known.parts.items()}
    Path("t.csv").write_text(_text(columns, ","))
    return Given(["t.csv"], Choices(reference=names[0], alternate=names[1]) if rng.random() < 0.3 else Choices())


def _genome(rng: Rng) -> dict[str, str]:
    contigs = {f"chr{i}": dna(rng, 30_000) for i in range(1, 6)}
    Path("g.fa").write_text("".join(f">{name}\n{s}\n" for name, s in contigs.items()))
    return contigs


def bed(known: Known, rng: Rng) -> Given:
    """Intervals with labels in column 4, on both strands."""
    contigs, known.parts, known.targets, lines = _genome(rng), {}, {}, []
    turn = str.maketrans("ACGT", "TGCA")
    for i, y in enumerate(known.columns[known.target]):
        name, start, strand = f"chr{1 + i % 5}", 150 * (i + 1), "+-."[int(rng.integers(3))]
        s = contigs[name][start : start + 100]
        lines.append(f"{name}\t{start}\t{start + 100}\t{y}\t{int(rng.integers(1000))}\t{strand}\n")
        known.targets[s.translate(turn)[::-1] if strand == "-" else s] = y
    Path("t.bed").write_text("".join(lines))
    return Given(["t.bed"], Choices(genome="g.fa"))


def vcf(known: Known, rng: Rng) -> Given:
    """Variants with their label in INFO."""
    contigs, known.parts, known.targets, lines = _genome(rng), {}, {}, []
    for i, y in enumerate(known.columns[known.target]):
        name, at = f"chr{1 + i % 5}", 1_000 + 230 * i
        ref = contigs[name][at]
        alt = "C" if ref != "C" else "G"
        lines.append(f"{name}\t{at + 1}\tv{i}\t{ref}\t{alt}\t.\tPASS\tAF=0.1;CLNSIG={y}\n")
        window = contigs[name][at - WIDTH // 2 : at + WIDTH // 2]
        known.targets[f"{window}>{window[: WIDTH // 2]}{alt}{window[WIDTH // 2 + 1 :]}"] = y
    Path("t.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(lines))
    return Given(["t.vcf"], Choices(genome="g.fa"))


_ANY: tuple[Callable[[Known, Rng], Given], ...] = (
    table, table, table, table, without_header, spaced_kmers, rna, file_for_each_part, alleles,
)  # fmt: skip
_CLASSIFIED = (fasta, file_for_each_class, bed, vcf)


def shipped(seed: int) -> tuple[str, Known, Given]:
    """Write data in the working directory; return the name of their layout, what they mean, and what to call."""
    rng = np.random.default_rng(seed)
    known = drawn(rng)
    layouts = _ANY + (_CLASSIFIED if known.kind == "classification" else ())
    write = layouts[int(rng.integers(len(layouts)))]
    return write.__name__, known, write(known, rng)
