"""The scores of a result set as one CSV, and their description in Croissant 1.0, the JSON-LD of MLCommons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ..leaderboard.fields import FIELDS, to_csv
from ..leaderboard.table import Table

_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float", bool: "sc:Boolean"}
_CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_OWN = """citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset
jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField
transform"""
"""The words of Croissant that are not schema.org's."""
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{word: f"cr:{word}" for word in _OWN.split()},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}
SCORES = "scores.csv"


def described(table: Table, *, title: str, url: str, methods: Sequence[str]) -> dict[str, str]:
    """Return the CSV of all scores of a table, and `croissant.json` beside it, which describes it, as text by file.

    The description names every column with its type, and the file by its SHA-256. Its version is that of the content.
    """
    scores = to_csv(table)
    content = scores.encode()
    sha = hashlib.sha256(content).hexdigest()
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": title,
        "description": " ".join(methods) or "Scores of genomics models and baselines, with intervals and paired gains.",
        "conformsTo": _CONFORMS_TO,
        "version": f"1.0.0+{sha[:12]}",
        "keywords": ["genomics", "benchmark", "DNA language models", *sorted({c.task for c in table.columns})],
        **({"url": url} if url else {}),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": SCORES,
                "name": SCORES,
                "description": "A line for each row, task and metric; rank and gains stand with the primary metric.",
                "contentUrl": SCORES,
                "contentSize": f"{len(content)} B",
                "encodingFormat": "text/csv",
                "sha256": sha,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "scores",
                "name": "scores",
                "description": "A line for each row, task and metric.",
                "field": [_field(name, field.type) for name, field in FIELDS.all().items()],
            }
        ],
    }
    return {SCORES: scores, "croissant.json": json.dumps(value, indent=1, ensure_ascii=False) + "\n"}


def _field(name: str, type: type) -> dict[str, Any]:
    source = {"fileObject": {"@id": SCORES}, "extract": {"column": name}}
    return {
        "@type": "cr:Field",
        "@id": f"scores/{name}",
        "name": name,
        "dataType": _TYPES[type],
        "source": source,
    }
