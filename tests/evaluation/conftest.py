"""A tiny tokenizer and models of our own, made anew; nothing is downloaded."""

import pytest
import torch
from transformers import AutoTokenizer

from babylm.config.schema import TokenizerConfig
from babylm.corpora import tokenizer as tokenizers
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM

TEXTS = [
    "The cat sees the dogs.\nThe dogs see the cat.",
    "A girl who likes birds reads a book about ships.",
    "Nobody has ever seen the two red houses near the lake.",
]


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizers.save(tokenizers.train(TEXTS * 5, TokenizerConfig(vocab_size=330)), folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder):
    return AutoTokenizer.from_pretrained(tokenizer_folder)


@pytest.fixture(scope="session")
def causal_model(tokenizer):
    torch.manual_seed(0)
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad", "mask")}
    config = BabyLMConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        **ids,
    )
    return BabyLMForCausalLM(config).eval()


@pytest.fixture(scope="session")
def masked_model(causal_model):
    model = BabyLMForMaskedLM(causal_model.config)
    model.load_state_dict(causal_model.state_dict())
    return model.eval()
