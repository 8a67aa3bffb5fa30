"""Load, check and write the configuration of a run, and start the commands.

Three layers, later ones win: the defaults of :mod:`babylm.sections` (with the model's preset), the file (with the one
it names under ``base:``), the command line (``optimizer.lr=0.01``). A wrong key, value or combination ends with one
line that names the key path and the nearest key, before torch is imported.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from . import presets, ranges, registry, tracks
from .console import drop_output
from .evaluation_sections import TASK_FILES, task_path
from .sections import Config, EvaluationConfig

T = TypeVar("T")

EXIT_CONFIG = 2
"""Exit code of a wrong command line, configuration or plan; nothing was started."""
EXIT_UNREAD = 141
"""What a shell reports of a program that SIGPIPE ended."""


class ConfigError(ValueError):
    """A mistake in a configuration: the message names the key and says what to do."""


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The checked configuration of a file and ``key=value`` overrides; ``ConfigError`` for anything wrong in them."""
    changes = [_parse(word) for word in overrides]
    try:
        layers = _file_layers(Path(path))
        given = OmegaConf.merge(*layers)
        base = OmegaConf.structured(Config)
        preset = dict(changes).get("model.preset", OmegaConf.select(given, "model.preset", default=base.model.preset))
        if preset is not None:
            registry.check(preset, presets.PRESETS, "model.preset")
            base = OmegaConf.merge(base, {"model": presets.PRESETS[preset]})
        merged = OmegaConf.merge(base, *layers)
        for key, value in changes:
            OmegaConf.update(merged, key, value)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from None
    except (TypeError, ValueError) as error:  # a list where keys belong, an unknown preset
        raise ConfigError(f"{path}: {error}" if isinstance(error, TypeError) else str(error)) from None
    assert isinstance(config, Config)
    check(config)
    return config


def change(section: T, words: Sequence[str]) -> T:
    """A section after ``key=value`` words (``glue.epochs=3`` of the evaluation's); ``ConfigError`` as in `load`."""
    changed = OmegaConf.structured(section)
    try:
        for key, value in map(_parse, words):
            OmegaConf.update(changed, key, value)
        found = OmegaConf.to_object(changed)
        if isinstance(found, EvaluationConfig):
            ranges.check(found, "evaluation.")
            _check_evaluation(found, "")
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None
    assert isinstance(found, type(section))
    return found


