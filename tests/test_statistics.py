"""Intervals, paired differences and corrections, against direct computation."""

import dataclasses

import numpy as np
import pytest

from baserate.errors import ConfigError, DataError
from baserate.metrics import METRICS, parse
from baserate.results import Predictions
from baserate.statistics import aligned, bootstrap, estimate, flag_collapsed, groups_of, holm, jackknife, replicates
from baserate.statistics import difference as paired
from baserate.types import strings


def predictions(signal=1.0, *, n=200, clusters=40, seeds=2, noise=0, k=2):
    """Return predictions of a binary task whose clusters share an effect; `noise` picks the model's own noise."""
    rng = np.random.default_rng(5)
    cluster = rng.integers(clusters, size=n)
    y = rng.integers(2, size=n)
    species = strings(["human" if c % 2 else "fly" for c in cluster])
    own = np.random.default_rng(noise)
    logit = signal * (2 * y - 1) + rng.normal(size=clusters)[cluster] + own.normal(size=(seeds, n))
    p = 1 / (1 + np.exp(-logit))
    scores = np.stack([1 - p, p], axis=2) if k == 2 else p[:, :, None]
    ids, names = strings([f"x{i}" for i in range(n)]), strings([f"g{c}" for c in cluster])
    return Predictions(ids, y, names, {"species": species}, scores, tuple(range(seeds)))


def difference(a, b, metric):
    """The difference of `a` and `b`, as the leaderboard makes it."""
    b, parsed = aligned(b, a), parse(metric)
    groups = groups_of(a, parsed)
    return paired(*(jackknife(p, parsed, groups) for p in (a, b)))


def by_hand(p, name, draws, rows=slice(None)):
    """The metric in each draw, by repeating every example of each drawn cluster."""
    clusters = np.unique(p.clusters.astype(str))
    out = []
    for drawn in draws:
        weight = np.array([(clusters[drawn] == c).sum() for c in p.clusters])[rows]
        values = [METRICS.get(name)(p.targets[rows], s[rows], weight[None])[0] for s in p.scores]
        out.append(np.mean(values))
    return np.array(out)


@pytest.mark.parametrize("name", ["mcc", "auroc"])
def test_draws_are_of_clusters_with_all_their_examples(name):
    p = predictions()
    want = by_hand(p, name, np.random.default_rng(3).integers(40, size=(50, 40)))
    np.testing.assert_allclose(replicates([p], name, n_resamples=50, seed=3)[0], want, atol=1e-12)
    got = estimate(p, name)
    assert got.value == pytest.approx(np.mean(got.per_seed), abs=1e-15)
    assert (got.n, got.n_clusters, got.reason) == (200, 40, "")


@pytest.mark.parametrize("expression", ["auroc", "mcc", "mcc:species=human-fly"])
def test_draws_do_not_depend_on_the_memory_they_may_take(expression, monkeypatch):
    p = predictions()
    whole = replicates([p], expression, n_resamples=60)
    monkeypatch.setattr(bootstrap, "_BLOCK", 1400)
    monkeypatch.setattr(bootstrap, "_MIN_DRAWS", 1)
    np.testing.assert_array_equal(whole, replicates([p], expression, n_resamples=60))
    np.testing.assert_array_equal(whole[:, :30], replicates([p], expression, n_resamples=30))


