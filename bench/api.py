"""The functions that scripts, notebooks and the command line call: names in, records out.

import baserate as br

record = br.evaluate("yeast_coding.small", "kmer_logreg")
records = br.run(tasks=["gue.prom_*"], models=["cnn", "./my_checkpoint"], modes=["linear_probe"], results="results")
br.leaderboard("results").to_frame()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BaserateError, ConfigError
from .types import ModelCard, Split, Task

if TYPE_CHECKING:
    import pandas as pd

    from .leaderboard import Leaderboard
    from .networks.hub import Access
    from .outcomes import Result
    from .plan import Cell
    from .records import Record


@dataclass(frozen=True)
class Planned:
    """The cells of a call, the name of the grid in their records, and a suite's seeds and lock, if any."""

    cells: list[Cell]
    grid: str
    seeds: tuple[int, ...] = ()
    lock: bool = False


def evaluate(
    task: str | Path | Task,
    model: Any,
    mode: str = "",
    *,
    name: str = "",
    revision: str = "",
    settings: Mapping[str, Any] | None = None,
    budget: int | str = 1,
    replicates: int = 0,
    resample: str = "",
    check_strand: bool = False,
    check_reference: bool = False,
    seeds: Sequence[int] = (),
    limit: int = 0,
    results: str | Path | None = None,
    lock: bool = False,
    reason: str = "",
    audit: bool = True,
    cache: bool = True,
    trust_remote_code: Sequence[str] = (),
    allow_pickle: bool = False,
    progress: bool = True,
) -> Record:
    """Return the record of one model in one mode on one task, the same as the command line's.

    `model` is a name as `--model` takes it, a card, or an object of yours: a scikit-learn estimator, a function that
    embeds a list of str, a pair of a network and its tokenizer, or anything with the methods of a model; `name` is then
    its name in the record, and `revision` distinguishes this version of it from others. The record is written under
    `results` if that is given, and read from there if it exists already; its predictions are at `record.predictions`
    in either case. With a `budget` above 1 so many trials of settings are made, and one is chosen on valid. With a
    `lock` on `results` a second look at a task's test part in other settings needs a `reason`. Raises BaserateError, in
    one line, for a mistake and for a cell that fails.
    """
    card = _card(model, name=name, revision=revision, access=_access(trust_remote_code, allow_pickle))
    modes = (mode,) if mode else tuple(card.modes)
    if len(modes) != 1:
        raise ConfigError(f"model {card.name!r} has the modes {', '.join(modes)}; name one, as in mode={modes[0]!r}")
    if mode and mode not in card.modes:
        raise ConfigError(f"model {card.name!r} has no mode {mode!r}; it has {', '.join(card.modes)}")
    (result,) = _results(
        Planned(_plan([_task(task)], [card], modes, settings, budget), "run"),
        {
            "seeds": seeds,
            "limit": limit,
            "replicates": replicates,
            "resample": resample,
            "check_strand": check_strand,
            "check_reference": check_reference,
        },
        results=results,
        lock=lock,
        reason=reason,
        audit=audit,
        cache=cache,
        progress=progress,
    )
    if result.record is None or result.record.status != "done":
        raise BaserateError(f"{result.cell}: {_last_line(result.reason)}")
    return result.record


