"""The four ways to use a model. A mode names the capability that it needs, so models and tasks never meet in code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, NotApplicable, UnknownName
from .types import FloatArray, Inputs, IntArray, ModelCard, ModeName, Split, Task


@dataclass(frozen=True, eq=False)
class Job:
    """A loaded model, a task's split and a mode's settings: all that a mode needs.

    Each seed trains on its own `train_fraction` of the training clusters, the same for every model, and draws its own
    initial weights, so that the spread over seeds is real for deterministic models too.
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
        """The number of classes; 0 for a regression."""
        return len(self.task.classes) if self.task.kind == "classification" else 0

    def train_rows(self, seed: int) -> IntArray:
        """Return the rows of `split.train` that this seed trains on: whole clusters, drawn without replacement."""
        clusters, of_row = np.unique(self.split.train.clusters.astype(str), return_inverse=True)
        keep = max(1, round(self.train_fraction * len(clusters)))
        drawn = np.random.default_rng([20_260, seed]).permutation(len(clusters))[:keep]
        return np.flatnonzero(np.isin(of_row, drawn))


def zero_shot(job: Job) -> FloatArray:
    """Return (1, n, 1) scores by the model's rule: ALT over REF, higher where the model finds ALT the likelier."""
    from .zero_shot import masked_llr

    rules: dict[str, Callable[[Any, Inputs], FloatArray]] = {
        "masked_llr": masked_llr,
        "native": lambda model, inputs: np.asarray(model.score_variants(inputs)),
    }
    rule = rules.get(job.settings["rule"])
    if rule is None:
        raise UnknownName("zero-shot rule", job.settings["rule"], rules)
    scores: FloatArray = np.asarray(rule(job.model, job.split.test.inputs), dtype=np.float64)
    return scores.reshape(1, -1, 1)


def linear_probe(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of an L2-penalised linear model on frozen embeddings.

    Features are standardised on the seed's training rows and the penalty is chosen on valid. A variant's features are
    the embedding of ALT minus that of REF. Every sequence is embedded once for all seeds.
    """
    from .embeddings import embed_cached
    from .probes import fit_probe

    embed_settings = {k: v for k, v in job.settings.items() if k != "penalties"}

    def features(inputs: Inputs) -> NDArray[np.float32]:
        def embed(sequences: Any) -> NDArray[np.float32]:
            vectors: NDArray[np.float32] = embed_cached(
                job.model,
                sequences,
                revision=job.card.revision(),
                params=job.card.params,
                settings=embed_settings,
                cache=job.cache,
            )
            return vectors

        reference = embed(inputs.sequences)
        return reference if inputs.alternates is None else embed(inputs.alternates) - reference

    train, valid, test = (features(examples.inputs) for _, examples in job.split)
    scores = []
    for seed in job.seeds:
        rows = job.train_rows(seed)
        probe = fit_probe(
            train[rows],
            job.split.train.targets[rows],
            valid,
            job.split.valid.targets,
            n_classes=job.n_classes,
            penalties=job.settings["penalties"],
        )
        scores.append(probe.predict(test))
    return np.stack(scores)


def train(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid."""
    scores = []
    for seed in job.seeds:
        predictor = job.model.fit(
            job.split.train.take(job.train_rows(seed)),
            job.split.valid,
            n_classes=job.n_classes,
            seed=seed,
            **job.settings,
        )
        scores.append(predictor.predict(job.split.test.inputs))
    return np.stack(scores)


@dataclass(frozen=True)
class Mode:
    """A way to use a model: the methods that it needs (any one of them), its default settings, and what runs it."""

    name: ModeName
    needs: tuple[str, ...]
    run: Callable[[Job], FloatArray]
    trains: bool = True
    variants_only: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self, task: Task, card: ModelCard) -> None:
        """Raise NotApplicable, saying why, where the mode makes no sense for the task or the model."""
        if self.variants_only and not task.variants:
            raise NotApplicable(f"{self.name} scores variants; {task.name} has none")
        if card.variants is not None and card.variants != task.variants:
            wanted = "variants" if card.variants else "sequences"
            raise NotApplicable(f"{card.name} works on {wanted} only; {task.name} has none")

    def check_model(self, model: object, card: ModelCard) -> None:
        """Raise ConfigError where the loaded model lacks the capability."""
        if not any(hasattr(model, method) for method in self.needs):
            raise ConfigError(
                f"model {card.name!r} declares mode {self.name} but its {type(model).__name__} has no "
                f"{' or '.join(self.needs)}()"
            )


PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)

MODES: Mapping[ModeName, Mode] = MappingProxyType(
    {
        "zero_shot": Mode(
            "zero_shot",
            ("score_variants", "masked_log_probs"),
            zero_shot,
            trains=False,
            variants_only=True,
            settings={"rule": "native"},
        ),
        "linear_probe": Mode("linear_probe", ("embed",), linear_probe, settings={"penalties": PENALTIES}),
        "fine_tune": Mode("fine_tune", ("fit",), train),
        "from_scratch": Mode("from_scratch", ("fit",), train),
    }
)


def mode_settings(mode: ModeName, card: ModelCard) -> dict[str, Any]:
    """Return the mode's settings for this model: the defaults, overlaid by what the card declares."""
    return {**MODES[mode].settings, **card.modes.get(mode, {})}
