"""Registries of things by name: those of tasks and models; metrics, rules, probes and modes have theirs elsewhere.

Content registers itself with the decorators below when its module is imported. Modules are found through the entry
points `baserate.tasks`, `baserate.models` and `baserate.baselines`, those of third parties included. Registering
builds a card and imports nothing heavy.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from .capabilities import Model
from .errors import ConfigError, DuplicateName, MissingExtra, UnknownName, check_keys
from .provenance import source_digest
from .settings import Search
from .types import Exposure, ModelCard, Task, Training

T = TypeVar("T")

PLUGINS = "baserate.plugins"
"""The entry-point group of packages that add anything: metrics, zero-shot rules, probes, modes, tasks, models."""


class Registry(Generic[T]):
    """Named things with the place where each was defined. A second definition of a name is refused, never silent.

    Built-in values are registered by `builtin`, a module or a package with all its modules; others by the entry points
    of `groups`, or by a file of the user's. The first two are imported when the registry is first used.
    """

    _every: ClassVar[list[Registry[Any]]] = []
    _broken: ClassVar[dict[str, dict[str, str]]] = {}

    def __init__(self, what: str, *, builtin: str = "", groups: tuple[str, ...] = (PLUGINS,)) -> None:
        self.what = what
        self._builtin = builtin
        self._groups = groups
        self._values: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._loaded = False
        self._every.append(self)

    def add(self, name: str, value: T, *, origin: str) -> None:
        """Register `value`. Raises DuplicateName, naming both origins, where `name` is taken.

        What was typed, in a notebook or at a prompt, is replaced by what is typed there next.
        """
        if name in self._values and not (_is_typed(origin) and _is_typed(self._origins[name])):
            raise DuplicateName(
                f"{self.what} {name!r} is defined twice: {self._origins[name]} and {origin}; rename one of them"
            )
        self._values[name] = value
        self._origins[name] = origin

    def put(self, name: str, value: T) -> None:
        """Replace the value registered as `name`."""
        self._values[name] = value

    def all(self) -> Mapping[str, T]:
        """Return every value by name; the first call loads built-in values and entry points.

        An entry point that fails to load registers nothing, and `broken` has the reason.
        """
        if not self._loaded:
            self._loaded = True
            if self._builtin:
                _import_all(self._builtin)
            for group in self._groups:
                self._load_group(group)
        return MappingProxyType(self._values)

    def get(self, name: str) -> T:
        """Return the value registered as `name`. Raises UnknownName with the nearest names and the broken plugins."""
        values = self.all()
        if name not in values:
            raise UnknownName(self.what, name, values, hint=self.not_loaded())
        return values[name]

    def origin(self, name: str) -> str:
        """Return the file and line where `name` was defined."""
        return self._origins[name]

    @property
    def broken(self) -> dict[str, str]:
        """The entry points that failed to load, with their reasons."""
        return {point: why for group in self._groups for point, why in self._broken.get(group, {}).items()}

    def not_loaded(self) -> str:
        """Return a sentence on the entry points that failed to load, '' where none did."""
        return " ".join(f"Not loaded: {point} ({reason})." for point, reason in self.broken.items())

    @classmethod
    def load_all(cls) -> None:
        """Load the built-in values and the entry points of every registry."""
        for registry in list(cls._every):
            registry.all()

    @classmethod
    @contextmanager
    def temporarily(cls) -> Iterator[None]:
        """Undo all registrations, in any registry, when the block ends."""
        cls.load_all()
        before = cls._snapshot()
        try:
            yield
        finally:
            cls._restore(before)

    @classmethod
    @contextmanager
    def all_or_nothing(cls) -> Iterator[None]:
        """Undo all registrations, in any registry, if the block raises."""
        before = cls._snapshot()
        try:
            yield
        except BaseException:
            cls._restore(before)
            raise

    @classmethod
    def _snapshot(cls) -> list[tuple[Registry[Any], dict[str, Any], dict[str, str]]]:
        return [(registry, dict(registry._values), dict(registry._origins)) for registry in cls._every]

    @staticmethod
    def _restore(before: list[tuple[Registry[Any], dict[str, Any], dict[str, str]]]) -> None:
        for registry, values, origins in before:
            registry._values, registry._origins = values, origins

    @classmethod
    def _load_group(cls, group: str) -> None:
        if group in cls._broken:
            return
        cls._broken[group] = {}
        for point in sorted(importlib.metadata.entry_points(group=group), key=lambda p: (p.name, p.value)):
            try:
                with cls.all_or_nothing():
                    point.load()
            except Exception as error:  # noqa: BLE001 - a broken plugin is listed and breaks nothing else
                source = f"{point.dist.name} " if point.dist else ""
                cls._broken[group][f"{source}{point.group}:{point.name}"] = f"{type(error).__name__}: {error}"


def _import_all(name: str) -> None:
    """Import the module and, of a package, every module in it whose name has no leading underscore."""
    module = importlib.import_module(name)
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not info.name.startswith("_"):
            importlib.import_module(f"{name}.{info.name}")


def origin_of(function: Callable[..., Any]) -> str:
    """Return the file and line in which a function is defined."""
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def _is_typed(origin: str) -> bool:
    """Return whether what has this origin, as `origin_of` tells it, is in no file."""
    file, colon, _ = origin.rpartition(":")
    return bool(colon) and not Path(file).exists()


TASKS: Registry[Task] = Registry("task", groups=("baserate.tasks", PLUGINS))
MODELS: Registry[ModelCard] = Registry("model", groups=("baserate.baselines", "baserate.models", PLUGINS))


def task(build: Callable[[], Task]) -> Callable[[], Task]:
    """Register the task that `build` returns; the function stays callable.

    >>> from baserate.registry import task
    >>> @task                                   # doctest: +SKIP
    ... def my_promoters() -> Task: ...
    """
    built = build()
    if not isinstance(built, Task):
        raise ConfigError(f"{origin_of(build)}: {build.__name__} under @task returned {type(built).__name__}, not Task")
    TASKS.add(built.id, built, origin=origin_of(build))
    return build


def model(
    name: str,
    *,
    modes: Mapping[str, Mapping[str, Any]],
    description: str,
    revision: Callable[..., str] | None = None,
    pretraining: tuple[Exposure, ...] = (),
    training: Training | None = None,
    variants: bool | None = None,
    parameters: int | None = None,
    context: int | None = None,
    tokenizer: str = "",
    licence: str = "",
    citation: str = "",
    requires: str = "",
    twin_of: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    search: Mapping[str, Search] | None = None,
    later: Mapping[str, Any] | None = None,
    version: int | None = None,
    _baseline: bool = False,
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Return a decorator that registers a loader as a model; the loader's keyword arguments are the model's parameters.

    A model is identified by its `revision`, such as a digest of its weights, which may be a function of those of the
    parameters on which it depends; else by its declared `version`, to be raised whenever its results change; else by
    the content of the file that defines it and of those beside it that this imports. `settings` are, by mode, the
    tables of what the model's methods take (`baserate.networks.settings.NETWORK` for a network); `search` is where the
    trials of a tuning budget draw values of the parameters. A parameter that is added to a loader goes into `later`,
    with the value at which nothing changes, so that records from before it stay current.
    """

    def register(load: Callable[..., Model]) -> Callable[..., Model]:
        origin = origin_of(load)
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
            revision=revision or _revision(load, version),
            variants=variants,
            parameters=parameters,
            context=context,
            tokenizer=tokenizer,
            pretraining=pretraining,
            training=training,
            licence=licence,
            citation=citation,
            requires=requires,
            twin_of=twin_of,
            baseline=_baseline,
            settings=settings or {},
            search=_known("search", search or {}, params, origin),
            later=_known("later", later or {}, params, origin),
        )
        MODELS.add(name, card, origin=origin)
        return load

    return register


