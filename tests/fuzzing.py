"""Malformed tables, genomes, intervals, variants and cards, and the command line called on them in this process."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from baserate.cli import main

_PICK = random.Random(7)
N = 40
SEQUENCES = ["".join(_PICK.choices("ACGT", k=24)) for _ in range(N)]
GENOME = {f"chr{i}": "".join(_PICK.choices("ACGT", k=900)) for i in (1, 2, 3)}
BUG = re.compile(r"Traceback|\b(Type|Value|Key|Index|Attribute|Overflow|Unicode\w*|Recursion|OS|Arrow\w*)Error\b")
PARTS = ["train", "valid", "train", "test"]


@dataclass(frozen=True)
class Said:
    """What a command printed, and the code that it ended with."""

    code: int
    out: str
    err: str


def call(*arguments: object) -> Said:
    """Return what the command line said; anything but an exit is an error of the test."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["baserate", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code: Any = 0
        except SystemExit as stop:
            code = stop.code
    return Said(code or 0, out.getvalue(), err.getvalue())


def judge(said: Said, *names: str) -> None:
    """Fail unless a mistake is told in one line that names a file or key, or what was read is sound."""
    if said.code == 2:
        assert re.fullmatch(r"baserate: [^\n]+\n", said.err), (said.err, said.out)
        assert any(name in said.err for name in names), said.err
        assert not BUG.search(said.err), said.err
        assert not said.out, said.out
        return
    assert said.code in (0, 1), said
    if said.out.startswith("["):
        failed = [r["detail"] for r in json.loads(said.out) if r["status"] == "failed"]
        assert said.code == bool(failed)
        assert not [d for d in failed if re.match(r"[A-Z]\w*(Error|Exception|Invalid|Warning)\b", d)], failed


def files_in(folder: Path) -> set[str]:
    """Return the names of all that lies below a folder, but for the finished tables of the cache."""
    names = {str(p.relative_to(folder)) for p in folder.rglob("*")}
    return {n for n in names if not re.fullmatch(r"cache(/examples(/[^./][^/]*)?)?", n)}


