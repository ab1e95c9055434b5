from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from baserate.audit.resplit import RULES
from baserate.cards.task import task_card
from baserate.cli import cli
from baserate.cli.audit import resplit
from baserate.splits import load_split


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def leaking(toy_card: Path, tmp_path: Path) -> Path:
    """Return the toy task with one test row that is a training row."""
    lines = (toy_card.parent / "toy.csv").read_text().splitlines()
    first, last = lines[1].split(","), lines[240].split(",")
    lines[240] = ",".join([last[0], first[1], *last[2:]])
    (tmp_path / "toy.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "toy.toml").write_text(toy_card.read_text().replace("toy_motif", "toy_leak"))
    return tmp_path / "toy.toml"


def test_a_leak_fails_the_gate_with_its_reason(leaking: Path, toy_card: Path) -> None:
    result = run("audit", leaking, "--fail-on-leak")
    assert result.return_value == 1
    assert "toy_leak@1 leaks: FAIL: 1 of 60 test rows (1.67 %) is identical to a training" in result.stderr
    assert "test x239 = train x0" in result.stdout
    assert run("audit", leaking).return_value == 0
    clean = run("audit", toy_card, "--fail-on-leak")
    assert clean.return_value == 0 and "leaks" not in clean.stderr


def test_a_leak_that_no_model_may_be_run_on_is_told_and_mended(leaking: Path, tmp_path: Path) -> None:
    """Without a group column equal sequences are a group, which a run refuses to see in two parts."""
    leaking.write_text(leaking.read_text().replace('group = "gene"\n', ""))
    result = run("audit", leaking, "--fail-on-leak")
    assert result.return_value == 1 and "1 of 60 test rows (1.67 %) is identical" in result.stdout
    run("resplit", leaking, "--out", tmp_path / "v2")
    assert load_split(task_card(tmp_path / "v2" / "toy_leak.toml")).fingerprint


def test_files_and_json(leaking: Path, toy_card: Path, tmp_path: Path) -> None:
    result = run("audit", leaking, toy_card, "--json", "--html", tmp_path / "a.html", "--out", tmp_path / "all")
    found = json.loads(result.stdout)
    assert [a["task"] for a in found] == ["toy_leak@1", "toy_motif@1"]
    assert {p.name for p in (tmp_path / "all").iterdir()} == {
        f"{name}@1.{suffix}" for name in ("toy_leak", "toy_motif") for suffix in ("json", "html")
    }
    assert json.loads((tmp_path / "all" / "toy_leak@1.json").read_text()) == found[0]
    assert (tmp_path / "a.html").read_text().count("<section") == 3
    table = run("audit", leaking, toy_card).stdout
    assert "worst reason" in table


def test_a_cleaned_version_passes_the_gate(leaking: Path, tmp_path: Path) -> None:
    result = run("resplit", leaking, "--out", tmp_path / "v2")
    assert "removed 1 row of train: identical to a row of test" in result.stdout and "toy_leak.toml" in result.stdout
    assert run("audit", tmp_path / "v2" / "toy_leak.toml", "--fail-on-leak").return_value == 0
    shown = json.loads(run("resplit", leaking, "--out", tmp_path / "v3", "--json").stdout)
    assert shown["removed"] == [{"part": "train", "reason": "identical to a row of test, on either strand", "rows": 1}]


def test_mistakes_are_one_line_and_exit_2(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from baserate import cli as module

    def fails(*arguments: str | Path) -> str:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
            patch.setattr("sys.argv", ["baserate", *map(str, arguments)])
            module.main()
        assert stop.value.code == 2
        return capsys.readouterr().err

    (tmp_path / "v2").mkdir()
    assert "exists already" in fails("resplit", leaking, "--out", tmp_path / "v2")
    assert "cannot be written" in fails("audit", leaking, "--html", "/proc/nowhere/a.html")
    assert "Did you mean" in fails("audit", "yeast_codin")
    message = fails("resplit", leaking, "--out", tmp_path / "v3", "--rule", "identicle")
    assert "identicle" in message and message.count("\n") == 1


def test_every_rule_of_cleaning_can_be_named() -> None:
    (option,) = (o for o in resplit.params if o.name == "rules")
    assert list(option.type.choices) == list(RULES)  # type: ignore[attr-defined]
