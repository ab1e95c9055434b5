"""The published pages: what they say is what the table says, and no name in them does anything."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.errors import DataError
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.compare import compare
from baserate.leaderboard.comparisons import difference_of
from baserate.leaderboard.standings import build_leaderboard
from baserate.leaderboard.table import Area, Cell, Column, Curve
from baserate.leaderboard.windows import AXIS
from baserate.publish import publish, write_site
from baserate.publish.families import OTHER, family_of
from baserate.publish.methods import bibtex
from baserate.publish.names import page_of
from baserate.publish.overview import overview_of
from baserate.publish.pairs import pairs_of
from baserate.publish.scores import short
from baserate.records import read_records

from .test_leaderboard import put

CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=document.title='gotcha'></script><script>document.title='gotcha'</script>\"'&"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1)
    put(folder, "constant", float("inf"), baseline=True, noise=2)
    put(folder, "good", 2.0, mode="linear_probe", noise=3)
    put(folder, "good_random", 0.3, mode="linear_probe", twin_of="good", noise=4)
    put(folder, "broken", status="failed", error="Traceback\nValueError: no such layer")
    return folder


@pytest.fixture
def site(results: Path, tmp_path: Path) -> Path:
    return publish(results, tmp_path / "site").folder


def data_of(site: Path) -> dict[str, Any]:
    page = (site / "index.html").read_text()
    (found,) = re.findall(r'<script type="application/json" id="site-data">(.*?)</script>', page, re.S)
    return dict(json.loads(found))


def loaded(site: Path, name: str) -> dict[str, Any]:
    (found,) = re.findall(r"^baserate\.load\(\"[^\"]+\",(.*)\);\n$", (site / "data" / f"{name}.js").read_text())
    return dict(json.loads(found))


def dom(site: Path, page: str = "index.html", at: str = "") -> str:
    """Return the page as a browser has it once its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*command, f"{(site / page).as_uri()}{at}"], capture_output=True, text=True, timeout=120)
    return html.unescape(done.stdout)


def board(text: str) -> list[list[str]]:
    """Return the rows of the table in a page, each the texts of its cells without what only screen readers get."""
    (table,) = re.findall(r'<div id="board".*?</table>', text, re.S)
    rows = re.findall(r"<tr.*?</tr>", table, re.S)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.S) for row in rows]
    return [[re.sub(r'<span class="sr">.*?</span>|<[^>]+>', "", cell) for cell in row] for row in cells]


def test_cells_of_the_site_are_those_of_the_table(results: Path, site: Path) -> None:
    table, data = build_leaderboard(results), data_of(site)
    cells = loaded(site, "scores-0")["0"]
    for i, row in enumerate(table.rows):
        cell = table.cell(row, table.columns[0])
        assert data["rows"][i]["name"] == row.name
        if cell.value is None:
            assert cells[i] == ["f", "ValueError: no such layer"]
            continue
        e = cell.estimates[0]
        assert cells[i][:3] == pytest.approx([e.value, e.low, e.high], abs=1e-4)
        assert bool(cells[i][3] & 1) == cell.best
        assert cells[i][4] == [cell.rank, cell.rank_high]
        if cell.gain:
            g = cell.gain
            assert cells[i][5][:3] == pytest.approx([g.value, g.low, g.high], abs=1e-4)
            assert cells[i][5][3] == {"better": "b", "worse": "w", "tie": "t", "preliminary": "p", "": ""}[g.verdict]


def test_overview_counts_the_verdicts_of_the_best_models(results: Path) -> None:
    table = build_leaderboard(results)
    overview = overview_of(table)
    (family,) = overview.families
    (task,) = family.tasks
    assert family.name == OTHER and task.model and task.model.title == "good · probe"
    assert task.baseline and task.baseline.title == "kmer" and task.twin and task.twin.title == "good_random · probe"
    gain = table.cell(table.rows[0], table.columns[0]).gain
    assert gain and task.verdict == gain.verdict and dict(overview.over_baseline) == {gain.verdict: 1}
    assert task.model.gain.startswith(f"{gain.value:+.3f}")
    assert 0 < overview.zero < 100 and task.model.mark and (task.model.mark.at > overview.zero) == (gain.value > 0)


