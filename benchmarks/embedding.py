"""Embedding against the encode loops of DGEB 0.2.0 and DNALLM 1.2.1 and two Hugging Face loops, in one run.

The same checkpoint and sequences for all: the shipped one of 1.2 M parameters, and one of the same kind with 50 M
random ones; sequences of 300, 600 and 1000 bp, a third each, in random order. Peers run their own code as they set
themselves up:

  dgeb        its NTModel, encode(): batches of 128 padded to their longest, 16 worker processes, two layers, LM head
  dgeb_alone  the same without worker processes
  dnallm      load_model_and_tokenizer(), extract_embeddings(): batches of 32 padded to their longest, eager attention
  card        the recipe of the Nucleotide Transformer's model card: everything padded to the longest that fits, in
              batches of 32, all hidden states; with no_grad, which the card leaves out
  loop        batches of 32 padded to their longest, the backbone alone, no_grad, the attention transformers chooses

Ours gives the layers that the peer gives, in one pass. Nine vectors of each contender are checked against the mean over
a forward pass of that sequence alone: over the bases for ours, over special tokens too for the peers, which count them.

The peers ask for other versions of our dependencies than ours, and import more than they need: install them beside.

    pip install --no-deps dgeb==0.2.0 dnallm==1.2.1 pytrec-eval-terrier seaborn loguru colorama evaluate altair narwhals
    pip install --no-deps umap-learn pynndescent einops accelerate peft captum optuna jsonschema referencing rpds-py
    OMP_NUM_THREADS=2 python benchmarks/embedding.py [--tiny 96] [--large 24] [--repeats 3] [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, EsmConfig, EsmForMaskedLM
from transformers.utils import logging as transformers_logging

from baserate.models.baserate_mlm import CHECKPOINT
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, Location
from baserate.networks.language_model import LanguageModel

Vectors = NDArray[np.float32]
LENGTHS = (300, 600, 1000)


def larger(folder: Path) -> Path:
    """Write a checkpoint of 50 M parameters in 16 layers of 512, random, with the tokenizer of the shipped one."""
    config = EsmConfig.from_pretrained(CHECKPOINT)
    config.update({"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 8})
    torch.manual_seed(0)
    EsmForMaskedLM(config).save_pretrained(folder)
    for name in ("tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((CHECKPOINT / name).read_bytes())
    return folder


def dgeb(checkpoint: Path, sequences: list[str], *, workers: int) -> Callable[[], list[Vectors]]:
    """Return a function that encodes as DGEB does: the vectors of its middle and its last but one layer."""
    from dgeb.models import NTModel

    model = NTModel(str(checkpoint), num_processes=workers)

    def encode() -> list[Vectors]:
        found = model.encode(sequences)
        return [found[:, i] for i in range(found.shape[1])]

    return encode


def dnallm(checkpoint: Path, sequences: list[str], device: str) -> Callable[[], list[Vectors]]:
    """Return a function that embeds as DNALLM does: the vectors of the last layer."""
    from dnallm import load_model_and_tokenizer
    from dnallm.configuration.configs import TaskConfig
    from dnallm.inference.probing import extract_embeddings

    model, tokenizer = load_model_and_tokenizer(str(checkpoint), TaskConfig(task_type="mask"), source="local")
    model = model.to(device)
    return lambda: [extract_embeddings(model, tokenizer, sequences, [0] * len(sequences)).embeddings]


def hugging_face(checkpoint: Path, sequences: list[str], device: str, *, card: bool) -> Callable[[], list[Vectors]]:
    """Return a function that embeds in a loop over batches of 32, padded to what fits (`card`) or to the longest."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = (AutoModelForMaskedLM if card else AutoModel).from_pretrained(checkpoint).eval().to(device)

    def embed() -> list[Vectors]:
        out = []
        for start in range(0, len(sequences), 32):
            batch = sequences[start : start + 32]
            inputs = tokenizer(batch, padding="max_length" if card else True, return_tensors="pt").to(device)
            with torch.no_grad():
                found = model(**inputs, output_hidden_states=card)
            states = found.hidden_states[-1] if card else found.last_hidden_state
            real = inputs["attention_mask"].unsqueeze(-1)
            out.append(((states * real).sum(1) / real.sum(1)).cpu().numpy())
        return [np.concatenate(out)]

    return embed


