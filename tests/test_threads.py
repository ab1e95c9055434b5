"""Threads that wait sleep on a busy machine alone."""

from __future__ import annotations

import io
import os

import pytest

from baserate import threads


@pytest.mark.parametrize(
    ("load", "environment", "policy"),
    [
        (0.1, {}, None),
        (1.5, {}, "PASSIVE"),
        (1.5, {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        (1.5, {"GOMP_SPINCOUNT": "1000"}, None),
    ],
)
def test_threads_sleep_if_others_want_the_cores(
    load: float, environment: dict[str, str], policy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(threads, "_load", lambda: load)
    threads.sleep_if_busy()
    assert os.environ.get("OMP_WAIT_POLICY") == policy


def test_the_load_is_what_others_run_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "open", lambda path: io.StringIO("9.00 9.00 9.00 5/300 4242\n"), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert threads._load() == 2.0


def test_without_that_it_is_the_mean_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> io.StringIO:
        raise FileNotFoundError(path)

    monkeypatch.setattr(threads, "open", missing, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 0.0, 0.0), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert threads._load() == 3.0