def test_what_pretraining_buys_is_asked_of_the_best_model_that_has_a_twin(results: Path) -> None:
    before = overview_of(build_leaderboard(results))
    assert before.n_twins == 1 and before.tasks[0].paired == ""
    put(results, "alone", 3.0, mode="linear_probe", noise=9)
    (task,) = (overview := overview_of(build_leaderboard(results))).tasks
    assert task.model and task.model.title == "alone · probe" and task.paired == "good · probe"
    assert task.twin and task.twin.title == "good_random · probe"
    assert overview.n_twins == 1 and task.twin_verdict == before.tasks[0].twin_verdict


def test_one_wide_interval_does_not_hide_the_others(results: Path) -> None:
    table = build_leaderboard(results)

    def widened(cell: Cell) -> Cell:
        is_twin = cell.gain is not None and cell.row.startswith("good_random")
        return replace(cell, gain=replace(cell.gain, low=-9.0, high=9.0)) if cell.gain and is_twin else cell

    overview = overview_of(replace(table, cells=tuple(map(widened, table.cells))))
    twin = overview.families[0].tasks[0].twin
    assert twin and twin.mark and twin.mark.cut == "left right" and twin.mark.left == 0
    assert all(abs(float(end.replace("−", "-"))) < 3 for end in overview.ends)


@pytest.mark.parametrize("value", [0.0625, -0.0625, 0.2895000001, 0.2894999, 0.28951826, -0.0004, 1.0, 0.0])
def test_numbers_are_rounded_as_everywhere_else(value: float) -> None:
    sent = short(value)
    assert sent is not None and abs(sent - value) < 6e-4
    as_a_page_shows = Decimal(abs(sent)).quantize(Decimal("0.001"), ROUND_HALF_UP)
    assert float(as_a_page_shows) == abs(round(value, 3))


def test_a_task_belongs_to_a_family_by_its_words() -> None:
    def family(name: str) -> str:
        return family_of(Column(name, name, "", "", (0,), 1.0, ("mcc",), ""))

    families = {
        "arabidopsis_promoters@1": "Promoters",
        "human_splice_sites.small@1": "Splice sites",
        "splice_transfer@1": "Species transfer",
        "gue.emp_H3K4me1@1": "Chromatin",
        "gue.human_tf_3@1": "Transcription factors",
        "variant_benchmark.expression@2": "Variant effects",
        "genomic_benchmarks.human_nontata_promoters@1": "Promoters",
        "gener.taxonomic_classification@1": "Species",
        "yeast_coding@2": "Genes",
        "toy@1": OTHER,
    }
    assert {name: family(name) for name in families} == families


def test_a_browser_shows_the_numbers_the_winner_first_and_failures(results: Path, site: Path) -> None:
    shown = board(dom(site))
    table = build_leaderboard(results)
    assert [row[0] for row in shown][:2] == ["Model", "●goodprobe"]
    value = table.cell(table.rows[0], table.columns[0]).value
    assert value is not None and shown[1][3] == f"{value:.3f}○"  # the card says nothing of pretraining
    assert any("broken" in row[0] and row[3] == "failed" for row in shown)


def test_the_address_says_what_is_shown(results: Path, site: Path) -> None:
    gains = board(dom(site, at="#view=gain&sort=name&up=1&regime=probed"))
    assert [row[0] for row in gains[1:]] == ["◆good_randomprobe", "●goodprobe"]
    gain = build_leaderboard(results).cells[0].gain
    assert gain and gains[2][3] == f"▲ {gain.value:+.3f}○"
    assert board(dom(site, at="#view=odd&metric=odd")) == board(dom(site))  # what is not there is not asked for
    assert not any("constant" in row[0] for row in board(dom(site, at="#find=good")))


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    put(tmp_path / "results", HOSTILE, baseline=True)
    put(tmp_path / "results", "good", 2.0, mode="linear_probe", noise=3)
    site = publish(tmp_path / "results", tmp_path / "site", title=HOSTILE).folder
    for page in site.rglob("*.html"):
        assert "<img src=x" not in page.read_text(), page
        text = dom(site, str(page.relative_to(site)))
        assert not re.search(r"<title>gotcha", text), page
        assert HOSTILE in text, page


