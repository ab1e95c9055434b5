"""Leases: one owner at a time, taken over from the dead, whoever's clock is right."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from baserate import leases
from baserate.leases import Leases


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_of_many_has_the_lease_and_leaves_nothing(tmp_path: Path) -> None:
    held = []

    def claim(number: int) -> None:
        with Leases(tmp_path).of("work") as mine:
            if mine:
                held.append(number)
                time.sleep(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(claim, range(8)))
    assert len(held) == 1 and names(tmp_path) == []


def test_who_looked_before_another_has_a_later_number_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = tmp_path / "work.1"
    later.write_text("- elsewhere 1\n")
    seen, real = [[]], Leases._all
    monkeypatch.setattr(Leases, "_all", lambda self, work: seen.pop() if seen else real(self, work))
    with Leases(tmp_path).of("work") as mine:
        assert not mine and names(tmp_path) == ["work.1"]


def test_a_file_system_that_has_no_error_for_what_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SFTP says that the operation is not permitted, and so it says where that is true."""
    (tmp_path / "work.0").write_text("- elsewhere 1\n")
    seen, real, opened = [[], []], Leases._all, Path.open

    def as_sftp(path: Path, mode: str = "r", **how: Any) -> Any:
        if mode == "x":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return opened(path, mode, **how)

    monkeypatch.setattr(Path, "open", as_sftp)
    monkeypatch.setattr(Leases, "_all", lambda self, work: seen.pop() if seen else real(self, work))
    with Leases(tmp_path).of("work") as mine:
        assert not mine and names(tmp_path) == ["work.0"]
    with pytest.raises(PermissionError), Leases(tmp_path).of("other"):
        raise AssertionError("there is no lease")


def test_an_owner_that_lives_keeps_it_and_is_named(tmp_path: Path) -> None:
    mine, other = Leases(tmp_path, expires=1.0), Leases(tmp_path, expires=1.0)
    with mine.of("work") as first:
        time.sleep(2.5)  # the process beside this one touches it
        with other.of("work") as second:
            assert first and not second
        assert other.owner("work") == f"process {os.getpid()} of {os.uname().nodename}"
        with other.of("else") as of_another:
            assert of_another
    with other.of("work") as again:
        assert again


DIES = """
import os, signal, sys
from pathlib import Path
from baserate.leases import Leases
with Leases(Path(sys.argv[1])).of("work"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_that_of_a_dead_process_of_this_machine_is_taken_at_once(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", DIES, tmp_path], timeout=60).returncode == -signal.SIGKILL
    assert names(tmp_path) == ["work.0"]
    with Leases(tmp_path).of("work") as mine:
        assert mine and names(tmp_path) == ["work.0", "work.1"]
    assert names(tmp_path) == []


def test_that_of_another_machine_is_taken_once_it_is_silent(tmp_path: Path) -> None:
    (tmp_path / "work.3").write_text("boot/pid:[1] node7 12\n")
    with Leases(tmp_path, expires=1.0).of("work") as mine:
        assert not mine
    time.sleep(1.1)
    with Leases(tmp_path, expires=1.0).of("work") as mine:
        assert mine and (tmp_path / "work.4").exists()


@pytest.mark.parametrize("content", ["", "rubbish", "a b c d\n"])
def test_one_that_was_being_written_expires_too(tmp_path: Path, content: str) -> None:
    file = tmp_path / "work.0"
    file.write_text(content)
    with Leases(tmp_path).of("work") as mine:
        assert not mine
    os.utime(file, (0, 0))
    with Leases(tmp_path).of("work") as mine:
        assert mine


@pytest.mark.parametrize("hours", [-5, 5])
def test_clocks_of_machines_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600 * hours)
    (tmp_path / "work.0").write_text("boot/pid:[1] node7 12\n")
    with Leases(tmp_path).of("work") as mine:
        assert not mine


def test_nothing_touches_a_lease_after_its_process(tmp_path: Path) -> None:
    code = DIES.replace("signal.SIGKILL)", "signal.SIGSTOP)").replace("\n    os.kill", "\n    import time; os.kill")
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.DEVNULL)
    while not (tmp_path / "work.0").exists():
        time.sleep(0.05)
    child.kill()
    child.wait()
    time.sleep(0.5)
    os.utime(tmp_path / "work.0", (0, 0))
    time.sleep(0.5)
    assert (tmp_path / "work.0").stat().st_mtime == 0 and leases.EVERY < leases.EXPIRES / 4
