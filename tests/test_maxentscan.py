"""MaxEntScan: against a literal reading of the published programs, and the documented values where it is there."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from baserate.baselines import maxentscan
from baserate.dna.kmers import encode
from baserate.errors import DataError, MissingExtra
from baserate.types import FloatArray, Inputs, strings


def _dna(n: int, length: int, *, seed: int) -> list[str]:
    return ["".join(row) for row in np.random.default_rng(seed).choice(list("ACGT"), size=(n, length))]


def _tables(seed: int) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    rng = np.random.default_rng(seed)
    sizes = (7, 7, 7, 7, 7, 3, 4, 3, 4)
    return rng.uniform(0.1, 9, 4**7), tuple(rng.uniform(0.1, 9, 4**size) for size in sizes)


def _slow_score5(site: str, table: FloatArray) -> float:
    background = dict(zip("ACGT", (0.27, 0.23, 0.23, 0.27), strict=True))
    first = dict(zip("ACGT", (0.004, 0.0032, 0.9896, 0.0032), strict=True))
    second = dict(zip("ACGT", (0.0034, 0.0039, 0.0042, 0.9884), strict=True))
    rest = site[:3] + site[5:]
    fixed = first[site[3]] * second[site[4]] / (background[site[3]] * background[site[4]])
    return math.log2(fixed * table[int("".join(str("ACGT".index(b)) for b in rest), 4)])


def _slow_score3(site: str, tables: tuple[FloatArray, ...]) -> float:
    background = dict(zip("ACGT", (0.27, 0.23, 0.23, 0.27), strict=True))
    first = dict(zip("ACGT", (0.9903, 0.0032, 0.0034, 0.0030), strict=True))
    second = dict(zip("ACGT", (0.0027, 0.0037, 0.9905, 0.0030), strict=True))
    rest = site[:18] + site[20:]
    words = [rest[:7], rest[7:14], rest[14:], rest[4:11], rest[11:18], rest[4:7], rest[7:11], rest[11:14], rest[14:18]]
    values = [t[int("".join(str("ACGT".index(b)) for b in w), 4)] for t, w in zip(tables, words, strict=True)]
    fixed = first[site[18]] * second[site[19]] / (background[site[18]] * background[site[19]])
    return math.log2(fixed * math.prod(values[:5]) / math.prod(values[5:]))


def test_splice_scores_are_those_of_the_published_programs() -> None:
    donor, acceptor = _tables(18)
    rows = _dna(4, 40, seed=19)
    codes = encode(strings(rows))[0].reshape(4, 40)
    five, three = maxentscan.donor_scores(codes, donor), maxentscan.acceptor_scores(codes, acceptor)
    slow5 = [[_slow_score5(s[j : j + 9], donor) for j in range(32)] for s in rows]
    slow3 = [[_slow_score3(s[j : j + 23], acceptor) for j in range(18)] for s in rows]
    np.testing.assert_allclose(five, slow5, atol=1e-9)
    np.testing.assert_allclose(three, slow3, atol=1e-9)


def test_best_splice_scores_are_those_near_the_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    donor, acceptor = _tables(20)
    monkeypatch.setattr(maxentscan, "tables", lambda: (donor, acceptor))
    rows = [*_dna(3, 60, seed=21), *_dna(2, 51, seed=22), "ACGT", "N" * 60]
    at_centre = maxentscan.best_scores(strings(rows), reach=0)
    near = maxentscan.best_scores(strings(rows), reach=2)
    anywhere = maxentscan.best_scores(strings(rows), reach=None)
    for row, s in enumerate(rows[:5]):
        c = len(s) // 2
        five = {at: _slow_score5(s[at - 3 : at + 6], donor) for at in range(3, len(s) - 5)}
        three = {at: _slow_score3(s[at - 20 : at + 3], acceptor) for at in range(20, len(s) - 2)}
        assert at_centre[row] == pytest.approx([five[c], three[c]])
        assert near[row] == pytest.approx([max(x[at] for at in range(c - 2, c + 3)) for x in (five, three)])
        assert anywhere[row] == pytest.approx([max(five.values()), max(three.values())])
    assert not at_centre[5:].any() and not anywhere[5:].any()
    found = maxentscan.MaxEntScan(lambda train: lambda s: s).score_variants(
        Inputs(strings(rows[:1]), strings(rows[1:2]))
    )
    assert found == pytest.approx((anywhere[1] - anywhere[0]).sum())


def test_tables_of_maxentpy_are_read(tmp_path: Path) -> None:
    donor, acceptor = _tables(23)
    words = map("".join, itertools.product("ACGT", repeat=7))
    five = tmp_path / "score5_matrix.txt"
    five.write_text("".join(f"{w}\t{x!r}\n" for w, x in zip(words, donor.tolist(), strict=True)))
    np.testing.assert_array_equal(maxentscan.read_donor_table(five), donor)
    three = tmp_path / "score3_matrix.txt"
    three.write_text(
        "".join(f"{t} {w} {x!r}\n" for t, table in enumerate(acceptor) for w, x in enumerate(table.tolist()))
    )
    for found, table in zip(maxentscan.read_acceptor_tables(three), acceptor, strict=True):
        np.testing.assert_array_equal(found, table)
    three.write_text("0 0 1.0\n")
    with pytest.raises(DataError, match=r"score3_matrix.txt: acceptor table 0 lacks 16383 of 16384 words"):
        maxentscan.read_acceptor_tables(three)
    five.write_text("CAGAAGT\n")
    with pytest.raises(DataError, match=r"score5_matrix.txt: line 1: expected seven bases and a number"):
        maxentscan.read_donor_table(five)


def test_published_splice_scores() -> None:
    """The values that maxentpy's own documentation gives."""
    try:
        donor, acceptor = maxentscan.tables()
    except MissingExtra as error:
        assert str(error).endswith("`pip install git+https://github.com/kepbod/maxentpy`")
        pytest.skip(str(error))
    five = {"cagGTAAGT": 10.858313, "gagGTAAGT": 11.08, "taaATAAGT": -0.12}
    three = {"ttccaaacgaacttttgtAGgga": 2.886774, "tgtctttttctgtgtggcAGtgg": 8.19, "ttctctcttcagacttatAGcaa": -0.08}
    for known, score, model in ((five, maxentscan.donor_scores, donor), (three, maxentscan.acceptor_scores, acceptor)):
        for site, value in known.items():
            found = score(encode(strings([site]))[0][None], model)[0, 0]
            assert found == pytest.approx(value, abs=0.005 if value == round(value, 2) else 1e-6)
