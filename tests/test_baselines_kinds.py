"""Baselines on labels and on several measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from baserate.errors import NotApplicable
from baserate.metrics import METRICS
from baserate.registry import get_model, load_model
from baserate.types import Examples, FloatArray, Inputs, strings

TRAINED = ("constant", "length", "gc_content", "onehot_linear", "kmer_logreg", "kmer_xgboost", "nearest_train", "cnn")


def _examples(n: int, kind: str, *, seed: int) -> Examples:
    """Return sequences in which TATAAA, GGGGCG, both or neither stand; the third label, or output, is a constant."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(list("ACGT"), size=(n, 60))
    has = rng.integers(2, size=(n, 2))
    for row, (tata, box) in zip(rows, has, strict=True):
        if tata:
            row[5:11] = list("TATAAA")
        if box:
            row[30:36] = list("GGGGCG")
    targets: NDArray[Any] = np.column_stack([has, np.ones(n, np.int64)])
    if kind == "regression":
        targets = np.column_stack([100.0 * has[:, 0], 0.01 * has[:, 1], np.full(n, 7.0)])
    ids = strings([str(i) for i in range(n)])
    return Examples(ids, Inputs(strings(["".join(row) for row in rows])), targets, ids, ids)


def _scores(name: str, kind: str) -> tuple[FloatArray, NDArray[Any]]:
    train, valid, test = (_examples(n, kind, seed=seed) for n, seed in ((240, 1), (80, 2), (150, 3)))
    model: Any = load_model(get_model(name))
    fitted = model.fit(train, valid, n_classes=3 if kind == "multilabel" else 0, seed=0)
    return np.asarray(fitted.predict(test.inputs)), test.targets


@pytest.mark.parametrize("name", TRAINED)
def test_every_label_gets_a_chance_of_its_own(name: str) -> None:
    scores, targets = _scores(name, "multilabel")
    assert scores.shape == (150, 3)
    assert METRICS.get("mcc").undefined(targets, scores) == ""
    assert (scores[:, 2] > 0.9).all()
    auroc = METRICS.get("auroc")(targets, scores, np.ones((1, 150), int))[0]
    assert auroc > 0.9 if name in ("onehot_linear", "kmer_logreg", "kmer_xgboost", "cnn") else auroc < 0.9


@pytest.mark.parametrize("name", TRAINED)
def test_every_output_is_predicted_in_its_own_units(name: str) -> None:
    scores, targets = _scores(name, "regression")
    assert scores.shape == (150, 3)
    np.testing.assert_allclose(scores[:, 2], 7, atol=0.5)
    r2 = METRICS.get("r2")(targets, scores, np.ones((1, 150), int))[0]
    # The one nearest of unrelated sequences is a draw from train, of twice the variance.
    least = {"nearest_train": -1.5, "constant": -0.1, "length": -0.1, "gc_content": -0.1}
    assert r2 > least.get(name, 0.4)


def test_matrices_of_classes_do_not_fit_labels() -> None:
    with pytest.raises(NotApplicable, match="pwm needs one class per sequence"):
        _scores("pwm", "multilabel")
