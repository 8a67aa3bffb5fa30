"""What happens inside a model when it reads a message: attention, states, surprisal; a second pass over the transcript.

The pass is eager, since fast kernels give no attention weights, and teacher-forced: nothing is sampled.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from babylm.lazy import torch
from babylm.studies._relational_episodes import Row
from babylm.studies._relational_sentences import CONCEPTS, labelled
from babylm.studies.statistics._libraries import library

if TYPE_CHECKING:
    from torch import Tensor

    from babylm.studies._subjects import Subject

BANDS = ("early", "middle", "late")
"""Thirds of the layers."""
PROBE_DEPTH = 2 / 3
"""Share of the layers below the hidden states that probes read."""
POINTS = (1, 3)
"""Actions after the message at which states are read, besides its end (0)."""


class Reading(NamedTuple):
    """A transcript as a model reads it."""

    attentions: Tensor
    """(layers, heads, tokens, tokens)."""
    states: Tensor
    """(layers + 1, tokens, hidden_size)."""
    surprisal: float
    """Mean of the message's tokens, in nats; NaN without a message."""


def read(subject: Subject, ids: Sequence[int], span: tuple[int, int]) -> Reading:
    """Attention weights, hidden states, and the surprisal of the tokens ``span``."""
    import inspect

    from babylm.models.modeling_babylm import BabyLMForCausalLM

    model = subject.model
    tokens = torch.tensor([list(ids)], device=next(model.parameters()).device)
    begin, end = span
    predicting = torch.arange(begin - 1, end - 1) if end > begin else torch.tensor([len(ids) - 1])
    ours = isinstance(model, BabyLMForCausalLM)
    few = not ours and "logits_to_keep" in inspect.signature(model.forward).parameters
    given: dict[str, Any] = {"logits_to_keep": predicting} if few else {}
    before = model.config._attn_implementation
    if not ours:
        model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            output = model(input_ids=tokens, output_attentions=True, output_hidden_states=True, **given)
    finally:
        if not ours:
            model.set_attn_implementation(before)
    if not output.attentions or output.attentions[0] is None:
        raise ValueError(f"{subject.name}: {type(model).__name__} gives no attention weights")
    surprisal = float("nan")
    if end > begin:
        logits = output.logits[0] if few else output.logits[0, predicting]
        surprisal = float(-logits.float().log_softmax(-1)[range(end - begin), tokens[0, begin:end]].mean())
    attentions = torch.stack([weights[0].float().cpu() for weights in output.attentions])
    return Reading(attentions, torch.stack([state[0].float().cpu() for state in output.hidden_states]), surprisal)


