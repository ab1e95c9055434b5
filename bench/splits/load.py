"""The function that returns a task's split, checked, and cached where possible."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cache.folder import file_digest
from ..digests import digest
from ..errors import DataError
from ..provenance import sources
from ..sources import concatenate
from ..sources.declared import Checked
from ..sources.example_file import cached_examples
from ..sources.sequences import package_file
from ..sources.source import Source
from ..types import PARTS, Examples, Split, Subset, Task, strings
from .check_targets import check_learnable, check_targets
from .drawn import is_slow
from .homology import coarser_column, with_clusters
from .subsets import take_subset

_PART = "part of the split"
_DROPPED = "rows that the split drops"


def load_split(task: Task, *, limit: int = 0, check: bool = True) -> Split:
    """Return the task's examples by part, in the order of the source.

    A subset, or a trial's `limit` of examples a part, is chosen by a hash of seed and id, in proportion to the classes.
    Raises DataError, naming the task, where a part is empty, a group is in two parts, or training lacks a class;
    without `check` (an audit reports these itself), only where the rows cannot be read.
    """
    split = _small(task, task.subset) if task.subset else _whole(task)
    if limit:
        split = take_subset(split, Subset(limit, limit, limit))
    if task.alter:
        split = task.alter(split)
    if check:
        check_split(task, split)
    return split


def check_split(task: Task, split: Split) -> None:
    """Raise DataError, in one line that names the task, where the split is not fit for evaluation."""
    for name, examples in split:
        if not len(examples) and (name == "test" or len(split.train) or len(split.valid)):
            raise DataError(f"task {task.id}: the {name} part is empty; see its split rule: {task.split!r}")
    seen: dict[str, str] = {}
    for name, examples in split:
        for group in sorted(set(examples.groups)):
            if seen.setdefault(group, name) != name:
                ids = [_first(e, group) for e in (dict(split)[seen[group]], examples)]  # type: ignore[index]
                raise DataError(
                    f"task {task.id}: group {group!r} is in both {seen[group]} (id {ids[0]!r}) and {name} "
                    f"(id {ids[1]!r}); `baserate audit` lists all"
                )
    coarser_column(task, split.test)
    check_learnable(task, split)


def _first(examples: Examples, group: str) -> str:
    return str(examples.ids[int(np.argmax(examples.groups == group))])


def _whole(task: Task) -> Split:
    key = _key(task)
    rule: object = task.split
    if key and is_slow(rule) and is_dataclass(rule):
        return _cached_split([*key, repr(rule)], lambda: _divided(task, key))
    return _divided(task, key)


def _divided(task: Task, key: list[str]) -> Split:
    examples = cached_examples(key, task.source) if key else task.source()
    check_targets(task, examples)
    try:
        part = task.split(examples)
    except DataError as error:
        raise type(error)(f"task {task.id}: {error}") from error
    examples = with_clusters(task.split, examples)
    return Split(
        *(examples.take(np.flatnonzero(part == name)) for name in PARTS),
        dropped=int((part == "").sum()),
        left_out=examples.left_out,
    )


def _small(task: Task, subset: Subset) -> Split:
    """Return the subset, which has its own cached table, so that it loads without the whole."""
    key = _key(task)
    rule: object = task.split
    if not key or not is_dataclass(rule):
        return take_subset(_whole(task), subset)

    return _cached_split([*key, repr(rule), repr(subset)], lambda: take_subset(_whole(task), subset))


def _cached_split(key: list[str], make: Callable[[], Split]) -> Split:
    """Return the split that `make` returns, from its own cached table where there is one."""

    def build() -> Examples:
        split = make()
        whole = concatenate([_marked(e, name, split.dropped) for name, e in split])
        return replace(whole, left_out=split.left_out)

    table = cached_examples([*key, _code()], build)
    part, dropped = table.strata[_PART], table.strata[_DROPPED]
    table = replace(table, strata={k: v for k, v in table.strata.items() if k not in (_PART, _DROPPED)})
    return Split(
        *(table.take(np.flatnonzero(part == name)) for name in PARTS),
        dropped=int(dropped[0]) if len(dropped) else 0,
        left_out=table.left_out,
    )


def _marked(examples: Examples, part: str, dropped: int) -> Examples:
    columns = {_PART: strings([part] * len(examples)), _DROPPED: strings([str(dropped)] * len(examples))}
    return replace(examples, strata={**examples.strata, **columns})


def _key(task: Task) -> list[str]:
    """Return the cache key of the task's table; empty where its source cannot be identified by content."""
    name = f"{task.name.partition('(')[0].removesuffix('.small')}@{task.version}"
    if hasattr(task.source, "key"):
        return [name, *task.source.key()]
    recipe = _recipe(task.source)
    if not task.files or recipe is None:
        return []
    return [name, recipe, *(file_digest(package_file(file)) for file in task.files)]


def _recipe(source: Any) -> str | None:
    """Return the digest of the code that builds a table: the module of `source`, its package, its imports, and ours.

    None where the code does not determine the table, as for a closure; such a source is never cached.
    """
    arguments = ""
    if isinstance(source, (Source, Checked)):
        return digest(repr(source), _code())
    if isinstance(source, functools.partial):
        arguments = repr((source.args, sorted(source.keywords.items())))
        source = source.func
    if not inspect.isfunction(source) or source.__closure__:
        return None
    origin = Path(source.__code__.co_filename)
    code = sorted(origin.parent.glob("*.py")) if source.__globals__.get("__package__") else [origin]
    files = {*code, *sources(origin)} if origin.is_file() else set(code)
    content = [path.read_bytes() for path in sorted(files)]
    return digest(source.__qualname__, arguments, _code(), *content)


@functools.cache
def _code() -> str:
    """Return the digest of the code that reads and splits examples: readers, genomes, rules and similarity."""
    return digest(*(file.read_bytes() for file in _code_files()))


def _code_files() -> list[Path]:
    ours = Path(__file__).parents[1]
    files = {*sources(Path(__file__).with_name("__init__.py")), *sources(ours / "sources" / "declared.py")}
    return sorted(files | {ours / "text.py", ours / "types.py"})  # not found by `sources`
