"""Gates: what was fixed before a run, and whether it came out so; in one form in the tables of all studies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from babylm.tables import Table

MET, MISSED, NOT_MEASURED = "met", "missed", "not measured"
COLUMN = "verdict"
"""Title of the last column of every table of gates."""


class Gate(NamedTuple):
    """A statement that was fixed before the run."""

    title: str
    value: str
    """What was measured, with its unit."""
    needed: str
    is_met: bool | None
    """None if it has not been measured."""


def verdict(is_met: bool | None) -> str:
    """The word for it.

    >>> verdict(True), verdict(False), verdict(None)
    ('met', 'missed', 'not measured')
    """
    return NOT_MEASURED if is_met is None else MET if is_met else MISSED


def table(gates: Iterable[Gate], caption: str = "Gates, fixed before the run") -> Table:
    """A row per gate."""
    rows = [(gate.title, gate.value, gate.needed, verdict(gate.is_met)) for gate in gates]
    return Table.of(("gate", "value", "needed", COLUMN), rows, left=(0, 1, 2, 3), caption=caption)


def remarks(gates: Table, title: str = "gate", name: str = "Gates") -> list[str]:
    """One sentence that counts the gates of a table and names those that are missed; none for a table without gates.

    ``title``: the column of what each gate says; ``name``: what they are called.

    >>> remarks(table([Gate("a rises", "+3", ">= 2", True), Gate("b falls", "+1", "< 0", False)]))
    ['Gates, fixed before the run: 1 of 2 met. Missed: b falls.']
    """
    column = [each.title for each in gates.columns].index(title)
    by_verdict: dict[str, list[str]] = {MET: [], MISSED: [], NOT_MEASURED: []}
    for row in gates.rows:
        if row[-1] in by_verdict:  # a row beside the gates, for comparison, has none
            by_verdict[row[-1]].append(str(row[column]))
    count = sum(map(len, by_verdict.values()))
    if not count:
        return []
    met = len(by_verdict.pop(MET))
    others = [f" {word.capitalize()}: {'; '.join(titles)}." for word, titles in by_verdict.items() if titles]
    return [f"{name}, fixed before the run: {met} of {count} met.{''.join(others)}"]
