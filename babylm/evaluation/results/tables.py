"""Results as tables and lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babylm.console import Log
from babylm.tables import text_table

HEADER = ("revision", "words", "task", "backend", "items", "official %", "tie-aware %", "ties", "95 %")


def row(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """The line of one stored result, under `HEADER`."""
    words = f"{result['words']:,}" if result.get("words") is not None else "-"
    shares = [percent(result[key], 2) for key in ("official", "tie_aware")]
    interval = " to ".join(percent(value, 1) for value in result["interval"] or ()) or "-"
    head = result["model"], words, result["task"], result["backend"], result["n"]
    return *head, *shares, result["ties"], interval


def log_result(log: Log, head: str, with_parts: bool, result: Mapping[str, Any]) -> None:
    """Log one result after ``head``; ``with_parts``: also the table of its parts."""
    log(f"{head} {result['task']}: {percent(result['official'], 2)}")
    if with_parts and scores_by_part(result):
        log(parts(result))
    flips = result["details"].get("against_fp32")
    if flips:
        log(f"  {flips['flipped']} of {flips['compared']} decisions flip against fp32")


def scores_by_part(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The stored scores of a result's UIDs, or of its other parts."""
    return {**result["by_uid"], **result["by_part"]}


def parts(result: Mapping[str, Any]) -> str:
    """The table of a task's parts: its splits, and its UIDs unless each is a single item."""
    scores = scores_by_part(result)
    lines = [(name, score["n"], percent(score["official"], 1), score["ties"]) for name, score in scores.items()]
    if result["by_split"]:
        splits = [(name, "", percent(value, 1), "") for name, value in result["by_split"].items()]
        lines = splits + ([] if len(scores) == result["n"] else lines)
    return text_table((result["task"], "items", "official %", "ties"), lines)


def percent(share: float | None, digits: int) -> str:
    """A share in %, or a dash if it is None.

    >>> percent(0.5, 1), percent(None, 1)
    ('50.0', '-')
    """
    return "-" if share is None else f"{100 * share:.{digits}f}"
