"""Records found below folders, merged from several, and tabulated together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from baserate.bundle import bundle, merge, verify
from baserate.errors import ConfigError, DataError, NoRecords
from baserate.records import read_records

from .test_bundle import folder_of, made, results, rewrite, run

__all__ = ["made", "results"]


def test_records_are_found_anywhere_below_a_folder(results: Path, tmp_path: Path) -> None:
    deep = tmp_path / "all" / "of" / "them"
    shutil.copytree(results, deep)
    shutil.copytree(results, tmp_path / "all" / ".hidden")
    shutil.copytree(folder_of(results), tmp_path / "all" / "mlartifacts" / "x@1" / folder_of(results).name)
    (tmp_path / "all" / "of" / "a" / "model").mkdir(parents=True)
    (tmp_path / "all" / "of" / "a" / "model" / "record.json").write_text("{}")
    (tmp_path / "all" / "of" / "above").symlink_to(tmp_path / "all")
    assert [r.path for r in read_records(tmp_path / "all")] == sorted(deep.glob("[!.]*/*"))
    assert {r.spec.model for r in read_records(folder_of(results))} == {"gc_content"}, "the folder of a record itself"
    table = run("leaderboard", tmp_path / "all", "--json")
    assert {row["model"] for row in json.loads(table.stdout)["rows"]} == {"gc_content", "length"}


def test_a_run_tabulates_its_own_folder_alone(results: Path, toy_card: Path) -> None:
    shutil.copytree(results, results / "published" / "before")
    rewrite(folder_of(results / "published" / "before"), lambda value: value["estimates"][0].update(value=0.999))
    options = ("--model", "length", "--seeds", "0,1", "--results", results, "--tracking-uri", "none", "--no-audit")
    assert run("run", "--task", toy_card, *options).exit_code == 0
    tasks = {column["task"] for column in json.loads((results / "leaderboard.json").read_text())["columns"]}
    assert tasks == {"toy_motif@1", "yeast_coding.small@2"}
    assert run("leaderboard", results).exit_code == 0, "results in a folder of results are others"
    before = results / "published" / "before"
    assert isinstance(run("leaderboard", results, before).exception, DataError), "a table of both names what differs"


def test_a_folder_of_one_task_is_read_from_within(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of(results).parent)
    assert {r.spec.model for r in read_records(".")} == {"gc_content", "length"}
    monkeypatch.chdir(folder_of(results))
    assert [r.spec.model for r in read_records(".")] == ["gc_content"]


@pytest.mark.parametrize("command", ["leaderboard", "verify", "bundle", "merge"])
def test_a_folder_without_records_says_where_it_looked(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    out = ("--out", tmp_path / "out") if command in ("bundle", "merge") else ()
    outcome = run(command, tmp_path / "empty", *out)
    assert isinstance(outcome.exception, NoRecords)
    assert f"no records in {tmp_path / 'empty'}, nor in any folder below" in str(outcome.exception)


def test_a_merge_pairs_and_says_who_ran_what_where(results: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(results, tmp_path / "theirs"))
    shutil.rmtree(folder_of(results, "length"))
    rewrite(folder_of(theirs), lambda value: value.update(seconds=99.0))
    bundle(theirs, tmp_path / "theirs.tar.zst", author="Ada")
    outcome = run("merge", results, tmp_path / "theirs.tar.zst", "--out", tmp_path / "both")
    assert outcome.exit_code == 0 and "wrote 2 runs from 3 records" in outcome.output
    assert verify(tmp_path / "both").ok
    runs = json.loads((tmp_path / "both" / "sources.json").read_text())["runs"]
    made = {entry["model"]: [(m["source"], m["author"]) for m in entry["made"]] for entry in runs.values()}
    assert made == {
        "gc_content": [("results", ""), ("theirs.tar.zst", "Ada")],
        "length": [("theirs.tar.zst", "Ada")],
    }
    assert all(m["machine"]["platform"] for entry in runs.values() for m in entry["made"])
    merge([tmp_path / "both"], tmp_path / "again")
    assert json.loads((tmp_path / "again" / "sources.json").read_text())["runs"] == runs, "a merge of a merge knows too"


def test_results_that_differ_are_named_and_nothing_is_written(results: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(results, tmp_path / "theirs"))
    rewrite(folder_of(theirs), lambda value: value["estimates"][0].update(value=0.999))
    outcome = run("merge", results, theirs, "--out", tmp_path / "both")
    assert outcome.exit_code == 1 and not (tmp_path / "both").exists()
    assert "conflict: run " in outcome.output and str(folder_of(theirs)) in outcome.output and "0.999" in outcome.output
    both = run("leaderboard", results, theirs, "--out", tmp_path / "table")
    assert isinstance(both.exception, DataError) and "differs in" in str(both.exception)
    assert run("merge", results, theirs, "--out", tmp_path / "both", "--prefer", theirs).exit_code == 0
    (found,) = (r for r in read_records(tmp_path / "both") if r.spec.model == "gc_content")
    assert found.estimates[0].value == 0.999
    with pytest.raises(ConfigError, match="expected one of"):
        merge([results], tmp_path / "c", prefer=theirs)
    with pytest.raises(DataError, match="there is something already"):
        merge([results], tmp_path / "both")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        merge([results], tmp_path / "file" / "c")


def test_what_failed_in_one_place_and_is_done_in_another_is_done(results: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(results, tmp_path / "theirs"))
    (folder_of(results) / "predictions.parquet").unlink()
    failed = {"status": "failed", "error": "boom", "estimates": [], "predictions_digest": ""}
    rewrite(folder_of(results), lambda value: value.update(failed))
    merge([results, theirs], tmp_path / "both")
    assert {r.status for r in read_records(tmp_path / "both")} == {"done"}


def test_a_table_of_several_folders_counts_a_run_once(results: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(results, tmp_path / "theirs"))
    shutil.rmtree(folder_of(results, "length"))
    outcome = run("leaderboard", results, theirs)
    assert outcome.exit_code == 0 and "wrote nothing: several folders need --out" in outcome.output
    assert not (results / "leaderboard.json").exists()
    assert run("leaderboard", results, theirs, "--out", tmp_path / "table").exit_code == 0
    value = json.loads((tmp_path / "table" / "leaderboard.json").read_text())
    assert len(value["rows"]) == 2
