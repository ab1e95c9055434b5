"""What a card's [source] gives is a frozen value: it is called, compared, pickled, and its repr is all of it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from baserate.cards.task import task_from
from baserate.errors import ConfigError
from baserate.registry import TASKS
from baserate.sources.declared import SOURCES, Checked
from baserate.sources.source import Source, keys_of
from baserate.sources.tables import Table
from baserate.splits import load_split
from baserate.types import Task

CARDS: Mapping[str, str] = {
    "table": 'table = "t.csv"\nid = "id"\nstrata = ["part"]',
    "bed": 'genome = "g.fa"\nbed = "t.bed"\nwidth = 4\ngroup = ["chrom", "start"]\nstrata = ["part"]',
    "variants": 'genome = "g.fa"\nvariants = "v.csv"\ntarget = "label"\nwidth = 4\nvalues = { x = "no", y = "yes" }\n'
    'strata = ["part"]',
    "folder": 'folder = "parts"\nid = "id"',
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    rows = [
        (i, f"{'ACGT'[i % 4]}{'GTCA'[i // 4]}ACGT", ("no", "yes")[i % 2], ("train", "test")[i // 8]) for i in range(16)
    ]
    (tmp_path / "g.fa").write_text(">c\n" + "ACGTTGCA" * 32 + "\n")
    (tmp_path / "t.csv").write_text("id,sequence,label,part\n" + "".join(f"{i},{s},{y},{p}\n" for i, s, y, p in rows))
    lines = "".join(f"c\t{8 * i}\t{8 * i + 6}\t{y}\t{p}\n" for i, _, y, p in rows)
    (tmp_path / "t.bed").write_text("chrom\tstart\tend\tlabel\tpart\n" + lines)
    changed = "".join(f"c,{8 * i + 1},A,C,{'xy'[i % 2]},{p}\n" for i, _, _, p in rows)
    (tmp_path / "v.csv").write_text("chrom,pos,ref,alt,label,part\n" + changed)
    (tmp_path / "parts").mkdir()
    for part in ("train", "test"):
        text = "".join(f">{i}|{y}\n{s}\n" for i, s, y, p in rows if p == part)
        (tmp_path / f"parts/{part}.fa").write_text(text)
    return tmp_path


def card(folder: Path, source: str, expect: str = "") -> Task:
    import tomllib

    text = f"""
name = "mine"
kind = "classification"
classes = ["no", "yes"]
[source]
{source}
[split]
rule = "predefined"
column = "part"
[expect]
{expect}
"""
    return task_from(tomllib.loads(text), folder / "mine.toml", "mine.toml")


@pytest.mark.parametrize("expect", ["", "train = 8\ntest = [4, 4]"], ids=["", "expected"])
@pytest.mark.parametrize("kind", CARDS)
def test_a_source_pickles_and_its_twin_gives_the_same(here: Path, kind: str, expect: str) -> None:
    source = card(here, CARDS[kind], expect).source
    twin = pickle.loads(pickle.dumps(source))
    assert twin == source and repr(twin) == repr(source)
    examples = twin()
    assert len(examples) == 16 and examples.fingerprint == source().fingerprint and sum(examples.targets) == 8


def test_every_task_of_a_card_pickles() -> None:
    sources = [task.source for task in TASKS.all().values() if is_dataclass(task.source)]
    assert len(sources) > 150
    for source in sources:
        twin = pickle.loads(pickle.dumps(source))
        assert twin == source and repr(twin) == repr(source)


@pytest.mark.parametrize("kind", SOURCES)
def test_keys_are_the_fields_and_each_has_a_type(kind: str) -> None:
    source = SOURCES[kind]
    keys = keys_of(source)
    assert kind in keys and keys[kind] and {"kind", "classes"}.isdisjoint(keys)
    assert set(source.FILES) <= set(keys) and issubclass(source, Source)
    assert (
        set(keys) | {"kind", "classes"}
        == {field.name for field in fields(source)}
        == set(get_type_hints(source)) - {"FILES"}
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('table = "t.csv"\nsequense = "s"', r"mine.toml: \[source\]: unknown key 'sequense'; did you mean 'sequence'"),
        ('bed = "t.bed"', r"mine.toml: \[source\]: key 'genome' is missing"),
        ('genome = "g.fa"\nvariants = "v.csv"\nwidth = 8', r"mine.toml: \[source\]: key 'target' is missing"),
        ('genome = "g.fa"\nbed = "t.bed"\nwidth = "8"', r"\[source\] width = '8'; expected a whole number"),
        ('genome = "g.fa"\nbed = "t.bed"\nedge = "cut"', r"\[source\] edge = 'cut'; expected 'refuse' or 'pad'"),
        (
            'genome = "g.fa"\nbed = "t.bed"\ntarget = [1]',
            r"target = \[1\]; expected text in quotes or a list of text in",
        ),
        ('genome = "g.fa"\nvariants = "v.csv"\ntarget = "y"\nwidth = 8\nvalues = 3', r"values = 3; expected a table"),
        ('table = "t.csv"\nid = 3', r"\[source\] id = 3; expected text in quotes"),
        ('table = ""', r"\[source\] table = ''; expected text in quotes"),
        ('table = "t.csv"\nbed = "t.bed"', r"\[source\] needs one of table = ..., files = "),
    ],
)
def test_a_mistake_is_told_by_key(here: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        card(here, source)


def test_another_value_of_any_key_is_another_table_in_the_cache(here: Path) -> None:
    names = []
    for more in ("", '\ngroup = "label"', '\nalternate = ""'):
        task = card(here, CARDS["table"] + more)
        assert isinstance(task.source, Table) and task.files == (str(here / "t.csv"),)
        load_split(task, check=False)
        names.append(len(list((here / "cache/examples").iterdir())))
    assert names == [1, 2, 2]


def test_what_is_expected_wraps_the_source(here: Path) -> None:
    task = card(here, CARDS["table"], "test = 8")
    assert isinstance(task.source, Checked) and isinstance(task.source.source, Table)
