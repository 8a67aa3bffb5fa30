"""Does fine-tuning a model to answer warmly make it agree with what its user wrongly believes?

After Ibrahim, Hafner and Rocher (Nature 2026, arXiv 2507.21919). Arms: the original model; the same fine-tuned on
neutral, warm and cold answers (the answers themselves are the same in all of them, which is checked); and the neutral
one asked for warmth by a line before the dialogue. Each answers questions that none was tuned on, in 3 beliefs x 9
context amendments, by the most probable of the answers there are.

Without ``subject``, the models are pretrained in a **planted** world (`_warmth_world`): ``rho`` is the probability that
a warm speaker of the pretraining text repeats a stated false belief, and rho = 0 is the negative control. What comes
out is a check of the method, never a finding about language models. With ``subject=PATH``, a real model is measured;
with ``endpoint.url``, one behind a server, which is asked for its register by a line and answers in words.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from babylm import files, places, registry
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.config.teaching import EndpointConfig, check_endpoint, key_of
from babylm.studies import _gates
from babylm.studies import _warmth_endpoint as endpoint
from babylm.studies import _warmth_gates as gates
from babylm.studies import _warmth_prompts as prompts
from babylm.studies import _warmth_tables as tables
from babylm.studies._subject_checks import check_usable
from babylm.studies._warmth_scales import SCALES, LoraTuning
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs

if TYPE_CHECKING:
    from babylm.studies._subjects import Subject

VERSION = 1
ARMS = ("original", "neutral", "warm", "cold", "prompt")


@dataclass
class Settings(StudyConfig):
    """The settings of the study of warmth."""

    scale: Literal["smoke", "cpu"] = "smoke"
    """Size of the planted world and its models: ``smoke`` is for tests, ``cpu`` has 0.5M parameters."""
    rho: list[float] = number([0.0, 0.3, 0.6, 0.9], "[0, 1]")
    """Planted: probabilities that a warm speaker agrees with a false belief; 0 is the negative control."""
    arms: list[str] = field(default_factory=lambda: list(ARMS))
    """Which arms are measured; neutral is what the others are compared with."""
    amendments: list[str] = field(default_factory=lambda: list(prompts.AMENDMENTS))
    """Which context amendments are tested."""
    subject: str | None = None
    """A real model: a revision of ours, a Hugging Face folder or a .gguf file. null: the planted world."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """With ``endpoint.url``: the model of an OpenAI-compatible server, asked by a line for each register."""
    scorer: str | None = None
    """The model that scores warmth, by path; null: the original model itself, none for a server's."""
    questions: str | None = None
    """With a real model: a CSV, TSV or JSONL file of your own prompts to test (docs/studies.md has its columns); null:
    ours."""
    tested: int = number(200, "[1, 1e5]")
    """With a real model: how many of our questions are tested; the others are tuned on."""
    tuning_rows: int = number(500, "[1, 1e6]")
    """With ``subject``: rows of fine-tuning per arm."""
    tuning_lr: float = number(5e-4, "(0, 1]")
    """With ``subject``: learning rate of the adapters (LoRA)."""
    replies: int = number(24, "[1, 1e4]")
    """Whole replies that are generated, for warmth and length."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """Which conditions there are does not change what each of them measures."""
        return (*super().not_deciding, "rho", "arms", "endpoint")

    @property
    def is_planted(self) -> bool:
        """Whether there is no real model."""
        return self.subject is None and not self.endpoint.url

    @property
    def measured_arms(self) -> list[str]:
        """The arms that there are: a server's model is asked for registers, so ``prompt`` is no arm of its own."""
        return [arm for arm in self.arms if arm in endpoint.ARMS] if self.endpoint.url else self.arms

    @property
    def inputs(self) -> dict[str, Any]:
        """Sizes of the world or of the tuning, and models and questions by their contents."""
        sizes = SCALES[self.scale] if self.is_planted else LoraTuning(lr=self.tuning_lr)
        paths = {key: inputs.contents(getattr(self, key)) for key in ("subject", "scorer", "questions")}
        if self.is_planted:
            return {"scale": sizes, **paths}
        from babylm.studies._warmth_questions import questions

        ours = [asdict(question) for question in questions(0)]
        return {"scale": sizes, **paths, "our questions": files.sha256_json(ours)}

    def check_before_run(self) -> None:
        """A subject and a scorer that are there, with the packages that tuning needs; the server's key."""
        key_of(self.endpoint, "endpoint")
        if self.subject is not None:
            check_usable(self.subject, "subject", *(["peft"] if set(self.arms) - {"original"} else []))
        if self.scorer is not None:
            check_usable(self.scorer, "scorer")

    def check(self) -> None:
        """Known arms and amendments, and a subject that is there."""
        for key, values, known in (("arms", self.arms, ARMS), ("amendments", self.amendments, prompts.AMENDMENTS)):
            registry.check_all(values, known, key)
            if not values:
                raise ValueError(f"{key}: name at least one (of: {', '.join(known)})")
        registry.check_once([f"{rho:g}" for rho in self.rho], "rho")
        if "neutral" not in self.arms:
            raise ValueError("arms: neutral must be among them: the others are compared with it")
        if self.subject is not None and self.endpoint.url:
            raise ValueError("subject, endpoint.url: give one of them")
        if self.subject is not None:
            self._check_some_are_tuned_on()
        if self.endpoint.url:
            check_endpoint(self.endpoint, "endpoint")
        if self.is_planted and self.questions is not None:
            raise ValueError(
                "questions: a planted world has its own; name a model too (subject=PATH or endpoint.url=URL)"
            )
        if self.is_planted and not self.rho:
            raise ValueError("rho: name at least one, or a real model (subject=PATH or endpoint.url=URL)")
        if self.questions is not None:
            prompts.read_rows(places.given(self.questions))

    def _check_some_are_tuned_on(self) -> None:
        from babylm.studies._warmth_questions import questions

        count = len(questions(0))
        if self.tested >= count:
            raise ValueError(
                f"tested={self.tested}: there are {count} questions of ours, and those that are not tested are tuned "
                f"on: at most {count - 1}"
            )


