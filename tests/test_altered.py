"""Tasks whose inputs are cut to a window, or perturbed in test: what is done, and what records and tables say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.audit import audit
from baserate.cards.find import find_task, with_shots
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError
from baserate.leaderboard import to_markdown, write_leaderboard
from baserate.leaderboard.perturbed import changes_in
from baserate.leaderboard.windows import AXIS, BATCH
from baserate.plan import plan
from baserate.registry import get_model
from baserate.results import CLEAN, INPUT
from baserate.splits import confounded, load_split, perturbed, window
from baserate.splits.altered import ADAPTER, ARTEFACT_BP, SETS, changes_from, parse_change
from baserate.types import Examples, FloatArray, Inputs, Intervals, ModelCard, Split, Task, strings

RNG = np.random.default_rng(3)
LONG = ["".join(RNG.choice(list("ACGT"), size=2000)) for _ in range(20)]


def examples(sequences: Sequence[str], intervals: Intervals | None = None) -> Examples:
    names = strings([f"e{i}" for i in range(len(sequences))])
    return Examples(names, Inputs(strings(sequences)), np.arange(len(names)) % 2, names, names, {}, intervals)


def split_of(sequences: Sequence[str], intervals: Intervals | None = None) -> Split:
    e = examples(sequences, intervals)
    return Split(e, e, e)


def changed(name: str, sequences: Sequence[str] = LONG) -> list[str]:
    test = perturbed((name,))(split_of(sequences)).test
    return [str(s) for s in test.inputs.sequences[len(sequences) :]]


def test_a_window_keeps_the_middle_and_its_place() -> None:
    at = Intervals(strings(["1"] * 3), np.array([100, 100, 7]), np.array([110, 110, 9]), strings(["+", "-", "+"]))
    train, _, test = (part for _, part in window(4)(split_of(["AACCGTTTAA", "AACCGTTTAA", "AC"], at)))
    assert list(test.inputs.sequences) == list(train.inputs.sequences) == ["CGTT"[:0] + "CGTT", "CGTT", "AC"]
    assert test.intervals is not None
    assert test.intervals.start.tolist() == [103, 103, 7] and test.intervals.end.tolist() == [107, 107, 9]
    odd = window(3)(split_of(["AACCGTTTA"], Intervals(strings(["1"]), np.array([0]), np.array([9]), strings(["-"]))))
    assert list(odd.test.inputs.sequences) == ["CGT"] and odd.test.intervals is not None
    assert (odd.test.intervals.start[0], odd.test.intervals.end[0]) == (3, 6)
    with pytest.raises(DataError, match="window = 11: the longest sequence has 10 bp"):
        window(11)(split_of(["AACCGTTTAA"]))


def test_a_window_about_a_base_has_it_in_the_middle() -> None:
    def cut(bp: int, positions: list[int], span: int = 1) -> Inputs:
        e = examples(["AACCGTTTAA"] * len(positions))
        e = replace(e, inputs=replace(e.inputs, positions=np.array(positions), span=span))
        return window(bp)(Split(e, e, e)).test.inputs

    found = cut(4, [0, 1, 5, 9])
    assert list(found.sequences) == ["AA", "AAC", "CGTT", "TAA"], "what a sequence lacks is not filled"
    assert found.positions is not None
    assert [s[at] for s, at in zip(found.sequences, found.positions, strict=True)] == ["A", "A", "T", "A"]
    bins = cut(6, [4], span=4)
    assert list(bins.sequences) == ["CGTTTA"] and bins.positions is not None
    assert bins.sequences[0][bins.positions[0] :][:4] == "GTTT"
    with pytest.raises(DataError, match="window = 3: a bin has 4 bp"):
        cut(3, [4], span=4)
    for mode in ("linear_probe", "from_scratch"):
        task = find_task("human_splice_per_base(window=64)")
        cells = plan([task], [get_model("kmer_logreg" if mode == "from_scratch" else "baserate_mlm")], [mode])
        assert [cell.resolved["context"] for cell in cells] == [64], "for models without a state for each base"


def test_errors_come_at_their_rates() -> None:
    n = sum(map(len, LONG))
    for name, rate in (("substitutions_0.05", 0.05), ("short_reads", 0.0021)):
        read = changed(name)
        wrong = sum(a != b for s, t in zip(LONG, read, strict=True) for a, b in zip(s, t, strict=True))
        assert wrong / n == pytest.approx(rate, abs=4 * np.sqrt(rate / n))
    for name in ("insertions_0.05", "deletions_0.05", "long_reads"):
        read = changed(name)
        assert [len(s) for s in read] == [2000] * 20
        assert set("".join(read)) <= set("ACGT")
    kept = changed("deletions_0.01", ["A" * 300 + "C" * 300])[0]
    assert 250 < kept.index("C") < 300
    longer = changed("insertions_0.05", ["A" * 1000])[0]
    assert longer.count("A") / 1000 == pytest.approx(1 - 0.05 * 0.75, abs=0.03)


def test_other_changes_do_what_they_say() -> None:
    assert changed("lower_case") == [s.lower() for s in LONG]
    assert changed("other_strand") == [reverse_complement(s) for s in LONG]
    for s, t in zip(LONG, changed("n_run_20"), strict=True):
        assert t.count("N" * 20) == 1 and t.count("N") == 20
        assert all(a == b for a, b in zip(s, t, strict=True) if b != "N")
    moved = {
        s[50:] == t[:-50] if s[50:60] == t[:10] else s[:-50] != t[50:]
        for s, t in zip(LONG, changed("shift_50"), strict=True)
    }
    assert moved == {True, False}, "half to the right, half to the left"
    assert all(s[50:] == t[:-50] or s[:-50] == t[50:] for s, t in zip(LONG, changed("shift_50"), strict=True))
    assert all(t == s[:-20] + ADAPTER[:20] for s, t in zip(LONG, changed("adapter_20"), strict=True))
    for name in SETS["standard"]:
        assert [len(s) for s in changed(name, ["", "A", "ACGTN"])] == [0, 1, 5]


def test_what_is_drawn_depends_on_id_and_name_alone() -> None:
    one = perturbed(("long_reads",))(split_of(LONG)).test
    both = perturbed(("shift_10", "long_reads"))(split_of(LONG[:5])).test
    assert list(both.inputs.sequences[10:]) == list(one.inputs.sequences[20:25])
    assert list(one.ids[20:22]) == ["e0 · long_reads", "e1 · long_reads"]
    assert list(one.groups) == list(one.groups[:20]) * 2


def test_names_of_changes_are_checked() -> None:
    assert changes_from("reads,shift_3") == ("short_reads", "long_reads", "shift_3")
    assert changes_from(("shift_3", "shifts"))[:2] == ("shift_3", "shift_1")
    for value, message in (
        ("shfit_3", "did you mean 'shift'"),
        ("shift", "expected 'shift_20': a whole number of bp"),
        ("shift_0.5", "whole number of bp"),
        ("substitutions_2", "a share between 0 and 1"),
        ("lower_case_3", "expected 'lower_case': it takes no value"),
        (7, "perturb = 7; expected names of changes"),
    ):
        with pytest.raises(ConfigError, match=message):
            changes_from(value)
    assert parse_change("n_run_20")[1] == 20


def test_variants_are_named_and_refuse_what_they_cannot_be(toy_card: Path) -> None:
    task = find_task(f"{toy_card}(window=20)")
    assert (task.name, task.window, task.whole) == ("toy_motif(window=20)", 20, "toy_motif@1")
    few = find_task(f"{toy_card}(window=20, shots=5)")
    assert (few.shots, few.window, few.whole) == (5, 20, task.id)
    assert with_shots([task], "5")[0].whole == task.id
    assert set(map(len, load_split(few).train.inputs.sequences)) == {20}
    noisy = find_task(f"{toy_card}(perturb='shift_3,lower_case')")
    assert noisy.whole == "toy_motif@1" and noisy.name == "toy_motif(perturb=shift_3_lower_case)"
    assert noisy.metrics == (
        "mcc:state=perturbed",
        "mcc:state=clean",
        "mcc:input=clean-shift_3",
        "mcc:input=clean-lower_case",
    )
    assert len(load_split(noisy).test) == 3 * len(load_split(find_task(str(toy_card))).test)
    assert len(load_split(noisy, limit=10).test) == 30
    for call, message in (
        (f"{toy_card}(window=0)", "window = 0; expected a whole number of bp"),
        (f"{toy_card}(window=20, perturb='reads')", "do not go together"),
        (f"{toy_card}(window=20, batch=0.9)", "do not go together"),
        (f"{toy_card}(batch=0.4)", "batch = 0.4; expected a share from 0.5"),
        ("wt1_exon5_splicing(batch=0.9)", "batch is for whole sequences"),
        (f"{toy_card}(perturb='shfit_3')", "task 'toy_motif': perturb: 'shfit_3' is unknown"),
        ("wt1_exon5_splicing(window=20)", "window is for whole sequences; this is on variants"),
        ("human_splice_per_base(perturb='reads')", "perturb is for whole sequences; this is on single bases"),
        ("splice_transfer(perturb='reads')", "is one over strata"),
    ):
        with pytest.raises(ConfigError, match=message):
            find_task(call)


def test_the_audit_is_of_the_inputs_as_they_are(toy_card: Path) -> None:
    found = [find_task(str(toy_card)), find_task(f"{toy_card}(perturb='lower_case,other_strand')")]
    plain, noisy = (audit(task, load_split(task)) for task in found)
    assert noisy.sizes == plain.sizes and noisy.metric == plain.metric
    assert [str(f) for f in noisy.findings] == [str(f) for f in plain.findings]


class Sees:
    """A model that looks for TATAAA, on the strand that it is given."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Sees:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.array([0.1 + 0.8 * ("TATAAA" in s) for s in inputs.sequences])
        return np.stack([1 - p, p], axis=1)


