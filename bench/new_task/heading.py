"""The keys at the head of a card: name, kind, classes and their direction, metrics, transform, description."""

from __future__ import annotations

from ..errors import ConfigError
from .direction import direction_of
from .measured import propose_transform
from .roles import Guess, Roles


def direction_keys(roles: Roles, reference: str, given: bool | None) -> list[Guess]:
    """Return the key that says which variants are the more harmful, and put the classes in this order.

    Raises ConfigError where it is `given` of a task without variants.
    """
    changed = roles.form == "variants" or "alternate" in roles.taken.values()
    if roles.kind == "paired" or not changed or len(roles.classes) > 2 or roles.target is None:
        if given is not None:
            option = "--deleterious" if given else "--not-deleterious"
            raise ConfigError(f"{option}: {reference} asks for no direction of variants; leave the option out")
        return []
    direction = direction_of(roles.target.name, roles.classes, given=given)
    roles.classes = direction.classes
    if direction.deleterious is not None:
        return [Guess("deleterious", direction.deleterious, direction.reason)]
    last = f"{roles.classes[1]!r}" if roles.classes else f"a higher {roles.target.name!r}"
    roles.notes.append(
        f"the names do not tell which variants are the more harmful, so zero-shot scores will not be ranked; if {last} "
        "is, add --deleterious, if it is the less harmful, --not-deleterious"
    )
    return []


def heading(name: str, roles: Roles, direction: list[Guess]) -> list[Guess]:
    """Return the keys at the head of the card of a task, of which `direction` is one."""
    column = roles.target
    kind = {
        "classification": f"{len(roles.classes)} classes",
        "multilabel": f"{len(roles.classes)} labels; a row may have several",
        "regression": "numbers",
        "paired": "two sequences per row and no target",
    }.get(roles.kind, "")
    if roles.kind == "regression" and column is not None and column.holds == "whole numbers":
        kind = f"{len(column.counts):,} different whole numbers; 'classification' if they are classes"
    out = [Guess("name", name), Guess("version", 1), Guess("kind", roles.kind, kind)]
    if roles.classes:
        last = "in this order; a high score means the last" if len(roles.classes) == 2 else ""
        out.append(Guess("classes", list(roles.classes), last if roles.kind == "classification" else ""))
    out += direction
    changed = roles.form == "variants" or "alternate" in roles.taken.values()
    if changed and roles.kind == "classification" and len(roles.classes) == 2:
        out.append(
            Guess("metrics", ["auroc", "auprc", "mcc"], "ranking metrics first: a zero-shot score has no classes")
        )
    if roles.kind == "regression":
        out += propose_transform([c for c in roles.columns.values() if roles.taken.get(c.name) == "target"])
    content = f"{roles.sample.n:,} pairs" if roles.kind == "paired" else f"{roles.sample.n:,} peaks and their negatives"
    if column is not None:
        content = f"{column.name} of {roles.sample.n:,} rows"
    out.append(Guess("description", f"{name}: {content}.", "say in one sentence what is predicted from what"))
    return out
