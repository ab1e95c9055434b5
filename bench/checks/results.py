"""Results of checks, and the cache of those of models: one entry per weights, library versions and checks."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..digests import canonical_json, digest
from ..files import write_whole
from ..provenance import environment
from ..types import ModelCard

log = logging.getLogger(__name__)

Status = Literal["passed", "failed", "skipped"]

_SOURCES = ("checks", "networks", "inhouse")
"""The folders of this package whose code decides what a check finds."""

_PACKAGES = ("numpy", "torch", "transformers")


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check on one task or model; `detail` is the reason, what was `measured`, or what is asked."""

    subject: str
    check: str
    status: Status
    detail: str = ""
    measured: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return asdict(self)


def read_results(cache: Path, card: ModelCard) -> list[CheckResult] | None:
    """Return the cached results for the model as it is now, or None where there are none or they cannot be read."""
    try:
        value = json.loads(_file(cache, card).read_text())
        return [CheckResult(**row) for row in value["results"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_results(cache: Path, card: ModelCard, results: Sequence[CheckResult]) -> None:
    """Cache the results, unless the model could not be loaded: that may be fixed without a change to the model.

    Where they cannot be written that is logged.
    """
    if any(r.check == "loads" and r.status == "failed" for r in results):
        return
    text = json.dumps({"of": _identity(card), "results": [r.to_json() for r in results]}, indent=1, allow_nan=False)
    try:
        write_whole(_file(cache, card), text + "\n")
    except OSError as error:
        log.warning("%s: results of checks are not cached (%s)", cache / "checks", error.strerror or error)


def _file(cache: Path, card: ModelCard) -> Path:
    return cache / "checks" / f"{digest(canonical_json(_identity(card)))}.json"


def _identity(card: ModelCard) -> dict[str, object]:
    """Return everything that decides the results of the checks, including the device."""
    where = environment()
    return {
        "model": card.name,
        "revision": card.revision(),
        "params": {key: repr(value) for key, value in card.params.items()},
        "modes": {mode: repr(dict(settings)) for mode, settings in card.modes.items()},
        "packages": {name: where["packages"].get(name, "") for name in _PACKAGES},
        "device": where["device"],
        "checks": _sources_digest(),
    }


@functools.cache
def _sources_digest() -> str:
    folder = Path(__file__).resolve().parent.parent
    files = sorted(file for name in _SOURCES for file in (folder / name).glob("*.py"))
    return digest(*(part for f in files for part in (str(f.relative_to(folder)), f.read_bytes())))
