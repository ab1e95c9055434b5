"""A zero-shot rule with a setting of its own: `--set rule=best_window --set width=12`."""

import numpy as np

import baserate as br
from baserate.settings import count
from baserate.types import strings


@br.rule(
    "best_window",
    needs="log_likelihood",
    sees="sequences",
    description="The log-likelihood of the likeliest window of a sequence.",
    settings={"width": count(20, "bases of a window")},
    version=1,  # raised whenever scores change
)
def best_window(model, inputs, train, *, width):
    scores = []
    for sequence in inputs.sequences:
        starts = range(max(len(sequence) - width, 0) + 1)
        scores.append(model.log_likelihood(strings([sequence[i : i + width] for i in starts])).max())
    return np.array(scores)
