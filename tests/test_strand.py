"""How much predictions change on the other strand: measured by the models that made the record's scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.cards.find import find_model
from baserate.cards.task import task_card
from baserate.cli import cli
from baserate.leaderboard import build_leaderboard, to_csv, to_markdown
from baserate.modes.strand import with_other_strand
from baserate.plan import Protocol, plan
from baserate.records import Record, read_predictions, read_records
from baserate.run import Grid
from baserate.splits import load_split
from baserate.statistics.change import change_between
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task, strings


class Reads:
    """A model that looks for TATAAA, on one strand or on both."""

    def __init__(self, both: bool = False) -> None:
        self.both = both

    def embed(self, sequences: StrArray) -> Any:
        return np.array([[float(self.sees(s)), s.count("A")] for s in sequences], np.float32)

    def sees(self, sequence: str) -> bool:
        return "TATAAA" in sequence or (self.both and "TTTATA" in sequence)

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Reads:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.array([0.1 + 0.8 * self.sees(s) for s in inputs.sequences])
        return np.stack([1 - p, p], axis=1)


def card(both: bool, *modes: str) -> ModelCard:
    name = "both" if both else "one"
    return ModelCard(name, lambda: Reads(both), {m: {} for m in modes}, {}, "d", revision=lambda: "r")


@pytest.fixture
def toy(toy_card: Path) -> Task:
    return task_card(toy_card)


def run(task: Task, cards: list[ModelCard], results: Path, *, check_strand: bool = True) -> list[Record]:
    protocol = Protocol((0, 1), check_strand=check_strand)
    grid = Grid(results, protocol, audited=False, checked=False)
    return [r.record for r in grid.each(plan([task], cards)) if r.record]


def test_a_model_of_one_strand_flips_and_one_of_both_does_not(toy: Task, tmp_path: Path) -> None:
    modes = ("from_scratch", "as_is")
    one, as_is = run(toy, [card(False, *modes)], tmp_path)
    sequences = load_split(toy).test.inputs.sequences
    turned = [s[::-1].translate(str.maketrans("ACGT", "TGCA")) for s in sequences]
    want = np.mean([("TATAAA" in s) != ("TATAAA" in t) for s, t in zip(sequences, turned, strict=True)])
    for record in (one, as_is):
        assert record.strand is not None and record.strand.metric == "strand_flips"
        assert record.strand.value == pytest.approx(want) and want > 0.4
        assert record.strand.low is not None and record.strand.high is not None
        assert record.strand.low < want < record.strand.high
    assert one.strand is not None and len(one.strand.per_seed) == 2
    (both,) = run(toy, [card(True, "from_scratch")], tmp_path)
    assert both.strand is not None and (both.strand.value, both.strand.low) == (0.0, 0.0)
    assert both.strand.high is not None and both.strand.high > 0, "60 examples do not show that there is none"


def test_scores_are_what_they_are_without_the_check(toy: Task, tmp_path: Path) -> None:
    cards = [card(False, "linear_probe"), find_model("kmer_logreg"), find_model("length")]
    plain = {r.hash: r for r in run(toy, cards, tmp_path / "a", check_strand=False)}
    assert all(r.strand is None for r in plain.values())
    for record in run(toy, cards, tmp_path / "b"):
        scores = read_predictions(record).scores
        np.testing.assert_allclose(scores, read_predictions(plain[record.hash]).scores, atol=1e-9)
        assert record.strand is not None and record.strand.value is not None
        assert (record.test_looks, record.flags) == (plain[record.hash].test_looks, plain[record.hash].flags)
        if record.spec.model == "length":
            assert record.strand.value == 0


def test_what_was_done_without_the_check_is_done_again_with_it_and_not_the_other_way(toy: Task, tmp_path: Path) -> None:
    model = card(False, "from_scratch")
    assert run(toy, [model], tmp_path, check_strand=False)[0].strand is None
    checked = run(toy, [model], tmp_path)[0]
    assert checked.strand is not None
    assert run(toy, [model], tmp_path, check_strand=False)[0] == checked == read_records(tmp_path)[0]


def test_values_and_labels_have_measures_of_their_own(toy: Task) -> None:
    test = load_split(toy).test
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1, len(test), 2))
    value = change_between(test.ids, test.clusters, a, b, (0,), kind="regression")
    want = np.mean([np.abs(a - b)[0, :, j].mean() / a[0, :, j].std() for j in range(2)])
    assert value.metric == "strand_change" and value.value == pytest.approx(want)
    assert value.low is not None and value.high is not None and value.low < want < value.high
    labels = change_between(test.ids, test.clusters, a, b, (0,), kind="multilabel")
    assert labels.value == pytest.approx(((a > 0.5) != (b > 0.5)).mean())
    assert (
        change_between(test.ids, test.clusters, a * 0, b, (0,), kind="regression").reason == "all predictions are equal"
    )
    assert (
        change_between(test.ids, test.clusters, a, b * np.nan, (0,), kind="regression").reason
        == "a score is not finite"
    )


def test_a_base_is_the_same_base_on_the_other_strand() -> None:
    one = strings(["a"])
    sites = Inputs(strings(["ACGGT"]), positions=np.array([1]), span=2)
    other = with_other_strand(Examples(one, sites, np.array([0]), one, one)).inputs
    assert list(other.sequences) == ["ACGGT", "ACCGT"] and other.per_base and other.span == 2
    assert other.positions is not None and other.positions.tolist() == [1, 2]


def test_modes_that_do_not_train_say_that_there_is_no_measure(toy: Task, tmp_path: Path) -> None:
    zero_shot = replace(toy, zero_shot=("likelihood",))
    assert run(zero_shot, [find_model("markov")], tmp_path, check_strand=False)[0].strand is None
    assert run(zero_shot, [find_model("markov")], tmp_path)[0].strand is None, "nothing to run again for"
    record = run(zero_shot, [find_model("markov")], tmp_path / "anew")[0]
    assert record.strand is not None and record.strand.reason == "not measured in mode zero_shot"


def test_show_csv_and_markdown_have_the_change(toy_card: Path, tmp_path: Path) -> None:
    arguments = ["run", "--task", str(toy_card), "--model", "onehot_linear", "--mode", "from_scratch", "--no-audit"]
    arguments += ["--quiet", "--tracking-uri", "none", "--seeds", "0,1", "--results", str(tmp_path), "--check-strand"]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    (record,) = read_records(tmp_path)
    assert record.strand is not None and record.strand.value is not None
    shown = CliRunner().invoke(cli, ["show", str(record.path)]).stdout
    assert f"strand_flips  {record.strand.value:.4f}" in shown
    table = build_leaderboard(tmp_path)
    assert "strand_metric,strand,strand_low,strand_high" in to_csv(table) and "strand_flips" in to_csv(table)
    assert f"share called otherwise | {record.strand.value:.3f}" in to_markdown(table)
