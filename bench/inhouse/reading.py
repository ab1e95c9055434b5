"""What a user's Python file defines and depends on, read from its text without running it."""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError, nearest
from ..files import check_regular
from ..provenance import own_sources
from .functions import FUNCTIONS

_DECORATORS = ("task", "model", "baseline")


def defined_functions(path: Path) -> tuple[str, ...]:
    """Return the functions of a model that the file defines or assigns at its top level; imports do not count.

    Raises ConfigError where there is none.
    """
    names = _top_level(parsed(path))
    functions = tuple(name for name in FUNCTIONS if name in names)
    if not functions:
        near = [(name, close[0]) for name in names if (close := nearest(name, FUNCTIONS))]
        advice = f"; did you mean {near[0][1]}() by {near[0][0]}()?" if near else ", and registers no model"
        raise ConfigError(f"{path}: defines none of {', '.join(f'{f}()' for f in FUNCTIONS)}{advice}")
    return functions


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of the file. Raises ConfigError, naming the line, where it is not Python."""
    if path.suffix != ".py":
        raise ConfigError(f"{path}: expected a Python file, .py")
    try:
        check_regular(path)
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
    """Return the targets of a plain or an annotated assignment, nothing for other statements."""
    if isinstance(node, ast.AnnAssign):
        return [node.target] if node.value is not None else []
    return node.targets if isinstance(node, ast.Assign) else []


def registers(tree: ast.Module) -> bool:
    """Return whether the file registers its content with one of baserate's decorators."""
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in _DECORATORS:
                return True
    return False


def weight_files(path: Path, tree: ast.Module) -> list[Path]:
    """Return the files that `FILES` names. Raises ConfigError where only running the file could show them."""
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
            raise ConfigError(f"{path}: FILES names {str(file)!r}, which is not a file")
    return files


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a statement binds in its module, including those in its blocks."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.alias):
        return {node.asname or node.name}
    return {name for child in ast.iter_child_nodes(node) for name in _bound(child)}


def files_of(path: Path) -> list[Path]:
    """Return the file and those beside it that it imports. Raises ConfigError where one cannot be read."""
    try:
        return sorted(own_sources(path))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: a module that it imports cannot be read: {error}") from error
