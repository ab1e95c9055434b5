"""From a card's [source] to where its examples come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..dna.genomes import is_name
from ..errors import ConfigError, check_keys
from ..sources.declared import SOURCES, Checked, Expected, HubSource
from ..sources.hub import HubSet, hub_set
from ..sources.source import keys_of
from ..sources.tables import Columns
from ..splits import predefined
from ..types import PARTS, Examples, Kind, SplitRule
from .values import TOML, check_values, frozen

Counts = tuple[tuple[str, int | tuple[int, ...]], ...]
"""The rows that [expect] says, by part, each as a number or a number for each class."""

Sourced = tuple[Callable[[], Examples], tuple[str, ...], str]
"""What gives the examples, the files that they depend on, and where the data come from as far as [source] tells."""

_HUB_KEYS = tuple(f.name for f in fields(HubSet) if f.name not in ("repository", "needs"))


@dataclass(frozen=True)
class Asked:
    """What the rest of a card says of its source: `is_split` by its authors, whose numbers are perhaps `published`."""

    path: Path
    where: str
    kind: Kind
    classes: tuple[str, ...]
    counts: Counts
    rule: SplitRule
    is_split: bool
    published: bool

    def expected(self, what: str, advice: str) -> Expected | None:
        """Return the rows that a source must have, None where the card does not say; the texts are of a refusal."""
        return Expected(self.counts, self.rule, self.classes, what, advice) if self.counts else None


def hub_source(value: Mapping[str, Any], asked: Asked) -> Sourced:
    """Return the source of a data set of the hub, or of a folder with a file a part. Raises ConfigError."""
    columns, own, where = keys_of(Columns), "folder" in value, f"{asked.where}: [source]"
    check_keys(value, ("folder", *columns) if own else ("hub", *_HUB_KEYS, *columns), where)
    # A data set that its authors split has a part to train on, unless the card expects none.
    known = dict(asked.counts)
    parts = [part for part in PARTS if known.get(part, asked.is_split and part != "valid")] or ["test"]
    try:
        named = {k: v for k, v in value.items() if k in _HUB_KEYS}
        wanted = _folder(value["folder"], parts, asked.path) if own else hub_set(value["hub"], **named, needs=parts)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}") from None
    given = {k: v for k, v in value.items() if k in columns}
    check_values(given, Columns, where)
    expected = asked.expected(str(wanted), f"the copy is incomplete or of another revision: {wanted.advice}")
    source = HubSource(wanted, asked.kind, asked.classes, Columns(**frozen(given)), expected)
    return source, (), "" if own else f"{wanted.repository} at {wanted.revision}"


def _folder(value: Any, parts: Sequence[str], card: Path) -> HubSet:
    """Return the folder of the user's own, with a file a part, as a data set without a repository."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"folder = {value!r}; expected {TOML[str]}")
    return HubSet(str((card.parent / value).resolve()), needs=tuple(parts))


def file_source(value: Mapping[str, Any], asked: Asked) -> Sourced:
    """Return the source of a card whose examples lie in files. Raises ConfigError naming the key."""
    where = f"{asked.where}: [source]"
    main = [key for key in SOURCES if key in value]
    if len(main) != 1:
        raise ConfigError(
            f"{where} needs one of table = ..., genome and bed = ..., genome and variants = ..., "
            "folder = ..., hub = ..., tasks = ..."
        )
    kind_of_source = SOURCES[main[0]]
    keys = keys_of(kind_of_source)
    check_keys(value, keys, where)
    check_values(value, kind_of_source, where)
    missing = next((key for key, needed in keys.items() if needed and key not in value), "")
    if missing:
        raise ConfigError(f"{where} lacks {missing} = ...")
    given, files = frozen(value), []
    for key in kind_of_source.FILES:
        if key not in given:
            continue
        if key == "genome" and is_name(given[key]) and not (asked.path.parent / given[key]).exists():
            files.append(f"genome:{given[key]}")
        else:
            given[key] = _relative(asked.path, given[key])
            files.append(given[key])
    source = kind_of_source(kind=asked.kind, classes=asked.classes, **given)
    expected = asked.expected(files[-1], "it is another version of the file, or cut off; see the card's origin")
    authors = asked.rule if isinstance(asked.rule, predefined) and asked.published else None
    return Checked(source, expected, authors) if expected or authors else source, tuple(files), ""


def _relative(card: Path, reference: str) -> str:
    """Return the reference as seen from here; `package:path` and absolute paths stay as they are."""
    beside = card.parent / reference
    return str(beside.resolve()) if beside.exists() or ":" not in reference else reference
