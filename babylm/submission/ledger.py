"""The budget of a run: what its track allows and what was used, in words; FLOPs and hours beside it."""

from __future__ import annotations

from typing import Any

from babylm.runs import Run
from babylm.submission import teaching
from babylm.submission.description import UNKNOWN


def budget(run: Run) -> dict[str, Any]:
    """The content of ``budget.json``: words used and allowed, words of teachers, FLOPs, hours."""
    plan, track, words = run.plan, run.track, run.ledger
    return {
        "track": run.config.track,
        "rules": run.rules,
        "corpus_words": {"used": words["corpus"], "allowed": track.unique_words},
        "words_read": {"used": words["read"], "allowed": track.exposure_words},
        "epochs": plan["epochs"],
        "training_flops": plan["flops"],
        "training_hours": round(run.hours, 3),
        "teacher": teaching.describe(run),
        "words_from_teachers": words["from_teachers"],
        "unique_words": {"used": words["corpus"] + words["from_teachers"], "allowed": track.unique_words},
        "words_generated": {"used": words["generated"], "allowed": track.unique_words} if run.teacher else 0,
        "tokenizer_trained_on": "the training corpus alone" if run.config.tokenizer.path is None else UNKNOWN,
    }
