"""The part of docs/tasks.md on published tasks, written from the cards of all benchmarks.

python docs/write_tasks_page.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baserate.cards.task_file import card_tables
from baserate.registry import TASKS
from baserate.sources.declared import HubSource
from baserate.types import PARTS, Task

BEGIN = "<!-- Written from the cards by docs/write_tasks_page.py. -->"
END = "<!-- End of what is written from the cards. -->"

_INTRODUCTION = """\
## Published tasks

Tasks that others published, each by the name of its benchmark and its own: `baserate run --task 'gue.*'` runs a
benchmark, `baserate show gue.prom_core_all` prints a card. Nothing of them comes with baserate. A task looks for its
data

1. in the folders of `--data-dir DIR` and `BASERATE_DATA_DIR`: a copy of the repository on the Hugging Face hub as
   `DIR/ORG/NAME` or `DIR/NAME`, the hub's own cache (`DIR/datasets--ORG--NAME`), or the authors' unpacked archive where
   they gave one out (`DIR/GUE/prom/...`);
2. on the hub, at the revision below. `HF_HUB_OFFLINE=1` keeps it from trying. A script in a repository is never run.

What was read must have the rows that the card expects, by class where we have counted them; anything else is refused
with what was read, what was expected and the revision. The authors' split stays as it is, so that numbers compare,
even where the audit fails it: a group in two parts becomes a group of each. Where they made no valid part, a tenth of
the examples is taken out of train, equal sequences together.

**Metric** is ours, the first of the card; in parentheses what the authors report, where that is another and we know it.
**Sizes** are empty where we have not seen them, and 0 where nothing is trained on. **Loaded from** says what the loader
has been tried on: the authors' own files, or, since most could not be had where this was written, a few rows that a
test writes in the layout of the repository. The whole data may hold something that those rows do not; what is refused
then is named by file and row. **Unit of intervals** is what a cluster is: intervals are about other units of the kind
([statistics.md](statistics.md#the-estimand)). Where only sequences are given out, neither gene nor place is known, and
equal sequences are one unit; relatives among them make intervals too narrow, and the audit says how many there are.
"""


def tasks_page(page: str) -> str:
    """Return the page with its part on published tasks written anew. Raises ValueError where it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN!r} and {END!r}")
    return before + BEGIN + "\n\n" + published_tasks() + "\n" + END + after


def published_tasks() -> str:
    """Return the section on published tasks as Markdown: a table of benchmarks, then one of the tasks of each."""
    benchmarks: dict[str, list[tuple[Task, Mapping[str, Any]]]] = {}
    tables: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, task in TASKS.all().items():
        file = TASKS.origin(name)
        if file.endswith(".toml"):
            if file not in tables:
                tables[file] = {table["name"]: table for _, table in card_tables(Path(file))}
            benchmarks.setdefault(task.name.partition(".")[0], []).append((task, tables[file][task.name]))
        elif "." in task.name:
            benchmarks.setdefault(task.name.partition(".")[0], []).append((task, {"expect": task.sizes}))
    index = ["| benchmark | tasks | species | data | licence |", "|---|---|---|---|---|"]
    benchmarks = dict(sorted(benchmarks.items()))
    for benchmark, tasks in benchmarks.items():
        species = list(dict.fromkeys(s for task, _ in tasks for s in task.species))
        of = ", ".join(species) if len(species) < 4 else f"{len(species)}, such as {species[0]}"
        sources = list(dict.fromkeys(task.origin.partition(" at ")[0] for task, _ in tasks))
        data = sources[0] if len(sources) == 1 else f"{len(sources)} sources, such as {sources[0]}"
        index.append(
            f"| [{benchmark}](#{benchmark}) | {len(tasks)} | {of} | {data} | {_both(t.licence for t, _ in tasks)} |"
        )
    return "\n".join(
        [_INTRODUCTION, *index, "", *(_section(benchmark, tasks) for benchmark, tasks in benchmarks.items())]
    )


def _section(benchmark: str, tasks: Sequence[tuple[Task, Mapping[str, Any]]]) -> str:
    origins = list(dict.fromkeys(task.origin for task, _ in tasks))
    about = tasks[0][0].description if len(tasks) == 1 else _shared([t.description for t, _ in tasks])
    lines = [f"### {benchmark}", "", *([about, ""] if about else [])]
    lines += [f"{_both(task.citation for task, _ in tasks)}.", ""]
    if len(origins) == 1:
        lines += [f"Data: {origins[0]}.", ""]
    units = list(dict.fromkeys(_sample(task) for task, _ in tasks))
    if len(units) == 1:
        lines += [f"Unit of intervals: {units[0]}.", ""]
    head = ["task", "kind", "classes", "length, bp", "train / valid / test", "metric", "loaded from"]
    head += ["unit of intervals"] if len(units) > 1 else []
    head += ["revision"] if len(origins) > 1 else []
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for task, table in tasks:
        cells = [
            f"`{task.name}`",
            task.kind + (", variants" if task.variants else "") + (", per base" if task.per_base else ""),
            _classes(task),
            str(table.get("length", "")),
            _sizes(table.get("expect", {})),
            task.metrics[0] + (f" ({task.published})" if task.published not in ("", task.metrics[0]) else ""),
            task.loaded or "not said",
        ]
        cells += [_sample(task)] if len(units) > 1 else []
        cells += [_revision(task)] if len(origins) > 1 else []
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _sample(task: Task) -> str:
    """Return what a task's intervals are about: the unit, what stands beside, what is fixed, and the margin."""
    beside = f"{task.coarser} beside" if task.coarser else ""
    margin = "" if task.margin is None else f"margin {task.margin:g}"
    return "; ".join(filter(None, [task.unit, beside, f"fixed: {task.fixed}" if task.fixed else "", margin]))


def _classes(task: Task) -> str:
    if not task.classes:
        return ""
    numbered = all(name.isdecimal() for name in task.classes)
    return str(len(task.classes)) if numbered or len(task.classes) > 4 else ", ".join(task.classes)


def _sizes(expect: Mapping[str, Any]) -> str:
    """Return the rows of each part: '' where they are not known, '–' for a part that the authors did not make."""
    rows = {part: sum(n) if isinstance(n, list) else n for part, n in expect.items()}
    if "rows" in rows:
        return f"{rows['rows']:,} in all"
    if not rows:
        return ""
    absent = {"valid": "–"} if "train" in rows else {}
    return " / ".join(f"{rows[part]:,}" if part in rows else absent.get(part, "") for part in PARTS)


def _revision(task: Task) -> str:
    if isinstance(task.source, HubSource):
        wanted = task.source.dataset
        return f"`{wanted.repository}` at `{wanted.revision[:8]}`"
    return task.origin


def _both(values: Any) -> str:
    return "; ".join(dict.fromkeys(filter(None, values)))


def _shared(texts: Sequence[str]) -> str:
    """Return the sentences with which all texts end."""
    sentences = [text.split(". ") for text in texts]
    n = 0
    while all(len(s) > n for s in sentences) and len({s[-1 - n] for s in sentences}) == 1:
        n += 1
    return ". ".join(sentences[0][len(sentences[0]) - n :]) if n else ""


if __name__ == "__main__":
    page = Path(__file__).with_name("tasks.md")
    page.write_text(tasks_page(page.read_text(encoding="utf-8")), encoding="utf-8")
