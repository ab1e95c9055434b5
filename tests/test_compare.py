"""Two rows compared, and a candidate that must be no worse: gains, margins, verdicts, what cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cli import cli
from baserate.errors import BaserateError, ConfigError
from baserate.leaderboard.compare import Paired, compare, pool
from baserate.leaderboard.gate import gate
from baserate.plan import SEEDS
from baserate.records import read_predictions, read_records
from baserate.results import Estimate
from baserate.statistics import Difference, false_discovery
from baserate.statistics.parts import half_width

from .leave_out import difference_by_hand
from .test_leaderboard import put

TASKS = [f"toy{i}@1" for i in range(4)]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for i, task in enumerate(TASKS):
        at: dict[str, Any] = {"spec": {"task": task}, "task": {"id": task}}
        put(tmp_path, "lm", 1.4, mode="linear_probe", noise=10 + i, **at)
        put(tmp_path, "cnn", 0.7, baseline=True, noise=20 + i, **at)
        put(tmp_path, "twice", 1.4, mode="linear_probe", noise=10 + i, **at)
    return tmp_path


def test_a_comparison_is_the_paired_difference_on_each_task(results: Path) -> None:
    records = list(read_records(results))
    found = compare(records, "lm", "cnn")
    assert (found.first, found.second) == ("lm · linear_probe", "cnn · from_scratch")
    assert [pair.task for pair in found.tasks] == TASKS
    by_cell = {(r.spec.task, r.spec.model): read_predictions(r) for r in records}
    for pair in found.tasks:
        want = difference_by_hand(by_cell[pair.task, "lm"], by_cell[pair.task, "cnn"], "mcc")
        got = (pair.gain.value, pair.gain.low, pair.gain.high, pair.gain.p)
        assert got == pytest.approx(want, abs=1e-9)
        assert pair.verdict == "better" and pair.p_adjusted is not None and pair.p_adjusted >= pair.gain.p
        assert pair.confidence == pytest.approx(1 - pair.gain.p / 2)


def test_the_other_way_round_everything_is_mirrored(results: Path) -> None:
    there, back = (br.compare(results, *pair, margin=0.05) for pair in (("lm", "cnn"), ("cnn", "lm")))
    for a, b in zip(there.tasks, back.tasks, strict=True):
        assert (a.gain.value, a.gain.low) == pytest.approx((-b.gain.value, -(b.gain.high or 0)))
        assert (a.verdict, b.verdict) == ("better", "worse") and a.confidence == pytest.approx(1 - (b.confidence or 0))
        assert a.p_unlike == pytest.approx(b.p_unlike) and (a.p_inferior or 0) < 0.05 < (b.p_inferior or 0)
    assert there.pooled[0].value == pytest.approx(-back.pooled[0].value)
    assert (there.pooled[0].wins, back.pooled[0].wins) == (4, 0)


def test_where_lower_is_better_a_gain_is_still_better(tmp_path: Path) -> None:
    for task in TASKS[:1]:
        at: dict[str, Any] = {"spec": {"task": task}, "task": {"id": task, "metrics": ["brier"]}}
        put(tmp_path, "lm", 2.0, mode="linear_probe", noise=1, metrics=("brier",), **at)
        put(tmp_path, "cnn", 0.3, baseline=True, noise=2, metrics=("brier",), **at)
    (pair,) = compare(read_records(tmp_path), "lm", "cnn").tasks
    assert pair.first.value < pair.second.value and pair.gain.value > 0 and pair.verdict == "better"  # type: ignore[operator]
    assert pair.gain.low is not None and pair.gain.high is not None and pair.gain.low < pair.gain.value < pair.gain.high


def test_as_good_as_is_a_claim_of_its_own(results: Path) -> None:
    found = compare(read_records(results), "lm", "twice", margin=0.01)
    assert all(p.gain.value == 0 and p.verdict == "tie" and p.p_unlike == 0 for p in found.tasks)
    assert (found.pooled[0].wins, found.pooled[0].ties) == (0, 4)
    wide = compare(read_records(results), "lm", "cnn", margin=5.0)
    assert all((p.p_unlike or 1) < 0.05 and p.verdict == "better" for p in wide.tasks)
    assert all(p.p_unlike is None for p in compare(read_records(results), "lm", "cnn").tasks)


def with_margins(folder: Path, model: str, margins: list[float], skill: float = 1.4, noise: int = 10) -> None:
    """Put records of a model on as many tasks, whose cards have these margins; 0 for none."""
    for i, (task, margin) in enumerate(zip(TASKS, margins, strict=False)):
        card: dict[str, Any] = {"id": task} | ({"margin": margin} if margin else {})
        put(folder, model, skill, mode="linear_probe", noise=noise + i, spec={"task": task}, task=card)


def test_the_margin_of_the_card_holds_where_none_is_given(tmp_path: Path) -> None:
    with_margins(tmp_path, "lm", [0.02, 0.0, 0.05])
    with_margins(tmp_path, "twice", [0.02, 0.0, 0.03])
    found = br.compare(tmp_path, "lm", "twice")
    assert found.margin is None and [pair.margin for pair in found.tasks] == [0.02, None, 0.03]
    assert [pair.p_unlike for pair in found.tasks] == [0.0, None, 0.0]
    assert [pair.margin for pair in br.compare(tmp_path, "lm", "twice", margin=0.1).tasks] == [0.1] * 3
    shown = CliRunner().invoke(cli, ["compare", "lm", "twice", "--results", str(tmp_path)], standalone_mode=False)
    assert shown.output.count("as good within 0.0") == 2


def test_a_gate_takes_the_margins_of_the_cards_or_refuses(tmp_path: Path) -> None:
    for side, margins in {"a": [0.02, 0.02], "b": [0.02, 0.02], "c": [0.02, 0.0]}.items():
        with_margins(tmp_path / side, "lm", margins)
    a, b, c = (list(read_records(tmp_path / side)) for side in "abc")
    assert [(e.status, e.pair.margin) for e in gate(a, b) if e.pair] == [("passed", 0.02)] * 2
    with pytest.raises(ConfigError, match=r"no margin: the cards of toy1@1 have none; say how much worse"):
        gate(c, a)
    command = ["gate", "--baseline", str(tmp_path / "a"), "--candidate", str(tmp_path / "b")]
    markdown = tmp_path / "gate.md"
    done = CliRunner().invoke(cli, [*command, "--markdown", str(markdown)], standalone_mode=False)
    assert done.return_value == 0 and "2 of 2 pass at the margins of their cards" in done.output
    assert markdown.read_text().startswith("**baserate gate passed** (margins of the tasks' cards)")


def test_what_stands_in_several_columns_is_one_comparison(tmp_path: Path) -> None:
    for model, skill in (("a", 1.0), ("b", 0.4)):
        put(tmp_path, model, skill, mode="zero_shot", noise=ord(model))
    for seeds in (SEEDS, (5, 6, 7, 8, 9)):
        put(tmp_path, "cnn", 0.7, baseline=True, spec={"seeds": seeds})
    assert len(br.leaderboard(tmp_path).columns) == 2
    found = br.compare(tmp_path, "a", "b")
    assert len(found.tasks) == 1 and found.pooled[0].tasks == 1


def test_few_trainings_claim_neither_equality_nor_pass_a_gate(tmp_path: Path) -> None:
    few: dict[str, Any] = {"spec": {"seeds": (0,)}}
    for name in ("a", "b"):
        put(tmp_path / name, "lm", 1.0, mode="linear_probe", **few)
    put(tmp_path / "a", "other", 1.0, mode="linear_probe", **few)
    (pair,) = br.compare(tmp_path / "a", "lm", "other", margin=0.5).tasks
    assert pair.p_unlike is None and pair.p_inferior is None
    records = [list(read_records(tmp_path / name)) for name in ("a", "b")]
    (entry,) = gate(*records, margin=0.5, model="lm")
    assert entry.status == "failed" and "fewer than 5 trainings" in entry.reason


def pairs(gains: list[float], errors: list[float]) -> list[Paired]:
    e = Estimate("mcc", 0.5, 0.4, 0.6, 10, 5)
    return [
        Paired(str(i), str(i), str(i), "mcc", e, e, Difference(g, g - s, g + s, 0.1, s, 0.0, 50.0))
        for i, (g, s) in enumerate(zip(gains, errors, strict=True))
    ]


def test_the_mean_over_tasks_covers_the_mean_of_the_kind_of_task() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        errors = rng.uniform(0.01, 0.1, 8)
        truths = 0.05 + 0.05 * rng.normal(size=8)
        mean = pool(pairs(list(truths + errors * rng.normal(size=8)), list(errors)), "mcc")
        covered += mean.low is not None and mean.high is not None and mean.low <= 0.05 <= mean.high
    assert 0.92 <= covered / 300 <= 0.98
    assert pool(pairs([0.1, 0.2], [0.01, 0.01]), "mcc").low is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("lm", "lmm"), "Unknown row 'lmm'"),
        (("lm", "lm:linear_probe"), "are one row"),
        (("lm", "cnn"), "no task in common"),
    ],
)
def test_what_cannot_be_compared_is_said(results: Path, names: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(read_records(results), *names, tasks=["nothing*"] if "task" in message else ())


def test_a_name_of_several_rows_is_asked_for(results: Path) -> None:
    put(results, "lm", 1.0, mode="zero_shot", spec={"task": TASKS[0]}, task={"id": TASKS[0]})
    with pytest.raises(ConfigError, match="'lm' is several rows: 'lm · linear_probe', 'lm · zero_shot'"):
        compare(read_records(results), "lm", "cnn")


def checkpoints(folder: Path, skills: list[float], *, tasks: list[str] = TASKS[:2], noise: int = 3) -> Path:
    for skill, task in zip(skills, tasks, strict=True):
        put(folder, "lm", skill, mode="linear_probe", noise=noise, spec={"task": task}, task={"id": task})
    put(folder, "cnn", 0.7, baseline=True, spec={"task": tasks[0]}, task={"id": tasks[0]})
    return folder


def test_a_candidate_passes_where_it_is_shown_to_be_no_worse(tmp_path: Path) -> None:
    before = list(read_records(checkpoints(tmp_path / "a", [1.0, 1.0])))
    better = list(read_records(checkpoints(tmp_path / "b", [1.4, 1.0])))
    assert [e.status for e in gate(before, better, margin=0.02)] == ["passed", "passed"]
    worse = list(read_records(checkpoints(tmp_path / "c", [1.0, 0.2])))
    first, second = gate(before, worse, margin=0.02)
    assert (first.status, second.status) == ("passed", "failed") and "worse by more than the margin" in second.reason
    other = list(read_records(checkpoints(tmp_path / "d", [1.0, 1.0], noise=9)))
    assert {e.reason.partition(":")[0] for e in gate(before, other, margin=0.001)} == {
        "not shown to be within the margin"
    }
    fewer = list(read_records(checkpoints(tmp_path / "e", [1.0], tasks=TASKS[:1])))
    assert [(e.status, e.reason) for e in gate(before, fewer, margin=0.02)][1] == (
        "missing",
        "the candidate has no record",
    )


def test_the_gate_refuses_what_it_cannot_tell_apart(tmp_path: Path) -> None:
    before = list(read_records(checkpoints(tmp_path / "a", [1.0, 1.0])))
    two = [*before, put(tmp_path / "b", "lm2", 1.0, mode="linear_probe", spec={"task": TASKS[0]})]
    with pytest.raises(ConfigError, match=r"baseline: lm2? and lm2? both have linear_probe on toy0@1; name one"):
        gate(two, before, margin=0.1)
    assert len(gate(two, before, margin=0.1, model="lm")) == 2
    with pytest.raises(ConfigError, match="candidate: there is no record of a model"):
        gate(before, [r for r in before if r.model["baseline"]], margin=0.1)
    with pytest.raises(BaserateError, match="above 0"):
        gate(before, before, margin=0)


def test_the_commands_print_write_and_exit_as_they_say(results: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, list(arguments), standalone_mode=False)

    plot = tmp_path / "forest.png"
    shown = run("compare", "lm", "cnn", "--results", str(results), "--margin", "0.05", "--plot", str(plot))
    assert "lm · linear_probe  over  cnn · from_scratch" in shown.output and "better" in shown.output
    assert "higher on 4 of 4 tasks" in " ".join(shown.output.split()) and plot.read_bytes().startswith(b"\x89PNG")
    value = json.loads(run("compare", "lm", "cnn", "--results", str(results), "--json").output)
    assert [pair["task"] for pair in value["tasks"]] == TASKS

    a, b = checkpoints(tmp_path / "a", [1.0, 1.0]), checkpoints(tmp_path / "b", [1.0, 0.2])
    junit, table = tmp_path / "gate.xml", tmp_path / "gate.md"
    files = ["--junit", str(junit), "--markdown", str(table)]
    done = run("gate", "--baseline", str(a), "--candidate", str(b), "--margin", "0.02", *files)
    assert done.return_value == 1 and "1 of 2 pass" in done.output
    suite = ElementTree.fromstring(junit.read_text())
    assert (suite.get("tests"), suite.get("failures"), len(suite.findall("testcase/failure"))) == ("2", "1", 1)
    assert table.read_text().startswith("**baserate gate failed: 1 of 2** (margin 0.02)")
    assert run("gate", "--baseline", str(a), "--candidate", str(a), "--margin", "0.02").return_value == 0


def test_where_swaps_make_a_p_value_larger_they_make_those_of_margins_larger_too(results: Path) -> None:
    d = Difference(0.1, 0.02, 0.18, 0.016, parts=((0.04, 60.0), (0.01, 4.0)))
    swapped = d.by_swaps(0.09)
    assert swapped.p == pytest.approx(0.09) and 2 * swapped.tail(0.0) == pytest.approx(0.09)
    assert (swapped.low, swapped.high) == (0.0, 0.18), "the interval has what no test rejects"
    assert (d.by_swaps(0.04).low, d.turned.by_swaps(0.09).high) == (0.02, 0.0)
    assert swapped.tail(-0.05) > 1.5 * d.tail(-0.05) and swapped.turned.tail(0.0) == pytest.approx(1 - 0.045)
    assert d.by_swaps(0.001) == d and d.by_swaps(None) == d, "the larger of the two"
    assert d.by_swaps(1.0).tail(-0.05) == pytest.approx(0.5), "no claim at all"
    json.dumps(d.by_swaps(1.0).wider, allow_nan=False)
    certain = Difference(0.1, 0.1, 0.1, 0.0, parts=((0.0, 60.0),))
    assert certain.by_swaps(0.25).p == 0.25, "a difference without any error, too"
    for name, skill, noise in (("near", 1.4, 10), ("other", 1.2, 10)):  # few examples are called otherwise
        put(results, name, skill, mode="linear_probe", noise=noise, spec={"task": TASKS[0]}, task={"id": TASKS[0]})
    (pair,) = compare(read_records(results), "near", "other", margin=0.02).tasks
    assert pair.confidence == pytest.approx(
        1 - (pair.gain.p or 0) / 2 if pair.gain.value > 0 else (pair.gain.p or 0) / 2
    )


def test_what_is_detectable_is_found_in_four_of_five_cases() -> None:
    rng = np.random.default_rng(0)
    parts = ((1.0, 60.0), (0.5, 40.0))
    least = Difference(0.0, parts=parts).detectable
    assert least is not None
    found = 0
    for _ in range(2_000):
        drawn = tuple((error * np.sqrt(rng.chisquare(df) / df), df) for error, df in parts)
        value = least + sum(rng.normal(0, error) for error, _ in parts)
        found += abs(value) > half_width(drawn, 0.05)
    assert 0.77 < found / 2_000 < 0.84


def test_false_discovery_rates_are_those_of_scipy() -> None:
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(1).uniform(size=30) ** 3
    np.testing.assert_allclose(false_discovery(list(p)), false_discovery_control(p), rtol=1e-12)


def test_tasks_without_an_interval_do_not_take_it_from_the_others() -> None:
    sure = pairs([0.1, 0.2, 0.15], [0.01, 0.02, 0.01])
    unsure = replace(sure[0], gain=Difference(0.3))
    found = pool([*sure, unsure], "mcc")
    assert found.tasks == 4 and found.low is not None and found.high is not None and found.high < 0.3


@pytest.mark.parametrize("margin", [float("nan"), float("inf"), 0.0, -0.1])
def test_a_margin_that_is_none_is_refused(results: Path, margin: float) -> None:
    with pytest.raises(ConfigError, match=r"margin = .*: expected a number above 0"):
        compare(results, "lm", "cnn", margin=margin)


def test_a_task_counts_once_in_the_mean_over_tasks(tmp_path: Path) -> None:
    for version in ("a@1", "a@2", "a.small@2", "b@1"):
        at: dict[str, Any] = {"spec": {"task": version}, "task": {"id": version, "whole": version}}
        if version == "a@1":
            at["task"]["superseded_by"] = "a@2"
        put(tmp_path, "lm", 1.4, mode="linear_probe", noise=3, **at)
        put(tmp_path, "cnn", 0.7, baseline=True, noise=4, **at)
    found = compare(tmp_path, "lm", "cnn")
    assert len(found.tasks) == 4 and [mean.tasks for mean in found.pooled] == [2]


def test_the_confidence_is_that_of_the_p_value(results: Path) -> None:
    for pair in compare(results, "lm", "cnn").tasks:
        assert pair.gain.p is not None
        assert pair.confidence == pytest.approx(1 - pair.gain.p / 2 if pair.gain.value > 0 else pair.gain.p / 2)
