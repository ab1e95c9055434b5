"""The paragraphs on methods and the citations, made from the records: what was run and how it was compared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..leaderboard.table import Table
from ..leaderboard.wording import floor_rule
from ..records import Record
from .names import mode_name

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"}
_SPECIAL |= {">": r"\textgreater{}"} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def methods_of(table: Table, records: Sequence[Record]) -> list[str]:
    """Return the paragraphs on methods: the runs, the comparison, what to know, and the software.

    `records` are those of the table. The paragraphs state what the records do; what none states is left out.
    """
    made = (_runs(table, records), _comparison(table, records), _care(table), _software(table, records))
    return [text for text in made if text]


def bibtex(records: Iterable[Record]) -> str:
    """Return a BibTeX entry for each task and model that states how to cite it, with its words as a note."""
    found: dict[str, tuple[str, str]] = {}
    for r in records:
        for card, name in ((r.task, r.spec.task), (r.model, r.spec.model)):
            if text := str(card.get("citation") or ""):
                found[name] = (text, _key(name))
    entries, taken = [], set()
    for name, (text, key) in sorted(found.items()):
        number = 1
        while (unique := key if number == 1 else f"{key}-{number}") in taken:
            number += 1
        taken.add(unique)
        entries.append(f"@misc{{{unique},\n  title = {{{_tex(name)}}},\n  note = {{{_tex(text)}}}\n}}\n")
    return "\n".join(entries)


def _runs(table: Table, records: Sequence[Record]) -> str:
    models = _names(row.model for row in table.rows if row.kind == "model")
    baselines = _names(row.model for row in table.rows if row.kind == "baseline")
    tasks = _names(column.task for column in table.columns)
    modes = _names(mode_name(row.mode) for row in table.rows if row.kind != "baseline")
    seeds = sorted({len(r.spec.seeds) for r in records if r.spec.train_fraction})
    budgets = sorted({column.budget for column in table.columns})
    text = f"We compared {_some(models, 'model')} with {_some(baselines, 'baseline')} on {_some(tasks, 'task')}."
    if modes:
        text += f" Models were used in these modes: {', '.join(modes)}."
    if any(row.kind == "random" for row in table.rows):
        text += " Twins are the same networks with random weights."
    if seeds:
        text += f" What trains was trained {_range(seeds)} times, with another seed each; scores are means over them."
    if budgets and budgets[-1] > 1:
        text += f" Settings were chosen on validation data from {_range([b for b in budgets if b > 1])} trials."
    return text


def _comparison(table: Table, records: Sequence[Record]) -> str:
    methods = _names(e.method for r in records for e in r.estimates[:1] if e.low is not None)
    levels = sorted({e.level for r in records for e in r.estimates[:1] if e.low is not None})
    text = ""
    if methods:
        text = f"Intervals are of {_range([f'{100 * level:g} %' for level in levels])} ({'; '.join(methods)})."
    if any(cell.gain for cell in table.cells):
        text += " Gains are paired on the same test examples, and their p-values adjusted by Holm's method."
    if rule := floor_rule(table):
        text += f" The best baseline of a task: {rule}."
    return text.strip()


def _care(table: Table) -> str:
    """Return what a reader must know: audits, exposure, and cells without a score."""
    failing = [c.name for c in table.columns if c.audit == "FAIL"]
    pretrained = {row.name for row in table.rows if row.kind == "model"}
    cells = [cell for cell in table.cells if cell.row in pretrained and cell.status == "done"]
    seen = {status: sum(cell.exposure == status for cell in cells) for status in ("clean", "unknown", "exposed")}
    lines = []
    if any(c.audit for c in table.columns):
        audited = sum(bool(c.audit) for c in table.columns)
        lines.append(f"Of {audited} audited tasks, {len(failing)} fail{': ' + ', '.join(failing) if failing else ''}.")
    if cells:
        parts = ", ".join(f"{n} {status}" for status, n in seen.items() if n)
        lines.append(f"Exposure of the {len(cells)} scores of models to test examples in pretraining: {parts}.")
    for status, words in (("failed", "failed"), ("not_applicable", "did not apply")):
        if n := sum(cell.status == status for cell in table.cells):
            lines.append(f"{n} {'run' if n == 1 else 'runs'} {words}.")
    return " ".join(lines)


def _software(table: Table, records: Sequence[Record]) -> str:
    versions: dict[str, set[str]] = defaultdict(set)
    for r in records:
        for package, version in (r.environment.get("packages") or {}).items():
            versions[str(package)].add(str(version))
        if python := r.environment.get("python"):
            versions["Python"].add(str(python))
    devices = _names(str(r.environment["device"]) for r in records if r.environment.get("device"))
    text = ""
    if versions:
        text = "Software: " + ", ".join(f"{name} {'/'.join(sorted(found))}" for name, found in versions.items()) + "."
    if table.commits:
        dirty = ", some with changes that were not committed" if table.dirty else ""
        text += f" Commits: {', '.join(commit[:10] for commit in table.commits)}{dirty}."
    return (text + (f" Devices: {', '.join(devices)}." if devices else "")).strip()


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _some(names: Sequence[str], what: str) -> str:
    """Return how many there are, with their names where they are few."""
    count = f"{len(names)} {what}" + ("" if len(names) == 1 else "s")
    return count + (f" ({', '.join(names)})" if 0 < len(names) <= 12 else "")


def _range(values: Sequence[Any]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "entry"


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def models_shown(table: Table, records: Mapping[str, Record]) -> list[dict[str, str]]:
    """Return for each model and twin its parameters, context, revision and licence, as a table of methods has them."""
    out: dict[str, dict[str, str]] = {}
    for row in table.rows:
        hashes = (table.cell(row, column).hash for column in table.columns)
        card = next((records[h].model for h in hashes if h in records), {})
        if row.kind != "baseline" and row.model not in out:
            size, context = card.get("parameters"), card.get("context")
            out[row.model] = {
                "model": row.model,
                "parameters": f"{size:,}" if size else "–",
                "context": f"{context:,}" if context else "–",
                "tokenizer": str(card.get("tokenizer") or "–"),
                "revision": row.revision or "–",
                "licence": str(card.get("licence") or "–"),
            }
    return list(out.values())
