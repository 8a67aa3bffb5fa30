"""The settings as ``--help`` shows them: key, default and first sentence of the description, read from the schema."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from babylm.config.fields import plugin_settings

WIDTH = 118
COLUMN = 38


def describe(section: type, prefix: str = "") -> str:
    """Every setting of a section and of its sections, each in one or a few lines.

    >>> from babylm.config.schema import AveragingConfig
    >>> print(describe(AveragingConfig, "averaging."))  # doctest: +ELLIPSIS
      averaging.name=none                   One of: none, ema, tail. Exponential moving average, ...
      averaging.decay=0.999                 ``ema``: decay per step.
      ...
    """
    lines = []
    for key, default, meaning in settings(section, prefix):
        head = f"  {key}={default}"
        body = textwrap.wrap(meaning, WIDTH - COLUMN - 2) or [""]
        if len(head) > COLUMN:
            lines.append(head)
            head = ""
        lines.append(f"{head:<{COLUMN + 2}}{body[0]}".rstrip())
        lines += [" " * (COLUMN + 2) + line for line in body[1:]]
    return "\n".join(lines)


def settings(section: type, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, default as it is written, meaning) of every setting; of a list of sections ``phases[].until``."""
    hints, meanings = get_type_hints(section), _docstrings(section)
    for field in fields(section):
        hint, key = hints[field.name], prefix + field.name
        if "plugins" in field.metadata:
            yield from _of_plugins(plugin_settings(field, hint), f"{key}.")
            continue
        factory = field.default_factory
        if isinstance(hint, type) and is_dataclass(hint):
            yield from settings(hint, f"{key}.")
        elif get_origin(hint) is list and is_dataclass(get_args(hint)[0]):
            yield from settings(get_args(hint)[0], f"{key}[].")
        else:
            default = field.default if factory is MISSING else factory()
            choices = _choices(hint)
            meaning = " ".join(filter(None, [choices, meanings.get(field.name, "")]))
            yield key, _written(default), meaning


def _of_plugins(plugins: dict[str, type], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Every setting of a section of plug-ins; what not all of them have begins with the names of those that do."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    for name, kind in plugins.items():
        for setting in settings(kind, prefix):
            owners.setdefault(setting, []).append(name)
    for (key, default, meaning), names in owners.items():
        of_all = len(names) == len(plugins)
        yield key, default, meaning if of_all else f"{', '.join(f'``{name}``' for name in names)}: {meaning}"


def _choices(hint: Any) -> str:
    if get_origin(hint) is not Literal:
        return ""
    return f"One of: {', '.join(_written(value) for value in get_args(hint))}."


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value) if value != "" else "''"


def _docstrings(section: type) -> dict[str, str]:
    """Attribute -> the text below it, its first paragraph in one line; those of base classes too."""
    texts = {}
    for kind in reversed(section.__mro__):
        if is_dataclass(kind):
            texts.update(_docstrings_of(kind))
    return texts


def _docstrings_of(section: type) -> dict[str, str]:
    body: ast.stmt | None = _classes(section.__module__).get(section.__qualname__)
    if body is None:  # a class inside a function
        body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for attribute, text in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name) and is_text:
            assert isinstance(text, ast.Expr)
            assert isinstance(text.value, ast.Constant)
            texts[attribute.target.id] = " ".join(str(text.value.value).split())
    return texts


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes at the top of a module; `inspect.getsource` would parse the module again for each of them."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
