"""Which records share a row, and how the detail of a row says what sets it apart."""

from __future__ import annotations

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..digests import canonical_json
from ..records import Record
from .networks import Network, Networks
from .table import Column, Kind, Row

UNDECLARED = "made before versions were declared"


def rows_of(placed: Mapping[Column, Sequence[Record]], networks: Networks) -> tuple[list[Row], dict[str, Row]]:
    """Return the rows, and the row of each record by its hash.

    Records of a network in a mode share a row unless two of them meet in a column; then each variant of settings and
    declared versions has a row of its own. Records whose versions or parameters differ never share one, nor do those of
    different networks, whatever their names, nor those of which other parts of the network are trained: the row of one
    that is trained in part says which part, and what share of its weights.
    """
    alike: dict[tuple[Network, str], dict[str, Record]] = defaultdict(dict)
    meet: set[tuple[Network, str]] = set()
    for members in placed.values():
        seen: set[tuple[Network, str]] = set()
        for r in members:
            key = (networks.of[r.hash], r.spec.mode)
            if key in seen:
                meet.add(key)
            seen.add(key)
            alike[key][r.hash] = r
    rows: dict[str, Row] = {}
    for (network, mode), records in alike.items():
        model = networks.label[network]
        by_name: dict[str, Row] = {}
        details = _details(list(records.values()), apart=(network, mode) in meet)
        for h, detail in _with_trained(details, records).items():
            name = f"{model} · {mode}" + (f" ({detail})" if detail else "")
            rows[h] = by_name.setdefault(name, Row(name, model, mode, kind_of(records[h]), detail, network.revision))
    return sorted(set(rows.values()), key=lambda row: row.name), rows


def _with_trained(details: Mapping[str, str], records: Mapping[str, Record]) -> dict[str, str]:
    """Return the details by hash; of networks trained in part, with the part and its share of the weights."""
    named = {h: _with_part(detail, records[h].spec.settings) for h, detail in details.items()}
    shares: dict[str, set[float]] = defaultdict(set)
    for h, detail in named.items():
        choices = records[h].choices or ()
        shares[detail] |= {c.chosen["trained_share"] for c in choices if "trained_share" in c.chosen}
    out = {}
    for h, detail in named.items():
        ends = dict.fromkeys(map(percent, (min(shares[detail]), max(shares[detail])))) if shares[detail] else {}
        in_part = records[h].spec.settings.get("train", "full") != "full" and ends
        out[h] = f"{detail}, {' to '.join(ends)} of the weights" if in_part else detail
    return out


def _with_part(detail: str, settings: Mapping[str, Any]) -> str:
    part = str(settings.get("train", "full"))
    if part == "full" or f"train {part}" in detail.split(", "):
        return detail
    return ", ".join(filter(None, [f"train {part}", detail]))


def percent(share: float) -> str:
    """Return a share as text with two digits that count, such as '0.52 %'."""
    if share <= 0:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share)))
    return f"{100 * share:.{digits}f} %"


def same_versions(a: Record, b: Record) -> bool:
    """Return whether the parts that both have in common are of the same versions; two modes have nothing in common."""
    if bool(a.spec.versions) != bool(b.spec.versions):
        return False
    versions_of_b = _parts(b)
    return all(versions_of_b.get(part, version) == version for part, version in _parts(a).items())


def _details(records: Sequence[Record], *, apart: bool) -> dict[str, str]:
    """Return, by hash, what sets each record of a network in a mode apart from those that do not share its row.

    Records without declared versions do not state every setting, and are compared only with each other.
    """
    groups = [[r for r in records if bool(r.spec.versions) == declared] for declared in (True, False)]
    mixed = all(groups)
    out = {}
    for group in groups:
        variants = [_variant(r) if apart else _texts("params", r.spec.params) for r in group]
        # A parameter that a later version added is in no record before it; where none meet, that sets none apart.
        values = {key: {v.get(key) for v in variants if apart or key in v} for v in variants for key in v}
        differing = sorted(key for key, texts in values.items() if len(texts) > 1)
        for r, variant, versions in zip(group, variants, _versions(group, every=apart), strict=True):
            detail = [f"{key[1]} {variant[key]}" for key in differing if key in variant] + versions
            out[r.hash] = ", ".join(detail + [UNDECLARED] * (mixed and not r.spec.versions))
    return out


def _versions(records: Sequence[Record], *, every: bool) -> list[list[str]]:
    """Return, for each record, the versions that set it apart from the others.

    The rule that drew a split differs from task to task: its version counts only where `every` does. The transform of
    targets and the resample of training sets set columns apart, not rows.
    """
    left_out = ("transform", "resample") if every else ("transform", "resample", "split")
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
    versions = dict(r.spec.versions)
    if versions and r.spec.mode == "fine_tune" and "train" in r.spec.settings:
        versions.setdefault("train", "1")  # the first version of a kind of training stands in no record
    names = {"mode": r.spec.mode, **{k: str(v) for k, v in r.spec.settings.items() if k in versions}}
    return {(what, names.get(what, "")): version for what, version in versions.items()}


def _variant(r: Record) -> dict[tuple[str, str], str]:
    """Return, as text, all that may differ between records of one network that meet in a column."""
    variant = _texts("params", r.spec.params) | _texts("settings", r.spec.settings) | {("as", "run as"): r.spec.model}
    # The column has the seeds of what trains.
    return variant | ({} if r.spec.train_fraction else {("seeds", "seeds"): " ".join(map(str, r.spec.seeds))})


def _texts(of: str, values: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {(of, name): _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    """Return a value as it is shown; text in quotes where it would read as a number."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            json.loads(value)
            return canonical_json(value)
        return value
    return canonical_json(value)


def kind_of(r: Record) -> Kind:
    """Return which kind of row a record belongs to; only what has pretrained weights is a 'model'."""
    if r.model.get("baseline"):
        return "baseline"
    return "random" if r.model.get("twin_of") or r.spec.mode == "from_scratch" else "model"
