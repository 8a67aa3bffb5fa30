"""Learn from a teacher as configured: the library call behind ``python -m babylm.interact`` and `babylm.api`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from babylm import files, places, processes
from babylm.config.schema import Config
from babylm.console import Log
from babylm.corpora import sources, tokenizer
from babylm.interaction import base, environments, teachers
from babylm.interaction.act import Actor
from babylm.interaction.rounds import Rounds
from babylm.interaction.teachers import Teacher
from babylm.objectives._sequences import SequenceSettings
from babylm.runs import FLOPS, LABELS, LEDGER, Run
from babylm.tables import text_table
from babylm.teacher_rules import approved
from babylm.training.module import Pretraining
from babylm.training.pretrain import pretrain
from babylm.training.setup import TrainingSetup


def interact(config: Config, log: Log | None = None) -> Path:
    """Run the rounds of ``config.interaction``, or continue them; returns the run's folder.

    The result is a run like any other: revisions at milestones of exposure, ``metrics.jsonl``, ``main``; beside them
    ``rounds/`` (every turn), ``rounds/results.json`` (the student before the first round and after each) and
    ``ledger.json``, and ``teacher.json`` with ``teacher/answers.jsonl`` (who taught, and its answers). Errors are those
    of `babylm.training.pretrain.pretrain`.
    """
    log = log or Log()
    check(config)
    assert isinstance(config.objective, SequenceSettings)
    config = replace(config, objective=config.objective.for_interaction())
    folder = places.given(config.checkpoints) / config.name
    teacher = teachers.RecordedTeacher(teachers.build(config.interaction))
    _warn_of_rules(teacher, config, log)

    def texts() -> list[str]:
        return [document.text for document in sources.read(config.corpus).documents()]

    environment = environments.build(config.interaction, texts)
    teachers.check(teacher, config.interaction.feedback, replies=environment.turns > 1)
    _check_budget(config, environment.turns)
    feeds: list[Rounds] = []
    before = base.read(config.init_from)

    def make_feed(stream: Any, flops_per_token: Any) -> Rounds:
        feeds.append(Rounds(config, stream, flops_per_token, folder, before))
        return feeds[-1]

    def prepared(setup: TrainingSetup, module: Pretraining) -> None:
        base.adopt(before, [milestone.name for milestone in feeds[-1].inherited], folder, log)
        tokens = tokenizer.load(setup.corpus.tokenizer_folder)
        special = tokenizer.special_ids(setup.corpus.tokenizer_folder)
        parts = teacher, environment, config.interaction, config.seed, config.init_from or "new weights"
        student = Actor(module.network, setup.network(), tokens, special, *parts)
        teacher.open(folder / "teacher")
        _record(teacher, config, folder)
        student.objective = setup.objective
        feeds[-1].bind(student, log, lambda: module.restart(dict(student.reference.state_dict())))

    def trained() -> None:
        feeds[-1].finish()
        _record(teacher, config, folder)
        _warn_of_answers(teacher, log)

    made = pretrain(config, log, make_feed, prepared, trained)
    if feeds and not config.training.dry_run and Run(folder).is_finished:
        _show(folder, log)
    return made


def check(config: Config) -> None:
    """Raise ValueError for settings that an interaction cannot have."""
    if processes.world_size(config.training.devices, config.training.nodes) > 1:
        raise ValueError("training.devices: an interaction runs on one device")
    if config.averaging.name != "none":
        raise ValueError("averaging.name: an interaction acts with the weights that learn; use averaging.name=none")
    if not isinstance(config.objective, SequenceSettings):
        raise ValueError(
            f"objective.name={config.objective.name}: learns from text alone, whatever the rewards; an interaction "
            "needs a learner, such as grpo, reinforce, supervised, dpo, simpo or kto"
        )
    if config.interaction.restart == "each_round" and config.init_from is None:
        raise ValueError("interaction.restart=each_round: name the weights that each round starts from (init_from=...)")
    if config.interaction.groups_per_step % config.training.accumulate_grad_batches:
        raise ValueError("interaction.groups_per_step: must be a multiple of training.accumulate_grad_batches")
    if config.interaction.max_new_tokens >= config.model.max_position_embeddings:
        raise ValueError("interaction.max_new_tokens: longer than model.max_position_embeddings leaves room for")
    _check_who_teaches(config)
    if config.interaction.feedback == "judge" and config.interaction.samples < 2:
        raise ValueError("interaction.samples: feedback=judge compares the completions of a prompt; use 2 or more")
    one_completion = config.interaction.samples == 1 and config.interaction.feedback != "correction"
    if config.objective.compares and one_completion:
        raise ValueError(
            f"interaction.samples=1: objective.name={config.objective.name} compares the completions of a prompt, and "
            "would learn nothing; use 2 or more, feedback=correction, or kto or supervised"
        )
    of_model = config.interaction.teacher == "model" and config.interaction.feedback == "score"
    if of_model and config.objective.for_interaction().teaches_nothing([[-2.0, -1.0]]):
        raise ValueError(
            f"interaction.teacher=model: its scores are log-probabilities, all below 0, of which objective.name="
            f"{config.objective.name} learns nothing good; use one that compares, such as grpo, dpo or reinforce with "
            "objective.baseline=leave_one_out, or feedback=judge or correction"
        )
    _check_budget(config)


def _check_who_teaches(config: Config) -> None:
    """Raise ValueError if a setting of another teacher of ours is set: that one was probably meant."""
    settings = config.interaction
    set_for = {
        "model": {"interaction.teacher_model": settings.teacher_model},
        "endpoint": {"interaction.endpoint.url": settings.endpoint.url},
        "replay": {"interaction.teaching.replies": settings.teaching.replies},
    }
    if settings.teacher not in ("grammar", "person", "model", "endpoint"):
        return  # a replay may have the settings of the run that it repeats, and a user's teacher any
    for teacher, values in set_for.items():
        for key, value in values.items():
            if value is not None and teacher != settings.teacher:
                raise ValueError(
                    f"{key}: interaction.teacher={settings.teacher} does not read it; add interaction.teacher={teacher}"
                    f", or set {key}=null"
                )


def _refusal(teacher: Teacher, config: Config) -> str | None:
    """Why the rules of the year do not allow this teacher; None if they do, and for the track ``free``."""
    identity = teacher.identity
    if config.track == "free" or identity.kind == "program" or not (identity.external or identity.kind == "person"):
        return None
    if identity.kind == "person":
        return f"the rules of {config.rules} name models alone as teachers: ask the organisers about a person"
    return approved(identity.name, identity.parameters, config.rules)


def _warn_of_rules(teacher: Teacher, config: Config, log: Log) -> None:
    if reason := _refusal(teacher, config):
        log.warn(f"interaction.teacher: {reason}; the run can be made, and will not be a valid submission")


def _warn_of_answers(teacher: Teacher, log: Log) -> None:
    usage = teacher.usage()
    if usage is not None and usage.unusable:
        log.warn(
            f"interaction.teacher: {usage.unusable:,} of {usage.questions:,} answers of {teacher.identity.name} were "
            "of no use, as they had no score, letter or word that was asked for; they are in teacher/replies.jsonl"
        )


def _record(teacher: Teacher, config: Config, folder: Path) -> None:
    """Write ``teacher.json``: who taught, whether the rules name it, and what it was asked so far."""
    usage = teacher.usage()
    files.write_json(
        folder / "teacher.json",
        {
            **teacher.identity.as_dict(),
            "teacher": config.interaction.teacher,
            "feedback": config.interaction.feedback,
            "rules": config.rules,
            "not_approved": _refusal(teacher, config),
            **({} if usage is None else asdict(usage)),
        },
    )


def _check_budget(config: Config, turns: int = 1) -> None:
    """Raise ValueError if the budget has no room for one prompt and one step of learning."""
    settings = config.interaction
    to_learn = settings.groups_per_step * (settings.max_new_tokens + 1)
    needed = settings.samples * (turns * settings.max_new_tokens + to_learn)
    if config.budget.words is not None and config.budget.words < needed:
        raise ValueError(
            f"budget.words={config.budget.words:,}: one prompt and one step may take {needed:,} words (interaction."
            "samples x max_new_tokens, and groups_per_step times as much to learn from)"
        )


def _show(folder: Path, log: Log) -> None:
    """The student by round, and the ledger, in the words of the report."""
    run = Run(folder)
    names = list(dict.fromkeys(name for result in run.rounds for name in result))
    titles = [{"exposure": "exposure (words)", **LABELS}.get(name, name) for name in names]
    rows = [[_shown(result.get(name)) for name in names] for result in run.rounds]
    log("the student on test prompts, which no round has\n" + text_table(titles, rows))
    ledger = run.ledger
    counts = [(meaning, f"{ledger.get(key, 0):,}") for key, meaning in LEDGER.items()]
    log("ledger\n" + text_table(("words", "number"), counts))
    flops = [(meaning, f"{ledger.get(key, 0):.3g}") for key, meaning in FLOPS.items()]
    log(text_table(("FLOPs", "number"), flops))
    if tokens := ledger.get("teacher_tokens"):
        log(f"the teacher model has read and written {tokens:,} tokens")


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
