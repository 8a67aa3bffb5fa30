"""Tiny whole runs: a few hundred sentences, a two-layer model, some dozen steps, in this process."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import torch

from babylm import config as configuration
from babylm import train
from babylm.config.schema import Config

YAML = """
name: run
track: free
milestones: [400, 900]
corpus: {source: files, path: text, prepared: prepared, document_words: 40}
tokenizer: {vocab_size: 320}
model: {preset: smoke, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48,
        max_position_embeddings: 64, dropout: 0.1}
objective: {name: hybrid}
optimizer: {lr: 0.01, momentum_warmup: 4}
averaging: {name: ema, decay: 0.9, every: 2}
phases: [{until: 0.5, sequence_length: 16, tokens_per_step: 256}, {sequence_length: 32, tokens_per_step: 256}]
budget: {epochs: 2}
training: {accumulate_grad_batches: 2, log_every: 4, precision: fp32, attention: sdpa, checkpoint_minutes: 60}
evaluation: {held_out_loss_when: none}
"""


def sentences(count: int = 150) -> str:
    """Different lines with a little structure, in documents of five."""
    subjects = ("the dog", "a small cat", "my friend", "the old man", "every bird")
    verbs = ("sees", "likes", "follows", "has", "finds", "wants")
    things = ("a ball", "the red house", "two apples", "some milk", "it", "the long road home", "nothing")
    lines = [f"{s} {v} {t} ." for s, v, t in itertools.islice(itertools.product(subjects, verbs, things), count)]
    return "\n\n".join("\n".join(lines[i : i + 5]) for i in range(0, len(lines), 5)) + "\n"


def make(folder: Path, *overrides: str, text: str | None = None) -> Config:
    """A configuration whose folders all lie in ``folder``."""
    (folder / "text").mkdir(parents=True, exist_ok=True)
    (folder / "text" / "a.train").write_text(text or sentences())
    (folder / "run.yaml").write_text(YAML)
    places = [f"corpus.path={folder}/text", f"corpus.prepared={folder}/prepared", f"checkpoints={folder}/checkpoints"]
    return configuration.load(folder / "run.yaml", [*places, *overrides])


def run(folder: Path, *overrides: str) -> Path:
    """Train to the end; the run's folder."""
    made = make(folder, *overrides)
    assert train.main(made) == 0
    return folder / "checkpoints" / made.name


def state(folder: Path) -> dict:
    """The last resumable state."""
    return torch.load(folder / "last.ckpt", weights_only=True)


def digest(value: object) -> str:
    """A hash of nested tensors and plain data, to the bit."""
    sha = hashlib.sha256()

    def visit(part: object) -> None:
        if isinstance(part, torch.Tensor):
            sha.update(str((part.dtype, tuple(part.shape))).encode())
            sha.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(part, dict):
            for key in sorted(part, key=str):
                sha.update(str(key).encode())
                visit(part[key])
        elif isinstance(part, list | tuple):
            for inner in part:
                visit(inner)
        else:
            sha.update(repr(part).encode())

    visit(value)
    return sha.hexdigest()
