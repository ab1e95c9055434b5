"""What is known about model families before anything is loaded: published checkpoints, and how a family differs.

The generic adapter needs none of this for a checkpoint that follows the conventions of `transformers`. A family states
only where it departs from them, and lists its checkpoints. Nothing here imports torch; functions that change a network
import it when they are called.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..registry import PLUGINS, Registry
from ..types import Exposure

Head = Literal["masked", "causal", "classifier", "none"]


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint: `context` is in bp, `pretraining` states what it saw and which chromosomes it did not.

    `revision` is the branch or commit to load where the user names none; '' is the main one.
    """

    id: str
    parameters: int | None = None
    context: int | None = None
    tokenizer: str = ""
    head: Head = "masked"
    pretraining: tuple[Exposure, ...] = ()
    licence: str = ""
    citation: str = ""
    revision: str = ""


@dataclass(frozen=True)
class Family:
    """Where a family of models differs from what the generic adapter expects; every default means "it does not".

    `matches(config)` recognises the family from the content of a config.json; None where nothing there is peculiar to
    this family. `tokens` are arguments of `networks.tokens.read_tokens`, and `tokenizer(folder)` loads a tokenizer
    that AutoTokenizer cannot. `configure` changes the configuration before the network is built,
    `finish(network, missing)` mends the network afterwards and returns the missing keys that it accounts for.
    `unexpected` maps patterns of keys that the checkpoint may have and the network does not to the reason. `backbone`
    is the attribute of the encoder without its head, `states` turns hidden states (n, t, d) into those of one strand.
    A length that is not a multiple of `multiple_of` bases is cut, or filled up with `filler`. `remote_code` means that
    the family cannot be loaded without code of its own; `requires` maps modules to the command that installs them;
    `load(folder, seed)` builds (network, config) where transformers cannot, from pickled weights. For the
    documentation, `quirks` describes all this in words, and `tested` what was run with which weights.
    """

    name: str
    description: str
    matches: Callable[[Mapping[str, Any]], bool] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    head: Head | None = None
    auto_class: str = ""
    tokens: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Callable[[Path], Any] | None = None
    configure: Callable[[Any], None] | None = None
    finish: Callable[[Any, frozenset[str]], frozenset[str]] | None = None
    unexpected: Mapping[str, str] = field(default_factory=dict)
    backbone: str = ""
    states: Callable[[Any], Any] | None = None
    multiple_of: int = 1
    filler: str = ""
    padding: bool = True
    remote_code: bool = False
    requires: Mapping[str, str] = field(default_factory=dict)
    load: Callable[[Path, int | None], tuple[Any, Any]] | None = None
    quirks: str = ""
    tested: str = "not run"


FAMILIES: Registry[Family] = Registry("family", groups=("baserate.models", PLUGINS))
GENERIC = Family("generic", "a checkpoint that follows the conventions of transformers")


def family(value: Family) -> Family:
    """Register a family of models and return it."""
    FAMILIES.add(value.name, value, origin=sys._getframe(1).f_code.co_filename)
    return value


def published(name: str) -> tuple[Family, Checkpoint] | None:
    """Return the family and the entry of the checkpoint with the hub id `name`, or None where none is listed."""
    for known in FAMILIES.all().values():
        for checkpoint in known.checkpoints:
            if checkpoint.id.lower() == name.lower():
                return known, checkpoint
    return None


def identify(name: str, config: Mapping[str, Any]) -> tuple[Family, Checkpoint | None]:
    """Return the family of the checkpoint `name`, and the published checkpoint that it is or comes from, or None.

    That checkpoint is the one with the hub id `name`, else the one that `_name_or_path` of its config.json names, by
    itself or at the end of a path; transformers 5 no longer writes this key. Otherwise `recognise` finds the family.
    """
    origin = config.get("_name_or_path") or ""
    folded = re.sub(r".*models--([^/]+?)--([^/]+).*", r"\1/\2", origin.replace("\\", "/").rstrip("/"))
    listed = published(name) or published("/".join(folded.split("/")[-2:]))
    return listed or (recognise(config), None)


def recognise(config: Mapping[str, Any]) -> Family:
    """Return the family whose `matches` recognises the configuration; the generic one where none does."""
    return next((f for f in FAMILIES.all().values() if f.matches and f.matches(config)), GENERIC)


_ENDINGS: tuple[tuple[str, Head], ...] = (
    ("ForMaskedLM", "masked"),
    ("ForPreTraining", "masked"),
    ("ForCausalLM", "causal"),
    ("LMHeadModel", "causal"),
    ("ForSequenceClassification", "classifier"),
)
_MAPPED: tuple[tuple[Head, str], ...] = (("masked", "MaskedLM"), ("causal", "CausalLM"))


def head_of(config: Mapping[str, Any], family: Family) -> Head:
    """Return which head a checkpoint has, from the content of its config.json."""
    head = _named_head(config)
    return family.head if family.head is not None and head != "classifier" else head


def _named_head(config: Mapping[str, Any]) -> Head:
    for name in config.get("architectures") or ():
        for ending, head in _ENDINGS:
            if name.endswith(ending):
                return head
    mapped = config.get("auto_map") or {}
    if not config.get("architectures"):
        for head, suffix in _MAPPED:
            if f"AutoModelFor{suffix}" in mapped:
                return head
    return "none"


def needs_code(config: Mapping[str, Any], family: Family) -> bool:
    """Return whether the checkpoint cannot be loaded, or may be loaded wrongly, without code of its own."""
    return bool(config.get("auto_map")) if family is GENERIC else family.remote_code
