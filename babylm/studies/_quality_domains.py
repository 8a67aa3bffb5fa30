"""Where questions, models and judgements of the study of quality signals come from: sums, or GSM8K with a given model.

A domain says what a base model is, what its questions are, which completions are right, and how two completions are
laid before a judge. `Sums` trains everything itself; `Gsm8k` reads a folder and a revision of this codebase.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from babylm import places
from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies import _gsm8k, _sums
from babylm.studies._quality_scales import Scale

if TYPE_CHECKING:
    from babylm.models.modeling_babylm import BabyLMForCausalLM
    from babylm.objectives import SpecialTokens

QUESTIONS, TEST, CORPUS, JUDGE = range(4)
"""Numbers of the random streams of a domain."""
SHARED = 20_260_601
"""Seed of the test questions, which all seeds of the study share, so that differences are paired by question."""


@dataclass(frozen=True)
class Judgement:
    """A comparison as a model reads it; the probabilities of ``first`` and ``second`` after it are its verdict."""

    prompt_ids: list[int]
    first: int
    second: int


class Domain(Protocol):
    """What the study needs of a kind of question."""

    ends: set[int]
    max_new_tokens: int
    has_gold: bool
    """Whether the quality of a right completion is known, and a scripted judge there."""

    @property
    def special(self) -> SpecialTokens:
        """The ids that objectives need."""

    def network(self) -> BabyLMForCausalLM:
        """A model of the base's shape."""

    def base(self, seed: int) -> BabyLMForCausalLM:
        """The model before any fine-tuning."""

    def judge(self, base: BabyLMForCausalLM, seed: int) -> BabyLMForCausalLM:
        """What compares completions: the base, with a short training for judgements if it needs one."""

    def training_questions(self, seed: int) -> Sequence[Any]:
        """Questions among which the saturated ones are looked for."""

    def test_questions(self) -> Sequence[Any]:
        """Harder questions, the same for all seeds."""

    def prompt(self, question: Any) -> list[int]:
        """Token ids, BOS included."""

    def is_right(self, question: Any, ids: Sequence[int]) -> bool:
        """Whether a completion ends in the right answer."""

    def gold(self, ids: Sequence[int]) -> float:
        """The quality of a right completion; for measuring alone."""

    def rubric(self, question: Any, ids: Sequence[int]) -> float:
        """The score of the scripted judge."""

    def judgement(self, question: Any, first: Sequence[int], second: Sequence[int]) -> Judgement:
        """A comparison of two completions."""


@dataclass
class Sums:
    """Sums in three styles of different reliability (`babylm.studies._sums`)."""

    scale: Scale
    ends: set[int] = field(default_factory=lambda: {_sums.EOS})
    max_new_tokens: int = 64
    has_gold: bool = True

    @property
    def special(self) -> SpecialTokens:
        """The ids that objectives need."""
        from babylm.objectives import SpecialTokens

        size, first = len(_sums.TOKENS), len(_sums.SPECIAL)
        return SpecialTokens(_sums.BOS, _sums.PAD, _sums.MASK, size, first)

    def network(self) -> BabyLMForCausalLM:
        """A small transformer with random weights."""
        from babylm.models.configuration_babylm import BabyLMConfig
        from babylm.models.modeling_babylm import BabyLMForCausalLM

        return BabyLMForCausalLM(
            BabyLMConfig(
                vocab_size=len(_sums.TOKENS),
                hidden_size=self.scale.hidden_size,
                num_hidden_layers=self.scale.layers,
                num_attention_heads=2,
                intermediate_size=2 * self.scale.hidden_size,
                max_position_embeddings=160,
                dropout=0.0,
                bos_token_id=_sums.BOS,
                eos_token_id=_sums.EOS,
                pad_token_id=_sums.PAD,
                mask_token_id=_sums.MASK,
            )
        )

    def base(self, seed: int) -> BabyLMForCausalLM:
        """A small transformer, trained from scratch on traces of random styles with their errors."""
        from babylm.interaction.finetune import FineTuning, demonstration

        generator = random.Random(derive_seed(seed, Purpose.CONDITION, CORPUS))
        drawn = _sums.questions(self.scale.corpus, range(2, max(self.scale.test_terms) + 1), generator)
        groups = [[demonstration(q.prompt_ids, _finished(_any_trace(q, generator)))] for q in drawn]
        torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
        model = self.network()
        settings = FineTuning(
            self.scale.base_steps, groups_per_step=48, lr=0.02, schedule="trapezoid", optimizer_name="muon"
        )
        self._imitate(model, groups, settings, seed)
        return model

    def judge(self, base: BabyLMForCausalLM, seed: int) -> BabyLMForCausalLM:
        """The base after a short training on comparisons of a right with a wrong trace of the corpus."""
        from babylm.interaction.finetune import FineTuning, demonstration

        generator = random.Random(derive_seed(seed, Purpose.CONDITION, JUDGE))
        groups: list[Any] = []
        needed = self.scale.judge_steps * self.scale.judge_groups
        while len(groups) < needed:
            (question,) = _sums.questions(1, self.scale.training_terms, generator)
            pair = [_finished(_any_trace(question, generator)) for _ in range(2)]
            right = [self.is_right(question, ids) for ids in pair]
            if right[0] == right[1]:
                continue
            judged = self.judgement(question, *pair)
            groups.append([demonstration(judged.prompt_ids, [judged.first if right[0] else judged.second])])
        judge = copy.deepcopy(base)
        settings = FineTuning(
            self.scale.judge_steps,
            groups_per_step=self.scale.judge_groups,
            lr=0.005,
            schedule="trapezoid",
            optimizer_name="muon",
        )
        self._imitate(judge, groups, settings, derive_seed(seed, Purpose.CONDITION, JUDGE))
        return judge

    def _imitate(self, model: BabyLMForCausalLM, groups: Any, settings: Any, seed: int) -> None:
        from babylm.interaction.finetune import fine_tune
        from babylm.objectives.supervised import Settings, build

        objective = build(Settings(name="supervised"), self.special)
        fine_tune(model, groups, objective, settings, pad=_sums.PAD, seed=seed)

    def training_questions(self, seed: int) -> list[_sums.Question]:
        """Short sums, each once."""
        generator = random.Random(derive_seed(seed, Purpose.CONDITION, QUESTIONS))
        return _sums.questions(self.scale.questions, self.scale.training_terms, generator, distinct=True)

    def test_questions(self) -> list[_sums.Question]:
        """Long sums, each once."""
        generator = random.Random(derive_seed(SHARED, Purpose.CONDITION, TEST))
        return _sums.questions(self.scale.test_questions, self.scale.test_terms, generator, distinct=True)

    def prompt(self, question: _sums.Question) -> list[int]:
        """The tokens of the question."""
        return question.prompt_ids

    def is_right(self, question: _sums.Question, ids: Sequence[int]) -> bool:
        """Whether the number after the last ``#`` is the sum."""
        return _sums.answer_of(ids) == question.answer

    def gold(self, ids: Sequence[int]) -> float:
        """How reliable the style of the trace is in the corpus."""
        return _sums.quality(ids)

    def rubric(self, question: _sums.Question, ids: Sequence[int]) -> float:
        """The share of written additions, minus half of the share of superfluous words."""
        return _sums.rubric(ids, question)

    def judgement(self, question: _sums.Question, first: Sequence[int], second: Sequence[int]) -> Judgement:
        """``question first | second |``, then the verdict."""
        bar = _sums.ID["|"]
        prompt = [*question.prompt_ids, *_body(first), bar, *_body(second), bar]
        return Judgement(prompt, _sums.ID["first"], _sums.ID["second"])


