"""Runs of the command line as processes that can be killed, each a copy of one that has imported what they need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

_LOADED = (
    *("baserate.cli", "baserate.cli.display", "baserate.run", "baserate.leaderboard.plots", "baserate.metrics._ranks"),
    *("baserate.checks.model", "matplotlib.backends.backend_agg", "pyarrow.parquet", "sklearn.linear_model", "torch"),
)
_PROGRAM = f"""
import importlib
for name in {_LOADED!r}:
    importlib.import_module(name)
from baserate.cli import main
from baserate.registry import Registry
from baserate.selftest.forks import serve
from baserate.selftest.order import unchanged
Registry.load_all()
unchanged("rows in another order", 1)  # which loads what is compiled
serve(main)
"""
"""What the first process runs; it is text, since this room may not import the command line."""


def serve(main: Any) -> None:
    """Start a copy of this process for each request on standard input, and say how it ended for each other one."""
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["ended"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                _become(request, main)
            with suppress(OSError):  # as it does itself, whichever comes first
                os.setpgid(answer, answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _become(request: Mapping[str, Any], main: Any) -> None:
    """Run the command in this process, in a group of its own, with its output in a file; never returns."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    out = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
        os.dup2(stream, number)
    if limit := request["limit"]:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if blow := request["blow"]:
        from .blows import strike

        strike(blow[0], blow[1], Path(blow[2]), Path(blow[3]))
    sys.argv = ["baserate", *request["arguments"]]
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does it
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Forks:
    """Starts runs from one process that has imported the packages; all that still go on end with the block."""

    def __enter__(self) -> Forks:
        self._server = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._going: set[int] = set()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in list(self._going):
            os.killpg(process, signal.SIGKILL)
            self.ended(process)
        self._server.communicate()

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        output: Path,
        *,
        environment: Mapping[str, str],
        blow: Sequence[Any] = (),
        limit: int = 0,
    ) -> int:
        """Return the number of the process that runs `baserate` with the arguments in the folder.

        What it prints is added to the file `output`. `blow` are the arguments of `blows.strike`, and `limit` is the
        most bytes that a file may have.
        """
        request = {"arguments": list(arguments), "folder": str(folder), "output": str(output), "limit": limit}
        process = self._ask(request | {"environment": dict(environment), "blow": [*map(_plain, blow)]})
        self._going.add(process)
        return process

    def ended(self, process: int) -> int:
        """Wait for the end of a process and return its exit code, minus the signal where one ended it."""
        self._going.discard(process)
        return self._ask({"ended": process})

    def _ask(self, request: Mapping[str, Any]) -> int:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
