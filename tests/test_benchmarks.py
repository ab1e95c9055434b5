"""Published tasks: their cards are as expected, and each loads from a copy as its repository holds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from published import AS_PUBLISHED, COUNTS, expected, has_valid, row_of, rows_of, unheld, write_as_published

from baserate.cards.listing import listing, shortened
from baserate.checks.task import check_card_is_complete
from baserate.cli import cli
from baserate.dna.taxa import scientific
from baserate.registry import TASKS
from baserate.sources.declared import Checked, HubSource
from baserate.sources.tables import Table
from baserate.sources.variants import Variants
from baserate.splits import load_split
from baserate.types import Task

COMMAND = "python tests/published.py --write"
ON_HUB = [task for task in TASKS.all().values() if isinstance(task.source, HubSource)]
COPIED = [task for task in ON_HUB if task.name.partition(".")[0] in AS_PUBLISHED]


def test_a_card_changes_only_with_its_version() -> None:
    """Of a task that changed, the columns that did; a task that is new or has a new version needs a row."""
    found, kept = {task.id: row_of(task) for task in TASKS.all().values()}, expected()
    changed = {
        name: {column: (row[column], found[name][column]) for column in row if row[column] != found[name][column]}
        for name, row in kept.items()
        if name in found and row != found[name]
    }
    assert not changed, "a version is never edited: a corrected task is a new one"
    assert set(kept) == set(found), f"`{COMMAND}`"


@pytest.mark.parametrize("task", ON_HUB, ids=lambda task: task.name)
def test_every_card_is_complete(task: Task) -> None:
    check_card_is_complete(task)
    assert task.origin
    assert len(task.assembly) == len(task.species)
    assert not any(word in task.description for word in ("TODO", "unknown"))


def test_a_species_has_one_name_in_all_cards() -> None:
    named = {species for task in TASKS.all().values() for species in task.species}
    assert not [species for species in named if scientific(species) != species.lower()], "common names"
    assert len({scientific(species) for species in named}) == len(named)
    assert {"Homo sapiens", "Mus musculus"} < named and "many" not in named


@pytest.mark.parametrize("benchmark", ["traitgym", "traitgym_sequences"])
def test_traitgym_is_resampled_by_chromosome(benchmark: str) -> None:
    tasks = [task for task in TASKS.all().values() if task.name.startswith(f"{benchmark}.")]
    assert len(tasks) >= 2
    for task in tasks:
        assert isinstance(task.source, Checked)
        source = task.source.source
        assert isinstance(source, Table | Variants) and (source.cluster, source.group) == ("chrom", "chrom")


@pytest.mark.parametrize("task", COPIED, ids=lambda task: task.name)
def test_every_task_loads_from_a_copy_as_its_repository_holds_it(task: Task, data: Path) -> None:
    write_as_published(task, data)
    split = load_split(unheld(task))
    n = sum(len(examples) for _, examples in split)
    assert n == sum(COUNTS.values()) - (0 if has_valid(task) else COUNTS["valid"])
    assert len(split.test) == COUNTS["test"] and len(split.valid) > 0
    assert (len(split.valid) == COUNTS["valid"]) == has_valid(task)
    written = rows_of(task, COUNTS["test"], 2)
    assert list(split.test.inputs.sequences) == [s.upper() for s, _ in written]
    if task.kind == "classification":
        assert split.test.targets.tolist() == [int(t) for _, t in written]
    else:
        targets = split.test.targets.reshape(len(split.test), -1)
        assert targets.tolist() == [[float(v) for v in t.split("|")] for _, t in written]


def test_the_listing_is_short_and_names_each_task_when_asked() -> None:
    rows = listing()["tasks"]
    short = {row["name"] for row in shortened(rows)}
    assert "gue.*  36 tasks" in short and "yeast_coding@1" in short and not any("prom_core" in name for name in short)
    assert {row["name"] for row in rows} >= {"gue.prom_core_all@1", "plants.poly_a_arabidopsis_thaliana@1"}
    told = CliRunner().invoke(cli, ["list"])
    assert "gue.*" in told.output and "prom_core" not in told.output
    assert "gue.prom_core_all@1" in CliRunner().invoke(cli, ["list", "tasks"]).output
