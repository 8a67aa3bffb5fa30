"""Results as a person reads them."""

from __future__ import annotations

from typing import Any

from babylm.console import Log
from babylm.tables import text_table

HEADER = ("revision", "words", "task", "scorer", "items", "official %", "tie-aware %", "ties", "95 %")


def row(revision: str, found: dict[str, Any]) -> tuple[Any, ...]:
    """The line of one stored result, under `HEADER`."""
    words = f"{found['words']:,}" if found.get("words") is not None else "-"
    shares = [percent(found[key], 2) for key in ("official", "tie_aware")]
    interval = " to ".join(percent(value, 1) for value in found["interval"] or ()) or "-"
    return revision, words, found["task"], found["scorer"], found["n"], *shares, found["ties"], interval


def tell(log: Log, head: str, whole: bool, found: dict[str, Any]) -> None:
    """Log one result, ``whole`` with its parts."""
    log(f"{head} {found['task']}: {percent(found['official'], 2)}")
    if whole and found["by_uid"]:
        log(parts(found))
    counted = found["details"].get("against_fp32")
    if counted:
        log(f"  {counted['flipped']} of {counted['compared']} decisions flip against fp32")


def parts(found: dict[str, Any]) -> str:
    """The table of a task's parts: its splits, and its UIDs unless each is a single item."""
    uids = found["by_uid"]
    lines = [(uid, t["n"], percent(t["official"], 1), t["ties"]) for uid, t in uids.items()]
    if found["by_split"]:
        splits = [(name, "", percent(value, 1), "") for name, value in found["by_split"].items()]
        lines = splits + ([] if len(uids) == found["n"] else lines)
    return text_table((found["task"], "items", "official %", "ties"), lines)


def percent(share: float | None, digits: int) -> str:
    """A share in %, or a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f}"
