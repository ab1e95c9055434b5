"""Files of sequences in the layouts that authors ship, each with the arguments of `baserate new task`."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from typing import Any

from .fuzzing_values import (
    NAMES,
    TARGETS,
    Shipped,
    any_file,
    columns,
    fasta,
    labels,
    layout,
    more,
    sequences,
    size,
    written,
)


@layout
def a_file_for_each_class(pick: random.Random) -> Shipped:
    stems = pick.choice([("pos", "neg"), ("promoter", "other"), ("Mouse_prom", "Mouse_nonprom"), ("a", "b", "c"),
                         ("x 1", "x 2"), ("pos", "pos_2"), ("enhancers", "")])  # fmt: skip
    files = dict(any_file(pick, stem, size(pick)) for stem in stems)
    if pick.random() < 0.5:
        return Shipped({f"set/{name}": content for name, content in files.items()}, ["set"])
    return Shipped(files, list(files))


@layout
def a_file_for_each_part(pick: random.Random) -> Shipped:
    names = pick.choice([("train", "test"), ("train", "valid", "test"), ("train", "dev", "test"), ("train",),
                         ("x_train", "x_test"), ("train", "eval"), ("training_set", "test_set")])  # fmt: skip
    suffix = pick.choice([".csv", ".tsv", ".txt", ".fa", ".csv.gz", ".jsonl"])
    name, target, files = pick.choice(NAMES), pick.choice(TARGETS), {}
    header, drawn = pick.random() < 0.9, pick.random()
    for part in names:
        n = size(pick)
        seqs = sequences(pick, n)
        ys = labels(random.Random(drawn if pick.random() < 0.95 else n), n)  # the same classes in each part
        if suffix == ".fa":
            files[part + suffix] = fasta([(f"{part}{i}|{y}", s) for i, (s, y) in enumerate(zip(seqs, ys, strict=True))])
        elif suffix == ".jsonl":
            rows = [json.dumps({name: s, target: y}) for s, y in zip(seqs, ys, strict=True)]
            files[part + suffix] = ("\n".join(rows) + "\n").encode()
        else:
            text = written({name: seqs, target: ys}, "," if "csv" in suffix else "\t", header=header)
            files[part + suffix] = gzip.compress(text, mtime=0) if suffix.endswith(".gz") else text
    given = [] if header or pick.random() < 0.3 else ["--columns", "sequence,label"]
    if pick.random() < 0.5:
        return Shipped({f"set/{name}": content for name, content in files.items()}, ["set"], given)
    return Shipped(files, list(files), given)


@layout
def a_file_for_each_class_of_each_part(pick: random.Random) -> Shipped:
    form = pick.choice(
        ["set/{part}_{name}.fa", "set/{part}/{name}.fa", "set/{name}_{part}.fa", "set/x{name}.{part}.fa"]
    )
    files = {}
    classes = pick.choice([("pos", "neg"), ("pos", "neg"), ("a", "b", "c"), ("pos",)])
    for part in pick.choice([("train", "test"), ("train", "valid", "test")]):
        for name in classes if pick.random() < 0.95 else classes[:1]:
            rows = [(pick.choice(["r", "x "]) + str(i), s) for i, s in enumerate(sequences(pick, size(pick)))]
            files[form.format(part=part, name=name)] = fasta(rows)
    return Shipped(files, ["set"])


@layout
def headers_of_fasta(pick: random.Random) -> Shipped:
    form = pick.choice([">{i} {y}", ">{i}|{y}|{p}", ">{y}", ">{i}|{y}", ">{i} label={y} part={p}", ">{i}", ">{i}|{y} x",
                        ">sp|{i}|{y}_HUMAN description of it, {i}", ">{i};{y}", ">{i}\t{y}", ">", ">{i}:{y}:+",
                        ">chr1:{i}-{i}(+) {y}"])[1:]  # fmt: skip
    n = size(pick)
    words = pick.choice([("training", "testing"), ("train", "test"), ("x", "y")])
    rows = [
        (form.format(i=f"r{i}", y=y, p=pick.choice(words)), s)
        for i, (s, y) in enumerate(zip(sequences(pick, n), labels(pick, n), strict=True))
    ]
    content = fasta(rows, pick.choice([60, 7, 10_000]))
    how = pick.choice(["plain", "plain", "cr", "crlf", "bom", "blank lines", "trailing blanks", "comment", "lower"])
    content = {
        "cr": content.replace(b"\n", b"\r"),
        "crlf": content.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + content,
        "blank lines": content.replace(b"\n", b"\n\n"),
        "trailing blanks": content.replace(b"\n", b"  \n"),
        "comment": b";comment\n" + content,
        "lower": content.lower(),
    }.get(how, content)
    return Shipped({"t.fa": content}, ["t.fa"])


@layout
def tables(pick: random.Random) -> Shipped:
    table = columns(pick)
    suffix = pick.choice([".csv", ".tsv", ".txt"])
    separator = pick.choice([",", "\t", ";", " "]) if pick.random() < 0.1 else "," if suffix == ".csv" else "\t"
    options = pick.choice([[], [], [], ["--target", pick.choice(list(table))], ["--drop-missing"],
                           ["--sequence", pick.choice(list(table))], ["--positive", "pos"]])  # fmt: skip
    return Shipped({f"t{suffix}": written(table, separator)}, [f"t{suffix}"], options)


@layout
def tables_without_a_header(pick: random.Random) -> Shipped:
    table = columns(pick)
    numbered, same = ",".join(f"c{i}" for i in range(len(table))), ",".join(["a"] * len(table))
    given = pick.choice([[], *(["--columns", names] for names in (numbered, numbered, "sequence,label", same, ","))])
    return Shipped({"t.tsv": written(table, "\t", header=False)}, ["t.tsv"], given)


@layout
def spaced_kmers(pick: random.Random) -> Shipped:
    n, k = size(pick), pick.choice([3, 6, 6, 1])
    step = pick.choice([1, 1, 1, k])
    spaced = [" ".join(s[i : i + k] for i in range(0, len(s) - k + 1, step)) for s in sequences(pick, n)]
    table = {"sequence": spaced, "label": labels(pick, n), **more(pick, n)}
    return Shipped({"t.tsv": written(table, "\t")}, ["t.tsv"], pick.choice([[], ["--sequence", "sequence"]]))


@layout
def rna(pick: random.Random) -> Shipped:
    table = columns(pick)
    odd = pick.choice([1] * 9 + [2])
    name = next(name for name in table if name in NAMES)
    table[name] = [s.replace("T", "U") if i % odd == 0 else s for i, s in enumerate(table[name])]
    return Shipped({"t.csv": written(table)}, ["t.csv"])


def zipped(content: bytes, members: int = 1) -> bytes:
    """Return a zip of one file or several."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for i in range(members):
            archive.writestr(f"f{i}.csv", content)
    return sink.getvalue()


