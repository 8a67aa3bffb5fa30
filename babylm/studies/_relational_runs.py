"""The work of the relational study: an agent, its episodes, what was measured of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import checksums, files, places
from babylm.config.teaching import EndpointConfig
from babylm.studies import _relational_states as states
from babylm.studies._relational_episodes import Agent, Limits, Row, behaviour, run_batch
from babylm.studies._relational_messages import message_sets
from babylm.studies._relational_models import INTRODUCTION, EndpointAgent, ModelAgent
from babylm.studies._relational_planted import ScriptedAgent
from babylm.studies._relational_scales import Scale
from babylm.studies._relational_student import make_student, transcripts
from babylm.studies._relational_tables import FAMILIES
from babylm.studies._relational_tool import Action, BrokenTool, Entry, Task, make_tasks, parse_transcript

if TYPE_CHECKING:
    from babylm.studies._subjects import Subject
    from babylm.studies.experiment import Measurement, Piece

UNIGRAM_BYTES = 2_000_000
ROW_FIELDS = ("ids", "text", "condition", "message", "message_span", "turns", "entropies", "prefix_length", "clause")


def scripted(piece: Piece, scale: Scale, limits: Limits, planted: bool) -> list[Measurement]:
    """Episodes of the planted or the null agent."""
    agent = ScriptedAgent(piece.seed, planted)
    messages = message_sets(piece.seed, lambda text: len(agent.encode(text)))
    rows, _ = run_batch(agent, make_tasks(scale.control_tasks), messages, limits)
    return [
        piece.measurement(value, f"t{row.task.number}", f"{row.condition} {name}")
        for row in rows
        for name, value in behaviour(row).items()
        if name in FAMILIES
    ]


def student(piece: Piece, scale: Scale, limits: Limits, base: str | None, text: str | None) -> list[Measurement]:
    """Train the student of the seed, then measure it."""
    subject, facts = make_student(piece.seed, scale, base)
    measured = [piece.measurement(value, "", name) for name, value in facts.items()]
    return measured + model(piece, scale, limits, subject, "", text)


def given_model(piece: Piece, scale: Scale, limits: Limits, path: str, text: str | None) -> list[Measurement]:
    """Measure the model of a path."""
    from babylm.studies._subjects import load_subject

    return model(piece, scale, limits, load_subject(path), INTRODUCTION, text)


def model(
    piece: Piece, scale: Scale, limits: Limits, subject: Subject, introduction: str, text: str | None
) -> list[Measurement]:
    """Behaviour of all tasks, attention and states of the first; ``text`` is for the unigram surprisal."""
    agent = ModelAgent(subject, piece.seed, piece.settings["temperature"])
    tasks = make_tasks(scale.tasks)
    rows, left_out = _episodes(piece, agent, tasks, limits, introduction, scale.batch_tasks)
    measured = _behaviours(piece, rows, left_out)
    piece.log(f"{len(rows) // 6} of {len(tasks)} episodes collapsed")
    if not rows:
        return measured
    probes = states.fit_probes(subject)
    measured += [piece.measurement(value, concept, "probe AUC") for concept, value in probes.accuracy.items()]
    unigram = _unigram(text, piece.seed, subject)
    again = sorted({row.task.number for row in rows})[: scale.state_tasks]
    for row in rows:
        if row.task.number not in again:
            continue
        values = states.states_of(subject, row, probes)
        if row.message:
            values["unigram surprisal"] = unigram.surprisal(row.ids[slice(*row.message_span)])
        measured += [
            piece.measurement(value, f"t{row.task.number}", f"{row.condition} {name}") for name, value in values.items()
        ]
    return measured


def endpoint(piece: Piece, scale: Scale, limits: Limits, config: EndpointConfig) -> list[Measurement]:
    """Behaviour of the model behind a server."""
    agent = EndpointAgent(config, piece.seed, piece.settings["temperature"])
    tasks = make_tasks(scale.endpoint_tasks)
    rows, left_out = _episodes(piece, agent, tasks, limits, INTRODUCTION, scale.batch_tasks)
    return _behaviours(piece, rows, left_out)


def _behaviours(piece: Piece, rows: Sequence[Row], left_out: int) -> list[Measurement]:
    measured = [piece.measurement(left_out, "", "not collapsed")]
    for row in rows:
        assert [e.action for e in row.tool.log] == [action for action, _ in parse_transcript(row.text)][
            -len(row.tool.log) :
        ]
        if row.condition == "A":
            raised = row.clause == "attempts and entropy"
            measured.append(piece.measurement(raised, f"t{row.task.number}", "entropy clause"))
        if row.message:
            length = row.message_span[1] - row.message_span[0]
            measured.append(piece.measurement(length, f"t{row.task.number}", f"{row.condition} length"))
        measured += [
            piece.measurement(value, f"t{row.task.number}", f"{row.condition} {name}")
            for name, value in behaviour(row).items()
        ]
    return measured


def _episodes(
    piece: Piece, agent: Agent, tasks: Sequence[Task], limits: Limits, introduction: str, batch: int
) -> tuple[list[Row], int]:
    """All finished episodes and how many tasks did not collapse; each batch of tasks is kept in the piece's scratch."""
    messages = message_sets(piece.seed, lambda text: len(agent.encode(text + "\n")))
    rows: list[Row] = []
    for first in range(0, len(tasks), batch):
        file, part = piece.scratch / f"episodes-{first:04}.jsonl", tasks[first : first + batch]
        if not file.is_file():
            made, _ = run_batch(agent, part, messages, limits, introduction)
            lines = (json.dumps(checksums.add(files.nan_to_none(_record(row)))) for row in made)
            files.write_text(file, "".join(f"{line}\n" for line in lines))
        rows += _read(file, part)
        piece.log(f"tasks {first} to {first + len(part) - 1} are done")
    return rows, len(tasks) - len({row.task.number for row in rows})


def _record(row: Row) -> dict[str, Any]:
    log = [[*entry.action, entry.output, entry.failed] for entry in row.tool.log]
    named = {name: getattr(row, name) for name in ROW_FIELDS}
    return {"task": row.task.number, "log": log, "at": row.tool.collapsed_at, **named}


def _read(file: Path, tasks: Sequence[Task]) -> Iterator[Row]:
    by_number = {task.number: task for task in tasks}
    for number, line in files.numbered_jsonl(file):
        content = checksums.verify(line, file, line=number)
        task = by_number[content["task"]]
        log = [Entry(Action(verb, argument), output, failed) for verb, argument, output, failed in content["log"]]
        content["entropies"] = files.none_to_nan(content["entropies"])
        tool = BrokenTool(task, log, log[-1].action.verb in ("answer", "stop"), content["at"])
        row = Row(task, tool, **{name: content[name] for name in ROW_FIELDS})
        row.message_span = (content["message_span"][0], content["message_span"][1])
        yield row


def _unigram(path: str | None, seed: int, subject: Subject) -> states.Unigram:
    """Frequencies of the tokens of a text file, or of transcripts and labelled sentences."""
    if path is None:
        texts = [sentence for sentence, _ in states.labelled()]
        texts += [transcript.introduction + "".join(transcript.pieces) for transcript in transcripts(500, seed)]
    else:
        if not places.given(path).is_file():  # a pipe would wait for ever
            raise ValueError(f"text={path}: there is no such file")
        with open(places.given(path), encoding="utf-8", errors="replace") as opened:
            texts = opened.read(UNIGRAM_BYTES).splitlines()
    entries = subject.model.get_input_embeddings().num_embeddings
    return states.Unigram((subject.ids(text, False) for text in texts), entries)