def card() -> ModelCard:
    return ModelCard("sees", Sees, {"from_scratch": {}}, {}, "d", revision=lambda: "r", baseline=True)


def run(tasks: list[Task], models: list[Any], results: Path | None = None) -> list[br.records.Record]:
    return br.run(tasks, models, seeds=(0, 1, 2, 3, 4), results=results, audit=False, cache=False, progress=False)


def test_the_drop_is_paired_and_flips_are_counted(toy_card: Path, tmp_path: Path) -> None:
    task = find_task(f"{toy_card}(perturb='other_strand,lower_case,n_run_1')")
    (record,) = run([task], [card()], tmp_path / "r")
    clean = load_split(find_task(str(toy_card))).test
    sees = np.array(["TATAAA" in s for s in clean.inputs.sequences])
    turned = np.array(["TATAAA" in reverse_complement(s) for s in clean.inputs.sequences])
    changes = changes_in(record)
    assert list(changes) == ["other_strand", "lower_case", "n_run_1"]
    assert changes["other_strand"].value == pytest.approx((sees != turned).mean())
    assert changes["lower_case"].value == pytest.approx(sees.mean()), "this one does not read lower case"
    flips, drop = changes["other_strand"], record.estimate("mcc:input=clean-other_strand")
    assert flips.low is not None and flips.high is not None and flips.low < (flips.value or 0) < flips.high
    whole = br.evaluate(find_task(str(toy_card)), card(), seeds=(0, 1), audit=False, cache=False, progress=False)
    assert record.estimate("mcc:state=clean").value == pytest.approx(whole.estimates[0].value)  # type: ignore[union-attr]
    assert drop is not None and drop.value is not None and drop.low is not None and drop.value > 0.5 > 0 < drop.low
    table = br.leaderboard(tmp_path / "r")
    (column,) = table.columns
    assert [name.partition("=")[2] for name in column.strata] == [CLEAN, "lower_case", "n_run_1", "other_strand"]
    text = to_markdown(table)
    assert "perturbed inputs" in text and "| other_strand | sees | from_scratch | " in text
    assert f"{changes['other_strand'].value:.3f}" in text
    assert any(file.name == "strata.png" for file in write_leaderboard(table, tmp_path / "out"))
    assert changes_in(whole) == {}