def run(
    tasks: str | Path | Task | Sequence[str | Path | Task] = (),
    models: Any = (),
    modes: str | Sequence[str] = (),
    *,
    suite: str = "",
    settings: Mapping[str, Any] | None = None,
    budget: int | str | Sequence[int | str] = (),
    shots: str | Sequence[int | str] = (),
    replicates: int = 0,
    resample: str = "",
    check_strand: bool = False,
    check_reference: bool = False,
    random_weights: bool = False,
    save_models: str | Path | None = None,
    seeds: Sequence[int] = (),
    limit: int = 0,
    results: str | Path | None = "results",
    lock: bool = False,
    reason: str = "",
    audit: bool = True,
    fail_on_leak: bool = False,
    fresh_versions: bool = False,
    cache: bool = True,
    executor: str = "",
    workers: int = 1,
    trust_remote_code: Sequence[str] = (),
    allow_pickle: bool = False,
    progress: bool = True,
) -> list[Record]:
    """Return the records of models on tasks, in the order of the cells; what is done already is read from `results`.

    Names, globs and files are those of `--task`, `--model` and `--mode`: all baselines without `models`, all modes of a
    model without `modes`. Models beside a `suite` are run with its own. Your own objects are those that `evaluate`
    takes, and `{"name": object}` names them. A cell that fails has a record with its error; one whose data are not
    available has none. With `results` None nothing is written. `fresh_versions` runs again what was made under other
    versions of baserate, torch or transformers than those installed. A `budget` is how many trials of settings a cell
    makes, from which it chooses on valid: a number, a name such as 'standard', or several. `shots` are numbers of
    training examples per class, or 'full', each a task of its own. `replicates` R trains R x R models beside, to tell
    the noise of training samples from that of seeds. By `resample` 'train' each seed trains on another bootstrap sample
    of clusters, by 'train=disjoint' on clusters of its own. `check_strand` scores the other strand too, for the
    record's `strand`, and `check_reference` gives zero-shot scores of variants the stratum `reference_likelihood`. With
    `save_models` fine-tuned networks are saved in that folder, each in one of its own that
    `--model` takes. `workers` is how many cells run at once, each in its own process. `lock` sets a lock on `results`:
    from then on a second look at a task's test part by a model in other settings needs a `reason`. Raises BaserateError
    for a mistake in the call.
    """
    planned = cells_of(
        suite=suite,
        tasks=_listed(tasks),
        models=models if isinstance(models, Mapping) else _listed(models),
        modes=_listed(modes),
        settings=settings,
        budget=budget,
        shots=shots,
        random_weights=random_weights,
        access=_access(trust_remote_code, allow_pickle),
    )
    cell_results = _results(
        planned,
        {
            "seeds": seeds,
            "limit": limit,
            "replicates": replicates,
            "resample": resample,
            "check_strand": check_strand,
            "check_reference": check_reference,
        },
        results=results,
        lock=lock,
        reason=reason,
        audit=audit,
        models=None if save_models is None else Path(save_models),
        refuse_leaks=fail_on_leak,
        fresh_versions=fresh_versions,
        cache=cache,
        executor=executor,
        workers=workers,
        progress=progress,
    )
    return [result.record for result in cell_results if result.record is not None]


def leaderboard(
    results: str | Path | Iterable[Record] = "results", *, baseline: str = "", strata: Sequence[str] = ()
) -> Leaderboard:
    """Return the leaderboard of a folder or of records, with gains over the `baseline`, if named; see `to_frame()`.

    `strata` are columns, such as 'gc', 'length' or one of the task's, by whose values the primary score is shown too.
    """
    from .leaderboard import build_leaderboard

    return build_leaderboard(results, baseline=baseline, strata=_listed(strata))


def tasks() -> pd.DataFrame:
    """Return the registered tasks as a data frame: name, question, sizes, whether there is a small variant."""
    return _frame("tasks")


def models() -> pd.DataFrame:
    """Return the registered models and baselines as a data frame: name, modes, description, whether a baseline."""
    frames = [_frame(kind).assign(baseline=kind == "baselines") for kind in ("models", "baselines")]
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def load_split(task: str | Path | Task, *, limit: int = 0) -> Split:
    """Return the train, valid and test examples of a task; `load_split("yeast_coding").test.to_frame()` shows them."""
    from .splits import load_split as load

    return load(_task(task), limit=limit)


def frame_task(frame: pd.DataFrame, name: str, **keys: Any) -> Task:
    """Return the task whose examples are the rows of a data frame; see `cards.frame.frame_task` for the keywords."""
    from .cards.frame import frame_task as from_frame

    return from_frame(frame, name, **keys)


