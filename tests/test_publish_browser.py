"""The site in a real browser: clicks do what they say, the numbers are the records', and everyone can read it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from baserate.leaderboard.standings import build_leaderboard
from baserate.leaderboard.wording import number
from baserate.publish import publish
from baserate.records import read_records, write_record

from .test_leaderboard import put

CHROMIUM = shutil.which("chromium")
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PUBLISHED = Path(__file__).parent.parent / "results" / "published"
WIDTHS = {"desktop": 1280, "phone": 390}
EMPTY = {"missing": "–", "not_applicable": "n/a"}
OPTIONS = {"resultTypes": ["violations"], "preload": False}
"""Of axe: it reads nothing on its own account, which the page forbids."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(PUBLISHED / "quickstart", tmp_path_factory.mktemp("site") / "site").folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Looked:
    """A page with what went wrong in it and what it asked for."""

    def __init__(self, browser: Any, site: Path, at: str, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", lambda r: self.faults.append(f"not found: {r.url}"))
        self.page.on("request", lambda r: None if r.url.startswith(site.as_uri()) else self.faults.append(r.url))
        self.page.goto(f"{site.as_uri()}/{at}")
        if at.partition("#")[0] in ("index.html", "compare.html"):
            self.page.wait_for_selector("html[data-ready]")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.faults == []


def pages(site: Path) -> list[str]:
    """Return the pages of which there is one, and one of each other kind."""
    first = [next(iter(sorted((site / folder).glob(f"*{name}*.html")))) for folder, name in
             (("tasks", "arabidopsis"), ("tasks", "wt1"), ("models", "mlm"))]  # fmt: skip
    return [*sorted(p.name for p in site.glob("*.html")), *(str(p.relative_to(site)) for p in first)]


SHOWN = """() => [...document.querySelectorAll("#board tbody tr")].map((row) => [...row.children].map((cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".sr, sup").forEach((part) => part.remove());
    return copy.textContent;
}))"""


def shown(page: Any) -> list[list[str]]:
    """Return the rows of the table, each its name and the texts of its cells, without what only screen readers get."""
    return [[re.sub(r"\s+", " ", text).strip() for text in row] for row in page.evaluate(SHOWN)]


def test_the_table_has_the_numbers_of_the_records(browser: Any, site: Path) -> None:
    table = build_leaderboard(PUBLISHED / "quickstart")
    with Looked(browser, site, "index.html#hide=best&hide=mean") as page:
        heads = page.eval_on_selector_all("#board thead th", "heads => heads.map((head) => head.dataset.sort)")[1:]
        rows = page.eval_on_selector_all(
            "#board tbody tr th a", "links => links.map((link) => link.getAttribute('href'))"
        )
        values = [row[1:] for row in shown(page)]
        assert sorted(heads) == sorted(c.name for c in table.columns) and len(rows) == len(table.rows)
        found = sorted(zip((v for row in values for v in row), strict=False))
        want = [
            (
                number(c.value)
                if c.value is not None
                else {"missing": "–", "not_applicable": "n/a"}.get(c.status, "undefined"),
            )
            for c in table.cells
        ]
        assert found == sorted(want)
        at = {head: i for i, head in enumerate(heads)}
        best = next(row for row in table.rows if row.name == "kmer_logreg · from_scratch")
        (line,) = [row for row in shown(page) if row[0].endswith("kmer_logregfrom scratch")]
        for column in table.columns:
            value = table.cell(best, column).value
            assert line[1 + at[column.name]] == ("–" if value is None else number(value))


def test_a_click_sorts_and_another_turns_the_order(browser: Any, site: Path) -> None:
    with Looked(browser, site, "index.html#hide=best&hide=mean") as page:
        head = page.locator('th[data-sort="yeast_coding.small@2"]')
        orders = []
        for direction in ("descending", "ascending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == direction
            at = head.evaluate("head => [...head.parentNode.children].indexOf(head)")
            values = [float(row[at].replace("−", "-")) for row in shown(page) if re.match(r"[−\d]", row[at])]
            orders.append(values)
        assert orders[0] == sorted(orders[0], reverse=True) and orders[1] == sorted(orders[0])
        assert "sort=yeast_coding.small%402" in page.url


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of a baseline and of three models that differ in size and tokenizer."""
    folder = tmp_path_factory.mktemp("sizes")
    put(folder / "results", "kmer", 0.6, baseline=True, noise=1)
    for i, (size, tokenizer) in enumerate([(10**6, "single nucleotide"), (5 * 10**7, "6-mer"), (2 * 10**9, "6-mer")]):
        put(folder / "results", f"model_{i}", 1.0 + i, mode="linear_probe", noise=2 + i)
        (record,) = [r for r in read_records(folder / "results") if r.spec.model == f"model_{i}"]
        card = {**record.model, "parameters": size, "tokenizer": tokenizer, "context": 500 * (i + 1)}
        write_record(folder / "results", replace(record, model=card), record.predictions)
    return publish(folder / "results", folder / "site").folder


@pytest.mark.parametrize(
    ("label", "choice", "kept"),
    [
        ("Kind", "baseline", ["kmer"]),
        ("Tokenizer", "6-mer", ["model_1", "model_2"]),
        ("Parameters", "10 M to 100 M", ["model_1"]),
        ("Parameters", "1 B and more", ["model_2"]),
    ],
)
def test_a_filter_leaves_the_rows_that_it_names(
    browser: Any, sizes: Path, label: str, choice: str, kept: list[str]
) -> None:
    with Looked(browser, sizes, "index.html") as page:
        field = page.locator("#controls > label", has_text=re.compile(f"^{label}")).locator("select")
        field.select_option(choice)
        api.expect(page.locator("#board tbody tr")).to_have_count(len(kept))
        page.reload()
        page.wait_for_selector("html[data-ready]")
        names = page.eval_on_selector_all("#board tbody th a", "links => links.map((link) => link.textContent)")
        assert sorted(names) == kept, "the address has the choice"


def test_a_kind_of_split_leaves_its_tasks(browser: Any, site: Path) -> None:
    with Looked(browser, site, "index.html#hide=best&hide=mean") as page:
        page.get_by_label("Split").select_option("by position")
        page.locator("#board thead th").nth(6).wait_for(state="detached")
        heads = page.eval_on_selector_all("#board thead th", "heads => heads.map((head) => head.dataset.sort)")[1:]
        rule = {r.spec.task: r.spec.versions["split"] for r in read_records(PUBLISHED / "quickstart")}
        assert heads and {rule[head] for head in heads} == {"by_position 1"}


def test_two_rows_are_compared_example_by_example(browser: Any, site: Path) -> None:
    names = ("baserate_mlm · linear_probe", "kmer_logreg · from_scratch")
    at = f"compare.html#a={quote(names[0])}&b={quote(names[1])}&task=yeast_coding.small%402"
    with Looked(browser, site, at) as page:
        rows = page.eval_on_selector_all(
            "#differ tbody tr", "rows => rows.map((row) => [...row.children].map((c) => c.textContent))"
        )
        models = [name.partition(" ")[0] for name in names]
        records = [r for r in read_records(PUBLISHED / "quickstart") if r.spec.task == "yeast_coding.small@2"]
        found = {r.spec.model: r.predictions for r in records if r.spec.model in models}
        ids = list(found[models[0]].ids)
        scores = {name: p.scores.mean(axis=0)[:, 1] for name, p in found.items()}
        ranks = [np.argsort(np.argsort(scores[name])) / (len(ids) - 1) for name in models]
        apart = np.abs(ranks[0] - ranks[1])
        assert len(rows) == 12
        assert float(np.mean([apart[ids.index(row[0])] for row in rows])) == pytest.approx(
            np.sort(apart)[-12:].mean(), abs=0.01
        )
        for row in rows:
            want = [scores[name][ids.index(row[0])] for name in models]
            assert [float(v.replace("−", "-")) for v in row[2:]] == pytest.approx(want, abs=0.002)
        circles = page.locator("#cloud circle:not(.ring)").count()
        assert circles == len(ids) and page.locator("#cloud circle.ring").count() == 12
        page.get_by_role("button", name="Swap").click()
        api.expect(page.locator("#differ thead th:nth-child(3)")).to_have_text(re.compile("^kmer"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_kind_of_page_is_whole_and_readable_by_everyone(
    browser: Any, site: Path, width: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    found = []
    for at in pages(site):
        with Looked(browser, site, at, WIDTHS[width], scheme) as page:
            for line in page.locator("details > summary").all():
                line.click()
            page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
            for image in page.locator("img").all():
                api.expect(image).to_have_js_property("complete", True)
            assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)"), at
            assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], (
                f"{at} is wider than the screen"
            )
            found += [
                (at, v["id"], v["nodes"][0]["html"][:200])
                for v in axe.run(page, options=OPTIONS).response["violations"]
                if v["impact"] in ("serious", "critical")
            ]
    assert found == []


def test_links_of_the_first_page_lead_to_pages(browser: Any, site: Path) -> None:
    with Looked(browser, site, "index.html") as page:
        page.locator(".glance tbody th a").first.click()
        assert page.locator("h2").first.inner_text().startswith("Scores")
        page.get_by_role("link", name="Plots").click()
        assert page.locator("h1").inner_text() == "Plots"
