"""Malformed input ends in one line and exit 2, or is read soundly: never a traceback, nothing half-written.

BASERATE_FUZZ=20 hunts with random examples, 20 times as many.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baserate.errors import BaserateError
from baserate.sources.intervals import read_transcripts

from . import fuzzing as f
from .fuzzing_cards import malformed_card

WANTED = 500
TRIED: Counter[str] = Counter()
RAN: set[str] = set()
"""The tests of this file that ran in this process; others may have run in another."""


@pytest.fixture(autouse=True)
def _ran(request: pytest.FixtureRequest) -> None:
    RAN.add(request.node.name)


def examples(n: int) -> Callable[[Any], Any]:
    """Return the settings of a property: a fixed number of examples, the same in every run."""
    hunt = f.scale()
    return settings(
        max_examples=n * (hunt or 1),
        derandomize=not hunt,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Change to a new folder, with its own cache; restore on leaving."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, BASERATE_CACHE=f"{name}/cache"):
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def tried(name: str, card: str = "card.toml", *, file: str = "", genome: bool = False) -> None:
    """Check the card, and where a `file` is named let a new card be written for it; both must be told or sound."""
    here = Path.cwd()
    before = f.files_in(here)
    said = f.call("check", card, "--json")
    f.judge(said, card, file or card, "g.fa", "t.", "--", "task t@1", str(here))
    TRIED[f"{name}, {'refused' if said.code == 2 else 'read'}"] += 1
    index = {n for n in f.files_in(here) if n.endswith(".fai")}
    assert f.files_in(here) - index == before, "nothing half-written"
    if not file:
        return
    new = f.call("new", "task", file, "--out", "new.toml", *(["--genome", "g.fa"] if genome else []))
    f.judge(new, file, "new.toml", "g.fa")
    index = {n for n in f.files_in(here) if n.endswith(".fai")}
    assert f.files_in(here) - index == before | ({"new.toml"} if new.code == 0 else set())
    if new.code == 0:
        f.judge(f.call("check", "new.toml", "--json"), "new.toml", file, "g.fa", "task ")


@examples(250)
@given(f.mutated())
def test_edited_bytes_and_lines(case: tuple[str, bytes]) -> None:
    file, content = case
    with folder() as here:
        f.lay(here, file, content)
        tried("mutated", file="t.bed" if file == "g.fa" else file, genome=file in ("g.fa", "t.bed", "t.vcf"))


@examples(220)
@given(f.malformed_table())
def test_tables(case: tuple[str, bytes, str, bool]) -> None:
    name, content, kind, own = case
    with folder() as here:
        (here / name).write_bytes(content)
        (here / "card.toml").write_text(f.table_card(name, kind=kind, own=own))
        tried("tables", file=name)


@examples(150)
@given(f.malformed_places())
def test_intervals_and_variants(case: tuple[str, bytes]) -> None:
    with folder() as here:
        f.lay(here, *case)
        tried("places", file=case[0], genome=True)


@examples(70)
@given(f.malformed_genome())
def test_genomes(content: bytes) -> None:
    with folder() as here:
        f.lay(here, "g.fa", content)
        tried("genomes", file="t.bed", genome=True)


@examples(80)
@given(f.edited(f.GTF), st.sampled_from(["t.gtf", "t.gff3"]))
def test_annotations(content: bytes, name: str) -> None:
    """No command reads these; the library does, for tasks made of genes."""
    with folder() as here:
        (here / name).write_bytes(content)
        try:
            transcripts = read_transcripts(name)
        except BaserateError as error:
            TRIED["annotations, refused"] += 1
            assert str(error).startswith(name) and "\n" not in str(error)
        else:
            TRIED["annotations, read"] += 1
            assert transcripts and all(0 <= start < end for t in transcripts for start, end in t.exons)


@examples(300)
@given(malformed_card())
def test_cards(text: str) -> None:
    with folder() as here:
        (here / "t.csv").write_bytes(f.SOUND["t.csv"]())
        (here / "card.toml").write_text(text, encoding="utf-8")
        tried("cards")


@examples(25)
@given(f.mutated())
def test_a_trial_run(case: tuple[str, bytes]) -> None:
    """`run --limit` on edited files: one line and no folder of results, or records and a leaderboard."""
    with folder() as here, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the plots, which are of no interest here
        f.lay(here, *case)
        said = f.call(
            "run", "--task", "./card.toml", "--model", "length", "--mode", "from_scratch", "--limit", "8",
            "--seeds", "0", "--tracking-uri", "none", "--results", "out", "--no-audit",
        )  # fmt: skip
        TRIED[f"run, {'refused' if said.code == 2 else 'read'}"] += 1
        if said.code == 2:
            f.judge(said, case[0], "card.toml", "g.fa", "t.", "task t@1")
            assert not (here / "out").exists()
        else:
            assert said.code in (0, 1) and "Traceback" not in said.err, said.err
            assert not [n for n in f.files_in(here / "out") if "/." in n]


@pytest.mark.skipif(bool(f.scale()), reason="counts the examples of an ordinary run")
def test_examples_are_as_many_as_promised(request: pytest.FixtureRequest) -> None:
    here = {item.name for item in request.session.items if item.path == Path(__file__)}
    if len(here) < 8 or here - RAN:
        pytest.skip("only some of this file's tests ran in this process")
    refused = sum(n for name, n in TRIED.items() if name.endswith("refused"))
    assert refused >= WANTED and sum(TRIED.values()) - refused >= 50, TRIED
