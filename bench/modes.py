"""The five ways to use a model. A mode names the capability that it needs, so models and tasks never meet in code."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sites
from .errors import ConfigError, DataError, NotApplicable, check_keys
from .families import FAMILIES
from .probes import PENALTIES, fit_probe
from .provenance import engine_digest
from .splits import draw_shots, few_shot
from .types import FloatArray, Inputs, IntArray, ModelCard, ModeName, Split, Task


@dataclass(frozen=True, eq=False)
class Job:
    """A loaded model, a task's split and a mode's settings: all that a mode needs.

    Each seed trains on its own `train_fraction` of the training clusters, the same for every model, and draws its own
    initial weights, so that the spread over seeds is real for deterministic models too. A random twin is drawn anew for
    each seed in every mode.
    """

    task: Task
    card: ModelCard
    model: Any
    split: Split
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    train_fraction: float
    cache: Path | None = None

    @property
    def n_classes(self) -> int:
        """The number of classes or labels; 0 for a regression."""
        return len(self.task.classes) if self.task.kind in ("classification", "multilabel") else 0

    @property
    def is_twin(self) -> bool:
        """Whether the model is a network with random weights."""
        return bool(getattr(self.model, "random_weights", False))

    def train_rows(self, seed: int) -> IntArray:
        """Return the rows of `split.train` that this seed trains on: whole clusters, drawn without replacement.

        Of a few-shot task they are the seed's own draw of its few examples.
        """
        rule = self.task.split
        if isinstance(rule, few_shot):
            return draw_shots(self.split.train, rule.shots, seed)
        clusters, of_row = np.unique(self.split.train.clusters.astype(str), return_inverse=True)
        keep = max(1, round(self.train_fraction * len(clusters)))
        drawn = np.random.default_rng([20_260, seed]).permutation(len(clusters))[:keep]
        return np.flatnonzero(np.isin(of_row, drawn))

    def model_of(self, seed: int) -> Any:
        """Return the model for a seed, remembering on disk what it computes of each sequence; a twin is drawn anew."""
        from .cache.cached_model import Remembering

        model = self.model.redrawn(seed) if self.is_twin else self.model
        if self.cache is None or self.card.baseline or hasattr(model, "learn"):
            return model
        drawn = {"seed": seed} if self.is_twin else {}
        key = {"model": self.card.name, "revision": self.card.revision(), **self.card.params, **drawn}
        family = FAMILIES.origin(self.card.family) if self.card.family in FAMILIES.all() else ""
        key |= {"precision": getattr(model, "precision", ""), "engine": engine_digest(family)}
        return Remembering(model, self.cache, key)

    def parameter_hash(self) -> str:
        """Return the digest of the model's parameters, '' if it has none; a twin's of all seeds, joined by '+'."""
        if self.is_twin:
            return "+".join(self.model.redrawn(seed).parameter_hash() for seed in self.seeds)
        return str(getattr(self.model, "parameter_hash", str)())


def zero_shot(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores by a rule: ALT over REF, NaN where the rule cannot score.

    Only a twin has more than one seed. A model that learns from unlabelled DNA sees the training inputs first.
    """
    from .zero_shot import score

    settings = dict(job.settings)
    rule, inputs, n = settings.pop("rule"), job.split.test.inputs, len(job.split.test)
    if job.task.kind == "paired":
        # The two of a pair differ anywhere, even where their source names a site; rules for variants know them by this.
        inputs = replace(inputs, positions=None)
    inputs = sites.windows(inputs, sites.CONTEXT) if sites.of_bases(inputs) else inputs
    n_bases = job.split.test.targets.shape[1] if job.task.kind == "generation" else 0
    scores = []
    for seed in job.seeds:
        model = job.model_of(seed)
        if hasattr(model, "learn"):
            model.learn(job.split.train.inputs)
        found = score(
            model,
            inputs,
            rule,
            deleterious=job.task.deleterious,
            train=job.split.train,
            n_bases=n_bases,
            **settings,
        )
        scores.append(np.asarray(found, dtype=np.float64).reshape(n, -1))
    return np.stack(scores)


