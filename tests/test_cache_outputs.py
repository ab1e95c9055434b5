"""Outputs on disk: when they are used, when they are not believed, what survives a kill, and how they are bounded."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from baserate.cache import contents
from baserate.cache.outputs import OUTPUTS, cached, cached_all, in_chunks, trim
from baserate.errors import ConfigError, DataError, UnknownName

KEY = {"model": "toy", "method": "embed", "layer": -1, "precision": "fp32"}
OTHER = {**KEY, "layer": 2}


class Counting:
    """Counts bases, two items a chunk, and remembers what it was asked for."""

    def __init__(self, scale: float = 1 / 3) -> None:
        self.asked: list[str] = []
        self.scale = scale

    def __call__(self, items: list[str]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield rows of two keys, the second the negative of the first."""
        for start in range(0, len(items), 2):
            chunk = items[start : start + 2]
            self.asked += chunk
            rows = np.array([[s.count(b) * self.scale for b in "ACGT"] for s in chunk], np.float32)
            yield [rows, -rows]

    def first(self, items: list[str]) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of the first key alone."""
        return (rows[0] for rows in self(items))


def expected(items: Sequence[str]) -> NDArray[np.float32]:
    """Return the rows of `Counting`."""
    return np.array([[s.count(b) / 3 for b in "ACGT"] for s in items], np.float32)


def segments(cache: Path) -> list[Path]:
    """Return the files of outputs."""
    return sorted(cache.glob(f"{OUTPUTS}/*/*.rows"))


def test_the_second_time_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    model, items = Counting(), ["ACGT", "GGC", "TTTTT"]
    first = cached(tmp_path, KEY, items, model.first)
    second = cached(tmp_path, KEY, items, model.first)
    assert model.asked == items
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_array_equal(first, expected(items))
    np.testing.assert_array_equal(first, second)


def test_another_list_that_shares_items_computes_the_others_alone(tmp_path: Path) -> None:
    model = Counting()
    cached(tmp_path, KEY, ["ACGT", "GGC", "TTTTT"], model.first)
    model.asked.clear()
    items = ["CCC", "TTTTT", "AAA", "ACGT", "CCC"]
    np.testing.assert_array_equal(cached(tmp_path, KEY, items, model.first), expected(items))
    assert model.asked == ["CCC", "AAA"]


def test_duplicates_are_computed_once_without_a_cache_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, items = Counting(), ["A", "C", "A", "A", "C"]
    np.testing.assert_array_equal(cached(None, KEY, items, model.first), expected(items))
    assert model.asked == ["A", "C"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"layer": 3}, {"model": "other"}, {"precision": "bf16"}, {"new": None}])
def test_whatever_is_in_the_key_decides(tmp_path: Path, change: dict[str, Any]) -> None:
    model = Counting()
    cached(tmp_path, KEY, ["ACGT"], model.first)
    cached(tmp_path, {**KEY, **change}, ["ACGT"], model.first)
    cached(tmp_path, dict(reversed(KEY.items())), ["ACGT"], model.first)
    assert model.asked == ["ACGT", "ACGT"]


def test_one_pass_serves_several_keys_and_what_one_lacks_is_computed(tmp_path: Path) -> None:
    model = Counting()
    cached(tmp_path, KEY, ["A", "C"], model.first)
    model.asked.clear()
    model.scale = 1.0
    first, second = cached_all(tmp_path, [KEY, OTHER], ["G", "A", "T"], model)
    assert model.asked == ["G", "A", "T"]
    np.testing.assert_array_equal(first[1], expected(["A"])[0], "what is known is kept")
    np.testing.assert_array_equal(second, -3 * expected(["G", "A", "T"]))
    cached_all(tmp_path, [OTHER, KEY], ["T", "A", "G"], model)
    assert len(model.asked) == 3


def test_scores_are_kept_in_double_precision_with_nan(tmp_path: Path) -> None:
    scores = {"A>C": 0.1, "A>G": np.nan, "A>T": -1e-300}

    def compute(items: list[str]) -> NDArray[np.float64]:
        return np.array([scores.pop(item) for item in items])

    items = list(scores)
    first = cached(tmp_path, KEY, items, in_chunks(compute, 2))
    np.testing.assert_array_equal(first, [0.1, np.nan, -1e-300])
    np.testing.assert_array_equal(cached(tmp_path, KEY, items[::-1], in_chunks(compute)), first[::-1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-1],
        lambda b: b"",
        lambda b: b"nonsense",
        lambda b: b[:-30] + bytes([b[-30] ^ 1]) + b[-29:],
        lambda b: b.replace(b'"shape":[2,4]', b'"shape":[4,2]'),
        lambda b: b.replace(b'"shape":[2,4]', b'"shape":[{},4]'),
        lambda b: b.replace(b"outputs/1", b"outputs/9"),
    ],
    ids=["cut", "empty", "nonsense", "flipped", "reshaped", "typed", "newer"],
)
def test_a_damaged_file_is_noticed_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[bytes], bytes]
) -> None:
    model, items = Counting(), ["ACGT", "GGC", "TTTTT"]
    cached(tmp_path, KEY, items, model.first)
    damaged = next(path for path in segments(tmp_path) if b'"shape":[2,4]' in path.read_bytes())
    damaged.write_bytes(spoil(damaged.read_bytes()))
    model.asked.clear()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cached(tmp_path, KEY, items, model.first), expected(items))
    assert model.asked == ["ACGT", "GGC"]
    assert str(damaged) in caplog.text
    assert not damaged.exists()
    cached(tmp_path, KEY, items, model.first)
    assert len(model.asked) == 2


def test_a_folder_that_cannot_be_written_costs_a_warning_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / OUTPUTS).write_text("in the way")
    items = ["A", "C", "G"]
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cached(tmp_path, KEY, items, Counting().first), expected(items))
    assert caplog.text.count("outputs are not cached") == 1


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda items: iter([]), "0 rows were computed, expected 3"),
        (lambda items: [[np.zeros(4)]], "1 arrays of [4] rows"),
        (lambda items: [[np.zeros(3), np.zeros(3)]], "2 arrays of [3] rows"),
        (lambda items: [[np.zeros(2)], [np.zeros((1, 5))]], "rows of shape (5,) beside others of ()"),
    ],
)
def test_other_rows_than_were_asked_for_are_refused(compute: Any, message: str) -> None:
    with pytest.raises(DataError) as raised:
        cached_all(None, [KEY], ["A", "C", "G"], compute)
    assert message in str(raised.value)


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from baserate.cache.outputs import cached, in_chunks

def compute(items):
    time.sleep(float(sys.argv[2]))
    print(len(items), flush=True)
    return np.array([float(item) for item in items])

n = int(sys.argv[3])
found = cached(Path(sys.argv[1]), {"model": "slow"}, [str(i) for i in range(n)], in_chunks(compute, 10))
assert (found == range(n)).all()
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW, tmp_path, "0.2", "1000"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(4):  # the fourth chunk is announced after the third has been written
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    asked: list[str] = []

    def compute(items: list[str]) -> Iterator[NDArray[np.float64]]:
        asked.extend(items)
        yield np.array([float(item) for item in items])

    cached(tmp_path, {"model": "slow"}, [str(i) for i in range(60)], compute)
    assert asked[0] in ("30", "40")
    assert asked == [str(i) for i in range(int(asked[0]), 60)]


def test_two_processes_at_once_leave_what_one_would(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, tmp_path, "0.002", "300"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    for process in running:
        process.communicate()
    assert [process.returncode for process in running] == [0, 0]
    found = cached(tmp_path, {"model": "slow"}, [str(i) for i in range(300)], lambda items: iter([]))
    np.testing.assert_array_equal(found, np.arange(300))


def test_the_least_recently_used_make_room_and_those_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = ["A" * n for n in range(1, 9)]
    for age, method in enumerate(["old", "older", "oldest"]):
        cached(tmp_path, {**KEY, "method": method}, items, in_chunks(lambda x: np.zeros((len(x), 100))))
        for path in segments(tmp_path):
            if path.stat().st_mtime > time.time() - 1000:
                os.utime(path, (0, time.time() - 10_000 * (age + 1)))
    cached(tmp_path, {**KEY, "method": "oldest"}, items[:1], in_chunks(np.array))  # used now
    one = segments(tmp_path)[0].stat().st_size
    monkeypatch.setenv("BASERATE_CACHE_GB", str(2.5 * one / 1e9))
    cached(tmp_path, {**KEY, "method": "new"}, items, in_chunks(lambda x: np.zeros((len(x), 100))))
    assert [e.method for e in contents.entries(tmp_path)] == ["new", "oldest"]
    monkeypatch.setenv("BASERATE_CACHE_GB", "0")
    cached(tmp_path, {**KEY, "method": "newest"}, items, in_chunks(lambda x: np.zeros((len(x), 100))))
    assert [e.method for e in contents.entries(tmp_path)] == ["newest"]
    trim(tmp_path, 0)
    assert not segments(tmp_path)


@pytest.mark.parametrize("given", ["many", "-1", "nan", "inf", ""])
def test_a_limit_that_is_no_number_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("BASERATE_CACHE_GB", given)
    model = Counting()
    with pytest.raises(ConfigError, match="BASERATE_CACHE_GB"):
        cached(tmp_path, KEY, ["A"], model.first)
    assert not model.asked


def test_entries_tell_what_is_kept_and_clear_removes_what_is_named(tmp_path: Path) -> None:
    model = Counting()
    cached_all(tmp_path, [KEY, OTHER], ["A", "C", "G"], model)
    cached(tmp_path, {"model": "b", "method": "pll", "strands": [1, -1]}, ["A"], model.first)
    found = {(e.model, e.method, e.settings, e.rows) for e in contents.entries(tmp_path)}
    assert found == {
        ("toy", "embed", "layer=-1 precision=fp32", 3),
        ("toy", "embed", "layer=2 precision=fp32", 3),
        ("b", "pll", "strands=[1,-1]", 1),
    }
    total = contents.size(tmp_path)
    assert total == sum(path.stat().st_size for path in segments(tmp_path))
    assert contents.clear(tmp_path, older_than_days=1) == 0
    with pytest.raises(UnknownName, match=r"Unknown model in the cache 'tay'\. Did you mean 'toy'"):
        contents.clear(tmp_path, model="tay")
    freed = contents.clear(tmp_path, model="toy")
    assert 0 < freed == total - contents.size(tmp_path)
    assert [e.model for e in contents.entries(tmp_path)] == ["b"]
    (left,) = segments(tmp_path)
    os.utime(left, (0, time.time() - 3 * 86_400))
    assert contents.clear(tmp_path, older_than_days=2.5) == total - freed
    assert not list((tmp_path / OUTPUTS).iterdir())


def test_clear_leaves_files_alone_that_are_not_ours(tmp_path: Path) -> None:
    ours = [
        "examples/promoters-0123456789abcdef.parquet",
        "jackknives/0123456789abcdef.npz",
        "estimates/0123456789abcdef.json",
        "checks/0123456789abcdef.json",
        "downloads/0123456789abcdef/x.gz",
    ]
    theirs = [
        "thesis.txt",
        "examples/mine.parquet",
        "jackknives/notes.npz",
        "downloads/photo.jpg",
        "outputs/a/b.rows",
        "outputs/0123456789abcdef/x.csv",
    ]
    for name in ours + theirs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    assert [(use.kind, use.files, use.bytes) for use in contents.kinds(tmp_path)] == [
        ("outputs", 0, 0),
        ("examples", 1, 5),
        ("jackknives", 1, 5),
        ("pairs", 0, 0),
        ("swaps", 0, 0),
        ("boards", 0, 0),
        ("estimates", 1, 5),
        ("checks", 1, 5),
        ("trainings", 0, 0),
        ("downloads", 1, 5),
    ]
    assert contents.clear(tmp_path, kind="jackknives") == 5
    assert contents.clear(tmp_path) == 20
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(theirs)


def test_clear_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'jackknives'"):
        contents.clear(tmp_path, kind="jackknive")
    with pytest.raises(ConfigError, match="not stored by model"):
        contents.clear(tmp_path, kind="jackknives", model="toy")
