"""The five ways to use a model. A mode names the capability that it needs, so models and tasks never meet in code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError, NotApplicable
from ..probes.linear import PENALTIES
from ..types import FloatArray, ModelCard, ModeName, Task
from . import per_base
from .as_is import as_is
from .job import Job
from .linear_probe import linear_probe
from .train import train
from .zero_shot import zero_shot


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
        from ..zero_shot import RULES

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
        settings = {"context": per_base.CONTEXT, **settings}
    if mode != "zero_shot":
        return {**settings, **changed}
    from ..zero_shot import rule_of

    declared = task.zero_shot or (("generate",) if task.kind == "generation" else ())
    if declared and not (task.variants or (task.kind == "paired" and settings["rule"] == "native")):
        settings = {"rule": declared[0]}
    name = changed.pop("rule", settings["rule"])
    defaults = rule_of(name).settings
    own = settings if name == settings["rule"] else {}
    return {**defaults, **own, **{k: v for k, v in changed.items() if k in defaults}, "rule": name}
