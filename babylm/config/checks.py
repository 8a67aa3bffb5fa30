"""What settings mean together: combinations that cannot be trained are refused, each with its key and the remedy."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from babylm import places, registry, tracks
from babylm.config.evaluation import TASK_FILES, task_path
from babylm.config.fields import check_numbers
from babylm.config.schema import Config, EvaluationConfig

ENTRIES = {int: "a whole number", float: "a number", str: "a text"}


PATHS = (
    *("init_from", "checkpoints", "corpus.path", "corpus.dev", "corpus.test", "corpus.prepared", "tokenizer.path"),
    *("evaluation.data", "interaction.teacher_model", "interaction.teaching.cache", "interaction.teaching.replies"),
)
"""Settings that name a file or folder."""


class ConfigError(ValueError):
    """A mistake in a configuration: the message names the key and says what to do."""


def check(config: Config) -> None:
    """Raise ``ConfigError`` for values that are wrong by themselves or together; the plan checks the budget."""
    try:
        check_lists(config)
        check_numbers(config)
        _check_run(config)
        _check_phases(config)
        _check_model(config)
        _check_learning(config)
        check_evaluation(config.evaluation)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def check_lists(section: Any, prefix: str = "") -> None:
    """``ConfigError`` for an entry of a list that is of another type: OmegaConf lets lists in lists pass."""
    for name, hint in get_type_hints(type(section)).items():
        value, key = getattr(section, name), f"{prefix}{name}"
        if is_dataclass(hint):
            check_lists(value, f"{key}.")
        elif get_origin(hint) is list:
            (entry,) = get_args(hint)
            for index, inner in enumerate(value):
                if is_dataclass(inner) and type(inner) is entry:
                    check_lists(inner, f"{key}[{index}].")
                elif type(inner) is not entry and not (entry is float and type(inner) is int):
                    what = ENTRIES.get(entry, "keys and values")
                    raise ConfigError(f"{key}[{index}]: must be {what}, not {shown(repr(inner))}")


def shown(text: str) -> str:
    """A text that somebody else may have written, short enough for one line."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_run(config: Config) -> None:
    registry.check(config.track, tracks.TRACKS, "track")
    for key in PATHS:
        value = attrgetter(key)(config)
        _require(value is None or bool(value.strip()), key, "an empty name would be the working directory; name a path")
    _require(
        re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,95}", config.name) is not None,
        "name",
        f"{config.name!r} must be of letters, digits, _ and -, at most 96 and no - in front (no dot: the official code "
        "cuts a model's name at its last one)",
    )
    _require(config.milestones == sorted(set(config.milestones)), "milestones", "must be ascending word counts")
    if config.milestones and config.track != "free":
        raise ConfigError(f"milestones: track {config.track} has its own list; choose track=free to set them")
    names = [tracks.milestone_name(words) for words in config.milestones or tracks.TRACKS[config.track].milestones]
    for name in config.evaluation.milestones:
        registry.check(name, names, "evaluation.milestones")
    if config.evaluation.milestones and config.evaluation.when != "milestones":
        raise ConfigError("evaluation.milestones: used only with evaluation.when=milestones; set that too")
    _require(
        config.corpus.source != "hub" or config.corpus.hub_dataset is not None,
        "corpus.hub_dataset",
        "must name a data set when corpus.source=hub",
    )
    for key, enabled, package in (
        ("logging.tensorboard", config.logging.tensorboard, "tensorboard"),
        ("logging.wandb", config.logging.wandb, "wandb"),
    ):
        installed = not enabled or importlib.util.find_spec(package) is not None
        _require(installed, key, f"the package {package} is not installed: pip install 'babylm[track]'")


