from __future__ import annotations

import importlib.metadata
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from baserate import audit
from baserate.cards.task import task_card
from baserate.errors import ConfigError, DataError, UnknownName
from baserate.evaluate import Worker
from baserate.executors import executor
from baserate.executors.executor import R
from baserate.modes import MODES
from baserate.modes.job import Job
from baserate.outcomes import Outcome, Result
from baserate.plan import Cell, Protocol, plan
from baserate.records import CannotWrite, read_predictions, read_records, write_record
from baserate.registry import Registry
from baserate.results import Estimate, Predictions
from baserate.run import Grid, run_cell
from baserate.splits import load_split
from baserate.statistics import estimate
from baserate.types import Examples, FloatArray, Inputs, ModelCard, Split, StrArray, Task


class CountsTata:
    """An embedder and trainable model that sees one thing: whether TATAAA is there."""

    def embed(self, sequences: StrArray) -> Any:
        return np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32)

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> CountsTata:
        self.bias = len(train) / 1000 + seed / 1e6
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.clip([0.1 + 0.8 * ("TATAAA" in s) + self.bias / 10 for s in inputs.sequences], 0, 1)
        return np.stack([1 - p, p], axis=1)


class Fails:
    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> None:
        raise RuntimeError("out of luck")


def card(name: str, load: Callable[[], Any], *modes: str) -> ModelCard:
    return ModelCard(name, load, {m: {} for m in modes}, {}, "d", revision=lambda: "r")  # type: ignore[misc]


GOOD = card("good", CountsTata, "from_scratch", "linear_probe", "zero_shot")
BAD = card("bad", Fails, "from_scratch")


@pytest.fixture
def toy(toy_card: Path) -> Task:
    return task_card(toy_card)


def grid_of(results: Path | None, **options: Any) -> Grid:
    """Return a grid that neither audits nor checks, and has the protocol's fields among its options."""
    protocol = {key: options.pop(key) for key in ("seeds", "limit") if key in options}
    return Grid(results, Protocol(**protocol), **{"audited": False, "checked": False, **options})


def run(task: Task, cards: list[ModelCard], results: Path, **options: Any) -> tuple[Outcome, list[str]]:
    """Return what became of all cells of a task, and of each in turn."""
    ended: list[str] = []
    grid = grid_of(results, finished=lambda result: ended.append(result.status), **options)
    return grid.run(plan([task], cards)), ended


