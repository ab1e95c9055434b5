"""Where the cells of a grid run, one file per executor."""

from .executor import EXECUTORS, Executor, Lost, executor

__all__ = ["EXECUTORS", "Executor", "Lost", "executor"]
