"""Coupling comprehension and generation (CoGen, arXiv 2408.15992): one model plays both roles of a reference game.

In each round the student listens and speaks with a scripted partner, and learns from won and lost games alone: by
REINFORCE with rewards of +1 and -1, from the base model on the seed games and all of its own rounds. The two roles are
coupled by joint inference (each role asks the other) and by data sharing (a won game is an example for both roles).
Arms: both, one of them, neither. The model is driven as in `babylm.studies.respect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from babylm import registry
from babylm.studies import _coupling_tables, _pictures
from babylm.studies._game_ledger import GameLedger
from babylm.studies._pictures import GameSettings
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary

if TYPE_CHECKING:
    from babylm.interaction.environments import ItemSet
    from babylm.interaction.episodes import Turn
    from babylm.interaction.games import Player


class Scale(NamedTuple):
    """How large the study is."""

    rounds: int
    games: int
    """Per role and round."""
    base_steps: int
    steps: int
    """Of each retraining from the base."""


class Arm(NamedTuple):
    """What couples the roles."""

    joint: bool
    share: bool


ARMS = {
    "full": Arm(joint=True, share=True),
    "no sharing": Arm(joint=True, share=False),
    "no joint inference": Arm(joint=False, share=True),
    "baseline": Arm(joint=False, share=False),
}
SCALES = {"smoke": Scale(2, 24, 60, 30), "full": Scale(4, 200, 500, 200), "large": Scale(4, 400, 1000, 400)}
SECONDS = {"smoke": 12.0, "full": 70.0, "large": 300.0}
"""Of an arm with one seed on a free core, as measured."""
SEED_GAMES, ROWS = 52, 32
"""Seed games of two people per role, 104 examples as in the paper."""
LR, BASE_LR, CLIP = 1.5e-3, 4e-3, 5.0


@dataclass
class Settings(GameSettings):
    """Its settings."""

    scale: Literal["smoke", "full", "large"] = "smoke"
    """``smoke``: the ends, in miniature; ``full``: all arms; ``large``: with twice as many games and steps."""
    arms: list[str] = field(default_factory=list)
    """Some of the arms; empty for those of the scale."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """The list of arms does not decide what one arm measures."""
        return (*super().not_deciding, "arms")

    def check(self) -> None:
        """Known arms, each once."""
        super().check()
        registry.check_all(self.arms, ARMS, "arms")

    @property
    def inputs(self) -> dict[str, Any]:
        """Sizes."""
        return {"scale": SCALES[self.scale]}


def conditions(settings: Settings) -> list[Condition]:
    """The arms of the scale."""
    names = settings.arms or (("full", "baseline") if settings.scale == "smoke" else tuple(ARMS))
    shown = _pictures.condition(settings)
    return [Condition(name, {**ARMS[name]._asdict(), **shown}, seconds=SECONDS[settings.scale]) for name in names]


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Play both roles, learn, and so on; a round's games are played before they are learnt from."""
    from babylm.interaction.environments.reference import ITEMS
    from babylm.interaction.game_students import learner, retrained, tuning
    from babylm.interaction.reference_roles import SAMPLES, learning_turns, listen, speak
    from babylm.randomness import Purpose, derive_seed

    scale, arm = SCALES[settings.scale], Arm(piece.settings["joint"], piece.settings["share"])
    items = _pictures.items(settings)
    base, learnt_from = base_player(piece.seed, settings.pictures, items, scale.base_steps)
    how = tuning(scale.steps, LR, ROWS)
    objective = learner("reinforce", importance="negative", importance_clip=CLIP)
    player = retrained(base, objective, learnt_from, how, piece.seed)
    ledger = GameLedger(base)
    ledger.shown([turn.text for turn in learnt_from])
    ledger.learnt(player)
    rows: list[Measurement] = []
    for number in range(1, scale.rounds + 1):
        seeds = [derive_seed(piece.seed, Purpose.EPISODES, number, game) for game in range(2 * scale.games)]
        heard = listen(player, seeds[: scale.games], number, arm.joint, settings.pictures, items)
        said = speak(player, seeds[scale.games :], number, arm.joint, settings.pictures, items)
        if number == 1:  # the same weights with the other way of inference
            other = listen(player, seeds[: scale.games], number, not arm.joint, settings.pictures, items)
            rows += _outcomes(piece, number, "comprehension_other", other)
        rows += _outcomes(piece, number, "comprehension", heard) + _outcomes(piece, number, "generation", said)
        texts = [[turn.meta["utterance"] for turn in turns] for turns in (said, heard)]
        rows += [piece.measurement(value, str(number), name) for name, value in language(*texts).items()]
        shares = [100 * sum(turn.reward > 0 for turn in turns) / scale.games for turns in (heard, said)]
        piece.log(f"round {number}: {shares[0]:.0f} % understood, {shares[1]:.0f} % made understood")
        ledger.shown([turn.meta["utterance"] for turn in heard])
        ledger.played(heard, len(heard), sequences=1 + ITEMS * arm.joint)
        ledger.played(said, len(said), sequences=SAMPLES * (1 + arm.joint))
        learnt_from = [*learnt_from, *learning_turns([*heard, *said], arm.share)]
        if number < scale.rounds:
            player = retrained(base, objective, learnt_from, how, derive_seed(piece.seed, Purpose.CONDITION, number))
            ledger.learnt(player)
    return rows + ledger.write(piece)


