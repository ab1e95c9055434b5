"""Which records share a row, and how the detail of a row says what sets it apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..digests import canonical_json
from ..records import Record
from .table import Column, Kind, Row

UNDECLARED = "made before versions were declared"


def rows_of(placed: Mapping[Column, Sequence[Record]]) -> tuple[list[Row], dict[str, Row]]:
    """Return the rows, and the row of each record by its hash.

    Records of a model in a mode share a row unless two of them meet in a column; then each variant of parameters,
    settings, weights and declared versions has a row of its own. Records whose versions or weights differ never share
    one.
    """
    alike: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
    meet: set[tuple[str, str]] = set()
    for members in placed.values():
        seen: set[tuple[str, str]] = set()
        for r in members:
            key = (r.spec.model, r.spec.mode)
            if key in seen:
                meet.add(key)
            seen.add(key)
            alike[key][r.hash] = r
    rows: dict[str, Row] = {}
    for key, records in sorted(alike.items()):
        for h, detail in _details(list(records.values()), apart=key in meet).items():
            name = f"{key[0]} · {key[1]}" + (f" ({detail})" if detail else "")
            rows[h] = Row(name, key[0], key[1], _kind(records[h]), detail)
    return sorted(set(rows.values()), key=lambda row: row.name), rows


def same_versions(a: Record, b: Record) -> bool:
    """Return whether the parts that both have in common are of the same versions; two modes have nothing in common."""
    if bool(a.spec.versions) != bool(b.spec.versions):
        return False
    versions_of_b = _parts(b)
    return all(versions_of_b.get(part, version) == version for part, version in _parts(a).items())


def _details(records: Sequence[Record], *, apart: bool) -> dict[str, str]:
    """Return, by hash, what sets each record of a model in a mode apart from those that do not share its row.

    Records without declared versions do not state every setting, and are compared only with each other.
    """
    groups = [[r for r in records if bool(r.spec.versions) == declared] for declared in (True, False)]
    mixed = all(groups)
    out = {}
    for group in groups:
        variants = [_variant(r) if apart else {"revision": r.spec.revision} for r in group]
        names = sorted({name for v in variants for name in v})
        differing = [name for name in names if len({canonical_json(v.get(name)) for v in variants}) > 1]
        for r, variant, versions in zip(group, variants, _versions(group, every=apart), strict=True):
            detail = [f"{name} {_short(variant.get(name))}" for name in differing] + versions
            out[r.hash] = ", ".join(detail + [UNDECLARED] * (mixed and not r.spec.versions))
    return out


def _versions(records: Sequence[Record], *, every: bool) -> list[list[str]]:
    """Return, for each record, the versions that set it apart from the others.

    The rule that drew a split differs from task to task: its version counts only where `every` does. The transform of
    targets sets columns apart, not rows.
    """
    left_out = ("transform",) if every else ("transform", "split")
    parts = [{part: v for part, v in _parts(r).items() if part[0] not in left_out} for r in records]
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for versions in parts:
        for part, version in versions.items():
            known[part].add(version)
    return [
        [f"{part[0]} version {v}" for part, v in sorted(versions.items()) if len(known[part]) > 1] for versions in parts
    ]


def _parts(r: Record) -> dict[tuple[str, str], str]:
    """Return the versions by what they are of, such as ('probe', 'linear'); two names are two different things."""
    names = {"mode": r.spec.mode, **{k: str(v) for k, v in r.spec.settings.items() if k in r.spec.versions}}
    return {(what, names.get(what, "")): version for what, version in r.spec.versions.items()}


def _variant(r: Record) -> dict[str, Any]:
    return {**r.spec.params, **r.spec.settings, "revision": r.spec.revision}


def _short(value: object) -> str:
    return value[:8] if isinstance(value, str) else canonical_json(value)


def _kind(r: Record) -> Kind:
    """Return which kind of row a record belongs to; only what has pretrained weights is a 'model'."""
    if r.model.get("baseline"):
        return "baseline"
    return "random" if r.model.get("twin_of") or r.spec.mode == "from_scratch" else "model"
