"""Rare positives: metrics at a share and at so many false positives, against scikit-learn; tables, turns, a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.cards.suite import load_suite
from baserate.errors import MissingExtra
from baserate.leaderboard import to_markdown, write_leaderboard
from baserate.leaderboard.rarity import RARITY
from baserate.metrics import METRICS
from baserate.metrics.rare import PERCENTS, at_share, share_of
from baserate.splits import load_split
from baserate.types import Examples, FloatArray, Inputs, ModelCard

RNG = np.random.default_rng(11)


def value(metric: str, targets: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    w = np.ones((1, len(targets)), np.int64) if weights is None else weights[None, :]
    return float(METRICS.get(metric)(targets, scores[:, None], w)[0])


@pytest.mark.parametrize("percent", PERCENTS)
def test_at_a_share_it_is_the_average_precision_of_weighted_negatives(percent: str) -> None:
    from sklearn.metrics import average_precision_score

    share = float(percent) / 100
    targets = (RNG.random(500) < 0.1).astype(np.int64)
    scores = np.round(RNG.normal(targets, 1), 1)  # with ties
    for weights in (np.ones(500, np.int64), RNG.integers(0, 3, 500)):
        positives, negatives = weights[targets == 1].sum(), weights[targets == 0].sum()
        w = np.where(targets == 1, 1.0, (1 - share) / share * positives / negatives) * weights
        expected = average_precision_score(targets, scores, sample_weight=w)
        assert value(at_share(percent), targets, scores, weights) == pytest.approx(expected, rel=1e-12)
    assert share_of(at_share(percent)) == share and share_of("auprc") is None


def test_it_is_what_drawing_negatives_gives_on_average() -> None:
    from sklearn.metrics import average_precision_score

    targets = np.r_[np.ones(200, np.int64), np.zeros(40_000, np.int64)]
    scores = RNG.normal(targets * 2.0, 1)
    drawn = []
    for _ in range(200):
        rows = np.r_[np.arange(200), 200 + RNG.choice(40_000, 200 * 9, replace=False)]
        drawn.append(average_precision_score(targets[rows], scores[rows]))
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert value("auprc_at_10", targets, scores) == pytest.approx(np.mean(drawn), abs=4 * error + 5e-4)


def test_recall_stops_at_the_false_positives_allowed() -> None:
    n = 100_000
    targets = np.zeros(n, np.int64)
    scores = np.arange(n, 0, -1).astype(float)
    targets[[0, 1, 3, 10, 5000]] = 1  # false positives before each: 0, 0, 1, 7, 4996
    assert [value(f"recall_at_{k}_per_mb", targets, scores) for k in (10, 100, 1000)] == [0.6, 0.8, 0.8]
    tied = np.where(np.arange(n) < 20, 1.0, 0.0)
    assert value("recall_at_100_per_mb", targets, tied) == 0.0, "a run of equal scores is called as a whole"
    assert value("recall_at_1000_per_mb", targets, tied) == 0.8
    assert np.isnan(value("recall_at_10_per_mb", np.zeros(5, np.int64), np.arange(5.0)))


def test_what_too_few_examples_cannot_tell_has_no_value() -> None:
    targets, scores = np.array([1] * 10 + [0] * 970), np.zeros((980, 1))
    assert METRICS.get("auprc_at_10").undefined(targets, scores) == ""
    few = METRICS.get("auprc_at_2").undefined(targets, scores)
    assert few == "970 negatives are too few for a share of 2 %: 980 are needed"
    labels = np.stack([targets, 1 - targets], axis=1)
    assert "10 negatives are too few" in METRICS.get("auprc_at_50").undefined(labels, np.zeros((980, 2)))
    rare = METRICS.get("recall_at_1000_per_mb")
    assert rare.undefined(targets, scores) == "980 examples are too few for 1,000 per Mb: 20,000 are needed"
    assert not rare.undefined(np.r_[targets, [0] * 19_020], np.zeros((20_000, 1)))


class Ranks:
    """A model whose scores of sites and of others are drawn, `sites` of which lie above nearly all others."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Ranks:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        rng = np.random.default_rng(4)
        site = np.array(["TATAAA" in s for s in inputs.sequences])
        if self.kind == "broad":  # ranks every site high, with some others among them
            scores = np.where(site, rng.uniform(0.5, 1, len(site)), rng.random(len(site)) ** 3)
        else:  # is certain of a third of them, and knows nothing of the rest
            sure = site & (rng.random(len(site)) < 0.34)
            scores = np.where(sure, rng.uniform(0.9, 1, len(site)), rng.uniform(0, 0.6, len(site)))
        return np.stack([1 - scores, scores], axis=1)


def card(kind: str) -> ModelCard:
    def load() -> Any:
        return Ranks(kind)

    modes: dict[str, dict[str, Any]] = {"from_scratch": {}}
    return ModelCard(kind, load, modes, {}, "d", revision=lambda: kind, baseline=kind == "broad")


