"""What embeddings hold, without labels in training: their rank, the classes in them, what they are like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cache.folder import cache_dir
from ..cards.find import find_models, find_task, with_twins
from ..dna.kmers import kmer_features
from ..dna.sequence import reverse_complement
from ..errors import ConfigError, NotApplicable
from ..isolation import isolated
from ..modes import MODES
from ..modes.features import embeddings, named
from ..modes.job import Job
from ..networks.hub import Access
from ..plan import Cell, plan
from ..probes.probe import PROBES
from ..registry import load_model
from ..splits import load_split
from ..types import Examples, FloatArray, Inputs, ModelCard, Split, Strings, Task, strings
from .description import MEASURES, Description, Spaces, measured
from .measures import principal

__all__ = ["MEASURES", "Description", "describe"]

MODE = "linear_probe"
"""The mode whose embeddings are described: what a probe reads, from the same cache."""
KMERS = "4-mers"
"""The name of the row of k-mer frequencies, which stand in for an embedding as the floor."""
_K = 4
LIMIT = 2000
_FEWEST, _MOST = 20, 10_000
"""The test examples that a description takes; its tables of all pairs have 0.8 GB each at the most."""


def describe(
    task: str | Path | Task,
    models: Sequence[str | Path | ModelCard] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    random_weights: bool = False,
    limit: int = LIMIT,
    cache: bool = True,
    access: Access | None = None,
    started: Callable[[str], None] = lambda name: None,
) -> list[Description]:
    """Return what the embeddings of a task's test examples hold, of 4-mer frequencies first, then of each model.

    Nothing is trained, and labels are only compared with. Embeddings are those of the mode linear_probe in these
    `settings`, a description for each layer and pooling that they name; with `random_weights` each network is followed
    by its twin. Of a test part of more than `limit` examples a fixed subset is taken, 0 for all; the work grows with
    its square. `started` is called with the name of each model. Raises ConfigError for a model without embeddings, and
    NotApplicable for a task that has no whole sequences.
    """
    found = find_task(str(task)) if isinstance(task, (str, Path)) else task
    if found.per_base or found.kind in ("paired", "generation"):
        what = "single bases" if found.per_base else f"a {found.kind} task"
        raise NotApplicable(f"{found.name} is on {what}; expected a task on whole sequences or variants")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise ConfigError(f"limit = {limit!r}; expected a number of test examples, 0 for all")
    cells = _cells(found, models, settings, random_weights=random_weights, access=access or Access())
    split = load_split(found, limit=limit)
    if len(split.test) < _FEWEST:
        raise NotApplicable(f"{found.id}: {len(split.test)} test examples; expected {_FEWEST} or more")
    if len(split.test) > _MOST:
        raise NotApplicable(
            f"{found.id}: {len(split.test):,} test examples at once; expected at most {_MOST:,}, as by limit = {_MOST}"
        )
    folder = cache_dir() if cache else None
    return [_of_kmers(found, split), *(d for cell in cells for d in _of_model(cell, split, folder, started))]


def _cells(
    task: Task,
    models: Sequence[str | Path | ModelCard],
    settings: Mapping[str, Any] | None,
    *,
    random_weights: bool,
    access: Access,
) -> list[Cell]:
    if not models:
        return []
    names = [str(model) for model in models if isinstance(model, (str, Path))]
    cards = [*(find_models(names, access) if names else []), *(m for m in models if isinstance(m, ModelCard))]
    for card in cards:
        if MODE not in card.modes:
            raise ConfigError(f"model {card.name!r} has no mode {MODE}, so no embeddings: {', '.join(card.modes)}")
    cells = plan([task], with_twins(cards) if random_weights else cards, [MODE], settings)
    for cell in cells:
        if PROBES.get(cell.resolved["probe"]).tokens:
            raise ConfigError(f"probe = {cell.resolved['probe']!r} reads tokens; a description is of whole sequences")
    return cells


def _of_kmers(task: Task, split: Split) -> Description:
    def of(inputs: Inputs) -> FloatArray:
        return _change(inputs, lambda sequences: kmer_features(sequences, (_K,)).toarray().astype(np.float64))

    test = split.test
    reverse = None if test.inputs.alternates is not None else of(_turned(test.inputs))
    return _description(task, split, (KMERS, "", {"k": _K}), of(test.inputs), reverse)


def _of_model(cell: Cell, split: Split, cache: Path | None, started: Callable[[str], None]) -> Iterator[Description]:
    started(cell.card.name)
    mode, test = MODES.get(cell.mode), split.test
    with isolated(network=not cell.card.baseline):
        model = load_model(cell.card)
        mode.check_model(model, cell.card)
        job = Job(cell.task, cell.card, model, split, cell.resolved, (0,), 1.0, cache)
        forward = embeddings(job, test.inputs, 0)
        turned = None if test.inputs.alternates is not None else embeddings(job, _turned(test.inputs), 0)
    for request, vectors in forward.items():
        about = {k: v for k, v in cell.resolved.items() if k not in PROBES.get(cell.resolved["probe"]).settings}
        about = {k: v for k, v in {**about, **named(request)}.items() if k != "probe"}
        row = cell.card.name, cell.card.revision(), about
        yield _description(cell.task, split, row, vectors, None if turned is None else turned[request])


def _description(
    task: Task, split: Split, row: tuple[str, str, Mapping[str, Any]], forward: Any, reverse: Any
) -> Description:
    test = split.test
    model, revision, settings = row
    has_classes = task.kind == "classification"
    at, shares = principal(forward)
    return Description(
        task=task.id,
        model=model,
        revision=revision,
        data=test.fingerprint,
        settings=settings,
        n=len(test),
        dimensions=forward.shape[1],
        measures=measured(task, test, forward, reverse, _spaces(test)),
        components=at,
        shares=tuple(float(share) for share in shares),
        labels=tuple(task.classes[int(t)] for t in test.targets) if has_classes else None,
    )


def _spaces(test: Examples) -> Spaces:
    inputs = test.inputs
    return Spaces(
        _change(inputs, lambda sequences: kmer_features(sequences, (_K,)).toarray().astype(np.float64)),
        _change(inputs, _gc),
        _change(inputs, lambda sequences: np.array([[float(len(s))] for s in sequences])),
    )


def _change(inputs: Inputs, of: Callable[[Strings], FloatArray]) -> FloatArray:
    """Return `of` the sequences, or for variants of ALT minus that of REF, as embeddings are."""
    return of(inputs.sequences) if inputs.alternates is None else of(inputs.alternates) - of(inputs.sequences)


def _gc(sequences: Strings) -> FloatArray:
    shares = []
    for sequence in sequences:
        strong = sequence.count("G") + sequence.count("C")
        bases = strong + sequence.count("A") + sequence.count("T")
        shares.append([strong / bases if bases else 0.0])
    return np.array(shares, np.float64)


def _turned(inputs: Inputs) -> Inputs:
    return replace(inputs, sequences=strings([reverse_complement(s) for s in inputs.sequences]))
