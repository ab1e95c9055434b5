"""`baserate new task --negatives`: the card of a file of peaks, and what is refused in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.checks import run_checks
from baserate.cli import cli
from baserate.errors import BaserateError
from baserate.new_task import Choices, NewTask, new_task
from baserate.sources.negatives import NEGATIVES
from baserate.splits import load_split

CONTIGS = tuple(f"chr{i}" for i in range(1, 6))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write genome.fa of five contigs and peaks.narrowPeak of 60 peaks of 90 to 110 bp on each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    lines, contigs = [], []
    for name in CONTIGS:
        contigs.append(f">{name}\n{''.join(rng.choice(list('ACGT'), 60_000))}\n")
        for i in range(60):
            start = 1000 * i + int(rng.integers(0, 300))
            rest = f"p{len(lines)}\t{100 + i}\t.\t{i / 7:.2f}\t{i / 3:.2f}\t-1\t{45 + i % 3}"
            lines.append(f"{name}\t{start}\t{start + 90 + int(rng.integers(21))}\t{rest}")
    (tmp_path / "genome.fa").write_text("".join(contigs))
    (tmp_path / "peaks.narrowPeak").write_text("\n".join(lines) + "\n")
    return tmp_path


def value(made: NewTask, key: str) -> object:
    return next((g.value for g in made.guesses if g.key == key), None)


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_one_command_makes_a_sound_task_of_peaks(here: Path, negatives: str) -> None:
    made = new_task("peaks.narrowPeak", Choices(genome="genome.fa", negatives=negatives))
    source = tomllib.loads(made.text)["source"]
    assert source["genome"] == "genome.fa" and source["peaks"] == "peaks.narrowPeak" and "target" not in source
    assert source["negatives"] == negatives and source["ratio"] == 1 and source["seed"] == 0
    assert 95 <= source["width"] <= 105 and value(made, "rule") == "by_chromosome"
    assert made.task.classes == ("background", "peak")
    left = {r.check: r.detail for r in run_checks(made.task) if r.status != "passed"}
    assert left.keys() == {"card_is_complete"}, left
    split = load_split(made.task)
    assert sum(len(examples) for _, examples in split) == 600
    for _, examples in split:
        assert examples.targets.sum() == len(examples) // 2 and set(map(len, examples.inputs.sequences)) == {
            source["width"]
        }
    reason = next(g.reason for g in made.guesses if g.key == "negatives")
    assert ("k-mers of 3 bases or more tell them apart by construction" in reason) == (negatives == "shuffled")


@pytest.mark.parametrize("name", ["p.bed", "p.broadPeak", "p.bedGraph", "p.bed.gz", "p.csv"])
def test_peaks_in_other_formats_are_the_same_task(here: Path, name: str) -> None:
    rows = [line.split("\t") for line in (here / "peaks.narrowPeak").read_text().splitlines()]
    if name.endswith(".csv"):
        text = "chrom,start,end\n" + "".join(",".join(row[:3]) + "\n" for row in rows)
    else:
        kept = {"p.bed": 3, "p.broadPeak": 9, "p.bedGraph": 4, "p.bed.gz": 6}[name]
        text = "".join("\t".join(row[:kept]) + "\n" for row in rows)
    if name.endswith(".gz"):
        import gzip

        (here / name).write_bytes(gzip.compress(text.encode()))
    else:
        (here / name).write_text(text)
    made = new_task(name, Choices(genome="genome.fa", negatives="gc_matched"), out=here / "other.toml")
    first = new_task("peaks.narrowPeak", Choices(genome="genome.fa", negatives="gc_matched"))
    assert load_split(made.task).data_fingerprint == load_split(first.task).data_fingerprint


def test_the_tolerance_widens_and_few_peaks_are_left_out_with_the_numbers(here: Path) -> None:
    rng = np.random.default_rng(1)
    poor = "".join(rng.choice(list("ACGT"), 50_000, p=[0.3, 0.2, 0.2, 0.3]))
    # Peaks have .54 of GC, the rest .40; one extends beyond the contig.
    letters, lines = "", []
    for i in range(30):
        at = len(letters) + 600
        piece = "".join(rng.permutation(list("G" * 54 + "A" * 46)))
        letters += poor[600 * i : 600 * (i + 1)] + piece
        lines.append(f"c\t{at}\t{at + 100}")
    (here / "g.fa").write_text(f">c\n{letters}{poor}\n")
    (here / "x.bed").write_text("\n".join([*lines, f"c\t{len(letters) + 49_980}\t{len(letters) + 50_000}"]) + "\n")
    made = new_task("x.bed", Choices(genome="g.fa", negatives="gc_matched"))
    assert value(made, "gc_tolerance") in (0.05, 0.1) and value(made, "unmatched") == "leave_out"
    reason = next(g.reason for g in made.guesses if g.key == "gc_tolerance")
    assert "at 0.02, " in reason and " of 31 peaks have no such window" in reason
    assert any("of 31 peaks ha" in note and "left out" in note for note in made.notes)
    assert sum(len(examples) for _, examples in load_split(made.task)) < 62


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("peaks.narrowPeak", ["--negatives", "gc"], "--negatives gc: expected one of gc_matched, shuffled, flanking"),
        ("peaks.narrowPeak", ["--negatives", "random", "--target", "score"], "so --target score is one too many"),
        ("peaks.narrowPeak", ["--negatives", "random", "--no-genome"], "name the FASTA file or the registered genome"),
        ("s.csv", ["--negatives", "random"], "--negatives random needs intervals: BED, or a table with chromosome"),
        ("folder", ["--negatives", "random"], "--negatives random needs one file of intervals"),
        ("all.bed", ["--negatives", "random"], "no negative (random) for 5 of 5 peaks; up to 10% are left out; --n"),
        ("all.bed", ["--negatives", "gc_matched"], "within 0.1 of their GC; up to 10% are left out; --negatives f"),
        ("other.bed", ["--negatives", "shuffled"], "other.bed: row 1: chr1:59990-60090 is outside the contig of 60000"),
        ("past.bed", ["--negatives", "flanking"], "no negative (flanking) for 2 of 5 peaks, 2 with a window beyond"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_ends_in_one_line_and_leaves_no_card(
    here: Path, file: str, options: list[str], said: str
) -> None:
    (here / "s.csv").write_text("seq,label\n" + "ACGTACGTACGT,a\nACGGACGTACGT,b\n" * 9)
    (here / "folder").mkdir()
    (here / "all.bed").write_text("".join(f"{name}\t0\t59990\n" for name in CONTIGS))
    (here / "other.bed").write_text("chr1\t59990\t60090\n")
    rows = [f"{name}\t{(59_700, 59_990)[i > 2]}\t{(59_900, 60_000)[i > 2]}\n" for i, name in enumerate(CONTIGS)]
    (here / "past.bed").write_text("".join(rows))
    genome = [] if "--no-genome" in options else ["--genome", "genome.fa"]
    arguments = [file, *(o for o in options if o != "--no-genome"), *genome]
    result = CliRunner().invoke(cli, ["new", "task", *arguments])
    assert isinstance(result.exception, BaserateError) and said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not list(here.glob("*.toml"))


def test_a_column_that_may_hold_classes_is_noted(here: Path) -> None:
    rows = [line.split("\t")[:3] for line in (here / "peaks.narrowPeak").read_text().splitlines()]
    (here / "c.bed").write_text("".join("\t".join([*row, "ab"[i % 2]]) + "\n" for i, row in enumerate(rows)))
    made = new_task("c.bed", Choices(genome="genome.fa", negatives="random"))
    assert "all rows are peaks, although 'name' has 2 values" in made.notes[0]
    with pytest.raises(BaserateError, match="one too many"):
        new_task("c.bed", Choices(genome="genome.fa", negatives="random", targets=["name"]), force=True)
