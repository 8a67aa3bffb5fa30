"""What answers are worth: accuracy, F1 and Matthews' correlation, as shares."""

from __future__ import annotations

import numpy as np


def measure(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """``accuracy`` and ``mcc``, and of two classes ``f1``, of (items,) answers."""
    found = {"accuracy": accuracy(predictions, labels), "mcc": mcc(predictions, labels)}
    return found | ({"f1": f1(predictions, labels)} if max(predictions.max(), labels.max()) < 2 else {})


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers."""
    return float((predictions == labels).mean())


def f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Harmonic mean of precision and recall of the class 1; 0 where nothing is, or is called, 1."""
    right = ((predictions == 1) & (labels == 1)).sum()
    marked = (predictions == 1).sum() + (labels == 1).sum()
    return float(2 * right / marked) if marked else 0.0


def mcc(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Matthews' correlation of any number of classes (Gorodkin, 2004); 0 where one side is constant."""
    classes = int(max(predictions.max(), labels.max())) + 1
    table = np.zeros((classes, classes))
    np.add.at(table, (labels, predictions), 1)
    n, real, called = table.sum(), table.sum(axis=1), table.sum(axis=0)
    spread = float((n**2 - called @ called) * (n**2 - real @ real))
    return float((n * table.trace() - real @ called) / np.sqrt(spread)) if spread else 0.0


METRICS = {"accuracy": accuracy, "f1": f1, "mcc": mcc}
