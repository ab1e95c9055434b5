"""A Python file that defines plain functions at its top level, as a model. A card is read off it without running it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BaserateError, ConfigError, nearest
from ..provenance import sources
from ..types import ModelCard, ModeName, digest
from .functions import CHUNK, FUNCTIONS, FunctionModel

TIMEOUT = 600.0
"""Seconds that a file in another environment may take for a chunk of examples, unless told otherwise."""

_RULES = {
    "score_variants": "native",
    "masked_llr": "masked_llr",
    "pseudo_log_likelihood": "pll",
    "log_likelihood": "causal_delta",
    "next_base_log_probs": "right_end",
}
"""The zero-shot rule that each function serves; of several functions the first here decides the default."""
_DECORATORS = ("task", "model", "baseline")


def card_from_file(path: str | Path) -> ModelCard | None:
    """Return the card of a file of plain functions, or None where it registers its content with decorators.

    Nothing of the file runs: which functions it defines or assigns at its top level decides the modes. The parameter
    `python` is the interpreter that will run it, '' for this one. The revision is the digest of the file, of those
    beside it that it imports, and of those that it names in a top-level list `FILES`, such as its weights. Raises
    ConfigError where the file is neither.
    """
    path = Path(path)
    tree = _parsed(path)
    if _registers(tree):
        return None
    functions = defined_functions(path)
    modes: dict[ModeName, Mapping[str, Any]] = {}
    rule = next((rule for name, rule in _RULES.items() if name in functions), None)
    if rule:
        modes["zero_shot"] = {"rule": rule}
    if "predict" in functions:
        modes["as_is"] = {}
    if functions == ("embed_sites",):
        raise ConfigError(f"{path}: embed_sites() alone serves no mode; define embed() too, for tasks of sequences")
    if "embed" in functions:
        modes["linear_probe"] = {}
    file, weights = path.absolute(), [w.absolute() for w in _weights(path, tree)]

    def load(*, python: str = "", timeout: float = TIMEOUT) -> Any:
        return model_from_file(file, python=python, timeout=timeout)

    return ModelCard(
        name=path.stem,
        load=load,
        modes=modes,
        params={"python": "", "timeout": TIMEOUT},
        description=(ast.get_docstring(tree) or f"the functions of {path}").splitlines()[0],
        revision=lambda: "file:" + digest(*(f.read_bytes() for f in (*_sources(file), *weights))),
    )


def model_from_file(
    path: str | Path, *, python: str = "", timeout: float = TIMEOUT, chunk: int = CHUNK
) -> FunctionModel:
    """Return the model that the functions of a file make, run in this process or by the interpreter `python`.

    Modules beside the file can be imported at its top level. Raises ConfigError where it cannot be run, and for a
    `timeout` without the `python` that it limits.
    """
    path = Path(path)
    if python:
        from .process import SubprocessModel

        return SubprocessModel(python, path, timeout=timeout, chunk=chunk)
    if timeout != TIMEOUT:
        raise ConfigError(f"{path}: timeout = {timeout!r} limits a file that another python=... runs; name that too")
    names = defined_functions(path)
    module = run_file(path)
    return FunctionModel(**{name: getattr(module, name) for name in names}, chunk=chunk, name=path.name)


def defined_functions(path: Path) -> tuple[str, ...]:
    """Return which functions of a model the file defines or assigns at its top level; what it imports is not counted.

    Raises ConfigError where there is none.
    """
    found = _top_level(_parsed(path))
    functions = tuple(name for name in FUNCTIONS if name in found)
    if not functions:
        near = [(name, close[0]) for name in found if (close := nearest(name, FUNCTIONS))]
        advice = f"; did you mean {near[0][1]}() by {near[0][0]}()?" if near else ", and registers no model"
        raise ConfigError(f"{path}: defines none of {', '.join(f'{f}()' for f in FUNCTIONS)}{advice}")
    return functions


def _parsed(path: Path) -> ast.Module:
    if path.suffix != ".py":
        raise ConfigError(f"{path}: expected a Python file, .py")
    try:
        return ast.parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigError(f"{path}: {getattr(error, 'msg', error)}{f' (line {line})' if line else ''}") from error


def _top_level(tree: ast.Module) -> list[str]:
    """Return the names that the file's own statements define or assign."""
    names = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        else:
            names += [target.id for target in _targets(node) if isinstance(target, ast.Name)]
    return names


def _targets(node: ast.stmt) -> list[ast.expr]:
    """Return what a plain or an annotated assignment gives its value to, nothing for other statements."""
    if isinstance(node, ast.AnnAssign):
        return [node.target] if node.value is not None else []
    return node.targets if isinstance(node, ast.Assign) else []


def _registers(tree: ast.Module) -> bool:
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in _DECORATORS:
                return True
    return False


def _weights(path: Path, tree: ast.Module) -> list[Path]:
    """Return the files that `FILES` names. Raises ConfigError where that cannot be told without running the file."""
    setting = [node for node in tree.body if "FILES" in _bound(node)]
    if not setting:
        return []
    last = setting[-1]
    only = isinstance(last, ast.Assign | ast.AnnAssign) and [getattr(t, "id", "") for t in _targets(last)] == ["FILES"]
    names = None
    if only and len(setting) == 1:
        with suppress(ValueError, TypeError):
            names = ast.literal_eval(last.value)  # type: ignore[attr-defined]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{path}: FILES (line {last.lineno}) must be a list of file names in quotes, assigned once at the top level"
        )
    files = [path.parent / name for name in names]
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{path}: FILES names {str(file)!r}, which is no file")
    return files


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a statement binds in its module, those in its blocks among them."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.alias):
        return {node.asname or node.name}
    return {name for child in ast.iter_child_nodes(node) for name in _bound(child)}


def _sources(path: Path) -> list[Path]:
    try:
        return sorted(sources(path))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: a module that it imports cannot be read: {error}") from error


def run_file(path: Path) -> Any:
    """Return the module that a user's own file makes, run because the user named it.

    Modules beside it can be imported while it runs. Raises ConfigError, in one line, where it raises or exits, or where
    it got another module than the one beside it.
    """
    name = f"baserate_file_{digest(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[name] = module  # dataclasses and pickle look a module up by its name
    sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except BaserateError:
        raise
    except SystemExit as error:
        raise ConfigError(f"{path}: called sys.exit({error.code!r})") from error
    except Exception as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    _check_neighbours(path)
    return module


def _check_neighbours(path: Path) -> None:
    """Raise ConfigError where a module that the file imports is in use from elsewhere: Python has one for each name."""
    folder = path.resolve().parent
    for file in _sources(path.resolve()):
        inner = file.parent if file.name == "__init__.py" else file
        used = getattr(sys.modules.get(inner.stem), "__file__", None)
        if inner.parent == folder and used and Path(used).resolve() != file.resolve():
            raise ConfigError(
                f"{path}: imports {inner.stem} from beside it, but another is in use, {used}; rename one of the two"
            )
