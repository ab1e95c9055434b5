"""Progress of slow work. Library code reports what it does; its caller decides whether to draw anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Advance(Protocol):
    """Is called as examples are done: with how many more, and with the state, such as 'epoch 3 · loss 0.412'."""

    def __call__(self, n: int, now: str = "", /) -> None:
        """Show that `n` more are done."""


Listener = Callable[[str, int, str], Advance]
"""Takes what is being done, the number of examples in all, and the lane; returns the function to call as they are done.

Of the activities of a lane only the last goes on; the lane is '' where no work runs beside."""

_EVERY = 0.1
"""Seconds between two reports that are sent to another process."""

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


def relayed(send: Callable[..., None]) -> Listener:
    """Return a listener for a process whose reports another one shows: it sends them as messages for `Shown`.

    A message is ("activity", what is done, examples in all) or ("advance", how many more, state), the latter not more
    often than is worth it.
    """

    def activity_of(doing: str, total: int, lane: str) -> Advance:
        send("activity", doing, total)
        waiting, last = 0, 0.0

        def advance(n: int, now: str = "", /) -> None:
            nonlocal waiting, last
            waiting += n
            if time.monotonic() - last >= _EVERY:
                send("advance", waiting, now)
                waiting, last = 0, time.monotonic()

        return advance

    return activity_of


class Shown:
    """What another process is doing, from its messages."""

    def __init__(self) -> None:
        self._advance: Advance = lambda n, now="": None

    def take(self, message: tuple[Any, ...], lane: str) -> None:
        """Show a message of `relayed` in a lane."""
        match message:
            case ("activity", doing, total):
                self._advance = activity(doing, total, lane)
            case ("advance", n, now):
                self._advance(n, now)


class Bars(AbstractContextManager["Bars"]):
    """A bar for the cells and one for the work in a cell: a widget in a notebook, text in a terminal, else nothing."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._shown = shown
        self._listening = listening(self._activity)
        self._cells = self._bar(total=total, unit="cell")
        self._inner: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._listening.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._listening.__exit__(*error)
        for lane in list(self._inner):
            self._close_inner(lane)
        self._cells.close()

    def started(self, cell: object) -> None:
        """Show which cell runs."""
        self._cells.set_description(str(cell))

    def finished(self, result: Any) -> None:
        """Count the cell of the result."""
        self._close_inner("")
        self._close_inner(str(result.cell))
        self._cells.update()

    def _activity(self, doing: str, total: int, lane: str) -> Advance:
        self._close_inner(lane)
        bar = self._inner[lane] = self._bar(total=total, desc=f"{lane} · {doing}" if lane else doing, leave=False)

        def advance(n: int, now: str = "", /) -> None:
            bar.set_postfix_str(now, refresh=False)
            bar.update(n)

        return advance

    def _close_inner(self, lane: str) -> None:
        bar = self._inner.pop(lane, None)
        if bar is not None:
            bar.close()

    def _bar(self, **options: Any) -> Any:
        import sys
        import warnings

        seen = self._shown and ("ipykernel" in sys.modules or sys.stderr.isatty())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which says that widgets are not installed, so that the bar is text
            from tqdm.auto import tqdm

            return tqdm(**options, disable=not seen)
