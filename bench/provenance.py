"""Which code made a result: digests of source files, and the environment."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .digests import digest

_ROOT = Path(__file__).resolve().parent
_PLUMBING = ("capabilities", "errors", "progress", "registry", "text", "types")
"""Modules of baserate that compute nothing: a change in them leaves every result as it is."""


def source_digest(function: Callable[..., Any]) -> str:
    """Return 'source:' and the digest of the function's file and of those beside it that it imports.

    Nothing is imported: a file's imports are read from its text. Modules of baserate do not count: declared versions
    stand for what they compute.
    """
    files = sorted(own_sources(Path(function.__code__.co_filename)), key=lambda file: (file.name, str(file)))
    return "source:" + digest(*(file.read_bytes() for file in files))


def own_sources(first: Path) -> frozenset[Path]:
    """Return the file and those of its `sources` that are not part of baserate."""
    return frozenset(file for file in sources(first) if file == first or not _is_ours(file))


@functools.cache
def engine_digest(family_file: str = "") -> str:
    """Return the digest of what decides, beside its weights, a model's output for a sequence.

    That is the code of baserate that runs networks and in-house models, the file of the model's family, and the
    versions of the packages that they use.
    """
    folders = (_ROOT / "networks", _ROOT / "inhouse")
    files = sorted(file for folder in folders for file in folder.glob("*.py"))
    files += [Path(family_file)] if family_file else []
    versions = [f"{name} {_version(name)}" for name in ("numpy", "torch", "transformers", "tokenizers")]
    return digest(*versions, *(file.read_bytes() for file in files))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def sources(first: Path) -> frozenset[Path]:
    """Return the file, and the files beside it and modules of baserate that it imports, directly or not."""
    files: set[Path] = set()
    waiting = [first]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += [module for name in _imported(file) if (module := _module_file(name)) is not None]
            waiting += _beside(file)
    return frozenset(files)


@functools.cache
def _imported(file: Path) -> list[list[str]]:
    """Return the parts after 'baserate' of every name in it that the file imports, including attributes."""
    names = []
    for node in _statements(file):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = (node.module or "").split(".") if node.module else []
        if node.level and _ROOT in file.resolve().parents:
            parts = [*file.resolve().relative_to(_ROOT).parts[: -node.level], *parts]
        elif node.level or parts[:1] != ["baserate"]:
            continue
        else:
            parts = parts[1:]
        for alias in node.names:
            names.append([*parts, alias.name])
    return names


def _statements(file: Path) -> Iterator[ast.AST]:
    """Yield every statement of the file. An import is one, and expressions, which hold none, take most of a walk."""
    waiting: list[ast.AST] = [ast.parse(file.read_bytes())]
    while waiting:
        node = waiting.pop()
        yield node
        inner = (ast.stmt, ast.ExceptHandler, ast.match_case)
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, inner)]


def _is_ours(file: Path) -> bool:
    specs = [importlib.util.find_spec(f"baserate.{name}") for name in ("tasks", "models", "baselines")]
    folders = [Path(place).resolve() for spec in specs if spec for place in spec.submodule_search_locations or ()]
    return any(folder in file.resolve().parents for folder in (_ROOT, *folders))


def _beside(file: Path) -> list[Path]:
    """Return the files in the folder of a user's own file that it imports by their bare names."""
    if _ROOT in file.resolve().parents:
        return []
    names: set[str] = set()
    for node in _statements(file):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    candidates = [
        path for name in sorted(names) for path in (file.parent / f"{name}.py", file.parent / name / "__init__.py")
    ]
    return [path for path in candidates if path.is_file()]


def _module_file(parts: list[str]) -> Path | None:
    """Return the file of the innermost module that the parts name; None for plumbing and packages of content."""
    if not parts or parts[0] in _PLUMBING:
        return None
    spec = importlib.util.find_spec(f"baserate.{parts[0]}")
    file = Path(spec.origin) if spec and spec.origin else None
    for part in parts[1:]:
        if file is None or file.name != "__init__.py":
            break
        inner = (file.parent / f"{part}.py", file.parent / part / "__init__.py")
        file = next((candidate for candidate in inner if candidate.is_file()), file)
    return (
        None
        if file is not None and file.parent.name in ("tasks", "models", "baselines") and file.name == "__init__.py"
        else file
    )


DEVICE = "BASERATE_DEVICE"
"""The variable that names the device of networks, for this process and those that it starts."""
WORKER = "BASERATE_WORKER"
"""The variable that numbers the processes of a run with several, from 0."""
_ABSENT = "not installed"
_PACKAGES = ("baserate", "numpy", "scipy", "scikit-learn", "torch", "transformers", "xgboost", "numba", "pyarrow")


def environment() -> dict[str, Any]:
    """Return where results are made: commit and dirty flag of baserate's checkout, versions, machine, device."""
    return {
        **_git(Path(__file__).resolve().parent),
        "packages": _versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": _device(),
    }


@functools.cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = _ABSENT
    return versions


def releases(packages: Mapping[str, str], *, baseline: bool) -> dict[str, str]:
    """Return the releases of the packages by which numbers may differ, from the versions of all that are installed.

    A local part such as '+cpu' or '+dirty' is not part of a release, and no baseline uses transformers.
    """
    names = ("baserate", "torch") if baseline else ("baserate", "torch", "transformers")
    known = {name: str(packages.get(name, _ABSENT)).partition("+")[0] for name in names}
    return {name: version for name, version in known.items() if version != _ABSENT}


def _device() -> str:
    torch, chosen = sys.modules.get("torch"), os.environ.get(DEVICE, "auto")
    if torch is None or chosen == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(chosen if ":" in chosen else None))


@functools.cache
def _git(folder: Path) -> dict[str, Any]:
    """Return the commit, and whether tracked files differ from it; both None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # Installed inside another checkout, baserate is not tracked there, and that commit is not its own.
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return {"git_commit": git("rev-parse", "HEAD"), "git_dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": None, "git_dirty": None}
