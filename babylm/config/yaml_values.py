"""Values of a configuration as their settings mean them, where YAML 1.1 would read something else.

A text setting takes its text as it is written (``name: 010`` is not 8, ``corpus.path=no`` is not false). A number with
a leading zero, a colon or another base than ten, and ``???``, are refused: YAML reads ``010`` as 8 and ``1:30`` as 90,
and OmegaConf takes ``???`` for a value that is left out.
"""

from __future__ import annotations

import io
import re
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from babylm.config.fields import children

TAG = "tag:yaml.org,2002:"
NUMBERS = (f"{TAG}int", f"{TAG}float")
NOT_DECIMAL = re.compile(r"[-+]?0[\d_]|[-+]?0[xXbBoO]|.*:")
"""What the text of a number begins with that YAML does not read as it stands (``16_384`` it does)."""
MOST_NODES = 20_000
"""A file of more values, once its aliases are written out, is no configuration."""


def settled(text: str, section: Any) -> str:
    """A configuration with text in quotes where a setting of ``section`` is a text.

    Raises:
        ValueError: A value that YAML would misread; the message names its key.
        yaml.YAMLError: It is no YAML.
    """
    node = yaml.compose(io.StringIO(text), Loader=yaml.SafeLoader)
    return text if node is None or not _settle(node, section, "") else _written(node)


def settled_value(text: str, kind: Any, key: str) -> str:
    """``value: TEXT`` as in `settled`, for the value of a setting ``key`` of the type ``kind``.

    >>> settled_value("010", str, "name")
    'value: "010"\\n'
    """
    line = f"value: {text}"
    node = yaml.compose(io.StringIO(line), Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return line if not _settle(node.value[0][1], kind, key) else _written(node)


def _written(node: yaml.Node) -> str:
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=10**9))


def _settle(node: yaml.Node, kind: Any, key: str) -> bool:
    """Whether a scalar below was put in quotes."""
    kind = _without_none(kind)
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
        if isinstance(node, yaml.SequenceNode):
            return _settle_entries(node, kind, key)
        return _settle(node, kind, key)
    if isinstance(node, yaml.MappingNode):
        settings = children(kind)
        changed = [
            _settle(value, kind, key)  # keys of an anchor that are merged into these
            if name.value == "<<"
            else _settle(value, settings.get(str(name.value)), f"{key}.{name.value}" if key else str(name.value))
            for name, value in node.value
        ]
        return any(changed)
    if isinstance(node, yaml.SequenceNode):
        if children(kind):
            raise ValueError(f"{key}: must hold keys and values, not a list")
        return _settle_entries(node, None, key)
    return _settle_scalar(node, kind, key)


def _settle_entries(node: yaml.SequenceNode, kind: Any, key: str) -> bool:
    changed = [_settle(entry, kind, f"{key}[{index}]") for index, entry in enumerate(node.value)]
    return any(changed)


def _settle_scalar(node: yaml.Node, kind: Any, key: str) -> bool:
    value = str(node.value)
    if getattr(node, "style", None):  # in quotes
        return False
    if value == "???":
        raise ValueError(f"{key}: ??? marks a missing value; give one")
    if kind is str:
        if node.tag == f"{TAG}null":
            return False
        node.tag, node.style = f"{TAG}str", '"'  # type: ignore[attr-defined]
        return True
    if (
        (kind in (int, float) or (get_origin(kind) is Literal and node.tag in NUMBERS))
        and NOT_DECIMAL.match(value)
        and "${" not in value
    ):
        raise ValueError(f"{key}: {value}: write a number in decimals, without a leading zero or a colon")
    if kind is bool and node.tag in NUMBERS:
        raise ValueError(f"{key}: must be true or false, not {value}")
    return False


def _without_none(kind: Any) -> Any:
    """``str`` of ``str | None``; the type as it is if several others are left."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    others = [each for each in get_args(kind) if each is not type(None)]
    return others[0] if len(others) == 1 else None


def check_size(text: str) -> None:
    """``ValueError`` when aliases of aliases make a huge value of a small file."""
    node = yaml.compose(io.StringIO(text), Loader=yaml.SafeLoader)
    sizes: dict[int, int] = {}

    def size(part: Any) -> int:
        if id(part) not in sizes:
            sizes[id(part)] = MOST_NODES + 1  # an alias of a parent has no end
            values = getattr(part, "value", ())
            inner = values if isinstance(values, list) else []
            flat = [item for entry in inner for item in (entry if isinstance(entry, tuple) else (entry,))]
            sizes[id(part)] = 1 + sum(map(size, flat))
        return sizes[id(part)]

    if node is not None and size(node) > MOST_NODES:
        raise ValueError(f"more than {MOST_NODES:,} values are too many for a configuration")


def is_whole(text: str) -> bool:
    """Whether YAML reads all of a value: from `` #`` on it would be a comment, another line could be another key."""
    line = f"value: {text}".rstrip()
    node = yaml.compose(line, Loader=yaml.SafeLoader)
    return isinstance(node, yaml.MappingNode) and len(node.value) == 1 and node.value[0][1].end_mark.index == len(line)
