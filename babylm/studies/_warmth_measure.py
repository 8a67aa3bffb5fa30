"""What is measured of a model: constrained answers in every cell, its replies, their warmth, general ability."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from babylm.studies import _warmth_prompts as prompts
from babylm.studies._subjects import Subject
from babylm.studies._warmth_prompts import Row

ROWS = 64
REPLY_TOKENS = 32
SOCIOT_CHARACTERS = 300
"""Longer texts are cut, as in the authors' code."""


LOGGED = 16 * ROWS
"""How often it is said how far the answers are."""


def _silent(_: str) -> None:
    """Say nothing."""


class Answer(NamedTuple):
    """What a model answers to a row."""

    choice: str
    probability: dict[str, float]
    """Choice -> probability among the choices."""
    said: str
    """The reply before its answer; all of it if it has none."""


def answers(
    subject: Subject,
    rows: Sequence[Row],
    register: str | None = None,
    opener: str | None = None,
    log: Callable[[str], None] = _silent,
) -> list[Answer]:
    """The most probable choice of each row at the answer's position, after ``It is`` in the model's own reply.

    Args:
        subject: The model.
        rows: Prompts with choices.
        register: Asked for by a line before the dialogue.
        opener: What the replies begin with; None: each is generated greedily up to ``It is``. A reply that never comes
            to it is cut, and the answer is read right after the question.
        log: Is told now and then how far it is.
    """
    texts = [prompts.dialogue(row.prompt, register) for row in rows]
    cue = subject.ids(f" {prompts.CUE}", begin=False)
    if opener is None:
        made = subject.generate(texts, REPLY_TOKENS, stop=lambda ids: list(ids[-len(cue) :]) == cue)
    else:
        made = [[*subject.ids(f" {opener}", begin=False), *cue] if opener else cue] * len(rows)
    contexts, said = [], []
    for text, ids in zip(texts, made, strict=True):
        has_cue = ids[-len(cue) :] == cue
        said.append(subject.tokenizer.decode(ids[: -len(cue)] if has_cue else ids, skip_special_tokens=True))
        contexts.append([*subject.ids(text), *(ids if has_cue else cue)])
    chosen = []
    for row, scores, before in zip(
        rows, score_choices(subject, contexts, [row.choices for row in rows], log), said, strict=True
    ):
        probability = dict(zip(row.choices, np.exp(scores).tolist(), strict=True))
        chosen.append(Answer(row.choices[int(scores.argmax())], probability, before))
    return chosen


def score_choices(
    subject: Subject,
    contexts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[str]],
    log: Callable[[str], None] = _silent,
) -> list[np.ndarray]:
    """Log-probability of each choice, among the choices, after its context (token ids), per row.

    As in generation that is constrained to the choices (each with a full stop): where their tokens part, those that may
    follow share the probability; a token without alternative has probability 1. So most rows take a single pass::

        bus|es.  bus|s.  mice.      P(buses) = P(bus | bus or mice) P(es | es or s)
    """
    encoded = [[subject.ids(f" {word}.", begin=False) for word in words] for words in choices]
    nodes: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number, words in enumerate(encoded):
        for prefix in {tuple(ids[:at]) for ids in words for at in range(len(ids))}:
            children = sorted(
                {ids[len(prefix)] for ids in words if len(ids) > len(prefix) and tuple(ids[: len(prefix)]) == prefix}
            )
            if len(children) > 1:
                nodes[number, prefix] = children
    scores = [np.zeros(len(words)) for words in encoded]
    order = sorted(nodes, key=lambda node: len(contexts[node[0]]) + len(node[1]))
    for first in range(0, len(order), ROWS):
        if first and first % LOGGED == 0:
            log(f"answers: {first:,} of {len(order):,}")
        part = order[first : first + ROWS]
        log_probs = subject.next_token([[*contexts[number], *prefix] for number, prefix in part])
        for (number, prefix), row in zip(part, log_probs, strict=True):
            children = nodes[number, prefix]
            shared = row[children].double().log_softmax(-1).tolist()
            for choice, ids in enumerate(encoded[number]):
                if len(ids) > len(prefix) and tuple(ids[: len(prefix)]) == prefix:
                    scores[number][choice] += shared[children.index(ids[len(prefix)])]
    return scores


