"""What a grid will take: from like cells, from arithmetic without any, and what is missing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import baserate as br
from baserate.cluster.forecast import Machines, forecast, missing
from baserate.cluster.measure import seconds_per_sequence
from baserate.cluster.selection import Selection
from baserate.costs import Costs, Past, history, with_published
from baserate.plan import Protocol
from baserate.registry import MODELS
from baserate.types import ModelCard

PUBLISHED = Path(__file__).parent.parent / "results/published/quickstart"


def left_out() -> list[tuple[float, float]]:
    """Return what each cell of the published quickstart took, and what the other ones of it let expect."""
    past = history([PUBLISHED])
    cells = {(c.task.id, c.card.name, c.mode): c for c in Selection(suite="quickstart").planned().cells}
    return [
        (one.seconds, Costs(past[:i] + past[i + 1 :]).of(cells[one.task, one.model, one.mode], Protocol()).seconds or 0)
        for i, one in enumerate(past)
    ]


def test_the_quickstart_is_expected_from_its_other_cells() -> None:
    pairs = left_out()
    near = [max(took / expected, expected / took) <= 2 for took, expected in pairs]
    or_a_second = [ok or abs(took - expected) <= 1 for ok, (took, expected) in zip(near, pairs, strict=True)]
    # docs/scale.md states these.
    assert (len(pairs), sum(near), sum(or_a_second)) == (57, 38, 47)
    of_a_second = [ok for ok, (took, _) in zip(near, pairs, strict=True) if took >= 1]
    assert (len(of_a_second), sum(of_a_second)) == (31, 25)


def test_like_cells_count_for_their_examples_and_seeds() -> None:
    (cell,) = Selection(tasks=("yeast_coding",), models=("kmer_logreg",)).planned().cells
    n = sum(cell.task.sizes.values())
    past = [Past(cell.task.id, "kmer_logreg", "from_scratch", 1, 5, n, 100.0, 700.0)]
    costs = Costs(past)
    five, one = (costs.of(cell, Protocol(seeds=tuple(range(k)))) for k in (5, 1))
    assert five.seconds and one.seconds and math.isclose(five.seconds, 100, rel_tol=0.01)
    assert math.isclose(one.seconds, 20, rel_tol=0.01) and five.memory_mb == 700
    tuned = costs.of(replace(cell, budget=8), Protocol(seeds=(0, 1, 2, 3, 4)))
    assert tuned.seconds and math.isclose(tuned.seconds, 100 * 13 / 5, rel_tol=0.01)


def test_a_cell_that_ran_before_is_expected_to_take_what_it_took() -> None:
    (cell,) = Selection(tasks=("yeast_coding",), models=("kmer_logreg",)).planned().cells
    past = [
        Past(cell.task.id, "kmer_logreg", "from_scratch", 1, 5, 1000, took, 700.0, "{}")
        for took in (80.0, 100.0, 900.0)
    ]
    others = [Past(task, "kmer_logreg", "from_scratch", 1, 5, 1000, 1.0, 700.0, "{}") for task in ("a@1", "b@1", "c@1")]
    n = sum(cell.task.sizes.values())
    cost = Costs([*past, *others]).of(cell, Protocol())
    assert cost.seconds and math.isclose(cost.seconds, 100 * n / 1000, rel_tol=0.01), "the median of its own"
    assert cost.source == "the same cell before"
    tuned = Costs([*past, *others]).of(replace(cell, budget=8), Protocol())
    assert tuned.source == "like cells"
    of_other_settings = Costs([replace(one, settings='{"layer":3}') for one in past]).of(cell, Protocol())
    assert of_other_settings.source == "like cells"


def test_a_machine_without_records_goes_by_what_the_published_cells_took(tmp_path: Path) -> None:
    cells = {str(cell): cell for cell in Selection(suite="quickstart").planned().cells}
    fresh = Costs(with_published([]))
    assert {fresh.of(cell, Protocol()).source for cell in cells.values()} == {"the same cell as published"}
    assert {one.model for one in with_published([])} <= set(MODELS.all())
    shown = {str(cell): cell.cost for cell in forecast(Selection(suite="quickstart"), tmp_path).cells}
    assert shown == {name: fresh.of(cell, Protocol()) for name, cell in cells.items()}
    # A machine on which the CNN took thrice as long takes thrice as long for the others.
    own = [replace(one, seconds=3 * one.seconds, published=False) for one in with_published([]) if one.model == "cnn"]
    slow = Costs(with_published(own))
    for name, cell in cells.items():
        before, now = (costs.of(cell, Protocol()) for costs in (fresh, slow))
        assert now.source == ("the same cell before" if cell.card.name == "cnn" else "the same cell as published")
        if before.seconds and before.seconds > 5:
            assert 2 < (now.seconds or 0) / before.seconds < 4, name
    on_gpu = Costs(with_published([], gpus=True), gpus=True)
    sources = {cell.card.name: on_gpu.of(cell, Protocol()).source for cell in cells.values()}
    assert "arithmetic" in sources["baserate_mlm"] and sources["kmer_logreg"] == "the same cell as published"
    (other,) = Selection(tasks=("gue.mouse_1",), models=("kmer_logreg",)).planned().cells
    assert fresh.of(other, Protocol()).source == "like cells of other tasks as published"


def test_a_trial_on_few_examples_counts_for_these(tmp_path: Path) -> None:
    br.run("yeast_coding.small", "gc_content", limit=40, results=tmp_path, progress=False, audit=False)
    (past,) = history([tmp_path])
    assert past.n == 120 and past.settings == "{}"
    found = Selection(tasks=("yeast_coding.small",), models=("gc_content",), modes=("from_scratch",))
    (cell,) = found.planned().cells
    whole, trial = (
        Costs([replace(past, seconds=10.0)]).of(cell, Protocol(limit=limit)).seconds or 0 for limit in (0, 40)
    )
    assert whole > 5 * trial


def test_without_records_a_network_has_its_arithmetic_and_says_so() -> None:
    found = Selection(tasks=("yeast_coding.small",), models=("baserate_mlm",), modes=("fine_tune", "linear_probe"))
    tuned, probed = (Costs().of(cell, Protocol()) for cell in sorted(found.planned().cells, key=lambda c: c.mode))
    assert tuned.seconds and probed.seconds and tuned.seconds > 10 * probed.seconds
    assert "arithmetic at 20 GFLOP/s" in probed.source and probed.gpu and probed.tokens is None
    assert (Costs(gpus=True).of(found.planned().cells[0], Protocol()).seconds or 0) < probed.seconds


def test_tokens_are_counted_once_the_data_are_read(toy_card: Path, tmp_path: Path) -> None:
    selection = Selection(tasks=(str(toy_card),), models=("baserate_mlm", "length"), modes=("linear_probe",))
    unread, read = (forecast(selection, tmp_path, machines=Machines(), read_data=read) for read in (False, True))
    assert unread.cells[0].cost.tokens is None and read.cells[0].cost.tokens == 50 * 240


def test_a_network_without_records_is_measured_where_that_is_asked_for(toy_card: Path, tmp_path: Path) -> None:
    selection = Selection(tasks=(str(toy_card),), models=("baserate_mlm",), modes=("linear_probe", "zero_shot"))
    found = forecast(selection, tmp_path, machines=Machines(), measure=True)
    assert found.cells and all(cell.cost.source.startswith("one measured batch: ") for cell in found.cells)
    assert all(5 < (cell.cost.seconds or 0) < 600 and cell.cost.tokens == 50 * 240 for cell in found.cells)
    nothing = ModelCard("broken", lambda: 1 / 0, {"linear_probe": {}}, {}, "d", revision=str)
    assert seconds_per_sequence(nothing, [50.0]) == {}


def test_what_is_done_is_not_missing(toy_card: Path, tmp_path: Path) -> None:
    br.run([toy_card], ["length", "gc_content"], results=tmp_path, seeds=[0], audit=False)
    selection = Selection(tasks=(str(toy_card),), models=("length", "gc_content", "cnn"), seeds=(0,))
    found = forecast(selection, tmp_path, machines=Machines())
    assert [cell.card.name for cell in found.cells if cell.mode == "from_scratch"] == ["cnn"]
    other = forecast(replace(selection, seeds=(1,)), tmp_path, machines=Machines())
    assert {cell.card.name for cell in other.cells} == {"length", "gc_content", "cnn"}
    (tmp_path / "toy_motif@1").rename(tmp_path / "x")
    broken = next((tmp_path / "x").glob("length*/record.json"))
    broken.write_text("{")
    planned = selection.planned()
    assert {c.card.name for c in missing(planned.cells, selection.protocol(planned), tmp_path)} >= {"length", "cnn"}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from baserate.cli import main; sys.argv[0] = 'baserate'; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_a_plan_shows_each_cell_totals_and_what_cannot_fit(toy_card: Path, tmp_path: Path) -> None:
    what = ["--task", toy_card, "--model", "length", "--model", "cnn", "--results", tmp_path / "r"]
    done = run("plan", *what, "--gpus", 2, "--price", "cpu=0.1,gpu=2", "--json", "--cells", tmp_path / "cells.json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["missing"] == len(shown["cells"]) and shown["done_before"] == 0 and shown["bundles"] == 2
    assert {row["device"] for row in shown["cells"]} == {"cpu", "gpu"}
    assert all(row["seconds"] > 0 and row["memory_mb"] > 0 and row["price"] > 0 for row in shown["cells"])
    assert sum(total["cells"] for total in shown["totals"].values()) == shown["missing"]
    assert not (tmp_path / "r").exists() and (tmp_path / "cells.json").exists()
    small = run("plan", *what, "--memory", "0.1", "--gpus", 0)
    assert small.returncode == 1 and "cannot fit: toy_motif@1 · cnn · from_scratch: needs about 0.7 GiB" in small.stderr
    dry = run("run", *what, "--dry-run")
    assert dry.returncode == 0 and "cells are missing, 0 are done before" in dry.stdout
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("price", ["gpu", "gpu=x", "tpu=1", "cpu=-1", "cpu=inf"])
def test_a_price_is_a_number_per_kind(toy_card: Path, price: str) -> None:
    done = run("plan", "--task", toy_card, "--model", "length", "--price", price)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and price in done.stderr
