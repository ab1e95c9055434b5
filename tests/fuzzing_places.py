"""Variants, intervals and pairs of alleles as authors ship them, each with the arguments of `baserate new task`."""

from __future__ import annotations

import gzip
import random

from .fuzzing import GENOME, genome_text
from .fuzzing_values import TARGETS, Shipped, labels, layout, more, sequences, size, written


@layout
def alleles(pick: random.Random) -> Shipped:
    names = pick.choice([("ref", "alt"), ("RefAllele", "AltAllele"), ("WT_SEQ", "MUT_SEQ"), ("wildtype", "variant"),
                         ("seq1", "seq2"), ("real", "shuffled"), ("reference", "x"), ("a", "b")])  # fmt: skip
    n = size(pick)
    refs = sequences(pick, n)
    odd = pick.random() < 0.2  # some ALT are REF, or have an N
    alts = []
    for ref in refs:
        at = len(ref) // 2
        new = pick.choice([b for b in ("A", "C", "G", "T", "", "AC", "N") if odd or b not in (ref[at], "N")])
        alts.append(ref[:at] + new + ref[at + 1 :])
    table = {names[0]: refs, names[1]: alts}
    if pick.random() < 0.8:
        table[pick.choice(TARGETS)] = labels(pick, n)
    options = pick.choice([[], ["--reference", names[0], "--alternate", names[1]], ["--sequence", names[0]],
                           ["--reference", names[0]], ["--deleterious"]])  # fmt: skip
    return Shipped({"t.csv": written(table | more(pick, n))}, ["t.csv"], options)


def genome(pick: random.Random) -> dict[str, bytes]:
    text = genome_text()
    how = pick.choice(["plain"] * 9 + ["bare", "cr", "lower", "cut"])
    text = {
        "bare": text.replace(">chr", ">"),
        "cr": text.replace("\n", "\r"),
        "lower": text.lower(),
        "cut": text[:900],
    }.get(how, text)
    return {"g.fa": text.encode()}


@layout
def variants(pick: random.Random) -> Shipped:
    n = size(pick)
    info, odd = pick.random() < 0.5, pick.random() < 0.2
    rows = []
    for i, y in enumerate(labels(pick, n)):
        name, at = f"chr{1 + i % 3}", pick.randint(1, 890)
        ref = GENOME[name][at - 1 : at - 1 + pick.choice([1, 1, 1, 2, 700])]
        alt = pick.choice([b for b in "ACGT" if b != ref[:1]])
        if pick.random() < 0.2:
            alt = pick.choice(
                ["*", "<DEL>", "<NON_REF>", ".", "N[chr2:3[", "<DUP>", "A,*" if ref[:1] != "A" else "T,*"]
            )
        if odd and pick.random() < 0.1:
            alt = pick.choice(["A,C", "N", "", "acg", "G" * 600, ref])
        if odd and pick.random() < 0.03:
            ref = pick.choice(["A", "", ".", "N", "*"])
        y = y.replace(";", "|").replace(" ", "_")
        rows.append(
            [name, str(at), pick.choice([".", f"rs{i}"]), ref, alt, *([".", ".", f"CLNSIG={y}"] if info else [y])]
        )
    head = ["#CHROM", "POS", "ID", "REF", "ALT", *(["QUAL", "FILTER", "INFO"] if info else ["label"])]
    body = "\n".join("\t".join(row) for row in [head, *rows]) + "\n"
    lead = pick.choice(["##fileformat=VCFv4.2\n", "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n", ""])
    name = pick.choice(["t.vcf", "t.vcf", "t.tsv", "t.vcf.bgz"])
    text = (lead + body).encode()
    content = gzip.compress(text, mtime=0) if name.endswith("bgz") else text
    given = pick.choice([["--genome", "g.fa"]] * 4 + [[], ["--genome", "hg99"]])
    options = [*given, *pick.choice([[], [], ["--deleterious"], ["--target", "CLNSIG"], ["--drop-missing"]])]
    return Shipped({name: content} | genome(pick), [name], options)


@layout
def intervals(pick: random.Random) -> Shipped:
    n = size(pick)
    suffix = pick.choice([".bed", ".narrowPeak", ".broadPeak", ".bedGraph", ".tsv", ".csv", ".bed.gz"])
    wide = pick.choice([15, 15, 15, 40, 300])
    rows = []
    for y in labels(pick, n):
        start = pick.randint(0, 890 - wide)
        end = start + (wide if pick.random() < 0.9 else pick.randint(1, 200))
        strand = pick.choice("+-+.") if pick.random() < 0.99 else pick.choice(["1", "-1", "?", ""])
        row = [pick.choice(list(GENOME)), str(start), str(end), y, str(pick.randint(0, 1000)), strand]
        rows.append(row[:4] if suffix == ".bedGraph" else [*row, "1.5", "2", "3", "7"] if "Peak" in suffix else row)
    table = suffix in (".tsv", ".csv")
    head = [["chrom", "start", "end", "label", "score", "strand"]] if table or pick.random() < 0.2 else []
    separator = "," if suffix == ".csv" else "\t"
    lead = pick.choice(["", "", "track name=x\n", "# a comment\n"]) if not table else ""
    text = (lead + "\n".join(separator.join(row) for row in [*head, *rows]) + "\n").encode()
    name = f"t{suffix}"
    given = pick.choice([["--genome", "g.fa"]] * 4 + [[]])
    options = pick.choice([[], ["--negatives", pick.choice(["gc_matched", "shuffled", "flanking", "random", "none"])],
                           ["--target", pick.choice(["name", "score", "label"])]])  # fmt: skip
    content = gzip.compress(text, mtime=0) if name.endswith(".gz") else text
    return Shipped({name: content} | genome(pick), [name], [*given, *options])


@layout
def annotations(pick: random.Random) -> Shipped:
    rows = []
    for i, y in enumerate(labels(pick, size(pick))):
        start = pick.randint(1, 800)
        fields = f'gene_id "g{i}"; label "{y}";' if pick.random() < 0.5 else f"ID=g{i};label={y}"
        kind = pick.choice(["gene", "exon", "enhancer"])
        rows.append([pick.choice(list(GENOME)), "made", kind, str(start), str(start + 90), ".", "+", ".", fields])
    name = pick.choice(["t.gff3", "t.gtf", "t.gff", "t.gff3.gz"])
    text = ("##gff-version 3\n" + "".join("\t".join(row) + "\n" for row in rows)).encode()
    options = ["--genome", "g.fa", *pick.choice([[], ["--target", "label"], ["--negatives", "gc_matched"]])]
    return Shipped(
        {name: gzip.compress(text, mtime=0) if name.endswith(".gz") else text} | genome(pick), [name], options
    )