class PrefersReference:
    """A model whose score of a variant is -1 for every A in ALT."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        assert inputs.alternates is not None
        return np.array([-float(alt.count("A")) for alt in inputs.alternates])


def test_zero_shot_cells_of_a_task_that_turns_its_direction_are_run_again(tmp_path: Path) -> None:
    """No identity has the direction in it, so a record of the other one would be taken for the right one."""
    rng = np.random.default_rng(0)
    rows = ["ref,alt,label"]
    for i in range(60):
        ref = "".join(rng.choice(list("ACGT"), 20))
        rows.append(f"{ref},{ref[:10]}{'CA'[i % 2]}{ref[11:]},{i % 2}" if ref[10] in "GT" else f"{ref},{ref}GA,1")
    (tmp_path / "v.csv").write_text("\n".join(rows) + "\n")
    model, found, ended = card("prefers", PrefersReference, "zero_shot"), {}, []
    for stated in ("", "deleterious = true\n", "deleterious = false\n", "deleterious = false\n"):
        (tmp_path / "v.toml").write_text(
            f'name = "v"\nkind = "classification"\nclasses = ["0", "1"]\nmetrics = ["auroc"]\n{stated}'
            '[source]\ntable = "v.csv"\nsequence = "ref"\nalternate = "alt"\n[split]\nrule = "all_test"\n'
        )
        ended += run(task_card(tmp_path / "v.toml"), [model], tmp_path / "r")[1]
        (record,) = read_records(tmp_path / "r")
        found[stated] = record.estimates[0].value
        assert record.task["deleterious"] == {"": None}.get(stated, "true" in stated)
    assert ended == ["done", "done", "done", "done_before"]
    assert found[""] == found["deleterious = false\n"] == pytest.approx(1 - found["deleterious = true\n"])


def test_good_failed_and_not_applicable_cells_are_all_records(toy: Task, tmp_path: Path) -> None:
    outcome, ended = run(toy, [BAD, GOOD], tmp_path)
    assert ended == ["failed", "done", "done", "not_applicable"]
    assert (outcome.done, outcome.not_applicable, len(outcome.failed)) == (2, 1, 1)
    by = {(r.spec.model, r.spec.mode): r for r in read_records(tmp_path)}
    assert "RuntimeError: out of luck" in by["bad", "from_scratch"].error
    assert (
        "zero_shot scores variants and pairs; toy_motif has none and declares no rule" in by["good", "zero_shot"].error
    )
    good = by["good", "from_scratch"]
    mcc = good.estimate("mcc")
    assert mcc is not None and mcc.value is not None and mcc.value > 0.9
    assert good.environment["packages"]["baserate"] and good.seconds > 0


def test_same_cells_again_are_skipped_and_failed_ones_tried(toy: Task, tmp_path: Path) -> None:
    run(toy, [BAD, GOOD], tmp_path)
    outcome, ended = run(toy, [BAD, GOOD], tmp_path)
    assert ended == ["failed", "done_before", "done_before", "done_before"]
    assert outcome.skipped == 3 and outcome.done == 0


def _made_with(results: Path, **packages: str) -> Path:
    """Edit the only record so that it was made with these packages, and return its file."""
    (record,) = read_records(results)
    assert record.path is not None
    environment = {**record.environment, "packages": {**record.environment["packages"], **packages}}
    write_record(results, replace(record, environment=environment, seconds=9999.0), read_predictions(record))
    return record.path / "record.json"


def test_what_was_made_under_other_versions_is_made_anew_where_asked(toy: Task, tmp_path: Path) -> None:
    model = card("good", CountsTata, "from_scratch")
    run(toy, [model], tmp_path)
    (fresh,) = read_records(tmp_path)
    _made_with(tmp_path, torch="2.3.0")
    assert run(toy, [model], tmp_path)[1] == ["done_before"]
    assert run(toy, [model], tmp_path, fresh_versions=True)[1] == ["done"]
    (again,) = read_records(tmp_path)
    assert again.seconds < 9999 and (again.path, again.hash) == (fresh.path, fresh.hash)
    assert (again.environment, again.predictions_digest) == (fresh.environment, fresh.predictions_digest)
    assert run(toy, [model], tmp_path, fresh_versions=True)[1] == ["done_before"]


@pytest.mark.parametrize(
    ("packages", "baseline", "status"),
    [
        ({"baserate": "0.0.9"}, True, "done"),
        ({"baserate": importlib.metadata.version("baserate") + "+dirty"}, True, "done_before"),
        ({"transformers": "4.46.0"}, False, "done"),
        ({"transformers": "4.46.0"}, True, "done_before"),
        ({"torch": "not installed", "transformers": "not installed"}, False, "done_before"),
        ({"numpy": "1.0.0", "pyarrow": "1.0.0"}, False, "done_before"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_other_versions_are_other_releases_of_what_a_number_may_depend_on(
    toy: Task, tmp_path: Path, packages: dict[str, str], baseline: bool, status: str
) -> None:
    model = replace(card("good", CountsTata, "from_scratch"), baseline=baseline)
    run(toy, [model], tmp_path)
    _made_with(tmp_path, **packages)
    assert run(toy, [model], tmp_path, fresh_versions=True)[1] == [status]


def test_a_record_stays_where_its_cell_fails_under_the_new_versions(toy: Task, tmp_path: Path) -> None:
    run(toy, [replace(GOOD, modes={"from_scratch": {}})], tmp_path)
    before = _made_with(tmp_path, torch="2.3.0").read_bytes()
    broken = card("good", Fails, "from_scratch")
    outcome, ended = run(toy, [broken], tmp_path, fresh_versions=True)
    assert ended == ["failed"] and "out of luck (the record of other versions stays)" in outcome.failed[0].reason
    (record,) = read_records(tmp_path)
    assert record.path is not None and (record.path / "record.json").read_bytes() == before


def test_metrics_are_recomputed_from_the_record_alone(toy: Task, tmp_path: Path) -> None:
    run(toy, [GOOD], tmp_path)
    for record in read_records(tmp_path):
        if record.status == "done":
            predictions = read_predictions(record)
            assert tuple(estimate(predictions, m) for m in record.task["metrics"]) == record.estimates


def test_other_seeds_or_a_limit_are_another_run(toy: Task, tmp_path: Path) -> None:
    for protocol in ({}, {"seeds": (7,)}, {"limit": 20}):
        run(toy, [GOOD], tmp_path, **protocol)
    records = [r for r in read_records(tmp_path) if r.spec.mode == "from_scratch"]
    assert sorted(r.spec.limit for r in records) == [0, 0, 20]
    assert len({r.hash for r in records}) == 3


def test_result_does_not_depend_on_the_order_of_models(toy: Task, tmp_path: Path) -> None:
    other = replace(GOOD, name="other")
    run(toy, [GOOD, other], tmp_path / "a")
    run(toy, [other, GOOD], tmp_path / "b")
    a, b = ({r.hash: r.predictions_digest for r in read_records(tmp_path / x)} for x in "ab")
    assert a == b and len(a) == 6


def test_seeds_train_on_different_clusters_the_same_for_every_model(toy: Task) -> None:
    split = load_split(toy)
    job = Job(toy, GOOD, None, split, {}, (0, 1), 0.9)
    first, second = job.train_rows(0), job.train_rows(1)
    clusters = [set(split.train.clusters[rows]) for rows in (first, second)]
    assert clusters[0] != clusters[1] and len(clusters[0]) == round(0.9 * len(set(split.train.clusters)))
    whole = [i for i, c in enumerate(split.train.clusters) if c in clusters[0]]
    assert list(first) == whole, "clusters are taken whole"
    assert list(Job(toy, BAD, None, split, {}, (0,), 0.9).train_rows(0)) == list(first)


def test_a_model_without_the_capability_is_told(toy: Task, tmp_path: Path) -> None:
    outcome, _ = run(toy, [card("poor", object, "linear_probe")], tmp_path)
    assert "declares mode linear_probe but its object has no embed or embed_all()" in outcome.failed[0].reason


def test_baseline_for_variants_is_not_applicable_to_sequences(toy: Task, tmp_path: Path) -> None:
    outcome, _ = run(toy, [replace(BAD, variants=True)], tmp_path)
    assert outcome.not_applicable == 1
    (record,) = read_records(tmp_path)
    assert record.error == "bad works on variants only; toy_motif has none"


def test_corrupt_record_stops_the_run_in_one_line(toy: Task, tmp_path: Path) -> None:
    run(toy, [GOOD], tmp_path)
    next(tmp_path.glob("*/good.from_scratch.*/record.json")).write_text("{")
    with pytest.raises(DataError, match=r"delete .* and run again"):
        run(toy, [GOOD], tmp_path)


def test_constant_scores_are_flagged_as_collapsed(toy: Task, tmp_path: Path) -> None:
    class Constant(CountsTata):
        def predict(self, inputs: Inputs) -> FloatArray:
            return np.full((len(inputs), 2), 0.5)

    run(toy, [card("flat", Constant, "from_scratch")], tmp_path)
    (record,) = read_records(tmp_path)
    assert record.flags == ("collapsed",)
    assert record.estimate("auroc").value == 0.5  # type: ignore[union-attr]


def test_every_mode_names_a_capability() -> None:
    # Zero-shot rules name their own.
    assert all((mode.needs or name == "zero_shot") and mode.name == name for name, mode in MODES.all().items())


class Audits:
    """Stands in for the audit of a task: keeps what it was asked, and answers a verdict with reasons and leaks."""

    def __init__(self, verdict: str, *leaks: str) -> None:
        self.answer = SimpleNamespace(
            in_short=lambda: {"verdict": verdict, "reasons": [*leaks, "WARN: few clusters"], "leaks": list(leaks)}
        )
        self.asked: list[tuple[str, int]] = []

    def __call__(self, task: Task, split: Split, *, cache: Path | None) -> Any:
        self.asked.append((task.id, len(split.test)))
        return self.answer


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Audits]:
    """Return a function that has tasks audited by `Audits`."""

    def set_up(verdict: str, *leaks: str) -> Audits:
        fake = Audits(verdict, *leaks)
        monkeypatch.setattr(audit, "audit", fake)
        return fake

    return set_up


def test_each_task_is_audited_once_and_every_record_keeps_what_was_found(
    toy: Task, tmp_path: Path, audits: Callable[..., Audits]
) -> None:
    found = audits("WARN")
    run(toy, [BAD, GOOD], tmp_path, audited=True)
    assert found.asked == [(toy.id, 60)]
    records = read_records(tmp_path)
    assert [r.audit["verdict"] for r in records] == ["WARN"] * 4 and {r.status for r in records} > {"failed", "done"}
    assert {r.exposure["status"] for r in records if r.spec.mode == "from_scratch"} == {"clean"}
    assert {r.exposure["status"] for r in records if r.spec.mode == "linear_probe"} == {"unknown"}
    run(toy, [GOOD], tmp_path, audited=True)
    assert len(found.asked) == 1, "nothing has to run"


def test_a_leak_is_refused_where_this_is_asked_for_even_if_the_cells_were_done(
    toy: Task, tmp_path: Path, audits: Callable[..., Audits]
) -> None:
    leak = "FAIL: 51 of 60 test rows are identical to a training row"
    for verdict, leaks in (("FAIL", [leak]), ("", ["it broke"])):
        audits(verdict, *leaks)
        outcome, ended = run(toy, [BAD, GOOD], tmp_path, refuse_leaks=True)
        assert outcome.leaky.keys() == {toy.id} and ended == ["leaky"] * 4
        assert not list(tmp_path.iterdir())
    audits("FAIL", leak)
    assert run(toy, [GOOD], tmp_path, audited=True)[0].done == 2
    outcome, _ = run(toy, [GOOD], tmp_path, refuse_leaks=True)
    assert (outcome.skipped, outcome.leaky) == (0, {toy.id: leak})
    audits("FAIL", "WARN: 1 of 60")
    assert not run(toy, [GOOD], tmp_path, refuse_leaks=True)[0].leaky, "it fails for something else"


@pytest.mark.parametrize(("error", "text"), [(MemoryError("no\nroom"), "MemoryError: no room"), (DataError("a"), "a")])
def test_an_audit_that_breaks_takes_no_cell_down(
    error: Exception, text: str, toy: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(task: Task, split: Split, *, cache: Path | None) -> None:
        raise error

    monkeypatch.setattr(audit, "audit", breaks)
    assert run(toy, [GOOD], tmp_path, audited=True)[0].done == 2
    assert read_records(tmp_path)[0].audit == {"verdict": "", "reasons": [f"not audited: {text}"]}
    assert run(toy, [GOOD], tmp_path, refuse_leaks=True)[0].leaky == {toy.id: f"not audited: {text}"}


def test_a_trial_is_not_audited_unless_leaks_are_refused_and_then_in_whole(
    toy: Task, tmp_path: Path, audits: Callable[..., Audits]
) -> None:
    found = audits("PASS")
    run(toy, [GOOD], tmp_path, limit=20, audited=True)
    assert not found.asked and not read_records(tmp_path)[0].audit
    run(toy, [GOOD], tmp_path, limit=21, refuse_leaks=True)
    assert found.asked == [(toy.id, 60)]


def raises(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises the error, whatever it is given."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise error

    return broken


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), SystemExit(3), KeyError("x")])
@pytest.mark.parametrize("where", ["load", "revision", "source", "split"])
def test_whatever_fails_is_the_cells_own_failure(where: str, error: BaseException, toy: Task, tmp_path: Path) -> None:
    broken: Any = {where: raises(error)}
    bad_card = replace(GOOD, name="bad", **broken) if where in ("load", "revision") else replace(GOOD, name="bad")
    bad_task = replace(toy, name="other", files=(), **broken) if where in ("source", "split") else toy
    cells = plan([bad_task], [bad_card], ["from_scratch"]) + plan([toy], [GOOD], ["from_scratch"])
    results = list(grid_of(tmp_path).each(cells))
    assert [r.status for r in results] == ["failed" if bad_task is toy else "no_data", "done"]
    assert (
        results[0]
        .reason.splitlines()[-1]
        .endswith("called sys.exit(3)" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}")
    )
    assert (results[0].record is not None) == (where == "load"), "without an identity there is no record"


def test_an_error_that_names_a_file_in_latin_1_can_be_written(toy: Task, tmp_path: Path) -> None:
    (result,) = grid_of(tmp_path).each(
        plan([toy], [card("bad", raises(ValueError("no caf\udce9.npy")), "from_scratch")])
    )
    assert result.reason.endswith(r"ValueError: no caf\udce9.npy")


def test_an_interrupt_is_nobodys_failure(toy: Task, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(toy, [card("slow", raises(KeyboardInterrupt()), "from_scratch")], tmp_path)


def test_an_estimate_that_is_not_finite_fails_its_cell_alone(
    toy: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(predictions: Predictions, metric: str, **options: Any) -> Estimate:
        sound = estimate(predictions, metric, **options)
        return replace(sound, low=float("nan")) if metric == "mcc" and len(predictions.seeds) == 1 else sound

    monkeypatch.setattr(sys.modules["baserate.evaluate"], "estimate", odd)
    results = list(grid_of(tmp_path, seeds=(0,)).each(plan([toy], [GOOD], ["from_scratch"])))
    results += grid_of(tmp_path).each(plan([toy], [GOOD], ["from_scratch"]))
    assert [r.status for r in results] == ["failed", "done"]
    assert results[0].reason == "the estimate of mcc has low nan; expected a finite number or None"
    assert sorted(r.error for r in read_records(tmp_path)) == ["", results[0].reason]


class Scores:
    """A trainable model whose scores are the lengths of sequences times a number."""

    def __init__(self, times: float) -> None:
        self.times = times

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Scores:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        return self.times * np.array([[float(len(s))] for s in inputs.sequences])


def test_a_metric_that_is_not_finite_is_null_with_its_reason(tmp_path: Path) -> None:
    rows = [f"{'ACGT' * (5 + i % 7)},{i % 7 + i / 100}" for i in range(80)]
    (tmp_path / "m.csv").write_text("\n".join(["seq,y", *rows]) + "\n")
    (tmp_path / "m.toml").write_text(
        'name = "m"\nkind = "regression"\nmetrics = ["spearman", "pearson", "rmse"]\n[source]\ntable = "m.csv"\n'
        'sequence = "seq"\ntarget = "y"\n[split]\nrule = "by_group"\ntest = 0.5\nvalid = 0.2\n'
    )
    cards = [card("tiny", lambda: Scores(1e-200), "from_scratch"), card("huge", lambda: Scores(1e200), "from_scratch")]
    outcome, ended = run(task_card(tmp_path / "m.toml"), [*cards, replace(GOOD, name="next")], tmp_path / "r")
    assert ended[:2] == ["done", "done"] and outcome.done >= 2
    found = {r.spec.model: {e.metric: (e.value, e.reason) for e in r.estimates} for r in read_records(tmp_path / "r")}
    assert found["tiny"]["spearman"][0] > 0.9 and found["huge"]["spearman"][0] > 0.9  # type: ignore[operator]
    for model, metric in (("tiny", "pearson"), ("huge", "pearson"), ("huge", "rmse")):
        value, reason = found[model][metric]
        assert value is None and "is not a finite number" in reason, (model, metric, value)
    assert found["tiny"]["rmse"][0] > 1  # type: ignore[operator]


@pytest.mark.parametrize("load", [CountsTata, Fails])
def test_a_cell_whose_record_cannot_be_written_stops_no_other(
    load: Callable[[], Any], toy: Task, tmp_path: Path
) -> None:
    unwritable = replace(card("odd", load, "from_scratch"), licence=1j)  # type: ignore[arg-type]
    results = list(grid_of(tmp_path).each(plan([toy], [unwritable, GOOD], ["from_scratch"])))
    assert [r.status for r in results] == ["failed", "done"]
    assert "it has no record: TypeError" in results[0].reason and results[0].record is None
    assert ("out of luck" in results[0].reason) == (load is Fails)


def test_results_that_cannot_be_written_stop_the_grid(toy: Task, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended: list[Result] = []
    with pytest.raises(CannotWrite, match="cannot write results in"):
        grid_of(tmp_path / "file", finished=ended.append).run(plan([toy], [BAD, GOOD]))
    assert not ended


def test_a_cell_that_is_there_twice_is_refused(toy: Task, tmp_path: Path) -> None:
    other = replace(GOOD, description="another of that name")
    with pytest.raises(ConfigError, match=r"toy_motif@1 · good · from_scratch is listed twice"):
        grid_of(tmp_path).run(plan([toy], [GOOD, other], ["from_scratch"]))
    assert not list(tmp_path.iterdir())


def test_a_record_that_was_just_made_is_as_one_that_was_read(toy: Task, tmp_path: Path) -> None:
    (cell,) = plan([toy], [GOOD], ["from_scratch"])
    worker = Worker(Protocol(), audited=False, checked=False)
    in_memory, stored, again = (run_cell(cell, worker, folder) for folder in (None, tmp_path, tmp_path))
    assert (in_memory.status, stored.status, again.status) == ("done", "done", "done_before")
    assert in_memory.record and stored.record and again.record == stored.record
    np.testing.assert_array_equal(in_memory.record.predictions.scores, stored.record.predictions.scores)
    assert in_memory.record.estimates == stored.record.estimates and in_memory.record.spec == stored.record.spec


def test_an_executor_is_added_from_outside(toy: Task, tmp_path: Path) -> None:
    with Registry.temporarily():

        @executor("backwards")
        def backwards(
            cells: Sequence[Cell],
            prepare: Callable[[], Callable[[Cell], R]],
            *,
            workers: int,
            started: Callable[[Cell], None],
        ) -> Iterator[R]:
            run_one = pickle.loads(pickle.dumps(prepare))()
            yield from map(run_one, reversed(cells))

        _, ended = run(toy, [GOOD], tmp_path, executor="backwards")
        assert ended == ["not_applicable", "done", "done"]
    with pytest.raises(UnknownName, match="Unknown executor 'backwards'"):
        run(toy, [GOOD], tmp_path, executor="backwards")
