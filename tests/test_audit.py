from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.audit import Audit, audit
from baserate.audit.finding import Threshold
from baserate.audit.page import to_html
from baserate.dna.sequence import reverse_complement
from baserate.errors import DataError
from baserate.splits import draw_shots, few_shot, predefined
from baserate.types import Examples, Inputs, Intervals, Split, Task, strings


def task(kind: str = "classification", **changes: Any) -> Task:
    metrics = {"classification": "mcc", "regression": "spearman", "multilabel": "auroc", "paired": "paired_accuracy"}
    return Task(
        name="planted",
        version=1,
        kind=kind,  # type: ignore[arg-type]
        metrics=(metrics.get(kind, "recovery"),),
        source=lambda: pytest.fail("not read"),
        split=predefined("part"),
        description="",
        split_rule="",
        citation="",
        licence="",
        species=(),
        assembly=(),
        sizes={},
        **{"classes": ("plain", "motif") if kind in ("classification", "multilabel") else (), **changes},
    )


def drawn(n: int, seed: int, length: int = 120) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(row) for row in rng.choice(list("ACGT"), size=(n, length))]


def examples(part: str, sequences: list[str], targets: Any, **columns: Any) -> Examples:
    n = len(sequences)
    ids = strings([f"{part}{i}" for i in range(n)])
    inputs = columns.pop("inputs", None) or Inputs(strings(sequences))
    return Examples(ids, inputs, np.asarray(targets), columns.pop("groups", ids), ids, **columns)


