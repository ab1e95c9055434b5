"""Files known by content: from the user's folder, from the cache, from a server, and what is said where none has it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from baserate.cache.remote import fetch
from baserate.errors import DataError
from baserate.progress import listening

CONTENT = b"chr\tpos\n" * 300_000
SHA = hashlib.sha256(CONTENT).hexdigest()


class _Counting(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - one list a test, set by the fixture

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a folder with `table.tsv` on this machine, with an empty cache and no folder of the user's."""
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BASERATE_DATA_DIR", raising=False)
    monkeypatch.setattr(_Counting, "asked", [])
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "table.tsv").write_bytes(CONTENT)
    handler = functools.partial(_Counting, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/table.tsv"
        served.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_with_progress(server: str, tmp_path: Path) -> None:
    said: list[tuple[str, int]] = []
    done: list[int] = []
    with listening(lambda doing, total, lane: said.append((doing, total)) or done.append):  # type: ignore[func-returns-value]
        first = fetch(server, sha256=SHA, name="table.tsv")
    assert first.read_bytes() == CONTENT and first.is_relative_to(tmp_path / "cache")
    assert said == [("downloading table.tsv", len(CONTENT))] and sum(done) == len(CONTENT) and len(done) > 1
    assert fetch(server, sha256=SHA, name="table.tsv") == first
    assert _Counting.asked == ["/table.tsv"]
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["table.tsv"]


def test_a_damaged_cached_file_is_downloaded_again(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fetch(server, sha256=SHA, name="table.tsv")
    path.write_bytes(CONTENT[:1000])
    assert fetch(server, sha256=SHA, name="table.tsv").read_bytes() == CONTENT
    assert len(_Counting.asked) == 2 and "downloaded again" in caplog.text


def test_a_local_copy_is_taken_wherever_it_lies(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, content in (("a/old", b"older"), ("z/new", CONTENT)):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        (tmp_path / "mine" / folder / "table.tsv").write_bytes(content)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path / "mine"))
    assert fetch(server, sha256=SHA, name="table.tsv") == tmp_path / "mine/z/new/table.tsv"
    assert not _Counting.asked and not (tmp_path / "cache").exists()


def test_another_content_is_refused_with_both_digests(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=f"^table.tsv: SHA-256 is {SHA}, expected {'0' * 64}: {server} has changed"):
        fetch(server, sha256="0" * 64, name="table.tsv")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "table.tsv").write_bytes(b"other")
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path / "mine"))
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(DataError, match=f"mine/table.tsv: SHA-256 is {found}, expected {SHA}: BASERATE_DATA_DIR"):
        fetch(server, sha256=SHA, name="table.tsv")


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9/x", "refused"), ("nonsense", "unknown url type"), ("{server}.gz", "HTTP Error 404")],
)
def test_a_url_that_cannot_be_read_is_said_in_one_line(server: str, url: str, reason: str) -> None:
    with pytest.raises(DataError) as told:
        fetch(url.format(server=server), sha256=SHA, name="table.tsv")
    message = str(told.value)
    assert url.format(server=server) in message and reason in message and "BASERATE_DATA_DIR" in message
    assert "\n" not in message


def test_a_folder_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", "/no/such/folder")
    with pytest.raises(DataError, match="BASERATE_DATA_DIR names /no/such/folder"):
        fetch("http://127.0.0.1:9/x", sha256=SHA, name="table.tsv")


def test_a_cache_that_cannot_be_written_is_said(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set BASERATE_CACHE to a writable folder"):
        fetch(server, sha256=SHA, name="table.tsv")
