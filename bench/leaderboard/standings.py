"""The leaderboard as a value: which rows meet which columns, what stands in each cell, and what was left out.

It is built from records alone; neither tasks nor models are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UnknownName
from ..progress import activity
from ..records import Record, read_records
from .board import Leaderboard
from .common import Common, common_examples
from .comparisons import Gain, adjusted, difference_of, estimates_by, estimates_of, gain_of, is_preliminary
from .courses import courses_of
from .curves import curves_of
from .floor import is_named, with_floor
from .networks import Networks, networks_of
from .over_tasks import over_tasks
from .perturbed import changes_in
from .placing import columns_of, is_undirected
from .proof import proven
from .ranking import compared, every_adjusted
from .rarity import rarity_of, turns_of
from .remembered import cached_board
from .rows import rows_of, same_versions
from .several import united
from .strata import with_strata
from .table import KINDS, Cell, Column, Row
from .trust import exposure_in
from .tuning import chosen_in_short, n_trials, untuned, valid_score
from .versions import newest_of, older_than
from .windows import windows_of
from .wording import sign_of


def build_leaderboard(
    results: str | Path | Iterable[Record], *, baseline: str = "", strata: Sequence[str] = ()
) -> Leaderboard:
    """Return the leaderboard of all records under a folder, or of those given, with gains and ranks.

    These come from the stored predictions, as do scores by the `strata`, which name columns such as gc. Runs under
    --limit are left out and counted. Gains are over the `baseline` named, by its model or MODEL:MODE, in each column
    where it has a score. Raises DataError for a corrupt record, altered predictions, or an estimate that does not
    follow from them, and UnknownName for a baseline that is no row or strata that no record has.
    """
    records = united(read_records(results) if isinstance(results, str | Path) else results)

    def make() -> Leaderboard:
        from threadpoolctl import ThreadpoolController

        with ThreadpoolController().limit(limits=1, user_api="blas"):  # with several the last digits are others
            return tabulate(records, baseline=baseline, strata=strata)

    return cached_board(records, [baseline, *strata], make)


def tabulate(records: Iterable[Record], *, baseline: str = "", strata: Sequence[str] = ()) -> Leaderboard:
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
    known = [row for row in rows if row.kind == "baseline"]
    if baseline and not any(is_named(row, baseline) for row in known):
        raise UnknownName("baseline", baseline, [row.model for row in known], "It has no row in this table.")
    tuned = [(key, r) for key, r in record.items() if r.spec.budget > 1 and cells[key].compared]
    advance = activity("comparing the models of each task", len(placed))
    columns: dict[Column, Column] = {}
    better: dict[str, frozenset[tuple[str, str]]] = {}
    for c, common in shared.items():
        made = {row: record[row, c] for row in rows if cells[row, c].compared}
        found = with_floor(c, list(made), {row: cells[row, c] for row in made}, made, baseline)
        sure = {row: r for row, r in made.items() if cells[row, c].estimates[0].low is not None}
        columns[c] = replace(found, left_out=common.left_out)
        if sure and sign_of(c):
            regimes = tuple(sorted({row.regime for row in sure}))
            columns[c] = replace(columns[c], ranked=len(sure), regimes=regimes)
            floor, twins = [row for row in made if row.kind == "baseline"], _twins(sure, networks)
            results = compared(columns[c], sure, floor, twins, common.ids, sign=sign_of(c))
            better[columns[c].name] = results.better
            for row, changed in results.cells.items():
                cells[row, c] = replace(cells[row, c], **changed)
            floored = {row: found.best_baseline for row in sure if row.kind != "baseline"}
            untrained = {row: name for row, name in _twins(made, networks).items() if row in sure}
            for kind, over in (("gain", floored), ("twin_gain", untrained)):
                for row, gain in _withheld(c, over, {row: cells[row, c] for row in made}).items():
                    about: dict[str, Any] = {kind: gain}
                    cells[row, c] = replace(cells[row, c], **about)
        advance(1)
    by_hash = {r.hash: r for r in whole if r.status == "done"}
    for (row, column), r in tuned:
        if (defaults := by_hash.get(untuned(r))) is not None:
            cells[row, column] = _over_defaults(cells[row, column], column, r, defaults, shared[column])
    _adjust(cells)
    mean_rank = {row: _mean_rank([cells[row, column] for column in placed]) for row in rows}
    rows.sort(key=lambda row: (list(KINDS).index(row.kind), mean_rank[row], row.name))
    ids = {c: shared[c].ids for c in placed}
    commits = {str(r.environment["git_commit"]) for r in whole if r.environment.get("git_commit")}
    final = tuple(replace(cells[row, c], column=columns[c].name) for row in rows for c in placed)
    return Leaderboard(
        tuple(columns.values()),
        tuple(rows),
        final,
        len(everything) - len(whole),
        tuple(sorted(commits)),
        any(bool(r.environment.get("git_dirty")) for r in whole),
        (*curves_of(rows, cells, record, ids), *windows_of(rows, cells, record, ids), *rarity_of(rows, cells)),
        over_tasks(list(columns.values()), rows, {(x.row, x.column): x for x in final}, better),
        courses_of(rows, cells, record, ids, better),
        turns_of(rows, cells, record, ids),
    )


def _proven(records: Sequence[Record]) -> list[Record]:
    advance = activity("checking records", len(records))
    out = []
    for r in records:
        out.append(proven(r))
        advance(1)
    return out


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
    about["changes"] = changes_in(r)
    apart = r.hash in shared.apart
    estimates = tuple(estimates_of(r, column.metrics, None if apart else shared.ids))
    about["by_stratum"] = tuple(estimates_by(r, column.strata, None if apart else shared.ids))
    about |= {"flags": r.flags, "apart": apart, "older": older_than(newest, r), "undirected": is_undirected(r)}
    return Cell(row.name, column.name, "done", estimates, **about)


def _withheld(column: Column, over: Mapping[Row, str], cells: Mapping[Row, Cell]) -> dict[Row, Gain]:
    """Return the gains of rows `over` others that have no interval, and so without one too, with the reason."""
    by_name = {row.name: cell for row, cell in cells.items()}
    out = {}
    for row, name in over.items():
        base = by_name.get(name)
        if base is None or base.estimates[0].low is not None:
            continue
        why = f"no interval of the gain: {name} has none ({base.estimates[0].reason.removeprefix('no interval: ')})"
        value = sign_of(column) * ((cells[row].value or 0) - (base.value or 0))
        out[row] = Gain(name, value, None, None, None, reason=why)
    return out


def _twins(records: Mapping[Row, Record], networks: Networks) -> dict[Row, str]:
    """Return the rows of the same networks with random weights, by the rows of models that have one."""
    by_name = {row.name: r for row, r in records.items()}
    found = {row: _twin(r, by_name, networks) for row, r in records.items() if row.kind == "model"}
    return {row: twin for row, twin in found.items() if twin}


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
    sign, tuned = sign_of(column), cell.estimates[0]
    (before,) = estimates_of(defaults, [column.metric], shared.ids)
    if not sign or tuned.low is None or before.low is None:
        return cell
    over = f"{cell.row} (budget 1)"
    d = difference_of(r, defaults, column.metric, shared.ids)
    bought = gain_of(d, sign=sign, over=over, preliminary=is_preliminary(r, defaults))
    return replace(cell, untuned=before.value, tuning_gain=bought)


def _adjust(cells: dict[tuple[Row, Column], Cell]) -> None:
    """Adjust the gains of each kind for each other: over baselines, over every one, over twins, and over defaults."""
    for kind in ("gain", "twin_gain", "tuning_gain"):
        gains = {key: g for key, cell in cells.items() if (g := getattr(cell, kind))}
        for key, settled in zip(gains, adjusted(list(gains.values())), strict=True):
            changed: dict[str, Any] = {kind: settled}
            cells[key] = replace(cells[key], **changed)
    claims = {key: cell.every for key, cell in cells.items() if cell.every}
    for key, claim in zip(claims, every_adjusted(list(claims.values())), strict=True):
        cells[key] = replace(cells[key], every=claim)


def _mean_rank(cells: Sequence[Cell]) -> float:
    known = [(cell.rank + (cell.rank_high or cell.rank)) / 2 for cell in cells if cell.rank is not None]
    return sum(known) / len(known) if known else float("inf")
