"""Distillation: the loss by hand, runs with teachers and with itself resumed to the bit, external teachers refused."""

from __future__ import annotations

import copy
import json
import shutil
import signal

import pytest
import torch

from babylm import objectives
from babylm.models import flops
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.runs import Run
from babylm.training.errors import RunStopped
from babylm.training.pretrain import pretrain
from tests import small
from tests.objectives.test_objectives import SPECIAL, make_batch
from tests.training.runs import digest, make, run, state
from tests.training.test_resume import stop_at


def new_network(seed):
    torch.manual_seed(seed)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    ids = {"bos_token_id": SPECIAL.bos, "pad_token_id": SPECIAL.pad, "mask_token_id": SPECIAL.mask, "eos_token_id": 3}
    network = BabyLMForCausalLM(BabyLMConfig(vocab_size=SPECIAL.vocab_size, dropout=0.0, **shape, **ids))
    for parameter in network.parameters():  # tables of random models are small: distributions would be flat
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network


def build(teachers, **settings):
    made = objectives.build(small.objective_settings("distillation", **settings), SPECIAL)
    made.teachers = [teacher.eval().requires_grad_(False) for teacher in teachers]
    return made


def corrupted(objective, progress=0.5):
    batch = make_batch(6, 48)
    uniforms = objective.draw_uniforms(*batch.shape, torch.Generator().manual_seed(1))
    return objective.corrupt(batch, uniforms, progress)


def probabilities(model, batch, temperature):
    states = model.target_states(batch.tokens, batch.document_ids, batch.bidirectional, batch.target_positions)
    return (model.state_logits(states).detach() / temperature).softmax(-1)


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_the_loss_is_that_of_a_count_by_hand(divergence, average, monkeypatch):
    student, teachers = new_network(0), [new_network(1), new_network(2)]
    settings = {"divergence": divergence, "average": average, "temperature": 2.0, "distillation_weight": 0.3}
    objective = build(teachers, z_loss=0.01, **settings)
    batch = corrupted(objective)
    loss = objective.loss(student, batch)
    told = [probabilities(teacher, batch, 2.0) for teacher in teachers]
    p = sum(told) / 2 if average == "probabilities" else (sum(each.log() for each in told) / 2).softmax(-1)
    q = probabilities(student, batch, 2.0)
    a, b = (p, q) if divergence == "forward" else (q, p)
    kl = (a * (a.log() - b.log())).sum(-1)
    plain = student.token_losses(
        batch.tokens, batch.document_ids, batch.bidirectional, batch.target_positions, batch.targets
    )
    text = plain.nll + 0.01 * plain.log_z.square()
    expected = ((0.7 * text + 0.3 * 4 * kl) * batch.weights).sum()
    assert float(loss.total) == pytest.approx(float(expected), rel=1e-4)
    total, count = loss.metrics["distillation"]
    assert float(total / count) == pytest.approx(float(kl[batch.weights > 0].mean()), rel=1e-4)
    # Chunks and their recomputation change nothing, in value or gradient.
    loss.total.backward()
    whole = [parameter.grad.clone() for parameter in student.parameters()]
    student.zero_grad()
    monkeypatch.setattr("babylm.objectives._distillation.CHUNK", 37)
    objective.loss(student, batch).total.backward()
    for parameter, gradient in zip(student.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-4)
    assert all(parameter.grad is None for teacher in teachers for parameter in teacher.parameters())


def test_a_student_that_is_its_teacher_learns_nothing_from_it():
    student = new_network(0)
    objective = build([copy.deepcopy(student)], distillation_weight=1.0)
    objective.loss(student, corrupted(objective)).total.backward()
    assert max(float(parameter.grad.abs().max()) for parameter in student.parameters()) < 1e-4


def test_before_it_begins_the_loss_is_that_of_the_text():
    student = new_network(0)
    objective = build([new_network(1)], distillation_begin=0.4)
    hybrid = objectives.build(small.objective_settings("hybrid"), SPECIAL)
    early, late = (float(objective.loss(student, corrupted(objective, at)).total) for at in (0.39, 0.41))
    assert early == float(hybrid.loss(student, corrupted(hybrid, 0.39)).total)
    assert late != float(hybrid.loss(student, corrupted(hybrid, 0.41)).total)


