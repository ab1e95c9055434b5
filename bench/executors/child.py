"""The program of a process of `processes`: cells come on its input, and what became of them goes to its output."""

from __future__ import annotations

import logging
import logging.handlers
import os
import pickle
import queue
import signal
import sys
import threading
import time
from typing import Any, BinaryIO, NoReturn

import cloudpickle

from ..progress import listening, relayed


class _Ended(BaseException):
    """This process is to end: its parent does, or somebody ends it alone."""


class _Output:
    """Sends messages to the parent process."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Send one message; without a parent this process ends, as an error in a cell would be a record of it."""
        packed = cloudpickle.dumps(message)
        try:
            with self._lock:
                self._stream.write(packed)
                self._stream.flush()
        except BrokenPipeError:
            os._exit(1)


class _Log(logging.handlers.QueueHandler):
    """Sends log entries to the parent, whose display knows where to print them."""

    def __init__(self, output: _Output) -> None:
        super().__init__(queue.Queue())
        self._output = output

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send an entry."""
        self._output.send("log", record)


def main() -> None:
    """Run cells until the input ends; whatever `run` raises is sent and ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    signal.signal(signal.SIGTERM, _end)  # so that what it was doing is put in order
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    source = os.fdopen(os.dup(0), "rb")
    output = _Output(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a model prints is no message
    try:
        sys.path[:], level = pickle.load(source)
        logging.basicConfig(level=level, handlers=[_Log(output)], format="%(message)s")
        prepare = pickle.load(source)
        with listening(relayed(output.send)):
            run = prepare()
            while source.peek(1):
                output.send("result", run(pickle.load(source)))
    except _Ended:
        os._exit(128 + signal.SIGTERM)
    except BaseException as error:  # noqa: BLE001 - raised in the parent
        output.send("raised", error)


def _end(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end what puts things in order
    raise _Ended


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