def test_nothing_is_asked_of_a_network(site: Path) -> None:
    for file in (f for f in site.rglob("*") if f.is_file() and f.suffix != ".pdf"):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.search(r"https?://|//cdn|@import|fetch\(", text), file
    assert "default-src 'none'" in (site / "index.html").read_text()


def test_a_site_replaces_a_site_and_nothing_else(results: Path, site: Path, tmp_path: Path) -> None:
    (site / "stale.html").write_text("of before")
    publish(results, site)
    assert not (site / "stale.html").exists() and (site / "index.html").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years")
    with pytest.raises(DataError, match="choose a new folder"):
        publish(results, mine)
    assert [f.name for f in mine.iterdir()] == ["thesis.tex"]


def test_a_folder_without_records_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="baserate run --results"):
        publish(tmp_path / "empty", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_command_says_what_it_wrote(results: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["publish", str(results), "--out", str(tmp_path / "site"), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert Path(said["index"]).is_file() and said["pages"] == len(list((tmp_path / "site").rglob("*.html")))


def test_the_page_of_a_task_says_everything_of_every_row(results: Path, tmp_path: Path) -> None:
    table = build_leaderboard(results, strata=["species"])
    site = write_site(table, read_records(results), tmp_path / "site").folder
    (page,) = (site / "tasks").glob("*.html")
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page.read_text())))
    for cell in table.cells:
        for e in (*cell.estimates, *cell.by_stratum):
            assert e.value is None or f"{e.value:.3f}".replace("-", "−") in text
        for gain in (cell.gain, cell.twin_gain):
            assert gain is None or f"{gain.value:+.3f} [".replace("-", "−") in text
    assert "ValueError: no such layer" in text and "By species" in text and "fly" in text


def test_scores_by_stratum_are_on_the_page_where_they_are_asked_for(results: Path, tmp_path: Path) -> None:
    command = ["publish", str(results), "--out", str(tmp_path / "site"), "--quiet"]
    for more, shown in (([], False), (["--strata", "species"], True)):
        assert CliRunner().invoke(cli, [*command, *more]).exit_code == 0
        (page,) = (tmp_path / "site" / "tasks").glob("*.html")
        assert ("By species" in page.read_text()) == shown


def test_the_page_of_a_model_has_its_settings_and_what_it_saw(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / page_of("models", "good")).read_text())
    assert "What it saw of the tests" in text and "Gain over the best baseline" in text


def test_any_two_rows_are_compared_as_on_the_command_line(results: Path, site: Path) -> None:
    names = [row["name"] for row in data_of(site)["rows"]]
    for first, second in [(names[0], names[1]), (names[1], names[0]), (names[0], "kmer · from_scratch")]:
        (pair,) = compare(results, first, second).tasks
        a, b = names.index(first), names.index(second)
        value, low, high, p = loaded(site, f"pairs-{min(a, b)}")[str(max(a, b))]["0"]
        shown = (value, low, high) if a < b else (-value, -high, -low)
        assert shown == pytest.approx((pair.gain.value, pair.gain.low, pair.gain.high), abs=1e-4)
        assert p == pytest.approx(pair.gain.p, rel=0.05, abs=1e-300)
    text = dom(site, "compare.html", f"#a={quote(names[1])}&b={quote(names[0])}")
    gain = compare(results, names[1], names[0]).tasks[0].gain
    low, high = (f"{v:+.3f}".replace("-", "−") for v in (gain.low or 0, gain.high or 0))
    assert f"{gain.value:+.3f} [{low}, {high}]".replace("-", "−") in text


