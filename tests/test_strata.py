"""Strata that follow from sequences, and scores by stratum in tables."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cards.task import task_card
from baserate.cli import cli
from baserate.errors import ConfigError, UnknownName
from baserate.leaderboard import tabulate, to_csv, to_markdown
from baserate.records import read_records
from baserate.splits import load_split
from baserate.statistics import estimate, with_derived
from baserate.types import Examples, Inputs, strings


def examples(sequences: list[str], **strata: list[str]) -> Examples:
    ids = strings([str(i) for i in range(len(sequences))])
    columns = {name: strings(values) for name, values in strata.items()}
    return Examples(ids, Inputs(strings(sequences)), np.zeros(len(ids), np.int64), ids, ids, columns)


def test_bins_are_quartiles_of_the_test_part_and_their_names_are_their_ends() -> None:
    sequences = ["G" * i + "A" * (100 - i) + "T" * (i // 25) + "N" * (i % 2) for i in range(100)]
    got = with_derived(examples(sequences))
    gc = [s.count("G") / (len(s) - s.count("N")) for s in sequences]
    for name in set(got["gc"]):
        low, high = map(float, name.split(".."))
        inside = [low <= share + 1e-9 < high + 0.001 for share in gc]
        assert inside == [value == name for value in got["gc"]]
        assert sum(inside) == 25
    lengths = [len(s) for s in sequences]
    for name in set(got["length"]):
        low, high = map(int, name.split(".."))
        assert [low <= n <= high for n in lengths] == [value == name for value in got["length"]]
    assert sorted(set(got["length"])) == ["100..100", "101..101", "102..102", "103..104"]


def test_what_the_task_states_stays_and_what_does_not_vary_is_left_out() -> None:
    got = with_derived(examples(["ACGT", "AAAT", "NNNN"], gc=["low", "high", "low"]))
    assert list(got["gc"]) == ["low", "high", "low"] and set(got) == {"gc"}
    assert set(with_derived(examples(["ACGT"] * 3))) == set() == set(with_derived(examples([])))
    skewed = with_derived(examples(["A" * 5] * 9 + ["AC"]))
    assert set(skewed["length"]) == {"2..2", "5..5"} and set(skewed["gc"]) == {"0.000..0.000", "0.500..0.500"}
    one = examples(["ACGT", "GGGG"])
    sites = replace(one, inputs=Inputs(one.inputs.sequences, positions=np.array([0, 1])))
    assert set(with_derived(sites)) == set()


@pytest.fixture(scope="module")
def results(toy_card: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    br.run(
        tasks=[toy_card], models=["kmer_logreg", "length"], seeds=(0, 1), results=folder, audit=False, progress=False
    )
    return folder


def test_records_have_the_strata_and_tables_the_scores_by_them(results: Path, toy_card: Path) -> None:
    (r, _) = read_records(results)
    strata = r.predictions.strata
    assert set(strata) == {"part", "gc"}, "all sequences are of one length"
    assert list(strata["gc"]) == list(with_derived(load_split(task_card(toy_card)).test)["gc"])
    table = br.leaderboard(results, strata=["gc"])
    (column,) = table.columns
    values = sorted(set(strata["gc"]))
    assert column.strata == tuple(f"mcc:gc={value}" for value in values) and len(values) == 4
    cell = table.cell(next(row for row in table.rows if row.model == "kmer_logreg"), column)
    record = next(r for r in read_records(results) if r.spec.model == "kmer_logreg")
    assert cell.by_stratum == tuple(estimate(record.predictions, f"mcc:gc={value}") for value in values)
    assert cell.estimates == br.leaderboard(results).cell(table.rows[0], column).estimates, "the rest is as it was"
    lines = [line for line in csv.DictReader(to_csv(table).splitlines()) if ":gc=" in line["metric"]]
    assert len(lines) == 8 and {line["primary"] for line in lines} == {"False"}
    text = to_markdown(table)
    assert "## toy_motif@1 by gc: MCC ↑" in text and f"| Model | Mode | {values[0]}<br>n = " in text
    assert "no interval" in text, "fifteen examples are too few"
    assert " by gc" not in to_markdown(br.leaderboard(results))


def test_a_record_in_memory_has_scores_by_stratum_too(toy_card: Path) -> None:
    record = br.evaluate(toy_card, "kmer_logreg", seeds=(0,), audit=False, progress=False)
    (cell,) = tabulate([record], strata=["gc"]).cells
    assert [e.n for e in cell.by_stratum] == [
        int((record.predictions.strata["gc"] == e.metric[7:]).sum()) for e in cell.by_stratum
    ]
    assert len({e.value for e in (*cell.estimates[:1], *cell.by_stratum)}) > 2


def test_what_cannot_be_shown_by_is_refused_with_what_can(results: Path, tmp_path: Path, toy_card: Path) -> None:
    with pytest.raises(UnknownName, match=r"Unknown stratum column 'prat'. Did you mean 'part'\?"):
        br.leaderboard(results, strata=["prat"])
    refused = CliRunner().invoke(cli, ["leaderboard", str(results), "--out", str(tmp_path), "--strata", "length"])
    assert isinstance(refused.exception, UnknownName) and not list(tmp_path.iterdir())
    made = CliRunner().invoke(cli, ["leaderboard", str(results), "--out", str(tmp_path), "--strata", "part", "--quiet"])
    assert made.exit_code == 0 and "by part: MCC" in (tmp_path / "leaderboard.md").read_text()
    assert (tmp_path / "strata.png").stat().st_size > 5000
    CliRunner().invoke(cli, ["leaderboard", str(results), "--out", str(tmp_path), "--quiet"])
    assert not (tmp_path / "strata.png").exists(), "a plot of a table that is no longer there"
    card = tmp_path / "many.toml"
    (tmp_path / "toy.csv").write_text((toy_card.parent / "toy.csv").read_text())
    card.write_text(toy_card.read_text().replace('["part"]', '["part", "id"]'))
    record = br.evaluate(card, "length", seeds=(0,), audit=False, progress=False)
    with pytest.raises(ConfigError, match=r"stratum 'id' of toy_motif@1 has 60 values; expected at most 50"):
        tabulate([record], strata=["id"])
    (tmp_path / "toy.csv").write_text((tmp_path / "toy.csv").read_text().replace("plain", "-").replace("motif", "+"))
    card.write_text(
        card.read_text().replace('"plain", "motif"', '"-", "+"').replace('["part", "id"]', '["part", "label"]')
    )
    record = br.evaluate(card, "length", seeds=(0,), audit=False, progress=False)
    with pytest.raises(
        ConfigError, match=r"stratum 'label' of toy_motif@1 has the value '\+', which no metric can name"
    ):
        tabulate([record], strata=["label"])


def test_values_stand_in_the_order_of_their_numbers() -> None:
    from baserate.leaderboard.strata import _in_order

    assert sorted(["1000..1499", "chr10", "200..999", "chr2"], key=_in_order) == [
        "200..999",
        "1000..1499",
        "chr2",
        "chr10",
    ]
