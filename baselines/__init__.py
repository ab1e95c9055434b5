"""Built-in baselines, the floor of every table. Importing this registers cards and loads nothing heavy."""

from baserate.baselines import (
    cnn,
    constant,
    edit_count,
    gc_content,
    kmer_logreg,
    kmer_xgboost,
    length,
    markov,
    maxentscan,
    onehot_linear,
    prompt_copy,
    pwm,
    substitution_table,
    transition_transversion,
    trinucleotide,
)

__all__ = [
    "cnn",
    "constant",
    "edit_count",
    "gc_content",
    "kmer_logreg",
    "kmer_xgboost",
    "length",
    "markov",
    "maxentscan",
    "onehot_linear",
    "prompt_copy",
    "pwm",
    "substitution_table",
    "transition_transversion",
    "trinucleotide",
]
