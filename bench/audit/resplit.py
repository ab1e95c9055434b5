"""A cleaned version of a task: rows that leak, repeat or contradict one another are removed, or the split is made anew.

Test rows stay as they are, so that scores on the two versions can be compared, except where test itself repeats a row
or gives one sequence two labels. What leaks is removed from training and validation.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..dna.similarity import clusters, nearest
from ..errors import ConfigError, DataError, NotApplicable
from ..files import write_whole
from ..sources import concatenate
from ..splits import by_homology
from ..types import Examples, IntArray, Part, Split, StrArray, Task, strings
from .card import card_text, table_columns
from .duplicates import conflicting
from .features import inputs_of
from .hashes import InputHashes, first_match, hashes_of, joined, repeats, spread_of, too_short
from .overlaps import most_shared
from .relatives import NEAR

RULES = ("identical", "conflicts", "groups", "overlaps", "relatives")
"""What can be removed, in the order in which a row is asked about."""

_ROUNDS = 20
_ORDER: tuple[Part, ...] = ("test", "valid", "train")


@dataclass(frozen=True)
class Removed:
    """A row that is gone: where it was, why, and the row that it gave way to, if there is one."""

    part: str
    id: str
    reason: str
    because: str = ""


@dataclass(frozen=True)
class Resplit:
    """What was written: the card, the sizes of its parts, and what was removed."""

    card: Path
    name: str
    sizes: dict[str, int]
    before: dict[str, int]
    removed: tuple[Removed, ...] = field(repr=False)
    new_split: bool = False

    @property
    def said(self) -> tuple[str, ...]:
        """What was done, a line each."""
        counts = Counter((r.part, r.reason) for r in self.removed)
        lines = [f"removed {n:,} of {part}: {reason}" for (part, reason), n in sorted(counts.items())]
        sizes = ", ".join(f"{part} {n:,} (was {self.before[part]:,})" for part, n in self.sizes.items())
        how = f"split anew by clusters of relatives ({NEAR:g} or more similar)" if self.new_split else "split kept"
        return (*(lines or ["nothing had to be removed"]), f"{how}: {sizes}")

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object; the rows are in removed.csv beside the card."""
        counts = Counter((r.part, r.reason) for r in self.removed)
        removed = [{"part": part, "reason": reason, "rows": n} for (part, reason), n in sorted(counts.items())]
        return {
            "card": str(self.card),
            "task": self.name,
            "sizes": self.sizes,
            "before": self.before,
            "removed": removed,
        }