def test_scores_stand_by_window_with_the_gain_of_the_widest(toy_card: Path, tmp_path: Path) -> None:
    tasks = [find_task(f"{toy_card}(window={bp})") for bp in (50, 6, 20)]
    run(tasks, [card(), "gc_content"], tmp_path / "r")
    table = br.leaderboard(tmp_path / "r")
    (curve,) = table.curves
    assert (curve.axis, curve.n_train, curve.task) == (AXIS, (6, 20, 50), "toy_motif@1")
    assert [c.window for c in table.columns] == [6, 20, 50]
    gain = curve.areas[next(i for i, name in enumerate(curve.rows) if "sees" in name)]
    row = next(row for row in table.rows if row.model == "sees")
    ends = [table.cell(row, c).value for c in (table.columns[0], table.columns[-1])]
    assert gain.value == pytest.approx((ends[1] or 0) - (ends[0] or 0)) and gain.low is not None and gain.low > 0
    text = to_markdown(table)
    assert "## Score by window: toy_motif@1" in text and "Learning curve" not in text
    assert any(file.name == "curves.png" for file in write_leaderboard(table, tmp_path / "out"))


def test_windows_and_few_shots_are_curves_of_their_own(toy_card: Path) -> None:
    tasks = with_shots([find_task(f"{toy_card}(window={bp})") for bp in (10, 50)], "2,full")
    records = run(tasks, ["gc_content"])
    curves = br.leaderboard(records).curves
    assert [(c.axis, c.n_train) for c in curves] == [
        ("training examples", (4, 128)),
        ("training examples", (4, 128)),
        (AXIS, (10, 50)),
    ]


