"""Tables for papers and READMEs: what they show, that hostile names do nothing, and that they are well formed."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

from baserate.cli import cli
from baserate.errors import ConfigError
from baserate.leaderboard import FORMATS, build_leaderboard, write_leaderboard
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.latex import escaped
from baserate.leaderboard.paper import p_text, paper_blocks, short_names

from .test_leaderboard import put

HOSTILE = r"""a_b&c%d$e#f{g}h~i^j\k<l>m|n"o `p` [q] *r* \input{x} é − 😀"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return results in which a baseline is the best, on six tasks of two benchmarks."""
    folder = tmp_path / "results"
    for task in ("gue.a@1", "gue.b@2", "lra.c@1", "d@1", "e@1", "f@1"):
        more = {"spec": {"task": task}}
        put(folder, "kmers", 3.0, baseline=True, noise=1, **more)
        put(folder, "cnn", 0.2, baseline=True, noise=2, **more)
        put(folder, "net", 1.0, mode="linear_probe", noise=3, **more)
        put(folder, HOSTILE, 0.5, mode="linear_probe", noise=4, **more)
    put(folder, "late", 1.0, mode="linear_probe", noise=5, spec={"task": "gue.a@1"})
    put(folder, "late", status="failed", error="boom", mode="linear_probe", spec={"task": "gue.b@2"})
    return folder


@pytest.fixture
def table(results: Path) -> Leaderboard:
    return build_leaderboard(results)


def cells_of(line: str) -> list[str]:
    return re.split(r"(?<!\\)&", line)


def test_the_winner_is_first_in_each_block_whatever_its_kind(table: Leaderboard) -> None:
    blocks = paper_blocks(table)
    assert [(b.title, len(b.columns)) for b in blocks] == [("Other tasks", 3), ("gue", 2), ("lra", 1)]
    assert all(block.rows[0].model == "kmers" for block in blocks)
    assert [row.model for row in blocks[0].absent] == ["late"], "what was not run there is named below"
    assert table.rows[0].kind == "model", "the full table has its models first"


def test_a_row_without_a_test_is_not_the_winner(tmp_path: Path) -> None:
    for task in ("d@1", "e@1"):
        put(tmp_path, "few", 0.1, noise=1, spec={"task": task, "seeds": (0, 1)})
    for name, skill in (("rule", 3.0), ("other", 0.5)):
        put(tmp_path, name, skill, mode="zero_shot", noise=2, spec={"task": "d@1"})
    table = build_leaderboard(tmp_path)
    few = next(row for row in table.rows if row.model == "few")
    assert all(table.cell(few, column).best for column in table.columns), "no test says that it is not"
    (block,) = paper_blocks(table)
    assert block.rows[0].model == "rule"


def test_names_are_short_where_they_stay_distinct(table: Leaderboard) -> None:
    names = short_names(table)
    assert names["gue.b@2"] == "b" and names["d@1"] == "d"


def test_markdown_fits_and_shows_p_values(table: Leaderboard) -> None:
    text = FORMATS["markdown"](table)
    assert isinstance(text, str)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for line in rows:
        assert len(re.split(r"(?<!\\)\|", line)) <= 2 + 7
        for cell in re.split(r"(?<!\\)\|", line.partition("details")[0]):
            shown = re.sub(r"\\(.)", r"\1", html.unescape(re.sub(r"<[^>]+>", "\n", cell)))
            assert max(map(len, shown.split("\n"))) <= len(HOSTILE) + 20, cell
    assert "p, adjusted" in text and "&lt;0.001" in text and "| worse |" in text
    assert "**" in rows[1] and "kmers" in rows[1]
    assert "<sub>baseline, trained</sub>" in text and "late" in text and "failed" in text


