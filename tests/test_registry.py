from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from baserate.cards.find import find_model
from baserate.errors import ConfigError, DuplicateName, MissingExtra, UnknownName
from baserate.plan import plan
from baserate.registry import MODELS, TASKS, Registry, get_model, get_task, load_model, model, task, with_params
from baserate.types import ModelCard, Subset, Task


def make_task(name: str = "mine", version: int = 1) -> Task:
    return Task(
        name, version, "regression", ("spearman",), lambda: None, lambda e: None, "d", "s", "c", "l", (), (), {},
        small=Subset(2, 2, 2),
    )  # type: ignore[arg-type, return-value]  # fmt: skip


def test_newest_version_is_meant_unless_one_is_named() -> None:
    for version in (1, 3, 2):
        task(lambda version=version: make_task(version=version))  # type: ignore[misc]
    assert get_task("mine").version == 3
    assert get_task("mine@2").version == 2
    assert get_task("mine.small@1").id == "mine.small@1"
    assert get_task("mine.small").subset == Subset(2, 2, 2)


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Unknown task 'yeast_codng'\. Did you mean 'yeast_coding"):
        get_task("yeast_codng")
    with pytest.raises(UnknownName, match=r"Unknown task 'yeast_coding@9'\. .*yeast_coding@1"):
        get_task("yeast_coding@9")
    with pytest.raises(UnknownName, match=r"Did you mean 'genomic_benchmarks\.\*'\?"):
        get_task("genomic_benchmarks")
    with pytest.raises(UnknownName, match=r"Did you mean 'kmer_logreg'"):
        get_model("kmer_logregg")


def test_duplicate_name_is_refused_naming_both_origins() -> None:
    task(lambda: make_task())
    with pytest.raises(DuplicateName, match=r"'mine@1' is defined twice: .*test_registry\.py:\d+ and .*test_registry"):
        task(lambda: make_task())


def test_what_is_typed_in_a_notebook_is_replaced_when_its_cell_runs_again() -> None:
    for version in (1, 2):
        names = {"model": model, "load": None}
        cell = f"@model('typed', modes={{}}, description='{version}')\ndef load():\n    ..."
        exec(compile(cell, f"/tmp/ipykernel_7/{version}.py", "exec"), names)
    assert get_model("typed").description == "2"
    with pytest.raises(DuplicateName, match="'typed' is defined twice"):
        model("typed", modes={}, description="d")(lambda: None)  # type: ignore[arg-type, misc, return-value]


def test_task_function_must_return_a_task() -> None:
    with pytest.raises(ConfigError, match="returned str, not Task"):
        task(lambda: "nothing")  # type: ignore[arg-type, return-value]


def test_loader_arguments_are_the_parameters_of_a_model() -> None:
    @model("mine", modes={"linear_probe": {}}, description="d")
    def load(*, width: int = 4, deep: bool = False) -> object:  # type: ignore[type-var]
        return (width, deep)

    card = get_model("mine")
    assert card.params == {"width": 4, "deep": False}
    wide = with_params(card, width=8)
    assert wide.name == "mine(width=8)" and load_model(wide) == (8, False)
    with pytest.raises(ConfigError, match=r"unknown key 'widht'; did you mean 'width'"):
        with_params(card, widht=8)


def test_loader_parameters_need_defaults_and_modes_must_exist() -> None:
    with pytest.raises(ConfigError, match="parameter 'width' of model 'a' must be keyword-only with a default"):
        model("a", modes={}, description="d")(lambda width: None)  # type: ignore[misc, arg-type, return-value]
    model("b", modes={"probe": {}}, description="d")(lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match=r"modes of model 'b': unknown key 'probe'; did you mean 'linear_probe'"):
        plan([], [get_model("b")])


def test_missing_package_names_the_command() -> None:
    def load() -> object:
        import a_package_that_is_not_there  # noqa: F401

        return None

    card = replace(get_model("constant"), load=load, params={}, requires="hf", name="x")
    with pytest.raises(
        MissingExtra, match=r"needs the package 'a_package_that_is_not_there': `pip install \"baserate\[hf\]\"`"
    ):
        load_model(card)


def test_revision_of_a_model_is_its_version_or_follows_its_source_file(tmp_path: Path) -> None:
    assert get_model("kmer_logreg").revision() == "version 2"
    revisions = []
    for body in ("...", "return 1"):
        file = tmp_path / f"{len(revisions)}.py"
        file.write_text(
            "from baserate.registry import model\n"
            f"@model('m{len(revisions)}', modes={{}}, description='d')\ndef load(): {body}\n"
        )
        revisions.append(find_model(str(file)).revision())
    assert revisions[0] != revisions[1] and all(r.startswith("source:") for r in revisions)


def test_a_model_is_known_by_its_declared_version_or_by_its_source_file() -> None:
    assert with_params(get_model("kmer_logreg"), max_k=3).revision() == "version 2"
    model("mine", modes={"linear_probe": {}}, description="d")(lambda: None)  # type: ignore[arg-type, return-value]
    assert get_model("mine").revision().startswith("source:")


def test_broken_plugin_is_listed_with_its_reason_and_takes_nothing_down(tmp_path: Path) -> None:
    """A real distribution with two entry points, one of which raises halfway through."""
    for name, body in {
        "acme_good": "from baserate.registry import baseline\n"
        "@baseline('acme', modes={'from_scratch': {}}, description='d')\ndef load(): ...\n",
        "acme_bad": "from baserate.registry import baseline\n"
        "@baseline('acme_half', modes={}, description='d')\ndef load(): ...\nraise RuntimeError('no such luck')\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(body)
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[baserate.baselines]\ngood = acme_good\nbad = acme_bad\n")
    code = (
        "from baserate.registry import MODELS, get_model\n"
        "names = set(MODELS.all())\n"
        "assert 'acme' in names and 'acme_half' not in names and 'kmer_logreg' in names, names\n"
        "print(MODELS.broken)\n"
        "try: get_model('acme_half')\nexcept Exception as e: print(e)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(tmp_path)}
    ).stdout
    assert "{'acme baserate.baselines:bad': 'RuntimeError: no such luck'}" in out
    assert "Not loaded: acme baserate.baselines:bad (RuntimeError: no such luck)" in out


def test_all_registered_names_are_cards() -> None:
    assert all(isinstance(card, Task) for card in TASKS.all().values())
    assert all(isinstance(card, ModelCard) for card in MODELS.all().values())
    assert isinstance(MODELS, Registry) and MODELS.origin("constant").count(":") >= 1


def test_a_package_that_adds_anything_is_loaded_or_listed_as_broken(tmp_path: Path) -> None:
    """The group `baserate.plugins` is for packages that add more than one kind of thing."""
    (tmp_path / "acme_all.py").write_text(
        "from baserate.registry import baseline\n"
        "@baseline('acme', modes={'from_scratch': {}}, description='d')\ndef load(): ...\n"
    )
    (tmp_path / "acme_bad.py").write_text("raise RuntimeError('no such luck')\n")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[baserate.plugins]\ngood = acme_all\nbad = acme_bad\n")
    code = (
        "from baserate.cards.listing import listing\n"
        "found = listing()\n"
        "assert 'acme' in {row['name'] for row in found['baselines']}\n"
        "print(found['broken'])\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(tmp_path)}
    ).stdout
    assert out == "{'acme baserate.plugins:bad': 'RuntimeError: no such luck'}\n"
