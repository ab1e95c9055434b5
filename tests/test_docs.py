from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from baserate.cards.find import find_model
from baserate.checks import run_checks
from baserate.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
COMMANDS = sorted({
    line.split("#")[0].strip()
    for page in PAGES
    for line in re.findall(r"^(?: {4}|\$ |)(baserate [a-z].*)$", page.read_text(), re.M)
})  # fmt: skip


def block(language: str, name: str) -> str:
    (found,) = re.findall(rf"```{language}\n# {re.escape(name)}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    return str(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_docs_parses(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baserate.storage.local", lambda url: Path("results"))  # the docs' stores are nobody's
    name, *arguments = shlex.split(command)[1:]
    with cli.commands[name].make_context(name, arguments) as context:
        assert isinstance(context, click.Context)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_example_model_of_the_readme_conforms(tmp_path: Path) -> None:
    (tmp_path / "my_model.py").write_text(block("python", "my_model.py"))
    results = list(run_checks(find_model(str(tmp_path / "my_model.py"))))
    assert {r.status for r in results} == {"passed", "skipped"}, results


def test_table_of_the_readme_is_the_published_one() -> None:
    shown = re.search(r"<!-- quickstart -->\n(.*?)<!-- /quickstart -->", (ROOT / "README.md").read_text(), re.S)
    published = (ROOT / "results/published/quickstart/leaderboard.md").read_text()
    assert shown and shown[1].strip() and shown[1].strip() in published
