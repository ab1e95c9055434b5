"""Metrics under integer weights, in vectorised numpy, and the expressions that tasks name them by.

A weight is how often an example was drawn: a metric under weights equals the metric on the data with each example
repeated that often. A metric is prepared once for its data and then evaluated for many draws, held as `counts`
(clusters, draws). Inside this package NaN marks a draw in which a metric is undefined; it never leaves.
"""

from .catalogue import METRICS
from .expressions import Expression, parse
from .kernels import N_BINS, Kernel, Prepare, mean_of, weighted_mean_of
from .metric import Better, Metric

__all__ = [
    "METRICS",
    "N_BINS",
    "Better",
    "Expression",
    "Kernel",
    "Metric",
    "Prepare",
    "mean_of",
    "parse",
    "weighted_mean_of",
]
