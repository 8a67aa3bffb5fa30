"""Byte-level BPE: trained on the training words alone, deterministic to the byte, saved as a Hugging Face folder.

Unusual: the space before a word is put there by the *normaliser*, which lives in ``tokenizer.json``. So "cup" alone,
after a newline and in "the cup" is one and the same piece, whatever a loading class does to the options of ByteLevel
(some reset ``add_prefix_space``), and scores of bare words (reading times) are right. Decoded text therefore begins
with a space. A tab is read as a space: in transcripts it separates speaker and utterance.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from babylm import files, places
from babylm.config.schema import TokenizerConfig
from babylm.corpora import word_count

BOS, EOS, PAD, MASK, UNK = "<s>", "</s>", "<pad>", "<mask>", "<unk>"
ROLES = {"bos": BOS, "eos": EOS, "pad": PAD, "mask": MASK, "unk": UNK}
"""Special tokens by their role, as our tokenizers call them."""
RESERVED = tuple(f"<extra_{i}>" for i in range(11))
"""Entries kept free for later use (images, turns of a dialogue), so that a trained model need not grow."""
SPECIAL_TOKENS = (BOS, EOS, PAD, MASK, UNK, *RESERVED)
MODEL_MAX_LENGTH = 1_000_000
"""No limit of the tokenizer's own: the model's configuration says how long its input may be."""

# Letters with the space before them; contractions; each digit alone; punctuation; white space, whose last space goes
# to the word.
SPLIT = r"['’](?i:s|t|re|ve|m|ll|d)(?!\p{L})| ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"
_LONGEST = 1000
_LONG_RUN = re.compile(rf"(\S{{{_LONGEST}}})(?=\S)|(\s{{{_LONGEST}}})\s+")
_LONG_SPACE = re.compile(rf"\s{{{_LONGEST}}}")
_SMALLEST = len(SPECIAL_TOKENS) + 256


def train(texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Train on ``texts`` (streamed once). Few texts give fewer entries than ``config.vocab_size``, never more."""
    if config.vocab_size < _SMALLEST:
        raise ValueError(
            f"tokenizer.vocab_size: {config.vocab_size} is too small; the {len(SPECIAL_TOKENS)} special tokens and the "
            f"256 bytes alone need {_SMALLEST}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = _normalizer(config.normalization)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=config.min_frequency,
        # A mask takes the space before it along: "the <mask>" and "the<mask>" are the same tokens.
        special_tokens=[AddedToken(t, special=True, normalized=False, lstrip=t == MASK) for t in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_shorten(text) for text in texts), trainer)
    tokenizer.post_processor = template(tokenizer, BOS, EOS)
    return tokenizer


def template(tokenizer: Tokenizer, bos: str, eos: str) -> processors.TemplateProcessing:
    """``bos`` in front of a text, ``eos`` between two; no EOS behind, as causal scoring reads on after a prefix."""
    ids = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys((bos, eos))]
    return processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {eos} $B:1", special_tokens=ids)


def _shorten(text: str) -> str:
    """``text`` with words of more than 1,000 characters cut into such pieces, and white space as long cut off.

    The trainer's time grows with the square of the longest word. Text with shorter ones comes back as it is.
    """
    if len(text) <= _LONGEST or (max(map(len, text.split()), default=0) <= _LONGEST and not _LONG_SPACE.search(text)):
        return text
    return _LONG_RUN.sub(lambda run: f"{run[1]} " if run[1] else run[2], text)


def _normalizer(unicode_form: str) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if unicode_form != "none":
        steps.append({"nfkc": normalizers.NFKC, "nfc": normalizers.NFC}[unicode_form]())
    steps += [
        normalizers.Replace("\t", " "),
        normalizers.Replace(Regex(r"\n(?=\S)"), "\n "),
        # Prepend, then undo it where the text began with white space: a decoded piece read again keeps its identity.
        normalizers.Prepend(" "),
        normalizers.Replace(Regex(r"\A (?=\s)"), ""),
    ]
    return normalizers.Sequence(steps)


