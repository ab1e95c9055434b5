"""What makes two runs, two rows or two kept outputs the same, and what must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cache.cached_model import CachedModel
from baserate.cards.find import find_model, find_models, twin_card
from baserate.cards.task import task_card
from baserate.errors import DataError, MissingExtra
from baserate.evaluate import MISSING
from baserate.leaderboard import build_leaderboard
from baserate.modes.job import Job
from baserate.plan import Protocol, plan
from baserate.records import read_records
from baserate.registry import get_model, load_model
from baserate.run import Grid
from baserate.splits import load_split
from baserate.types import FloatArray, Inputs, ModelCard, StrArray, Task

from .checkpoints import LAYOUTS, build


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return build(tmp_path / "one" / "net", LAYOUTS["esm-rotary"])


def copied(folder: Path, to: Path, **changed: str) -> Path:
    """Return a copy of a checkpoint with some of its files changed."""
    to.mkdir(parents=True)
    for file in folder.iterdir():
        (to / file.name).write_bytes(changed.get(file.name, "").encode() or file.read_bytes())
    return to


def test_twins_with_other_tokens_are_other_models(checkpoint: Path, tmp_path: Path) -> None:
    letters = (checkpoint / "vocab.txt").read_text().split("\n")
    a, c = letters.index("A"), letters.index("C")
    letters[a], letters[c] = "C", "A"
    other = copied(checkpoint, tmp_path / "two" / "net", **{"vocab.txt": "\n".join(letters)})
    one, two = (twin_card(find_model(str(folder))) for folder in (checkpoint, other))
    assert one.revision() != two.revision()
    x = np.array(["ACGTTGCAAC"], dtype=object)
    assert not np.allclose(*(load_model(card).redrawn(0).embed(x) for card in (one, two)))


def test_checkpoints_of_one_name_are_two_rows(checkpoint: Path, tmp_path: Path) -> None:
    config = (checkpoint / "config.json").read_text() + "\n"
    other = copied(checkpoint, tmp_path / "two" / "net", **{"config.json": config})
    cards = find_models([str(checkpoint), str(other), str(checkpoint)], random_weights=True)
    names = [card.name for card in cards]
    assert len(set(names)) == len(names) == 4
    assert {card.twin_of for card in cards if card.twin_of} == {card.name for card in cards if not card.twin_of}


def test_checkpoints_of_one_name_run_by_themselves_are_two_rows_each_with_its_own_twin(
    tmp_path: Path, toy_card: Path
) -> None:
    toy = task_card(toy_card)
    for run, layout in (("runA", "esm-rotary"), ("runB", "esm-absolute")):
        build(tmp_path / run / "net", LAYOUTS[layout])
    for run, tasks in (("runA", [toy]), ("runB", [toy, replace(toy, name="other")])):
        cards = find_models([str(tmp_path / run / "net")], random_weights=True)
        assert {card.place for card in cards} == {f"{tmp_path.name}/{run}/net"}
        grid = Grid(tmp_path / "results", Protocol(seeds=(0,)), audited=False, checked=False)
        assert grid.run(plan(tasks, cards, ["linear_probe"])).done == 2 * len(tasks)
    table = build_leaderboard(tmp_path / "results")
    assert {row.model for row in table.rows} == {f"run{x}/net{end}" for x in "AB" for end in ("", "_random")}
    over = {(c.row, c.column): c.twin_gain.over for c in table.cells if c.twin_gain}
    assert len(over) == 3
    assert all(twin == row.replace("net", "net_random") for (row, _), twin in over.items())


def test_a_folder_called_like_a_registered_model_is_itself(checkpoint: Path, tmp_path: Path) -> None:
    for name in ("cnn", "baserate_mlm"):
        folder = copied(checkpoint, tmp_path / name)
        card = find_model(str(folder))
        assert card.name == str(folder)
        twin = twin_card(card)
        assert twin.twin_of == card.name and twin.name != "baserate_mlm_random"
    assert twin_card(get_model("baserate_mlm")) is get_model("baserate_mlm_random")


def test_a_twin_has_the_parameters_of_its_model(checkpoint: Path) -> None:
    card = find_model(f"{checkpoint}(precision='bf16')")
    twin = twin_card(card)
    assert twin.params["precision"] == "bf16" and twin.twin_of == card.name


class Learns:
    """A model that scores a variant by what it saw in training."""

    seen = 0.0

    def learn(self, inputs: Inputs) -> None:
        self.seen = float(len(inputs))

    def log_likelihood(self, sequences: StrArray) -> FloatArray:
        return np.full(len(sequences), self.seen)


def card_of(load: Any, *, baseline: bool = False) -> ModelCard:
    modes: Any = {"zero_shot": {"rule": "causal_delta"}, "from_scratch": {}}
    return ModelCard("m", load, modes, {}, "d", revision=lambda: "r", baseline=baseline)


def test_what_a_learner_gives_is_not_kept(toy_card: Path, tmp_path: Path) -> None:
    task = task_card(toy_card)
    job = Job(task, card_of(Learns), Learns(), load_split(task), {}, (0,), 0.9, tmp_path)
    assert isinstance(job.model_of(0), Learns)


def test_what_is_kept_depends_on_the_engine(toy_card: Path, tmp_path: Path, checkpoint: Path) -> None:
    task, card = task_card(toy_card), find_model(str(checkpoint))
    kept = Job(task, card, load_model(card), load_split(task), {}, (0,), 0.9, tmp_path).model_of(0)
    assert isinstance(kept, CachedModel)
    assert {"model", "revision", "precision", "compiled", "engine"} <= set(kept._key)


def test_a_file_that_imports_its_neighbour_depends_on_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import beside\n\n\ndef log_likelihood(s):\n    return beside.f(s)\n")
    (tmp_path / "beside.py").write_text("def f(s):\n    return [0.0] * len(s)\n")
    before = find_model(str(tmp_path / "mine.py")).revision()
    (tmp_path / "mine2.py").write_text((tmp_path / "mine.py").read_text())
    (tmp_path / "beside.py").write_text("def f(s):\n    return [1.0] * len(s)\n")
    assert find_model(str(tmp_path / "mine2.py")).revision() != before


def needs_a_package() -> Any:
    raise MissingExtra("m needs a package")


def test_a_baseline_whose_package_is_missing_runs_once_it_is_there(toy_card: Path, tmp_path: Path) -> None:
    task = task_card(toy_card)
    lacking = card_of(needs_a_package, baseline=True)
    grid = Grid(tmp_path, Protocol(seeds=(0,)), audited=False, checked=False)
    assert grid.run(plan([task], [lacking], ["from_scratch"])).not_applicable == 1
    (record,) = read_records(tmp_path)
    assert record.flags == (MISSING,)
    assert grid.run(plan([task], [lacking], ["from_scratch"])).skipped == 0
    named = replace(grid, results=tmp_path / "named")
    assert len(named.run(plan([task], [replace(lacking, baseline=False)], ["from_scratch"])).failed) == 1


def test_a_task_without_its_data_leaves_the_others_alone(toy_card: Path, tmp_path: Path) -> None:
    def absent() -> Any:
        raise DataError("its file is nowhere")

    here = task_card(toy_card)
    gone: Task = replace(here, name="gone", source=absent, files=())
    cells = plan([gone, here], [get_model("constant")], ["from_scratch"])
    outcome = Grid(tmp_path, Protocol(seeds=(0,)), audited=False).run(cells)
    assert (outcome.done, dict(outcome.no_data)) == (1, {gone.id: "its file is nowhere"})
    with pytest.raises(DataError, match="its file is nowhere"):
        Grid(tmp_path, Protocol(seeds=(0,)), audited=False).run(cells[:1])


def test_a_chain_depends_on_the_dna_that_its_corpus_names(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "models" / "checkpoints" / "baserate_mlm" / "pretrain.toml"
    text = shipped.read_text()
    text = (
        text[: text.index("[[corpus]]")]
        + f'[[corpus]]\nname = "own"\nfasta = "{tmp_path}/a.fa"\ninclude = ["*"]\nweight = 1.0\n'
    )
    text += 'species = "none"\nassembly = "none"\nlevel = "train"\n'
    (tmp_path / "c.toml").write_text(text)
    (tmp_path / "a.fa").write_text(">a\n" + "ACGT" * 50 + "\n")

    def revision(name: str = f"markov(order=3, corpus='{tmp_path}/c.toml')") -> str:
        return find_model(name).revision()

    first = revision()
    assert first.startswith(get_model("markov").revision()) and first == revision()
    (tmp_path / "a.fa").write_text(">a\n" + "AGGT" * 50 + "\n")
    second = revision()
    (tmp_path / "c.toml").write_text(text + "# changed\n")
    assert len({first, second, revision(), revision("markov(order=3)")}) == 4
