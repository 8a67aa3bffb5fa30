"""What a run is, in the short phrases that the model card and the form share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babylm import files, revisions
from babylm.runs import Run

UNKNOWN = "(please fill in)"
ARTICLES = {2025: "arXiv 2502.10645", 2026: "arXiv 2602.20092"}


def base_model(run: Run) -> str:
    """The weights that training started from, by the name of their folder alone: a path is nobody's business."""
    initial = facts(run).get("init_from")
    if initial is None:
        return "none: trained from scratch"
    words = "unknown words" if initial["words"] is None else f"{initial['words']:,} words"
    path = Path(initial["path"])
    return f"{path.parent.parent.name}/{path.parent.name} (sha256 {initial['sha256'][:16]}, {words} read before)"


def _start(run: Run) -> str:
    return "trained from scratch" if facts(run).get("init_from") is None else f"trained from {base_model(run)}"


def description(run: Run) -> str:
    """The first paragraph of the card: size, words, epochs, objective, track."""
    sizes = shape(run)
    return (
        f"A transformer of {facts(run)['parameters']:,} parameters ({sizes['num_hidden_layers']} layers of "
        f"{sizes['hidden_size']}), {_start(run)} on {run.plan['corpus_words']:,} words read "
        f"{run.plan['epochs']:.2f} times, with the objective {run.config.objective.name}, for the BabyLM challenge "
        f"({run.config.track}, rules of {run.rules}, {ARTICLES[run.rules]})."
    )


def corpus(run: Run) -> str:
    """The name of the training text, without its path."""
    section = run.config.corpus
    return "the bundled grammar" if section.source == "toy" else section.hub_dataset or Path(section.path).name


def optimizer(run: Run) -> str:
    """The optimizer with its learning rate and weight decay."""
    section = run.config.optimizer
    return f"{section.name} (lr {section.lr:g}, weight decay {section.weight_decay:g}" + (
        f"; Adam for the rest, lr {section.adam_lr:g})" if section.name == "muon" else ")"
    )


def schedule(run: Run) -> str:
    """The learning-rate schedule with its shares of the steps."""
    section = run.config.schedule
    return f"{section.name} (warm-up {100 * section.warmup:g} %, cool-down {100 * section.cooldown:g} % of the steps)"


def shape(run: Run) -> dict[str, Any]:
    """``config.json`` of ``main``."""
    shape_of_main: dict[str, Any] = files.read_json(run.folder / "main" / revisions.CONFIG, revisions.RESTORE)
    return shape_of_main


def facts(run: Run) -> dict[str, Any]:
    """``babylm.json`` of ``main``."""
    return revisions.facts(run.folder / "main")
