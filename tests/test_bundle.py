"""Bundles and verification: what a stranger states is computed again, and every change is found."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import baserate as br
from baserate.bundle import bundle, verify
from baserate.bundle.against_cards import Here
from baserate.bundle.finding import difference
from baserate.bundle.pack import unpack
from baserate.bundle.scores import EARLIER
from baserate.bundle.verify import _verified
from baserate.cli import cli
from baserate.digests import canonical_json, digest
from baserate.errors import BaserateError, DataError
from baserate.leaderboard import build_leaderboard, write_leaderboard
from baserate.records import read_record, read_records, record_folder, write_record
from baserate.results import RunSpec
from baserate.statistics import estimate

CLAIMS = {
    "baseline",
    "choices",
    "earlier_looks",
    "environment",
    "grid",
    "look_reason",
    "parameter_hash",
    "peak_memory_mb",
    "searched",
    "seconds",
    "strand",
    "test_looks",
}
"""Fields of a record that cannot be computed from what is stored: only its digest covers them (docs/submit.md)."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of results of two baselines on one task, which every test copies."""
    folder = tmp_path_factory.mktemp("made") / "results"
    br.run("yeast_coding.small", ["gc_content", "length"], ["from_scratch"], results=folder, seeds=(0, 1))
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def run(*arguments: object) -> Result:
    """Return the outcome of a command; its exit code is what the command returns."""
    outcome = CliRunner().invoke(cli, list(map(str, arguments)), standalone_mode=False)
    outcome.exit_code = outcome.exit_code or outcome.return_value or 0
    return outcome


def folder_of(results: Path, model: str = "gc_content") -> Path:
    (folder,) = results.glob(f"*/{model}.*")
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], *, seal: bool = True) -> Path:
    """Change a record; with `seal` its digest is made anew, and its folder named after what the run then is."""
    file = folder / "record.json"
    value = json.loads(file.read_text())
    change(value)
    if seal:
        value.pop("digest", None)
        value["digest"] = digest(canonical_json(value))
    file.write_text(json.dumps(value))
    if not seal:
        return folder
    to = record_folder(folder.parent.parent, RunSpec.from_json(value["spec"]))
    if to != folder:
        to.parent.mkdir(exist_ok=True)
        folder.rename(to)
    return to


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value that is no container, and of every empty container."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, each in pairs:
        found = True
        yield from leaves(each, (*at, key))
    if not found:
        yield at


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return {"x": 1} if isinstance(value, dict) else [1] if isinstance(value, list) else 0.5


def change_at(path: tuple[Any, ...]) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        *above, last = path
        for key in above:
            value = value[key]
        value[last] = other(value[last])

    return change


@pytest.mark.parametrize("method", EARLIER)
def test_an_interval_by_an_earlier_method_is_unknown_and_a_table_makes_it_anew(results: Path, method: str) -> None:
    def older(value: dict[str, Any]) -> None:
        value["estimates"] = [e | {"method": method, "low": e["value"] - 0.5} for e in value["estimates"]]

    before = build_leaderboard(results)
    rewrite(folder_of(results), older)
    report = verify(results, data=False)
    assert report.ok and report.count("unknown"), report.to_json()
    assert build_leaderboard(results).cells == before.cells


def test_what_was_made_here_has_no_faults_and_nothing_unknown(results: Path) -> None:
    write_leaderboard(build_leaderboard(results), results)
    report = verify(results)
    assert report.ok and len(report.records) == 2
    assert not report.count("changed") and not report.count("unknown"), report.to_json()


def test_every_changed_field_of_a_record_is_found(results: Path) -> None:
    folder, here = folder_of(results), Here(data=False)
    original = (folder / "record.json").read_text()
    paths = list(leaves(json.loads(original)))
    assert len(paths) > 100
    for path in paths:
        (folder / "record.json").write_text(original)
        rewrite(folder, change_at(path), seal=False)
        found, _ = _verified(folder, results, here)
        assert any(f.level == "fault" for f in found.findings), path


def test_every_field_that_follows_from_predictions_cards_or_data_is_found_under_a_new_digest(results: Path) -> None:
    folder, here = folder_of(results), Here()
    original = (folder / "record.json").read_text()
    value = json.loads(original)
    missed = set()
    for path in leaves(value):
        if path[0] in CLAIMS or path == ("digest",):
            continue
        at = rewrite(folder, change_at(path))
        found, _ = _verified(at, results, here)
        if not any(f.level in ("fault", "changed") for f in found.findings):
            missed.add(path)
        (at / "record.json").write_text(original)
        if at != folder:
            at.rename(folder)
    assert not missed
    assert set(value) >= CLAIMS, "a claim that is no field of a record"