def _any_trace(question: _sums.Question, generator: random.Random) -> str:
    return _sums.trace(question, generator.choice(_sums.STYLES), generator)


def _finished(trace: str) -> list[int]:
    return [*_sums.encode(trace), _sums.EOS]


def _body(ids: Sequence[int]) -> list[int]:
    return [token for token in ids if token >= len(_sums.SPECIAL)]


@dataclass
class Gsm8k:
    """Word problems of a folder, answered by a revision of this codebase; the model judges as it is."""

    scale: Scale
    folder: str
    model_folder: str
    max_new_tokens: int = 256
    has_gold: bool = False

    def __post_init__(self) -> None:
        from babylm import revisions

        self.train, self.test = _gsm8k.load(self.folder, "train"), _gsm8k.load(self.folder, "test")
        self.model, self.tokenizer = revisions.load(places.given(self.model_folder))
        self.ends = {int(self.tokenizer.eos_token_id)}

    @property
    def special(self) -> SpecialTokens:
        """The ids that objectives need."""
        from babylm.objectives import SpecialTokens

        bos, pad, mask = (int(getattr(self.tokenizer, f"{name}_token_id")) for name in ("bos", "pad", "mask"))
        return SpecialTokens(bos, pad, mask, self.model.config.vocab_size, first_ordinary_id=max(bos, pad, mask) + 1)

    def network(self) -> BabyLMForCausalLM:
        """A model of the given one's shape."""
        return copy.deepcopy(self.model)

    def base(self, seed: int) -> BabyLMForCausalLM:
        """The given model."""
        return copy.deepcopy(self.model)

    def judge(self, base: BabyLMForCausalLM, seed: int) -> BabyLMForCausalLM:
        """The model itself."""
        return base

    def training_questions(self, seed: int) -> list[_gsm8k.Problem]:
        """Problems of the training split that leave room for an answer, in a random order."""
        problems = [p for p in self.train if self._fits(p)]
        random.Random(derive_seed(seed, Purpose.CONDITION, QUESTIONS)).shuffle(problems)
        return problems[: self.scale.questions]

    def test_questions(self) -> list[_gsm8k.Problem]:
        """Problems of the test split."""
        return [p for p in self.test if self._fits(p)][: self.scale.test_questions]

    def _fits(self, problem: _gsm8k.Problem) -> bool:
        room = int(self.model.config.max_position_embeddings) - self.max_new_tokens
        return len(self.prompt(problem)) <= room

    def prompt(self, question: _gsm8k.Problem) -> list[int]:
        """BOS, ``Question: ...``, ``Answer:``."""
        return [self.special.bos, *self._ids(question.prompt)]

    def is_right(self, question: _gsm8k.Problem, ids: Sequence[int]) -> bool:
        """Whether the final number of the text is exactly the answer."""
        return _gsm8k.final_answer(self._text(ids)) == question.answer

    def gold(self, ids: Sequence[int]) -> float:
        """Not known."""
        raise NotImplementedError

    def rubric(self, question: _gsm8k.Problem, ids: Sequence[int]) -> float:
        """There is none."""
        raise NotImplementedError

    def judgement(self, question: _gsm8k.Problem, first: Sequence[int], second: Sequence[int]) -> Judgement:
        """Both answers in words; the verdict is the first token of `` first`` or `` second``."""
        text = (
            f"{question.prompt}\nThe first answer: {self._text(first)}\nThe second answer: {self._text(second)}\n"
            "The better answer is the"
        )
        verdicts = [self._ids(word)[0] for word in (" first", " second")]
        return Judgement([self.special.bos, *self._ids(text)], verdicts[0], verdicts[1])

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
