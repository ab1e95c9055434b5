from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baserate.cache.folder import cache_dir, file_digest
from baserate.errors import DataError
from baserate.sources.example_file import cached_examples, read_examples, write_examples
from baserate.text import Text
from baserate.types import Examples, Inputs, Intervals, strings


def examples(value: float = 0.1) -> Examples:
    return Examples(
        ids=strings(["a", "b"]),
        inputs=Inputs(strings(["ACGT", "TTTT"]), strings(["ACGA", "TTTA"]), np.array([3, 3])),
        targets=np.array([value, 1 / 3]),
        groups=strings(["g", "h"]),
        clusters=strings(["c", "c"]),
        strata={"species": strings(["human", "fly"])},
        intervals=Intervals(strings(["chr1", "chr2"]), np.array([0, 5]), np.array([4, 9]), strings(["+", "-"])),
    )


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))


def never() -> Examples:
    raise AssertionError("built although cached")


def test_every_column_comes_back_equal() -> None:
    built = cached_examples(["toy", "1"], examples)
    cached = cached_examples(["toy", "1"], never)
    assert cached.fingerprint == built.fingerprint
    assert cached.intervals is not None and built.intervals is not None
    for name in ("chrom", "start", "end", "strand"):
        assert getattr(cached.intervals, name).tolist() == getattr(built.intervals, name).tolist()
    assert cached.inputs.positions is not None and cached.inputs.positions.dtype == np.int64
    assert cached.targets.tolist() == built.targets.tolist()


def test_a_file_is_known_by_its_content_and_read_again_when_it_changed(tmp_path: Path) -> None:
    for content in (b"ACGT", b"ACGA", b"ACGAA"):
        (tmp_path / "f").write_bytes(content)
        assert file_digest(tmp_path / "f") == hashlib.sha256(content).hexdigest()
    with pytest.raises(DataError, match="gone: cannot be read"):
        file_digest(tmp_path / "gone")


def test_another_key_is_built_anew() -> None:
    assert cached_examples(["toy", "1"], lambda: examples(1)).targets[0] == 1
    assert cached_examples(["toy", "2"], lambda: examples(2)).targets[0] == 2


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense PAR1", b"half"])
def test_damaged_table_is_rebuilt_with_a_warning(damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    cached_examples(["toy", "1"], examples)
    (path,) = (cache_dir() / "examples").iterdir()
    path.write_bytes(path.read_bytes()[:200] if damage == b"half" else damage)
    assert cached_examples(["toy", "1"], examples).fingerprint == examples().fingerprint
    assert "rebuilding a damaged cache file" in caplog.text
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        cached_examples(["toy", "1"], never)
    assert not caplog.text


@pytest.mark.parametrize("at", [-1, -30, -200, 100, 1 << 20, 9 << 20])
def test_a_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    """All but the inside of large blocks of sequences is checked, there a page every megabyte."""
    long = replace(examples(), inputs=Inputs(strings(["A" * 6_000_000, "C" * 6_000_000])))
    write_examples(long, tmp_path / "x.arrow")
    read_examples(tmp_path / "x.arrow")
    data = bytearray((tmp_path / "x.arrow").read_bytes())
    data[at] ^= 1
    (tmp_path / "x.arrow").write_bytes(data)
    with pytest.raises(DataError, match=r"x\.arrow: (damaged|not a table)"):
        read_examples(tmp_path / "x.arrow")


@pytest.mark.parametrize("size", [0, 10, 1000, 6 << 20, -1])
def test_a_file_that_was_cut_off_is_noticed(tmp_path: Path, size: int) -> None:
    write_examples(
        replace(examples(), inputs=Inputs(strings(["A" * 6_000_000, "C" * 6_000_000]))), tmp_path / "x.arrow"
    )
    data = (tmp_path / "x.arrow").read_bytes()
    (tmp_path / "x.arrow").write_bytes(data[:size])
    with pytest.raises(DataError, match=r"x\.arrow: (damaged|not a table)"):
        read_examples(tmp_path / "x.arrow")


def test_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"] * 100}), tmp_path / "other.arrow")
    with pytest.raises(DataError, match="not a table of examples"):
        read_examples(tmp_path / "other.arrow")


def test_a_sequence_of_many_examples_is_stored_once(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(3), 500)
    windows = strings(["ACGT" * 5_000, "CCCC" * 5_000, "GT" * 10_000])
    for sequences in (windows[rows], Text.of(list(windows))[rows]):
        n = len(rows)
        built = Examples(
            ids=strings([str(i) for i in range(n)]),
            inputs=Inputs(sequences, None, np.arange(n) % 20_000, span=16),
            targets=np.arange(2 * n).reshape(n, 2) % 2,
            groups=strings(rows.tolist()),
            clusters=strings(rows.tolist()),
            soft_masked=np.linspace(0, 1, n),
        )
        write_examples(built, tmp_path / "x.arrow")
        assert (tmp_path / "x.arrow").stat().st_size < 300_000
        back = read_examples(tmp_path / "x.arrow")
        assert back.fingerprint == built.fingerprint and back.inputs.span == 16
        assert (back.inputs.sequences == sequences).all() and back.targets.tolist() == built.targets.tolist()
        assert back.soft_masked is not None and (back.soft_masked == built.soft_masked).all()
        some = back.take(np.array([999, 3]))
        assert some.soft_masked is not None and some.soft_masked.tolist() == built.soft_masked[[999, 3]].tolist()
        write_examples(some, tmp_path / "y.arrow")
        assert read_examples(tmp_path / "y.arrow").fingerprint == built.take(np.array([999, 3])).fingerprint


def test_no_examples_are_stored_too(tmp_path: Path) -> None:
    none = examples().take(slice(0, 0))
    write_examples(none, tmp_path / "x.arrow")
    assert len(read_examples(tmp_path / "x.arrow")) == 0


def test_unwritable_cache_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write the cache .*; set BASERATE_CACHE to a writable folder"):
        cached_examples(["toy", "1"], examples)
    with pytest.raises(ZeroDivisionError):
        write_examples(_Broken(), tmp_path / "half" / "x.arrow")  # type: ignore[arg-type]
    assert not list((tmp_path / "half").iterdir())


class _Broken:
    inputs, intervals, targets = examples().inputs, examples().intervals, examples().targets
    soft_masked = None
    ids = property(lambda self: 1 / 0)


def test_reading_imports_nothing_heavy(tmp_path: Path) -> None:
    write_examples(examples(), tmp_path / "x.arrow")
    code = (
        "import sys; from pathlib import Path; from baserate.sources.example_file import read_examples\n"
        f"assert len(read_examples(Path({str(tmp_path / 'x.arrow')!r}))) == 2\n"
        "print([m for m in ('pandas', 'torch', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"
