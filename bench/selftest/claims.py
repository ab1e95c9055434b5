"""Every claim, by what it is simulated in; they are independent, and so run on several cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from ..progress import activity
from .claim import TOPICS, Claim
from .faults import CLEAN, LEAKS, SHORTCUTS, SORTED, clean, planted
from .order import CHANGES, unchanged
from .rates import coverage, equal_methods, permuted, power, withheld
from .worlds import World

Job = Callable[[], list[Claim]]

FULL, SHORT = 1000, 200
_CLASSES = ("auroc", "auprc", "mcc", "accuracy")
_VALUES = ("spearman",)

_USUAL, _FEW = (0.93, 0.97), (0.90, 0.98)
_WIDE = (0.93, 0.99)
"""Of two or three trainings, whose interval is never too narrow, but may be too wide."""
_COVERAGE: tuple[tuple[str, World, tuple[float, float]], ...] = (
    ("400 clusters", World(2000, 400, uneven=1.0), _USUAL),
    ("every example a cluster", World(600, 600, uneven=0.0), _USUAL),
    ("200 examples, each a cluster", World(200, 200, uneven=0.0), _USUAL),
    ("100 uneven clusters", World(1000, 100, uneven=1.0), _USUAL),
    ("47 uneven clusters", World(1000, 47), _USUAL),
    ("20 clusters", World(600, 20, uneven=0.2), _USUAL),
    ("a class of 10 %, 100 clusters", World(2000, 100, uneven=0.8, prevalence=0.1), _USUAL),
    ("no skill, 100 clusters", World(1000, 100, skill=0.0), _USUAL),
    ("5 trainings that vary, 400 clusters", World(2000, 400, training=0.2, seeds=5), _USUAL),
    ("5 trainings that vary less, 400 clusters", World(2000, 400, training=0.05, seeds=5), _USUAL),
    ("3 trainings that vary, 400 clusters", World(2000, 400, training=0.2, seeds=3), _WIDE),
    ("3 trainings that vary less, 400 clusters", World(2000, 400, training=0.05, seeds=3), _WIDE),
    ("2 trainings that vary, 400 clusters", World(2000, 400, training=0.2, seeds=2), _WIDE),
    ("12 clusters", World(600, 12, uneven=0.2), _FEW),
    ("12 clusters of one size and balance", World(600, 12, uneven=0.0, alike=0.05), _FEW),
    ("near perfect, 40 clusters", World(600, 40, skill=2.6), _FEW),
    ("near perfect, 400 clusters", World(2000, 400, skill=2.6), _FEW),
)
_MEASURED: tuple[tuple[str, World, tuple[float, float]], ...] = (
    ("400 clusters", World(2000, 400, uneven=1.0, measured=True), _USUAL),
    ("every example a cluster", World(600, 600, uneven=0.0, measured=True), _USUAL),
    ("47 uneven clusters", World(1000, 47, measured=True), _USUAL),
    ("20 clusters", World(600, 20, uneven=0.2, measured=True), _USUAL),
    ("no skill, 100 clusters", World(1000, 100, skill=0.0, measured=True), _USUAL),
    ("5 trainings that vary, 400 clusters", World(2000, 400, training=0.2, seeds=5, measured=True), _USUAL),
    ("12 clusters", World(600, 12, uneven=0.2, measured=True), _FEW),
    ("near perfect, 40 clusters", World(600, 40, skill=6.0, measured=True), _FEW),
)
_TOO_FEW = ("8 clusters", World(600, 8, uneven=0.2))
_TRAINING: tuple[tuple[str, World], ...] = (
    ("600 examples, 5 trainings", World(600, 400, uneven=0.3, training=0.1, seeds=5)),
    ("600 examples, 3 trainings", World(600, 400, uneven=0.3, training=0.1, seeds=3)),
    ("7,000 examples, 5 trainings", World(7000, 1700, uneven=0.3, training=0.2, seeds=5)),
    ("7,000 examples, 3 trainings", World(7000, 1700, uneven=0.3, training=0.2, seeds=3)),
    ("7,000 examples, 5 trainings that vary less", World(7000, 1700, uneven=0.3, training=0.05, seeds=5)),
    ("7,000 examples, 3 trainings that vary less", World(7000, 1700, uneven=0.3, training=0.05, seeds=3)),
    ("40 clusters, no noise of training", World(1000, 40)),
)
_POWER = World(2000, 400, uneven=0.3)
_MORE = (0.02, 0.04, 0.08, 0.12, 0.16)
"""How much higher the skill of the better method is, which finds from a twentieth to nearly all."""
_PERMUTED = {"auroc": 0.5, "mcc": 0.0, "spearman": 0.0}


def jobs(*, full: bool) -> list[Job]:
    """Return what simulates the claims, each several of one topic: `FULL` times or `SHORT` times."""
    n = FULL if full else SHORT
    audits, orders = (10, 50) if full else (1, 10)
    return [
        *(partial(coverage, name, world, _CLASSES, *bounds, n) for name, world, bounds in _COVERAGE),
        *(partial(coverage, name, world, _VALUES, *bounds, n) for name, world, bounds in _MEASURED),
        partial(withheld, *_TOO_FEW, _CLASSES, n // 10),
        *(partial(equal_methods, name, world, n) for name, world in _TRAINING),
        *(partial(equal_methods, name, world, n // 2, others=5) for name, world in _TRAINING),
        *(partial(permuted, metric, chance, n) for metric, chance in _PERMUTED.items()),
        *(partial(power, "400 clusters", _POWER, metric, more, n) for metric in ("mcc", "auroc") for more in _MORE),
        *(partial(planted, name, audits) for name in (*LEAKS, *SHORTCUTS, SORTED)),
        *(partial(clean, name, 5 * audits) for name in CLEAN),
        *(partial(unchanged, name, orders) for name in CHANGES),
    ]


def every_claim(*, full: bool = False, workers: int = 1, work: Sequence[Job] | None = None) -> list[Claim]:
    """Return the claims by topic, simulated `FULL` times each, or `SHORT` times, by so many processes.

    The rates do not depend on their number. `work` is what to simulate in place of everything.
    """
    work = jobs(full=full) if work is None else work
    advance = activity("simulating", len(work))
    made = []
    for claims in _run(work, workers):
        made += claims
        advance(1)
    return sorted(made, key=lambda claim: list(TOPICS).index(claim.topic))


def _run(work: Sequence[Job], workers: int) -> Iterator[list[Claim]]:
    if workers == 1:
        yield from (job() for job in work)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with _one_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_call, work)


def _call(job: Job) -> list[Claim]:
    return job()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start inside the block use one thread each: teams on the same cores slow one another."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
