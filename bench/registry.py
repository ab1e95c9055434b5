"""The one place where tasks, models and baselines are found by name.

Content registers itself with the decorators below when its module is imported. Modules are found through the entry
points `baserate.tasks`, `baserate.models` and `baserate.baselines`, built-in ones like a third party's. Registering
builds a card and imports nothing heavy.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from .capabilities import Model
from .errors import ConfigError, DuplicateName, MissingExtra, UnknownName, check_keys
from .provenance import source_digest
from .types import MODE_NAMES, Exposure, ModelCard, ModeName, Task

T = TypeVar("T")


class Registry(Generic[T]):
    """Named cards with the place where each was defined. A second definition of a name is refused, never silent."""

    def __init__(self, what: str, groups: tuple[str, ...]) -> None:
        self.what = what
        self.broken: dict[str, str] = {}
        self._groups = groups
        self._cards: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._loaded = False

    def add(self, name: str, card: T, *, origin: str) -> None:
        """Register `card`. Raises DuplicateName, naming both origins, where `name` is taken."""
        if name in self._cards:
            raise DuplicateName(
                f"{self.what} {name!r} is defined twice: {self._origins[name]} and {origin}; rename one of them"
            )
        self._cards[name] = card
        self._origins[name] = origin

    def all(self) -> Mapping[str, T]:
        """Return every card by name, loading the entry points on the first call.

        An entry point that fails to load registers nothing and is kept in `broken` with its reason.
        """
        if not self._loaded:
            self._loaded = True
            for group in self._groups:
                for point in sorted(importlib.metadata.entry_points(group=group), key=lambda p: (p.name, p.value)):
                    self._load(point)
        return MappingProxyType(self._cards)

    def origin(self, name: str) -> str:
        """Return the file and line where `name` was defined."""
        return self._origins[name]

    def get(self, name: str) -> T:
        """Return the card registered as `name`. Raises KeyError; `get_task` and `get_model` say more."""
        return self.all()[name]

    def _load(self, point: importlib.metadata.EntryPoint) -> None:
        before = dict(self._cards), dict(self._origins)
        try:
            point.load()
        except Exception as error:  # noqa: BLE001 - a broken plugin is listed with its reason and takes nothing down
            self._cards, self._origins = before
            source = f"{point.dist.name} " if point.dist else ""
            self.broken[f"{source}{point.group}:{point.name}"] = f"{type(error).__name__}: {error}"


TASKS: Registry[Task] = Registry("task", ("baserate.tasks",))
MODELS: Registry[ModelCard] = Registry("model", ("baserate.baselines", "baserate.models"))


def task(build: Callable[[], Task]) -> Callable[[], Task]:
    """Register the task that `build` returns; the function stays callable.

    >>> from baserate.registry import task
    >>> @task                                   # doctest: +SKIP
    ... def my_promoters() -> Task: ...
    """
    built = build()
    if not isinstance(built, Task):
        raise ConfigError(f"{_origin(build)}: {build.__name__} under @task returned {type(built).__name__}, not Task")
    TASKS.add(built.id, built, origin=_origin(build))
    return build


def model(
    name: str,
    *,
    modes: Mapping[ModeName, Mapping[str, Any]],
    description: str,
    revision: Callable[..., str] | None = None,
    pretraining: tuple[Exposure, ...] = (),
    variants: bool | None = None,
    parameters: int | None = None,
    context: int | None = None,
    tokenizer: str = "",
    licence: str = "",
    citation: str = "",
    requires: str = "",
    twin_of: str = "",
    _baseline: bool = False,
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Return a decorator that registers a loader as a model; the loader's keyword arguments are the model's parameters.

    Without `revision` the model is identified by the content of the file that defines it, and of ours that it imports.
    A `revision` may take those of the model's parameters on which it depends, such as the path of a file.
    """

    def register(load: Callable[..., Model]) -> Callable[..., Model]:
        origin = _origin(load)
        check_keys(modes, MODE_NAMES, f"{origin}: modes of {name!r}")
        params = {}
        for parameter in inspect.signature(load).parameters.values():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or parameter.default is inspect.Parameter.empty:
                raise ConfigError(
                    f"{origin}: parameter {parameter.name!r} of model {name!r} must be keyword-only with a default, "
                    f"as in `def load(*, {parameter.name}=...)`"
                )
            params[parameter.name] = parameter.default
        card = ModelCard(
            name=name,
            load=load,
            modes=modes,
            params=params,
            description=description,
            revision=revision or (lambda: source_digest(load)),
            variants=variants,
            parameters=parameters,
            context=context,
            tokenizer=tokenizer,
            pretraining=pretraining,
            licence=licence,
            citation=citation,
            requires=requires,
            twin_of=twin_of,
            baseline=_baseline,
        )
        MODELS.add(name, card, origin=origin)
        return load

    return register


