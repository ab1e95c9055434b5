"""Files are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from baserate.cards.task import read_toml
from baserate.errors import BaserateError
from baserate.files import write_whole
from baserate.inhouse.reading import parsed
from baserate.new_task.sample import read_sample
from baserate.owner import machine, owner
from baserate.pretraining.config import read_config
from baserate.sources.sequences import package_file


def test_text_is_written_as_it_is_and_replaces_what_was_there(tmp_path: Path) -> None:
    """Folders above are made, line ends stay, and nothing else is left in the folder."""
    path = tmp_path / "a" / "b" / "c.txt"
    write_whole(path, "old")
    write_whole(path, "é\r\n\n")
    assert path.read_bytes() == "é\r\n\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["c.txt"]


def test_a_function_writes_a_file_or_a_folder(tmp_path: Path) -> None:
    """The function is given a place in the same folder, at which there is nothing yet."""
    places: list[Path] = []

    def folder(at: Path) -> None:
        places.append(at)
        at.mkdir()
        (at / "x").write_text("x")

    write_whole(tmp_path / "one", lambda at: at.write_bytes(b"\0"))
    write_whole(tmp_path / "two", folder)
    assert (tmp_path / "one").read_bytes() == b"\0" and (tmp_path / "two" / "x").read_text() == "x"
    assert places[0].parent == tmp_path and places[0].name.startswith(".")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_what_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    """Neither an error nor an interrupt in the middle leaves half a file or half a folder."""
    path = tmp_path / "x.json"
    path.write_text("old")

    def half_a_file(at: Path) -> None:
        at.write_text("ne")
        raise KeyboardInterrupt

    def half_a_folder(at: Path) -> None:
        at.mkdir()
        (at / "x").write_text("x")
        raise ValueError("no")

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, half_a_file)
    with pytest.raises(ValueError, match="no"):
        write_whole(path, half_a_folder)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_does_not_replace_one_that_holds_something(tmp_path: Path) -> None:
    """What is there stays, and OSError tells."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("x")
    with pytest.raises(OSError, match="there"):
        write_whole(tmp_path / "there", lambda at: at.mkdir())
    assert [p.name for p in tmp_path.iterdir()] == ["there"] and (tmp_path / "there" / "x").is_file()


def test_a_file_where_a_folder_should_be_is_an_os_error(tmp_path: Path) -> None:
    """The caller says what to do about it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_whole(tmp_path / "file" / "x", "text")


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_toml, "x.toml"),
        (read_config, "x.toml"),
        (parsed, "x.py"),
        (read_sample, "x.csv"),
        (read_sample, "x.parquet"),
        (lambda path: package_file(str(path)), "x.csv"),
    ],
)
def test_a_pipe_as_a_file_is_refused_and_not_waited_for(
    read: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(BaserateError, match=f"{name}: (a pipe, )?not a file"):
        read(tmp_path / name)


def test_what_a_killed_process_was_writing_is_removed_and_what_lives_is_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".other.json.{machine()}.{dead.pid}.0123abcd"
    lives = [tmp_path / f".other.json.{name}.0123abcd" for name in (owner(), f"elsewhere.{dead.pid}")]
    own = [tmp_path / ".mine", tmp_path / f".mine.{machine()}.{dead.pid}.txt"]
    for path in (left, *lives, *own):
        path.write_text("half")
    write_whole(tmp_path / f"{'é' * 120}.txt", "whole")
    assert {path for path in tmp_path.iterdir() if path.name.startswith(".")} == {*lives, *own}
