"""The campaign in miniature: every stage, choices, the time limit, and the plan of the real one."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace

import pytest

from babylm import train
from babylm.corpora import toy
from babylm.training.module import Pretraining
from tests.conftest import ROOT
from tests.training import runs

sys.path.insert(0, str(ROOT / "benchmarks"))
import campaign
import campaign_plan
import profile_step

MINI = replace(
    campaign_plan.SMOKE,
    rounds=(("whole words", "objective.whole_words", ("false", "true"), campaign_plan.CAUSAL),),
    seeds=(1,),
    speed={},
    common=(*campaign_plan.SMOKE.common, "model.hidden_size=32", "model.intermediate_size=64"),
)


@pytest.fixture(autouse=True)
def _signals():
    """The campaign takes signals over."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "SMOKE", MINI)
    (tmp_path / "dev.txt").write_text("\n\n".join(d.text for d in toy.write(300, seed=7)))
    return campaign.Campaign(MINI, tmp_path, [], None)


def test_every_stage_in_miniature(tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["campaign.py", "--cpu-smoke", "--state", str(tmp_path)])
    assert campaign.main() == 0
    report = (tmp_path / "report.md").read_text()
    for part in (
        "objective.whole_words=true",
        "GPT-BERT, mostly causal",
        "| ours, mean (range) of 1 seeds |",
        "toy_pairs",
    ):
        assert part in report
    stored = [json.loads(file.read_text()) for file in tmp_path.glob("train-c-*.json")]
    assert len(stored) == 2
    assert all(set(one["loss"]) >= {"causal", "masked", "causal_word"} for one in stored)
    assert not list(tmp_path.glob("runs/*/*.ckpt"))
    (final,) = tmp_path.glob("runs/final-*")
    assert (final / "chck_4K" / "manifest.json").exists()
    assert (final / "evaluation" / "chck_4K").exists(), "the fast suite at each revision"
    monkeypatch.setattr(train, "main", lambda config: pytest.fail("trained again"))
    assert campaign.main() == 0
    assert (tmp_path / "report.md").read_text() == report, "from the stored values alone"


def test_the_time_limit_stops_between_pieces_and_inside_a_run(tmp_path, small, monkeypatch):
    original, sent = Pretraining.training_step, []

    def training_step(self, batch, batch_idx=0):
        if batch.step == 2 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, batch, batch_idx)

    changes = [*MINI.compare]
    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "training_step", training_step)
        campaign._watch(None)
        with pytest.raises(campaign.TimeUp):
            small.piece("one", lambda: small.trained("c-one", changes))
    assert runs.state(tmp_path / "runs" / "c-one")["step"] == 3, "the step was finished and saved"
    assert not (tmp_path / "one.json").exists()
    values = small.piece("one", lambda: small.trained("c-one", changes))
    assert "going on after step 3" in (tmp_path / "runs" / "c-one" / "log.txt").read_text()
    assert small.trained("c-whole", changes)["loss"] == values["loss"]
    with pytest.raises(campaign.TimeUp):
        signal.raise_signal(signal.SIGUSR1)
    small.until = time.monotonic() - 1
    with pytest.raises(campaign.TimeUp):
        small.piece("two", dict)
    assert small.piece("one", dict) == values, "what is stored is read whatever the time"


def row(causal, masked, fast):
    return {"loss": {"causal": causal, "masked": masked}, "fast": {"causal": {"blimp": fast}}, "changes": []}


def test_the_loss_chooses_and_the_fast_suite_between_equals():
    far, best, close = row(3.5, 3.5, 0.9), row(3.0, 3.1, 0.6), row(3.005, 3.1, 0.7)
    assert campaign.choose([far, best, close], campaign_plan.BOTH) is close
    assert campaign.choose([far, best], campaign_plan.BOTH) is best
    assert campaign.choose([{"loss": {}, "fast": {}, "changes": []}, far], campaign_plan.BOTH) is far
    masked_alone = row(3.0, 9.0, 0.8)
    assert campaign.choose([best, masked_alone], campaign_plan.CAUSAL) is masked_alone
    with pytest.raises(RuntimeError, match="came to its end"):
        campaign.choose([{"loss": {}, "fast": {}, "changes": ["x"]}], campaign_plan.BOTH)


def test_the_plan_of_the_real_campaign_holds_valid_runs_and_says_what_they_cost():
    text = campaign_plan.dry_run(campaign_plan.GPU, [], 800_000)
    for _, _, values, _ in campaign_plan.GPU.rounds:
        assert all(f": {value} " in text for value in values[1:])
    assert text.count("the winner, seed") == 3
    assert " hours at 800,000 tokens/s" in text
    first = [float(line.split()[-3]) for line in text.splitlines() if "the winner, seed 1" in line]
    assert 3.5e16 < first[0] < 6e16, "about what methods.md reckons for ten epochs"


def test_a_step_is_measured_and_its_work_sorted(tmp_path):
    made = runs.make(tmp_path, "training.accumulate_grad_batches=1")
    found = profile_step.measure(made, steps=3, warm_up=2, profiled=2)
    assert found["tokens_per_second"] > 0
    # Operations of torch alone: the marked ranges hold Python's own time, which grows with the load of the machine.
    kinds = {
        kind: sum(spent for name, spent in names.items() if name.startswith("aten::"))
        for kind, _, names in found["table"]
    }
    assert {"matmul", "attention", "optimizer", "loss", "norm, elementwise"} <= set(kinds)
    assert kinds.get("other", 0) < 0.1 * sum(kinds.values())
    assert not (tmp_path / "checkpoints").exists(), "no run is left behind"
    with pytest.raises(ValueError, match="steps"):
        profile_step.measure(runs.make(tmp_path), steps=1000, warm_up=1, profiled=0)
