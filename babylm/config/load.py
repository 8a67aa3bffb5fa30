"""Load and write the configuration of a run.

Three layers, later ones win: the defaults of :mod:`babylm.config.schema` (with the model's preset), the file (with the
one it names under ``base:``), the command line (``optimizer.lr=0.01``). A wrong key, value or combination ends with one
line that names the key path and the nearest key, before torch is imported.

A configuration may come from a stranger and is stored with the run, so it cannot read anything but a base: ``${...}``
may name another setting, never the environment; nothing that looks like a secret is accepted.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from babylm import files, places, redaction, registry
from babylm.config import older, presets, yaml_values
from babylm.config.checks import ConfigError, check, check_evaluation, check_lists, shown
from babylm.config.fields import check_numbers, children, plugin_settings
from babylm.config.schema import Config, EvaluationConfig
from babylm.config.synonyms import KEY_OF, OTHER_COMMANDS, RENAMED, VALUES

T = TypeVar("T")

MOST_BYTES = 1_000_000
"""A file of more bytes is no configuration."""
REFERENCE = re.compile(r"\$\{[\w.\[\]-]+\}")


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The checked configuration of a file and ``key=value`` overrides; ``ConfigError`` for anything wrong in them."""
    changes = [parse_override(word, Config) for word in overrides]
    try:
        layers = _file_layers(places.given(path))
        given = OmegaConf.merge(*layers)
        base = OmegaConf.structured(Config)
        preset = dict(changes).get("model.preset", OmegaConf.select(given, "model.preset", default=base.model.preset))
        if preset is not None:
            registry.check(preset, presets.PRESETS, "model.preset")
            base = OmegaConf.merge(base, {"model": presets.PRESETS[preset]})
        _choose_plugins(base, layers, changes)
        merged = OmegaConf.merge(base, *layers)
        for key, value in changes:
            OmegaConf.update(merged, key, value)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(older.hint_of_file(places.given(path)) or explain_error(error)) from None
    except (TypeError, ValueError) as error:  # a list where keys belong, an unknown preset
        raise ConfigError(f"{path}: {error}" if isinstance(error, TypeError) else str(error)) from None
    assert isinstance(config, Config)
    check(config)
    return config


def _choose_plugins(base: DictConfig, layers: Sequence[DictConfig], changes: Sequence[tuple[str, Any]]) -> None:
    """Give ``base`` the settings of the plug-ins that the layers and the command line name (``objective.name``).

    A file's settings belong to the plug-in that it names: those that only that one has are left out when a later layer
    names another.
    """
    for setting in fields(Config):
        if "plugins" not in setting.metadata:
            continue
        section, general = setting.name, get_type_hints(Config)[setting.name]
        names = [base[section].name]
        for layer in layers:
            names.append(OmegaConf.select(layer, f"{section}.name", default=names[-1]))
        final = names[-1]
        for key, value in changes:
            if key == f"{section}.name":
                final = value
            elif key == section and isinstance(value, dict):
                final = value.get("name", final)
        plugins = setting.metadata["plugins"]
        registry.check(final, registry.names(plugins), f"{section}.name")
        settings = registry.settings(plugins, final, general)
        base[section] = OmegaConf.structured(settings(name=final))
        for layer, name in zip(layers, names[1:], strict=True):
            if name == final or not isinstance(layer.get(section), DictConfig):
                continue
            registry.check(name, registry.names(plugins), f"{section}.name")
            of_other = {field.name for field in fields(registry.settings(plugins, name, general))}
            for key in of_other - {field.name for field in fields(settings)}:
                layer[section].pop(key, None)


def change(section: T, words: Sequence[str]) -> T:
    """A section after ``key=value`` words (``glue.epochs=3`` of the evaluation's); ``ConfigError`` as in `load`."""
    changed = OmegaConf.structured(section)
    try:
        for key, value in (parse_override(word, type(section)) for word in words):
            OmegaConf.update(changed, key, value)
        result = OmegaConf.to_object(changed)
        check_lists(result)
        if isinstance(result, EvaluationConfig):
            check_numbers(result, "evaluation.")
            check_evaluation(result, "")
    except OmegaConfBaseException as error:
        raise ConfigError(explain_error(error, type(section))) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None
    assert isinstance(result, type(section))
    return result


