"""Data that are split already: a folder with train, valid and test files, or a data set on the hub."""

from __future__ import annotations

import re
from pathlib import Path

from ..dna.fasta_text import drop_bare
from ..errors import DataError
from ..sources.hub import HubFiles, HubSet, find_hub, folder_parts
from ..sources.hub import read_parts as rows_of_parts
from ..sources.labelled import is_fasta
from ..sources.sequences import package_file
from ..types import PARTS
from ..unpack import PACKED
from .layout import data_files
from .roles import Guess, Roles
from .sample import SUFFIXES, Sample, read_sample
from .split import carved

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"hub:[^@]+@(?P<commit>[0-9a-f]{40})/")


def is_hub_id(reference: str) -> bool:
    """Return whether the reference is ORG/NAME on the hub, and not a file or folder."""
    path = Path(reference)
    looks_like_id = bool(_HUB_ID.fullmatch(reference)) and not path.parent.is_dir()
    return looks_like_id and not path.exists() and not path.name.lower().endswith((*SUFFIXES, *PACKED))


def read_parts(reference: str, *, config: str = "") -> tuple[Sample, dict[str, int], str]:
    """Return the first rows of all parts, the approximate number of rows of each part, and the commit on the hub.

    Raises DataError where there is no train or no test part, or where the parts differ in their columns.
    """
    if is_hub_id(reference):
        dataset = HubSet(reference, config=(config,) if config else ())
        files = find_hub(dataset)
    else:
        dataset = HubSet(str(Path(reference).resolve()))
        files = HubFiles(folder_parts(Path(reference)))
        missing = next((part for part in ("train", "test") if part not in files.parts), "")
        if missing:
            only = data_files(Path(reference))
            alone = f"; of one file give the file: {only[0]}" if len(only) == 1 else ""
            raise DataError(
                f"{reference}: no {missing} file in the folder; expected train, valid (or dev) and test, as .csv, "
                f".tsv, .parquet or .fa{alone}"
            )
    first = next(iter(files.parts.values()))[0]
    commit = _COMMIT.match(first)
    samples = _samples(dataset, files)
    names = list(next(iter(samples.values())).columns)
    for sample in samples.values():
        if set(sample.columns) != set(names):
            odd = sorted(set(sample.columns) ^ set(names))[0]
            has = next(p for p, s in samples.items() if odd in s.columns)
            raise DataError(f"{sample.reference}: column {odd!r} is not in every part: {has} has it")
    columns = {name: _plain([v for s in samples.values() for v in s.columns[name]]) for name in names}
    sizes = {part: sample.n for part, sample in samples.items()}
    whole = all(sample.whole for sample in samples.values())
    return Sample(reference, "table", columns, whole, sum(sizes.values())), sizes, commit["commit"] if commit else ""


def split_in_parts(roles: Roles, sizes: dict[str, int]) -> list[Guess]:
    """Return the keys of [split] where each file is a part."""
    counts = ", ".join(f"{part} {n:,}" for part, n in sizes.items())
    out = [Guess("rule", "predefined", f"one file per part: {counts}"), Guess("column", "part")]
    if "valid" not in sizes:
        out += carved(roles, "there is no valid file, so a share of train is taken")
    if not roles.sample.whole and "id" in roles.taken.values():
        roles.notes.append("ids must also differ between the files; not every row was checked")
    return out


def _samples(dataset: HubSet, located: HubFiles) -> dict[str, Sample]:
    files = {part: located.parts[part] for part in PARTS if part in located.parts}
    tables = all(
        f.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")) for part in files.values() for f in part
    )
    out: dict[str, Sample] = {}
    if tables and not located.tasks:
        for part, references in files.items():
            one = read_sample(package_file(references[0]))
            whole, n = one.whole and len(references) == 1, one.n * len(references)
            out[part] = Sample(one.reference, one.form, one.columns, whole, n)
        return out
    for part, table, reference in rows_of_parts(dataset):
        columns = {n: table[n].to_pylist() for n in table.column_names if n not in ("part", "row")}
        if is_fasta(reference):
            columns = drop_bare(columns)
        out[part] = Sample(reference, "table", columns, True, len(table))
    return out


def _plain(values: list[str]) -> list[str]:
    """Return labels as the source of a card reads them: '1' for '1.0' and 'True'."""
    plain = [re.sub(r"^(\d+)\.0$", r"\1", v) for v in values]
    if {v.lower() for v in plain} <= {"true", "false"}:
        return ["1" if v.lower() == "true" else "0" for v in plain]
    return plain
