"""Methods of the interaction track on real text, each beside plain training for as many steps.

A student learns for some rounds by one method; after each round's steps come steps on plain sentences. Methods: direct
preference optimisation on sentences against corrupted ones (MPO, 2026) and on replies against other replies
(Llamalogue, 2025), SimPO on a teacher's corrections (the official baseline of 2025), GRPO on a teacher's scores, PPO
on rewarded stories (after *Once Upon a Time*, 2025), trials and demonstrations (TnD, 2025), GRPO on a caregiver's
reward (after Nikolaus and Fourtassi, the other official baseline of 2025). Controls: the base as it is, plain sentences
for all steps, random scores and rewards, TnD without trials and without demonstrations. All arms take equally many
steps with equally many sequences in each; words and tokens are not equal, as sequences differ in length, and are
reported (``tokens learnt from``).

The teacher is a model trained inside the budget: it corrects by its own continuation of the context and scores by the
mean log-probability per token. The gates (`babylm.studies._methods_tables`) were fixed before the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from babylm import config as configuration
from babylm import files, places, registry
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.lazy import torch
from babylm.run_folder import RunFolder
from babylm.runs import Run
from babylm.studies import _gates
from babylm.studies import _methods_ages as word_ages
from babylm.studies import _methods_caregiver as caregiver
from babylm.studies import _methods_runs as runs
from babylm.studies import _methods_tables as tables
from babylm.studies._methods_shared import SharedInputs
from babylm.studies._subject_checks import check_subject, check_usable
from babylm.studies._task_checks import check_task
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs

if TYPE_CHECKING:
    from babylm.hardware import Precision

SECONDS = {"smoke": 8.0, "cpu": 150.0, "cpu_large": 240.0, "gpu": None}
"""Of an arm with one seed on a free core, as measured with a student of 4M parameters; more is measured of stories."""


@dataclass
class Settings(StudyConfig):
    """The settings of the study of interaction methods."""

    scale: Literal["smoke", "cpu", "cpu_large", "gpu"] = "cpu"
    """``cpu``: 512 contexts per round for one core; ``cpu_large``: 1,000; ``gpu``: 1,000, read four times as often;
    ``smoke``: a few, which shows nothing."""
    base: str | None = None
    """Folder of a finished run, whose ``main`` is the student; null: one is trained first, by ``config``."""
    config: str = "configs/smoke.yaml"
    """Configuration of the base that is trained."""
    changes: list[str] = field(default_factory=list)
    """Overrides of it (key=value)."""
    teacher: str | None = None
    """Folder of the model that corrects and scores, trained inside the budget; null: the base, before it learns."""
    text: str | None = None
    """Text to learn from; null: the base's corpus."""
    held_out: str | None = None
    """Held-out text; null: the base's (corpus.dev), or every tenth document."""
    arms: list[str] = field(default_factory=list)
    """Some of the arms; empty: all."""
    tasks: list[str] = field(default_factory=list)
    """Tasks of minimal pairs to score each student on (fast suite)."""
    data: str = "evaluation_data"
    """Folder of the tasks' data."""
    lr: float = number(1e-4, "(0, 1]")
    """Learning rate of AdamW, for all arms."""
    beta: float = number(0.1, "(0, 1e4]")
    """Of DPO."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """In which students learn; auto: bf16 if the hardware multiplies bf16 matrices."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """What an arm's condition holds."""
        return (*super().not_deciding, "beta", "arms")

    @property
    def inputs(self) -> dict[str, Any]:
        """Sizes, and models, texts and items by their contents."""
        paths = {key: inputs.contents(getattr(self, key)) for key in ("text", "held_out")}
        paths["teacher"] = inputs.contents(_model_of(self.teacher))
        tasks = {name: inputs.of_task(name, self.data) for name in self.tasks}
        base = {"base": _base_inputs(self), "config": None, "changes": None}
        return {"scale": runs.SCALES[self.scale], "data": tasks, "precision": _precision(self), **base, **paths}

    def check(self) -> None:
        """Jobs of an array need a base that is there."""
        if self.part and self.base is None:
            raise ValueError("base: the jobs of an array share a finished run; train it first and give its folder")
        if self.base is not None:
            folder = places.given(self.base)
            if not folder.is_dir():
                raise ValueError(f"base: {places.no_folder(folder)}")
            if not RunFolder(folder).finished:
                raise ValueError(f"base={self.base}: this run has no last model (main): give one that has ended")
        if self.teacher is not None:
            check_subject(str(_model_of(self.teacher)), "teacher")
        names = [condition.name for condition in all_conditions(self)]
        registry.check_all(self.arms, names, "arms")
        registry.check_once(self.tasks, "tasks")
        for word in self.changes:
            if "=" not in word:
                raise ValueError(f"changes: {word!r}: an override is written key=value")

    def check_before_run(self) -> None:
        """Models that can be used, texts to learn from and to measure by, and the tasks' data."""
        from babylm.studies import _methods_texts as texts

        for key, path in (("base", self.base), ("teacher", self.teacher)):
            if path is not None:
                check_usable(str(_model_of(path)), key, revision=key == "base", gguf=False)
        for task in self.tasks:
            check_task(task, self.data)
        if self.base is not None:
            config = Run(places.given(self.base)).config
        else:
            config = configuration.load(self.config, self.changes)
        texts.sources_of(config.corpus, self.text, self.held_out)


