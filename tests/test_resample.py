"""Seeds that train on training sets of their own: which clusters they draw, and how runs and tables say so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cli import cli
from baserate.errors import BaserateError, ConfigError, DataError
from baserate.plan import Protocol
from baserate.records import read_records
from baserate.registry import baseline
from baserate.results import RunSpec
from baserate.splits import RESAMPLE, repeated, resampled
from baserate.statistics import estimate
from baserate.types import Examples, FloatArray, Inputs, StrArray, strings

SEEDS = (0, 1, 2, 3, 4)


def examples(n: int = 60, per_cluster: int = 3) -> Examples:
    """Return examples in clusters of three, class by class in turn."""
    rng = np.random.default_rng(0)
    ids = strings([f"x{i}" for i in range(n)])
    text = strings(["".join(rng.choice(list("ACGT"), 20)) for _ in range(n)])
    clusters = strings([f"c{i // per_cluster}" for i in range(n)])
    return Examples(ids, Inputs(text), np.arange(n) % 2, clusters, clusters, {"half": strings(ids > "x3")})


def times(whole: Examples, rows: np.ndarray) -> dict[str, set[int]]:
    """Return how often the rows of each cluster are drawn."""
    drawn = Counter(rows.tolist())
    out: dict[str, set[int]] = {}
    for i, cluster in enumerate(whole.clusters):
        out.setdefault(cluster, set()).add(drawn[i])
    return out


def test_a_bootstrap_draws_as_many_clusters_as_there_are_each_with_all_its_rows() -> None:
    whole = examples()
    seen = []
    for seed in SEEDS:
        rows = resampled(whole, "train", seed=seed, seeds=SEEDS)
        each = times(whole, rows)
        assert all(len(counts) == 1 for counts in each.values()), "clusters are drawn whole"
        assert sum(min(counts) for counts in each.values()) == 20 and max(max(c) for c in each.values()) > 1
        assert np.array_equal(rows, resampled(whole, "train", seed=seed, seeds=(seed,))), "of other seeds nothing"
        seen.append(tuple(rows))
    assert len(set(seen)) == 5
    order = np.random.default_rng(1).permutation(len(whole))
    shuffled = whole.take(order)
    again = resampled(shuffled, "train", seed=3, seeds=SEEDS)
    assert sorted(shuffled.ids[again]) == sorted(whole.ids[list(seen[3])]), "the order of rows has no say"


def test_the_draw_is_that_of_its_version() -> None:
    whole = examples(15)
    drawn = {how: list(resampled(whole, how, seed=1, seeds=(0, 1))) for how in RESAMPLE}
    assert drawn == {
        "train": [0, 1, 2, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 13, 14],
        "train=disjoint": [0, 1, 2, 3, 4, 5],
    }, "another draw needs another RESAMPLE_VERSION"


def test_disjoint_parts_share_no_cluster_and_leave_none_out() -> None:
    whole = examples()
    parts = [resampled(whole, "train=disjoint", seed=seed, seeds=SEEDS) for seed in SEEDS]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(60))
    clusters = [set(whole.clusters[rows]) for rows in parts]
    assert sum(map(len, clusters)) == 20 and {len(c) for c in clusters} == {4}


def test_too_few_clusters_are_refused() -> None:
    with pytest.raises(DataError, match="resample train=disjoint: 4 training clusters for 5 seeds"):
        resampled(examples(12), "train=disjoint", seed=0, seeds=SEEDS)
    rare = examples(60, per_cluster=1)
    rare = Examples(rare.ids, rare.inputs, (np.arange(60) == 7).astype(np.int64), rare.groups, rare.clusters)
    with pytest.raises(
        DataError, match=r"resample train=disjoint: seed \d draws no training example of class number 1"
    ):
        for seed in SEEDS:
            resampled(rare, "train=disjoint", seed=seed, seeds=SEEDS)


def test_copies_of_a_row_have_ids_of_their_own() -> None:
    whole = examples(9)
    made = repeated(whole, np.array([0, 0, 0, 2, 4, 4]))
    assert list(made.ids) == ["x0", "x2", "x4", "x0#2", "x4#2", "x0#3"]
    for column in ("targets", "clusters", "groups"):
        want = getattr(whole, column)[[0, 2, 4, 0, 4, 0]]
        assert np.array_equal(getattr(made, column), want)
    assert list(made.inputs.sequences) == list(whole.inputs.sequences[[0, 2, 4, 0, 4, 0]])
    assert repeated(whole, np.array([1, 3])).fingerprint == whole.take(np.array([1, 3])).fingerprint


@dataclass
class Watched:
    """A model that keeps the training rows of each seed, and predicts their mean."""

    trained: dict[int, StrArray] = field(default_factory=dict)
    mean: float = 0.0

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Watched:
        self.trained[seed] = strings([i.partition("#")[0] for i in train.ids])
        self.mean = float(np.mean(train.targets))
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        gc = np.array([s.count("G") + s.count("C") for s in inputs.sequences]) / 100
        p = np.clip(self.mean + gc - gc.mean(), 0, 1)
        return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize(("how", "fraction"), [("train", 1.0), ("train=disjoint", 1 / 3)])
def test_each_seed_trains_on_its_own_draw_and_the_record_says_so(toy_card: Path, how: str, fraction: float) -> None:
    watched = Watched()

    @baseline("watched", version=1, modes={"from_scratch": {}}, description="Watched.")
    def load() -> Watched:
        return watched

    record = br.evaluate(toy_card, "watched", resample=how, seeds=[0, 1, 2], audit=False, progress=False)
    train = br.load_split(toy_card).train
    for seed in (0, 1, 2):
        rows = resampled(train, how, seed=seed, seeds=(0, 1, 2))
        assert sorted(watched.trained[seed]) == sorted(train.ids[rows])
    assert (record.spec.resample, record.spec.train_fraction) == (how, fraction)
    assert record.choices is not None and [c.n_train for c in record.choices] == [
        len(watched.trained[s]) for s in (0, 1, 2)
    ]


def test_a_probe_trains_on_the_same_draw(toy_card: Path) -> None:
    def composition(sequences: list[str]) -> FloatArray:
        return np.array([[s.count(b) for b in "ACGT"] for s in sequences], np.float64)

    made = br.evaluate(toy_card, composition, name="composition", resample="train", seeds=[0, 1], audit=False)
    train = br.load_split(toy_card).train
    assert made.choices is not None
    assert [c.n_train for c in made.choices] == [len(resampled(train, "train", seed=s, seeds=(0, 1))) for s in (0, 1)]
    assert made.estimates[0].value is not None


def test_it_is_in_the_identity_only_where_it_was_asked_for(toy_card: Path, tmp_path: Path) -> None:
    at = {"seeds": [0, 1], "audit": False, "progress": False, "results": tmp_path}
    plain, drawn, parts = (
        br.evaluate(toy_card, "gc_content", "from_scratch", resample=how, **at)  # type: ignore[arg-type]
        for how in ("", *RESAMPLE)
    )
    assert "resample" not in plain.spec.to_json() and plain.spec.versions.get("resample") is None
    assert RunSpec.from_json(plain.spec.to_json()) == plain.spec
    assert drawn.spec.to_json()["resample"] == "train" and drawn.spec.versions["resample"] == "1"
    assert len({r.hash for r in (plain, drawn, parts)}) == 3 == len(read_records(tmp_path))
    table = br.leaderboard(tmp_path)
    assert sorted(c.name for c in table.columns) == [
        "toy_motif@1 (train fraction 0.5, resample train=disjoint)",
        "toy_motif@1 (train fraction 0.9, resample none)",
        "toy_motif@1 (train fraction 1, resample train)",
    ]
    assert len(table.rows) == 1, "a row is a model, whatever it was trained on"


def test_draws_from_one_set_do_not_average_it_out(toy_card: Path, tmp_path: Path) -> None:
    at = {"seeds": [0, 1, 2, 3, 4], "audit": False, "progress": False, "results": tmp_path}
    for model in ("gc_content", "onehot_linear"):
        for how in ("", *RESAMPLE):
            br.evaluate(toy_card, model, "from_scratch", resample=how, **at)  # type: ignore[arg-type]
    for record in read_records(tmp_path):
        for e in record.estimates:
            assert e.se_seed is not None
            root = 1.0 if record.spec.resample == "train" else np.sqrt(5)
            assert e.se_seed == pytest.approx(np.std(e.per_seed, ddof=1) / root)  # type: ignore[arg-type]
            assert estimate(record.predictions, e.metric) == e
    for _ in range(2):  # the second time from the cache
        for pair in br.compare(tmp_path, "gc_content", "onehot_linear").tasks:
            apart = np.subtract(pair.first.per_seed, pair.second.per_seed)
            root = 1.0 if "resample train)" in pair.column else np.sqrt(5)
            assert pair.gain.se_seed == pytest.approx(np.std(apart, ddof=1) / root)


def test_what_trains_nothing_and_few_shots_have_none(toy_card: Path) -> None:
    few = br.evaluate(
        f"{toy_card}(shots=4)", "gc_content", "from_scratch", resample="train", seeds=[0], audit=False, progress=False
    )
    assert few.spec.resample == "" and "resample" not in few.spec.versions


def test_a_table_of_resampled_runs_alone_names_its_column(toy_card: Path, tmp_path: Path) -> None:
    command = ["run", "--task", str(toy_card), "--model", "gc_content", "--mode", "from_scratch", "--seeds", "0,1"]
    command += ["--resample", "train", "--results", str(tmp_path), "--tracking-uri", "none", "--no-audit", "--quiet"]
    done = CliRunner().invoke(cli, command, standalone_mode=False)
    assert done.exception is None, done.output
    (column,) = br.leaderboard(tmp_path).columns
    assert column.name == "toy_motif@1 (resample train)"
    folder = next(tmp_path.glob("*/*/record.json")).parent
    shown = CliRunner().invoke(cli, ["show", str(folder)], standalone_mode=False).output
    assert "train: another training set for each seed" in shown


def test_mistakes_are_one_line(toy_card: Path) -> None:
    with pytest.raises(ConfigError, match="resample = 'trian'; expected 'train' or 'train=disjoint'"):
        Protocol(resample="trian")
    with pytest.raises(ConfigError, match="replicates need training sets that every seed can have"):
        Protocol(resample="train=disjoint", replicates=2)
    with pytest.raises(BaserateError, match="resample = 'test'"):
        br.evaluate(toy_card, "gc_content", "from_scratch", resample="test")
