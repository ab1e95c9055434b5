"""What every table takes for granted of a task or a model, as checks that built-in and third-party content must pass.

From a test suite, in the manner of scikit-learn's `parametrize_with_checks`:

    from baserate.checks import parametrize_with_checks
    from baserate.registry import get_model, get_task

    @parametrize_with_checks([get_task("my_task"), get_model("my_model")])
    def test_conforms(subject, check):
        check(subject)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import BaserateError, NotApplicable
from ..types import ModelCard, Task
from .model import MODEL_CHECKS
from .task import TASK_CHECKS

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check on one task or model; `detail` says what was found."""

    subject: str
    check: str
    status: Status
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the result as a JSON object."""
        return asdict(self)


def checks_for(subject: Task | ModelCard) -> Sequence[Callable[[Any], None]]:
    """Return the checks that apply to a task, or to a model."""
    return TASK_CHECKS if isinstance(subject, Task) else MODEL_CHECKS


def run_checks(subject: Task | ModelCard) -> Iterator[CheckResult]:
    """Yield the result of each check on the task or model, as it is done."""
    for check in checks_for(subject):
        name = check.__name__.removeprefix("check_")
        try:
            check(subject)
        except NotApplicable as reason:
            yield CheckResult(subject.name, name, "skipped", str(reason))
        except BaserateError as error:
            yield CheckResult(subject.name, name, "failed", str(error))
        except Exception as error:  # noqa: BLE001 - a model's own bug is a failed check of that model
            yield CheckResult(subject.name, name, "failed", f"{type(error).__name__}: {error}")
        else:
            yield CheckResult(subject.name, name, "passed", (check.__doc__ or "").splitlines()[0])


def parametrize_with_checks(subjects: Sequence[Task | ModelCard]) -> Any:
    """Return a pytest decorator that runs a test with (subject, check) for every check of every subject.

    A check that does not apply is a skip with its reason.
    """
    import pytest

    def skipping(check: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(check)
        def run(subject: Any) -> None:
            try:
                check(subject)
            except NotApplicable as reason:
                pytest.skip(str(reason))

        return run

    pairs = [(s, skipping(c)) for s in subjects for c in checks_for(s)]
    return pytest.mark.parametrize(("subject", "check"), pairs, ids=[f"{s.name}-{c.__name__}" for s, c in pairs])
