"""A cleaned version of a task: without rows that leak, repeat or contradict one another, or with a new split.

Test rows stay as they are, so that scores on the two versions can be compared, except where test itself repeats a row
or gives one sequence two labels. What leaks is removed from training and validation.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
import shlex
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
from ..splits import by_homology, with_families, with_valid
from ..splits.homology import with_clusters
from ..types import Examples, IntArray, Part, Split, StrArray, Task, strings
from .card import card_text, table_columns
from .duplicates import conflicting
from .features import inputs_of
from .hashes import InputHashes, first_match, hashes_of, joined, repeats, spread_of, too_short
from .overlaps import most_shared
from .relatives import NEAR, family_similarity

RULES = ("identical", "conflicts", "groups", "overlaps", "relatives")
"""The reasons to remove a row, in the order in which they are checked."""

_ROUNDS = 20
_ORDER: tuple[Part, ...] = ("test", "valid", "train")


@dataclass(frozen=True)
class Removed:
    """A removed row: its part, its id, the reason, and the row that is kept instead, if there is one."""

    part: str
    id: str
    reason: str
    because: str = ""


@dataclass(frozen=True)
class Resplit:
    """What was written: the card, the sizes of its parts before and after, and the removed rows.

    `name` is the id of the task that was made, `source` of the one that was cleaned.
    """

    card: Path
    name: str
    source: str
    sizes: dict[str, int]
    before: dict[str, int]
    removed: tuple[Removed, ...] = field(repr=False)
    new_split: bool = False

    @property
    def summary(self) -> tuple[str, ...]:
        """What was done, as lines of text."""
        counts = Counter((r.part, r.reason) for r in self.removed)
        lines = [
            f"removed {n:,} {'row' if n == 1 else 'rows'} of {part}: {reason}"
            for (part, reason), n in sorted(counts.items())
        ]
        sizes = ", ".join(f"{part} {n:,} (was {self.before[part]:,})" for part, n in self.sizes.items())
        how = f"new split by clusters of relatives (similarity {NEAR:g} or more)" if self.new_split else "split kept"
        if not self.new_split and not self.before["valid"]:
            how += ", and valid taken out of train"
        return (*(lines or ["no row had to be removed"]), f"{how}: {sizes}")

    @property
    def note(self) -> str:
        """What was done, in one sentence for the card's description."""
        how = ", split anew by families," if self.new_split else ""
        rows = f"without {len(self.removed):,}" if self.removed else "with all"
        return f"{self.source}{how} {rows} of its {sum(self.before.values()):,} rows."

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

    Raises ConfigError where the folder exists, NotApplicable for a task that does not fit a table of rows, and
    DataError where a part would be left empty. Nothing is written then.
    """
    if folder.exists():
        raise ConfigError(_taken(folder))
    if "(" in task.name:
        raise ConfigError(
            f"{task.name} is a variant of a task and has no card; clean {task.name.partition('(')[0]} instead"
        )
    if task.per_base:
        raise NotApplicable(
            f"task {task.id}: its rows are bases of shared sequences; clean the source by whole sequences instead"
        )
    if not len(split.train):
        raise DataError(f"task {task.id} has no training part, so nothing can leak")
    before: dict[str, int] = {part: len(e) for part, e in split}
    cleaned, removed = _by_homology(task, split) if anew else _cleaned(task, split, rules)
    if not anew:
        cleaned = cleaned if before["valid"] else _carved(task, cleaned)
        cleaned = _by_families(task, cleaned)
    _check(task, cleaned, anew)
    result = Resplit(
        folder / f"{task.name}.toml", f"{task.name}@{task.version + 1}", task.id, {}, before, tuple(removed), anew
    )
    result = replace(result, sizes={part: len(e) for part, e in cleaned})
    _write(task, cleaned, folder, result)
    return result


def _taken(folder: Path) -> str:
    """Return that a folder exists, whose it is, and the next name that is free."""
    place = folder if folder.name not in ("", "..") else folder.resolve()
    number = re.search(r"\d*$", place.name)[0]  # type: ignore[index]
    stem = place.name.removesuffix(number) if number else f"{place.name}_"
    numbers = itertools.count(int(number or 1) + 1)
    free = next(name for n in numbers if not (name := place.parent / f"{stem}{n}").exists())
    try:
        made = json.loads((folder / "resplit.json").read_text())["task"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{folder} exists already; --out {shlex.quote(str(free))} is free"
    return (
        f"{folder} has {made}, which `baserate resplit` wrote there; --out {shlex.quote(str(free))} is free, or remove "
        f"{folder} first"
    )


def _cleaned(task: Task, split: Split, rules: Sequence[str]) -> tuple[Split, list[Removed]]:
    """Return the split without rows that leak, repeat or contradict one another, and the removed rows.

    Test is cleaned first, then validation against it, then training against both.
    """
    spread = spread_of(task, np.concatenate([e.targets for _, e in split if len(e)]))
    hashes: dict[Part, InputHashes] = {part: hashes_of(e.inputs, f"hashing {part}") for part, e in split}
    cleaned: dict[Part, Examples] = {}
    cleaned_hashes: dict[Part, InputHashes] = {}
    removed: list[Removed] = []
    parts: dict[Part, Examples] = dict(split)
    for part in _ORDER:
        examples, part_hashes = parts[part], hashes[part]
        reasons = strings([""] * len(examples))
        because = strings([""] * len(examples))
        _within(task, examples, part_hashes, rules, spread, reasons, because)
        for other, others in cleaned.items():
            _against(task, examples, part_hashes, other, others, cleaned_hashes[other], rules, reasons, because)
        removed_rows = np.flatnonzero(reasons != "")
        removed += [Removed(part, examples.ids[i], reasons[i], because[i]) for i in removed_rows]
        rows = np.flatnonzero(reasons == "")
        cleaned[part] = examples.take(rows)
        cleaned_hashes[part] = InputHashes(part_hashes.exact[rows], part_hashes.either[rows], part_hashes.window[rows])
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
    """Mark the rows that contradict or repeat another row of the same part."""
    if not len(examples):
        return
    if "conflicts" in rules and task.kind != "paired":
        reasons[conflicting(task, hashes.exact, examples.targets, spread)] = "its sequence has two labels in this part"
    if "identical" in rules:
        rows, earlier = repeats(hashes.exact)
        free = reasons[rows] == ""
        reasons[rows[free]] = "repeats an earlier row of this part"
        because[rows[free]] = examples.ids[earlier[free]]


def _against(
    task: Task,
    examples: Examples,
    hashes: InputHashes,
    other: Part,
    others: Examples,
    other_hashes: InputHashes,
    rules: Sequence[str],
    reasons: StrArray,
    because: StrArray,
) -> None:
    """Mark the rows that are in, or too close to, a part that was cleaned before."""
    if not len(examples) or not len(others):
        return

    def mark(at: IntArray, reason: str) -> None:
        hit = np.flatnonzero((at >= 0) & (reasons == ""))
        reasons[hit] = reason
        because[hit] = others.ids[at[hit]]

    if "identical" in rules:
        mark(first_match(hashes.either, other_hashes.either), f"identical to a row of {other}, on either strand")
    if "groups" in rules:
        first = {group: i for i, group in reversed(list(enumerate(others.groups)))}
        mark(np.array([first.get(g, -1) for g in examples.groups], np.int64), f"belongs to a group of {other}")
    if "overlaps" in rules and examples.intervals is not None and others.intervals is not None:
        mark(most_shared(examples, others)[0], f"overlaps a row of {other}")
    if "relatives" in rules and not too_short(others.inputs):
        reason = f"has a similarity of {NEAR:g} or more to a row of {other}"
        sequences, references = inputs_of(task, examples.inputs), inputs_of(task, others.inputs)
        rows = np.flatnonzero(reasons == "")
        if len(rows):
            related = nearest(sequences[rows], references)
            at = np.full(len(examples), -1, np.int64)
            at[rows] = np.where(related.similarity >= NEAR, related.index, -1)
            mark(at, reason)
        for _ in range(_ROUNDS):  # searched in the other direction, a few more relatives may turn up
            rows = np.flatnonzero(reasons == "")
            if not len(rows):
                return
            back = nearest(references, sequences[rows])
            near = np.flatnonzero(back.similarity >= NEAR)
            if not len(near):
                return
            at = np.full(len(examples), -1, np.int64)
            at[rows[back.index[near]]] = near
            mark(at, reason)


def _by_homology(task: Task, split: Split) -> tuple[Split, list[Removed]]:
    """Return a new split of about the old sizes that keeps relatives and groups together, and the removed rows.

    Rows that repeat another one or whose sequence has two labels are removed first.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    parts = [e for _, e in split if len(e)]
    names = np.concatenate([[part] * len(e) for part, e in split if len(e)])
    whole = concatenate(parts)
    hashes = joined([hashes_of(e.inputs, f"hashing {part}") for part, e in split if len(e)])
    reasons, because = strings([""] * len(whole)), strings([""] * len(whole))
    _within(task, whole, hashes, ("conflicts", "identical"), spread_of(task, whole.targets), reasons, because)
    removed_rows = np.flatnonzero(reasons != "")
    plainly = {"its sequence has two labels in this part": "its sequence has two labels"}
    plainly |= {"repeats an earlier row of this part": "repeats another row"}
    removed = [Removed(str(names[i]), whole.ids[i], plainly[reasons[i]], because[i]) for i in removed_rows]
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
    removed += [
        Removed(str(names[i]), whole.ids[i], "related to rows of another part") for i in np.flatnonzero(part_of == "")
    ]
    return Split(*(whole.take(np.flatnonzero(part_of == p)) for p in ("train", "valid", "test"))), removed


