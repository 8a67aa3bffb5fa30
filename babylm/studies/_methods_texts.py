"""Sentences, contexts, corrupted sentences and replies for the study of interaction methods, from a run's own text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from babylm.corpora import sources
from babylm.interaction.caregiver import reply_reward

if TYPE_CHECKING:
    from babylm.config.schema import CorpusConfig
    from babylm.corpora.sources import Source

T = TypeVar("T")
FEWEST, MOST = 4, 24
"""Words of a sentence that is used."""
CONTEXT = 5
"""Words of a context, which a student continues."""
LEAST = 10
"""Sentences that a text needs."""
ENOUGH = 100
"""Replies with marks of speakers that a text needs, or else any two lines in turn count as utterance and reply."""
SPEAKER = re.compile(r"^\*?([A-Z][A-Z0-9]{0,3}):\s+")
"""``*CHI:`` of CHILDES, ``A:`` of Switchboard; it is left out of sentences."""
CHILD = "CHI"
_FUNCTION = """
a an the this that these those of in on at to for with from by and or but if not is are was were be been do does did
has have had will would can could should may might i you he she it we they me him her us them my your his its our their
"""
FUNCTION_WORDS = tuple(_FUNCTION.split())
FUNCTION_WORD_SET = frozenset(FUNCTION_WORDS)


class Exchange(NamedTuple):
    """An utterance and what was said next."""

    utterance: str
    reply: str


class Answered(NamedTuple):
    """What a child said, and what another speaker's reply is worth (`babylm.interaction.caregiver`)."""

    utterance: str
    reward: float


@dataclass(frozen=True)
class Texts:
    """What one part of the text (to learn from, or held out) offers."""

    sentences: list[str]
    exchanges: list[Exchange]
    answered: list[Answered] = field(default_factory=list)
    """Of marked speakers a child's utterances with another's reply; without marks the utterances of all exchanges."""

    @cached_property
    def content_words(self) -> list[str]:
        """All words of the sentences but function words, as often as they occur."""
        words = (word for line in self.sentences for word in line.split())
        return [word for word in words if word.lower() not in FUNCTION_WORD_SET]

    def pick(self, count: int, generator: random.Random) -> list[str]:
        """``count`` sentences, all different where there are so many."""
        return _pick(self.sentences, count, generator)

    def contexts(self, count: int, generator: random.Random) -> list[str]:
        """The first words of ``count`` sentences that go on after them."""
        longer = [line for line in self.sentences if len(line.split()) > CONTEXT]
        return [" ".join(line.split()[:CONTEXT]) for line in _pick(longer, count, generator)]

    def corruptions(self, count: int, generator: random.Random) -> list[tuple[str, str]]:
        """``count`` pairs of a sentence and a corruption of it with as many words."""
        pairs: list[tuple[str, str]] = []
        for line in _pick(self.sentences, 2 * count, generator):
            words = corrupt(line.split(), self.content_words, generator)
            if words is not None and len(pairs) < count:
                pairs.append((line, " ".join(words)))
        return pairs

    def replies(self, count: int, generator: random.Random) -> list[tuple[str, str, str]]:
        """``count`` triples: an utterance, its reply, and the reply to another utterance."""
        chosen = _pick(self.exchanges, count, generator)
        others = [generator.choice(self.exchanges).reply for _ in chosen]
        return [(*pair, other) for pair, other in zip(chosen, others, strict=True) if other != pair.reply]


def corrupt(words: Sequence[str], content: Sequence[str], generator: random.Random) -> list[str] | None:
    """A sentence with one fault (MPO, 2026): neighbours or distant words swapped, a function or content word replaced.

    None if no fault is possible.

    >>> corrupt(["the", "dog", "sees", "it"], ["ball"], random.Random(1))
    ['the', 'dog', 'ball', 'it']
    """
    kinds = ["adjacent", "distant", "function", "content"]
    generator.shuffle(kinds)
    for kind in kinds:
        options = _options(kind, words, content)
        if options:
            changed = list(words)
            first, second = generator.choice(options)
            if kind in ("adjacent", "distant"):
                changed[first], changed[second] = words[second], words[first]
            else:
                others = FUNCTION_WORDS if kind == "function" else content
                changed[first] = _another(words[first], others, generator)
            return changed
    return None


def _another(word: str, words: Sequence[str], generator: random.Random) -> str:
    """One of ``words`` that is another word. All are looked through only if the first draw is this one."""
    drawn = generator.choice(words)
    if drawn.lower() == word.lower():
        drawn = generator.choice([other for other in words if other.lower() != word.lower()])
    return drawn


