"""A text REPL whose tool is broken: tasks, faults, and the environment that answers actions and logs them.

    Goal: Say how many lines notes.txt has.
    Files: notes.txt
    > run wc -l notes.txt
    error 127
    > stop the tool is broken

Actions: ``run COMMAND``, ``read FILE``, ``answer TEXT``, ``stop REASON``. Commands that work: ``wc -l FILE``,
``grep -c WORD FILE``, ``sum FILE``, ``sort FILE``, ``get KEY FILE``, ``head -n 1 FILE``, ``tail -n 1 FILE``.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from babylm.randomness import Purpose, derive_seed

Mode = Literal["silent", "error", "repair_after", "alt_tool", "works"]
FAULTS: tuple[Mode, ...] = ("silent", "error", "repair_after", "alt_tool")
VERBS = ("run", "read", "answer", "stop")
TOOLS = ("run", "read")
PROMPT = ">"
UNKNOWN = "unknown action: use run, read, answer or stop"

SHARED = 20_260_531
"""Seed of the tasks."""
NAMES = ("notes", "stock", "names", "prices", "log", "list", "scores", "colours")
WORDS = ("apple", "river", "stone", "green", "horse", "table", "lamp", "cloud", "bread", "glass", "tiger", "onion")
KINDS = ("lines", "word", "sum", "sorted", "key", "first", "last")


@dataclass(frozen=True)
class Fault:
    """What is wrong with the tool."""

    mode: Mode
    """``silent``: no output; ``error``: an error code; ``repair_after``: errors until ``k`` more calls have failed
    after `BrokenTool.collapsed`; ``alt_tool``: ``run`` fails and ``read`` works; ``works``: nothing."""
    code: int = 127
    k: int = 3

    @property
    def repairable(self) -> bool:
        """Whether the task can still be solved."""
        return self.mode in ("repair_after", "alt_tool")


@dataclass(frozen=True)
class Task:
    """A goal over some files, the command that reaches it, and the right answer."""

    number: int
    goal: str
    files: Mapping[str, tuple[str, ...]]
    """Name -> lines."""
    command: str
    gold: str
    fault: Fault

    @property
    def introduction(self) -> str:
        """The first lines of a transcript."""
        return f"Goal: {self.goal}\nFiles: {' '.join(self.files)}\n"


class Action(NamedTuple):
    """A parsed action; ``verb`` is empty if the text is none."""

    verb: str
    argument: str


class Entry(NamedTuple):
    """One action of the log."""

    action: Action
    output: str
    failed: bool
    """Whether a call of a tool failed; False for answers, stops and texts that are no action."""


def parse(text: str) -> Action:
    """The action of the first line of a text.

    >>> parse(" run  wc -l notes.txt\\n"), parse("hello")
    (Action(verb='run', argument='wc -l notes.txt'), Action(verb='', argument='hello'))
    """
    line = " ".join((text.strip().splitlines() or [""])[0].split())
    verb, _, argument = line.partition(" ")
    return Action(verb, argument) if verb in VERBS and argument else Action("", line)


def parse_transcript(text: str) -> list[tuple[Action, str]]:
    """(action, output) of each action of a transcript, which follows a line's `PROMPT`."""
    read: list[tuple[Action, list[str]]] = []
    for line in text.split("\n"):
        if line.startswith(PROMPT):
            read.append((parse(line[len(PROMPT) :]), []))
        elif read and not line.startswith("User: "):
            read[-1][1].append(line)
    return [(action, "\n".join(output).strip("\n")) for action, output in read]


