"""Documents to token arrays, with the number of rule words that end in each token.

The fast way is a table by vocabulary entry: a word ends where the next token begins with white space. It is checked
document by document against ``len(text.split())``; if the two differ (Unicode normalisation may add or drop white
space), character offsets decide. So the sum over a document is always exact. No BOS is written here: packing adds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from babylm.corpora import tokenizer as tokenization
from babylm.corpora import word_count as rule
from babylm.corpora.documents import Document

BATCH_CHARACTERS, BATCH_DOCUMENTS = 1 << 21, 1 << 16
_WHITE_SPACE = "".join(chr(256 + byte) for byte in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32))
"""How a byte-level vocabulary writes the white space of ``str.split``."""


@dataclass(frozen=True)
class Encoded:
    """Documents in memory, laid out as in :class:`babylm.corpora.packed_corpus.PackedCorpus`."""

    tokens: NDArray[Any]
    """``(tokens,)`` uint16 or uint32: the documents one after the other, without BOS."""
    words: NDArray[np.uint8]
    """``(tokens,)``: how many rule words end in this token."""
    offsets: NDArray[np.int64]
    """``(documents + 1,)``: document d is ``tokens[offsets[d]:offsets[d + 1]]``."""
    document_sources: NDArray[Any]
    """``(documents,)``: index into ``source_names``."""
    source_names: tuple[str, ...]


def token_dtype(vocabulary: int) -> np.dtype[Any]:
    """The smallest type that holds every id below ``vocabulary``."""
    return np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)


def index_dtype(count: int) -> np.dtype[Any]:
    """The smallest type that numbers ``count`` sources."""
    return np.dtype(np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.uint32)


def encode(tokenizer: Tokenizer, documents: Iterable[Document]) -> Encoded:
    """Encode documents in memory (held-out text). Documents without a word are left out."""
    encoder = Encoder(tokenizer)
    pieces: list[Batch] = []
    names: dict[str, int] = {}
    sources: list[int] = []
    for batch, encoded in encoder.stream(documents):
        sources += [names.setdefault(document.source, len(names)) for document in batch]
        pieces.append(encoded)
    offsets = np.zeros(len(sources) + 1, dtype=np.int64)
    if not pieces:
        return Encoded(np.zeros(0, encoder.dtype), np.zeros(0, np.uint8), offsets, np.zeros(0, np.uint8), ())
    np.cumsum(np.concatenate([piece.lengths for piece in pieces]), out=offsets[1:])
    return Encoded(
        np.concatenate([piece.tokens for piece in pieces]),
        np.concatenate([piece.words for piece in pieces]),
        offsets,
        np.array(sources, dtype=index_dtype(len(names))),
        tuple(names),
    )


@dataclass(frozen=True)
class Batch:
    """Some documents' tokens, the words ending in each, and per document the number of tokens and of words."""

    tokens: NDArray[Any]
    words: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    word_counts: NDArray[np.int64]


class Encoder:
    """Encodes lists of texts on all cores (the library's own threads; ``RAYON_NUM_THREADS`` limits them)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A copy: text that happens to spell a special token must be encoded as the letters it is.
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        vocabulary = tokenization.size(self.tokenizer)
        pieces = [self.tokenizer.id_to_token(i) or "" for i in range(vocabulary)]
        self.dtype = token_dtype(vocabulary)
        self._begins_white = np.array([piece[:1] in _WHITE_SPACE and piece != "" for piece in pieces])
        self._all_white = np.array([piece != "" and not piece.strip(_WHITE_SPACE) for piece in pieces])

    def stream(self, documents: Iterable[Document]) -> Iterator[tuple[list[Document], Batch]]:
        """Encode a stream in batches, one batch ahead of the caller, who can work meanwhile."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead: tuple[list[Document], Future[Batch]] | None = None
            for batch in _batches(documents):
                following = (batch, pool.submit(self, [document.text for document in batch]))
                if ahead is not None:
                    yield ahead[0], ahead[1].result()
                ahead = following
            if ahead is not None:
                yield ahead[0], ahead[1].result()

    def __call__(self, texts: Sequence[str]) -> Batch:
        """Encode texts, each of which holds at least one word."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        lengths = np.array([len(i) for i in ids], dtype=np.int64)
        if not lengths.all():
            text = texts[int(np.argmin(lengths))]
            raise ValueError(
                f"tokenizer.path: this tokenizer makes no token of {text[:40]!r}, so its words would be lost; remove "
                "such text (corpus.cleaning=[drop_control_characters]), or use another tokenizer"
            )
        tokens = np.empty(int(lengths.sum()), dtype=self.dtype)
        ends = np.cumsum(lengths)
        for sequence, end in zip(ids, ends, strict=True):
            tokens[end - len(sequence) : end] = sequence
        next_begins_white = np.empty(len(tokens), dtype=bool)
        next_begins_white[:-1] = self._begins_white[tokens[1:]]
        next_begins_white[ends - 1] = True
        words = (next_begins_white & ~self._all_white[tokens]).astype(np.uint8)
        counts = np.array([rule.count(text) for text in texts], dtype=np.int64)
        by_table = np.add.reduceat(words, ends - lengths, dtype=np.int64)
        for index in np.flatnonzero(by_table != counts).tolist():
            start, end = int(ends[index] - lengths[index]), int(ends[index])
            words[start:end] = self._words_by_offsets(texts[index], end - start)
        return Batch(tokens, words, lengths, counts)

    def _words_by_offsets(self, text: str, length: int) -> NDArray[np.uint8]:
        """Words ending in each token, each word given to the last token that covers its last character."""
        token_ends = np.array([end for _, end in self.tokenizer.encode(text, add_special_tokens=False).offsets])
        assert len(token_ends) == length, "encoding with and without offsets differs"
        token_ends = np.maximum.accumulate(token_ends)
        white = np.fromiter((character.isspace() for character in text), dtype=bool, count=len(text))
        word_ends = np.flatnonzero(~white & np.append(white[1:], True)) + 1
        # The first token that reaches the word's end; of the several that share one character's bytes, the last.
        first = np.minimum(np.searchsorted(token_ends, word_ends, side="left"), length - 1)
        last = np.searchsorted(token_ends, token_ends[first], side="right") - 1
        counts = np.bincount(last, minlength=length)
        assert counts.max() < 256, "more than 255 words in a token"
        return counts.astype(np.uint8)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        if not document.text or document.text.isspace():
            continue
        batch.append(document)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS or len(batch) == BATCH_DOCUMENTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
