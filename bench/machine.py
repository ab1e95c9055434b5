"""What this process may use of its machine: cores, memory and GPUs, by its control group where it is in one."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_GPUS = Path("/proc/driver/nvidia/gpus")


def cores() -> int:
    """Return how many cores this process may use: its affinity, its control group's quota, or Slurm's share."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [float(mine), _quota(), float(os.environ.get("SLURM_CPUS_PER_TASK") or math.inf)]
    return max(1, math.ceil(min(limits)))


def memory_bytes() -> int:
    """Return the memory that this process and its children may fill, 0 where the system does not say."""
    try:
        all_of_it = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0
    limits = [_number(folder / name) for folder in _folders() for name in ("memory.max", "memory.limit_in_bytes")]
    return int(min([float(all_of_it), *limits]))


def gpus() -> int:
    """Return how many GPUs of NVIDIA the machine has; those that CUDA_VISIBLE_DEVICES hides do not count."""
    try:
        there = len(list(_GPUS.iterdir()))
    except OSError:
        return 0
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if shown is None else min(there, len([name for name in shown.split(",") if name not in ("", "-1")]))


def _quota() -> float:
    """Return the cores of the control groups, version 2 (`cpu.max`) or 1."""
    found = [math.inf]
    for folder in _folders():
        quota, period = _words(folder / "cpu.max", 2)
        found.append(_share(quota, period))
        found.append(_share(*_words(folder / "cpu.cfs_quota_us", 1), *_words(folder / "cpu.cfs_period_us", 1)))
    return min(found)


def _share(quota: str, period: str) -> float:
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _folders() -> list[Path]:
    """Return the folders of this process's control groups, and of those around them."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        roots = [_GROUPS / name for name in controllers.split(",") if name in ("cpu", "cpuacct", "memory")]
        for root in roots if controllers else [_GROUPS]:
            own = root / path.lstrip("/")
            folders += [folder for folder in (own, *own.parents) if folder == root or root in folder.parents]
    return folders


def _words(file: Path, n: int) -> list[str]:
    try:
        words = file.read_text().split()
    except OSError:
        words = []
    return (words + [""] * n)[:n]


def _number(file: Path) -> float:
    (word,) = _words(file, 1)
    return float(word) if word.isdigit() else math.inf