@pytest.fixture
def rare_card(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    lines = ["id,seq,label,gene,part"]
    for i in range(3000):
        sequence = "".join(rng.choice(list("ACG"), size=20))
        label = int(i % 5 == 0)
        sequence = sequence[:7] + "TATAAA" + sequence[13:] if label else sequence
        part = "train" if i < 300 else "valid" if i < 400 else "test"
        lines.append(f"x{i},{sequence},{('other', 'site')[label]},g{i // 10},{part}")
    (tmp_path / "rare.csv").write_text("\n".join(lines) + "\n")
    metrics = ", ".join(f'"{at_share(p)}"' for p in ("2", "0.2", "10", "50"))
    (tmp_path / "rare.toml").write_text(
        f"""
name = "rare"
kind = "classification"
classes = ["other", "site"]
metrics = [{metrics}]
description = "Random 20-mers, a fifth of them with TATAAA."
citation = "none"
licence = "CC0-1.0"
species = ["none"]
assembly = ["none"]

[source]
table = "rare.csv"
sequence = "seq"
id = "id"
group = "gene"
strata = ["part"]

[split]
rule = "predefined"
column = "part"
"""
    )
    return tmp_path / "rare.toml"


def test_the_order_turns_where_positives_are_rare(rare_card: Path, tmp_path: Path) -> None:
    records = br.run(
        str(rare_card), [card("broad"), card("sure")], seeds=range(5), results=None, audit=False, progress=False
    )
    table = br.leaderboard(records)
    (curve,) = table.curves
    assert (curve.axis, curve.n_train) == (RARITY, (20, 200, 1000, 5000))
    rare = records[0].estimate("auprc_at_0.2")
    assert (
        rare
        and rare.value is None
        and rare.reason == "2,080 negatives are too few for a share of 0.2 %: 9,980 are needed"
    )
    scores = {r.spec.model: {e.metric: e.value or 0.0 for e in r.estimates} for r in records}
    broad, sure = scores["broad"], scores["sure"]
    assert broad["auprc_at_50"] > sure["auprc_at_50"] and broad["auprc_at_2"] < sure["auprc_at_2"]
    last = next(turn for turn in table.turns if turn.second == "auprc_at_2")
    assert last.sure and (last.metric, last.column) == ("auprc_at_50", table.columns[0].name)
    assert abs(last.gain.value) == pytest.approx(broad["auprc_at_50"] - sure["auprc_at_50"])
    assert abs(last.second_gain.value) == pytest.approx(sure["auprc_at_2"] - broad["auprc_at_2"])
    text = to_markdown(table)
    assert "## Score by how rare positives are: rare@1" in text
    assert "| 20 | 200 | 1,000 | 5,000 |" in text and "AUPRC at 50 % " in text
    assert any(file.name == "curves.png" for file in write_leaderboard(table, tmp_path / "out"))


def test_rows_in_one_order_do_not_turn(rare_card: Path) -> None:
    records = br.run(
        str(rare_card), [card("broad"), "gc_content"], seeds=range(5), results=None, audit=False, progress=False
    )
    table = br.leaderboard(records)
    assert not [turn for turn in table.turns if turn.sure] and "- none" in to_markdown(table)


def test_whole_genes_have_every_base_once_and_sites_where_exons_end() -> None:
    try:
        split = load_split(br.get_task("human_splice_genes"))
    except MissingExtra as reason:
        pytest.skip(str(reason))
    test = split.test
    assert {part: len(examples) for part, examples in split} == {"train": 71_200, "valid": 13_200, "test": 201_615}
    assert len(set(test.groups)) == 32 and test.targets.sum(axis=0).tolist() == [183, 183]
    positions = test.inputs.positions
    assert positions is not None
    for kind, (low, high), expected in ((0, (-2, 0), "AG"), (1, (1, 3), "GT")):
        rows = np.flatnonzero(test.targets[:, kind])
        around = [str(test.inputs.sequences[i])[positions[i] + low : positions[i] + high] for i in rows]
        assert around.count(expected) == 183, expected
    first = np.flatnonzero(test.groups == test.groups[0])
    bases = "".join(str(test.inputs.sequences[i])[positions[i]] for i in first)
    numbers = [int(str(name).rpartition(":")[2]) for name in test.ids[first]]
    assert numbers == list(range(len(bases))) and set(bases) <= set("ACGT")


def test_the_suite_asks_it_of_whole_genes() -> None:
    suite = load_suite("sparse", models=["baserate_mlm"])
    assert {cell.task.name for cell in suite.cells} == {"human_splice_genes"}
    assert {cell.card.name for cell in suite.cells if cell.mode == "linear_probe"} >= {"baserate_mlm"}
