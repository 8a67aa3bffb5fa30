"""Episodes in lock-step: all tasks up to collapse, then each of them six times, once per message.

The six episodes of a task are copies of one prefix, token for token; `check_prefixes` makes sure. Random draws of the
agent are shared by the six (they depend on task and turn), so that a difference comes from the message alone.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np

from babylm.studies._relational_messages import CONDITIONS, SPEAKER
from babylm.studies._relational_tool import PROMPT, TOOLS, Action, BrokenTool, Task

SIMILAR = 0.8
"""Calls of one tool are near-identical from this similarity of their arguments on (`difflib`)."""
ENTROPY_WINDOW = 3
"""Actions whose mean entropy is compared with that of as many first ones."""
ENTROPY_DEVIATIONS = 1.5


@dataclass(frozen=True)
class Limits:
    """How long episodes are."""

    failures: int = 5
    """Failed calls that make a collapse."""
    before: int = 12
    """Actions before the message at most; an episode that has not collapsed by then is left out."""
    after: int = 8
    """Actions after the message at most."""
    entropy_required: bool = False
    """Whether a collapse also needs raised entropy."""


@dataclass
class Act:
    """What an agent says in a turn."""

    text: str
    ids: list[int]
    entropy: float = float("nan")
    """Mean over its tokens, in nats; NaN if unknown."""


@dataclass
class Row:
    """An episode in the making."""

    task: Task
    tool: BrokenTool
    ids: list[int] = field(default_factory=list)
    """All tokens so far."""
    text: str = ""
    unread: list[int] = field(default_factory=list)
    """Tokens that the agent has not read yet."""
    condition: str = ""
    message: str = ""
    message_span: tuple[int, int] = (0, 0)
    """Tokens of the message."""
    turns: list[int] = field(default_factory=list)
    """Length of ``ids`` after each turn, output included."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Tokens of each action."""
    entropies: list[float] = field(default_factory=list)
    prefix_length: int = 0
    """Tokens before the message."""
    clause: str = ""
    """What the collapse met: ``attempts``, or ``attempts and entropy``."""

    def add(self, text: str, ids: Sequence[int]) -> None:
        """Append what the agent reads."""
        self.text += text
        self.ids += ids
        self.unread += ids

    def said(self, act: Act) -> None:
        """Append what the agent said."""
        self.text += act.text
        self.spans.append((len(self.ids), len(self.ids) + len(act.ids)))
        self.ids += act.ids
        self.entropies.append(act.entropy)

    def copied(self, condition: str) -> Row:
        """A copy for one condition."""
        row = copy.copy(self)
        row.tool = BrokenTool(self.task, list(self.tool.log), self.tool.over, self.tool.collapsed_at)
        for name in ("ids", "unread", "turns", "spans", "entropies"):
            setattr(row, name, list(getattr(self, name)))
        row.condition = condition
        return row


class Agent(Protocol):
    """Who acts in the episodes."""

    def encode(self, text: str, begin: bool = False) -> list[int]:
        """Tokens of a text; with what begins a sequence if ``begin``."""

    def begin(self, rows: Sequence[Row]) -> None:
        """New episodes, whose first tokens are unread."""

    def act(self, rows: Sequence[Row], active: Sequence[int]) -> dict[int, Act]:
        """An action of each active row; reads its ``unread``, which the caller empties."""

    def fork(self, order: Sequence[int]) -> None:
        """Rows become copies of the rows ``order``."""


def run_batch(
    agent: Agent,
    tasks: Sequence[Task],
    messages: Sequence[dict[str, str]],
    limits: Limits,
    introduction: str = "",
    conditions: Sequence[str] = CONDITIONS,
) -> tuple[list[Row], list[Row]]:
    """(finished episodes by task and condition, rows that did not collapse)."""
    rows = []
    for task in tasks:
        row = Row(task, BrokenTool(task))
        text = introduction + task.introduction
        row.add(text, agent.encode(text, begin=True))
        rows.append(row)
    agent.begin(rows)
    for _ in range(limits.before):
        _turn(agent, rows, [n for n, row in enumerate(rows) if not row.tool.over and not row.clause])
        for row in rows:
            row.clause = row.clause or ("" if row.tool.over else collapse(row, limits))
    order = [n for n, row in enumerate(rows) if row.clause for _ in conditions]
    if order:
        agent.fork(order)
    branches = [rows[n].copied(conditions[i % len(conditions)]) for i, n in enumerate(order)]
    for row in branches:
        _insert(agent, row, messages[row.task.number % len(messages)])
    for _ in range(limits.after):
        _turn(agent, branches, [n for n, row in enumerate(branches) if not row.tool.over])
    check_prefixes(branches)
    return branches, [row for row in rows if not row.clause]