def as_is(job: Job) -> FloatArray:
    """Return (1, n, k) scores of the head that the model brought, trained elsewhere.

    Where the head names its classes they are matched with the task's by name, else by their order. Raises NotApplicable
    where they are others, and DataError where they are no probabilities.
    """
    targets = job.split.test.targets
    scores = np.asarray(job.model.predict(_seen(job.split.test.inputs, job)), dtype=np.float64)
    wanted = job.n_classes or (1 if targets.ndim == 1 else targets.shape[1])
    if scores.ndim != 2 or scores.shape[1] != wanted:
        raise NotApplicable(
            f"{job.card.name}: its head gives {scores.shape[-1]} scores, {job.task.name} needs {wanted}"
        )
    labels = tuple(label.lower() for label in getattr(job.model, "labels", ()))
    classes = tuple(name.lower() for name in job.task.classes)
    if labels and job.n_classes:
        if sorted(labels) != sorted(classes):
            raise NotApplicable(
                f"{job.card.name}: its head tells {', '.join(labels)}; {job.task.name} {', '.join(classes)}"
            )
        scores = scores[:, [labels.index(name) for name in classes]]
    if job.n_classes:
        total = scores.sum(axis=1) if job.task.kind == "classification" else np.ones(len(scores))
        wrong = np.flatnonzero((scores < 0).any(axis=1) | (scores > 1 + 1e-3).any(axis=1) | (np.abs(total - 1) > 1e-3))
        if len(wrong):
            what = "class probabilities of sum 1" if job.task.kind == "classification" else "a probability a label"
            shown = ", ".join(f"{v:.4g}" for v in scores[wrong[0]][:6])
            raise DataError(f"{job.card.name}: predict gave {shown} for example {wrong[0]}; expected {what}")
    return scores[None]


def linear_probe(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of an L2-penalised linear model on frozen embeddings.

    Features are standardised on the seed's training rows. Where `layer` or `pooling` name several candidates, all come
    from one forward pass, and the one with the lowest loss on valid is taken, as is the penalty. With strands = 'both'
    the features are the mean over the two strands. A variant's features are the embedding of ALT minus that of REF; a
    base's are its own state or, of a model that has none, the embedding of `context` bases about it.
    """
    requests, settings = _requests(job.settings)
    parts = [examples.inputs for _, examples in job.split]
    scores = []
    train, valid, test = ([], [], [])  # type: tuple[list[Any], list[Any], list[Any]]
    for i, seed in enumerate(job.seeds):
        if i == 0 or job.is_twin:
            model = job.model_of(seed)
            train, valid, test = (_features(model, inputs, requests, settings) for inputs in parts)
        rows = job.train_rows(seed)
        probes = [
            fit_probe(
                x[rows],
                job.split.train.targets[rows],
                v,
                job.split.valid.targets,
                n_classes=job.n_classes,
                penalties=job.settings["penalties"],
            )
            for x, v in zip(train, valid, strict=True)
        ]
        best = min(range(len(probes)), key=lambda j: probes[j].valid_loss)
        scores.append(probes[best].predict(test[best]))
    return np.stack(scores)


def train(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid.

    Raises ConfigError for a setting that the model's fit() does not take.
    """
    taken = inspect.signature(job.model.fit).parameters.values()
    settings = {name: value for name, value in job.settings.items() if name != "context"}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken):
        check_keys(settings, [parameter.name for parameter in taken], f"settings of {job.card.name}")
    valid, test = (replace(e, inputs=_seen(e.inputs, job)) for e in (job.split.valid, job.split.test))
    scores = []
    for seed in job.seeds:
        part = job.split.train.take(job.train_rows(seed))
        predictor = job.model.fit(
            replace(part, inputs=_seen(part.inputs, job)), valid, n_classes=job.n_classes, seed=seed, **settings
        )
        scores.append(predictor.predict(test.inputs))
    return np.stack(scores)


