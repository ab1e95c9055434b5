"""Every metric by name."""

from __future__ import annotations

from collections.abc import Mapping

from . import kernels
from .kernels import N_BINS
from .metric import Metric

METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            "mcc", "MCC", "higher", "classes", kernels.mcc,
            "Matthews correlation of k classes (Gorodkin 2004); of labels the mean over them, called above .5",
            labels=True,
        ),
        Metric(
            "auroc", "AUROC", "higher", "ranking", kernels.one_vs_rest(kernels.auroc),
            "area under the ROC curve, ties counted half (Hanley & McNeil 1982); macro one-vs-rest for k > 2 classes, "
            "macro over labels",
            labels=True,
        ),
        Metric(
            "auprc", "AUPRC", "higher", "ranking", kernels.one_vs_rest(kernels.auprc),
            "average precision, the step-wise sum as in scikit-learn's average_precision_score, not the trapezoidal "
            "area; macro one-vs-rest for k > 2 classes, macro over labels",
            labels=True,
        ),
        Metric(
            "accuracy", "Accuracy", "higher", "classes", kernels.accuracy, "share of examples whose top class is right"
        ),
        Metric(
            "f1", "F1", "higher", "classes", kernels.f1,
            "F1 of class 1; for k > 2 the macro mean over classes that are present or predicted; of labels the macro "
            "mean, called above .5",
            labels=True,
        ),
        Metric(
            "f1_micro", "micro-F1", "higher", "labels", kernels.f1_micro,
            "F1 of all labels of all examples taken together, called above .5",
        ),
        Metric(
            "brier", "Brier", "lower", "probabilities", kernels.brier,
            "mean squared error of the class probabilities (Brier 1950): 0 to 1 for two classes, 0 to 2 for more; of "
            "labels the mean over them",
            labels=True,
        ),
        Metric(
            "ece", "ECE", "lower", "probabilities", kernels.ece,
            f"expected calibration error of the top class, {N_BINS} equal-width bins (Guo et al. 2017)",
        ),
        Metric(
            "spearman", "Spearman", "higher", "value", kernels.spearman,
            "Spearman's rank correlation, ties at midranks; of several outputs the mean",
        ),
        Metric("pearson", "Pearson", "higher", "value", kernels.pearson, "Pearson's correlation; of several the mean"),
        Metric(
            "r2", "R2", "higher", "scale", kernels.r2,
            "share of variance explained, 1 - squared error / variance of the targets, which may be below 0; the mean "
            "over outputs",
        ),
        Metric("mae", "MAE", "lower", "scale", kernels.mae, "mean absolute error; the mean over outputs"),
        Metric("rmse", "RMSE", "lower", "scale", kernels.rmse, "root mean squared error; the mean over outputs"),
        Metric(
            "paired_accuracy", "Paired accuracy", "higher", "pair", kernels.paired_accuracy,
            "share of pairs whose perturbed member scores below the real one, ties counted half",
        ),
        Metric(
            "recovery", "Recovery", "higher", "bases", kernels.recovery,
            "share of the following bases that are predicted right; chance is about .25",
        ),
        Metric(
            "exact_match", "Exact match", "higher", "bases", kernels.exact_match,
            "share of examples all of whose following bases are predicted right",
        ),
    )
}  # fmt: skip
"""Every metric by name."""
