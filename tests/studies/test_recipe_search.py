"""The recipe search in miniature: every stage, choices, the time limit, and the plan of the real one."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from babylm import study
from babylm.config.studies import load_study
from babylm.studies import _recipe_choice as choice
from babylm.studies import _recipe_runs as recipe_runs
from babylm.studies import _recipe_scales as scales
from babylm.studies import recipe_search
from babylm.studies.experiment import Experiment, Measurements, TimeUp
from babylm.training import pretrain
from babylm.training.module import Pretraining
from tests.conftest import ROOT
from tests.training import runs

CONFIG = ROOT / "configs" / "studies" / "recipe_search.yaml"
MINI = replace(
    scales.SMOKE,
    questions=(scales.Question("whole words", "objective.whole_words", ("false", "true"), scales.CAUSAL),),
    speed={},
    common=(*scales.SMOKE.common, "model.hidden_size=32", "model.intermediate_size=64"),
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The words of a command for a miniature of the miniature."""
    monkeypatch.setitem(scales.SCALES, "smoke", MINI)
    return [str(CONFIG), "scale=smoke", "seeds=[1]", f"folder={tmp_path}"]


def test_every_stage_in_miniature(tmp_path, small, monkeypatch, capsys):
    assert study._command(small) == 0
    folder = tmp_path / "recipe_search"
    summary = (folder / "summary.md").read_text()
    for part in ("objective.whole_words=true", "GPT-BERT, mostly causal", "ours, 1 seed", choice.RULE, "toy_pairs"):
        assert part in summary
    stored = [json.loads(file.read_text()) for file in (folder / "pieces").glob("compare-*.json")]
    assert len(stored) == 2
    for record in stored:
        losses = {item for item, measure, _ in record["measurements"] if measure == "loss"}
        assert losses >= {"causal", "masked", "causal_word"}
    assert not list(folder.glob("runs/*/*.ckpt"))
    (final,) = folder.glob("runs/final-*")
    assert (final / "chck_4K" / "manifest.json").exists()
    assert (final / "evaluation" / "chck_4K").exists(), "the fast suite at each revision"
    assert (folder / "figure.png").exists()
    tables = json.loads((folder / "summary.json").read_text())["tables"]
    assert set(tables) == {"comparisons", "speed", "full_2025", "full_2026"}
    monkeypatch.setattr(pretrain, "pretrain", lambda *arguments: pytest.fail("trained again"))
    assert study._command(small) == 0
    assert (folder / "summary.md").read_text() == summary, "from the stored values alone"


def test_some_questions_from_an_answered_one(capsys):
    words = [str(CONFIG), "scale=cpu", "stages=[compare]", "seeds=[1]", "dry_run=true"]
    answered = "changes=[optimizer.weight_decay=0.2]"
    assert study._command([*words, answered]) == 2
    assert "optimizer.weight_decay=0.2: this is asked about" in capsys.readouterr().err
    assert study._command([*words, answered, "questions=[model.dropout,corpus.row]"]) == 2
    assert "corpus.row" in capsys.readouterr().err
    settings = load_study(words[0], [*words[1:], answered, "questions=[corpus.rows,model.dropout]"])
    planned = {condition.name: condition for condition in recipe_search.expected_conditions(settings)}
    assert list(planned)[:3] == ["compare: recipe", "compare: model.dropout=0.1", "compare: corpus.rows=lines"]
    assert "optimizer.weight_decay=0.2" in planned["compare: recipe"].settings["overrides"]


def test_the_time_limit_stops_inside_a_run_and_the_next_call_continues_it(tmp_path, small, monkeypatch):
    original, sent = Pretraining.training_step, []

    def training_step(self, batch, batch_idx=0):
        if batch.step == 2 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, batch, batch_idx)

    experiment = Experiment(load_study(small[0], small[1:]))
    piece, _ = experiment.known_pieces()[0]
    with monkeypatch.context() as patch, experiment.limit.watch():
        patch.setattr(Pretraining, "training_step", training_step)
        with pytest.raises(TimeUp):
            recipe_runs.train(piece, MINI, "c-one", MINI.compare)
        with pytest.raises(TimeUp):
            signal.raise_signal(signal.SIGUSR1)  # taken back from the training loop
    folder = piece.folder / "runs" / "c-one"
    assert runs.state(folder)["step"] == 3, "the step was finished and saved"
    assert experiment.store.get(piece) is None
    continued = recipe_runs.train(piece, MINI, "c-one", MINI.compare)
    assert "continuing after step 3" in (folder / "log.txt").read_text()
    whole = recipe_runs.train(piece, MINI, "c-whole", MINI.compare)
    assert [row for row in continued if row.measure == "loss"] == [row for row in whole if row.measure == "loss"]


def trial(causal, masked, fast, *changes):
    return choice.Trial(changes, {"causal": causal, "masked": masked}, {"causal": {"blimp": fast}})


def test_the_loss_chooses_and_the_fast_suite_between_equals():
    far, best, close = trial(3.5, 3.5, 0.9), trial(3.0, 3.1, 0.6), trial(3.005, 3.1, 0.7)
    assert choice.choose([far, best, close], scales.BOTH) is close
    assert choice.choose([far, best], scales.BOTH) is best
    assert choice.choose([choice.Trial(()), far], scales.BOTH) is far
    in_one_mode = trial(3.0, 9.0, 0.8)
    assert choice.choose([best, in_one_mode], scales.CAUSAL) is in_one_mode
    with pytest.raises(ValueError, match="came to its end"):
        choice.choose([choice.Trial(("x",))], scales.BOTH)