def resplit(task: Task, split: Split, folder: Path, *, rules: Sequence[str] = RULES, anew: bool = False) -> Resplit:
    """Return what was written to `folder`: a card of the next version, one table, and the list of removed rows.

    Raises ConfigError where the folder is there, NotApplicable for a task that a table of rows cannot hold, and
    DataError where a part would be left empty. Nothing is written then.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; name a new folder")
    if "(" in task.name:
        raise ConfigError(f"{task.name}: a variant, which has no card of its own; clean {task.name.partition('(')[0]}")
    if task.per_base:
        raise NotApplicable(
            f"task {task.id}: its rows are bases of shared sequences; choose whole sequences at the source"
        )
    if not len(split.train):
        raise DataError(f"task {task.id}: there is no training part that could leak")
    before: dict[str, int] = {part: len(e) for part, e in split}
    made, removed = _by_homology(task, split) if anew else _cleaned(task, split, rules)
    _check(task, made, anew)
    result = Resplit(folder / f"{task.name}.toml", f"{task.name}@{task.version + 1}", {}, before, tuple(removed), anew)
    result = replace(result, sizes={part: len(e) for part, e in made})
    _write(task, made, folder, result)
    return result


def _cleaned(task: Task, split: Split, rules: Sequence[str]) -> tuple[Split, list[Removed]]:
    """Return the split without rows that leak, repeat or contradict one another: test first, then what gives way."""
    spread = spread_of(task, np.concatenate([e.targets for _, e in split if len(e)]))
    hashes: dict[Part, InputHashes] = {part: hashes_of(e.inputs, f"hashing {part}") for part, e in split}
    cleaned: dict[Part, Examples] = {}
    kept_hashes: dict[Part, InputHashes] = {}
    removed: list[Removed] = []
    parts: dict[Part, Examples] = dict(split)
    for part in _ORDER:
        examples, own = parts[part], hashes[part]
        reasons = strings([""] * len(examples))
        because = strings([""] * len(examples))
        _within(task, examples, own, rules, spread, reasons, because)
        for other, theirs in cleaned.items():
            _against(task, examples, own, other, theirs, kept_hashes[other], rules, reasons, because)
        gone = np.flatnonzero(reasons != "")
        removed += [Removed(part, examples.ids[i], reasons[i], because[i]) for i in gone]
        rows = np.flatnonzero(reasons == "")
        cleaned[part] = examples.take(rows)
        kept_hashes[part] = InputHashes(own.own[rows], own.either[rows], own.window[rows])
    return Split(cleaned["train"], cleaned["valid"], cleaned["test"]), removed


def _within(
    task: Task,
    examples: Examples,
    hashes: InputHashes,
    rules: Sequence[str],
    spread: Any,
    reasons: StrArray,
    because: StrArray,
) -> None:
    """Mark what contradicts, or repeats, another row of the same part."""
    if not len(examples):
        return
    if "conflicts" in rules and task.kind != "paired":
        reasons[conflicting(task, hashes.own, examples.targets, spread)] = "its sequence has two labels in this part"
    if "identical" in rules:
        rows, earlier = repeats(hashes.own)
        free = reasons[rows] == ""
        reasons[rows[free]] = "repeats an earlier row of this part"
        because[rows[free]] = examples.ids[earlier[free]]


def _against(
    task: Task,
    examples: Examples,
    hashes: InputHashes,
    other: Part,
    theirs: Examples,
    their_hashes: InputHashes,
    rules: Sequence[str],
    reasons: StrArray,
    because: StrArray,
) -> None:
    """Mark what is in, or too near to, a part that comes first."""
    if not len(examples) or not len(theirs):
        return

    def mark(at: IntArray, reason: str) -> None:
        hit = np.flatnonzero((at >= 0) & (reasons == ""))
        reasons[hit] = reason
        because[hit] = theirs.ids[at[hit]]

    if "identical" in rules:
        mark(first_match(hashes.either, their_hashes.either), f"identical to a row of {other}, on either strand")
    if "groups" in rules:
        first = {group: i for i, group in reversed(list(enumerate(theirs.groups)))}
        mark(np.array([first.get(g, -1) for g in examples.groups], np.int64), f"of a group that is in {other}")
    if "overlaps" in rules and examples.intervals is not None and theirs.intervals is not None:
        mark(most_shared(examples, theirs)[0], f"overlaps a row of {other}")
    if "relatives" in rules and not too_short(theirs.inputs):
        reason = f"{NEAR:g} or more similar to a row of {other}"
        mine, others = inputs_of(task, examples.inputs), inputs_of(task, theirs.inputs)
        rows = np.flatnonzero(reasons == "")
        if len(rows):
            related = nearest(mine[rows], others)
            at = np.full(len(examples), -1, np.int64)
            at[rows] = np.where(related.similarity >= NEAR, related.index, -1)
            mark(at, reason)
        for _ in range(_ROUNDS):  # asked from the other side, a relative or two more may be found
            rows = np.flatnonzero(reasons == "")
            if not len(rows):
                return
            back = nearest(others, mine[rows])
            near = np.flatnonzero(back.similarity >= NEAR)
            if not len(near):
                return
            at = np.full(len(examples), -1, np.int64)
            at[rows[back.index[near]]] = near
            mark(at, reason)


def _by_homology(task: Task, split: Split) -> tuple[Split, list[Removed]]:
    """Return a new split in which relatives and groups stay together, of about the sizes of the old one.

    Rows that repeat another, or whose sequence has two labels, are removed first.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    parts = [e for _, e in split if len(e)]
    names = np.concatenate([[part] * len(e) for part, e in split if len(e)])
    whole = concatenate(parts)
    hashes = joined([hashes_of(e.inputs, f"hashing {part}") for part, e in split if len(e)])
    reasons, because = strings([""] * len(whole)), strings([""] * len(whole))
    _within(task, whole, hashes, ("conflicts", "identical"), spread_of(task, whole.targets), reasons, because)
    gone = np.flatnonzero(reasons != "")
    plainly = {"its sequence has two labels in this part": "its sequence has two labels"}
    plainly |= {"repeats an earlier row of this part": "repeats another row"}
    removed = [Removed(str(names[i]), whole.ids[i], plainly[reasons[i]], because[i]) for i in gone]
    rows = np.flatnonzero(reasons == "")
    whole, names = whole.take(rows), names[rows]
    relatives = clusters(inputs_of(task, whole.inputs), threshold=NEAR)
    _, group = np.unique(whole.groups.astype(str), return_inverse=True)
    n, n_relatives = len(whole), int(relatives.max()) + 1
    graph = coo_matrix((np.ones(n), (relatives, n_relatives + group)), shape=(n_relatives + n, n_relatives + n))
    component = connected_components(graph, directed=False)[1][relatives]
    places = strings([f"family{c}" for c in np.unique(component, return_inverse=True)[1]])
    whole = replace(whole, groups=places, clusters=places)
    share = {part: len(e) / sum(map(len, parts)) for part, e in split}
    rule = by_homology(threshold=NEAR, test=share["test"], valid=share["valid"] or 0.1)
    part_of = rule(whole)
    removed += [Removed(str(names[i]), whole.ids[i], "related to two parts") for i in np.flatnonzero(part_of == "")]
    return Split(*(whole.take(np.flatnonzero(part_of == p)) for p in ("train", "valid", "test"))), removed


