"""Looks at test are counted, and a lock refuses a second one without a reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cards.suite import load_suite
from baserate.cards.task import task_card
from baserate.cli import cli
from baserate.errors import ConfigError
from baserate.leaderboard import build_leaderboard, to_csv, to_markdown
from baserate.looks import FOLDER, Planned, count_look, declared
from baserate.owner import machine
from baserate.plan import Cell, Protocol, plan, planned_spec
from baserate.records import Record, read_records
from baserate.registry import with_params
from baserate.run import Grid
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task
from baserate.writing import works


class Counts:
    def __init__(self, power: int = 1) -> None:
        self.power = power

    def embed(self, sequences: StrArray) -> Any:
        return np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32) ** self.power

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Counts:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.array([0.1 + 0.8 * ("TATAAA" in s) for s in inputs.sequences])
        return np.stack([1 - p, p], axis=1)


class Raises(Counts):
    """A model that raises in training, or that has no number to say of a flag once the test part is scored."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Raises:
        if self.when == "fit":
            raise RuntimeError("out of luck")
        return self

    def parameter_hash(self) -> str:
        raise RuntimeError("no hash")


def card(load: Callable[..., Any] = Counts, *modes: str, revision: str = "r", **params: Any) -> ModelCard:
    return ModelCard("m", load, {m: {} for m in modes or ("from_scratch",)}, params, "d", revision=lambda: revision)


@pytest.fixture
def toy(toy_card: Path) -> Task:
    return task_card(toy_card)


def run(task: Task, model: ModelCard, results: Path, *, seeds: tuple[int, ...] = (0,), **options: Any) -> list[Record]:
    """Return the records of all modes of a model on a task, made or read."""
    grid = Grid(results, Protocol(seeds), audited=False, checked=False, **options)
    return [r.record for r in grid.each(plan([task], [model])) if r.record]


def planned(task: Task, seed: int = 0, model: ModelCard | None = None) -> Planned:
    return Planned(planned_spec(Cell(task, model or card(), "from_scratch"), Protocol((seed,))), task.id)


def test_every_evaluation_counts_whatever_its_settings_and_whatever_became_of_its_record(
    toy: Task, tmp_path: Path
) -> None:
    first, probe = run(toy, card(Counts, "from_scratch", "linear_probe"), tmp_path)
    assert (first.earlier_looks, probe.earlier_looks) == (0, 1)
    assert first.path is not None
    shutil.rmtree(first.path)
    (again,) = run(toy, card(), tmp_path)
    assert again.earlier_looks == 2, "a look counts though its record was deleted"
    assert run(toy, card(), tmp_path)[0].earlier_looks == 2, "what was done before is no other look"
    (failed,) = run(toy, card(lambda: Raises("hash")), tmp_path, seeds=(1,))
    assert failed.status == "failed" and "no hash" in failed.error
    assert run(toy, card(), tmp_path, seeds=(2,))[0].earlier_looks == 4, "so does one that failed afterwards"
    run(toy, card(lambda: Raises("fit")), tmp_path, seeds=(3,))
    assert run(toy, card(), tmp_path, seeds=(4,))[0].earlier_looks == 5, "but not one that failed before"


def test_looks_are_those_of_one_network_at_one_test_part(toy: Task, tmp_path: Path) -> None:
    run(toy, card(), tmp_path)
    assert run(toy, card(revision="other"), tmp_path)[0].earlier_looks == 0
    assert run(toy, replace(card(), name="other"), tmp_path)[0].earlier_looks == 0
    assert run(replace(toy, version=2), card(), tmp_path)[0].earlier_looks == 0
    few = replace(toy, name="toy_motif(shots=5)", shots=5, whole=toy.id)
    assert run(few, card(), tmp_path)[0].earlier_looks == 1, "a few-shot task has the test part of the whole one"
    assert run(toy, with_params(card(power=1), power=2), tmp_path)[0].earlier_looks == 2, "parameters are settings"
    assert run(few, replace(card(), name="m@r"), tmp_path)[0].earlier_looks == 3, "a run of two may add the revision"


@pytest.mark.parametrize("name", ["m", "m(power=2)", "m@abcdef12", "m(power=2)@abcdef12", "m@abcdef12(power=2)"])
def test_a_network_is_known_without_the_parameters_and_the_revision_in_its_name(toy: Task, name: str) -> None:
    revision = "network:abcdef1234567890"
    assert planned(toy, model=replace(card(revision=revision), name=name)).model == "m"
    other = planned(toy, model=replace(card(revision="network:01234567"), name="m@abcdef12"))
    assert other.model == "m@abcdef12", "which is no revision of this one"


