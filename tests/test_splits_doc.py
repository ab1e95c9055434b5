"""Every example of docs/splits.md, on a small genome: the card is read, split, and keeps what its rule promises."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from baserate.cards.find import find_task
from baserate.splits import RULES, assert_no_leak, load_split

PAGE = (Path(__file__).parent.parent / "docs" / "splits.md").read_text()
CARDS = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
CARD = """
name = "own"
kind = "classification"
classes = ["no", "yes"]

[source]
genome = "genome.fa"
bed = "places.bed"
strata = ["species", "part"]

"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with five chromosomes of 50 kb and 500 labelled windows of 200 bp."""
    out = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    lines = ["#chrom\tstart\tend\tlabel\tspecies\tpart"]
    with (out / "genome.fa").open("w") as genome:
        for chrom in ("chr1", "chr3", "chr19", "chr20", "chr21"):
            genome.write(f">{chrom}\n{''.join(rng.choice(list('ACGT'), 50_000))}\n")
            for i in range(100):
                start = 500 * i
                part = ("train", "dev", "test")[0 if i < 60 else 1 if i < 80 else 2]
                label, species = rng.choice(["no", "yes"]), rng.choice(["human", "fly"])
                lines.append(f"{chrom}\t{start}\t{start + 200}\t{label}\t{species}\t{part}")
    (out / "places.bed").write_text("\n".join(lines) + "\n")
    return out


@pytest.mark.parametrize("text", CARDS, ids=lambda t: re.findall('rule = "(.*)"', t)[0])
def test_an_example_of_the_page_is_a_split_without_leaks(folder: Path, text: str) -> None:
    path = folder / "own.toml"
    path.write_text(CARD + text)
    task = find_task(str(path))
    split = load_split(task)
    assert len(split.test) >= 40
    assert "all_test" in text or min(len(split.train), len(split.valid)) >= 20
    assert_no_leak(split, task.split)


def test_the_page_shows_every_rule() -> None:
    assert {re.findall('rule = "(.*)"', text)[0] for text in CARDS} == set(RULES)


def test_the_python_of_the_page_runs() -> None:
    for text in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(text, {})
