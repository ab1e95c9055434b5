"""Who declares a transform: cards, variants and new cards; what audits, records and leaderboards say of it."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden_inputs import split_of, task_of
from scipy.stats import spearmanr

import baserate as br
from baserate.audit import audit
from baserate.audit.card import card_text
from baserate.cards.find import find_task
from baserate.cards.task import task_card
from baserate.cards.variant import variant
from baserate.errors import ConfigError, DataError
from baserate.leaderboard import to_markdown
from baserate.new_task import Choices, NewTask, new_task
from baserate.records import read_record, task_snapshot
from baserate.splits import RULES, load_split
from baserate.splits.check_targets import check_learnable, check_targets
from baserate.transforms import TRANSFORMS
from baserate.types import Examples, FloatArray, Inputs, Split, Task

CARD_TEXT = """
name = "heavy"
kind = "{kind}"
classes = [{classes}]
{key}
description = "d"
[source]
table = "t.csv"
sequence = "seq"
target = "y"
group = "g"
strata = ["part"]
[split]
rule = "predefined"
column = "part"
"""


def dna(rng: np.random.Generator, n: int, length: int) -> list[str]:
    return ["".join(s) for s in rng.choice(list("ACGT"), (n, length))]


def heavy(n: int = 1500, sigma: float = 1.6) -> pd.DataFrame:
    """Return planted activities: what GC content and a few words add up to, raised to the power of e."""
    rng = np.random.default_rng(3)
    sequences = dna(rng, n, 80)
    count = np.array([[s.count("G") + s.count("C"), s.count("TA"), s.count("ACG"), s.count("GGA")] for s in sequences])
    z = ((count - count.mean(axis=0)) / count.std(axis=0)) @ [0.4, 0.5, -0.6, 0.6]
    y = np.exp(sigma * (z + rng.normal(size=n)))
    part = np.array(["train"] * n)
    part[rng.permutation(n)[: n // 4]] = "valid"
    part[rng.permutation(n)[: n // 3]] = "test"
    return pd.DataFrame({"seq": sequences, "y": np.round(y, 4), "g": [f"g{i}" for i in range(n)], "part": part})


def card(folder: Path, key: str = "", *, frame: pd.DataFrame | None = None, kind: str = "regression") -> Path:
    table = heavy(90) if frame is None else frame
    table.to_csv(folder / "t.csv", index=False)
    classes = '"a", "b"' if kind == "classification" else ""
    (folder / "heavy.toml").write_text(CARD_TEXT.format(kind=kind, key=key, classes=classes))
    return folder / "heavy.toml"


def test_ranks_find_in_a_heavy_tail_what_squared_error_does_not(tmp_path: Path) -> None:
    made = card(tmp_path, frame=heavy())
    found = {}
    for name in TRANSFORMS:
        task = find_task(str(made)) if name == "none" else find_task(f"{made}(transform={name!r})")
        record = br.evaluate(task, "kmer_logreg", mode="from_scratch", results=tmp_path / "r")
        found[name] = {e.metric: e.value for e in record.estimates}
        assert record.task["transform"] == name
        stored = record.predictions
        assert spearmanr(stored.scores[0, :, 0], stored.targets)[0] == pytest.approx(record.estimates[0].per_seed[0])
        assert stored.scores.max() <= heavy()["y"].max() * 1.001, "on the measured scale"
    assert found["rank"]["spearman"] > found["none"]["spearman"] + 0.08, found
    assert found["log"]["spearman"] > found["none"]["spearman"] + 0.08, found
    assert found["rank"]["r2"] < found["rank"]["spearman"], "the middle is predicted, not the mean"


def test_the_record_tells_the_transform_and_the_board_sets_columns_apart(tmp_path: Path) -> None:
    made = card(tmp_path)
    results = tmp_path / "r"
    none = br.evaluate(find_task(str(made)), "gc_content", mode="from_scratch", results=results)
    card(tmp_path, 'transform = "rank"')  # edited, without a new version
    ranked = br.evaluate(find_task(str(made)), "gc_content", mode="from_scratch", results=results)
    assert ranked.hash != none.hash and read_record(ranked.path).task["transform"] == "rank"  # type: ignore[arg-type]
    table = br.leaderboard(results)
    assert {c.name for c in table.columns} == {"heavy@1 (transform none)", "heavy@1 (transform rank 1)"}
    assert len(table.rows) == 1
    assert to_markdown(table).count("d Learnt: the rank of the measurements.") == 1
    assert {c.status for c in table.cells} == {"done"}


READS = (
    Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).parents[2] / "shared/data")) / "korf_eie/eie.dm.txt.gz"
)


@pytest.mark.skipif(not READS.is_file(), reason="reads across introns of Drosophila are not on this machine")
def test_reads_across_real_introns_are_learnt_by_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with gzip.open(READS, "rt") as file:
        fields = [line.split() for line in file]
    rows = [fields[i] for i in np.random.default_rng(0).permutation(len(fields))[:3000]]
    table = pd.DataFrame([("".join(row[:3]), row[4], row[3]) for row in rows], columns=["sequence", "gene", "reads"])
    table.drop_duplicates("sequence").to_csv("introns.csv", index=False)
    assert new_task("introns.csv").task.transform == "rank"
    found = {}
    for name in ("none", "rank"):
        for model in ("gc_content", "kmer_logreg(max_k=4)", "kmer_xgboost(max_k=3)"):
            task = find_task(f"introns.toml(transform={name!r})")
            record = br.evaluate(task, model, mode="from_scratch", seeds=(0,), audit=False)
            found[name, model.partition("(")[0]] = record.estimates[0].value
    assert found["rank", "kmer_logreg"] > found["none", "kmer_logreg"] + 0.03, found
    assert found["rank", "kmer_xgboost"] > found["none", "kmer_xgboost"] + 0.05, found
    assert found["none", "kmer_logreg"] < found["none", "gc_content"] + 0.02, found
    assert found["rank", "kmer_logreg"] > found["rank", "gc_content"] + 0.02, found


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ('transform = "ranks"', "regression", r"transform = 'ranks'; did you mean 'rank'\?"),
        ('transform = "sqrt"', "regression", "transform = 'sqrt'; one of none, log, rank"),
        (
            'transform = "rank"',
            "classification",
            "is for measurements; a task of kind 'classification' has none",
        ),
        ("transform = true", "regression", "transform = True; expected text in quotes"),
        ('transfrom = "rank"', "regression", "unknown key 'transfrom'.*did you mean 'transform'"),
    ],
)
def test_a_card_is_refused_that_asks_for_another_transform(tmp_path: Path, key: str, kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_card(card(tmp_path, key, kind=kind))


def test_a_card_and_a_variant_of_it(tmp_path: Path) -> None:
    task = task_card(card(tmp_path, 'transform = "log"'))
    assert task.transform == "log" and task_snapshot(task)["transform"] == "log"
    assert 'transform = "log"' in card_text(task, load_split(task), {"strata": ["part"]}, "", [])
    plain = variant(task, {"transform": "none"}, RULES)
    assert plain.id == "heavy(transform=none)@1" and plain.transform == "none" and plain.split == task.split
    few = variant(task, {"transform": "rank", "shots": 8}, RULES)
    assert few.transform == "rank" and "few_shot" in few.split_rule
    assert variant(task, {"shots": 8}, RULES).transform == "log"
    other = variant(task, {"split": "by_homology", "transform": "rank"}, RULES)
    assert other.transform == "rank" and "by_homology" in other.split_rule
    with pytest.raises(ConfigError, match="transform = 'rank'; the task has no training part"):
        variant(task, {"split": "all_test", "transform": "rank"}, RULES)
    with pytest.raises(ConfigError, match=r"transform = 'rnk'; did you mean 'rank'\?"):
        variant(task, {"transform": "rnk"}, RULES)
    with pytest.raises(ConfigError, match="a task of kind 'classification' has none"):
        variant(replace(task, kind="classification"), {"transform": "rank"}, RULES)


def test_a_logarithm_of_what_is_below_0_is_refused_with_the_row(tmp_path: Path) -> None:
    frame = heavy(90)
    frame.loc[frame.index[frame["part"] == "valid"][2], "y"] = -0.25
    task = task_card(card(tmp_path, 'transform = "log"', frame=frame))
    with pytest.raises(DataError, match=r"task heavy@1: valid: id '.*': .* one is -0\.25; transform = 'rank'"):
        load_split(task)
    found = audit(task, load_split(task, check=False))
    assert found.finding("tails").status != "FAIL" and found.finding("kmers").status == "NOTE"
    frame.loc[frame.index[frame["part"] == "train"][0], "y"] = -0.5
    task = task_card(card(tmp_path, 'transform = "log"', frame=frame))
    assert audit(task, load_split(task, check=False)).finding("tails").status == "FAIL"


def test_a_task_in_python_is_checked_when_it_is_read() -> None:
    split = split_of("two classes")
    with pytest.raises(DataError, match="transform = 'rank' of a classification task; expected one of none, log, rank"):
        check_targets(replace(task_of("two classes"), transform="rank"), split.train)
    unknown: Any = "sqrt"
    with pytest.raises(DataError, match="transform = 'sqrt' of a regression task"):
        check_targets(replace(task_of("measurement"), transform=unknown), split_of("measurement").train)
    check_learnable(replace(task_of("measurement"), transform="rank"), split_of("measurement"))


def findings(y: FloatArray, transform: Any = "none") -> tuple[Any, Any]:
    """Return what the audit finds of tails and of piles among 600 measurements, in a task with this transform."""
    sequences = np.array(dna(np.random.default_rng(1), len(y), 30), object)
    ids = np.array([f"x{i}" for i in range(len(y))], object)
    every = Examples(ids, Inputs(sequences), y, ids, ids)
    parts = Split(*(every.take(slice(*at)) for at in ((0, 400), (400, 450), (450, len(y)))))
    found = audit(task(transform), parts)
    return found.finding("tails"), found.finding("censored")


def task(transform: Any) -> Task:
    return replace(task_of("measurement"), transform=transform)


NORMAL = np.random.default_rng(4).normal(size=600)


def test_an_audit_warns_of_tails_that_squared_error_learns_alone() -> None:
    tails, _ = findings(NORMAL)
    assert tails.status == "PASS" and tails.numbers["learnt"]["skew"] == pytest.approx(0, abs=0.4)
    tails, _ = findings(np.exp(2 * NORMAL))
    assert tails.status == "WARN" and "write transform = 'rank' or 'log'" in tails.summary
    tails, _ = findings(np.sinh(3 * NORMAL))
    assert tails.status == "WARN" and tails.summary.endswith("write transform = 'rank'")
    for name in ("log", "rank"):
        assert findings(np.exp(2 * NORMAL), name)[0].status == "PASS"
    tails, _ = findings(np.exp(np.exp(2 * NORMAL).clip(0, 60)), "log")
    assert tails.status == "WARN" and "after transform = 'log'" in tails.summary


@pytest.mark.parametrize("end", ["lowest", "highest"])
def test_an_audit_warns_of_a_pile_of_equal_measurements_at_an_end(end: str) -> None:
    sign = 1 if end == "lowest" else -1
    for limit, status in ((-5.0, "PASS"), (-1.0, "WARN"), (0.0, "WARN")):
        censored = findings(sign * NORMAL.clip(limit, None))[1]
        assert censored.status == status, limit
    assert f"have the {end} measurement" in censored.summary and censored.numbers["piles"][0]["end"] == end
    assert findings(np.round(NORMAL, 1))[1].status == "PASS", "rounded"
    assert findings(np.random.default_rng(0).poisson(0.6, 600).astype(float))[1].status == "PASS", "counts of a few"
    assert findings(np.random.default_rng(0).poisson(4, 600).astype(float))[1].status == "PASS", "counts"
    both = findings(NORMAL.clip(-1, 1))[1]
    assert both.status == "WARN" and len(both.numbers["piles"]) == 2


def test_new_task_proposes_ranks_of_heavy_tails_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def made(**columns: Any) -> NewTask:
        heavy(200).drop(columns=["y", "part"]).assign(**columns).to_csv("t.csv", index=False)
        return new_task("t.csv", Choices(targets=list(columns)), force=True)

    tailed, normal = np.exp(2 * NORMAL[:200]), NORMAL[:200]
    proposed = made(activity=tailed)
    assert proposed.task.transform == "rank" and 'transform = "rank"' in proposed.text
    reason = next(g.reason for g in proposed.guesses if g.key == "transform")
    assert reason.startswith("heavy tails: skew") and "'log' learns log(1 + y)" in reason
    assert made(activity=normal).task.transform == "none"
    several = made(activity=normal, other=np.sinh(3 * NORMAL[:200]))
    assert several.task.transform == "rank" and "'log'" not in several.text
