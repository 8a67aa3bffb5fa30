"""The tokenizer: prefix space always, exact offsets, templates, determinism, Hugging Face's classes."""

import json
import random
import time

import pytest
from tokenizers import Tokenizer

from babylm.config.schema import TokenizerConfig
from babylm.corpora import tokenizer as tokenization
from babylm.corpora import toy


@pytest.fixture(scope="module")
def texts():
    extra = ["the cup is on the table.\nthe cup\tis 1984, isn't it? O'Shea said “don’t”.\n\nthe the cup café"] * 20
    return [d.text for d in toy.write(3000, 0)] + extra


@pytest.fixture(scope="module")
def tokenizer(texts):
    return tokenization.train(texts, TokenizerConfig(vocab_size=900))


def pieces(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).tokens


def test_a_word_is_the_same_piece_alone_after_a_space_a_newline_or_a_tab(tokenizer):
    alone = pieces(tokenizer, "cup")
    assert len(alone) == 1
    for text in ("the cup", "the\ncup", "the\n\ncup", "the\tcup"):
        assert pieces(tokenizer, text)[-1:] == alone, text
    assert pieces(tokenizer, " cup") == alone
    assert pieces(tokenizer, "\ncup")[-1:] == alone


def test_decoding_strips_nothing_and_pieces_read_again_are_themselves(tokenizer):
    ids = tokenizer.encode("the cup\nthe cup", add_special_tokens=False).ids
    assert tokenizer.decode(ids) == " the cup\n the cup"
    for i in ids:
        if tokenizer.decode([i]).strip():
            assert tokenizer.encode(tokenizer.decode([i]), add_special_tokens=False).ids == [i]


def test_offsets_select_the_completion_as_the_official_code_does(tokenizer):
    for prefix, completion in (("the cup is", " on the table."), ("the\ncup\nis", " on the table."), ("", "the cup")):
        encoding = tokenizer.encode(prefix + completion)
        start = len(prefix)
        chosen = [i for i, (_, end) in zip(encoding.ids, encoding.offsets, strict=True) if end > start]
        assert chosen == tokenizer.encode(completion, add_special_tokens=False).ids
        assert encoding.offsets[0] == (0, 0)
        assert encoding.offsets[-1][1] == len(prefix + completion)


def test_words_digits_and_punctuation_split(tokenizer):
    split = [t for t, _ in tokenizer.pre_tokenizer.pre_tokenize_str(" I don't see 1984, “so” O'Shea!")]
    assert split == ["ĠI", "Ġdon", "'t", "Ġsee", "Ġ1", "9", "8", "4", ",", "ĠâĢľ", "so", "âĢĿ", "ĠO", "'", "Shea", "!"]


def test_special_tokens_come_first_and_templates_have_no_final_eos(tokenizer):
    assert [tokenizer.id_to_token(i) for i in range(5)] == ["<s>", "</s>", "<pad>", "<mask>", "<unk>"]
    assert len(tokenization.SPECIAL_TOKENS) == 16
    one, two = tokenizer.encode("the cup"), tokenizer.encode("the cup", "the table")
    assert one.tokens[0] == "<s>"
    assert "</s>" not in one.tokens
    assert two.ids == [0, *one.ids[1:], 1, *tokenizer.encode("the table").ids[1:]]


def test_training_is_deterministic_to_the_byte(texts, tokenizer):
    again = tokenization.train(iter(texts), TokenizerConfig(vocab_size=900))
    assert again.to_str() == tokenizer.to_str()


def test_very_long_words_are_cut_for_training_and_others_left_as_they_are():
    for text in ("a b\n\tc ", "x" * 1000 + "\n\n" + "y" * 1000, "a" + " " * 1000 + "b", "\n".join(["word"] * 5000)):
        assert tokenization._shorten(text) is text
    assert tokenization._shorten("ab " + "x" * 2500 + "\tc") == f"ab {'x' * 1000} {'x' * 1000} {'x' * 500}\tc"
    assert tokenization._shorten("é" * 1001) == "é" * 1000 + " é"
    assert tokenization._shorten("a" + "\t" * 3000 + "b") == "a" + "\t" * 1000 + "b"