@layout
def packed(pick: random.Random) -> Shipped:
    text = written(columns(pick))
    suffix = pick.choice([".gz", ".bgz", ".xz", ".bz2", ".zip", ".zst"])
    made = pick.choice([
        gzip.compress(text, mtime=0), gzip.compress(text[:200], mtime=0) + gzip.compress(text[200:], mtime=0),
        lzma.compress(text), bz2.compress(text), zipped(text), zipped(text, 2), zipped(text, 0), text,
    ])  # fmt: skip
    if pick.random() < 0.5:  # the ending that goes with the content
        whole, suffix = pick.choice([(gzip.compress(text, mtime=0), ".gz"), (lzma.compress(text), ".xz"),
                                     (bz2.compress(text), ".bz2"), (zipped(text), ".zip")])  # fmt: skip
        return Shipped({f"t.csv{suffix}": whole}, [f"t.csv{suffix}"])
    cut = pick.choice([0] * 9 + [1, 8, 40, len(made)])
    return Shipped({f"t.csv{suffix}": made[: len(made) - cut]}, [f"t.csv{suffix}"])


@layout
def spreadsheets(pick: random.Random) -> Shipped:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    table = columns(pick)
    if pick.random() < 0.2:
        sheet.append(["a title"])
    sheet.append(list(table))
    for row in zip(*table.values(), strict=True):
        clean = ["".join(c for c in v if c.isprintable()) for v in row]
        sheet.append([float(v) if v.replace(".", "").isdigit() and pick.random() < 0.5 else v or None for v in clean])
    if pick.random() < 0.2:
        sheet.merge_cells("A2:B3")
    sink = io.BytesIO()
    book.save(sink)
    return Shipped({"t.xlsx": sink.getvalue()}, ["t.xlsx"])


@layout
def json_objects(pick: random.Random) -> Shipped:
    table: dict[str, list[Any]] = dict(columns(pick))
    if pick.random() < 0.4:
        name = pick.choice(list(table))
        table[name] = [pick.choice([v, None, [v], {"a": v}, 1, 0.5, True, float("nan")]) for v in table[name]]
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if pick.random() < 0.2:
        rows[pick.randrange(len(rows))].pop(next(iter(table)))
    name = pick.choice(["t.json", "t.jsonl", "t.ndjson"])
    lines = "\n".join(map(json.dumps, rows)) + "\n"
    text = pick.choice([json.dumps(rows), json.dumps(rows, indent=1), lines, lines, json.dumps(table), "[" + lines])
    return Shipped({name: text.encode()}, [name])


@layout
def parquet(pick: random.Random) -> Shipped:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = size(pick)
    seqs = sequences(pick, n)
    targets: list[Any] = pick.choice([
        [[pick.randint(0, 1) for _ in range(3)] for _ in range(n)],
        [pick.sample(["a", "b", "c"], pick.randint(0, 3)) for _ in range(n)],
        [[pick.random() for _ in range(2)] for _ in range(n)],
        [[0, 1][: pick.randint(1, 2)] for _ in range(n)],
        [pick.randint(0, 1) for _ in range(n)], [pick.random() < 0.5 for _ in range(n)],
        [pick.choice([None, 0.5, float("inf")]) for _ in range(n)], [{"a": 1} for _ in range(n)],
        [f"c{pick.randint(0, 1)}".encode() for _ in range(n)],
    ])  # fmt: skip
    how: Callable[[str], Any] = pick.choice(
        [str, str, str, list, str.encode, lambda s: [s[i : i + 3] for i in range(9)]]
    )
    table = pa.table({pick.choice(NAMES): [how(s) for s in seqs], pick.choice(TARGETS): targets, **more(pick, n)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    options = pick.choice([[], [], ["--drop-missing"]])
    return Shipped({"t.parquet": sink.getvalue()}, ["t.parquet"], options)
