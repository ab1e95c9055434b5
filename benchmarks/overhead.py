"""What the harness itself costs: start of the command line, a cell beyond the model's own work, and a full rerun.

    python benchmarks/overhead.py [RESULTS]     # RESULTS: a folder that `baserate run --suite quickstart` has filled

Peers: a bare Python start for the command line; for a cell, the 50 ms that nobody notices.
"""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from baserate.plan import Cell, Protocol
from baserate.run import Grid
from baserate.splits import predefined
from baserate.types import Examples, FloatArray, Inputs, ModelCard, Task, strings


class Prior:
    """The cheapest model there is."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Prior:
        """Return itself."""
        self.share = float(train.targets.mean()) + seed * 1e-6
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return the share of each class."""
        return np.tile([1 - self.share, self.share], (len(inputs), 1))


@functools.cache
def examples() -> Examples:
    """Return 3,000 random 300-mers of two classes, 1,000 of them for testing."""
    rng = np.random.default_rng(0)
    n = 3000
    ids = strings([f"x{i}" for i in range(n)])
    sequences = strings(["".join(row) for row in rng.choice(list("ACGT"), (n, 300))])
    part = strings(np.repeat(["train", "valid", "test"], [1600, 400, 1000]))
    clusters = strings([f"g{i // 5}" for i in range(n)])
    return Examples(ids, Inputs(sequences), rng.integers(0, 2, n), clusters, clusters, {"part": part})


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print one line a measurement."""
    script = str(Path(sys.executable).parent / "baserate")
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True), 7)
    helped = seconds(lambda: subprocess.run([script, "--help"], check=True, capture_output=True), 7)
    print(
        f"baserate --help   {helped * 1e3:6.0f} ms   {helped / bare:4.1f} x a bare Python start ({bare * 1e3:.0f} ms)"
    )

    metrics = ("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece")
    task = Task(
        "overhead", 1, "classification", metrics, examples, predefined("part"), "", "", "", "", (), (), {}, ("a", "b")
    )
    cells = []
    for i in range(20):
        card = ModelCard(f"prior{i}", Prior, {"from_scratch": {}}, {}, "", revision=lambda: "r")
        cells.append(Cell(task, card, "from_scratch"))
    with tempfile.TemporaryDirectory() as folder:
        grid = Grid(Path(folder), Protocol(), audited=False, checked=False)
        grid.run(cells[:1])
        start = time.perf_counter()
        grid.run(cells)
        each = (time.perf_counter() - start) / (len(cells) - 1)
    print(
        f"a cell            {each * 1e3:6.0f} ms   {len(metrics)} metrics, 3 seeds, 1,000 resamples of 1,000 examples"
    )

    if len(sys.argv) > 1:
        again = seconds(
            lambda: subprocess.run(
                [script, "run", "--suite", "quickstart", "--results", sys.argv[1]], check=True, capture_output=True
            ),
            3,
        )
        print(f"quickstart again  {again:6.2f} s")


if __name__ == "__main__":
    main()
