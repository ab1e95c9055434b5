"""What an audit reports: findings, each with its numbers, threshold and offending rows; and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..errors import DataError

SCHEMA = 2
MAX_ROWS = 1000
"""How many offending rows a finding lists at most; `n_rows` counts all of them."""

Status = Literal["PASS", "WARN", "FAIL", "NOTE"]
Verdict = Literal["PASS", "WARN", "FAIL"]
Topic = Literal["leakage", "labels", "shortcuts", "balance", "content"]
TOPICS: Mapping[Topic, str] = {
    "leakage": "Leakage between parts",
    "labels": "Repeated rows and conflicting labels",
    "shortcuts": "What simple features achieve",
    "balance": "Size and balance",
    "content": "Content of the sequences",
}
_RANK: Mapping[str, int] = {"FAIL": 0, "WARN": 1, "PASS": 2, "NOTE": 3}


@dataclass(frozen=True)
class Row:
    """An offending example and, where there is one, the other example that it clashes with; `note` says how."""

    part: str
    id: str
    other_part: str = ""
    other: str = ""
    note: str = ""


@dataclass(frozen=True)
class Threshold:
    """The values from which a number is a WARN and a FAIL; None where it never is. A WARN of 0 means above 0.

    `of` names what is counted, such as 'test rows'; with `share` the number is a share of it.
    """

    warn: float | None
    fail: float | None
    of: str
    share: bool = True

    def status(self, value: float) -> Verdict:
        """Return the verdict on the value."""
        if self.fail is not None and value >= self.fail:
            return "FAIL"
        if self.warn is not None and (value > 0 if self.warn == 0 else value >= self.warn):
            return "WARN"
        return "PASS"

    def __str__(self) -> str:
        def text(value: float) -> str:
            return f"{100 * value:g} %" if self.share else f"{value:g}"

        parts = []
        if self.warn is not None:
            parts.append("WARN above 0" if self.warn == 0 else f"WARN from {text(self.warn)}")
        if self.fail is not None:
            parts.append(f"FAIL from {text(self.fail)}")
        return f"{', '.join(parts)}{' of' if self.share else ','} {self.of}" if parts else "reported, not judged"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of an audit: a status, a `summary` of one line, and plain values in `numbers`.

    A NOTE is reported, never judged. `rows` are offending examples, at most MAX_ROWS of `n_rows`. `sampled` says which
    rows were examined where not all were.
    """

    name: str
    title: str
    topic: Topic
    status: Status
    summary: str
    threshold: str = "reported, not judged"
    numbers: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    n_rows: int = 0
    sampled: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """All findings on one task. `data` and `split` are the fingerprints of what was audited, `sizes` its parts."""

    task: str
    kind: str
    metric: str
    sizes: Mapping[str, int]
    data: str
    split: str
    findings: tuple[Finding, ...]
    schema: int = SCHEMA

    @property
    def verdict(self) -> Verdict:
        """The worst status of any finding."""
        worst = min((_RANK[f.status] for f in self.findings), default=2)
        return ("FAIL", "WARN", "PASS", "PASS")[worst]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The summary of each finding that did not pass, a line each, the worst first."""
        return tuple(f"{f.status}: {f.summary}" for f in _worst_first(self.findings) if f.status in ("FAIL", "WARN"))

    @property
    def leaks(self) -> tuple[str, ...]:
        """The findings on leakage that did not pass, a line each, the worst first."""
        leakage = _worst_first([f for f in self.findings if f.topic == "leakage"])
        return tuple(f"{f.status}: {f.summary}" for f in leakage if f.status in ("FAIL", "WARN"))

    def in_short(self) -> dict[str, Any]:
        """Return the verdict, its reasons and the leaks among them: the part of an audit that a record stores."""
        return {"verdict": self.verdict, "reasons": list(self.reasons), "leaks": list(self.leaks)}

    def finding(self, name: str) -> Finding:
        """Return the finding of that name. Raises KeyError where the audit has none."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `Audit.from_json` reads back; `verdict` and `reasons` are added for readers."""
        value = {k: v for k, v in asdict(self).items() if k != "findings"}
        return {**value, **self.in_short(), "findings": [f.to_json() for f in self.findings]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Audit:
        """Return the audit that `to_json` wrote. Raises DataError for another schema."""
        if value.get("schema") != SCHEMA:
            raise DataError(f"audit of schema {value.get('schema')}, expected {SCHEMA}; run the audit again")
        findings = tuple(Finding(**{**f, "rows": tuple(Row(**row) for row in f["rows"])}) for f in value["findings"])
        derived = ("verdict", "reasons", "leaks")
        return Audit(**{**{k: v for k, v in value.items() if k not in derived}, "findings": findings})


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: _RANK[f.status])


def percent(part: float, whole: float) -> str:
    """Return a share as text, such as '12.5 %' or '0.98 %'; '0 %' for nothing, '<0.01 %' for less than can be shown."""
    share = 100 * part / whole if whole else 0.0
    return "0 %" if share == 0 else "<0.01 %" if share < 0.005 else f"{share:.{2 if share < 2 else 1}f} %"
