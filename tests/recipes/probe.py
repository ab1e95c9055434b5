"""A probe, fitted on frozen embeddings: `--mode linear_probe --set probe=centroids --set shrinkage=0.5`."""

from dataclasses import dataclass

import numpy as np

import baserate as br
from baserate.errors import NotApplicable
from baserate.settings import share


@dataclass
class Centroids:
    means: np.ndarray
    valid_loss: float = 0.0  # by which one of several layers or poolings is chosen; lower is better

    def predict(self, x):
        """Return class probabilities (n, classes)."""
        near = -((x[:, None] - self.means) ** 2).sum(axis=2)
        near = np.exp(near - near.max(axis=1, keepdims=True))
        return near / near.sum(axis=1, keepdims=True)


@br.probe(
    "centroids",
    description="The nearest class mean.",
    settings={"shrinkage": share(0.1, "how far class means are moved to the mean of all")},
    version=1,
)
def fit(train_x, train_y, valid_x, valid_y, *, n_classes, seed, shrinkage):
    if not n_classes:
        raise NotApplicable("centroids are of classes")
    means = np.stack([train_x[train_y == label].mean(axis=0) for label in range(n_classes)])
    fitted = Centroids((1 - shrinkage) * means + shrinkage * train_x.mean(axis=0))
    fitted.valid_loss = -np.log(fitted.predict(valid_x)[np.arange(len(valid_y)), valid_y] + 1e-9).mean()
    return fitted
