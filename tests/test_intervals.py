"""Intervals of scores and differences by the jackknife, against textbook formulas and other implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from baserate.metrics import parse
from baserate.results import Predictions
from baserate.statistics import difference, estimate, groups_of, jackknife, replicates, swap_p
from baserate.statistics.intervals import limits
from baserate.statistics.parts import half_width, p_of
from baserate.types import strings


def predictions(right: np.ndarray, clusters: np.ndarray | None = None, y: np.ndarray | None = None) -> Predictions:
    """Return predictions of two classes by seeds (seeds, n): hot where `right`."""
    right = np.atleast_2d(np.asarray(right, bool))
    n = right.shape[1]
    y = np.arange(n) % 2 if y is None else y
    scores = np.eye(2)[np.where(right, y, 1 - y)]
    clusters = np.arange(n) if clusters is None else clusters
    return Predictions(strings(range(n)), y, strings(clusters), {}, scores, tuple(range(len(right))))


def scored(score: np.ndarray, y: np.ndarray, clusters: np.ndarray | None = None) -> Predictions:
    score = np.atleast_2d(score)
    clusters = np.arange(len(y)) if clusters is None else clusters
    both = np.stack([1 - score, score], axis=2)
    return Predictions(strings(range(len(y))), y, strings(clusters), {}, both, tuple(range(len(score))))


def made(p: Predictions, metric: str) -> object:
    parsed = parse(metric)
    return jackknife(p, parsed, groups_of(p, parsed))


def test_the_error_of_a_mean_is_the_textbook_one() -> None:
    right = np.random.default_rng(0).random(120) < 0.8
    e = estimate(predictions(right), "accuracy")
    assert e.se_test == pytest.approx(right.std(ddof=1) / np.sqrt(120))
    squares = (right - right.mean()) ** 2
    t = stats.t.isf(0.025, min(119, 2 * squares.sum() ** 2 / (squares**2).sum()))
    share, spread = right.mean(), e.se_test / (right.mean() * (1 - right.mean()))
    logit = np.log(share / (1 - share))
    assert (e.low, e.high) == pytest.approx(tuple(1 / (1 + np.exp(-(logit + s * t * spread))) for s in (-1, 1)))
    assert e.trained == (e.low, e.high)


def test_values_without_a_cluster_are_those_of_the_other_examples() -> None:
    rng = np.random.default_rng(1)
    y, clusters = rng.integers(2, size=150), rng.integers(25, size=150)
    score = np.round(0.4 * y + rng.random(150), 1) / 1.4
    p = scored(score, y, clusters)
    without = made(p, "auroc").without[0]  # type: ignore[attr-defined]
    names = np.unique(clusters.astype(str))
    want = [roc_auc_score(y[clusters.astype(str) != c], score[clusters.astype(str) != c]) for c in names]
    np.testing.assert_allclose(without, want, atol=1e-12)


def test_a_score_without_a_fault_has_the_exact_limit_and_never_one_alone() -> None:
    e = estimate(predictions(np.ones(60)), "accuracy")
    assert (e.value, e.high) == (1.0, 1.0) and e.low == pytest.approx(0.025 ** (1 / 60))
    worst = estimate(predictions(np.zeros(60)), "accuracy")
    assert (worst.value, worst.low) == (0.0, 0.0) and worst.high == pytest.approx(1 - 0.025 ** (1 / 60))
    assert estimate(predictions(np.ones(60)), "mcc").low == pytest.approx(2 * 0.025 ** (1 / 60) - 1)
    assert limits(0.3, [(0.0, 59)], span=(0, 1), level=0.95, n=60) == pytest.approx(
        tuple(stats.binomtest(18, 60).proportion_ci())
    )


def test_rounding_is_no_error_a_perfect_correlation_has_the_exact_limit() -> None:
    y = np.random.default_rng(0).normal(size=(60, 1)) * 3 + 100
    ids = strings(range(60))
    p, other = (Predictions(ids, y[:, 0], ids, {}, scale * y[None] + 1, (0,)) for scale in (0.1, 0.7))
    e = estimate(p, "pearson")
    assert e.value == pytest.approx(1) and e.se_test is not None and 0 < e.se_test < 1e-12
    assert (e.low, e.high) == pytest.approx((2 * 0.025 ** (1 / 60) - 1, 1))
    d = difference(made(p, "pearson"), made(other, "pearson"), span=(-1.0, 1.0))  # type: ignore[arg-type]
    assert d.low is not None and d.high is not None and d.high == pytest.approx(-d.low) and d.high > 0.1


def test_a_constant_whose_value_varies_by_rounding_alone_has_no_interval_but_its_value() -> None:
    rng = np.random.default_rng(1)
    y, ids = rng.integers(3, size=600), strings(range(600))
    p = Predictions(ids, y, strings(np.arange(600) % 140), {}, np.tile([0.25, 0.4, 0.35], (1, 600, 1)), (0,))
    e = estimate(p, "auprc")  # of one class against the rest it is the share of that class, and these sum to 1
    assert e.value == pytest.approx(1 / 3) and e.low == e.high == e.value and e.se_test is not None and e.se_test > 0


def test_limits_stay_within_the_span_of_the_metric() -> None:
    for value in (0.999, 0.001, 0.5):
        low, high = limits(value, [(0.2, 20)], span=(0, 1), level=0.95, n=50)
        assert 0 <= low < value < high <= 1
    assert limits(1.5, [(0.1, 1e9)], span=None, level=0.95, n=50) == pytest.approx((1.304, 1.696), abs=1e-3)


@pytest.mark.parametrize(
    ("clusters", "reason"),
    [
        (np.repeat(np.arange(2), 100), "no interval: 2 clusters, 10 are needed"),
        (np.minimum(np.arange(200), 40), "no interval: the 41 clusters, of unequal sizes, count as 1.6; 10 are needed"),
    ],
)
def test_too_few_clusters_have_no_interval(clusters: np.ndarray, reason: str) -> None:
    right = np.random.default_rng(2).random(200) < 0.7
    e = estimate(predictions(right, clusters), "accuracy")
    assert (e.low, e.high, e.reason) == (None, None, reason) and e.value is not None


def test_a_rare_class_has_no_interval_where_classes_are_contrasted() -> None:
    y = (np.arange(400) < 12).astype(int)
    p = scored(np.random.default_rng(0).random(400), y)
    assert estimate(p, "auprc").reason == "no interval: 12 examples of class 1, 30 are needed"
    assert estimate(p, "accuracy").low is not None
    y = (np.arange(400) < 60).astype(int)
    together = np.where(np.arange(400) < 55, 0, np.arange(400))
    got = estimate(scored(np.random.default_rng(0).random(400), y, together), "auroc").reason
    assert got == "no interval: the clusters with class 1 count as 1.2; 10 are needed"


def test_a_rare_label_has_no_interval_in_a_mean_over_labels() -> None:
    rng = np.random.default_rng(0)
    n, often = 400, rng.integers(2, size=(400, 2))

    def of_labels(*columns: np.ndarray) -> Predictions:
        y = np.column_stack([often, *columns])
        names = strings([str(i) for i in range(n)])
        return Predictions(names, y, names, {}, np.clip(0.4 * y + 0.6 * rng.random(y.shape), 0, 1)[None], (0,))

    rare, other, never = (np.arange(n) < 12).astype(int), (np.arange(n) >= 20).astype(int), np.zeros(n, int)
    assert estimate(of_labels(), "auprc").low is not None
    for name in ("auprc", "auroc", "f1", "mcc"):
        e = estimate(of_labels(rare), name)
        assert (e.low, e.reason) == (None, "no interval: 12 examples of class 1 of label 2, 30 are needed")
    e = estimate(of_labels(rare, other), "auprc")
    assert e.value is not None and e.reason.endswith("of label 2, 30 are needed, and 1 more of 4 labels are as rare")
    assert estimate(of_labels(other), "auprc").reason == "no interval: 20 examples of class 0 of label 2, 30 are needed"
    assert estimate(of_labels(never), "auprc").low is not None, "a label that is never set is not in the mean"
    assert estimate(of_labels(rare), "brier").low is not None


def test_the_debiased_calibration_error_of_a_calibrated_model_is_none_on_average() -> None:
    rng = np.random.default_rng(8)

    def made(n: int, truth: Callable[[np.ndarray], np.ndarray]) -> Predictions:
        p = rng.beta(1.5, 1.5, n)
        y = (rng.random(n) < truth(p)).astype(int)
        names = strings([str(i) for i in range(n)])
        return Predictions(names, y, names, {}, np.stack([1 - p, p], axis=1)[None], (0,))

    calibrated = [made(200, lambda p: p) for _ in range(300)]
    of = {name: [estimate(p, name) for p in calibrated] for name in ("ece", "ece_debiased")}
    values = {name: np.array([e.value for e in estimates]) for name, estimates in of.items()}
    error = values["ece_debiased"].std(ddof=1) / np.sqrt(300)
    assert abs(values["ece_debiased"].mean()) < 3 * error and error < 0.0005
    assert values["ece"].mean() > 0.05, "that of 200 examples is mostly chance"
    covered = [e.low <= 0 <= e.high for e in of["ece_debiased"]]
    assert np.mean(covered) > 0.9
    wrong = [
        estimate(made(2000, lambda p: np.clip(p + 0.1 * np.sign(p - 0.5), 0, 1)), "ece_debiased") for _ in range(40)
    ]
    assert np.mean([e.value for e in wrong]) == pytest.approx(0.01, rel=0.2)
    assert np.mean([e.low <= 0.0093 <= e.high for e in wrong]) > 0.8 and min(e.low for e in wrong) > 0


def test_strata_that_are_the_clusters_have_an_interval() -> None:
    rng = np.random.default_rng(4)
    chrom = np.repeat([f"chr{i}" for i in range(22)], 30)
    y = rng.integers(2, size=660)
    p = replace(scored((0.5 * y + rng.random(660)) / 1.5, y, chrom), strata={"chrom": strings(chrom)})
    e = estimate(p, "auprc:chrom=*")
    each = [estimate(p, f"auprc:chrom={c}").value for c in np.unique(chrom)]
    assert e.value == pytest.approx(np.mean(each))
    assert e.se_test == pytest.approx(np.std(each, ddof=1) / np.sqrt(22))
    assert e.low is not None and e.high is not None and e.low < e.value < e.high


def test_the_noise_of_training_is_in_the_interval_of_the_method_alone() -> None:
    rng = np.random.default_rng(6)
    right = np.stack([rng.random(2000) < share for share in (0.6, 0.7, 0.8, 0.75, 0.65)])
    e = estimate(predictions(right), "accuracy")
    assert e.se_seed == pytest.approx(np.std(e.per_seed, ddof=1) / np.sqrt(5))
    assert e.trained is not None and e.low is not None and e.high is not None
    assert e.high - e.low > 3 * (e.trained[1] - e.trained[0])
    test, seed = stats.t.isf(0.025, e.df) * e.se_test, stats.t.isf(0.025, 4) * e.se_seed
    for found, half in ((e.trained, test), ((e.low, e.high), np.hypot(test, seed))):
        spread, logit = half / (e.value * (1 - e.value)), np.log(e.value / (1 - e.value))
        assert found == pytest.approx(tuple(1 / (1 + np.exp(-(logit + s * spread))) for s in (-1, 1)))
    assert estimate(predictions(right[:1]), "accuracy").se_seed is None


def test_a_score_of_few_trainings_that_vary_is_covered_as_often_as_it_says() -> None:
    """By Satterthwaite's single t the interval of two such trainings covered in 87 % of cases, of three in 92 %."""
    rng = np.random.default_rng(11)
    for seeds in (2, 3):
        covered = 0
        for _ in range(400):
            share = 0.75 + 0.03 * rng.normal(size=(seeds, 1))  # three times the error of the test set, over root seeds
            e = estimate(predictions(rng.random((seeds, 1000 * seeds)) < share), "accuracy")
            assert e.low is not None and e.high is not None
            covered += e.low <= 0.75 <= e.high
        assert covered >= 0.935 * 400


