from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from baserate.errors import DataError
from baserate.sources.cache import cache_dir, cached_examples, read_examples, write_examples
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


def test_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="not a table of examples"):
        read_examples(tmp_path / "other.parquet")


def test_unwritable_cache_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write the cache .*; set BASERATE_CACHE to a writable folder"):
        cached_examples(["toy", "1"], examples)
    with pytest.raises(ZeroDivisionError):
        write_examples(_Broken(), tmp_path / "half" / "x.parquet")  # type: ignore[arg-type]
    assert not (tmp_path / "half").exists()


class _Broken:
    ids = property(lambda self: 1 / 0)


def test_reading_imports_nothing_heavy(tmp_path: Path) -> None:
    write_examples(examples(), tmp_path / "x.parquet")
    code = (
        "import sys; from pathlib import Path; from baserate.sources.cache import read_examples\n"
        f"assert len(read_examples(Path({str(tmp_path / 'x.parquet')!r}))) == 2\n"
        "print([m for m in ('pandas', 'torch', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"
