"""Results in a store: the same bytes on both sides, whatever fails in between, and nothing read that is not whole."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import fsspec
import pytest

import baserate as br
from baserate.bundle import bundle
from baserate.cli import main
from baserate.errors import ConfigError, DataError, MissingExtra, UnknownName
from baserate.records import read_record, read_records, write_record
from baserate.storage import local, named, url_of

from .stores import URL, Bucket, clients, fill, in_folder, in_store, other_client, puts
from .test_bundle import folder_of, made, run

__all__ = ["clients", "made"]

CELLS = ("--task", "yeast_coding.small", "--model", "gc_content", "--model", "length", "--mode", "from_scratch")
OPTIONS = ("--seeds", "0,1", "--no-audit", "--tracking-uri", "none")


@pytest.mark.parametrize("url", [URL, "wide://lab/results", "file://{}/store", "memory://lab/results"])
def test_a_run_and_its_readers_take_a_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = url.format(tmp_path)
    outcome = run("run", *CELLS, *OPTIONS, "--results", url)
    assert outcome.exit_code == 0, outcome.output
    shown = url.replace("memory://", "memory:///")
    assert "2 cells done" in outcome.output and f"records in {shown}" in " ".join(outcome.output.split())
    mine = in_folder(local(url))
    assert len(mine) == 4, "record.json and predictions.parquet of each"
    fs, root = fsspec.core.url_to_fs(url)
    for name, content in mine.items():
        fs.get_file(f"{root}/{name}", str(tmp_path / "fetched"))
        assert (tmp_path / "fetched").read_bytes() == content
    other_client(tmp_path, monkeypatch)
    assert in_folder(local(url)) == mine, "another machine has the same bytes"
    table = json.loads(run("leaderboard", url, "--json").output)
    assert {row["model"] for row in table["rows"]} == {"gc_content", "length"}
    assert json.loads(run("status", url, "--json").output)["records"] == {"done": 2}
    assert run("status", url).output == f"{shown}: 2 done\n"
    again = run("run", *CELLS, *OPTIONS, "--results", url)
    assert "0 cells done, 2 done before" in again.output


def test_every_command_that_reads_results_takes_a_url(made: Path, tmp_path: Path) -> None:
    fill(made)
    fill(made, "bucket://lab/candidate")
    out = tmp_path / "out"
    for command in (
        ("compare", "gc_content", "length", "--results", URL, "--json"),
        ("show", read_records(made)[0].hash[:8], "--results", URL),
        ("publish", URL, "--out", out / "site"),
        ("verify", URL, "--no-data"),
        ("merge", URL, "bucket://lab/candidate", "--prefer", URL, "--out", out / "merged"),
        ("leaderboard", URL, "bucket://lab/candidate", "--out", out / "both"),
        ("track", URL, "--tracking-uri", f"sqlite:///{tmp_path}/m.db"),
        ("plan", *CELLS, "--seeds", "0,1", "--results", URL, "--history", "bucket://lab/candidate", "--json"),
    ):
        outcome = run(*command)
        assert outcome.exit_code == 0, (command, outcome.output, outcome.exception)
    assert json.loads(outcome.output)["missing"] == 0, "the last command knows what is done"
    gate = run("gate", "--baseline", URL, "--candidate", "bucket://lab/candidate", "--model", "length")
    assert isinstance(gate.exception, ConfigError) and "baseline" in str(gate.exception), "both are of baselines alone"
    assert not puts()[len(in_store()) + len(in_store("lab/candidate")) :], "readers write nothing to the store"


def test_python_takes_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = br.evaluate("yeast_coding.small", "length", results=URL, seeds=(0, 1), audit=False, progress=False)
    assert len(in_store()) == 2 and record.predictions.scores.shape[0] == 2
    other_client(tmp_path, monkeypatch)
    models = ["length", "gc_content"]
    options = {"modes": "from_scratch", "seeds": (0, 1), "audit": False, "progress": False}
    both = br.run("yeast_coding.small", models, results=URL, **options)
    assert len(in_store()) == 4 and both[0].seconds == record.seconds, "what the store had is not run again"
    assert len(br.leaderboard(URL).rows) == len(br.read_records(URL)) == 2
    assert br.compare(URL, "length", "gc_content").tasks


def test_predictions_go_before_the_record_that_states_them(made: Path) -> None:
    shutil.copytree(made, local(URL), dirs_exist_ok=True)
    local(URL)
    assert len(puts()) == 4
    names = [path.rpartition("/")[2] for path in puts()]
    assert names == ["predictions.parquet", "record.json"] * 2
    Bucket.asked.clear()
    local(URL)
    assert [what for what, _ in Bucket.asked if what in ("get", "put")] == [], "what is alike is neither read nor sent"


@pytest.mark.parametrize("fails", ["predictions.parquet", "record.json"])
def test_an_upload_that_dies_is_read_by_nobody_and_made_good(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def dies(what: str, path: str) -> None:
        if what == "put" and path.endswith(fails):
            raise ConnectionResetError("connection reset by peer")

    Bucket.before = staticmethod(dies)
    outcome = run("run", *CELLS, *OPTIONS, "--results", URL)
    assert isinstance(outcome.exception, DataError), outcome.output
    assert "2 records are not uploaded (connection reset by peer), and stay in " in str(outcome.exception)
    assert "this is tried again" in caplog.text
    assert not [name for name in in_store() if name.endswith("record.json")]
    mine = in_folder(next((tmp_path / "cache" / "stores").iterdir()))
    assert len(mine) == 4, "both cells were run all the same"
    other_client(tmp_path, monkeypatch)
    Bucket.before = staticmethod(lambda what, path: None)
    assert read_records(URL) == []
    other_client(tmp_path, monkeypatch, "cache")
    again = run("run", *CELLS, *OPTIONS, "--results", URL)
    assert again.exit_code == 0 and "0 cells done, 2 done before" in again.output
    assert in_store() == mine
    other_client(tmp_path, monkeypatch)
    assert in_folder(local(URL)) == mine


def test_one_bad_minute_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    left = [1]

    def once(what: str, path: str) -> None:
        if what == "put" and left and left.pop():
            raise TimeoutError

    Bucket.before = staticmethod(once)
    assert run("run", *CELLS, *OPTIONS, "--results", URL).exit_code == 0
    assert "1 record is not uploaded (TimeoutError)" in caplog.text
    assert len(in_store()) == 4


def test_a_store_that_cannot_be_written_is_still_read(
    made: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(what: str, path: str) -> None:
        if what == "put":
            raise PermissionError(13, "Access Denied")

    fill(made)
    gone = [name for name in Bucket.objects if "/length." in name]
    for name in gone:
        del Bucket.objects[name]
    Bucket.before = staticmethod(read_only)
    outcome = run("run", *CELLS, *OPTIONS, "--results", URL)
    assert "1 record is not uploaded (Access Denied)" in str(outcome.exception)
    caplog.clear()
    table = run("leaderboard", URL, "--json")
    assert table.exit_code == 0 and len(json.loads(table.output)["rows"]) == 2
    assert "1 record is not uploaded (Access Denied)" in caplog.text


@pytest.mark.parametrize("kind", ["cut", "edited", "predictions of another", "no predictions"])
def test_a_record_that_is_not_whole_is_left_out_and_written_anew(
    kind: str, made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(made)
    (record,) = [name for name in Bucket.objects if "/length." in name and name.endswith("record.json")]
    predictions = record.replace("record.json", "predictions.parquet")
    text = Bucket.objects[record][0]
    if kind == "cut":
        Bucket.objects[record] = (text[: len(text) // 2], -1)
    elif kind == "edited":
        Bucket.objects[record] = (text.replace(b'"seconds": ', b'"seconds": 1'), -1)
    elif kind == "predictions of another":
        (other,) = [n for n in Bucket.objects if "/gc_content." in n and n.endswith(".parquet")]
        Bucket.objects[predictions] = (Bucket.objects[other][0], -1)
    else:
        del Bucket.objects[predictions]
    assert [r.spec.model for r in read_records(URL)] == ["gc_content"]
    assert "1 record is there in part and left out, such as yeast_coding.small@" in caplog.text
    outcome = run("run", *CELLS, *OPTIONS, "--results", URL)
    assert "1 cells done, 1 done before" in outcome.output
    assert in_store() == in_folder(local(URL)) and len(read_records(URL)) == 2


def test_a_client_that_has_it_mends_a_record_of_the_store(made: Path) -> None:
    fill(made)
    before = in_folder(local(URL))
    (record,) = [name for name in Bucket.objects if "/length." in name and name.endswith("record.json")]
    Bucket.objects[record] = (b"{", -1)
    assert len(read_records(URL)) == 2 and in_store() == before == in_folder(local(URL))


def test_of_two_clients_that_run_a_cell_one_record_stays_for_both(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = local(URL)
    other_client(tmp_path, monkeypatch)
    assert run("run", *CELLS, *OPTIONS, "--results", URL).exit_code == 0
    theirs = in_store()
    shutil.copytree(made, folder, dirs_exist_ok=True)  # as if both had begun with nothing in the store
    other_client(tmp_path, monkeypatch, "cache")
    assert local(URL) == folder
    assert in_store() == in_folder(folder) == in_folder(made) != theirs, "the later one stays"
    other_client(tmp_path, monkeypatch)
    assert in_folder(local(URL)) == in_folder(made)
    same = [name for name in theirs if name.endswith(".parquet")]
    assert all(theirs[name] == in_store()[name] for name in same), "they differ in costs alone"


def test_a_cell_that_fails_here_leaves_what_another_client_did(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = local(URL)
    done = read_record(folder_of(made, "length"))
    failed = write_record(folder, br.records.replace(done, status="failed", predictions_digest="", estimates=()), None)
    fill(made)
    records = {r.spec.model: r.status for r in read_records(URL)}
    assert records == {"gc_content": "done", "length": "done"} and (failed / "predictions.parquet").exists()
    assert in_store() == in_folder(made)


def test_what_is_removed_from_the_store_leaves_the_copy_and_what_is_removed_from_the_copy_returns(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(made)
    folder = local(URL)
    for name in [name for name in Bucket.objects if "/length." in name]:
        del Bucket.objects[name]
    shutil.rmtree(folder_of(folder, "gc_content"))
    assert [r.spec.model for r in read_records(URL)] == ["gc_content"]
    assert "was removed there, and leaves the copy too" in caplog.text
    assert not puts()[4:]


def test_what_cannot_be_listed_is_not_taken_for_removed(made: Path) -> None:
    fill(made)
    folder = local(URL)

    def forbidden(what: str, path: str) -> None:
        if path.startswith("lab/results/yeast"):
            raise PermissionError("Forbidden")

    Bucket.before = staticmethod(forbidden)
    with pytest.raises(DataError, match=r"^bucket://lab/results: cannot be read \(Forbidden\)$"):
        read_records(URL)
    assert len(in_folder(folder)) == 4


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("s3://lab/x", MissingExtra, "s3://lab/x: needs s3fs, which is not installed: pip install s3fs"),
        ("sftp://host/x", MissingExtra, "needs paramiko, which is not installed: pip install paramiko"),
        ("gss://lab/x", UnknownName, "Unknown protocol 'gss'. Did you mean 'gs'"),
        ("bucket://", ConfigError, "names no folder; expected one, such as bucket://bucket/results"),
        ("sftp://me:secret@host/x", ConfigError, "sftp://…: has a password, which would be stored"),
        ("bucket://lba/x", DataError, "bucket://lba/x: cannot be read (there is no bucket lba)"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_line(
    url: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = url.partition("://")[0]
    if error is MissingExtra and protocol in fsspec.registry:
        pytest.skip(f"{protocol} is installed")
    for command in (["leaderboard", url], ["run", *CELLS, "--results", url], ["verify", url]):
        monkeypatch.setattr("sys.argv", ["baserate", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert ended.value.code == 2 and len(lines) == 1 and said in lines[0] and "secret" not in lines[0]


def test_without_a_network_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class EndpointConnectionError(Exception):
        """What packages of stores raise is often no OSError."""

    def unreachable(what: str, path: str) -> None:
        raise EndpointConnectionError('Could not connect to the endpoint URL: "https://lab"\nmore')

    Bucket.before = staticmethod(unreachable)
    monkeypatch.setattr("sys.argv", ["baserate", "run", *CELLS, "--results", URL])
    with pytest.raises(SystemExit) as ended:
        main()
    said = 'baserate: bucket://lab/results: cannot be read (Could not connect to the endpoint URL: "https://lab")\n'
    assert ended.value.code == 2 and capsys.readouterr().err == said


def test_an_empty_store_is_named_where_there_is_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["baserate", "leaderboard", URL])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1 and capsys.readouterr().err.startswith(f"baserate: no records in {URL}, nor in any")


def test_records_below_other_folders_are_found_where_the_root_has_none(made: Path) -> None:
    fill(made, f"{URL}/a/b")
    assert {str(r.path.relative_to(local(URL)).parts[:2]) for r in read_records(URL) if r.path} == {"('a', 'b')"}
    fill(made)
    Bucket.asked.clear()
    assert len(read_records(URL)) == 2


def test_a_lock_on_looks_is_refused(made: Path) -> None:
    outcome = run("run", *CELLS, *OPTIONS, "--results", URL, "--lock")
    assert isinstance(outcome.exception, ConfigError)
    assert "a lock on looks at test is of one folder, not of a store's" in str(outcome.exception)


def test_a_bundle_goes_to_a_store_and_comes_from_there(made: Path, tmp_path: Path) -> None:
    fill(made)
    outcome = run("bundle", URL, "--out", "bucket://lab/x/results.tar.zst")
    assert outcome.exit_code == 0 and "wrote bucket://lab/x/results.tar.zst: 2 records" in outcome.output
    bundle(made, tmp_path / "here.tar.zst")
    assert Bucket.objects["lab/x/results.tar.zst"][0] == (tmp_path / "here.tar.zst").read_bytes()
    assert run("verify", "bucket://lab/x/results.tar.zst", "--no-data").exit_code == 0
    Bucket.asked.clear()
    merged = run("merge", "bucket://lab/x/results.tar.zst", URL, "--out", tmp_path / "merged")
    assert merged.exit_code == 0 and in_folder(tmp_path / "merged") == in_folder(made)
    assert ("get", "lab/x/results.tar.zst") not in Bucket.asked, "it is here, and has not changed"
    run("bundle", URL, "--out", "bucket://lab/x/results.tar.zst", "--author", "Ada Lovelace")
    assert json.loads(run("verify", "bucket://lab/x/results.tar.zst", "--no-data", "--json").output)["author"]


def test_a_bundle_that_cannot_be_written_is_one_line(made: Path) -> None:
    def denied(what: str, path: str) -> None:
        if what == "put":
            raise PermissionError("Access Denied")

    Bucket.before = staticmethod(denied)
    outcome = run("bundle", made, "--out", "bucket://lab/x.tar.zst")
    assert str(outcome.exception) == "bucket://lab/x.tar.zst: cannot be written (Access Denied)"
    assert "expected a folder of this machine" in str(run("merge", made, "--out", "bucket://lab/x").exception)


def test_a_bundle_is_read_from_the_web(made: Path, tmp_path: Path) -> None:
    bundle(made, tmp_path / "web" / "x.tar.zst")
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x.tar.zst"
        assert run("verify", url, "--no-data").exit_code == 0
        server.shutdown()


def test_a_file_of_cells_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tmp_path / "cells.json"
    options = ("--seeds", "0,1", "--no-audit", "--results", URL)
    assert run("plan", *CELLS, *options, "--cells", cells).exit_code == 0
    assert json.loads(cells.read_text())["results"] == URL
    other_client(tmp_path, monkeypatch)
    outcome = run("run", "--cells", cells, "--index", "0")
    assert outcome.exit_code == 0 and f"records in {URL}" in " ".join(outcome.output.split())
    assert len(in_store()) == 4


def test_a_copy_of_the_copy_is_a_folder_like_any_other(made: Path, tmp_path: Path) -> None:
    fill(made)
    folder = local(URL)
    assert url_of(folder) == URL and named(f"{folder}/x: not") == f"{URL}/x: not"
    shutil.copytree(folder, tmp_path / "mine")
    assert url_of(tmp_path / "mine") == ""


def test_it_is_drawn_how_many_records_are_fetched_but_not_when_quiet(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from baserate.progress import listening

    fill(made)
    seen: list[tuple[str, int]] = []
    with listening(lambda doing, total, lane: seen.append((doing, total)) or (lambda n, now="": None)):
        local(URL)
    assert seen == [(f"fetching records of {URL}", 2)]
    drawn: list[bool] = []
    from baserate.cli import display

    real = display.activity_display
    monkeypatch.setattr(display, "activity_display", lambda *, quiet: drawn.append(quiet) or real(quiet=quiet))
    run("status", URL, "--json")
    run("status", URL)
    run("publish", URL, "--out", "x", "--quiet", "--for", "hub")
    assert drawn[:3] == [True, False, True]