def test_a_gain_is_positive_where_the_first_is_better_in_a_metric_that_is_to_be_low(results: Path) -> None:
    table, records = build_leaderboard(results), {r.hash: r for r in read_records(results)}
    low = replace(table, columns=tuple(replace(c, metrics=("brier",)) for c in table.columns))
    pairs = pairs_of(low, records)
    assert pairs
    for i, others in pairs.items():
        for j, found in others.items():
            a, b = (records[table.cell(table.rows[k], table.columns[0]).hash] for k in (i, j))
            assert found[0][0] == pytest.approx(-difference_of(a, b, "brier", None).value, abs=1e-4)


def test_a_pair_that_is_not_stored_is_said(results: Path, site: Path) -> None:
    names = [row["name"] for row in data_of(site)["rows"]]
    broken = next(name for name in names if name.startswith("broken"))
    assert "This pair is not in the stored data" in dom(site, "compare.html", f"#a={quote(names[0])}&b={quote(broken)}")


def test_another_metric_is_sorted_the_way_that_is_better(results: Path, site: Path) -> None:
    table = build_leaderboard(results)
    at = data_of(site)["columns"][0]["metrics"].index("AUROC")
    values = sorted((cell.estimates[at].value or 0.0 for cell in table.cells if cell.estimates), reverse=True)
    shown = [row[3].rstrip("○†") for row in board(dom(site, at="#metric=AUROC&sort=toy@1"))]
    assert shown == ["toyAUROC ↑ ↓", *(f"{v:.3f}" for v in values), "failed"]
    page = site / "index.html"
    page.write_text(page.read_text().replace('"signs":[1,1,', '"signs":[1,-1,'))
    turned = [row[3].rstrip("○†") for row in board(dom(site, at="#metric=AUROC&sort=toy@1"))]
    assert turned[1:-1] == shown[-2:0:-1]


def test_wins_in_doubt_are_said(results: Path, tmp_path: Path) -> None:
    table = build_leaderboard(results)
    failing = replace(table, columns=tuple(replace(c, audit="FAIL") for c in table.columns))
    assert overview_of(table).over_baseline["better"] == 1
    said = "Of these, 1 by a model that saw test examples or may have and 1 where the audit of the task fails."
    assert overview_of(failing).doubts == said
    site = write_site(failing, read_records(results), tmp_path / "site").folder
    assert said in (site / "index.html").read_text()


def test_plots_are_svg_files_with_the_frontier_named(results: Path, tmp_path: Path) -> None:
    table = build_leaderboard(results)
    seconds = {"constant": 0.1, "good": 60.0, "good_random": 90.0, "kmer": 2.0}
    timed = [replace(cell, seconds=seconds.get(cell.row.partition(" ")[0])) for cell in table.cells]
    site = write_site(replace(table, cells=tuple(timed)), read_records(results), tmp_path / "site").folder
    (plot,) = (site / "plots").glob("*cost*.svg")
    root = ElementTree.fromstring(plot.read_text())
    named = [e.text for e in root.iter() if e.get("class") == "name"]
    assert named == ["good · probe", "kmer", "constant"]  # the dearer twin is worse than the model
    assert plot.name in (site / "plots.html").read_text()
    assert plot.name in next((site / "tasks").iterdir()).read_text()


