"""Tasks put together to train on one species and test on others: real introns of three species, promoters of two."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from baserate.cards.task import task_card
from baserate.errors import ConfigError
from baserate.evaluate import Worker, evaluate
from baserate.exposure import exposure_of
from baserate.plan import Cell, Protocol
from baserate.registry import TASKS, get_model, get_task
from baserate.splits import load_split
from baserate.types import Exposure, ModelCard, Task

from .conftest import SHARED_DATA

INTRONS = SHARED_DATA / "korf_eie"
real = pytest.mark.skipif(not INTRONS.is_dir(), reason="needs the real introns beside the checkout")
NAMES = {"arabidopsis": "at", "worm": "ce", "fly": "dm"}
UNION = """
name = "donors.transfer"
kind = "classification"
classes = ["decoy", "donor"]
species = ["Arabidopsis thaliana", "Caenorhabditis elegans", "Drosophila melanogaster"]
assembly = ["TAIR10", "WS220", "Release 6"]
[source]
tasks = {{ {tasks} }}
train = {train}
"""
ONE = """
name = "donors.{name}"
kind = "classification"
classes = ["decoy", "donor"]
source = {{ table = "{name}.csv", group = "gene" }}
split = {{ rule = "by_group", test = 0.3, valid = 0.1 }}
"""


def donors(file: Path) -> list[tuple[str, str, str]]:
    """Return (sequence, label, gene) of 40 bp around the donors of 1,500 introns, and around a GT within each."""
    rows = []
    with gzip.open(file, "rt") as lines:
        for line in list(lines)[::7][:1500]:
            exon, intron, after, _, gene = line.split()
            whole, decoy = exon + intron + after, (exon + intron).find("GT", 58)
            rows.append((whole[30:70], "donor", gene))
            if decoy > 0 and decoy + 20 <= len(whole):
                rows.append((whole[decoy - 20 : decoy + 20], "decoy", gene))
    return rows


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Return a folder with a card of each species, registered as those of a benchmark are."""
    for name, file in NAMES.items():
        with (tmp_path / f"{name}.csv").open("w") as out:
            csv.writer(out).writerows([("sequence", "label", "gene"), *donors(INTRONS / f"eie.{file}.txt.gz")])
        (tmp_path / f"{name}.toml").write_text(ONE.format(name=name))
        card = task_card(tmp_path / f"{name}.toml")
        TASKS.add(card.id, card, origin="here")
    return tmp_path


def transfer(folder: Path, train: str = '["arabidopsis"]', **tasks: str) -> Task:
    named = tasks or {name: f"donors.{name}" for name in NAMES}
    text = UNION.format(tasks=", ".join(f'{k} = "{v}"' for k, v in named.items()), train=train)
    (folder / "transfer.toml").write_text(text)
    return task_card(folder / "transfer.toml")


@real
def test_each_species_is_tested_as_in_its_own_task_and_the_drop_is_told(cards: Path) -> None:
    task = transfer(cards)
    assert task.metrics[:5] == tuple(
        f"mcc:species={s}" for s in ("worm+fly", "arabidopsis", "worm", "fly", "arabidopsis-worm")
    )
    split = load_split(task)
    own = {name: load_split(get_task(f"donors.{name}")) for name in NAMES}
    assert set(split.train.strata["species"]) == set(split.valid.strata["species"]) == {"arabidopsis"}
    for name, alone in own.items():
        rows = split.test.take(np.flatnonzero(split.test.strata["species"] == name))
        assert list(rows.inputs.sequences) == list(alone.test.inputs.sequences)
        assert list(rows.ids) == [f"{name}:{i}" for i in alone.test.ids]
    assert list(split.train.inputs.sequences) == list(own["arabidopsis"].train.inputs.sequences)

    cell = Cell(task, get_model("onehot_linear"), "from_scratch")
    record, _ = evaluate(cell, Worker(Protocol(seeds=(0,), train_fraction=1.0), audited=False))
    found = {e.metric: e.value for e in record.estimates}
    model = cell.card.load().fit(split.train, split.valid, n_classes=2, seed=0)
    for name, alone in own.items():
        scores = model.predict(alone.test.inputs)
        expected = np.corrcoef(scores.argmax(axis=1), alone.test.targets)[0, 1]
        assert found[f"mcc:species={name}"] == pytest.approx(expected, abs=1e-9)
    mean = np.mean([found["mcc:species=worm"], found["mcc:species=fly"]])  # type: ignore[list-item]
    assert found["mcc:species=worm+fly"] == pytest.approx(mean)
    assert 0.3 < found["mcc:species=worm+fly"] < found["mcc:species=arabidopsis"]  # type: ignore[operator]