def clean(n: int = 400, **columns: Any) -> Split:
    """Return random sequences of which every second one holds a motif, the others its bases in any order."""
    parts = []
    for seed, (part, size) in enumerate((("train", n), ("valid", n // 4), ("test", n // 2))):
        rng = np.random.default_rng(seed)
        found, at = drawn(size, seed), rng.integers(20, 94, size)
        words = ["TATAAA" if i % 2 else "".join(rng.permutation(list("TATAAA"))) for i in range(size)]
        found = [s[:a] + w + s[a + 6 :] for s, a, w in zip(found, at, words, strict=True)]
        order = rng.permutation(size)
        parts.append(examples(part, [found[i] for i in order], np.array([i % 2 for i in order])))
    return Split(*parts)


def planted(split: Split, part: str, rows: dict[int, tuple[str, int]]) -> Split:
    """Return the split with the sequences and labels of some rows of a part replaced."""
    old: Examples = getattr(split, part)
    sequences, targets = list(old.inputs.sequences), old.targets.copy()
    for i, (sequence, label) in rows.items():
        sequences[i], targets[i] = sequence, label
    return replace(split, **{part: replace(old, inputs=Inputs(strings(sequences)), targets=targets)})


def pairs(found: Audit, name: str) -> set[tuple[str, str]]:
    return {(row.id, row.other) for row in found.finding(name).rows}


@pytest.fixture(scope="module")
def base() -> Split:
    return clean()


def test_a_clean_task_passes_and_its_signal_is_told_by_kmers_alone(base: Split) -> None:
    found = audit(task(), base)
    assert found.verdict == "PASS" and not found.reasons and not found.leaks, found.reasons
    assert found.finding("kmers").numbers["rank"] > 0.75, "TATAAA is there to be found"
    assert found.finding("majority").numbers["primary"] == 0
    assert found.finding("near_test").numbers["curve"]["0.8"] == 0
    assert found.finding("overlap_test").status == "NOTE"
    assert found.sizes == {"train": 400, "valid": 100, "test": 200}


def test_rows_that_test_shares_with_training_and_validation(base: Split) -> None:
    train, valid = base.train.inputs.sequences, base.valid.inputs.sequences
    label = int(base.train.targets[7])
    rows = {
        3: (train[7], label),
        5: (train[8], 1 - int(base.train.targets[8])),
        9: (valid[2], 0),
        11: (reverse_complement(train[20]), 0),
    }
    found = audit(task(), planted(base, "test", rows))
    identical = found.finding("identical_test")
    assert pairs(found, "identical_test") == {("test3", "train7"), ("test5", "train8"), ("test9", "valid2")}
    assert identical.numbers["test-train"] == 2 and identical.numbers["test-valid"] == 1
    assert identical.status == "FAIL" and identical.numbers["share"] == 3 / 200
    assert pairs(found, "reverse_test") == {("test11", "train20")} and found.finding("reverse_test").status == "WARN"
    assert ("test5", "train8") in pairs(found, "conflicts_across")
    assert ("test3", "train7") not in pairs(found, "conflicts_across")
    near = pairs(found, "near_test")
    assert {("test3", "train7"), ("test11", "train20")} <= near and len(near) == 4
    assert found.verdict == "FAIL" and any("identical" in reason for reason in found.leaks)


def test_near_relatives_are_found_on_both_strands_and_looked_up(base: Split) -> None:
    def mutated(sequence: str, seed: int) -> str:
        rng = np.random.default_rng(seed)
        letters = list(sequence)
        for at in rng.choice(len(letters), 8, replace=False):
            letters[at] = "ACGT"[("ACGT".index(letters[at]) + 1) % 4]
        return "".join(letters)

    train = base.train
    rows = {i: (mutated(train.inputs.sequences[i + 50], i), int(train.targets[i + 50])) for i in range(30)}
    rows |= {i: (reverse_complement(s), y) for i, (s, y) in rows.items() if i >= 15}
    found = audit(task(), planted(base, "test", rows))
    assert pairs(found, "near_test") == {(f"test{i}", f"train{i + 50}") for i in range(30)}
    assert found.finding("near_test").status == "WARN" and found.finding("identical_test").numbers["rows"] == 0
    lookup = found.finding("lookup").numbers
    assert lookup["rows_near"] == 30 and lookup["near"]["primary"] == 1.0


def test_mutants_of_one_sequence_are_a_family_that_no_split_can_part() -> None:
    (wild,) = drawn(1, 8)

    def mutants(part: str, n: int, seed: int) -> Examples:
        rng = np.random.default_rng(seed)
        letters = np.array([list(wild)] * n)
        for row in letters:
            row[rng.choice(120, 6, replace=False)] = "A"
        return examples(part, ["".join(row) for row in letters], np.arange(n) % 2)

    found = audit(task(), Split(mutants("train", 200, 0), mutants("valid", 40, 1), mutants("test", 120, 2)))
    near = found.finding("near_test")
    assert near.numbers["share"] > 0.9 and near.numbers["one_family"] and near.status == "WARN"
    assert "one family" in near.summary


def test_the_other_strand_of_very_short_sequences_is_no_leak() -> None:
    words = drawn(200, 6, 12)
    test = [reverse_complement(w) for w in words[:30]] + drawn(100, 7, 12) + [words[40]]
    parts = [
        examples(p, s, np.arange(len(s)) % 2)
        for p, s in (("train", words), ("valid", drawn(60, 9, 12)), ("test", test))
    ]
    found = audit(task(), Split(*parts))
    assert found.finding("reverse_test").status == found.finding("near_test").status == "NOTE"
    assert pairs(found, "identical_test") == {("test130", "train40")} and len(found.leaks) == 1


def test_repeats_and_conflicts_within_a_part(base: Split) -> None:
    own = base.train.inputs.sequences
    rows = {
        1: (own[0], int(base.train.targets[0])),
        3: (own[2], 1 - int(base.train.targets[2])),
        5: (reverse_complement(own[4]), int(base.train.targets[4])),
    }
    found = audit(task(), planted(base, "train", rows))
    repeated = found.finding("repeated_train")
    assert pairs(found, "repeated_train") == {("train1", "train0"), ("train3", "train2"), ("train5", "train4")}
    assert repeated.numbers["rows"] == 2 and repeated.numbers["reverse_complements"] == 1
    assert pairs(found, "conflicts_train") == {("train3", "train2")}
    assert found.finding("conflicts_train").numbers == {"sequences": 1, "rows": 2, "of": 400, "share": 2 / 400}
    assert found.finding("conflicts_train").status == "WARN" and found.finding("conflicts_test").status == "PASS"


def test_validation_rows_that_training_has(base: Split) -> None:
    rows = {i: (base.train.inputs.sequences[i], int(base.train.targets[i])) for i in range(6)}
    found = audit(task(), planted(base, "valid", rows))
    assert pairs(found, "identical_valid") == {(f"valid{i}", f"train{i}") for i in range(6)}
    assert {f.name for f in found.findings if f.status != "PASS" and f.status != "NOTE"} == {
        "identical_valid",
        "near_valid",
    }


def test_overlapping_intervals_of_one_assembly(base: Split) -> None:
    def at(e: Examples, chrom: str, first: int) -> Examples:
        start = first + 1000 * np.arange(len(e))
        place = Intervals(strings([chrom] * len(e)), start, start + 120, strings(["+"] * len(e)))
        return replace(e, intervals=place, strata={"assembly": strings(["hg38"] * len(e))})

    train, valid, test = at(base.train, "chr1", 0), at(base.valid, "chr2", 0), at(base.test, "chr3", 0)
    place = test.intervals
    assert place is not None
    chrom, start = place.chrom.copy(), place.start.copy()
    chrom[[4, 6, 8]] = "chr1"
    start[[4, 6, 8]] = 119 + 4000, 60 + 6000, 121 + 8000  # 1 base, half, none
    assembly = test.strata["assembly"].copy()
    chrom[10], start[10], assembly[10] = "chr1", 10_000, "mm10"
    moved = replace(test, intervals=replace(place, chrom=chrom, start=start, end=start + 120))
    found = audit(task(), Split(train, valid, replace(moved, strata={"assembly": assembly})))
    assert pairs(found, "overlap_test") == {("test4", "train4"), ("test6", "train6")}
    assert pairs(found, "overlap_half_test") == {("test6", "train6")}
    labels = sum(int(base.test.targets[i] != base.train.targets[i]) for i in (4, 6))
    assert found.finding("overlap_test").numbers["other_label"] == labels
    assert found.finding("feature:position").numbers["rank"] is not None


def test_groups_in_two_parts(base: Split) -> None:
    groups = base.test.groups.copy()
    groups[[2, 3]] = "train9"
    found = audit(task(), replace(base, test=replace(base.test, groups=groups)))
    assert pairs(found, "group_test") == {("test2", "train9"), ("test3", "train9")}
    assert found.finding("group_test").status == "FAIL"


def test_length_alone_gives_the_class_away_though_no_line_does(base: Split) -> None:
    """Classes 0 and 2 are 100 and 140 bp, class 1 is 120 bp: a lookup, as no threshold tells them apart."""

    def cut(e: Examples) -> Examples:
        rng = np.random.default_rng(len(e))
        classes = rng.integers(0, 2, len(e))
        lengths = np.where(classes == 1, 110, rng.choice([100, 120], len(e)))
        sequences = [s[:n] for s, n in zip(e.inputs.sequences, lengths, strict=True)]
        return replace(e, inputs=Inputs(strings(sequences)), targets=classes)

    found = audit(task(), Split(cut(base.train), cut(base.valid), cut(base.test)))
    length = found.finding("feature:length")
    assert length.status == "FAIL" and length.numbers["primary"] == 1.0 and length.numbers["rank"] == 1.0
    assert [f.name for f in found.findings if f.status == "FAIL"] == ["feature:length"]


@pytest.mark.parametrize(("letter", "feature", "content"), [("G", "GC", "simple"), ("N", "other letters", "letters")])
def test_composition_and_other_letters(base: Split, letter: str, feature: str, content: str) -> None:
    def spoilt(e: Examples) -> Examples:
        sequences = [s[:90] + letter * 30 if y else s for s, y in zip(e.inputs.sequences, e.targets, strict=True)]
        return replace(e, inputs=Inputs(strings(sequences)))

    found = audit(task(), Split(spoilt(base.train), spoilt(base.valid), spoilt(base.test)))
    assert found.finding(f"feature:{feature}").status in ("WARN", "FAIL")
    assert found.finding(f"feature:{feature}").numbers["rank"] > 0.85
    if letter == "N":
        assert found.finding(content).numbers["rows"]["test"] == int(base.test.targets.sum())
        assert found.finding(content).status == "FAIL"


def test_lower_case_is_a_warning_at_most(base: Split) -> None:
    parts = [replace(e, soft_masked=e.targets.astype(float)) for _, e in base]
    found = audit(task(), Split(*parts))
    assert found.finding("feature:lower case").numbers["rank"] == 1.0
    assert found.finding("feature:lower case").status == "WARN"


def test_plain_repeats_and_short_rows(base: Split) -> None:
    found = audit(task(), planted(base, "test", {0: ("A" * 120, 0), 1: ("CA" * 60, 1), 2: ("ACGTA", 0)}))
    assert {row.id for row in found.finding("simple").rows} == {"test0", "test1"}
    assert {row.id for row in found.finding("lengths").rows} == {"test2"}
    assert found.finding("lengths").status == "WARN"


def test_classes_and_groups(base: Split) -> None:
    few = replace(base.test, targets=np.where(np.arange(len(base.test)) < 1, 1, 0))
    found = audit(task(), replace(base, test=few))
    assert found.finding("classes").status == "FAIL" or "few test rows of motif" in found.finding("classes").summary
    assert found.finding("classes").numbers["counts"]["test"] == {"plain": 199, "motif": 1}
    groups = strings([f"gene{y}" if y else f"g{i}" for i, y in enumerate(base.train.targets)])
    found = audit(task(), replace(base, train=replace(base.train, groups=groups)))
    assert found.finding("groups").numbers["confined"] == {"train": {"motif": 1}}
    assert found.finding("groups").status == "WARN"


def test_the_balance_of_validation_is_compared_and_is_a_warning_at_most(base: Split) -> None:
    ones = replace(base.valid, targets=np.ones(len(base.valid), np.int64))
    found = audit(task(), replace(base, valid=ones)).finding("classes")
    assert found.status == "WARN" and found.numbers["shift_valid"] == pytest.approx(0.5)
    assert "no validation row of plain" in found.summary and "the balance of validation differs" in found.summary


def test_few_shots_are_audited_as_they_are_trained(base: Split) -> None:
    few = replace(task(), name="toy(shots=16)", split=few_shot(predefined(), 16))
    found = audit(few, base)
    assert found.sizes["train"] == 32 and audit(task(), base).sizes["train"] == len(base.train)
    drawn = base.train.take(draw_shots(base.train, 16, 0))
    assert found.finding("identical_test").n_rows == 0
    copied = planted(base, "test", {0: (drawn.inputs.sequences[0], int(drawn.targets[0]))})
    assert audit(few, copied).finding("identical_test").n_rows == 1
    other = next(i for i in range(len(base.train)) if base.train.ids[i] not in set(drawn.ids))
    elsewhere = planted(base, "test", {0: (base.train.inputs.sequences[other], 0)})
    assert audit(few, elsewhere).finding("identical_test").n_rows == 0
    assert audit(task(), elsewhere).finding("identical_test").n_rows == 1


def test_small_and_missing_parts() -> None:
    split = clean(400)
    none = split.train.take(np.zeros(0, np.int64))
    found = audit(task(), Split(none, none, split.test.take(np.arange(40))))
    assert found.finding("size").status == "WARN" and found.finding("near_test").status == "NOTE"
    gc = found.finding("feature:GC").numbers
    assert gc["primary"] is None and gc["reason"] and 0.5 <= gc["rank"] <= 1, "its sign was chosen"


def test_regression_measurements_conflict_beyond_their_spread() -> None:
    rng = np.random.default_rng(0)
    parts = [
        examples(part, drawn(n, seed), rng.normal(size=n))
        for seed, (part, n) in enumerate((("train", 300), ("valid", 60), ("test", 120)))
    ]
    split = Split(*parts)
    sequence = split.train.inputs.sequences
    y = split.train.targets
    y[:4] = 0.0, 0.2, 0.0, 3.0
    split = planted(split, "train", {1: (sequence[0], 0), 3: (sequence[2], 3)})
    found = audit(task("regression"), split)
    assert pairs(found, "conflicts_train") == {("train3", "train2")}
    many = planted(split, "train", {i: (sequence[2], 3 * (i % 2)) for i in range(40)})
    assert audit(task("regression"), many).finding("conflicts_train").status == "WARN", "noise, not a wrong label"
    assert found.finding("kmers").numbers["rank"] is not None and found.metric == "spearman"
    gc = replace(split, **{p: replace(e, targets=_gc(e)) for p, e in split})
    assert audit(task("regression"), gc).finding("feature:GC").status == "FAIL"


def _gc(e: Examples) -> Any:
    return np.array([s.count("G") + s.count("C") for s in e.inputs.sequences], float)


def test_variants_are_known_by_both_alleles_and_bases_by_their_place() -> None:
    sequences = drawn(200, 3)
    alternates = [s[:60] + "ACGT"[("ACGT".index(s[60]) + 1) % 4] + s[61:] for s in sequences]

    def variants(part: str, ref: list[str], alt: list[str]) -> Examples:
        y = np.arange(len(ref)) % 2
        return examples(part, ref, y, inputs=Inputs(strings(ref), strings(alt), np.full(len(ref), 60)))

    other = sequences[0][:60] + "ACGT"[("ACGT".index(sequences[0][60]) + 2) % 4] + sequences[0][61:]
    ref = [*sequences[101:200], sequences[0], reverse_complement(sequences[1])]
    alt = [*alternates[101:200], other, reverse_complement(alternates[1])]
    split = Split(
        variants("train", sequences[:80], alternates[:80]),
        variants("valid", sequences[80:100], alternates[80:100]),
        variants("test", ref, alt),
    )
    found = audit(task(variants=True), split)
    assert not found.finding("identical_test").rows, "another allele of one window is another variant"
    assert pairs(found, "reverse_test") == {("test100", "train1")}
    assert pairs(found, "window_test") == {("test99", "train0"), ("test100", "train1")}
    assert found.finding("feature:GC change").numbers["rank"] is not None

    def bases(part: str, at: list[int], of: list[str]) -> Examples:
        return examples(part, of, np.arange(len(at)) % 2, inputs=Inputs(strings(of), None, np.array(at)))

    long = drawn(3, 9, 500)
    split = Split(
        bases("train", [*range(100), 200], [long[0]] * 100 + [long[1]]),
        bases("valid", list(range(100, 140)), [long[0]] * 40),
        bases("test", [200, 499 - 200, 3], [long[1], reverse_complement(long[1]), long[2]]),
    )
    found = audit(task(per_base=True), split)
    assert pairs(found, "identical_test") == {("test0", "train100")}
    assert pairs(found, "reverse_test") == {("test1", "train100")}
    assert pairs(found, "window_test") == {("test0", "train100"), ("test1", "train100")}
    assert found.finding("lookup").status == "NOTE"


@pytest.mark.parametrize(("stated", "status"), [(True, "PASS"), (False, "PASS"), (None, "WARN")])
def test_a_task_of_variants_without_a_direction_is_a_warning(
    stated: bool | None, status: str, base: Split, tmp_path: Path
) -> None:
    split = Split(*(replace(e, inputs=Inputs(e.inputs.sequences, strings(drawn(len(e), 9)))) for _, e in base))
    audit(task(variants=True, deleterious=True), split, cache=tmp_path)
    found = audit(task(variants=True, deleterious=stated), split, cache=tmp_path).finding("direction")
    assert found.status == status and ("may be mirrored" in found.summary) == (stated is None)
    with pytest.raises(KeyError):
        audit(task(), base).finding("direction")


def test_multilabel_pairs_and_next_bases() -> None:
    rng = np.random.default_rng(1)

    def labels(part: str, n: int, seed: int) -> Examples:
        sequences = drawn(n, seed)
        rich = np.array([(s.count("G") + s.count("C")) > 60 for s in sequences])
        return examples(part, sequences, np.stack([rich, rng.integers(0, 2, n)], axis=1).astype(np.int64))

    found = audit(task("multilabel"), Split(labels("train", 300, 0), labels("valid", 60, 1), labels("test", 150, 2)))
    assert 0.65 < found.finding("feature:GC").numbers["rank"] < 0.85, "the mean of 1 and chance"
    assert found.finding("kmers").numbers["rank"] > 0.6
    real = drawn(150, 5)
    poor = [s.replace("G", "A", 5) for s in real]
    none = labels("none", 4, 7).take(np.zeros(0, np.int64))
    pairs_ = examples("test", real, np.zeros(150), inputs=Inputs(strings(real), strings(poor)))
    found = audit(task("paired"), Split(none, none, pairs_))
    assert found.finding("feature:GC").numbers == {
        "primary": 1.0, "rank": 1.0, "reason": "", "feature": "GC", "constant": False, "learnt": False,
        "chance_error": pytest.approx(0.5 / np.sqrt(150)),
    }  # fmt: skip
    bases = examples("test", real, np.zeros((150, 8), np.int64))
    found = audit(task("generation"), Split(none, none, bases))
    assert found.finding("shortcuts").status == "NOTE"


def test_an_audit_is_kept_until_the_data_change(base: Split, tmp_path: Path) -> None:
    first = audit(task(), base, cache=tmp_path)
    (kept,) = (tmp_path / "audits").glob("*.json")
    text = kept.read_text()
    kept.write_text(text.replace(first.task, "as_kept@1"))
    assert audit(task(), base, cache=tmp_path) == replace(first, task="as_kept@1")
    assert first.in_short() == {"verdict": "PASS", "reasons": [], "leaks": []}
    for damaged in ("{", "[]", "null", '{"schema": 1, "findings": [1]}'):
        kept.write_text(damaged)
        assert audit(task(), base, cache=tmp_path) == first
    other = planted(base, "test", {0: (base.train.inputs.sequences[0], 0)})
    assert audit(task(), other, cache=tmp_path).verdict != "PASS"
    assert len(list((tmp_path / "audits").iterdir())) == 2


def test_an_audit_that_cannot_be_kept_is_still_an_audit(
    base: Split, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audits").write_text("a file, where the folder should be")
    assert audit(task(), base, cache=tmp_path).verdict == "PASS"
    assert "cannot write the cache" in caplog.text and "Traceback" not in caplog.text


def test_relatives_in_validation_are_not_said_to_be_in_training(base: Split) -> None:
    """A task without training rows, as for a zero-shot rule, may have validation rows."""
    none = replace(base, train=base.train.take(np.arange(0)))
    near = planted(none, "test", {0: (base.valid.inputs.sequences[3], 1)})
    found = audit(task(), near).finding("near_test")
    assert found.title == "Near relatives of test rows in validation"
    assert "have a similarity of 0.8 or more to a validation row" in found.summary
    assert audit(task(), near).finding("lookup").title == "Lookup: the label of the most similar validation row"


def test_short_sequences_are_no_relatives_where_shuffled_ones_are_as_similar() -> None:
    """Of 36 random bases a tenth aligns with one of 4,000 others; of relatives on top of that all are counted."""
    parts = {p: drawn(n, seed, 36) for seed, (p, n) in enumerate({"train": 4000, "valid": 300, "test": 400}.items())}
    made = {p: examples(p, s, np.arange(len(s)) % 2) for p, s in parts.items()}
    found = audit(task(), Split(**made)).finding("near_test")
    assert found.numbers["share"] > 0.05 and abs(found.numbers["share"] - found.numbers["by_chance"]) < 0.05
    assert found.status != "FAIL" and "have when shuffled" in found.summary
    leaking = [s[:18] + s[19:] + "A" for s in parts["train"][:160]] + parts["test"][160:]
    made["test"] = examples("test", leaking, np.arange(400) % 2)
    assert audit(task(), Split(**made)).finding("near_test").status == "FAIL"


def test_labels_of_sequences_that_are_there_thousands_of_times_are_compared_at_once() -> None:
    """Of 16 sequences in 20,000 rows; pair by pair it would be 10 million pairs, and minutes."""
    words = [a + b for a in "ACGT" for b in "ACGT"]
    parts = [examples(p, words * (n // 16), [words.index(w) % 2 for w in words] * (n // 16))
             for p, n in (("train", 16_000), ("valid", 1600), ("test", 8000))]  # fmt: skip
    targets = parts[0].targets.copy()
    targets[[16, 160]] = 1  # AA, which is 0 in all other rows
    found = audit(task(), Split(replace(parts[0], targets=targets), *parts[1:])).finding("conflicts_across")
    assert found.numbers["rows"] == 500 and found.n_rows == 500
    assert {(row.other, row.note) for row in found.rows} == {("train16", "plain, there motif")}


def test_two_measurements_contradict_each_other_by_either() -> None:
    sequences = drawn(40, 3)
    train = examples("train", sequences, np.tile([0.0, 1.0, 2.0, 3.0], (2, 10)).T)
    values = train.targets[:20].copy()
    values[3, 1] = 9.0
    test = examples("test", sequences[:20], values)
    found = audit(task("regression", classes=("a", "b")), Split(train, train.take(slice(0, 0)), test))
    assert pairs(found, "conflicts_across") == {("test3", "train3")}


def test_json_is_read_back_and_holds_no_nan(base: Split) -> None:
    found = audit(task(), planted(base, "test", {0: (base.train.inputs.sequences[0], 0)}))
    text = json.dumps(found.to_json(), allow_nan=False)
    assert Audit.from_json(json.loads(text)) == Audit.from_json(found.to_json())
    assert json.loads(text)["schema"] == 2 and json.loads(text)["verdict"] == "WARN"
    with pytest.raises(DataError, match="schema 1, expected 2"):
        Audit.from_json({**found.to_json(), "schema": 1})


def test_the_page_escapes_names_and_asks_for_nothing(base: Split) -> None:
    ids = base.train.ids.copy()
    ids[0] = '<img src=x onerror="alert(1)">'
    split = replace(base, train=replace(base.train, ids=ids))
    split = planted(split, "test", {0: (split.train.inputs.sequences[0], 0)})
    bad = replace(task(), name="<script>alert(2)</script>")
    page = to_html([audit(bad, split), audit(task(), base)])
    assert "<img" not in page and "<script" not in page and "&lt;img src=x" in page
    assert "http" not in page and "<svg" in page and page.count("<section") == 3


def test_thresholds() -> None:
    assert [Threshold(0.0, 0.01, "rows").status(v) for v in (0, 1e-9, 0.01)] == ["PASS", "WARN", "FAIL"]
    assert [Threshold(0.01, None, "rows").status(v) for v in (0, 0.009, 0.01, 1)] == ["PASS", "PASS", "WARN", "WARN"]
    assert str(Threshold(0.0, 0.01, "test rows")) == "WARN above 0, FAIL from 1 % of test rows"
