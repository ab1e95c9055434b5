"""The site of a large table: how long it takes to build, and in headless Chromium to open and to sort.

    python benchmarks/site.py [--tasks 200] [--rows 180] [--from results/published/quickstart]

The table is made of the cells of a published one, again and again, without records. Building is CPU seconds; opening is
until the table is drawn, and sorting from the click to the frame after it, milliseconds on the clock and the median of
nine. The first view is what the page reads before anything is chosen. Needs playwright and a chromium on the PATH.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from baserate.leaderboard import Leaderboard, build_leaderboard
from baserate.publish.site import write_site

OPEN_MS, SORT_MS, BUILD_S, FIRST_BYTES = 2000, 100, 60, 500_000
WORDS = ("prom", "splice", "mouse", "emp_H3", "enhancer", "virus", "gene", "poly", "variant", "own")
SORT = """async (i) => {
    const head = document.querySelectorAll('#board thead th[data-sort] button')[i];
    const start = performance.now();
    head.click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - start;
}"""


def many(table: Leaderboard, n_tasks: int, n_rows: int) -> Leaderboard:
    """Return a table of so many tasks and rows, each cell one of the given table's."""
    rows = [replace(table.rows[i % len(table.rows)], name=f"row {i}", model=f"model_{i}") for i in range(n_rows)]
    names = [f"gue.{WORDS[i % len(WORDS)]}_{i}@1" for i in range(n_tasks)]
    columns = [replace(table.columns[0], name=name, task=name) for name in names]
    done = [replace(cell, twin_gain=None) for cell in table.cells if cell.value is not None]
    cells = [
        replace(done[(i * 7 + j) % len(done)], row=row.name, column=c.name)
        for i, row in enumerate(rows)
        for j, c in enumerate(columns)
    ]
    return Leaderboard(tuple(columns), tuple(rows), tuple(cells))


def looked_at(page: Any, address: str) -> tuple[float, float, int]:
    """Return the milliseconds until the table is drawn, and those of a sort, and the bytes read until then."""
    read: list[int] = []
    page.on("response", lambda answer: read.append(len(answer.body())))
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#board tbody tr")
    opened = 1000 * (time.perf_counter() - start)
    first = sum(read)
    return opened, statistics.median(page.evaluate(SORT, 1 + i % 3) for i in range(9)), first


def main() -> int:
    """Print one line of JSON; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--rows", type=int, default=180)
    parser.add_argument("--from", dest="source", default="results/published/quickstart")
    asked = parser.parse_args()
    table = many(build_leaderboard(asked.source), asked.tasks, asked.rows)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = time.process_time()
        site = write_site(table, [], Path(folder) / "site")
        built = time.process_time() - start
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened, sorted_in, first = looked_at(browser.new_page(), (site.folder / "index.html").as_uri())
        browser.close()
    found = {
        "benchmark": f"the site of {asked.tasks} tasks x {asked.rows} rows",
        "build_cpu_s": round(built, 1),
        "megabytes": round(site.size / 1e6, 1),
        "first_view_kb": round(first / 1000),
        "open_ms": round(opened),
        "sort_ms": round(sorted_in),
        "target": {"build": BUILD_S, "first_view": FIRST_BYTES // 1000, "open": OPEN_MS, "sort": SORT_MS},
    }
    print(json.dumps(found))
    ok = built <= BUILD_S and opened <= OPEN_MS and sorted_in <= SORT_MS and first <= FIRST_BYTES
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
