"""The ledger of a game study: the words, rewards and FLOPs of one arm and seed, in the terms of an interaction's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from babylm import files
from babylm.studies.experiment import Measurement, Measurements, Piece
from babylm.tables import Table

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.interaction.games import Player

PREFIX = "ledger "
SHOWN = {
    "corpus": "base, once",
    "base_read": "base, read",
    "teacher_shown": "partner's",
    "episodes_read": "learnt from",
    "generated": "said",
    "read": "exposure",
    "unique": "in all, once",
    "rewards": "rewards",
    "generation_flops": "FLOPs of acting",
    "learning_flops": "FLOPs of learning",
}
"""Key of ``ledger.json`` -> title in the table."""
REMARK = (
    "The ledger counts words. Once: each turn counts once per retraining, so these are not distinct words; partner's: "
    "with those of the seed games; learnt from: each pass; exposure: all that was read and said."
)


class GameLedger:
    """Counts what an arm's student reads, says and receives; the words of the games that taught its base come first.

    Names of items (``A``) and of actions count as words, pictures do not. What is learnt from counts with each pass;
    passes that are not whole are counted in the mean.
    """

    def __init__(self, base: Player | None = None) -> None:
        from babylm.interaction.ledger import Ledger

        self.base = base
        self.counts = Ledger()
        if base is not None:
            self.counts.corpus, self.counts.base_read = base.words_unique, base.words_read

    def shown(self, texts: Sequence[str]) -> None:
        """Words of a partner that are new to the student."""
        from babylm.corpora.word_count import count as count_words

        self.counts.teacher_shown += sum(map(count_words, texts))

    def played(self, turns: Sequence[Turn], rewards: int, sequences: int = 1) -> None:
        """The student's own turns and the rewards that it got for them.

        ``sequences``: how many the model computes per turn (samples, and scores of joint inference).
        """
        from babylm.corpora.word_count import count as count_words

        assert self.base is not None
        self.counts.generated += (words := sum(count_words(turn.text) for turn in turns))
        self.counts.teacher_input += words
        self.counts.rewards += rewards
        self.counts.generation_flops += sequences * sum(self.base.training_flops(turn) for turn in turns) / 3

    def learnt(self, player: Player) -> None:
        """``player`` is what came of a retraining of the base; exposure adds up over retrainings."""
        assert self.base is not None
        self.counts.episodes_read += player.words_read - self.base.words_read
        self.counts.learning_flops += player.flops - self.base.flops

    def write(self, piece: Piece) -> list[Measurement]:
        """Write ``ledger.json`` into the piece's folder of its own; returns the same as measurements."""
        values = {**self.counts.as_dict(), "unique": self.counts.unique}
        files.write_json(piece.scratch / "ledger.json", values)
        return [piece.measurement(value, "", PREFIX + key) for key, value in values.items()]


def table(measurements: Measurements) -> dict[str, Table]:
    """The table of the ledgers, means of the seeds, by its name; empty if no piece has a ledger."""
    rows: list[list[object]] = []
    for name in measurements.conditions:
        values = [measurements.select(name, PREFIX + key).values for key in SHOWN]
        if len(values[0]):
            rows.append([name, *(float(of_seeds.mean()) for of_seeds in values)])
    if not rows:
        return {}
    formats = ["", *(".3g" if key.endswith("flops") else ",.0f" for key in SHOWN)]
    caption = "Ledger in words, mean of the seeds"
    return {"ledger": Table.of(["arm", *SHOWN.values()], rows, formats=formats, caption=caption)}
