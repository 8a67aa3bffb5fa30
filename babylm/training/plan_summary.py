"""The plan as a person reads it before the first step, and the disk that the run will need."""

from __future__ import annotations

from babylm import console
from babylm.batches import plan
from babylm.config.schema import Config
from babylm.models import flops
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.tables import text_table

_MANY_EPOCHS = 100


def disk_needed(config: Config, shape: BabyLMConfig, planned: plan.Plan) -> int:
    """Bytes of all revisions (fp32 weights, about 4 MB of tokenizer and code) and three states, one being written."""
    weights = 4 * flops.parameter_count(shape)
    revisions = 1 + (len(planned.milestones) if config.training.revisions == "all" else 0)
    average = 2 if config.averaging.name != "none" else 1
    return revisions * (weights + 4_000_000) + 3 * weights * (2 + average)


def describe(config: Config, planned: plan.Plan, parameters: int, need: int, free: int) -> str:
    """The plan as a person reads it."""
    lines = [
        f"plan   {config.name}: track {config.track} ({config.rules} rules), {parameters:,} parameters, "
        f"seed {config.seed}",
        f"       {planned.stream.epoch_words:,} words x {planned.epochs:.4g} epochs = {planned.words:,} words "
        f"in {planned.steps:,} steps, {planned.flops_at[-1]:.3g} FLOPs",
    ]
    if planned.epochs > _MANY_EPOCHS:
        lines.append(f"       warning: the text is read {planned.epochs:,.0f} times; are corpus and budget as meant?")
    for phase in planned.phases:
        lines.append(
            f"       steps {phase.first_step:,} to {phase.first_step + phase.steps:,}: {phase.rows} rows of "
            f"{phase.sequence_length} tokens per step"
        )
    rows = [
        (m.name, f"{m.step:,}", f"{m.words:,}", f"{m.words / planned.stream.epoch_words:.2f}")
        for m in planned.milestones
    ]
    rows.append(("main", f"{planned.steps:,}", f"{planned.words:,}", f"{planned.epochs:.2f}"))
    lines.append(text_table(("revision", "step", "words", "epoch"), rows, indent="       "))
    if planned.unreached:
        required = "" if config.track == "free" else "required "
        total = len(planned.milestones) + len(planned.unreached)
        lines.append(
            f"       {len(planned.unreached)} of {total} {required}revisions lie beyond the budget and will not exist: "
            f"{' '.join(planned.unreached)}"
        )
    lines.append(f"       disk: {console.size(need)} needed, {console.size(free)} free")
    return "\n".join(lines)
