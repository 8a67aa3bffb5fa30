"""After the last step: the loss on the test text by source, the grammar table, and the final revision ``main``."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor

from babylm import files
from babylm.tables import text_table
from babylm.training.callbacks.evaluation import Evaluation, held_out, loss, score
from babylm.training.module import Pretraining
from babylm.training.setup import TrainingSetup


def finalize(setup: TrainingSetup, module: Pretraining, loop: L.Trainer, weights: dict[str, Tensor]) -> None:
    """Measure, print, and write ``main`` last: its presence says that the run is finished."""
    callbacks: list[L.Callback] = loop.callbacks  # type: ignore[attr-defined]
    last_results = next((callback.final for callback in callbacks if isinstance(callback, Evaluation)), {})
    network = setup.network_with(weights)
    facts: dict[str, Any] = {
        "milestone": "main",
        "words": setup.feed.words_after(module.completed),
        "step": module.completed,
        **setup.feed.facts(),
    }
    text = held_out(setup, "test")
    if text is not None:
        losses = loss(setup, network, text)
        files.write_json(setup.folder.path / "evaluation" / "test_loss.json", losses)
        names = list(losses["all"])
        rows = [(source, *(f"{values[name]:.4f}" for name in names)) for source, values in losses.items()]
        table = text_table(("source", *names), rows)
        setup.log(f"loss on the test text, nats per target (causal_word: per word)\n{table}")
    settings = setup.config.evaluation
    if settings.tasks and settings.when != "none":
        trained, untrained = last_results or score(setup, network), score(setup, setup.network())
        rows = [
            (name, f"{100 * untrained[name].official:.1f}", f"{100 * trained[name].official:.1f}", trained[name].n)
            for name in trained
        ]
        setup.log("accuracy in %\n" + text_table(("task", "untrained", "trained", "items"), rows))
    # A feed may know its length only now.
    files.write_json(setup.folder.path / "plan.json", setup.feed.as_dict())
    setup.save_revision(setup.folder.main, weights, facts)
    setup.log(f"saved main: {facts['words']:,} words; revisions, metrics.jsonl and log.txt are in {setup.folder.path}")
