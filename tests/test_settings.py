"""What a user may set: every setting has a check, and a wrong value is told before anything is run or written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baserate.cards.find import find_task
from baserate.cards.suite import load_suite
from baserate.cli import main
from baserate.cli.run import _settings
from baserate.errors import ConfigError
from baserate.modes import MODES, mode_settings
from baserate.modes.settings import SETTINGS, check_settings
from baserate.networks import embedding
from baserate.plan import plan
from baserate.registry import get_model
from baserate.types import MODE_NAMES, ModeName, canonical_json
from baserate.zero_shot import RULES
from baserate.zero_shot.vectors import SIMILARITY

TASK = "wt1_exon5_splicing"
"""A task of variants, which every mode is for."""


def test_table_holds_what_modes_and_rules_know() -> None:
    assert set(SETTINGS) == {name for mode in MODES.all().values() for name in mode.changeable()}


def test_choices_are_those_of_the_code_that_reads_them() -> None:
    assert SETTINGS["rule"].choices == tuple(RULES)
    assert SETTINGS["pooling"].choices == embedding.POOLINGS
    assert SETTINGS["distance"].choices == tuple(SIMILARITY)


def _defaults() -> Iterator[tuple[ModeName, str, Any]]:
    for rule in RULES.all().values():
        yield from (("zero_shot", name, value) for name, value in rule.settings.items() if value != "")
    for card in ("baserate_mlm", "baserate_mlm_random"):
        for mode, settings in get_model(card).modes.items():
            yield from ((mode, name, value) for name, value in {**MODES.get(mode).settings, **settings}.items())


@pytest.mark.parametrize(("mode", "name", "value"), list(_defaults()))
def test_defaults_are_allowed(mode: ModeName, name: str, value: Any) -> None:
    check_settings({name: value}, [mode])


WRONG = [
    ("layer=1e999", "layer = inf: expected a whole number"),
    ("layer={1,2}", "layer = {1, 2}: expected a whole number"),
    ("layer={[1]}", "layer = '{[1]}': expected a whole number"),
    ("layer=foo", "layer = 'foo': expected a whole number, negative from the last, or a list of such"),
    ("layer=1.5", "layer = 1.5: expected a whole number"),
    ("layer=True", "layer = True: expected a whole number"),
    ("layer=", "layer = '': expected a whole number"),
    ("layer=None", "layer = None: expected a whole number"),
    ("layer=b'1'", "layer = b'1': expected a whole number"),
    ("layer=[]", "layer = []: expected a whole number"),
    ("layer=[1,'2']", "layer = [1, '2']: expected a whole number"),
    ("layer=" + "(" * 300, "layer = '(("),
    ("pooling=meen", "pooling = 'meen': expected mean, max, last or cls, or a list of such; did you mean 'mean'?"),
    ("pooling=['mean','mex']", "expected mean, max, last or cls, or a list of such; did you mean 'max'"),
    ("max_length=abc", "max_length = 'abc': expected a whole number from 1"),
    ("max_length=0", "max_length = 0: expected a whole number from 1"),
    ("max_length=[1,2]", "max_length = [1, 2]: expected a whole number from 1"),
    ("truncation=foo", "truncation = 'foo': expected left, right or both"),
    ("truncation=rigth", "did you mean 'right'?"),
    ("strands=reverse", "strands = 'reverse': expected forward or both"),
    ("penalties=5", "penalties = 5: expected a list of finite numbers above 0"),
    ("penalties=[]", "penalties = []: expected a list"),
    ("penalties=[1,0]", "penalties = [1, 0]: expected a list"),
    ("penalties=[1e999]", "penalties = [inf]: expected a list"),
    ("penalties=[1" + "0" * 400 + "]", "penalties = [1000"),
    ("rule=plll", "did you mean 'pll'?"),
    ("rule=zzzz", "rule = 'zzzz': expected native, masked_llr, pll"),
    ("rule=['pll']", "rule = ['pll']: expected native"),
    ("distance=cosin", "distance = 'cosin': expected cosine, euclidean or inner_product; did you mean 'cosine'?"),
    ("at=sites", "at = 'sites': expected site or pooled; did you mean 'site'?"),
    ("one_pass=yes", "one_pass = 'yes': expected true or false"),
    ("one_pass=1", "one_pass = 1: expected true or false"),
    ("temperature=0", "temperature = 0: expected a finite number above 0"),
    ("temperature=1e999", "temperature = inf: expected a finite number above 0"),
    ("temperature=1j", "temperature = 1j: expected a finite number above 0"),
    ("epochs=0", "epochs = 0: expected a whole number from 1"),
    ("epochs=1.5", "epochs = 1.5: expected a whole number from 1"),
    ("batch_size=0", "batch_size = 0: expected a whole number from 1"),
    ("patience=-1", "patience = -1: expected a whole number from 1"),
    ("lr=x", "lr = 'x': expected a finite number above 0"),
    ("lr=-1", "lr = -1: expected a finite number above 0"),
    ("lr=True", "lr = True: expected a finite number above 0"),
    ("lr=" + "9" * 400, "lr = 99"),
    ("warmup=1.01", "warmup = 1.01: expected a number from 0 to 1"),
    ("layr=3", "settings: unknown key 'layr'; did you mean 'layer'?"),
]


def _told(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the one line that the command line says before it exits with 2."""
    monkeypatch.setattr("sys.argv", ["baserate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2 and not said.out, said.out + said.err
    assert len(said.err.splitlines()) == 1 and len(said.err) < 300, said.err
    return said.err


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_wrong_value_is_one_line_and_nothing_is_written(
    setting: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in _told(["run", "--task", TASK, "--model", "baserate_mlm", "--set", setting], capsys, monkeypatch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["layer"], "--set 'layer': expected NAME=VALUE"),
        (["layer=1", "layer=2"], "--set 'layer=2': layer is set already, to 1"),
        (["layer=[1,2]"], "layer = [1, 2]: a list is for linear_probe to choose from; expected a whole number"),
        (["pooling=['mean','max']"], "a list is for linear_probe to choose from; expected mean, max, last or cls"),
        (["epochs=1"], "settings: unknown key 'epochs'"),
    ],
)
def test_what_zero_shot_alone_cannot_use_is_said(
    settings: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = [part for setting in settings for part in ("--set", setting)]
    command = ["run", "--task", TASK, "--model", "baserate_mlm", "--mode", "zero_shot", *told]
    assert said in _told(command, capsys, monkeypatch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{ layer = inf }", "layer = inf: expected a whole number"),
        ("{ layer = 1979-05-27 }", "expected a whole number"),
        ("{ layer = { at = 1 } }", "expected a whole number"),
        ("{ truncation = 'midle' }", "truncation = 'midle': expected left, right or both"),
        ("['layer']", "settings are ['layer']: expected names with values, such as layer = 3"),
    ],
)
def test_a_suite_with_a_wrong_value_is_refused(settings: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[[cells]]\ntasks = ['{TASK}']\nmodels = ['baserate_mlm']\nsettings = {settings}\n")
    with pytest.raises(ConfigError) as raised:
        load_suite(str(file))
    assert said in str(raised.value)


def test_a_list_reaches_the_probe_alone() -> None:
    task, card = find_task(TASK), get_model("baserate_mlm")
    changed = {"layer": [0, 2], "pooling": ("mean", "max"), "rule": "embedding_distance", "max_length": 50}
    used = {
        cell.mode: mode_settings(cell.mode, card, task, cell.settings) for cell in plan([task], [card], (), changed)
    }
    assert used["linear_probe"]["layer"] == [0, 2] and used["linear_probe"]["pooling"] == ("mean", "max")
    assert used["zero_shot"]["layer"] == RULES["embedding_distance"].settings["layer"]
    assert used["fine_tune"].get("pooling") == card.modes["fine_tune"].get("pooling")
    assert used["fine_tune"]["max_length"] == 50
    one = {"layer": 1, "pooling": "max", "rule": "embedding_distance"}
    for cell in plan([task], [card], ("zero_shot", "linear_probe"), one):
        assert mode_settings(cell.mode, card, task, cell.settings)["layer"] == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("layer=-2", -2),
        ("layer=[3,-1]", [3, -1]),
        ("one_pass=true", True),
        ("one_pass=False", False),
        ("rule=pll", "pll"),
        ("penalties=(1,0.5)", (1, 0.5)),
        ("lr=1e-4", 1e-4),
        ("warmup=0", 0),
        ("temperature=2", 2),
    ],
)
def test_right_values_are_read_allowed_and_can_be_hashed(setting: str, value: Any) -> None:
    read = _settings((setting,))
    assert read == {setting.partition("=")[0]: value} and type(*read.values()) is type(value)
    check_settings(read, MODE_NAMES)
    canonical_json(read)