def test_records_from_before_looks_were_counted_are_looks(toy: Task, tmp_path: Path) -> None:
    run(toy, card(), tmp_path)
    shutil.rmtree(tmp_path / FOLDER)
    assert run(toy, card(), tmp_path, seeds=(1,))[0].earlier_looks == 1
    with pytest.raises(ConfigError, match="was scored on it before in other settings"):
        run(toy, card(), tmp_path, seeds=(2,), lock=True)
    shutil.rmtree(tmp_path / FOLDER)
    assert run(toy, card(), tmp_path, seeds=(1,), lock=True)[0].earlier_looks == 1, "done before: it is not run"


def test_a_lock_refuses_a_second_look_in_other_settings_without_a_reason(toy: Task, tmp_path: Path) -> None:
    both = card(Counts, "from_scratch", "linear_probe")
    assert len(run(toy, both, tmp_path, lock=True)) == 2, "what one run declares is declared before any look"
    assert len(run(toy, both, tmp_path)) == 2, "the same again is no second look"
    for path in tmp_path.glob("*@*/*"):
        shutil.rmtree(path)
    assert len(run(toy, both, tmp_path)) == 2, "nor is it where the records are gone"
    message = (
        f"{tmp_path} is locked to one look at the test part of toy_motif@1 by m, which was scored on it before in "
        "other settings; state why in --reason TEXT, which is recorded"
    )
    before = sorted(tmp_path.rglob("*"))
    for changed in ({"seeds": (1,)}, {"seeds": (0, 1), "lock": True}):
        with pytest.raises(ConfigError) as refused:
            run(toy, both, tmp_path, **changed)
        assert str(refused.value) == message
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left of what was refused"
    allowed = run(toy, card(), tmp_path, seeds=(1,), reason="a reviewer asked")
    assert (allowed[0].earlier_looks, allowed[0].look_reason) == (4, "a reviewer asked")
    assert run(toy, card(), tmp_path, seeds=(1,))[0].look_reason == "a reviewer asked", "done before"
    table = build_leaderboard(tmp_path)
    assert "earlier_looks,look_reason" in to_csv(table) and "4,a reviewer asked" in to_csv(table)
    assert "| m | from\\_scratch | 4 | a reviewer asked |" in to_markdown(table).replace(
        "from_scratch", "from\\_scratch"
    )


def test_a_trial_under_a_limit_is_a_look(toy: Task, tmp_path: Path) -> None:
    trial = Grid(tmp_path, Protocol((0,), limit=100), audited=False, checked=False, lock=True)
    assert [r.status for r in trial.each(plan([toy], [card()]))] == ["done"]
    with pytest.raises(ConfigError, match="was scored on it before in other settings"):
        run(toy, card(), tmp_path)


def test_a_cell_that_fails_before_it_looks_does_not_use_the_look(toy: Task, tmp_path: Path) -> None:
    run(toy, card(lambda: Raises("fit")), tmp_path, lock=True)
    assert run(toy, card(), tmp_path, seeds=(1,))[0].earlier_looks == 0
    with pytest.raises(ConfigError, match="was scored on it before in other settings"):
        run(toy, card(), tmp_path)  # what failed first has given its look away


def test_a_reason_that_was_not_needed_gives_the_look_away_too(toy: Task, tmp_path: Path) -> None:
    run(toy, card(lambda: Raises("fit")), tmp_path, lock=True)
    run(toy, card(), tmp_path, seeds=(1,), reason="to be sure")
    with pytest.raises(ConfigError, match="was scored on it before in other settings"):
        run(toy, card(), tmp_path)


def test_a_reason_takes_nothing_from_a_plan_that_was_begun(toy: Task, tmp_path: Path) -> None:
    with declared(tmp_path, [planned(toy), planned(toy, 1)], lock=True):
        run(toy, card(), tmp_path)
    run(toy, card(), tmp_path, seeds=(2,), reason="a reviewer asked")
    assert run(toy, card(), tmp_path, seeds=(1,))[0].status == "done", "what was declared together is finished later"


def test_what_is_being_scored_or_was_when_a_run_died_refuses_other_settings(toy: Task, tmp_path: Path) -> None:
    with declared(tmp_path, [planned(toy, 0)], lock=True):
        with pytest.raises(ConfigError, match="is being scored on it in other settings, or was when a run was killed"):
            run(toy, card(), tmp_path, seeds=(1,))
        assert run(toy, card(), tmp_path)[0].status == "done", "the same runs may share a folder"
    with pytest.raises(ConfigError, match="was scored"), declared(tmp_path, [planned(toy, 1), planned(toy, 0)]):
        raise AssertionError("what was scored before does not make way for another")


