"""The leaderboard as a value: which rows meet which columns, what stands in each cell, and what was left out.

It is built from records alone; neither tasks nor models are loaded.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..progress import activity
from ..records import Record, read_records
from ..types import StrArray
from .board import Leaderboard
from .common import Common, common_examples
from .comparisons import (
    Gain,
    adjusted,
    difference_of,
    estimates_by,
    estimates_of,
    gain_of,
    is_preliminary,
    jackknife_of,
    ranks,
)
from .curves import curves_of
from .networks import Networks, networks_of
from .proof import proven
from .rows import rows_of, same_versions
from .strata import with_strata
from .table import KINDS, Cell, Column, Row
from .trust import audit_of, exposure_in
from .tuning import budgets_of, chosen_in_short, heights_on_valid, n_trials, under, untuned, valid_score
from .versions import newest_of, older_than
from .wording import better


def build_leaderboard(results: str | Path | Iterable[Record], strata: Sequence[str] = ()) -> Leaderboard:
    """Return the leaderboard of all records under a folder, or of those given, with gains and ranks.

    These come from the stored predictions, as do scores by the `strata`, which name columns such as gc. Runs under
    --limit are left out and counted. Raises DataError for a corrupt record, altered predictions, or an estimate that
    does not follow from them, and UnknownName for strata that no record has.
    """
    return tabulate(read_records(Path(results)) if isinstance(results, str | Path) else results, strata)


def tabulate(records: Iterable[Record], strata: Sequence[str] = ()) -> Leaderboard:
    """Return the leaderboard of `records`, whose order does not matter, with scores by the `strata`."""
    everything = sorted(records, key=lambda r: (r.spec.task, r.spec.model, r.spec.mode, r.hash))
    whole = _proven([r for r in everything if not r.spec.limit])
    placed = with_strata(columns_of(whole), strata)
    networks = networks_of(whole)
    rows, of_record = rows_of(placed, networks)
    record = {(of_record[r.hash], column): r for column, members in placed.items() for r in members}
    shared = {
        c: common_examples([r for r in members if r.status == "done" and not is_undirected(r)])
        for c, members in placed.items()
    }
    newest = {c: newest_of(members) for c, members in placed.items()}
    cells = {(row, c): _cell(row, c, record.get((row, c)), shared[c], newest[c]) for row in rows for c in placed}
    columns = {c: replace(_floor(c, rows, cells, record), left_out=shared[c].left_out) for c in placed}
    tuned = [(key, r) for key, r in record.items() if r.spec.budget > 1 and cells[key].compared]
    advance = activity("comparing the models of each task", len(placed))
    for column in placed:
        _compare(column, columns[column].best_baseline, rows, cells, record, networks, shared[column].ids)
        advance(1)
    by_hash = {r.hash: r for r in whole if r.status == "done"}
    for (row, column), r in tuned:
        if (defaults := by_hash.get(untuned(r))) is not None:
            cells[row, column] = _over_defaults(cells[row, column], column, r, defaults, shared[column])
    _adjust(cells)
    mean_rank = {row: _mean_rank([cells[row, column] for column in placed]) for row in rows}
    rows.sort(key=lambda row: (list(KINDS).index(row.kind), mean_rank[row], row.name))
    commits = {str(r.environment["git_commit"]) for r in whole if r.environment.get("git_commit")}
    return Leaderboard(
        tuple(columns.values()),
        tuple(rows),
        tuple(replace(cells[row, c], column=columns[c].name) for row in rows for c in placed),
        len(everything) - len(whole),
        tuple(sorted(commits)),
        any(bool(r.environment.get("git_dirty")) for r in whole),
        curves_of(rows, cells, record, {c: shared[c].ids for c in placed}),
    )


def _proven(records: Sequence[Record]) -> list[Record]:
    advance = activity("checking records", len(records))
    out = []
    for r in records:
        out.append(proven(r))
        advance(1)
    return out


def columns_of(records: Sequence[Record]) -> dict[Column, list[Record]]:
    """Return the columns with their records, in order of task and of the number of training examples.

    A run that does not train has no seeds, training share or transform of targets to agree on: it stands in every
    column of its examples. What has nothing to tune stands in the columns of every budget, and the names of columns
    state budgets where there is one above 1.
    """
    by_examples: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for r in records:
        by_examples[r.spec.task, r.spec.data, r.spec.split].append(r)
    columns: list[tuple[Column, list[Record]]] = []
    for _, members in sorted(by_examples.items(), key=_place):
        trained = {_training(r) for r in members if r.spec.train_fraction}
        for training in sorted(trained) or [((), 0.0, "")]:
            alike = [r for r in members if not r.spec.train_fraction or _training(r) == training]
            for budget in budgets_of(alike):
                own_records = under(budget, alike)
                columns.append((_column(own_records, training, budget), own_records))
    tuned = any(c.budget > 1 for c, _ in columns)
    return {
        _with_full_name(c, [other for other, _ in columns if other.task == c.task], tuned): members
        for c, members in columns
    }


def _place(examples: tuple[tuple[str, str, str], list[Record]]) -> tuple[Any, ...]:
    key, (first, *_) = examples
    return first.task.get("whole", first.spec.task), first.task.get("shots", math.inf), key


def _column(records: Sequence[Record], training: tuple[tuple[int, ...], float, str], budget: int) -> Column:
    """Return the column of these records; its name is still that of the task."""
    seeds, fraction, transform = training
    spec, about = records[0].spec, records[0].task
    metrics = tuple(about.get("metrics") or ()) or tuple(e.metric for r in records for e in r.estimates[:1])
    description = str(about.get("description", ""))
    n_train = (about.get("sizes") or {}).get("train")
    verdict, why = audit_of(records)
    newer = next((str(r.task["superseded_by"]) for r in records if r.task.get("superseded_by")), "")
    name, data, split = spec.task, spec.data, spec.split
    column = Column(name, name, data, split, seeds, fraction, metrics, description, n_train, transform=transform)
    few: dict[str, Any] = {"shots": about.get("shots", 0), "whole": about.get("whole", "")}
    return replace(column, audit=verdict, audit_reasons=why, superseded_by=newer, budget=budget, **few)


def _training(r: Record) -> tuple[tuple[int, ...], float, str]:
    """Return the seeds, the share of training data and the transform of targets of a run that trains."""
    return r.spec.seeds, r.spec.train_fraction, r.spec.versions.get("transform", "")


def _with_full_name(column: Column, alike: Sequence[Column], tuned: bool) -> Column:
    """Return the column, its name completed by what sets it apart from the task's other columns.

    Where the table has what was `tuned`, the name of a column with trained models says under which budget they stand.
    """
    parts = {
        "seeds": " ".join(map(str, column.seeds)),
        "train_fraction": f"{column.train_fraction:g}",
        "transform": column.transform or "none",
        "data": column.data[:6],
        "split": column.split[:6],
        "budget": str(column.budget),
    }
    stated = {"budget"} if tuned and column.seeds else set()
    differing = [key for key in parts if key in stated or len({getattr(c, key) for c in alike}) > 1]
    suffix = ", ".join(f"{key.replace('_', ' ')} {parts[key]}" for key in differing)
    return replace(column, name=f"{column.name} ({suffix})") if suffix else column


def _cell(row: Row, column: Column, r: Record | None, shared: Common, newest: Mapping[str, str]) -> Cell:
    if r is None:
        return Cell(row.name, column.name, "missing")
    exposure, why = exposure_in(r)
    about: dict[str, Any] = {"hash": r.hash, "seconds": r.seconds, "exposure": exposure, "exposure_reason": why}
    about["versions"] = ", ".join(f"{package} {version}" for package, version in r.made_with.items())
    metric, valid = valid_score(r)
    about |= {"valid": valid, "valid_metric": metric, "trials": n_trials(r), "chosen": chosen_in_short(r)}
    about |= {"earlier_looks": r.earlier_looks, "look_reason": r.look_reason, "strand": r.strand}
    if r.status != "done":
        return Cell(row.name, column.name, r.status, error=r.error, **about)
    apart = r.hash in shared.apart
    estimates = tuple(estimates_of(r, column.metrics, None if apart else shared.ids))
    about["by_stratum"] = tuple(estimates_by(r, column.strata, None if apart else shared.ids))
    about |= {"flags": r.flags, "apart": apart, "older": older_than(newest, r), "undirected": is_undirected(r)}
    return Cell(row.name, column.name, "done", estimates, **about)


def is_undirected(r: Record) -> bool:
    """Return whether a score may be mirrored: zero-shot, of a task that does not say which variants are harmful."""
    unstated = r.task.get("deleterious", False) is None  # older records have no such key, and are taken as they are
    return r.spec.mode == "zero_shot" and unstated and len(r.task.get("classes") or ()) <= 2


def _sign(column: Column) -> int:
    """Return 1 where higher is better in the primary metric, -1 where lower is, 0 where neither is."""
    return {"higher": 1, "lower": -1, "": 0}[better(column.metric)] if column.metrics else 0


def _floor(
    column: Column,
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    record: Mapping[tuple[Row, Column], Record],
) -> Column:
    """Return the column with its best baseline, and with how many examples and clusters it has.

    The baseline is chosen by scores on valid, if all baselines of the column have one by the same metric, else by those
    on test.
    """
    scored = [(row, cells[row, column]) for row in rows if cells[row, column].compared]
    if not scored:
        return column
    first = scored[0][1].estimates[0]
    column_n = replace(column, n=first.n, n_clusters=first.n_clusters)
    sign = _sign(column)
    floor = [(row, sign * (cell.value or 0.0)) for row, cell in scored if row.kind == "baseline"]
    if not floor or not sign:
        return column_n
    on_valid = heights_on_valid([record[row, column] for row, _ in floor])
    heights = [height for _, height in floor] if on_valid is None else on_valid
    best = max(zip(heights, [row.name for row, _ in floor], strict=True))[1]
    return replace(column_n, best_baseline=best, chosen_on="test" if on_valid is None else "valid")


def _compare(
    column: Column,
    best_baseline: str,
    rows: Sequence[Row],
    cells: dict[tuple[Row, Column], Cell],
    record: Mapping[tuple[Row, Column], Record],
    networks: Networks,
    ids: StrArray | None,
) -> None:
    """Put ranks and unadjusted gains into the cells of a column, over the examples with these `ids`."""
    sign = _sign(column)
    scored = [row for row in rows if cells[row, column].compared and cells[row, column].estimates[0].low is not None]
    if not scored or not sign:
        return
    made = [jackknife_of(record[row, column], column.metric, ids) for row in scored]
    by_name = {row.name: record[row, column] for row in scored}

    def over(row: Row, name: str) -> Gain | None:
        other = by_name.get(name)
        if other is None:
            return None
        return gain_of(by_name[row.name], other, column.metric, ids, sign=sign, over=name)

    def p_of(i: int, j: int) -> float:
        a, b = record[scored[i], column], record[scored[j], column]
        p = None if is_preliminary(a, b) else difference_of(a, b, column.metric, ids).p
        return 1.0 if p is None else p

    for row, rank in zip(scored, ranks([sign * each.value for each in made], p_of), strict=True):
        twin = _twin(record[row, column], by_name, networks) if row.kind == "model" else ""
        baseline_gain = over(row, best_baseline) if row.kind != "baseline" else None
        cells[row, column] = replace(cells[row, column], rank=rank, gain=baseline_gain, twin_gain=over(row, twin))


def _twin(r: Record, others: Mapping[str, Record], networks: Networks) -> str:
    """Return the row of the same network with random weights, in the same mode, settings and versions; '' for none.

    In older records what fine-tuning is to pretrained weights, training from scratch is to random ones. Where several
    networks have the twin's name and nothing else says which it is, there is none.
    """
    modes = {r.spec.mode, "from_scratch"} if r.spec.mode == "fine_tune" else {r.spec.mode}
    alike = {
        name: other
        for name, other in others.items()
        if other.model.get("twin_of")
        and other.spec.mode in modes
        and other.spec.settings == r.spec.settings
        and same_versions(r, other)
    }
    known = [name for name, other in alike.items() if networks.is_twin(other, r)]
    named = [name for name, other in alike.items() if networks.is_twin(other, r) is None]
    found = known or (named if len({networks.of[alike[name].hash] for name in named}) == 1 else [])
    return max(found, key=lambda name: len(alike[name].spec.seeds), default="")


def _over_defaults(cell: Cell, column: Column, r: Record, defaults: Record, shared: Common) -> Cell:
    """Return the cell of a tuned record with its unadjusted gain over the same run under its defaults.

    Both are scored on the examples that are compared in the column of the tuned one.
    """
    sign, tuned = _sign(column), cell.estimates[0]
    (before,) = estimates_of(defaults, [column.metric], shared.ids)
    if not sign or tuned.low is None or before.low is None:
        return cell
    over = f"{cell.row} (budget 1)"
    bought = gain_of(r, defaults, column.metric, shared.ids, sign=sign, over=over)
    return replace(cell, untuned=before.value, tuning_gain=bought)


def _adjust(cells: dict[tuple[Row, Column], Cell]) -> None:
    """Adjust the gains of each kind for each other: over baselines, over twins, and over the defaults."""
    for kind in ("gain", "twin_gain", "tuning_gain"):
        gains = {key: g for key, cell in cells.items() if (g := getattr(cell, kind))}
        for key, settled in zip(gains, adjusted(list(gains.values())), strict=True):
            changed: dict[str, Any] = {kind: settled}
            cells[key] = replace(cells[key], **changed)


def _mean_rank(cells: Sequence[Cell]) -> float:
    known = [cell.rank for cell in cells if cell.rank is not None]
    return sum(known) / len(known) if known else float("inf")
