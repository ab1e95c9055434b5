"""Workers: each runs its bundle of a file of cells, none the cell of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baserate.cluster.cells_file import Bundle, CellsFile, in_bundles, read_cells_file
from baserate.cluster.selection import Selection
from baserate.cluster.work import work
from baserate.costs import Costs, with_costs
from baserate.errors import ConfigError
from baserate.leases import FOLDER
from baserate.plan import Protocol
from baserate.records import read_records


def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "baserate.cli", *map(str, arguments)]
    code = "import sys; from baserate.cli import main; sys.argv[0] = 'baserate'; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})


@pytest.fixture
def file(toy_card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellsFile:
    """Four cells in two bundles."""
    monkeypatch.chdir(tmp_path)  # and back: a worker moves there
    selection = Selection(
        tasks=(str(toy_card),),
        models=("length", "gc_content", "kmer_logreg", "onehot_linear"),
        modes=("from_scratch",),
        seeds=(0,),
        audited=False,
    )
    cells = with_costs(selection.planned().cells, Costs(), Protocol())
    bundles = in_bundles(cells, seconds=1e9)
    assert [len(bundle.cells) for bundle in bundles] == [4]
    two = tuple(replace(bundles[0], cells=bundles[0].cells[part]) for part in (slice(2), slice(2, 4)))
    return CellsFile(selection, two, tmp_path / "results", tmp_path, {})


def models_of(results: Path) -> set[str]:
    return {record.spec.model for record in read_records(results)}


def test_a_file_is_read_as_it_was_written(file: CellsFile, tmp_path: Path) -> None:
    file.write(tmp_path / "cells.json")
    assert read_cells_file(tmp_path / "cells.json") == file


def test_each_worker_runs_its_bundle_and_again_only_what_is_missing(file: CellsFile, tmp_path: Path) -> None:
    file.write(tmp_path / "cells.json")
    done = run("run", "--cells", tmp_path / "cells.json", "--index", 1, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["done"] == 2, done.stderr
    assert models_of(file.results) == {"kmer_logreg", "onehot_linear"}
    assert sorted(path.name for path in file.results.iterdir()) == [FOLDER, ".looks", "toy_motif@1"]
    assert not list((file.results / FOLDER).iterdir())
    done = run("run", "--cells", tmp_path / "cells.json", "-q", env={"SLURM_ARRAY_TASK_ID": "0"})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = run("run", "--cells", tmp_path / "cells.json", "--index", 0)
    assert done.stdout == (
        "bundle 0: 0 cells done, 2 done before, 0 not applicable, 0 failed; records in " + f"{file.results}\n"
    )


def test_what_failed_is_in_the_log_of_the_job(file: CellsFile, tmp_path: Path, toy_card: Path) -> None:
    model = tmp_path / "broken.py"
    model.write_text("def embed(sequences):\n    raise RuntimeError('no such layer')\n")
    cells = ({"task": "toy_motif@1", "model": "broken", "mode": "linear_probe"},)
    selection = replace(file.selection, models=(str(model),), modes=(), tasks=(str(toy_card),))
    replace(file, selection=selection, bundles=(Bundle("cpu", cells),)).write(tmp_path / "cells.json")
    done = run("run", "--cells", tmp_path / "cells.json", "--index", 0, "--quiet")
    assert done.returncode == 1 and "failed: toy_motif · broken · linear_probe: " in done.stderr
    assert "no such layer" in done.stderr and done.stdout == ""


def test_two_workers_of_one_bundle_share_it(file: CellsFile, tmp_path: Path) -> None:
    file.write(tmp_path / "cells.json")
    code = (
        "import sys; from pathlib import Path; from baserate.cluster.work import work\n"
        "from baserate.cluster.cells_file import read_cells_file\n"
        "o = work(read_cells_file(Path(sys.argv[1])), 0, expires=4)\n"
        "print(o.done, o.skipped, o.elsewhere, len(o.failed))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "cells.json"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    counts = [list(map(int, (child.communicate(timeout=300)[0]).split())) for child in both]
    assert sum(done for done, *_ in counts) == 2 and all(sum(count) == 2 for count in counts), counts
    looks = [path for path in (file.results / ".looks").rglob("look-*")]
    assert len(looks) == 2, "each cell was scored once"


def test_a_cell_of_another_machine_is_left_to_it_until_it_is_silent(
    file: CellsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = work(file, 1)
    assert first.done == 2
    leases = file.results / FOLDER
    for record in read_records(file.results):
        (leases / f"{record.hash}.0").write_text("boot/pid:[1] node7 12\n")
        for path in sorted(record.path.iterdir()) if record.path else ():
            path.unlink()
    heard: list[float] = []

    def silent(seconds: float) -> None:
        heard.append(seconds)
        for path in leases.iterdir():
            os.utime(path, (0, 0))

    monkeypatch.setattr("baserate.cluster.work.time.sleep", silent)
    again = work(file, 1, expires=30)
    assert (again.done, again.elsewhere, heard) == (2, 0, [30])
    monkeypatch.setattr("baserate.cluster.work.time.sleep", lambda seconds: None)
    for record in read_records(file.results):
        (leases / f"{record.hash}.0").write_text("boot/pid:[1] node7 12\n")
    third = work(file, 1)
    assert (third.done, third.elsewhere) == (0, 2)


def test_locked_bundles_of_one_plan_are_one_look(file: CellsFile) -> None:
    locked = replace(file, selection=replace(file.selection, lock=True, budget="1", settings={}))
    for index in (0, 1, 0):
        assert not work(locked, index).failed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"results": None}, "not a file of cells"),
        ({"schema": 9}, "schema 9 is newer than 1"),
        ({"selection": {"taks": ["x"]}}, "'taks' is no option of a run"),
        ({"folder": "/nowhere/at/all"}, "/nowhere/at/all: no such folder on this machine"),
        ({"bundles": []}, "index 0: the file has bundles 0 to -1"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(
    file: CellsFile, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "cells.json"
    file.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    done = run("run", "--cells", path, "--index", 0)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and words in done.stderr, done.stderr
    assert not file.results.exists()


def test_a_worker_takes_nothing_that_the_file_says(file: CellsFile, tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    file.write(path)
    done = run("run", "--cells", path, "--index", 0, "--seeds", "1")
    assert done.returncode == 2 and "--seeds: --cells names a file that says this" in done.stderr
    done = run("run", "--cells", path)
    assert done.returncode == 2 and "--cells needs --index N" in done.stderr
    with pytest.raises(ConfigError, match="is no longer a cell of the plan"):
        work(replace(file, selection=replace(file.selection, models=("length",))), 1)