def conditions(settings: Settings) -> list[Condition]:
    """The arms that are asked for."""
    return [arm for arm in all_conditions(settings) if not settings.arms or arm.name in settings.arms]


def all_conditions(settings: Settings) -> list[Condition]:
    """The base, plain sentences, random scores, four methods; stories, words, children; ages of words from scratch."""
    pairs: dict[str, Any] = {"objective": "dpo", "settings": {"beta": settings.beta}}
    arms: dict[str, dict[str, Any]] = {
        "base": {},
        "plain": {"learn from": "sentences"},
        "random scores": {"learn from": "random", "objective": "grpo", "settings": {}},
        "MPO": {"learn from": "corruptions", **pairs},
        "DPO on replies": {"learn from": "replies", **pairs},
        "SimPO on corrections": {"learn from": "corrections", "objective": "simpo", "settings": {"lm_weight": 0.2}},
        "GRPO on scores": {"learn from": "scores", "objective": "grpo", "settings": {}},
    }
    seconds = SECONDS[settings.scale]
    first = [
        Condition(name, {"arm": arm}, seconds=seconds, kind="base" if name == "base" else "arm")
        for name, arm in arms.items()
    ]
    # Measuring more makes another piece: those of the first arms, base and plain among them, stay as they are.
    ppo: dict[str, Any] = {"objective": "ppo", "settings": {"beta": 0.05}}
    grpo: dict[str, Any] = {"objective": "grpo", "settings": {}}
    more: dict[str, dict[str, dict[str, Any]]] = {
        tables.STORIES: {
            tables.control("base", tables.STORIES): {},
            tables.control("plain", tables.STORIES): arms["plain"],
            "story reward": {"learn from": "stories", **ppo},
            "random story reward": {"learn from": "stories by chance", **ppo},
            "TnD": {"learn from": "trials and demonstrations", **ppo},
            "trials alone": {"learn from": "trials", **ppo},
            "demonstrations alone": word_ages.ARMS[word_ages.DEMONSTRATIONS],
        },
        tables.CHILDREN: {
            tables.control("base", tables.CHILDREN): {},
            tables.control("plain", tables.CHILDREN): arms["plain"],
            "caregiver reward": {"learn from": "caregiver", **grpo},
            "random caregiver reward": {"learn from": "caregiver by chance", **grpo},
        },
    }
    sizes = word_ages.SIZES[settings.scale]
    return [
        *first,
        *(
            Condition(
                name,
                {"arm": arm, "measures": measured},
                seconds=seconds and 2 * seconds,
                kind=f"{'arm' if arm else 'base'}, {measured.partition(',')[0]}",
            )
            for measured, named in more.items()
            for name, arm in named.items()
        ),
        *(
            Condition(name, {"arm": arm, "from scratch": sizes}, seconds=seconds and 2 * seconds, kind=tables.AGES)
            for name, arm in word_ages.ARMS.items()
        ),
    ]