def baseline(
    name: str,
    *,
    modes: Mapping[str, Mapping[str, Any]],
    description: str,
    variants: bool | None = None,
    revision: Callable[..., str] | None = None,
    pretraining: tuple[Exposure, ...] = (),
    citation: str = "",
    requires: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    search: Mapping[str, Search] | None = None,
    later: Mapping[str, Any] | None = None,
    version: int | None = None,
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
        settings=settings,
        search=search,
        later=later,
        version=version,
        _baseline=True,
    )


def _known(what: str, given: Mapping[str, T], params: Mapping[str, Any], origin: str) -> Mapping[str, T]:
    check_keys(given, params, f"{origin}: {what}")
    return given


def _revision(load: Callable[..., Model], version: int | None) -> Callable[[], str]:
    """Return the function that gives the revision of a model without a digest of weights."""
    return (
        functools.partial(source_digest, load)
        if version is None
        else functools.partial(fixed_revision, f"version {version}")
    )


def fixed_revision(revision: str) -> str:
    """Return the revision itself, which no parameter changes."""
    return revision


def get_task(name: str) -> Task:
    """Return the task called `name`, `name@2`, `name.small` or `name.small@2`; without a version, the newest.

    Raises UnknownName with the nearest names and the plugins that failed to load.
    """
    base, _, version = name.partition("@")
    stem = base.removesuffix(".small")
    ids = [i for i in TASKS.all() if i.partition("@")[0] == stem]
    if not ids or (version and f"{stem}@{version}" not in ids):
        benchmark = [f"{name}.*"] if any(i.startswith(f"{name}.") for i in TASKS.all()) else []
        raise UnknownName(
            "task",
            name,
            ids or benchmark or task_names(),
            hint=f"`baserate list tasks` shows all. {TASKS.not_loaded()}".rstrip(),
        )
    card = TASKS.get(f"{stem}@{version}" if version else max(ids, key=lambda i: TASKS.get(i).version))
    return card.small_variant() if stem != base else card


