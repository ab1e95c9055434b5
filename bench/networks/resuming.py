"""The state of a training on disk, written whole or not at all, so that a killed one goes on where it was."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

FREE = 1 << 30
"""Bytes of the disk that a state leaves free."""


def write_state(file: Path, setting_of: str, value: dict[str, Any]) -> None:
    """Write the state of a training; `setting_of` says of which.

    Where it cannot be written, or would leave less than `FREE` of the disk, that is logged, and an earlier state stays.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free, size = shutil.disk_usage(file.parent).free, _size(value)
        if free - size < FREE:
            log.warning(
                "%s: the disk is nearly full (%d MiB free, the state takes %d): this state is not written",
                *(file, free >> 20, size >> 20),
            )
            return
        torch.save({"of": _of(setting_of), **value}, beside)
        beside.replace(file)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
        log.warning("%s: the state of the training cannot be written (%s), so it cannot be resumed", file, error)
        beside.unlink(missing_ok=True)


def read_state(file: Path, setting_of: str) -> dict[str, Any] | None:
    """Return the state of a training, None where there is none, or it is of another training or version of torch."""
    try:
        value: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        log.warning("%s: the state of the training cannot be read (%s), so it begins anew", file, error)
        return None
    return value if value.get("of") == _of(setting_of) else None


def _size(value: Any) -> int:
    """Return the bytes of all tensors in a state."""
    if isinstance(value, torch.Tensor):
        return int(value.nbytes)
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(_size, parts))


def _of(setting_of: str) -> str:
    return f"{setting_of} torch {torch.__version__}"
