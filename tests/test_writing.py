"""Folders that several processes write at once are whole, and nobody fails for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baserate.writing import write_folder


def test_several_writers_of_one_folder_leave_a_whole_one_and_none_of_them_fails(tmp_path: Path) -> None:
    folder = tmp_path / "record"

    def write(name: str) -> None:
        def fill(beside: Path) -> None:
            for part in ("a", "b"):
                (beside / part).write_text(name)

        for _ in range(100):
            write_folder(folder, fill)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "1234"))
    assert (folder / "a").read_text() == (folder / "b").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_what_cannot_be_written_leaves_the_earlier_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "record", lambda beside: (beside / "a").write_text("1"))

    def gone(beside: Path) -> None:
        beside.rename(beside.with_name("elsewhere"))

    with pytest.raises(FileNotFoundError):
        write_folder(tmp_path / "record", gone)
    assert (tmp_path / "record" / "a").read_text() == "1"