def baseline(
    name: str,
    *,
    modes: Mapping[ModeName, Mapping[str, Any]],
    description: str,
    variants: bool | None = None,
    revision: Callable[..., str] | None = None,
    pretraining: tuple[Exposure, ...] = (),
    citation: str = "",
    requires: str = "",
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Return a decorator that registers a loader as a baseline: a model that every table carries as part of its floor.

    `variants` True or False restricts it to variant tasks or to sequence tasks.
    """
    return model(
        name,
        modes=modes,
        description=description,
        variants=variants,
        revision=revision,
        pretraining=pretraining,
        citation=citation,
        requires=requires,
        _baseline=True,
    )


def get_task(name: str) -> Task:
    """Return the task called `name`, `name@2`, `name.small` or `name.small@2`; without a version, the newest.

    Raises UnknownName with the nearest names and with what failed to load.
    """
    base, _, version = name.partition("@")
    stem = base.removesuffix(".small")
    ids = [i for i in TASKS.all() if i.partition("@")[0] == stem]
    if not ids or (version and f"{stem}@{version}" not in ids):
        suite = [f"{name}.*"] if any(i.startswith(f"{name}.") for i in TASKS.all()) else []
        raise UnknownName(
            "task", name, ids or suite or task_names(), hint="`baserate list tasks` shows all." + _broken(TASKS)
        )
    found = TASKS.get(f"{stem}@{version}" if version else max(ids, key=lambda i: TASKS.get(i).version))
    return found.small_variant() if stem != base else found


def get_model(name: str) -> ModelCard:
    """Return the card of the model or baseline called `name`. Raises UnknownName with the nearest names."""
    cards = MODELS.all()
    if name not in cards:
        raise UnknownName("model", name, cards, hint="`baserate list models` shows all." + _broken(MODELS))
    return cards[name]


def with_params(card: ModelCard, **params: Any) -> ModelCard:
    """Return the card with some of its loader's keyword arguments changed, and named so: `markov(order=3)`."""
    if not params:
        return card
    check_keys(params, card.params, f"parameters of model {card.name!r}")
    shown = ", ".join(f"{key}={value!r}" for key, value in sorted(params.items()))
    taken = inspect.signature(card.revision).parameters
    revision = functools.partial(card.revision, **{k: v for k, v in params.items() if k in taken})
    return replace(card, name=f"{card.name}({shown})", params={**card.params, **params}, revision=revision)


def load_model(card: ModelCard) -> Model:
    """Return the loaded model. Raises MissingExtra, with the command that installs it, where a package is not there."""
    try:
        return card.load(**card.params)
    except ModuleNotFoundError as error:
        extra = f'`pip install "baserate[{card.requires}]"`' if card.requires else f"`pip install {error.name}`"
        raise MissingExtra(f"model {card.name!r} needs the package {error.name!r}: {extra}") from error


def task_names() -> list[str]:
    """Return the names of all tasks and of their small variants, sorted."""
    cards = TASKS.all().values()
    return sorted({c.name for c in cards} | {f"{c.name}.small" for c in cards if c.small})


def _broken(registry: Registry[T]) -> str:
    return "".join(f" Not loaded: {point} ({reason})." for point, reason in registry.broken.items())


def _origin(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
