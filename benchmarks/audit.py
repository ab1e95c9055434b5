"""An audit of 30,000 x 300 bp against seqleak 0.4.1, whole, on the same rows; what both must find is planted.

Both run as processes of their own on one thread: ours reads the same CSV files through a card. Without the path of
seqleak only ours is timed. Memory is the peak of each process.

OMP_NUM_THREADS=1 python benchmarks/audit.py [--seqleak PATH] [--rows 30000] [--length 300]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PLANTED = 300
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_CARD = """
name = "planted"
kind = "classification"
classes = ["0", "1"]
[source]
table = "all.csv"
id = "id"
group = "id"
strata = ["part"]
[split]
rule = "predefined"
column = "part"
"""


def main() -> int:
    """Print the times, memory and what was found as one line of JSON; exit 1 where a planted row is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seqleak", help="the command of seqleak, installed in an environment of its own")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--target", type=float, default=60.0, help="seconds of CPU that ours may take")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exact = write(folder, options.rows, options.length)
        ours = timed(
            [
                sys.executable,
                "-c",
                "from baserate.cli import main; main()",
                "audit",
                "planted.toml",
                "--json",
                "--no-cache",
            ],
            folder,
        )
        found = {f["name"]: f for f in json.loads((folder / "stdout").read_text())[0]["findings"]}
        ours["identical"] = found["identical_test"]["numbers"]["rows"]
        ours["reverse_complement"] = found["reverse_test"]["numbers"]["rows"]
        ours["near"] = found["near_test"]["numbers"]["rows"]
        out = {
            "benchmark": f"audit {options.rows} x {options.length} bp, {PLANTED} each identical, reversed and mutated",
            "ours": ours,
            "target_cpu_s": options.target,
        }
        right = ours["identical"] == exact and ours["reverse_complement"] == PLANTED and ours["near"] >= 3 * PLANTED
        if options.seqleak:
            command = [options.seqleak, "audit", "--train", "train.csv", "--dev", "valid.csv", "--test", "test.csv"]
            command += [
                "--seq-col",
                "sequence",
                "--label-col",
                "label",
                "--threads",
                "1",
                "--fail-on",
                "never",
                "--quiet",
            ]
            peer = timed([*command, "--out", "report.json"], folder)
            report = json.loads((folder / "report.json").read_text())
            n = options.rows // 10
            said = {name: round(n * check["value"]) for name, check in report["checks"].items() if check.get("value")}
            peer |= {"identical_or_reversed": said.get("overlap.exact", 0), "near": said.get("overlap.near", 0)}
            out |= {"peer": "seqleak audit", "theirs": peer, "ratio_cpu": round(peer["cpu_s"] / ours["cpu_s"], 2)}
    print(json.dumps(out))
    return 0 if right and ours["cpu_s"] <= options.target else 1


def write(folder: Path, rows: int, length: int) -> int:
    """Write the files and return how many test rows are identical to a training row."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (rows, length))]
    test = np.arange(rows) >= rows * 9 // 10
    own = np.flatnonzero(test)
    planted = rng.permutation(own)[: 3 * PLANTED].reshape(3, PLANTED)
    source = rng.permutation(np.flatnonzero(~test))[: 3 * PLANTED].reshape(3, PLANTED)
    letters[planted[0]] = letters[source[0]]
    for row, other in zip(planted[1], source[1], strict=True):
        text = letters[other].tobytes().decode().translate(_COMPLEMENT)[::-1]
        letters[row] = np.frombuffer(text.encode(), np.uint8)
    letters[planted[2]] = letters[source[2]]
    for row in planted[2]:
        at = rng.choice(length, length // 15, replace=False)
        letters[row, at] = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, len(at))]
    labels = rng.integers(0, 2, rows)
    parts = np.where(test, "test", np.where(np.arange(rows) >= rows * 8 // 10, "valid", "train"))
    lines = [f"r{i},{letters[i].tobytes().decode()},{labels[i]},{parts[i]}" for i in range(rows)]
    (folder / "all.csv").write_text("\n".join(["id,sequence,label,part", *lines]) + "\n")
    for part in ("train", "valid", "test"):
        chosen = [line for line, own_part in zip(lines, parts, strict=True) if own_part == part]
        (folder / f"{part}.csv").write_text("\n".join(["id,sequence,label,part", *chosen]) + "\n")
    (folder / "planted.toml").write_text(_CARD)
    return PLANTED


def timed(command: list[str], folder: Path) -> dict[str, float]:
    """Return the CPU and wall seconds of a command, and its peak memory in MB; its output goes to `stdout`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with (folder / "stdout").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command[0]} failed")
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "wall_s": round(wall, 2),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
