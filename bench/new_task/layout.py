"""What the names of several files say: the part and the class of the rows of each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..sources.gff import GFF_FORMATS
from ..sources.hub import folder_parts
from ..splits.rules import PART_WORDS
from ..unpack import PACKED
from .sample import SUFFIXES

_PARTS = {**PART_WORDS, "testing": "test", "tr": "train", "te": "test"}
_MEANINGLESS = frozenset(("x", "seq", "seqs", "sequence", "sequences", "data", "dataset", "fasta", "samples"))


@dataclass(frozen=True)
class Layout:
    """Files with what their names say: `labels` and `parts`, one for each file, () where names say none."""

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]


def find_layout(paths: Sequence[Path]) -> Layout | None:
    """Return what the names of several files, or of those in a folder, say; None for a file or a folder of parts."""
    if len(paths) > 1:
        return layout_of(paths)
    (path,) = paths
    if not path.is_dir():
        return None
    files = data_files(path)
    if len(files) < 2 or not (classes_in_files(files) or _parts_by_words(path, files)):
        return None
    return layout_of(files)


def layout_of(files: Sequence[Path]) -> Layout:
    """Return what the names of the files, and of their folders below the one that has them all, say of their rows.

    Raises DataError where only some names hold a part, or names do not tell the files of a part apart.
    """
    words = _words_of(files)
    parts = [next((_PARTS[word] for word in w if word in _PARTS), "") for w in words]
    if any(parts) and not all(parts):
        odd = files[parts.index("")]
        raise DataError(f"{odd}: its name holds no train, valid or test, as those of the other files do")
    rest = _distinct([[word for word in w if word not in _PARTS and word not in _MEANINGLESS] for w in words])
    of_part: dict[str, list[str]] = {}
    for part, name in zip(parts, rest, strict=True):
        of_part.setdefault(part, []).append(name)
    if any(parts) and (all(len(names) == 1 for names in of_part.values()) or _are_shards(list(of_part.values()))):
        return Layout(tuple(files), (), tuple(parts))
    for part, names in of_part.items():
        if len(set(names)) < len(names) or "" in names or set(names) != set(next(iter(of_part.values()))):
            where = f" of the {part} part" if part else ""
            raise DataError(
                f"{files[0]}, ...: the names of the files{where} give the classes {', '.join(map(repr, names))}; "
                "expected a file for each class, the same in each part, such as pos.fa and neg.fa"
            )
    return Layout(tuple(files), tuple(rest), tuple(parts) if any(parts) else ())


def classes_in_files(files: Sequence[Path]) -> bool:
    """Return whether the files are one for each class: several without the name of a part, or several in each part."""
    words = _words_of(files)
    parts = [next((_PARTS[word] for word in w if word in _PARTS), "") for w in words]
    if not any(parts):
        return True
    numbered = all(any(word.isdigit() for word in w) for w in words)  # shards of a part
    return all(parts) and not numbered and min(map(parts.count, parts)) > 1


def _are_shards(names: Sequence[Sequence[str]]) -> bool:
    """Return whether the names of the files of each part are numbers that cannot be classes: 00001, or not the same."""
    numbers = all(name.isdigit() or not name for of_part in names for name in of_part)
    distinct = all(len(set(of_part)) == len(of_part) for of_part in names)
    padded = any(len(name) > 2 for of_part in names for name in of_part)
    return numbers and distinct and (padded or len({frozenset(of_part) for of_part in names}) > 1)


def _parts_by_words(folder: Path, files: Sequence[Path]) -> bool:
    """Return whether all names hold a part, in a folder whose names are not those that `folder_parts` knows."""
    return all(set(words) & set(_PARTS) for words in _words_of(files)) and not folder_parts(folder)


def data_files(folder: Path) -> list[Path]:
    """Return the files that can be read in a folder and in its folders, where a .txt is a single sequence."""
    suffixes = [suffix for suffix in SUFFIXES if suffix not in GFF_FORMATS]  # an annotation beside sequences
    endings = tuple(f"{suffix}{packed}" for suffix in suffixes for packed in ("", *PACKED))
    below = [file for inner in folder.iterdir() if inner.is_dir() for file in inner.iterdir() if file.suffix != ".txt"]
    found = [file for file in (*folder.iterdir(), *below) if file.is_file() and not file.name.startswith(".")]
    return sorted(file for file in found if file.name.lower().endswith(endings))


def _words_of(files: Sequence[Path]) -> list[list[str]]:
    """Return the words of each path below the folder that has all files, those of parts in lower case."""
    root = os.path.commonpath([file.resolve().parent for file in files])
    suffixes, packed = ("|".join(map(re.escape, names)) for names in (SUFFIXES, PACKED))
    ending = re.compile(rf"({suffixes})({packed})?$", re.IGNORECASE)
    known = {*_PARTS, *_MEANINGLESS}
    stems = [ending.sub("", str(file.resolve().relative_to(root))) for file in files]
    return [[w.lower() if w.lower() in known else w for w in re.split(r"[\W_]+", stem) if w] for stem in stems]


def _distinct(names: Sequence[list[str]]) -> list[str]:
    """Return names without the words that begin, or end, all of them."""
    words = [list(name) for name in names]
    for end in (0, -1):
        while all(len(name) > 1 for name in words) and len({name[end] for name in words}) == 1:
            for name in words:
                name.pop(end)
    return ["_".join(name) for name in words]
