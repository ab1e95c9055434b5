"""What `baserate doctor` says of the cache is what a run would meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from baserate.doctor import Finding, examine


def of_cache() -> Finding:
    return next(finding for finding in examine() if finding.topic == "cache")


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / name))
    found = of_cache()
    assert (found.status, found.fix) == ("broken", "export BASERATE_CACHE=<a folder of yours>")
    assert f"{tmp_path / name} cannot be written (Not a directory)" in found.detail
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["", "new/folder"])
def test_a_cache_that_can_be_written_is_left_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / name))
    assert of_cache().status == "ok"
    assert list(tmp_path.iterdir()) == []
