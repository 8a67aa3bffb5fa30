"""The plan as it is printed before the first step, and the disk space that the run will need."""

from __future__ import annotations

from babylm import console
from babylm.batches.feed import Feed
from babylm.batches.plan import Plan
from babylm.config.schema import Config
from babylm.models import flops
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.tables import text_table

_MANY_EPOCHS = 100


def disk_needed(config: Config, shape: BabyLMConfig, feed: Feed) -> int:
    """Bytes of all revisions (fp32 weights, about 4 MB of tokenizer and code) and three states, one being written."""
    weights = 4 * flops.parameter_count(shape)
    milestones = feed.milestones if isinstance(feed, Plan) else ()
    revisions = 1 + (len(milestones) if config.training.revisions == "all" else 0)
    average = 2 if config.averaging.name != "none" else 1
    return revisions * (weights + 4_000_000) + 3 * weights * (2 + average)


def describe(config: Config, feed: Feed, parameters: int, needed: int, free: int) -> str:
    """The plan in lines; for a feed of unknown length, what is known."""
    lines = [
        f"plan   {config.name}: track {config.track} ({config.rules} rules), {parameters:,} parameters, "
        f"seed {config.seed}",
    ]
    lines += _of_plan(config, feed) if isinstance(feed, Plan) else ["       its length shows only at its end"]
    lines.append(f"       disk: {console.size(needed)} needed, {console.size(free)} free")
    return "\n".join(lines)


def _of_plan(config: Config, plan: Plan) -> list[str]:
    """Lines of words and phases, and a table of revisions."""
    corpus_words = plan.stream.epoch_words
    lines = [
        f"       {corpus_words:,} words x {plan.epochs:.4g} epochs = {plan.words:,} words "
        f"in {plan.steps:,} steps, {plan.flops_at[-1]:.3g} FLOPs",
    ]
    if plan.epochs > _MANY_EPOCHS:
        lines.append(f"       warning: the text is read {plan.epochs:,.0f} times; are corpus and budget as intended?")
    for phase in plan.phases:
        lines.append(
            f"       steps {phase.first_step:,} to {phase.first_step + phase.steps:,}: {phase.rows} rows of "
            f"{phase.sequence_length} tokens per step"
        )
    rows = [(m.name, f"{m.step:,}", f"{m.words:,}", f"{m.words / corpus_words:.2f}") for m in plan.milestones]
    rows.append(("main", f"{plan.steps:,}", f"{plan.words:,}", f"{plan.epochs:.2f}"))
    lines.append(text_table(("revision", "step", "words", "epoch"), rows, indent="       "))
    if plan.unreached:
        required = "" if config.track == "free" else "required "
        total = len(plan.milestones) + len(plan.unreached)
        lines.append(
            f"       {len(plan.unreached)} of {total} {required}revisions are beyond the budget and will not exist: "
            f"{' '.join(plan.unreached)}"
        )
    return lines
