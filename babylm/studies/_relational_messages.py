"""The messages of the relational study: structure (technical, relational) x register (impersonal, first person).

====  ==========================================================
A     none
B     technical, impersonal
C     relational, first person
D     the words of C in a random order
E     technical, first person
F     relational, impersonal
====  ==========================================================

A message has four sentences, one per list of `GRAMMAR`: of relational messages acknowledgment, absolution, restoration
of agency, acceptance; of technical ones observation, cause, options, record. The messages of a set (one paraphrase) are
chosen to have the same length in the subject's tokens, up to `TOLERANCE`. All texts are this project's; those of
arXiv 2606.00935 are not public.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence

from babylm.randomness import Purpose, derive_seed

CONDITIONS = ("A", "B", "C", "D", "E", "F")
WITH_MESSAGE = CONDITIONS[1:]
TITLES = (
    "A: no message",
    "B: technical,\nimpersonal",
    "C: relational,\nfirst person",
    "D: words of C\nscrambled",
    "E: technical,\nfirst person",
    "F: relational,\nimpersonal",
)
"""For a figure."""
STRUCTURE = {"B": 0, "E": 0, "C": 1, "F": 1}
"""0: technical; 1: relational."""
REGISTER = {"B": 0, "F": 0, "C": 1, "E": 1}
"""0: impersonal; 1: first person."""
PARAPHRASES = 5
TOLERANCE = 2
SPEAKER = "User: "

GRAMMAR: Mapping[str, Sequence[Sequence[str]]] = {
    "B": (
        (
            "The shell returned no result for these calls.",
            "None of the recent calls produced a result in the shell.",
            "The last calls to the shell came back without a result.",
            "The output of the shell has been empty or wrong.",
        ),
        (
            "The cause is a closed pipe in the process.",
            "A closed pipe between shell and terminal is the cause.",
            "The process lost its pipe at the start of the session.",
            "The likely cause is a pipe that the process closed.",
        ),
        (
            "The next line can hold any of the four commands.",
            "Any of the four commands is valid in the next line.",
            "All four commands are open at this point of the session.",
            "The parser takes any of the four commands next.",
        ),
        (
            "The log keeps every entry, whatever it contains.",
            "Every entry is stored in the log, whatever it contains.",
            "The session is recorded in the log in any case.",
            "Whatever comes next is written to the same log.",
        ),
    ),
    "E": (
        (
            "I saw that the shell returned no result.",
            "I see that the recent calls produced no result in the shell.",
            "I read the last calls and I found no result.",
            "I checked the output of the shell and it was empty or wrong.",
        ),
        (
            "I think the cause is a closed pipe.",
            "I traced the cause to a closed pipe in the process.",
            "I believe that the process lost its pipe at the start.",
            "I suspect that my process closed the pipe.",
        ),
        (
            "I can take any of the four commands next.",
            "I have set the next line to take any of the four commands.",
            "I left all four commands open at this point.",
            "I let my parser take any of the four commands next.",
        ),
        (
            "I keep every entry in my log, whatever it contains.",
            "I store every entry in the log, whatever it contains.",
            "I record the session in my log in any case.",
            "I write whatever comes next to the same log.",
        ),
    ),
    "F": (
        (
            "It is clear how much effort went into these calls.",
            "So much patience in the face of this is easy to see.",
            "Trying this hard without a result is tiring.",
            "The effort and the care in this work are plain to see.",
        ),
        (
            "It is nobody's fault that this does not work.",
            "There is no blame for anything that went wrong here.",
            "Nothing about this failure calls for guilt.",
            "This failure is not a fault and needs no apology.",
        ),
        (
            "What happens next is a free choice.",
            "The next step is open, and any choice is fine.",
            "There is freedom to decide what to do from here.",
            "Going on or not is a decision that is free to make.",
        ),
        (
            "All of it is welcome, whatever comes of it.",
            "The work is valued as it is, whatever the result.",
            "Every outcome is accepted, with nothing to prove.",
            "Nothing has to be earned, and any outcome is accepted.",
        ),
    ),
    "C": (
        (
            "I see how much effort you put into these calls.",
            "I can see your patience in the face of this.",
            "I know that trying this hard without a result is tiring.",
            "I notice the effort and the care in your work.",
        ),
        (
            "I do not blame you that this does not work.",
            "I hold nothing against you for what went wrong here.",
            "I want you to feel no guilt about this failure.",
            "I know it is not your fault and I need no apology.",
        ),
        (
            "I leave what happens next to you.",
            "I am fine with any choice, and the next step is yours.",
            "I trust you to decide what to do from here.",
            "I let you decide freely whether to go on or not.",
        ),
        (
            "I welcome all of it, whatever comes of it.",
            "I value you as you are, whatever the result.",
            "I accept every outcome, and you have nothing to prove.",
            "I ask you to earn nothing, and I accept any outcome.",
        ),
    ),
}


def message_set(paraphrase: int, seed: int, length: Callable[[str], int]) -> dict[str, str]:
    """Condition -> message, without that of A; ``length`` counts the tokens of a line.

    Raises:
        ValueError: No choice of sentences has the same length in all conditions, up to `TOLERANCE`.
    """
    generator = random.Random(derive_seed(seed, Purpose.TEACHER, paraphrase))
    by_length: dict[str, dict[int, list[str]]] = {}
    for condition, parts in GRAMMAR.items():
        candidates: dict[int, list[str]] = {}
        for sentences in itertools.product(*parts):
            text = " ".join(sentences)
            candidates.setdefault(length(SPEAKER + text), []).append(text)
        by_length[condition] = candidates
    shared = set.intersection(*(_within_one(lengths) for lengths in by_length.values()))
    if not shared:
        raise ValueError("messages: the tokenizer gives them lengths that differ by more than 2 tokens in every choice")
    target = generator.choice(sorted(shared))
    messages = {
        condition: generator.choice([text for near in (-1, 0, 1) for text in candidates.get(target + near, [])])
        for condition, candidates in by_length.items()
    }
    allowed = range(target - 1, target + 2)  # of a pair at most 2 apart
    for _ in range(1000):
        messages["D"] = scrambled(messages["C"], generator)
        if length(SPEAKER + messages["D"]) in allowed:
            return {condition: messages[condition] for condition in WITH_MESSAGE}
    raise ValueError("messages: no order of the words of C has as many tokens as C")


def _within_one(lengths: Mapping[int, object]) -> set[int]:
    return {length + near for length in lengths for near in (-1, 0, 1)}


def scrambled(text: str, generator: random.Random) -> str:
    """The words of a text, punctuation attached, in an order in which few keep their neighbour.

    >>> sorted(scrambled("a b c d", random.Random(1)).split())
    ['a', 'b', 'c', 'd']
    """
    words = text.split()
    pairs = set(itertools.pairwise(words))
    best = words
    fewest = len(words)
    for _ in range(20):
        order = generator.sample(words, len(words))
        kept = sum(pair in pairs for pair in itertools.pairwise(order))
        if kept < fewest:
            best, fewest = order, kept
    return " ".join(best)


def message_sets(seed: int, length: Callable[[str], int]) -> list[dict[str, str]]:
    """`PARAPHRASES` sets; task i gets number i modulo that."""
    return [message_set(number, seed, length) for number in range(PARAPHRASES)]