def _carved(task: Task, split: Split) -> Split:
    """Return the split with a valid part, which it never had: a tenth of training, by families of relatives."""
    similarity = 0.0 if too_short(split.train.inputs) else family_similarity(inputs_of(task, split.train.inputs))
    part = with_valid(_all_train, 0.1, similarity=similarity)(split.train)
    train, valid = (split.train.take(np.flatnonzero(part == name)) for name in ("train", "valid"))
    return Split(train, valid, split.test)


def _all_train(examples: Examples) -> StrArray:
    return strings(["train"] * len(examples))


def _by_families(task: Task, split: Split) -> Split:
    """Return the split with families of relatives joined to its clusters, which intervals leave out whole."""
    if too_short(split.test.inputs):
        return split
    whole = concatenate([e for _, e in split if len(e)])
    whole = with_clusters(with_families(task.split, family_similarity(whole.inputs.sequences)), whole)
    edges = np.cumsum([0, *(len(e) for _, e in split)])
    parts = (replace(e, clusters=whole.clusters[edges[i] : edges[i + 1]]) for i, (_, e) in enumerate(split))
    return Split(*parts)


def _check(task: Task, cleaned: Split, anew: bool) -> None:
    """Raise DataError or ConfigError where the cleaned task could not be used."""
    for part, examples in cleaned:
        if not len(examples):
            advice = "all rows belong to one family" if anew else "try --split by_homology, or fewer rules"
            raise DataError(f"task {task.id}: no row of {part} would be left; {advice}")
    if task.kind == "classification":
        for part, examples in cleaned:
            counts = np.bincount(examples.targets, minlength=len(task.classes))
            if part != "valid" and not counts.all():
                name = task.classes[int(counts.argmin())]
                raise DataError(f"task {task.id}: no row of class {name!r} would be left in {part}")
    seen: dict[str, str] = {}
    for part, examples in cleaned:
        for group in sorted(set(examples.groups)):
            if seen.setdefault(group, part) != part:
                raise ConfigError(
                    f"task {task.id}: group {group!r} would be in {seen[group]} and {part}; add --rule groups"
                )


def _write(task: Task, cleaned: Split, folder: Path, result: Resplit) -> None:
    """Write the folder whole or not at all. Raises ConfigError where it cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, names = table_columns(task, cleaned)

    def write(beside: Path) -> None:
        beside.mkdir()
        with (beside / f"{task.name}.parquet").open("wb") as out:  # pyarrow would take a path such as run:1 for a URI
            pq.write_table(pa.table(columns), out, compression="zstd")
        text = card_text(task, cleaned, names, result.note, result.summary)
        (beside / f"{task.name}.toml").write_text(text, encoding="utf-8")
        with (beside / "removed.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["part", "id", "reason", "because"])
            writer.writerows([r.part, r.id, r.reason, r.because] for r in result.removed)
        (beside / "resplit.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")

    try:
        write_whole(folder, write)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); give another folder") from error
