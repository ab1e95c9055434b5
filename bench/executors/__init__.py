"""Where the cells of a grid run, one file per executor."""

from .executor import EXECUTORS, Executor, executor

__all__ = ["EXECUTORS", "Executor", "executor"]
