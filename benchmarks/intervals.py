"""Intervals against scipy.stats.bootstrap on the same predictions, and a whole leaderboard, cold and warm.

    OMP_NUM_THREADS=1 python benchmarks/intervals.py [--draws 1000] [--columns 40] [--rows 20] [--seeds 5]

Ours are the jackknife of clusters, which every interval is, and the bootstrap of `--check-intervals`. The peer draws
clusters as well, and computes each draw with scikit-learn or scipy. The board has five seeds of 2,000 examples in 500
clusters, and every cell a metric of these in turn: AUROC, AUPRC, MCC, Spearman. Cold, nothing is cached; warm, all is.
Times are CPU seconds, one thread, one line of JSON each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap, spearmanr
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from baserate.leaderboard import build_leaderboard
from baserate.records import Record, write_record
from baserate.results import Predictions, RunSpec
from baserate.selftest.worlds import World
from baserate.statistics import estimate, replicates

N, CLUSTERS = 2000, 500
PEERS: dict[str, Callable[[Any, Any], float]] = {
    "auroc": lambda y, s: float(roc_auc_score(y, s[:, -1])),
    "mcc": lambda y, s: float(matthews_corrcoef(y, s.argmax(axis=1))),
    "spearman": lambda y, s: float(spearmanr(y, s[:, 0])[0]),
}
FASTER = {"jackknife": 100.0, "bootstrap": 100.0}
"""How many times the CPU time of ours the peer must take."""


def cpu(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return the least CPU time of a few repeats, and what the work returns."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def world(metric: str, seeds: int = 1) -> World:
    """Return the world whose predictions are scored by the metric."""
    return World(N, CLUSTERS, uneven=0.5, seeds=seeds, training=0.1, measured=metric == "spearman")


def intervals(metric: str, draws: int) -> bool:
    """Print the times of one interval, and return whether both of ours are fast enough and all errors alike."""
    (p,) = world(metric).models(np.random.default_rng(0), [1.0])
    rows = [np.flatnonzero(p.clusters == name) for name in np.unique(p.clusters.astype(str))]

    def one(drawn: Any) -> float:
        at = np.concatenate([rows[i] for i in drawn])
        return PEERS[metric](p.targets[at], p.scores[0, at])

    def peer() -> Any:
        every = (np.arange(len(rows)),)
        rng = np.random.default_rng(0)
        return bootstrap(every, one, n_resamples=draws, vectorized=False, method="percentile", rng=rng)

    estimate(p, metric), replicates([p], metric, n_resamples=8)  # machine code is loaded once a process
    ours, e = cpu(lambda: estimate(p, metric), 5)
    drawn, values = cpu(lambda: replicates([p], metric, n_resamples=draws)[0], 3)
    theirs, found = cpu(peer)
    errors = [float(e.se_test or 0.0), float(values.std()), float(found.standard_error)]
    ratios = {"jackknife": theirs / ours, "bootstrap": theirs / drawn}
    alike = max(errors) / min(errors) < 1.1
    print(
        json.dumps(
            {
                "benchmark": f"an interval of {metric}, {N} examples, {CLUSTERS} clusters, {draws} draws",
                "peer": "scipy.stats.bootstrap",
                "jackknife_cpu_s": round(ours, 5),
                "bootstrap_cpu_s": round(drawn, 5),
                "peer_cpu_s": round(theirs, 3),
                "ratio": {name: round(ratio, 1) for name, ratio in ratios.items()},
                "standard_errors": [round(error, 5) for error in errors],
                "target": FASTER,
            }
        ),
        flush=True,
    )
    return alike and all(ratios[name] >= least for name, least in FASTER.items())


def board(columns: int, rows: int, seeds: int, cold_within: float, warm_within: float) -> bool:
    """Print the times of a leaderboard of so many columns and rows, and return whether they are within the limits."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BASERATE_CACHE"] = f"{folder}/cache"
        scores = write(Path(folder) / "results", columns, rows, seeds)
        cold, first = cpu(lambda: build_leaderboard(Path(folder) / "results"))
        warm, again = cpu(lambda: build_leaderboard(Path(folder) / "results"))
    print(
        json.dumps(
            {
                "benchmark": f"a board of {columns} columns x {rows} rows x {seeds} seeds, {N} examples",
                "scores_cpu_s": round(scores, 1),
                "cold_cpu_s": round(cold, 1),
                "warm_cpu_s": round(warm, 2),
                "gains": sum(cell.gain is not None for cell in first.cells),
                "equal": first.cells == again.cells,
                "target": {"scores and cold": cold_within, "warm": warm_within},
            }
        ),
        flush=True,
    )
    return first.cells == again.cells and scores + cold <= cold_within and warm <= warm_within


def write(results: Path, columns: int, rows: int, seeds: int) -> float:
    """Write the records of a board, a fourth of the rows baselines, and return the CPU time of their scores."""
    rng, spent, metrics = np.random.default_rng(0), 0.0, ("auroc", "auprc", "mcc", "spearman")
    for c in range(columns):
        metric = metrics[c % len(metrics)]
        for r, p in enumerate(world(metric, seeds).models(rng, list(np.linspace(0.5, 1.2, rows)))):
            seconds, e = cpu(lambda p=p, metric=metric: estimate(p, metric))  # type: ignore[misc]
            spent += seconds
            put(results, f"t{c:03d}@1", f"m{r:02d}", p, e, baseline=r < rows // 4)
    return spent


def put(results: Path, task: str, model: str, p: Predictions, e: Any, *, baseline: bool) -> None:
    """Write one record."""
    spec = RunSpec(task, "d" * 16, "s" * 16, model, {}, "r", "from_scratch", {}, p.seeds, 0.9)
    about = {"id": task, "metrics": [e.metric], "description": "", "sizes": {"train": 9}}
    write_record(results, Record(spec, "done", about, {"name": model, "baseline": baseline, "twin_of": ""}, (e,)), p)


def main() -> int:
    """Print a line a measurement; exit 1 where a target is missed or results differ."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    within = [intervals(metric, options.draws) for metric in PEERS]
    large = options.columns * options.rows > 800
    within.append(board(options.columns, options.rows, options.seeds, *((180.0, 60.0) if large else (60.0, 2.0))))
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