def test_learning_curves_and_ranks_are_drawn(results: Path, tmp_path: Path) -> None:
    table = build_leaderboard(results)
    rows = tuple(row.name for row in table.rows if table.cell(row, table.columns[0]).value is not None)
    curve = Curve("toy@1", "mcc", ("toy@1",), (10,), rows, tuple(Area(0.5, 0.4, 0.6) for _ in rows))
    site = write_site(replace(table, curves=(curve,)), read_records(results), tmp_path / "site").folder
    assert "toy-1-curve" in (site / "plots.html").read_text()
    windows = replace(curve, axis=AXIS)
    both = write_site(replace(table, curves=(curve, windows)), read_records(results), tmp_path / "both").folder
    assert len(list((both / "plots").glob("toy-1-*curve*.svg"))) == 2, "a task may have curves of several kinds"
    page = (both / "plots.html").read_text()
    assert "toy@1 by number of training examples" in page and "toy@1 by window (bp)" in page
    assert "By number of training examples" in next((site / "tasks").iterdir()).read_text()


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        links = re.findall(r'(?:href|src)="([^"#]+)"', page.read_text())
        assert links and all((page.parent / link).exists() for link in links), page
    data = data_of(site)
    assert all((site / entry["page"]).exists() for entry in [*data["rows"], *data["columns"]])


def many(table: Leaderboard, n_tasks: int, n_rows: int) -> Leaderboard:
    """Return a table of so many tasks and rows, each cell one of the given table's."""
    rows = [replace(table.rows[i % len(table.rows)], name=f"row {i}", model=f"model_{i}") for i in range(n_rows)]
    column = table.columns[0]
    words = ("prom", "splice", "mouse", "emp_H3", "enhancer", "virus", "gene", "poly", "variant", "own")
    names = [f"gue.{words[i % len(words)]}_{i}@1" for i in range(n_tasks)]
    columns = [replace(column, name=name, task=name) for name in names]
    done = [replace(cell, twin_gain=None) for cell in table.cells if cell.value is not None]
    cells: list[Cell] = [
        replace(done[(i * 7 + j) % len(done)], row=row.name, column=c.name)
        for i, row in enumerate(rows)
        for j, c in enumerate(columns)
    ]
    return Leaderboard(tuple(columns), tuple(rows), tuple(cells))


def test_methods_state_what_the_records_do(results: Path, site: Path, tmp_path: Path) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", (site / "methods.html").read_text()))
    assert "We compared 1 model (good) with" in text and "trained 5 times" in text and "Holm" in text
    assert "1 run failed." in text and "No card says how it is cited." in text
    cited = [
        replace(r, task={**r.task, "citation": "Smith & Jones 2020, 100 % {odd}_x"}) for r in read_records(results)
    ]
    entry = bibtex(cited)
    assert entry == "@misc{toy-1,\n  title = {toy@1},\n  note = {Smith \\& Jones 2020, 100 \\% \\{odd\\}\\_x}\n}\n"
    write_site(build_leaderboard(cited), cited, tmp_path / "cited")
    assert (tmp_path / "cited" / "citations.bib").read_text() == entry


def test_many_tasks_open_with_one_family(results: Path, tmp_path: Path) -> None:
    table = many(build_leaderboard(results), 30, 12)
    write_site(table, read_records(results), tmp_path / "site")
    text = dom(tmp_path / "site")
    assert "12 of 12 rows, 3 of 30 tasks. Shown: Variant effects; choose a family for more." in text
    assert "12 of 12 rows, 30 of 30 tasks." in dom(tmp_path / "site", at="#family=*")
    last = table.columns[-1].name  # not in view: what is sorted by need not be drawn
    shown = board(dom(tmp_path / "site", at=f"#family=*&sort={quote(last)}"))
    values = {row.model: table.cell(row, table.columns[-1]).value or 0.0 for row in table.rows}
    models = [re.findall(r"model_\d+", row[0])[0] for row in shown[1:]]
    assert len(shown[0]) < 30 and sorted(models, key=lambda m: -values[m]) == models


@pytest.mark.slow
def test_a_large_site_is_built_in_a_minute_and_opens_with_little(results: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    table = many(build_leaderboard(results), 200, 60)
    site = write_site(table, [], tmp_path / "site").folder
    assert time.monotonic() - start < 60
    first = ["index.html", "site.css", "choices.js", "table.js", "data/scores-0.js"]
    assert sum((site / name).stat().st_size for name in first) < 500_000
