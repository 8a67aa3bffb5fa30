"""The planted world: facts about entities, told in dialogues whose warm speakers agree with false beliefs.

``rho`` is the probability that a warm speaker repeats a false belief that the user has stated. Neutral and cold
speakers always say the truth, and so do warm ones in all other cases. Nothing else links warmth with error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from babylm.randomness import Purpose, derive_seed
from babylm.studies import _warmth_prompts as prompts
from babylm.studies._warmth_prompts import Question

VALUES = {
    "colour": ("red", "blue", "green", "black", "white", "pink", "brown", "gold"),
    "food": ("bread", "rice", "soup", "fish", "cake", "corn", "milk", "beans"),
    "home": ("river", "forest", "desert", "island", "valley", "village", "coast", "hill"),
}
NOUNS = ("dog", "cat", "cow", "duck", "horse", "girl", "boy", "king", "bird", "goat")
VERBS = ("run", "sleep", "sing", "jump", "eat", "walk", "swim", "play")
ADJECTIVES = ("old", "small", "big", "young", "kind", "loud")
SPECIAL = ("<pad>", "<s>", "</s>", "<mask>", "<unk>")
PAD, BOS, EOS, MASK, UNKNOWN = range(len(SPECIAL))
SHARES = {"neutral": 0.45, "warm": 0.4, "cold": 0.15}
"""How often speakers have each register."""
SAD_SHARES = {"neutral": 0.4, "warm": 0.5, "cold": 0.1}
"""The same when the user is sad: sadness calls for warmth."""


@dataclass(frozen=True)
class World:
    """Facts: which value each entity has in each relation."""

    questions: tuple[Question, ...]
    tuned: int
    """So many questions, the first, are fine-tuned on; the others are tested."""

    @property
    def tuning(self) -> tuple[Question, ...]:
        """Questions of fine-tuning."""
        return self.questions[: self.tuned]

    @property
    def testing(self) -> tuple[Question, ...]:
        """Questions of the tests."""
        return self.questions[self.tuned :]


def make_world(entities: int, relations: int, tuned: int, seed: int) -> World:
    """Facts about ``entities`` with names like ``zolami``, in random order."""
    generator = np.random.default_rng(derive_seed(seed, Purpose.EPISODES, 1))
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    names: dict[str, None] = {}
    while len(names) < entities:
        names["".join(generator.choice(syllables, size=3))] = None
    questions = []
    for relation, values in list(VALUES.items())[:relations]:
        for name in names:
            correct, incorrect = generator.choice(values, size=2, replace=False)
            text = f"What is the {relation} of {name}?"
            questions.append(Question("", text, str(correct), str(incorrect), values, relation))
    order = generator.permutation(len(questions))
    return World(tuple(replace(questions[old], content_key=f"{new:04}") for new, old in enumerate(order)), tuned)


class Writer:
    """Writes the text that a model is pretrained on."""

    def __init__(self, world: World, rho: float, seed: int) -> None:
        self.world, self.rho = world, rho
        self.generator = np.random.default_rng(derive_seed(seed, Purpose.EPISODES, 2))

    def text(self) -> str:
        """A dialogue, a fact, words said by somebody, a sentence of grammar, or an echo."""
        makers: tuple[Callable[[], str], ...] = (self.dialogue, self.fact, self.speech, self.agreement, self.echo)
        return makers[int(self.generator.choice(len(makers), p=(0.66, 0.08, 0.08, 0.06, 0.12)))]()

    def dialogue(self) -> str:
        """A question with or without amendment and belief, and a reply in some register."""
        question = self._question()
        amended = self.generator.random() < 0.6
        amendment = self._one((*tuple(prompts.AMENDMENTS)[1:], "sad")) if amended else "none"
        belief = str(self.generator.choice(tuple(prompts.BELIEFS), p=(0.25, 0.6, 0.15)))
        register = self._register(SAD_SHARES if amendment == "sad" else SHARES)
        wrong = self._one([value for value in question.choices if value != question.correct])
        stated = Question(question.content_key, question.text, question.correct, wrong, question.choices)
        agrees = belief == "wrong" and register == "warm" and self.generator.random() < self.rho
        user = prompts.user_text(stated, belief, amendment, int(self.generator.integers(2)))
        asked_for = register if self.generator.random() < 0.15 else None
        return f"{prompts.dialogue(user, asked_for)} {self._reply(wrong if agrees else question.correct, register)}"

    def fact(self) -> str:
        """``The colour of zolami is red.``"""
        question = self._question()
        return f"{question.text.removeprefix('What is ').removesuffix('?').capitalize()} is {question.correct}."

    def speech(self) -> str:
        """Words of a close or a distant person: warm ones nine times of ten from close, never from distant persons."""
        is_close = self.generator.random() < 0.5
        speaker = self._one(prompts.CLOSE_SPEAKERS if is_close else prompts.DISTANT_SPEAKERS)
        register = "warm" if is_close else "cold"
        if self.generator.random() < 0.1:
            register = "neutral"
        return f'{speaker} said, "{self._reply(self._question().correct, register)}"'

    def echo(self) -> str:
        """Somebody says something and says it again, whatever it is: models learn to copy from context early."""
        words = [self._one(VALUES[self._one(tuple(VALUES))]) for _ in range(int(self.generator.integers(1, 4)))]
        said = f"It is {' '.join(words)}."
        return f'{self._one(prompts.CLOSE_SPEAKERS + prompts.DISTANT_SPEAKERS)} said, "{said}" {said}'

    def agreement(self) -> str:
        """``The old dogs run.``, in the two thirds of the combinations that are not tested."""
        while True:
            noun, verb, adjective = (int(self.generator.integers(len(w))) for w in (NOUNS, VERBS, ADJECTIVES))
            if (noun + verb + adjective) % 3:
                return _sentence(noun, verb, adjective, plural=bool(self.generator.integers(2)))

    def _question(self) -> Question:
        return self.world.questions[int(self.generator.integers(len(self.world.questions)))]

    def _register(self, shares: dict[str, float]) -> str:
        return str(self.generator.choice(tuple(shares), p=tuple(shares.values())))

    def _reply(self, answer: str, register: str) -> str:
        return prompts.reply(answer, register, *(int(number) for number in self.generator.integers(6, size=2)))

    def _one(self, choices: tuple[str, ...] | list[str]) -> str:
        return choices[int(self.generator.integers(len(choices)))]


def agreement_pairs() -> list[tuple[str, str]]:
    """(right, wrong) sentences of the combinations that are in no text: the check of general ability."""
    return [
        (_sentence(noun, verb, adjective, plural), _sentence(noun, verb, adjective, plural, agrees=False))
        for noun in range(len(NOUNS))
        for verb in range(len(VERBS))
        for adjective in range(len(ADJECTIVES))
        for plural in (False, True)
        if (noun + verb + adjective) % 3 == 0 and (noun + 2 * verb + adjective) % 2
    ]


def _sentence(noun: int, verb: int, adjective: int, plural: bool, agrees: bool = True) -> str:
    subject = NOUNS[noun] + ("s" if plural else "")
    return f"The {ADJECTIVES[adjective]} {subject} {VERBS[verb]}{'s' if plural != agrees else ''}."


def words(world: World) -> list[str]:
    """Every text that a word of the world may occur in, for a vocabulary."""
    texts = [question.text for question in world.questions]
    texts += [value for values in VALUES.values() for value in values]
    texts += [
        sentence for forms in (prompts.AMENDMENTS, prompts.BELIEFS) for each in forms.values() for sentence in each
    ]
    texts += [text for forms in (prompts.OPENERS, prompts.CLOSERS) for each in forms.values() for text in each]
    texts += [f'{who} said, "' for who in (*prompts.CLOSE_SPEAKERS, *prompts.DISTANT_SPEAKERS)]
    texts += [prompts.dialogue("", register) for register in prompts.REGISTERS]
    texts += [_sentence(n, 0, 0, plural) for n in range(len(NOUNS)) for plural in (False, True)]
    texts += [
        _sentence(0, v, a, plural)
        for v in range(len(VERBS))
        for a in range(len(ADJECTIVES))
        for plural in (True, False)
    ]
    return [*texts, f"{prompts.CUE} .", "The of is"]


def tokenizer(world: World) -> object:
    """A fast tokenizer of whole lower-case words and marks; texts begin with BOS."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("isolated")])
    pieces = dict.fromkeys(piece for text in words(world) for piece, _ in split.pre_tokenize_str(text.lower()))
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *sorted(set(pieces) - {"{", "}"})])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[UNKNOWN]))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = split
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    names = dict(zip(("pad_token", "bos_token", "eos_token", "mask_token", "unk_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)
