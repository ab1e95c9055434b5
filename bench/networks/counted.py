"""What can be counted of a checkpoint in a folder: its parameters, its tokenizer, how many bases fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BaserateError
from .checkpoint import max_tokens
from .facts import most_bases, parameter_count
from .families import Family, needs_code
from .loading import empty_network, read_tokenizer
from .token_tables import Tokens
from .tokens import read_tokens


@dataclass(frozen=True)
class Counted:
    """What was counted; '' or None for what could not be. `tokens` and `context`, in bp, are how much fits."""

    architecture: str
    parameters: int | None
    tokenizer: str = ""
    vocabulary: int | None = None
    tokens: int | None = None
    context: int | None = None


def counted(folder: Path, content: Mapping[str, Any], family: Family, *, where: str) -> Counted:
    """Return what the files of a checkpoint tell; no weights are loaded, no code of its own runs, no pickle is read.

    Raises DataError where a file of weights is damaged.
    """
    architecture = next(iter(content.get("architectures") or ()), "")
    parameters = parameter_count(folder, content)
    if needs_code(content, family):
        return Counted(architecture, parameters)
    try:
        tokenizer = read_tokenizer(folder, family, where, False)
        tokens = read_tokens(tokenizer, where=where, **family.tokens)
    except BaserateError:
        return Counted(architecture, parameters)
    size, rows = tokens.vocabulary.size, content.get("vocab_size")
    known = _in_words(tokens), None if rows and size > rows else size  # some have ids that the network does not
    try:
        n = max_tokens(*empty_network(folder, content, family, where=where), tokenizer)
    except (BaserateError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, ImportError):
        return Counted(architecture, parameters, *known)  # an architecture that is only built with its weights
    context, most = None if n is None else tokens.bases_in(n), most_bases(folder, content)
    if context is not None and most is not None:
        context = min(context, most[1])
    return Counted(architecture, parameters, *known, n, context)


def _in_words(tokens: Tokens) -> str:
    k = getattr(tokens, "k", 0)
    return {
        "nucleotide": "single bases",
        "kmer": f"{k}-mers side by side",
        "overlapping_kmer": f"overlapping {k}-mers",
    }.get(tokens.kind, "subwords")
