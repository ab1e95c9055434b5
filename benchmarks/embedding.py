"""Embedding with the in-house model against a Hugging Face loop on the same sequences, and the share of the GEMM peak.

The peer is the loop of most notebooks: the slow Python tokenizer, unsorted batches padded to their longest sequence,
the mean over tokens that are not padding or special, without gradients. It runs with eager attention, and with the
attention that transformers chooses by itself. Vectors are checked to be equal.

OMP_NUM_THREADS=2 python benchmarks/embedding.py [--sequences 96] [--batch 32] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer

from baserate.hf import HuggingFaceModel, without_progress_bars
from baserate.models.baserate_mlm import CHECKPOINT
from baserate.types import StrArray, strings


def hugging_face(sequences: StrArray, *, batch: int, attention: str | None) -> Callable[[], NDArray[np.float32]]:
    """Return a function that embeds the sequences as the peer does."""
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    with without_progress_bars():
        model = AutoModelForMaskedLM.from_pretrained(CHECKPOINT, attn_implementation=attention).base_model.eval()

    def embed() -> NDArray[np.float32]:
        out = []
        for start in range(0, len(sequences), batch):
            inputs = tokenizer(list(sequences[start : start + batch]), padding=True, return_tensors="pt")
            with torch.no_grad():
                states = model(**inputs).last_hidden_state
            real = (inputs["input_ids"] >= 4).unsqueeze(-1)  # A, C, G, T follow the four special tokens
            out.append(((states * real).sum(1) / real.sum(1)).numpy())
        return np.concatenate(out)

    return embed


def gemm_peak(size: int = 2048) -> float:
    """Return GFLOP/s of a float32 product of two square matrices."""
    a = torch.randn(size, size)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times) / 1e9


def useful_flops(model: HuggingFaceModel, sequences: StrArray) -> float:
    """Return the floating-point operations of the matrix products for the bases themselves, padding left out."""
    c = model.config
    lengths = np.array([len(s) for s in sequences]) + model.tokens.n_special
    dense = 2 * (4 * c.hidden_size**2 + 2 * c.hidden_size * c.intermediate_size)
    return float(c.num_hidden_layers * (dense * lengths + 4 * c.hidden_size * lengths**2).sum())


def main() -> int:
    """Print times and ratios as one line of JSON; exit 1 where vectors differ or the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--target", type=float, default=4.0)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    lengths = rng.integers(100, 1001, size=options.sequences)
    sequences = strings(["".join(rng.choice(list("ACGT"), size=n)) for n in lengths])
    model = HuggingFaceModel(CHECKPOINT, device="cpu")
    contenders: dict[str, Callable[[], NDArray[np.float32]]] = {
        "ours": lambda: model.embed(sequences),
        "peer_eager": hugging_face(sequences, batch=options.batch, attention="eager"),
        "peer_default": hugging_face(sequences, batch=options.batch, attention=None),
    }
    vectors = {name: embed() for name, embed in contenders.items()}  # also the warm-up
    worst = max(float(np.abs(v - vectors["ours"]).max()) for v in vectors.values())
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    peaks = []
    for _ in range(options.repeats):
        peaks.append(gemm_peak())
        for name, embed in contenders.items():
            start = time.perf_counter()
            embed()
            seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    speed = useful_flops(model, sequences) / median["ours"] / 1e9
    ratio = median["peer_eager"] / median["ours"]
    print(
        json.dumps(
            {
                "benchmark": f"embed {options.sequences} sequences of 100..1000 bp, {int(lengths.sum())} bp in all",
                "peer": f"Hugging Face loop, Python tokenizer, unsorted, padded, batch {options.batch}",
                "threads": torch.get_num_threads(),
                "seconds": {name: [round(t, 3) for t in times] for name, times in seconds.items()},
                "bp_per_s": {name: round(int(lengths.sum()) / t) for name, t in median.items()},
                "gflops": round(speed, 1),
                "gemm_peak_gflops": round(statistics.median(peaks), 1),
                "share_of_peak": round(speed / statistics.median(peaks), 3),
                "largest_difference": worst,
                "ratio": round(ratio, 1),
                "ratio_to_default_attention": round(median["peer_default"] / median["ours"], 1),
                "target": options.target,
            }
        )
    )
    return 0 if worst < 1e-4 and ratio >= options.target else 1


if __name__ == "__main__":
    sys.exit(main())
