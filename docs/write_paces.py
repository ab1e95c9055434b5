"""What the published cells took, bench/paces.csv: what a machine without records of its own goes by in its plans.

python docs/write_paces.py
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median

from baserate.costs import OFFSET, Past, history
from baserate.registry import MODELS

ROOT = Path(__file__).parent.parent
IDLE = ROOT / "results" / "published" / "quickstart"
"""Cells that ran with nothing beside them and with empty caches: of these no other record counts."""
COLUMNS = ("task", "model", "mode", "budget", "seeds", "n", "seconds", "settings", "network")


def networks() -> set[str]:
    """Return the names of the registered models and baselines that a GPU would run."""
    return {name for name, card in MODELS.all().items() if not card.baseline or "device" in card.params}


def rows(past: Iterable[Past]) -> list[list[object]]:
    """Return a row for each cell of a registered model, with the median of what it took for each example and seed.

    Of a network it is the most: where it took less, its embeddings were in the cache.
    """
    found: dict[object, list[Past]] = defaultdict(list)
    known, on_gpu = set(MODELS.all()), networks()
    for one in past:
        if one.model in known:
            found[one.key].append(one)
    out = []
    for _, same in sorted(found.items(), key=lambda item: str(item[0])):
        is_network = same[0].model in on_gpu
        pace = (max if is_network else median)(one.log_pace for one in same)
        one = replace(same[0], seconds=max(0.01, math.exp(pace) * same[0].work - OFFSET))
        network = "yes" if is_network else "no"
        at = (one.task, one.model, one.mode, one.budget, one.seeds, one.n)
        out.append([*at, round(one.seconds, 2), one.settings, network])
    return out


def main() -> None:
    """Write the file."""
    with (ROOT / "bench" / "paces.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        idle = history([IDLE])
        others = history([IDLE.parent], below=True)
        writer.writerows(rows([*idle, *(one for one in others if one.key not in {each.key for each in idle})]))


if __name__ == "__main__":
    main()
