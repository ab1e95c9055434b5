"""The simulated proof finds intervals that are too narrow, verdicts that come too often, and an audit gone blind."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.errors import DataError
from baserate.results import Predictions
from baserate.selftest import faults, order, rates
from baserate.selftest.claim import TOPICS, Claim
from baserate.selftest.claims import every_claim, jobs
from baserate.selftest.faults import CLEAN, LEAKS, SHORTCUTS, SORTED, clean, planted
from baserate.selftest.figures import FIGURES, wilson
from baserate.selftest.order import CHANGES, unchanged
from baserate.selftest.page import from_json, to_json, write_report
from baserate.selftest.rates import coverage, equal_methods, permuted, power, withheld
from baserate.selftest.worlds import World
from baserate.statistics import estimate

BASE = Claim("coverage", "auroc", "here", 0.93, 0.97)


@pytest.mark.parametrize(
    ("found", "n", "holds"), [(0.95, 200, True), (0.91, 200, True), (0.91, 2000, False), (0.99, 2000, False)]
)
def test_a_rate_may_miss_its_bounds_by_chance_alone(found: float, n: int, holds: bool) -> None:
    assert replace(BASE, found=found, n=n).holds is holds
    assert not BASE.holds, "what could not be simulated does not hold"
    always = Claim("faults", "found", "here", 1.0, 1.0, found=0.99, n=100)
    assert not always.holds and replace(always, found=1.0).holds and always.expected == "always"


def test_intervals_that_are_too_narrow_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def claims() -> list[Claim]:
        whole = coverage("here", World(300, 60), ("accuracy", "mcc"), 0.93, 0.97, 100)
        return [*whole, *coverage("here", World(300, 60, measured=True), ("spearman",), 0.93, 0.97, 100)]

    assert all(claim.holds for claim in claims())

    def narrow(*args: Any, **more: Any) -> Any:
        e = estimate(*args, **more)
        assert e.value is not None and e.low is not None and e.high is not None
        return replace(e, low=e.value - 0.4 * (e.value - e.low), high=e.value + 0.4 * (e.high - e.value))

    monkeypatch.setattr(rates, "estimate", narrow)
    assert not any(claim.holds for claim in claims())
    assert permuted("auroc", 0.5, 60)[0].found > 0.2  # type: ignore[operator]


def test_few_clusters_have_no_interval_and_that_is_counted() -> None:
    assert all(claim.holds for claim in withheld("8 clusters", World(600, 8, uneven=0.2), ("auroc", "mcc"), 5))
    (claim,) = coverage("12 clusters", World(600, 12, uneven=0.2), ("auroc",), 0.9, 0.98, 30)
    assert claim.n + claim.withheld == 30 and claim.withheld > 10


def test_verdicts_without_the_noise_of_training_come_too_often() -> None:
    world = World(3000, 600, training=0.3, seeds=5)
    assert equal_methods("here", world, 60)[0].holds
    first = replace(world, seeds=1)  # one training each: its noise is in no standard error
    assert not equal_methods("here", first, 60)[0].holds


def test_a_gain_that_is_found_less_often_than_by_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(600, 200, uneven=0.3)
    (claim,) = power("here", world, "auroc", 0.4, 25)
    assert claim.holds and claim.beside is not None and claim.beside > 0.5
    assert claim.size == pytest.approx(0.08, abs=0.02)
    made = rates.gain
    monkeypatch.setattr(rates, "gain", lambda *args: replace(made(*args), p=0.3))
    assert not power("here", world, "auroc", 0.4, 25)[0].holds


@pytest.mark.parametrize("name", [*LEAKS, *SHORTCUTS, SORTED])
def test_the_audit_finds_what_is_planted(name: str) -> None:
    (claim,) = planted(name, 1)
    assert claim.holds and claim.setting == name


def test_an_audit_that_sees_nothing_or_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clean("200 bp, 100 test rows", 3)[0].found == 0
    audit = faults.audit
    for verdict in ("PASS", "FAIL"):
        monkeypatch.setattr(faults, "audit", lambda *args, verdict=verdict: _with(audit(*args), verdict))
        assert planted(SORTED, 1)[0].holds is (verdict == "FAIL")
        assert clean("36 bp, 400 test rows", 3)[0].holds is (verdict == "PASS")


def _with(found: Any, verdict: str) -> Any:
    class Blind:
        pass

    blind: Any = Blind()
    blind.verdict = verdict
    return blind


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_matter_does_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unchanged(name, 3)[0].holds

    def by_order(p: Predictions, metric: str) -> Any:
        e = estimate(p, metric)
        return replace(e, value=float(p.scores[0, 0, 1]) + int(p.clusters[0]))

    monkeypatch.setattr(order, "estimate", by_order)
    assert not unchanged(name, 3)[0].holds


def some() -> list[Claim]:
    settings = World(200, 40, uneven=0.2)
    work = [
        partial(coverage, "40 clusters", settings, ("auroc",), 0.93, 0.97, 10),
        partial(unchanged, "rows in another order", 1),
        partial(power, "40 clusters", settings, "mcc", 0.2, 5),
        partial(equal_methods, "40 clusters", settings, 5),
    ]
    return every_claim(workers=2, work=work)


def test_rates_do_not_depend_on_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    claims = some()
    assert [c.topic for c in claims] == ["coverage", "level", "power", "order"]
    assert claims[0] == coverage("40 clusters", World(200, 40, uneven=0.2), ("auroc",), 0.93, 0.97, 10)[0]


def test_every_setting_is_simulated_ten_times_as_often_in_full() -> None:
    short, full = jobs(full=False), jobs(full=True)
    assert len(short) == len(full) > 50
    rare = {c.args[0] for c in short if c.func is planted or c.func is clean}  # type: ignore[attr-defined]
    assert rare == {*LEAKS, *SHORTCUTS, SORTED, *CLEAN}


def test_the_report_has_every_rate_and_its_pictures(tmp_path: Path) -> None:
    claims = [
        replace(BASE, found=0.955, n=200),
        replace(BASE, found=0.5, n=200, about="mcc", setting="<there>"),
        Claim("level", "mcc, two methods", "here", 0.0, 0.07, found=0.04, n=200),
        *(Claim("power", "mcc", f"{s}", 0.0, 1.0, found=s * 9, n=200, size=s, beside=s * 9) for s in (0.01, 0.05)),
        Claim("order", "same estimates", "here", 1.0, 1.0, found=1.0, n=5),
    ]
    written = write_report(claims, tmp_path / "new")
    assert [f.name for f in written] == ["report.html", "report.json", "coverage.svg", "level.svg", "power.svg"]
    page = written[0].read_text()
    assert page.count("<svg") == 3 and "1 of 6 rates is not what is claimed" in page
    assert "95.5 %" in page and "&lt;there&gt;" in page and "<script" not in page and "does not hold" in page
    assert all(title in page for topic, title in TOPICS.items() if topic not in ("faults", "chaos"))
    assert from_json(written[1].read_text()) == claims
    assert json.loads(written[1].read_text())[1]["holds"] is False
    before = {f: f.read_bytes() for f in written}
    assert write_report(claims, tmp_path / "new") == written and {f: f.read_bytes() for f in written} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="choose another folder"):
        write_report(claims, tmp_path / "file")


def test_the_bar_of_a_rate_is_that_of_wilson() -> None:
    assert wilson(0.0, 100) == pytest.approx((0.0, 0.03699), abs=1e-4)
    assert wilson(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-4)


def test_the_command_fails_where_a_claim_does_not_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good, bad = replace(BASE, found=0.95, n=200), replace(BASE, found=0.5, n=200)
    for made, code in (([good], 0), ([good, bad], 1)):
        monkeypatch.setattr("baserate.selftest.every_claim", lambda full, workers, made=made: made)
        done = CliRunner().invoke(cli, ["selftest", "--json"], standalone_mode=False)
        assert done.return_value == code
        assert done.output == to_json(made)
        shown = CliRunner().invoke(cli, ["selftest", "--out", str(tmp_path)], standalone_mode=False)
        assert shown.return_value == code and (tmp_path / "report.html").exists() and "report.html" in shown.output
        assert ("does not hold" in " ".join(shown.output.split())) is bool(code)


def test_the_tables_of_the_proof_are_those_of_its_rates() -> None:
    docs = Path(__file__).parent.parent / "docs"
    page = runpy.run_path(str(docs / "write_proof_page.py"))["page"]()
    assert (docs / "statistics.md").read_text(encoding="utf-8") == page, "run: python docs/write_proof_page.py"
    assert all((docs / "figures" / "proof" / f"{name}.svg").exists() for name in FIGURES)