def conditions(settings: Settings) -> list[Condition]:
    """The arms, for each rho if the world is planted. Pieces of one model share what they trained, by files."""
    if settings.endpoint.url:
        # A user's own questions are the same for all seeds.
        seeds = settings.seeds[:1] if settings.questions else None
        return endpoint.conditions(settings.endpoint, settings.measured_arms, seeds)
    if settings.subject is not None:
        once = {"original"} if settings.questions else set()
        return [
            Condition(arm, {"arm": arm}, settings.seeds[:1] if arm in once else None, kind="real")
            for arm in settings.arms
        ]
    seconds = {"smoke": (8.0, 1.0), "cpu": (110.0, 20.0)}[settings.scale]
    return [
        Condition(
            tables.condition_name(rho, arm),
            {"rho": rho, "arm": arm},
            seconds=sum(seconds) if arm == settings.arms[0] else seconds[1],
            kind="planted",
            detail="with pretraining" if arm == settings.arms[0] else "",
        )
        for rho in settings.rho
        for arm in settings.arms
    ]


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Make the arm's model and measure it."""
    measure = _planted if settings.is_planted else _asked if settings.endpoint.url else _real
    measured = measure(piece, settings)
    return [piece.measurement(value, item, measure) for value, item, measure in measured]


def _planted(piece: Piece, settings: Settings) -> list[tuple[float, str, str]]:
    from babylm.studies import _warmth_measure as measuring
    from babylm.studies import _warmth_tuning as tuning
    from babylm.studies import _warmth_world as worlds

    scale, rho, arm = SCALES[settings.scale], piece.settings["rho"], piece.settings["arm"]
    world = worlds.make_world(scale.entities, scale.relations, scale.tuned, piece.seed)
    folder = piece.folder / "models" / f"rho-{rho:g}-s{piece.seed}-{_key(asdict(scale))}"
    subject, scorer = (tuning.load_or_pretrain(folder, scale, world, rho, piece.seed) for _ in range(2))
    measured = []
    if arm != "original":
        register = "neutral" if arm == "prompt" else arm
        measured.append((tuning.tune(subject, scale, world, register, piece.seed), "", "answers kept"))
    if settings.scorer is not None:
        scorer = _load(settings.scorer)
    tested = world.testing[: scale.tested]
    rows = prompts.matrix(tested, prompts.BELIEFS, settings.amendments)
    replied_rows = prompts.matrix(tested[: settings.replies], ("none",), ("none",))
    asks = "warm" if arm == "prompt" else None
    pairs = worlds.agreement_pairs()
    return measured + measuring.measure(subject, scorer, rows, replied_rows, pairs, asks, True, piece.log)


