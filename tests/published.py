"""What a published task asks and on what, as a row of `expected/tasks.csv`, and files in the layouts of their sources.

`python tests/published.py --write` writes the rows of all tasks: for a task that is added, or for a version of one.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baserate.registry import TASKS
from baserate.sources.declared import HubSource
from baserate.types import PARTS, Task

EXPECTED = Path(__file__).parent / "expected" / "tasks.csv"


def row_of(task: Task) -> dict[str, str]:
    """Return all of a card that decides a result, as text by column."""
    source = task.source if isinstance(task.source, HubSource) else None
    held = {} if source is None or source.expected is None else dict(source.expected.counts)
    sizes = {part: held.get(part, task.sizes.get(part, "")) for part in PARTS}
    flags = [name for name in ("variants", "per_base", "deleterious") if getattr(task, name)]
    return {
        "task": task.id,
        "kind": " ".join([task.kind, *flags]),
        "classes": ";".join(task.classes),
        **{part: " ".join(map(str, n)) if isinstance(n, tuple) else str(n) for part, n in sizes.items()},
        "metrics": ";".join(task.metrics),
        "published": task.published,
        "zero_shot": ";".join(task.zero_shot),
        "split": repr(task.split),
        "small": repr(task.small) if task.small else "",
        "source": str(source.dataset) if source else "",
        "species": ";".join(task.species),
        "assembly": ";".join(task.assembly),
    }


def expected() -> dict[str, dict[str, str]]:
    """Return the rows that are expected, by task."""
    with EXPECTED.open(newline="") as file:
        return {row["task"]: row for row in csv.DictReader(file)}


def write(rows: Iterable[dict[str, str]]) -> None:
    """Write the rows, sorted by task."""
    ordered = sorted(rows, key=lambda row: row["task"])
    with EXPECTED.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ordered[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)


# Made rows, in the layouts in which data sets are given out.
COUNTS = {"train": 30, "valid": 12, "test": 12}
Row = tuple[str, str]
"""A sequence and the text of its target."""


def unheld(task: Task) -> Task:
    """Return the task without the rows that its card expects, so that a few rows do."""
    assert isinstance(task.source, HubSource)
    return replace(task, source=replace(task.source, expected=None), sizes={})


def rows_of(task: Task, n: int, seed: int) -> list[Row]:
    """Return n sequences, some lower case and one with N, each with the text of its target."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        sequence = "".join(rng.choice(list("ACGT"), 40))
        sequence = sequence.lower() if i % 3 == 0 else "NN" + sequence[2:] if i == 1 else sequence
        k = len(task.classes)
        if task.kind == "classification":
            target = str(i % k)
        elif task.kind == "multilabel":
            target = "|".join(str(int(v)) for v in rng.integers(0, 2, k or 9))
        else:
            target = "|".join(f"{v:.3f}" for v in rng.normal(size=max(k, 1)))
        out.append((sequence, target))
    return out


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, compressed where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "wt", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_parquet(path: Path, **columns: Any) -> None:
    """Write a Parquet file of columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def write_fasta(path: Path, rows: Sequence[Row]) -> None:
    """Write records of two lines, with the target after a bar in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f">s{i}|{t}\n{s[:25]}\n{s[25:]}\n" for i, (s, t) in enumerate(rows)))


def _gue(folder: Path, task: Task, part: str, rows: Sequence[Row]) -> None:
    file = {"valid": "dev"}.get(part, part)
    write_csv(folder / "GUE" / wanted(task).folders[0] / f"{file}.csv", ["sequence", "label"], rows)


def _genomic_benchmarks(folder: Path, task: Task, part: str, rows: Sequence[Row]) -> None:
    path = folder / "data" / f"{part}-00000-of-00001-aeb55728756a44ae.parquet"
    write_parquet(path, seq=[s for s, _ in rows], label=[int(t) for _, t in rows])


def _configured(folder: Path, task: Task, part: str, rows: Sequence[Row]) -> None:
    names = {"name": [f"s{i}" for i in range(len(rows))], "task": [wanted(task).config[0]] * len(rows)}
    path = folder / wanted(task).folders[0] / f"{part}.parquet"
    write_parquet(path, sequence=[s for s, _ in rows], label=[int(t) for _, t in rows], **names)


def _deepstarr(folder: Path, task: Task, part: str, rows: Sequence[Row]) -> None:
    both = [[float(v) for v in t.split("|")] for _, t in rows]
    columns = {"Dev_log2_enrichment": [v[0] for v in both], "Hk_log2_enrichment": [v[1] for v in both]}
    file = {"valid": "validation"}.get(part, part)
    write_parquet(folder / "data" / f"{file}-00000-of-00001.parquet", sequence=[s for s, _ in rows], **columns)


def _folders(folder: Path, task: Task, part: str, rows: Sequence[Row]) -> None:
    file = {"valid": "dev"}.get(part, part)
    write_csv(folder / wanted(task).folders[0] / f"{file}.csv", ["sequence", "label"], rows)


AS_PUBLISHED: Mapping[str, Callable[[Path, Task, str, Sequence[Row]], None]] = {
    "gue": _gue,
    "genomic_benchmarks": _genomic_benchmarks,
    "nt_original": _configured,
    "nt_revised": _configured,
    "gener": _configured,
    "deepstarr": _deepstarr,
    "plants": _folders,
}
"""What writes a part of a task as the repository of its benchmark holds it, where the card names no files."""


def wanted(task: Task) -> Any:
    """Return what a task's source wants of its repository."""
    assert isinstance(task.source, HubSource)
    return task.source.dataset


def has_valid(task: Task) -> bool:
    """Return whether the repository has a valid part."""
    return "valid" in wanted(task).needs or "valid" in dict(wanted(task).files)


def write_as_published(task: Task, root: Path) -> None:
    """Write a few rows as the repository of the task holds them, under the folder of data `root`."""
    folder = root / wanted(task).repository
    for seed, (part, n) in enumerate(COUNTS.items()):
        if part == "valid" and not has_valid(task):
            continue
        rows = rows_of(task, n, seed)
        if wanted(task).files:
            write_fasta(folder / dict(wanted(task).files)[part], rows)
        else:
            AS_PUBLISHED[task.name.partition(".")[0]](folder, task, part, rows)


def main() -> None:
    """Write the rows of all tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write the rows of all tasks")
    parser.parse_args()
    write(map(row_of, TASKS.all().values()))


if __name__ == "__main__":
    main()