def test_each_question_starts_from_the_best_answers_so_far(tmp_path):
    """Played through with made-up losses, lower for weight decay 0.05 and the small width, and a run that fails."""
    settings = load_study(CONFIG, ["scale=gpu", "stages=[compare]", "seeds=[1,2]"])
    rows, failed = [], {}
    pending = recipe_search.conditions(settings)
    for _ in range(20):
        for condition in pending:
            if "model.position=relative" in condition.name:
                failed[condition.name, 1] = "out of memory"
                continue
            changes = condition.name.removeprefix("compare: ").split()
            loss = 3.5 - 0.1 * ("optimizer.weight_decay=0.05" in changes) - 0.2 * ("model.preset=small" in changes)
            for seed in condition.seeds:
                piece = Experiment(settings).pieces([replace(condition, seeds=[seed])])[0]
                rows += [piece.measurement(loss, mode, "loss") for mode in scales.BOTH]
                rows += [piece.measurement(0.6, "blimp", "fast causal"), piece.measurement(0.7, "blimp", "fast mntp")]
        measured = Measurements(rows, failed)
        pending = recipe_search.next_conditions(measured, settings)
        if not pending:
            break
    state = choice.search(measured, settings.parts, settings.seeds)
    assert state.best == ("optimizer.weight_decay=0.05", "model.preset=small")
    assert state.backend == "mntp"
    assert "compare: optimizer.weight_decay=0.05 objective.causal_ratio=0.75" in measured.conditions
    assert measured.has_run("compare: optimizer.weight_decay=0.05 model.preset=small", 2), "the winner, another seed"
    assert measured.has_run("compare: recipe", 2), "so the noise of seeds is known"
    summary = recipe_search.summarise(measured, settings)
    assert "2 seeds of the recipe are up to 0.000 (causal), 0.000 (masked) nats apart" in " ".join(summary.remarks)
    table = summary.tables["comparisons"].text()
    assert table.count("chosen") == 9
    assert "failed" in table
    answered = ["changes=[optimizer.lr=0.01,training.compile=true]", "questions=[model.dropout]"]
    begun = load_study(CONFIG, ["scale=gpu", "stages=[compare]", "seeds=[1]", *answered])
    rows = [row for row in rows if row.condition in ("compare: recipe", "compare: model.dropout=0.0")]
    rows += [row._replace(condition="compare: model.dropout=0.0") for row in rows if row.condition == "compare: recipe"]
    assert "All runs have optimizer.lr=0.01, beside" in recipe_search.summarise(Measurements(rows), begun).remarks[1]


def test_the_plan_of_the_real_search_holds_valid_runs_and_says_what_they_cost(tmp_path, capsys):
    assert study._command([str(CONFIG), "dry_run=true", f"folder={tmp_path}"]) == 0
    shown = capsys.readouterr().out
    for question in scales.GPU.questions:
        assert all(f"compare: {question.key}={value} " in shown for value in question.values[1:])
    finals = [line for line in shown.splitlines() if "final: the winner" in line]
    assert len(finals) == 3
    assert 3.5e16 < float(finals[0].split()[-2]) < 6e16, "about what methods.md reckons for ten epochs"
    assert " hours)" in shown
    assert not list(tmp_path.iterdir())
    assert study._command([str(CONFIG), "dry_run=true", "stages=[speed]", f"folder={tmp_path}"]) == 0
    assert "6 pieces, 6 to do" in capsys.readouterr().out


def test_without_a_mode_the_fast_suite_decides():
    """Where documents begin changes what the held-out loss means."""
    low, better = trial(3.0, 3.0, 0.6), trial(4.0, 4.0, 0.7, "corpus.documents=lines")
    assert choice.choose([low, better], scales.SUITE) is better
    with pytest.raises(ValueError, match="came to its end"):
        choice.choose([choice.Trial(("x",))], scales.SUITE)


def test_the_search_on_a_cpu_reads_a_sample_of_the_text(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.train").write_text("\n\n".join(f"word {i} of\nthe text ." for i in range(400)))
    (tmp_path / "dev.txt").write_text("\n\n".join(f"another {i} ." for i in range(300)))
    scale = replace(scales.CPU, sample_words=600, dev_words=90)
    overrides = [f"corpus.path={tmp_path}/text", f"corpus.dev={tmp_path}/dev.txt"]
    words = recipe_runs.sample_text(scale, tmp_path, overrides)
    sample, dev = (Path(word.partition("=")[2]) for word in words)
    assert [word.partition("=")[0] for word in words] == ["corpus.path", "corpus.dev"]
    text = (sample / "a.train").read_text()
    assert text.split("\n\n")[:2] == ["word 0 of\nthe text .", "word 4 of\nthe text ."]
    assert len(text.split()) == 600
    assert len((dev / "dev.train").read_text().split()) == 90
    assert recipe_runs.sample_text(scale, tmp_path, overrides) == words, "written once"
    (tmp_path / "text" / "a.train").write_text("\n\n".join(f"changed {i} of\nthe text ." for i in range(400)))
    assert recipe_runs.sample_text(scale, tmp_path, overrides)[0] != words[0], "another text, another sample"
    assert recipe_runs.sample_text(scales.SMOKE, tmp_path, overrides) == []
    for question in scales.CPU.questions:
        for value in question.values:
            from babylm import config

            config.load(ROOT / scale.config, [*scale.common, *scale.compare, f"{question.key}={value}"])


def test_wrong_settings_are_refused():
    for word, message in (
        ("stages=[train]", "stages: unknown value 'train'"),
        ("changes=[compile]", "changes: 'compile': an override is written key=value"),
        ("scale=huge", "scale: Invalid value 'huge'"),
    ):
        with pytest.raises(ValueError, match=message):
            load_study(CONFIG, [word])
    changes = load_study(CONFIG, ["changes=training.compile=true,seed=2"]).changes
    assert changes == ["training.compile=true", "seed=2"]
