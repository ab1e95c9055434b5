"""Every metric under integer weights equals scikit-learn or scipy on the data repeated that often, to 1e-12."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

from baserate.errors import ConfigError
from baserate.metrics import METRICS, parse
from baserate.metrics.rare import share_of
from baserate.types import strings


def ece_reference(y, p):
    confidence, right = p.max(1), p.argmax(1) == y
    edges = np.linspace(0, 1, 16)
    total = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def debiased_reference(y, p):
    confidence, right = p.max(1), p.argmax(1) == y
    total, n = 0.0, 0
    for low, high in pairwise(np.linspace(0, 1, 16)):
        gaps = (right - confidence)[(confidence > low) & (confidence <= high)]
        if len(gaps) > 1:
            total += len(gaps) * (gaps.mean() ** 2 - gaps.var(ddof=1) / len(gaps))
            n += len(gaps)
    return total / n if n else np.nan


def reference(name, y, p):
    """The metric by scikit-learn or scipy; nan where those call it undefined or we do."""
    import scipy.stats as st
    import sklearn.metrics as sk

    k = p.shape[1]
    if name in ("spearman", "pearson"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(st, name + "r")(y, p[:, 0])[0]
    if METRICS.get(name).needs == "scale":
        errors = {"r2": sk.r2_score, "mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error}
        return errors[name](y, p[:, 0]) if name != "r2" or np.ptp(y) > 0 else np.nan
    guess, classes = p.argmax(1), max(k, 2)
    all_there = len(np.unique(y)) == classes
    match name:
        case "paired_accuracy":
            beaten = st.mannwhitneyu  # the share of pairs is what a U statistic counts, a pair at a time
            return np.mean([beaten([0.0], [s]).statistic for s in p[:, 0]])
        case "mcc":
            return sk.matthews_corrcoef(y, guess) if len(np.unique(y)) > 1 else np.nan
        case "accuracy":
            return sk.accuracy_score(y, guess)
        case "f1":
            if k == 2:
                return sk.f1_score(y, guess, zero_division=np.nan)
            return sk.f1_score(y, guess, average="macro")
        case "brier":
            return sk.brier_score_loss(y, p, labels=list(range(k)))
        case "ece":
            return ece_reference(y, p)
        case "ece_debiased":
            return debiased_reference(y, p)
        case "auroc" if k <= 2:
            return sk.roc_auc_score(y, p[:, -1]) if all_there else np.nan
        case "auroc":
            return sk.roc_auc_score(y, p, multi_class="ovr") if all_there else np.nan
        case "auprc":
            if not all_there:
                return np.nan
            columns = [1] if k <= 2 else range(k)
            return np.mean([sk.average_precision_score(y == c, p[:, min(c, k - 1)]) for c in columns])
        case _ if not all_there:
            return np.nan
    return np.mean([rare_reference(name, y == c, p[:, min(c, k - 1)]) for c in ([1] if k <= 2 else range(k))])


def rare_reference(name, positive, score):
    import sklearn.metrics as sk

    if name.startswith("recall"):  # of so few examples no false positive is allowed
        return (score[positive] > score[~positive].max()).mean()
    share = share_of(name)
    weight = np.where(positive, share / positive.sum(), (1 - share) / (~positive).sum())
    return sk.average_precision_score(positive, score, sample_weight=weight)


NUMBERS = ("value", "scale", "pair")
CASES = [
    (name, k)
    for name in METRICS.all()
    if METRICS.get(name).needs not in ("labels", "bases")
    for k in (
        (1,)
        if METRICS.get(name).needs in NUMBERS
        else (1, 2, 3, 5)
        if METRICS.get(name).needs == "ranking"
        else (2, 3, 5)
    )
]


@pytest.mark.parametrize("levels", [0, 4], ids=["continuous", "tied"])
@pytest.mark.parametrize(("name", "k"), CASES)
def test_weighted_metric_equals_the_reference_on_repeated_data(name, k, levels):
    rng = np.random.default_rng([k, levels, len(name)])
    compared = 0
    for n in (7, 12, 40, 90):
        y = rng.normal(size=n) if METRICS.get(name).needs in NUMBERS else rng.integers(max(k, 2), size=n)
        p = rng.random((n, k)) + (0.7 * np.eye(max(k, 2))[y][:, -k:] if y.dtype.kind == "i" else 0.5 * y[:, None])
        if levels:
            p = np.round(p * levels) / levels + 0.25
            y = np.round(y) if y.dtype.kind == "f" else y
        if METRICS.get(name).needs == "pair":
            p -= np.median(p)  # signs of both kinds, and among tied scores zeros
        if k > 1:
            p /= p.sum(1, keepdims=True)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=12)
        weights[0] = 1
        got = METRICS.get(name)(y, p, weights)
        for value, w in zip(got, weights, strict=True):
            want = reference(name, np.repeat(y, w), np.repeat(p, w, axis=0))
            assert value == pytest.approx(want, abs=1e-12, rel=0, nan_ok=True)
            compared += bool(np.isfinite(want))
    assert compared > 20  # the rest are undefined in both


def test_all_metrics_see_the_same_data_however_they_group_it_into_clusters():
    rng = np.random.default_rng(1)
    cluster = rng.integers(9, size=60)
    counts = rng.integers(0, 4, size=(9, 20)).astype(float)
    for metric in METRICS.all().values():
        k = 1 if metric.needs in NUMBERS else 3
        y = rng.normal(size=60) if k == 1 else rng.integers(3, size=60)
        if metric.needs in ("labels", "bases"):
            y = rng.integers(2, size=(60, 3))
        p = rng.dirichlet(np.ones(3), 60)[:, :k]
        by_cluster = metric.prepare(y, p, cluster, 9)(counts)
        np.testing.assert_allclose(by_cluster, metric(y, p, counts[cluster].T), atol=1e-12)


def label_reference(name, y, p):
    """The metric of labels (n, k) by scikit-learn, over the labels that are both 0 and 1; nan where there is none."""
    import sklearn.metrics as sk

    if name == "f1_micro":
        return sk.f1_score(y.ravel(), p.ravel() > 0.5, zero_division=np.nan)
    each = {
        "auroc": sk.roc_auc_score,
        "auprc": sk.average_precision_score,
        "mcc": lambda y, s: sk.matthews_corrcoef(y, s > 0.5),
        "f1": lambda y, s: sk.f1_score(y, s > 0.5),
        "brier": sk.brier_score_loss,
    }.get(name, lambda y, s: rare_reference(name, y == 1, s))
    varied = [j for j in range(y.shape[1]) if 0 < y[:, j].sum() < len(y) or name == "brier"]
    return np.mean([each(y[:, j], p[:, j]) for j in varied]) if varied else np.nan


@pytest.mark.parametrize("levels", [0, 4], ids=["continuous", "tied"])
@pytest.mark.parametrize("name", [m.name for m in METRICS.all().values() if m.labels or m.needs == "labels"])
def test_metric_of_labels_equals_scikit_learns_mean_on_repeated_data(name, levels):
    rng = np.random.default_rng([levels, len(name)])
    compared = 0
    for n, k in ((8, 2), (30, 1), (50, 5)):
        y = (rng.random((n, k)) < rng.uniform(0.1, 0.6, k)).astype(np.int64)
        p = np.clip(0.3 * y + 0.8 * rng.random((n, k)), 0, 1)
        p = np.round(p * levels) / levels if levels else p
        weights = rng.multinomial(n, np.full(n, 1 / n), size=12)
        weights[0] = 1
        got = METRICS.get(name)(y, p, weights)
        for value, w in zip(got, weights, strict=True):
            want = label_reference(name, np.repeat(y, w, axis=0), np.repeat(p, w, axis=0))
            assert value == pytest.approx(want, abs=1e-12, rel=0, nan_ok=True)
            compared += bool(np.isfinite(want))
    assert compared > 20


@pytest.mark.parametrize("name", [m.name for m in METRICS.all().values() if m.needs in ("value", "scale")])
def test_metric_of_several_outputs_is_their_mean(name):
    rng = np.random.default_rng(4)
    y = rng.normal(size=(40, 3))
    p = y + rng.normal(size=(40, 3))
    y[:, 1] = 2.0  # no correlation with, and no variance of, an output that is one value
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=5)
    counted = range(3) if name in ("mae", "rmse") else (0, 2)
    want = np.mean([METRICS.get(name)(y[:, j], p[:, [j]], weights) for j in counted], axis=0)
    np.testing.assert_allclose(METRICS.get(name)(y, p, weights), want, atol=1e-12)
    assert METRICS.get(name).undefined(y, p) == ""
    assert ("1 of 3 outputs" in METRICS.get(name).left_out(y)) == (name not in ("mae", "rmse"))


def test_labels_that_are_never_or_always_set_are_left_out_and_counted():
    rng = np.random.default_rng(6)
    y, p = rng.integers(2, size=(30, 4)), rng.random((30, 4))
    y[:, 0], y[:, 3] = 0, 1
    for name in ("auroc", "auprc", "mcc", "f1"):
        metric, one = METRICS.get(name), np.ones((1, 30), dtype=int)
        assert metric(y, p, one) == metric(y[:, 1:3], p[:, 1:3], one)
        assert metric.left_out(y) == "mean over 2: 2 of 4 labels are never, or always, set"
        assert metric.undefined(y, p) == metric.left_out(y[:, 1:3]) == ""


def test_recovery_is_the_share_of_bases_and_exact_match_that_of_whole_answers():
    y = np.array([[0, 1, 2, 3], [3, 3, 3, 3]])
    p = np.array([[0, 1, 2, 3], [3, 0, 3, 0]], dtype=float)
    for weights, recovery, exact in (([1, 1], 0.75, 0.5), ([0, 2], 0.5, 0.0), ([3, 1], 0.875, 0.75)):
        assert METRICS.get("recovery")(y, p, np.array([weights])) == recovery
        assert METRICS.get("exact_match")(y, p, np.array([weights])) == exact


def test_constant_predictions_have_mcc_zero_and_auroc_half():
    y, p = np.array([0, 1, 1, 0, 1]), np.tile([0.4, 0.6], (5, 1))
    one = np.ones((1, 5), dtype=int)
    assert METRICS.get("mcc")(y, p, one) == 0.0
    assert METRICS.get("auroc")(y, p, one) == 0.5
    assert METRICS.get("auprc")(y, p, one) == 0.6


@pytest.mark.parametrize(
    ("name", "y", "p", "reason"),
    [
        ("auroc", [1, 1, 1], [[0.2, 0.8]] * 3, "class 0 is absent"),
        ("auprc", [0, 1, 0], [[0.2, 0.5, 0.3]] * 3, "class 2 is absent"),
        ("mcc", [1, 1, 1], [[0.2, 0.8]] * 3, "only one class"),
        ("mcc", [0, 1, 1], [[0.2], [0.3], [0.1]], "needs a score for each class"),
        ("brier", [0, 1], [[0.2, 0.9], [0.3, 0.7]], "sum to 1"),
        ("f1", [0, 0], [[0.8, 0.2]] * 2, "neither present nor predicted"),
        ("accuracy", [0, 2], [[0.8, 0.2]] * 2, "class indices below 2"),
        ("spearman", [0.1, 0.2], [[0.3], [0.3]], "all predictions are equal"),
        ("pearson", [0.1, 0.1], [[0.3], [0.4]], "all targets are equal"),
        ("spearman", [0.1, 0.2], [[0.3, 0.7]] * 2, "needs one value"),
        ("paired_accuracy", [0.0, 0.0], [[0.3, 0.7]] * 2, "needs one value"),
        ("paired_accuracy", [0.0, 0.0], [[0.3], [np.nan]], "1 of 2 examples have a score that is not finite"),
        ("mcc", [0, 1], [[np.nan, 0.2], [0.5, 0.5]], "1 of 2 examples have a score that is not finite"),
        ("accuracy", [], np.empty((0, 2)), "no examples"),
        ("r2", [0.1, 0.1], [[0.3], [0.4]], "all targets are equal"),
        ("r2", [0.1, 0.2], [[0.3], [0.3]], ""),
        ("pearson", [[0.1, 1], [0.2, 2]], [[0.3, 0.1], [0.4, 0.1]], "all predictions of output 1 are equal"),
        ("spearman", [[0.1, 1], [0.1, 1]], [[0.3, 0.1], [0.4, 0.2]], "no output varies"),
        ("spearman", [[0.1, 1], [0.2, 2]], [[0.3], [0.4]], "needs 2 values"),
        ("spearman", [[0, 1], [1, 0]], [[0.3, 0.1], [0.4, 0.1]], "needs measurements; these are labels"),
        ("auroc", [[0, 1], [0, 1]], [[0.2, 0.8]] * 2, "no label is both 0 and 1"),
        ("auroc", [[0, 1], [1, 0]], [[0.2]] * 2, "needs a score for each of 2 labels"),
        ("mcc", [[0, 1], [1, 0]], [[0.2, 1.8]] * 2, "needs probabilities of the labels"),
        ("accuracy", [[0, 1], [1, 0]], [[0.2, 0.8]] * 2, "needs one class per example; these are labels"),
        ("f1_micro", [0, 1], [[0.2, 0.8]] * 2, "needs labels"),
        ("f1_micro", [[0, 0], [0, 0]], [[0.2, 0.3]] * 2, "no label is set or predicted"),
        ("recovery", [0, 1], [[0.0], [1.0]], "needs a base for each"),
        ("recovery", [[0, 1], [1, 2]], [[0.0], [1.0]], "needs a base for each"),
        ("mcc", [[0.5, 1], [1, 0]], [[0.2, 0.8]] * 2, "these are measurements"),
    ],
)
def test_undefined_metric_says_why(name, y, p, reason):
    given = METRICS.get(name).undefined(np.array(y), np.array(p))
    assert reason in given
    assert bool(reason) == bool(given)


def test_paired_accuracy_looks_at_signs_alone_and_not_at_the_targets():
    """A model that cannot tell has one half, rounding or not, and the targets of such a task are all 0."""
    y, one = np.zeros(4), np.ones((1, 4), dtype=int)
    rounded = [-1e-9, -1e-15, 3e-12, -5e-10]
    cases = [([-2e-9, -3, 5, 0], 0.625), ([0, 0, 0, 0], 0.5), (rounded, 0.5), ([-1, -1, -1, -1], 1.0)]
    for scores, want in cases:
        p = np.array(scores, dtype=float)[:, None]
        assert METRICS.get("paired_accuracy").undefined(y, p) == ""
        assert METRICS.get("paired_accuracy")(y, p, one) == want


@pytest.mark.parametrize("name", ["spearman", "pearson"])
def test_draw_of_equal_values_is_undefined_and_leaves_the_others_alone(name):
    y, p = np.array([0.1, 0.7, 0.3]), np.array([[0.2], [0.1], [0.4]])
    got = METRICS.get(name)(y, p, np.array([[3, 0, 0], [0, 0, 0], [1, 1, 1]]))
    assert np.isnan(got[:2]).all()
    assert np.isfinite(got[2])


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("mcc", ((), ())),
        ("mcc:species=*", (("a-lyrata", "fly", "human"), ())),
        ("mcc:species=*n", (("a-lyrata", "fly", "human"), ())),
        ("mcc:species=fly+human", (("fly", "human"), ())),
        ("mcc:species=human-fly", (("human",), ("fly",))),
        ("mcc:species=a-lyrata", (("a-lyrata",), ())),
    ],
)
def test_expression_names_strata_and_survives_a_round_trip(text, sides):
    expression = parse(text, ["species"])
    assert expression.sides({"species": strings(["human", "fly", "a-lyrata", "fly"])}) == sides
    assert expression.text == text


def test_better_direction_is_none_for_a_difference():
    assert parse("mcc:species=human-fly").better == ""
    assert parse("mcc:species=human+fly").better == "higher"
    assert parse("brier").better == "lower"


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("aurocc", "Did you mean 'auroc'"),
        ("mcc:specie=human", "Did you mean 'species'"),
        ("mcc:species", "expected NAME:COLUMN=VALUE"),
        ("mcc:species=human-", "expected NAME:COLUMN=VALUE"),
    ],
)
def test_wrong_expression_is_refused_with_the_nearest_right_one(text, fragment):
    with pytest.raises(ConfigError, match=fragment):
        parse(text, ["species"])


def test_unknown_stratum_is_refused_with_the_nearest_right_one():
    with pytest.raises(ConfigError, match="Did you mean 'human'"):
        parse("mcc:species=humn").sides({"species": strings(["human", "fly"])})


def test_a_value_with_a_hyphen_is_no_difference() -> None:
    strata = {"consequence": np.array(["splice-region", "splice", "region"], dtype=object)}
    one, difference = (parse(f"auroc:consequence={terms}", strata) for terms in ("splice-region", "splice-region-x"))
    assert (one.better, one.span) == ("higher", (0.0, 1.0)) and not one.is_difference
    assert (one.label, difference.label) == ("AUROC, splice-region", "AUROC, splice − region − x")
    assert difference.is_difference and not difference.better
    assert parse("auroc:consequence=splice-region").is_difference, "without the values it is read as it is written"
