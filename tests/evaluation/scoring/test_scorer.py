"""The fast scorer equals one sentence at a time, in every backend, and batches change nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from babylm.evaluation.scoring.scorer import Scorer, _cut

SENTENCES = [
    "The cat sees the dogs.",
    "The cats see a dog near the red ship.",
    "Who?",
    "She said:\nnobody has ever seen it.",
    "A girl who likes the two birds reads about them, and about houses.",
]
ITEMS = [(s, s) for s in SENTENCES] + [(s, s[len(s) // 2 :]) for s in SENTENCES] + [(SENTENCES[0], "gs.")]
BACKENDS = ["causal", "mlm", "mntp"]


class NoAt(nn.Module):
    """The same model, giving all logits as other people's do."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, input_ids, attention_mask):
        return self.inner(input_ids=input_ids, attention_mask=attention_mask)


@pytest.fixture(params=BACKENDS)
def scorer(request, causal_model, masked_model, tokenizer):
    return Scorer(causal_model if request.param == "causal" else masked_model, tokenizer, request.param)


def one_by_one(scorer, sentence, completion):
    """(position, log-probability) of each scored token: one forward a token, float64."""
    encoded = scorer.tokenizer(sentence, return_offsets_mapping=True)
    ids, start = encoded["input_ids"], len(sentence) - len(completion)
    found = []
    for k, (_, end) in enumerate(encoded["offset_mapping"]):
        if end <= start:
            continue
        seen = ids[:k] if scorer.backend == "causal" else [*ids[:k], scorer.tokenizer.mask_token_id, *ids[k + 1 :]]
        with torch.no_grad():
            logits = scorer.model(input_ids=torch.tensor([seen]))["logits"][0]
        at = k if scorer.backend == "mlm" else k - 1
        found.append((k, float(logits[at].double().log_softmax(-1)[ids[k]])))
    return found


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_equals_one_sentence_at_a_time(scorer, batch_tokens):
    scorer = Scorer(scorer.model, scorer.tokenizer, scorer.backend, batch_tokens=batch_tokens)
    scores = scorer.sequence_log_probs(ITEMS)
    for index, (sentence, completion) in enumerate(ITEMS):
        values = [value for _, value in one_by_one(scorer, sentence, completion)]
        assert scores.tokens[index] == len(values) > 0
        assert scores.log_probability[index] == pytest.approx(sum(values), abs=1e-4)


def test_a_model_that_gives_all_logits_scores_the_same(scorer):
    other = Scorer(NoAt(scorer.model).eval(), scorer.tokenizer, scorer.backend)
    assert scorer.log_prob_model.takes_target_positions
    assert not other.log_prob_model.takes_target_positions
    np.testing.assert_allclose(
        other.sequence_log_probs(ITEMS).log_probability, scorer.sequence_log_probs(ITEMS).log_probability, atol=1e-5
    )


def test_a_straddling_token_counts_and_special_ones_do_not(scorer):
    sentence = SENTENCES[0]
    encoded = scorer.tokenizer(sentence, return_offsets_mapping=True)
    assert encoded["input_ids"][0] == scorer.tokenizer.bos_token_id
    last = encoded["offset_mapping"][-1]
    assert scorer.sequence_log_probs([(sentence, sentence[last[1] - 1 :])]).tokens[0] == 1
    assert scorer.sequence_log_probs([(sentence, sentence)]).tokens[0] == len(encoded["input_ids"]) - 1
    assert scorer.sequence_log_probs([(sentence, "")]).tokens[0] == 0


def test_same_tokens_tie_to_the_bit(scorer):
    # The tokenizer normalises the ligature away.
    scores = scorer.sequence_log_probs([("The fish.", "The fish."), *ITEMS, ("The ﬁsh.", "The ﬁsh.")])
    assert scores.log_probability[0] == scores.log_probability[-1]


def test_surprisals(scorer):
    for sentence, found in zip(SENTENCES, scorer.surprisals(SENTENCES), strict=True):
        expected = np.full(len(found.tokens), np.nan)
        for position, value in one_by_one(scorer, sentence, sentence):
            expected[position] = -value
        np.testing.assert_allclose(found.nats, expected, atol=1e-5)
        assert np.isnan(found.nats[0])
        assert {c for a, b in found.offsets for c in range(a, b)} >= {c for c, x in enumerate(sentence) if x != " "}


def test_mode_is_restored_and_nothing_has_a_gradient(scorer):
    scorer.model.train()
    scorer.sequence_log_probs(ITEMS[:1])
    assert scorer.model.training
    scorer.model.eval()
    assert all(p.grad is None for p in scorer.model.parameters())


def test_nothing_to_score(scorer):
    assert scorer.sequence_log_probs([]).log_probability.shape == (0,)
    assert scorer.surprisals([]) == []


def test_even_batches_end_where_a_length_does_once_half_full():
    lengths = np.array([3] * 7 + [4] * 2 + [5] * 6)
    pieces = list(_cut(np.arange(len(lengths)), lengths, 30, even=True))
    assert np.concatenate(pieces).tolist() == list(range(len(lengths)))
    assert [sorted(set(lengths[piece].tolist())) for piece in pieces] == [[3], [4, 5], [5]]
    assert all(lengths[piece].max() * len(piece) <= 30 for piece in pieces)


def test_cut_fills_batches_without_losing_rows():
    lengths = np.array([5, 3, 9, 3, 4, 9, 1])
    order = np.argsort(lengths, kind="stable")
    pieces = list(_cut(order, lengths, 12))
    assert np.concatenate(pieces).tolist() == order.tolist()
    assert all(len(piece) == 1 or len(piece) * lengths[piece].max() <= 12 for piece in pieces)
    assert len(pieces) == 4


def test_refuses_what_it_cannot_do(causal_model, tokenizer):
    with pytest.raises(ValueError, match=r"evaluation.backend.*did you mean causal"):
        Scorer(causal_model, tokenizer, "casual")
    with pytest.raises(ValueError, match="fast tokenizer"):
        Scorer(causal_model, object())
