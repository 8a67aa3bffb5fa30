"""Can a model learn from questions that it always answers right? Signals of quality among right answers.

After *Learning from Saturated Data: Signals Beyond Correctness for LLM Training* (Hiss, Dekoninck and Vechev,
arXiv 2606.01436): of questions that the base answers right in every sample, the answers are ranked by a signal, and
DPO or sigma-RRHF learn the ranking. Signals: inverse token entropy, the model's own comparisons, chance, a scripted
judge. The test is on harder questions. The base is a small transformer that learns sums from traces in three styles of
different reliability: that styles differ is planted (`babylm.studies._sums`), and is what a signal can find.

The gates (`babylm.studies._quality_tables`) were fixed before the run. ``gsm8k`` and ``model`` put word problems and a
given model in place of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from babylm import files
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.studies import _gates, _gsm8k
from babylm.studies import _quality_runs as runs
from babylm.studies._quality_domains import Domain, Gsm8k, Sums
from babylm.studies._quality_runs import SIGNALS
from babylm.studies._quality_scales import SCALES, Scale
from babylm.studies._quality_tables import gates, results, signals_table
from babylm.studies._subject_checks import check_subject, check_usable
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, draw_means, inputs

RIGHT, COLD = "right", "right at T 0.6"

SECONDS: dict[str, tuple[float | None, float | None]] = {"smoke": (10.0, 0.5), "cpu": (120.0, 8.0), "gpu": (None, None)}
"""Of the base, with its samples and signals, and of an arm; one seed, about, on a free core."""


@dataclass
class Settings(StudyConfig):
    """The settings of the study of quality signals."""

    scale: Literal["smoke", "cpu", "gpu"] = "cpu"
    """``cpu``: models of 0.13M parameters on one core; ``smoke``: the same in miniature, which shows nothing."""
    gsm8k: str | None = None
    """Folder with ``train.jsonl`` and ``test.jsonl`` of GSM8K, to be answered by ``model``; null: sums."""
    model: str | None = None
    """With ``gsm8k``: a revision of this codebase, the base."""
    lr: float = number(1e-3, "(0, 1]")
    """Learning rate of imitation."""
    rank_lr: float = number(5e-4, "(0, 1]")
    """Learning rate of sigma-RRHF."""
    preference_lr: float = number(3e-4, "(0, 1]")
    """Learning rate of DPO and GRPO."""
    beta: float = number(5.0, "(0, 1e4]")
    """Of DPO; the ablation has 0.1."""
    rank_weight: float = number(0.001, "(0, 1e4]")
    """Of sigma-RRHF, with scores standardised within the group."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """What an arm's condition holds."""
        return (*super().not_deciding, "lr", "rank_lr", "preference_lr", "beta", "rank_weight")

    @property
    def inputs(self) -> dict[str, Any]:
        """Sizes, and problems and model by their contents."""
        return {"scale": self.parts, "gsm8k": inputs.contents(self.gsm8k), "model": inputs.contents(self.model)}

    @property
    def parts(self) -> Scale:
        """The sizes."""
        return SCALES[self.scale]

    def check(self) -> None:
        """Both of gsm8k and model, or none."""
        if (self.gsm8k is None) != (self.model is None):
            raise ValueError("gsm8k, model: give both, the folder of the problems and the revision that answers them")
        if self.model is not None:
            check_subject(self.model, "model")

    def check_before_run(self) -> None:
        """A whole revision of this codebase, and problems that can be read."""
        if self.model is not None and self.gsm8k is not None:
            check_usable(self.model, "model", revision=True)
            for split in ("train", "test"):
                _gsm8k.load(self.gsm8k, split)


def domain_of(settings: Settings) -> Domain:
    """Sums, or GSM8K."""
    if settings.gsm8k is not None and settings.model is not None:
        return Gsm8k(settings.parts, settings.gsm8k, settings.model)
    return Sums(settings.parts)


