"""Bundles of cells as arrays of Slurm's: printed, or submitted through submitit, which requeues what is preempted."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, MissingExtra, check_keys
from ..plan import Cell
from .cells_file import Bundle, CellsFile, in_bundles, variables
from .selection import Selection

FOLDER = ".slurm"
"""The hidden folder of files of cells, scripts and logs, in the folder of results."""
_KINDS = ("cpu", "gpu")
_LEAST = 30
"""Minutes of a job at least: estimates are wrong by factors where they are short."""
_LEAST_MB, _SPARE = 4096, 1.5
"""MiB of a job at least, and how many times what its cells are expected to fill."""
_SLACK = 3.0
"""How many times as long as expected a job may run, where the user gives no limit."""

_GRACE = 10
"""Seconds in which a worker ends by itself."""


@dataclass(frozen=True)
class Limits:
    """What a job of one kind asks for; `minutes` and `memory_gb` are by what its cells are expected to take where 0.

    `bundle_minutes` is how long a bundle should take, `most` how many jobs an array has at most, `at_once` how many of
    them run. `cpus`, `gpus` and `memory_gb` are of a job, in which `workers` cells run at once. `setup` are lines of
    shell before it, `sbatch` any other options of sbatch, by their long names; `cluster` is 'slurm', or 'local' for
    processes of this machine, to try it.
    """

    cluster: str = "slurm"
    partition: str = ""
    account: str = ""
    minutes: int = 0
    bundle_minutes: float = 60.0
    most: int = 1000
    at_once: int = 256
    cpus: int = 2
    gpus: int = 0
    memory_gb: float = 0.0
    workers: int = 1
    setup: tuple[str, ...] = ()
    sbatch: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Array:
    """The jobs of one kind: one for each bundle of a file of cells."""

    kind: str
    file: Path
    bundles: tuple[Bundle, ...]
    limits: Limits

    @property
    def minutes(self) -> int:
        """The time limit of a job."""
        longest = max(bundle.seconds for bundle in self.bundles) / 60 / self.limits.workers
        return self.limits.minutes or max(_LEAST, math.ceil(_SLACK * longest))

    @property
    def memory_mb(self) -> int:
        """The memory of a job in MiB."""
        largest = max(bundle.memory_mb for bundle in self.bundles) * self.limits.workers
        return math.ceil(1024 * self.limits.memory_gb or max(_LEAST_MB, _SPARE * largest))

    @property
    def indices(self) -> str:
        """The numbers of its jobs, and how many run at once, as sbatch takes them."""
        return f"0-{len(self.bundles) - 1}%{min(len(self.bundles), self.limits.at_once)}"

    def about(self) -> dict[str, Any]:
        """Return what it is, as a JSON object."""
        return {
            "kind": self.kind,
            "jobs": len(self.bundles),
            "cells": sum(len(bundle.cells) for bundle in self.bundles),
            "hours": round(sum(bundle.seconds for bundle in self.bundles) / 3600, 3),
            "minutes": self.minutes,
        }

    def script(self) -> str:
        """Return a script for sbatch that needs no submitit: any user can read and change it."""
        limits = self.limits
        options: dict[str, Any] = {
            "job-name": f"baserate-{self.kind}",
            "array": self.indices,
            "partition": limits.partition,
            "account": limits.account,
            "time": self.minutes,
            "cpus-per-task": limits.cpus,
            "gpus": limits.gpus,
            "mem": f"{self.memory_mb}M",
            "output": self.file.parent / "%A_%a.log",
            "open-mode": "append",
            "requeue": True,
            **limits.sbatch,
        }
        lines = ["#!/bin/bash"]
        for name, value in options.items():
            if value not in ("", 0, None, False):
                lines.append(f"#SBATCH --{name}" + ("" if value is True else f"={shlex.quote(str(value))}"))
        command = [*_program(), "run", "--cells", str(self.file), "--workers", str(limits.workers)]
        return "\n".join([*lines, *limits.setup, f"exec {shlex.join(command)} --quiet", ""])


def _program() -> list[str]:
    """Return the command line beside this Python, or else in the path of the shell."""
    beside = Path(sys.executable).with_name("baserate")
    return [str(beside) if beside.exists() else "baserate"]


def read_limits(path: Path | None) -> dict[str, Limits]:
    """Return the limits of both kinds of jobs from a TOML file: its keys, and those of its tables [cpu] and [gpu].

    Raises ConfigError, in one line, where it cannot be read or has a key or value that is none.
    """
    if path is None:
        return {"cpu": Limits(), "gpu": Limits(gpus=1)}
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', '') or error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    own = {kind: value.pop(kind, {}) for kind in _KINDS}
    return {
        "cpu": _limits(path, "cpu", Limits(), value | _table(path, "cpu", own)),
        "gpu": _limits(path, "gpu", Limits(gpus=1), value | _table(path, "gpu", own)),
    }


def _table(path: Path, kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(own[kind], dict):
        raise ConfigError(f"{path}: {kind} = {own[kind]!r}; expected a table [{kind}]")
    return dict(own[kind])


def _limits(path: Path, kind: str, default: Limits, value: Mapping[str, Any]) -> Limits:
    check_keys(value, [one.name for one in fields(Limits)], f"{path}: keys of [{kind}]")
    typed: dict[str, Any] = {}
    for name, given in value.items():
        expected = getattr(default, name)
        kinds: dict[type, tuple[type, ...]] = {tuple: (list,), float: (int, float), dict: (dict,)}
        if isinstance(given, bool) or not isinstance(given, kinds.get(type(expected), (type(expected),))):
            raise ConfigError(f"{path}: {name} = {given!r}; expected a value such as {expected!r}")
        typed[name] = tuple(map(str, given)) if isinstance(expected, tuple) else given
    limits = replace(default, **typed)
    if limits.cluster not in ("slurm", "local"):
        raise ConfigError(f"{path}: cluster = {limits.cluster!r}; expected 'slurm' or 'local'")
    for name in ("bundle_minutes", "most", "at_once", "cpus", "workers"):
        if getattr(limits, name) <= 0:
            raise ConfigError(f"{path}: {name} = {getattr(limits, name)!r}; expected more than 0")
    return limits


def arrays(cells: Sequence[Cell], selection: Selection, results: Path, limits: Mapping[str, Limits]) -> list[Array]:
    """Return the arrays that run the cells, with their files of cells written under `results`.

    Raises ConfigError where these cannot be written.
    """
    folder = results.absolute() / FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    found = []
    for kind in _KINDS:
        mine = [cell for cell in cells if cell.cost.gpu == (kind == "gpu")]
        if not mine:
            continue
        of = limits[kind]
        size = of.bundle_minutes * 60 * of.workers
        bundles = in_bundles(mine, seconds=size, most=of.most)
        file = CellsFile(selection, bundles, results.absolute(), Path.cwd(), variables())
        path = folder / f"{kind}.json"
        file.write(path)
        found.append(Array(kind, path, bundles, of))
    return found


@dataclass(frozen=True)
class Job:
    """What a job calls: a bundle of a file of cells. One that is preempted, or out of time, goes on where it was."""

    file: str
    index: int
    workers: int

    def __call__(self) -> dict[str, Any]:
        """Return the counts of what became of the cells.

        They run in a process of their own: submitit ends a job that it requeues by an exception, which would otherwise
        be the cell's. Raises ConfigError where that process could not run them.
        """
        command = [*_program(), "run", "--cells", self.file, "--index", str(self.index), "--json"]
        command += ["--workers", str(self.workers)]
        # Slurm sends the signal for it to all processes of a job.
        alone = ["/bin/sh", "-c", 'trap "" USR2; exec "$@"', "sh", *command]
        child = subprocess.Popen(alone, stdout=subprocess.PIPE, text=True)
        try:
            out, _ = child.communicate()
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE)
            child.kill()
            child.wait()
        if child.returncode not in (0, 1):
            raise ConfigError(f"bundle {self.index} of {self.file}: it ended with {child.returncode}; see its log")
        counts: dict[str, Any] = json.loads(out)
        return counts

    def checkpoint(self) -> Any:
        """Return what submitit submits again: the same, since cells that are done are not run again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit(array: Array) -> list[Any]:
    """Return the submitted jobs of submitit's; those of 'local' have ended.

    Raises MissingExtra without submitit, and ConfigError without Slurm.
    """
    try:
        import submitit
    except ImportError:
        raise MissingExtra('Slurm needs submitit: pip install "baserate[cluster]"; --print needs nothing') from None
    limits, folder = array.limits, array.file.parent / f"{array.kind}-logs"
    jobs = [Job(str(array.file), index, limits.workers) for index in range(len(array.bundles))]
    if limits.cluster == "local":
        here = submitit.LocalExecutor(folder)
        here.update_parameters(timeout_min=array.minutes, gpus_per_node=limits.gpus, setup=list(limits.setup))
        found: list[Any] = []
        for start in range(0, len(jobs), limits.at_once):
            found += (now := [here.submit(job) for job in jobs[start : start + limits.at_once]])
            for job in now:
                job.wait()
        return found
    if shutil.which("sbatch") is None:
        raise ConfigError("this machine has no sbatch; run it where jobs are submitted, or add --print")
    executor = submitit.SlurmExecutor(folder)
    asked: dict[str, Any] = {"partition": limits.partition, "account": limits.account, "gpus_per_node": limits.gpus}
    executor.update_parameters(
        **{name: value for name, value in asked.items() if value},
        job_name=f"baserate-{array.kind}",
        time=array.minutes,
        cpus_per_task=limits.cpus,
        mem=f"{array.memory_mb}M",
        array_parallelism=limits.at_once,
        setup=list(limits.setup),
        additional_parameters={"requeue": True, **limits.sbatch},
    )
    if len(jobs) == 1:
        return [executor.submit(jobs[0])]
    with executor.batch():
        return [executor.submit(job) for job in jobs]