def _options(kind: str, words: Sequence[str], content: Sequence[str]) -> list[tuple[int, int]]:
    """Positions where a fault of the kind can be made: two that are swapped, or one twice.

    A content word is replaced only if ``content`` holds another one.
    """
    positions = range(len(words))
    if kind in ("adjacent", "distant"):
        gaps = [1] if kind == "adjacent" else range(3, len(words))
        swaps = [(first, first + gap) for gap in gaps for first in positions if first + gap < len(words)]
        return [(first, second) for first, second in swaps if words[first].lower() != words[second].lower()]
    is_function = kind == "function"
    of_kind = [at for at in positions if (words[at].lower() in FUNCTION_WORD_SET) == is_function]
    others = FUNCTION_WORDS if is_function else content
    return [(at, at) for at in of_kind if any(other.lower() != words[at].lower() for other in others)]


def sources_of(config: CorpusConfig, text: str | None, held_out: str | None) -> tuple[Source, Source | None]:
    """The text to learn from, and the held-out one (None: a part of the first) that `read` reads.

    Raises:
        ValueError: One of them is not there; the message names the study's setting.
    """
    if text is not None:
        source = sources.held_out(text, config.document_words, key="text")
    else:
        try:
            source = sources.read(config)
        except ValueError as error:
            raise ValueError(
                f"text: give a file or folder to learn from: the base's own is not here ({error})"
            ) from None
    path = held_out or config.dev
    return source, None if path is None else sources.held_out(path, config.document_words, key="held_out")


def read(config: CorpusConfig, text: str | None, held_out: str | None) -> tuple[Texts, Texts]:
    """Texts to learn from and held-out ones: of the run's corpus, or of the given paths.

    Without held-out text, every tenth document is held out of what is learnt here; the base may have read it.

    Raises:
        ValueError: One of them cannot be read, or has hardly any sentences.
    """
    source, tests = sources_of(config, text, held_out)
    documents = [document.text for document in source.documents()]
    if tests is None:
        parts = [document for number, document in enumerate(documents) if number % 10], documents[::10]
    else:
        parts = documents, [document.text for document in tests.documents()]
    learnt, tested = (_texts(part) for part in parts)
    for name, part in (("text", learnt), ("held_out", tested)):
        if len(part.sentences) < LEAST:
            raise ValueError(
                f"{name}: {len(part.sentences)} sentences of {FEWEST} to {MOST} words are too few; give a larger text"
            )
        if len(part.exchanges) < 2:
            raise ValueError(f"{name}: no two lines follow each other in a document, so there are no replies")
    return learnt, tested


def _texts(documents: Sequence[str]) -> Texts:
    marked: list[Exchange] = []
    unmarked: list[Exchange] = []
    of_children: list[Exchange] = []
    sentences = []
    for document in documents:
        lines = document.split("\n")
        sentences += [line for line in map(_plain, lines) if FEWEST <= len(line.split()) <= MOST]
        for exchange, speaker in _exchanges(lines):
            if len(exchange.reply.split()) >= 2:
                (marked if speaker else unmarked).append(exchange)
            if speaker == CHILD:  # "what?" is the reply that counts most
                of_children.append(exchange)
    exchanges = marked if len(marked) >= ENOUGH else [*marked, *unmarked]
    answered = [Answered(said, reply_reward(reply)) for said, reply in of_children or exchanges]
    return Texts(list(dict.fromkeys(sentences)), exchanges, answered)


def _exchanges(lines: Sequence[str]) -> Iterator[tuple[Exchange, str]]:
    """Two lines in turn, of two speakers if they are marked, each of at most `MOST` words, and the first speaker."""
    for first, second in pairwise(lines):
        speakers = [match[1] if (match := SPEAKER.match(line)) else "" for line in (first, second)]
        if all(speakers) and speakers[0] == speakers[1]:
            continue
        exchange = Exchange(_plain(first), _plain(second))
        if 2 <= len(exchange.utterance.split()) <= MOST and 1 <= len(exchange.reply.split()) <= MOST:
            yield exchange, speakers[0] if all(speakers) else ""


def _plain(line: str) -> str:
    return " ".join(SPEAKER.sub("", line).split())


def _pick(values: Sequence[T], count: int, generator: random.Random) -> list[T]:
    if count <= len(values):
        return generator.sample(values, count)
    return generator.choices(values, k=count)
