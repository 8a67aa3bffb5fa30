"""A finished run can be made longer where its schedule allows it: the first part is as it was, and words stay exact."""

from __future__ import annotations

import json
import shutil
import signal
import threading

import pytest
import torch

from babylm import files, revisions, run_folder, train

from . import runs
from .test_resume import stop_at

HOLDS = ("schedule.name=cosine", "schedule.final_lr_factor=0.25", "milestones=[400,900,1500]")
"""A schedule that ends at a quarter of the rate."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("longer"), *HOLDS, "budget.epochs=1.5")


def again(finished, tmp_path):
    """A copy of the finished run, in folders of its own."""
    shutil.copytree(finished.parent.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "checkpoints" / "run"


def longer(tmp_path, *more):
    return runs.make(tmp_path, *HOLDS, "budget.epochs=3", *more)


def test_a_finished_run_goes_on_with_a_larger_budget(finished, tmp_path, capsys):
    folder = again(finished, tmp_path)
    before = json.loads((folder / "plan.json").read_text())
    kept = runs.digest(torch.load(folder / "last.ckpt", weights_only=True)["network"])
    early = (folder / "chck_400" / "model.safetensors").read_bytes()
    lines = (folder / "metrics.jsonl").read_text()
    assert train.main(longer(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert f"made longer: from {before['words']:,} to {2 * before['words']:,} words" in printed
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["words"] == 2 * before["words"]
    assert plan["phases"][: len(before["phases"])] == before["phases"]
    assert plan["milestones"][: len(before["milestones"])] == before["milestones"]
    facts = revisions.facts(folder / "main")
    assert (facts["words"], facts["step"]) == (plan["words"], plan["steps"])
    assert (folder / "chck_1500" / "manifest.json").is_file()
    assert (folder / "chck_400" / "model.safetensors").read_bytes() == early
    assert (folder / "metrics.jsonl").read_text().startswith(lines)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    added = [record["lr"] for record in records if record["step"] > before["steps"]]
    assert added
    # Adam's group has 0.006; the schedule ended at a quarter, and stays there.
    assert all(rate == pytest.approx(added[0]) for rate in added)
    assert added[0] == pytest.approx(0.25 * max(record["lr"] for record in records), rel=0.15)
    assert runs.digest(runs.state(folder)["network"]) != kept
    assert train.main(longer(tmp_path)) == 0
    assert "is finished: nothing to do" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"has a budget of .* already, and can only be made longer"):
        train.main(runs.make(tmp_path, *HOLDS, "budget.epochs=1.5"))


def test_a_longer_run_reads_each_word_once_an_epoch_and_resumes_to_the_bit(finished, tmp_path, monkeypatch):
    whole = again(finished, tmp_path / "a")
    assert train.main(longer(tmp_path / "a")) == 0
    cut = again(finished, tmp_path / "b")
    steps = json.loads((cut / "plan.json").read_text())["steps"]
    for step in (steps + 1, steps + 6):
        with monkeypatch.context() as patch:
            stop_at(patch, step, signal.SIGTERM)
            assert train.main(longer(tmp_path / "b")) == train.EXIT_STOPPED
    assert train.main(longer(tmp_path / "b")) == 0
    assert runs.digest(runs.state(cut)) == runs.digest(runs.state(whole))
    plan = json.loads((whole / "plan.json").read_text())
    words = json.loads((finished / "plan.json").read_text())["corpus_words"]
    assert plan["words"] == 3 * words


def test_an_unfinished_run_can_be_made_longer_too_and_twice(finished, tmp_path, monkeypatch):
    twice = again(finished, tmp_path / "a")
    assert train.main(runs.make(tmp_path / "a", *HOLDS, "budget.epochs=2")) == 0
    assert train.main(longer(tmp_path / "a")) == 0
    with monkeypatch.context() as patch:
        stop_at(patch, 4, signal.SIGTERM)
        train.main(runs.make(tmp_path / "b", *HOLDS, "budget.epochs=1.5"))
    assert train.main(runs.make(tmp_path / "b", *HOLDS, "budget.epochs=2")) == 0
    assert train.main(longer(tmp_path / "b")) == 0
    other = tmp_path / "b" / "checkpoints" / "run"
    assert runs.digest(runs.state(twice)) == runs.digest(runs.state(other))
    assert json.loads((other / "identity.json").read_text())["earlier budgets"][0] < 3000


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("schedule.name=trapezoid",), "schedule.name=trapezoid has brought the learning rate to zero"),
        (("averaging.name=tail", "schedule.name=constant"), "averaging.name=tail has averaged the end of the run"),
    ],
)
def test_a_schedule_that_has_ended_is_not_continued(tmp_path, overrides, reason):
    folder = runs.run(tmp_path, *overrides, "budget.epochs=1")
    before = runs.digest(runs.state(folder))
    stored = (folder / "identity.json").read_text()
    with pytest.raises(ValueError, match=reason) as refused:
        train.main(runs.make(tmp_path, *overrides, "budget.epochs=2"))
    assert "init_from=" in str(refused.value)
    assert (runs.digest(runs.state(folder)), (folder / "identity.json").read_text()) == (before, stored)


def test_another_change_beside_the_budget_is_another_run(finished, tmp_path):
    again(finished, tmp_path)
    with pytest.raises(ValueError, match="another configuration or other data"):
        train.main(longer(tmp_path, "seed=2"))


def test_another_rank_waits_for_the_first_to_make_the_run_longer(tmp_path, monkeypatch):
    folder = run_folder.RunFolder(tmp_path / "r")
    folder.open("a: 1\n", {"seed": 1, "budget.words": 10})
    identity = {"seed": 1, "budget.words": 20, "earlier budgets": [10]}
    monkeypatch.setenv("RANK", "1")
    write = threading.Timer(0.3, lambda: files.write_json(folder.identity, identity))
    write.start()
    folder.extend("a: 1\n", identity)
    assert files.read_json(folder.identity) == identity
    assert folder.open("a: 1\n", identity)
    write.join()
