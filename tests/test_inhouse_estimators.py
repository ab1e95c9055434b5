from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier

from baserate.capabilities import Classifier, Trainable
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.inhouse import EstimatorModel
from baserate.types import Examples, Inputs, strings


def words(k: int = 2) -> Any:
    return CountVectorizer(analyzer="char", ngram_range=(k, k), lowercase=False)


def examples(n: int, n_classes: int, *, seed: int = 0, variants: bool = False, targets: Any = None) -> Examples:
    """Return sequences whose class (or measurement, for 0 classes) shows in how often their first base is repeated."""
    rng = np.random.default_rng(seed)
    if targets is None:
        targets = rng.normal(size=n) if n_classes == 0 else np.arange(n) % n_classes
    x = ["".join(rng.choice(list("ACGT"), 30)) + "ACGT"[int(abs(t)) % 4] * (5 + i % 3) for i, t in enumerate(targets)]
    alternates = strings([s[:10] + "G" + s[11:] for s in x]) if variants else None
    ids = strings([f"x{i}" for i in range(n)])
    return Examples(ids, Inputs(strings([s.lower() for s in x]), alternates), np.asarray(targets), ids, ids)


def test_probabilities_are_those_of_scikit_learn() -> None:
    train, test = examples(60, 3), examples(20, 3, seed=1)
    pipeline = make_pipeline(words(), LogisticRegression(max_iter=500))
    model = EstimatorModel(pipeline)
    assert isinstance(model, Trainable) and not isinstance(model, Classifier)
    found = model.fit(train, train, n_classes=3, seed=0).predict(test.inputs)
    x, y = ([s.upper() for s in part.inputs.sequences] for part in (train, test))
    np.testing.assert_array_equal(found, pipeline.fit(x, train.targets).predict_proba(y))


