"""Parts of a leaderboard in Markdown that stand there only for some: looks at test, strands, scores by stratum."""

from __future__ import annotations

from .grids import escape, estimate_text
from .strata import ABOUT, stratum_of
from .table import Column, Table
from .wording import NOTHING, arrow_of, each, label


def looks(table: Table) -> list[str]:
    """Return a folded table of the cells whose test part their network had been scored on before; [] for none."""
    again = [(row, column, cell) for row, column, cell in each(table) if cell.earlier_looks]
    if not again:
        return []
    lines = ["<details>", "<summary>Test parts that a model had been scored on before</summary>", ""]
    lines += ["| Task | Model | Mode | Earlier looks | Reason |", "|:--|:--|:--|--:|:--|"]
    for row, column, cell in again:
        why = escape(cell.look_reason) or NOTHING
        lines += [f"| {escape(column.name)} | {escape(row.model)} | {row.mode} | {cell.earlier_looks} | {why} |"]
    about = "Evaluations by the same network in any mode and settings, those whose record was replaced included."
    return [*lines, "", about, "", "</details>"]


def strands(table: Table) -> list[str]:
    """Return a folded table of how much predictions change on the other strand; [] where it was not asked for."""
    checked = [(row, column, e) for row, column, cell in each(table) if (e := cell.strand) and e.value is not None]
    if not checked:
        return []
    lines = ["<details>", "<summary>How much predictions change on the other strand</summary>", ""]
    lines += ["| Task | Model | Mode | What | Change |", "|:--|:--|:--|:--|--:|"]
    for row, column, e in checked:
        what = "share called otherwise" if e.metric == "strand_flips" else "mean change / SD of predictions"
        lines += [f"| {escape(column.name)} | {escape(row.model)} | {row.mode} | {what} | {estimate_text(e)} |"]
    about = "Of a task whose answer does not depend on the strand, every change is an error of the model."
    return [*lines, "", about, "", "</details>"]


def by_stratum(table: Table, column: Column, by: str) -> list[str]:
    """Return a table of the primary metric in each stratum of a column, with how many examples there are."""
    at = [i for i, name in enumerate(column.strata) if stratum_of(name)[0] == by]
    rows = [(row, table.cell(row, column).by_stratum) for row in table.rows if table.cell(row, column).by_stratum]
    heads = []
    for i in at:
        n = max((found[i].n for _, found in rows if found[i].value is not None), default=0)
        heads.append(f"{escape(stratum_of(column.strata[i])[1])}<br>n = {n:,}")
    metric = f"{escape(label(column.metric.partition(':')[0]))} {arrow_of(column)}".rstrip()
    lines = [f"## {escape(column.name)} by {escape(by)}: {metric}", ""]
    lines += ["| Model | Mode | " + " | ".join(heads) + " |", "|:--|:--" + "|--:" * len(at) + "|"]
    for row, found in rows:
        name = escape(row.model + (f" ({row.detail})" if row.detail else ""))
        lines += [f"| {name} | {row.mode} | " + " | ".join(estimate_text(found[i]) for i in at) + " |"]
    about = [ABOUT[by], ""] if by in ABOUT else []
    reasons = {f"{found[i].metric}: {found[i].reason}" for _, found in rows for i in at if found[i].reason}
    return [*lines, "", *about, *(f"- {escape(reason)}" for reason in sorted(reasons))]