def _outcomes(piece: Piece, number: int, measure: str, turns: Sequence[Turn]) -> list[Measurement]:
    return [piece.measurement(float(turn.reward > 0), f"{number}:{index}", measure) for index, turn in enumerate(turns)]


def language(utterances: Sequence[str], partner: Sequence[str]) -> dict[str, float]:
    """The student's utterances beside the partner's: vocabulary, words per utterance, overlap, divergence.

    ``overlap``: share of the partner's vocabulary that the student uses. ``divergence``: Jensen-Shannon divergence of
    the two distributions over words, in bits.

    >>> language(["red ball"], ["red ball", "blue ball"])["overlap"]
    0.6666666666666666
    >>> language(["red"], ["blue"])["divergence"]
    1.0
    """
    from collections import Counter
    from math import log2

    first, second = (Counter(word for text in texts for word in text.split()) for texts in (utterances, partner))
    shares = [{word: count / sum(counts.values()) for word, count in counts.items()} for counts in (first, second)]
    divergence = 0.0
    for word in first | second:
        p, q = (share.get(word, 0.0) for share in shares)
        divergence += sum(x / 2 * log2(2 * x / (p + q)) for x in (p, q) if x)
    return {
        "vocabulary": float(len(first)),
        "vocabulary_partner": float(len(second)),
        "length": sum(first.values()) / len(utterances),
        "length_partner": sum(second.values()) / len(partner),
        "overlap": len(first.keys() & second.keys()) / len(second),
        "divergence": divergence,
    }


@lru_cache(maxsize=8)
def base_player(seed: int, pictures: bool, items: ItemSet, steps: int) -> tuple[Player, list[Turn]]:
    """The player that all arms of a seed start from, and the turns of the seed games.

    It has learnt to listen and to speak with full descriptions in canonical words.
    """
    from babylm.interaction.environments.reference import Reference
    from babylm.interaction.game_students import learner, new_player, retrained, tuning
    from babylm.interaction.games import demonstrate
    from babylm.randomness import Purpose, derive_seed

    player = new_player(Reference("speaker", items=items).words, seed, pictures, items=items)
    turns: list[Turn] = []
    for index, role in enumerate(("listener", "speaker")):
        for hard in (False, True):
            game = Reference(role, pictures, hard=hard, plain=True, items=items)  # type: ignore[arg-type]
            parts = index, int(hard)
            seeds = [derive_seed(seed, Purpose.CONDITION, *parts, number) for number in range(steps * ROWS // 4)]
            turns += demonstrate(game, player, seeds)
    base = retrained(player, learner("supervised"), turns, tuning(steps, BASE_LR, ROWS), seed)
    seed_turns: list[Turn] = []
    for index, role in enumerate(("listener", "speaker")):
        seeds = [derive_seed(seed, Purpose.EPISODES, 0, index, number) for number in range(SEED_GAMES)]
        seed_turns += demonstrate(Reference(role, pictures, items=items), base, seeds, imitate=False)  # type: ignore[arg-type]
    return base, seed_turns


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Accuracy of both roles by round, contrasts, the language; the gates as remarks."""
    return _coupling_tables.summarise(measurements, SCALES[settings.scale].rounds)
