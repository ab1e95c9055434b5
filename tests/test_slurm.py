"""Slurm: scripts as printed, jobs as submitit runs them on this machine, records as those of a serial run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from baserate.cluster.cells_file import CellsFile, in_bundles
from baserate.cluster.selection import Selection
from baserate.cluster.slurm import Array, Job, Limits, read_limits, submit
from baserate.errors import ConfigError, MissingExtra
from baserate.plan import Cell, Cost
from baserate.records import read_records
from baserate.types import ModelCard

OF_A_RUN = ("seconds", "peak_memory_mb", "environment", "digest")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from baserate.cli import main; sys.argv[0] = 'baserate'; main()"
    command = [sys.executable, "-c", code, "run", *map(str, arguments), "--tracking-uri", "none"]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def contents(results: Path) -> dict[tuple[str, str], Any]:
    """Return each record without its cost and environment, with its predictions."""
    found = {}
    for record in read_records(results):
        assert record.path
        value = json.loads((record.path / "record.json").read_text())
        for own in OF_A_RUN:
            value.pop(own)
        found[record.spec.task, record.spec.model] = value, (record.path / "predictions.parquet").read_bytes()
    return found


def cells(card: ModelCard, *costs: Cost) -> list[Cell]:
    from baserate.registry import get_task

    task = get_task("yeast_coding")
    return [Cell(task, card, "from_scratch", {"x": i}, cost=cost) for i, cost in enumerate(costs)]


CARD = ModelCard("a", dict, {"from_scratch": {}}, {}, "d", revision=str)


def test_bundles_have_about_the_seconds_asked_for_and_gpu_cells_are_apart() -> None:
    tasks = [
        Cell(cell.task, ModelCard(f"m{i}", dict, {}, {}, "d", revision=str), "from_scratch", cost=cell.cost)
        for i, cell in enumerate(cells(CARD, *[Cost(60.0, 100.0 + i, gpu=i % 3 == 0) for i in range(30)]))
    ]
    found = in_bundles(tasks, seconds=180)
    assert [(b.kind, len(b.cells), b.seconds) for b in found] == 6 * [("cpu", 3, 180.0)] + [("cpu", 2, 120.0)] + 3 * [
        ("gpu", 3, 180.0)
    ] + [("gpu", 1, 60.0)]
    assert len({canonical for b in found for canonical in b.keys}) == 30
    capped = in_bundles(tasks, seconds=1, most=4)
    assert sum(b.kind == "cpu" for b in capped) <= 4 and sum(len(b.cells) for b in capped) == 30
    together = in_bundles(cells(CARD, *[Cost(60.0)] * 5), seconds=60)
    assert [len(b.cells) for b in together] == [5], "cells of one model and task embed the same sequences"


def test_records_of_jobs_are_those_of_a_serial_run(toy_card: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    what = ["--task", toy_card, "--mode", "from_scratch", "--seeds", "0", "--no-audit"]
    what += [part for name in ("length", "kmer_logreg", "cnn") for part in ("--model", name)]
    limits = tmp_path / "slurm.toml"
    limits.write_text('cluster = "local"\nbundle_minutes = 0.0001\nat_once = 2\n')
    jobs, serial = tmp_path / "jobs", tmp_path / "serial"
    done = run(*what, "--results", jobs, "--executor", "slurm", "--slurm", limits)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cpu: 2 jobs for 2 cells" in done.stdout and "gpu: 1 jobs for 1 cells" in done.stdout
    assert run(*what, "--results", serial, "--quiet").returncode == 0
    assert contents(jobs) == contents(serial) and len(contents(jobs)) == 3
    again = run(*what, "--results", jobs, "--executor", "slurm", "--slurm", limits)
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "nothing is missing: 3 cells are done")


def test_a_job_that_is_preempted_goes_on_and_no_cell_has_failed(toy_card: Path, tmp_path: Path) -> None:
    submitit = pytest.importorskip("submitit")
    model = tmp_path / "slow.py"
    begun = tmp_path / "begun"  # it is slow until it is ended, and not when it goes on
    model.write_text(
        "import time\nfrom pathlib import Path\n"
        f"def embed(sequences):\n    begun = Path({str(begun)!r})\n    if not begun.exists():\n"
        "        begun.touch()\n        time.sleep(600)\n    return [[len(s)] for s in sequences]\n"
    )
    selection = Selection(tasks=(str(toy_card),), models=(str(model),), seeds=(0,), audited=False, cache=False)
    cells = selection.planned().cells
    file = CellsFile(selection, in_bundles(cells, seconds=1e9, gpus=False), tmp_path / "results", tmp_path, {})
    file.write(tmp_path / "cells.json")
    executor = submitit.LocalExecutor(tmp_path / "logs")
    executor.update_parameters(timeout_min=30)
    job = executor.submit(Job(str(tmp_path / "cells.json"), 0, 1))
    leases = tmp_path / "results/.leases"
    owner: list[str] = []
    while len(owner) < 3 or not begun.exists():
        time.sleep(0.05)
        owner = " ".join(path.read_text() for path in leases.glob("[0-9a-f]*")).split()
    pid = int(owner[2])
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    for process in (pid, parent):  # as Slurm does, to all processes of a job
        os.kill(process, signal.SIGUSR2)
    counts = job.result()
    assert (counts["done"], counts["failed"]) == (len(cells), []), counts
    assert "this job is preempted" in job.stderr() and not list(leases.iterdir())


def test_scripts_are_printed_and_nothing_is_submitted(toy_card: Path, tmp_path: Path) -> None:
    limits = tmp_path / "slurm.toml"
    limits.write_text(
        'account = "lab"\npartition = "short"\nminutes = 90\nsetup = ["module load cuda"]\n'
        'sbatch = { qos = "low", exclusive = true }\n[gpu]\npartition = "gpus"\nat_once = 8\n'
    )
    what = ["--task", toy_card, "--model", "length", "--model", "cnn", "--seeds", "0", "--results", tmp_path / "r"]
    done = run(*what, "--executor", "slurm", "--slurm", limits, "--print")
    assert done.returncode == 0, done.stderr
    scripts = {path.stem: path.read_text() for path in (tmp_path / "r").glob(".slurm/*/*.sh")}
    assert scripts.keys() == {"cpu", "gpu"} and all(script in done.stdout for script in scripts.values())
    for line in ("--account=lab", "--partition=short", "--time=90", "--array=0-0%1", "--requeue", "--qos=low"):
        assert f"#SBATCH {line}\n" in scripts["cpu"], scripts["cpu"]
    assert "#SBATCH --exclusive\n" in scripts["cpu"] and "--gpus" not in scripts["cpu"]
    assert "#SBATCH --partition=gpus\n" in scripts["gpu"] and "#SBATCH --gpus=1\n" in scripts["gpu"]
    assert "\nmodule load cuda\nexec " in scripts["gpu"]
    checked = subprocess.run(["bash", "-n"], input=scripts["gpu"], text=True, capture_output=True)
    assert checked.returncode == 0
    # A job is the last line, with its number in the environment.
    last = scripts["cpu"].splitlines()[-1].removeprefix("exec ")
    job = subprocess.run(last, shell=True, env={**os.environ, "SLURM_ARRAY_TASK_ID": "0"}, capture_output=True)
    assert job.returncode == 0 and len(read_records(tmp_path / "r")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitoin = 'x'", "partitoin"),
        ("cpus = 'two'", "cpus = 'two'; expected a value such as 2"),
        ("cpus = 0", "cpus = 0; expected more than 0"),
        ("gpu = 1", "gpu = 1; expected a table [gpu]"),
        ("cluster = 'pbs'", "cluster = 'pbs'; expected 'slurm' or 'local'"),
        ("cpus = ", "not TOML"),
    ],
)
def test_a_wrong_file_of_limits_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "slurm.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_limits(file)
    assert words in str(error.value) and "\n" not in str(error.value) and str(file) in str(error.value)


def test_without_slurm_or_submitit_a_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = Array("cpu", tmp_path / "cpu.json", in_bundles(cells(CARD, Cost(1.0)), seconds=60), Limits())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="this machine has no sbatch"):
        submit(array)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtra, match=r'pip install "baserate\[cluster\]"'):
        submit(array)
