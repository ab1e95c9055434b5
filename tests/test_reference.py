"""Zero-shot scores by how likely the model finds the reference of a variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cli import cli
from baserate.dna.sequence import reverse_complement
from baserate.errors import NotApplicable, UnknownName
from baserate.leaderboard.strata import ABOUT
from baserate.records import Record, read_records
from baserate.registry import get_model, load_model, with_params
from baserate.statistics import LIKELIHOOD, QUARTERS, estimate, quarters
from baserate.types import Inputs, strings
from baserate.zero_shot.reference import reference_likelihood

TASK = "wt1_exon5_splicing.small"


@pytest.mark.parametrize("head", ["causal", "masked"])
def test_the_likelihood_is_that_of_the_window_about_the_change(head: str) -> None:
    """A toy of order 0 finds A, C, G, T with .4, .3, .2, .1 wherever they stand, and reads 512 bases."""
    model = load_model(with_params(get_model("markov_toy_0"), head=head))
    near, far = "ACGTAACCA", "T" * 1000 + "A" * 1000
    inputs = Inputs(
        strings([near, far, near]), strings([near[:4] + "C" + near[5:], far[:1500] + "C" + far[1501:], "N" + near[1:]])
    )
    inputs = Inputs(inputs.sequences, inputs.alternates, np.array([4, 1500, 0]))
    p = dict(zip("ACGT", np.log([0.4, 0.3, 0.2, 0.1]), strict=True))
    both = [np.mean([p[b] for b in s + reverse_complement(s)]) for s in (near, "A")]
    found = reference_likelihood(model, inputs)
    np.testing.assert_allclose(found, [*both, np.nan], atol=1e-9)
    with pytest.raises(NotApplicable, match="needs log_likelihood or pseudo_log_likelihood"):
        reference_likelihood(object(), inputs)


def test_quarters_are_of_one_size_and_equal_values_share_one() -> None:
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    named = quarters(values)
    assert [list(named).count(q) for q in QUARTERS] == [25] * 4
    assert {q: values[named == q].min() for q in QUARTERS} == {"q1": 0, "q2": 25, "q3": 50, "q4": 75}
    with_gaps = quarters(np.where(values < 20, np.nan, values))
    assert list(with_gaps).count("none") == 20 and [list(with_gaps).count(q) for q in QUARTERS] == [20] * 4
    assert set(quarters(np.zeros(9))) == {"q3"} and set(quarters(np.full(3, np.nan))) == {"none"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    run(folder, check_reference=True)
    return folder


def run(results: Path, *, check_reference: bool) -> list[Record]:
    how = {"results": results, "check_reference": check_reference, "audit": False, "progress": False}
    return br.run(TASK, ["markov", "gc_content"], "zero_shot", **how)  # type: ignore[arg-type]


def test_each_row_has_scores_by_its_own_quarters(results: Path) -> None:
    chain, counts = (
        next(r for r in read_records(results) if r.spec.model == name) for name in ("markov", "gc_content")
    )
    named = chain.predictions.strata[LIKELIHOOD]
    assert set(named) == set(QUARTERS) and set(counts.predictions.strata[LIKELIHOOD]) == {"none"}
    table = br.leaderboard(results, strata=[LIKELIHOOD])
    (column,) = table.columns
    assert column.strata == tuple(f"spearman:{LIKELIHOOD}={q}" for q in QUARTERS)
    of_chain, of_counts = (
        table.cell(next(r for r in table.rows if r.model == name), column) for name in ("markov", "gc_content")
    )
    assert of_chain.by_stratum == tuple(estimate(chain.predictions, metric) for metric in column.strata)
    assert sum(e.n for e in of_chain.by_stratum) == len(named) and None not in [e.value for e in of_chain.by_stratum]
    assert [e.value for e in of_counts.by_stratum] == [None] * 4
    plain = br.leaderboard(results)
    assert plain.cell(plain.rows[0], plain.columns[0]).gain == table.cell(table.rows[0], column).gain


def test_tables_pages_and_the_plot_say_what_the_quarters_are(results: Path, tmp_path: Path) -> None:
    asked = ["--strata", LIKELIHOOD, "--quiet"]
    made = CliRunner().invoke(cli, ["leaderboard", str(results), "--out", str(tmp_path), *asked])
    assert made.exit_code == 0, made.output
    text = (tmp_path / "leaderboard.md").read_text()
    assert f"## {TASK}@1 by {LIKELIHOOD}: Spearman ↑" in text.replace("\\_", "_")
    assert "q1<br>n = 250 |" in text, "a row without quarters does not count"
    assert ABOUT[LIKELIHOOD][:40] in text and (tmp_path / "strata.png").stat().st_size > 5000
    made = CliRunner().invoke(cli, ["publish", str(results), "--out", str(tmp_path / "site"), *asked])
    assert made.exit_code == 0, made.output
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    assert f"By {LIKELIHOOD}" in page.read_text() and "least likely first" in page.read_text()


def test_what_was_run_without_is_run_again_with_the_same_scores(results: Path, tmp_path: Path) -> None:
    plain = run(tmp_path, check_reference=False)
    scores = [r.predictions.scores for r in plain if LIKELIHOOD not in r.predictions.strata]
    with pytest.raises(UnknownName, match=f"Unknown stratum column '{LIKELIHOOD}'"):
        br.leaderboard(tmp_path, strata=[LIKELIHOOD])
    again = run(tmp_path, check_reference=True)
    for before, of_before, after in zip(plain, scores, again, strict=True):
        np.testing.assert_array_equal(of_before, after.predictions.scores)
        assert (before.hash, before.estimates, before.flags) == (after.hash, after.estimates, after.flags)
    assert again == run(tmp_path, check_reference=False) == run(tmp_path, check_reference=True), "and no third time"
    assert CliRunner().invoke(cli, ["verify", str(tmp_path)]).exit_code == 0


def test_rows_pair_whichever_of_them_was_run_with_quarters(results: Path, tmp_path: Path) -> None:
    (counts,) = br.run(TASK, "edit_count", "zero_shot", results=tmp_path, audit=False, progress=False)
    records = [*read_records(results), counts]
    (one,), (other,) = (
        br.compare(records, *names).tasks for names in (("markov", "edit_count"), ("edit_count", "markov"))
    )
    assert one.gain.value == pytest.approx(-other.gain.value) and one.first.n == one.second.n
