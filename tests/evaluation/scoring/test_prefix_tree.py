"""Beginnings that texts share are read once, and nothing changes; models that cannot are read plainly."""

import itertools

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from babylm.evaluation.scoring import prefix_tree
from babylm.evaluation.scoring import scorer as scoring
from babylm.evaluation.scoring.scorer import Scorer

STORIES = ["The cat sees the dogs. " * k + "The girl " for k in range(3)]
ENDS = ["reads a book.", "reads two books.", "sees ships and birds.", "sees", "reads a book about ships."]
ITEMS = [(story + end, end) for story in STORIES for end in ENDS] + [(story + ENDS[0],) * 2 for story in STORIES]


@pytest.fixture(scope="module")
def gpt2(tokenizer):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=32, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(config)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model.eval()


class TwoDimensional(nn.Module):
    """A model that knows neither positions nor trees nor ``at``, nor says where its output embedding is."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, input_ids, attention_mask):
        assert attention_mask.dim() == 2
        return (self.inner(input_ids=input_ids, attention_mask=attention_mask)["logits"],)


def plainly(monkeypatch, model, tokenizer, items):
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "WORTH_A_TREE", 2.0)
        return Scorer(model, tokenizer, batch_tokens=1).sequence_log_probs(items)


@pytest.mark.parametrize("batch_tokens", [1, 100, 10_000])
@pytest.mark.parametrize("which", ["ours", "gpt2"])
def test_equal_to_texts_alone(monkeypatch, causal_model, gpt2, tokenizer, which, batch_tokens):
    if which == "gpt2" and transformers.__version__ < "5":
        pytest.skip("GPT-2 of transformers 4 takes no mask of trees: such texts are scored one by one")
    model = causal_model if which == "ours" else gpt2
    scorer = Scorer(model, tokenizer, batch_tokens=batch_tokens)
    monkeypatch.setattr(scorer, "_score_batch", lambda *_: pytest.fail("not packed"))
    found = scorer.sequence_log_probs(ITEMS)
    assert scorer.log_prob_model.trees == "bool"
    assert scorer.log_prob_model.position_shortcut == "before_output"
    expected = plainly(monkeypatch, model, tokenizer, ITEMS)
    np.testing.assert_allclose(found.log_probability, expected.log_probability, atol=1e-4)
    assert found.tokens.tolist() == expected.tokens.tolist()


def test_a_model_that_cannot_is_read_plainly(caplog, monkeypatch, gpt2, tokenizer):
    other = Scorer(TwoDimensional(gpt2), tokenizer)
    other.model.dtype = torch.float32
    found = other.sequence_log_probs(ITEMS)
    assert (other.log_prob_model.trees, other.log_prob_model.position_shortcut) == ("", "none")
    assert "TwoDimensional takes no attention mask of trees" in caplog.text
    expected = plainly(monkeypatch, gpt2, tokenizer, ITEMS)
    np.testing.assert_allclose(found.log_probability, expected.log_probability, atol=1e-4)


def test_a_head_that_mixes_positions_is_not_cut(gpt2, tokenizer):
    class Mixing(nn.Linear):
        def forward(self, hidden):
            return super().forward(hidden - hidden.mean(-2, keepdim=True))

    model = GPT2LMHeadModel(gpt2.config).eval()
    model.set_output_embeddings(Mixing(32, len(tokenizer)))
    scorer = Scorer(model, tokenizer)
    scorer.sequence_log_probs([("The cat sees the dogs.", "dogs."), ("Nobody likes it.", "it.")])
    assert scorer.log_prob_model.position_shortcut == "none"


def test_a_pack_shows_each_token_its_own_text():
    generator = np.random.default_rng(0)
    texts = [tuple(generator.integers(0, 3, size=n).tolist()) for n in generator.integers(1, 40, size=60)]
    ranks, common = prefix_tree.order(texts)
    packs = prefix_tree.pack(texts, ranks, common)
    assert sorted(itertools.chain(*(pack.texts for pack in packs))) == list(range(60))
    assert sum(len(pack.ids) for pack in packs) < sum(map(len, texts))
    for pack in packs:
        seen = pack.mask(len(pack.ids) + 3)
        assert seen.diagonal().all()
        for index, path in zip(pack.texts, pack.paths, strict=True):
            assert [pack.ids[k] for k in path] == list(texts[index])
            assert [pack.depths[k] for k in path] == list(range(len(path)))
            for depth, node in enumerate(path):
                assert np.flatnonzero(seen[node]).tolist() == sorted(path[: depth + 1])


def test_encoded_once_for_all_revisions(monkeypatch, causal_model, tokenizer):
    scoring._ENCODED.clear()
    first = Scorer(causal_model, tokenizer).sequence_log_probs(ITEMS)
    monkeypatch.setattr(Scorer, "_encode", lambda *_: pytest.fail("encoded twice"))
    assert (
        Scorer(causal_model, tokenizer).sequence_log_probs(ITEMS).log_probability.tolist()
        == first.log_probability.tolist()
    )
