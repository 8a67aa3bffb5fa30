"""What the page shows of an interaction, and the page of a study."""

import json
import shutil

import pytest

from babylm import report
from babylm.files import DamagedFile
from babylm.reporting.report import report as write_report
from babylm.runs import Run
from babylm.studies.experiment import Summary
from babylm.tables import Table
from tests.reporting.test_report import Nesting, self_contained, trained  # noqa: F401

pytest.importorskip("matplotlib")


@pytest.fixture
def interacted(trained, tmp_path):  # noqa: F811
    """A run with the files of an interaction of two rounds."""
    run = tmp_path / "i1"
    shutil.copytree(trained, run)
    (run / "rounds").mkdir()
    rounds = [{"round": n, "exposure": 1000 * n, "gold": 0.25 * n, "words": 4.0} for n in (0, 1, 2)]
    (run / "rounds" / "results.json").write_text(json.dumps({"rounds": rounds}))
    ledger = {"corpus": 5, "corpus_read": 11_111, "episodes_read": 7, "generated": 8, "teacher_shown": 2, "read": 20}
    (run / "ledger.json").write_text(json.dumps(ledger))
    return run


def test_rounds_and_ledger_are_shown(interacted, capsys):
    assert report._command([str(interacted)]) == 0
    text = (interacted / "report.html").read_text()
    page = Nesting(text)
    self_contained(text)
    for words in ("Interaction", "Gold quality", "Words per completion", "corpus text read", "11,111"):
        assert words in page.text
    assert "gold quality over rounds" in text


@pytest.mark.parametrize(("feedback", "shown"), [("judge", True), ("random", False)])
def test_who_taught_is_shown_unless_nobody_was_asked(interacted, feedback, shown):
    taught = {"name": "tiny-teacher", "kind": "model", "parameters": 123_456, "external": True, "feedback": feedback}
    counts = {"trained_inside_budget": False, "questions": 64, "unusable": 36}
    (interacted / "teacher.json").write_text(json.dumps(taught | counts))
    assert report._command([str(interacted)]) == 0
    page = Nesting((interacted / "report.html").read_text())
    assert feedback in page.text
    assert ("tiny-teacher" in page.text) is ("123,456" in page.text) is shown


def test_a_damaged_file_of_rounds_is_named(interacted):
    (interacted / "rounds" / "results.json").write_text(json.dumps({"rounds": [{"round": 1}]}))
    with pytest.raises(DamagedFile, match=r"results.json.*exposure"):
        _ = Run(interacted).rounds


FACTS = {
    "study": "planted",
    "settings": {"seeds": [1], "deep": {"a": 3}},
    "conditions": ["warm"],
    "seeds": [1],
    "pieces": 2,
    "failed": [{"condition": "cold", "seed": 1, "reason": "out of <luck>"}],
    "seconds": 61.0,
}


@pytest.fixture
def study(tmp_path):
    from babylm.console import Log

    first = Table.of(("tone", "effect"), [("warm", 0.25), ("cold", float("nan"))], formats=("", ".3f"))
    second = Table.of(("gate", "met"), [("a < b", True)], caption="Gates & more")
    folder = tmp_path / "planted"
    folder.mkdir()
    draw = lambda axes: axes.plot([0, 1], [0, 1])  # noqa: E731
    Summary("Planted <effect>", {"effects": first, "gates": second}, draw, ["A remark."]).write(folder, FACTS, Log())
    return folder


def test_a_study_is_shown_with_its_figure(study, capsys):
    assert report._command([str(study)]) == 0
    text = (study / "report.html").read_text()
    page = Nesting(text)
    self_contained(text)
    for words in ("Planted <effect>", "A remark.", "0.250", "Gates & more", "a < b", "out of <luck>", "deep.a"):
        assert words in page.text
    assert text.count('<img class="picture" src="data:image/png;base64,') == 1


def test_a_study_without_its_figure_says_what_to_do(study):
    (study / "figure.png").unlink()
    with pytest.raises(DamagedFile, match="repeat the study's command"):
        write_report(study)


def test_a_folder_of_studies_lists_them(study):
    (study / "config.yaml").write_text("study: warmth\n")
    begun = study.parent / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_text("study: warmth\nseeds: [1]\n")
    text = write_report(study.parent).read_text()
    page = Nesting(text)
    self_contained(text)
    assert "2 studies" in page.text
    for words in ("planted", "Planted <effect>", "not finished: repeat its command"):
        assert words in page.text
    assert "runs" not in page.text.split("Studies")[0]
    (study / "summary.json").write_text("{")
    assert "not valid JSON" in Nesting(write_report(study.parent).read_text()).text
