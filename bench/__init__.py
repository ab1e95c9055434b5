"""baserate: what does a genomics foundation model add over the base rate?

    import baserate as br

    record = br.evaluate("yeast_coding.small", "kmer_logreg")
    records = br.run(tasks=["yeast_coding.small"], models=["cnn", "./my_checkpoint"], results="results")
    br.leaderboard("results").to_frame()

Every public name is imported when it is first used, so that importing baserate costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if __name__ == "bench":
    raise ImportError("this folder installs as the package 'baserate'; run `pip install -e .` and `import baserate`")

if TYPE_CHECKING:
    from .api import evaluate as evaluate
    from .api import frame_task as frame_task
    from .api import leaderboard as leaderboard
    from .api import load_split as load_split
    from .api import models as models
    from .api import run as run
    from .api import tasks as tasks
    from .describe import describe as describe
    from .errors import BaserateError as BaserateError
    from .executors import executor as executor
    from .leaderboard.columns import column as column
    from .leaderboard.compare import compare as compare
    from .leaderboard.fields import field as field
    from .metrics.metric import metric as metric
    from .modes.mode import mode as mode
    from .probes.probe import probe as probe
    from .records import read_records as read_records
    from .registry import baseline as baseline
    from .registry import get_model as get_model
    from .registry import get_task as get_task
    from .registry import model as model
    from .registry import task as task
    from .zero_shot.rule import rule as rule

__version__ = "0.1.0"

_PUBLIC = {
    "evaluate": "api",
    "frame_task": "api",
    "leaderboard": "api",
    "load_split": "api",
    "models": "api",
    "run": "api",
    "tasks": "api",
    "describe": "describe",
    "BaserateError": "errors",
    "executor": "executors",
    "column": "leaderboard.columns",
    "compare": "leaderboard.compare",
    "field": "leaderboard.fields",
    "metric": "metrics.metric",
    "mode": "modes.mode",
    "probe": "probes.probe",
    "read_records": "records",
    "baseline": "registry",
    "get_model": "registry",
    "get_task": "registry",
    "model": "registry",
    "task": "registry",
    "rule": "zero_shot.rule",
}
"""Every public name, and the module that defines it."""

__all__ = [*_PUBLIC]


class _Package(ModuleType):
    """The package as users see it: `baserate.run` is the function, though a module has that name too."""

    def __getattribute__(self, name: str) -> Any:
        if name in _PUBLIC:
            return getattr(importlib.import_module(f"baserate.{_PUBLIC[name]}"), name)
        return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_PUBLIC})


sys.modules[__name__].__class__ = _Package
