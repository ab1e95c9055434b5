"""Metrics under integer weights, in vectorised numpy, and the expressions by which tasks name them.

A weight is how often an example was drawn: a metric under weights equals the metric on the data with each example
repeated that often. A metric is prepared once for its data and then evaluated for many draws, given as `counts`
(clusters, draws). Inside this package NaN marks a draw in which a metric is undefined; it never leaves.
"""

from .expressions import Expression, parse
from .kernels import TIE, Kernel, Prepare, additive, mean, mean_of, one_vs_rest, weighted_mean_of
from .metric import METRICS, Better, Metric, Span, metric

__all__ = [
    "METRICS",
    "TIE",
    "Better",
    "Expression",
    "Kernel",
    "Metric",
    "Prepare",
    "Span",
    "additive",
    "mean",
    "mean_of",
    "metric",
    "one_vs_rest",
    "parse",
    "weighted_mean_of",
]
