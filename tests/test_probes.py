"""Linear probes against scikit-learn's objective, and features that cannot be fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from baserate.errors import ConfigError, DataError
from baserate.probes._ridge import ridge_steps
from baserate.probes.linear import Path, _path, fit_probe, logistic_path

PENALTIES = (1e-4, 1e-2, 1.0)


def ridge_path(x: Any, y: NDArray[Any], penalties: tuple[float, ...], *, tolerance: float = 1e-10) -> Path:
    return _path(ridge_steps(x, y, penalties, tolerance=tolerance), penalties)


def _features(n: int, d: int, *, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    x: NDArray[np.float64] = rng.standard_normal((n, d)) @ (rng.standard_normal((d, d)) / np.arange(1, d + 1)[:, None])
    return (x / x.std(axis=0) + 0.5).astype(np.float64)


def _labels(x: NDArray[np.float64], k: int, *, signal: float = 1.0) -> NDArray[np.int64]:
    rng = np.random.default_rng(1)
    scores = signal * x @ rng.standard_normal((x.shape[1], k)) / np.sqrt(x.shape[1]) + rng.gumbel(size=(len(x), k))
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _objective(x: NDArray[Any], y: NDArray[Any], w: NDArray[Any], b: NDArray[Any], penalty: float) -> float:
    z = x @ w.T + b
    z = z if z.shape[1] > 1 else np.hstack([np.zeros_like(z), z])
    loss = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y]
    return float(loss.mean() + 0.5 * penalty * (w * w).sum())


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("form", ["tall", "tall float32", "wide", "sparse tall", "sparse wide"])
def test_logistic_objective_is_as_low_as_scikit_learns(k: int, form: str) -> None:
    from sklearn.linear_model import LogisticRegression

    n, d = (150, 400) if "wide" in form else (600, 30)
    x = _features(n, d)
    y = _labels(x, k)
    if "sparse" in form:
        x[x < 0.5] = 0
    if "float32" in form:
        x = x.astype(np.float32).astype(np.float64)
    given = csr_matrix(x) if "sparse" in form else x.astype(np.float32) if "float32" in form else x
    path = logistic_path(given, y, k, PENALTIES, tolerance=1e-11)
    assert path.coefficients.shape == (3, 1 if k == 2 else k, d)
    for penalty, w, b in zip(path.penalties, path.coefficients, path.intercepts, strict=True):
        peer = LogisticRegression(C=1 / (penalty * n), tol=1e-8, max_iter=10_000).fit(x, y)
        best = _objective(x, y, peer.coef_, peer.intercept_, penalty)
        assert _objective(x, y, w, b, penalty) <= best * (1 + 1e-6)
        np.testing.assert_allclose(w, peer.coef_, atol=5e-3 * np.abs(peer.coef_).max())


@pytest.mark.parametrize("form", ["tall", "wide", "sparse tall", "sparse wide", "float32"])
def test_ridge_equals_scikit_learn(form: str) -> None:
    from sklearn.linear_model import Ridge

    n, d = (60, 90) if "wide" in form else (200, 20)
    x = _features(n, d)
    y = x[:, :3].sum(axis=1) + np.random.default_rng(5).standard_normal(n) + 7
    given = csr_matrix(x) if "sparse" in form else x.astype(np.float32) if form == "float32" else x
    path = ridge_path(given, y, PENALTIES, tolerance=1e-14)
    for penalty, w, b in zip(path.penalties, path.coefficients, path.intercepts, strict=True):
        peer = Ridge(alpha=penalty * n, solver="svd").fit(x, y)
        np.testing.assert_allclose(w[0], peer.coef_, atol=1e-4)
        np.testing.assert_allclose(b[0], peer.intercept_, atol=1e-4)


@pytest.mark.parametrize("widest", [4, 100])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("n", [300, 9])
def test_beyond_the_exact_size_the_path_is_walked_to_the_same_place(
    monkeypatch: pytest.MonkeyPatch, widest: int, sparse: bool, n: int
) -> None:
    x = _features(n, 12)
    y = x[:, 0] * 2 + np.random.default_rng(5).standard_normal(n)
    labels = _labels(x, 3)
    exact = ridge_path(x, y, PENALTIES), logistic_path(x, labels, 3, PENALTIES, tolerance=1e-12)
    monkeypatch.setattr("baserate.probes._ridge.EXACT", 4)
    monkeypatch.setattr("baserate.probes._descent.ALL", 4)
    monkeypatch.setattr("baserate.probes._descent.WIDEST", widest)
    monkeypatch.setattr("baserate.probes._descent.RANK", 5)
    x = csr_matrix(x) if sparse else x
    walked = ridge_path(x, y, PENALTIES, tolerance=1e-14), logistic_path(x, labels, 3, PENALTIES, tolerance=1e-12)
    for a, b in zip(exact, walked, strict=True):
        np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-3)
        np.testing.assert_allclose(a.intercepts, b.intercepts, atol=1e-3)


def test_the_order_of_penalties_does_not_matter() -> None:
    x = _features(300, 12)
    y = _labels(x, 2)
    up, down = (logistic_path(x, y, 2, order, tolerance=1e-10) for order in (PENALTIES, PENALTIES[::-1]))
    assert np.array_equal(up.coefficients, down.coefficients[::-1])


@pytest.mark.parametrize("n_classes", [0, 2, 3])
@pytest.mark.parametrize("sparse", [False, True])
def test_probe_chooses_on_valid_and_ignores_scale_and_constants(n_classes: int, sparse: bool) -> None:
    x = _features(500, 40)
    y = _labels(x, n_classes, signal=6.0) if n_classes else x[:, 0] - x[:, 1]
    rng = np.random.default_rng(2)
    noisy = y if n_classes else y + rng.standard_normal(500)
    scale = np.exp(rng.standard_normal(40) * 3)
    wide = np.hstack([x * scale, np.full((500, 1), 0.1)])
    train, valid, test = slice(0, 60), slice(60, 250), slice(250, 500)
    changed = wide[test].copy()
    changed[:, -1] = 1e6

    def fit(features: NDArray[Any]) -> Any:
        kind = csr_matrix if sparse else np.asarray
        return fit_probe(
            kind(features[train]),
            noisy[train],
            kind(features[valid]),
            noisy[valid],
            n_classes=n_classes,
            penalties=GRID,
        )

    plain, probe = fit(x), fit(wide)
    assert probe.penalty == plain.penalty not in (GRID[0], GRID[-1])
    predicted = probe.predict(changed)
    assert predicted.shape == (250, max(n_classes, 1)) and predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, plain.predict(x[test]), atol=2e-3)
    if n_classes:
        np.testing.assert_allclose(predicted.sum(axis=1), 1)
        assert (predicted.argmax(axis=1) == y[test]).mean() > 1.2 / n_classes
    else:
        assert np.corrcoef(predicted[:, 0], y[test])[0, 1] > 0.8
    np.testing.assert_allclose(probe.predict(changed[17:18]), predicted[17:18], rtol=1e-12)


GRID = (1e-7, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e5)


def test_of_equal_penalties_the_stronger_wins() -> None:
    x = np.zeros((20, 3))
    y = np.arange(20) % 2
    assert fit_probe(x, y, x, y, n_classes=2, penalties=GRID).penalty == 1e5


def test_a_class_that_training_lacks_gets_probability_zero() -> None:
    x = _features(90, 5)
    y = _labels(x, 3)
    y[y == 1] = 2
    probe = fit_probe(x[:60], y[:60], x[60:], y[60:], n_classes=3, penalties=PENALTIES)
    predicted = probe.predict(x)
    assert np.all(predicted[:, 1] == 0) and np.all(predicted[:, [0, 2]] > 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_x": np.array([[1.0, np.nan], [0, 1]])},
            "training features contain a value that is not finite in row 0",
        ),
        (
            {"valid_x": np.array([[1.0, 0], [0, np.inf]])},
            "validation features contain a value that is not finite in row 1",
        ),
        ({"train_y": np.array([1, 1])}, "have only class 1"),
        ({"train_y": np.array([0, 2])}, "class indices run from 0 to 2; expected 0 to 1"),
        ({"train_y": np.array([0])}, "training features have 2 rows and labels 1"),
        ({"valid_x": np.zeros((0, 2)), "valid_y": np.zeros(0)}, "validation features have 0 rows"),
        ({"n_classes": 0, "train_y": np.array([0, np.nan])}, "training target of row 1 is not finite"),
    ],
)
def test_bad_input_is_said(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "train_x": np.eye(2),
        "train_y": np.arange(2),
        "valid_x": np.eye(2),
        "valid_y": np.arange(2),
    }
    with pytest.raises(DataError, match=message):
        fit_probe(**{**good, "n_classes": 2, "penalties": PENALTIES, **change})


@pytest.mark.parametrize("penalties", [(), (1.0, 0.0), (float("nan"),)])
def test_bad_penalties_are_said(penalties: tuple[float, ...]) -> None:
    for path in (ridge_path, lambda x, y, p: logistic_path(x, y, 2, p)):
        with pytest.raises(ConfigError, match="expected one or more positive numbers"):
            path(np.eye(2), np.arange(2), penalties)


def test_predicting_from_the_wrong_width_is_said() -> None:
    probe = fit_probe(np.eye(2), np.arange(2), np.eye(2), np.arange(2), n_classes=2, penalties=PENALTIES)
    with pytest.raises(DataError, match="fitted on 2 features, not 3"):
        probe.predict(np.eye(3))


def test_a_path_keeps_the_callers_order() -> None:
    path = ridge_path(_features(50, 3), np.arange(50.0), PENALTIES)
    assert isinstance(path, Path) and path.penalties == PENALTIES
    norms = np.linalg.norm(path.coefficients[:, 0], axis=1)
    assert np.all(np.diff(norms) < 0)


@pytest.mark.parametrize("form", ["tall", "wide", "sparse"])
def test_labels_are_as_many_logistic_regressions_of_one_penalty(form: str) -> None:
    from sklearn.linear_model import LogisticRegression

    n, d = (80, 120) if form == "wide" else (400, 15)
    x = _features(n, d)
    if form == "sparse":
        x[x < 0.5] = 0
    rng = np.random.default_rng(3)
    y = (x @ rng.standard_normal((d, 4)) + rng.logistic(size=(n, 4)) > [0, 2, 4, 0]).astype(np.int64)
    y[:, 3] = 1  # nothing to learn
    scaled = x / x.std(axis=0)
    given = csr_matrix(x) if form == "sparse" else x
    probe = fit_probe(given, y, given, y, n_classes=4, penalties=(0.01,))
    predicted = probe.predict(given)
    assert predicted.shape == (n, 4)
    assert (predicted[:, 3] == 1).all()
    assert probe.classes == (0, 1, 2)
    total = 0.0
    for j in range(3):
        peer = LogisticRegression(C=1 / (0.01 * n), tol=1e-8, max_iter=10_000).fit(scaled, y[:, j])
        want = peer.predict_proba(scaled)[:, 1]
        np.testing.assert_allclose(predicted[:, j], want, atol=2e-3)
        total += -np.mean(np.log(np.where(y[:, j] == 1, want, 1 - want)))
    assert probe.valid_loss == pytest.approx(total / 3, rel=1e-4)


@pytest.mark.parametrize("form", ["tall", "wide", "walked"])
def test_several_outputs_are_as_many_ridges_of_one_penalty(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    n, d = (60, 90) if form == "wide" else (200, 20)
    x = _features(n, d)
    if form == "walked":
        monkeypatch.setattr("baserate.probes._ridge.EXACT", 5)
    rng = np.random.default_rng(5)
    # Outputs in other units must count alike.
    y = (x @ rng.standard_normal((d, 3)) + rng.standard_normal((n, 3))) * [1, 1000, 0.01] + [7, 0, 0]
    scaled = x / x.std(axis=0)
    probe = fit_probe(x, y, x, y, n_classes=0, penalties=(0.1,))
    peer = Ridge(alpha=0.1 * n, solver="svd").fit(scaled, y)
    np.testing.assert_allclose(probe.predict(x), peer.predict(scaled), atol=1e-3 * y.std(axis=0).max(), rtol=1e-3)
    errors = ((peer.predict(scaled) - y) ** 2).mean(axis=0) / y.var(axis=0)
    assert probe.valid_loss == pytest.approx(errors.mean(), rel=1e-4)


def test_output_in_large_units_does_not_choose_the_penalty_alone() -> None:
    rng = np.random.default_rng(6)
    x, fresh = rng.standard_normal((60, 30)), rng.standard_normal((60, 30))
    noise, signal = rng.standard_normal((60, 1)), np.r_[x, fresh] @ rng.standard_normal((30, 3))
    train = np.hstack([signal[:60], noise * 1e6])
    valid = np.hstack([signal[60:], rng.standard_normal((60, 1)) * 1e6])
    assert fit_probe(x, train, fresh, valid, n_classes=0, penalties=PENALTIES).penalty < 1.0


def test_labels_that_are_all_alike_cannot_be_learnt() -> None:
    x, y = _features(30, 3), np.tile([0, 1], (30, 1))
    with pytest.raises(DataError, match="each of the 2 labels is the same"):
        fit_probe(x, y, x, y, n_classes=2, penalties=PENALTIES)


@pytest.mark.parametrize("kind", [np.int64, np.float16, np.bool_])
@pytest.mark.parametrize("n_classes", [0, 2])
def test_features_of_any_kind_of_number_give_the_same_fit(kind: type, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (200, 6)).astype(kind)
    y = (x[:, 0] + rng.integers(0, 2, 200)) > 1 if n_classes else x[:, 0] + rng.standard_normal(200)
    y = y.astype(np.int64 if n_classes else np.float64)
    fits = [fit_probe(of, y, of, y, n_classes=n_classes, penalties=(0.1,)) for of in (x, x.astype(np.float64))]
    np.testing.assert_allclose(fits[0].predict(x), fits[1].predict(x.astype(np.float64)), rtol=1e-12)
