"""A run's folder, read in one place: how far it is, and what a kill leaves."""

import json
import shutil
import subprocess
import sys

import pytest

from babylm import files, metrics, run_folder
from babylm.evaluation.results import store
from babylm.reporting import headline as headlines
from babylm.reporting import runs_table
from babylm.runs import Run
from babylm.studies import _recipe_runs
from tests.training import runs as tiny

HEAVY = ("torch", "lightning", "transformers", "datasets", "tokenizers")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run with three revisions; read, never written to."""
    return tiny.run(tmp_path_factory.mktemp("run"), "name=tiny", "milestones=[300,600]")


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "tiny")


def unfinished(folder, log=""):
    shutil.rmtree(folder / "main")
    (folder / "log.txt").write_text(f"# before  train\nerror: of an earlier attempt\n# now  train\nstep 1\n{log}")
    return folder


@pytest.mark.parametrize(
    "module", ["babylm.runs", "babylm.submission.settings", "babylm.reporting.report", "babylm.submit"]
)
def test_reading_loads_nothing_heavy(module, trained):
    program = (
        f"import sys, {module}; from babylm.runs import Run; run = Run(sys.argv[1])\n"
        "run.state, run.plan, run.config, run.metrics, run.curves, run.last_results, run.averages, run.facts\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, trained], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_everything_in_a_folder_is_read(trained):
    run = Run(trained)
    assert (run.name, run.state.name, run.is_finished) == ("tiny", "finished", True)
    assert run.revisions == ["chck_300", "chck_600", "main"]
    assert run.milestones == run.present == ["chck_300", "chck_600"]
    assert run.facts["words"] == run.plan["words"] == run.state.words == run.ledger["read"]
    assert run.ledger["from_teachers"] == 0
    assert run.config.name == "tiny"
    assert run.environment["packages"]["torch"]
    assert run.datasheet["total"]["words"] == run.plan["corpus_words"]
    words, losses = run.series("loss")
    assert len(words) == len(losses) > 1
    assert run.hours > 0


def test_hours_begin_after_the_words_of_the_base(trained, tmp_path):
    """An interaction counts on from what its base had read."""
    folder = tmp_path / "answered"
    shutil.copytree(trained, folder)
    lines = [json.dumps({"step": step, "words": 7200 + 3600 * step, "words_per_second": 1.0}) for step in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "ledger.json").write_text('{"base_read": 7200}')
    assert Run(folder).hours == 2.0


def test_changes_and_selection(trained):
    run = Run(trained, ["submission.repo=me/tiny"], rules=2025, backend="mntp")
    assert (run.config.submission.repo, run.rules, run.backend) == ("me/tiny", 2025, "mntp")
    assert (Run(trained).rules, Run(trained).backend) == (2026, "causal")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("error: the loss is nan in step 7; the last saved state is in x\n", "the loss is nan in step 7"),
        ("stopped by SIGTERM after step 5, state saved: repeat the command\n", "stopped by SIGTERM after step 5"),
        ("interrupted; the last saved state is in x\n", "interrupted"),
        ("", "no word of an end: killed, or the machine stopped"),
    ],
)
def test_a_stopped_run_says_why(folder, log, reason):
    state = Run(unfinished(folder, log)).state
    assert str(state) == f"stopped: {reason}"
    assert state.words > 0


def test_a_running_run(folder):
    program = (
        "import sys, pathlib; from babylm import run_folder\n"
        "run_folder.lock_run(pathlib.Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", program, unfinished(folder)], **pipes)
    assert process.stdout.readline() == b"ready\n"
    assert Run(folder).state.name == "running"
    process.kill()
    process.wait()
    assert Run(folder).state.name == "stopped"


def test_a_run_that_never_started(tmp_path):
    run_folder.RunFolder(tmp_path / "r").open("name: r\n", {"seed": 1})
    shutil.copytree(tmp_path / "r", tmp_path / "copy")  # which this process does not lock
    assert str(Run(tmp_path / "copy").state) == "never started"


def test_a_last_line_that_a_kill_has_cut_is_left_out(folder):
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines)[:-15])
    assert len(Run(folder).metrics) == len(lines) - 1
    file.write_text("\n".join([lines[0], '{"step": 1, "lo', lines[1]]))
    with pytest.raises(files.DamagedFile, match=r"metrics\.jsonl: not valid JSON \(line 2"):
        _ = Run(folder).metrics


def test_what_a_submission_needs_is_named(folder, tmp_path):
    Run(folder).require_whole()
    (folder / "plan.json").unlink()
    with pytest.raises(files.DamagedFile, match=r"plan\.json: there is no such file; restore"):
        Run(folder).require_whole()
    with pytest.raises(ValueError, match="is not finished"):
        Run(unfinished(folder)).require_whole()
    with pytest.raises(ValueError, match="neither a run"):
        Run(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        Run(tmp_path / "none")


def test_a_ledger_of_an_interaction_is_read(folder):
    (folder / "ledger.json").write_text(json.dumps({"from_teachers": 12, "generated": 34}))
    assert Run(folder).ledger == {"corpus": 988, "read": 1976, "from_teachers": 12, "generated": 34}


def test_the_reader_and_the_metrics_agree(trained):
    assert metrics.read(trained / "metrics.jsonl") == Run(trained).metrics
    assert metrics.read(trained / "none.jsonl") == []
    assert Run(trained).config.objective.backend == "causal"


def test_of_results_by_several_backends_those_by_the_runs_own_come_first(folder):
    for number, backend in enumerate(("causal", "mntp")):
        share = 0.5 + 0.1 * number
        averages = {"columns": {}, "nlp": {"value": share, "present": share, "missing": []}}
        files.write_json(folder / f"evaluation/main/averages.2026.{backend}.json", averages)
        files.write_json(folder / f"evaluation/aoa.full.2026.{backend}.json", {"score": share, "words": 3})
        result = {"official": share, "tie_aware": share, "by_uid": {}, "by_part": {}, "details": {}, "interval": None}
        result |= {"task": "blimp", "model": "main", "suite": "full", "backend": backend, "rules": 2026, "version": 1}
        result |= {"items_sha256": "", "weights_sha256": "", "n": 3, "ties": 0, "chance": 0.5, "seconds": 1.0}
        store.write(folder / f"evaluation/main/blimp.full.2026.{backend}.json", result)
    for number, backend in enumerate(("causal", "mntp")):
        run, percent = Run(folder, backend=backend), pytest.approx(50 + 10 * number)
        assert 100 * run.averages[0][1]["nlp"]["value"] == percent
        assert 100 * run.acquisitions[0][2]["score"] == percent
        scores = runs_table._scores(run)
        assert (scores["NLP 2026"], scores["BLiMP 2026 full"]) == (percent, percent)
        headline = headlines.headline_scores(run, 2026)
        assert (headline["blimp"].value, headline["aoa"].value) == (percent, percent)
        assert _recipe_runs.full_scores(run, 2026, backend)["aoa"] == percent
