"""A run's identity follows declared versions: tidying or moving code changes none, and a raised version changes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from identities import hash_of, hashes

from baserate.modes import MODES
from baserate.modes.mode import mode
from baserate.probes.probe import probe
from baserate.registry import Registry, baseline, get_model
from baserate.splits import by_group
from baserate.zero_shot.rule import rule

ROOT = Path(__file__).parent.parent


def tidied(folder: Path) -> Path:
    """Write the package with a comment in every module and one module renamed into `folder`, and return it."""
    package = folder / "baserate"
    caches = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    shutil.copytree(ROOT / "bench", package, ignore=caches)
    for name in ("tasks", "models", "baselines"):
        shutil.copytree(ROOT / name, package / name, ignore=caches)
    (package / "probes" / "linear.py").rename(package / "probes" / "penalised.py")
    for file in package.rglob("*.py"):
        source = re.sub(r"\bprobes\.linear\b", "probes.penalised", file.read_text())
        file.write_text(source + "\n# Tidied.\n")
    return folder


def test_moving_and_tidying_code_changes_no_identity(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(tidied(tmp_path))}
    script = [sys.executable, str(ROOT / "tests" / "identities.py")]
    told = subprocess.run(script, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["package"] == str(tmp_path / "baserate")
    assert found["hashes"] == hashes()


def test_every_mode_is_among_the_cells() -> None:
    assert {name.rpartition(" ")[2] for name in hashes()} == set(MODES.all())


def hash_with(what: str, version: int) -> str:
    """Return the hash of a run with a mode, a rule, a probe or a baseline of one's own, at a version."""

    def anything(*arguments: Any, **settings: Any) -> Any:
        raise AssertionError("nothing is run")

    with Registry.temporarily():
        if what == "mode":
            mode("mine", version=version)(anything)
            return hash_of(get_model("constant"), "mine")[1]
        if what == "rule":
            rule("mine", needs="embed", sees="variants", description="d", version=version)(anything)
            return hash_of(get_model("baserate_mlm"), "zero_shot", variants=True, rule="mine")[1]
        if what == "probe":
            probe("mine", description="d", version=version)(anything)
            return hash_of(get_model("baserate_mlm"), "linear_probe", probe="mine")[1]
        baseline("mine", modes={"from_scratch": {}}, description="d", version=version)(lambda: None)
        return hash_of(get_model("mine"), "from_scratch")[1]


@pytest.mark.parametrize("what", ["mode", "rule", "probe", "baseline"])
def test_a_raised_version_is_another_identity(what: str) -> None:
    assert hash_with(what, 1) == hash_with(what, 1) != hash_with(what, 2)


def test_a_raised_version_of_a_split_rule_is_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashes()
    monkeypatch.setattr(by_group, "version", by_group.version + 1)
    assert not set(before.values()) & set(hashes().values())
