"""What the code of one cell changes for the whole process is put back, so that no cell depends on those before it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_SEED = 67280421310721
"""The seed that torch starts from where nothing sets one."""


@contextmanager
def isolated(*, network: bool) -> Iterator[None]:
    """Run the block from random states that are the same each time, and put back all that it changes.

    These are the global random states of Python, numpy and torch, and torch's threads, default dtype, precision,
    determinism, attention kernels, autocast and gradient mode. Torch is loaded for a `network`, so that what its loader
    changes is seen; else it counts only where it is loaded already.
    """
    if network:
        import torch  # noqa: F401
    torch_state = _torch_state()
    states = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(_SEED)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        for get, put, value in torch_state:
            if not _is_same(get(), value):  # setting determinism, even to what it is, imports torch's compiler
                put(value)


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two values of a part of torch's state are equal; states of generators are tensors."""
    torch = sys.modules["torch"]
    if isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(torch.equal(one, other) if isinstance(other, torch.Tensor) else one == other)


def _torch_state() -> list[tuple[Callable[[], Any], Callable[[Any], object], Any]]:
    """Return what gets and sets each part of torch's state, and its present value; [] where torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    parts: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
        (torch.get_rng_state, torch.set_rng_state),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
        (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
        (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
        (torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
        *(_attribute(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")),
    ]
    for device in ("cpu", "cuda"):
        parts.append((_of(torch.is_autocast_enabled, device), _to(torch.set_autocast_enabled, device)))
        parts.append((_of(torch.get_autocast_dtype, device), _to(torch.set_autocast_dtype, device)))
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        parts.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return [(get, put, get()) for get, put in parts]


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _of(get: Callable[[str], Any], device: str) -> Callable[[], Any]:
    return lambda: get(device)


def _to(put: Callable[[str, Any], object], device: str) -> Callable[[Any], object]:
    return lambda value: put(device, value)
