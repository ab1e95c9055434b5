"""Progress of slow work. Library code reports what it does; its caller decides whether to draw anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Advance(Protocol):
    """Is called as examples are done: with how many more, and with the state, such as 'epoch 3 · loss 0.412'."""

    def __call__(self, n: int, now: str = "", /) -> None:
        """Show that `n` more are done."""


Listener = Callable[[str, int, str], Advance]
"""Takes what is being done, the number of examples in all, and the lane; returns the function to call as they are done.

Of the activities of a lane only the last goes on; the lane is '' where no work runs beside."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_step: ContextVar[str] = ContextVar("step", default="")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every activity that starts inside the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def step(number: int, of: int, what: str) -> Iterator[None]:
    """Show that the block is one of several steps, as in 'trial 3/8', also with every activity inside."""
    name = f"{what} {number}/{of}"
    activity(name, of)(number - 1)
    token = _step.set(f"{_step.get()}{name} · ")
    try:
        yield
    finally:
        _step.reset(token)


def activity(doing: str, total: int, lane: str = "") -> Advance:
    """Return a function to call with the number of examples just done; it does nothing where nobody listens."""
    listener = _listener.get()
    return (lambda n, now="": None) if listener is None else listener(f"{_step.get()}{doing}", total, lane)
