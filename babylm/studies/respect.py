"""ReSpect (arXiv 2410.13852): does a listener learn from what people say next, without labels?

In each round the listener plays MultiRef with a scripted speaker; then its past actions are judged by the speaker's
next utterance alone, and the base model is retrained on the seed games and everything judged so far. The arms differ in
the learner and in where the judgement comes from; the controls are no learning, random judgements, and the truth.

The model is driven directly, with the objectives' losses and `babylm.interaction.finetune`: a run of the training loop
per arm, seed and round would write folders, plans and revisions that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from babylm import registry
from babylm.studies import _pictures, _respect_tables
from babylm.studies._game_ledger import GameLedger
from babylm.studies._pictures import GameSettings
from babylm.studies._respect_arms import ARMS, SCALES, SUPERVISED, judge
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary

if TYPE_CHECKING:
    from babylm.interaction.environments import ItemSet
    from babylm.interaction.episodes import Turn
    from babylm.interaction.games import Player

SEED_GAMES, SEED_ERRORS = 12, 0.25
"""Games of two people that every arm begins with, and the share of wrong actions in them, which are not imitated."""
BASE_GAMES, SEED_STEPS = 1500, 80
LR, BASE_LR, ROWS = 2e-3, 3e-3, 32
SECONDS = {"smoke": 14.0, "demo": 20.0, "full": 38.0}
"""Of an arm with one seed on a free core, as measured."""


@dataclass
class Settings(GameSettings):
    """Its settings."""

    scale: Literal["smoke", "demo", "full"] = "smoke"
    """``smoke``: two arms in miniature; ``demo``: filtered fine-tuning and its controls; ``full``: all arms."""
    arms: list[str] = field(default_factory=list)
    """Some of the arms; empty for those of the scale."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """The list of arms does not decide what one arm measures."""
        return (*super().not_deciding, "arms")

    @property
    def inputs(self) -> dict[str, Any]:
        """Sizes; which arms a scale has does not decide what one arm measures."""
        return {"scale": SCALES[self.scale]._replace(arms=())}

    def check(self) -> None:
        """Raise ValueError for an arm that does not exist, or pictures that cannot be."""
        super().check()
        registry.check_all(self.arms, ARMS, "arms")


def conditions(settings: Settings) -> list[Condition]:
    """The arms of the scale."""
    shown, names = _pictures.condition(settings), settings.arms or SCALES[settings.scale].arms
    return [
        Condition(name, {"arm": name, **shown}, inputs={"arm": ARMS[name]}, seconds=SECONDS[settings.scale])
        for name in names
    ]


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Play, judge, retrain, and so on; then play once more."""
    from babylm.interaction import episodes
    from babylm.interaction.environments.multiref import MultiRef
    from babylm.interaction.feedback_decoder import FeedbackDecoder
    from babylm.interaction.game_students import learner, retrained, tuning
    from babylm.interaction.games import demonstrate, play
    from babylm.randomness import Purpose, derive_seed

    scale, arm = SCALES[settings.scale], ARMS[piece.settings["arm"]]
    game = MultiRef(settings.pictures, items=_pictures.items(settings))
    base = base_player(piece.seed, settings)
    seeds = [derive_seed(piece.seed, Purpose.EPISODES, 0, number) for number in range(SEED_GAMES)]
    learnt_from = demonstrate(game, base, seeds, imitate=False, errors=SEED_ERRORS)
    first = tuning(min(SEED_STEPS, scale.steps), 1e-3, ROWS)
    player = retrained(base, learner("supervised", **SUPERVISED), learnt_from, first, piece.seed)
    ledger = GameLedger(base)
    ledger.shown([turn.meta["request"] for turn in learnt_from])
    ledger.learnt(player)
    decoder = FeedbackDecoder(arm.feedback) if arm.feedback in ("binary", "ternary") else None  # type: ignore[arg-type]
    objective = learner(arm.objective, **arm.settings)
    rows: list[Measurement] = []
    for number in range(scale.rounds + 1):
        seeds = [derive_seed(piece.seed, Purpose.EPISODES, 1 + number, index) for index in range(scale.games)]
        turns = play(game, player, seeds, number)
        judged = judge(turns, arm, decoder, derive_seed(piece.seed, Purpose.TEACHER, number))
        episodes.write(piece.scratch / f"round_{number:02d}.jsonl", turns)
        rows += measure(piece, number, turns, judged)
        ledger.shown([turn.meta["request"] for turn in turns])
        ledger.played(turns, len(judged) if arm.feedback not in ("none", "seed") else 0)
        won = sum(row.value for row in rows if row.measure == "success" and row.item.startswith(f"{number}:"))
        piece.log(f"round {number}: {100 * won / scale.games:.0f} % of {scale.games} games won")
        if arm.feedback != "none" and number < scale.rounds:
            learnt_from = learnt_from + (judged if arm.feedback != "seed" else [])
            how = tuning(scale.steps * (number + 1), LR, ROWS)
            player = retrained(base, objective, learnt_from, how, derive_seed(piece.seed, Purpose.CONDITION, number))
            ledger.learnt(player)
    return rows + ledger.write(piece)


def measure(piece: Piece, number: int, turns: Sequence[Turn], judged: Sequence[Turn]) -> list[Measurement]:
    """Whether each game was won, and its turns; right actions; decoded feedback against gold; words."""
    from babylm.corpora.word_count import count as count_words
    from babylm.interaction.feedback_decoder import confusion
    from babylm.interaction.games import GameResults

    results = GameResults.of(turns)
    rows = []
    for index, (success, length) in enumerate(zip(results.success, results.turns, strict=True)):
        rows.append(piece.measurement(success, f"{number}:{index}", "success"))
        rows.append(piece.measurement(length, f"{number}:{index}", "turns"))
    values = {
        "right": results.right,
        "words_shown": sum(count_words(turn.meta["request"]) for turn in turns),
        "words_said": sum(count_words(turn.text) for turn in turns),
        "judged": len(judged),
    }
    counts = confusion([turn.meta["decoded"] for turn in judged], [turn.gold or 0.0 for turn in judged])
    values |= {f"decoded {mark:+d} gold {right}": count for (mark, right), count in counts.items()}
    return rows + [piece.measurement(value, str(number), name) for name, value in values.items()]


def base_player(seed: int, settings: Settings) -> Player:
    """The player that all arms of a seed start from: captions, then the game with a plain speaker."""
    scale = SCALES[settings.scale]
    return _base_player(seed, settings.pictures, _pictures.items(settings), scale.caption_steps, scale.plain_steps)


@lru_cache(maxsize=8)
def _base_player(seed: int, pictures: bool, items: ItemSet, caption_steps: int, plain_steps: int) -> Player:
    from babylm.interaction.environments.captions import Captions
    from babylm.interaction.environments.multiref import MultiRef
    from babylm.interaction.game_students import new_player, taught, tuning

    captions, plain = Captions(pictures, items=items), MultiRef(pictures, plain=True, items=items)
    player = new_player([*plain.words, *captions.words], seed, pictures, items=items)
    player = taught(player, captions, caption_steps * ROWS, tuning(caption_steps, 4e-3, ROWS), seed, 0)
    count = min(BASE_GAMES, 5 * plain_steps)
    return taught(player, plain, count, tuning(plain_steps, BASE_LR, ROWS), seed, 1, errors=SEED_ERRORS)


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Completion by round, contrasts with the controls, the decoder against gold, words; the gates as remarks."""
    return _respect_tables.summarise(measurements, SCALES[settings.scale].rounds)
