"""What became of a cell, and of a grid of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .plan import Cell
from .records import Record
from .status import Ended

Status = Literal["done", "failed", "not_applicable", "done_before", "no_data", "leaky", "elsewhere"]


@dataclass(frozen=True)
class Result:
    """What became of a cell: its record and, where it is not done, the reason.

    'no_data' means that the task's examples are not available, 'leaky' that the task is refused for a leak; neither
    leaves a record, nor does a cell that fails before its identity is known. 'elsewhere' means that another process
    has a lease of the cell.
    """

    cell: Cell
    status: Status
    record: Record | None = None
    reason: str = ""

    @property
    def in_short(self) -> Ended:
        """Its cell, its status, what it took and the last line of the reason."""
        lines = self.reason.splitlines() if self.status not in ("done", "done_before") else []
        return Ended(
            self.cell.key, self.status, self.record.seconds if self.record else 0.0, lines[-1] if lines else ""
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a grid: how many cells were done before, done now, not applicable, and those that failed.

    `no_data` maps tasks whose examples are not available to the reason, `leaky` maps refused tasks to the leak, and
    `elsewhere` counts the cells that another process runs.
    """

    skipped: int = 0
    done: int = 0
    not_applicable: int = 0
    failed: tuple[Result, ...] = ()
    no_data: Mapping[str, str] = field(default_factory=dict)
    leaky: Mapping[str, str] = field(default_factory=dict)
    elsewhere: int = 0

    @staticmethod
    def of(results: Iterable[Result]) -> Outcome:
        """Return what became of a grid, from the results of its cells."""
        by_status: dict[Status, list[Result]] = {}
        for result in results:
            by_status.setdefault(result.status, []).append(result)
        return Outcome(
            skipped=len(by_status.get("done_before", ())),
            done=len(by_status.get("done", ())),
            elsewhere=len(by_status.get("elsewhere", ())),
            not_applicable=len(by_status.get("not_applicable", ())),
            failed=tuple(by_status.get("failed", ())),
            no_data={r.cell.task.id: r.reason for r in by_status.get("no_data", ())},
            leaky={r.cell.task.id: r.reason for r in by_status.get("leaky", ())},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and the failed cells with their errors, as a JSON object."""
        failed = [
            {"task": r.cell.task.id, "model": r.cell.card.name, "mode": r.cell.mode, "error": r.reason}
            for r in self.failed
        ]
        counts = {"done": self.done, "done_before": self.skipped, "not_applicable": self.not_applicable}
        counts |= {"elsewhere": self.elsewhere} if self.elsewhere else {}
        return {**counts, "failed": failed, "no_data": dict(self.no_data), "leaky": dict(self.leaky)}
