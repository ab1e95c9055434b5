"""Training the CNN baseline against the CNN of genomic-benchmarks: the same sequences, batch and thread, one process.

    python benchmarks/cnn.py [--examples 2048 --length 251 --epochs 2]

The peer is written anew after its repository (ML-Bioinfo-CEITEC/genomic_benchmarks, `models/torch.py` and
`experiments/torch_cnn_experiments`): 100 channels a letter, three convolutions of width 8 with 16, 8 and 4 channels,
each with batch normalisation and pooled by 2, then 512 units; Adam at its defaults. As there, sequences become tokens
letter by letter for every batch, and after each epoch a second pass over train counts what is right. Letters are
looked up in a dict; the repository asks torchtext, which is slower, so that the ratio is a lower bound. Timed are
whole epochs, and for the peer its training steps alone as well, with their tokens.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.data import DataLoader

from baserate.baselines import cnn
from baserate.types import Examples, Inputs, strings

BATCH = 64
TOKENS = {token: number for number, token in enumerate(("<bos>", "A", "C", "G", "T", "<eos>"))}
Batch = tuple[torch.Tensor, torch.Tensor]


class Peer(nn.Module):
    """The network of genomic-benchmarks for two classes, for sequences of `length` bp."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(TOKENS), 100)
        layers: list[nn.Module] = []
        width = length + 2
        for inputs, outputs in ((100, 16), (16, 8), (8, 4)):
            layers += [nn.Conv1d(inputs, outputs, 8), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2)]
            width = (width - 7) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width, 512), nn.Linear(512, 1), nn.Sigmoid())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return chances (n, 1) of tokens (n, length + 2)."""
        return self.layers(self.letters(tokens).transpose(1, 2))


def batch_of(rows: list[tuple[str, int]]) -> Batch:
    """Return the tokens and labels of a batch."""
    tokens = [torch.tensor([TOKENS[t] for t in ("<bos>", *text, "<eos>")]) for text, _ in rows]
    return torch.stack(tokens), torch.stack([torch.tensor([float(label)]) for _, label in rows])


def peer_seconds(rows: list[tuple[str, int]], epochs: int) -> tuple[float, float]:
    """Return CPU seconds of an epoch, and of its training steps alone."""
    torch.manual_seed(0)
    network = Peer(len(rows[0][0])).train()
    optimizer = torch.optim.Adam(network.parameters())
    batches: DataLoader[Batch] = DataLoader(rows, BATCH, shuffle=True, collate_fn=batch_of)  # type: ignore[arg-type]
    steps, start = 0.0, time.process_time()
    for _ in range(epochs):
        began = time.process_time()
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(x), y).backward()
            optimizer.step()
        steps += time.process_time() - began
        with torch.no_grad():
            for x, y in batches:
                chances = network(x)
                _ = nn.functional.binary_cross_entropy_with_logits(chances, y).item()
                _ = (chances.round() == y).sum().item()
    return (time.process_time() - start) / epochs, steps / epochs


def our_seconds(train: Examples, epochs: int) -> float:
    """Return CPU seconds of an epoch of the baseline, with its preparation and a look at some validation examples."""
    model = cnn.load(device="cpu")
    model = replace(model, recipe=replace(model.recipe, epochs=(epochs, epochs)))
    start = time.process_time()
    fitted = model.fit(train, train.take(slice(0, BATCH)), n_classes=2, seed=0)
    return (time.process_time() - start) / len(fitted.history)


def main() -> int:
    """Print a line of JSON; exit 1 where the ratio of whole epochs is below the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=2048)
    parser.add_argument("--length", type=int, default=251)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--target", type=float, default=3.0)
    options = parser.parse_args()
    letters = np.random.default_rng(0).choice(list("ACGT"), size=(options.examples, options.length))
    texts, labels = ["".join(row) for row in letters], np.arange(options.examples) % 2
    ids = strings([str(i) for i in range(options.examples)])
    train = Examples(ids, Inputs(strings(texts)), labels, ids, ids)
    rows = list(zip(texts, labels.tolist(), strict=True))
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        our_seconds(train.take(slice(0, 2 * BATCH)), 1)  # imports
        peer_seconds(rows[: 2 * BATCH], 1)
        ours = our_seconds(train, options.epochs)
        epoch, steps = peer_seconds(rows, options.epochs)
    result = {
        "benchmark": f"an epoch of the CNN, {options.examples} x {options.length} bp, batch {BATCH}, one thread",
        "peer": "genomic-benchmarks, models/torch.py, after its repository",
        "ours_cpu_s": round(ours, 3),
        "peer_cpu_s": round(epoch, 3),
        "ratio": round(epoch / ours, 2),
        "ratio_of_steps": round(steps / ours, 2),
        "target": options.target,
    }
    print(json.dumps(result))
    return 0 if result["ratio"] >= options.target else 1


if __name__ == "__main__":
    sys.exit(main())
