"""The PDF of a figure has what its SVG file has, on white."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from baserate.publish import publish
from baserate.publish.pdf import pdf_of

from .test_leaderboard import put
from .test_publish import HOSTILE

STYLE = "<style>text { font: 11px x; fill: #5a6878; } .a { fill: #2563a8; stroke: #2563a8; stroke-dasharray: 4 3; } "
STYLE += "@media (prefers-color-scheme: dark) { .a { fill: #ffffff; } }</style>"


def svg(content: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">{STYLE}{content}</svg>'


def drawn(pdf: bytes) -> str:
    """Return what the page of a PDF is drawn by."""
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S)
    return b"\n".join(zlib.decompress(part) for part in found if part[:1] == b"x").decode("latin-1")


def test_shapes_stand_where_they_stand_in_the_svg() -> None:
    made = pdf_of(svg('<g class="a" transform="translate(10 20)"><line x1="0" x2="50" y1="0" y2="30"/></g>'))
    assert made.startswith(b"%PDF") and b"/MediaBox [ 0 0 200 100 ]" in made
    page = drawn(made)
    assert re.search(r"10 80 m\s+60 50 l", page), "from the top in SVG, from the bottom in PDF"
    assert re.search(r"\[\s*4 3\s*\] 0 d", page) and "0.1450980392 0.3882352941 0.6588235294 RG" in page


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ('<path class="a" d="M10 20l5 5-5 5-5-5z"/>', r"10 80 m\s+15 75 l\s+10 70 l\s+5 75 l\s+(10 80 l\s+)?h"),
        ('<polyline class="a" points="1,2 3,4 5,6"/>', r"1 98 m\s+3 96 l\s+5 94 l"),
        ('<path class="a" d="M0 30H190"/>', r"0 70 m\s+190 70 l"),
        ('<rect class="a" x="10" y="20" width="30" height="40"/>', r"10 80 m\s+40 80 l\s+40 40 l\s+10 40 l"),
    ],
)
def test_each_kind_of_shape_is_drawn(shape: str, wanted: str) -> None:
    assert re.search(wanted, drawn(pdf_of(svg(shape)))), drawn(pdf_of(svg(shape)))


def test_text_is_text_in_any_letters(caplog: pytest.LogCaptureFixture) -> None:
    page = drawn(pdf_of(svg('<text x="5" y="10">−0.5 ↑ 8·k</text>')))
    assert "(-0.5 \\(higher is better\\) 8" in page
    assert len(pdf_of(svg('<text x="5" y="10">−0.5 модель 模型</text>'))) > 3000, "the letters are in the file"
    figure = svg('<text x="5" y="10">toy</text>')
    assert pdf_of(figure) == pdf_of(figure) and not caplog.records


def test_every_figure_of_a_site_is_there_as_both(tmp_path: Path) -> None:
    put(tmp_path / "results", "kmer", 0.6, baseline=True, noise=1, seconds=2.0)
    put(tmp_path / "results", HOSTILE, 2.0, mode="linear_probe", noise=3, seconds=60.0)
    put(tmp_path / "results", "regressor", 1.0, mode="linear_probe", noise=4, seconds=70.0)
    site = publish(tmp_path / "results", tmp_path / "site").folder
    names = {f.stem for f in (site / "plots").glob("*.svg")}
    assert len(names) == 3 and names == {f.stem for f in (site / "plots").glob("*.pdf")}
    for page in site.rglob("*.html"):
        linked = set(re.findall(r'href="([^"]+\.pdf)"', page.read_text()))
        assert all((page.parent / link).is_file() for link in linked)
        assert len(linked) == len(re.findall(r'href="[^"]+\.svg" download', page.read_text()))
    if tool := shutil.which("pdftotext"):
        for file in (site / "plots").glob("*.pdf"):
            words = subprocess.run([tool, str(file), "-"], capture_output=True, text=True, check=True).stdout.split()
            root = ElementTree.fromstring(file.with_suffix(".svg").read_text())
            wanted = " ".join(" ".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")).split()
            shared = np.mean([word in words for word in wanted if word.isalnum()])
            assert shared == 1.0, set(wanted) - set(words)
