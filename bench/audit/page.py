"""Audits as one self-contained HTML page: no script, no font, no request. Names are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from .finding import TOPICS, Audit, Finding
from .scores import FAIL, WARN, shown

SHOWN_ROWS = 20
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 460, 200, 46, 30


@dataclass(frozen=True)
class Bar:
    """A feature's bar: its name, length from 0 to 1, score as text, and status."""

    name: str
    share: float
    text: str
    status: str


def to_html(audits: Sequence[Audit]) -> str:
    """Return the audits as an HTML page, which begins with a table of contents where there are several."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    return template.render(audits=[_view(audit, i) for i, audit in enumerate(audits)]) + "\n"


def _view(audit: Audit, index: int) -> dict[str, Any]:
    """Return the values of the template for one audit."""
    topics = [
        (topic, title, [_finding(f) for f in audit.findings if f.topic == topic]) for topic, title in TOPICS.items()
    ]
    return {
        "anchor": f"task{index}",
        "audit": audit,
        "sizes": ", ".join(f"{n:,} {part}" for part, n in audit.sizes.items()),
        "topics": [t for t in topics if t[2]],
        "curve": _curve(audit),
        "bars": _bars(audit),
        "limits": _limits(audit),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    shown = finding.rows[:SHOWN_ROWS]
    return {
        "finding": finding,
        "rows": shown,
        "more": finding.n_rows - len(shown),
        "others": any(r.other for r in shown),
    }


def _curve(audit: Audit) -> dict[str, Any] | None:
    """Return the share of test rows that have a relative of at least each similarity, as points of an SVG."""
    near = next((f for f in audit.findings if f.name == "near_test" and "curve" in f.numbers), None)
    if near is None or not near.numbers["of"]:
        return None
    values = [(float(t), n / near.numbers["of"]) for t, n in near.numbers["curve"].items()]
    top = _round_up(max(share for _, share in values))
    low, high = values[0][0], values[-1][0]

    def x(t: float) -> float:
        return round(_LEFT + (t - low) / (high - low) * (_WIDTH - _LEFT - 14), 1)

    def y(share: float) -> float:
        return round(12 + (1 - share / top) * (_HEIGHT - _BOTTOM - 12), 1)

    points = [
        {"x": x(t), "y": y(s), "t": f"{t:g}", "label": t in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "text": f"{100 * s:.2f} %"}
        for t, s in values
    ]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "points": points,
        "line": " ".join(f"{p['x']},{p['y']}" for p in points),
        "grid": [{"y": y(top * f), "text": f"{100 * top * f:.3g} %"} for f in (0, 0.5, 1)],
        "left": _LEFT,
        "right": _WIDTH - 14,
        "base": y(0),
        "threshold": x(near.numbers["threshold"]),
        "of": near.numbers["of"],
    }


def _round_up(share: float) -> float:
    return next((top for top in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if share <= top), 1.0)


def _chance(audit: Audit) -> float:
    return 0.0 if audit.kind == "regression" else 0.5


def _bars(audit: Audit) -> list[Bar]:
    """Return a bar for each feature, k-mers and lookup, from chance (0) to perfect (1)."""
    bars, chance = [], _chance(audit)
    for f in audit.findings:
        if f.topic != "shortcuts" or f.numbers.get("rank") is None or f.numbers.get("constant"):
            continue
        name = {"kmers": "k-mers", "lookup": "lookup"}.get(f.name, f.numbers.get("feature", f.name))
        rank, primary = f.numbers["rank"], f.numbers.get("primary")
        text = shown(rank) + (
            "" if primary is None or audit.metric == "auroc" else f"   {audit.metric} {shown(primary)}"
        )
        bars.append(Bar(str(name), round(max(0.0, (rank - chance) / (1 - chance)), 4), text, f.status))
    return bars


def _limits(audit: Audit) -> list[tuple[str, float]]:
    return [("WARN", 2 * WARN - 1), ("FAIL", 2 * FAIL - 1)] if audit.kind != "generation" else []