@pytest.mark.parametrize("character", ["letters", " "])
def test_a_very_long_word_does_not_hang_training(character):
    generator = random.Random(0)
    long = "".join(generator.choices("abcdefgh", k=160_000)) if character == "letters" else character * 160_000
    texts = [f"the cup {long} is on the table"]
    begin = time.perf_counter()
    trained = tokenization.train(texts, TokenizerConfig(vocab_size=900))
    assert time.perf_counter() - begin < 10
    assert tokenization.train(texts, TokenizerConfig(vocab_size=900)).to_str() == trained.to_str()
    assert trained.decode(trained.encode(texts[0], add_special_tokens=False).ids) == f" {texts[0]}"


def test_the_vocabulary_is_never_larger_than_asked_for(tokenizer):
    assert tokenizer.get_vocab_size() == 900
    with pytest.raises(ValueError, match=r"tokenizer\.vocab_size: 200 is too small.* need 272"):
        tokenization.train(["a"], TokenizerConfig(vocab_size=200))


def test_unicode_forms():
    texts = ["ﬁne café ½"] * 5
    nfkc = tokenization.train(texts, TokenizerConfig(vocab_size=300))
    none = tokenization.train(texts, TokenizerConfig(vocab_size=300, normalization="none"))
    assert nfkc.decode(nfkc.encode("ﬁne").ids) == " fine"
    assert none.decode(none.encode("ﬁne").ids) == " ﬁne"


def test_the_hugging_face_folder_is_read_alike_by_its_classes(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    folder = tmp_path / "chck.1"
    tokenization.save(tokenizer, folder)
    loaded = AutoTokenizer.from_pretrained(folder, padding_side="right")
    for text in ("cup", "the cup is\non the table", "the cup<mask><mask>", "the <mask> is"):
        got, expected = loaded(text, return_offsets_mapping=True), tokenizer.encode(text)
        assert got["input_ids"] == expected.ids
        assert got["offset_mapping"] == expected.offsets
    assert list(loaded("cup", "cup")) == ["input_ids", "attention_mask"]
    assert loaded("the cup", "the table")["input_ids"] == tokenizer.encode("the cup", "the table").ids
    names = ("bos", "eos", "pad", "mask", "unk", "cls", "sep")
    assert [getattr(loaded, f"{n}_token_id") for n in names] == [0, 1, 2, 3, 4, 0, 1]
    assert loaded.decode(loaded("cup", add_special_tokens=False)["input_ids"]) == " cup"
    # The prefix space survives a class that writes the folder anew.
    loaded.save_pretrained(tmp_path / "again")
    again = Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    assert again.encode("cup").ids == tokenizer.encode("cup").ids
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_a_processor_is_found_beside_a_model_config(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoProcessor

    tokenization.save(tokenizer, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    processor = AutoProcessor.from_pretrained(tmp_path, padding_side="right")
    assert processor("cup")["input_ids"] == tokenizer.encode("cup").ids


def test_loading_refuses_what_is_no_tokenizer(tmp_path):
    with pytest.raises(ValueError, match="no such tokenizer file"):
        tokenization.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="not a readable tokenizer"):
        tokenization.load(tmp_path)


def test_special_ids(tokenizer, tmp_path):
    tokenization.save(tokenizer, tmp_path)
    assert tokenization.special_ids(tmp_path) == {"bos": 0, "eos": 1, "pad": 2, "mask": 3, "unk": 4}
    assert tokenization.ordinary_ids(tokenizer) == (16, 899)


def test_quality_counts_tokens_and_entries(tokenizer):
    report = tokenization.quality(tokenizer, ["the cup the cup"])
    assert report["words"] == 4
    assert report["tokens"] == 4
    assert report["tokens_per_word"] == 1.0
    assert report["single_byte_share"] == 0.0
    assert report["unused_entries"] == 900 - 16 - 2
    assert tokenization.quality(tokenizer, ["é q ."])["single_byte_share"] > 0
