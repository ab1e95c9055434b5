"""The proof as a report: one self-contained HTML page, the rates as JSON, and its pictures."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import write_whole
from .claim import TOPICS, Claim
from .figures import FIGURES


def to_json(claims: Sequence[Claim]) -> str:
    """Return the claims as a JSON list, each with its rate and whether it holds."""
    return json.dumps([asdict(claim) | {"holds": claim.holds} for claim in claims], indent=1) + "\n"


def from_json(text: str) -> list[Claim]:
    """Return the claims that `to_json` wrote."""
    return [Claim(**{name: value for name, value in each.items() if name != "holds"}) for each in json.loads(text)]


def write_report(claims: Sequence[Claim], out: Path) -> list[Path]:
    """Return the files written in `out`: report.html, report.json, and a picture of each topic that has one.

    Raises DataError where `out` cannot be written.
    """
    try:
        pictures = {name: out / f"{name}.svg" for name in FIGURES if any(claim.topic == name for claim in claims)}
        for name, picture in pictures.items():
            write_whole(picture, functools.partial(FIGURES[name][0], claims, format="svg"))
        svgs = {name: picture.read_text(encoding="utf-8") for name, picture in pictures.items()}
        write_whole(out / "report.html", to_html(claims, svgs))
        write_whole(out / "report.json", to_json(claims))
    except OSError as error:
        raise DataError(f"cannot write the report in {out}: {error.strerror}; choose another folder") from error
    return [out / "report.html", out / "report.json", *pictures.values()]


def to_html(claims: Sequence[Claim], pictures: Mapping[str, str]) -> str:
    """Return the claims as an HTML page without scripts or requests, with `pictures`, SVGs by their topic."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    shown: list[dict[str, Any]] = [
        {"name": name, "caption": FIGURES[name][1], "svg": Markup(svg[svg.index("<svg") :])}
        for name, svg in pictures.items()
    ]
    topics = [(topic, title, [c for c in claims if c.topic == topic]) for topic, title in TOPICS.items()]
    return (
        template.render(
            topics=[t for t in topics if t[2]],
            figures={figure["name"]: figure for figure in shown},
            missed=[c for c in claims if not c.holds],
            n=len(claims),
        )
        + "\n"
    )
