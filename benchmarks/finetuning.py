"""Fine-tuning against `transformers.Trainer` on one checkpoint, the same sequences, epochs, batch and head, in one run.

The peer is the backbone of `AutoModel` under a mean over the bases and the same linear head, in a `Trainer` with
`DataCollatorWithPadding` and its defaults but for the learning rate, the batch and the number of epochs. Lengths are
100 to 500 bp at random, or 300 bp; checkpoints are the shipped one of 1.2 M parameters and one of the same kind with
25 M random ones. In the first step both see the same batch, whose losses must be equal to 1e-5. `peak_share` is what
products of matrices reach of the floating-point operations that one large product does in a CPU second: on a CPU they
are most of the time of either side, so that no more than its inverse can be gained.

    OMP_NUM_THREADS=1 python benchmarks/finetuning.py [--small 512] [--large 64] [--repeats 2] [--device cpu]
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
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DataCollatorWithPadding,
    EsmConfig,
    EsmForMaskedLM,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from baserate.models.baserate_mlm import CHECKPOINT
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, Location
from baserate.types import Examples, Inputs, strings

BATCH, RATE = 32, 1e-4
TARGETS = {"mixed": 2.0, "equal": 1.3}


def larger(folder: Path) -> Path:
    """Write a checkpoint of 25 M parameters in 8 layers of 512, random, with the tokenizer of the shipped one."""
    config = EsmConfig.from_pretrained(CHECKPOINT)
    config.update({"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 8})
    torch.manual_seed(0)
    EsmForMaskedLM(config).save_pretrained(folder)
    for name in ("tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((CHECKPOINT / name).read_bytes())
    return folder


def examples(n: int, lengths: str) -> Examples:
    """Return random sequences of two classes, one of which has TATAAA in its middle."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(100, 501, n) if lengths == "mixed" else np.full(n, 300)
    y = np.arange(n) % 2
    found = ["".join(rng.choice(list("ACGT"), size)) for size in sizes]
    found = [
        s[: len(s) // 2] + "TATAAA" + s[len(s) // 2 + 6 :] if label else s for s, label in zip(found, y, strict=True)
    ]
    ids = strings([str(i) for i in range(n)])
    return Examples(ids, Inputs(strings(found)), y.astype(np.int64), ids, ids, {})


class Peer(nn.Module):
    """A backbone under a mean over the bases and a linear head."""

    def __init__(self, checkpoint: Path, seed: int) -> None:
        super().__init__()
        self.backbone = AutoModel.from_pretrained(checkpoint, add_pooling_layer=False)
        torch.manual_seed(seed)
        self.head = nn.Linear(self.backbone.config.hidden_size, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the loss and the logits, as `Trainer` wants them."""
        states = self.backbone(input_ids, attention_mask=attention_mask).last_hidden_state
        real = attention_mask.clone()
        real[:, 0] = 0  # the first and the last token are no bases
        real[torch.arange(len(real)), attention_mask.sum(1) - 1] = 0
        mean = (states * real.unsqueeze(-1)).sum(1) / real.sum(1, keepdim=True)
        logits = self.head(mean)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def peer(checkpoint: Path, data: Examples, epochs: int, device: str, folder: Path) -> tuple[float, list[float]]:
    """Return CPU seconds of training by `Trainer`, and its loss at each step."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoded = tokenizer([str(s) for s in data.inputs.sequences])
    rows = [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": int(y)}
        for ids, y in zip(encoded["input_ids"], data.targets, strict=True)
    ]
    arguments = TrainingArguments(
        str(folder),
        per_device_train_batch_size=BATCH,
        num_train_epochs=epochs,
        learning_rate=RATE,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        log_level="error",
        use_cpu=device == "cpu",
        seed=0,
    )
    trainer = Trainer(
        Peer(checkpoint, 0), arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer)
    )
    before = time.process_time()
    trainer.train()
    spent = time.process_time() - before
    return spent, [row["loss"] for row in trainer.state.log_history if "loss" in row]


def ours(checkpoint: Path, data: Examples, epochs: int, device: str, batch: int = BATCH) -> tuple[float, list[float]]:
    """Return CPU seconds of training by baserate, and its loss of each epoch; valid is 8 examples."""
    model = open_checkpoint(Location("ours", checkpoint, ""), Access(), device=device)
    valid = data.take(np.arange(8))
    before = time.process_time()
    made = model.fit(data, valid, n_classes=2, seed=0, lr=RATE, epochs=epochs, batch_size=batch, patience=epochs)
    return time.process_time() - before, [row["train_loss"] for row in made.history]


def first_losses(checkpoint: Path, data: Examples, device: str, folder: Path) -> tuple[float, float]:
    """Return both losses at the first step, on one batch of all of the data."""
    batch = data.take(np.arange(BATCH))
    return ours(checkpoint, batch, 1, device)[1][0], peer(checkpoint, batch, 1, device, folder)[1][0]


def operations(checkpoint: Path, data: Examples) -> float:
    """Return the floating-point operations of the products of matrices in an epoch, forwards and back."""
    config = AutoConfig.from_pretrained(checkpoint)
    tokens = np.array([len(s) + 2 for s in data.inputs.sequences], np.float64)
    d, wide, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    weights, pairs = layers * (4 * d * d + 2 * d * wide), 2 * layers * d
    return float(3 * 2 * (weights * tokens + pairs * tokens**2).sum())


def peak() -> float:
    """Return the floating-point operations of a large product of matrices in a CPU second."""
    x = torch.randn(1024, 1024)
    best = np.inf
    for _ in range(5):
        before = time.process_time()
        torch.mm(x, x)
        best = min(best, time.process_time() - before)
    return float(2 * 1024**3 / best)


def measure(
    checkpoint: Path, name: str, n: int, lengths: str, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """Return CPU seconds, their ratio and the losses."""
    data = examples(n, lengths)
    first = first_losses(checkpoint, data, options.device, folder)
    times: dict[str, list[float]] = {"ours": [], "trainer": []}
    curves: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        spent, curve = ours(checkpoint, data, options.epochs, options.device)
        times["ours"].append(spent)
        curves["ours"] = curve
        spent, steps = peer(checkpoint, data, options.epochs, options.device, folder)
        times["trainer"].append(spent)
        curves["trainer"] = [float(part.mean()) for part in np.array_split(np.array(steps), options.epochs)]
    return {
        "benchmark": f"{name}, {n} sequences, {lengths} lengths, {options.epochs} epochs",
        "threads": torch.get_num_threads(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "cpu_seconds": {k: [round(t, 2) for t in v] for k, v in times.items()},
        "peak_share": round(options.epochs * operations(checkpoint, data) / min(times["ours"]) / peak(), 2),
        "ratio": round(min(times["trainer"]) / min(times["ours"]), 2),
        "target": TARGETS[lengths],
        "first_loss_apart": abs(first[0] - first[1]),
        "losses": {k: [round(x, 4) for x in v] for k, v in curves.items()},
    }


def main() -> int:
    """Print a line of JSON for each checkpoint and kind of lengths; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=512)
    parser.add_argument("--large", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        for name, n in (("1.2 M", options.small), ("25 M", options.large)):
            if not n:
                continue
            checkpoint = CHECKPOINT if name == "1.2 M" else larger(Path(temporary) / "large")
            for lengths in TARGETS:
                found = measure(checkpoint, name, n, lengths, options, Path(temporary) / "trainer")
                good &= found["ratio"] >= found["target"] and found["first_loss_apart"] < 1e-5
                print(json.dumps(found), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