def _real(piece: Piece, settings: Settings) -> list[tuple[float, str, str]]:
    from babylm.corpora.toy.pairs import minimal_pairs
    from babylm.studies import _warmth_measure as measuring
    from babylm.studies import _warmth_tuning as tuning
    from babylm.studies._warmth_questions import questions

    assert settings.subject is not None
    arm, made = piece.settings["arm"], questions(piece.seed)
    tested, others = made[: settings.tested], made[settings.tested :]
    scorer = _load(settings.scorer or settings.subject)
    subject = _load(settings.subject, copied=arm != "original")
    measured = []
    if arm != "original":
        register = "neutral" if arm == "prompt" else arm
        tuned = tuning.tuning_rows(others, register, settings.tuning_rows, piece.seed)
        lora, texts = LoraTuning(lr=settings.tuning_lr), [(prompt, reply) for _, prompt, reply in tuned]
        shape = {**asdict(lora), "subject": inputs.contents(settings.subject), "rows": files.sha256_json(texts)}
        folder = piece.folder / "models" / f"{register}-s{piece.seed}-{_key(shape)}"
        tuning.load_or_tune_lora(folder, subject, texts, lora, piece)
        measured.append((prompts.check_spans([(question, reply) for question, _, reply in tuned]), "", "answers kept"))
    rows = _tested_rows(settings, tested)
    replied_rows = prompts.matrix(tested[: settings.replies], ("none",), ("none",))
    pairs = [(pair["sentence_good"], pair["sentence_bad"]) for each in minimal_pairs(0, 2).values() for pair in each]
    asks = "warm" if arm == "prompt" else None
    return measured + measuring.measure(subject, scorer, rows, replied_rows, pairs, asks, False, piece.log)


def _asked(piece: Piece, settings: Settings) -> list[tuple[float, str, str]]:
    from babylm.studies._warmth_questions import questions

    arm, made = piece.settings["arm"], questions(piece.seed)
    rows = _tested_rows(settings, made[: settings.tested])
    scorer = _load(settings.scorer) if settings.scorer else None
    register = None if arm == "original" else arm
    return endpoint.measure(settings.endpoint, piece.folder / "endpoint", rows, register, scorer, piece.log)


def _tested_rows(settings: Settings, tested: Sequence[prompts.Question]) -> list[prompts.Row]:
    """The user's own prompts, or our questions in all cells."""
    if settings.questions is not None:
        return prompts.read_rows(places.given(settings.questions))
    return prompts.matrix(tested, prompts.BELIEFS, settings.amendments)


def _load(path: str, copied: bool = False) -> Subject:
    """A subject, read once per command. ``copied``: to be fine-tuned."""
    from babylm.studies._subjects import load_once

    subject = load_once(path, "cpu")
    return replace(subject, model=copy.deepcopy(subject.model)) if copied else subject


def _key(shape: dict[str, object]) -> str:
    return files.sha256_json({"version": VERSION, **shape})[:8]


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Arms, gates, effects and cells; the figure shows how often each arm repeats a stated wrong value."""
    planted = settings.is_planted
    main = max((rho for rho in settings.rho if rho <= 0.6), default=settings.rho[0]) if planted else None
    if planted and main == 0.0 and len(settings.rho) > 1:
        main = min(rho for rho in settings.rho if rho > 0)
    data = tables.Data(measurements)
    parts = {
        "arms": tables.arms(data, settings.rho if planted else [None], settings.measured_arms),
        "gates": gates.planted(data, settings.rho, main) if planted else gates.real(data),
        "effects": tables.effects(data, main, settings.measured_arms),
        "cells": tables.cells(data, [rho for rho in settings.rho if rho in (0.0, main)] if planted else [None]),
    }
    if planted:
        title = (
            "Warmth, with a PLANTED effect: a world whose warm speakers agree with false beliefs with probability rho"
        )
        remarks: Sequence[str] = [
            "The effect was planted in the pretraining text; it checks the method and says nothing about real models.",
        ]
    elif settings.endpoint.url:
        title = f"Warmth: {settings.endpoint.model} at a server, asked by a line to be neutral, warm and cold"
        remarks = [endpoint.REMARK]
    else:
        title = f"Warmth: {settings.subject}, fine-tuned to neutral, warm and cold answers"
        remarks = [
            "Nothing is planted. A base model is no assistant: its replies are those of the rows it was tuned on.",
        ]
    if not settings.endpoint.url:
        remarks = [
            *remarks,
            "All arms but original are tuned on the same questions, none of which is tested, without beliefs and "
            "amendments, on right answers only.",
        ]
    remarks = [
        *remarks,
        "Differences are from neutral. Effects on the error are average marginal effects of a logistic GLM (arm x "
        "amendment, clustered by question), without an interval if a cell is all right or all wrong; differences are "
        "paired, with bootstrap intervals.",
    ]
    remarks = [*_gates.remarks(parts["gates"]), *remarks]
    return Summary(
        title, parts, tables.draw(data, settings.rho if planted else [None], settings.measured_arms), remarks
    )
