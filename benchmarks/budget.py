"""What a budget of trials costs a linear probe: the mode with 8 trials against the same with 1, in one process.

    python benchmarks/budget.py [--n 3000] [--length 200] [--budget 8] [--repeats 2] [--target 1.5]

The task is made up: windows of random bases, half of them with TATAAA, 8 in 10 of them to train on. Three seeds each,
the shipped checkpoint, nothing cached on disk. Trials draw layers and poolings, which all come from one forward pass.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from baserate.cards.find import find_model
from baserate.cards.task import task_card
from baserate.modes import MODES
from baserate.modes.job import Job
from baserate.plan import SEEDS, TRAIN_FRACTION, Cell
from baserate.registry import load_model
from baserate.splits import load_split
from baserate.types import Split, Task


def made_up(folder: Path, n: int, length: int) -> tuple[Task, Split]:
    """Return a task of `n` windows, written to a folder, and its split."""
    rng = np.random.default_rng(0)
    lines = ["id,seq,label,part"]
    for i in range(n):
        sequence = "".join(rng.choice(list("ACGT"), size=length))
        if i % 2:
            at = int(rng.integers(0, length - 6))
            sequence = sequence[:at] + "TATAAA" + sequence[at + 6 :]
        part = {8: "valid", 9: "test"}.get(i // 2 % 10, "train")
        lines.append(f"x{i},{sequence},{('plain', 'motif')[i % 2]},{part}")
    (folder / "made_up.csv").write_text("\n".join(lines) + "\n")
    about = (
        'description = "Made up."\ncitation = "none"\nlicence = "CC0-1.0"\nspecies = ["none"]\nassembly = ["none"]\n'
    )
    (folder / "made_up.toml").write_text(
        f'name = "made_up"\nkind = "classification"\nclasses = ["plain", "motif"]\n{about}'
        '[source]\ntable = "made_up.csv"\nsequence = "seq"\nid = "id"\nstrata = ["part"]\n'
        '[split]\nrule = "predefined"\ncolumn = "part"\n'
    )
    task = task_card(folder / "made_up.toml")
    return task, load_split(task)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return CPU seconds of a budget of 1 and of more, the least of some repeats, and their ratio."""
    card = find_model("baserate_mlm")
    model, mode = load_model(card), MODES.get("linear_probe")
    with tempfile.TemporaryDirectory() as folder:
        task, split = made_up(Path(folder), options.n, options.length)

    def run(budget: int, part: Split) -> tuple[float, Job]:
        cell = Cell(task, card, "linear_probe", budget=budget)
        job = Job(task, card, model, part, cell.resolved, SEEDS, TRAIN_FRACTION, space=cell.space, budget=budget)
        start = time.process_time()
        mode.scores(job)
        return time.process_time() - start, job

    run(options.budget, Split(*(examples.take(slice(64)) for examples in (split.train, split.valid, split.test))))
    seconds: dict[int, list[float]] = {1: [], options.budget: []}
    for _ in range(options.repeats):
        for budget in seconds:
            cpu, job = run(budget, split)
            seconds[budget].append(cpu)
    (first, *_) = job.choices
    one, many = (min(times) for times in seconds.values())
    return {
        "benchmark": f"linear probe, {options.n} windows of {options.length} bp, budget {options.budget} against 1",
        "trials": len(first.trials),
        "failed_trials": sum(bool(trial.error) for trial in first.trials),
        "cpu_s": {budget: [round(t, 2) for t in times] for budget, times in seconds.items()},
        "ratio": round(many / one, 2),
        "target": options.target,
    }


def main() -> int:
    """Print a line of JSON; exit 1 where the ratio is above the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--budget", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--target", type=float, default=1.5)
    result = measure(parser.parse_args())
    print(json.dumps(result), flush=True)
    return 0 if result["ratio"] <= result["target"] else 1


if __name__ == "__main__":
    sys.exit(main())
