"""What the files of a checkpoint folder say, read without loading it: how many parameters, how long a context."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Any

from ..errors import DataError

POSITIONS = ("max_position_embeddings", "max_seq_len", "n_positions")
"""The keys of a config.json that limit how many tokens fit."""

UNLIMITED = 10_000_000
"""Tokenizers without a limit report a number beyond the length of any sequence."""

MARKERS = re.compile(r"^(?:▁|Ġ|##)|</w>$")
"""What subword vocabularies add to a token to mark where in a word it stands."""

_BUFFERS = ("*inv_freq", "*masked_bias", "*running_mean", "*running_var")
"""Names of floating-point numbers that are stored with the weights and are none."""

_DNA = re.compile(r"[ACGTNacgtn]+")


def parameter_count(folder: Path, content: Mapping[str, Any]) -> int | None:
    """Return the number of weights in a folder's safetensors; None where it has none, or they are quantised.

    Raises DataError, naming the file, where one is damaged or missing.
    """
    if content.get("quantization_config"):
        return None
    return sum(map(_parameters_in, files)) if (files := _weight_files(folder)) else None


def most_bases(folder: Path, content: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return how many tokens fit, and the most bases that these could spell; None where the files set no limit."""
    limits = [content.get(key) for key in POSITIONS] + [_json(folder / "tokenizer_config.json").get("model_max_length")]
    known = [n for n in limits if isinstance(n, int) and 0 < n < UNLIMITED]
    longest = max((len(word) for word in map(_bare, _words(folder)) if _DNA.fullmatch(word)), default=0)
    return (min(known), min(known) * longest) if known and longest else None


def _weight_files(folder: Path) -> list[Path]:
    """Return the files that transformers reads the weights from: one, or all that an index names."""
    if (whole := folder / "model.safetensors").is_file():
        return [whole]
    shards = _json(folder / "model.safetensors.index.json").get("weight_map")
    return [folder / name for name in sorted(set(map(str, shards.values())))] if isinstance(shards, dict) else []


def _parameters_in(file: Path) -> int:
    try:
        with file.open("rb") as opened:
            size = int.from_bytes(opened.read(8), "little")
            if size > file.stat().st_size:
                raise ValueError("cut off")
            header = json.loads(opened.read(size))
        return sum(
            prod(tensor["shape"])
            for name, tensor in header.items()
            if name != "__metadata__"
            and str(tensor["dtype"]).startswith(("F", "BF"))
            and not any(fnmatchcase(name, pattern) for pattern in _BUFFERS)
        )
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a readable safetensors file, or cut off; copy it again") from error


def _words(folder: Path) -> Iterable[str]:
    """Return the words of a vocabulary, from whichever file has it; none where only the tokenizer itself can tell."""
    if (plain := folder / "vocab.txt").is_file():
        return plain.read_text(encoding="utf-8", errors="replace").split()
    words = _json(folder / "vocab.json")
    if not words:
        model = _json(folder / "tokenizer.json").get("model")
        words = model.get("vocab", {}) if isinstance(model, dict) else {}
    return map(str, words) if isinstance(words, dict) else [str(entry[0]) for entry in words if entry]


def _bare(word: str) -> str:
    return MARKERS.sub("", word)


def _json(file: Path) -> Mapping[str, Any]:
    """Return the object in a JSON file; empty where there is no such file, or what it holds is no object."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
