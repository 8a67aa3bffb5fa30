"""A submission with a teacher: who it was, what the year's rules say of it, and the words that it cost."""

import json

import pytest

from babylm import tracks
from babylm.submission import ledger, settings, teaching
from babylm.submission.card import card
from babylm.submission.form import form
from tests.submission.conftest import TRACK
from tests.submission.test_checks import problems

LLAMA = {
    "name": "meta-llama/Llama-3.2-3B-Instruct",
    "kind": "model",
    "parameters": 3_200_000_000,
    "trained_inside_budget": False,
    "external": True,
    "feedback": "correction",
}
QWEN = LLAMA | {"name": "Qwen/Qwen3-8B", "parameters": 8_200_000_000}
UNKNOWN = LLAMA | {"name": "acme/giant-70b", "parameters": 70_000_000_000}


@pytest.fixture(autouse=True)
def small_track(monkeypatch):
    """The interaction track in miniature, too."""
    monkeypatch.setitem(tracks.TRACKS, "interaction", TRACK)


def taught(mini, teacher, track="strict-small", **words):
    (mini / "teacher.json").write_text(json.dumps(teacher))
    counts = {"corpus": 2_000, "read": 5_007, "from_teachers": 300, "teacher_shown": 300, "generated": 700} | words
    (mini / "ledger.json").write_text(json.dumps(counts))
    file = mini / "config.yaml"
    file.write_text(file.read_text().replace("track: strict-small", f"track: {track}"))
    return mini


def told(mini, rules):
    return [problem.what for problem in problems(mini, rules)]


@pytest.mark.parametrize(
    ("teacher", "track", "rules", "message"),
    [
        (LLAMA, "strict-small", 2026, None),
        (QWEN, "strict-small", 2026, None),
        (LLAMA, "interaction", 2025, None),
        (QWEN, "interaction", 2025, "rules of 2025 do not name Qwen3-8B"),
        (UNKNOWN, "strict-small", 2026, "rules of 2026 do not name giant-70b"),
        (LLAMA, "strict-small", 2025, "rules of 2025 allow no external teacher in track strict-small"),
        (LLAMA, "interaction", 2026, "rules of 2026 have no track interaction"),
        (LLAMA | {"kind": "person", "external": False}, "strict-small", 2026, "the teacher is a person"),
        (LLAMA | {"external": False, "trained_inside_budget": True}, "strict-small", 2025, None),
        (LLAMA | {"kind": "program", "external": False}, "strict-small", 2025, None),
    ],
)
def test_the_rules_of_the_year_decide(mini, teacher, track, rules, message):
    found = told(taught(mini, teacher, track), rules)
    assert found == [] if message is None else any(message in what for what in found), found


def test_words_of_teacher_and_student_have_limits(mini):
    found = told(taught(mini, LLAMA, from_teachers=8_001, generated=10_001), 2026)
    assert found == [
        "corpus and teacher have 10,001 words together; strict-small allows 10,000",
        "the student has generated 10,001 words; strict-small allows 10,000",
    ]


def test_form_card_and_budget_say_who_taught(mini):
    run = settings.open_run(taught(mini, LLAMA), {"backend": "causal"})
    said = (
        "meta-llama/Llama-3.2-3B-Instruct (external, 3,200,000,000 parameters), by correction: 300 words shown to the "
        "model, which generated 700"
    )
    assert teaching.describe(run) == said
    assert form(run, {"results": "r", "predictions": "p"})["teacher models"] == said
    counted = ledger.budget(run)
    assert counted["unique_words"] == {"used": 2_300, "allowed": 10_000}
    assert counted["words_generated"] == {"used": 700, "allowed": 10_000}
    text = card(run, [], {}, [])
    assert said in text
    assert "2,300 of 10,000" in text


def test_a_distilled_student_declares_its_teachers(mini):
    file = mini / "main" / "babylm.json"
    teacher = {
        "path": "/home/me/checkpoints/teacher_1",
        "words": 4_321,
        "sha256": "0123456789abcdef" * 4,
        "flops": None,
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | {"teachers": [teacher]}))
    said = teaching.describe(settings.open_run(mini, {"backend": "causal"}))
    assert said.startswith("teacher_1 (trained inside the budget: 4,321 words of the corpus read in its own run")
    assert "/home/me" not in said, "a path is nobody's business"


def test_a_run_without_a_teacher_has_none(mini):
    run = settings.open_run(mini, {"backend": "causal"})
    assert teaching.describe(run) == "none"
    assert ledger.budget(run)["words_generated"] == 0
