"""A loaded model, a task's split and a mode's settings: all that a mode needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..networks.families import FAMILIES
from ..provenance import engine_digest
from ..results import Choice
from ..settings import Search
from ..splits import draw_shots, few_shot, resampled
from ..transforms import Fitted, fit_transform
from ..types import Examples, FloatArray, Inputs, IntArray, ModelCard, Split, Task
from . import per_base, variants
from .scoring import Scorer, scorer_of
from .trials import draw_trials


@dataclass(frozen=True, eq=False)
class Job:
    """A loaded model, a task's split and a mode's settings: all that a mode needs.

    Each seed trains on its own `train_fraction` of the training clusters, the same for every model, and draws its own
    initial weights, so that the spread over seeds is real for deterministic models too. A random twin is drawn anew for
    each seed in every mode. `notes` are what a reader of the result must know, added by the mode, `choices` what each
    seed chose on valid, and `looks` the seed of each trained model that was scored on the test examples. `space` is
    where trials draw settings and parameters of the model, under a `budget` of so many trials. Where `sample` is a
    number all seeds train on the training sample of that seed. By `resample` each of the `draws`, all seeds of a cell,
    trains on a training set of its own. Trained models that can be saved are, under `models`. `transform` is that of
    targets which are learnt transformed.
    """

    task: Task
    card: ModelCard
    model: Any
    split: Split
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    train_fraction: float
    cache: Path | None = None
    notes: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    space: Mapping[str, Search] = field(default_factory=dict)
    budget: int = 1
    sample: int | None = None
    measured: tuple[Examples, Callable[[FloatArray], FloatArray]] | None = None
    models: Path | None = None
    transform: Fitted | None = None
    resample: str = ""
    draws: tuple[int, ...] = ()

    @property
    def n_classes(self) -> int:
        """The number of classes or labels; 0 for a regression."""
        return len(self.task.classes) if self.task.kind in ("classification", "multilabel") else 0

    @property
    def is_twin(self) -> bool:
        """Whether the model is a network with random weights."""
        return bool(getattr(self.model, "random_weights", False))

    def trials(self) -> list[dict[str, Any]]:
        """Return what each trial of the budget changes, nothing in the first; that of the choice where it is made."""
        if self.choices:
            first = self.choices[0]
            return [dict(first.trials[first.trial].changed) if first.trials else {}]
        return draw_trials(self.space, self.budget, {**self.card.params, **self.settings})

    def train_rows(self, seed: int) -> IntArray:
        """Return the rows of `split.train` that this seed trains on: whole clusters, drawn without replacement.

        In a few-shot task they are the seed's own draw of a few examples. By `resample` a row may be there twice.
        """
        seed = seed if self.sample is None else self.sample
        rule = self.task.split
        if isinstance(rule, few_shot):
            return draw_shots(self.split.train, rule.shots, seed)
        if self.resample:
            return resampled(self.split.train, self.resample, seed=seed, seeds=self.draws)
        clusters, of_row = np.unique(self.split.train.clusters.astype(str), return_inverse=True)
        keep = max(1, round(self.train_fraction * len(clusters)))
        drawn = np.random.default_rng([20_260, seed]).permutation(len(clusters))[:keep]
        return np.flatnonzero(np.isin(of_row, drawn))

    def transformed(self, seed: int) -> tuple[Job, Callable[[FloatArray], FloatArray]]:
        """Return the job of one seed with transformed targets of train and valid, and what takes predictions back.

        The transform is fitted on the rows that the seed trains on; test targets stay as they are, and so do those by
        which predictions of valid are scored.
        """
        train, valid, test = self.split.train, self.split.valid, self.split.test
        fitted = fit_transform(self.task.transform, train.targets[self.train_rows(seed)])
        measured = valid, fitted.undo
        train, valid = (replace(e, targets=fitted.apply(e.targets)) for e in (train, valid))
        learnt = replace(self, split=Split(train, valid, test), seeds=(seed,), measured=measured, transform=fitted)
        return learnt, fitted.undo

    @functools.cached_property
    def scorer(self) -> Scorer:
        """What scores predictions of valid by the task's primary metric, on the measured scale."""
        return scorer_of(self.task, *(self.measured or (self.split.valid,)))

    def model_of(self, seed: int) -> Any:
        """Return the model for a seed, its outputs for each sequence cached on disk; a twin is drawn anew."""
        from ..cache.cached_model import CachedModel

        model = self.model.redrawn(seed) if self.is_twin else self.model
        if self.cache is None or self.card.baseline or hasattr(model, "learn"):
            return model
        drawn = {"seed": seed} if self.is_twin else {}
        key = {"model": self.card.name, "revision": self.card.revision(), **self.card.params, **drawn}
        family = FAMILIES.origin(self.card.family) if self.card.family in FAMILIES.all() else ""
        key |= {"precision": getattr(model, "precision", ""), "engine": engine_digest(family)}
        return CachedModel(model, self.cache, key)

    def parameter_hash(self) -> str:
        """Return the digest of the model's parameters, '' if it has none; a twin's for every seed, joined by '+'."""
        if self.is_twin:
            return "+".join(self.model.redrawn(seed).parameter_hash() for seed in self.seeds)
        return str(getattr(self.model, "parameter_hash", str)())

    def centred(self, inputs: Inputs) -> Inputs:
        """Return the inputs with windows about the variant where a network would cut a longer one to a part without it.

        A note says of how many examples of test.
        """
        settings, usable = self.settings, getattr(self.model, "usable", None)
        keep = usable(settings.get("max_length")) if usable is not None else None
        if keep is None or inputs.alternates is None or inputs.positions is None or settings.get("window") == "chunk":
            return inputs
        rows = variants.unread(inputs, keep, settings.get("truncation", "both"))
        if not len(rows):
            return inputs
        note = f"cut about their variants, not in the middle: {len(rows)} of {len(inputs)}"
        if inputs is self.split.test.inputs and note not in self.notes:
            self.notes.append(note)
        return variants.centred(inputs, rows, keep)

    def seen(self, inputs: Inputs) -> Inputs:
        """Return the inputs as the model takes them: in a task of bases, windows about these unless it reads sites.

        Windows of variants are `centred`.
        """
        inputs = self.centred(inputs)
        if not inputs.per_base or getattr(self.model, "reads_sites", False):
            return inputs
        return per_base.windows(inputs, self.settings["context"])