def literal(checkpoint: Path, sequences: list[str], device: str) -> dict[bool, list[Vectors]]:
    """Return each hidden state's means over all tokens (True), and over bases alone (False), one sequence at a time."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint).eval().to(device)
    means: dict[bool, list[list[Vectors]]] = {True: [], False: []}
    for sequence in sequences:
        with torch.no_grad():
            states = model(**tokenizer(sequence, return_tensors="pt").to(device), output_hidden_states=True)
        for special, rows in means.items():
            rows.append([(s[0] if special else s[0, 1:-1]).mean(0).cpu().numpy() for s in states.hidden_states])
    return {special: [np.stack(layer) for layer in zip(*rows, strict=True)] for special, rows in means.items()}


def gemm_peak(device: str, dtype: torch.dtype, size: int = 2048) -> float:
    """Return GFLOP/s of a product of two square matrices."""
    size = size if device == "cpu" else 4 * size
    a = torch.randn(size, size, dtype=dtype, device=device)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        product = a @ a
        float(product[0, 0])  # waits for it
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times) / 1e9


def useful_flops(config: Any, sequences: list[str]) -> float:
    """Return the floating-point operations of the matrix products for the tokens themselves, padding left out."""
    tokens = np.array([len(s) + 2 for s in sequences])
    dense = 2 * (4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size)
    return float(config.num_hidden_layers * (dense * tokens + 4 * config.hidden_size * tokens**2).sum())


def ours(model: LanguageModel, sequences: list[str], layers: list[int]) -> Callable[[], list[Vectors]]:
    """Return a function that gives these layers of all sequences."""
    column = np.array(sequences, dtype=object)
    return lambda: model.embed_all(column, [(layer, "mean") for layer in layers])


def measure(checkpoint: Path, name: str, n: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return times, ratios and the share of the peak on `n` sequences."""
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), length)) for length in rng.permutation(np.resize(LENGTHS, n))]
    model = open_checkpoint(
        Location(name, checkpoint, ""), Access(), device=options.device, precision=options.precision
    )
    device = str(model.device)
    config = model.network.config
    depth = int(config.num_hidden_layers)
    contenders = {
        "ours": (ours(model, sequences, [-1]), [depth], False),
        "ours_two_layers": (ours(model, sequences, [depth // 2, depth - 1]), [depth // 2, depth - 1], False),
        "dgeb": (dgeb(checkpoint, sequences, workers=16), [depth // 2, depth - 1], True),
        "dgeb_alone": (dgeb(checkpoint, sequences, workers=0), [depth // 2, depth - 1], True),
        "dnallm": (dnallm(checkpoint, sequences, device), [depth], True),
        "card": (hugging_face(checkpoint, sequences, device, card=True), [depth], True),
        "loop": (hugging_face(checkpoint, sequences, device, card=False), [depth], True),
    }
    chosen = [int(i) for length in LENGTHS for i in np.flatnonzero([len(s) == length for s in sequences])[:3]]
    truth = literal(checkpoint, [sequences[i] for i in chosen], device)
    apart: dict[str, float] = {}
    seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    cpu_seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    peaks = []
    for _ in range(options.repeats):
        peaks.append(gemm_peak(device, torch.bfloat16 if model.precision == "bf16" else torch.float32))
        for contender, (embed, layers, special) in contenders.items():
            start, before = time.perf_counter(), os.times()
            found = embed()
            seconds[contender].append(time.perf_counter() - start)
            cpu_seconds[contender].append(sum(os.times()[:4]) - sum(before[:4]))  # of worker processes too
            pairs = [(f[chosen], truth[special][layer]) for f, layer in zip(found, layers, strict=True)]
            gap = max(float(np.abs(vectors - t).max() / np.abs(t).max()) for vectors, t in pairs)
            apart[contender] = max(gap, apart.get(contender, 0.0))
    fastest = {contender: min(times) for contender, times in seconds.items()}
    median = {contender: statistics.median(times) for contender, times in seconds.items()}
    cpu = {contender: min(times) for contender, times in cpu_seconds.items()}
    speed = useful_flops(config, sequences) / 1e9
    peers = [contender for contender in contenders if not contender.startswith("ours")]
    base = {p: "ours_two_layers" if p.startswith("dgeb") else "ours" for p in peers}
    return {
        "benchmark": f"{name}, {n} sequences",
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "device": f"{device}, {model.precision}",
        "threads": torch.get_num_threads(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "seconds": {contender: [round(t, 2) for t in times] for contender, times in seconds.items()},
        "cpu_seconds": {contender: [round(t, 2) for t in times] for contender, times in cpu_seconds.items()},
        "tokens_per_s": {c: round(sum(len(s) + 2 for s in sequences) / t) for c, t in fastest.items()},
        "ratio_of_fastest": {p: round(fastest[p] / fastest[base[p]], 1) for p in peers},
        "ratio_of_medians": {p: round(median[p] / median[base[p]], 1) for p in peers},
        "ratio_of_least_cpu": {p: round(cpu[p] / cpu[base[p]], 1) for p in peers},
        "gflops": round(speed / fastest["ours"], 1),
        "gemm_peak_gflops": round(max(peaks), 1),
        "share_of_peak": round(speed / fastest["ours"] / max(peaks), 2),
        "largest_difference": {c: float(f"{gap:.1g}") for c, gap in apart.items()},
    }


def main() -> int:
    """Print a line of JSON for each checkpoint; exit 1 where vectors differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", type=int, default=96, help="sequences for the checkpoint of 1.2 M parameters")
    parser.add_argument("--large", type=int, default=24, help="sequences for the one of 50 M parameters")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--precision", default="fp32", help="of ours: fp32, bf16 or auto")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(CHECKPOINT, "tiny", options.tiny), (Path(folder), "large", options.large)]
        for checkpoint, name, n in jobs:
            if not n:
                continue
            if name == "large":
                larger(checkpoint)
            result = measure(checkpoint, name, n, options)
            print(json.dumps(result), flush=True)
            equal &= max(result["largest_difference"].values()) < (1e-4 if options.precision == "fp32" else 1e-1)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
