"""A Python file of plain functions as a model. Its card is read from its text, without running it."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from ..digests import digest
from ..errors import BaserateError, ConfigError
from ..files import end_of
from ..types import ModelCard
from .functions import CHUNK, FunctionModel
from .process import TIMEOUT
from .reading import defined_functions, files_of, parsed, registers, weight_files

_RULES = {
    "score_variants": "native",
    "masked_llr": "masked_llr",
    "pseudo_log_likelihood": "pll",
    "log_likelihood": "causal_delta",
    "next_base_log_probs": "right_end",
}
"""The zero-shot rule that each function serves; where a model has several, the first here is the default."""


def rule_for(functions: Collection[str]) -> str:
    """Return the default zero-shot rule of a model with these methods, '' for none."""
    return next((rule for name, rule in _RULES.items() if name in functions), "")


def card_from_file(path: str | Path) -> ModelCard | None:
    """Return the card of a file of plain functions, or None where it registers its content with decorators.

    None of the file runs: the functions that it defines or assigns at its top level decide the modes. The parameter
    `python` is the interpreter that will run it, '' for this one. The revision is the digest of the file, of those
    beside it that it imports, and of those that it names in a top-level list `FILES`, such as its weights. Raises
    ConfigError where the file does neither.
    """
    path = Path(path)
    tree = parsed(path)
    if registers(tree):
        return None
    functions = defined_functions(path)
    modes: dict[str, Mapping[str, Any]] = {}
    if rule := rule_for(functions):
        modes["zero_shot"] = {"rule": rule}
    if "predict" in functions:
        modes["as_is"] = {}
    if functions == ("embed_sites",):
        raise ConfigError(f"{path}: embed_sites() by itself serves no mode; define embed() too, for tasks of sequences")
    if "embed" in functions:
        modes["linear_probe"] = {}
    file, weights = path.absolute(), [w.absolute() for w in weight_files(path, tree)]
    return ModelCard(
        name=path.stem,
        load=functools.partial(model_from_file, file),
        modes=modes,
        params={"python": "", "timeout": TIMEOUT},
        description=(ast.get_docstring(tree) or f"the functions of {path}").splitlines()[0],
        revision=functools.partial(_revision, file, tuple(weights)),
        place=end_of(file.with_suffix("")),
    )


def _revision(file: Path, weights: tuple[Path, ...]) -> str:
    return "file:" + digest(*(f.read_bytes() for f in (*files_of(file), *weights)))


def model_from_file(
    path: str | Path, *, python: str = "", timeout: float = TIMEOUT, chunk: int = CHUNK
) -> FunctionModel:
    """Return the model of a file's functions, run in this process or by the interpreter `python`.

    Modules beside the file can be imported at its top level. Raises ConfigError where it cannot be run, and for a
    `timeout` without a `python` for it to limit.
    """
    path = Path(path)
    if python:
        from .process import SubprocessModel

        return SubprocessModel(python, path, timeout=timeout, chunk=chunk)
    if timeout != TIMEOUT:
        raise ConfigError(f"{path}: timeout = {timeout!r} limits a file run by another python=...; name that too")
    names = defined_functions(path)
    module = run_file(path)
    return FunctionModel(**{name: getattr(module, name) for name in names}, chunk=chunk, name=path.name)


def run_file(path: Path) -> Any:
    """Return the module of a user's own file, which runs because the user named it.

    Modules beside it can be imported while it runs. Raises ConfigError, in one line that names file and line, where it
    raises or exits, or where it imported a module other than the one beside it.
    """
    name = f"baserate_file_{digest(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[name] = module  # dataclasses and pickle look a module up by its name
    sys.path.append(folder)
    # A disk that fills cuts bytecode short without an error (CPython 3.11), and then nobody can run the file.
    writes_none, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except BaserateError as error:
        if str(path) in str(error) or str(path.resolve()) in str(error):
            raise
        raise ConfigError(f"{_line(path, error)}: {error}") from error
    except SystemExit as error:
        raise ConfigError(f"{_line(path, error)}: called sys.exit({error.code!r})") from error
    except Exception as error:
        raise ConfigError(f"{_line(path, error)}: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes_none
        sys.path.remove(folder)
    _check_neighbours(path)
    return module


def _line(path: Path, error: BaseException) -> str:
    """Return the file with the last of its lines in the error's traceback, as in `mine.py:12`."""
    if isinstance(error, SyntaxError) and error.filename == str(path.resolve()):
        return f"{path}:{error.lineno}"
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _is_of(frame, path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _is_of(frame: FrameType, path: Path) -> bool:
    return frame.f_code.co_filename == str(path.resolve())


def _check_neighbours(path: Path) -> None:
    """Raise ConfigError where a module that the file imports is loaded from elsewhere: Python has one per name."""
    folder = path.resolve().parent
    for file in files_of(path.resolve()):
        inner = file.parent if file.name == "__init__.py" else file
        used = getattr(sys.modules.get(inner.stem), "__file__", None)
        if inner.parent == folder and used and Path(used).resolve() != file.resolve():
            raise ConfigError(
                f"{path}: imports {inner.stem} from beside it, but {used} has that name already; rename one of the two"
            )
