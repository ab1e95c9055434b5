"""The tables of the proof in docs/statistics.md, written from the rates of a full self-test beside their pictures.

baserate selftest --full --out docs/figures/proof
python docs/write_proof_page.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from baserate.selftest import TOPICS, Claim
from baserate.selftest.page import from_json

DOCS = Path(__file__).parent
REPORT = DOCS / "figures" / "proof" / "report.json"
PAGE = DOCS / "statistics.md"
BEGIN, END = "<!-- begin: python docs/write_proof_page.py -->\n", "<!-- end -->\n"


def tables() -> str:
    """Return the rates as Markdown: coverage by setting and metric, and the others a line each."""
    claims = from_json(REPORT.read_text(encoding="utf-8"))
    lines: list[str] = []
    for topic, title in TOPICS.items():
        of = [c for c in claims if c.topic == topic]
        if of:
            lines += [f"**{title}**", "", *(_by_metric(of) if topic == "coverage" else _by_line(of)), ""]
    return "\n".join(lines)


def page() -> str:
    """Return docs/statistics.md with these tables in their place."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.split(END, 1)[1]}"


def _by_metric(claims: Sequence[Claim]) -> Iterator[str]:
    """Yield a line a setting, a column a metric; `about` is the metric, and what is asked of it if not coverage."""
    metrics = list(dict.fromkeys(c.about for c in claims if "," not in c.about))
    yield f"| setting | {' | '.join(metrics)} | expected |"
    yield "|:--|" + "--:|" * len(metrics) + ":--|"
    for setting, asked in dict.fromkeys((c.setting, c.about.partition(", ")[2]) for c in claims):
        named = {c.about.partition(", ")[0]: c for c in claims if c.setting == setting}
        cells = [_rate(named[metric]) if metric in named else "" for metric in metrics]
        where = f"{setting}: {asked}" if asked else setting
        yield f"| {where} | {' | '.join(cells)} | {next(iter(named.values())).expected} |"


def _by_line(claims: Sequence[Claim]) -> Iterator[str]:
    beside = any(c.beside is not None for c in claims)
    yield f"| claim | setting | rate |{' bootstrap |' if beside else ''} expected | times |"
    yield "|:--|:--|--:|" + ("--:|" if beside else "") + ":--|--:|"
    for c in claims:
        by = f" {100 * c.beside:.1f} % |" if c.beside is not None else ""
        yield f"| {c.about} | {c.setting} | {_rate(c)} |{by} {c.expected} | {c.n:,} |"


def _rate(claim: Claim) -> str:
    """Return the rate, marked where it does not hold, with how often there was no interval."""
    text = claim.rate if claim.holds else f"**{claim.rate}** ✗"
    share = claim.withheld / (claim.n + claim.withheld) if claim.withheld else 0.0
    return f"{text} ({100 * share:.0f} % withheld)" if share >= 0.005 else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
