"""Cards by name: registered names and globs, TOML cards, Python files, checkpoint folders, suites."""

from __future__ import annotations

import ast
import fnmatch
import functools
import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ..digests import canonical_json
from ..errors import ConfigError, DuplicateName, UnknownName, nearest
from ..inhouse import card_from_file
from ..networks.hub import Access, locate
from ..registry import MODELS, TASKS, Registry, get_model, get_task, task_names, with_params
from ..results import in_short
from ..splits import RULES
from ..types import ModelCard, Task
from .checkpoint import NO_ACCESS, checkpoint_card
from .model_file import MODEL_FILE
from .own_files import run_own_file
from .task_file import find_in_file
from .variant import variant

C = TypeVar("C", Task, ModelCard)

_CARD = re.compile(r"(?P<file>.+\.toml)(:(?P<task>[^/]+))?")


def find_task(name: str) -> Task:
    """Return the registered task `name`, or the task in a file: `./mine.toml`, `./tasks.toml:name` or `./mine.py`.

    `name(shots=16)` trains on few examples, `name(split="by_homology", threshold=0.8)` is split by another rule, and
    `name(transform="rank")` learns the ranks of its measurements.
    """
    base, settings = _parse_call(name, _is_task)
    if settings:
        return variant(find_task(base), settings, RULES)
    if (in_file := _in_card(name)) is not None:
        return _only(in_file, Path(name), "task (name one as FILE.toml:TASK)")
    path = Path(name)
    return _only(_run_file(path, TASKS), path, "task") if path.suffix == ".py" else get_task(name)


def with_shots(tasks: Sequence[Task], shots: Any) -> list[Task]:
    """Return a variant of each task for each number of training examples per class; 'full' is the task itself.

    `shots` are numbers and 'full', in a list or in text with commas; without any the tasks stay as they are. A task
    without a training part stays as it is. Raises ConfigError for anything else.
    """
    given = shots.split(",") if isinstance(shots, str) and shots else shots if isinstance(shots, (list, tuple)) else []
    counts = []
    for each in dict.fromkeys(str(value).strip() for value in given):
        if each != "full" and not (each.isdigit() and int(each)):
            raise ConfigError(f"shots {each!r}: expected a number of examples per class from 1, or full")
        counts.append(0 if each == "full" else int(each))
    if not counts:
        return list(tasks)
    several = [variant(t, {"shots": n}, RULES) if n and t.trainable else t for t in tasks for n in counts]
    return list({task.id: task for task in several}.values())


def find_model(name: str, access: Access = NO_ACCESS) -> ModelCard:
    """Return the card of a registered model, of a checkpoint (a folder or a hub id), or of the model in `./mine.py`.

    A Python file registers a model, or just defines functions such as `embed`. `name(k=4)` sets the loader's keyword
    arguments. `access` is what the user allows a checkpoint to do. A card whose name would be that of a registered
    model is named as it was typed.
    """
    base, params = _parse_call(name)
    if Path(base).suffix == ".py":
        in_file = card_from_file(base)
        card = in_file or _only(_run_file(Path(base), MODELS), Path(base), "model")
        if in_file and in_file.name in MODELS.all():
            card = replace(in_file, name=base)
    elif base not in MODELS.all() and (location := locate(base)):
        card = checkpoint_card(location, access)
        if card.name in MODELS.all():
            card = replace(card, name=location.name)
    elif base not in MODELS.all() and _is_path(base):
        raise ConfigError(f"{base}: no such folder; a checkpoint is a folder with a config.json, or an id on the hub")
    else:
        card = get_model(base)
    return with_params(card, **params)


def twin_card(card: ModelCard) -> ModelCard:
    """Return the card of the same network with random weights. Raises ConfigError for a model that is no network."""
    registered = [c for c in MODELS.all().values() if c.twin_of and MODELS.get(c.twin_of).load is card.load]
    if not registered and card.twin is None:
        raise ConfigError(f"{card.name} is not a network that baserate builds, so it has no twin with random weights")
    twin: ModelCard = registered[0] if registered else card.twin()  # type: ignore[misc]
    if twin.twin_of == card.name:
        return twin
    params = {key: card.params.get(key, value) for key, value in twin.params.items()}
    return replace(twin, name=f"{card.name}_random", twin_of=card.name, params=params)


