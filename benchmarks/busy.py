"""A cell beside somebody else's work: fine-tuning and embedding alone, and next to another training on the same cores.

    python benchmarks/busy.py [--repeats 3]

Two ways for threads to wait are timed: OpenMP's default, by which they spin for a while, which is ours on a machine
that is free, and sleeping, which is ours on a busy one. The other job is a loop of matrix products on as many threads
as there are cores. Printed are seconds, and as ratios how much slower the work is beside the other job than alone, with
ours and with threads that always spin, the peer. The machine must be idle otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

WORK = """
import time
from baserate.cards.find import find_task
from baserate.networks.settings import TRAINING
from baserate.registry import get_model, load_model
from baserate.splits import load_split

model = load_model(get_model("baserate_mlm"))
variants = load_split(find_task("wt1_exon5_splicing.small"), limit=120)
genes = load_split(find_task("yeast_coding.small"), limit=150).test.inputs.sequences


def work():
    start = time.perf_counter()
    model.fit(variants.train, variants.valid, n_classes=0, seed=0, epochs=1)
    model.embed(genes)
    return time.perf_counter() - start


model.embed(genes[:2])  # the first call of a process is slow
print(work())
"""

OTHER = """
import torch

x, layer = torch.randn(600, 600), torch.nn.Linear(600, 600)
while True:
    layer(x).relu().sum().backward()
"""


def seconds(policy: str, *, busy: bool) -> float:
    """Return the wall time of the work under an OMP_WAIT_POLICY ('' for the default), beside another job or alone."""
    variables = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    other = subprocess.Popen([sys.executable, "-c", OTHER], env=variables) if busy else None
    try:
        mine = variables | ({"OMP_WAIT_POLICY": policy} if policy else {})
        done = subprocess.run([sys.executable, "-c", WORK], env=mine, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])
    finally:
        if other is not None:
            other.kill()
            other.wait()


def main() -> None:
    """Print seconds and ratios, the two policies in turn."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(repeats):
        for busy in (False, True):
            for policy in ("PASSIVE", ""):
                times.setdefault((policy, busy), []).append(seconds(policy, busy=busy))
    middle = {key: statistics.median(values) for key, values in times.items()}
    for (policy, busy), value in middle.items():
        how = "asleep" if policy else "spinning"
        print(f"{how:8} {'beside another job' if busy else 'alone':19} {value:7.1f} s")
    alone = middle["", False]
    print(f"busy over alone, ours:            {middle['PASSIVE', True] / alone:.2f}")
    print(f"busy over alone, always spinning: {middle['', True] / alone:.2f}")


if __name__ == "__main__":
    main()
