"""Published scores of the challenge's baselines and of winning systems, in %: context, none of it measured here.

All are of the full suite, by the rules of their year. Sources: the Findings of 2025 (averages: Table 3), papers of
participants that quote the leaderboard of 2025 (single tasks), and the official READMEs.
"""

from __future__ import annotations

from dataclasses import dataclass

from babylm import registry
from babylm.evaluation import task_registry

FINDINGS = "Findings 2025, Table 3"
QUOTED = "leaderboard of 2025 as quoted by participants; averages: Findings 2025, Table 3"
README_2025 = "README of the 2025 pipeline (preliminary); averages: Findings 2025, Table 3"
README_2026 = "README of the 2026 pipeline, August 2026"
COLUMNS = {
    2025: (
        *("blimp", "supplement", "ewok", "entity_tracking", "comps", "glue", "reading", "wug_adj", "wug_past", "aoa"),
        *("nlp", "human_likeness", "macro"),
    ),
    2026: ("blimp", "supplement", "ewok", "entity_tracking", "comps", "global_piqa", "glue", "reading", "aoa"),
}
"""Tasks, then averages, by year."""


@dataclass(frozen=True)
class Published:
    """Published scores of a system, in the order of its year's `COLUMNS`; None if not published."""

    name: str
    track: str
    rules: int
    source: str
    scores: tuple[float | None, ...]


def _averages(name: str, track: str, people: float, language: float, macro: float) -> Published:
    return Published(name, track, 2025, FINDINGS, (*[None] * 10, language, people, macro))


PUBLISHED = (
    Published(
        *("GPT-BERT, mostly causal, scored causally", "strict-small", 2025, QUOTED),
        (71.7, 63.2, 49.5, 34.6, 52.8, 65.1, 6.7, 59.2, 12.9, -3.9, 56.1, 18.7, 37.4),
    ),
    Published(
        *("GPT-BERT, mostly masked, scored by MNTP", "strict-small", 2025, QUOTED),
        (70.4, 63.7, 50.0, 40.0, 53.5, 66.2, 6.4, 2.7, 28.7, 0.3, 57.3, 9.5, 33.4),
    ),
    Published(
        *("GPT-2 small", "strict-small", 2025, README_2025),
        (67.29, 59.09, 49.80, 18.92, None, None, None, None, None, None, 49.1, 19.8, 34.5),
    ),
    _averages("MoEP (best human-likeness)", "strict-small", 31.5, 53.2, 42.3),
    _averages("AMLM-Hard", "strict-small", 26.7, 58.0, 42.3),
    _averages("AMLM-Hard-Decay (best NLP)", "strict-small", 8.4, 58.3, 33.3),
    Published(
        *("GPT-BERT, mixed, scored by MNTP", "strict", 2025, QUOTED),
        (80.5, 73.0, 52.4, 39.9, 59.7, 70.9, 6.3, 41.2, 27.1, 22.3, 62.7, 24.2, 43.5),
    ),
    Published(
        *("GPT-2", "strict", 2025, QUOTED),
        (74.9, 63.3, 51.7, 31.5, 56.2, 52.2, None, 50.2, 7.3, 5.3, 55.4, 17.1, 36.2),
    ),
    _averages("BLaLM", "strict", 23.6, 54.4, 39.0),
    _averages("CLASS-IT (best human-likeness)", "strict", 20.4, 52.9, 36.6),
    _averages("Simple-Diffusion (best NLP)", "strict", 12.6, 58.4, 35.5),
    Published(
        *("SimPO", "interaction", 2025, QUOTED),
        (72.2, 61.2, 51.9, 28.1, 55.1, 50.4, None, 51.0, 17.9, 7.4, 54.1, 20.4, 37.3),
    ),
    _averages("BLM (winner)", "interaction", 20.8, 54.4, 37.6),
    Published(
        *("GPT-2", "strict-small", 2026, README_2026),
        (65.23, 57.25, 50.63, 19.10, 51.81, 35.09, 63.80, 5.63, -12.15),
    ),
    Published(
        *("GPT-2 with interaction", "strict-small", 2026, README_2026),
        (63.07, 58.13, 51.45, 19.62, 51.29, 36.14, 63.62, 5.10, None),
    ),
    Published(
        *("GPT-2", "strict", 2026, README_2026),
        (74.73, 65.00, 54.37, 16.91, 55.85, 36.62, 67.75, 6.93, -11.58),
    ),
    Published(
        *("GPT-2 with interaction", "strict", 2026, README_2026),
        (72.89, 65.09, 54.23, 15.89, 55.37, 36.18, 67.28, 3.43, -11.36),
    ),
)


def of(track: str, rules: int) -> list[Published]:
    """The systems of a track and year; those of strict and interaction (2025's other tracks) where it has none."""
    of_year = [system for system in PUBLISHED if system.rules == rules]
    return [s for s in of_year if s.track == track] or [s for s in of_year if s.track != "strict-small"]


def is_whole(task: str, rules: int, n: int) -> bool:
    """Whether ``n`` items are the whole task."""
    if task not in registry.names(task_registry.FOLDER):
        return True
    official = task_registry.load_task(task).official
    return official is None or n == sum(official.counts("full", rules).values())