def conditions(settings: Settings) -> list[Condition]:
    """The base, imitation, both learners with each signal, ablations, and GRPO."""
    entropy = SIGNALS[0]
    signals = SIGNALS if settings.gsm8k is None else SIGNALS[:-1]
    imitate = {"objective": "supervised", "settings": {"minimum_reward": -1e9}, "lr": settings.lr}
    rrhf = {"objective": "rrhf", "lr": settings.rank_lr, "learn from": "group"}
    ranked = {"rank_weight": settings.rank_weight}
    dpo = {"objective": "dpo", "lr": settings.preference_lr, "learn from": "pair"}
    grpo = {"objective": "grpo", "settings": {}, "lr": settings.preference_lr, "learn from": "group", "right": 1.0}
    arms: dict[str, dict[str, Any]] = {
        "base": {},
        "SFT all": {**imitate, "learn from": "all"},
        "SFT best": {**imitate, "learn from": "best", "signal": entropy},
        "SFT worst": {**imitate, "learn from": "worst", "signal": entropy},
        **{f"sigma-RRHF, {signal}": {**rrhf, "settings": ranked, "signal": signal} for signal in signals},
        **{f"DPO, {signal}": {**dpo, "settings": {"beta": settings.beta}, "signal": signal} for signal in signals},
        "sigma-RRHF without anchor": {**rrhf, "settings": {**ranked, "anchor": False}, "signal": entropy},
        "DPO, beta 0.1": {**dpo, "settings": {"beta": 0.1}, "signal": entropy},
        "GRPO, right alone": {**grpo, "weight": 0.0},
        "GRPO, right and inverse entropy": {**grpo, "weight": 0.5, "signal": entropy},
    }
    base_seconds, arm_seconds = SECONDS[settings.scale]
    return [
        Condition(name, {"arm": arm}, seconds=base_seconds, kind="base")
        if name == "base"
        else Condition(name, {"arm": arm}, seconds=arm_seconds, kind="arm")
        for name, arm in arms.items()
    ]


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Fine-tune the seed's base as the condition says, and test it."""
    domain, scale, arm = domain_of(settings), settings.parts, piece.settings["arm"]
    folder = _base_folder(piece.folder, settings, piece.seed)
    runs.prepare(domain, scale, folder, piece.seed)
    model, groups = runs.load(domain, folder)
    measured = []
    if arm:
        runs.learn(domain, scale, model, groups, arm, piece.seed)
    else:
        measured += _facts(piece, domain, folder, groups)
    for measure, temperature, top_p in ((RIGHT, 1.0, 1.0), (COLD, 0.6, 0.95)):
        right, samples = runs.test(domain, scale, model, piece.seed, temperature, top_p)
        measured += [piece.measurement(value, f"q{index}", measure) for index, value in enumerate(right)]
        tokens = [len(turn.ids) for group in samples for turn in group]
        measured.append(piece.measurement(float(np.mean(tokens)), "", f"tokens of {measure}"))
    return measured


def _base_folder(experiment: Path, settings: Settings, seed: int) -> Path:
    """Where the base of a seed is kept, named by what decides it."""
    return experiment / "bases" / f"s{seed}-{files.sha256_json(inputs.as_json(settings.inputs))[:16]}"


def _facts(piece: Piece, domain: Domain, folder: Path, groups: Sequence[Sequence[Any]]) -> list[Measurement]:
    """How many questions are saturated, and how the signals agree within each of them."""
    facts = files.read_json(folder / runs.FACTS)
    measured = [piece.measurement(value, "", name) for name, value in facts.items()]
    for index, group in enumerate(groups):
        values: dict[str, list[float]] = {
            name: [turn.meta["signals"][name] for turn in group] for name in group[0].meta["signals"]
        }
        targets = {"scripted judge": values.get("scripted judge")}
        if domain.has_gold:
            targets["gold"] = [turn.gold for turn in group]
        for target, reference in targets.items():
            for name, scores in values.items():
                rho = runs.rank_correlation(scores, reference) if reference and name != target else None
                if rho is not None:
                    measured.append(piece.measurement(rho, f"d{index}", f"{name} ~ {target}"))
    return measured


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Accuracies with differences from the base, the gates, and the agreement of the signals."""
    names = [condition.name for condition in conditions(settings)]
    blocks = {"results": results(measurements, names, (RIGHT, COLD)), "gates": gates(measurements, RIGHT)}
    signals = signals_table(measurements)
    if signals.rows:
        blocks["signals"] = signals
    remarks = [
        "Accuracies are shares of right samples on the harder questions, which all seeds share; differences are paired "
        "by seed and question, intervals resample both.",
    ]
    if settings.gsm8k is None:
        remarks.append(
            "That the styles of the traces differ in reliability is planted; the learners see no style. It checks the "
            "method and says nothing about language models."
        )
    title = "Quality signals among right answers"
    if settings.gsm8k is None:
        title += ", on sums in three styles whose different reliability is PLANTED"
    draw = draw_means(measurements, RIGHT, names, "right on harder questions (%)", 100)
    return Summary(title, blocks, draw, [*_gates.remarks(blocks["gates"]), *remarks])
