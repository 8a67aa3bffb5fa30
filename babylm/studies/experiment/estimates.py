"""How long pieces take: measured where one of their kind is done, else as the study declares it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from babylm.console import duration
from babylm.studies.experiment.pieces import Piece, PieceStore
from babylm.tables import Table


def seconds_of(piece: Piece, pieces: Sequence[Piece], store: PieceStore) -> float | None:
    """Estimated seconds of a piece; None if nothing was declared and none of its kind is done.

    The declared cost times the median of measured / declared over the pieces of its kind that are done; without a
    declared cost, the median of what those took. Always somewhat more than an attempt that was stopped.
    """
    estimate, stopped = _from_others(piece, pieces, store), 1.1 * store.seconds_stopped(piece)
    return max(estimate or 0.0, stopped) if stopped else estimate


def _from_others(piece: Piece, pieces: Sequence[Piece], store: PieceStore) -> float | None:
    declared = piece.condition.seconds
    ratios = []
    for other in pieces:
        record = store.get(other)
        if record is None or record.failed or other.condition.kind != piece.condition.kind:
            continue
        if declared is None:
            ratios.append(record.seconds)
        elif other.condition.seconds:
            ratios.append(record.seconds / other.condition.seconds)
    if not ratios:
        return declared
    return statistics.median(ratios) * (1.0 if declared is None else declared)


def plan(pieces: Sequence[Piece], store: PieceStore, code_sha256: str | None = None) -> str:
    """The table of ``dry_run``: every piece, whether it is done, and what the others take.

    ``code_sha256``: of the study's file; what failed with another one runs again, and with None all that failed.
    """
    rows, left, unknown = [], 0.0, 0
    for piece in pieces:
        record = store.get(piece)
        if record is not None and not record.runs_again(code_sha256):
            state, shown = "failed" if record.failed else "done", f"{record.seconds:.0f} s"
        else:
            seconds = seconds_of(piece, pieces, store)
            unknown += seconds is None
            left += seconds or 0.0
            state, shown = "to do", "?" if seconds is None else f"about {seconds:.0f} s"
        rows.append((piece.condition.name, piece.seed, state, shown, piece.condition.detail))
    table = Table.of(("condition", "seed", "state", "time", ""), rows, left=(0, 4)).text()
    waiting = sum(row[2] == "to do" for row in rows)
    head = f"{table}\n{len(rows)} pieces, {waiting} to do"
    if waiting and unknown == waiting:
        return f"{head}: how long they take is known once one of each kind is done"
    rest = f", {unknown} of them of unknown length" if unknown else ""
    return f"{head}{rest}: about {duration(left)} ({left / 3600:.2f} hours)"