def test_a_run_that_goes_on_with_a_killed_one_ends_what_that_left(toy: Task, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> Any:
        raise Killed

    with pytest.raises(Killed):
        run(toy, card(die), tmp_path, lock=True)
    (left,) = tmp_path.glob(f"{FOLDER}/*/declared-*")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mark = left.with_name(f".running-{machine()}.{dead.pid}.0.{left.name.split('-')[1]}")
    mark.touch()  # as where the process had no time to tidy
    with pytest.raises(ConfigError, match="or was when a run was killed"):
        run(toy, card(), tmp_path, seeds=(1,))
    with declared(tmp_path, [planned(toy, 0), planned(toy, 1)]):
        assert mark.exists(), "a plan that has it may have more"
    assert not mark.exists()
    mark.touch()
    run(toy, card(lambda: Raises("fit")), tmp_path)
    assert run(toy, card(), tmp_path, seeds=(2,))[0].status == "done"


def test_a_plan_may_grow_until_something_of_it_was_scored(toy: Task, tmp_path: Path) -> None:
    run(toy, card(lambda: Raises("fit")), tmp_path, lock=True)
    both = card(Counts, "from_scratch", "linear_probe")
    assert [r.status for r in run(toy, both, tmp_path)] == ["done", "done"]
    with (
        pytest.raises(ConfigError, match="was scored on it before"),
        declared(tmp_path, [planned(toy, 1), planned(toy)]),
    ):
        raise AssertionError("nor may it grow by what is declared beside what was scored")


def test_of_two_runs_of_the_same_cells_the_first_that_ends_does_not_let_others_in(toy: Task, tmp_path: Path) -> None:
    with declared(tmp_path, [planned(toy)], lock=True):
        with declared(tmp_path, [planned(toy)]):
            pass
        with pytest.raises(ConfigError, match="is being scored on it in other settings"):
            run(toy, card(), tmp_path, seeds=(1,))
    assert run(toy, card(), tmp_path, seeds=(1,))[0].status == "done"


def test_a_run_that_ends_while_another_is_judged_has_left_its_look(
    toy: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ExitStack()
    first.enter_context(declared(tmp_path, [planned(toy)], lock=True))

    def ends_now(folder: Path) -> set[str]:
        count_look(tmp_path, planned(toy))
        first.close()
        return works(folder)

    monkeypatch.setattr("baserate.looks.works", ends_now)
    with pytest.raises(ConfigError, match="was scored on it before"), declared(tmp_path, [planned(toy, 1)]):
        raise AssertionError("it was scored while this one was judged")


def test_what_was_never_judged_is_not_declared(toy: Task, tmp_path: Path) -> None:
    def stopped() -> Iterator[Planned]:
        yield planned(toy, 1)
        raise KeyboardInterrupt

    run(toy, card(), tmp_path, lock=True)
    with pytest.raises(KeyboardInterrupt), declared(tmp_path, stopped()):
        raise AssertionError("the block has not begun")
    with pytest.raises(ConfigError, match="was scored on it before in other settings"):
        run(toy, card(), tmp_path, seeds=(1,))


def test_a_reason_needs_a_lock_and_a_lock_a_folder(toy: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"goes with a lock, and .* has none; expected --lock"):
        run(toy, card(), tmp_path, reason="why not")
    with pytest.raises(ConfigError, match="needs a folder of results"):
        br.evaluate(toy, card(), lock=True, progress=False)


def test_the_command_line_refuses_with_exit_2_and_shows_what_it_counted(toy_card: Path, tmp_path: Path) -> None:
    def baserate(*more: str) -> Any:
        common = [
            "run",
            "--task",
            str(toy_card),
            "--model",
            "length",
            "--mode",
            "from_scratch",
            "--no-audit",
            "--quiet",
        ]
        common += ["--tracking-uri", "none", "--results", str(tmp_path / "r")]
        return CliRunner().invoke(cli, [*common, *more])

    assert baserate("--lock", "--seeds", "0").exit_code == 0
    refused = baserate("--seeds", "1")
    assert isinstance(refused.exception, ConfigError), "which exits with 2"
    assert baserate("--seeds", "1", "--reason", "  the first seed was odd ").exit_code == 0
    newest = next(r for r in read_records(tmp_path / "r") if r.spec.seeds == (1,))
    shown = " ".join(CliRunner().invoke(cli, ["show", str(newest.path)]).stdout.split())
    assert "before this run 1 time by this network, in any settings; again because: the first seed was odd" in shown


def test_a_suite_may_lock(toy_card: Path, tmp_path: Path) -> None:
    suite = tmp_path / "s.toml"
    text = f"lock = true\n[[cells]]\ntasks = ['{toy_card}']\nmodels = ['length']\nmodes = ['from_scratch']\n"
    suite.write_text(text)
    assert load_suite(str(suite)).lock
    br.run(suite=str(suite), seeds=(0,), results=tmp_path / "r", audit=False, progress=False)
    with pytest.raises(ConfigError, match="is locked to one look"):
        br.run(suite=str(suite), seeds=(1,), results=tmp_path / "r", audit=False, progress=False)
    suite.write_text(text.replace("true", "1"))
    with pytest.raises(ConfigError, match=r"lock = 1; expected true or false"):
        load_suite(str(suite))