@real
def test_exposure_is_asked_by_species(cards: Path) -> None:
    task = transfer(cards)
    split = load_split(task)
    n = int((split.test.strata["species"] == "worm").sum())
    card = ModelCard("m", object, {}, {}, "", str, pretraining=(Exposure("worm", "C", "", ("*",)),))
    assert exposure_of(card, task, split).status == "unknown"
    card = ModelCard(
        "m", object, {}, {}, "", str, pretraining=(Exposure("worm", "Caenorhabditis elegans", "", ("*",)),)
    )
    assert exposure_of(card, task, split).reason.startswith(f"{n} of {len(split.test)} test examples lie in worm")


@real
@pytest.mark.skipif(not (SHARED_DATA / "gue").is_dir(), reason="needs the real files of GUE beside the checkout")
def test_human_promoters_and_those_of_a_plant(tmp_path: Path) -> None:
    task = get_task("transfer.promoters")
    assert [name for _, name in task.source.members] == ["gue.prom_300_all", "arabidopsis_promoters"]  # type: ignore[attr-defined]
    text = UNION.replace("decoy", "background").replace('"donor"', '"promoter"')
    pairs = 'human = "gue.prom_300_tata", arabidopsis = "arabidopsis_promoters"'
    (tmp_path / "p.toml").write_text(text.format(tasks=pairs, train='["human"]'))
    split = load_split(task_card(tmp_path / "p.toml"))
    assert (len(split.train), len(split.valid), len(split.test)) == (4904, 613, 613 + 3477)


@real
@pytest.mark.parametrize(
    ("train", "tasks", "said"),
    [
        ('["mouse"]', {}, r"train = \['mouse'\]; expected a list of some, but not all, of arabidopsis, worm, fly"),
        ('["arabidopsis", "worm", "fly"]', {}, "but not all"),
        ("[]", {}, "expected a list of some, but"),
        ('["a"]', {"a": "donors.worm"}, "expected a table such as"),
        ('["a"]', {"a": "donors.worm", "b": "donors.wurm"}, "Unknown task 'donors.wurm'. Did you mean 'donors.worm'"),
        ('["a"]', {"a": "donors.worm", "b": "wt1_exon5_splicing"}, "is on variants; expected a .* task on sequences"),
        (
            '["a"]',
            {"a": "donors.worm", "b": "yeast_coding"},
            "has classes .*; the transfer has decoy, don",
        ),
        ('["a"]', {"a": "donors.worm", "'b-c'": "donors.fly"}, "expected names of letters, digits and _"),
    ],
)
def test_what_cannot_be_a_union_is_told(train: str, tasks: dict[str, str], said: str, cards: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_split(transfer(cards, train, **tasks))
    assert "\n" not in str(caught.value)


def test_built_in_pairs_name_what_there_is() -> None:
    cards = [t for t in TASKS.all().values() if t.name.startswith("transfer.")]
    assert len(cards) == 5
    for task in cards:
        members = [get_task(name) for _, name in task.source.members]  # type: ignore[attr-defined]
        assert {m.kind for m in members} == {task.kind}
        assert all(m.classes == task.classes or all(map(str.isdigit, m.classes)) for m in members)
        assert tuple(s for m in members for s in m.species) == task.species
        assert len(task.assembly) == len(task.species)
        assert re.fullmatch(r"mcc:species=\w+(\+\w+)*", task.metrics[0])