def _base_inputs(settings: Settings) -> dict[str, Any]:
    """What decides the base: its weights and the text of its run, or the configuration of the one that is trained."""
    if settings.base is None:
        return inputs.of_run(configuration.load(settings.config, settings.changes))
    base = Run(places.given(settings.base))
    return {"model": inputs.contents(base.folder / "main"), "corpus": inputs.of_run(base.config)["corpus"]}


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Let the base learn as the condition says, and measure it."""
    from babylm.evaluation import suite

    shared = _shared_inputs(piece, settings)
    model, arm = shared.base.model, piece.settings["arm"]
    if "from scratch" in piece.settings:
        made = word_ages.measure(shared, arm, piece.settings["from scratch"], settings.lr, piece.seed)
        return [piece.measurement(value, item, name) for name, item, value in made]
    measured = []
    if arm:
        model, tokens = runs.learn(shared, arm, settings.lr, piece.seed)
        measured.append(piece.measurement(tokens, "", "tokens learnt from"))
    measured += [piece.measurement(value, item, name) for name, item, value in runs.measure(shared, model, piece.seed)]
    if "measures" in piece.settings:
        rows = runs.MEASURES[piece.settings["measures"]](shared, model, piece.seed)
        measured += [piece.measurement(value, item, name) for name, item, value in rows]
    for task, result in suite.run(model, shared.folder, settings.tasks, data=settings.data).items():
        measured += [piece.measurement(score.tie_aware, uid, task) for uid, score in result.by_uid.items()]
    return measured


def _shared_inputs(piece: Piece, settings: Settings) -> SharedInputs:
    from babylm.interaction import teachers
    from babylm.studies import _methods_texts as texts
    from babylm.studies import _training
    from babylm.studies._subjects import load_subject

    if settings.base is not None:
        base = Run(places.given(settings.base))
    else:
        words = [f"corpus.prepared={piece.folder / 'prepared'}", *settings.changes, f"checkpoints={piece.folder}"]
        name = f"base-{files.sha256_json(_base_inputs(settings))[:8]}"
        base = _training.train(piece, configuration.load(settings.config, [*words, f"name={name}"]))
    learnt, held_out = texts.read(base.config.corpus, settings.text, settings.held_out)
    scale, folder = runs.SCALES[settings.scale], base.folder / "main"
    interaction = base.config.interaction
    interaction.teacher, interaction.teacher_model = "model", str(_model_of(settings.teacher) or folder)
    interaction.max_new_tokens = scale.new_tokens
    teacher = teachers.build(interaction)
    teacher.open(piece.folder / "teacher")  # what all arms ask of a seed is asked once
    return SharedInputs(load_subject(folder), folder, teacher, learnt, held_out, scale, _precision(settings))


def _precision(settings: Settings) -> Precision:
    from babylm import hardware

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return hardware.choose_precision(settings.precision, device, "precision")[0]


def _model_of(path: str | None) -> Path | None:
    """A finished run's last model, or the folder itself."""
    if path is None:
        return None
    folder = places.given(path)
    return folder / "main" if (folder / "main" / "config.json").is_file() else folder


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Each measure by arm, differences from base and plain, and the gates."""
    measured = {row.measure for row in measurements}
    measures = ["held-out loss", *settings.tasks, *tables.OWN]
    measures += [measure for more in tables.MORE.values() for measure in more if measure in measured]
    shown = [measure for measure in measures if measure in measured]
    blocks = {
        "results": tables.results(measurements, shown),
        "gates": tables.gates(measurements, settings.tasks, word_ages.gates(measurements)),
        "differences": tables.differences(measurements, shown),
        "word_ages": word_ages.table(measurements),
    }
    blocks = {name: table for name, table in blocks.items() if table.rows}
    remarks = [
        "Differences are paired by seed and held-out item (or paradigm); intervals resample both.",
        "All arms take the same number of steps, with as many sequences in each, not as many words or tokens: see "
        "the column tokens learnt from; plain reads whole sentences in all steps.",
        "The student and its base are one model: seeds change what is drawn, sampled and read, not the base.",
        "Nothing is shown about larger students, other teachers or more rounds.",
    ]
    remarks += word_ages.remarks(measurements)
    predicted = measurements.select(measure=caregiver.AGREEMENT).values
    if np.isfinite(predicted).any():
        remarks.append(
            f"The reward model that a student learns from has a rank correlation of {np.nanmean(predicted):.2f} with "
            "the replies that its judge has learnt from."
        )
    title = "Methods of the interaction track on real text, beside plain training"
    remarks = [*(_gates.remarks(blocks["gates"]) if "gates" in blocks else []), *remarks]
    draw = tables.draw(measurements, shown) if shown else word_ages.draw(measurements)
    return Summary(title, blocks, draw, remarks)
