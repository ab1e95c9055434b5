"""A path of 7 penalties against scikit-learn's 7 cold lbfgs fits: the same objective, data and thread, one process.

    python benchmarks/probe.py [--sizes 20000x256 50000x768]

The features are synthetic and correlated as embeddings are: principal components with standard deviations 1, 1/2, 1/3,
.., rotated at random, then standardised, in float32; labels are drawn from a logistic model of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from baserate.probes.linear import logistic_path
from baserate.types import FloatArray

STRENGTHS = (1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)
"""scikit-learn's C, the inverse of penalty times n."""


def correlated(n: int, d: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features (n, d) and binary labels (n,)."""
    rng = np.random.default_rng(seed)
    rank = np.arange(1, d + 1)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = rng.standard_normal((n, d)).astype(np.float32) @ (turn / rank).T.astype(np.float32)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    score = x @ (turn @ (rng.standard_normal(d) / np.sqrt(rank)))
    return x, (1.5 * score / score.std() + rng.logistic(size=n) > 0).astype(np.int64)


def objective(x: NDArray[np.float32], y: NDArray[np.int64], w: FloatArray, b: float, penalty: float) -> float:
    """Return the penalised loss per example, in float64."""
    z = np.concatenate([part.astype(np.float64) @ w for part in np.array_split(x, 20)]) + b
    return float(np.mean(np.logaddexp(0, z) - y * z) + 0.5 * penalty * (w @ w))


def measure(n: int, d: int) -> dict[str, Any]:
    """Return CPU seconds of both, their ratio, and our objective minus scikit-learn's at each penalty."""
    x, y = correlated(n, d, seed=0)
    penalties = [1 / (c * n) for c in STRENGTHS]
    logistic_path(x[:100], y[:100], 2, penalties[:1])  # imports
    start = time.process_time()
    path = logistic_path(x, y, 2, penalties)
    ours = time.process_time() - start
    theirs, excess = 0.0, []
    for i, c in enumerate(STRENGTHS):
        start = time.process_time()
        peer = LogisticRegression(C=c, max_iter=2000).fit(x, y)
        theirs += time.process_time() - start
        best = objective(x, y, peer.coef_[0].astype(np.float64), float(peer.intercept_[0]), penalties[i])
        excess.append(objective(x, y, path.coefficients[i, 0], path.intercepts[i, 0], penalties[i]) - best)
    return {
        "benchmark": f"logistic path, 7 penalties, {n} x {d}",
        "peer": "sklearn LogisticRegression(solver='lbfgs'), default tolerance, max_iter=2000, 7 cold fits",
        "ours_cpu_s": round(ours, 3),
        "peer_cpu_s": round(theirs, 3),
        "ratio": round(theirs / ours, 1),
        "objective_minus_peer": [float(f"{e:.2g}") for e in excess],
    }


def main() -> int:
    """Print a line of JSON for each size; exit 1 where the ratio is below the target or an objective is worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["20000x256", "50000x768"], metavar="NxD")
    parser.add_argument("--target", type=float, default=8.0)
    options = parser.parse_args()
    passed = True
    with threadpool_limits(limits=1):
        for size in options.sizes:
            n, d = (int(part) for part in size.split("x"))
            result = measure(n, d) | {"target": options.target}
            print(json.dumps(result), flush=True)
            passed &= result["ratio"] >= options.target and max(result["objective_minus_peer"]) <= 1e-6
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
