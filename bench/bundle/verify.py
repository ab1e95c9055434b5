"""What a folder or a bundle of results states, computed again: digests, metrics, intervals, gains, ranks, cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import BaserateError, NoRecords
from ..leaderboard import build_leaderboard, to_csv, to_json, to_markdown
from ..leaderboard.several import resolved
from ..leaderboard.strata import stratum_of
from ..records import Record, read_record, record_folders
from .again import findings_by_rerun, sample
from .against_cards import Here, findings_by_cards
from .finding import LEVELS, Finding, Level, difference
from .pack import MANIFEST, TABLES, digest_of, manifest_of, nothing_in, opened
from .scores import findings_of_scores

_OF_KIND = (TypeError, AttributeError, KeyError, IndexError, ValueError, ArithmeticError)
"""What is raised where a record that somebody else wrote has, say, a number in place of a name."""


@dataclass(frozen=True)
class Verified:
    """What was found about one record; `run` is '' for one that cannot be read."""

    folder: str
    run: str = ""
    task: str = ""
    model: str = ""
    mode: str = ""
    status: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was found about results: by record, and about the files beside them. `rerun` are the runs made again."""

    records: tuple[Verified, ...]
    beside: tuple[Finding, ...] = ()
    author: str = ""
    rerun: tuple[str, ...] = ()

    def count(self, level: Level) -> int:
        """Return how many findings there are of a level."""
        everything = [*self.beside, *(f for record in self.records for f in record.findings)]
        return sum(finding.level == level for finding in everything)

    @property
    def ok(self) -> bool:
        """Whether no statement was found that is not so."""
        return not self.count("fault")

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        counts = {f"n_{level}": self.count(level) for level in LEVELS}
        return {"ok": self.ok, **counts, **asdict(self)}


def verify(path: Path, *, data: bool = True, rerun: int = 0, seed: int = 0) -> Report:
    """Return what is found about the results in a folder or bundle.

    Every record's digest, its predictions' digest, and each metric and interval are computed again; so are the table
    of `leaderboard.json`, with its gains and ranks, where there is one, and the hash of every file of a bundle. Tasks,
    models and, with `data`, examples are compared with those that are here. `rerun` cells, drawn by the seed, are run
    again. Raises DataError where there are no records, and for a bundle that cannot be unpacked.
    """
    here = Here(data)
    with opened(path) as folder:
        folders = record_folders(folder)
        manifest = manifest_of(folder)
        if not folders and manifest is None:
            raise NoRecords(nothing_in([path]))
        read: list[Record] = []
        verified: list[Verified] = []
        for at in folders:
            found, record = _verified(at, folder, here)
            verified.append(found)
            read += [record] if record is not None else []
        beside = [*_by_manifest(folder, manifest), *_conflicts(read), *_by_table(folder, read, verified)]
        sound = {found.run for found in verified if all(f.level != "fault" for f in found.findings)}
        drawn = sample([record for record in read if record.hash in sound], rerun, seed)
        for record in drawn:
            i = next(i for i, found in enumerate(verified) if found.run == record.hash)
            verified[i] = replace(verified[i], findings=(*verified[i].findings, *findings_by_rerun(record, here)))
        author = str((manifest or {}).get("author", ""))
        return Report(tuple(verified), tuple(beside), author, tuple(record.hash for record in drawn))


def _verified(at: Path, below: Path, here: Here) -> tuple[Verified, Record | None]:
    """Return what was found about the record of a folder, and the record if it can be read."""
    name = str(at.relative_to(below))
    try:
        record = read_record(at)
    except BaserateError as error:
        return Verified(name, findings=(Finding("fault", "record.json", _short(error, at, name)),)), None
    findings = list(_files_of(record))
    if not record.digest:
        text = (
            f"a record of schema {record.schema}, which has no digest of its content: what is not computed is a claim"
        )
        findings.append(Finding("unknown", "digest", text))
    try:
        findings += findings_of_scores(record)
        findings += findings_by_cards(record, here)
    except BaserateError as error:
        findings.append(Finding("fault", "predictions", _short(error, at, name)))
    except _OF_KIND as error:
        text = f"a value of another kind than a record has ({type(error).__name__}: {error})"
        findings.append(Finding("fault", "record.json", text))
    spec = record.spec
    return Verified(name, record.hash, spec.task, spec.model, spec.mode, record.status, tuple(findings)), record


