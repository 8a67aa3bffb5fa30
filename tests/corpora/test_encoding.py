"""Tokens and the words that end in them: exact for every document, whatever its characters."""

import random

import numpy as np
import pytest

from babylm.config.schema import TokenizerConfig
from babylm.corpora import sources, toy
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.documents import Document
from babylm.corpora.encoding import Encoder, encode, token_dtype

STRANGE = [
    "´ acute don´t ¨ ¨x y¨",
    "a\u00a0b\u2003c\u3000d\u200be",
    "x\x1cy\x1dz\x85w\x0bv\x0cu",
    "ﷺ ﬁne ½ … ① ㎏",
    "日本語 の テスト 🙂🙂 👩‍👩‍👧",
    "<s> </s> <mask> <extra_3>",
    "  lead and trail  ",
    "\n\n\ttabs\t\tand\nlines\n",
    "e\u0301 combining a\u0308\u0308",
    "-",
    "…",
    "\u0308x",
]


@pytest.fixture(scope="module", params=["nfkc", "nfc", "none"])
def tokenizer(request):
    texts = [d.text for d in toy.write(3000, 0)]
    return tokenization.train(texts, TokenizerConfig(vocab_size=600, normalization=request.param))


def assert_exact(encoded, texts):
    for index, text in enumerate(texts):
        start, end = encoded.offsets[index], encoded.offsets[index + 1]
        assert encoded.words[start:end].sum() == len(text.split()), repr(text)
    assert encoded.offsets[-1] == len(encoded.tokens) == len(encoded.words)


def test_words_are_exact_in_strange_text(tokenizer):
    generator = random.Random(0)
    texts = STRANGE + [" ".join(generator.choices(STRANGE, k=3)) for _ in range(100)]
    texts += ["".join(generator.choices("ab c\n\t´¨\u00a0\u2003é日\u0301.,'1", k=30)) + "x" for _ in range(200)]
    assert_exact(encode(tokenizer, [Document("a", text) for text in texts]), texts)


def test_the_table_and_the_offsets_agree_on_ordinary_text(tokenizer):
    encoder = Encoder(tokenizer)
    for document in toy.write(2000, 1):
        batch = encoder([document.text])
        assert np.array_equal(batch.words, encoder._words_by_offsets(document.text, len(batch.tokens)))


def test_a_word_ends_in_its_last_token(tokenizer):
    encoded = encode(tokenizer, [Document("a", "the zyxwv\nthe end.")])
    assert encoded.words[-1] == 1
    text = tokenizer.decode(encoded.tokens[: np.flatnonzero(encoded.words)[1] + 1].tolist())
    assert text.split() == ["the", "zyxwv"]


def test_no_special_token_is_made_by_text(tokenizer):
    encoded = encode(tokenizer, [Document("a", "a <s> b </s> c <mask> d <extra_0>")])
    assert encoded.tokens.min() >= len(tokenization.SPECIAL_TOKENS)
    # The tokenizer that was handed in still knows them.
    assert tokenizer.encode("<mask>", add_special_tokens=False).ids == [3]


def test_sources_are_kept_and_empty_documents_left_out(tokenizer):
    documents = [Document("b", "x y"), Document("a", " \n"), Document("a", "z"), Document("b", "w")]
    encoded = encode(tokenizer, documents)
    assert encoded.source_names == ("b", "a")
    assert encoded.document_sources.tolist() == [0, 1, 0]
    assert len(encoded.offsets) == 4
    assert len(encode(tokenizer, []).tokens) == 0


def test_batches_do_not_matter(tokenizer, monkeypatch):
    documents = list(toy.write(2000, 2))
    whole = encode(tokenizer, documents)
    monkeypatch.setattr("babylm.corpora.encoding.BATCH_CHARACTERS", 300)
    parts = encode(tokenizer, documents)
    for name in ("tokens", "words", "offsets", "document_sources"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_token_types():
    assert token_dtype(65_536) == np.uint16
    assert token_dtype(65_537) == np.uint32


def test_words_are_exact_in_real_text(shared_data):
    data = shared_data / "strict_small" / "test"
    documents = list(sources.held_out(data).documents())
    trained = tokenization.train((d.text for d in documents), TokenizerConfig(vocab_size=4096))
    encoded = encode(trained, documents)
    assert_exact(encoded, [d.text for d in documents])
    assert encoded.words.sum() == sum(len(file.read_text().split()) for file in data.iterdir())
