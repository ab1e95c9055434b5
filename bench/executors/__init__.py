"""Where the cells of a grid run: a file an executor."""

from .executor import EXECUTORS, Executor, executor

__all__ = ["EXECUTORS", "Executor", "executor"]