def dump(config: Config) -> str:
    """The whole configuration as YAML; loading it gives the same configuration."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def as_dict(config: Any) -> dict[str, Any]:
    """A section as plain dictionaries and lists."""
    result = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(result, dict)
    return {str(key): value for key, value in result.items()}


def check(config: Config) -> None:
    """Raise ``ConfigError`` for values that are wrong by themselves or together; the plan checks the budget."""
    try:
        ranges.check(config)
        _check_run(config)
        _check_phases(config)
        _check_model(config)
        _check_learning(config)
        _check_evaluation(config.evaluation)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_run(config: Config) -> None:
    registry.check(config.track, tracks.TRACKS, "track")
    _require(
        re.fullmatch("[A-Za-z0-9_-]+", config.name) is not None,
        "name",
        f"{config.name!r} must be of letters, digits, _ and - (no dot: the official code cuts a model's name at its "
        "last one)",
    )
    _require(config.milestones == sorted(set(config.milestones)), "milestones", "must be ascending word counts")
    if config.milestones and config.track != "free":
        raise ConfigError(f"milestones: track {config.track} has its own list; choose track=free to set them")
    known = [tracks.milestone_name(words) for words in config.milestones or tracks.TRACKS[config.track].milestones]
    for name in config.evaluation.milestones:
        registry.check(name, known, "evaluation.milestones")
    if config.evaluation.milestones and config.evaluation.at != "milestones":
        raise ConfigError("evaluation.milestones: they are asked only with evaluation.at=milestones")
    _require(
        config.corpus.source != "hub" or config.corpus.hub is not None,
        "corpus.hub",
        "must name a data set when corpus.source=hub",
    )
    for key, asked, package in (
        ("logging.tensorboard", config.logging.tensorboard, "tensorboard"),
        ("logging.wandb", config.logging.wandb, "wandb"),
    ):
        installed = not asked or importlib.util.find_spec(package) is not None
        _require(installed, key, f"the package {package} is not installed: pip install 'babylm[track]'")


def _check_model(config: Config) -> None:
    model = config.model
    _require(
        model.hidden_size % model.num_attention_heads == 0,
        "model.num_attention_heads",
        f"{model.num_attention_heads} must divide model.hidden_size={model.hidden_size}",
    )
    head = model.hidden_size // model.num_attention_heads
    _require(
        head % 4 == 0, "model.num_attention_heads", f"heads of {head} channels cannot be rotated: use a multiple of 4"
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
    for key, found in (("objective.mask_rate", objective.mask_rate), ("optimizer.betas", optimizer.betas)):
        _require(len(found) == 2, key, f"must be two numbers, not {len(found)}")
    for keys, total in (
        ("objective.keep + objective.random", objective.keep + objective.random),
        ("schedule.warmup + schedule.cooldown", schedule.warmup + schedule.cooldown),
    ):
        _require(total <= 1, keys, f"shares with a sum of at most 1, not {total:g}")


def _check_phases(config: Config) -> None:
    _require(bool(config.phases), "phases", "must hold at least one phase")
    ends = [phase.until for phase in config.phases]
    _require(
        ends == sorted(set(ends)) and ends[-1] == 1,
        "phases",
        f"until must ascend and end with 1, not {ends}",
    )
    cut = config.training.accumulate * config.training.devices
    for index, phase in enumerate(config.phases):
        key = f"phases[{index}]"
        _require(
            phase.tokens % phase.sequence_length == 0,
            f"{key}.tokens",
            f"{phase.tokens} must be a multiple of sequence_length={phase.sequence_length}",
        )
        rows = phase.tokens // phase.sequence_length
        _require(
            rows % cut == 0,
            f"{key}.tokens",
            f"{rows} rows a step cannot be cut into training.accumulate x training.devices = {cut} equal batches",
        )


def _check_evaluation(evaluation: EvaluationConfig, prefix: str = "evaluation.") -> None:
    known = ["glue", *registry.names("evaluation/tasks")]
    for name in evaluation.tasks:
        if not (_is_path(name) or (name and Path(name).is_dir())):
            registry.check(name, known, f"{prefix}tasks")
    glue = evaluation.glue
    for key in ("time", "sentence"):
        columns = getattr(evaluation.reading_csv, key)
        _require(bool(columns), f"{prefix}reading_csv.{key}", "must name at least one column")
        _require(len(set(columns)) == len(columns), f"{prefix}reading_csv.{key}", f"{columns} names a column twice")
    _require(bool(glue.seeds), f"{prefix}glue.seeds", "must hold at least one seed")
    _require(len(set(glue.seeds)) == len(glue.seeds), f"{prefix}glue.seeds", f"{glue.seeds} names a seed twice")


def _is_path(task: str) -> bool:
    return "/" in task or Path(task).suffix.lower() in TASK_FILES


def _check_paths(config: Config) -> None:
    """Refuse tasks whose folder or file is not there: to a run that begins only, as a report outlives its data."""
    for task in config.evaluation.tasks:
        task_path(task)


def _require(condition: bool, key: str, message: str) -> None:
    if not condition:
        raise ConfigError(f"{key}: {message}")


def _file_layers(path: Path) -> list[DictConfig]:
    layer = _read(path)
    base = layer.pop("base", None)
    if base is None:
        return [layer]
    base_path = path.parent / str(base)
    base_layer = _read(base_path)
    if "base" in base_layer:
        raise ConfigError(f"{base_path}: a base file cannot have a base of its own")
    return [base_layer, layer]


def _read(path: Path) -> DictConfig:
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1, cutoff=0.4)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"no configuration file {path}{hint}")
    try:
        layer = OmegaConf.load(path)
    except (yaml.YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path}: not valid YAML: {_one_line(error)}") from None
    if isinstance(layer, ListConfig):
        raise ConfigError(f"{path}: must hold keys and values, not a list")
    return layer if layer else OmegaConf.create({})


def _parse(word: str) -> tuple[str, Any]:
    """``optimizer.lr=1e-3`` -> key and value, the value read as YAML."""
    key, equals, text = word.partition("=")
    if not equals or not key or key.startswith("-"):
        raise ConfigError(f"{word!r}: an override is written key=value, for example optimizer.lr=0.01")
    try:
        return key, OmegaConf.create({"value": OmegaConf.create(f"value: {text}")}).value.value
    except MissingMandatoryValue:
        raise ConfigError(f"{key}: ??? stands for a value that is missing; give one") from None
    except InterpolationResolutionError as error:
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from None
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{word!r}: the value is not valid YAML: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _explain(error: OmegaConfBaseException) -> str:
    """One line: the key path, what is wrong, and the nearest key."""
    reason = str(error.msg or error).split("\n")[0]
    key = str(error.full_key or error.key or "")
    known = _known_keys(Config)
    if "not in" in reason and key not in known:
        section, _, last = key.rpartition(".")
        owner = error.object_type if is_dataclass(error.object_type) else Config
        near = difflib.get_close_matches(last, [field.name for field in fields(owner)], n=1, cutoff=0.6)
        near = [f"{section}.{near[0]}" if section else near[0]] if near else []
        if not near:  # right name, wrong section: `lr` for `optimizer.lr`
            near = [name for name in known if name.split(".")[-1] == last][:1]
        return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    return f"{key}: {reason}" if key else reason


def _known_keys(section: type, prefix: str = "") -> list[str]:
    keys = []
    for field in fields(section):
        keys.append(prefix + field.name)
        factory = field.default_factory
        if isinstance(factory, type) and is_dataclass(factory):
            keys.extend(_known_keys(factory, f"{prefix}{field.name}."))
    return keys


def share_cores() -> None:
    """Let idle OpenMP threads wait instead of spinning; before torch is imported, and unless the user has chosen.

    Where another program uses a core, two spinning threads on two cores trained at a third of the speed.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def command(doc: str | None, run: Callable[[Config], int | None], argv: Sequence[str] | None = None) -> int:
    """Run a command written ``python -m babylm.X CONFIG [key=value ...]``; returns the process's exit code.

    ``--help``, anywhere, prints ``doc``. A ``ValueError`` (the user's mistake) becomes one line on stderr and exit
    code 2. When nobody reads the output any more (``| head``) the command ends without a word.
    """
    share_cores()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if not words or {"-h", "--help"} & set(words):
            print((doc or "").strip(), flush=True)
            return 0 if words else EXIT_CONFIG
        config = load(words[0], words[1:])
        _check_paths(config)
        return run(config) or 0
    except BrokenPipeError:
        drop_output()
        return EXIT_UNREAD
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_CONFIG