def find(name: str, access: Access = NO_ACCESS) -> Task | ModelCard:
    """Return the task or the model called `name`. Raises UnknownName with the nearest names of both kinds."""
    task = _parse_call(name, _is_task)[0]
    if _is_card(task) or task.partition("@")[0] in task_names():
        return find_task(name)
    base = _parse_call(name)[0]
    if Path(base).suffix == ".py":
        if card_from_file(base) is not None:
            return find_model(name, access)
        tasks, models = _run_file(Path(base), TASKS), _run_file(Path(base), MODELS)
        return _only(tasks, Path(name), "task") if tasks else _only(models, Path(name), "task or model")
    if base in MODELS.all() or locate(base) or _is_path(base):
        return find_model(name, access)
    raise UnknownName("task or model", name, [*task_names(), *MODELS.all()], hint="`baserate list` shows all.")


def find_tasks(patterns: Sequence[str]) -> list[Task]:
    """Return the tasks that names, globs and files select, each once; `FILE.toml:GLOB` selects some tasks of a file.

    Raises UnknownName where one selects none, and DuplicateName, with both origins, for two tasks of one name.
    """
    selected: dict[str, tuple[Task, str]] = {}
    for pattern in patterns:
        in_file = None if pattern.endswith(")") else _in_card(pattern)
        for task in _select("tasks", [pattern], task_names(), find_task) if in_file is None else in_file:
            origin = _origin(task, pattern)
            first = selected.setdefault(task.id, (task, origin))[1]
            if _file(first) != _file(origin):
                raise DuplicateName(f"task {task.id!r} is defined twice: {first} and {origin}; rename one of them")
    return [task for task, _ in selected.values()]


def find_models(
    patterns: Sequence[str], access: Access = NO_ACCESS, *, random_weights: bool = False
) -> list[ModelCard]:
    """Return the models that names, globs, folders and hub ids select, each once; without any, all baselines.

    A glob with a slash, such as 'checkpoints/mine/at_*', selects folders of checkpoints, in order of the numbers in
    their names. With `random_weights` every model that is a network is followed by its random twin.
    """
    if not patterns:
        return [card for card in MODELS.all().values() if card.baseline]
    named = [name for pattern in patterns for name in _checkpoints(pattern)]
    cards = with_distinct_names(
        _select("models", named, list(MODELS.all()), functools.partial(find_model, access=access))
    )
    return with_twins(cards) if random_weights else cards


def _checkpoints(pattern: str) -> list[str]:
    """Return the folders of checkpoints that a glob of paths selects; any other pattern as it is."""
    if not ("/" in pattern and any(c in pattern for c in "*?[")) or pattern.endswith(")") or _exists(pattern):
        return [pattern]
    paths = glob.glob(os.path.expanduser(pattern))  # noqa: PTH111, PTH207
    found = [path for path in paths if _exists(f"{path}/config.json")]
    if not found:
        raise ConfigError(f"{pattern!r} matches no folder of a checkpoint, with a config.json")
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)])