SHORT = ("budget.epochs=1", "averaging.name=none", "milestones=[]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two trained teachers in ``checkpoints``."""
    path = tmp_path_factory.mktemp("teachers")
    for seed in (1, 2):
        run(path, f"name=teacher{seed}", f"seed={seed}", *SHORT)
    return path


def student(folder, name, *overrides):
    teachers = f"objective.teachers=[{folder}/checkpoints/teacher1,{folder}/checkpoints/teacher2]"
    return make(folder, f"name={name}", "objective.name=distillation", teachers, *SHORT, *overrides)


def test_a_run_with_teachers_records_them_counts_them_and_is_resumed_to_the_bit(folder, monkeypatch):
    path = pretrain(student(folder, "whole"))
    whole, teacher_path = Run(path), folder / "checkpoints" / "teacher1"
    facts = json.loads((path / "main" / "babylm.json").read_text())["teachers"]
    teacher = Run(teacher_path)
    assert [each["words"] for each in facts] == [teacher.plan["words"]] * 2
    assert facts[0]["flops"] == pytest.approx(teacher.plan["flops"])
    assert facts[0]["sha256"] == json.loads((teacher_path / "main/babylm.json").read_text())["weights_sha256"]
    assert whole.plan["flops"] == pytest.approx(teacher.plan["flops"] * (1 + 2 / 3)), "two forward passes"
    assert "distillation" in whole.metrics[-1]
    config = student(folder, "stopped")
    with monkeypatch.context() as patch:
        stop_at(patch, 3, signal.SIGTERM)
        with pytest.raises(RunStopped):
            pretrain(config)
    moved = folder / "elsewhere"
    shutil.copytree(folder / "checkpoints" / "teacher1", moved)
    config.objective.teachers[0] = str(moved)  # the same weights: the same run
    resumed = pretrain(config)
    assert digest(state(resumed)["network"]) == digest(state(path)["network"])
    assert digest(state(resumed)["optimizer"]) == digest(state(path)["optimizer"])
    config.objective.teachers.reverse()
    with pytest.raises(ValueError, match=r"objective\.teachers"):
        pretrain(config)


@pytest.mark.parametrize(
    "settings", [("objective.teacher_decay=0.8",), ("objective.teacher_decay=0", "objective.teacher_every=4")]
)
def test_a_run_that_teaches_itself_is_resumed_to_the_bit(folder, tmp_path, monkeypatch, settings):
    words = ("objective.name=self_distillation", "objective.distillation_begin=0.1", *settings, *SHORT)
    whole = run(tmp_path, "name=whole", *words)
    config = make(tmp_path, "name=stopped", *words)
    with monkeypatch.context() as patch:
        stop_at(patch, 5, signal.SIGTERM)
        with pytest.raises(RunStopped):
            pretrain(config)
    resumed = pretrain(config)
    for part in ("network", "optimizer", "objective"):
        assert digest(state(resumed)[part]) == digest(state(whole)[part])
    teacher, network = state(whole)["objective"]["teacher"], state(whole)["network"]
    assert teacher.keys() == network.keys()
    assert any(not torch.equal(teacher[name], network[name]) for name in network)
    assert not {"teacher", "objective"} & set(json.loads((whole / "main" / "config.json").read_text()))
    plain = Run(folder / "checkpoints" / "teacher1").plan["flops"]
    assert Run(whole).plan["flops"] == pytest.approx(plain * (1 + 0.9 / 3))


def test_what_may_not_or_cannot_teach_is_refused_with_the_reason(folder, tmp_path):
    def refused(teacher, *overrides, message):
        config = student(folder, "refused", f"objective.teachers=[{teacher}]", *overrides)
        with pytest.raises(ValueError, match=message):
            pretrain(config)
        assert not (folder / "checkpoints" / "refused").exists(), "no folder is made"

    teacher = folder / "checkpoints" / "teacher1" / "main"
    external = tmp_path / "external"
    shutil.copytree(teacher, external)
    (external / "babylm.json").unlink()
    refused(external, message="no revision of this codebase; the rules forbid that an external model's output")
    refused(tmp_path / "nothing", message="no such folder")
    damaged = tmp_path / "damaged"
    shutil.copytree(teacher, damaged)
    (damaged / "model.safetensors").write_bytes(b"x")
    refused(damaged, message="bytes, not")
    refused(teacher, "tokenizer.vocab_size=330", message="its tokenizer is another")
    refused(teacher, "objective.causal_ratio=1", message="fills masks by mntp, and the run by causal")
    other = run(tmp_path, "name=other", *SHORT, "corpus.document_words=20")
    refused(other, "track=strict-small", message="it read another corpus than this run; the rules forbid")
    with pytest.raises(ValueError, match=r"objective\.teachers: name at least one folder"):
        student(folder, "refused", "objective.teachers=[]")


def test_forward_and_reverse_divergences_are_those_of_trl():
    gkd = pytest.importorskip("trl.experimental.gkd", reason="TRL is not installed")
    student_network, teacher = new_network(0), new_network(1)
    for divergence, beta in (("forward", 0.0), ("reverse", 1.0)):
        objective = build([teacher], divergence=divergence, distillation_weight=1.0, temperature=2.0, z_loss=0.0)
        batch = corrupted(objective)
        theirs = gkd.GKDTrainer.generalized_jsd_loss(
            probabilities(student_network, batch, 1.0).log()[None],
            probabilities(teacher, batch, 1.0).log()[None],
            labels=torch.where(batch.weights > 0, batch.targets, -100)[None],
            beta=beta,
            temperature=2.0,
        )
        total, count = objective.loss(student_network, batch).metrics["distillation"]
        assert float(total / count) == pytest.approx(float(theirs), rel=1e-4)


def test_the_cost_of_a_teacher_is_a_third_of_its_training():
    shape = new_network(0).config
    itself = objectives.build(small.objective_settings("self_distillation", distillation_begin=0.0), SPECIAL)
    training = flops.training_flops_per_token(shape, 32, 0.5)
    assert itself.flops_per_token(32, 0.5, training) == pytest.approx(training / 3)
