"""Tokenizers as people have them: of any kind, other names, gaps, damage; and what they lack, all at once."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from babylm import config
from babylm.config.schema import CorpusConfig, TokenizerConfig, ToyConfig
from babylm.corpora import given_tokenizer, toy
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.build import prepare

TEXTS = [document.text for document in toy.write(1500, 0)]


def byte_level(*special, vocabulary=400):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    return made


def gpt2():
    return byte_level("<|endoftext|>")


def bert():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=names, show_progress=False)
    )
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def llama():
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{byte:02X}>": byte + 3 for byte in range(256)}
    letters = "▁abcdefghijklmnopqrstuvwxyz"
    vocabulary |= {piece: 259 + number for number, piece in enumerate([*letters, "▁t", "he", "▁the"])}
    made = Tokenizer(
        models.BPE(vocabulary, [("▁", "t"), ("h", "e"), ("▁t", "he")], unk_token="<unk>", byte_fallback=True)
    )
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    return made


def unigram():
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=names, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return made


def by_letter():
    entries = ["<s>", "</s>", "<pad>", "<mask>", "<unk>", *map(chr, range(32, 127)), "\n"]
    made = Tokenizer(models.WordLevel({entry: i for i, entry in enumerate(entries)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    made.add_special_tokens(entries[:5])
    return made


KINDS = {
    gpt2: {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "pad": "<|endoftext|>", "mask": "<mask>"},
    bert: {"bos": "[CLS]", "eos": "[SEP]", "pad": "[PAD]", "mask": "[MASK]", "unk": "[UNK]"},
    llama: {"bos": "<s>", "pad": "</s>", "mask": "<mask>"},
    unigram: {"bos": "<s>"},
    by_letter: {"bos": "<s>"},
}


@pytest.fixture
def corpus(tmp_path):
    return CorpusConfig(source="toy", toy=ToyConfig(600), prepared=str(tmp_path / "prepared"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_kind_works_when_its_tokens_are_named(kind, corpus, tmp_path, monkeypatch):
    from transformers import AutoTokenizer

    kind().save(str(tmp_path / "tokenizer.json"))
    lines: list[str] = []
    made = prepare(corpus, TokenizerConfig(path=str(tmp_path), **KINDS[kind]), lines.append)
    assert made.word_count == made.words.sum() == sum(len(d.text.split()) for d in toy.write(600, 0))
    assert made.tokens.max() < made.vocabulary
    ids = tokenization.special_ids(made.tokenizer_folder)
    tokenizer = tokenization.load(made.tokenizer_folder)
    for role, token in KINDS[kind].items():
        assert ids[role] == tokenizer.token_to_id(token)
    assert ids["mask"] not in (ids["bos"], ids["pad"])
    assert not np.isin(made.tokens, [ids["bos"], ids["pad"], ids["mask"]]).any()
    hugging_face = AutoTokenizer.from_pretrained(made.tokenizer_folder)
    text = hugging_face("the cat sees it")["input_ids"]
    assert text[0] == hugging_face.bos_token_id == ids["bos"]
    assert ids["eos"] not in text[1:]
    assert (hugging_face.pad_token_id, hugging_face.mask_token_id) == (ids["pad"], ids["mask"])
    first, last = tokenization.ordinary_ids(tokenizer)
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    assert not special & set(range(first, last + 1))
    assert last - first >= made.vocabulary // 2


@pytest.mark.parametrize(
    ("kind", "lacking", "suggestion"),
    [
        (
            gpt2,
            ["no bos token <s>", "no eos token </s>", "no pad token <pad>", "no mask token <mask>"],
            "tokenizer.bos='<|endoftext|>' tokenizer.eos='<|endoftext|>' tokenizer.pad='<|endoftext|>' "
            "tokenizer.mask='<mask>'",
        ),
        (
            bert,
            ["no bos token <s>", "no eos token </s>", "no pad token <pad>", "no mask token <mask>"],
            "tokenizer.bos='\"[CLS]\"' tokenizer.eos='\"[SEP]\"' tokenizer.pad='\"[PAD]\"' tokenizer.mask='\"[MASK]\"'",
        ),
        (llama, ["no pad token <pad>", "no mask token <mask>"], "tokenizer.pad='</s>' tokenizer.mask='<mask>'"),
        (unigram, ["puts </s> behind a text"], "tokenizer.bos='<s>'"),
        (by_letter, ["puts nothing in front of a text, not <s>"], "tokenizer.bos='<s>'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_tokenizer_lacks_is_listed_at_once(kind, lacking, suggestion, corpus, tmp_path, root):
    kind().save(str(tmp_path / "t.json"))
    with pytest.raises(ValueError, match="is not ready for training") as raised:
        prepare(corpus, TokenizerConfig(path=str(tmp_path / "t.json")))
    message = str(raised.value)
    assert all(what in message for what in lacking), message
    assert suggestion in message, message
    assert "\n" not in message
    path = f"tokenizer.path={tmp_path}/t.json"
    suggested = config.load(root / "configs" / "smoke.yaml", [path, *shlex.split(suggestion)])
    assert prepare(corpus, suggested.tokenizer).word_count > 0


def test_templates_and_tokens_are_listed_together(tmp_path):
    made = byte_level("<s>", "</s>", "<pad>")
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.save(str(tmp_path / "t.json"))
    with pytest.raises(
        ValueError, match="no mask token <mask>; it puts nothing in front of a text, not <s>; it puts </s> b"
    ):
        given_tokenizer.read(TokenizerConfig(path=str(tmp_path / "t.json")), print)


def test_a_misspelt_name_is_no_new_entry(tmp_path):
    gpt2().save(str(tmp_path / "t.json"))
    wrong = TokenizerConfig(path=str(tmp_path / "t.json"), **KINDS[gpt2] | {"bos": "<|endoftxt|>"})
    with pytest.raises(
        ValueError, match=r"tokenizer\.bos=<\|endoftxt\|> is no entry of it; did you mean <\|endoftext\|>"
    ):
        given_tokenizer.read(wrong, print)
    same = TokenizerConfig(path=str(tmp_path / "t.json"), **KINDS[gpt2] | {"mask": "<|endoftext|>"})
    with pytest.raises(ValueError, match=r"the mask token <\|endoftext\|> is the BOS or padding token too"):
        given_tokenizer.read(same, print)


def test_names_are_for_a_given_tokenizer_only(corpus):
    with pytest.raises(ValueError, match=r"tokenizer\.mask: names a token of the tokenizer given by tokenizer\.path"):
        prepare(corpus, TokenizerConfig(mask="[MASK]"))


def test_ids_with_gaps_get_an_embedding_each_and_many_gaps_are_refused(corpus, tmp_path):
    described = json.loads(byte_level("<s>", "</s>", "<pad>", "<mask>").to_str())
    described["model"]["vocab"]["zzz"] = 450
    (tmp_path / "t.json").write_text(json.dumps(described))
    lines: list[str] = []
    made = prepare(corpus, TokenizerConfig(path=str(tmp_path / "t.json"), bos="<s>"), lines.append)
    assert made.vocabulary == 451
    assert any("of the 451 ids of" in line and "have no entry and stay unused" in line for line in lines)
    described["model"]["vocab"]["zzz"] = 1_000_000_000
    (tmp_path / "t.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="entries with ids up to 1,000,000,000; number them without gaps"):
        prepare(corpus, TokenizerConfig(path=str(tmp_path / "t.json"), bos="<s>"))


def test_what_it_cannot_spell_is_counted_and_what_it_drops_refused(tmp_path):
    (tmp_path / "a.train").write_text("the cat sees the dog\nsnow is 雪\n")
    corpus = CorpusConfig(path=str(tmp_path / "a.train"), prepared=str(tmp_path / "prepared"))
    bert().save(str(tmp_path / "t.json"))
    lines: list[str] = []
    config = TokenizerConfig(path=str(tmp_path / "t.json"), **KINDS[bert])
    assert prepare(corpus, config, lines.append).word_count == 8
    assert any("are [UNK]: the tokenizer cannot spell this text" in line for line in lines)
    (tmp_path / "a.train").write_text("the cat\n\n\u200b\ufffd\n")
    with pytest.raises(ValueError, match=r"makes no token of '\\u200b\ufffd', so its words would be lost"):
        prepare(corpus, config)


def test_text_never_becomes_a_special_token_silently(tmp_path):
    entries = ["<s>", "</s>", "<pad>", "<mask>", "<unk>", "the", "cat"]
    words = Tokenizer(models.WordLevel({entry: i for i, entry in enumerate(entries)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "t.json"))
    (tmp_path / "a.train").write_text("the cat <mask> <s> the <s> cat\n")
    corpus = CorpusConfig(path=str(tmp_path / "a.train"), prepared=str(tmp_path / "prepared"))
    with pytest.raises(ValueError, match=r"reads text as special tokens \(<s> 2 times, <mask> 1 times\)"):
        prepare(corpus, TokenizerConfig(path=str(tmp_path / "t.json"), bos="<s>"))
    ours = prepare(corpus, TokenizerConfig(vocab_size=300))
    assert ours.tokens.min() >= len(tokenization.SPECIAL_TOKENS)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"version": "9.0"}', "\x00", '{"model": {"type": "BPE"}}'])
def test_a_damaged_file_is_named_in_one_line(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json: not a readable tokenizer\.json: ") as raised:
        tokenization.load(tmp_path)
    assert "\n" not in str(raised.value)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        tokenization.load(tmp_path)


def test_a_folder_with_another_form_says_how_to_convert_it(tmp_path):
    with pytest.raises(ValueError, match=r"no such tokenizer file \(tokenizer\.path\)$"):
        tokenization.load(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(ValueError, match=r"AutoTokenizer.*writes one"):
        tokenization.load(tmp_path)


def test_the_settings_that_are_suggested_are_taken(tmp_path):
    """Of a T5-like tokenizer, which has ``</s>`` and no ``<s>``: no slip for the other."""
    made = byte_level("<pad>", "</s>", "<unk>")
    made.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="no bos token <s>") as raised:
        given_tokenizer.read(TokenizerConfig(path=str(tmp_path)), print)
    words = shlex.split(str(raised.value).split("for example ")[1].split(" (a name")[0])
    named = {word.partition("=")[0].removeprefix("tokenizer."): word.partition("=")[2] for word in words}
    made, roles = given_tokenizer.read(TokenizerConfig(path=str(tmp_path), **named), lambda line: None)
    assert made.encode("a").tokens[0] == roles["bos"] == "<s>"
