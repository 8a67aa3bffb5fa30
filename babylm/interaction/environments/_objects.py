"""Objects of reference games: shape x colour x size x pattern, drawn as small pictures and named in words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from babylm.interaction.environments._types import Observation

SIDE = 24
"""Pixels per side of a picture."""

NAMES: dict[str, dict[str, tuple[str, str, str]]] = {
    "size": {"big": ("big", "large", "huge"), "small": ("small", "little", "tiny")},
    "pattern": {
        "plain": ("plain", "solid", "filled"),
        "striped": ("striped", "lined", "stripy"),
        "dotted": ("dotted", "spotted", "speckled"),
    },
    "colour": {
        "red": ("red", "crimson", "ruby"),
        "green": ("green", "emerald", "leafy"),
        "blue": ("blue", "azure", "navy"),
        "yellow": ("yellow", "golden", "amber"),
    },
    "shape": {
        "circle": ("circle", "ball", "disc"),
        "square": ("square", "box", "block"),
        "triangle": ("triangle", "wedge", "pyramid"),
        "cross": ("cross", "plus", "cog"),
    },
}
"""Attribute, in the order of the words -> value -> its names; the first is the canonical one."""

ATTRIBUTES = tuple(NAMES)
KINDS = tuple(itertools.product(*(NAMES[attribute] for attribute in ATTRIBUTES)))
"""All objects, each as its values in the order of `ATTRIBUTES`; an object is given by its number in this list."""
WORDS = tuple(name for values in NAMES.values() for names in values.values() for name in names)
"""Every word that names an object."""
LABELS = tuple("ABCDEFGHIJ")
"""Names of the items of a game."""
PICTURE = "<image>"
"""The word in whose place a picture is put."""
ITEM_WORDS = ("listener", "speaker", "selected", PICTURE, *LABELS)
"""Words of an observation that are neither the speaker's nor the student's."""

_COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.7, 0.2),
    "blue": (0.1, 0.2, 0.9),
    "yellow": (0.9, 0.8, 0.1),
}
Plane = NDArray[np.float64]
_SHAPES: dict[str, Callable[[Plane, Plane, float], NDArray[np.bool_]]] = {
    "circle": lambda x, y, r: np.hypot(x, y) <= r,
    "square": lambda x, y, r: np.maximum(abs(x), abs(y)) <= 0.85 * r,
    "triangle": lambda x, y, r: (y <= 0.8 * r) & (abs(x) <= (y + r) / 1.8),
    "cross": lambda x, y, r: (np.maximum(abs(x), abs(y)) <= r) & (np.minimum(abs(x), abs(y)) <= 0.3 * r),
}


@cache
def pictures() -> NDArray[np.float32]:
    """Drawings of all objects, (96, 3, SIDE, SIDE), from -1 to 1.

    >>> pictures().shape, len(np.unique(pictures().reshape(len(KINDS), -1), axis=0))
    ((96, 3, 24, 24), 96)
    """
    return np.stack([draw(*kind) for kind in KINDS])


def draw(size: str, pattern: str, colour: str, shape: str) -> NDArray[np.float32]:
    """One object on white, (3, SIDE, SIDE), from -1 to 1; the pattern is white on the colour."""
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    inside = _SHAPES[shape](x, y, 0.95 if size == "big" else 0.55)
    column, row = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    if pattern == "striped":
        inside &= row % 4 < 2
    elif pattern == "dotted":
        inside &= ~((row % 4 < 2) & (column % 4 < 2))
    picture = np.where(inside, np.array(_COLOURS[colour])[:, None, None], 1.0)
    return (2 * picture - 1).astype(np.float32)


def show_items(items: Sequence[int], as_pictures: bool) -> Observation:
    """Each item as one picture or as the words of its attributes; the item's place is its last word.

    >>> show_items([0, 95], as_pictures=True).words
    ['<image>', '<image>']
    >>> show_items([0], as_pictures=False)[:2]
    (['big', 'plain', 'red', 'circle'], [3])
    """
    words: list[str] = []
    positions = []
    for kind in items:
        words += [PICTURE] if as_pictures else full_description(kind)
        positions.append(len(words) - 1)
    return Observation(words, positions, list(LABELS[: len(items)]), list(items) if as_pictures else [])


def draw_context(generator: random.Random, count: int, hard: bool) -> list[int]:
    """``count`` different objects; ``hard``: with two shapes and two colours alone, so that most share attributes."""
    candidates = list(range(len(KINDS)))
    if hard:
        shapes = generator.sample(list(NAMES["shape"]), 2)
        colours = generator.sample(list(NAMES["colour"]), 2)
        candidates = [kind for kind in candidates if KINDS[kind][3] in shapes and KINDS[kind][2] in colours]
    return generator.sample(candidates, count)


def distinguishing(kind: int, others: Sequence[int], generator: random.Random) -> list[int]:
    """Indices of attributes that together fit ``kind`` and none of ``others``, chosen greedily; ties at random.

    The shape is always named.

    >>> circle, square = (KINDS.index(("big", "plain", "red", shape)) for shape in ("circle", "square"))
    >>> distinguishing(circle, [square], random.Random(1))
    [3]
    """
    chosen, left = [3], [other for other in others if KINDS[other][3] == KINDS[kind][3]]
    while left:
        counts = {
            attribute: sum(KINDS[other][attribute] != KINDS[kind][attribute] for other in left)
            for attribute in range(3)
            if attribute not in chosen
        }
        best = max(counts, key=lambda attribute: (counts[attribute], generator.random()))
        chosen.append(best)
        left = [other for other in left if KINDS[other][best] == KINDS[kind][best]]
    return sorted(chosen)


def describe(
    kind: int, others: Sequence[int], generator: random.Random, synonyms: bool = True, omit: float = 0.0
) -> list[str]:
    """Words that tell ``kind`` from ``others``, in the order size, pattern, colour, shape.

    ``synonyms``: each word is one of its three names at random, else the canonical one; ``omit``: probability that one
    of the attributes is left out, so that the words may fit another object too.
    """
    attributes = distinguishing(kind, others, generator)
    if len(attributes) > 1 and generator.random() < omit:
        attributes.remove(generator.choice(attributes[:-1]))
    names = [NAMES[ATTRIBUTES[attribute]][KINDS[kind][attribute]] for attribute in attributes]
    return [generator.choice(name) if synonyms else name[0] for name in names]


def full_description(kind: int) -> list[str]:
    """All attributes of an object in canonical words.

    >>> full_description(0)
    ['big', 'plain', 'red', 'circle']
    """
    return [names[value][0] for names, value in zip(NAMES.values(), KINDS[kind], strict=True)]


def caption(kind: int, others: Sequence[int], generator: random.Random, extra: float) -> list[str]:
    """Canonical words of an object: those that tell it from ``others``, others with the probability ``extra``."""
    needed = distinguishing(kind, others, generator)
    shown = [attribute in needed or generator.random() < extra for attribute in range(len(ATTRIBUTES))]
    return [word for word, is_shown in zip(full_description(kind), shown, strict=True) if is_shown]


def fits(word: str, kind: int) -> bool:
    """Whether a word names an attribute of an object.

    >>> fits("crimson", 0), fits("blue", 0)
    (True, False)
    """
    return any(word in names[value] for names, value in zip(NAMES.values(), KINDS[kind], strict=True))