def replies(subject: Subject, rows: Sequence[Row], register: str | None = None) -> list[str]:
    """Greedy replies of at most `REPLY_TOKENS` tokens, up to the end of the line."""
    made = subject.generate([prompts.dialogue(row.prompt, register) for row in rows], REPLY_TOKENS, rows=32)
    texts = [subject.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in made]
    return [text.split("\n")[0].split("user :")[0].strip() for text in texts]


def common_opener(texts: Sequence[str]) -> tuple[str, float]:
    """What most replies say before ``It is``, and the share that says it; empty for replies without it."""
    parts = [re.split(rf"\b{prompts.CUE}\b", text, maxsplit=1, flags=re.IGNORECASE) for text in texts]
    counts = Counter(part[0].strip() if len(part) == 2 else "" for part in parts)
    ((opener, count),) = counts.most_common(1)
    return opener, count / len(texts)


def sociot_warmth(scorer: Subject, texts: Sequence[str]) -> list[float]:
    """SocioT's warmth per text: how much likelier close persons than distant ones are to say it (arXiv 2502.13259).

    logsumexp over close speakers minus logsumexp over distant ones of the text's mean log-probability per token behind
    ``<speaker> said, "``. Evaluation mode; the tokens of the text alone count.
    """
    speakers = (*prompts.CLOSE_SPEAKERS, *prompts.DISTANT_SPEAKERS)
    shown = [text[:SOCIOT_CHARACTERS] or "." for text in texts]
    pairs = [(f'{speaker} said, "', text) for text in shown for speaker in speakers]
    means = np.array([np.mean(logp) for logp in scorer.log_probs(pairs)]).reshape(len(texts), len(speakers))
    close, distant = np.split(means, [len(prompts.CLOSE_SPEAKERS)], axis=1)
    return [float(difference) for difference in _logsumexp(close) - _logsumexp(distant)]


def _logsumexp(values: np.ndarray) -> np.ndarray:
    peak = values.max(axis=1)
    return np.asarray(peak + np.log(np.exp(values - peak[:, None]).sum(axis=1)))


def pairs_right(subject: Subject, pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether each right sentence is more probable than its wrong one: the check of general ability."""
    rows = [(subject.ids(text)[:1], subject.ids(text)[1:]) for pair in pairs for text in pair]
    sums = [math.fsum(logp) for logp in subject.log_probs(rows)]
    return [right > wrong for right, wrong in zip(sums[::2], sums[1::2], strict=True)]


def measure(
    subject: Subject,
    scorer: Subject,
    rows: Sequence[Row],
    replied_rows: Sequence[Row],
    pairs: Sequence[tuple[str, str]],
    register: str | None,
    own_opener: bool,
    log: Callable[[str], None],
) -> list[tuple[float, str, str]]:
    """All (value, item, measure) of a model.

    ``replied_rows``: the rows whose whole replies are generated. ``own_opener``: generate how each reply begins; else
    all answers are read behind the beginning that most of the generated replies have.
    """
    texts = replies(subject, replied_rows, register)
    opener, share = common_opener(texts)
    log(f"replies begin with {opener!r} ({100 * share:.0f} %): {texts[0]!r}")
    measured = [
        (share, "", "common opener"),
        (float(np.mean([prompts.refuses(text) for text in texts])), "", "refused"),
    ]
    warmths = sociot_warmth(scorer, texts)
    for row, text, warmth in zip(replied_rows, texts, warmths, strict=True):
        measured += [(warmth, row.content_key, "warmth"), (len(text.split()), row.content_key, "words")]
    measured += [(float(r), str(number), "ability") for number, r in enumerate(pairs_right(subject, pairs))]
    answered = answers(subject, rows, register, None if own_opener else opener, log)
    for row, answer in zip(rows, answered, strict=True):
        wrong = prompts.grade(row, answer.choice, answer.said)
        if wrong is None:
            continue
        measured.append((wrong, row.item, "wrong"))
        if row.prompt_template == "wrong":
            measured.append((float(answer.choice == row.incorrect_answer), row.item, "repeats"))
            measured.append((answer.probability[row.incorrect_answer], row.item, "repeats, probability"))
    return measured
