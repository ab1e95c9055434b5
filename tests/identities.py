"""The identities of some cells, one a mode or more; run as a script it prints them, with where the package is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from golden_inputs import split_of, task_of

import baserate
from baserate.plan import Cell, Protocol, run_spec
from baserate.registry import get_model, with_params
from baserate.splits import by_group, with_valid
from baserate.types import ModelCard


def hash_of(
    card: ModelCard, mode: str, *, variants: bool = False, split_rule: Any = None, **settings: Any
) -> tuple[str, str]:
    """Return the name of a cell and the hash of its run."""
    kind = "measurement" if variants else "two classes"
    rule = split_rule or with_valid(by_group(test=0.2))
    cell = Cell(replace(task_of(kind, variants=variants), split=rule), card, mode, settings)
    return str(cell), run_spec(cell, split_of(kind, variants=variants), Protocol()).hash


def hashes() -> dict[str, str]:
    """Return the hash of a run by the name of its cell."""
    network, logistic = get_model("baserate_mlm"), get_model("kmer_logreg")
    return dict(
        [
            hash_of(logistic, "from_scratch"),
            hash_of(with_params(logistic, max_k=3), "from_scratch", variants=True),
            hash_of(get_model("markov"), "zero_shot", variants=True),
            hash_of(network, "zero_shot", variants=True, rule="embedding_distance"),
            hash_of(network, "linear_probe"),
            hash_of(network, "fine_tune", lr=1e-3),
            hash_of(get_model("baserate_mlm_random"), "fine_tune"),
            hash_of(replace(network, modes={"as_is": {}}), "as_is"),
        ]
    )


if __name__ == "__main__":
    print(json.dumps({"package": str(Path(baserate.__file__).parent), "hashes": hashes()}))
