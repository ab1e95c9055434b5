"""What a user may set: every setting has a check, and a wrong value is told before anything is run or written."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baserate.cards.find import find_task
from baserate.cards.suite import load_suite
from baserate.cli import main
from baserate.cli.options import settings_from
from baserate.digests import canonical_json
from baserate.errors import ConfigError
from baserate.modes import MODES, mode_settings
from baserate.networks.settings import EMBEDDING, KINDS, TRAINING, training_values
from baserate.plan import Cell, plan
from baserate.probes.linear import PENALTIES
from baserate.probes.probe import PROBES
from baserate.registry import Registry, baseline, get_model
from baserate.settings import WINDOW, Setting, Settings, among, check_values, count, defaults, log_uniform, positive
from baserate.zero_shot import RULES
from baserate.zero_shot.vectors import SIMILARITY

TASK = "wt1_exon5_splicing"
"""A task of variants, which every mode is for."""


def _tables() -> Iterator[tuple[str, Settings]]:
    """Return every declared table of settings by what declares it."""
    yield from (("embedding", EMBEDDING), ("training", TRAINING), *KINDS.items())
    for registry in (MODES, RULES, PROBES):
        yield from ((f"{registry.what} {name}", value.settings) for name, value in registry.all().items())


def test_choices_are_those_of_the_code_that_reads_them() -> None:
    assert RULES.get("embedding_distance").settings["distance"].choices == tuple(SIMILARITY)


@pytest.mark.parametrize(
    ("name", "setting"), [(f"{where}: {n}", setting) for where, table in _tables() for n, setting in table.items()]
)
def test_defaults_are_allowed_and_every_setting_says_what_it_does(name: str, setting: Setting) -> None:
    assert not setting.fault(setting.default)
    assert setting.about and setting.expected and canonical_json(setting.default)


def _fitted(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of `fit`, but for those that stand in a record only where they are not the default."""
    return {name: value for name, value in training_values(given).items() if name not in WINDOW}


def test_every_setting_of_a_network_stands_in_the_identity() -> None:
    """Fine-tuning a checkpoint records what it trains with, though neither the card nor the user names it."""
    task = find_task(TASK)
    card = replace(get_model("baserate_mlm"), modes={"fine_tune": {}, "linear_probe": {}})
    fine_tune, probe = (Cell(task, card, mode).resolved for mode in card.modes)
    assert fine_tune == _fitted({}) == {
        "train": "full", "lr": 5e-4, "layer_decay": 1.0, "epochs": 10, "batch_size": 32, "warmup": 0.1, "patience": 2,
        "weight_decay": 0.01, "stop_on": "metric", "class_weights": "none", "checkpointing": False, "pooling": "mean",
        "max_length": None,
    }  # fmt: skip
    embedding = {name: value for name, value in defaults(EMBEDDING).items() if name not in WINDOW}
    assert probe == {**embedding, "probe": "linear", "penalties": PENALTIES, "strands": "forward"}
    assert Cell(task, card, "fine_tune", {"lr": 1e-4}).resolved["lr"] == 1e-4


def test_a_value_adds_the_settings_that_it_needs() -> None:
    task, card = find_task(TASK), replace(get_model("baserate_mlm"), modes={"fine_tune": {"lr": 2e-4, "epochs": 4}})
    full, lora = (Cell(task, card, "fine_tune", {"train": kind}) for kind in ("full", "lora"))
    assert full.resolved == _fitted({"lr": 2e-4, "epochs": 4}), "what the card sets is for what it trains"
    assert lora.resolved == _fitted({"train": "lora", "epochs": 4})
    assert str(full.space["lr"]) != str(lora.space["lr"]) and "rank" in lora.space and "rank" not in full.space
    assert Cell(task, card, "fine_tune", {"train": "lora", "rank": 4}).resolved["rank"] == 4
    with pytest.raises(ConfigError, match="settings: rank = 4 has no effect: no rule or mode of this run has it"):
        plan([task], [card], ["fine_tune"], {"rank": 4})
    with pytest.raises(ConfigError, match="settings: dropout = 2: expected a number from 0 to 1"):
        plan([task], [card], ["fine_tune"], {"train": "lora", "dropout": 2})
    with pytest.raises(ConfigError, match="settings: unknown key 'rnk'; did you mean 'rank'"):
        plan([task], [card], ["fine_tune"], {"rnk": 2})


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
    ("rule=plll", "Unknown zero-shot rule 'plll'. Did you mean 'pll'"),
    ("rule=zzzz", "Unknown zero-shot rule 'zzzz'. Known: causal_delta, centroid"),
    ("rule=['pll']", "rule = ['pll']: expected the name of a rule"),
    ("probe=linaer", "Unknown probe 'linaer'. Did you mean 'linear'?"),
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
        (["layer=[1,2]"], "layer = [1, 2]: only linear_probe can choose from a list; expected a whole number"),
        (["pooling=['mean','max']"], "only linear_probe can choose from a list; expected mean, max, last or cls"),
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
        ("['layer']", "settings = ['layer']; expected names with values, such as layer = 3"),
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
    assert used["zero_shot"]["layer"] == RULES.get("embedding_distance").settings["layer"].default
    assert used["fine_tune"]["pooling"] == "mean"
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
    read = settings_from((setting,))
    assert read == {setting.partition("=")[0]: value} and type(*read.values()) is type(value)
    check_values(read, [table for _, table in _tables()], chosen_among=True)
    canonical_json(read)


def test_the_page_says_what_a_budget_tries() -> None:
    module = runpy.run_path(str(Path(__file__).parent.parent / "docs/write_settings_page.py"))
    lr, epochs = positive(0.01, "the rate", search=log_uniform(1e-4, 0.1)), count(5, "passes")
    head, rule, *rows = module["_table"]({"lr": lr, "epochs": epochs})
    assert head.endswith("| a budget tries |") and rule == "|---|---|---|---|---|"
    assert rows[0].endswith("| the rate | 0.0001 to 0.1, log scale |") and rows[1].endswith("| passes |  |")
    assert module["_table"]({"epochs": epochs})[0].endswith("| what it does |")
    with Registry.temporarily():
        baseline("tunable", version=1, modes={"from_scratch": {}}, description="One.", search={"k": among(3, 4)})(_load)
        assert module["_parameters"]([get_model("tunable")])[2:] == ["| `tunable` | `k` | `3` | 3, 4 |"]


def _load(*, k: int = 3) -> Any: ...


@pytest.mark.parametrize("name", ["settings", "fine_tuning"])
def test_the_page_is_current(name: str) -> None:
    docs = Path(__file__).parent.parent / "docs"
    page = runpy.run_path(str(docs / f"write_{name}_page.py"))[f"{name}_page"]()
    assert (docs / f"{name}.md").read_text(encoding="utf-8") == page, f"run: python docs/write_{name}_page.py"