def dump(config: Any) -> str:
    """The whole configuration as YAML; loading it gives the same configuration."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def as_dict(config: Any) -> dict[str, Any]:
    """A section as plain dictionaries and lists."""
    result = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(result, dict)
    return {str(key): value for key, value in result.items()}


def known_keys(section: Any, prefix: str = "") -> list[str]:
    """Every key of a section, with the sections above it: ``optimizer.lr``."""
    keys = []
    for name, kind in children(section).items():
        keys.append(prefix + name)
        keys.extend(known_keys(kind, f"{prefix}{name}."))
    return keys


def _file_layers(path: Path) -> list[DictConfig]:
    layer = read_layer(path)
    base = layer.pop("base", None)
    if base is None:
        return [layer]
    base_path = path.parent / places.given(str(base))
    # A stranger's file may name any file of this machine here, so nothing of what it holds is shown.
    if base_path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{path}: base: {base} is not a configuration (*.yaml)")
    try:
        base_layer = read_layer(base_path)
    except ValueError:
        if not base_path.is_file():
            raise
        hint = f"python -m babylm.train {base_path} says why"
        raise ConfigError(f"{path}: base: {base} cannot be read as a configuration; {hint}") from None
    if "base" in base_layer:
        raise ConfigError(f"{base_path}: a base file cannot have a base of its own")
    if not set(base_layer) <= {field.name for field in fields(Config)}:
        raise ConfigError(f"{path}: base: {base} is not a configuration of babylm: it has keys that are no settings")
    return [base_layer, layer]


def read_layer(path: Path, section: type = Config) -> DictConfig:
    """The checked keys and values of one file; single values are lists where ``section`` has lists.

    Raises:
        ValueError: It is no configuration (`DamagedFile`, `ConfigError`).
    """
    if not path.is_file():
        if path.is_dir():
            hint = f"; {path} is a folder: name the file in it"
        else:
            named = path if path.suffix else path.with_name(f"{path.name}.yaml")
            hint = places.nearest(named, ("configs", "configs/studies"), "*.yaml")
        raise ConfigError(f"no configuration file {path}{hint}")
    if path.stat().st_size > MOST_BYTES:
        raise files.DamagedFile(f"{path}: {path.stat().st_size:,} bytes are too many for a configuration")
    text = files.read_text(path)
    try:
        # From streams: errors then show the place, not the text.
        yaml_values.check_size(text)
        layer = OmegaConf.load(io.StringIO(text))
        if isinstance(layer, DictConfig) and (written := yaml_values.settled(text, section)) != text:
            layer = OmegaConf.load(io.StringIO(written))
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError, OSError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _one_line(error)
        raise files.DamagedFile(f"{path}: not valid YAML: {reason}") from None
    except ValueError as error:
        raise files.DamagedFile(f"{path}: {error}") from None
    if not isinstance(layer, DictConfig):
        what = "a list" if isinstance(layer, ListConfig) else "a single value"
        raise files.DamagedFile(f"{path}: must hold keys and values, not {what}")
    content = OmegaConf.to_container(layer)
    assert isinstance(content, dict)
    for key, value in _strings(content):
        _check_text(key, value)
    return OmegaConf.create(with_lists(content, section))


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested plain values, with its key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{key}[{index}]")
    elif isinstance(value, str):
        yield key, value


def _check_text(key: str, text: str) -> None:
    if "${" in REFERENCE.sub("", text):
        raise ConfigError(
            f"{key}: {text!r}: ${{...}} can only name another setting, as in ${{optimizer.lr}}; the environment and "
            "files are not read"
        )
    kind = redaction.secret_kind(text)
    if kind is None and key.endswith("wandb") and re.fullmatch("[0-9a-f]{40}", text):
        kind = "a W&B key"
    if kind is not None:
        raise ConfigError(
            f"{key}: looks like {kind}; a configuration is stored and published with the run: keep secrets in the "
            "environment (HF_TOKEN, WANDB_API_KEY)"
        )


def with_lists(content: Any, section: Any) -> Any:
    """``content`` with a single value as a list where the setting is a list: ``tasks: blimp`` means ``[blimp]``."""
    if get_origin(section) is list:
        entry = get_args(section)[0]
        if isinstance(content, list):
            return [with_lists(value, entry) for value in content]
        single = isinstance(content, (dict, int, float)) or (isinstance(content, str) and "${" not in content)
        return [with_lists(content, entry)] if single else content
    hints = children(section)
    if hints and isinstance(content, dict):
        return {key: with_lists(value, hints.get(key)) for key, value in content.items()}
    return content


def parse_override(word: str, section: type) -> tuple[str, Any]:
    """``optimizer.lr=1e-3`` -> key and value, the value read as YAML; ``tasks=a,b`` -> a list where one belongs."""
    if not isinstance(word, str):
        raise ConfigError(f"{word!r}: a change is a text, key=value, or a keyword argument")
    key, equals, text = word.partition("=")
    if not equals or not key or key.startswith("-"):
        raise ConfigError(f"{word!r}: an override is written key=value, for example optimizer.lr=0.01")
    _check_text(key, text)
    setting = _type_of(section, key)
    try:
        if not yaml_values.is_whole(text):
            raise ConfigError(
                f"{word!r}: YAML reads only the beginning of this value: put it in quotes, {key}=\"'...'\""
            )
        value = _value(text, setting, key)
        if get_origin(setting) is list and isinstance(value, str) and "," in value and "${" not in value:
            value = [_value(part, get_args(setting)[0], key) for part in value.split(",")]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{word!r}: the value is not valid YAML: {_one_line(error)}") from None
    return key, with_lists(value, setting)


def _value(text: str, setting: Any, key: str) -> Any:
    """A value as YAML says it and the setting means it, in plain types; ``${name}`` stays as it is."""
    content = OmegaConf.to_container(OmegaConf.create(yaml_values.settled_value(text, setting, key)))
    assert isinstance(content, dict)
    return content["value"]


def _type_of(section: Any, key: str) -> Any:
    """The type of the setting ``key`` (``phases.0.until`` and ``phases[0].until`` too); None if there is none."""
    for name in re.sub(r"\[(\d+)\]", r".\1", key).split("."):
        if get_origin(section) is list and name.isdigit():
            section = get_args(section)[0]
        elif get_origin(section) is list and (inner := children(get_args(section)[0])):
            hint = f"[0].{name}" if name in inner else "[0].KEY"
            raise ConfigError(f"{key}: is in a list: say which entry, as in {key.partition('.')[0]}{hint}=...")
        else:
            section = children(section).get(name)
    return section


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def explain_error(error: OmegaConfBaseException, section: type = Config) -> str:
    """One line: the key path, what is wrong, and the nearest key."""
    reason = str(error.msg or error).split("\n")[0]
    key = str(error.full_key or error.key or "")
    if "not in" in reason and key not in known_keys(section):
        if key in OTHER_COMMANDS:
            return f"{key}: this is the configuration of {OTHER_COMMANDS[key]}"
        nearest = _nearest(key, error.object_type if is_dataclass(error.object_type) else section, section)
        if not nearest and key in known_keys(Config):
            return f"{key}: unknown key here; it is a setting of a run (python -m babylm.train)"
        return f"{shown(key)}: unknown key" + (f"; did you mean {nearest}?" if nearest else "")
    entry = re.fullmatch(r"([\w.]+)\[\d+\]", key)
    if entry and ("is not a subclass" in reason or "out of range" in reason):
        return f"{key}: there is no such entry; give the whole list: {entry[1]}=[...]"
    section_name, _, setting_name = key.rpartition(".")
    if "not in" in reason and (owners := _owners(section, section_name, setting_name)):
        return f"{key}: the chosen {section_name} has no such setting; {' and '.join(owners)} has it"
    for (setting, value), remedy in VALUES.items():
        if key == setting and f"'{value}'" in reason:
            reason += f": {remedy}"
    return f"{key}: {reason}" if key else reason


def _owners(section: type, name: str, key: str) -> list[str]:
    """The plug-ins of section ``name`` that have a setting ``key``."""
    setting = next((field for field in fields(section) if field.name == name), None)
    if setting is None:
        return []
    settings = plugin_settings(setting, get_type_hints(section)[name])
    return [plugin for plugin, kind in settings.items() if key in children(kind)]


def _nearest(key: str, owner: Any, section: type) -> str | None:
    """The setting that was probably meant: a near name beside it, what others call it, or the name elsewhere."""
    parent, _, last = key.rpartition(".")
    keys = known_keys(section)
    renamed = RENAMED.get(re.sub(r"\[\d+\]", "", key))
    if renamed is not None:
        return renamed
    synonym = KEY_OF.get(last.lower().replace("-", "_"))
    if synonym is not None:
        # `change` knows a section alone, so its keys lack what comes before them.
        in_section = [synonym] if synonym in keys else [name for name in keys if synonym.endswith(f".{name}")]
        if in_section:
            return in_section[0]
    near = difflib.get_close_matches(last, [field.name for field in fields(owner)], n=1, cutoff=0.6)
    if near:
        return f"{parent}.{near[0]}" if parent else near[0]
    elsewhere = [name for name in keys if name.split(".")[-1] == last]  # `lr` for `optimizer.lr`
    if not elsewhere:
        elsewhere = difflib.get_close_matches(last, keys, n=1, cutoff=0.7)
    return elsewhere[0] if elsewhere else None
