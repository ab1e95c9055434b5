"""Loading a table of labelled sequences: how long the first load and a cached one take, and the most memory they hold.

Every loader runs in a process of its own, one after another, in random order in each repeat, on one thread. Memory is
the process' highest resident set (which counts mapped pages of files that were looked at) less what it held after its
imports. Peers do less than the first load here, which also checks every letter, groups equal sequences and writes the
cache; `datasets` writes a cache too.

OMP_NUM_THREADS=1 python benchmarks/loading.py [--rows 1000000] [--length 300] [--repeats 2] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OURS = """
from baserate.registry import get_task
from baserate.sources.example_file import cached_examples
from baserate.sources.tables import Table
import pyarrow, pyarrow.csv
start()
e = cached_examples(["benchmark", "1"], lambda: Table(PATH, kind="classification", classes=("no", "yes"))())
stop(len(e))
"""
CONTENDERS = {
    "first": "import shutil; shutil.rmtree(os.environ['BASERATE_CACHE'], ignore_errors=True)" + OURS,
    "cached": OURS,
    "fingerprint": OURS.replace("stop(len(e))", "e.fingerprint; stop(len(e))"),
    "pandas": "import pandas\nstart()\ne = pandas.read_csv(PATH)\nstop(len(e))",
    "datasets": (
        "import datasets, shutil; datasets.disable_progress_bars()\n"
        "shutil.rmtree(os.environ['HF_DATASETS_CACHE'], ignore_errors=True)\nstart()\n"
        "e = datasets.load_dataset('csv', data_files=PATH, split='train')\nstop(len(e))"
    ),
    "datasets cached": (
        "import datasets; datasets.disable_progress_bars()\nstart()\n"
        "e = datasets.load_dataset('csv', data_files=PATH, split='train')\nstop(len(e))"
    ),
}
PRELUDE = """
import json, os, resource, sys, time
PATH = sys.argv[1]
def high():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def start():
    global began, cpu, held
    held, began, cpu = high(), time.perf_counter(), time.process_time()
def stop(n):
    print(json.dumps({"rows": n, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu,
                      "peak_mb": high(), "added_mb": high() - held}))
"""


def write_table(path: Path, rows: int, length: int) -> None:
    """Write random DNA with a tenth in lower case and a few N, and random labels, to a CSV file."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT" * 63 + b"acgN", np.uint8)
    block = max(1, (16 << 20) // length)
    with path.open("w") as file:
        file.write("sequence,label\n")
        for at in range(0, rows, block):
            n = min(block, rows - at)
            drawn = letters[rng.integers(0, len(letters), (n, length), dtype=np.uint8)]
            labels = rng.integers(0, 2, n)
            file.writelines(f"{row.tobytes().decode()},{label}\n" for row, label in zip(drawn, labels, strict=True))


def main() -> int:
    """Print what each loader took as a line of JSON, and the ratios of the best times; exit 1 past the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--most-seconds", type=float, default=30.0, help="CPU seconds of the first load")
    parser.add_argument("--most-mb", type=float, default=1500.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "table.csv"
        write_table(path, options.rows, options.length)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        environment = os.environ | {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
        environment |= {
            "BASERATE_CACHE": f"{folder}/ours",
            "HF_DATASETS_CACHE": f"{folder}/theirs",
            "HF_HUB_OFFLINE": "1",
        }
        for repeat in range(options.repeats):
            pairs = [["first", "cached", "fingerprint"], ["pandas"], ["datasets", "datasets cached"]]
            random.Random(repeat).shuffle(pairs)
            for name in [name for pair in pairs for name in pair]:
                command = [sys.executable, "-c", PRELUDE + CONTENDERS[name], str(path)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
        size = path.stat().st_size
        cache = sum(file.stat().st_size for file in Path(folder).glob("ours/examples/*"))
    best = {
        name: {key: round(min(run[key] for run in runs), 3) for key in ("seconds", "cpu", "peak_mb", "added_mb")}
        for name, runs in found.items()
        if runs
    }
    ratios = {name: round(run["cpu"] / best["first"]["cpu"], 2) for name, run in best.items()}
    about = {"rows": options.rows, "length": options.length, "file_mb": size >> 20, "cache_mb": cache >> 20}
    print(json.dumps(about | {"best": best, "cpu_over_first": ratios}, indent=1))
    ok = best["first"]["cpu"] <= options.most_seconds and best["first"]["peak_mb"] <= options.most_mb
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
