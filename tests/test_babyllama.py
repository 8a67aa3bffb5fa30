"""BabyLlama's recipe from end to end, small enough for a CPU: two teachers, then the student that learns from both."""

from __future__ import annotations

import json

from babylm import config, train
from babylm.runs import Run

SMALL = [
    "track=free",
    "milestones=[]",
    "corpus.source=microlanguage",
    "corpus.toy.words=3000",
    "tokenizer.vocab_size=400",
    "model.preset=smoke",
    "model.num_hidden_layers=2",
    "phases=[{sequence_length: 32, tokens_per_step: 512}]",
    "averaging.name=none",
    "evaluation.tasks=[]",
    "budget.epochs=4",
    "training.precision=fp32",
]


def test_two_teachers_and_their_student(tmp_path):
    where = [f"checkpoints={tmp_path}", f"corpus.prepared={tmp_path}/prepared", *SMALL]
    teachers = []
    for number in (1, 2):
        words = [f"name=babyllama_teacher{number}", f"seed={10 + number}", "model.hidden_size=64"]
        assert train.main(config.load("configs/ablations/causal.yaml", [*where, *words])) == 0
        teachers.append(str(tmp_path / f"babyllama_teacher{number}"))
    words = ["model.hidden_size=32", f"objective.teachers=[{','.join(teachers)}]"]
    assert train.main(config.load("configs/ablations/babyllama.yaml", [*where, *words])) == 0
    lines = (tmp_path / "babyllama/metrics.jsonl").read_text().splitlines()
    losses = [row["distillation"] for row in map(json.loads, lines) if "distillation" in row]
    assert len(losses) > 2
    assert losses[-1] < 0.9 * losses[0], "the student comes nearer to its teachers"
    student = Run(tmp_path / "babyllama")
    assert student.is_finished
    assert student.config.objective.average == "logits"
    shape = json.loads((student.folder / "main/config.json").read_text())
    assert shape["hidden_size"] == 32