def _check(task: Task, made: Split, anew: bool) -> None:
    """Raise DataError or ConfigError where the cleaned task could not be used."""
    had_valid = len(made.valid) > 0
    for part, examples in made:
        if not len(examples) and (part != "valid" or anew):
            advice = "its rows are all of one family" if anew else "try --split by_homology, or fewer rules"
            raise DataError(f"task {task.id}: nothing would be left of {part}; {advice}")
    if not had_valid:
        raise DataError(f"task {task.id}: nothing would be left of valid; try --split by_homology, or fewer rules")
    if task.kind == "classification":
        for part, examples in made:
            counts = np.bincount(examples.targets, minlength=len(task.classes))
            if part != "valid" and not counts.all():
                name = task.classes[int(counts.argmin())]
                raise DataError(f"task {task.id}: no row of class {name!r} would be left of {part}")
    seen: dict[str, str] = {}
    for part, examples in made:
        for group in sorted(set(examples.groups)):
            if seen.setdefault(group, part) != part:
                raise ConfigError(
                    f"task {task.id}: group {group!r} would be in {seen[group]} and {part}; add --rule groups"
                )


def _write(task: Task, made: Split, folder: Path, said: Resplit) -> None:
    """Write the folder whole or not at all. Raises ConfigError where it cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, names = table_columns(task, made)

    def write(beside: Path) -> None:
        beside.mkdir()
        pq.write_table(pa.table(columns), beside / f"{task.name}.parquet", compression="zstd")
        (beside / f"{task.name}.toml").write_text(card_text(task, made, names, said.said), encoding="utf-8")
        with (beside / "removed.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["part", "id", "reason", "because"])
            writer.writerows([r.part, r.id, r.reason, r.because] for r in said.removed)
        (beside / "resplit.json").write_text(json.dumps(said.to_json(), indent=1) + "\n", encoding="utf-8")

    try:
        write_whole(folder, write)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); choose another place") from error
