"""A Python file that defines plain functions at its top level, as a model. A card is read off it without running it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BaserateError, ConfigError, nearest
from ..provenance import sources
from ..registry import with_params
from ..types import ModelCard, ModeName, digest
from .functions import CHUNK, FUNCTIONS, FunctionModel

_RULES = {
    "score_variants": "native",
    "masked_llr": "masked_llr",
    "pseudo_log_likelihood": "pll",
    "log_likelihood": "causal_delta",
    "next_base_log_probs": "right_end",
}
"""The zero-shot rule that each function serves; of several functions the first here decides the default."""
_DECORATORS = ("task", "model", "baseline")


def card_from_file(path: str | Path, *, python: str = "") -> ModelCard | None:
    """Return the card of a file of plain functions, or None where it registers its content with decorators.

    Nothing of the file runs: which functions it defines or assigns at its top level decides the modes. `python` is the
    interpreter that will run it, '' for this one. The revision is the digest of the file, of those beside it that it
    imports, and of those that it names in a top-level list `FILES`, such as its weights. Raises ConfigError where the
    file is neither.
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
    if "embed" in functions:
        modes["linear_probe"] = {}
    file, weights = path.absolute(), [w.absolute() for w in _weights(path, tree)]

    def load(*, python: str = "") -> Any:
        return model_from_file(file, python=python)

    card = ModelCard(
        name=path.stem,
        load=load,
        modes=modes,
        params={"python": ""},
        description=(ast.get_docstring(tree) or f"the functions of {path}").splitlines()[0],
        revision=lambda: "file:" + digest(*(f.read_bytes() for f in (*sorted(sources(file)), *weights))),
    )
    return with_params(card, python=python) if python else card


def model_from_file(path: str | Path, *, python: str = "", timeout: float = 600.0, chunk: int = CHUNK) -> FunctionModel:
    """Return the model that the functions of a file make, run in this process or by the interpreter `python`.

    Modules beside the file can be imported at its top level. Raises ConfigError where it cannot be run.
    """
    path = Path(path)
    if python:
        from .process import SubprocessModel

        return SubprocessModel(python, path, timeout=timeout, chunk=chunk)
    names = defined_functions(path)
    module = _run(path)
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
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def _registers(tree: ast.Module) -> bool:
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in _DECORATORS:
                return True
    return False


def _weights(path: Path, tree: ast.Module) -> list[Path]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["FILES"]:
            try:
                names = ast.literal_eval(node.value)
                files = [path.parent / name for name in names]
            except (ValueError, TypeError):
                raise ConfigError(f"{path}: FILES (line {node.lineno}) must be a list of file names") from None
            for file in files:
                if not file.is_file():
                    raise ConfigError(f"{path}: FILES names {str(file)!r}, which is no file")
            return files
    return []


def _run(path: Path) -> Any:
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
    except Exception as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    return module
