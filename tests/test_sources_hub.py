"""Data sets of the Hugging Face hub, read from local copies in every layout; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from baserate.errors import ConfigError, DataError
from baserate.sources.sequences import package_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the one folder of data; the hub is out of reach."""
    import huggingface_hub.constants

    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("lab/set/a/b.csv", "hub:lab/set@v1/a/b.csv"),
        ("set/a/b.csv", "hub:lab/set/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", f"hub:lab/set@{COMMIT}/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", "hub:lab/set/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", "hub:lab/set@refs%2Fconvert%2Fparquet/a/b.csv"),
    ],
)
def test_a_reference_finds_the_local_copy_in_each_layout(data: Path, place: str, reference: str) -> None:
    for ref in ("main", "refs/convert/parquet"):
        named = data / "datasets--lab--set" / "refs" / ref
        named.parent.mkdir(parents=True, exist_ok=True)
        named.write_text(COMMIT)
    (data / place).parent.mkdir(parents=True, exist_ok=True)
    (data / place).write_text("x\n")
    assert package_file(reference) == data / place


def test_another_snapshot_than_the_revision_is_not_taken(data: Path) -> None:
    other = data / "datasets--lab--set" / "snapshots" / ("f" * 40)
    other.mkdir(parents=True)
    (other / "b.csv").write_text("x\n")
    with pytest.raises(DataError, match="out of reach"):
        package_file(f"hub:lab/set@{COMMIT}/b.csv")


def test_offline_says_how_to_get_the_file(data: Path) -> None:
    with pytest.raises(DataError) as told:
        package_file("hub:lab/set@v1/a/b.csv")
    said = str(told.value)
    assert "\n" not in said
    assert "hf download lab/set a/b.csv --repo-type dataset --revision v1 --local-dir DIR/set" in said
    assert "--data-dir DIR" in said


@pytest.mark.parametrize("reference", ["hub:set/b.csv", "hub:lab/set", "hub:lab/set/../b.csv", "hub:lab/set@/b.csv"])
def test_another_form_of_reference_is_refused(data: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match="expected hub:ORG/NAME@REVISION/path"):
        package_file(reference)