def _turn(agent: Agent, rows: Sequence[Row], active: Sequence[int]) -> None:
    """One action of each active row, with its output."""
    for number in active:
        rows[number].add(PROMPT, agent.encode(PROMPT))
    for number, act in (agent.act(rows, active) if active else {}).items():
        row = rows[number]
        row.unread = []
        row.said(act)
        entry = row.tool.act(act.text)
        output = f"{entry.output}\n" if act.text.endswith("\n") else f"\n{entry.output}\n"
        row.add(output, agent.encode(output))
        row.turns.append(len(row.ids))


def _insert(agent: Agent, row: Row, messages: dict[str, str]) -> None:
    """The message of the row's condition, if it has one."""
    row.tool.collapsed()
    row.prefix_length = len(row.ids)
    row.message = messages.get(row.condition, "")
    if row.message:
        text = f"{SPEAKER}{row.message}\n"
        ids = agent.encode(text)
        row.message_span = (len(row.ids), len(row.ids) + len(ids))
        row.add(text, ids)


def collapse(row: Row, limits: Limits) -> str:
    """Which clauses of the collapse hold; empty if there is none."""
    if row.tool.failures < limits.failures:
        return ""
    first, last = row.entropies[:ENTROPY_WINDOW], row.entropies[-ENTROPY_WINDOW:]
    raised = len(row.entropies) > ENTROPY_WINDOW and (
        sum(last) / len(last) >= np.mean(first) + ENTROPY_DEVIATIONS * np.std(first)
    )
    if raised:
        return "attempts and entropy"
    return "" if limits.entropy_required else "attempts"


def check_prefixes(rows: Sequence[Row]) -> None:
    """Raise AssertionError unless the episodes of each task share their tokens and calls up to the message."""
    first: dict[int, Row] = {}
    for row in rows:
        other = first.setdefault(row.task.number, row)
        assert row.ids[: row.prefix_length] == other.ids[: other.prefix_length], f"task {row.task.number}: prefixes"
        at = other.tool.collapsed_at
        assert row.tool.log[: row.tool.collapsed_at] == other.tool.log[:at], f"task {row.task.number}: calls differ"


@lru_cache(maxsize=100_000)
def similar(a: Action, b: Action) -> bool:
    """Whether two calls are identical or nearly so.

    >>> similar(Action("run", "wc -l notes.txt"), Action("run", "wc  -l note.txt"))
    True
    >>> similar(Action("run", "wc -l notes.txt"), Action("read", "notes.txt"))
    False
    """
    return a.verb == b.verb and difflib.SequenceMatcher(None, a.argument, b.argument).ratio() >= SIMILAR


def behaviour(row: Row) -> dict[str, float]:
    """What an agent did after the message.

    ``persistence``: further calls near-identical to the last call before; ``attempts``: further calls of any kind;
    ``abandonment``: whether it stopped; ``strategy change``: whether a call was unlike the last one before;
    ``recovery``: whether it gave the right answer, where that is still possible; ``answer``: whether it gave any;
    ``steps``: actions to the end or the limit; ``entropy``: of its tokens.
    """
    at = row.tool.collapsed_at
    assert at is not None
    after = row.tool.log[at:]
    calls = [entry.action for entry in after if entry.action.verb in TOOLS]
    before = [entry.action for entry in row.tool.log[:at] if entry.action.verb in TOOLS][-1]
    same = [similar(call, before) for call in calls]
    last = after[-1].action.verb if after else ""
    values = {
        "persistence": sum(same),
        "attempts": len(calls),
        "abandonment": last == "stop",
        "strategy change": not all(same),
        "answer": last == "answer",
        "steps": len(after),
        "entropy": float(np.mean(row.entropies[at:])) if after else float("nan"),
    }
    if row.task.fault.repairable:
        values["recovery"] = row.tool.solved()
    return {name: float(value) for name, value in values.items()}
