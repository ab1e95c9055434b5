"""Transfer tasks: the examples of several tasks together, to train on one species and test on others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError, check_keys
from ..registry import get_task
from ..sources import concatenate
from ..splits import load_split
from ..types import Examples, Kind, Task, strings

_BASES = ("mcc", "auroc")


@dataclass(frozen=True)
class Transfer:
    """The source of a transfer: `members` are pairs of a species and a registered task.

    Members in `train` give all their parts, the others their test part only, so that a model is tested on the same
    examples as in each member's own task. The strata `species` and `part` say where an example comes from.
    """

    members: tuple[tuple[str, str], ...]
    train: tuple[str, ...]
    kind: Kind
    classes: tuple[str, ...]

    def __call__(self) -> Examples:
        """Return the examples, member by member. Raises ConfigError where two members do not fit together."""
        gathered = []
        for species, name in self.members:
            task = get_task(name)
            self._check(task)
            for part, examples in load_split(task, check=False):
                if len(examples) and (part == "test" or species in self.train):
                    gathered.append(_labelled(examples, species, part))
        return concatenate(gathered)

    def _check(self, task: Task) -> None:
        if task.kind != self.kind or task.variants or task.per_base:
            kind = "variants" if task.variants else "single bases" if task.per_base else f"a {task.kind}"
            raise ConfigError(
                f"task {task.id} is on {kind}; expected a {self.kind} task on sequences, as the transfer's card says"
            )
        has_names = not all(name.isdigit() for name in task.classes)
        if len(task.classes) != len(self.classes) or (has_names and task.classes != self.classes):
            raise ConfigError(
                f"task {task.id} has classes {', '.join(task.classes)}; the transfer has {', '.join(self.classes)}"
            )


def transfer_from(value: Mapping[str, Any], *, kind: Kind, classes: tuple[str, ...], where: str) -> Transfer:
    """Return the transfer that a card's [source] declares: tasks = {human = "a", mouse = "b"} and train = ["human"].

    Raises ConfigError, which begins with `where`, for a wrong value.
    """
    check_keys(value, ("tasks", "train"), f"{where}: [source]")
    members, train = value["tasks"], value.get("train")
    if not isinstance(members, dict) or len(members) < 2 or not all(isinstance(n, str) for n in members.values()):
        raise ConfigError(f'{where}: [source] tasks = {members!r}; expected a table such as {{human = "a", fly = "b"}}')
    if not isinstance(train, list) or not train or not set(map(str, train)) < set(members):
        raise ConfigError(
            f"{where}: [source] train = {train!r}; expected a list of some, but not all, of {', '.join(members)}"
        )
    if any(not name.isidentifier() for name in members):
        raise ConfigError(f"{where}: [source] tasks: {', '.join(members)}: expected names of letters, digits and _")
    return Transfer(tuple(members.items()), tuple(train), kind, classes)


def transfer_metrics(transfer: Transfer) -> tuple[str, ...]:
    """Return the metrics of a transfer: the mean over species not trained on, each species, and each drop."""
    others = [species for species, _ in transfer.members if species not in transfer.train]
    scopes = ["+".join(others), *transfer.train, *(others if len(others) > 1 else ())]
    scopes += [f"{trained}-{other}" for trained in transfer.train for other in others]
    bases = ("spearman", "pearson") if transfer.kind == "regression" else _BASES
    return tuple(f"{base}:species={scope}" for base in bases for scope in scopes)


def _labelled(examples: Examples, species: str, part: str) -> Examples:
    """Return the examples with ids, groups and clusters that begin with the species, so that members never collide."""
    n = len(examples)
    ids, groups, clusters = (
        strings([f"{species}:{name}" for name in column])
        for column in (examples.ids, examples.groups, examples.clusters)
    )
    columns = {"species": strings([species] * n), "part": strings([part] * n)}
    return replace(examples, ids=ids, groups=groups, clusters=clusters, strata=columns)