def _files_of(record: Record) -> Iterator[Finding]:
    """Yield files of the record's folder that its record does not account for, or that it has not."""
    assert record.path is not None
    names = {file.name for file in record.path.iterdir()}
    expected = {"record.json"} | ({"predictions.parquet"} if record.predictions_digest else set())
    for name in sorted(names - expected):
        yield Finding("fault", name, f"{name}: a file that the record does not state")
    for name in sorted(expected - names):
        yield Finding("fault", name, f"{name}: missing, though the record states its digest")


def _by_manifest(folder: Path, manifest: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Yield the files whose hash is not that of the manifest, those it lacks and those that are missing."""
    if manifest is None:
        return
    stated = {str(name): dict(of) for name, of in manifest["files"].items()}
    there = {str(f.relative_to(folder).as_posix()): f for f in sorted(folder.rglob("*")) if f.is_file()}
    del there[MANIFEST]
    for name in sorted(there.keys() | stated.keys()):
        if name not in stated:
            yield Finding("fault", name, f"{name}: not in the manifest")
        elif name not in there:
            yield Finding("fault", name, f"{name}: in the manifest, but not here")
        elif digest_of(there[name]) != stated[name].get("sha256"):
            yield Finding("fault", name, f"{name}: altered since the bundle was written")
    listed = {str(entry.get("run")) for entry in manifest.get("records", ())}
    for name in sorted(listed - {_run_of(file) for name, file in there.items() if name.endswith("record.json")}):
        yield Finding("fault", MANIFEST, f"run {name}: in the manifest, but not here")


def _run_of(file: Path) -> str:
    try:
        return read_record(file.parent).hash
    except BaserateError:
        return ""


def _conflicts(records: Sequence[Record]) -> list[Finding]:
    """Return the runs that are there twice with other results."""
    try:
        return [Finding("fault", "records", str(conflict)) for conflict in resolved(records)[1]]
    except BaserateError:
        return []  # its predictions are altered, which was found


def _by_table(folder: Path, records: Sequence[Record], verified: Sequence[Verified]) -> Iterator[Finding]:
    """Yield where the table in the folder, its gains and ranks included, is not that of the records."""
    file = folder / TABLES[0]
    if not file.is_file():
        return
    if any(f.level == "fault" for record in verified for f in record.findings):
        yield Finding("unknown", file.name, "not compared with the records, which have faults themselves")
        return
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
        given = {c["declared"] for c in stated["columns"] if c.get("chosen_on") == "given"}
        strata = dict.fromkeys(stratum_of(name)[0] for c in stated["columns"] for name in c.get("strata", ()))
        table = build_leaderboard(resolved(records)[0], baseline=next(iter(given), ""), strata=tuple(strata))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield Finding("fault", file.name, f"{file.name}: not a table that `baserate leaderboard` wrote ({error})")
        return
    except BaserateError as error:
        yield Finding("fault", file.name, f"{file.name}: cannot be made from these records: {error}")
        return
    found = difference(stated, json.loads(to_json(table)))
    if found is not None:
        advice = "`baserate leaderboard` makes it anew, where another version wrote it"
        yield Finding(found[0], file.name, f"{file.name}: {found[1]}; {advice}")
        return
    for other, text in ((folder / TABLES[1], to_csv(table)), (folder / TABLES[2], to_markdown(table))):
        if other.is_file() and other.read_bytes() != text.encode():
            yield Finding("changed", other.name, f"{other.name}: not what this version writes; make it anew")


def _short(error: Exception, at: Path, name: str) -> str:
    return str(error).replace(str(at), name)
