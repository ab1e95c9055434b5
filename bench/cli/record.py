"""What `baserate show` prints of a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigError
from ..records import Record, read_record, read_records
from ..results import CHOICE_HEAD, TRIAL_HEAD, in_words, value_text

_HASH = re.compile(r"[0-9a-f]{8,16}")


def find_record(name: str, results: Path) -> Record | None:
    """Return the record that `name` is: its folder, its file, or the first 8 to 16 digits of its run under `results`.

    None where it is none of these. Raises ConfigError for a folder of several records, and DataError for a corrupt one.
    """
    path = Path(name).parent if Path(name).name == "record.json" else Path(name)
    try:
        if (path / "record.json").is_file():
            return read_record(path.resolve())
        folders = ("*/record.json", "*@*/*/record.json") if path.is_dir() else ()
    except OSError:  # such as for a name that is too long for a file's
        folders = ()
    if several := sorted(file for pattern in folders for file in path.glob(pattern)):
        raise ConfigError(f"{name}: a folder of {len(several)} records; name one, such as {several[0].parent}")
    if _HASH.fullmatch(name) and results.is_dir():
        return next((r for r in read_records(results) if r.hash.startswith(name)), None)
    return None


def print_record(record: Record) -> None:
    """Print all that a record says: scores, settings, choices, trials, history, costs and looks at test."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # piped output has no right edge
    spec, choices = record.spec, record.choices or ()
    console.print(Text(f"{spec.model} · {spec.mode} on {spec.task}: {record.status.replace('_', ' ')}", "bold"))
    for line in (str(record.path or ""), *record.error.splitlines()[-1:]):
        if line:
            console.print(Text(line, "red" if line in record.error else ""), soft_wrap=True)
    scores = [
        (e.metric, _score(e.value, e.reason), _interval(e.low, e.high), ", ".join(_score(v) for v in e.per_seed))
        for e in record.estimates
    ]
    _print(console, "Scores on test", ("metric", "value", "interval", "by seed"), scores)
    if coarser := str(record.task.get("coarser", "")):
        _print(console, f"The same by {coarser}", ("metric", "interval", "units", "of one size"), _by_coarser(record))
    _print(console, "Settings", ("setting", "value", "before tuning", "searched"), _settings(record))
    _print(console, "Protocol", (), _protocol(record))
    chosen = any(choice.chosen or choice.trials for choice in choices)
    _print(console, "Chosen on valid" if chosen else "Scores on valid", CHOICE_HEAD, [choice.row for choice in choices])
    for choice in choices:
        _print(console, f"Trials, on seed {choice.seed}", TRIAL_HEAD, choice.trial_rows)
    for choice in choices:
        _print(console, f"Training, seed {choice.seed}", *_history(choice.history))
    _print(console, "On the other strand", (), _strand(record))
    _print(console, "Noise", (), _noise(record))
    _print(console, "Costs", (), _costs(record))
    _print(console, "Notes", (), _notes(record))


def _settings(record: Record) -> list[tuple[str, ...]]:
    """Return every parameter of the model and setting of the mode: its value, what it was at first, where searched."""
    first: dict[str, Any] = {**record.spec.params, **record.spec.settings}
    choice = record.choices[0] if record.choices else None
    tuned = choice.trials[choice.trial].changed if choice and choice.trials else {}
    return [
        (
            name,
            value_text(value),
            value_text(first[name]) if first.get(name, value) != value else "",
            (record.searched or {}).get(name, ""),
        )
        for name, value in {**first, **tuned}.items()
    ]


def _by_coarser(record: Record) -> list[tuple[str, ...]]:
    """Return the intervals with the task's coarser units as the sample, or why there is none."""
    return [
        (e.metric, _interval(by.low, by.high) or by.reason, str(by.n_clusters), _score(by.n_effective))
        for e in record.estimates
        if (by := e.coarser) is not None
    ]


def _protocol(record: Record) -> list[tuple[str, str]]:
    spec = record.spec
    made = len(record.choices[0].trials) if record.choices else spec.budget
    trials = f"{spec.budget} trials" if spec.budget > 1 else "1 trial, the defaults"
    trials += f", of which {made} differ" if made < spec.budget else ""
    rows = [
        ("run", spec.hash),
        ("seeds", ", ".join(map(str, spec.seeds))),
        ("training share", f"{spec.train_fraction:g}" if spec.train_fraction else "nothing is trained"),
        ("resample", f"{spec.resample}: another training set for each seed" if spec.resample else ""),
        ("training examples", ", ".join(f"{choice.n_train:,}" for choice in record.choices or () if choice.n_train)),
        ("budget", trials if spec.train_fraction else ""),
        ("limit", str(spec.limit or "")),
        ("versions", in_words(spec.versions)),
        ("weights", spec.revision),
        ("data", f"{spec.data}, split {spec.split}"),
        ("a sample", str(record.task.get("unit", ""))),
        ("fixed", str(record.task.get("fixed", ""))),
    ]
    return [row for row in rows if row[1]]


def _noise(record: Record) -> list[tuple[str, str]]:
    """Return the variances of the score, where replicates were asked for."""
    if (found := record.components) is None:
        return []
    parts = {
        "training samples": found.sample,
        "seeds": found.seed,
        "neither": found.rest,
        "test sets": found.test,
    }
    return [(f"{found.metric}, variance by {name}", value_text(value)) for name, value in parts.items()]


def _strand(record: Record) -> list[tuple[str, str]]:
    """Return how much predictions change, where that was asked for."""
    if (found := record.strand) is None:
        return []
    interval = _interval(found.low, found.high)
    return [(found.metric, _score(found.value, found.reason) + (f", {interval}" if interval else ""))]


def _costs(record: Record) -> list[tuple[str, str]]:
    spent = sum(trial.seconds for choice in record.choices or () for trial in choice.trials)
    looks = f"{record.test_looks} times" if record.test_looks else "not counted, in a record from before this was"
    rows = [
        ("seconds", f"{record.seconds:,.1f}" + (f", of which trials {spent:,.1f}" if spent else "")),
        ("peak memory", f"{record.peak_memory_mb:,.0f} MB, of the process until then"),
        ("test scored", f"{looks}, by models with the chosen settings" if spent else looks),
    ]
    if record.earlier_looks is not None:
        times = "1 time" if record.earlier_looks == 1 else f"{record.earlier_looks} times"
        earlier = f"{times} by this network, in any settings"
        rows.append(
            ("before this run", earlier + (f"; again because: {record.look_reason}" * bool(record.look_reason)))
        )
    return rows if record.status == "done" else rows[:2]


def _notes(record: Record) -> list[tuple[str, str]]:
    rows = [("flag", flag) for flag in record.flags]
    rows += [("audit", str(record.audit.get("verdict") or "not audited"))]
    rows += [("", str(reason)) for reason in record.audit.get("reasons", ())]
    rows += [("exposure", f"{record.exposure['status']}: {record.exposure['reason']}")] if record.exposure else []
    for name, value in record.environment.items():
        rows.append((name.replace("_", " "), in_words(value) if isinstance(value, Mapping) else value_text(value)))
    return rows


def _history(history: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the rows of the course of a training."""
    names = tuple(dict.fromkeys(name for row in history for name in ("epoch", *row) if name in row))
    return names, [tuple(value_text(row[name]) if name in row else "" for name in names) for row in history]


def _print(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a titled table, unless it has no rows."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_header=bool(head), header_style="dim")
    for name in head or ("", ""):
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print("", Text(title, "bold"), table, sep="\n")


def _score(value: float | None, reason: str = "") -> str:
    return (reason or "undefined") if value is None else f"{value:.4f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