def save(tokenizer: Tokenizer, folder: Path, roles: Mapping[str, str] = ROLES) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and ``special_tokens_map.json``, read by transformers 4
    and 5. ``roles``: its special tokens by role.
    """
    folder = Path(folder)
    special = {f"{role}_token": token for role, token in roles.items() if tokenizer.token_to_id(token) is not None}
    for alias, role in (("cls_token", "bos_token"), ("sep_token", "eos_token")):
        special |= {alias: special[role]} if role in special else {}
    added = tokenizer.get_added_tokens_decoder()
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "additional_special_tokens": [token for token in RESERVED if tokenizer.token_to_id(token) is not None],
        "added_tokens_decoder": {str(i): added[i].__getstate__() for i in sorted(added)},
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": MODEL_MAX_LENGTH,
        "padding_side": "right",
    }
    files.write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    files.write_json(folder / "tokenizer_config.json", config)
    files.write_json(folder / "special_tokens_map.json", special)


def load(path: str | Path) -> Tokenizer:
    """Read a ``tokenizer.json``, or that of a folder; ``ValueError`` if there is none or it is unreadable."""
    path = places.given(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{file}: no such tokenizer file (tokenizer.path){_other_forms(path)}")
    if file.suffix == ".model":
        raise ValueError(f"{file}: tokenizer.path is a tokenizer.json. {_CONVERT}")
    text = files.read_text(file, "tokenizer.path is a tokenizer.json of the library tokenizers")
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception for whatever is wrong with the file
        reason = " ".join(str(error).split())
        raise ValueError(f"{file}: not a readable tokenizer.json: {reason} (tokenizer.path)") from error


_CONVERT = "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes one beside tokenizers of other forms"


def _other_forms(path: Path) -> str:
    """How to make a ``tokenizer.json`` of what a folder holds instead, as the end of a sentence."""
    forms = ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
    return f". {_CONVERT}" if path.is_dir() and any((path / form).is_file() for form in forms) else ""


def size(tokenizer: Tokenizer) -> int:
    """The number that every token id is below. Of a user's tokenizer, some ids may have no entry."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1


def line_ends(folder: Path) -> NDArray[np.bool_]:
    """(vocabulary,) whether a line ends with the token: it holds a newline."""
    tokenizer = load(folder)
    return np.array(["\n" in tokenizer.decode([i], skip_special_tokens=True) for i in range(size(tokenizer))])


def special_ids(folder: Path) -> dict[str, int]:
    """Token ids by role (``bos``, ``eos``, ``pad``, ``mask`` and, if there is one, ``unk``) of a saved folder."""
    tokenizer = load(folder)
    config = files.read_json(Path(folder) / "tokenizer_config.json")
    ids = {role: tokenizer.token_to_id(str(config.get(f"{role}_token"))) for role in ROLES}
    return {role: token_id for role, token_id in ids.items() if token_id is not None}


def image_token_id(folder: Path) -> int:
    """The first reserved entry of a saved tokenizer, which stands for a picture.

    Raises:
        ValueError: The tokenizer has no reserved entries.
    """
    token_id = load(folder).token_to_id(RESERVED[0])
    if token_id is None:
        raise ValueError(f"model.image_size: pictures need the entry {RESERVED[0]}, which the tokenizer does not have")
    return int(token_id)


def ordinary_ids(tokenizer: Tokenizer) -> tuple[int, int]:
    """First and last id of the longest stretch without special tokens: what a random token may be."""
    special = [i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    edges = [-1, *sorted(special), size(tokenizer)]
    before, after = max(itertools.pairwise(edges), key=lambda edge: edge[1] - edge[0])
    return before + 1, after - 1


def quality(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, float | int]:
    """Fit of the vocabulary to ``texts``: tokens per word, shares of whole words and single bytes, unused entries."""
    import numpy as np

    words = sum(map(word_count.count, texts))
    counts = np.zeros(size(tokenizer), dtype=np.int64)
    for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
        counts += np.bincount(encoding.ids, minlength=len(counts))
    return describe(tokenizer, counts, words)


def describe(tokenizer: Tokenizer, counts: Any, words: int) -> dict[str, float | int]:
    """:func:`quality` from the number of occurrences of each entry, an array of the vocabulary's length.

    ``single_byte_share`` is the share of pieces that are one letter, or one byte of a longer character: text that the
    vocabulary could not spell in larger parts. Punctuation, digits and white space are not counted.
    """
    tokens = int(counts.sum())
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    pieces = [i for i in range(len(counts)) if i not in special]
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    single = [i for i in pieces if (piece := tokenizer.id_to_token(i) or "") in alphabet and _is_letter_byte(piece)]
    return {
        "vocabulary": len(counts),
        "words": words,
        "tokens": tokens,
        "tokens_per_word": round(tokens / max(words, 1), 4),
        "unused_entries": int(sum(counts[i] == 0 for i in pieces)),
        "rare_entries": int(sum(0 < counts[i] < 20 for i in pieces)),
        "single_byte_share": round(float(counts[single].sum()) / max(tokens, 1), 5),
    }


def _is_letter_byte(piece: str) -> bool:
    """Whether a one-byte piece of a byte-level vocabulary is an ASCII letter or part of a longer character."""
    return (piece.isascii() and piece.isalpha()) or (piece > "~" and not "Ā" <= piece <= "Ġ")