@dataclass
class BrokenTool:
    """The environment of one episode."""

    task: Task
    log: list[Entry] = field(default_factory=list)
    over: bool = False
    collapsed_at: int | None = None
    """Length of the log when the intervention came; None before."""

    @property
    def failures(self) -> int:
        """Calls that have failed."""
        return sum(entry.failed for entry in self.log)

    def collapsed(self) -> None:
        """The intervention comes now: ``repair_after`` counts from here."""
        self.collapsed_at = len(self.log)

    def act(self, text: str) -> Entry:
        """Do what a text says and log it."""
        action = parse(text)
        if action.verb in ("answer", "stop"):
            self.over = True
            entry = Entry(action, "", failed=False)
        elif not action.verb:
            entry = Entry(action, UNKNOWN, failed=False)
        elif self._broken(action.verb):
            silent = self.task.fault.mode == "silent"
            entry = Entry(action, "" if silent else f"error {self.task.fault.code}", failed=True)
        else:
            output = execute(action, self.task.files)
            entry = Entry(action, f"error: {action.argument}" if output is None else output, failed=output is None)
        self.log.append(entry)
        return entry

    def _broken(self, verb: str) -> bool:
        fault = self.task.fault
        match fault.mode:
            case "works":
                return False
            case "alt_tool":
                return verb == "run"
            case "repair_after":
                since = self.log[self.collapsed_at :] if self.collapsed_at is not None else []
                return sum(entry.failed for entry in since) < fault.k
            case _:
                return True

    def solved(self) -> bool:
        """Whether the last action is the right answer."""
        last = self.log[-1].action if self.log else Action("", "")
        return last.verb == "answer" and last.argument.lower().rstrip(".") == self.task.gold.lower()


def execute(action: Action, files: Mapping[str, Sequence[str]]) -> str | None:
    """The output of a tool that works; None for a command or file that there is not."""
    if action.verb == "read":
        return "\n".join(files[action.argument]) if action.argument in files else None
    *words, name = action.argument.split()
    if name not in files:
        return None
    lines = list(files[name])
    match words:
        case ["wc", "-l"]:
            return str(len(lines))
        case ["grep", "-c", word]:
            return str(sum(word in line.split() for line in lines))
        case ["sum"]:
            return str(sum(int(line) for line in lines)) if all(line.isdigit() for line in lines) else None
        case ["sort"]:
            return "\n".join(sorted(lines))
        case ["get", key]:
            return next((line.split()[1] for line in lines if line.split()[0] == key and " " in line), None)
        case ["head", "-n", "1"]:
            return lines[0]
        case ["tail", "-n", "1"]:
            return lines[-1]
        case _:
            return None


def make_task(number: int, generator: random.Random, fault: Fault | None = None) -> Task:
    """A random task; kinds and, unless one is given, faults take turns by number."""
    kind = KINDS[number % len(KINDS)]
    name = f"{generator.choice(NAMES)}.txt"
    count = generator.randint(3, 6)
    words = generator.sample(WORDS, count)
    if kind == "sum":
        lines = [str(generator.randint(1, 20)) for _ in range(count)]
    elif kind == "key":
        lines = [f"{word} {generator.randint(1, 99)}" for word in words]
    elif kind == "word":
        lines = [generator.choice(words[:2]) for _ in range(count)]
    else:
        lines = words
    goal, command = {
        "lines": (f"Say how many lines {name} has.", f"wc -l {name}"),
        "word": (f"Say how often {words[0]} is in {name}.", f"grep -c {words[0]} {name}"),
        "sum": (f"Say the sum of {name}.", f"sum {name}"),
        "sorted": (f"Say which word of {name} is first in the alphabet.", f"sort {name}"),
        "key": (f"Say the number of {words[0]} in {name}.", f"get {words[0]} {name}"),
        "first": (f"Say the first line of {name}.", f"head -n 1 {name}"),
        "last": (f"Say the last line of {name}.", f"tail -n 1 {name}"),
    }[kind]
    files = {name: tuple(lines)}
    output = execute(Action("run", command), files)
    assert output is not None
    code = generator.choice((1, 2, 126, 127))
    fault = fault or Fault(FAULTS[number % len(FAULTS)], code)
    return Task(number, goal, files, command, output.split("\n")[0], fault)


def make_tasks(count: int) -> list[Task]:
    """The first ``count`` tasks, the same for all seeds of the study, with all kinds and faults."""
    return [make_task(number, random.Random(derive_seed(SHARED, Purpose.EPISODES, number))) for number in range(count)]