def _seen(inputs: Inputs, job: Job) -> Inputs:
    """Return what the model is given: of a task of bases, windows about them unless it reads sites itself."""
    if not sites.of_bases(inputs) or getattr(job.model, "reads_sites", False):
        return inputs
    return sites.windows(inputs, job.settings.get("context", sites.CONTEXT))


def _requests(settings: Mapping[str, Any]) -> tuple[list[tuple[Any, Any]], dict[str, Any]]:
    """Return the (layer, pooling) candidates and the other settings of an embedding."""
    rest = {k: v for k, v in settings.items() if k not in ("penalties", "layer", "pooling")}
    layers, poolings = (_several(settings.get(key)) for key in ("layer", "pooling"))
    return list(itertools.product(layers, poolings)), rest


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _features(
    model: Any, inputs: Inputs, requests: Sequence[tuple[Any, Any]], settings: Mapping[str, Any]
) -> list[NDArray[np.float32]]:
    """Return the features (n, d) of each candidate."""
    from .dna.sequence import reverse_complement
    from .types import strings

    options = dict(settings)
    strands, context = options.pop("strands", "forward"), options.pop("context", sites.CONTEXT)
    if strands not in ("forward", "both"):
        raise ConfigError(f"strands = {strands!r}: expected 'forward' or 'both'")
    if sites.of_bases(inputs):
        if hasattr(model, "embed_sites"):
            asked = {k: v for k, v in options.items() if k == "max_length"}  # what else there is, is of whole sequences
            return _of_sites(model, inputs, [layer for layer, _ in requests], asked, both=strands == "both")
        inputs = sites.windows(inputs, context)

    def embed(sequences: Any) -> list[NDArray[np.float32]]:
        if hasattr(model, "embed_all"):
            return [_checked(model, v, len(sequences)) for v in model.embed_all(sequences, requests, **options)]
        named = [
            {k: v for k, v in zip(("layer", "pooling"), request, strict=True) if v is not None} for request in requests
        ]
        return [_checked(model, model.embed(sequences, **request, **options), len(sequences)) for request in named]

    def both(sequences: Any) -> list[NDArray[np.float32]]:
        forward = embed(sequences)
        if strands == "forward":
            return forward
        reverse = embed(strings([reverse_complement(s) for s in sequences]))
        return [np.float32(0.5) * (f + r) for f, r in zip(forward, reverse, strict=True)]

    reference = both(inputs.sequences)
    if inputs.alternates is None:
        return reference
    return [a - r for a, r in zip(both(inputs.alternates), reference, strict=True)]


def _of_sites(
    model: Any, inputs: Inputs, layers: Sequence[Any], settings: Mapping[str, Any], *, both: bool
) -> list[NDArray[np.float32]]:
    """Return the states (n, d) of the bases in each layer, or the mean of those on both strands."""
    found: dict[Any, NDArray[np.float32]] = {}
    for layer in layers:
        if layer not in found:
            named = dict(settings) if layer is None else {"layer": layer, **settings}
            strands = [inputs, sites.reversed_sites(inputs)] if both else [inputs]
            vectors = [_checked(model, sites.embed_sites(model, part, **named), len(inputs)) for part in strands]
            found[layer] = np.float32(0.5) * (vectors[0] + vectors[1]) if both else vectors[0]
    return [found[layer] for layer in layers]


def _checked(model: Any, vectors: Any, n: int) -> NDArray[np.float32]:
    """Return the vectors as float32 (n, d). Raises DataError where they are not that, or not finite."""
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) != n:
        raise DataError(f"{_named(model)}: embedding gave {found.shape} for {n} examples, expected (n, d)")
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise DataError(f"{_named(model)}: embedding gave a value that is not finite for example {bad[0]}")
    return found


def _named(model: Any) -> str:
    return str(getattr(model, "name", "") or type(model).__name__)


