"""What functions of plug-ins return, checked where it comes in: one line names file, function, and what was expected.

>>> def score():
...     '''A function of a user's file.'''
>>> numbers([0.5, 1], score, 2)
[0.5, 1.0]
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from babylm import registry

LARGEST = 1e9
"""Of a number that is learnt from: the square of a larger one may be infinite in single precision."""


def wrong(function: Callable[..., Any], expected: str, found: str) -> ValueError:
    """The error for a function that does not return what it must."""
    return ValueError(f"{place(function)} must return {expected}; found {found}")


def place(function: Callable[..., Any]) -> str:
    """File and name of a function: ``mine.py: score()``."""
    plain = inspect.unwrap(function)
    code = getattr(getattr(plain, "__func__", plain), "__code__", None)
    file = f"{Path(code.co_filename).name}: " if code is not None else ""
    return f"{file}{getattr(plain, '__name__', type(plain).__name__)}()"


def place_of(thing: object) -> str:
    """File and class of an object: ``mine.py: Mine``."""
    return f"{type(thing).__module__.rpartition('.')[2]}.py: {type(thing).__name__}"


def shown(value: Any) -> str:
    """A value in a few words.

    >>> shown(None), shown("x"), shown([1.0])
    ('None', "'x' (str)", '[1.0] (list)')
    """
    text = ascii(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if value is None else f"{text} ({type(value).__name__})"


def as_list(given: Any, function: Callable[..., Any], expected: str, count: int | None = None) -> list[Any]:
    """What was returned, as a list of ``count`` values; a text, a set or a mapping is none."""
    if hasattr(given, "tolist"):  # an array or a tensor
        given = given.tolist()
    if isinstance(given, str | bytes | set | frozenset | Mapping) or not isinstance(given, Iterable):
        raise wrong(function, expected, shown(given))
    values = list(given)
    if count is not None and len(values) != count:
        raise wrong(function, expected, f"{len(values)} value{'s' * (len(values) != 1)}")
    return values


def numbers(
    given: Any,
    function: Callable[..., Any],
    count: int,
    lowest: float = -LARGEST,
    largest: float = LARGEST,
    of: str = "completion",
) -> list[float]:
    """``count`` finite numbers between the two; true and false and texts are no numbers."""
    kind = "finite number (1e9 at most)" if largest == LARGEST else f"number from {lowest:g} to {largest:g}"
    expected = f"a list of one {kind} for each {of}, {count} in all"
    values = as_list(given, function, expected, count)
    for position, value in enumerate(values, 1):
        number = as_number(value)
        if number is None or not lowest <= number <= largest:
            raise wrong(function, expected, f"{shown(value)} as number {position}")
    return [float(value) for value in values]


def as_number(value: Any) -> float | None:
    """A real number as float, NaN and infinity, too; None for everything else.

    >>> as_number(2), as_number(True), as_number("1"), as_number(1j)
    (2.0, None, None, None)
    """
    if hasattr(value, "item") and hasattr(value, "dtype"):  # of numpy or torch
        try:
            value = value.item()
        except (ValueError, RuntimeError):  # it holds several
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def texts(
    given: Any, function: Callable[..., Any], count: int, or_none: bool = False, of: str = "completion"
) -> list[Any]:
    """``count`` texts that a file can hold; ``or_none``: or None."""
    expected = f"a list of one text{' or None' if or_none else ''} for each {of}, {count} in all"
    values = as_list(given, function, expected, count)
    for position, value in enumerate(values, 1):
        if not (is_text(value) or (or_none and value is None)):
            raise wrong(function, expected, f"{shown(value)} as number {position}")
    return values


def is_text(value: Any) -> bool:
    r"""Whether a value is a text that UTF-8 can hold: half a character (``"\ud800"``) is none."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def built(folder: str, name: str, kind: type, *given: Any) -> Any:
    """What ``build`` of a plug-in returns for ``given``; ValueError if the file has none, or it is not of ``kind``."""
    module = registry.load(folder, name)
    build = getattr(module, "build", None)
    if not callable(build):
        file = Path(module.__file__ or name).name
        raise ValueError(f"{file}: has no function build, which makes the {kind.__name__}")
    made = build(*given)
    if not isinstance(made, kind):
        base = f"{folder.replace('/', '.')}.{kind.__name__}"
        raise wrong(build, f"an object of a class over babylm.{base}", shown(made))
    return made
