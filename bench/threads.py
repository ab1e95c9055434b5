"""How threads of torch, scikit-learn and XGBoost wait for one another.

Their OpenMP teams spin while they wait. Two such teams on the same cores take turns at spinning, and each waits for
threads that are not running: training that takes 9 s alone took three minutes. Threads that sleep instead cost almost
nothing where nothing else needs the cores; `benchmarks/busy.py` measures both.
"""

from __future__ import annotations

import logging
import os
import sys

log = logging.getLogger(__name__)


def wait_asleep() -> None:
    """Let waiting threads sleep, unless OMP_WAIT_POLICY says otherwise; libraries that are loaded already still spin.

    The setting is read when a library with OpenMP is loaded, and processes started from here inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        if "torch" in sys.modules:
            log.debug("torch was imported before baserate: its threads spin while they wait")