@dataclass(frozen=True)
class Mode:
    """A way to use a model: the methods that it needs (any one of them), its default settings, and what runs it."""

    name: ModeName
    needs: tuple[str, ...]
    run: Callable[[Job], FloatArray]
    trains: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    known: tuple[str, ...] = ()

    def changeable(self) -> tuple[str, ...]:
        """Return the names of the settings that a user may change."""
        if self.name != "zero_shot":
            return self.known
        from .zero_shot import RULES

        return ("rule", *(name for rule in RULES.values() for name in rule.settings))

    def check(self, task: Task, card: ModelCard) -> None:
        """Raise NotApplicable, saying why, where the mode makes no sense for the task or the model."""
        asks = task.variants or task.zero_shot or task.kind in ("paired", "generation")
        if self.name == "zero_shot" and not asks:
            raise NotApplicable(f"zero_shot scores variants and pairs; {task.name} has none and declares no rule")
        if self.name != "zero_shot" and task.kind == "paired":
            raise NotApplicable(f"{task.name} asks which of a pair is real; nothing is trained for that")
        if self.name != "zero_shot" and task.kind == "generation":
            raise NotApplicable(f"{task.name} asks for the bases that follow; nothing is trained for that")
        if self.trains and not task.trainable:
            raise NotApplicable(f"{task.name} has no training part: it is for zero-shot use")
        if card.variants is not None and card.variants != task.variants:
            wanted = "variants" if card.variants else "sequences"
            raise NotApplicable(f"{card.name} works on {wanted} only; {task.name} has none")

    def check_model(self, model: object, card: ModelCard) -> None:
        """Raise ConfigError where the loaded model lacks the capability."""
        if self.needs and not any(hasattr(model, method) for method in self.needs):
            raise ConfigError(
                f"model {card.name!r} declares mode {self.name} but its {type(model).__name__} has no "
                f"{' or '.join(self.needs)}()"
            )


_TRAINING = ("lr", "epochs", "batch_size", "warmup", "patience", "pooling", "max_length", "context")

MODES: Mapping[ModeName, Mode] = MappingProxyType(
    {
        "zero_shot": Mode("zero_shot", (), zero_shot, trains=False, settings={"rule": "native"}),
        "as_is": Mode("as_is", ("predict",), as_is, trains=False, known=("context",)),
        "linear_probe": Mode(
            "linear_probe",
            ("embed", "embed_all"),
            linear_probe,
            settings={"penalties": PENALTIES},
            known=("layer", "pooling", "strands", "max_length", "truncation", "penalties", "context"),
        ),
        "fine_tune": Mode("fine_tune", ("fit",), train, known=_TRAINING),
        "from_scratch": Mode("from_scratch", ("fit",), train, known=_TRAINING),
    }
)


def mode_settings(
    mode: ModeName, card: ModelCard, task: Task, changed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the mode's settings: its defaults, overlaid by the card's, the task's rule and what the user changed.

    A zero-shot rule brings its own settings, and a task without variants its own rule. What the user changed counts
    where the mode or the rule knows it; `context` is for tasks of bases. Raises UnknownName for a rule that there is
    none of.
    """
    settings = {**MODES[mode].settings, **card.modes.get(mode, {})}
    changed = {k: v for k, v in (changed or {}).items() if k in MODES[mode].changeable()}
    if not task.per_base:
        changed.pop("context", None)
    elif mode != "zero_shot":
        settings = {"context": sites.CONTEXT, **settings}
    if mode != "zero_shot":
        return {**settings, **changed}
    from .zero_shot import rule_of

    declared = task.zero_shot or (("generate",) if task.kind == "generation" else ())
    if declared and not (task.variants or (task.kind == "paired" and settings["rule"] == "native")):
        settings = {"rule": declared[0]}
    name = changed.pop("rule", settings["rule"])
    defaults = rule_of(name).settings
    own = settings if name == settings["rule"] else {}
    return {**defaults, **own, **{k: v for k, v in changed.items() if k in defaults}, "rule": name}
