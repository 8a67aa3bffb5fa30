"""A folder of pictures as the items of reference games, in place of the drawn objects.

What the pictures show is said by a table (JSONL, CSV or TSV) with a column ``picture``, the file's name in the folder:
all other columns are attributes or captions, whose words describe the picture. Without a table the words of the file
names do, as in ``red_ball-3.png``. The pictures are read in the order of their names, laid on white, padded to squares
and made as large as the encoder takes them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babylm import files
from babylm.console import Log
from babylm.evaluation.data import delimited
from babylm.interaction.environments._objects import LABELS, PICTURE
from babylm.interaction.environments._types import Observation
from babylm.models.images import PATCH

ENDINGS = (".png", ".jpg", ".jpeg")
LARGEST = 10_000
"""Pixels per side of a picture that is read: larger ones are refused before they fill the memory."""
COLUMN = "picture"
ADVICE = (
    "describe what each shows by different words, in the file names (red_ball-3.png) or a table (picture_table=FILE)"
)
MOST_UNCLEAR = 0.5
"""Share of the games in which a request may mean several pictures."""
MOST_WORDS = 12
"""Words of a description, at most."""


@dataclass(frozen=True, eq=False)
class PictureFolder:
    """Pictures with their words; an item is given by its number in the order of file names."""

    names: tuple[str, ...]
    descriptions: tuple[tuple[str, ...], ...]
    """Per picture its different words, at most `MOST_WORDS`."""
    stacked: NDArray[np.float32]
    """(n, 3, size, size), from -1 to 1."""

    @cached_property
    def WORDS(self) -> tuple[str, ...]:
        """Every word of a description."""
        return tuple(dict.fromkeys(word for words in self.descriptions for word in words))

    @property
    def fingerprint(self) -> str:
        """Hash of pictures and words, which decide what a study measures."""
        content = self.names, self.descriptions, hashlib.sha256(self.stacked.tobytes()).hexdigest()
        return files.sha256_json(content)[:16]

    def pictures(self) -> NDArray[np.float32]:
        """All pictures, (n, 3, size, size), from -1 to 1."""
        return self.stacked

    def show_items(self, items: Sequence[int], as_pictures: bool) -> Observation:
        """Each item as one picture or as its words; see `babylm.interaction.environments._objects.show_items`."""
        words: list[str] = []
        positions = []
        for item in items:
            words += [PICTURE] if as_pictures else self.descriptions[item]
            positions.append(len(words) - 1)
        return Observation(words, positions, list(LABELS[: len(items)]), list(items) if as_pictures else [])

    def draw_context(self, generator: random.Random, count: int, hard: bool) -> list[int]:
        """``count`` different pictures; ``hard``: those that share most words with one of them."""
        everything = generator.sample(range(len(self.names)), len(self.names))
        if hard:
            first = set(self.descriptions[everything[0]])
            everything[1:] = sorted(everything[1:], key=lambda item: -len(first.intersection(self.descriptions[item])))
            return generator.sample(everything[:count], count)
        return everything[:count]

    def describe(
        self, kind: int, others: Sequence[int], generator: random.Random, synonyms: bool = True, omit: float = 0.0
    ) -> list[str]:
        """Words that tell a picture from ``others`` as far as its words can, in their order; one left out by ``omit``.

        There are no synonyms; the argument is that of the drawn objects.
        """
        words, chosen = self.descriptions[kind], set[str]()
        left = [set(self.descriptions[other]) for other in others]
        while left:
            counts = {word: sum(word not in other for other in left) for word in words if word not in chosen}
            best = max(counts, key=lambda word: (counts[word], generator.random()), default=None)
            if best is None or counts[best] == 0:
                break
            chosen.add(best)
            left = [other for other in left if best in other]
        chosen = chosen or {words[0]}
        if len(chosen) > 1 and generator.random() < omit:
            chosen.remove(generator.choice(sorted(chosen)))
        return [word for word in words if word in chosen]

    def full_description(self, kind: int) -> list[str]:
        """All words of a picture."""
        return list(self.descriptions[kind])

    def caption(self, kind: int, others: Sequence[int], generator: random.Random, extra: float) -> list[str]:
        """Words that tell a picture from ``others``, and others with the probability ``extra``."""
        needed = self.describe(kind, others, generator)
        return [word for word in self.descriptions[kind] if word in needed or generator.random() < extra]

    def fits(self, word: str, kind: int) -> bool:
        """Whether a word is one of a picture's."""
        return word in self.descriptions[kind]