def test_many_clusters_are_left_out_by_groups_with_the_same_error() -> None:
    right = np.random.default_rng(7).random(5000) < 0.8
    e = estimate(predictions(right), "accuracy")
    assert e.n_clusters == 5000 and e.n_effective == pytest.approx(5000)
    assert e.se_test == pytest.approx(right.std() / np.sqrt(5000), rel=0.1)


def delong(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Return the standard error of a difference of two AUROCs (DeLong et al. 1988)."""
    parts = []
    for s in (a, b):
        won = (s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0])
        parts.append((won.mean(axis=1), won.mean(axis=0)))
    return float(np.sqrt(sum(np.var(parts[0][i] - parts[1][i], ddof=1) / len(parts[0][i]) for i in (0, 1))))


def test_the_error_of_a_difference_of_aurocs_is_that_of_delong() -> None:
    rng = np.random.default_rng(8)
    y = rng.integers(2, size=400)
    common = rng.normal(size=400)
    a, b = (stats.norm.cdf(s * y + common + rng.normal(size=400)) for s in (1.0, 0.7))
    d = difference(*(made(scored(s, y), "auroc") for s in (a, b)))  # type: ignore[arg-type]
    assert d.se_test == pytest.approx(delong(y, a, b), rel=0.01)


def test_swapping_two_models_is_mcnemar_where_examples_are_clusters() -> None:
    right = np.ones((2, 60), bool)
    right[0, :2], right[1, 5:14] = False, False
    a, b = (predictions(r) for r in right)
    got = swap_p(a, b, parse("accuracy"), groups_of(a, parse("accuracy")))
    assert got == pytest.approx(stats.binomtest(2, 11).pvalue)
    assert swap_p(a, a, parse("accuracy"), groups_of(a, parse("accuracy"))) == 1.0


def test_swapping_models_of_other_scales_is_by_their_ranks() -> None:
    rng = np.random.default_rng(9)
    y, clusters = rng.integers(2, size=200), np.repeat(np.arange(20), 10)
    score = rng.random(200) * 0.6 + 0.3 * y
    a, b = scored(score, y, clusters), scored(score**5, y, clusters)
    metric = parse("auroc")
    assert swap_p(a, b, metric, groups_of(a, metric)) == 1.0


def test_swapping_leaves_out_what_was_not_scored() -> None:
    rng = np.random.default_rng(1)
    y, clusters = rng.integers(2, size=300), np.repeat(np.arange(30), 10)
    noise = 0.3 * rng.normal(size=(2, 300))
    scores = [np.clip(0.5 + s * (y - 0.5) + e, 0, 1) for s, e in zip((0.9, 0.2), noise, strict=True)]
    good, poor = (scored(s, y, clusters) for s in scores)
    mask = np.arange(300) % 100 > 0
    metric = parse("auroc")
    some = [replace(p, scores=np.where(mask[:, None], p.scores, np.nan), scored=mask) for p in (good, poor)]
    p = swap_p(*some, metric, groups_of(some[0], metric))
    assert p is not None and p < 0.01


def test_swapping_a_linear_correlation_is_not_one_of_ranks() -> None:
    rng = np.random.default_rng(2)
    s = rng.normal(size=200)
    y, clusters = s + 0.3 * rng.normal(size=200), strings(np.repeat(np.arange(20), 10))
    a, b = (
        Predictions(strings(range(200)), y, clusters, {}, score[None, :, None], (0,)) for score in (s, np.exp(2 * s))
    )
    for name, least, most in (("pearson", 0.0, 0.05), ("spearman", 1.0, 1.0)):
        metric = parse(name)
        p = swap_p(a, b, metric, groups_of(a, metric))
        assert p is not None and least <= p <= most


def test_two_models_without_a_fault_are_not_certainly_equal() -> None:
    y = np.arange(60) % 2
    hot, soft = scored(y * 1.0, y), scored(0.1 + 0.8 * y, y)
    metric = parse("accuracy")
    a, b = made(hot, "accuracy"), made(soft, "accuracy")
    d = difference(a, b, span=metric.span)  # type: ignore[arg-type]
    bound = 1 - 0.025 ** (1 / 60)
    assert (d.value, d.p) == (0.0, 1.0) and (d.low, d.high) == pytest.approx((-bound, bound))
    same = difference(a, a, span=metric.span, identical=True)  # type: ignore[arg-type]
    assert (same.low, same.high, same.p) == (0.0, 0.0, 1.0)


def test_strata_of_few_clusters_leave_few_degrees_of_freedom() -> None:
    rng = np.random.default_rng(3)
    y, clusters = rng.integers(2, size=600), np.minimum(np.arange(600) // 10, 52)
    species = strings(np.where(clusters < 40, "fly", "human"))
    p = replace(scored(np.clip(0.5 * y + rng.random(600), 0, 1.5) / 1.5, y, clusters), strata={"species": species})
    assert groups_of(p, parse("auroc")).effective > 30
    assert groups_of(p, parse("auroc:species=human-fly")).effective < 13


def test_errors_that_all_but_vanish_are_no_fault() -> None:
    y = np.arange(100) % 2
    tiny = scored(np.where(y == 1, 1 - 1e-20, 1e-20 * (1 + np.arange(100))), y)
    e = estimate(tiny, "brier")
    assert e.value is not None and e.low is not None and 0 <= e.low <= e.value


def test_the_jackknife_and_the_bootstrap_have_one_error() -> None:
    rng = np.random.default_rng(4)
    y, clusters = rng.integers(2, size=900), np.repeat(np.arange(150), 6)
    p = scored(np.clip(0.5 * y + rng.random(900), 0, 1.5) / 1.5, y, clusters)
    for name in ("auroc", "auprc", "mcc"):
        drawn = replicates([p], name, n_resamples=4000)[0]
        assert estimate(p, name).se_test == pytest.approx(drawn.std(), rel=0.08)


def test_two_methods_of_equal_skill_are_seldom_told_apart_for_their_training_noise() -> None:
    """The skill of a training varies; by the test set alone more than half of the pairs would be different."""
    rng, found, naive = np.random.default_rng(10), 0, 0
    for _ in range(200):
        skills = 0.8 + 0.03 * rng.normal(size=(2, 5))
        a, b = (made(predictions(rng.random((5, 4000)) < s[:, None]), "accuracy") for s in skills)
        d = difference(a, b)  # type: ignore[arg-type]
        assert d.p is not None and d.se_test is not None
        found += d.p < 0.05
        naive += abs(d.value) > 1.96 * d.se_test
    assert found <= 20 and naive > 60


def test_a_part_with_few_degrees_of_freedom_never_gives_a_p_value_that_is_too_small() -> None:
    """By Satterthwaite's single t, p was below .0005 in .0034 of these, and below .05 in .059."""
    rng = np.random.default_rng(0)
    n, seeds, ratio = 200_000, 5, 3.0
    value = rng.normal(0, np.sqrt(1 + ratio**2), n)
    spread = ratio * np.sqrt(rng.chisquare(seeds - 1, n) / (seeds - 1))
    for alpha in (0.05, 0.01, 0.0005):
        t = [stats.t.isf(alpha / 2, df) for df in (300, seeds - 1)]
        beyond = float((np.abs(value) > np.sqrt(t[0] ** 2 + (t[1] * spread) ** 2)).mean())
        assert 0.5 * alpha < beyond <= 1.1 * alpha
        for i in range(20):
            assert half_width([(1.0, 300), (spread[i], 4)], alpha) == pytest.approx(np.hypot(t[0], t[1] * spread[i]))
    for one, other in ((0.3, 4), (3.0, 2), (1e-3, 4), (50.0, 1)):
        for x in (0.01, 1.0, 4.0, 20.0):
            p = p_of([(1.0, 300), (one, other)], x)
            assert 0 < p <= 1 and half_width([(1.0, 300), (one, other)], p) == pytest.approx(x, rel=1e-3)
    assert p_of([(1.0, 300)], 2.0) == pytest.approx(2 * stats.t.sf(2.0, 300)) and p_of([(1.0, 9), (1.0, 4)], 0.0) == 1
    assert p_of([(1.0, 1e9), (1e-5, 4)], 30.0) < 1e-20