@pytest.mark.parametrize("seal", [False, True], ids=["as it is", "under new digests"])
def test_every_changed_column_of_predictions_is_found(results: Path, seal: bool) -> None:
    folder, here = folder_of(results), Here()
    file = folder / "predictions.parquet"
    table, record = pq.ParquetFile(file).read(), (folder / "record.json").read_text()
    for i, name in enumerate(table.column_names):
        column = table[name].to_pylist()
        column[0] = 1 - column[0] if isinstance(column[0], (int, float)) else f"{column[0]}x"
        with file.open("wb") as out:
            pq.write_table(table.set_column(i, name, pa.array(column)), out)
        if seal:
            rewrite(folder, lambda value: value.update(predictions_digest=digest(file.read_bytes())))
        found, _ = _verified(folder, results, here)
        assert any(f.level == "fault" for f in found.findings), name
        (folder / "record.json").write_text(record)


def test_files_that_no_record_states_and_missing_predictions_are_faults(results: Path) -> None:
    (folder_of(results) / "notes.txt").write_text("x")
    (folder_of(results, "length") / "predictions.parquet").unlink()
    report = verify(results, data=False)
    assert report.count("fault") >= 2
    outcome = run("verify", results, "--no-data")
    assert outcome.exit_code == 1
    assert "notes.txt: a file that the record does not state" in outcome.output
    assert "predictions.parquet: missing" in outcome.output


def test_a_record_of_the_first_schema_with_a_digest_is_proven_by_it(results: Path) -> None:
    rewrite(folder_of(results), lambda value: value.update(schema=1), seal=False)
    with pytest.raises(DataError, match="edited since it was written"):
        read_records(results)


def test_a_changed_gain_or_rank_in_the_table_is_a_fault(results: Path) -> None:
    write_leaderboard(build_leaderboard(results), results)
    file = results / "leaderboard.json"
    value = json.loads(file.read_text())
    value["cells"][0]["rank"] = 7
    file.write_text(json.dumps(value))
    outcome = run("verify", results, "--no-data", "--json")
    (finding,) = json.loads(outcome.stdout)["beside"]
    assert outcome.exit_code == 1 and finding["text"].startswith("leaderboard.json: cells[0].rank is 7, but ")


def test_the_first_value_that_differs_goes_before_a_key_of_another_version() -> None:
    assert difference({"a": 1, "new": 0}, {"a": 1}) == ("changed", "new is unknown here; another version wrote it")
    found = difference({"a": 1, "z": [1.0]}, {"b": 1, "z": [1.5]})
    assert found is not None and found[0] == "fault" and found[1].startswith("z[0]")
    assert difference({"a": [1.0, None]}, {"a": [1.0 + 1e-12, None]}) is None
    assert difference({"a": True}, {"a": 1}) is not None


def test_a_run_again_has_the_same_scores(results: Path) -> None:
    report = verify(results, rerun=1, seed=3)
    assert report.ok and len(report.rerun) == 1 and not report.count("unknown")


def test_scores_that_no_run_made_are_found_by_running_again_alone(results: Path) -> None:
    record = read_record(folder_of(results))
    p = record.predictions
    better = 0.5 + 0.4 * (2 * p.targets - 1) * np.random.default_rng(0).choice([1] * 30 + [-1], size=len(p.ids))
    forged = replace(p, scores=np.stack([np.stack([1 - better, better], axis=1)] * 2))
    estimates = tuple(estimate(forged, e.metric) for e in record.estimates)
    write_record(results, replace(record, estimates=estimates), forged)
    assert verify(results).ok, "it is whole: a digest says nothing of who made it"
    report = verify(results, rerun=2, seed=0)
    (fault,) = [f for found in report.records for f in found.findings if f.level == "fault"]
    assert fault.about == "rerun" and "run again, scores differ by up to" in fault.text


