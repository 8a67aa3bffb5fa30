"""The pictures of the game studies: drawn objects, or a folder of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from babylm import places
from babylm.config.fields import number
from babylm.config.studies import StudyConfig

if TYPE_CHECKING:
    from babylm.interaction.environments import ItemSet
    from babylm.interaction.picture_folder import PictureFolder


@dataclass
class GameSettings(StudyConfig):
    """Settings that the studies of reference games share."""

    pictures: bool = True
    """Objects are seen as pictures, else given as words."""
    picture_folder: str = ""
    """Folder of pictures (.png, .jpg) in place of the drawn objects; at least ten that their words tell apart."""
    picture_table: str = ""
    """JSONL, CSV or TSV with a column ``picture`` and attributes or captions; empty: the words of the file names."""
    picture_size: int = number(24, "[8, 1024]")
    """Pixels per side to which pictures of the folder are brought, a multiple of 8."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """The pictures decide through an arm's condition, which holds the hash of what was read."""
        return (*super().not_deciding, "picture_folder", "picture_table", "picture_size")

    def check(self) -> None:
        """Raise ValueError for settings that do not go together; `condition` reads the pictures themselves."""
        if self.picture_table and not self.picture_folder:
            raise ValueError("picture_table: describes the pictures of picture_folder, which is not given")
        if self.picture_folder and not self.pictures:
            raise ValueError("picture_folder: the student reads words alone with pictures=false")


def condition(settings: GameSettings) -> dict[str, Any]:
    """What an arm's condition says of the pictures; empty for the drawn ones. ValueError if they cannot be read."""
    return {"pictures": _folder(settings).fingerprint} if settings.picture_folder else {}


def items(settings: GameSettings) -> ItemSet:
    """The items of the games."""
    if settings.picture_folder:
        return _folder(settings)
    from babylm.interaction.environments import _objects

    return cast("ItemSet", _objects)


def _folder(settings: GameSettings) -> PictureFolder:
    table = places.given(settings.picture_table) if settings.picture_table else None
    return _read(places.given(settings.picture_folder), table, settings.picture_size)


@lru_cache(maxsize=2)
def _read(folder: Path, table: Path | None, size: int) -> PictureFolder:
    from babylm.interaction import picture_folder

    return picture_folder.read(folder, table, size)
