"""Classifiers of texts and tokens, and answers as spans."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models.classification import (
    BabyLMForQuestionAnswering,
    BabyLMForSequenceClassification,
    BabyLMForTokenClassification,
)

from .variants import config, tokens


def made(kind, **changes):
    torch.manual_seed(0)
    return kind(config(**changes)).eval()


def padded(batch, side, width=4):
    pads = torch.full((len(batch), width), 2)
    parts, masks = ([batch, pads], [batch * 0 + 1, pads * 0])
    order = slice(None) if side == "right" else slice(None, None, -1)
    kept = slice(0, batch.shape[1]) if side == "right" else slice(width, None)
    return torch.cat(parts[order], 1), torch.cat(masks[order], 1), kept


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(side):
    batch = tokens(3, 8)
    ids, mask, kept = padded(batch, side)
    tagger, reader = made(BabyLMForTokenClassification, num_labels=5), made(BabyLMForQuestionAnswering)
    tagged = tagger(ids, attention_mask=mask).logits
    assert tagged.shape == (3, 12, 5)
    torch.testing.assert_close(tagged[:, kept], tagger(batch).logits, atol=1e-5, rtol=1e-4)
    spans, plain = reader(ids, attention_mask=mask), reader(batch)
    torch.testing.assert_close(spans.start_logits[:, kept], plain.start_logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(spans.end_logits[:, kept], plain.end_logits, atol=1e-5, rtol=1e-4)


def test_losses_of_tokens_and_spans():
    batch = tokens(2, 8)
    labels = batch % 5
    labels[:, 6:] = -100
    output = made(BabyLMForTokenClassification, num_labels=5)(batch, labels=labels)
    torch.testing.assert_close(
        output.loss, F.cross_entropy(output.logits[:, :6].flatten(0, 1), labels[:, :6].flatten())
    )
    reader = made(BabyLMForQuestionAnswering)
    starts, ends = torch.tensor([2, 0]), torch.tensor([[4], [8]])  # the second answer ends outside of the row
    output = reader(batch, start_positions=starts, end_positions=ends)
    expected = F.cross_entropy(output.start_logits, starts) + F.cross_entropy(output.end_logits[:1], ends[0])
    torch.testing.assert_close(output.loss, expected / 2)


@pytest.mark.parametrize(
    ("settings", "labels", "loss"),
    [
        ({"num_labels": 3}, torch.tensor([0, 2]), F.cross_entropy),
        ({"num_labels": 1}, torch.tensor([0.5, 2.0]), F.mse_loss),
        ({"num_labels": 3}, torch.tensor([[0.0, 1, 1], [1, 0, 0]]), F.binary_cross_entropy_with_logits),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, torch.tensor([[0, 1, 1], [1, 0, 0]]), None),
        ({"num_labels": 2, "problem_type": "regression"}, torch.tensor([[0.5, 1], [2, 3]]), F.mse_loss),
    ],
)
def test_the_loss_of_the_problem(settings, labels, loss):
    output = made(BabyLMForSequenceClassification, **settings)(tokens(2, 8), labels=labels)
    logits = output.logits.squeeze(-1) if settings["num_labels"] == 1 else output.logits
    expected = F.binary_cross_entropy_with_logits(logits, labels.float()) if loss is None else loss(logits, labels)
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("prediction_mode", ["causal", "mntp"])
def test_they_attend_as_the_weights_were_trained(prediction_mode):
    tagger, batch = made(BabyLMForTokenClassification, prediction_mode=prediction_mode), tokens(1, 8)
    other = batch.clone()
    other[0, -1] = (other[0, -1] + 1) % 57 + 4
    change = (tagger(batch).logits - tagger(other).logits)[0, 0].abs().max()
    assert (change == 0) == (prediction_mode == "causal")
