"""Pretraining against `transformers.Trainer` on the same network, the same DNA, batch and masking rate, in one run.

The peer tokenises windows with the tokenizer of the checkpoint and masks them with `DataCollatorForLanguageModeling`;
it trains by `Trainer` with its defaults but for the batch and the learning rate. Networks are ESM of 1.2 M and 6 M
parameters; a step is 16 rows. The DNA is contigs of 100 to 500 bp ('mixed'), which the peer pads and ours packs into
rows of 318 bases, or one long contig ('windows'), of which both read 318 bases a row, so that both do the same products
of matrices, and no more than the inverse of the peer's own share of the peak can be gained. Compared are CPU seconds a
base. Before either trains, both networks give the same loss on one masked batch, to 1e-5. `peak_share` is what
products of matrices reach of the floating-point operations that one large product does in a CPU second, measured before
and after each training, since other load moves it.

    OMP_NUM_THREADS=1 python benchmarks/pretraining.py [--steps 12] [--repeats 2] [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from baserate.networks.training import pick_device
from baserate.pretraining.architectures import new_network, operations
from baserate.pretraining.config import ModelConfig, PretrainConfig, TrainingConfig
from baserate.pretraining.corpus import Spans
from baserate.pretraining.objectives import IGNORED
from baserate.pretraining.tokenizer import read_tokenizer, write_tokenizer
from baserate.pretraining.train import Trainee, make_optimizer
from baserate.pretraining.windows import Windows, text

BATCH, CROP, RATE = 16, 318, 1e-3
SIZES = {"1.2 M": (128, 6, 4), "6 M": (256, 8, 8)}
TARGETS = {"mixed": 2.0, "windows": 1.0}
PEAK_TARGET = 0.5


def config_of(name: str) -> PretrainConfig:
    """Return the configuration of a size."""
    hidden, layers, heads = SIZES[name]
    shape = ModelConfig(hidden=hidden, layers=layers, heads=heads, intermediate=4 * hidden)
    return PretrainConfig(shape, TrainingConfig(steps=1, batch=BATCH, crop=CROP, lr=RATE), ())


def dna(lengths: str) -> Spans:
    """Return a random megabase, in one contig or in contigs of 100 to 500 bp."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 1_000_000).astype(np.uint8)
    cuts = np.cumsum(rng.integers(100, 501, 3000)) if lengths == "mixed" else np.array([], np.int64)
    return Spans("random", 1.0, tuple(np.split(codes, cuts[cuts < len(codes)])), np.empty((0, CROP), np.uint8))


def make(folder: Path, config: PretrainConfig, device: str) -> Trainee:
    """Return a network to train, as `baserate pretrain` makes it; its checkpoint and tokenizer are in the folder."""
    write_tokenizer(folder, config, [dna("windows")])
    tokens = read_tokenizer(folder, "benchmark")
    place = pick_device(device)
    network = new_network(config, tokens).to(place)
    network.save_pretrained(folder)
    return Trainee(network, tokens, config, place, "fp32")


def ours(trainee: Trainee, lengths: str, steps: int) -> tuple[float, int, float]:
    """Return CPU seconds of training, the bases seen and the floating-point operations of products of matrices."""
    optimizer = make_optimizer(trainee.network, trainee.config.training)
    windows = Windows([dna(lengths)], trainee.tokens, crop=CROP)
    before, bases, spent = time.process_time(), 0, 0.0
    for step in range(steps):
        rng = np.random.default_rng([0, step])
        batch = trainee.batch(windows.draw(rng, BATCH), rng)
        trainee.step(optimizer, batch)
        bases += int(batch.rows.bases.sum())
        labelled = int(np.count_nonzero(batch.labels != IGNORED))
        spent += operations(trainee.network, trainee.config, rows=BATCH, length=windows.length, labelled=labelled)
    return time.process_time() - before, bases, spent


def peer(folder: Path, lengths: str, steps: int, device: str) -> tuple[float, int]:
    """Return CPU seconds of training by `Trainer`, and the bases seen."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces, rng = dna(lengths).train, np.random.default_rng(0)
    if lengths == "windows":
        seen = [pieces[0][start : start + CROP] for start in rng.integers(len(pieces[0]) - CROP, size=steps * BATCH)]
    else:
        seen = [pieces[i] for i in rng.integers(len(pieces), size=steps * BATCH)]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    with tempfile.TemporaryDirectory() as temporary:
        arguments = TrainingArguments(
            temporary,
            per_device_train_batch_size=BATCH,
            max_steps=steps,
            learning_rate=RATE,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            log_level="error",
            use_cpu=device == "cpu",
            seed=0,
        )
        network = AutoModelForMaskedLM.from_pretrained(folder)
        before = time.process_time()
        rows = tokenizer([text(codes) for codes in seen])
        data = [{"input_ids": ids} for ids in rows["input_ids"]]
        trainer = Trainer(network, arguments, train_dataset=data, data_collator=collator)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return time.process_time() - before, sum(map(len, seen))


def first_losses(folder: Path, trainee: Trainee) -> tuple[float, float]:
    """Return both networks' mean loss on one masked batch."""
    rng = np.random.default_rng(0)
    batch = trainee.batch(Windows([dna("windows")], trainee.tokens, crop=CROP).draw(rng, BATCH), rng)
    network = AutoModelForMaskedLM.from_pretrained(folder).to(trainee.device)
    ids, labels = (torch.from_numpy(x).to(trainee.device) for x in (batch.ids, batch.labels))
    with torch.no_grad():
        theirs = nn.functional.cross_entropy(network(ids).logits.flatten(0, 1), labels.flatten())
        return float(trainee.losses(batch).mean()), float(theirs)


def peak() -> float:
    """Return the floating-point operations of a large product of matrices in a CPU second."""
    x = torch.randn(1024, 1024)
    best = np.inf
    for _ in range(5):
        before = time.process_time()
        torch.mm(x, x)
        best = min(best, time.process_time() - before)
    return float(2 * 1024**3 / best)


def measure(name: str, lengths: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return CPU seconds a megabase, their ratio and what share of the peak is reached."""
    times: dict[str, list[float]] = {"ours": [], "trainer": []}
    shares = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trainee = make(folder, config_of(name), options.device)
        first = first_losses(folder, trainee)
        for _ in range(options.repeats):
            before = peak()
            spent, bases, done = ours(trainee, lengths, options.steps)
            shares.append(done / spent / ((before + peak()) / 2))
            times["ours"].append(spent / bases * 1e6)
            spent, bases = peer(folder, lengths, options.steps, options.device)
            times["trainer"].append(spent / bases * 1e6)
    return {
        "benchmark": f"{name}, {lengths}, {options.steps} steps of {BATCH} rows",
        "threads": torch.get_num_threads(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "cpu_seconds_a_megabase": {k: [round(t) for t in v] for k, v in times.items()},
        "peak_share": [round(share, 2) for share in shares],
        "ratio": round(min(times["trainer"]) / min(times["ours"]), 2),
        "target": TARGETS[lengths],
        "first_loss_apart": abs(first[0] - first[1]),
    }


def main() -> int:
    """Print a line of JSON for each size and kind of DNA; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", default=",".join(SIZES))
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    good = True
    for name in options.sizes.split(","):
        for lengths in TARGETS:
            found = measure(name, lengths, options)
            good &= found["ratio"] >= found["target"] and max(found["peak_share"]) >= PEAK_TARGET
            good &= found["first_loss_apart"] < 1e-5
            print(json.dumps(found), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