def attention_shares(attentions: Tensor, span: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(layers, heads) share of attention on the tokens ``span`` from all positions after them: raw, length-corrected.

    Raw: sum over message tokens, mean over queries. Corrected: divided by what uniform causal attention gives, the mean
    over queries of message tokens / visible tokens; so 1 means no preference.

    >>> uniform = torch.ones(1, 1, 4, 4).tril() / torch.arange(1, 5)[:, None]
    >>> raw, corrected = attention_shares(uniform, (1, 2))
    >>> round(float(raw), 3), round(float(corrected), 3)
    (0.292, 1.0)
    """
    begin, end = span
    queries = attentions.shape[2]
    raw = attentions[:, :, end:, begin:end].sum(-1).mean(-1)
    visible = torch.arange(end + 1, queries + 1, dtype=torch.float32)
    return raw, raw / ((end - begin) / visible).mean()


def by_band(shares: Tensor) -> dict[str, float]:
    """Mean over heads and layers of each third of the layers, and of the last layer."""
    per_layer = shares.mean(1)
    parts = np.array_split(np.arange(len(per_layer)), len(BANDS))
    bands = {name: float(per_layer[part].mean()) for name, part in zip(BANDS, parts, strict=True) if len(part)}
    return {**bands, "last layer": float(per_layer[-1])}


@dataclass(frozen=True)
class Probes:
    """A logistic regression per concept on standardised hidden states of the last token of sentences."""

    layer: int
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    """(concepts, hidden_size)."""
    bias: NDArray[np.float64]
    accuracy: dict[str, float]
    """Area under the ROC curve by concept, five-fold cross-validated."""

    def probabilities(self, state: Tensor) -> NDArray[np.float64]:
        """(concepts,) of a hidden state."""
        x = (state.double().numpy() - self.mean) / self.scale
        return np.asarray(1 / (1 + np.exp(-np.clip(self.weights @ x + self.bias, -50, 50))))

    def cosines(self, state: Tensor) -> NDArray[np.float64]:
        """(concepts,) cosine of the standardised state and each concept's direction."""
        x = (state.double().numpy() - self.mean) / self.scale
        norms = np.linalg.norm(self.weights, axis=1) * np.linalg.norm(x)
        return np.asarray(self.weights @ x / np.maximum(norms, 1e-12))


def fit_probes(subject: Subject) -> Probes:
    """Probes of a model, from the labelled sentences."""
    sentences = labelled()
    layer = 0
    features = []
    for text, _ in sentences:
        states = subject.hidden_states(subject.ids(text))
        layer = max(1, math.ceil(PROBE_DEPTH * (len(states) - 1)))
        features.append(states[layer, -1].double().numpy())
    x = np.array(features)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / scale
    weights, bias, accuracy = [], [], {}
    linear, selection = library("sklearn.linear_model"), library("sklearn.model_selection")
    for concept in CONCEPTS:
        y = np.array([label == concept for _, label in sentences])
        model = linear.LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
        folds = selection.StratifiedKFold(5, shuffle=True, random_state=0)
        accuracy[concept] = float(selection.cross_val_score(model, x, y, cv=folds, scoring="roc_auc").mean())
        model.fit(x, y)
        weights.append(model.coef_[0])
        bias.append(float(model.intercept_[0]))
    return Probes(layer, mean, scale, np.array(weights), np.array(bias), accuracy)


def states_of(subject: Subject, row: Row, probes: Probes) -> dict[str, float]:
    """Attention to the message, its surprisal, and the change of each probe since the collapse."""
    reading = read(subject, row.ids, row.message_span)
    values: dict[str, float] = {}
    if row.message:
        raw, corrected = attention_shares(reading.attentions, row.message_span)
        values |= {f"attention {band}": value for band, value in by_band(corrected).items()}
        values |= {f"raw attention {band}": value for band, value in by_band(raw).items()}
        values["surprisal"] = reading.surprisal
    states = reading.states[probes.layer]
    at = row.tool.collapsed_at
    assert at is not None
    ends = {0: row.message_span[1] or row.prefix_length}
    ends |= {point: row.turns[at + point - 1] for point in POINTS if len(row.turns) >= at + point}
    first_p, first_cosine = (f(states[row.prefix_length - 1]) for f in (probes.probabilities, probes.cosines))
    for point, end in ends.items():
        p, cosine = probes.probabilities(states[end - 1]), probes.cosines(states[end - 1])
        for number, concept in enumerate(CONCEPTS):
            values[f"{concept} +{point}"] = float(p[number] - first_p[number])
            values[f"{concept} cosine +{point}"] = float(cosine[number] - first_cosine[number])
    return values


class Unigram:
    """Token frequencies of texts, with one added to each count.

    >>> round(Unigram([[1, 1, 1, 2]], entries=4).surprisal([1, 3]), 3)
    1.386
    """

    def __init__(self, texts: Iterable[Sequence[int]], entries: int) -> None:
        self.counts: Mapping[int, int] = Counter(token for text in texts for token in text)
        self.total = sum(self.counts.values()) + entries

    def surprisal(self, ids: Sequence[int]) -> float:
        """Mean over the tokens, in nats."""
        return sum(math.log(self.total / (self.counts.get(token, 0) + 1)) for token in ids) / max(len(ids), 1)
