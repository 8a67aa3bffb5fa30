"""Who taught a run in an interaction, in words for card and form, and whether the rules of the year allow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babylm.runs import Run
from babylm.submission import description
from babylm.submission.problems import Problem
from babylm.teacher_rules import approved

WITH_TEACHERS = {2025: ("interaction",), 2026: ("strict", "strict-small")}
"""Year of the rules -> tracks in which a teacher may be used (2026 has no interaction track of its own)."""


def describe(run: Run) -> str:
    """The answer to "teacher models": ``none``, or name, size and what they gave."""
    return "; ".join([*_of_interaction(run), *_of_distillation(run)]) or "none"


def _of_distillation(run: Run) -> list[str]:
    """The models that the student was distilled from, which were trained inside the budget."""
    teachers: list[dict[str, Any]] = description.facts(run).get("teachers", [])
    return [
        f"{Path(teacher['path']).name} (trained inside the budget: {teacher['words']:,} words of the corpus read in "
        f"its own run, weights {teacher['sha256'][:16]}), by distillation"
        for teacher in teachers
    ]


def _of_interaction(run: Run) -> list[str]:
    teacher = run.teacher
    if not teacher:
        return []
    size = "" if teacher["parameters"] is None else f", {teacher['parameters']:,} parameters"
    origin = {"program": "a program", "person": "a person"}.get(
        teacher["kind"], "external" if teacher["external"] else "trained inside the budget"
    )
    words = run.ledger
    return [
        f"{teacher['name']} ({origin}{size}), by {teacher['feedback']}: {words['from_teachers']:,} words shown to the "
        f"model, which generated {words['generated']:,}"
    ]


def problems(run: Run) -> list[Problem]:
    """What an interaction breaks of the rules: its track, its teacher, its words."""
    teacher, track = run.teacher, run.config.track
    if track == "free":
        return []
    problems = []
    if track == "interaction" and track not in WITH_TEACHERS[run.rules]:
        tracks = " or ".join(WITH_TEACHERS[run.rules])
        what = f"the rules of {run.rules} have no track interaction"
        problems.append(Problem(what, f"interactions belong to {tracks} there; or submit with rules=2025"))
    if teacher and teacher["external"]:
        reason = approved(teacher["name"], teacher["parameters"], run.rules)
        if track not in WITH_TEACHERS[run.rules] and track != "interaction":
            reason = f"the rules of {run.rules} allow no external teacher in track {track}"
        if reason is not None:
            problems.append(Problem(f"the teacher {teacher['name']}: {reason}", "interact with another teacher"))
    elif teacher and teacher["kind"] == "person":
        what = f"the teacher is a person: the rules of {run.rules} name models alone"
        problems.append(Problem(what, "ask the organisers, or interact with a model that the rules name"))
    return [*problems, *_words(run)]


def _words(run: Run) -> list[Problem]:
    """Limits of unique and of generated words; those of exposure hold for every run."""
    allowed, ledger = run.track.unique_words, run.ledger
    if allowed is None:
        return []
    remedy = "submit it to a larger track, or interact again inside the budget"
    unique = ledger["corpus"] + ledger["from_teachers"]
    problems = []
    if unique > allowed and ledger["from_teachers"]:  # a corpus that is too large alone is told of as such
        what = f"corpus and teacher have {unique:,} words together; {run.config.track} allows {allowed:,}"
        problems.append(Problem(what, remedy))
    if ledger["generated"] > allowed:
        what = f"the student has generated {ledger['generated']:,} words; {run.config.track} allows {allowed:,}"
        problems.append(Problem(what, remedy))
    return problems
