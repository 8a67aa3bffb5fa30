"""Metrics of a classifier: accuracy, F1 and Matthews' correlation, as shares.

Equal to scikit-learn's to the digit (a test compares them), and a hundred times faster, which bootstrap intervals need.
"""

from __future__ import annotations

import numpy as np


def measure(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """``accuracy`` and ``mcc``, and for two classes ``f1``, of (items,) answers."""
    measures = {"accuracy": accuracy(predictions, labels), "mcc": mcc(predictions, labels)}
    return measures | ({"f1": f1(predictions, labels)} if max(predictions.max(), labels.max()) < 2 else {})


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers.

    >>> accuracy(np.array([0, 1, 1, 1]), np.array([0, 1, 1, 0]))
    0.75
    """
    return float((predictions == labels).mean())


def f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Harmonic mean of precision and recall of the class 1; 0 if no label and no answer is 1."""
    right = ((predictions == 1) & (labels == 1)).sum()
    positives = (predictions == 1).sum() + (labels == 1).sum()
    return float(2 * right / positives) if positives else 0.0


def mcc(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Matthews' correlation for any number of classes (Gorodkin, 2004); 0 if one side is constant."""
    classes = int(max(predictions.max(), labels.max())) + 1
    table = np.zeros((classes, classes))  # rows: labels, columns: answers
    np.add.at(table, (labels, predictions), 1)
    n, labelled, answered = table.sum(), table.sum(axis=1), table.sum(axis=0)
    spread = float((n**2 - answered @ answered) * (n**2 - labelled @ labelled))
    return float((n * table.trace() - labelled @ answered) / np.sqrt(spread)) if spread else 0.0


METRICS = {"accuracy": accuracy, "f1": f1, "mcc": mcc}
