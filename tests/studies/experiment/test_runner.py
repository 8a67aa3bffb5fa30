"""Pieces run once, whatever fails, is killed, or takes too long; and what they cost is said before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import ModuleType

import pytest

from babylm import registry, study
from babylm.config.studies import StudyConfig
from babylm.studies.experiment import Condition, Experiment, StudyStopped, Summary, TimeUp, run_study
from babylm.studies.experiment import runner as runner_module
from babylm.tables import Table
from tests.conftest import ROOT
from tests.studies.planted import plugins

__all__ = ["plugins"]


class Toy(ModuleType):
    """A study whose pieces say when they run; ``broken`` conditions fail, ``slow`` ones take their declared time."""

    Settings = StudyConfig

    def __init__(self, *conditions: Condition) -> None:
        super().__init__("toy")
        self.listed, self.log = list(conditions), []

    def conditions(self, settings):
        return list(self.listed)

    def run(self, piece, settings):
        self.log.append((piece.condition.name, piece.seed))
        if "broken" in piece.settings:
            raise RuntimeError(f"{piece.settings['broken']}\nwith a second line")
        if "slow" in piece.settings:
            time.sleep(piece.settings["slow"])
        return [piece.measurement(len(piece.condition.name) + piece.seed, "q", "score")]

    def summarise(self, measurements, settings):
        rows = [(name, measurements.select(name).values.mean()) for name in measurements.conditions]
        return Summary("Toy", {"table": Table.of(("condition", "mean"), rows)})


@pytest.fixture
def toy(monkeypatch):
    """Makes the study ``toy`` of some conditions."""

    def make(*conditions):
        module = Toy(*conditions)
        monkeypatch.setattr(runner_module, "load_plugin", lambda name: module)
        monkeypatch.setattr(registry, "code_sha256", lambda folder, name: "0" * 64)
        return module

    return make


def settings_for(tmp_path, **changes):
    return StudyConfig(study="toy", name="toy", folder=str(tmp_path), **{"seeds": [1, 2], **changes})


A, B = Condition("a", {"x": 1}), Condition("b", {"x": 2})
BROKEN = Condition("bad", {"broken": "no memory"})


def test_each_piece_runs_once(tmp_path, toy, capsys):
    module = toy(A, B)
    folder = run_study(settings_for(tmp_path))
    assert module.log == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert (folder / "measurements.csv").read_text().splitlines()[1:3] == ["a,1,q,score,2.0", "a,2,q,score,3.0"]
    module.log.clear()
    run_study(settings_for(tmp_path, seeds=[1, 2, 3]))
    assert module.log == [("a", 3), ("b", 3)], "a further seed adds its pieces alone"
    assert not (folder / "figure.png").exists()
    renamed = toy(Condition("another name", A.settings), B)
    run_study(settings_for(tmp_path))
    assert not renamed.log, "the name does not decide the result"
    assert "another name,1,q,score,2.0" in (folder / "measurements.csv").read_text()


def test_a_failing_piece_is_recorded_and_the_others_continue(tmp_path, toy, capsys):
    module = toy(BROKEN, A)
    folder = run_study(settings_for(tmp_path))
    assert module.log == [("bad", 1), ("bad", 2), ("a", 1), ("a", 2)]
    failed = json.loads((folder / "summary.json").read_text())["failed"]
    assert failed[0] == {"condition": "bad", "seed": 1, "reason": "RuntimeError: no memory"}
    assert "with a second line" in (folder / "failures.txt").read_text(), "the traceback"
    assert "2 of 4 pieces failed" in capsys.readouterr().out
    module.log.clear()
    run_study(settings_for(tmp_path))
    assert not module.log, "not tried again by itself"
    run_study(settings_for(tmp_path, retry_failed=True))
    assert module.log == [("bad", 1), ("bad", 2)]


def test_nothing_but_failures_is_an_error(tmp_path, toy):
    toy(BROKEN)
    with pytest.raises(ValueError, match="every piece failed, the first: bad with seed 1: RuntimeError: no memory"):
        run_study(settings_for(tmp_path))


def test_parts_share_out_the_pieces_and_the_whole_summarises(tmp_path, toy, capsys):
    module = toy(A, B)
    run_study(settings_for(tmp_path, part="1/2"))
    assert module.log == [("a", 2), ("b", 2)]
    assert "part 1/2 is done; 2 pieces of other parts are left" in capsys.readouterr().out
    assert not (tmp_path / "toy" / "summary.json").exists()
    run_study(settings_for(tmp_path, part="0/2"))
    assert sorted(module.log) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    run_study(settings_for(tmp_path))
    assert len(module.log) == 4
    assert (tmp_path / "toy" / "summary.json").exists()


def test_later_conditions_depend_on_what_was_measured(tmp_path, toy):
    module = toy(A, B)
    seen = []

    def next_conditions(measurements, settings):
        best = max(measurements.select(seed=1), key=lambda row: row.value).condition
        seen.append(best)
        return [] if measurements.has_run("after") else [Condition("after", {"best": best}, seeds=[1])]

    module.next_conditions = next_conditions
    run_study(settings_for(tmp_path))
    assert module.log[4:] == [("after", 1)]
    module.log.clear()
    run_study(settings_for(tmp_path))
    assert not module.log
    module.next_conditions = lambda measurements, settings: [A]
    with pytest.raises(ValueError, match="conditions that are all done already"):
        run_study(settings_for(tmp_path))


def test_pieces_that_do_not_fit_the_time_are_named_and_not_begun(tmp_path, toy, capsys):
    first = Condition("first", {"slow": 1.0}, [1], 1, "first")
    long = Condition("long", {"x": 3}, seconds=29.5)
    module = toy(
        first, long, Condition("short", {"x": 4}, None, 1), Condition("resumes", {"x": 5}, None, 1000, "r", True)
    )
    with pytest.raises(StudyStopped, match="5 of 7 known pieces are done"):
        run_study(settings_for(tmp_path, time_limit=40.0))  # of which 30 are usable
    assert {name for name, _ in module.log} == {"first", "short", "resumes"}, "what resumes is begun in any time"
    assert "too short: long (seed 1), long (seed 2)" in capsys.readouterr().out
    assert len((tmp_path / "toy" / "measurements.csv").read_text().splitlines()) == 6
    module.log.clear()
    run_study(settings_for(tmp_path, time_limit=1000.0))
    assert {name for name, _ in module.log} == {"long"}


def test_a_piece_that_can_never_fit_is_an_error_and_not_repeated_for_ever(tmp_path, toy):
    toy(A, Condition("endless", {"slow": 60.0}, [1]))
    limit = settings_for(tmp_path, time_limit=1.0)
    resumable = Condition("resumes", {"slow": 60.0, "x": 1}, [1], 1000.0, resumable=True)
    toy(A, resumable)
    for _ in range(2):
        with pytest.raises(StudyStopped, match="2 of 3"):
            run_study(limit)  # a resumable piece comes nearer to its end each time
    toy(A, Condition("endless", {"slow": 60.0}, [1]))
    with pytest.raises(StudyStopped, match="2 of 3"):
        run_study(limit)  # of unknown length, so it is begun, and stopped
    with pytest.raises(ValueError, match=r"time_limit=1: too short for any piece that is left \(endless-s1 takes more"):
        run_study(limit)


def test_a_summary_that_does_not_fit_asks_for_more_time(tmp_path, toy, monkeypatch):
    monkeypatch.setattr(toy(A), "summarise", lambda *_: time.sleep(30))
    with pytest.raises(StudyStopped, match=r"2 of 2 known pieces are done, .* with a longer time_limit"):
        run_study(settings_for(tmp_path, time_limit=1.0))


def test_the_limit_stops_inside_a_piece(tmp_path, toy):
    handler = signal.getsignal(signal.SIGUSR1)
    module = toy(A, Condition("slow", {"slow": 30.0}))
    begin = time.monotonic()
    with pytest.raises(StudyStopped, match="2 of 4 known pieces are done"):
        run_study(settings_for(tmp_path, time_limit=1.0))
    assert time.monotonic() - begin < 10
    assert signal.getsignal(signal.SIGUSR1) == handler, "given back"
    module.listed[1] = Condition("slow", {"slow": 0.0})
    run_study(settings_for(tmp_path))
    assert module.log[-2:] == [("slow", 1), ("slow", 2)]


def test_a_signal_of_the_scheduler_stops_it_too(tmp_path, toy):
    module = toy(A, B)
    run = module.run

    def stop_at_b(piece, settings):
        if piece.condition.name == "b":
            os.kill(os.getpid(), signal.SIGUSR1)
        return run(piece, settings)

    module.run = stop_at_b
    with pytest.raises(StudyStopped, match="2 of 4"):
        run_study(settings_for(tmp_path))


def test_a_dry_run_says_what_is_done_and_what_the_rest_takes(tmp_path, toy, capsys):
    small = Condition("small", {"slow": 0.2}, seconds=10.0, detail="1e3 FLOPs")
    large = Condition("large", {"slow": 0.8}, seconds=40.0)
    unknown = Condition("unknown", {"x": 9}, kind="other")
    module = toy(small, large, unknown)
    run_study(settings_for(tmp_path, dry_run=True))
    shown = capsys.readouterr().out
    assert "about 40 s" in shown
    assert "6 pieces, 6 to do, 2 of them of unknown length: about 1m40s" in shown
    assert "1e3 FLOPs" in shown
    assert not module.log
    assert not (tmp_path / "toy").exists()
    module.listed = [small]
    run_study(settings_for(tmp_path))
    module.listed = [small, large]
    run_study(settings_for(tmp_path, dry_run=True))
    assert "4 pieces, 2 to do: about 2s" in capsys.readouterr().out, "0.8 s each, as the small ones were measured"


def test_conditions_must_differ_in_what_is_stored_of_them(tmp_path, toy):
    toy(Condition("warm"), Condition("cold"))
    with pytest.raises(ValueError, match="warm and cold have the same settings"):
        run_study(settings_for(tmp_path))
    toy(A, Condition("a", {"x": 7}))
    with pytest.raises(ValueError, match="two conditions of different settings are called a"):
        run_study(settings_for(tmp_path))


def test_a_changed_file_of_the_study_is_noticed(tmp_path, toy, monkeypatch, capsys):
    toy(A)
    run_study(settings_for(tmp_path))
    monkeypatch.setattr(registry, "code_sha256", lambda folder, name: "1" * 64)
    run_study(settings_for(tmp_path))
    assert "2 pieces were measured before the study's file was changed" in capsys.readouterr().out


def test_random_numbers_follow_the_seed_and_the_settings(tmp_path, toy):
    toy(A, B)
    pieces = Experiment(settings_for(tmp_path)).pieces([A, B, Condition("b2", {"x": 22})])
    draws = [piece.generator().random() for piece in pieces]
    assert len(set(draws)) == len(draws)
    assert draws == [piece.generator().random() for piece in pieces]


def test_a_damaged_record_is_named(tmp_path, toy):
    toy(A)
    folder = run_study(settings_for(tmp_path))
    file = next((folder / "pieces").iterdir())
    file.write_text(file.read_text()[:40])
    with pytest.raises(ValueError, match=r"not valid JSON .* remove it and repeat the command"):
        run_study(settings_for(tmp_path))


def test_a_changed_value_in_a_record_is_noticed(tmp_path, toy):
    toy(A)
    folder = run_study(settings_for(tmp_path))
    file = next((folder / "pieces").iterdir())
    content = json.loads(file.read_text())
    content["measurements"][0][2] += 1
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"its content is not what was written; remove it and repeat the command"):
        run_study(settings_for(tmp_path))


def test_a_killed_study_continues_and_runs_no_finished_piece_again(tmp_path, plugins):
    text = (plugins / "studies" / "planted.py").read_text()
    slow = text.replace(
        "def run(piece, settings):\n",
        "def run(piece, settings):\n    import time\n    time.sleep(0.3)\n"
        "    print(piece.name, file=open(settings.folder + '/ran', 'a'))\n",
    )
    (plugins / "studies" / "planted.py").write_text(slow)
    words = [sys.executable, "-m", "babylm.study", "--plugins", str(plugins), str(tmp_path / "planted.yaml")]
    words += [f"folder={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    pieces = tmp_path / "planted" / "pieces"
    while len(list(pieces.glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = {file.name.rpartition("-")[0] for file in pieces.glob("*.json")}
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    ran = (tmp_path / "ran").read_text().split()
    assert set(ran) == {f"{tone}-s{seed}" for tone in ("neutral", "warm", "placebo") for seed in (1, 2, 3)}
    assert len(done) < 9
    assert all(ran.count(name) == 1 for name in done)


@pytest.mark.parametrize(
    ("running", "started", "together"),
    [
        ("", "", False),
        ("", "0/2", False),
        ("0/2", "", False),
        ("0/2", "0/2", False),
        ("0/2", "1/2", True),
        ("0/2", "1/4", False),
        ("0/2", "1/12", False),
    ],
)
def test_commands_that_would_run_the_same_pieces_are_refused(tmp_path, toy, running, started, together):
    """The first is a process of its own, which has the lock and waits."""
    module = toy(A, B)
    (tmp_path / "toy").mkdir()
    program = (
        "import pathlib, sys\n"
        "from babylm.studies.experiment import runner\n"
        f"runner._lock(pathlib.Path({str(tmp_path / 'toy')!r}), {running!r})\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout.readline() == "locked\n"
        if together:
            run_study(settings_for(tmp_path, part=started))
        else:
            with pytest.raises(ValueError, match=rf"another command runs .*process {first.pid} on .*part= of its own"):
                run_study(settings_for(tmp_path, part=started))
            assert not module.log
    finally:
        first.communicate()
    run_study(settings_for(tmp_path, part=started))
    assert module.log, "the lock has ended with its process"


def test_the_command_ends_with_75_while_work_is_left(tmp_path, plugins, monkeypatch, capsys):
    def stop(settings, log):
        raise StudyStopped("time is up")

    monkeypatch.setattr("babylm.studies.experiment.run_study", stop)
    assert study._command(["--plugins", str(plugins), str(tmp_path / "planted.yaml")]) == 75
    assert "time is up" in capsys.readouterr().out
    assert not issubclass(TimeUp, Exception), "what catches errors of a piece must not catch it"


def test_the_experiment_loads_no_torch():
    code = (
        "import sys, babylm.study, babylm.studies.experiment, babylm.studies.statistics, babylm.studies.recipe_search\n"
        "assert not {'torch', 'lightning', 'transformers', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_table_names_each_column_once():
    with pytest.raises(ValueError, match="the table effects has two columns 'low'"):
        Summary("Toy", {"effects": Table.of(("arm", "low", "low"), [])})
