"""The settings of networks for embedding and for training. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..settings import WINDOW, Setting, Settings, among, count, depth, one_of, positive, share

POOLINGS = ("mean", "max", "last", "cls")

_MAX_LENGTH = count(None, "bases used of a longer sequence, or in a chunk of it; by default the whole context")

EMBEDDING: Mapping[str, Setting] = {
    "layer": depth(
        -1,
        "hidden states: 0 the embeddings, -1 the last with its final norm, 0.5 those of half the depth",
        several=True,
        search=among(-1, 0.75, 0.5, 0.25),
    ),
    "pooling": one_of(
        *POOLINGS,
        default="mean",
        about="how the states of a sequence become one vector",
        several=True,
        search=among(*POOLINGS),
    ),
    "max_length": _MAX_LENGTH,
    **WINDOW,
    "truncation": replace(
        one_of("left", "right", "both", default="both", about="the side on which a longer sequence is cut"),
        beside=("window", "truncate"),
    ),
}
"""The settings of a network's `embed`."""

TRAINING: Mapping[str, Setting] = {
    "lr": positive(5e-4, "peak learning rate of AdamW"),
    "epochs": count(10, "passes over the training examples, at most"),
    "batch_size": count(32, "examples per step"),
    "warmup": share(0.1, "the share of all steps during which the learning rate rises"),
    "patience": count(2, "epochs without a lower loss on valid after which training ends"),
    "pooling": one_of(*POOLINGS, default="mean", about="how the states of a sequence become one vector", several=True),
    "max_length": _MAX_LENGTH,
    **WINDOW,
}
"""The settings of a network's `fit`."""

NETWORK: Mapping[str, Settings] = {"linear_probe": EMBEDDING, "fine_tune": TRAINING, "from_scratch": TRAINING}
"""The settings of a network by mode, for the cards of such models to declare."""

SHARED: Mapping[str, Setting] = {
    **TRAINING,
    **{name: replace(s, beside=None, search=None) for name, s in EMBEDDING.items() if name not in WINDOW},
}
"""Settings whose names the cards of other models share; only a network is sure to take what trials draw of them."""