def test_every_random_state_is_the_seed_and_the_estimator_given_stays_as_it_is() -> None:
    train = examples(60, 2)
    model = EstimatorModel(make_pipeline(words(), SGDClassifier(loss="log_loss", random_state=99)))
    one, again, other = (model.fit(train, train, n_classes=2, seed=seed) for seed in (1, 1, 2))
    assert [p.estimator[-1].random_state for p in (one, again, other)] == [1, 1, 2]
    scores = [p.predict(train.inputs) for p in (one, again, other)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
    assert model.estimator[-1].random_state == 99 and not hasattr(model.estimator[-1], "coef_")
    forest = EstimatorModel(make_pipeline(words(), RandomForestClassifier(n_estimators=5)))
    a, b = (forest.fit(train, train, n_classes=2, seed=s).predict(train.inputs) for s in (3, 3))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("classifier", [LogisticRegression(), SVC(), RidgeClassifier(), XGBClassifier(n_jobs=1)])
@pytest.mark.parametrize("present", [[0, 2], [1, 2, 3]])
def test_a_class_that_train_lacks_gets_probability_0(classifier: Any, present: list[int]) -> None:
    train = examples(60, 4, targets=np.resize(present, 60))
    model = EstimatorModel(make_pipeline(words(), classifier))
    scores = model.fit(train, train, n_classes=4, seed=0).predict(train.inputs)
    absent = sorted(set(range(4)) - set(present))
    assert scores.shape == (60, 4) and (scores[:, absent] == 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.argmax(axis=1) == train.targets).mean() > 0.9


def test_decision_functions_become_the_softmax() -> None:
    train = examples(40, 2)
    fitted = EstimatorModel(make_pipeline(words(), LinearSVC())).fit(train, train, n_classes=2, seed=0)
    margin = fitted.estimator.decision_function([s.upper() for s in train.inputs.sequences])
    np.testing.assert_allclose(fitted.predict(train.inputs)[:, 1], 1 / (1 + np.exp(-margin)))


@pytest.mark.parametrize("regressor", [Ridge(), KNeighborsRegressor()])
def test_measurements(regressor: Any) -> None:
    train = examples(40, 0)
    fitted = EstimatorModel(make_pipeline(words(), regressor)).fit(train, train, n_classes=0, seed=0)
    expected = fitted.estimator.predict([s.upper() for s in train.inputs.sequences])
    np.testing.assert_array_equal(fitted.predict(train.inputs), expected.reshape(-1, 1))


@pytest.mark.parametrize(
    "classifier",
    [
        MultiOutputClassifier(LogisticRegression()),
        RandomForestClassifier(20, random_state=0),
        KNeighborsClassifier(3),
        OneVsRestClassifier(LinearSVC()),
        RidgeClassifier(),
    ],
)
def test_labels_get_a_probability_each(classifier: Any) -> None:
    train = examples(60, 2)
    labels = np.column_stack([train.targets, 1 - train.targets])
    train = dataclasses.replace(train, targets=labels)
    scores = EstimatorModel(make_pipeline(words(), classifier)).fit(train, train, n_classes=2, seed=0)
    found = scores.predict(train.inputs)
    assert found.shape == (60, 2)
    assert ((found > 0.5) == labels).mean() > 0.9
    as_it_is: Any = EstimatorModel(scores.estimator)
    np.testing.assert_array_equal(as_it_is.predict(train.inputs), found)


def test_several_measurements() -> None:
    train = examples(40, 0)
    train = dataclasses.replace(train, targets=np.column_stack([train.targets, -train.targets]))
    fitted = EstimatorModel(make_pipeline(words(), Ridge())).fit(train, train, n_classes=0, seed=0)
    expected = fitted.estimator.predict([s.upper() for s in train.inputs.sequences])
    np.testing.assert_array_equal(fitted.predict(train.inputs), expected)


def test_variants_are_pairs_where_the_estimator_says_so() -> None:
    train, plain = examples(40, 0, variants=True), examples(40, 0)
    change = FunctionTransformer(lambda pairs: np.array([[a.count("G") - r.count("G")] for r, a in pairs]))
    pairs = EstimatorModel(make_pipeline(change, Ridge()), variants=True)
    fitted = pairs.fit(train, train, n_classes=0, seed=0)
    assert len(np.unique(fitted.predict(train.inputs).round(9))) == 2  # a base becomes G, or was one
    with pytest.raises(NotApplicable, match=r"takes \(REF, ALT\) pairs; the task has no variants"):
        pairs.fit(plain, plain, n_classes=0, seed=0)
    with pytest.raises(NotApplicable, match=r"for variants, use EstimatorModel\(variants=True\)"):
        EstimatorModel(make_pipeline(words(), Ridge())).fit(train, train, n_classes=0, seed=0)


def test_a_fitted_estimator_is_used_as_it_is() -> None:
    train = examples(40, 2)
    x = [s.upper() for s in train.inputs.sequences]
    numbers = make_pipeline(words(), LogisticRegression()).fit(x, train.targets)
    named = make_pipeline(words(), LogisticRegression()).fit(x, np.array(["off", "on"])[train.targets])
    measured = make_pipeline(HashingVectorizer(analyzer="char", n_features=64), Ridge()).fit(x, train.targets)
    expected = numbers.predict_proba(x)
    for model, columns in (
        (EstimatorModel(numbers), [0, 1]),
        (EstimatorModel(named, classes=("off", "on")), [0, 1]),
        (EstimatorModel(named, classes=("on", "off")), [1, 0]),
        (EstimatorModel(named, classes=("off", "on", "other")), [0, 1]),
    ):
        assert isinstance(model, Classifier)
        np.testing.assert_allclose(model.predict(train.inputs)[:, columns], expected)
    assert EstimatorModel(named, classes=("off", "on", "other")).predict(train.inputs)[:, 2].tolist() == [0.0] * 40
    np.testing.assert_array_equal(EstimatorModel(measured).predict(train.inputs)[:, 0], measured.predict(x))
    with pytest.raises(ConfigError, match=r"fitted on classes 'off', 'on'; name the task's in order: classes="):
        EstimatorModel(named)
    with pytest.raises(ConfigError, match=r"knows class 'off', which is not among classes=\('on', 'of'\)"):
        EstimatorModel(named, classes=("on", "of"))


def test_what_does_not_fit_is_said_in_one_line() -> None:
    classes, measured = examples(20, 2), examples(20, 0)
    with pytest.raises(ConfigError, match="expected a scikit-learn estimator"):
        EstimatorModel(LogisticRegression)
    with pytest.raises(NotApplicable, match="the estimator Pipeline is not a classifier; the task has classes"):
        EstimatorModel(make_pipeline(words(), Ridge())).fit(classes, classes, n_classes=2, seed=0)
    with pytest.raises(NotApplicable, match="is a classifier; the task has measurements"):
        EstimatorModel(make_pipeline(words(), SVC())).fit(measured, measured, n_classes=0, seed=0)
    with pytest.raises(NotApplicable, match="NearestNeighbors is not a classifier"):
        EstimatorModel(NearestNeighbors()).fit(classes, classes, n_classes=2, seed=0)
    one = examples(20, 2, targets=np.zeros(20, np.int64))
    with pytest.raises(DataError, match=r"Pipeline.fit on 20 examples: This solver needs samples of at least 2"):
        EstimatorModel(make_pipeline(words(), LogisticRegression())).fit(one, one, n_classes=2, seed=0)
    ovo = EstimatorModel(make_pipeline(words(), SVC(decision_function_shape="ovo")))
    four = examples(40, 4)
    with pytest.raises(DataError, match=r"scores of shape \(40, 6\), expected \(40, 4\): one per class"):
        ovo.fit(four, four, n_classes=4, seed=0).predict(four.inputs)
