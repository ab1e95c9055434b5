"""Odd text, empty folders, values of other notations, and accidents that happen to sound files."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import fuzzing_layouts  # noqa: F401 - adds its layouts
from .fuzzing_places import genome
from .fuzzing_values import LAYOUTS, MISSING, TARGETS, Shipped, columns, fasta, layout, more, sequences, size, written


@layout
def missing_values(pick: random.Random) -> Shipped:
    table = columns(pick)
    for _ in range(pick.randint(1, 3)):
        values = table[pick.choice(list(table))]
        for i in pick.sample(range(len(values)), pick.choice([1, 1, len(values) // 3, len(values)])):
            values[i] = pick.choice(MISSING)
    return Shipped({"t.csv": written(table)}, ["t.csv"], pick.choice([[], ["--drop-missing"]]))


@layout
def notations_of_numbers(pick: random.Random) -> Shipped:
    n = size(pick)
    forms: list[Callable[[float], str]] = [
        lambda v: f"{v:.3f}".replace(".", ","), lambda v: f"{v * 1e6:,.2f}", lambda v: f"{v * 1e6:,.0f}",
        lambda v: f"{v * 1e6:,.1f}".replace(",", " "), lambda v: f"{v:.1f}%", lambda v: f"{v:.3e}".replace("e", "D"),
        lambda v: f"{v:+.2f}", lambda v: f"{v * 1e5:,.0f}".replace(",", "'"), lambda v: f"{v:.2e}",
        lambda v: f"1e{v:.0f}",
    ]  # fmt: skip
    chosen = pick.sample(forms, pick.choice([1, 1, 1, 2]))
    values = [pick.choice(chosen)(pick.gauss(0, 2)) for _ in range(n)]
    table = {"seq": sequences(pick, n), pick.choice(TARGETS): values, **more(pick, n)}
    return Shipped({"t.tsv": written(table, "\t")}, ["t.tsv"])


@layout
def words_for_classes(pick: random.Random) -> Shipped:
    """Free text, a class of one row, one class for each row, too many classes."""
    n = size(pick)
    ys = pick.choice([
        [f"a protein that binds {pick.choice(['A', 'B'])} in {i}" for i in range(n)],
        [str(i) for i in range(n)], [f"c{i % 40}" for i in range(n)], ["x"] * (n - 1) + ["y"],
        [pick.choice(["a", "b", "c", "d", "e"]) if i else "z" for i in range(n)], [f"c{i // 2}" for i in range(n)],
        [pick.choice(["uncertain_significance", "benign", "pathogenic", "not_provided"]) for _ in range(n)],
        [pick.choice(["Yes", "yes", "YES", "no"]) for _ in range(n)],
    ])  # fmt: skip
    table = {"seq": sequences(pick, n), pick.choice(TARGETS): ys, **more(pick, n)}
    options = pick.choice([[], [], ["--target", list(table)[1]], ["--positive", ys[0]]])
    return Shipped({"t.csv": written(table)}, ["t.csv"], options)


HOSTILE = ("\x00", "\x1b[31m", "\u2028", "\u202e", '"', "'''", "\\", "a\nb", "\r", "=1+1", "[x]", "{y}", "#", "\ufeff",
           "x" * 5000, "..", "/", "%s", "{0}", "\ud7ff", "\U0001f9ec", " ", "\t", "name", "None")  # fmt: skip


@layout
def hostile_text(pick: random.Random) -> Shipped:
    table = columns(pick)
    for _ in range(pick.randint(1, 3)):
        name, odd = pick.choice(list(table)), pick.choice(HOSTILE)
        if pick.random() < 0.5:
            values = table[name]
            for i in pick.sample(range(len(values)), pick.choice([1, len(values) // 2, len(values)])):
                values[i] = odd
        else:
            table = {(odd if key == name else key): values for key, values in table.items()}
    name = pick.choice(["t.csv", "a b.csv", "\u00e9.csv", "it's.csv", '"q".csv', "x\ny.csv", "-t.csv", "[1].csv",
                        "%d.csv", "a#b.csv", ".csv", "{}.csv"])  # fmt: skip
    return Shipped({name: written(table)}, [f"./{name}"])


@layout
def folders(pick: random.Random) -> Shipped:
    """Nothing, one file, files that do not belong together, files in folders in folders."""
    table = written(columns(pick))
    files = pick.choice([
        {"set/README.md": b"about"}, {"set/t.csv": table}, {"set/train.csv": table, "set/README.md": b"x"},
        {"set/train.csv": table, "set/train.tsv": table.replace(b",", b"\t"), "set/test.csv": table},
        {"set/a/b/train.csv": table, "set/a/b/test.csv": written(columns(pick))},
        {"set/train.csv": table, "set/test.csv": written(columns(pick))},
        {"set/train-00000.csv": table, "set/train-00001.csv": written(columns(pick)), "set/test-0.csv": table},
        {"set/.hidden.csv": table, "set/pos.fa": fasta([("a", "ACGT" * 9)])},
        {"set/train.csv": table, "set/test.csv": b""}, {"set/x/pos.fa": b"", "set/x/neg.fa": b">"},
    ])  # fmt: skip
    return Shipped(dict(files), ["set"])


@layout
def next_to_nothing(pick: random.Random) -> Shipped:
    name = pick.choice(
        ["t.csv", "t.tsv", "t.fa", "t.vcf", "t.bed", "t.json", "t.parquet", "t.xlsx", "t.csv.gz", "t.txt"]
    )
    content = pick.choice([
        b"", b"\n", b" ", b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 50, b"seq,label\n", b"seq,label\nACGT,1\n", b">",
        b">\n", b">a\n", b">a\nACGT\n", b"[]", b"{}", b"[[]]", b"null", b"chr1\t1\t2\n", b"a\n" * 50,
        b"PK\3\4", b"\x1f\x8b", b"PAR1PAR1", b"##fileformat=VCFv4.2\n", b"#CHROM\tPOS\tID\tREF\tALT\n", b",\n,\n", b'"',
        b"seq\tlabel\r",
        b"<html><body>404</body></html>\n", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
    ])  # fmt: skip
    return Shipped({name: content} | genome(pick), [name], pick.choice([[], ["--genome", "g.fa"]]))


_ODD = (b"\0", b"\xff", b"\r", b"\n", b",", b"\t", b'"', b">", b"#", b";", b"nan", b"inf", b"\xc3", b"1e999", b"-1",
        b" ", "\u0661".encode(), "\u2028".encode(), b"ACGU", b"\xed\xa0\x80")  # fmt: skip


def damaged(content: bytes, pick: random.Random) -> bytes:
    """Return the content of a file after one accident."""
    lines = content.split(b"\n")
    i, j = (pick.randrange(len(lines)) for _ in range(2))
    at = pick.randrange(len(content) + 1)
    how = pick.choice(["cut", "drop", "twice", "header", "swap", "columns", "odd", "encoding", "ends", "cell", "flip"])
    if how == "cut":
        return content[:at]
    if how == "drop":
        del lines[i]
    elif how == "twice":
        lines.insert(j, lines[i])
    elif how == "header":
        lines.insert(i, lines[0])
    elif how == "swap":
        lines[i], lines[j] = lines[j], lines[i]
    elif how in ("columns", "cell"):
        separator = b"\t" if b"\t" in lines[0] else b","
        fields = lines[0 if how == "columns" else i].split(separator)
        k, m = (pick.randrange(len(fields)) for _ in range(2))
        if how == "columns":  # of the header alone, or a name twice
            fields[k], fields[m] = fields[m], fields[pick.choice([k, m])]
            lines[0] = separator.join(fields)
        else:
            fields[k] = pick.choice([*(v.encode() for v in MISSING), fields[m]])
            lines[i] = separator.join(fields)
    elif how == "odd":
        return content[:at] + pick.choice(_ODD) + content[at:]
    elif how == "encoding":
        text = content.decode("utf-8", "replace")
        whole = text.encode(pick.choice(["utf-16", "utf-8-sig", "utf-16-le", "latin-1"]), "replace")
        return whole if pick.random() < 0.5 else content[:at] + whole[at:]
    elif how == "ends":
        return content.replace(b"\n", pick.choice([b"\r\n", b"\r", b"\n\n", b" \n"]))
    else:
        return content[:at] + bytes([pick.randrange(256)]) + content[at + 1 :]
    return b"\n".join(lines)


def shipped(seed: int) -> tuple[str, Shipped]:
    """Return the name of a layout and data in it, the same for a seed: two thirds as they are, a third damaged."""
    pick = random.Random(seed)
    make = LAYOUTS[seed % len(LAYOUTS)]
    made = make(pick)
    for _ in range(pick.choice([0, 0, 0, 0, 1, 2])):
        name = pick.choice(list(made.files))
        made.files[name] = damaged(made.files[name], pick)
    return make.__name__, made
