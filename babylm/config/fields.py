"""How a field of a settings class says which numbers it takes and which plug-ins a section belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, field, fields, is_dataclass
from typing import Any, get_type_hints

from babylm import registry


def number(default: Any, interval: str) -> Any:
    """A setting of a number, or of a list of numbers, in ``interval``.

    ``interval`` is written as in mathematics: a round bracket leaves the limit out. An upper limit is well above what
    anyone has a use for: it refuses a slip of the keyboard before it becomes an error of memory or an endless loop.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Example:
    ...     lr: float = number(0.02, "(0, 100]")
    >>> Example().lr
    0.02
    """
    metadata = {"interval": interval}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def plugin_section(folder: str, base: type) -> Any:
    """A section with the settings of the plug-in of ``folder`` that its ``name`` says; ``base`` has those of all."""
    default = base().name
    return field(default_factory=lambda: registry.settings(folder, default, base)(), metadata={"plugins": folder})


def plugin_settings(setting: Field[Any], base: type) -> dict[str, type]:
    """Plug-in -> its settings class, for a field made by `plugin_section`; empty for every other field."""
    folder = setting.metadata.get("plugins")
    if folder is None:
        return {}
    return {name: registry.settings(folder, name, base) for name in registry.names(folder)}


def children(kind: Any) -> dict[str, Any]:
    """Name -> type of the settings in a section.

    ``kind`` is a settings class or, for a section of plug-ins, the tuple of all their classes. A section of plug-ins
    among the settings has such a tuple as its type; everything else its annotation.
    """
    if isinstance(kind, tuple):
        return {name: hint for settings in kind for name, hint in children(settings).items()}
    if not is_dataclass(kind):
        return {}
    hints = get_type_hints(kind)
    for setting in fields(kind):
        if "plugins" in setting.metadata:
            hints[setting.name] = tuple(dict.fromkeys(plugin_settings(setting, hints[setting.name]).values()))
    return hints


def check_numbers(section: Any, prefix: str = "") -> None:
    """Raise ValueError for the first number of ``section`` outside its interval; ``prefix`` is put before its key."""
    for key, value, interval in numbers(section):
        low, high = interval[1:-1].split(", ")
        if value != value:
            problem = "must be a number"
        elif value < float(low) or (value == float(low) and interval[0] == "("):
            problem = f"must be {'at least' if interval[0] == '[' else 'more than'} {low}"
        elif value > float(high) or (value == float(high) and interval[-1] == ")"):
            problem = f"must be {'at most' if interval[-1] == ']' else 'less than'} {high}"
        else:
            continue
        raise ValueError(f"{prefix}{key}: {problem}, not {value}")


def numbers(section: Any, prefix: str = "") -> Iterator[tuple[str, float, str]]:
    """(key, value, interval) of every number of a section and of the sections in it; the key as ``phases[0].until``."""
    for setting in fields(section):
        yield from _numbers(setting, getattr(section, setting.name), f"{prefix}{setting.name}")


def _numbers(setting: Field[Any], value: Any, key: str) -> Iterator[tuple[str, float, str]]:
    if is_dataclass(value):
        yield from numbers(value, f"{key}.")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _numbers(setting, entry, f"{key}[{index}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and "interval" in setting.metadata:
        yield key, value, setting.metadata["interval"]
