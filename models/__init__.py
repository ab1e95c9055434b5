"""Built-in models, and what is known about published ones."""

from . import (
    baserate_mlm,
    caduceus,
    dnabert,
    dnabert2,
    evo,
    gena_lm,
    generator,
    gpn,
    hyenadna,
    ladder,
    markov_toys,
    native,
    nucleotide_transformer,
    omni_dna,
)

__all__ = [
    "baserate_mlm",
    "caduceus",
    "dnabert",
    "dnabert2",
    "evo",
    "gena_lm",
    "generator",
    "gpn",
    "hyenadna",
    "ladder",
    "markov_toys",
    "native",
    "nucleotide_transformer",
    "omni_dna",
]
