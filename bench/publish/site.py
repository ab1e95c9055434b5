"""The site as files: which pages there are, and writing them as one folder, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..leaderboard import build_leaderboard
from ..leaderboard.table import Table
from ..leaderboard.wording import floor_rule, is_among_best
from ..progress import activity
from ..records import Record, read_records
from .badge import board_badge
from .examples import examples_file, examples_script, examples_view
from .figures import figures_of
from .folder import Content, check_place, write_folder
from .methods import bibtex, methods_of, models_shown
from .names import VERDICTS, metric_name, page_of, short_name
from .overview import is_bounded, overview_of
from .pages import model_view, task_view
from .pairs import pair_files, pairs_of
from .pdf import pdf_of
from .plots import AXES, COST, Plot, drawn, pdf_name, plot_file, score_view
from .predicted import predicted_of
from .scores import AT_ONCE, about, files_of, in_page, inline

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MARK, _WHAT = "baserate-site.txt", "site"
"""The file that says that a folder is a site of ours, which may be replaced."""
_COPIED = ("site.css", "choices.js", "table.js", "examples.js", "compare.js")
_TEMPLATES = ("base", "parts", "index", "task", "model", "compare", "plots", "methods")
_DRAWN = ("style.svg.j2", "score.svg.j2", "predicted.svg.j2")
_PAGES = (("Overview", "index.html"), ("Compare", "compare.html"), ("Plots", "plots.html"), ("Methods", "methods.html"))


@dataclass(frozen=True)
class Site:
    """What was written: the folder, its number of pages, and its size in bytes."""

    folder: Path
    pages: int
    size: int


def publish(
    results: str | Path, out: str | Path, *, baseline: str = "", strata: Sequence[str] = (), title: str = ""
) -> Site:
    """Return the site of all records under `results`, written to the folder `out`.

    Gains are over the `baseline` named, or else each task's best; `strata` are columns by which pages of tasks have
    scores too. Raises DataError where there are no records, one is
    corrupt, or `out` has files of another kind or cannot be written; what was there before then stays as it was.
    """
    check_place(Path(out), MARK, _WHAT)
    records = records_in(results)
    return write_site(build_leaderboard(records, baseline=baseline, strata=strata), records, Path(out), title=title)


def records_in(results: str | Path) -> list[Record]:
    """Return the records under `results`. Raises DataError where there are none, or trial runs alone."""
    records = read_records(results)
    if not records:
        raise DataError(f"{results}: no <task>/<run>/record.json there; `baserate run --results {results}` makes them")
    if all(r.spec.limit for r in records):
        raise DataError(f"{results}: only trial runs, made with --limit; run again without it")
    return records


def write_site(table: Table, records: list[Record], out: Path, *, title: str = "") -> Site:
    """Return the site of a table, written to `out`; pages say less of cells whose records are not given.

    Raises DataError where `out` has files that are not of a site, or cannot be written.
    """
    check_place(out, MARK, _WHAT)
    content = pages_of(table, {r.hash: r for r in records}, title or "baserate")
    size = write_folder(content, out, _WHAT)
    return Site(out, sum(name.endswith(".html") for name in content), size)


def pages_of(table: Table, records: Mapping[str, Record], title: str) -> Content:
    """Return what every file of the site holds, by its path."""
    shown = {cell.hash for cell in table.cells}
    records = {h: r for h, r in records.items() if h in shown}
    environment = _environment()
    package = files(__package__)
    pdf = len(table.columns) <= AT_ONCE
    out: dict[str, str | bytes] = {name: package.joinpath(name).read_text(encoding="utf-8") for name in _COPIED}
    files_drawn, plots = drawn(table, pdf=pdf)
    out |= files_of(table) | files_drawn | pair_files(pairs_of(table, records), len(table.rows))

    def render(template: str, up: str, **values: Any) -> str:
        shared = {"site": title, "pages": _PAGES, "words": VERDICTS, "up": up, "pdf": pdf}
        return environment.get_template(f"{template}.html.j2").render(**shared, **values)

    out["index.html"] = render(
        "index",
        "",
        overview=overview_of(table),
        n_models=len({row.model for row in table.rows if row.kind == "model"}),
        n_baselines=len({row.model for row in table.rows if row.kind == "baseline"}),
        n_tasks=len({column.task for column in table.columns}),
        rule=_rule(table),
        data=inline(in_page(table, records)),
    )
    of_tasks, by_axis, with_examples = _tasks(table, records, environment, render)
    out |= of_tasks
    out["compare.html"] = render("compare", "", data=inline(_compared(table, with_examples)))
    if pdf:
        out |= {pdf_name(file): pdf_of(text) for file, text in of_tasks.items() if file.endswith(".svg")}
    axes = [(axis, by_axis[axis.name]) for axis in AXES if by_axis[axis.name]]
    out["plots.html"] = render("plots", "", plots=plots, axes=axes)
    for model in dict.fromkeys(row.model for row in table.rows):
        out[page_of("models", model)] = render("model", "../", **model_view(table, model, records))
    out["badge.svg"] = board_badge(table)
    bib = bibtex(records.values())
    out |= {"citations.bib": bib} if bib else {}
    paragraphs = methods_of(table, list(records.values()))
    out["methods.html"] = render("methods", "", paragraphs=paragraphs, models=models_shown(table, records), bib=bib)
    out[MARK] = "A site made by `baserate publish`, which replaces this folder as a whole.\n"
    return out


def _tasks(
    table: Table, records: Mapping[str, Record], environment: Environment, render: Callable[..., str]
) -> tuple[dict[str, str], dict[str, list[Plot]], dict[str, str]]:
    """Return the files of all tasks, their plots by axis, and the scripts with examples by column."""
    out: dict[str, str] = {}
    plots: dict[str, list[Plot]] = {axis.name: [] for axis in AXES}
    with_examples: dict[str, str] = {}
    facts = {row.name: about(row, table, records) for row in table.rows}
    advance = activity("drawing what rows predicted", len(table.columns))
    for column in table.columns:
        found, page = predicted_of(table, column, records), page_of("tasks", column.name)
        figures = figures_of(found, column)
        out |= {file: environment.get_template("predicted.svg.j2").render(drawing) for file, drawing in figures}
        if len(found) > 1:
            with_examples[column.name] = examples_file(column)
            out[f"data/{with_examples[column.name]}.js"] = examples_script(found, column)
        against = []
        for axis in AXES:
            values = None if axis is COST else {name: known[axis.name] for name, known in facts.items()}
            if view := score_view(table, column, axis, values):
                plots[axis.name].append(Plot(plot_file(column, axis), str(view["title"]), page))
                against.append((axis, plots[axis.name][-1]))
                out[against[-1][1].file] = environment.get_template("score.svg.j2").render(view)
        out[page] = render(
            "task",
            "../",
            against=against,
            figures=[file for file, _ in figures],
            examples=examples_view(found, column),
            **task_view(table, column, records),
        )
        advance(1)
    return out, plots, with_examples


def _compared(table: Table, examples: Mapping[str, str]) -> dict[str, Any]:
    """Return the names that the page of two rows needs; it opens with the first model and the best of all rows."""
    columns = [
        {
            "short": short_name(c),
            "page": page_of("tasks", c.name),
            "metric": metric_name(c.metric) if c.metrics else "",
            "bounded": is_bounded(c),
            "examples": examples.get(c.name, ""),
        }
        for c in table.columns
    ]
    best = {row.name: sum(is_among_best(table.cell(row, c)) for c in table.columns) for row in table.rows}
    names = [row.name for row in table.rows]
    other = max(names[1:], key=lambda name: best[name], default=names[0])
    return {"rows": names, "columns": columns, "first": [0, names.index(other)]}


def _rule(table: Table) -> str:
    rule = floor_rule(table)
    return f"The best baseline of a task: {rule}." if rule else ""


def _environment() -> Environment:
    """Return the templates; every value in them is escaped unless it is marked as made here."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    package = files(__package__)
    names = [*(f"{name}.html.j2" for name in _TEMPLATES), *_DRAWN]
    texts = {name: package.joinpath(name).read_text(encoding="utf-8") for name in names}
    environment = Environment(
        loader=DictLoader(texts), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["breaks"] = _breaks
    return environment


def _breaks(name: str) -> Markup:
    """Return the name as HTML that may be broken after an underscore or a dot."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>")).replace(".", Markup(".<wbr>"))
