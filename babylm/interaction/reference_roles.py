"""How a student of the coupling study listens and speaks, with and without joint inference, and what it learns from it.

With P_l(t | u) the listener's and P_s(u | t) the speaker's probability under one model, and I its ten objects:
the joint listener chooses by P(t | u), in proportion to P_l(t | u)^lambda_l * P_s(u | t)^(1 - lambda_l); the joint
speaker samples ten utterances and takes that with the largest lambda_s log P_s(u | t) + (1 - lambda_s) log P_l(t | u).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from babylm.interaction.environments import _objects
from babylm.interaction.environments._objects import LABELS
from babylm.interaction.environments.reference import Reference
from babylm.interaction.episodes import Turn
from babylm.randomness import Purpose, derive_seed

if TYPE_CHECKING:
    from babylm.interaction.environments import Episode, ItemSet
    from babylm.interaction.games import Player

LAMBDA_LISTENER, LAMBDA_SPEAKER = 0.5, 0.0
"""As deployed in the paper: both halves count for the listener, and the speaker's samples are ranked by listening."""
SAMPLES, TEMPERATURE = 10, 0.7


def joint_listener(listener_logp: Tensor, speaker_logp: Tensor, weight: float = LAMBDA_LISTENER) -> Tensor:
    """log P(t | u) (games, items) of log P_l (games, items) and log P_s(u | t) (games, items), normalised over items.

    >>> listener, speaker = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.1, 0.4]]).log()
    >>> joint_listener(listener, speaker, 1.0).exp(), joint_listener(listener, speaker, 0.5).exp()
    (tensor([[0.8000, 0.2000]]), tensor([[0.5000, 0.5000]]))
    """
    return (weight * listener_logp + (1 - weight) * speaker_logp).log_softmax(-1)


def joint_speaker(speaker_logp: Tensor, listener_logp: Tensor, weight: float = LAMBDA_SPEAKER) -> Tensor:
    """Index of the best of the samples (games,), from log P_s(u | t) and log P_l(t | u), (games, samples) each."""
    return (weight * speaker_logp + (1 - weight) * listener_logp).argmax(-1)


def listener_turns(player: Player, game: Reference, episodes: Sequence[Episode], number: int) -> list[Turn]:
    """One listening turn per game, not yet taken."""
    return [player.turn(game, episode, round=number, episode=index, sample=0) for index, episode in enumerate(episodes)]


def label_log_probs(player: Player, turns: Sequence[Turn]) -> Tensor:
    """log P_l (turns, items): the distribution over labels that each turn's prompt leaves."""
    ids = player.ids(LABELS)
    rows = [turn_with(turn, [token], "") for turn in turns for token in ids]
    logp = torch.tensor([completion.logp[0] for completion in player.log_probs(rows)])
    return logp.view(len(turns), len(ids)).log_softmax(-1)


def utterance_log_probs(
    player: Player, episodes: Sequence[Episode], utterances: Sequence[str], pictures: bool, items: ItemSet = _objects
) -> Tensor:
    """log P_s(u | t) (games, items): of each game's utterance for every item as the target."""
    game = Reference("speaker", pictures, items=items)
    rows = []
    for episode, text in zip(episodes, utterances, strict=True):
        ids = player.ids([*text.split(), game.end])
        for item in range(len(episode.items)):
            view = _with_target(episode, item)
            rows.append(turn_with(player.turn(game, view, round=0, episode=0, sample=0), ids, text))
    logp = torch.tensor([sum(completion.logp) for completion in player.log_probs(rows)])
    return logp.view(len(episodes), -1)


