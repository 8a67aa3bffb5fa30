"""Settings under their old names -> under those of now: plain dictionaries, nothing is read or written here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from babylm import registry
from babylm.config.older import RENAMED_OF_MODEL
from babylm.config.schema import ObjectiveConfig
from babylm.config.synonyms import RENAMED

ATTENTION = {"naive": "eager"}
"""Backends of attention, in ``training.attention``, ``environment.json`` and the saved states."""
TASKS = {"grammar": "toy_pairs"}
"""Names of tasks, in ``evaluation.tasks``, metrics and results."""
MODEL_VALUES = {
    "layer_connections": {"plain": "standard", "average": "denseformer"},
    "attention_gate": {"head": "headwise", "element": "elementwise"},
}
"""Key of the model (its name now) -> old value -> value now."""
REVISION_KEYS = {**RENAMED_OF_MODEL, "reading": "prediction_mode"}
"""Keys of a revision's ``config.json`` -> their names now."""
FULL, HALF = 1.0, 0.5
"""Shares of rotated dimensions that ``position: rotary`` and ``position: half_rotary`` meant."""


def model(old: Mapping[str, Any], keys: Mapping[str, str] = RENAMED_OF_MODEL) -> dict[str, Any]:
    """The model's settings under their names of now, in the same order; what is new already stays as it is.

    >>> model({"position": "half_rotary", "depth": "plain"})
    {'position': 'rotary', 'partial_rotary_factor': 0.5, 'layer_connections': 'standard'}
    """
    new: dict[str, Any] = {}
    for key, value in old.items():
        name = keys.get(key, key)
        new[name] = MODEL_VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value
        if name == "position" and "partial_rotary_factor" not in old:
            new["partial_rotary_factor"] = FULL if value == "rotary" else HALF
            new["position"] = "rotary" if value == "half_rotary" else value
    return new


def run(old: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a run's configuration under their names of now; what is new already stays as it is.

    An objective keeps the settings that it has: the others had no effect.

    >>> run({"corpus": {"source": "toy", "words": 9}, "phases": [{"tokens": 64}]})
    {'corpus': {'source': 'toy', 'toy': {'words': 9}}, 'phases': [{'tokens_per_step': 64}]}
    """
    new = copy.deepcopy(dict(old))
    for key, renamed in RENAMED.items():
        section, name = key.split(".")
        content = new.get(section)
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and name in part:
                _put(part, renamed.split(".")[1:], part.pop(name))
    if isinstance(new.get("model"), dict):
        new["model"] = model(new["model"])
    training, evaluation = new.get("training"), new.get("evaluation")
    if isinstance(training, dict) and "attention" in training:
        training["attention"] = ATTENTION.get(training["attention"], training["attention"])
    if isinstance(evaluation, dict) and "tasks" in evaluation:
        evaluation["tasks"] = [TASKS.get(task, task) for task in evaluation["tasks"]]
    if isinstance(new.get("objective"), dict):
        new["objective"] = _of_objective(new["objective"])
    return new


def sections(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Flat keys as sections.

    >>> sections({"seed": 1, "model.norm": "rms"})
    {'seed': 1, 'model': {'norm': 'rms'}}
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        _put(nested, key.split("."), value)
    return nested


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two configurations; ``above`` wins where both have a value."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def _put(content: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        content = content.setdefault(name, {})
    content[path[-1]] = value


def _of_objective(objective: dict[str, Any]) -> dict[str, Any]:
    """The settings of an objective without those that only others have; all of them for an unknown one."""
    name = objective.get("name", ObjectiveConfig.name)
    names = registry.names("objectives")
    if name not in names:
        return objective
    all_settings = {
        setting.name for other in names for setting in fields(registry.settings("objectives", other, ObjectiveConfig))
    }
    has = {setting.name for setting in fields(registry.settings("objectives", name, ObjectiveConfig))}
    return {key: value for key, value in objective.items() if key in has or key not in all_settings}
