"""Looks at test: every evaluation of a task's test part by a model is counted, and a lock refuses a second one.

A look is a file of its own in the hidden folder `RESULTS/.looks`, written as soon as the test examples are scored. It
stays where the record is replaced or deleted, or the cell fails afterwards, and processes that write one folder never
meet. Under a lock, what a run is about to score is declared there before anything is computed.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from .digests import canonical_json, digest
from .errors import ConfigError, DataError
from .files import write_whole
from .records import Record, cannot_write, folder_name, read_record
from .results import RunSpec, in_short
from .types import Task
from .writing import running, works

FOLDER = ".looks"
_LOCK = "lock"
_LOCKED = "Runs of this folder score a task's test part once by each model; delete this file to end that.\n"
_LOOK, _DECLARED = "look", "declared"


@dataclass(frozen=True)
class Planned:
    """A run before its data are read: all that decides its result but these, and the task whose test part it scores."""

    spec: RunSpec
    test: str

    @property
    def model(self) -> str:
        """The network's name, without the parameters and the revision that it may have in a run, in either order."""
        revision = f"@{in_short(self.spec.revision)}"
        return re.sub(r"\([^()]*=.*\)$", "", self.spec.model.removesuffix(revision)).removesuffix(revision)

    @property
    def key(self) -> str:
        """What two runs of the same settings share, whatever the data and the declared versions."""
        return digest(canonical_json(replace(self.spec, data="", split="", versions={}).to_json()))

    def folder(self, results: Path) -> Path:
        """Return where the looks at this test part by this network are."""
        return results / FOLDER / digest(self.test, self.model, self.spec.revision)


def test_of(task: Task) -> str:
    """Return the task whose test part a task scores: a few-shot task has that of the whole task."""
    return task.whole or task.id


def count_look(results: Path, planned: Planned, reason: str = "") -> int:
    """Return how many earlier looks there were at the test part by the same network, and count this one.

    These are all evaluations in the folder of results, and records of runs from before looks were counted. `reason` is
    why the look was taken, stored beside it. Raises CannotWrite where the folder cannot be written.
    """
    spec, folder = planned.spec, planned.folder(results)
    about = {"test": planned.test, "task": spec.task, "model": spec.model, "mode": spec.mode, "run": spec.hash}
    about |= {"reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    own = folder / f"{_LOOK}-{planned.key}-{spec.hash}-{uuid.uuid4().hex}"
    try:
        write_whole(own, json.dumps(about, indent=1) + "\n")
    except OSError as error:
        raise cannot_write(results, error) from error
    looks = [path for path in folder.glob(f"{_LOOK}-*") if path != own]
    counted = {path.name.split("-")[2] for path in [*looks, own]}
    return len(looks) + sum(r.hash not in counted for r in _records(results, planned))


@contextmanager
def declared(results: Path, runs: Iterable[Planned], *, lock: bool = False, reason: str = "") -> Iterator[None]:
    """Declare the runs of the block under the lock of the folder, which `lock` sets; without one, do nothing.

    A run may then score a test part if no other has by the same network, but for those that were declared with it, and
    those that did so already. With a `reason` every run may. Raises ConfigError, before the block, where one may not or
    a reason goes with no lock, and CannotWrite where the folder cannot be written.
    """
    lock_file = results / FOLDER / _LOCK
    try:
        locked = lock or lock_file.exists()
    except OSError as error:  # such as for a name that is too long
        raise cannot_write(results, error) from error
    if not locked:
        if reason:
            raise ConfigError(f"a reason for a second look goes with a lock, and {results} has none; expected --lock")
        yield
        return
    with ExitStack() as marks:
        try:
            if not lock_file.exists():
                write_whole(lock_file, _LOCKED)
            plans: dict[Path, dict[str, Planned]] = defaultdict(dict)
            for run in runs:  # all are marked before any is judged: of two that start together neither is missed
                marks.enter_context(running(run.folder(results), run.key))
                plans[run.folder(results)][run.key] = run
            new = {folder: _new(results, folder, plan) for folder, plan in plans.items()}
            second = {f: why for f, keys in new.items() if keys and (why := _second(results, f, plans[f], keys))}
            if second and not reason:
                raise _refusal(results, plans, second)
            for folder, keys in new.items():
                if keys and folder not in second:
                    _forget_plans(folder, plans[folder])
                for key in keys:
                    (folder / f"{_DECLARED}-{key}").touch()
        except OSError as error:
            raise cannot_write(results, error) from error
        yield


def _new(results: Path, folder: Path, plan: Mapping[str, Planned]) -> set[str]:
    """Return the runs, by their keys, that were neither declared nor scored before."""
    left = plan.keys() - _keys(folder, _DECLARED, _LOOK)
    return left - _recorded(results, plan) if left else left


def _second(results: Path, folder: Path, plan: Mapping[str, Planned], new: set[str]) -> str:
    """Return why the new runs of a plan would be another look than the first, '' where they would not."""
    others = works(folder) - plan.keys()  # listed before looks: a run that ends in between has left its look
    if (_keys(folder, _LOOK) | _recorded(results, plan)) - new:
        return "was scored on it before in other settings"
    return "is being scored on it in other settings, or was when a run was killed" if others else ""


def _refusal(results: Path, plans: Mapping[Path, Mapping[str, Planned]], second: Mapping[Path, str]) -> ConfigError:
    folder, why = next(iter(second.items()))
    run = _any(plans[folder])
    more = f" ({len(second) - 1} more such models or tasks)" if len(second) > 1 else ""
    return ConfigError(
        f"{results} is locked to one look at the test part of {run.test} by {run.model}, which {why}{more}; "
        "state why in --reason TEXT, which is recorded"
    )


def _forget_plans(folder: Path, plan: Mapping[str, Planned]) -> None:
    """Withdraw what was declared before and never scored, where a new plan takes its place: one alone has a look."""
    for key in _keys(folder, _DECLARED) - plan.keys():
        (folder / f"{_DECLARED}-{key}").unlink(missing_ok=True)


def _keys(folder: Path, *kinds: str) -> set[str]:
    return {path.name.split("-")[1] for kind in kinds for path in folder.glob(f"{kind}-*")}


def _recorded(results: Path, plan: Mapping[str, Planned]) -> set[str]:
    """Return the keys of the done records of the plan's network on its test part."""
    return {_planned(record).key for record in _records(results, _any(plan))}


def _any(plan: Mapping[str, Planned]) -> Planned:
    """Return a run of the plan; all are of one network and one test part."""
    return next(iter(plan.values()))


def _planned(record: Record) -> Planned:
    return Planned(record.spec, str(record.task.get("whole") or record.spec.task))


def _records(results: Path, planned: Planned) -> list[Record]:
    """Return the done records of the same network on the same test part; one that is corrupt says so when it is read.

    Only folders whose names begin like the task's and the network's are opened.
    """
    task, start, found = re.split(r"[@(]", planned.test)[0][:40], folder_name(planned.model)[:40], []
    for file in sorted(results.glob("[!.]*/[!.]*/record.json")):
        if not (file.parent.parent.name.startswith(task) and file.parent.name.startswith(start)):
            continue
        with suppress(DataError):
            record = read_record(file.parent)
            other = _planned(record)
            same = (other.test, other.model, other.spec.revision) == (
                planned.test,
                planned.model,
                planned.spec.revision,
            )
            if same and record.status == "done":
                found.append(record)
    return found