def test_what_does_not_train_is_scored_in_each_window(toy_card: Path) -> None:
    from baserate.plan import plan
    from baserate.registry import get_model

    tasks = [find_task(str(toy_card)), *(find_task(f"{toy_card}(window={bp})") for bp in (10, 20))]
    frozen = ModelCard("frozen", Sees, {"as_is": {}}, {}, "d", revision=lambda: "r")
    assert [cell.task.name for cell in plan(tasks, [frozen])] == [task.name for task in tasks]
    assert get_model("gc_content").baseline and INPUT == "input"


def artefacts(split: Split) -> list[np.ndarray]:
    ends = ADAPTER[:ARTEFACT_BP]
    return [np.array([s.endswith(ends) for s in examples.inputs.sequences]) for _, examples in split]


def test_the_artefact_goes_with_the_label_in_training_and_is_not_in_test() -> None:
    many = examples(["ACGT" * 20] * 4000)
    of_share = {}
    for share in (0.5, 0.7, 0.9, 1.0):
        split = confounded(share)(Split(many, many, many))
        train, valid, test = artefacts(split)
        of_share[share] = train
        assert not test.any() and (valid == train).all()
        first, other = (train[many.targets == k].mean() for k in (0, 1))
        assert other == pytest.approx(share, abs=0.04) and first == pytest.approx(1 - share, abs=0.04)
        assert all(len(s) == 80 for s in split.train.inputs.sequences)
    second = many.targets == 1
    assert not (of_share[0.7] & ~of_share[0.9])[second].any() and not (of_share[0.9] & ~of_share[0.7])[~second].any()


def test_a_shortcut_in_training_costs_what_its_strength_says(toy_card: Path, tmp_path: Path) -> None:
    tasks = [find_task(f"{toy_card}(batch={share})") for share in (0.5, 0.8, 1.0)]
    assert [(t.batch, t.whole) for t in tasks] == [(share, "toy_motif@1") for share in (0.5, 0.8, 1.0)]
    table = br.leaderboard(run(tasks, [card(), "kmer_logreg"], tmp_path / "r"))
    (curve,) = table.curves
    assert (curve.axis, curve.n_train, curve.task) == (BATCH, (50, 80, 100), "toy_motif@1")
    gains = {name.partition(" ")[0]: area for name, area in zip(curve.rows, curve.areas, strict=True)}
    assert gains["sees"].value == 0, "what does not learn from it loses nothing"
    lost = gains["kmer_logreg"]
    assert lost.value is not None and lost.value < -0.2 and lost.high is not None and lost.high < 0
    text = to_markdown(table)
    assert "## Score by artefact in training: toy_motif@1" in text
    assert "| 50 | 80 | 100 | Gain |" in text
    assert any(file.name == "curves.png" for file in write_leaderboard(table, tmp_path / "out"))
