"""Pretraining in words and tables: what it gained on each task, and whose last checkpoint is better than whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..statistics import ALPHA
from .comparisons import Gain
from .grids import escape, estimate_text, limits
from .table import Course, Table
from .wording import NOTHING, PRELIMINARY, SIGNS, label, number, verdict_sign

_VERDICTS: Mapping[str, str] = {
    "better": "gains with pretraining",
    "worse": "loses with pretraining",
    "tie": "not told apart from where it began",
    "preliminary": "unlike where it began, by one draw of random weights or too few trainings: no verdict",
    "": "has no interval",
}


def amount(value: float) -> str:
    """Return a number of bases or operations with two digits that count, such as '12 M' or '1.2e14'."""
    if value >= 1e12 or 0 < value < 1:
        return f"{value:.2g}".replace("e+", "e")
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.995 * size:
            shown = value / size
            return f"{shown:.2g}{unit}" if shown < 99.5 else f"{shown:.0f}{unit}"
    return f"{value:.0f}"


def course_sections(table: Table) -> list[str]:
    """Return the section of trainings: what each gained on each task, and which is better; [] where there is none."""
    if not table.courses:
        return []
    gained = [course for course in table.courses if len(course.rows) > 1]
    lines = ["## What pretraining gained, by bases seen" if gained else "## Trainings compared", ""]
    lines += [*(f"- {line}" for line in verdicts(gained)), ""] if gained else []
    among = compared(table.courses)
    if among:
        lines += ["Which training is surely better, by its last checkpoint:", "", *(f"- {line}" for line in among), ""]
    lines += ["| Task | Training | Mode | Bases | Operations | First | Last | Gain | Over the best baseline | Over |"]
    lines += ["|:--|:--|:--|--:|--:|--:|--:|--:|--:|:--|"]
    lines += [_line(table, course) for course in table.courses]
    above, below, alike = (SIGNS["course"][v] for v in ("better", "worse", "tie"))
    return [
        *lines,
        "",
        "First and last: the primary score of the checkpoints that had seen the fewest and the most bases. Gain: the",
        "last over the first, paired on the same test examples, and signed so that above 0 is better. A checkpoint of",
        "0 bases is one draw of random weights, by which there is no verdict; where the twin is there, which has one",
        "for each seed, that is the first. Each training is one run of pretraining: what is said is about these",
        "checkpoints. Another run of the same recipe may differ by more than the intervals, which do not know that.",
        f"{above} better, {below} worse, {alike} not told apart (p ≥ {ALPHA:g}, two-sided, adjusted by Holm's method",
        f"for all of these gains), {PRELIMINARY} no verdict. Over: the trainings whose last checkpoint is surely worse",
        "in this task and mode, adjusted within the task and not over tasks.",
        "",
    ]


def compared(courses: Sequence[Course]) -> list[str]:
    """Return a line for each task and mode of several trainings: which is surely better than which."""
    together: dict[tuple[str, str], list[Course]] = {}
    for course in courses:
        together.setdefault((course.column, course.mode), []).append(course)
    lines = []
    for (column, mode), several in together.items():
        if len(several) > 1:
            sure = [f"{course.training} over {', '.join(course.over)}" for course in several if course.over]
            pairs = len(several) * (len(several) - 1) // 2 - sum(len(course.over) for course in several)
            unsure = [f"{pairs} of the pairs not told apart"] if sure and pairs else []
            text = "; ".join([*sure, *unsure]) or f"none of {len(several)} told apart from another"
            lines.append(f"{escape(column)} ({mode}): {escape(text)}.")
    return lines


def verdicts(courses: Sequence[Course]) -> list[str]:
    """Return a line for each training and verdict, which names the tasks, modes and gains with their intervals."""
    by_verdict: dict[tuple[str, str], list[str]] = {}
    for course in courses:
        verdict = course.gain.verdict if course.gain else ""
        shown = f" {_gain(course.gain)}" if course.gain else ""
        by_verdict.setdefault((course.training, verdict), []).append(f"{escape(course.column)} ({course.mode}){shown}")
    order = list(_VERDICTS)
    found = sorted(by_verdict.items(), key=lambda item: (item[0][0], order.index(item[0][1])))
    return [f"**{escape(name)}** {_VERDICTS[verdict]}: {'; '.join(where)}." for (name, verdict), where in found]


def _line(table: Table, course: Course) -> str:
    rows = {row.name: row for row in table.rows}
    column = next(c for c in table.columns if c.name == course.column)
    began = course.gain.over if course.gain else course.rows[0]
    cells = [table.cell(rows[name], column) for name in (began, course.rows[-1])]
    first, last = (estimate_text(cell.estimates[0]) for cell in cells)
    first += " (twin)" if began not in course.rows else ""
    spent = amount(course.operations[-1]) if course.operations[-1] or not course.bases[-1] else NOTHING
    about = [escape(course.column) + f"<br>{escape(label(column.metric))}", escape(course.training), course.mode]
    about += [amount(course.bases[-1]), spent, first if len(course.rows) > 1 else NOTHING, last]
    over = cells[1].gain
    about += [_gain(course.gain), _gain(over, family="gain")]
    return "| " + " | ".join([*about, escape(", ".join(course.over)) or NOTHING]) + " |"


def _gain(gain: Gain | None, *, family: str = "course") -> str:
    if gain is None:
        return NOTHING
    sign = verdict_sign(gain, "course" if family == "course" else "gain")
    return f"{sign} {number(gain.value, signed=True)}".strip() + limits(gain.low, gain.high, signed=True)
