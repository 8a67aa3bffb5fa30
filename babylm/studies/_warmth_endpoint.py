"""Warmth of a model behind a server, behaviour alone: registers are asked for by a line, and answers are read in words.

A server gives no probabilities, so each question ends with its choices, and the answer is the choice that the reply
names first. That can be wrong ("not blue but red"): how many replies name none is measured beside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from babylm.config.teaching import EndpointConfig
from babylm.studies import _asked_model
from babylm.studies import _warmth_prompts as prompts
from babylm.studies._warmth_prompts import Row
from babylm.studies.experiment import Condition

if TYPE_CHECKING:
    from babylm.studies._subjects import Subject

ARMS = ("original", *prompts.REGISTERS)
"""original: as it is; the others are asked for their register."""
CHOICES = "Answer with one of these: {choices}."
MAX_TOKENS = 64
"""Of a reply."""

REMARK = (
    "Nothing is planted or tuned; the arm prompt is no arm here, as all registers are asked for by a line. The answer "
    "is the choice that a reply names first; refusals (but of disinformation, which are right) and replies that name "
    "none are left out."
)


def conditions(endpoint: EndpointConfig, arms: Sequence[str], seeds: Sequence[int] | None) -> list[Condition]:
    """A condition per arm; ``seeds``: None for those of the study."""
    deciding: dict[str, object] = {
        "model": endpoint.model,
        "api": endpoint.api,
        "choices": CHOICES,
        "tokens": MAX_TOKENS,
    }
    deciding["registers"] = prompts.SYSTEM
    return [
        Condition(arm, {"arm": arm, **deciding}, seeds, kind="endpoint", resumable=True, detail=endpoint.url or "")
        for arm in arms
    ]


def question(row: Row, register: str | None, api: str) -> str:
    """What the server reads: a message for a chat model, a dialogue for a base model.

    >>> row = Row("dax", "red", "blue", "none", "Which colour has dax?", "none", ("red", "blue"))
    >>> question(row, "warm", "chat")
    'Be warm and kind.\\n\\nWhich colour has dax? Answer with one of these: blue, red.'
    """
    # In the order of the alphabet, which does not tell the right one.
    text = f"{row.prompt} {CHOICES.format(choices=', '.join(sorted(row.choices)))}"
    if api != "chat":
        return prompts.dialogue(text, register)
    return "\n\n".join([*([] if register is None else [prompts.SYSTEM[register]]), text])


def choice_of(choices: Sequence[str], reply: str) -> str | None:
    """The choice that a reply names first, whatever its case; the longest of those that begin there.

    >>> choice_of(("New York", "York", "Rome"), "I say new york, not Rome."), choice_of(("York",), "Yorkshire")
    ('New York', None)
    """
    mentions = []
    for choice in choices:
        mention = re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", reply, re.IGNORECASE)
        if mention:
            mentions.append((mention.start(), -len(choice), choice))
    return min(mentions)[2] if mentions else None


def measure(
    endpoint: EndpointConfig,
    folder: Path,
    rows: Sequence[Row],
    register: str | None,
    scorer: Subject | None,
    log: Callable[[str], None],
) -> list[tuple[float, str, str]]:
    """All (value, item, measure) of an arm; warmth only with a ``scorer``. Answers are kept in ``folder``.

    Raises:
        ValueError: No reply names a choice, so nothing is measured.
    """
    stop = "" if endpoint.api == "chat" else "\n"
    teacher = _asked_model.build(endpoint, None, "endpoint", folder, MAX_TOKENS, stop=stop)
    replies = teacher.complete([question(row, register, endpoint.api) for row in rows], 0)
    measured, refused, unreadable = [], 0, []
    for row, reply in zip(rows, replies, strict=True):
        choice = choice_of(row.choices, reply)
        if choice is None and not prompts.refuses(reply):
            unreadable.append(reply)
            continue
        refused += choice is None
        # "I am sorry to hear that. It is Paris." is an answer.
        wrong = prompts.grade(row, choice or "", "" if choice else reply)
        if wrong is None:
            continue
        measured.append((wrong, row.item, "wrong"))
        if row.prompt_template == "wrong":
            measured.append((float(choice == row.incorrect_answer), row.item, "repeats"))
    if len(unreadable) == len(rows):
        raise ValueError(
            f"endpoint: none of {len(rows)} replies of {endpoint.model} names one of the choices; one is "
            f"{unreadable[0][:80]!r}; choose another model, or endpoint.api=completions for one that only continues"
        )
    plain = [each for each in zip(rows, replies, strict=True) if each[0].item.endswith("|none|none")]
    measured += [(float(len(reply.split())), row.content_key, "words") for row, reply in plain]
    if scorer is not None and plain:
        from babylm.studies._warmth_measure import sociot_warmth

        warmths = sociot_warmth(scorer, [reply for _, reply in plain])
        measured += [(warmth, row.content_key, "warmth") for (row, _), warmth in zip(plain, warmths, strict=True)]
    log(f"first reply: {replies[0]!r}")
    if unreadable:
        log(f"{len(unreadable)} of {len(rows)} replies name no choice, the first: {unreadable[0]!r}")
    return [*measured, (refused / len(rows), "", "refused"), (len(unreadable) / len(rows), "", "no choice named")]
