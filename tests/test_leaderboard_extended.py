"""What a third party adds to a leaderboard with a decorated function: a metric, a leading column, a CSV field."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.errors import UnknownName
from baserate.leaderboard import FIELDS, build_leaderboard, column, field, print_leaderboard, to_csv, to_markdown
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.fields import Line
from baserate.leaderboard.table import Row
from baserate.metrics import METRICS, Kernel, mean, metric, parse
from baserate.records import Record, write_record
from baserate.registry import Registry
from baserate.results import Predictions, RunSpec
from baserate.statistics import estimate
from baserate.types import strings

TRUTH = np.random.default_rng(0).integers(2, size=200)


def predictions(skill: float) -> Predictions:
    noise = np.random.default_rng([1, int(10 * skill)]).normal(size=200)
    p = 1 / (1 + np.exp(-(skill * (2 * TRUTH - 1) + noise)))
    ids, clusters = strings([f"x{i}" for i in range(200)]), strings([f"g{i // 4}" for i in range(200)])
    return Predictions(ids, TRUTH, clusters, {}, np.stack([1 - p, p], axis=1)[None], (0,))


def put(results: Path, model: str, skill: float, metrics: tuple[str, ...], **more: Any) -> None:
    spec = RunSpec("toy@1", "d", "s", model, {}, "r", "from_scratch", {}, (0,), 0.9)
    about = {"id": "toy@1", "metrics": list(metrics), "description": "A toy."}
    p = predictions(skill)
    estimates = tuple(estimate(p, m) for m in metrics)
    write_record(results, Record(spec, "done", about, {"name": model, **more}, estimates), p)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    put(tmp_path, "lm", 1.0, ("mcc",))
    put(tmp_path, "floor", 0.3, ("mcc",), baseline=True)
    return tmp_path


def trusted(targets: Any, scores: Any, cluster: Any, n_clusters: int) -> Kernel:
    """Return the kernel of the mean probability of the true class."""
    return mean(scores[np.arange(len(targets)), targets], cluster, n_clusters)


def no_trust(targets: Any, scores: Any) -> str:
    return "nothing is trusted" if (scores.max(axis=1) < 0.5).any() else ""


def test_a_metric_of_a_third_party_has_an_interval_a_gain_and_a_place_in_the_table(tmp_path: Path) -> None:
    with Registry.temporarily():
        metric(
            "trust",
            label="Trust",
            better="higher",
            needs="probabilities",
            definition="mean probability of the true class",
        )(trusted)
        p = predictions(1.0)
        got = estimate(p, "trust")
        assert got.value == pytest.approx(p.scores[0][np.arange(200), TRUTH].mean(), abs=1e-12)
        assert got.low is not None and got.high is not None and got.low < got.value < got.high
        put(tmp_path, "lm", 1.0, ("trust", "mcc"))
        put(tmp_path, "floor", 0.3, ("trust", "mcc"), baseline=True)
        table = build_leaderboard(tmp_path)
        (cell,) = [c for c in table.cells if c.row.startswith("lm")]
        assert cell.rank == 1 and cell.gain is not None and cell.gain.verdict == "preliminary"
        assert "toy<br>Trust ↑" in to_markdown(table) and "- Trust: mean probability of the true" in to_markdown(table)
    with pytest.raises(UnknownName, match="metric 'trust'"):
        parse("trust")


def test_a_metric_declares_where_it_does_not_exist() -> None:
    y, p = np.array([1, 1, 1]), np.array([[0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    about: dict[str, Any] = {"label": "T", "better": "higher", "needs": "classes", "definition": "Trust."}
    with Registry.temporarily():
        metric("strict", **about)(trusted)
        metric("lenient", **about, must_vary="never", no_value=no_trust)(trusted)
        assert METRICS.get("strict").undefined(y, p) == "the targets hold only one class"
        assert METRICS.get("lenient").undefined(y, p) == ""
        assert METRICS.get("lenient").undefined(y, p / 2) == "nothing is trusted"


def n_scores(row: Row, table: Leaderboard) -> str:
    return f"{sum(table.cell(row, c).value is not None for c in table.columns)} of\n{len(table.columns)} | tasks"


def test_a_column_of_a_third_party_follows_the_built_in_ones_in_markdown_and_on_the_terminal(results: Path) -> None:
    from rich.console import Console

    table = build_leaderboard(results)
    with Registry.temporarily():
        column("Scores")(n_scores)
        markdown, out = to_markdown(table), io.StringIO()
        print_leaderboard(table, Console(file=out, width=120))
    assert "| Model | Scores | toy<br>MCC ↑ |\n|:--|:--|--:|" in markdown
    assert "| lm<br><sub>random weights, trained</sub> | 1 of<br><sub>1 \\| tasks</sub> | **" in markdown
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "Model Mode Scores MCC ↑" in lines and any("1 | tasks" in line for line in lines)
    assert "Scores" not in to_markdown(table)


def width(line: Line) -> float | None:
    e = line.estimate
    return e.high - e.low if e and e.high is not None and e.low is not None else None


def test_a_field_of_a_third_party_follows_the_built_in_ones_in_the_csv_and_the_frame(results: Path) -> None:
    table = build_leaderboard(results)
    with Registry.temporarily():
        field("width", float)(width)
        text, frame = to_csv(table), table.to_frame()
    head, *lines = csv.reader(io.StringIO(text))
    assert head[-2:] == ["strand_high", "width"] and all(float(line[-1]) > 0 for line in lines)
    assert list(frame.columns) == head and frame["width"].dtype == float
    assert "width" not in FIELDS.all() and "width" not in to_csv(table)


CODE = """
from baserate.metrics import mean, metric

@metric("trust", label="Trust", better="higher", needs="classes", definition="Trust.")
def trust(targets, scores, cluster, n_clusters):
    return mean({}, cluster, n_clusters)
"""


def load(file: Path) -> None:
    spec = importlib.util.spec_from_file_location("trust", file)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_what_was_computed_with_a_third_partys_code_is_computed_again_where_that_has_changed(tmp_path: Path) -> None:
    values = []
    for formula in ("scores[:, 1] * targets", "scores[:, 1] * targets * 10.0"):
        (tmp_path / "trust.py").write_text(CODE.format(formula))
        with Registry.temporarily():
            load(tmp_path / "trust.py")
            put(tmp_path / "results", "lm", 1.0, ("trust",))
            put(tmp_path / "results", "floor", 0.3, ("trust",), baseline=True)
            (cell,) = [c for c in build_leaderboard(tmp_path / "results").cells if c.row.startswith("lm")]
            assert cell.gain is not None and cell.gain.low is not None
            values.append(cell.gain.low)
    assert values[1] == pytest.approx(10 * values[0])
