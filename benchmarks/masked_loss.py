"""The in-house model's loss at masked bases of its held-out windows, against Markov models of the same corpus.

In each held-out window 12 bases are masked together; the loss is the mean of -log p(base), in nats, over A, C, G, T.
A Markov model of order k predicts a base from the k bases on its left and is counted on the training part of the same
corpus, both strands, at most 8 Mb of it, plus one in each count. It sees one side; the masked model sees both.

OMP_NUM_THREADS=2 python benchmarks/masked_loss.py [--windows 64]
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from baserate.models.baserate_mlm import CHECKPOINT
from baserate.pretraining.config import read_config
from baserate.pretraining.corpus import UNKNOWN, Codes, Spans, complement, load
from baserate.registry import get_model, load_model
from baserate.types import FloatArray, IntArray, strings

ORDERS = (0, 3, 5, 7, 9)
MASKED = 12


def contexts(codes: Codes, k: int) -> tuple[IntArray, IntArray]:
    """Return the index of the word of k + 1 bases that ends at each offset from k on, and whether it is all known."""
    words = np.lib.stride_tricks.sliding_window_view(codes, k + 1)
    index = np.zeros(len(words), np.int64)
    known = np.ones(len(words), bool)
    for j in range(k + 1):
        index = index * 4 + np.minimum(words[:, j], 3)
        known &= words[:, j] < UNKNOWN
    return index, known


def markov(spans: Spans, k: int) -> FloatArray:
    """Return log p(base | k bases on its left) by word (4 ** (k + 1),)."""
    codes = np.concatenate(spans.train)[:8_000_000]
    counts = np.ones(4 ** (k + 1))
    for strand in (codes, complement(codes[::-1])):
        index, known = contexts(strand, k)
        counts += np.bincount(index[known], minlength=len(counts))
    table = counts.reshape(-1, 4)
    log_probs: FloatArray = np.log(table / table.sum(1, keepdims=True)).ravel()
    return log_probs


def main() -> int:
    """Print a line of JSON for each corpus that has held-out windows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=64)
    options = parser.parse_args()
    config = read_config(CHECKPOINT / "pretrain.toml")
    t = config.training
    models = {name: load_model(get_model(name)) for name in ("baserate_mlm", "baserate_mlm_random")}
    for corpus in config.corpora:
        spans = load(corpus, length=t.crop, valid_fraction=t.valid_fraction, n_valid=options.windows, seed=t.seed)
        if not len(spans.valid):
            continue
        rng = np.random.default_rng(0)
        first = max(ORDERS)
        sites = [
            np.sort(rng.choice(np.flatnonzero(row[first:] < UNKNOWN) + first, MASKED, replace=False))
            for row in spans.valid
        ]
        truth = [row[at] for row, at in zip(spans.valid, sites, strict=True)]
        windows = strings(["".join("ACGTN"[b] for b in row) for row in spans.valid])
        loss = {}
        for name, model in models.items():
            found = model.masked_log_probs(windows, sites)
            loss[name] = -np.mean([p[np.arange(MASKED), y] for p, y in zip(found, truth, strict=True)])
        for k in ORDERS:
            log_probs = markov(spans, k)
            gains = []
            for row, at in zip(spans.valid, sites, strict=True):
                index, known = contexts(row, k)
                gains.append(log_probs[index[at - k]][known[at - k]])
            loss[f"markov_{k}"] = -np.mean(np.concatenate(gains))
        rounded = {name: round(float(value), 4) for name, value in loss.items()}
        print(json.dumps({"corpus": corpus.name, "windows": len(windows), **rounded}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
