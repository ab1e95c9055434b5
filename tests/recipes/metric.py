"""A metric: a function that prepares what is then computed for a thousand draws of clusters at once."""

import numpy as np

import baserate as br
from baserate.metrics.kernels import mean


@br.metric(
    "true_class",
    label="P(true class)",
    better="higher",
    needs="probabilities",
    must_vary="never",
    definition="the mean probability that the model gives the true class",
)
def true_class(targets, scores, cluster, n_clusters):
    return mean(scores[np.arange(len(targets)), targets], cluster, n_clusters)
