"""Settings that probes share which are trained step by step. Light: nothing here imports torch."""

from __future__ import annotations

from ..settings import Setting, count, log_uniform, positive, share, uniform


def training(*, lr: float, epochs: int, batch_size: int, patience: int, dropout: float) -> dict[str, Setting]:
    """Return the settings of a training, with these defaults."""
    return {
        "lr": positive(lr, "peak learning rate of AdamW", search=log_uniform(1e-4, 1e-2)),
        "weight_decay": positive(0.01, "weight decay of AdamW", search=log_uniform(1e-3, 1.0)),
        "dropout": share(
            dropout, "the share of values that is dropped before the last layer", search=uniform(0.0, 0.5)
        ),
        "epochs": count(epochs, "passes over the training examples, at most"),
        "batch_size": count(batch_size, "examples per step"),
        "patience": count(patience, "epochs without a lower loss on valid after which training ends"),
    }
