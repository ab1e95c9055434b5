"""A model: what it can do are the methods that it has; the keyword arguments of the loader are its parameters."""

import numpy as np

import baserate as br


class Composition:
    def __init__(self, gc: float) -> None:
        self.log_p = {base: np.log(gc / 2 if base in "CG" else (1 - gc) / 2) for base in "ACGT"}

    def embed(self, sequences):
        """Return the share of each base, (n, 4)."""
        return np.array([[s.count(base) / len(s) for base in "ACGT"] for s in sequences], np.float32)

    def log_likelihood(self, sequences):
        """Return log-likelihoods in nats, (n,)."""
        return np.array([sum(self.log_p.get(base, np.log(0.25)) for base in s) for s in sequences])


@br.model(
    "composition",
    modes={"linear_probe": {}, "zero_shot": {"rule": "causal_delta"}},
    description="Independent bases of a GC content.",
    version=1,  # raised whenever its results change; a model with weights says revision=... instead
)
def load(*, gc: float = 0.4):
    return Composition(gc)
