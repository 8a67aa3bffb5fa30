"""Other people's models: what would give other numbers than the official pipeline's is found out, or refused."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import normalizers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    CohereConfig,
    CohereForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    XGLMConfig,
    XGLMForCausalLM,
)

from babylm.evaluation import suite
from babylm.evaluation.scoring import foreign_tokenizer
from babylm.evaluation.scoring import scorer as scoring
from babylm.evaluation.scoring.load_model import load_scorer
from tests.evaluation.scoring.test_prefix_tree import ITEMS

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


@pytest.fixture
def save(tmp_path, tokenizer):
    """Saves a model with large random weights beside the tokenizer; gives the folder."""

    def saved(build, config, **arguments):
        config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
        torch.manual_seed(0)
        model = build(config, **arguments)
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=0.3)
        folder = tmp_path / build.__name__
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return saved


def scores(monkeypatch, scorer, plain):
    with monkeypatch.context() as patch:
        if plain:
            patch.setattr(scoring, "WORTH_A_TREE", 2.0)
        return scorer.sequence_log_probs(ITEMS).log_probability


def test_a_window_is_not_given_up_for_a_mask_of_trees(monkeypatch, save):
    config = MistralConfig(**SHAPE, num_key_value_heads=1, sliding_window=8, max_position_embeddings=128)
    scorer = load_scorer(save(MistralForCausalLM, config), "causal")
    found = scores(monkeypatch, scorer, plain=False)
    assert scorer.log_prob_model.trees == ""
    np.testing.assert_array_equal(found, scores(monkeypatch, scorer, plain=True))
    wide = MistralConfig(**SHAPE, num_key_value_heads=1, sliding_window=None, max_position_embeddings=128)
    scorer = load_scorer(save(MistralForCausalLM, wide), "causal")
    found = scores(monkeypatch, scorer, plain=False)
    assert scorer.log_prob_model.trees == "bool"
    np.testing.assert_allclose(found, scores(monkeypatch, scorer, plain=True), atol=1e-4)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_logits_that_are_scaled_after_the_head_are_seen(save, dtype):
    """However near to 1 the scale, and whatever bf16 would hide."""
    config = CohereConfig(**SHAPE, num_key_value_heads=1, logit_scale=1.0001, max_position_embeddings=128)
    scorer = load_scorer(save(CohereForCausalLM, config), "causal", dtype=dtype)
    scorer.sequence_log_probs(ITEMS[:2])
    assert scorer.log_prob_model.position_shortcut == "none"


def test_what_a_model_in_bf16_can_do_is_found_out_in_fp32(monkeypatch, save):
    """In bf16 its attention adds the truth values of a mask, and the difference would pass for rounding."""
    config = XGLMConfig(d_model=32, ffn_dim=48, num_layers=2, attention_heads=2, max_position_embeddings=128)
    scorer = load_scorer(save(XGLMForCausalLM, config), "causal", dtype="bf16")
    assert scorer.log_prob_model.trees == ("" if transformers.__version__ < "5" else "additive")
    assert scorer.model.dtype == torch.bfloat16
    found, plain = (scores(monkeypatch, scorer, plain) for plain in (False, True))
    np.testing.assert_allclose(found, plain, atol=0.5)


def test_a_tokenizer_is_what_its_file_says(save):
    """A class of transformers 5 makes the tokenizer anew, without the normalizer that only the file holds."""
    folder = save(GPT2LMHeadModel, GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=64))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": "GPT2TokenizerFast"}))
    scorer = load_scorer(folder, "causal")
    upper, lower = (scorer.tokenizer(text)["input_ids"] for text in ("THE CAT", "the cat"))
    assert upper == lower
    assert not scorer.returns_token_type_ids


@pytest.mark.parametrize(
    ("settings", "kind", "given"),
    [
        ({"tokenizer_class": "GPT2TokenizerFast"}, "gpt2", False),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, "gpt2", True),
        ({"tokenizer_class": "DebertaV2Tokenizer"}, "deberta-v2", True),
        ({"tokenizer_class": "RobertaTokenizerFast"}, "roberta", False),
        ({}, "bert", True),
        ({}, "gpt2", False),
        ({"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids"]}, "bert", False),
    ],
)
def test_who_gives_token_types(tmp_path, settings, kind, given):
    (tmp_path / foreign_tokenizer.SETTINGS).write_text(json.dumps(settings))
    assert foreign_tokenizer.returns_token_type_ids(tmp_path, kind) == given


def test_weights_that_nobody_uses_are_refused_where_they_matter(save):
    folder = save(BertForMaskedLM, BertConfig(**SHAPE, max_position_embeddings=64))
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "bert.pooler.dense.weight": torch.ones(2)}, folder / "model.safetensors", {"format": "pt"})
    load_scorer(folder, "mlm")
    distances = {"bert.encoder.layer.0.attention.self.distance_embedding.weight": torch.ones(2)}
    save_file(weights | distances, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"has no use for bert.encoder.layer.0.*install an older version"):
        load_scorer(folder, "mlm")


def test_a_model_that_looks_ahead_is_not_read_causally(save):
    folder = save(BertLMHeadModel, BertConfig(**SHAPE, max_position_embeddings=64, is_decoder=False))
    with pytest.raises(ValueError, match="a token would see itself; score it with backend=mlm"):
        load_scorer(folder, "causal")
    assert load_scorer(folder, "mlm").sequence_log_probs(ITEMS[:1]).tokens[0] > 0


def test_a_run_in_memory_is_narrowed_the_same_way(causal_model, tokenizer_folder, tmp_path):
    from babylm.config.schema import EvaluationConfig

    (tmp_path / "pairs").mkdir()
    pair = {"sentence_good": "The cat sees it.", "sentence_bad": "The cat see it."}
    (tmp_path / "pairs" / "a.jsonl").write_text(json.dumps(pair) + "\n")
    asked = {"settings": EvaluationConfig(dtype="bf16")}
    found = suite.run(causal_model, tokenizer_folder, [str(tmp_path / "pairs")], **asked)
    assert next(iter(found.values())).details["against_fp32"]["compared"] == 1
    assert causal_model.dtype == torch.float32
