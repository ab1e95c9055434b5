"""What tests of pretraining share: the tokens of the shipped vocabulary, and the configuration of a tiny network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baserate.networks.token_tables import NucleotideTokens, nucleotide_tokens

TINY = """
[model]
architecture = "{architecture}"
hidden = 16
layers = 2
heads = 2
intermediate = 32
context = 128

[tokens]
kind = "{kind}"
k = {k}
vocabulary = 64
sample = 100000

[training]
{budget}
objective = "{objective}"
batch = 4
crop = 40
valid_crop = 60
lr = 5e-3
warmup = 5
valid_fraction = 0.3
valid_windows = 16
log_every = 10
valid_every = 20
checkpoint_every = 5
{more}

[[corpus]]
name = "toy"
fasta = "{fasta}"
include = ["*"]
weight = 1
species = "none"
assembly = "toy1"
"""


def letters() -> NucleotideTokens:
    """Return the tokens of single bases: A, C, G, T, N are 4 to 8, <mask> is 9, and 0 and 2 stand around a sequence."""
    ids = {letter: 4 + i for i, letter in enumerate("ACGTN")}
    return nucleotide_tokens(ids, pad=1, mask=9, prefix=[0], suffix=[2])


def write_config(
    folder: Path,
    *,
    architecture: str = "esm",
    kind: str = "nucleotide",
    k: int = 3,
    budget: str = "steps = 20",
    more: str = "",
) -> Path:
    """Return a configuration of a tiny network on random contigs, some of them short or with N, in `folder`."""
    rng = np.random.default_rng(0)
    contigs = {name: "".join(rng.choice(list("ACGT"), p=[0.4, 0.1, 0.1, 0.4], size=100_000)) for name in "ab"}
    contigs["short"] = "ACGTTGCAN" * 9
    fasta = folder / "toy.fa"
    fasta.write_text("".join(f">{name}\n{s}\n" for name, s in contigs.items()))
    path = folder / "tiny.toml"
    objective = "causal" if architecture == "llama" else "masked"
    path.write_text(
        TINY.format(
            architecture=architecture, kind=kind, k=k, budget=budget, objective=objective, more=more, fasta=fasta
        )
    )
    return path
