"""What may be wrong with a task, found before any model runs: leaks, label conflicts, shortcuts, balance, content."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..splits import draw_shots, few_shot, unperturbed
from ..types import Part, Split, Task
from .balance import balance_findings, compositions_of, content_findings, direction_finding
from .cache import key_of, read_audit, write_audit
from .duplicates import duplicate_findings
from .families import family_finding
from .finding import SCHEMA, Audit, Finding, Row, Status, Threshold, Verdict
from .hashes import InputHashes, hashes_of
from .kmers import kmer_finding, predict_by_kmers
from .measured import measured_findings
from .overlaps import overlap_findings, straddling_finding
from .places import place_findings
from .relatives import relative_findings
from .shortcuts import shortcut_findings

log = logging.getLogger(__name__)

__all__ = ["SCHEMA", "Audit", "Finding", "Row", "Status", "Threshold", "Verdict", "audit"]


def audit(task: Task, split: Split, *, cache: Path | None = None) -> Audit:
    """Return the audit of the task's split, read from `cache` unless data or code have changed since it was written.

    Of test inputs that are repeated perturbed, those as they are count. Raises DataError where the test part is empty.
    """
    if not len(split.test):
        raise DataError(f"task {task.id}: the test part is empty; see its split rule: {task.split!r}")
    task, split = unperturbed(task, split)
    key = key_of(task, split) if cache is not None else ""
    cached = read_audit(cache, key) if cache is not None else None
    if cached is not None:
        return cached
    result = Audit(
        task=task.id,
        kind=task.kind,
        metric=task.metrics[0],
        sizes={part: len(examples) for part, examples in as_trained(task, split)},
        data=split.data_fingerprint,
        split=split.fingerprint,
        findings=tuple(_findings(task, as_trained(task, split))),
    )
    if cache is not None:
        try:
            write_audit(cache, key, result)
        except DataError as error:  # an audit that cannot be cached is still an audit
            log.warning("%s; the audit of %s is not cached", error, task.id)
    return result


def as_trained(task: Task, split: Split) -> Split:
    """Return the split with the few examples that the first seed trains on, for a task that draws them."""
    if not isinstance(task.split, few_shot):
        return split
    return replace(split, train=split.train.take(draw_shots(split.train, task.split.shots, 0)))


def _findings(task: Task, split: Split) -> Iterator[Finding]:
    hashes: dict[Part, InputHashes] = {part: hashes_of(e.inputs, f"hashing {part}") for part, e in split}
    yield from duplicate_findings(task, split, hashes)
    yield straddling_finding(split)
    yield from overlap_findings(task, split)
    yield from relative_findings(task, split)
    compositions = compositions_of(split)
    by_kmers = predict_by_kmers(task, split)
    yield from shortcut_findings(task, split, compositions)
    yield kmer_finding(by_kmers)
    yield from place_findings(task, split)
    if task.variants:
        yield direction_finding(task)
    yield from balance_findings(task, split)
    yield family_finding(task, split.test, None if isinstance(by_kmers, str) else by_kmers)
    yield from measured_findings(task, split)
    yield from content_findings(split, compositions)
