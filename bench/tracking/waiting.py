"""Which records are still to be copied, as far as can be known without MLflow."""

from __future__ import annotations

from collections.abc import Iterable

from ..digests import digest
from ..records import Record
from .store import copied_to, sqlite_file


def identity(record: Record) -> str:
    """Return what identifies a copy: a run that was made again after a failure is copied again."""
    return f"{record.hash}.{digest(record.status, record.predictions_digest, record.error)}"


def is_copied_alone(record: Record) -> bool:
    """Return whether the record has a run of its own: a cell that does not apply stands in its suite's table alone."""
    return record.status != "not_applicable"


def uncopied(records: Iterable[Record], uri: str) -> list[Record]:
    """Return the records that have no run at `uri`; a server is not asked, so of one they are all.

    A store may have been emptied since they were copied, so the answer comes from the store itself.
    """
    store = sqlite_file(uri)
    copied = set() if store is None else copied_to(store)
    return [r for r in records if is_copied_alone(r) and identity(r) not in copied]
