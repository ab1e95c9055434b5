"""The grid that the self-test ends and resumes: a task, models whose cells last as long as it says, and its results."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..digests import canonical_json, digest
from ..errors import DataError
from ..owner import is_left
from ..records import read_record, record_folders

SECONDS = "BASERATE_SELFTEST_SECONDS"
"""The environment variable with the seconds that each model takes, as a JSON object by name; 0 for others."""

TRAINED = ("count_a", "count_c", "count_g", "count_t")
EMBEDS = "composition"
GREEDY, DIES = "greedy", "dies"
"""Models that want more memory than there is: the one has an error, the other is killed."""
CELLS = len(TRAINED) + 1

_OF_COST = ("seconds", "peak_memory_mb", "environment", "digest")
_OF_HISTORY = ("earlier_looks", "look_reason")
"""What a record says of evaluations before it, of which one that was killed is one."""
_LEFT = re.compile(r"\.(writing|running)-.*|\..+\.[0-9a-f]{8}")

_MODELS = '''
"""Models that count letters, and that take as long as they are asked to."""
import json
import os
import signal
import time

import numpy as np

from baserate.registry import baseline, model


def wait(name, times=1):
    time.sleep(json.loads(os.environ.get("{seconds}", "{{}}")).get(name, 0) / times)


class Counts:
    def __init__(self, letter):
        self.letter = letter

    def fit(self, train, valid, *, n_classes, seed):
        wait(f"count_{{self.letter.lower()}}", 2)
        self.bias = seed / 100 + len(train) / 1000
        return self

    def predict(self, inputs):
        share = np.array([s.count(self.letter) / len(s) for s in inputs.sequences])
        p = np.clip(share + self.bias, 0, 1)
        return np.stack([1 - p, p], axis=1)


class Composition:
    def embed(self, sequences):
        if len(sequences) > 20:  # not in checks
            wait("composition")
        return np.array([[s.count(letter) for letter in "ACGT"] for s in sequences], np.float32)


class Greedy:
    def fit(self, train, valid, *, n_classes, seed):
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), before[1]))
        try:
            np.ones(1 << 28)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


class Dies:
    def fit(self, train, valid, *, n_classes, seed):
        os.kill(os.getpid(), signal.SIGKILL)


def counts(letter):
    @baseline(f"count_{{letter.lower()}}", modes={{"from_scratch": {{}}}}, description="the share of a letter")
    def load():
        return Counts(letter)


for letter in "ACGT":
    counts(letter)


@model("composition", modes={{"linear_probe": {{}}}}, description="the numbers of each letter")
def composition():
    return Composition()


@baseline("greedy", modes={{"from_scratch": {{}}}}, description="wants more memory than there is")
def greedy():
    return Greedy()


@baseline("dies", modes={{"from_scratch": {{}}}}, description="is killed, as for want of memory")
def dies():
    return Dies()
'''

_CARD = """name = "letters"
kind = "classification"
classes = ["other", "rich"]
description = "Random 40-mers, half of them rich in A."
[source]
table = "letters.csv"
sequence = "sequence"
target = "label"
[split]
rule = "by_group"
test = 0.3
valid = 0.2
"""


@dataclass(frozen=True)
class Victim:
    """A folder with a task, models and a cache of its own, in which commands run; `results` is where they write."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Victim:
        """Return the victim in the folder, with its files written there."""
        rng = np.random.default_rng(11)
        rows = ["sequence,label"]
        for i in range(160):
            odds = [0.4, 0.2, 0.2, 0.2] if i % 2 else [0.25] * 4
            rows.append("".join(rng.choice(list("ACGT"), 40, p=odds)) + f",{('other', 'rich')[i % 2]}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "letters.csv").write_text("\n".join(rows) + "\n")
        (folder / "letters.toml").write_text(_CARD)
        (folder / "models.py").write_text(_MODELS.format(seconds=SECONDS))
        return cls(folder)

    @property
    def results(self) -> Path:
        """The folder of results."""
        return self.folder / "results"

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.folder / "cache"

    @property
    def printed(self) -> Path:
        """The file to which what commands print is added."""
        return self.folder / "printed"

    def environment(self, seconds: Mapping[str, float] | None = None) -> dict[str, str]:
        """Return the environment of its commands, in which models take so many seconds."""
        fixed = {"BASERATE_CACHE": str(self.cache), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        return fixed | {"HF_HUB_OFFLINE": "1", SECONDS: json.dumps(dict(seconds or {}))}

    def grid(self, *options: str, models: tuple[str, ...] = (*TRAINED, EMBEDS)) -> list[str]:
        """Return the arguments of the command that runs the models on the task."""
        named = [part for name in models for part in ("--model", name)]
        fixed = ["--plugin", "models.py", "run", "--task", "letters.toml", *named, "--seeds", "0,1", "--no-audit"]
        return [*fixed, "--tracking-uri", "none", "--results", str(self.results), *options]

    def records(self) -> dict[str, str]:
        """Return the digest of each record that is done with its predictions, without costs, by its folder's name.

        Raises DataError for a record that cannot be read.
        """
        return {name: text for name, (status, text) in self.by_folder().items() if status == "done"}

    def by_folder(self) -> dict[str, tuple[str, str]]:
        """Return the status and the digest of each record by its folder's name. Raises DataError as `records` does."""
        if not self.results.is_dir():
            return {}
        found: dict[str, tuple[str, str]] = {}
        for folder in record_folders(self.results):
            record = read_record(folder)
            if record.status == "done":
                _ = record.predictions
            content: dict[str, Any] = json.loads((folder / "record.json").read_text())
            for key in (*_OF_COST, *_OF_HISTORY):
                content.pop(key, None)
            found[folder.name] = record.status, digest(canonical_json(content))
        return found

    def wait_for(self, done: int) -> None:
        """Wait until so many cells have a record and a living process runs another, or for a minute."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            alive = [not is_left(p.name.removeprefix(".running-")) for p in self.results.glob("*/.running-*")]
            if any(alive) and len(list(self.results.glob("[!.]*/[!.]*/record.json"))) >= done:
                return
            time.sleep(0.02)

    def readable(self) -> bool:
        """Return whether every record can be read, with its predictions."""
        try:
            self.by_folder()
        except DataError:
            return False
        return True

    def left(self, *, cache: bool = True) -> list[Path]:
        """Return the temporary files in results and `cache`, of which there should be none.

        A mark that a process died of a cell stays as long as the cell has not ended in peace.
        """
        dead = [name[-8:] for name, (status, _) in self.by_folder().items() if status == "failed"]
        found = [
            p
            for top in (self.results, *([self.cache] if cache else []))
            for p in top.rglob(".*")
            if _LEFT.fullmatch(p.name)
        ]
        return [p for p in found if p.name.rpartition(".")[2][:8] not in dead]