def cells_of(
    *,
    suite: str = "",
    tasks: Sequence[str | Path | Task] = (),
    models: Sequence[Any] | Mapping[str, Any] = (),
    modes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    budget: Any = (),
    shots: Any = (),
    random_weights: bool = False,
    access: Access | None = None,
) -> Planned:
    """Return the cells that a call names: those of a suite, or of tasks x models x modes.

    Raises ConfigError where the call names both or neither, or nothing that can be run.
    """
    from .cards.checkpoint import NO_ACCESS
    from .cards.find import find_models, with_twins
    from .cards.suite import load_suite

    granted = access or NO_ACCESS
    if bool(suite) == bool(tasks):
        raise ConfigError("name either a suite or one or more tasks; `baserate list` shows what there is")
    if suite:
        names = [] if isinstance(models, Mapping) else [str(m) for m in models if isinstance(m, (str, Path))]
        if modes or settings or len(names) < len(models):
            raise ConfigError(
                "modes, settings and objects as models go with tasks; a suite has its own, and adds models by name"
            )
        if random_weights and not names:
            raise ConfigError("random weights go with models that are named; a suite has its own twins")
        loaded = load_suite(suite, granted, budget, shots, models=names, random_weights=random_weights)
        return Planned(loaded.cells, loaded.name, loaded.seeds, loaded.lock)
    if isinstance(models, Mapping):
        cards = [_card(model, access=granted, name=name) for name, model in models.items()]
    else:
        names = [str(model) for model in models if isinstance(model, (str, Path))]
        cards = find_models(names, granted) if names or not models else []
        cards += [_card(model, access=granted) for model in models if not isinstance(model, (str, Path))]
    cells = _plan(tasks, with_twins(cards) if random_weights else cards, modes, settings, budget, shots)
    if not cells:
        raise ConfigError(f"no model named here has mode {' or '.join(modes)}; `baserate show MODEL` lists its modes")
    return Planned(cells, "run")


def _plan(
    tasks: Sequence[str | Path | Task],
    cards: Sequence[ModelCard],
    modes: Sequence[str],
    settings: Mapping[str, Any] | None,
    budget: Any,
    shots: Any = (),
) -> list[Cell]:
    from .cards.find import find_tasks, with_shots
    from .plan import budgets_of, plan

    named_tasks = find_tasks([str(task) for task in tasks if isinstance(task, (str, Path))])
    own = [_task(task) for task in tasks if not isinstance(task, (str, Path))]
    return plan(with_shots([*named_tasks, *own], shots), cards, modes, settings, budgets_of(budget or 1))


def _results(
    planned: Planned,
    protocol: Mapping[str, Any],
    *,
    results: str | Path | None,
    lock: bool,
    reason: str,
    audit: bool,
    cache: bool,
    progress: bool,
    models: Path | None = None,
    refuse_leaks: bool = False,
    fresh_versions: bool = False,
    executor: str = "",
    workers: int = 1,
) -> list[Result]:
    from .cache.folder import cache_dir
    from .plan import Protocol
    from .progress import Bars
    from .run import Grid
    from .storage import local

    shared = Protocol(**{**protocol, "seeds": _seeds(protocol["seeds"]) or planned.seeds}, grid=planned.grid)
    with Bars(len(planned.cells), shown=progress) as bars:
        grid = Grid(
            None if results is None else local(results),
            shared,
            cache_dir() if cache else None,
            audited=audit,
            refuse_leaks=refuse_leaks,
            models=models,
            fresh_versions=fresh_versions,
            executor=executor,
            workers=workers,
            lock=lock or planned.lock,
            reason=reason,
            started=bars.started,
            finished=bars.finished,
        )
        return list(grid.each(planned.cells))


def _seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(seeds)
    if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in chosen):
        raise ConfigError(f"seeds = {chosen!r}; expected whole numbers from 0, such as (0, 1, 2)")
    if len(set(chosen)) != len(chosen):
        raise ConfigError(f"seeds = {chosen!r}; expected each seed once")
    return chosen


def _card(model: Any, *, access: Access, name: str = "", revision: str = "") -> ModelCard:
    if isinstance(model, ModelCard):
        return model
    if isinstance(model, (str, Path)):
        from .cards.find import find_model

        return find_model(str(model), access)
    from .cards.objects import card_of

    return card_of(model, name=name, revision=revision)


def _task(task: str | Path | Task) -> Task:
    from .cards.find import find_task

    if isinstance(task, Task):
        return task
    if isinstance(task, (str, Path)):
        return find_task(str(task))
    raise ConfigError(
        f"a task is a name, a file or a Task, not a {type(task).__name__}; frame_task makes one from a data frame"
    )


def _access(trusted: Sequence[str], allow_pickle: bool) -> Access:
    from .networks.hub import Access

    return Access(tuple(_listed(trusted)), allow_pickle)


def _frame(kind: str) -> pd.DataFrame:
    import pandas as pd

    from .cards.listing import listing

    return pd.DataFrame(listing([kind])[kind])


def _listed(value: Any) -> list[Any]:
    """Return the value as a list; a pair of a network and its tokenizer is one item."""
    is_pair = isinstance(value, tuple) and len(value) == 2 and hasattr(value[0], "parameters")
    return list(value) if isinstance(value, (list, tuple)) and not is_pair else [value]


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else "no reason given"