def rows(separator: str = ",") -> list[list[str]]:
    """Return a sound table: header, then 40 rows of id, seq, label, gene, part."""
    body = [[f"x{i}", SEQUENCES[i], str(i // 4 % 2), f"g{i}", PARTS[i % 4]] for i in range(N)]
    return [["id", "seq", "label", "gene", "part"], *body]


def joined(table: list[list[str]], separator: str, newline: str = "\n") -> str:
    """Return the rows as text; nothing is quoted."""
    return newline.join(separator.join(row) for row in table) + newline


TABLE_CARD = """name = "t"
kind = "{kind}"
{classes}
[source]
table = "{file}"
sequence = "seq"
target = "label"
{more}
[split]
rule = "{rule}"
{split}
"""
BED_CARD = """name = "t"
kind = "classification"
classes = ["0", "1"]
[source]
genome = "g.fa"
bed = "t.bed"
[split]
rule = "by_chromosome"
test = ["chr3"]
valid = ["chr2"]
"""
VARIANT_CARD = BED_CARD.replace('bed = "t.bed"', 'variants = "t.vcf"\ntarget = "label"\nwidth = 30')


def table_card(file: str, *, kind: str = "classification", own: bool = True) -> str:
    """Return the card of a table; `own` takes the table's split, ids and genes, else rows go by equal sequences."""
    return TABLE_CARD.format(
        kind=kind,
        file=file,
        classes='classes = ["0", "1"]' if kind == "classification" else "",
        more='id = "id"\ngroup = "gene"\nstrata = ["part"]' if own else "",
        rule="predefined" if own else "by_group",
        split='column = "part"' if own else "test = 0.3\nvalid = 0.2",
    )


def genome_text() -> str:
    """Return a sound FASTA of three contigs."""
    return "".join(f">{name} x\n{s[:450]}\n{s[450:]}\n" for name, s in GENOME.items())


def bed_text() -> str:
    """Return sound intervals with labels."""
    return "".join(
        f"chr{1 + i % 3}\t{20 * i}\t{20 * i + 15}\t{i // 3 % 2}\t0\t{'+-'[i % 2]}\n" for i in range(N)
    )  # fmt: skip


def vcf_text() -> str:
    """Return sound variants with labels."""
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tlabel"]
    for i in range(N):
        name, at = f"chr{1 + i % 3}", 20 * i + 16
        ref = GENOME[name][at - 1]
        lines.append(f"{name}\t{at}\tv{i}\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t{i // 3 % 2}")
    return "\n".join(lines) + "\n"


def parquet_bytes() -> bytes:
    """Return the sound table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    header, *body = rows()
    sink = io.BytesIO()
    pq.write_table(pa.table({name: [r[i] for r in body] for i, name in enumerate(header)}), sink)
    return sink.getvalue()


def json_text() -> str:
    """Return the sound table as JSON lines."""
    header, *body = rows()
    return "".join(json.dumps(dict(zip(header, r, strict=True))) + "\n" for r in body)


def fasta_text() -> str:
    """Return the sound table as FASTA with fields in its headers."""
    return "".join(f">{i} label={y} gene={g} part={p}\n{s}\n" for i, s, y, g, p in rows()[1:])


SOUND: dict[str, Callable[[], bytes]] = {
    "t.csv": lambda: joined(rows(), ",").encode(),
    "t.tsv": lambda: joined(rows(), "\t").encode(),
    "t.csv.gz": lambda: gzip.compress(joined(rows(), ",").encode(), mtime=0),
    "t.parquet": parquet_bytes,
    "t.jsonl": lambda: json_text().encode(),
    "t.fa": lambda: fasta_text().encode().replace(b"seq", b"seq"),
    "t.bed": lambda: bed_text().encode(),
    "t.vcf": lambda: vcf_text().encode(),
    "g.fa": lambda: genome_text().encode(),
}


def card_of(file: str) -> str:
    """Return a card for one of the SOUND files."""
    if file in ("t.bed", "g.fa"):
        return BED_CARD
    if file == "t.vcf":
        return VARIANT_CARD
    text = table_card(file)
    return text.replace('sequence = "seq"', 'sequence = "sequence"') if file == "t.fa" else text


def lay(folder: Path, file: str, content: bytes) -> Path:
    """Write the file, what it needs beside it, and its card; return the card."""
    if file in ("t.bed", "t.vcf"):
        (folder / "g.fa").write_text(genome_text())
    if file == "g.fa":
        (folder / "t.bed").write_text(bed_text())
    (folder / file).write_bytes(content)
    card = folder / "card.toml"
    card.write_text(card_of(file))
    return card


_ODD = [b"\0", b"\xff\xfe", b"\r", b"\r\n", b"\n", b",", b"\t", b'"', b"'", b">", b"#", b"##", b";", b" ", b"-", b"-1",
        b"99999999999999999999", b"1e999", b"nan", b"inf", b"N", b"n", b"U", b"acgt", b"MKVLAAGIVG", b"\xc3\xa9",
        "\u2028\u202e\U0001f9ec".encode(), b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b"=", b"null", b"1.0",
        b"\x1f\x8b"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return the name of a sound file and its content after one to four edits of bytes or lines."""
    file = draw(st.sampled_from(sorted(SOUND)))
    content = SOUND[file]()
    for _ in range(draw(st.integers(1, 4))):
        content = draw(edited(content))
    return file, content


@st.composite
def edited(draw: st.DrawFn, content: bytes) -> bytes:
    how = draw(st.sampled_from(["flip", "delete", "insert", "cut", "drop line", "twice line", "swap", "field", "line"]))
    at = draw(st.integers(0, max(0, len(content) - 1)))
    if how == "flip":
        return content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
    if how == "delete":
        return content[:at] + content[at + draw(st.integers(1, 40)) :]
    if how == "insert":
        return content[:at] + draw(st.sampled_from(_ODD) | st.binary(max_size=6)) + content[at:]
    if how == "cut":
        return content[:at]
    lines = content.split(b"\n")
    i = draw(st.integers(0, len(lines) - 1))
    if how == "drop line":
        return b"\n".join(lines[:i] + lines[i + 1 :])
    if how == "twice line":
        return b"\n".join([*lines[: i + 1], *lines[i:]])
    if how == "swap":
        j = draw(st.integers(0, len(lines) - 1))
        lines[i], lines[j] = lines[j], lines[i]
        return b"\n".join(lines)
    if how == "line":
        return b"\n".join([*lines[:i], draw(st.sampled_from(_ODD)), *lines[i:]])
    fields = re.split(rb"([,\t ])", lines[i])
    k = draw(st.integers(0, len(fields) - 1))
    fields[k] = draw(st.sampled_from(_ODD) | st.binary(max_size=8))
    return b"\n".join([*lines[:i], b"".join(fields), *lines[i + 1 :]])


VALUES = st.sampled_from([
    "", " ", "0", "1", "1.0", "0.0", "2", "-1", "nan", "NaN", "inf", "-inf", "1e999", "NA", "None", "yes", " 1", "1 ",
    "9" * 40, "0x1", "1_0", "\u00e9\u4e2d", "a;b", "x y", "=cmd()", "<b>", "1,5", "\u0661",
])  # fmt: skip
DNA = st.sampled_from([
    "", " ", "A", "AC", "N", "NNNNNNNNNN", "acgtacgtacgt", "ACGUACGUACGU", "MKVLAAGIVGLCAK", "ACGT ACGT", "ACG-T",
    "ACGT*",
    "\u0410\u0421GT", "ACGT" * 3000, "123", "RYSWKMBDHVN", "acgTNacgt", ".",
])  # fmt: skip
"""Sequences: none, short, ambiguous, lower case, RNA, protein, gapped, Cyrillic look-alikes, long."""

_HEADERS = st.lists(
    st.sampled_from(["id", "seq", "label", "gene", "part", "", "Seq", "label ", "x", "\u00e9", "1"]), max_size=8
)


@st.composite
def malformed_table(draw: st.DrawFn) -> tuple[str, bytes, str, bool]:
    """Return the name, content, kind and manner of a table in which whole columns or several cells are odd."""
    table = rows()
    if draw(st.booleans()):
        column = draw(st.integers(0, 4))
        values = draw(st.lists(DNA if column == 1 else VALUES, min_size=1, max_size=3))
        for i in range(1, len(table)):
            table[i][column] = values[i % len(values)]
    for _ in range(draw(st.integers(0, 4))):
        i, column = draw(st.integers(1, N)), draw(st.integers(0, 4))
        table[i][column] = draw(DNA if column == 1 else VALUES)
    fault = draw(st.sampled_from(["none", "header", "ragged", "few rows", "no rows", "no header", "one class"]))
    if fault == "header":
        table[0] = draw(_HEADERS)
    elif fault == "ragged":
        i = draw(st.integers(1, N))
        table[i] = draw(st.sampled_from([table[i][:-1], [*table[i], "more"], [], [""]]))
    elif fault == "few rows":
        table = table[: draw(st.integers(1, 4))]
    elif fault == "no rows":
        table = table[:1]
    elif fault == "no header":
        table = table[1:]
    elif fault == "one class":
        for row in table[1:]:
            row[2] = "1"
    name = draw(st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz", "t.txt", "t.pq", "t.jsonl"]))
    text = joined(table, "," if "csv" in name else "\t", draw(st.sampled_from(["\n", "\r\n", "\r"])))
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
    if name.endswith(".gz"):
        packed = gzip.compress(data, mtime=0)
        data = packed[: len(packed) - draw(st.sampled_from([0, 0, 1, 8, 40]))]
    elif name == "t.jsonl":
        header, *body = table
        data = "".join(json.dumps(dict(zip(header, r, strict=False))) + "\n" for r in body).encode()
    kind = draw(st.sampled_from(["classification", "classification", "regression"]))
    return name, data, kind, draw(st.booleans())


_PLACES = st.sampled_from(
    ["0", "1", "-1", "899", "900", "901", "10", "9" * 25, "1.5", "", "x", "-0", "+5", "1e3", "\u0661", " 7"]
)
_CONTIGS = st.sampled_from(
    ["chr1", "chr2", "chr3", "1", "chr9", "", "CHR1", "chrM", "chr1 ", "\u00e9", "#chr1", ">chr1"]
)
_ALLELES = st.sampled_from(
    ["A", "C", "G", "T", "N", "", ".", "-", "AC", "A,C", "<DEL>", "*", "a", "U", "ACGT" * 300, "X"]
)


@st.composite
def malformed_places(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return BED or variants with odd contigs, coordinates, alleles and labels."""
    file = draw(st.sampled_from(["t.bed", "t.vcf"]))
    lines = SOUND[file]().decode().splitlines()
    first = 0 if file == "t.bed" else 2
    makers = [_CONTIGS, _PLACES, _PLACES, VALUES, VALUES, st.sampled_from(["+", "-", ".", ""])]
    if file == "t.vcf":
        makers = [_CONTIGS, _PLACES, VALUES, _ALLELES, _ALLELES, VALUES]
    for _ in range(draw(st.integers(1, 5))):
        i, k = draw(st.integers(first, len(lines) - 1)), draw(st.integers(0, 5))
        fields = lines[i].split("\t")
        fields[k] = draw(makers[k])
        lines[i] = "\t".join(fields)
    if draw(st.integers(0, 3)) == 0:
        k, value = draw(st.integers(0, 5)), None
        value = draw(makers[k])
        lines[first:] = ["\t".join([*(f := line.split("\t"))[:k], value, *f[k + 1 :]]) for line in lines[first:]]
    return file, ("\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n", "\r\n"]))).encode()


@st.composite
def malformed_genome(draw: st.DrawFn) -> bytes:
    """Return FASTA in which headers, letters or line widths of a contig are odd, or contigs left out or repeated."""
    odd = draw(st.integers(0, 4))
    records = []
    for i, (name, sequence) in enumerate(GENOME.items()):
        header, body, width, gap = name, sequence, 60, "\n"
        if i == odd:
            header = draw(st.sampled_from([name, "", " ", name.upper(), "chr1", "\u00e9", f"{name}\t2", "a" * 9000]))
            body = draw(st.sampled_from([body, body.lower(), body[:50], "", body.replace("T", "U"), "MKV" * 300]))
            width = draw(st.sampled_from([10_000, 60, 7, 1]))
            gap = draw(st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))
        records.append(f">{header}{gap}" + gap.join(body[i : i + width] for i in range(0, len(body), width)) + gap)
    lead = draw(st.sampled_from(["", "", "", "\n", ";comment\n", "ACGT\n", "\ufeff"]))
    return (lead + "".join(records[: draw(st.sampled_from([3, 3, 3, 2, 0]))])).encode()


GTF = "".join(
    f"chr1\tx\t{kind}\t{100 * g + 10 * e + 1}\t{100 * g + 10 * e + 6}\t.\t{'+-'[g % 2]}\t.\t"
    f'gene_id "g{g}"; transcript_id "t{g}"; gene_biotype "protein_coding";\n'
    for g in range(6)
    for e in range(3)
    for kind in ("exon", "CDS")
).encode()
"""Six transcripts of three exons."""


def scale() -> int:
    """Return by how much to multiply the examples: $BASERATE_FUZZ, for a hunt, which then is random as well."""
    return int(os.environ.get("BASERATE_FUZZ", "0"))
