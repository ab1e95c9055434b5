"""The settings of networks for embedding and for training. Light: nothing here imports torch."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import check_keys
from ..settings import (
    WINDOW,
    Setting,
    Settings,
    among,
    check_values,
    count,
    defaults,
    depth,
    flag,
    log_uniform,
    not_negative,
    one_of,
    positive,
    share,
)

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

_LR = "peak learning rate of AdamW"
_LAYER_DECAY = share(
    1.0,
    "the learning rate of a block over that of the block after it: 1.0 is one rate for all, 0.8 spares the first",
    search=among(0.8, 0.9, 1.0),
)

KINDS: Mapping[str, Settings] = {
    "full": {"lr": positive(5e-4, _LR, search=log_uniform(1e-5, 3e-3)), "layer_decay": _LAYER_DECAY},
    "lora": {
        "lr": positive(1e-3, _LR, search=log_uniform(1e-4, 1e-2)),
        "rank": count(8, "the rank of the matrices that are added to each linear layer", search=among(4, 8, 16, 32)),
        "alpha": positive(16.0, "what is added is scaled by alpha / rank"),
        "dropout": share(0.05, "the share of a layer's inputs that the added matrices do not see in training"),
    },
    "ia3": {"lr": positive(1e-2, _LR, search=log_uniform(1e-3, 1e-1))},
    "head": {"lr": positive(1e-2, _LR, search=log_uniform(1e-4, 1e-1))},
    "bitfit": {"lr": positive(1e-3, _LR, search=log_uniform(1e-4, 1e-2)), "layer_decay": _LAYER_DECAY},
}
"""What is trained of a network, beside a new head, with the settings that exist for each."""

KIND_VERSIONS: Mapping[str, int] = {"lora": 2}
"""The version of what each kind trains, 1 where none is named: raised when that changes for this kind alone."""

TRAINING: Mapping[str, Setting] = {
    "train": one_of(
        *KINDS,
        default="full",
        about="what is trained beside the new head: all weights, adapters (lora, ia3), nothing (head), biases (bitfit)",
        adds=KINDS,
    ),
    "epochs": count(10, "passes over the training examples, at most"),
    "batch_size": count(32, "examples per step, however many fit into memory at once", search=among(16, 32, 64)),
    "warmup": share(0.1, "the share of all steps during which the learning rate rises"),
    "weight_decay": not_negative(0.01, "weight decay of AdamW, on matrices alone", search=log_uniform(1e-3, 3e-1)),
    "patience": count(2, "epochs in which nothing got better on valid after which training ends"),
    "stop_on": one_of(
        "metric",
        "loss",
        default="metric",
        about="what chooses the epoch on valid: the task's primary metric (where it is tied or undefined, the loss), "
        "or the loss",
    ),
    "class_weights": one_of(
        "none", "balanced", default="none", about="balanced: every class, and either value of a label, counts alike"
    ),
    "checkpointing": flag(False, "compute states anew on the way back, for less memory and a third more time"),
    "pooling": one_of(
        *POOLINGS,
        default="mean",
        about="how the states of a sequence become one vector",
        several=True,
        search=among("mean", "max"),
    ),
    "max_length": _MAX_LENGTH,
    **WINDOW,
}
"""The settings of a network's `fit`, beside those of what is trained."""


def training_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every setting of a network's `fit`: what is given, else the default. Raises ConfigError for another."""
    kind = given.get("train", TRAINING["train"].default)
    table = {**TRAINING, **KINDS.get(kind, {})}
    check_values(given, [table])
    check_keys(given, table, f"settings of fit with train = {kind!r}")
    return defaults(table) | dict(given)


def as_trained(reading: Mapping[str, Any]) -> Settings:
    """Return the settings by which a saved head reads long sequences, other than the defaults: each has one value.

    `reading` are the fields of `chunks.Reading`.
    """
    usual = {**EMBEDDING, **TRAINING}
    return {
        name: replace(
            usual[name],
            default=value,
            expected=f"{value!r}, with which the head was trained",
            allows=functools.partial(operator.eq, value),
            choices=(),
            search=None,
        )
        for name, value in reading.items()
        if value != usual[name].default
    }


NETWORK: Mapping[str, Settings] = {"linear_probe": EMBEDDING, "fine_tune": TRAINING}
"""The settings of a network by mode, for the cards of such models to declare."""

SHARED: Mapping[str, Setting] = {
    name: replace(setting, beside=None, search=None)
    for name, setting in {**KINDS["full"], **TRAINING, **EMBEDDING}.items()
    if name != "train" and name not in WINDOW
}
"""Settings whose names the cards of other models share; only a network is sure to take what trials draw of them."""