def test_strata_are_averaged_and_subtracted_within_each_draw():
    p = predictions()
    draws = np.random.default_rng(0).integers(40, size=(30, 40))
    human, fly = (by_hand(p, "mcc", draws, np.flatnonzero(p.strata["species"] == s)) for s in ("human", "fly"))
    for text, want in (("human-fly", human - fly), ("*", (human + fly) / 2), ("fly", fly)):
        got = replicates([p], f"mcc:species={text}", n_resamples=30)[0]
        np.testing.assert_allclose(got, want, atol=1e-12)
    each = {s: estimate(p, f"mcc:species={s}") for s in ("human", "fly", "human-fly", "*")}
    assert each["human-fly"].value == pytest.approx(each["human"].value - each["fly"].value, abs=1e-12)
    assert each["human"].n + each["fly"].n == each["*"].n == 200


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """Clustered examples: 95 % intervals that resample clusters cover, those that resample examples do not."""
    rng = np.random.default_rng(11)
    covered = {"clusters": 0, "examples": 0}
    for _ in range(200):
        shares = np.repeat(rng.beta(2, 2, size=60), 20)
        right = rng.random(len(shares)) < shares
        scores = np.stack([~right, right], axis=1).astype(float)[None]
        y, ids = np.ones(len(right), dtype=int), strings([str(i) for i in range(len(right))])
        for unit, clusters in (("clusters", strings([str(i // 20) for i in range(len(right))])), ("examples", ids)):
            e = estimate(Predictions(ids, y, clusters, {}, scores, (0,)), "accuracy")
            covered[unit] += e.low <= 0.5 <= e.high
    assert 0.90 <= covered["clusters"] / 200 <= 0.98
    assert covered["examples"] / 200 < 0.75


def test_undefined_value_is_none_with_the_stratum_in_the_reason():
    p = predictions()
    y = np.where(p.strata["species"] == "fly", 1, p.targets)
    e = estimate(dataclasses.replace(p, targets=y), "auroc:species=*")
    assert (e.value, e.low, e.high) == (None, None, None)
    assert e.reason == "species fly: class 0 is absent from the targets"


def skipping(p, mask):
    """The predictions with the examples outside `mask` not scored."""
    return dataclasses.replace(p, scores=np.where(mask[:, None], p.scores, np.nan), scored=mask)


@pytest.mark.parametrize("metric", ["mcc", "auroc", "auroc:species=human-fly", "brier:species=*"])
def test_examples_that_are_not_scored_are_as_if_they_were_not_there(metric):
    p = predictions()
    mask = ~np.isin(p.clusters, ["g1", "g2", "g3"]) & (np.arange(200) % 4 > 0)
    rows = np.flatnonzero(mask)
    strata = {"species": p.strata["species"][rows]}
    alone = Predictions(p.ids[rows], p.targets[rows], p.clusters[rows], strata, p.scores[:, rows], p.seeds)
    assert estimate(skipping(p, mask), metric) == estimate(alone, metric)
    assert estimate(alone, metric).n == len(rows) and estimate(alone, metric).n_clusters <= 37
    assert not flag_collapsed(skipping(p, mask))
    assert flag_collapsed(dataclasses.replace(skipping(p, mask), scored=None))


def test_stratum_without_a_scored_example_has_no_value_and_does_not_change_the_mean_in_silence():
    p = predictions()
    got = estimate(skipping(p, p.strata["species"] == "human"), "mcc:species=*")
    assert (got.value, got.reason) == (None, "species fly: there are no examples")


def test_wrong_metric_and_wrong_stratum_are_the_callers_mistake():
    with pytest.raises(ConfigError, match="Did you mean 'auroc'"):
        estimate(predictions(), "aurc")
    with pytest.raises(ConfigError, match="'human'"):
        estimate(predictions(), "mcc:species=humans")


def test_paired_difference_has_a_smaller_error_than_its_two_scores():
    a, b = predictions(1.5), predictions(0.8)
    d = difference(a, b, "auroc")
    ea, eb = estimate(a, "auroc"), estimate(b, "auroc")
    assert d.low > 0 and d.p < 0.05
    assert d.se_test < 0.7 * (ea.se_test + eb.se_test)


def test_a_model_is_no_better_than_itself():
    a = predictions()
    d = difference(a, a, "mcc")
    assert (d.value, d.low, d.high, d.p) == (0.0, 0.0, 0.0, 1.0)


def test_false_positives_of_the_paired_test_are_about_as_many_as_it_says():
    """Two models of equal skill and own noise: p < 0.05 in about one of twenty."""
    ps = [
        difference(predictions(noise=2 * i, seeds=1), predictions(noise=2 * i + 1, seeds=1), "mcc").p
        for i in range(150)
    ]
    assert 0.01 <= np.mean(np.array(ps) < 0.05) <= 0.11


def test_order_of_the_examples_does_not_matter_to_a_comparison():
    a, b = predictions(1.5), predictions(0.8)
    order = np.random.default_rng(0).permutation(200)
    shuffled = Predictions(
        b.ids[order],
        b.targets[order],
        b.clusters[order],
        {"species": b.strata["species"][order]},
        b.scores[:, order],
        (0, 1),
    )
    assert difference(a, shuffled, "mcc:species=human") == difference(a, b, "mcc:species=human")
    some = np.arange(200) % 3 > 0
    shuffled = dataclasses.replace(shuffled, scored=some[order])
    np.testing.assert_array_equal(aligned(shuffled, a).scored, some)


def test_predictions_for_other_examples_are_not_compared():
    a = predictions()
    with pytest.raises(DataError, match="cannot pair 200 with 150"):
        difference(a, predictions(n=150), "mcc")
    with pytest.raises(DataError, match="the target of 'x0' is"):
        difference(a, dataclasses.replace(a, targets=1 - a.targets), "mcc")


def test_holm_follows_the_step_down_definition():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("change", "collapsed"),
    [
        (lambda s: s, False),
        (lambda s: s * 0 + 0.5, True),
        (lambda s: np.concatenate([s[:1], s[1:] * 0 + 0.25]), True),
        (lambda s: np.where(s == s.max(), np.nan, s), True),
        (lambda s: s * 1e-9, False),
        (lambda s: 0.5 + s * 1e-9, True),
    ],
    ids=["spread", "constant", "one seed", "nan", "small", "constant in float32"],
)
def test_collapsed_predictions_are_told_from_small_ones(change, collapsed):
    p = predictions()
    assert flag_collapsed(dataclasses.replace(p, scores=change(p.scores))) is collapsed


@pytest.mark.parametrize("name", ["auprc", "mcc", "spearman"])
def test_mean_weighted_by_size_is_that_of_repeated_examples_without_strata_of_one_class(name):
    """The definition of TraitGym: each chromosome's average precision, weighted by its number of variants."""
    import scipy.stats
    import sklearn.metrics

    reference = {
        "auprc": lambda y, s: sklearn.metrics.average_precision_score(y, s[:, 1]),
        "mcc": lambda y, s: sklearn.metrics.matthews_corrcoef(y, s.argmax(1)),
        "spearman": lambda y, s: scipy.stats.spearmanr(y, s[:, 0])[0],
    }[name]
    p = predictions(n=150, clusters=30, seeds=1, k=1 if name == "spearman" else 2)
    rng = np.random.default_rng(8)
    chrom = strings([f"chr{c}" for c in rng.choice(4, p=[0.5, 0.3, 0.15, 0.05], size=150)])
    y = p.targets.copy()
    y[chrom == "chr3"] = 1
    p = dataclasses.replace(p, targets=y, strata={"chrom": chrom})

    def weighted(rows):
        total = n = 0.0
        for c in ("chr0", "chr1", "chr2", "chr3"):
            own = rows[chrom[rows] == c]
            if len(np.unique(y[own])) == 2:
                total, n = total + len(own) * reference(y[own], p.scores[0][own]), n + len(own)
        return total / n

    got = estimate(p, f"{name}:chrom=*n")
    assert got.value == pytest.approx(weighted(np.arange(150)), abs=1e-12)
    assert got.n == int((chrom != "chr3").sum())
    assert got.reason == "1 of 4 values of chrom left out, for want of a class"
    names = np.unique(p.clusters.astype(str))
    members = [np.flatnonzero(p.clusters == c) for c in names]
    want = [
        weighted(np.concatenate([members[c] for c in drawn]))
        for drawn in np.random.default_rng(0).integers(30, size=(40, 30))
    ]
    np.testing.assert_allclose(replicates([p], f"{name}:chrom=*n", n_resamples=40)[0], want, atol=1e-12)


def test_mean_weighted_by_size_of_strata_of_one_class_alone_is_undefined():
    p = dataclasses.replace(predictions(), targets=np.ones(200, np.int64))
    got = estimate(p, "auprc:species=*n")
    assert (got.value, got.reason) == (None, "for no species: class 0 is absent from the targets")


def test_labels_left_out_are_said_beside_the_value():
    rng = np.random.default_rng(2)
    y = rng.integers(2, size=(200, 3))
    y[:, 1] = 0
    p = dataclasses.replace(predictions(), targets=y, scores=rng.random((2, 200, 3)))
    got = estimate(p, "auroc")
    assert got.value is not None
    assert got.low is not None
    assert got.reason == "mean over 2: 1 of 3 labels are never, or always, set"


def test_predictions_of_other_labels_cannot_be_paired():
    p = dataclasses.replace(predictions(), targets=np.tile([0, 1], (200, 1)))
    other = p.targets.copy()
    other[7, 1] = 0
    with pytest.raises(DataError, match="the target of 'x7'"):
        aligned(dataclasses.replace(p, targets=other), p)


def test_zero_shot_score_has_a_rank_and_no_scale():
    p = dataclasses.replace(predictions(k=1), targets=np.random.default_rng(1).normal(size=200))
    assert estimate(p, "spearman", scaled=False).value is not None
    got = estimate(p, "r2", scaled=False)
    assert (got.value, got.per_seed) == (None, (None, None))
    assert got.reason == "R2 needs predictions on the scale of the targets; a zero-shot score is on its own"
    assert estimate(p, "r2").value is not None
