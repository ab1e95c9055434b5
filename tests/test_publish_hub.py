"""Scores for other boards: in the forms of the libraries that read them, and none that would mislead there."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from baserate.cli import cli
from baserate.errors import ConfigError, DataError
from baserate.leaderboard import build_leaderboard
from baserate.leaderboard.table import Column
from baserate.publish import Hub, publish_hub
from baserate.publish.badge import badge
from baserate.publish.hub_entries import task_id

from .test_leaderboard import put

DATASET = "lab/genomics-tasks"
FAIL = {"verdict": "FAIL", "reasons": ["12 % of the test part is in the training part"], "leaks": []}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1)
    put(folder, "good", 2.0, mode="linear_probe", noise=3)
    put(folder, "good", 0.4, mode="zero_shot", noise=5)
    put(folder, "good_random", 0.3, mode="linear_probe", twin_of="good", noise=4)
    return folder


@pytest.fixture
def hub(results: Path, tmp_path: Path) -> Hub:
    return publish_hub(results, tmp_path / "hub", dataset=DATASET, url="https://lab.org/results")


def of_model(hub: Hub) -> Path:
    (folder,) = (hub.folder / "models").iterdir()
    return folder


def test_the_hubs_own_parser_reads_each_score_with_what_a_reader_must_know(results: Path, hub: Hub) -> None:
    table = build_leaderboard(results)
    files = sorted((of_model(hub) / ".eval_results").iterdir())
    assert [f.name for f in files] == ["toy_1.linear_probe.mcc.yaml", "toy_1.zero_shot.mcc.yaml"]
    for file, entry in zip(files, hub.entries, strict=True):
        (read,) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
        e = table.cell(entry.row, entry.column).estimates[0]
        assert (read.dataset_id, read.source_url) == (DATASET, "https://lab.org/results")
        assert read.value == pytest.approx(e.value, abs=5e-5) and read.task_id == file.stem
        assert e.low is not None and e.high is not None and read.notes
        for part in (
            f"95 % interval {e.low:.4f} to {e.high:.4f}",
            "300 test examples in 60 clusters",
            "mean of 5 seeds" if entry.row.mode == "linear_probe" else "one seed",
            "budget 1",
            "split split0",
            "task not audited",
            "it is unknown whether the model saw the test",
            "gain over the best baseline, kmer · from_scratch: ",
            "commit c0ffee00c0",
            entry.cell.hash,
        ):
            assert part in read.notes, part


def test_the_index_of_a_card_has_every_metric_with_its_interval(hub: Hub) -> None:
    index = yaml.safe_load((of_model(hub) / "model-index.yaml").read_text())["model-index"]
    name, read = model_index_to_eval_results(index)
    assert name == "good" and len(read) == 6
    for result in read:
        entry = next(e for e in hub.entries if e.task_id == result.dataset_config)
        e = next(e for e in entry.cell.estimates if e.metric == result.metric_type)
        assert e.low is not None
        assert result.metric_value == pytest.approx(e.value, abs=5e-5) and f"{e.low:.4f} to" in str(result.metric_name)


def test_the_data_set_states_every_id_that_a_score_has(hub: Hub) -> None:
    stated = yaml.safe_load((hub.folder / "tasks" / "eval.yaml").read_text())
    assert {task["id"] for task in stated["tasks"]} == {entry.task_id for entry in hub.entries}
    assert stated["evaluation_framework"] == "baserate" and stated["name"] and stated["description"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"audit": FAIL}, "the audit of the task fails: 12 % of the test part is in the training part"),
        ({"exposure": {"status": "exposed", "reason": "chr3 was seen"}}, "the model saw the test: chr3 was seen"),
        ({"skill": float("inf")}, "constant or not finite predictions"),
        ({"status": "failed", "error": "ValueError: no such layer"}, "failed: ValueError: no such layer"),
    ],
)
def test_a_score_that_would_mislead_alone_is_left_out(
    results: Path, tmp_path: Path, more: dict[str, object], reason: str
) -> None:
    put(results, "doubtful", **{"mode": "fine_tune", "noise": 9, **more})  # type: ignore[arg-type]
    if "audit" not in more:
        hub = publish_hub(results, tmp_path / "hub", dataset=DATASET)
        assert [(x.row, x.reason) for x in hub.left_out] == [("doubtful · fine_tune", reason)]
        assert reason in (hub.folder / "left-out.txt").read_text() and len(hub.entries) == 2
        return
    with pytest.raises(DataError, match=r"no score of a model that may be published; the first of 3: .*audit"):
        publish_hub(results, tmp_path / "hub", dataset=DATASET)
    assert not (tmp_path / "hub").exists()


def test_of_several_rows_of_a_mode_none_is_chosen_by_its_score(results: Path, tmp_path: Path) -> None:
    put(results, "good", 1.0, mode="linear_probe", noise=6, spec={"settings": {"layer": 3}})
    hub = publish_hub(results, tmp_path / "hub", dataset=DATASET)
    assert [e.row.mode for e in hub.entries] == ["zero_shot"]
    assert len(hub.left_out) == 2 and all("several rows of this mode" in x.reason for x in hub.left_out)


def test_a_metric_that_is_better_when_lower_is_in_the_index_alone(tmp_path: Path) -> None:
    put(tmp_path / "r", "kmer", 0.6, baseline=True, noise=1, metrics=("brier", "mcc"))
    put(tmp_path / "r", "good", 2.0, mode="linear_probe", noise=3, metrics=("brier", "mcc"))
    hub = publish_hub(tmp_path / "r", tmp_path / "hub", dataset=DATASET)
    assert not (of_model(hub) / ".eval_results").exists() and "the worst may lead" in hub.left_out[0].reason
    assert "Brier, lower is better" in (of_model(hub) / "model-index.yaml").read_text()


def test_ids_are_plain_and_unlike_columns_never_share_one() -> None:
    def named(name: str, metric: str = "mcc", mode: str = "linear_probe") -> str:
        return task_id(Column(name, "toy@1", "", "", (0,), 1.0, (metric,), ""), mode)

    made = [named(*given) for given in [("toy@1",), ("toy@1 (budget 8)",), ("toy@1 <budget 8>",), ("toy@1", "auroc"),
                                        ("toy@1", "mcc", "zero_shot"), ("Toy@1",), ("../x@1",)]]  # fmt: skip
    assert made[0] == "toy_1.linear_probe.mcc" and len({*made}) == len(made)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._") and name[0] != "." for name in made)


def test_croissant_describes_the_table_of_scores(hub: Hub) -> None:
    described = json.loads((hub.folder / "results" / "croissant.json").read_text())
    (file,) = described["distribution"]
    content = (hub.folder / "results" / file["contentUrl"]).read_bytes()
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["contentSize"] == f"{len(content)} B"
    fields = described["recordSet"][0]["field"]
    assert [f["source"]["extract"]["column"] for f in fields] == next(csv.reader(content.decode().splitlines()))
    assert {f["name"]: f["dataType"] for f in fields}["value"] == "sc:Float"
    assert all(f["source"]["fileObject"] == {"@id": file["@id"]} for f in fields)
    assert len({f["@id"] for f in fields}) == len(fields) and not any(" " in f["@id"] for f in fields)


def test_badges_count_the_verdicts_of_paired_tests(hub: Hub) -> None:
    probe, zero = ((of_model(hub) / f"badge-{mode}.svg").read_text() for mode in ("linear-probe", "zero-shot"))
    assert "baserate · probe: better than the best baseline on 1 of 1 task<" in probe
    assert "baserate · zero-shot: better than the best baseline on 0 of 1 task<" in zero
    board = (hub.folder / "results" / "badge.svg").read_text()
    assert "the best model beats the best baseline on 1 of 1 task<" in board


def test_a_task_under_two_budgets_counts_once_in_a_badge(results: Path, tmp_path: Path) -> None:
    put(results, "kmer", 0.6, baseline=True, noise=1, spec={"budget": 8})
    put(results, "good", 2.0, mode="linear_probe", noise=3, spec={"budget": 8})
    hub = publish_hub(results, tmp_path / "hub", dataset=DATASET)
    assert sum(e.row.mode == "linear_probe" for e in hub.entries) == 2
    assert "on 1 of 1 task<" in (of_model(hub) / "badge-linear-probe.svg").read_text()


def test_a_run_that_failed_is_no_win_in_a_badge(results: Path, tmp_path: Path) -> None:
    put(results, "kmer", 0.6, baseline=True, noise=1, spec={"task": "hard@1"})
    put(results, "good", status="failed", error="boom", mode="linear_probe", spec={"task": "hard@1"})
    hub = publish_hub(results, tmp_path / "hub", dataset=DATASET)
    assert "on 1 of 2 tasks<" in (of_model(hub) / "badge-linear-probe.svg").read_text()


def test_a_badge_is_plain_svg_whatever_it_says() -> None:
    svg = badge("<script>\x00", "a & \"b\" 'c'\n d", won=False)
    texts = [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    assert texts == ["<script>?", "a & \"b\" 'c' d"] and "<script" not in svg and svg.count("http") == 1


@pytest.mark.parametrize("dataset", ["genomics", "a/b/c", "../x", "https://hf.co/a/b", "a b/c"])
def test_a_dataset_that_is_no_repository_is_refused(results: Path, tmp_path: Path, dataset: str) -> None:
    with pytest.raises(ConfigError, match="expected a repository on the Hub, as OWNER/NAME"):
        publish_hub(results, tmp_path / "hub", dataset=dataset)


def test_the_command_names_what_it_left_out(results: Path, tmp_path: Path) -> None:
    put(results, "broken", mode="linear_probe", status="failed", error="ValueError: no such layer")
    command = ["publish", str(results), "--for", "hub", "--out", str(tmp_path / "hub")]
    done = CliRunner().invoke(cli, [*command, "--dataset", DATASET])
    assert done.exit_code == 0 and "2 of 1 model" in done.output and "left out 1: failed" in done.output
    stated = json.loads(CliRunner().invoke(cli, [*command, "--dataset", DATASET, "--json"]).output)
    assert len(stated["scores"]) == 2 and stated["left_out"][0]["row"] == "broken · linear_probe"
    assert "--for hub needs --dataset OWNER/NAME" in str(CliRunner().invoke(cli, command).exception)
    wrong = CliRunner().invoke(cli, ["publish", str(results), "--dataset", DATASET, "--out", str(tmp_path / "site")])
    assert "--dataset is of --for hub" in str(wrong.exception) and not (tmp_path / "site").exists()


def test_a_folder_of_something_else_is_left_alone(results: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(DataError, match=r"not of a hub folder \(no baserate-hub.txt\)"):
        publish_hub(results, tmp_path / "mine", dataset=DATASET)
