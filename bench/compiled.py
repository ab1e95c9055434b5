"""Functions as machine code. numba is imported by the modules that use it, which are imported when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function as machine code, cached by numba beside its file, or for the user if that is read-only."""
    import numba

    try:
        code: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable folder: compile in each process
        code = numba.njit(nogil=True)(function)
    return code
