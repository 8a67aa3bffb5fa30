"""Feedback in recorded games of people: does the decoder read from the next utterance whether an action was right?

The decoder is the one of the ReSpect study, trained on feedback to everyday requests alone. Nothing is learnt here; the
arms are the two kinds of decoder, and a control that calls actions good by chance, as often as the binary one does.
Intervals resample whole games.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import places
from babylm.config.studies import StudyConfig
from babylm.studies import _game_ledger
from babylm.studies._game_ledger import GameLedger
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs
from babylm.tables import Table

if TYPE_CHECKING:
    from babylm.interaction.human_games import HumanTurn

TRUTHS = {"right": "targets", "nearer": "nearer to the targets", "kept": "clicks kept in the next turn"}
RESAMPLES = 10_000


@dataclass
class Settings(StudyConfig):
    """Its settings."""

    games: str = ""
    """File of recorded games: one JSON object per line with game, targets, chat, clicks."""

    def check_before_run(self) -> None:
        """See `StudyConfig`: the games have to be there, and to be read."""
        from babylm.interaction.human_games import read_human_games

        read_human_games(self.file())

    def file(self) -> Path:
        """The file of the games."""
        file = places.given(self.games) if self.games else None
        if file is None or not file.is_file():
            raise ValueError(f"games={self.games}: give the file of recorded games, one JSON object per line")
        return file

    @property
    def inputs(self) -> dict[str, Any]:
        """The games by their contents."""
        return {"games": inputs.contents(self.games or None)}


def conditions(settings: Settings) -> list[Condition]:
    """Both decoders, and the control."""
    return [Condition(kind, {"decoder": kind}, seconds=7.0) for kind in ("binary", "ternary", "chance")]


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Decode each turn: 1, 0 or -1 as ``decoded``, beside the truths; an item is ``game:turn``."""
    from babylm.interaction.feedback_decoder import FeedbackDecoder
    from babylm.interaction.human_games import read_human_games

    turns = read_human_games(settings.file())
    kind = piece.settings["decoder"]
    exchanges = [(turn.request, turn.follow_up) for turn in turns]
    marks = FeedbackDecoder("ternary" if kind == "ternary" else "binary", seed=piece.seed).decode(exchanges)
    if kind == "chance":
        random.Random(piece.seed).shuffle(marks)
    ledger = GameLedger()
    ledger.shown([text for turn in turns for text in turn.texts])
    ledger.counts.rewards = len(marks)
    rows = [row for turn, mark in zip(turns, marks, strict=True) for row in _rows(piece, turn, mark)]
    return rows + ledger.write(piece)


def _rows(piece: Piece, turn: HumanTurn, mark: int) -> list[Measurement]:
    item = f"{turn.game}:{turn.turn}"
    values = {"decoded": mark, **{name: getattr(turn, name) for name in TRUTHS}}
    return [piece.measurement(value, item, name) for name, value in values.items()]


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Precision of each mark against each truth, with intervals over games, and the confusion matrix."""
    rows, matrix = [], []
    for name in measurements.conditions:
        seed = measurements.select(name).seeds[0]
        decoded = measurements.by_item(name, "decoded", seed)
        games = [_game(item) for item in decoded]
        marks = np.array(list(decoded.values()))
        for truth, title in TRUTHS.items():
            right = np.array(list(measurements.by_item(name, truth, seed).values()))
            positive = _share(right, marks > 0, games)
            negative = _share(1 - right, marks < 0, games)
            recalled = _share((marks > 0).astype(float), right > 0, games)
            rows.append([name, title, 100 * right.mean(), *positive, *negative, *recalled])
            if truth == "right":
                counts = [int(((marks == mark) & (right == value)).sum()) for mark in (1, 0, -1) for value in (1, 0)]
                matrix.append([name, *counts])
    titles = [
        "decoder",
        "truth",
        "base rate",
        "precision, good",
        "95 %",
        "precision, bad",
        "95 % ",
        "recall, good",
        " 95 %",
    ]
    formats = ["", "", ".1f", ".1f", "", ".1f", "", ".1f", ""]
    columns = ["decoder", *(f"{mark}, {value}" for mark in ("good", "neutral", "bad") for value in ("right", "wrong"))]
    tables = {
        "precision": Table.of(titles, rows, left=(0, 1), formats=formats, caption="Decoded feedback of people, %"),
        "confusion": Table.of(columns, matrix, caption="Actions decoded (good, neutral, bad) against the targets"),
    }
    count = len(measurements.by_item("binary", "decoded"))
    games_count = len({_game(item) for item in measurements.items if item})
    tables |= _game_ledger.table(measurements)
    first, *others = measurements.seeds
    of_one = f"Decoded by the decoders of seed {first}; those of {len(others)} more are in measurements.csv alone."
    title = f"Feedback in {count:,} follow-up utterances of {games_count} recorded games"
    return Summary(title, tables, remarks=[of_one] if others else [])


def _game(item: str) -> str:
    """The name of an item's game, which may have a colon in it."""
    return item.rpartition(":")[0]


def _share(values: np.ndarray, chosen: np.ndarray, games: Sequence[str]) -> tuple[float, str]:
    """Mean of the chosen values in %, and its 95 % interval from resampled games."""
    from babylm.randomness import resampling_generator

    if not chosen.any():
        return float("nan"), "-"
    _, index = np.unique(games, return_inverse=True)
    sums, counts = np.bincount(index, values * chosen), np.bincount(index, chosen)
    drawn = resampling_generator().multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES)
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return 100 * float(values[chosen].mean()), f"{100 * low:.1f} to {100 * high:.1f}"
