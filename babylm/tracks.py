"""The tracks of the BabyLM challenge: word budgets and required checkpoints.

Source: the calls for papers of 2025 (arXiv 2502.10645) and 2026 (arXiv 2602.20092) and the checkpoint lists
hard-coded in the official evaluation pipeline. A word is a whitespace-separated unit of the raw text; exposure counts
repetitions. The 2026 rules fold multimodal and interaction into strict; we keep the 2025 accounting for them, since
the exact 2026 wording was not published when this was written.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Track:
    """Limits and required checkpoints of a track; word counts are whitespace words."""

    unique_words: int | None
    """Words that the training text may have; None for no limit."""
    exposure_words: int | None
    """Words that may be read in total, repetitions counted; None for no limit."""
    milestones: tuple[int, ...]
    """Total words processed at each required checkpoint, ascending."""


_TO_10M = tuple(range(1 * MILLION, 10 * MILLION, 1 * MILLION))
_TO_100M = tuple(range(10 * MILLION, 100 * MILLION, 10 * MILLION))
_TO_1000M = tuple(range(100 * MILLION, 1001 * MILLION, 100 * MILLION))

_SMALL = Track(10 * MILLION, 100 * MILLION, (*_TO_10M, *_TO_100M, 100 * MILLION))
_STRICT = Track(100 * MILLION, 1000 * MILLION, (*_TO_10M, *_TO_100M, *_TO_1000M))

TRACKS: dict[str, Track] = {
    "strict-small": _SMALL,
    "strict": _STRICT,
    "multimodal": _STRICT,
    "interaction": _STRICT,
    "free": Track(None, None, ()),
}
"""``free`` is no track of the challenge: no limits, milestones as the config lists them."""


def milestone_name(words: int) -> str:
    """The official revision name of a milestone: 7,000,000 words -> ``chck_7M`` (never ``chck_1B``).

    Below a million, which only the ``free`` track has, thousands or plain words: ``chck_250K``, ``chck_1234``.
    """
    if words % MILLION == 0:
        return f"chck_{words // MILLION}M"
    return f"chck_{words // 1000}K" if words % 1000 == 0 else f"chck_{words}"


def milestone_words(name: str) -> float:
    """The words in a revision's name, for sorting: ``chck_7M`` -> 7,000,000; infinity for any other name (``main``)."""
    number = name.removeprefix("chck_")
    digits = number.rstrip("KM")
    if not digits.isdigit() or number == name:
        return float("inf")
    return float(digits) * {"K": 1_000, "M": MILLION}.get(number[len(digits) :], 1)
