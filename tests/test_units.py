"""What intervals are about: the unit of each task, the coarser unit beside it, and how cards and records say so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import baserate as br
from baserate.cards.find import find_task
from baserate.cards.task import task_card
from baserate.errors import BaserateError, DataError
from baserate.leaderboard.markdown import to_markdown
from baserate.records import read_records
from baserate.registry import TASKS, get_task
from baserate.results import Estimate, Predictions
from baserate.sources.intervals import stretches
from baserate.splits import coarser_units, load_split
from baserate.statistics import estimate
from baserate.types import Examples, Inputs, Intervals, Task, strings


def predictions(units: int, *, per_unit: int = 4, seeds: int = 1) -> Predictions:
    """Return predictions of two classes whose errors are shared within coarser units of `per_unit` clusters each."""
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(units), per_unit * 5)
    y = np.arange(len(unit)) % 2
    hard = rng.random(units) < 0.5
    wrong = rng.random((seeds, len(unit))) < np.where(hard, 0.6, 0.1)[unit]
    clusters = strings([f"c{i // 5}" for i in range(len(unit))])
    scores = np.eye(2)[np.where(wrong, 1 - y, y)]
    ids, coarser = strings([f"x{i}" for i in range(len(unit))]), strings([f"u{u}" for u in unit])
    return Predictions(ids, y, clusters, {}, scores, tuple(range(seeds)), None, coarser)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_by_coarser_units_is_that_with_them_as_clusters(seeds: int) -> None:
    p = predictions(30, seeds=seeds)
    e = estimate(p, "accuracy")
    assert p.coarser is not None and e.coarser is not None and e.low is not None and e.high is not None
    alone = estimate(replace(p, clusters=p.coarser, coarser=None), "accuracy")
    assert (alone.low, alone.high, alone.se_test, alone.df) == (
        e.coarser.low,
        e.coarser.high,
        e.coarser.se_test,
        e.coarser.df,
    )
    assert (e.n_clusters, e.coarser.n_clusters, e.coarser.n_effective) == (120, 30, 30)
    assert e.coarser.se_test is not None and e.se_test is not None
    assert e.coarser.se_test > 1.5 * e.se_test, "errors are shared within coarser units"
    assert replace(e, coarser=None) == estimate(replace(p, coarser=None), "accuracy")
    assert Estimate.from_json(json.loads(json.dumps(e.__dict__ | {"coarser": e.coarser.__dict__}))) == e


def test_few_coarser_units_have_no_interval_and_leave_the_other_as_it_is() -> None:
    e = estimate(predictions(6), "accuracy")
    assert e.low is not None and e.coarser is not None and e.coarser.low is None
    assert e.coarser.reason == "no interval: 6 clusters, 10 are needed"


def toy(**keys: object) -> Task:
    about = ("d", "s", "c", "l", (), (), {})
    made = Task("toy", 1, "classification", ("mcc",), lambda: examples(), lambda e: e.ids, *about)
    return replace(made, **keys)  # type: ignore[arg-type]


def examples() -> Examples:
    """Return six examples in four clusters, one of which lies on two chromosomes."""
    at = Intervals(strings("aabbcc"), np.arange(6) * 1_500, np.arange(6) * 1_500 + 400, strings("++++++"))
    ids, clusters = strings([f"x{i}" for i in range(6)]), strings([0, 0, 1, 1, 1, 2])
    return Examples(
        ids, Inputs(strings(["ACGT"] * 6)), np.arange(6) % 2, ids, clusters, {"band": strings("pqpqpq")}, at
    )


def test_coarser_units_never_part_a_cluster() -> None:
    assert coarser_units(toy(), examples()) is None
    found = coarser_units(toy(coarser="chromosome"), examples())
    assert found is not None and list(found) == ["a", "a", "b", "b", "b", "b"]


def test_a_coarser_unit_that_is_no_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"task toy@1: coarser = 'bnad': did you mean 'band'\?"):
        coarser_units(toy(coarser="bnad"), examples())


def test_stretches_are_named_by_the_middle_of_a_window() -> None:
    at = examples().intervals
    assert at is not None
    assert list(stretches(at, 3_000)) == ["a:0", "a:0", "b:3000", "b:3000", "c:6000", "c:6000"]


ARMS = [f"a{i}" for i in range(12)]
BED = """[source]
genome = "g.fa"
bed = "w.bed"
target = "label"
locus = 1000
{more}
[split]
rule = "all_test"
"""


def test_loci_of_a_card_are_clusters_and_not_given_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "g.fa").write_text(">chr1\n" + "".join(rng.choice(list("ACGT"), 5000)) + "\n")
    rows = [f"chr1\t{start}\t{start + 100}\t{i % 2}" for i, start in enumerate((0, 400, 930, 1200, 4100))]
    (tmp_path / "w.bed").write_text("chrom\tstart\tend\tlabel\n" + "\n".join(rows) + "\n")
    head = 'name = "loci"\nkind = "classification"\nclasses = ["0", "1"]\ncoarser = "chromosome"\n'
    file = tmp_path / "loci.toml"
    file.write_text(head + BED.format(more=""))
    task = task_card(file)
    test = load_split(task).test
    assert list(test.clusters) == ["chr1:0", "chr1:0", "chr1:0", "chr1:1000", "chr1:4000"]
    assert len(set(test.groups)) == 5 and task.unit == "locus of 1 kb"
    for more, message in {
        'cluster = "label"': "locus = 1000 and cluster = 'label' both say what the clusters are; leave one out",
        'cluster = ["chrom"]': "leave one out",
    }.items():
        file.write_text(head + BED.format(more=more))
        with pytest.raises(BaserateError, match=message):
            task_card(file)
    file.write_text(head + BED.format(more="").replace("locus = 1000", "locus = -1"))
    with pytest.raises(BaserateError, match="locus = -1; expected a number of bp above 0"):
        task_card(file)


CARD = """name = "toy"
kind = "classification"
classes = ["0", "1"]
{keys}
[source]
table = "toy.csv"
target = "label"
{source}
[split]
{split}
"""


def card(folder: Path, keys: str = "", source: str = "", split: str = 'rule = "by_group"\ntest = 1.0') -> Task:
    rng = np.random.default_rng(1)
    rows = ["".join(rng.choice(list("ACGT"), 40)) + f",{i // 7 % 2},g{i % 60},a{i % 12}" for i in range(240)]
    (folder / "toy.csv").write_text("sequence,label,gene,arm\n" + "\n".join(rows) + "\n")
    file = folder / "toy.toml"
    file.write_text(CARD.format(keys=keys, source=source, split=split))
    return task_card(file)


@pytest.mark.parametrize(
    ("keys", "source", "unit", "fixed"),
    [
        ("", "", "distinct sequence", ""),
        ("", 'group = "row"', "row", ""),
        ("", 'group = "arm"\ncluster = "gene"', "gene", ""),
        ('unit = "locus tag"', 'cluster = "gene"', "locus tag", ""),
        ('metrics = ["mcc:arm=*"]', 'cluster = "gene"\nstrata = ["arm"]', "gene", "arm"),
        ('metrics = ["mcc:arm=*"]\nfixed = "the arms"', 'cluster = "gene"\nstrata = ["arm"]', "gene", "the arms"),
        ('metrics = ["mcc:arm=*"]\ncoarser = "arm"', 'cluster = "gene"\nstrata = ["arm"]', "gene", ""),
    ],
)
def test_a_card_says_what_is_a_sample(tmp_path: Path, keys: str, source: str, unit: str, fixed: str) -> None:
    task = card(tmp_path, keys, source)
    assert (task.unit, task.fixed) == (unit, fixed)


def test_families_are_the_unit_of_a_split_that_knows_them(tmp_path: Path) -> None:
    assert card(tmp_path, split='rule = "by_homology"').unit == "family of similar sequences"
    few, families = (find_task(f"yeast_coding.small({how})") for how in ("shots=8", "cluster_similarity=0.8"))
    assert (few.unit, families.unit) == (get_task("yeast_coding").unit, "family of similar sequences")
    assert find_task(f"{tmp_path / 'toy.toml'}(split='all_test')").unit == "", "by families no longer, and nobody knows"


@pytest.mark.parametrize(
    ("keys", "source", "message"),
    [
        (
            'coarser = "amr"',
            'strata = ["arm"]',
            "coarser = 'amr' is not among the strata of [source]; did you mean 'arm'",
        ),
        ('coarser = "arm"', "", "coarser = 'arm' is not among the strata of [source]; add it"),
        ("coarser = 1", "", "coarser = 1; expected text in quotes"),
        ("margin = 0", "", "margin = 0.0; expected a number above 0 on the scale of the primary metric"),
        ("margin = inf", "", "margin = inf; expected a number above 0"),
        ('margin = "0.02"', "", "margin = '0.02'; expected a number"),
        ("margin = true", "", "margin = True; expected a number"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, keys: str, source: str, message: str) -> None:
    with pytest.raises(BaserateError) as error:
        card(tmp_path, keys, source)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_record_and_the_table_have_both_intervals(tmp_path: Path) -> None:
    split = f'rule = "by_stratum"\ncolumn = "arm"\ntest = {json.dumps(ARMS[:10])}\nvalid = ["a10"]'
    task = card(tmp_path, 'coarser = "arm"\nunit = "gene"', 'cluster = "gene"\nstrata = ["arm"]', split)
    br.run(task, ["gc_content", "length"], "from_scratch", seeds=[0], results=tmp_path / "results")
    made = read_records(tmp_path / "results")
    for record in made:
        assert (record.task["unit"], record.task["coarser"]) == ("gene", "arm")
        assert record.predictions.coarser is not None
        assert record.estimates == tuple(estimate(record.predictions, e.metric) for e in record.estimates)
        assert record.estimates[0].coarser is not None and record.estimates[0].coarser.n_clusters == 10
    page = to_markdown(br.leaderboard(tmp_path / "results"))
    assert "50 (unit: gene)" in page and "by arm (10): " in page


def test_every_registered_task_says_what_its_unit_is() -> None:
    assert [name for name, task in TASKS.all().items() if not task.unit] == []


def test_elements_are_the_unit_of_saturation_mutagenesis() -> None:
    task, old = get_task("kircher_satmut"), get_task("kircher_satmut@1")
    assert (task.id, task.unit, old.superseded_by, old.unit) == ("kircher_satmut@2", "element", task.id, "position")


def test_clusters_of_saturation_mutagenesis_are_the_21_elements() -> None:
    try:
        new, old = (load_split(get_task(name)).test for name in ("kircher_satmut", "kircher_satmut@1"))
    except DataError as error:
        pytest.skip(str(error))
    assert len(set(new.clusters)) == 21 and list(new.ids) == list(old.ids)
    assert (load_split(get_task("kircher_satmut@1")).data_fingerprint) == "d4de4929bb921a2b", "published records"
