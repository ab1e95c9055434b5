"""A figure of the site as PDF: the shapes of its SVG file, drawn again on white by the library of all plots."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

Style = dict[str, str]
_INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font", "font-size", "font-weight")
_NAMED = {"none": "none", "#fff": "#ffffff"}
_MOVE = re.compile(r"translate\(([-\d.]+) ([-\d.]+)\)")


def pdf_of(svg: str) -> bytes:
    """Return the figure as a PDF of one page of the same size; the same figure gives the same bytes.

    It knows the shapes that figures of the site are made of: rect, line, polyline, circle, path of straight lines,
    text. Names in Latin letters use a font that every reader has. For others one is put into the file, which shows a
    box for what it lacks.
    """
    import matplotlib
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    is_latin = _in_latin(svg) is not None
    weight = "medium" if is_latin else "normal"  # the regular one is called so by each
    fonts = {"font.family": "Helvetica" if is_latin else "DejaVu Sans", "pdf.use14corefonts": is_latin}
    with matplotlib.rc_context({**fonts, "text.parse_math": False}):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasPdf(figure)
        upright = Affine2D().scale(1, -1).translate(0, height)  # SVG counts from the top
        for element, style, (dx, dy) in _shapes(root, _rules(svg), {}, (0.0, 0.0)):
            _draw(figure, element, style, Affine2D().translate(dx, dy) + upright, weight)
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands in its place
            figure.savefig(out, format="pdf", metadata={"CreationDate": None})
    return out.getvalue()


def _in_latin(text: str) -> bytes | None:
    """Return the text in the letters of the fonts that every reader has, None where it has others."""
    try:
        return text.translate(_WRITTEN).encode("cp1252")
    except UnicodeEncodeError:
        return None


_WRITTEN = {ord("−"): "-", ord("↑"): "(higher is better)", ord("↓"): "(lower is better)"}
"""What those fonts lack, and what stands for it."""


def _rules(svg: str) -> list[tuple[str, Style]]:
    """Return the selectors of the figure's style and what each sets, those for a dark page left out."""
    (text,) = re.findall(r"<style>(.*?)(?:@media.*)?</style>", svg, re.S)
    rules = []
    for names, body in re.findall(r"([^{}]+)\{([^}]*)\}", text):
        style = dict([text.strip() for text in part.split(":", 1)] for part in body.split(";") if part.strip())
        rules += [(name.strip(), style) for name in names.split(",")]
    return sorted(rules, key=lambda rule: rule[0].count("."))  # what names more classes is stronger


def _shapes(
    element: Any, rules: list[tuple[str, Style]], above: Style, at: tuple[float, float]
) -> Iterator[tuple[Any, Style, tuple[float, float]]]:
    """Yield every shape with its style and where its origin is."""
    tag = element.tag.rpartition("}")[2]
    if tag in ("title", "style"):
        return
    classes = set((element.get("class") or "").split())
    style = {k: v for k, v in above.items() if k in _INHERITED}
    for selector, sets in rules:
        name, *wanted = selector.split(".")
        if name in ("", tag) and set(wanted) <= classes:
            style |= sets
    style |= {k: element.get(k) for k in (*_INHERITED, "opacity") if element.get(k)}
    move = _MOVE.match(element.get("transform") or "")
    at = (at[0] + float(move[1]), at[1] + float(move[2])) if move else at
    if tag in ("g", "svg"):
        for child in element:
            yield from _shapes(child, rules, style, at)
    else:
        yield element, style, at


def _draw(figure: Any, element: Any, style: Mapping[str, str], transform: Any, weight: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, PathPatch, Rectangle
    from matplotlib.path import Path

    tag, number = element.tag.rpartition("}")[2], {k: _number(v) for k, v in element.attrib.items()}
    line = {"linewidth": float(style.get("stroke-width", "1").removesuffix("px")), "transform": transform}
    line |= {"alpha": float(style["opacity"])} if "opacity" in style else {}
    line |= {"linestyle": (0, _dashes(style["stroke-dasharray"]))} if "stroke-dasharray" in style else {}
    face, edge = _NAMED.get(style.get("fill", ""), style.get("fill", "#000000")), style.get("stroke", "none")
    area = {**line, "facecolor": face, "edgecolor": edge, "fill": face != "none"}
    if tag == "text":
        _write(figure, element, style, transform, weight)
    elif tag == "rect":
        figure.add_artist(
            Rectangle((number.get("x", 0), number.get("y", 0)), number["width"], number["height"], **area)
        )
    elif tag == "circle":
        figure.add_artist(Circle((number["cx"], number["cy"]), number["r"], **area))
    elif tag == "line":
        ends = [number["x1"], number["x2"]], [number["y1"], number["y2"]]
        figure.add_artist(Line2D(*ends, color=edge, **line))
    elif tag == "polyline" and element.get("points"):
        points = [pair.split(",") for pair in element.get("points").split()]
        figure.add_artist(Line2D(*zip(*[(float(x), float(y)) for x, y in points], strict=True), color=edge, **line))
    elif tag == "path":
        pieces = _pieces(element.get("d"))
        if all(len(piece) == 2 and piece[0] == piece[1] for piece, _ in pieces):  # lines of no length: dots
            x, y = zip(*(piece[0] for piece, _ in pieces), strict=True) if pieces else ((), ())
            dots = {"marker": "o", "linestyle": "none", "markersize": line.pop("linewidth"), "markeredgewidth": 0}
            figure.add_artist(Line2D(x, y, color=edge, **line | dots))
            return
        paths = [Path([*piece, piece[0]] if closed else piece, closed=closed) for piece, closed in pieces]
        figure.add_artist(PathPatch(Path.make_compound_path(*paths), **area))


def _write(figure: Any, element: Any, style: Mapping[str, str], transform: Any, weight: str) -> None:
    text = "".join(element.itertext())
    latin = _in_latin(text)
    figure.text(
        _number(element.get("x", "0")),
        _number(element.get("y", "0")),
        text if latin is None else latin.decode("cp1252"),
        transform=transform,
        color=style.get("fill", "#000000"),
        fontsize=_number(re.findall(r"[\d.]+(?=px)", style.get("font-size") or style.get("font", "11px"))[0]),
        fontweight="bold" if style.get("font-weight") == "600" else weight,
        ha={"middle": "center", "end": "right"}.get(element.get("text-anchor", ""), "left"),
        va="baseline",
        rotation_mode="anchor",
        rotation=90 if "rotate(-90)" in (element.get("transform") or "") else 0,
    )


def _pieces(path: str) -> list[tuple[list[tuple[float, float]], bool]]:
    """Return the pieces of a path of straight lines, each its points and whether it is closed."""
    out: list[tuple[list[tuple[float, float]], bool]] = []
    x = y = 0.0
    for command, rest in re.findall(r"([MLHVlhz])([^MLHVlhz]*)", path):
        values = [float(v) for v in re.findall(r"-?[\d.]+", rest)]
        if command == "z":
            out[-1] = (out[-1][0], True)
            continue
        steps = list(zip(values[::2], values[1::2], strict=True)) if command in "MLl" else [(v, v) for v in values]
        for a, b in steps:
            x, y = {"M": (a, b), "L": (a, b), "l": (x + a, y + b), "H": (a, y), "V": (x, b), "h": (x + a, y)}[command]
            if command == "M":
                out.append(([], False))
            out[-1][0].append((x, y))
    return out


def _dashes(text: str) -> list[float]:
    return [float(v) for v in re.findall(r"[\d.]+", text)]


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"-?[\d.]+", text) else 0.0
