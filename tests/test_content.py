"""Every registered task, model and baseline passes the checks that a third party's must pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from baserate.checks import parametrize_with_checks
from baserate.registry import MODELS, TASKS

from .test_tasks import FINGERPRINTS

BUILT = [task for task in TASKS.all().values() if "." not in task.name]
"""Those whose data come with a package; test_benchmarks.py tests the others."""


@parametrize_with_checks([*BUILT, *(t.small_variant() for t in BUILT if t.small)])
@pytest.mark.filterwarnings("default")
def test_task_conforms(
    subject: Any, check: Callable[[Any], None], fetched: Callable[[], AbstractContextManager[None]]
) -> None:
    if subject.name in FINGERPRINTS and getattr(check, "__name__", "") == "check_two_loads_agree":
        pytest.skip("test_tasks.py compares a load with what the version has held since it was made")
    with fetched():
        check(subject)


@parametrize_with_checks(list(MODELS.all().values()))
@pytest.mark.filterwarnings("default")
def test_model_conforms(subject: Any, check: Callable[[Any], None]) -> None:
    check(subject)
