"""Answers to the submission form of 2026: what the run recorded or the configuration states.

A field that nobody has filled says so (`description.UNKNOWN`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babylm.runs import Run
from babylm.submission import description, teaching
from babylm.submission.description import UNKNOWN


def form(run: Run, package: Mapping[str, str]) -> dict[str, Any]:
    """Answers to the fields of the 2026 form; ``package``: names of the results and the predictions file."""
    config, settings, plan = run.config, run.config.submission, run.plan
    shape = description.shape(run)
    phases = config.phases
    return {
        "model name": config.name,
        "model revision": "main",
        "Hugging Face repository": settings.repo or UNKNOWN,
        "track": config.track,
        "results file": package["results"],
        "predictions file": package["predictions"],
        "model type": run.config.objective.describe(),
        "approach tags": ", ".join(settings.tags) or run.config.objective.describe(),
        "base model": description.base_model(run),
        "learning-rate scheduler": description.schedule(run),
        "epochs": round(plan["epochs"], 4),
        "tokenizer": f"byte-level BPE, {shape['vocab_size']:,} entries, "
        + ("trained on the training corpus" if config.tokenizer.path is None else "not trained by this run"),
        "random seed": config.seed,
        "attention heads": shape["num_attention_heads"],
        "maximum sequence length": max(phase.sequence_length for phase in phases),
        "GPU-hours (development)": UNKNOWN if settings.development_hours is None else settings.development_hours,
        "GPU-hours (training)": round(run.hours, 2),
        "training data": settings.training_data or description.corpus(run),
        "data size (words)": plan["corpus_words"],
        "data genre": settings.genre or UNKNOWN,
        "learning rate": config.optimizer.lr,
        "optimizer": description.optimizer(run),
        "batch size (tokens)": ", ".join(str(phase.tokens_per_step) for phase in phases),
        "vocabulary size": shape["vocab_size"],
        "layers": shape["num_hidden_layers"],
        "hidden size": shape["hidden_size"],
        "parameters": description.facts(run)["parameters"],
        "training FLOPs": plan["flops"],
        "human annotation": settings.human_annotation,
        "preprocessing": ", ".join(config.corpus.cleaning) or "none",
        "synthetic data or augmentation": settings.synthetic,
        "teacher models": teaching.describe(run),
        "languages": ", ".join(settings.languages),
        "words per language": f"{settings.languages[0]}: {plan['corpus_words']:,}",
        "words read in total": plan["words"],
        "scoring backend": run.backend,
        "code": run.environment.get("code") or UNKNOWN,
        "description": settings.description or description.description(run),
        "other notes": settings.notes or "none",
    }
