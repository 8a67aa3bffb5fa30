"""A report of a folder with damaged files: one line that names the file and what to do."""

import json
import shutil

import pytest

from babylm import report
from tests.reporting.test_report import score
from tests.training import runs

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny run with stored results; read, never written to."""
    run = runs.run(tmp_path_factory.mktemp("run"), "name=tiny", "milestones=[300,600]")
    score(run)
    averages = {"columns": {}, "nlp": {"value": 0.5, "present": 0.5, "missing": []}}
    (run / "evaluation/main/averages.2026.causal.json").write_text(json.dumps(averages))
    (run / "evaluation/aoa.full.2026.causal.json").write_text(json.dumps({"score": 0.1, "words": 5}))
    (run / "evaluation/test_loss.json").write_text(json.dumps({"all": {"causal": 3.0}}))
    return run


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "tiny")


FILES = (
    "plan.json",
    "environment.json",
    "main/babylm.json",
    "main/config.json",
    "evaluation/main/averages.2026.causal.json",
    "evaluation/main/blimp.fast.2026.causal.json",
    "evaluation/main/items/blimp.fast.2026.causal.json",
    "evaluation/aoa.full.2026.causal.json",
    "evaluation/test_loss.json",
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b'{"epochs": ', b"[1, 2]", b"\xff\xfe\x00"])
def test_a_damaged_file_is_named_with_the_remedy(run, capsys, name, content):
    (run / name).write_bytes(content)
    assert report._command([str(run)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {run / name}: ")
    assert any(remedy in line for remedy in ("the report does without", "python -m babylm.evaluate", "restore"))
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("plan.json", {"epochs": "two"}, "epochs is 'two'"),
        ("plan.json", {"milestones": None}, "milestones is None"),
        ("environment.json", {"packages": []}, "packages is []"),
        ("evaluation/main/blimp.fast.2026.causal.json", {"tie_aware": "0.5"}, "tie_aware is '0.5'"),
        ("evaluation/main/blimp.fast.2026.causal.json", {"by_uid": {"part_0": {}}}, "part_0: n is missing"),
        ("evaluation/main/averages.2026.causal.json", {"nlp": {}}, "nlp does not hold"),
        ("evaluation/main/averages.2026.causal.json", {"nlp": 3}, "nlp is 3"),
        ("evaluation/aoa.full.2026.causal.json", {"score": None}, "score is None"),
        ("evaluation/test_loss.json", {"all": 3}, "all is 3"),
    ],
)
def test_fields_of_another_type_are_named(run, capsys, name, changes, message):
    file = run / name
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert report._command([str(run)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: {message}")


def test_a_last_line_of_metrics_that_a_kill_has_cut_is_left_out(run):
    file = run / "metrics.jsonl"
    text = file.read_text()
    file.write_text(text[:-15])
    assert report._command([str(run)]) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 1, "lo', "not valid JSON (line 2"),
        ('{"step": 1, "loss": "high"}', "line 2: loss is 'high', not a number; remove that line"),
        ("[]", "line 2 holds a list"),
    ],
)
def test_a_damaged_line_of_metrics_is_named(run, capsys, line, message):
    file = run / "metrics.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
    assert report._command([str(run)]) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {file}: ")
    assert message in error


def test_a_place_that_cannot_be_written_is_one_line(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert report._command([str(run), f"out={tmp_path}/file/r.html"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/file")
