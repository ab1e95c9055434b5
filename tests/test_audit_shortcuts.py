"""Planted leaks and shortcuts that the audit must see, and clean random data about which it must be silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baserate.audit import Audit, audit
from baserate.audit.kmers import Predicted
from baserate.audit.places import _error_of_difference, _judged
from baserate.splits import by_chromosome, predefined, stratified, with_valid
from baserate.types import Examples, Inputs, Split, strings

from .test_audit import clean, drawn, examples, pairs, planted, task

Rng = np.random.Generator
SIZES = {"train": 600, "valid": 150, "test": 300}


def mutated(sequence: str, share: float, rng: Rng) -> str:
    letters = list(sequence)
    for at in rng.choice(len(letters), round(share * len(letters)), replace=False):
        letters[at] = "ACGT"[("ACGT".index(letters[at]) + int(rng.integers(1, 4))) % 4]
    return "".join(letters)


def made(change: Callable[[str, int, Rng], str], length: int = 200, seed: int = 0) -> Split:
    """Return a split of random sequences, each changed by its class."""
    parts = []
    for k, (part, n) in enumerate(SIZES.items()):
        rng = np.random.default_rng([seed, k])
        y = rng.integers(2, size=n)
        sequences = [change(s, int(c), rng) for s, c in zip(drawn(n, 10 * seed + k, length), y, strict=True)]
        parts.append(examples(part, sequences, y))
    return Split(*parts)


@pytest.fixture(scope="module")
def base() -> Split:
    return clean()


@pytest.mark.parametrize(("copies", "status"), [(0, "PASS"), (1, "PASS"), (20, "FAIL")])
def test_copies_with_a_few_errors_leak_as_identical_rows_do(base: Split, copies: int, status: str) -> None:
    rng = np.random.default_rng(5)
    train = base.train
    rows = {i: (mutated(train.inputs.sequences[i + 50], 0.01, rng), int(train.targets[i + 50])) for i in range(copies)}
    found = audit(task(), planted(base, "test", rows))
    assert found.finding("copies_test").status == found.verdict == status
    assert pairs(found, "copies_test") == {(f"test{i}", f"train{i + 50}") for i in range(copies)}
    assert any("near cop" in line for line in found.leaks) == (status == "FAIL")
    assert found.finding("near_test").status in ("PASS", "WARN")


def test_alleles_of_a_window_and_mutants_of_one_sequence_are_no_failed_copies(base: Split) -> None:
    rng = np.random.default_rng(6)

    def alleles(e: Examples, of: Any) -> Examples:
        alternates = strings([s[:60] + ("A" if s[60] != "A" else "C") + s[61:] for s in of])
        return replace(e, inputs=Inputs(of, alternates, np.full(len(e), 60)))

    windows = base.train.inputs.sequences[: len(base.test)]
    train = alleles(base.train, base.train.inputs.sequences)
    found = audit(task(variants=True, deleterious=True), Split(train, base.valid.take([]), alleles(base.test, windows)))
    assert found.finding("copies_test").status == "WARN"
    wild = drawn(1, 3)[0]
    mutants = [
        replace(e, inputs=Inputs(strings([mutated(wild, 0.03, rng) for _ in range(len(e))])), targets=e.targets)
        for _, e in base
    ]
    copies = audit(task(), Split(*mutants)).finding("copies_test")
    assert copies.numbers["share"] > 0.5 and copies.status == "WARN" and "one family" in copies.summary


ENDS: dict[str, tuple[Callable[[str, int, Rng], str], str]] = {
    "an adapter at the end": (lambda s, y, rng: s[:-13] + "AGATCGGAAGAGC" if y else s, "FAIL"),
    "an adapter in half": (lambda s, y, rng: s[:-13] + "AGATCGGAAGAGC" if y and rng.random() < 0.5 else s, "WARN"),
    "another adapter": (lambda s, y, rng: s[:-6] + ("AGATCG" if y else "CTCTTC"), "FAIL"),
    "a restriction site": (lambda s, y, rng: "GATC" + s[4:] if y else s, "FAIL"),
    "a first base": (lambda s, y, rng: "G" + s[1:] if y else s, "WARN"),
    "nothing": (lambda s, y, rng: s, "PASS"),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_is_fixed_at_the_ends_of_one_class(what: str) -> None:
    change, status = ENDS[what]
    ends = audit(task(), made(change)).finding("ends")
    assert ends.status == status, ends.summary
    assert ("an adapter" in ends.summary) == (status != "PASS")
    assert ends.numbers["bases"] == 20 and ends.numbers["inner"] < 0.6


def test_composition_and_sites_in_the_middle_are_no_fault_of_the_ends() -> None:
    def rich(s: str, y: int, rng: Rng) -> str:
        return "".join(rng.choice(list("ACGT"), p=[0.2, 0.3, 0.3, 0.2] if y else [0.3, 0.2, 0.2, 0.3], size=len(s)))

    ends = audit(task(), made(rich)).finding("ends")
    assert ends.numbers["rank"] > 0.85 and ends.status == "PASS", ends.summary
    # A site of 12 bases in the middle of 40: the outer 20 of each end would be all of it.
    site = audit(task(), made(lambda s, y, rng: s[:14] + "CAGGTAAGTATT" + s[26:] if y else s, length=40))
    assert site.finding("ends").status == "PASS" and site.finding("ends").numbers["bases"] == 4
    assert site.finding("places").status == "WARN"
    short = audit(task(), made(lambda s, y, rng: s, length=9)).finding("ends")
    assert short.status == "NOTE" and "shorter than 10 bases" in short.summary


def test_ends_are_judged_by_their_gain_over_the_quarters() -> None:
    assert _judged(0.95, 0.5, 0.02, 0.02) == "FAIL" and _judged(0.75, 0.5, 0.02, 0.02) == "WARN"
    assert _judged(0.69, 0.5, 0.02, 0.02) == "PASS", "below .7"
    assert _judged(0.93, 0.90, 0.02, 0.001) == "PASS", "composition nearly does it"
    assert _judged(0.99, 0.95, 0.02, 0.001) == "FAIL", "they leave a fifth of what the quarters leave"
    assert _judged(0.75, 0.6, 0.02, 0.06) == "PASS" and _judged(0.75, 0.5, 0.09, 0.02) == "PASS", "by chance"
    assert _judged(None, 0.5, 0.02, 0.02) == "PASS"


def test_the_error_of_a_difference_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(0)

    def drawn_once() -> tuple[float, float]:
        y = np.arange(200) % 2
        shared = rng.normal(size=200) + y
        one, other = (np.stack([-s, s], axis=1) for s in (shared, shared + rng.normal(size=200)))
        e = examples("test", ["ACGT"] * 200, y)
        auroc = [(s[y == 1, 1][:, None] > s[y == 0, 1]).mean() for s in (one, other)]
        return auroc[0] - auroc[1], _error_of_difference(*(Predicted(task(), e, s, "") for s in (one, other)))

    differences, errors = zip(*(drawn_once() for _ in range(300)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.1)


@pytest.mark.parametrize("moved", [1, 20])
def test_a_motif_whose_place_tells_the_class(moved: int) -> None:
    def at(s: str, y: int, rng: Rng) -> str:
        first = 60 if y else 60 + moved
        return s[:first] + "TATAAAGC" + s[first + 8 :]

    found = audit(task(), made(at))
    assert found.finding("places").status == found.verdict == "WARN" and found.finding("kmers").status == "NOTE"
    assert "little for a model to add" in found.finding("places").summary


def test_kmers_that_leave_nothing_to_add_are_a_warning() -> None:
    found = audit(task(), made(lambda s, y, rng: s.replace("TA", "TT") if y else s))
    assert found.finding("kmers").status == "WARN" and found.finding("kmers").numbers["rank"] > 0.95
    part = audit(task(), made(lambda s, y, rng: s.replace("TAC", "TTC", 3) if y else s)).finding("kmers")
    assert part.status == "NOTE" and 0.6 < part.numbers["rank"] < 0.95


def test_rows_in_the_order_of_their_labels_where_rows_are_split_one_by_one(base: Split) -> None:
    parts = [e.take(np.argsort(e.targets, kind="stable")) for _, e in base]

    def found(split: Split, **changes: Any) -> str:
        return audit(task(**changes), split).finding("feature:row order").status

    def ruled(rule: Any, split: Split) -> str:
        return audit(replace(task(), split=rule), split).finding("feature:row order").status

    assert found(Split(*parts)) == "WARN" and found(base) == "NOTE"
    assert ruled(with_valid(stratified()), Split(*parts)) == "WARN"
    assert ruled(by_chromosome(("chr1",)), Split(*parts)) == "NOTE", "places were split, not rows"
    genes = [
        replace(e, groups=strings([f"{p}{i // 2}" for i in range(len(e))])) for p, e in zip("abc", parts, strict=True)
    ]
    assert ruled(predefined("part"), Split(*genes)) == "NOTE", "genes were split, not rows"
    assert "sorted by label" in audit(task(), Split(*parts)).finding("feature:row order").summary


def random_split(seed: int, length: int, n: int) -> Split:
    rng = np.random.default_rng(seed)
    parts = []
    for part, m in (("train", 2 * n), ("valid", n // 2), ("test", n)):
        sequences = ["".join(row) for row in rng.choice(list("ACGT"), size=(m, length))]
        parts.append(examples(part, sequences, rng.integers(2, size=m)))
    return Split(*parts)


def test_clean_data_raise_no_alarm() -> None:
    """Of 25 such sets each, 7 of 36 bp and 9 of 100 test rows did, before standard errors; these are some of them."""
    audits: dict[str, Audit] = {}
    for seed in range(8):
        audits[f"36 bp, seed {seed}"] = audit(task(), random_split(seed, 36, 400))
        audits[f"100 rows, seed {seed}"] = audit(task(), random_split(seed, 200, 100))
    alarms = {name: found.reasons for name, found in audits.items() if found.verdict != "PASS"}
    assert not alarms


def test_a_balance_that_chance_does_not_explain_is_one_still(base: Split) -> None:
    rare = replace(base.test, targets=(np.arange(len(base.test)) % 4 == 0).astype(np.int64))
    classes = audit(task(), replace(base, test=rare)).finding("classes")
    assert classes.status == "WARN" and classes.numbers["shift"] == pytest.approx(0.25)
    few = rare.take(np.arange(12))
    assert audit(task(), replace(base, test=few)).finding("classes").numbers["shift"] > 0.2
    assert "differs" not in audit(task(), replace(base, test=few)).finding("classes").summary
