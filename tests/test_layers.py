from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "sklearn", "mlflow", "datasets", "pandas", "scipy", "numba", "xgboost", "matplotlib")
FOLDERS = {
    "bench": "baserate",
    "tasks": "baserate.tasks",
    "models": "baserate.models",
    "baselines": "baserate.baselines",
}


def imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
    return found


def test_layers_hold() -> None:
    """import-linter's contract; run here too, so that plain pytest tells."""
    command = [Path(sys.executable).parent / "lint-imports"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_picture_of_the_layers_is_current() -> None:
    docs = ROOT / "docs"
    page = runpy.run_path(str(docs / "write_layers_page.py"))["page"]()
    assert (docs / "architecture.md").read_text(encoding="utf-8") == page, "run: python docs/write_layers_page.py"


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_are_never_imported_by_their_own_name(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        wrong = {name for name in imports(file) if name.split(".")[0] in FOLDERS}
        assert not wrong, f"{file}: {wrong}; the package is called baserate"


def test_harness_does_not_know_its_content() -> None:
    for file in sorted((ROOT / "bench").rglob("*.py")):
        wrong = {n for n in imports(file) if n.startswith(("baserate.tasks", "baserate.models", "baserate.baselines"))}
        assert not wrong, f"{file}: {wrong}"


@pytest.mark.parametrize(
    "code",
    [
        "import baserate",
        "from baserate.cards.listing import listing; listing()",
        "import sys; sys.argv = ['baserate', '--help']; from baserate.cli import main; main()",
        "import sys; sys.argv = ['baserate', 'list', '--json']; from baserate.cli import main; main()",
        "import sys; sys.argv = ['baserate', 'show', 'baserate_mlm']; from baserate.cli import main; main()",
        "import sys; sys.argv = ['baserate', 'doctor']; from baserate.cli import main; main()",
    ],
)
def test_import_is_light(code: str) -> None:
    """Listing everything imports nothing heavy."""
    ending = f"import atexit, sys; atexit.register(lambda: print('HEAVY', [m for m in {HEAVY} if m in sys.modules]))\n"
    done = subprocess.run([sys.executable, "-c", ending + code], capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.stdout.rstrip().endswith("HEAVY []"), done.stdout[-300:] + done.stderr[-2000:]


def test_a_run_of_a_baseline_imports_no_more_than_it_needs(toy_card: Path, tmp_path: Path) -> None:
    heavy = "{'scipy.stats', 'torch', 'mlflow'}"
    code = f"import atexit, sys; atexit.register(lambda: print('HEAVY', {heavy} & {{*sys.modules}}))\n"
    code += f"sys.argv = ['baserate', 'run', '--task', {str(toy_card)!r}, '--model', 'gc_content', '--results', "
    code += (
        f"{str(tmp_path)!r}, '--tracking-uri', 'none', '--no-audit', '--quiet']; from baserate.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and list(tmp_path.glob("*/*/record.json"))
    assert done.stdout.rstrip().endswith("HEAVY set()"), done.stdout[-300:] + done.stderr[-2000:]


def test_no_file_is_a_design_question() -> None:
    long = {
        f.name: n for d in FOLDERS for f in (ROOT / d).rglob("*.py") if (n := len(f.read_text().splitlines())) > 400
    }
    assert not long


def test_wheel_holds_the_tree_and_nothing_else(tmp_path: Path) -> None:
    """Every tracked source and data file of the four folders is in the wheel under its import name."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    built = {n for n in zipfile.ZipFile(wheel).namelist() if not n.partition("/")[0].endswith(".dist-info")}
    tracked = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    expected = set()
    for name in tracked.splitlines():
        folder, _, rest = name.partition("/")
        expected.add(f"{FOLDERS[folder].replace('.', '/')}/{rest}")
    assert built == expected


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    names = {re.split(r"[<>=!~\[ ]", d)[0].lower().replace("_", "-") for d in wanted}
    assert names <= pinned, names - pinned
    assert "torch==2.13.0" in lines
