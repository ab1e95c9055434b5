"""A mode, a way to use a model; a model has those that its card names."""

import numpy as np

import baserate as br
from baserate.settings import count


@br.mode(
    "neighbours",
    needs=("embed",),
    settings={"k": count(5, "neighbours that are asked")},
    version=1,  # raised whenever what the mode computes changes
)
def run(job):
    """Return (seeds, n, classes): the classes of the nearest training examples in embedding space."""
    scores = []
    for seed in job.seeds:
        rows, model = job.train_rows(seed), job.model_of(seed)
        train, test = (model.embed(job.seen(part.inputs).sequences) for part in (job.split.train, job.split.test))
        distance = ((test[:, None] - train[rows]) ** 2).sum(axis=2)
        nearest = np.argsort(distance, axis=1)[:, : job.settings["k"]]
        scores.append(np.eye(job.n_classes)[job.split.train.targets[rows]][nearest].mean(axis=1))
    return np.stack(scores)


class Triplets:
    def embed(self, sequences):
        """Return counts of three words, (n, 3)."""
        return np.array([[s.count(word) for word in ("TAT", "ATA", "AAA")] for s in sequences], np.float32)


@br.model("triplets", modes={"neighbours": {"k": 9}}, description="Counts of three words.", version=1)
def load():
    return Triplets()
