"""`baserate new task` on tables with several measurements of one input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from baserate.audit import audit
from baserate.checks import run_checks
from baserate.errors import ConfigError, DataError
from baserate.new_task import Choices, NewTask, new_task
from baserate.splits import load_split

RNG = np.random.default_rng(17)
SEQUENCES = ["".join(RNG.choice(list("ACGT"), 60)) for _ in range(150)]
EFFECTS = RNG.normal(size=150)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, header: str, rows: Sequence[Sequence[object]]) -> str:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def measured(i: int) -> str:
    return f"{EFFECTS[i] + RNG.normal(0, 0.1):.4f}"


def value(made: NewTask, key: str) -> object:
    return next((guess.value for guess in made.guesses if guess.key == key), None)


def failures(made: NewTask) -> list[str]:
    return [f"{r.check}: {r.detail}" for r in run_checks(made.task) if r.status == "failed"]


def test_repeated_measurements_become_their_mean_and_all_say_so(here: Path) -> None:
    rows = [(f"v{i}", SEQUENCES[i], r, measured(i)) for i in range(150) for r in (1, 2, 3)]
    made = new_task(write(here / "t.csv", "variant_id,sequence,replicate,expression", rows))
    assert value(made, "replicates") == "mean" and value(made, "target") == "expression"
    assert value(made, "id") == "variant_id"
    assert any(note.startswith("450 of 450 rows measure 150 inputs repeatedly; the card takes") for note in made.notes)
    split = load_split(made.task)
    in_words = "300 rows of the source left out (300 merged into the mean of their replicates)"
    assert sum(len(examples) for _, examples in split) == 150 and split.omissions == in_words
    assert in_words in made.text and not failures(made)
    assert in_words in next(r.detail for r in run_checks(made.task) if r.check == "split_is_sound")
    assert in_words in audit(made.task, split).finding("size").summary
    first = next(e for _, e in split if "v0" in set(e.ids))
    expected = np.mean([float(y) for _, s, _, y in rows if s == SEQUENCES[0]])
    assert first.targets[list(first.ids).index("v0")] == pytest.approx(expected)


def test_grouped_replicates_stay_and_never_straddle_the_split(here: Path) -> None:
    # Every fifth sequence was measured in the gene of its neighbour too, so that the two genes stay together.
    rows = [(SEQUENCES[i], f"g{(i + j * (i % 5 == 0)) // 3}", measured(i)) for i in range(150) for j in range(2)]
    path = write(here / "t.csv", "sequence,gene,expression", rows)
    made = new_task(path, Choices(replicates="grouped"))
    assert value(made, "replicates") == "grouped" and not failures(made)
    split = load_split(made.task)
    assert sum(len(examples) for _, examples in split) == 300 and not split.omissions
    parts = [set(examples.inputs.sequences) for _, examples in split]
    assert not any(a & b for i, a in enumerate(parts) for b in parts[:i])
    assert all(len(examples) for _, examples in split)
    clusters = len(set(split.test.clusters))
    assert 1 < clusters < len(set(split.test.inputs.sequences))


def test_few_repeats_of_a_library_are_no_replicates(here: Path) -> None:
    rows = [(SEQUENCES[i % 145], measured(i)) for i in range(150)]
    made = new_task(write(here / "t.csv", "sequence,expression", rows))
    assert value(made, "replicates") is None and not failures(made)


def test_conditions_are_asked_for(here: Path) -> None:
    rows = [(SEQUENCES[i], cell, measured(i)) for i in range(150) for cell in ("HepG2", "K562")]
    path = write(here / "t.csv", "sequence,cell,expression", rows)
    with pytest.raises(DataError, match=r"300 of 300 rows measure 150 inputs repeatedly, with other values of 'cell'"):
        new_task(path, Choices(targets=["expression"]))
    made = new_task(path, Choices(targets=["expression"], replicates="mean"))
    assert sum(len(examples) for _, examples in load_split(made.task)) == 150


def test_columns_of_replicates_and_their_mean(here: Path) -> None:
    rows = [(SEQUENCES[i], measured(i), measured(i), measured(i)) for i in range(150)]
    path = write(here / "t.csv", "sequence,signal_rep1,signal_rep2,signal_rep3", rows)
    with pytest.raises(DataError, match="--target signal_rep1 --target signal_rep2 --target signal_rep3 --replicates"):
        new_task(path)
    made = new_task(path, Choices(targets=["signal_rep1", "signal_rep2", "signal_rep3"], replicates="columns"))
    assert made.task.kind == "regression" and not made.task.classes and not failures(made)
    targets = np.concatenate([examples.targets for _, examples in load_split(made.task)])
    assert targets.shape == (150,)
    assert sorted(targets) == pytest.approx(sorted(np.mean([float(y) for y in row[1:]]) for row in rows))
    with pytest.raises(ConfigError, match="--replicates columns needs --target for each column"):
        new_task(path, Choices(targets=["signal_rep1"], replicates="columns"), force=True)


def test_variants_of_several_rows(here: Path) -> None:
    genome = "".join(RNG.choice(list("ACGT"), 40_000))
    (here / "g.fa").write_text("".join(f">chr{c}\n{genome[c * 8000 : (c + 1) * 8000]}\n" for c in range(5)))
    places = [(c, 600 + 250 * i) for c in range(5) for i in range(24)]
    alleles = [(f"chr{c}", at, genome[c * 8000 + at - 1], "CA"[genome[c * 8000 + at - 1] == "C"]) for c, at in places]
    rows = [(*a, f"{i % 7}.5") for i, a in enumerate(alleles)] + [(*alleles[3], "9.25")]
    made = new_task(write(here / "m.csv", "chrom,pos,ref,alt,effect", rows), Choices(genome="g.fa"))
    assert value(made, "replicates") == "mean" and not failures(made)
    assert load_split(made.task).left_out == {"merged into the mean of their replicates": 1}
    rows = [(*a, ("benign", "pathogenic")[i % 2]) for i, a in enumerate(alleles)] + [(*alleles[3], "benign")]
    made = new_task(write(here / "c.csv", "chrom,pos,ref,alt,clinical", rows), Choices(genome="g.fa"))
    assert value(made, "replicates") == "grouped" and not failures(made)
    assert "2 of 121 rows are of 1 variant, 1 of them with several classes" in " ".join(made.notes)


def test_what_has_no_mean_is_refused(here: Path) -> None:
    rows = [(SEQUENCES[i % 75], ("off", "on")[i % 2]) for i in range(150)]
    path = write(here / "t.csv", "sequence,state", rows)
    with pytest.raises(
        ConfigError, match="--replicates mean is for measurements, and state holds classes; --replicates"
    ):
        new_task(path, Choices(replicates="mean"))
    labels = [f"{('a', 'a;b', 'b')[i % 3]}" for i in range(150)]
    several = write(here / "m.csv", "sequence,state", list(zip(SEQUENCES, labels, strict=True)))
    assert value(new_task(several, Choices(replicates="grouped")), "replicates") == "grouped"
    (here / "p.bed").write_text("chr1\t10\t60\n")
    peaks = Choices(genome="g.fa", negatives="random", replicates="mean")
    with pytest.raises(
        ConfigError, match=r"p\.bed: --replicates: peaks with --negatives random have no targets; leave"
    ):
        new_task("p.bed", peaks)
    with pytest.raises(ConfigError, match="--replicates median: expected one of mean, grouped, columns"):
        new_task(path, Choices(replicates="median"))
