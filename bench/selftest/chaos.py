"""What is killed, refused a disk, run twice at once or edited loses nothing that was done, and leaves nothing."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from ..errors import ConfigError
from .blows import Kind
from .claim import Claim
from .claims import Job
from .forks import Forks
from .victims import CELLS, DIES, EMBEDS, GREEDY, TRAINED, Victim

_WAYS: dict[str, tuple[str, ...]] = {"one process": (), "two workers": ("--workers", "2")}
_SHORTEST, _LONGEST = 0.05, 5.0
"""Seconds that cells last, drawn evenly on a log scale."""
_IN_CELLS = 0.85
"""The share of kills at a random time after some cells, none or more, have ended; others come while the run starts."""
_KEPT = "what was done is there after it"
_SAME = "resumed results are the same bits"
_CLEAN = "nothing is left behind"
_SAID = "one line says why"


@dataclass
class _Found:
    """What was found in one setting, by claim."""

    setting: str
    by_claim: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def note(self, about: str, *happened: bool) -> None:
        """Add what happened, once or more often."""
        self.by_claim[about] += happened

    def claims(self) -> list[Claim]:
        """Return each claim with the share of what happened."""
        return [
            Claim("chaos", about, self.setting, 1.0, 1.0).with_rate(found) for about, found in self.by_claim.items()
        ]


class Scene:
    """Where victims are made and run, and `wanted`, the records of a run that nothing disturbed.

    Raises ConfigError where even that fails.
    """

    def __init__(self, folder: Path, forks: Forks) -> None:
        self._folder, self._forks, self._n = folder, forks, 0
        victim = self.victim()
        code, self.wanted = self.run(victim, *victim.grid()), victim.records()
        if code or len(self.wanted) != CELLS:
            raise ConfigError(f"a run that nothing disturbs fails: {victim.printed.read_text()[-2000:]}")

    def victim(self) -> Victim:
        """Return another folder with nothing done in it."""
        self._n += 1
        return Victim.made(self._folder / str(self._n))

    def start(
        self,
        victim: Victim,
        *arguments: str,
        seconds: Mapping[str, float] | None = None,
        blow: Sequence[Any] = (),
        limit: int = 0,
    ) -> int:
        """Return the number of the process that runs a command, as `Forks.start` does; models take so many seconds."""
        environment = victim.environment(seconds)
        return self._forks.start(
            arguments, victim.folder, victim.printed, environment=environment, blow=blow, limit=limit
        )

    def ended(self, process: int) -> int:
        """Wait for the process and return its exit code."""
        return self._forks.ended(process)

    def run(self, victim: Victim, *arguments: str, blow: Sequence[Any] = (), limit: int = 0) -> int:
        """Return the exit code of a command that is waited for."""
        return self.ended(self.start(victim, *arguments, blow=blow, limit=limit))

    def kill(self, process: int, number: int = signal.SIGKILL, *, alone: bool = False) -> int:
        """Send the signal and return the exit code; SIGKILL goes to all processes of the run unless it is `alone`."""
        if number == signal.SIGKILL and not alone:
            os.killpg(process, number)
        else:
            os.kill(process, number)
        return self._forks.ended(process)

    def resume(self, victim: Victim, found: _Found, *options: str, cache: bool = True) -> None:
        """Let the same command end in peace, and note whether its results are those of a run without disturbance.

        `cache` is whether its cache should have no temporary files either.
        """
        code = self.run(victim, *victim.grid(*options))
        found.note(_SAME, code == 0 and victim.readable() and victim.records() == self.wanted)
        found.note(_CLEAN, not victim.left(cache=cache))


@contextmanager
def on_stage() -> Iterator[Scene]:
    """Yield a scene in a temporary folder. Raises ConfigError where processes cannot be copied."""
    if not hasattr(os, "fork"):
        raise ConfigError("selftest --chaos ends processes as Linux and macOS do; it cannot run here")
    with tempfile.TemporaryDirectory(prefix="baserate-chaos-") as folder, Forks() as forks:
        yield Scene(Path(folder), forks)


def of_its_own(act: Callable[[Scene], list[Claim]]) -> list[Claim]:
    """Return what an act finds on a scene of its own."""
    with on_stage() as scene:
        return act(scene)


def killed(scene: Scene, way: str, n: int, seed: int) -> list[Claim]:
    """Return what is found after `n` kills at random times of grids that run in a way of `_WAYS`."""
    rng, found, kills = np.random.default_rng(seed), _Found(f"kill -9, {way}"), 0
    while kills < n:
        victim, seconds = scene.victim(), _durations(rng)
        for _ in range(8):
            before = victim.records()
            process = scene.start(victim, *victim.grid(*_WAYS[way]), seconds=seconds)
            if rng.random() < _IN_CELLS:
                victim.wait_for(len(before) + int(rng.integers(CELLS - len(before))))
                time.sleep(rng.uniform(0, max(seconds.values())))
            else:
                time.sleep(rng.uniform(0, 1))
            announced = victim.printed.read_text().count("✓") if victim.printed.exists() else 0
            alone = bool(rng.integers(2))
            scene.kill(process, alone=alone)
            kills += 1
            found.note("every record can be read", victim.readable())
            after = victim.records()
            found.note(_KEPT, *(after.get(name) == text for name, text in before.items()))
            found.note("what was said to be done is there", len(after) >= min(announced, CELLS))
            if len(after) == CELLS or kills == n:
                break
        time.sleep(2 * alone)  # processes whose parent was killed end in a second
        scene.resume(victim, found, *_WAYS[way])
    return found.claims()


def struck(scene: Scene, kind: Kind, n: int, seed: int) -> list[Claim]:
    """Return what is found after blows at `n` changes of files in results and cache, drawn of all that a run makes.

    The disk stays full, or read-only, from that change on.
    """
    names = {"kill": "killed at a change of a file", "full": "the disk is full", "read-only": "the disk is read-only"}
    rng, found = np.random.default_rng(seed), _Found(names[kind])
    victim = scene.victim()
    counted = victim.folder / "counted"
    scene.run(victim, *victim.grid(), blow=("count", 0, victim.folder, counted))
    changes = counted.stat().st_size
    for at in map(int, sorted(rng.choice(changes, min(n, changes), replace=False) + 1)):
        victim = scene.victim()
        # The file that is printed to is opened before.
        code = scene.run(victim, *victim.grid("-q"), blow=(kind, at, victim.folder, victim.folder.with_suffix(".n")))
        if kind != "kill":
            printed = victim.printed.read_text()
            fine = code in (0, 2) and "Traceback" not in printed
            found.note(_SAID, fine and (code == 0 or "cannot" in printed.splitlines()[-1]))
        found.note("every record can be read", victim.readable())
        # A file of the cache that could not be removed goes when outputs of its kind are next computed.
        scene.resume(victim, found, cache=kind != "read-only")
    return found.claims()


def cut_short(scene: Scene, n: int, seed: int) -> list[Claim]:
    """Return what is found where no file may be larger than some bytes, as on a disk that fills while it is written."""
    rng, found = np.random.default_rng(seed), _Found("the disk fills during a write")
    for limit in np.exp(rng.uniform(np.log(20), np.log(2e4), n)).astype(int):
        victim = scene.victim()
        # What is printed must not meet the limit.
        code = scene.run(victim, *victim.grid("-q"), limit=int(limit))
        found.note("every record can be read", victim.readable())
        found.note(_SAID, code in (0, 2, -signal.SIGXFSZ) and "Traceback" not in victim.printed.read_text())
        scene.resume(victim, found)
    return found.claims()


def signalled(scene: Scene, n: int, seed: int) -> list[Claim]:
    """Return what is found after SIGINT and SIGTERM at random times: exit codes 130 and 143, and all put in order."""
    rng, found = np.random.default_rng(seed), _Found("SIGINT and SIGTERM")
    for i in range(n):
        way = list(_WAYS)[i // 2 % 2]
        number, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[i % 2]
        victim = scene.victim()
        process = scene.start(victim, *victim.grid(*_WAYS[way]), seconds=dict.fromkeys((*TRAINED, EMBEDS), 1.0))
        victim.wait_for(0)
        time.sleep(rng.uniform(0, 2))
        found.note("the exit code is 130 or 143", scene.kill(process, number) == code)
        found.note(_CLEAN, not victim.left())
        scene.resume(victim, found, *_WAYS[way])
    return found.claims()


def together(scene: Scene, processes: int, n: int, seed: int) -> list[Claim]:
    """Return what is found where several processes run the same grid in one folder at once."""
    rng, found = np.random.default_rng(seed), _Found(f"{processes} processes, one folder")
    for _ in range(n):
        victim, seconds = scene.victim(), {name: rng.uniform(0, 0.2) for name in (*TRAINED, EMBEDS)}
        going = [scene.start(victim, *victim.grid(), seconds=seconds) for _ in range(processes)]
        found.note("all end without an error", all([scene.ended(process) == 0 for process in going]))
        found.note(_SAME, victim.readable() and victim.records() == scene.wanted)
        found.note(_CLEAN, not victim.left())
    return found.claims()


def out_of_memory(scene: Scene, n: int) -> list[Claim]:
    """Return what is found where one model meets a limit on memory, and another is killed for want of it."""
    found, models = _Found("a model takes too much memory"), (*TRAINED, GREEDY, DIES, EMBEDS)
    for _ in range(n):
        victim = scene.victim()
        code = scene.run(victim, *victim.grid("--isolate", models=models))
        statuses = victim.by_folder()
        failed = [name for name, (status, _) in statuses.items() if status == "failed"]
        named = {name.partition(".")[0] for name in failed}
        found.note("its cell alone fails, with --isolate", code == 1 and named == {GREEDY, DIES})
        found.note("the others are the same bits", victim.records() == scene.wanted)
        found.note(_CLEAN, not victim.left())
    return found.claims()


def edited(scene: Scene, n: int, seed: int) -> list[Claim]:
    """Return how often a changed byte of a record, of predictions or of the cache is seen, or does no harm."""
    rng, found = np.random.default_rng(seed), _Found("a byte is changed")
    victim = scene.victim()
    scene.run(victim, *victim.grid())
    for _ in range(n):
        for what in ("record.json", "predictions.parquet"):
            file = rng.choice(sorted(victim.results.rglob(what)))
            with _changed(file, rng):
                command = ("leaderboard", "results") if what == "record.json" else ("verify", "results")
                found.note(f"{what}: refused", scene.run(victim, *command) != 0)
        segment = rng.choice(sorted(victim.cache.rglob("*.rows")))
        folder = next(victim.results.glob(f"*/{EMBEDS}.*"))
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        _change(segment, rng)
        scene.run(victim, *victim.grid())
        found.note("outputs in the cache: computed again", victim.records() == scene.wanted)
    return found.claims()


@contextmanager
def _changed(file: Path, rng: Generator) -> Iterator[None]:
    content = file.read_bytes()
    _change(file, rng)
    try:
        yield
    finally:
        file.write_bytes(content)


def _change(file: Path, rng: Generator) -> None:
    """Change a byte of the file, at random, to another that is no white space."""
    content = bytearray(file.read_bytes())
    at = int(rng.integers(len(content)))
    while chr(content[at]).isspace():
        at = int(rng.integers(len(content)))
    content[at] ^= 1 << int(rng.integers(1, 3))
    file.write_bytes(content)


def _durations(rng: Generator) -> dict[str, float]:
    """Return the seconds of each model's cell."""
    drawn = np.exp(rng.uniform(np.log(_SHORTEST), np.log(_LONGEST), CELLS))
    return {name: float(s) for name, s in zip((*TRAINED, EMBEDS), drawn, strict=True)}


