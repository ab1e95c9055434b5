"""A file of functions run by another Python interpreter, so that models whose packages conflict can share a table.

A worker that dies, hangs or writes something else than an answer causes one error here, and the next request starts a
fresh worker. Only on POSIX: time-outs kill the worker's process group.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import shutil
import signal
import subprocess
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BaserateError, ConfigError
from .functions import CHUNK, FunctionModel
from .reading import defined_functions

TIMEOUT = 600.0
"""Seconds that a file in another environment may take for a chunk of examples, by default."""
_WORKER = Path(__file__).with_name("worker.py")
_GRACE = 5.0
"""Seconds that a worker gets to end by itself once its pipe is closed."""
_TAIL = 8192
"""How many bytes of stderr are stored."""


class SubprocessModel(FunctionModel):
    """The functions of `file` as a model, run by the interpreter `python`, which needs no package of baserate's.

    `timeout` is how many seconds a chunk of examples, or loading the file, may take. The worker ends with `close()`,
    with the `with` block, with the object or with the process, whichever comes first. Raises ConfigError where the
    file defines no function of a model or cannot be loaded, and BaserateError where the worker fails later.
    """

    def __init__(self, python: str | Path, file: str | Path, *, timeout: float = TIMEOUT, chunk: int = CHUNK) -> None:
        path = Path(file)
        self._worker = _Worker(str(python), path, defined_functions(path), timeout)
        functions = {
            name: _Remote(self._worker, name, signature) for name, signature in self._worker.signatures.items()
        }
        super().__init__(**functions, chunk=chunk, name=path.name)

    def close(self) -> None:
        """End the worker; a later call would start it again."""
        self._worker.stop()

    def __enter__(self) -> SubprocessModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Remote:
    """A function of the worker's file that is called like a local one, with the signature that it has there."""

    def __init__(self, worker: _Worker, name: str, signature: inspect.Signature) -> None:
        self.__signature__ = signature
        self._worker = worker
        self._name = name

    def __call__(self, *columns: Any, **keywords: Any) -> NDArray[Any]:
        return self._worker.call(self._name, columns, keywords)


class _Worker:
    """A child process, started when it is needed, that answers one request at a time."""

    def __init__(self, python: str, file: Path, names: tuple[str, ...], timeout: float) -> None:
        if not isinstance(timeout, int | float) or not 0 < timeout <= threading.TIMEOUT_MAX:
            raise ConfigError(f"timeout = {timeout!r}; expected seconds, from above 0 to {threading.TIMEOUT_MAX:.0f}")
        interpreter = shutil.which(Path(python).expanduser())
        if interpreter is None:
            raise ConfigError(f"python = {python!r}: no such interpreter; give the path of an environment's bin/python")
        self._python, self._file, self._names, self._timeout = interpreter, file, names, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr = _Tail()
        self.signatures = self._start()

    def call(self, name: str, columns: tuple[Any, ...], keywords: Mapping[str, Any]) -> NDArray[Any]:
        """Return the function's result. Raises BaserateError where it raises, dies or takes too long."""
        if self._process is None:
            self._start()
        request = {"call": name, "columns": columns, "named": keywords}
        answer = self._exchange(f"{name}()", json.dumps(request).encode("ascii") + b"\n")
        if "error" in answer:
            raise BaserateError(f"{self}: {name}() raised {_error_text(answer)}")
        return np.frombuffer(base64.b64decode(answer["data"]), answer["type"]).reshape(answer["shape"])

    def stop(self) -> None:
        """End the process, if there is one, and leave no zombie."""
        if self._process is not None:
            self._finalizer()
            self._process = None

    def __str__(self) -> str:
        return f"{self._file} in {self._python}"

    def _start(self) -> dict[str, inspect.Signature]:
        # The search paths of this environment would lead the other one to packages that it is meant to avoid.
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")}
        command = [self._python, "-u", str(_WORKER), str(self._file.resolve()), ",".join(self._names)]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"python = {self._python!r}: cannot be run ({error.strerror})") from error
        self._process = process
        self._stderr = _Tail()
        assert process.stderr
        listener = threading.Thread(target=self._stderr.follow, args=(process.stderr,), daemon=True)
        listener.start()
        self._finalizer = weakref.finalize(self, _end, process, listener)
        answer = self._exchange("loading the file", b"")
        if "error" in answer:
            self.stop()
            raise ConfigError(f"{self}: {_error_text(answer)}")
        return {
            name: inspect.Signature(
                [
                    inspect.Parameter(p, getattr(inspect.Parameter, kind), **({"default": ...} if optional else {}))
                    for p, kind, optional in parameters
                ]
            )
            for name, parameters in answer["functions"].items()
        }

    def _exchange(self, doing: str, request: bytes) -> dict[str, Any]:
        """Return the worker's answer. Raises BaserateError, and leaves no worker, where there is none."""
        process = self._process
        assert process and process.stdin and process.stdout
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _kill(process)

        # The watch covers writing too: a worker that has stopped reading blocks the writer once the pipe is full.
        watch = threading.Timer(self._timeout, expire)
        watch.daemon = True
        watch.start()
        line = b""
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(request)
                process.stdin.flush()
            line = process.stdout.readline()
            if not line.endswith(b"\n"):
                _reap(process)
        except BaseException:
            _kill(process)  # a late answer would be taken for that to the next request
            self.stop()
            raise
        finally:
            watch.cancel()
            watch.join()
        if line.endswith(b"\n") and not expired.is_set():
            with suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    return answer
            _kill(process)  # it may be writing more than anybody reads
            self.stop()
            start = line[:60].decode(errors="replace").strip()
            raise BaserateError(
                f"{self}: {doing} gave {start!r}, which is not an answer; python must be a Python interpreter"
            )
        self.stop()
        if expired.is_set():
            what = f"{doing} gave no answer within {self._timeout:g} s and was stopped"
        elif process.returncode < 0:
            what = f"the worker was killed by {_signal_name(-process.returncode)} during {doing}"
        else:
            what = f"the worker ended with exit code {process.returncode} during {doing}"
        raise BaserateError(f"{self}: {what}; {self._stderr}")


class _Tail:
    """The end of what a process wrote to stderr."""

    def __init__(self) -> None:
        self._bytes = b""

    def follow(self, stream: IO[bytes]) -> None:
        """Read until the stream ends, so that the writer never waits."""
        with stream:
            while chunk := os.read(stream.fileno(), _TAIL):
                self._bytes = (self._bytes + chunk)[-_TAIL:]

    def __str__(self) -> str:
        lines = [line.strip() for line in self._bytes.decode(errors="replace").splitlines() if line.strip()]
        return f"its last line on stderr: {lines[-1][:300]}" if lines else "it wrote nothing to stderr"


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for the worker to end and kill what it leaves behind, while no other process can have its group."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _kill(process)
    process.wait()


def _end(process: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    """Close the worker's pipe, which ends it; kill it where it does not end."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
    process.stdout.close()
    listener.join(1.0)


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _error_text(answer: Mapping[str, Any]) -> str:
    line = f" (line {answer['line']})" if answer["line"] else ""
    return " ".join(str(answer["error"]).split())[:300] + line
