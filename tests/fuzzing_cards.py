"""Malformed task cards."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

TOML_VALUES = st.recursive(
    st.sampled_from(["", "x", "classification", "t.csv", "../..", "/", "\u00e9\n", "a:b", "hub:x", "*", "\0"])
    | st.text(max_size=5)
    | st.sampled_from([0, 1, -1, 2**63 - 1, 10**30, True, False, 0.0, 0.5, 1.5, -0.1])
    | st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rule", "a"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip

_KEYS = (
    "name version kind classes metrics description citation licence species assembly deleterious"
    " zero_shot source split expect tasks published origin nmae Kind"
).split()
_SOURCE_KEYS = (
    "table sequence target id group cluster strata alternate bed genome variants width max_mismatch kind folder"
    " reference hub tabel classes config revision edge span labels position_base"
    " peaks negatives ratio gc_tolerance distance unmatched"
).split()
_SPLIT_KEYS = ("rule column test valid seed gap valid_fraction folds fold k fraction threshold rulee rules").split()
_RULES = ("by_chromosome", "by_position", "by_group", "by_stratum", "predefined", "stratified", "k_fold", "by_homology",
          "per_stratum", "none")  # fmt: skip


@st.composite
def malformed_card(draw: st.DrawFn) -> str:
    """Return a card in which one to three keys are wrong, missing or unknown."""
    card: dict[str, Any] = {
        "name": "t",
        "kind": "classification",
        "classes": ["0", "1"],
        "source": {
            "table": "t.csv",
            "sequence": "seq",
            "target": "label",
            "id": "id",
            "group": "gene",
            "strata": ["part"],
        },
        "split": {"rule": "predefined", "column": "part"},
    }
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from(["", "", "source", "split"]))
        block = card.get(where) if where else card
        if not isinstance(block, dict):
            continue
        keys = {"": _KEYS, "source": _SOURCE_KEYS, "split": _SPLIT_KEYS}[where]
        key = draw(st.sampled_from(keys))
        if draw(st.integers(0, 4)) == 0:
            block.pop(key, None)
        elif key == "rule":
            block[key] = draw(st.sampled_from(_RULES) | TOML_VALUES)
        else:
            block[key] = draw(TOML_VALUES)
    return toml(card)


def toml(value: Any, top: bool = True) -> str:
    """Return a dict as TOML, nested tables inline."""
    if isinstance(value, dict):
        inner = [f"{json.dumps(str(k))} = {toml(v, False)}" for k, v in value.items()]
        return "\n".join(inner) + "\n" if top else "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(v, False) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    text = json.dumps(value).replace("\x7f", "\\u007f")
    # JSON writes what lies outside the first plane as two surrogates, which TOML refuses.
    return re.sub(r"(\\ud[89ab]..)(\\ud[c-f]..)", lambda m: json.loads(f'"{m[0]}"'), text)