def read(folder: Path, table: Path | None, size: int, least: int = len(LABELS)) -> PictureFolder:
    """The pictures of ``folder``, ``size`` pixels per side.

    Raises:
        ValueError: Fewer than ``least`` pictures, one that cannot be read or has no words, or a table that does not
            fit; the first such file is named. Or words that tell too few of them apart.
    """
    if size < PATCH or size % PATCH:
        raise ValueError(f"picture_size={size}: must be a multiple of {PATCH}, the side of the encoder's patches")
    if not folder.is_dir():
        raise ValueError(f"picture_folder={folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.name[0] != ".")
    if len(paths) < least:
        raise ValueError(
            f"picture_folder={folder}: {len(paths)} pictures ({', '.join(ENDINGS)}); a game needs at least {least}"
        )
    words = [_words(path.stem) for path in paths] if table is None else _described(table, [path.name for path in paths])
    for path, said in zip(paths, words, strict=True):
        if not said:
            where = f"in {table}" if table else "in its name; give a table (picture_table=FILE)"
            raise ValueError(f"picture_folder: {path.name} has no words {where}")
    _check_told_apart(folder, [path.name for path in paths], words, least)
    stacked = np.stack([_picture(path, size) for path in paths])
    return PictureFolder(tuple(path.name for path in paths), tuple(words), stacked)


def confusable(descriptions: Sequence[Sequence[str]]) -> list[int]:
    """How many other pictures each picture's words are true of, too.

    >>> confusable([("red", "ball"), ("ball",), ("red", "dog"), ("red", "dog")])
    [0, 1, 1, 1]
    """
    pictures_of: dict[str, set[int]] = {}
    for number, words in enumerate(descriptions):
        for word in words:
            pictures_of.setdefault(word, set()).add(number)
    counts = {
        words: len(set.intersection(*sorted((pictures_of[word] for word in words), key=len))) - 1
        for words in set(map(tuple, descriptions))
    }
    return [counts[tuple(words)] for words in descriptions]


def _check_told_apart(folder: Path, names: Sequence[str], words: Sequence[tuple[str, ...]], least: int) -> None:
    """Raise ValueError if most requests would mean several pictures; warn if some would."""
    others = confusable(words)
    if not any(others):
        return
    unclear, count = [number for number, other in enumerate(others) if other], len(names)
    # Of a game of ten: that one of the nine others is a picture that the words are true of, too.
    share = sum(1 - (1 - other / (count - 1)) ** (least - 1) for other in others) / count
    first = max(unclear, key=lambda number: others[number])
    example = f"{names[first]} ({' '.join(words[first])!r})"
    problem = (
        f"picture_folder={folder}: the words of {len(unclear):,} of {count:,} pictures are true of others, too; those "
        f"of {example} of {others[first]:,}, so that in about {share:.0%} of games of {least} a request means several "
        "pictures"
    )
    if len(set(words)) < least or share > MOST_UNCLEAR:
        raise ValueError(f"{problem}; {ADVICE}")
    Log().warn(f"{problem}; {ADVICE}")


def _described(table: Path, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The words of each picture, of all its rows and columns; pictures that are not there may have rows, too."""
    if not table.is_file():
        raise ValueError(f"picture_table={table}: there is no such file")
    said: dict[str, list[str]] = {name: [] for name in names}
    for line, row in delimited.lines(table):
        if not isinstance(row.get(COLUMN), str):
            raise ValueError(f"picture_table={table}: line {line} has no {COLUMN} (the name of a picture's file)")
        name, where = row[COLUMN], f"picture_table={table}: line {line}"
        for key, value in row.items():
            if key != COLUMN:
                said.get(name, []).extend(_flat(value, f"{where}: {key}"))
    if missing := [name for name in names if not said[name]]:
        raise ValueError(f"picture_table={table}: nothing about {missing[0]} ({len(missing)} pictures have no row)")
    return [_words(" ".join(said[name])) for name in names]


def _flat(value: Any, where: str) -> list[str]:
    """Every text in a value of JSON, or in a cell; numbers are no words, and neither is what says that there is none.

    Raises:
        ValueError: A value is true or false, which says nothing without its column's name.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for part in value for text in _flat(part, where)]
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false")):
        raise ValueError(f"{where} holds {str(value).strip()}; write a word that describes the picture, or nothing")
    return [value] if isinstance(value, str) and value.strip() not in delimited.MISSING else []


def _words(text: str) -> tuple[str, ...]:
    """The different words of a text, the most frequent ones first in their order; figures are left out.

    >>> _words("Red_ball-3 red")
    ('red', 'ball')
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = Counter(words)  # in the order of first occurrence
    kept = {word for word, _ in counts.most_common(MOST_WORDS)}
    return tuple(word for word in counts if word in kept)


def _picture(path: Path, size: int) -> NDArray[np.float32]:
    """(3, size, size), from -1 to 1: turned as its EXIF data say, on white, padded to a square."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError("pictures are read by Pillow: pip install 'babylm[report]'") from None
    if path.is_fifo():
        raise ValueError(f"picture_folder: {path} is no picture that can be read (a pipe, not a file)")
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as file:
            if max(file.size) > LARGEST:
                raise ValueError(f"{file.size[0]} x {file.size[1]} pixels, more than {LARGEST} per side")
            turned = ImageOps.exif_transpose(file)
            if turned.mode.startswith("I"):  # 16 bits of grey: Pillow would clip, not scale them
                turned = Image.fromarray((np.asarray(turned, dtype=np.float64) / 257).astype(np.uint8))
            picture = turned.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"picture_folder: {path} is no picture that can be read ({error})") from None
    square = Image.new("RGBA", (max(picture.size),) * 2, "white")
    square.alpha_composite(picture, tuple((square.width - side) // 2 for side in picture.size))  # type: ignore[arg-type]
    pixels = np.asarray(square.convert("RGB").resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    return (pixels / 127.5 - 1).transpose(2, 0, 1)