def chaos_jobs(*, kills: int = 200) -> list[Job]:
    """Return what shows it: `kills` of grids at random times, and of every other disturbance in proportion."""
    share = max(1, kills // 8)
    rounds = max(1, kills // 40)
    ways = [(way, min(share, kills)) for way in _WAYS for _ in range(max(1, kills // share // len(_WAYS)))]
    places = max(1, 3 * kills // 10)
    acts: list[Callable[[Scene], list[Claim]]] = [
        *(partial(killed, way=way, n=n, seed=seed) for seed, (way, n) in enumerate(ways)),
        *(partial(struck, kind=kind, n=places, seed=50) for kind in ("kill", "full", "read-only")),
        partial(cut_short, n=4 * rounds, seed=51),
        partial(signalled, n=4 * rounds, seed=52),
        *(partial(together, processes=processes, n=2 * rounds, seed=53) for processes in (2, 3)),
        partial(out_of_memory, n=rounds),
        partial(edited, n=4 * rounds, seed=54),
    ]
    return [partial(of_its_own, act) for act in acts]


def pooled(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims, those of one setting that were shown by several jobs as one."""
    groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        groups[claim.about, claim.setting].append(claim)
    return [
        replace(of[0], n=(n := sum(c.n for c in of)), found=sum((c.found or 0.0) * c.n for c in of) / n if n else None)
        for of in groups.values()
    ]
