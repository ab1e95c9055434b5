"""Features of GFF3 and GTF as columns of text. Errors name the line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from ..errors import DataError

GFF_FORMATS = (".gff", ".gff3", ".gtf")
"""Suffixes, in lower case, of features in nine fields, the last of which holds attributes."""
FIELDS = ("chrom", "source", "type", "start", "end", "score", "strand", "phase")
"""The columns before the attributes."""

_QUOTED = re.compile(r'\s*([^\s;"=]+)\s+(?:"([^"]*)"|([^\s;"]+))\s*(?:;|$)')


def gff_columns(lines: Iterable[str], path: Path) -> dict[str, list[str]]:
    """Return the columns of features, one row each: FIELDS, then a column for each key of the attributes, '' for none.

    `start` is counted from 0, as in BED, where the file counts from 1: a feature is the bases from `start` to before
    `end`. Attributes are `key=value` (GFF3, where %2C is a comma) or `key "value"` (GTF); several values of a key in a
    line are joined by ','. An attribute with the name of a field is left out. What follows ##FASTA is not read. Raises
    DataError, naming the line, for one that has not nine fields (or eight, without attributes) or whose places are no
    numbers, and where there is no feature.
    """
    fields: list[list[str]] = []
    attributes: list[dict[str, str]] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("##FASTA"):
            break
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        row = [value.strip() for value in line.rstrip("\r\n").split("\t")]
        if len(row) not in (8, 9):
            raise DataError(f"{path}: line {number}: {len(row)} fields between tabs, expected the 9 of GFF3 and GTF")
        if not (row[3].isdecimal() and row[4].isdecimal() and int(row[3]) >= 1):
            raise DataError(
                f"{path}: line {number}: start {row[3]!r} and end {row[4]!r}; expected whole numbers, from 1"
            )
        row[0], row[3], row[6] = unquote(row[0]), str(int(row[3]) - 1), row[6].replace("?", ".")
        fields.append(row[:8])
        attributes.append(_attributes(row[8]) if len(row) == 9 else {})
    if not fields:
        raise DataError(f"{path}: no features")
    keys = [key for key in dict.fromkeys(key for row in attributes for key in row) if key not in FIELDS]
    out = {name: [row[i] for row in fields] for i, name in enumerate(FIELDS)}
    return out | {key: [row.get(key, "") for row in attributes] for key in keys}


def _attributes(text: str) -> dict[str, str]:
    out: dict[str, str] = {}
    gtf = _QUOTED.match(text)
    found = _QUOTED.findall(text) if gtf else (pair.partition("=")[::2] for pair in text.split(";"))
    for key, *values in found:
        value = "".join(values).strip()
        name, value = (key, value) if gtf else (unquote(key.strip()), unquote(value))
        if name and name != ".":
            out[name] = f"{out[name]},{value}" if name in out else value
    return out