def with_twins(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """Return the cards and then the random twin of every pretrained network. Raises ConfigError where there is none.

    The checkpoints of one training have one twin, that of the last of them.
    """
    networks = [card for card in cards if not card.baseline and not card.twin_of]
    last: dict[object, ModelCard] = {}
    for card in sorted(networks, key=lambda card: card.training.bases if card.training else 0):
        last[(card.training.name, card.training.config) if card.training else identity_of(card)] = card
    twins = [twin_card(card) for card in networks if card in last.values()]
    if not twins:
        raise ConfigError("random weights: none of the models named is a pretrained network, so none has a twin")
    return with_distinct_names(list({identity_of(card): card for card in (*cards, *twins)}.values()))


def _origin(task: Task, pattern: str) -> str:
    """Return where the task that `pattern` selected is defined: its card, or the file and line that registers it."""
    card = _CARD.fullmatch(_parse_call(pattern, _is_task)[0])
    name, _, version = task.id.rpartition("@")
    return card["file"] if card else TASKS.origin(f"{name.partition('(')[0].removesuffix('.small')}@{version}")


def _file(origin: str) -> Path:
    """Return the file of an origin, which may end with a line number."""
    file, _, line = origin.rpartition(":")
    return Path(file if line.isdigit() else origin).resolve()


def _is_card(name: str) -> bool:
    return bool(_CARD.fullmatch(name))


def _in_card(name: str) -> list[Task] | None:
    """Return the tasks of `FILE.toml`, or those that `FILE.toml:GLOB` selects; None for any other name."""
    card = _CARD.fullmatch(name)
    if card and Path(card["file"]).name == MODEL_FILE and Path(card["file"]).with_name("config.json").is_file():
        raise ConfigError(f"{name}: is the card of a checkpoint; name its folder, {Path(card['file']).parent}")
    return find_in_file(Path(card["file"]), card["task"] or "") if card else None


def _select(what: str, patterns: Sequence[str], names: Sequence[str], get: Callable[[str], C]) -> list[C]:
    selected: dict[tuple[str, str], C] = {}
    for pattern in patterns:
        is_glob = any(c in pattern for c in "*?[") and not (pattern.endswith(")") or _is_path(pattern))
        matches = sorted(fnmatch.filter(names, pattern)) if is_glob else [pattern]
        if not matches:
            near = nearest(pattern, {*names, *(f"{name.partition('.')[0]}.*" for name in names if "." in name)})
            advice = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise ConfigError(
                f"{pattern!r} matches none of {len(names)} {what}; {advice}`baserate list {what}` shows all"
            )
        for match in matches:
            card = get(match)
            selected.setdefault(identity_of(card), card)
    return list(selected.values())


def identity_of(card: Task | ModelCard) -> tuple[str, str]:
    """Return what makes two cards the same: the name, and the version of a task or the revision of a model."""
    return card.name, card.id if isinstance(card, Task) else card.revision()


def with_distinct_names(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """Return the cards under distinct names: where several share a name, the unregistered ones get their revision.

    So two checkpoints of one name, or two revisions of one checkpoint, are two rows.
    """
    count = Counter(card.name for card in cards)
    registered = [card.load for card in MODELS.all().values()]
    return [
        card
        if count[card.name] == 1 or card.load in registered
        else replace(card, name=f"{card.name}@{in_short(card.revision())}")
        for card in cards
    ]


def _is_path(text: str) -> bool:
    """Return whether `text` is a path: of a file or folder that exists, or written as no registered name is."""
    return text.startswith((".", "/", "~")) or text.endswith("/") or _exists(text)


def _exists(text: str) -> bool:
    return os.path.exists(os.path.expanduser(text))  # noqa: PTH110, PTH111 - Path raises for what cannot be a path


def _parse_call(text: str, is_known: Callable[[str], bool] | None = None) -> tuple[str, dict[str, Any]]:
    """Return the name and the keyword arguments of 'name(k=4, strand=True)'; values are literals.

    File names may contain parentheses too: the name is the longest prefix that exists or is registered.
    """
    is_known = is_known or _is_model
    if not text.endswith(")") or is_known(text):
        return text, {}
    starts = [i for i, c in enumerate(text) if c == "("]
    end = next((i for i in reversed(starts) if is_known(text[:i])), text.find("("))
    try:
        call = ast.parse(f"f({text[end + 1 : -1]})", mode="eval").body
        if isinstance(call, ast.Call) and not call.args and all(k.arg for k in call.keywords):
            params = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            canonical_json(params)  # raises for what a record cannot hold, such as infinity or bytes
            return text[:end], params
    except (SyntaxError, ValueError, TypeError):
        pass
    raise ConfigError(f"cannot read {text!r}; expected name(key=value, ...) with literal values")


def _is_task(name: str) -> bool:
    return name.partition("@")[0] in task_names() or _exists(name) or _is_card(name)


def _is_model(name: str) -> bool:
    if name in MODELS.all() or _exists(name):
        return True
    with suppress(ConfigError):
        return locate(name) is not None
    return False


def _run_file(path: Path, registry: Registry[C]) -> list[C]:
    """Return the cards that a user's Python file registers, running it first unless it has been run."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    registry.all()
    full = path.resolve()
    if not any(_file(r.origin(n)) == full for r in (TASKS, MODELS) for n in r.all()):
        run_own_file(path)
    return [card for name, card in registry.all().items() if _file(registry.origin(name)) == full]


def _only(cards: Sequence[C], path: Path, what: str) -> C:
    if len(cards) != 1:
        raise ConfigError(f"{path}: expected one {what} in the file, found {len(cards)}")
    return cards[0]
