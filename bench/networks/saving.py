"""A fine-tuned network as a folder in the layout of Hugging Face, its head in a file beside the weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import ConfigError, DataError, NotApplicable
from ..transforms import Fitted, Log, Ranks, Unchanged
from ..types import FloatArray, Inputs
from .chunks import Reading
from .engine import Engine
from .finetuning import FineTuned, inputs_kind
from .hub import HEAD
from .training import Head

_COPIED = ("*.json", "*.txt", "*.model", "*.jinja", "*.py", "baserate.toml")
"""What a folder has beside weights; custom code may lie in folders of its own."""


@dataclass(frozen=True, eq=False)
class SavedHead:
    """The head of a fine-tuned network, and how it is read: all of its file.

    `reads` is 'sequences', 'variants' or 'bases', `reading` the fields of `chunks.Reading`, `classes` the names of the
    outputs in their order, () for measurements. `meaning` are the fields of `training.Head`; `transform` has the name
    of the task's transform and, of ranks, the values and ranks of each output. `trained_on` names the task, and
    `precision` is that of training; 'auto' is of a file from before it was in there.
    """

    reads: str
    pooling: str
    reading: dict[str, Any]
    classes: tuple[str, ...]
    weight: list[list[float]]
    bias: list[float]
    meaning: dict[str, Any]
    transform: dict[str, Any]
    trained_on: str
    precision: str = "auto"

    def predict(self, engine: Engine, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, classes), or values (n, outputs) on the measured scale.

        Raises NotApplicable for other inputs than it was trained on.
        """
        if inputs_kind(inputs) != self.reads:
            raise NotApplicable(f"{engine.name}: its head reads {self.reads}, and the task has {inputs_kind(inputs)}")
        weight = torch.tensor(self.weight, dtype=torch.float32)
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(torch.tensor(self.bias, dtype=torch.float32))
        arrays = {k: np.asarray(self.meaning[k], np.float64) for k in ("offset", "scale")}
        fitted = FineTuned(
            engine,
            engine.network,
            engine.backbone(),
            linear.to(engine.device),
            Head(**{**self.meaning, **arrays}),
            self.pooling,
            Reading(**self.reading),
        )
        return _transform(self.transform).undo(fitted.predict(inputs))


def save(
    fitted: FineTuned, folder: Path, *, classes: Sequence[str] = (), transform: Fitted | None = None, task: str = ""
) -> None:
    """Write a folder that `open_checkpoint` reads back as a model with the same predictions, whole or not at all.

    `transform` is that of the targets the network learnt. Raises ConfigError where the network was not opened from a
    folder of files, whose configuration and tokenizer are needed, and DataError where the folder cannot be written.
    """
    network = fitted.network
    source = check_saving(fitted.name, network, fitted.source)
    head = SavedHead(
        fitted.reads,
        fitted.pooling,
        asdict(fitted.reading),
        tuple(classes),
        fitted.head.weight.detach().cpu().double().tolist(),
        fitted.head.bias.detach().cpu().double().tolist(),
        {
            k: v.tolist() if isinstance(v, np.ndarray) else v
            for k, v in asdict(fitted.meaning).items()
            if k != "weights"
        },
        _stated(transform),
        task,
        fitted.precision,
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
            beside = Path(made) / folder.name
            network.save_pretrained(beside)
            for pattern in _COPIED:
                for file in source.rglob(pattern) if pattern == "*.py" else source.glob(pattern):
                    if file.name != HEAD and not file.name.endswith(".index.json"):
                        (beside / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(file, beside / file.relative_to(source))
            (beside / HEAD).write_text(json.dumps(asdict(head), indent=1) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)
    except OSError as error:
        raise DataError(f"{folder}: the model cannot be saved ({error.strerror or error})") from error


def check_saving(name: str, network: nn.Module, source: Path | None) -> Path:
    """Return the folder that a network was opened from. Raises ConfigError where `save` could not write such a one."""
    if source is None or not hasattr(network, "save_pretrained"):
        raise ConfigError(f"{name}: was not opened from a checkpoint that transformers reads, so it cannot be saved")
    return source


def read_head(folder: Path) -> SavedHead:
    """Return the head that `save` wrote. Raises DataError, naming the file, where it cannot be read."""
    file = folder / HEAD
    try:
        content = json.loads(file.read_text())
        head = SavedHead(**{**content, "classes": tuple(content["classes"])})
        Head(**{**head.meaning, "weights": None})
        _transform(head.transform)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file}: is not the head of a model that baserate saved ({error})") from error
    return head


def _stated(transform: Fitted | None) -> dict[str, Any]:
    if isinstance(transform, Ranks):
        return {"name": "rank", "outputs": [[v.tolist(), r.tolist()] for v, r in transform.outputs]}
    return {"name": "log" if isinstance(transform, Log) else "none"}


def _transform(stated: dict[str, Any]) -> Fitted:
    if stated["name"] == "rank":
        return Ranks(tuple((np.asarray(v, np.float64), np.asarray(r, np.float64)) for v, r in stated["outputs"]))
    kinds: dict[str, Fitted] = {"log": Log(), "none": Unchanged()}
    return kinds[stated["name"]]
