"""The step that a GPU captures and replays: on a CPU, made of the same buffers and operations, it is the plain step."""

from __future__ import annotations

import json

import pytest
import torch

from babylm import objectives, train
from babylm.config.schema import Config
from babylm.objectives import Loss, SpecialTokens
from babylm.training import replay, trainer
from tests import small

from . import runs
from .test_device_loop import Forbid

WHOLE = ("training.accumulate_grad_batches=1", "training.log_every=1")
CUDA = torch.device("cuda")


@pytest.fixture
def replayed(monkeypatch):
    """Runs make whole steps by `StepReplay`, as with CUDA graphs."""
    build = trainer.build_module

    def build_module(setup):
        module = build(setup)
        module.replay_steps()
        return module

    monkeypatch.setattr(trainer, "build_module", build_module)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [[line[key] for key in ("loss", "causal", "masked", "grad_norm", "lr")] for line in lines]


VARIANTS = {
    "muon": (),
    "adamw": ("optimizer.name=adamw", "optimizer.lr=0.003"),
    "plain Muon, whole words, three quarters causal": (
        *("optimizer.normuon=false", "optimizer.cautious_weight_decay=false", "objective.whole_words=true"),
        "objective.causal_ratio=0.75",
    ),
    "rows of lines": ("corpus.rows=lines",),
    "bf16": ("training.precision=bf16", "training.attention=eager"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_of_replayed_steps_is_the_plain_run(tmp_path, request, variant):
    """Two phases, a falling mask rate (so padded targets), dropout, averaging.

    In fp32 losses to 2e-4 and weights to 1e-3; in bf16, whose numbers are 4e-3 apart, losses to 5e-3, weights to 2e-2.
    """
    losses_to, weights_to = (5e-3, 2e-2) if variant == "bf16" else (2e-4, 1e-3)
    plain = runs.run(tmp_path / "plain", *WHOLE, *VARIANTS[variant])
    request.getfixturevalue("replayed")
    other = runs.run(tmp_path / "replayed", *WHOLE, *VARIANTS[variant])
    one, two = losses(plain), losses(other)
    assert len(one) == len(two) > 15
    for mine, its in zip(one, two, strict=True):
        assert its == pytest.approx(mine, rel=losses_to)
    assert one[0][0] - one[-1][0] > 0.2, "it learns, so equality says something"
    weights = [runs.state(folder)["network"] for folder in (plain, other)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=weights_to, atol=weights_to)
    groups = [runs.state(folder)["optimizer"]["param_groups"] for folder in (plain, other)]
    assert groups[0] == groups[1], "the saved state has the rates of the host"


def test_a_replayed_run_resumes_as_a_plain_one_would(tmp_path, replayed, monkeypatch):
    """A state saved by one form continues in the other."""
    import signal

    from .test_resume import stop_at

    whole = runs.run(tmp_path / "whole", *WHOLE)
    made = runs.make(tmp_path / "cut", *WHOLE)
    with monkeypatch.context() as patch:
        stop_at(patch, 5, signal.SIGTERM)
        assert train.main(made) != 0
    assert train.main(made) == 0
    assert runs.digest(runs.state(whole)) == runs.digest(runs.state(tmp_path / "cut" / "checkpoints" / "run"))


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_step_waits_for_nothing_and_its_operations_are_the_same_each_time(
    tmp_path, monkeypatch, replayed, optimizer
):
    from babylm.models import transformer

    traces: dict[int, list[list[str]]] = {}
    original, layout = replay.StepReplay._step, transformer.packed_layout

    class Trace(Forbid):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.names.append(str(func))
            return super().__torch_dispatch__(func, types, args, kwargs)

    def step(self, buffers, used):
        watch = Trace()
        watch.names = []

        def unwatched(*args, **kwargs):  # on a CPU it looks at what a GPU run has on the host
            watch.__exit__(None, None, None)
            try:
                return layout(*args, **kwargs)
            finally:
                watch.__enter__()

        monkeypatch.setattr(transformer, "packed_layout", unwatched)
        with watch:
            original(self, buffers, used)
        monkeypatch.setattr(transformer, "packed_layout", layout)
        assert watch.seen == []
        traces.setdefault(buffers.batch.shape[1], []).append(watch.names)

    monkeypatch.setattr(replay.StepReplay, "_step", step)
    runs.run(tmp_path, *WHOLE, f"optimizer.name={optimizer}", "training.corpus_on_device=true")
    assert set(traces) == {16, 32}
    for made in traces.values():
        assert len(made) > 5
        assert all(names == made[-1] for names in made[1:]), "but for the first, which makes the state"


def test_buffers_stay_where_they_are(tmp_path, replayed, monkeypatch):
    """A graph reads and writes fixed memory: inputs, rates, weights, optimizer state and guard keep their addresses."""
    seen: dict[int, set[tuple[int, ...]]] = {}
    original = replay.StepReplay.run

    def run(self, batch, uniforms, optimizer):
        buffers = original(self, batch, uniforms, optimizer)
        inputs = [buffers.batch.tokens, buffers.batch.document_ids, buffers.batch.words, buffers.uniforms, buffers.rate]
        rates = [group[key] for group in self._groups for key in ("lr", "momentum") if key in group]
        state = [value for values in optimizer.state.values() for value in values.values()]
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        tensors = [*inputs, *rates, *state, *weights]
        seen.setdefault(buffers.batch.shape[1], set()).add(tuple(tensor.data_ptr() for tensor in tensors))
        assert all(p.grad is None for p in weights)
        return buffers

    monkeypatch.setattr(replay.StepReplay, "run", run)
    runs.run(tmp_path, *WHOLE)
    assert {length: len(addresses) for length, addresses in seen.items()} == {16: 1, 32: 1}


def test_a_bad_step_is_taken_back(tmp_path, replayed, monkeypatch, capsys):
    original, kept = replay.StepReplay.run, {}

    def run(self, batch, uniforms, optimizer):
        if batch.step == 5:
            loss = self.loss

            def broken(masked):
                found = loss(masked)
                return Loss(found.total * float("nan"), found.metrics)

            monkeypatch.setattr(self, "loss", broken)
            made = original(self, batch, uniforms, optimizer)
            monkeypatch.setattr(self, "loss", loss)
            return made
        if batch.step == 4:
            made = original(self, batch, uniforms, optimizer)
            kept.update({id(p): p.detach().clone() for group in optimizer.param_groups for p in group["params"]})
            kept["parameters"] = [p for group in optimizer.param_groups for p in group["params"]]
            return made
        return original(self, batch, uniforms, optimizer)

    monkeypatch.setattr(replay.StepReplay, "run", run)
    assert (
        train.main(runs.make(tmp_path, "training.accumulate_grad_batches=1", "training.log_every=4"))
        == train.EXIT_NOT_FINITE
    )
    assert "step 5: the gradient is not finite" in capsys.readouterr().out
    for parameter in kept.pop("parameters"):
        assert torch.equal(parameter, kept[id(parameter)])


def test_padded_targets_change_neither_loss_nor_gradient():
    """At a rate of 0.15 with room for 0.3: more targets, those beyond weigh 0."""
    special = SpecialTokens(0, 2, 3, 60, 5)
    for name in ("hybrid", "masked", "causal"):
        objective = objectives.build(small.objective_settings(name), special)
        batch = small.build(small.config(epochs=2), small.stream()).batch(0)
        batch.tokens.clamp_(max=59)
        uniforms = objective.draw_uniforms(*batch.shape, torch.Generator().manual_seed(1))
        one = objective.corrupt(batch, uniforms, 1.0)
        two = objective.corrupt_at(
            batch, uniforms, torch.tensor(objective.mask_rate_at(1.0)), objective.mask_rate_at(0.0)
        )
        assert torch.equal(one.tokens, two.tokens)
        for masked in (one, two):
            chosen = masked.weights > 0
            masked.pairs = sorted(
                zip(
                    *(getattr(masked, key)[chosen].tolist() for key in ("target_positions", "targets", "weights")),
                    strict=True,
                )
            )
        assert one.pairs == two.pairs
        assert (len(two.targets) > len(one.targets)) == (name != "causal")


def test_why_a_step_is_not_replayed():
    planned = small.build(small.config((1.0, 16, 128), epochs=2), small.stream())

    def obstacle(name="hybrid", device=CUDA, feed=planned, **settings):
        config = Config()
        for key, value in settings.items():
            section, field = key.split("__")
            setattr(getattr(config, section), field, value)
        made = small.objective_settings(
            name, **({"causal_ratio": 0.3} if name == "hybrid" and settings.get("x") else {})
        )
        return replay.obstacle(config, objectives.build(made, SpecialTokens(0, 2, 3, 60, 5)), feed, device)

    assert obstacle() == ""
    assert obstacle(device=torch.device("cpu")) == "no CUDA"
    assert "several batches" in obstacle(training__accumulate_grad_batches=2)
    assert "optimizer.name=lamb" in obstacle(optimizer__name="lamb")
    assert "differ" in obstacle("dpo")
    assert "differ" in obstacle(feed=object())
    uneven = objectives.build(small.objective_settings("hybrid", causal_ratio=0.3), SpecialTokens(0, 2, 3, 60, 5))
    assert "repeats after 10 rows, of which 8" in replay.obstacle(Config(), uneven, planned, CUDA)
    assert replay.choose("auto", "no CUDA") == (False, "no CUDA")
    assert replay.choose("auto", "")[0]
    assert replay.choose(False, "")[0] is False
    with pytest.raises(ValueError, match=r"training.cuda_graphs=true: steps cannot be replayed here: no CUDA"):
        replay.choose(True, "no CUDA")


def test_a_run_on_a_cpu_refuses_what_it_is_told_to_do(tmp_path):
    with pytest.raises(ValueError, match="no CUDA; use auto"):
        train.main(runs.make(tmp_path, "training.cuda_graphs=true"))


def test_auto_says_why_not(tmp_path, capsys):
    runs.run(tmp_path, "training.cuda_graphs=auto", "budget.epochs=1", "milestones=[900]")
    assert "CUDA graphs off: no CUDA" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the capture works")
def test_a_capture_that_fails_is_announced_and_the_run_goes_on(tmp_path, monkeypatch):
    """Forced on a CPU: the message is torch's own, the run is the one without captures."""
    build, told = trainer.build_module, []

    def built(captures, tell):
        def build_module(setup):
            module = build(setup)
            module.replay_steps(captures, tell=tell)
            return module

        monkeypatch.setattr(trainer, "build_module", build_module)

    built(False, None)
    without = runs.run(tmp_path / "without", *WHOLE)
    built(True, told.append)
    failed = runs.run(tmp_path / "failed", *WHOLE)
    assert len(told) == 1
    assert told[0].startswith("CUDA graphs off: the capture failed (")
    assert runs.digest(runs.state(without)) == runs.digest(runs.state(failed))
    built(True, None)
    with pytest.raises(Exception, match=r"(?i)cuda"):
        runs.run(tmp_path / "asked", *WHOLE)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("compiled", ["false", "true"])
def test_on_a_gpu_the_captured_run_is_the_plain_one(tmp_path, compiled):
    words = (*WHOLE, "training.accelerator=gpu", f"training.compile={compiled}")
    plain = runs.run(tmp_path / "plain", *words)
    graphs = runs.run(tmp_path / "graphs", *words, "training.cuda_graphs=true")
    assert "CUDA graphs on" in (graphs / "log.txt").read_text()
    for mine, its in zip(losses(plain), losses(graphs), strict=True):
        assert its == pytest.approx(mine, rel=2e-3)
