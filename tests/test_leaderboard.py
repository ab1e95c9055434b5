"""The leaderboard from records on disk: what shares a column, what a gain is, and what every rendering shows."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.errors import DataError
from baserate.leaderboard import (
    build_leaderboard,
    print_leaderboard,
    to_csv,
    to_json,
    to_markdown,
    write_leaderboard,
)
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.comparisons import Gain, adjusted
from baserate.leaderboard.grids import escape
from baserate.leaderboard.standings import tabulate
from baserate.leaderboard.table import Cell
from baserate.plan import SEEDS
from baserate.progress import Advance, listening
from baserate.records import Record, read_predictions, read_record, read_records, write_record
from baserate.results import Predictions, RunSpec
from baserate.statistics import estimate, flag_collapsed
from baserate.types import strings

from .leave_out import difference_by_hand

METRICS = ("mcc", "auroc", "mcc:species=human-fly")
TRUTH = np.random.default_rng(0).integers(2, size=300)


def predictions(skill: float, noise: int, seeds: tuple[int, ...]) -> Predictions:
    """Return predictions on one fixed test set; `noise` is the model's own."""
    shared = np.random.default_rng(1).normal(size=300)
    own = np.random.default_rng([7, noise]).normal(size=(len(seeds), 300))
    p = 1 / (1 + np.exp(-(skill * (2 * TRUTH - 1) + shared + 0.5 * own)))
    if np.isinf(skill):
        p = np.full_like(p, 0.5)
    ids, clusters = strings([f"x{i}" for i in range(300)]), strings([f"g{i // 5}" for i in range(300)])
    species = strings(["human" if i // 5 % 2 else "fly" for i in range(300)])
    return Predictions(ids, TRUTH, clusters, {"species": species}, np.stack([1 - p, p], axis=2), seeds)


def put(
    results: Path, model: str, skill: float = 1.0, *, mode: Any = "from_scratch", status: Any = "done", **more: Any
) -> Record:
    """Write a record of `model` on the task `toy@1`, and return it."""
    baseline, twin_of, noise = more.pop("baseline", False), more.pop("twin_of", ""), more.pop("noise", 0)
    trains, metrics = mode != "zero_shot", more.pop("metrics", METRICS)
    spec = RunSpec("toy@1", "data0", "split0", model, {}, "r0", mode, {}, SEEDS if trains else (0,), 0.9 * trains)
    spec = replace(spec, **more.pop("spec", {}))
    p = predictions(skill, noise, spec.seeds)
    if (scored := more.pop("scored", None)) is not None:
        p = replace(p, scores=np.where(scored[:, None], p.scores, np.nan), scored=scored)
        more["flags"] = (*more.get("flags", ()), f"skipped {300 - scored.sum()} of 300")
    about = {"id": "toy@1", "metrics": list(metrics), "description": "A | toy <b>.", "sizes": {"train": 9}}
    record = Record(
        spec,
        status,
        about | more.pop("task", {}),
        {"name": model, "baseline": baseline, "twin_of": twin_of},
        tuple(estimate(p, m) for m in metrics) if status == "done" else (),
        flags=("collapsed",) * flag_collapsed(p) + more.pop("flags", ()),
        environment={"git_commit": "c0ffee00c0ffee00", "git_dirty": False},
        **more,
    )
    folder = write_record(results, record, p if status == "done" else None)
    return replace(record, path=folder)


def cells(table: Leaderboard) -> dict[tuple[str, str], Cell]:
    return {(cell.row, cell.column): cell for cell in table.cells}


def cell(table: Leaderboard, row: str, column: str = "toy@1") -> Cell:
    return cells(table)[row, column]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return records of two baselines, a good model with its random twin, and one that equals the best baseline."""
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1)
    put(folder, "gc", 0.2, baseline=True, noise=2)
    put(folder, "lm", 1.5, mode="linear_probe", noise=3)
    put(folder, "lm_random", 0.5, mode="linear_probe", twin_of="lm", noise=4)
    put(folder, "copy", 0.6, mode="linear_probe", noise=1)
    return folder


def test_gain_over_the_best_baseline_is_the_paired_difference_of_the_stored_predictions(results: Path) -> None:
    table = build_leaderboard(results)
    assert table.columns[0].best_baseline == "kmer · from_scratch"
    files = {r.parent.name.split(".")[0]: r.parent for r in results.glob("*/*/record.json")}
    lm, kmer, random = (read_predictions(read_record(files[name])) for name in ("lm", "kmer", "lm_random"))
    ours = cell(table, "lm · linear_probe")
    for got, other in ((ours.gain, kmer), (ours.twin_gain, random)):
        assert got is not None
        want = difference_by_hand(lm, other, "mcc")
        assert (got.value, got.low, got.high, got.p) == pytest.approx(want, abs=1e-9)
        assert got.verdict == "better"
    assert ours.twin_gain is not None and ours.twin_gain.over == "lm_random · linear_probe"
    assert cell(table, "lm_random · linear_probe").twin_gain is None
    assert cell(table, "kmer · from_scratch").gain is None, "a baseline has no gain over the floor that it is"


def test_identical_models_tie(results: Path) -> None:
    table = build_leaderboard(results)
    gain = cell(table, "copy · linear_probe").gain
    assert gain is not None and (gain.value, gain.p, gain.verdict) == (0.0, 1.0, "tie")
    assert cell(table, "copy · linear_probe").rank == cell(table, "kmer · from_scratch").rank
    assert "= +0.000" in to_markdown(table)


def test_rank_one_is_the_best_and_whoever_is_not_told_apart_from_it(results: Path) -> None:
    table = build_leaderboard(results)
    assert cell(table, "lm · linear_probe").rank == 1
    assert cell(table, "gc · from_scratch").rank == 5
    assert [c.row for c in table.cells if c.best] == ["lm · linear_probe"]
    assert f"**<ins>{cell(table, 'lm · linear_probe').value:.3f}</ins>**" in to_markdown(table)


def test_a_gain_by_few_trainings_is_no_verdict(tmp_path: Path) -> None:
    few: dict[str, Any] = {"spec": {"seeds": (0, 1)}}
    put(tmp_path, "kmer", 0.2, baseline=True, noise=1, **few)
    put(tmp_path, "lm", 3.0, mode="linear_probe", **few)
    table = build_leaderboard(tmp_path)
    gain = cell(table, "lm · linear_probe").gain
    assert gain is not None and gain.p is not None and gain.p < 0.05 and gain.verdict == "preliminary"
    assert f"? +{gain.value:.3f}" in to_markdown(table)
    assert "? unlike, by fewer than 5 trainings: not a verdict" in to_markdown(table)


def test_failed_and_missing_cells_are_seen_and_change_nobodys_rank(results: Path) -> None:
    before = {key: (c.rank, c.gain) for key, c in cells(build_leaderboard(results)).items()}
    put(results, "bad", mode="fine_tune", status="failed", error="Traceback\n  line\nMemoryError: no room")
    put(results, "elsewhere", mode="zero_shot", status="not_applicable", error="no variants")
    table = build_leaderboard(results)
    assert {key: (c.rank, c.gain) for key, c in cells(table).items() if key in before} == before
    markdown = to_markdown(table)
    assert "| bad<br><sub>model, trained</sub> | failed |" in markdown
    assert "- bad · fine_tune on toy@1: MemoryError: no room" in markdown
    assert "| elsewhere<br><sub>model, zero-shot</sub> | n/a |" in markdown


def test_missing_cell_is_a_dash_and_a_line_of_the_csv(results: Path) -> None:
    put(results, "kmer", baseline=True, spec={"task": "other@1"})
    table = build_leaderboard(results)
    assert cell(table, "lm · linear_probe", "other@1").status == "missing"
    assert "| lm<br><sub>model, probed</sub> | – |" in to_markdown(table)
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    (line,) = [x for x in lines if x["model"] == "lm" and x["column"] == "other@1"]
    assert (line["status"], line["value"], line["rank"]) == ("missing", "", "")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"seeds": (0, 1, 2)}, {"toy@1 (seeds 0 1 2 3 4)", "toy@1 (seeds 0 1 2)"}),
        ({"data": "data1"}, {"toy@1 (data data0)", "toy@1 (data data1)"}),
        ({"split": "split1"}, {"toy@1 (split split0)", "toy@1 (split split1)"}),
        ({"train_fraction": 0.5}, {"toy@1 (train fraction 0.9)", "toy@1 (train fraction 0.5)"}),
        ({"task": "toy@2"}, {"toy@1", "toy@2"}),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_other_protocols_have_a_column_of_their_own(results: Path, change: dict[str, Any], names: set[str]) -> None:
    put(results, "lm", 1.5, mode="linear_probe", spec=change)
    table = build_leaderboard(results)
    assert {column.name for column in table.columns} == names
    assert len(table.rows) == 5, "the row is the same, its protocol differs"


def test_what_does_not_train_stands_in_every_column_of_its_examples(results: Path) -> None:
    put(results, "lm", 1.0, mode="zero_shot")
    put(results, "gc", 0.2, baseline=True, spec={"seeds": (5,)})
    table = build_leaderboard(results)
    values = [cell(table, "lm · zero_shot", column.name).value for column in table.columns]
    assert len(values) == 2 and values[0] == values[1] is not None


def test_variants_of_a_model_that_meet_in_a_column_have_rows_that_say_how_they_differ(results: Path) -> None:
    put(results, "lm", 1.4, mode="linear_probe", spec={"settings": {"layer": 3}})
    put(results, "lm", 1.3, mode="linear_probe", spec={"revision": "0123456789abcdef"})
    names = {row.name for row in build_leaderboard(results).rows if row.model.startswith("lm@")}
    assert names == {
        "lm@r0 · linear_probe",
        "lm@r0 · linear_probe (layer 3)",
        "lm@01234567 · linear_probe",
    }


def test_trial_runs_are_refused_and_counted(results: Path) -> None:
    before = to_json(build_leaderboard(results))
    put(results, "lucky", 9.0, spec={"limit": 20})
    table = build_leaderboard(results)
    assert "lucky" not in to_json(table)
    assert "Left out: 1 trial run made with --limit." in to_markdown(table)
    assert to_json(replace(table, limited=0)) == before


def test_collapsed_baseline_is_flagged(results: Path) -> None:
    put(results, "flat", float("inf"), baseline=True)
    table = build_leaderboard(results)
    assert cell(table, "flat · from_scratch").value == 0.0
    assert "| flat<br><sub>baseline, trained</sub> | 0.000 †" in to_markdown(table)


def some(share: float, seed: int) -> Any:
    """Return a mask of about this share of the examples."""
    return np.random.default_rng([3, seed]).random(300) < share


def test_rows_are_compared_on_the_examples_that_all_of_them_score(results: Path) -> None:
    """Every number of the column equals that of records which never had the other examples."""
    masks = {"rule_a": some(0.9, 0), "rule_b": some(0.8, 1)}
    for i, (name, mask) in enumerate(masks.items()):
        put(results, name, 1.1, mode="zero_shot", noise=20 + i, scored=mask)
    everything = {r.spec.model: read_predictions(r) for r in read_records(results)}
    common = np.flatnonzero(masks["rule_a"] & masks["rule_b"])
    table = build_leaderboard(results)
    (column,) = table.columns
    assert (column.n, column.left_out) == (len(common), 300 - len(common))
    alone = {}
    for model, p in everything.items():
        strata = {"species": p.strata["species"][common]}
        alone[model] = Predictions(
            p.ids[common], p.targets[common], p.clusters[common], strata, p.scores[:, common], p.seeds
        )
    for c in table.cells:
        assert c.estimates == tuple(estimate(alone[c.row.split(" ")[0]], m) for m in METRICS)
        assert c.rank is not None
    gain = cell(table, "lm · linear_probe").gain
    assert gain is not None and gain.over == "kmer · from_scratch"
    want = difference_by_hand(alone["lm"], alone["kmer"], "mcc")
    assert (gain.value, gain.low, gain.high) == pytest.approx(want[:3], abs=1e-9)
    assert f"left out for all: {300 - len(common)} of toy@1." in to_markdown(table)


def test_values_cached_for_one_set_of_examples_are_not_taken_for_another(results: Path) -> None:
    whole = cell(build_leaderboard(results), "lm · linear_probe")
    put(results, "rule", 1.1, mode="zero_shot", scored=some(0.7, 0))
    fewer = cell(build_leaderboard(results), "lm · linear_probe")
    put(results, "rule", 1.1, mode="zero_shot", scored=some(0.7, 1))
    others = cell(build_leaderboard(results), "lm · linear_probe")
    assert len({(c.gain.low, c.gain.high) for c in (whole, fewer, others) if c.gain}) == 3
    assert len({c.estimates[0].low for c in (whole, fewer, others)}) == 3


def test_model_that_scores_fewer_than_half_stands_apart_and_changes_nobodys_number(results: Path) -> None:
    before = build_leaderboard(results)
    picky = put(results, "picky", 3.0, mode="zero_shot", scored=some(0.3, 0))
    table = build_leaderboard(results)
    assert {k: c for k, c in cells(table).items() if k in cells(before)} == cells(before)
    assert table.columns == before.columns
    c = cell(table, "picky · zero_shot")
    assert c.apart and c.estimates == picky.estimates
    assert (c.rank, c.gain, c.twin_gain) == (None, None, None)
    assert f"| picky<br><sub>model, zero-shot</sub> | {c.value:.3f} ○ <sup>1,2</sup>" in to_markdown(table)
    assert "- <sup>2</sup> scores too few of the examples" in to_markdown(table)
    (line,) = [x for x in csv.DictReader(io.StringIO(to_csv(table))) if x["model"] == "picky" and x["rank"] == ""][:1]
    assert "skipped" in line["flags"] and "too few" in line["flags"]


@pytest.mark.parametrize("stated", [True, False, None, "in an older record"])
def test_zero_shot_scores_that_may_be_mirrored_are_shown_and_not_ranked(results: Path, stated: bool | None) -> None:
    before = build_leaderboard(results)
    task = {
        "variants": True,
        "classes": ["a", "b"],
        **({"deleterious": stated} if stated in (True, False, None) else {}),
    }
    put(results, "floor", 3.0, mode="zero_shot", baseline=True, noise=8, task=task)
    mirrored = put(results, "mirror", 2.0, mode="zero_shot", noise=9, task=task, scored=some(0.7, 3))
    table = build_leaderboard(results)
    c, note = cell(table, "mirror · zero_shot"), "the card does not say which variants are the more harmful"
    assert (c.undirected, c.rank is None, c.gain is None) == (stated is None,) * 3
    assert (table.columns[0].best_baseline == "floor · zero_shot") is (stated is not None)
    assert (note in to_markdown(table)) is (stated is None) and (note in to_csv(table)) is (stated is None)
    assert c.estimates[0].value is not None
    if stated is None:
        assert c.estimates == mirrored.estimates
        assert [(x.row, x.rank, x.gain) for x in before.cells] == [
            (x.row, x.rank, x.gain) for x in table.cells if not x.undirected
        ], "nobody else's standing changes"


def test_picky_baseline_is_no_floor(results: Path) -> None:
    put(results, "pwm", 3.0, mode="zero_shot", baseline=True, scored=some(0.3, 0))
    assert build_leaderboard(results).columns[0].best_baseline == "kmer · from_scratch"


def test_where_no_example_is_scored_by_all_those_that_skip_stand_apart(results: Path) -> None:
    half = np.arange(300) % 2 == 0
    put(results, "even", mode="zero_shot", scored=half)
    put(results, "odd", mode="zero_shot", scored=~half)
    table = build_leaderboard(results)
    assert {c.row for c in table.cells if c.apart} == {"even · zero_shot", "odd · zero_shot"}
    assert (table.columns[0].n, table.columns[0].left_out) == (300, 0)
    assert all((c.rank is None) == c.apart for c in table.cells)


def test_every_flag_is_told_once_and_marked_on_its_cell_in_every_rendering(results: Path) -> None:
    from rich.console import Console

    put(results, "a", mode="fine_tune", flags=("check failed: padding|batch", "truncated 3 of 300"))
    put(results, "b", float("inf"), mode="fine_tune", flags=("remote code", "truncated 3 of 300"))
    table = build_leaderboard(results)
    notes = ["check failed: padding|batch", "truncated 3 of 300", "remote code"]
    markdown, out = to_markdown(table), io.StringIO()
    print_leaderboard(table, Console(file=out, width=120))
    (a,) = [line for line in markdown.splitlines() if line.startswith("| a<br>")][:1]
    (b,) = [line for line in markdown.splitlines() if line.startswith("| b<br><sub>model, trained</sub> | 0.000 †")]
    assert "<sup>1,2</sup>" in a and "<sup>3,2</sup>" in b
    for i, note in enumerate(notes):
        assert markdown.count(f"- <sup>{i + 1}</sup> {escape(note)}") == 1
        assert f"{'¹²³'[i]} {note}\n" in out.getvalue()
    flags = {c["row"]: c["flags"] for c in json.loads(to_json(table))["cells"]}
    assert flags["a · fine_tune"] == notes[:2] and flags["b · fine_tune"] == ["collapsed", "remote code", notes[1]]


def test_definition_of_each_metric_is_told(results: Path) -> None:
    assert "- MCC: Matthews correlation of k classes (Gorodkin 2004)" in to_markdown(build_leaderboard(results))


@pytest.mark.parametrize("name", ["a|b", "<script>", "*bold*", "_it_", "x\ny", "[l](u)", "`c`"])
def test_no_name_breaks_the_table(results: Path, name: str) -> None:
    put(results, name, mode="linear_probe", spec={"model": name})
    table = tabulate(read_records(results))
    markdown = to_markdown(table)
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    head = rows[0].count("|")
    (line,) = [x for x in rows[:10] if x.startswith(f"| {escape(name)}<br>")]
    assert line.replace("\\|", "").count("|") == head
    assert "<script>" not in markdown and "\n" not in escape(name)
    assert "A \\| toy &lt;b&gt;." in markdown


def test_names_and_errors_that_utf_8_cannot_hold_are_written_as_escapes(tmp_path: Path) -> None:
    put(tmp_path, "caf\udce9", status="failed", error="no weights in caf\udce9.npy")
    put(tmp_path, "good")
    files = write_leaderboard(build_leaderboard(tmp_path), tmp_path / "out")
    text = {file.suffix: file.read_bytes().decode("utf-8", "replace") for file in files}
    assert r"caf\udce9.npy" in text[".json"] and r"caf\udce9" in text[".csv"] and "caf" in text[".md"]


def test_a_table_that_takes_long_says_how_far_it_is(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "empty"))
    seen: dict[str, list[int]] = {}

    def listener(doing: str, total: int, lane: str) -> Advance:
        done = seen[doing] = [total, 0]

        def advance(n: int, now: str = "", /) -> None:
            done[1] += n

        return advance

    with listening(listener):
        table = build_leaderboard(results)
    n = len(read_records(results)) - table.limited
    assert seen == {
        "checking records": [n, n],
        "comparing the models of each task": [len(table.columns), len(table.columns)],
    }


def test_same_records_give_the_same_bytes_in_any_order_with_any_cache(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_records(results)
    texts = []
    for i, order in enumerate((records, records[::-1], records)):
        if i == 2:
            monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "empty"))
        table = tabulate(order)
        texts.append((to_json(table), to_csv(table), to_markdown(table)))
    assert texts[0] == texts[1] == texts[2]


def test_json_and_csv_hold_every_estimate_and_no_nan(results: Path) -> None:
    put(results, "odd", mode="linear_probe", noise=9)
    table = build_leaderboard(results)
    value = json.loads(to_json(table), parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
    assert len(value["cells"]) == len(table.rows) * len(table.columns)
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(lines) == 6 * 3
    for line in lines:
        e = next(e for e in cell(table, f"{line['model']} · {line['mode']}").estimates if e.metric == line["metric"])
        assert (float(line["value"]), float(line["low"]), int(line["n_clusters"])) == (e.value, e.low, e.n_clusters)


def test_rows_are_models_by_rank_then_the_floor(results: Path) -> None:
    names = [row.model for row in build_leaderboard(results).rows]
    assert names == ["lm", "copy", "lm_random", "kmer", "gc"]


def test_every_metric_is_in_the_details_with_the_drop(results: Path) -> None:
    markdown = to_markdown(build_leaderboard(results))
    assert "| Model | Mode | MCC ↑ | AUROC ↑ | MCC, human − fly |" in markdown


def test_files_are_written_whole_and_the_plot_only_when_the_table_changes(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    files = write_leaderboard(build_leaderboard(results), out)
    assert [f.name for f in files] == ["leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.png"]
    assert sorted(f.name for f in out.iterdir()) == sorted(f.name for f in files), "nothing is left beside"
    drawn = (out / "leaderboard.png").stat().st_mtime_ns
    write_leaderboard(build_leaderboard(results), out)
    assert (out / "leaderboard.png").stat().st_mtime_ns == drawn
    put(results, "new", 0.9, mode="linear_probe")
    write_leaderboard(build_leaderboard(results), out)
    assert (out / "leaderboard.png").stat().st_mtime_ns > drawn


def test_place_that_cannot_be_written_is_said_in_one_line(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the leaderboard in .*choose another folder"):
        write_leaderboard(build_leaderboard(results), tmp_path / "file")


def test_no_records_are_an_empty_table_not_an_error(tmp_path: Path) -> None:
    put(tmp_path, "lm", spec={"limit": 5})
    table = build_leaderboard(tmp_path)
    assert "no results yet" in to_markdown(table) and "Left out: 1 trial run" in to_markdown(table)
    assert [f.suffix for f in write_leaderboard(table, tmp_path)] == [".md", ".csv", ".json"]


def test_a_frame_has_the_lines_of_the_csv_with_types(results: Path) -> None:
    put(results, "bad", mode="fine_tune", status="failed", error="boom")
    table = build_leaderboard(results)
    frame = table.to_frame()
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert list(frame.columns) == list(lines[0]) and len(frame) == len(lines)
    kinds = {name: str(frame[name].dtype) for name in ("value", "n", "rank", "primary", "model", "gain_p")}
    assert kinds == {
        "value": "float64",
        "n": "Int64",
        "rank": "Int64",
        "primary": "boolean",
        "model": "string",
        "gain_p": "float64",
    }
    best = frame[frame["primary"]].sort_values("value", ascending=False).iloc[0]
    assert (best["model"], best["rank"], best["gain_verdict"]) == ("lm", 1, "better")
    assert frame.loc[frame["model"] == "bad", ["value", "rank"]].isna().all(axis=None)


def test_a_notebook_shows_the_scores_with_the_signs_of_the_markdown(results: Path) -> None:
    put(results, "<i>bad", mode="fine_tune", status="failed", error="boom", flags=("check failed: a<b",))
    table = build_leaderboard(results)
    shown = table._repr_html_()
    best = cell(table, "lm · linear_probe")
    assert f"<b><u>{best.value:.3f}</u></b> ○<br><small>" in shown and "◆" in shown and "toy@1<br>MCC ↑" in shown
    assert "<i>bad" not in shown and "&lt;i&gt;bad" in shown and ">failed" in shown
    assert "<caption" in shown and "◆ best baseline" in shown and "○ it is not known" in shown
    assert shown.count("<tr>") == 1 + len(table.rows) and shown.count("</table>") == 1
    assert "no results yet" in tabulate([])._repr_html_()


def test_a_table_is_made_of_a_folder_or_of_records(results: Path) -> None:
    want = build_leaderboard(results)
    assert build_leaderboard(str(results)) == want == build_leaderboard(iter(read_records(results)))


@pytest.mark.parametrize("width", [60, 100, 200])
def test_terminal_shows_every_cell_at_any_width(results: Path, width: int) -> None:
    from rich.console import Console

    put(results, "bad", mode="fine_tune", status="failed", error="boom [red]")
    for task in ("other_task_with_a_long_name.small@1", "third@1"):
        put(results, "kmer", 0.6, baseline=True, spec={"task": task})
    out = io.StringIO()
    table = build_leaderboard(results)
    print_leaderboard(table, Console(file=out, width=width))
    text = out.getvalue()
    shown = [f"{c.value:.3f}" for c in table.cells if c.value is not None]
    assert all(value in text for value in shown) and "failed" in text
    assert "failed: bad · fine_tune on toy@1: boom [red]" in text


def test_corrections_count_only_gains_that_have_a_p() -> None:
    def gain(p: float | None) -> Gain:
        return Gain("b", 0.1, 0.0, 0.2, p)

    got = adjusted([gain(0.02), gain(None), gain(0.03)])
    assert [g.p_adjusted for g in got] == [0.04, None, 0.04]
    assert [g.verdict for g in got] == ["better", "", "better"]
    assert adjusted([replace(gain(0.001), value=-0.1)])[0].verdict == "worse"


def test_altered_predictions_are_not_tabulated(results: Path) -> None:
    file = next(results.glob("*/lm.*/predictions.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="altered since it was written"):
        build_leaderboard(results)


def test_table_needs_numpy_pyarrow_and_the_records_alone(results: Path) -> None:
    code = "import sys; from pathlib import Path; from baserate.leaderboard import build_leaderboard, to_markdown\n"
    code += f"to_markdown(build_leaderboard(Path({str(results)!r})))\n"
    code += "heavy = ('torch', 'sklearn', 'scipy.stats', 'mlflow', 'transformers', 'matplotlib', 'numba')\n"
    code += "content = ('baserate.tasks', 'baserate.models', 'baserate.baselines')\n"
    code += "print([m for m in sys.modules if m in heavy or m.startswith(content)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
