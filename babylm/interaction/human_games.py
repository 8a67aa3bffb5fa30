"""Recorded reference games of people, one JSON object per line as in ReSpect's release: chat, clicks, targets.

Per turn, ``chat`` is what the speaker wrote and ``clicks`` the pictures that were selected after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from babylm import files

KEYS = ("game", "targets", "chat", "clicks")


class HumanTurn(NamedTuple):
    """One action of the listener that something followed."""

    game: int
    turn: int
    request: str
    follow_up: str
    right: bool
    """By the targets: something was changed, and everything that was changed is now as it should be."""
    nearer: bool
    """By the clicks: fewer pictures differ from the targets than before."""
    kept: bool
    """Without the targets: nothing of what was newly selected is given back in the next turn."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What the speaker said here that earlier turns of the game do not have."""
        return (self.request, self.follow_up) if self.turn == 0 else (self.follow_up,)


def _check_types(where: str, game: dict[str, Any]) -> None:
    """ValueError unless a game has a name, messages and targets are lists of texts, and clicks a list of such lists."""
    if not isinstance(game["game"], str | int):
        raise ValueError(f"{where}: game must be a name or a number, different in each line")
    for key, expected in (("chat", "a list of texts"), ("targets", "a list of names"), ("clicks", "a list of lists")):
        lists = game[key] if key == "clicks" and isinstance(game[key], list) else [game[key]]
        if not all(isinstance(value, list) and all(isinstance(text, str) for text in value) for value in lists):
            raise ValueError(f"{where}: {key} must be {expected}")


def read_human_games(file: Path) -> list[HumanTurn]:
    """The turns of all games but the last of each, which nothing follows.

    Raises:
        ValueError: The file is damaged or has not the fields; the line is named.
    """
    turns = []
    line_of: dict[str, int] = {}
    for number, game in files.numbered_jsonl(file):
        if missing := [key for key in KEYS if key not in game]:
            raise ValueError(f"{file}: line {number} has no {', '.join(missing)}; a game has {', '.join(KEYS)}")
        _check_types(f"{file}: line {number}", game)
        if len(game["chat"]) != len(game["clicks"]):
            raise ValueError(f"{file}: line {number} has {len(game['chat'])} messages and {len(game['clicks'])} clicks")
        first = line_of.setdefault(str(game["game"]), number)
        if first != number:
            raise ValueError(f"{file}: line {number}: the game {game['game']} was in line {first} already")
        targets, before = set(game["targets"]), set[str]()
        selections = [set(clicks) for clicks in game["clicks"]]
        for turn in range(len(selections) - 1):
            now, after = selections[turn], selections[turn + 1]
            changed = now ^ before
            right = bool(changed) and all((picture in now) == (picture in targets) for picture in changed)
            nearer = len(now ^ targets) < len(before ^ targets)
            kept = bool(changed) and all((picture in after) == (picture in now) for picture in changed)
            chat = game["chat"]
            turns.append(HumanTurn(game["game"], turn, chat[turn], chat[turn + 1], right, nearer, kept))
            before = now
    if not turns:
        raise ValueError(f"{file}: no game has a turn that another one follows")
    return turns
