"""Sources of examples from the [source] of a card."""

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
"""The numbers of rows in [expect], by part: one number, or one for each class."""

Sourced = tuple[Callable[[], Examples], tuple[str, ...], str]
"""The function that returns the examples, the files that they depend on, and the origin of the data, if known."""

HUB_KEYS = tuple(f.name for f in fields(HubSet) if f.name not in ("repository", "needs"))
"""The keys of [source] for a data set on the hub, beside `hub` and those of columns."""


@dataclass(frozen=True)
class CardContext:
    """What the rest of a card says about its source.

    `is_split` says that the authors split it; `published` that they report numbers on this split.
    """

    path: Path
    where: str
    kind: Kind
    classes: tuple[str, ...]
    counts: Counts
    rule: SplitRule
    is_split: bool
    published: bool

    def expected(self, what: str, advice: str) -> Expected | None:
        """Return the numbers of rows to expect of a source, or None; `what` and `advice` are for the error message."""
        return Expected(self.counts, self.rule, self.classes, what, advice) if self.counts else None


def hub_source(value: Mapping[str, Any], context: CardContext) -> Sourced:
    """Return the source of a data set on the hub, or of a folder with one file per part. Raises ConfigError."""
    columns, is_folder, where = keys_of(Columns), "folder" in value, f"{context.where}: [source]"
    check_keys(value, ("folder", *columns) if is_folder else ("hub", *HUB_KEYS, *columns), where)
    # A data set that its authors split has a part to train on, unless the card expects none.
    known = dict(context.counts)
    parts = [part for part in PARTS if known.get(part, context.is_split and part != "valid")] or ["test"]
    try:
        keys = {k: v for k, v in value.items() if k in HUB_KEYS}
        dataset = (
            _folder(value["folder"], parts, context.path) if is_folder else hub_set(value["hub"], **keys, needs=parts)
        )
    except ConfigError as error:
        raise ConfigError(f"{where} {error}") from None
    given = {k: v for k, v in value.items() if k in columns}
    check_values(given, Columns, where)
    expected = context.expected(str(dataset), f"the copy is incomplete or of another revision: {dataset.advice}")
    source = HubSource(dataset, context.kind, context.classes, Columns(**frozen(given)), expected)
    return source, (), "" if is_folder else f"{dataset.repository} at {dataset.revision}"


def _folder(value: Any, parts: Sequence[str], card: Path) -> HubSet:
    """Return a folder of the user's, with one file per part, as a data set without a repository."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"folder = {value!r}; expected {TOML[str]}")
    return HubSet(str((card.parent / value).resolve()), needs=tuple(parts))


def file_source(value: Mapping[str, Any], context: CardContext) -> Sourced:
    """Return the source of a card whose examples are in files. Raises ConfigError naming the key."""
    where = f"{context.where}: [source]"
    main = [key for key in SOURCES if key in value]
    if len(main) != 1:
        raise ConfigError(
            f"{where} needs one of table = ..., files = [...], genome and bed = ..., genome and peaks = ..., "
            "genome and variants = ..., folder = ..., hub = ..., tasks = ..."
        )
    kind_of_source = SOURCES[main[0]]
    keys = keys_of(kind_of_source)
    check_keys(value, keys, where)
    check_values(value, kind_of_source, where)
    missing = next((key for key, needed in keys.items() if needed and key not in value), "")
    if missing:
        raise ConfigError(f"{where}: key {missing!r} is missing")
    given, files = frozen(value), []
    for key in kind_of_source.FILES:
        if key not in given:
            continue
        if key == "genome" and is_name(given[key]) and not (context.path.parent / given[key]).exists():
            files.append(f"genome:{given[key]}")
        elif isinstance(given[key], tuple):
            given[key] = tuple(_relative(context.path, one) for one in given[key])
            files += given[key]
        else:
            given[key] = _relative(context.path, given[key])
            files.append(given[key])
    try:
        source = kind_of_source(kind=context.kind, classes=context.classes, **given)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}") from None
    expected = context.expected(files[-1], "the file is of another version, or cut off; see the card's origin")
    authors = context.rule if isinstance(context.rule, predefined) and context.published else None
    return Checked(source, expected, authors) if expected or authors else source, tuple(files), ""


def _relative(card: Path, reference: str) -> str:
    """Return the reference relative to the working directory; `package:path` and absolute paths stay as they are."""
    beside = card.parent / reference
    return str(beside.resolve()) if beside.exists() or ":" not in reference else reference
