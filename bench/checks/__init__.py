"""Checks that every task and every model must pass, built-in or third-party.

In a test suite, as with scikit-learn's `parametrize_with_checks`:

    from baserate.checks import parametrize_with_checks
    from baserate.registry import get_model, get_task

    @parametrize_with_checks([get_task("my_task"), get_model("my_model")])
    def test_conforms(subject, check):
        check(subject)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import BaserateError, MissingExtra, NotApplicable
from ..types import ModelCard, Task
from .loaded import LoadedModel
from .model import FOLLOWS, MODEL_CHECKS
from .results import CheckResult, Status, read_results, write_results
from .task import TASK_CHECKS
from .weights import check_likelihood_knows_dna

__all__ = ["CheckResult", "Status", "checks_for", "faults", "parametrize_with_checks", "run_checks"]


def checks_for(subject: Task | ModelCard) -> Sequence[Callable[[Any], str | None]]:
    """Return the checks for a task or for a model; those for a model take a `LoadedModel`."""
    return TASK_CHECKS if isinstance(subject, Task) else MODEL_CHECKS


def run_checks(subject: Task | ModelCard, *, cache: Path | None = None) -> Iterator[CheckResult]:
    """Yield the result of each check on the task or model as it finishes; a model is loaded once for all of them.

    A check that depends on one that failed is skipped. Results for a model are stored under `cache`, for `faults`.
    """
    checked = subject if isinstance(subject, Task) else LoadedModel(subject)
    results: list[CheckResult] = []
    failed: set[str] = set()
    for check in checks_for(subject):
        name = _name(check)
        before = next((n for n in map(_name, FOLLOWS.get(check, ())) if n in failed), None)
        if before:
            result = CheckResult(
                subject.name, name, "skipped", f"not run, because this check failed: {before.replace('_', ' ')}"
            )
        else:
            result = _run(check, checked, subject.name)
        if result.status == "failed":
            failed.add(name)
        results.append(result)
        yield result
    if cache is not None and isinstance(subject, ModelCard):
        write_results(cache, subject, results)


def faults(card: ModelCard, cache: Path | None) -> tuple[str, ...]:
    """Return the names of the checks that the model fails, as words, from `cache` where it has them.

    Where a likelihood knows nothing, what was measured stands beside the name.
    The checks run again where the model's revision or parameters, the versions of its libraries, or the checks
    themselves have changed.
    """
    results = None if cache is None else read_results(cache, card)
    if results is None:
        results = list(run_checks(card, cache=cache))
    return tuple(
        r.check.replace("_", " ") + (f" ({r.detail})" if r.check == _name(check_likelihood_knows_dna) else "")
        for r in results
        if r.status == "failed"
    )


def parametrize_with_checks(subjects: Sequence[Task | ModelCard]) -> Any:
    """Return a pytest decorator that runs a test with (subject, check) for every check of every subject.

    A check that does not apply, or a model whose package is not installed, is skipped with the reason. A model is
    loaded once for checks that run in a row.
    """
    import pytest

    @functools.lru_cache(maxsize=1)
    def loaded(index: int) -> LoadedModel:
        card = subjects[index]
        assert isinstance(card, ModelCard)
        return LoadedModel(card)

    def skipping(index: int, check: Callable[[Any], str | None]) -> Callable[[Any], None]:
        @functools.wraps(check)
        def run(subject: Any) -> None:
            try:
                check(loaded(index) if isinstance(subject, ModelCard) else subject)
            except (NotApplicable, MissingExtra) as reason:
                pytest.skip(str(reason))

        return run

    pairs = [(s, c, i) for i, s in enumerate(subjects) for c in checks_for(s)]
    return pytest.mark.parametrize(
        ("subject", "check"),
        [(s, skipping(i, c)) for s, c, i in pairs],
        ids=[f"{s.name}-{c.__name__}" for s, c, _ in pairs],
    )


def _run(check: Callable[[Any], str | None], subject: Task | LoadedModel, name: str) -> CheckResult:
    try:
        detail = check(subject)
    except NotApplicable as reason:
        return CheckResult(name, _name(check), "skipped", str(reason))
    except BaserateError as error:
        return CheckResult(name, _name(check), "failed", str(error))
    except SystemExit as error:
        return CheckResult(name, _name(check), "failed", f"called sys.exit({error.code!r})")
    except Exception as error:  # noqa: BLE001 - a bug in a model is a failed check of that model
        return CheckResult(name, _name(check), "failed", f"{type(error).__name__}: {error}")
    asked = inspect.cleandoc(check.__doc__ or "").splitlines()[0]
    return CheckResult(name, _name(check), "passed", detail or asked, measured=bool(detail))


def _name(check: Callable[[Any], str | None]) -> str:
    return check.__name__.removeprefix("check_")
