"""Tables in random layouts whose meaning is known: the card is right, or one line asks; wrong is a failure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.checks import run_checks
from baserate.errors import BaserateError
from baserate.new_task import new_task
from baserate.splits import load_split

TABLES = 300
RIGHT = 0.6
"""The least share of tables for which the card is right at once."""

_SEQUENCE = ("sequence", "seq", "dna", "Sequence", "promoter_seq", "x", "oligo", "text")
_TARGET = ("label", "y", "target", "class", "activity", "expression", "phenotype", "log2fc", "score", "bound", "Label")
_CLASSES = (
    ("0", "1"),
    ("neg", "pos"),
    ("inactive", "active"),
    ("benign", "pathogenic"),
    ("rRNA", "tRNA"),
    ("exon", "intron", "intergenic"),
    ("A", "B", "C", "D"),
    ("True", "False"),
    ("weak", "strong"),
)
_PART = ("split", "set", "part", "fold", "is_test", "partition")


@dataclass
class Known:
    """A table by columns, and what it means: the target of each sequence, and its part where the table says one."""

    columns: dict[str, list[Any]]
    kind: str
    targets: dict[str, Any]
    parts: dict[str, str] = field(default_factory=dict)


def drawn(rng: np.random.Generator) -> Known:
    """Return a table that authors might ship."""
    n = int(rng.integers(60, 120))
    length = int(rng.choice([40, 81, 120, 200]))
    sequences = ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]
    kind = str(rng.choice(["classification", "classification", "regression", "multilabel"]))
    if kind == "classification":
        names = _CLASSES[int(rng.integers(len(_CLASSES)))]
        values: list[Any] = [names[i % len(names)] for i in rng.permutation(n)]
        targets: list[Any] = values
    elif kind == "regression":
        scale = float(rng.choice([1, 100, 0.001]))
        values = targets = [round(float(v) * scale, 6) for v in rng.normal(size=n)]
    else:
        words = ["nucleus", "cytoplasm", "membrane"]
        chosen = [[w for w, bit in zip(words, rng.random(3) < 0.5, strict=True) if bit] for _ in range(n)]
        values, targets = [";".join(c) for c in chosen], [frozenset(c) for c in chosen]
    columns: dict[str, list[Any]] = {str(rng.choice(_SEQUENCE)): sequences, str(rng.choice(_TARGET)): values}
    if rng.random() < 0.5:
        columns[str(rng.choice(["id", "name", "uid"]))] = [f"r{i}" for i in range(n)]
    if rng.random() < 0.4:
        columns[str(rng.choice(["gene", "chrom", "species", "length"]))] = (
            [f"chr{1 + i % 5}" for i in range(n)] if rng.random() < 0.5 else [f"g{i // 2}" for i in range(n)]
        )
    if rng.random() < 0.3:
        columns[str(rng.choice(["gc", "score2", "signal", "replicate"]))] = [round(float(v), 3) for v in rng.random(n)]
    if rng.random() < 0.2:
        columns[str(rng.choice(["utr", "mutant", "barcode", "seq2"]))] = [
            "".join(rng.choice(list("ACGT"), 30)) for _ in range(n)
        ]
    known = Known(columns, kind, dict(zip(sequences, targets, strict=True)))
    if rng.random() < 0.4:
        name = str(rng.choice(_PART))
        parts = ["test" if i % 4 == 0 else "train" for i in range(n)]
        flags = name == "is_test"
        columns[name] = [str(p == "test") if flags else p for p in parts]
        known.parts = dict(zip(sequences, parts, strict=True))
    order = list(columns)
    rng.shuffle(order)
    known.columns = {name: columns[name] for name in order}
    return known


def written(known: Known, folder: Path, rng: np.random.Generator) -> Path:
    """Return the file of the table, in a format that is drawn."""
    rows = list(zip(*known.columns.values(), strict=True))
    suffix = str(rng.choice([".csv", ".tsv", ".jsonl", ".parquet", ".txt"]))
    path = folder / f"table{suffix}"
    if suffix == ".jsonl":
        lines = [json.dumps(dict(zip(known.columns, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines) + "\n")
    elif suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(known.columns), path)
    else:
        separator = "," if suffix == ".csv" else "\t"
        path.write_text("\n".join(separator.join(map(str, row)) for row in (tuple(known.columns), *rows)) + "\n")
    return path


def meaning(task: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the target of each sequence as the task has it, and its part."""
    targets, parts = {}, {}
    for part, examples in load_split(task):
        for sequence, target in zip(examples.inputs.sequences, examples.targets, strict=True):
            parts[sequence] = part
            if task.kind == "classification":
                targets[sequence] = task.classes[int(target)]
            elif task.kind == "multilabel":
                targets[sequence] = frozenset(c for c, bit in zip(task.classes, target, strict=True) if bit)
            else:
                targets[sequence] = float(target)
    return targets, parts


def test_a_card_means_what_the_table_does_or_one_line_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(TABLES):
        rng = np.random.default_rng(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        known = drawn(rng)
        path = written(known, folder, rng)
        try:
            made = new_task(path.name)
        except BaserateError as error:
            assert "\n" not in str(error) and path.name in str(error), (seed, str(error))
            assert not list(folder.glob("*.toml"))
            outcomes["asked"] += 1
            continue
        targets, parts = meaning(made.task)
        assert made.task.kind == known.kind, (seed, list(known.columns), made.text)
        assert targets == known.targets, (seed, list(known.columns), made.text)
        in_test = {s for s, part in parts.items() if part == "test"}
        assert not known.parts or in_test == {s for s, p in known.parts.items() if p == "test"}, (seed, made.text)
        failed = [r for r in run_checks(made.task) if r.status == "failed"]
        assert not failed, (seed, failed)
        outcomes["right"] += 1
    assert sum(outcomes.values()) == TABLES and outcomes["right"] >= RIGHT * TABLES, outcomes