def get_model(name: str) -> ModelCard:
    """Return the card of the model or baseline called `name`. Raises UnknownName with the nearest names."""
    cards = MODELS.all()
    if name not in cards:
        hint = f"`baserate list models` shows all. {MODELS.not_loaded()}".rstrip()
        raise UnknownName("model", name, cards, hint=hint)
    return cards[name]


def with_params(card: ModelCard, **params: Any) -> ModelCard:
    """Return the card with some of its loader's keyword arguments changed, and renamed, such as `markov(order=3)`.

    What is changed is not tuned.
    """
    if not params:
        return card
    check_keys(params, card.params, f"parameters of model {card.name!r}")
    shown = ", ".join(f"{key}={value!r}" for key, value in sorted(params.items()))
    taken = inspect.signature(card.revision).parameters
    revision = functools.partial(card.revision, **{k: v for k, v in params.items() if k in taken})
    search = {key: value for key, value in card.search.items() if key not in params}
    name = f"{card.name}({shown})"
    return replace(card, name=name, params={**card.params, **params}, revision=revision, search=search)


def load_model(card: ModelCard) -> Model:
    """Return the loaded model. Raises MissingExtra, with the command that installs it, where a package is missing."""
    try:
        return card.load(**card.params)
    except ModuleNotFoundError as error:
        extra = f'`pip install "baserate[{card.requires}]"`' if card.requires else f"`pip install {error.name}`"
        raise MissingExtra(f"model {card.name!r} needs the package {error.name!r}: {extra}") from error


def task_names() -> list[str]:
    """Return the names of all tasks and of their small variants, sorted."""
    cards = TASKS.all().values()
    return sorted({c.name for c in cards} | {f"{c.name}.small" for c in cards if c.small})
