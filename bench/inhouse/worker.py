"""The far end of a SubprocessModel: runs in another interpreter, Python 3.8 or newer, with only its standard library.

    python worker.py FILE NAME,NAME,...

It reads one request per line from stdin, {"call": ..., "columns": [...], "named": {...}}, and writes one answer per
line to what was stdout: {"type", "shape", "data"} with the values as base64 of little-endian floats, or {"error",
"line"}. The first answer lists the parameters of each function.
"""

from __future__ import annotations

import array
import base64
import importlib.util
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from typing import IO, Any


def main(file: str, names: list[str]) -> int:
    """Return the exit status, once the requests have ended or the file could not be loaded."""
    requests, replies = _take_pipes()
    sys.argv = [file]
    # The folder of this script would hide modules of the same names from the file; its own folder is what it expects.
    sys.path[0] = str(Path(file).resolve().parent)
    try:
        module = _load(file)
        functions = {name: getattr(module, name) for name in names}
        parameters = {name: _parameters(function) for name, function in functions.items()}
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side reports it
        _send(replies, _failure(error, file))
        return 1
    _send(replies, {"functions": parameters})
    for line in requests:
        request = json.loads(line)
        try:
            call = functions[request["call"]]
            answer = _encode(call(*request["columns"], **request["named"]))
        except Exception as error:  # noqa: BLE001 - as above
            answer = _failure(error, file)
        _send(replies, answer)
    return 0


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes of requests and replies; what the file prints goes to stderr from now on, its stdin is empty."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # A child that outlives this process must not keep the pipe open, or nobody would notice the end.
    os.register_at_fork(after_in_child=replies.close)
    return requests, replies


def _load(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("baserate_in_house", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.dont_write_bytecode = True  # a disk that fills cuts it short without an error
    spec.loader.exec_module(module)
    return module


def _parameters(function: Any) -> list[list[Any]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return [["columns", "VAR_POSITIONAL", False]]
    return [[p.name, p.kind.name, p.default is not p.empty] for p in parameters]


def _encode(value: Any) -> dict[str, Any]:
    """Return the answer for an array, a tensor or nested lists of numbers."""
    numpy = sys.modules.get("numpy")
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu().double()
    if numpy is None:
        shape, numbers = _flatten(value)
        if sys.byteorder == "big":
            numbers.byteswap()
        return _answer("<f8", shape, numbers.tobytes())
    values = numpy.asarray(value)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"expected numbers, got {values.dtype}")
    kind = "<f4" if values.dtype == numpy.float32 else "<f8"
    return _answer(kind, values.shape, values.astype(kind).tobytes())


def _flatten(value: Any) -> tuple[tuple[int, ...], array.array[float]]:
    """Return the shape and the numbers of nested sequences. Raises ValueError where rows differ in length."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return (), array.array("d", [value])
    if not any(isinstance(v, (list, tuple)) or hasattr(v, "tolist") for v in value):
        return (len(value),), array.array("d", value)
    numbers, shapes = array.array("d"), set()
    for row in value:
        shape, row_numbers = _flatten(row)
        shapes.add(shape)
        numbers.extend(row_numbers)
    if len(shapes) > 1:
        raise ValueError("its rows have different lengths")
    return (len(value), *shapes.pop()), numbers


def _answer(kind: str, shape: tuple[int, ...], data: bytes) -> dict[str, Any]:
    return {"type": kind, "shape": list(shape), "data": base64.b64encode(data).decode("ascii")}


def _failure(error: Exception, file: str) -> dict[str, Any]:
    traceback.print_exc()
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    return {"error": text, "line": lines[-1] if lines else 0}


def _send(replies: IO[bytes], answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer).encode("ascii") + b"\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2].split(",")))