def test_latex_has_as_many_cells_in_each_row_as_columns_and_only_commands_of_ours(table: Leaderboard) -> None:
    text = FORMATS["latex"](table)
    assert isinstance(text, str) and "\\input" not in text
    assert text.isascii() or not re.search("[^\x00-\xff]", text)
    tabulars = re.findall(r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", text, re.S)
    assert len(tabulars) == 4
    for columns, body in tabulars:
        n = len(re.sub(r"\[[^\]]*\]|@\{\}", "", columns))
        for line in body.splitlines():
            if line.startswith(("\\toprule", "\\midrule", "\\bottomrule", "\\addlinespace", "\\multicolumn{6}")):
                continue
            assert line.endswith(("\\\\", "\\\\[2pt]")) and len(cells_of(line)) == n, line
            assert not line.lstrip().startswith(("[", "*")), "it would be an argument of the line before"
    unescaped = re.sub(r"\\[\\{}$&#_%]", "", text)
    assert unescaped.count("{") == unescaped.count("}") and unescaped.count("$") % 2 == 0
    assert re.search(r"kmers & \\bfseries 0\.\d{3}\{\$\\,\\diamond\$\}", text), "bold, and marked as the best baseline"
    assert "$p_\\mathrm{adj}$" in text and "\\textless{}0.001" in text


def test_what_latex_would_read_as_a_command_is_set_as_it_is() -> None:
    assert escaped("a_b & 50 %\n$x$ \\x{y}") == r"a\_b \& 50 \% \$x\$ \textbackslash{}x\{y\}"
    assert escaped("a---b [c] *") == "a-{-}-b {[}c{]} {*}"
    assert escaped("é − 😀 \x00") == r"é \textminus{} {[}U+1F600{]} {[}U+0000{]}"


def test_latex_compiles_and_fits_its_page_with_names_of_any_kind_ties_and_cells_without_a_score(
    results: Path, tmp_path: Path
) -> None:
    engine = shutil.which("tectonic") or shutil.which("pdflatex")
    if engine is None:
        pytest.skip("neither tectonic nor pdflatex is installed")
    for task in ("d@1", "e@1"):
        put(results, "tied", 3.0, mode="fine_tune", noise=9, spec={"task": task})
    put(results, "causal", status="not_applicable", error="none", mode="zero_shot", spec={"task": "d@1"})
    put(results, "constant", float("inf"), baseline=True, spec={"task": "e@1"})
    put(results, "a_network_whose_name_goes_on_and_on_500m", 1.0, mode="linear_probe", noise=6, spec={"task": "d@1"})
    text = str(FORMATS["latex"](build_leaderboard(results)))
    assert all(word in text for word in ("{n/a}", "{failed}", "{--}", "tie", "\\shortstack[l]"))
    packages = re.findall(r"^% (\\usepackage.*)$", text, re.M)
    head = "\n".join(["\\documentclass{article}", *packages, "\\begin{document}"])
    (tmp_path / "x.tex").write_text(f"{head}\n{text}\n\\end{{document}}\n")
    options = [] if engine.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([engine, *options, "x.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0 and (tmp_path / "x.pdf").exists(), done.stdout[-3000:]
    over = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
    assert max(over, default=0.0) < 20, "at most a letter or two run over the edge"


def test_html_is_a_page_that_loads_nothing_and_runs_nothing(results: Path) -> None:
    put(results, "<script>alert(1)</script>", 1.0, mode="linear_probe", noise=6, spec={"task": "d@1"})
    text = str(FORMATS["html"](build_leaderboard(results)))
    assert text.startswith("<!doctype html>") and "<script" not in text
    assert "http" not in text and "&lt;script&gt;" in text


def test_a_workbook_has_numbers_and_no_formula(results: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    put(results, '=HYPERLINK("http://x")\x07', 1.0, mode="linear_probe", noise=6, spec={"task": "d@1"})
    table = build_leaderboard(results)
    content = FORMATS["xlsx"](table)
    assert isinstance(content, bytes)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Scores", "Gains", "All"]
    everything = [cell for sheet in book for line in sheet.iter_rows() for cell in line]
    assert not [cell.coordinate for cell in everything if cell.data_type == "f"]
    assert any(str(cell.value).startswith("=HYPERLINK") for cell in everything)
    heads, *lines = book["All"].iter_rows(values_only=True)
    read = csv.DictReader(io.StringIO(str(FORMATS["csv"](table))))
    stated = {(line["task"], line["model"], line["metric"]): line["value"] for line in read}
    for line in lines:
        value = dict(zip(heads, line, strict=True))
        if value["value"] is not None and not str(value["model"]).startswith("="):
            expected = float(stated[value["task"], value["model"], value["metric"]])
            assert value["value"] == pytest.approx(expected, rel=1e-12)


def test_a_format_is_printed_or_written_to_a_file(results: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        outcome = CliRunner().invoke(cli, ["leaderboard", str(results), *map(str, arguments)], standalone_mode=False)
        if outcome.exception is not None:
            raise outcome.exception
        return outcome.stdout

    table = build_leaderboard(results)
    (choice,) = [option.type for option in cli.commands["leaderboard"].params if option.name == "format_"]
    assert list(getattr(choice, "choices", ())) == list(FORMATS)
    for name in ("markdown", "latex", "csv", "json", "html"):
        assert run("--format", name) == FORMATS[name](table)
        assert run("--format", name, "--out", tmp_path / name, "--quiet") == ""
        assert (tmp_path / name).read_text(encoding="utf-8") == FORMATS[name](table)
    assert json.loads(run("--format", "json"))["rows"]
    assert "wrote" in run("--format", "xlsx", "--out", tmp_path / "x.xlsx")
    with pytest.raises(ConfigError, match="name the file"):
        run("--format", "xlsx")
    with pytest.raises(ConfigError, match="a folder"):
        run("--format", "csv", "--out", tmp_path)
    with pytest.raises(ConfigError, match="leave out --json"):
        run("--format", "csv", "--json")
    assert not (results / "leaderboard.md").exists(), "a format writes no other file"


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_pictures_for_papers_are_the_same_bytes_each_time(table: Leaderboard, kind: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        files = write_leaderboard(table, tmp_path / name, plots=kind)
        assert tmp_path / name / f"leaderboard.{kind}" in files
        assert not list((tmp_path / name).glob("*.png"))
    a, b = ((tmp_path / name / f"leaderboard.{kind}").read_bytes() for name in ("a", "b"))
    assert a == b and a.startswith({"svg": b"<?xml", "pdf": b"%PDF"}[kind])


def test_no_results_give_a_line_in_every_format(tmp_path: Path) -> None:
    table = build_leaderboard([])
    for name in ("markdown", "latex", "html"):
        assert "There are no results yet." in str(FORMATS[name](table))
    assert FORMATS["csv"](table) and FORMATS["json"](table)


def test_p_values_have_three_decimals() -> None:
    assert [p_text(p) for p in (None, 0.0004, 0.0316, 1.0)] == ["", "<0.001", "0.032", "1.000"]


def test_a_table_does_not_depend_on_the_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of matrices add in another order under two threads; this folder's last digits were others by that."""
    made = []
    for threads in (1, 2):
        monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / str(threads)))
        with threadpool_limits(threads, user_api="blas"):
            made.append(
                build_leaderboard(
                    Path(__file__).parent.parent
                    / "results"
                    / "published"
                    / "quickstart"
                    / "arabidopsis_promoters.small@1"
                )
            )
    assert made[0].cells == made[1].cells
    assert any(cell.gain is not None for cell in made[0].cells)
