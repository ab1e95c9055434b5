"""What a network can be told when it embeds and when it is trained. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping

from ..settings import Setting, Settings, count, layer, one_of, positive, share

POOLINGS = ("mean", "max", "last", "cls")

_MAX_LENGTH = count(None, "bases that are used of a longer sequence; the whole context if none are named")

EMBEDDING: Mapping[str, Setting] = {
    "layer": layer(-1, "hidden states: 0 the embeddings, -1 the last with its final norm", several=True),
    "pooling": one_of(*POOLINGS, default="mean", about="how the states of a sequence become one vector", several=True),
    "max_length": _MAX_LENGTH,
    "truncation": one_of("left", "right", "both", default="both", about="the side on which a longer sequence is cut"),
}
"""What `embed` takes of a network."""

TRAINING: Mapping[str, Setting] = {
    "lr": positive(5e-4, "peak learning rate of AdamW"),
    "epochs": count(10, "passes over the training examples at the most"),
    "batch_size": count(32, "examples a step"),
    "warmup": share(0.1, "the share of the steps in which the learning rate rises"),
    "patience": count(2, "epochs without a lower loss on valid after which training ends"),
    "pooling": one_of(*POOLINGS, default="mean", about="how the states of a sequence become one vector", several=True),
    "max_length": _MAX_LENGTH,
}
"""What `fit` takes of a network."""

NETWORK: Mapping[str, Settings] = {"linear_probe": EMBEDDING, "fine_tune": TRAINING, "from_scratch": TRAINING}
"""The settings of a network by mode, which the card of a model that is one declares."""

SHARED: Mapping[str, Setting] = {**TRAINING, **EMBEDDING}
"""Settings by the names that cards of other models give them, too."""