def listen(
    player: Player, seeds: Sequence[int], number: int, joint: bool, pictures: bool, items: ItemSet = _objects
) -> list[Turn]:
    """Listen in one game per seed and choose the likeliest item; rewards are +1 if the game is won, else -1.

    The behaviour log-probability is that of the distribution that chose, joint or not. ``meta`` has the utterance, and
    what sharing needs.
    """
    game = Reference("listener", pictures, items=items)
    episodes = [game.reset(seed) for seed in seeds]
    turns = listener_turns(player, game, episodes, number)
    log_probs = label_log_probs(player, turns)
    utterances = [episode.messages[0][1] for episode in episodes]
    if joint:
        log_probs = joint_listener(log_probs, utterance_log_probs(player, episodes, utterances, pictures, items))
    chosen = log_probs.argmax(-1).tolist()
    for index, (turn, episode) in enumerate(zip(turns, episodes, strict=True)):
        turn.text = LABELS[chosen[index]]
        turn.ids, turn.logp = player.ids([turn.text]), [float(log_probs[index, chosen[index]])]
        _finish(game, episode, turn, utterances[index])
        shared = player.turn(
            Reference("speaker", pictures, items=items), episode, round=number, episode=index, sample=1
        )
        ids = player.ids([*utterances[index].split(), game.end])
        turn.meta["shared"] = turn_with(shared, ids, utterances[index])
    return turns


def speak(
    player: Player, seeds: Sequence[int], number: int, joint: bool, pictures: bool, items: ItemSet = _objects
) -> list[Turn]:
    """Describe the target of one game per seed; rewards are +1 if the partner chooses it, else -1.

    Of ten samples it says the one by which it would itself choose the target (``joint``), or its likeliest.
    """
    game, listening = (Reference(role, pictures, items=items) for role in ("speaker", "listener"))  # type: ignore[arg-type]
    episodes = [game.reset(seed) for seed in seeds]
    candidates = [
        player.turn(game, episode, round=number, episode=index, sample=sample)
        for index, episode in enumerate(episodes)
        for sample in range(SAMPLES)
    ]
    sampling = [derive_seed(seeds[turn.episode], Purpose.SAMPLING, number, turn.sample) for turn in candidates]
    player.complete(
        candidates,
        sampling,
        game.longest_action,
        lambda row, words: game.allowed(episodes[candidates[row].episode], words),
        game.end,
        TEMPERATURE,
    )
    speaker = torch.tensor([sum(turn.logp) for turn in candidates]).view(-1, SAMPLES)
    heard = []
    for turn in candidates:
        view = _with_target(episodes[turn.episode], min(episodes[turn.episode].targets))
        view.messages = [("speaker", turn.text.removesuffix(game.end).strip())]
        heard.append(player.turn(listening, view, round=number, episode=turn.episode, sample=turn.sample))
    best = speaker.argmax(-1)
    if joint:
        targets = torch.tensor([min(episodes[turn.episode].targets) for turn in candidates])
        listener = label_log_probs(player, heard).gather(1, targets[:, None]).view(-1, SAMPLES)
        best = joint_speaker(speaker, listener)
    turns = []
    for index, episode in enumerate(episodes):
        row = index * SAMPLES + int(best[index])
        turn = candidates[row]
        _finish(game, episode, turn, turn.text.removesuffix(game.end).strip())
        label = LABELS[min(episode.targets)]
        turn.meta["shared"] = turn_with(heard[row], player.ids([label]), label)
        turns.append(turn)
    return turns


def learning_turns(turns: Sequence[Turn], share: bool) -> list[Turn]:
    """The turns, and with ``share`` those of the other role for each game that was won; lost games never cross."""
    shared = [turn.meta["shared"] for turn in turns if turn.reward > 0] if share else []
    return [*turns, *shared]


def turn_with(turn: Turn, ids: list[int], text: str) -> Turn:
    """``turn`` with a completion, as a good example."""
    turn_ids = list(ids)
    zeros = [0.0] * len(turn_ids)
    return Turn(
        turn.round, turn.episode, turn.sample, turn.speaker, turn.prompt, text, turn.prompt_ids, turn_ids, zeros, [],
        reward=1.0, feedback="shared", meta={"items": turn.meta["items"], "reference_logp": zeros},
    )  # fmt: skip


def _finish(game: Reference, episode: Episode, turn: Turn, utterance: str) -> None:
    outcome = game.step(episode, turn.text)
    turn.reward, turn.feedback, turn.gold = (1.0 if outcome.success else -1.0), "outcome", outcome.gold
    turn.meta |= {"utterance": utterance, "success": outcome.success, "reference_logp": turn.logp}


def _with_target(episode: Episode, item: int) -> Episode:
    """The same objects with another target."""
    from babylm.interaction.environments import Episode

    return Episode(episode.generator, episode.items, {item})
