"""Built-in baselines, the floor that every table carries. Importing this registers cards and loads nothing heavy."""

from baserate.baselines import (
    constant,
    edit_count,
    gc_content,
    kmer_logreg,
    kmer_xgboost,
    length,
    onehot_linear,
    transition_transversion,
)

__all__ = [
    "constant",
    "edit_count",
    "gc_content",
    "kmer_logreg",
    "kmer_xgboost",
    "length",
    "onehot_linear",
    "transition_transversion",
]
