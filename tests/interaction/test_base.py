"""A student that has read before: its words count, its revisions are the first, and it can begin anew each round."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from babylm import config as configuration
from babylm import revisions, schedules, tracks
from babylm.interaction import base, episodes
from babylm.interaction.interact import interact
from babylm.interaction.rounds import Rounds
from babylm.runs import Run
from babylm.training.errors import RunStopped
from babylm.training.pretrain import pretrain
from tests.interaction.test_interact import make, weights
from tests.training.test_resume import stop_at


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A pretrained student with two revisions."""
    folder = tmp_path_factory.mktemp("base")
    words = ["name=base", "objective.name=hybrid", "budget.words=1500", "milestones=[200,1000]"]
    return pretrain(make(folder, *words))


@pytest.fixture(scope="module")
def continued(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("continued")
    return interact(make(folder, f"init_from={trained}", "milestones=[200,1000,1800]"))


def test_exposure_begins_at_the_words_of_the_base(trained, continued):
    run, earlier = Run(continued), Run(trained)
    ledger = json.loads((continued / "ledger.json").read_text())
    assert ledger["base_read"] == earlier.plan["words"]
    assert (
        ledger["read"]
        == run.plan["words"]
        == ledger["base_read"] + sum(ledger[name] for name in ("corpus_read", "episodes_read", "generated"))
    )
    assert ledger["corpus"] == earlier.plan["corpus_words"], "one text, counted once"
    assert run.plan["flops"] > earlier.plan["flops"] > 0


def test_the_revisions_of_the_base_are_the_first(trained, continued):
    run = Run(continued)
    assert run.revisions == ["chck_200", "chck_1K", "chck_1800", "main"]
    for name in ("chck_200", "chck_1K"):
        assert not revisions.verify(continued / name)
        assert revisions.facts(continued / name) == revisions.facts(trained / name)
    assert [m["name"] for m in run.plan["milestones"]] == ["chck_200", "chck_1K", "chck_1800"]
    assert revisions.facts(continued / "chck_1800")["words"] >= 1800


def test_a_damaged_revision_of_the_base_is_not_copied(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / "chck_200" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"init_from: .*chck_200.config.json: 2 bytes"):
        interact(make(tmp_path / "run", f"init_from={copy}"))


def test_nothing_behind_a_link_is_copied_from_the_base(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / "evaluation" / "chck_200").mkdir(parents=True, exist_ok=True)
    (copy / "evaluation" / "chck_200" / "gone.json").symlink_to(tmp_path / "nowhere")
    read, log = base.read(str(copy)), print
    base.adopt(read, ["chck_200"], tmp_path / "run", log)
    assert not (tmp_path / "run" / "evaluation" / "chck_200" / "gone.json").is_symlink()
    (copy / "chck_1K" / "notes.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"init_from: .*notes.txt is a link"):
        base.adopt(read, ["chck_1K"], tmp_path / "run", log)


def test_what_is_read_of_weights_alone(trained):
    lone = base.read(str(trained / "chck_200"))
    assert lone.words == revisions.facts(trained / "chck_200")["words"]
    assert [m.name for m in lone.milestones] == ["chck_200"]
    assert 0 < lone.flops < base.read(str(trained)).flops
    assert base.read(None) == base.Base()


def test_the_track_counts_the_words_of_the_base(trained, tmp_path, monkeypatch):
    limit = Run(trained).plan["words"] + 400
    monkeypatch.setitem(tracks.TRACKS, "free", tracks.Track(None, limit, ()))
    run = Run(interact(make(tmp_path, f"init_from={trained}")))
    assert limit - 250 < run.plan["words"] <= limit


RESTART = ["interaction.restart=each_round", "interaction.corpus_steps=0", "objective={name: kto}"]


@pytest.fixture(scope="module")
def restarted(trained, tmp_path_factory):
    return interact(make(tmp_path_factory.mktemp("restarted"), f"init_from={trained}", *RESTART))


def test_each_round_learns_from_all_rounds_and_the_initial_weights(trained, restarted):
    turns = [episodes.read(restarted / "rounds" / f"round_{number:04d}.jsonl") for number in (1, 2)]
    ledger = json.loads((restarted / "ledger.json").read_text())
    read = [sum(len(f"{turn.prompt} {turn.text}".split()) for turn in part) for part in turns]
    assert ledger["episodes_read"] == 2 * read[0] + read[1], "the first round is read again"
    facts = revisions.facts(restarted / "main")
    assert facts["words_in_weights"] == ledger["base_read"] + read[0] + read[1]
    assert Run(restarted).plan["steps"] == 2 + 4


def test_an_interrupted_restart_ends_at_the_same_weights(trained, restarted, tmp_path, monkeypatch):
    made = make(tmp_path, f"init_from={trained}", *RESTART)
    with monkeypatch.context() as patch:
        stop_at(patch, 4, signal.SIGTERM)
        with pytest.raises(RunStopped):
            interact(made)
    folder = interact(made)
    assert weights(folder) == weights(restarted)
    assert (folder / "ledger.json").read_text() == (restarted / "ledger.json").read_text()


def test_nothing_of_an_earlier_round_is_left_in_the_weights(trained, restarted, tmp_path, monkeypatch):
    """Whatever the student made of the first round, it learns the second from the base: with the same turns of both
    rounds, a first round that is learnt at another rate ends at the same student.
    """
    monkeypatch.setattr(Rounds, "round_file", lambda self, number: restarted / "rounds" / f"round_{number:04d}.jsonl")
    apply = schedules.apply

    def other_rate_at_first(optimizer, schedule, settings, step, progress):
        apply(optimizer, schedule, settings, step, progress)
        for group in optimizer.param_groups:
            group["lr"] *= 3.0 if step < 2 else 1.0

    monkeypatch.setattr(schedules, "apply", other_rate_at_first)
    assert weights(interact(make(tmp_path, f"init_from={trained}", *RESTART))) == weights(restarted)


def test_a_restart_needs_weights_to_return_to(tmp_path):
    with pytest.raises(ValueError, match=r"interaction\.restart=each_round: name the weights"):
        interact(make(tmp_path, "interaction.restart=each_round"))
    assert configuration.load(tmp_path / "i.yaml").interaction.restart == "never"