def _check_model(config: Config) -> None:
    model = config.model
    _require(
        model.hidden_size % model.num_attention_heads == 0,
        "model.num_attention_heads",
        f"{model.num_attention_heads} must divide model.hidden_size={model.hidden_size}",
    )
    head_dim = model.hidden_size // model.num_attention_heads
    rotated = head_dim * model.partial_rotary_factor
    pairs = round(rotated / 2)
    _require(
        model.position != "rotary" or (pairs > 0 and abs(rotated - 2 * pairs) < 1e-6),
        "model.partial_rotary_factor",
        f"{model.partial_rotary_factor:g} of heads of {head_dim} dimensions (model.hidden_size / "
        f"model.num_attention_heads) is {rotated:g}; it must be an even whole number",
    )
    longest = max(phase.sequence_length for phase in config.phases)
    _require(
        longest <= model.max_position_embeddings,
        "phases",
        f"sequence_length {longest} exceeds model.max_position_embeddings={model.max_position_embeddings}",
    )


def _check_learning(config: Config) -> None:
    objective, optimizer, schedule = config.objective, config.optimizer, config.schedule
    registry.check(objective.name, registry.names("objectives"), "objective.name")
    registry.check(optimizer.name, registry.names("optimizers"), "optimizer.name")
    objective.check()
    _require(len(optimizer.betas) == 2, "optimizer.betas", f"must be two numbers, not {len(optimizer.betas)}")
    total = schedule.warmup + schedule.cooldown
    _require(total <= 1, "schedule.warmup + schedule.cooldown", f"shares with a sum of at most 1, not {total:g}")


def _check_phases(config: Config) -> None:
    _require(bool(config.phases), "phases", "must hold at least one phase")
    ends = [phase.until for phase in config.phases]
    _require(
        ends == sorted(set(ends)) and ends[-1] == 1,
        "phases",
        f"until must ascend and end with 1, not {ends}",
    )
    check_cut(config, (config.training.devices or 1) * (config.training.nodes or 1))
    for index, phase in enumerate(config.phases):
        key = f"phases[{index}]"
        _require(
            phase.tokens_per_step % phase.sequence_length == 0,
            f"{key}.tokens_per_step",
            f"{phase.tokens_per_step} must be a multiple of sequence_length={phase.sequence_length}",
        )


def check_cut(config: Config, devices: int) -> None:
    """Raise ValueError if the rows of a step cannot be shared out over ``devices`` devices of all nodes."""
    cut = config.training.accumulate_grad_batches * devices
    for index, phase in enumerate(config.phases):
        rows = phase.tokens_per_step // phase.sequence_length
        _require(
            rows % cut == 0,
            f"phases[{index}].tokens_per_step",
            f"{rows} rows per step cannot be cut into {cut} equal batches "
            "(training.accumulate_grad_batches x training.devices x training.nodes)",
        )


def check_evaluation(evaluation: EvaluationConfig, prefix: str = "evaluation.") -> None:
    """Raise ValueError for wrong tasks or fine-tuning settings; ``prefix``: put before the keys in messages."""
    choices = ["glue", *registry.names("evaluation/tasks")]
    for name in evaluation.tasks:
        if not (_is_path(name) or (name and places.given(name).is_dir())):
            registry.check(name, choices, f"{prefix}tasks")
    registry.check_once(evaluation.tasks, f"{prefix}tasks")
    glue = evaluation.glue
    for key in ("time", "sentence"):
        columns = getattr(evaluation.reading_csv, key)
        _require(bool(columns), f"{prefix}reading_csv.{key}", "must name at least one column")
        registry.check_once(columns, f"{prefix}reading_csv.{key}")
    _require(bool(glue.seeds), f"{prefix}glue.seeds", "must hold at least one seed")
    registry.check_once(glue.seeds, f"{prefix}glue.seeds")


def _is_path(task: str) -> bool:
    return "/" in task or Path(task).suffix.lower() in TASK_FILES


def check_paths(config: Config) -> None:
    """Refuse tasks whose folder or file is missing, and folders of results that are none.

    Only for runs that begin: a report is made after data is gone.
    """
    places.check_folder(config.checkpoints, "checkpoints")
    places.check_folder(config.corpus.prepared, "corpus.prepared")
    for task in config.evaluation.tasks:
        task_path(task)


def _require(condition: bool, key: str, message: str) -> None:
    if not condition:
        raise ConfigError(f"{key}: {message}")
