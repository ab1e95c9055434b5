"""How the threads of torch, scikit-learn and XGBoost wait for one another.

Threads of OpenMP spin while they wait. Where others want the same cores, two teams take turns at spinning, each waiting
for threads that are not running: work of 3 s then takes 17, or minutes. Threads that sleep cost some 20 % where the
cores are free, and so they sleep on a busy machine alone; `benchmarks/busy.py` measures both.
"""

from __future__ import annotations

import os

_BUSY = 0.5
"""The load per core from which the machine is busy."""


def sleep_if_busy() -> None:
    """Let threads that wait sleep if the machine is busy now, unless OMP_WAIT_POLICY or GOMP_SPINCOUNT is set.

    The setting is read when a library with OpenMP is loaded, so one that is loaded already is not affected; processes
    that are started from here inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ and _load() >= _BUSY:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def _load() -> float:
    """Return how many threads of other processes run, or wait to run, per core: now, or else in the last minute."""
    cores = os.cpu_count() or 1
    try:
        # The mean of a minute would count the installation, or the run, that has just ended.
        with open("/proc/loadavg") as file:  # noqa: PTH123 - pathlib costs the start of the command line more
            return (int(file.read().split()[3].partition("/")[0]) - 1) / cores
    except (OSError, ValueError, IndexError):
        return os.getloadavg()[0] / cores if hasattr(os, "getloadavg") else 0.0
