"""JSON read strictly: no key twice, no number of more digits than any count has, no half characters."""

from __future__ import annotations

import json
import re
from typing import Any

HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
MOST_DIGITS = 30
"""Of a whole number: one of more is no count of anything, and no float."""


class NotJson(ValueError):
    """A text that is not read as JSON; the message says why."""


class _TwoValues(ValueError):
    """A key that one object has twice."""


def parse(text: str, line: int | None = None) -> Any:
    """The value of a JSON text; `NotJson` otherwise, with the place. ``line``: the one of a file that the text is."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except _TwoValues as error:
        what = f"{f'line {line}: ' if line else ''}{error}"
    except json.JSONDecodeError as error:
        where = f"line {line or error.lineno}, column {error.colno}"
        what = "empty" if not text.strip() else f"not valid JSON ({where}: {error.msg})"
    except RecursionError:
        what = "nested too deeply to be read"
    except ValueError as error:
        what = f"not valid JSON ({error})"
    raise NotJson(what)


def has_half_characters(text: str, value: Any) -> bool:
    """Whether ``value``, read from ``text``, holds a surrogate alone, which no UTF-8 file can.

    >>> has_half_characters(r'"\\ud83d\\ude00"', "\\U0001f600"), has_half_characters(r'"\\ud83d"', "\\ud83d")
    (False, True)
    """
    if not HALF_A_CHARACTER.search(text):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key with two values is an error (the library would silently take the last)."""
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwoValues(f"the key {next(key for key in value if keys.count(key) > 1)} has two values")
    return value


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)