def test_a_bundle_comes_back_as_it_was_and_is_the_same_bytes_each_time(results: Path, tmp_path: Path) -> None:
    write_leaderboard(build_leaderboard(results), results)
    for name in ("a", "b"):
        assert run("bundle", results, "--out", tmp_path / f"{name}.tar.zst", "--author", "Ada").exit_code == 0
    assert (tmp_path / "a.tar.zst").read_bytes() == (tmp_path / "b.tar.zst").read_bytes()
    unpack(tmp_path / "a.tar.zst", tmp_path / "out")
    there = {str(f.relative_to(results)): f.read_bytes() for f in results.glob("[!.]*/*/*")}
    for name, content in there.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    report = verify(tmp_path / "a.tar.zst")
    assert report.ok and report.author == "Ada" and len(report.records) == 2
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert len(manifest["environments"]) == 1 and list(manifest["audits"]) == ["yeast_coding.small@2"]


def test_a_bundle_that_was_altered_is_found(results: Path, tmp_path: Path) -> None:
    bundle(results, tmp_path / "a.tar.zst")
    unpack(tmp_path / "a.tar.zst", tmp_path / "a")
    (tmp_path / "a" / "extra").write_text("x")
    shutil.rmtree(folder_of(tmp_path / "a", "length"))
    rewrite(folder_of(tmp_path / "a"), lambda value: value.update(seconds=0.5))
    texts = [f.text for f in verify(tmp_path / "a", data=False).beside]
    assert any("extra: not in the manifest" in t for t in texts)
    assert any("in the manifest, but not here" in t for t in texts)
    assert any("altered since the bundle was written" in t for t in texts)


def hostile(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with file.open("wb") as raw:
        stream = pa.CompressedOutputStream(raw, "zstd")
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            for member, content in members:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        stream.close()
    return file


def link(name: str, kind: bytes, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a/b/c/d", "C:\\x", "a\nb", "."])
def test_a_name_that_leads_out_of_the_bundle_is_refused(name: str, tmp_path: Path) -> None:
    file = hostile(tmp_path / "x.tar.zst", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(DataError, match="refused"):
        unpack(file, tmp_path / "in" / "out")
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and f != file]


def test_links_devices_and_names_twice_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        file = hostile(tmp_path / "x.tar.zst", (link("a", kind, "/etc/passwd"), b""))
        with pytest.raises(DataError, match="link or a device"):
            unpack(file, tmp_path / f"out{kind!r}")
    file = hostile(tmp_path / "y.tar.zst", (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("./a"), b"2"))
    with pytest.raises(DataError, match="there twice"):
        unpack(file, tmp_path / "twice")


def test_what_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    file = hostile(tmp_path / "x.tar.zst", (tarfile.TarInfo("zeros"), bytes(80 << 20)))
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(file, tmp_path / "out")


def test_what_is_cut_short_or_no_bundle_is_refused_in_one_line(results: Path, tmp_path: Path) -> None:
    bundle(results, tmp_path / "a.tar.zst")
    content = (tmp_path / "a.tar.zst").read_bytes()
    (tmp_path / "cut.tar.zst").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.tar.zst").write_text("not packed")
    for name in ("cut.tar.zst", "text.tar.zst", "nowhere"):
        with pytest.raises(DataError) as error:
            verify(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)


def test_the_published_records_have_no_faults(capsys: pytest.CaptureFixture[str]) -> None:
    published = Path(__file__).parent.parent / "results" / "published" / "quickstart"
    here = Here(data=False)
    for folder in sorted(published.glob("*/*/"))[:5]:
        found, _ = _verified(folder, published, here)
        assert not [f for f in found.findings if f.level == "fault"], found


def test_no_error_is_a_traceback(results: Path, tmp_path: Path) -> None:
    folder = folder_of(results)
    for content in ("", "[]", "{", '{"schema": 2}', json.dumps({"schema": "x"})):
        (folder / "record.json").write_text(content)
        report = verify(results, data=False)
        assert not report.ok
    with pytest.raises(BaserateError):
        read_record(folder)
    assert np.isfinite(report.count("fault"))


def test_the_workflow_for_pull_requests_is_valid_and_calls_verify() -> None:
    yaml = pytest.importorskip("yaml")
    file = Path(__file__).parent.parent / ".github" / "workflows" / "verify-records.yml"
    steps = yaml.safe_load(file.read_text())["jobs"]["verify"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "baserate verify"]
    assert 'baserate verify "$folder" --rerun 2' in script and "${{" not in script, "names are data, not code"
    with cli.commands["verify"].make_context("verify", ["x", "--rerun", "2"]) as context:
        assert context.params["rerun"] == 2
