"""After the last step: the loss on the test text by source, the grammar table, and the final revision ``main``."""

from __future__ import annotations

from typing import Any

import lightning as L

from babylm import files
from babylm.tables import text_table
from babylm.training.callbacks.evaluation import Evaluation, held_out, loss, score
from babylm.training.module import Pretraining
from babylm.training.setup import Session


def finish(session: Session, module: Pretraining, loop: L.Trainer) -> None:
    """Measure, print, and write ``main`` last: its presence says that the run is finished."""
    known = next((callback.final for callback in loop.callbacks if isinstance(callback, Evaluation)), {})  # type: ignore[attr-defined]
    network = session.network_with(module.weights())
    facts: dict[str, Any] = {"milestone": "main", "words": session.plan.words, "step": module.completed}
    text = held_out(session, "test")
    if text is not None:
        losses = loss(session, network, text)
        files.write_json(session.folder.path / "evaluation" / "test_loss.json", losses)
        names = list(losses["all"])
        rows = [(source, *(f"{values[name]:.4f}" for name in names)) for source, values in losses.items()]
        session.log(
            "loss on the test text, nats a target (causal_word: a word)\n" + text_table(("source", *names), rows)
        )
    wanted = session.config.evaluation
    if wanted.tasks and wanted.at != "none":
        trained, untrained = known or score(session, network), score(session, session.network())
        rows = [
            (name, f"{100 * untrained[name].official:.1f}", f"{100 * trained[name].official:.1f}", trained[name].n)
            for name in trained
        ]
        session.log("accuracy in %\n" + text_table(("task", "untrained", "trained", "items"), rows))
    session.save_revision(session.folder.main, module.weights(), facts)
    session.log(
        f"saved main: {session.plan.words:,} words; revisions, metrics.jsonl and log.txt are in {session.folder.path}"
    )
