"""Distillation from teachers that were trained inside the budget: revisions of this codebase with the run's tokenizer.

The challenge's rules forbid that weights, hidden states or output distributions of an external model reach the
submitted one. So a teacher is a revision whose facts say that it read the run's own corpus; anything else is refused.
What the teachers read is counted in their own runs: every revision of the student records them, to be declared.

BabyLlama (Timiryasov and Tastet 2023, arXiv 2308.02019) is ``average: logits``, ``temperature: 2``, and a
``causal_ratio`` of 1, with two teachers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babylm import files, places, revisions
from babylm.objectives._distillation import Distillation, DistillationSettings
from babylm.objectives._types import RunFacts, SpecialTokens

RULE = (
    "the rules forbid that an external model's output distributions reach the student, so a teacher must be trained "
    "inside the budget, by this codebase on the run's corpus; an external model may teach by text "
    "(python -m babylm.interact)"
)


@dataclass
class Settings(DistillationSettings):
    """Settings of the objective ``distillation``."""

    teachers: list[str] = field(default_factory=list)
    """Revisions, or finished runs, of this codebase, trained on the same prepared corpus."""

    def describe(self) -> str:
        """The objective in words."""
        return f"{self.name} ({self.divergence} KL, {len(self.teachers)} teachers)"

    def check(self) -> None:
        """At least one teacher."""
        super().check()
        if not self.teachers:
            raise ValueError(
                "objective.teachers: name at least one folder, as objective.teachers=[checkpoints/teacher]"
            )


class FromTeachers(Distillation):
    """The mean of fixed teachers."""

    config: Settings

    def open(self, run: RunFacts) -> None:
        """Check every teacher, and read its facts."""
        self.folders = [_revision(path) for path in self.config.teachers]
        self.teacher_facts = [
            _checked(path, folder, run, self.config.prediction_mode)
            for path, folder in zip(self.config.teachers, self.folders, strict=True)
        ]

    def identity(self) -> dict[str, Any]:
        """The teachers' weights, wherever they are."""
        return {"objective.teachers": [facts["sha256"] for facts in self.teacher_facts]}

    def facts(self) -> dict[str, Any]:
        """The teachers, with what they have read and cost."""
        return {"teachers": self.teacher_facts}

    def remarks(self) -> list[str]:
        """What a submission has to declare."""
        return [
            f"teacher {facts['path']}: {facts['words']:,} words of this corpus read, in its own run"
            + (f", {facts['flops']:.3g} FLOPs" if facts["flops"] is not None else "")
            for facts in self.teacher_facts
        ]

    def flops_per_token(self, length: int, head_fraction: float, training: float) -> float:
        """The forward passes of the teachers, a third of what training them on the token would cost."""
        from babylm.models.configuration_babylm import BabyLMConfig
        from babylm.models.flops import training_flops_per_token

        shapes = [BabyLMConfig.from_pretrained(folder) for folder in self.folders]
        forward = sum(training_flops_per_token(shape, length, head_fraction) / 3 for shape in shapes)
        return forward * (1 - self.config.distillation_begin)

    def prepare(self, network: Any) -> None:
        """Load the teachers to the network's device."""
        if self.teachers:
            return
        device, teachers = next(network.parameters()).device, []
        for folder in self.folders:
            teacher, _ = revisions.load(folder)
            teacher.set_attention(network.model.backend)
            teachers.append(teacher.to(device).requires_grad_(False))  # type: ignore[arg-type]
        self.teachers = teachers


def _revision(path: str) -> Path:
    """The folder of a revision, ``main`` of a run."""
    folder = places.given(path)
    return folder / "main" if (folder / "main" / revisions.CONFIG).is_file() else folder


def _checked(path: str, folder: Path, run: RunFacts, prediction_mode: str) -> dict[str, Any]:
    """The facts of a teacher; ValueError if it cannot or must not teach."""
    key = f"objective.teachers: {path}"
    if not folder.is_dir():
        raise ValueError(f"{key}: no such folder")
    if not (folder / revisions.FACTS).is_file():
        raise ValueError(f"{key}: is no revision of this codebase; {RULE}")
    if problems := revisions.find_damage(folder):
        raise ValueError(f"{key}: {problems[0]}")
    facts, shape = revisions.facts(folder), files.read_json(folder / revisions.CONFIG)
    vocabulary = _vocabulary(folder)
    if vocabulary != run.vocabulary:
        raise ValueError(
            f"{key}: its tokenizer is another ({len(vocabulary):,} entries; the run's has {len(run.vocabulary):,}), so "
            "its distributions are over other tokens; train it with the run's tokenizer"
        )
    if shape["prediction_mode"] != prediction_mode:
        raise ValueError(
            f"{key}: it fills masks by {shape['prediction_mode']}, and the run by {prediction_mode}; set "
            "objective.causal_ratio and objective.masked_prediction as it was trained"
        )
    started = facts.get("init_from")
    if run.track != "free":
        if facts.get("corpus") != run.corpus:
            raise ValueError(f"{key}: it read another corpus than this run; {RULE}")
        if started is not None and started.get("words") is None:
            raise ValueError(f"{key}: it started from weights of unknown origin ({started.get('path')}); {RULE}")
    plan = folder.parent / "plan.json"
    before = (started or {}).get("words") or 0
    return {
        "path": path,
        "sha256": facts["weights_sha256"],
        "words": facts["words"] + before,
        "flops": files.read_json(plan).get("flops") if plan.is_file() and folder.name == "main" else None,
    }


def _vocabulary(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    vocabulary: dict[str, int] = Tokenizer.from_file(str(folder / revisions.TOKENIZER)).get_vocab()
    return vocabulary


def build(settings: Settings, special: SpecialTokens) -> FromTeachers:
    """The objective."""
    return FromTeachers(settings, special)
