"""What a run is: configuration, budget, weights, environment; and what is missing, with the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from markupsafe import Markup

from babylm.console import count, duration
from babylm.evaluation import task_registry
from babylm.reporting.blocks import Block, Folded, Missing, Note, Tabular, Text, code
from babylm.runs import Run
from babylm.tables import Table

ENOUGH = 3
"""Scored revisions that make a curve."""
ENOUGH_FOR_AOA = 5


def summary(run: Run) -> str:
    """One line about a run: state, track, size, words, hours."""
    parts = [str(run.state)]
    if run.has_config:
        parts.append(f"{run.config.track}, rules of {run.config.rules}, seed {run.config.seed}")
    if run.facts.get("parameters"):
        parts.append(f"{count(run.facts['parameters'])} parameters")
    if words := run.facts.get("words") or run.state.words:
        epochs = f" ({words / run.plan['corpus_words']:.2f} epochs)" if run.plan.get("corpus_words") else ""
        parts.append(f"{count(words)} words read{epochs}")
    if run.hours:
        parts.append(f"{duration(3600 * run.hours)} of training")
    return " · ".join(parts)


def facts(runs: Sequence[Run]) -> list[Block]:
    """A column per run: settings, budget, weights, machine; the settings that differ; the whole configurations."""
    columns = [{**_settings(run), **_budget(run), **_origin(run)} for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(column.get(name) for column in columns)] for name in names]
    titles = ("", *(run.name for run in runs)) if len(runs) > 1 else ("", "")
    blocks: list[Block] = [Tabular(Table.of(titles, rows, left=range(len(titles)), style="facts"))]
    blocks += [Folded(f"whole configuration of {run.name}", [Text(run.config_text)]) for run in runs if run.config_text]
    return [*blocks, *_differences(runs)]


def _settings(run: Run) -> dict[str, object]:
    """What was chosen: track, model, objective, optimizer, phases."""
    if not run.has_config:
        return {}
    config, model = run.config, run.config.model
    phases = [f"{phase.sequence_length} tokens per row, {phase.tokens_per_step:,} per step" for phase in config.phases]
    return {
        "track": f"{config.track}, rules of {config.rules}, seed {config.seed}",
        "model": f"{model.num_hidden_layers} layers of {model.hidden_size}, {model.num_attention_heads} heads, "
        f"feed-forward {model.intermediate_size}, {model.position}, {model.activation}",
        "objective": config.objective.describe(),
        "optimizer": f"{config.optimizer.name}, learning rate {config.optimizer.lr:g}, "
        f"{config.schedule.name} schedule, averaging {config.averaging.name}",
        "phases": "; ".join(phases),
    }


def _budget(run: Run) -> dict[str, object]:
    """What was used: parameters, words against the track's limits, steps, FLOPs, revisions, speed."""
    described, plan = run.facts, run.plan
    track = run.track if run.has_config else None
    values: dict[str, object] = {}
    if described.get("parameters"):
        values["parameters"] = f"{described['parameters']:,}"
    if words := described.get("words") or plan.get("words"):
        limit = track.exposure_words if track is not None else None
        share = f" of {limit:,} that the track allows ({100 * words / limit:.1f} %)" if limit else ""
        values["words read"] = f"{words:,}{share}"
    if corpus := plan.get("corpus_words") or described.get("corpus_words"):
        limit = track.unique_words if track is not None else None
        share = f" of {limit:,} that the track allows" if limit else ""
        values["corpus"] = f"{corpus:,} words{share}; fingerprint {described.get('corpus', '–')}"
    if plan:
        values["plan"] = f"epochs {plan['epochs']:g}, steps {plan['steps']:,}, training FLOPs {plan['flops']:.3g}"
        planned = [milestone["name"] for milestone in plan["milestones"]]
        saved = [name for name in planned if name in run.revisions]
        end = "main is there" if "main" in run.revisions else "main is not there yet"
        values["revisions"] = f"{len(saved)} of {len(planned)} milestones; {end}"
    speeds = sorted(line["words_per_second"] for line in run.metrics if "words_per_second" in line)
    if speeds:
        values["speed"] = f"{count(speeds[len(speeds) // 2])} words per second (median)"
    return values


def _origin(run: Run) -> dict[str, object]:
    """What it was made of and with: tokenizer, weights, machine, software, code, command."""
    described, environment = run.facts, run.environment
    values: dict[str, object] = {}
    if vocabulary := run.model_config.get("vocab_size"):
        values["tokenizer"] = Markup("{:,} entries, SHA-256 {}").format(vocabulary, _hash(run.tokenizer_sha256))
    if described.get("weights_sha256"):
        values["weights"] = Markup("{} SHA-256 {}").format(
            described.get("milestone", ""), _hash(described["weights_sha256"])
        )
    if environment:
        packages = [f"{name} {version}" for name, version in environment["packages"].items()]
        values["machine"] = f"{environment['processor']}, {environment['cores']} cores, {environment['platform']}"
        values["software"] = ", ".join([f"Python {environment['python']}", *packages])
        values["code"] = code(environment.get("code") or "no checkout")
        values["command"] = code(" ".join(environment["command"]))
    return values


def _hash(value: str | None) -> Markup:
    return Markup('<code title="{}">{}</code>').format(value or "", (value or "–")[:16])


def _differences(runs: Sequence[Run]) -> list[Block]:
    """Settings in which the configurations of several runs differ."""
    settings = [flat(yaml.safe_load(run.config_text) or {}) for run in runs]
    keys = [
        key
        for key in dict.fromkeys(key for of_run in settings for key in of_run)
        if key != "name" and len({str(of_run.get(key)) for of_run in settings}) > 1
    ]
    if len(runs) == 1 or not keys:
        return []
    rows = [[code(key), *(str(of_run.get(key, "–")) for of_run in settings)] for key in keys]
    return [Note("Settings that differ:"), Tabular(Table.of(("", *(run.name for run in runs)), rows))]


def flat(value: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested settings by dotted name.

    >>> flat({"seed": 1, "optimizer": {"lr": 0.1}})
    {'seed': 1, 'optimizer.lr': 0.1}
    """
    result: dict[str, object] = {}
    for key, inner in value.items():
        result |= flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return result


def missing(runs: Sequence[Run]) -> list[Block]:
    """What the page could show and does not, each with the command that makes it."""
    items = [
        (f"{run.name}: {what}" if len(runs) > 1 else what, command) for run in runs for what, command in _missing(run)
    ]
    return [Missing(items)] if items else []


def _missing(run: Run) -> list[tuple[str, str]]:
    command = f"python -m babylm.evaluate {run.folder}"
    items = []
    if run.has_config and "main" not in run.revisions:
        items.append(("The run has not ended", "repeat its training command"))
    if run.has_config and run.config.corpus.dev is None:
        items.append(("No held-out loss was measured", "train with corpus.dev=FOLDER corpus.test=FOLDER"))
    if run.has_config and not run.datasheet:
        items.append(("The prepared corpus is not there", f"python -m babylm.prepare {run.folder / 'config.yaml'}"))
    if run.revisions and not run.samples:
        items.append(("No generated samples are stored", f"python -m babylm.report {run.folder} samples=true"))
    return items + _missing_scores(run, command)


def _missing_scores(run: Run, command: str) -> list[tuple[str, str]]:
    if not run.last_results:
        return [("Nothing is scored yet", f"{command} suite=fast")]
    items = []
    if len(run.revisions) >= ENOUGH and max((len(curve.words) for curve in run.curves), default=0) < ENOUGH:
        items.append(("Too few revisions are scored for curves", f"{command} suite=fast"))
    rules = run.config.rules if run.has_config else run.last_results[0].content["rules"]
    full = {result.content["task"] for result in run.last_results if result.content["suite"] == "full"}
    last = f" revisions={run.revisions[-1]}" if run.revisions else ""
    if not full:
        return [*items, ("The full suite is not scored", f"{command} suite=full rules={rules}{last}")]
    tasks = [task for task in task_registry.suite_tasks("full", rules) if not task.over_revisions]
    absent = list(dict.fromkeys(task.group or task.name for task in tasks if task.name not in full))
    if absent:
        options = f"tasks={','.join(absent)} suite=full rules={rules}{last}"
        items.append((f"Of the full suite there is no {', '.join(absent)}", f"{command} {options}"))
    if not any(year == rules for year, _, _ in run.acquisitions) and len(run.revisions) > ENOUGH_FOR_AOA:
        items.append(
            (
                "No age of acquisition",
                f"{command} tasks={task_registry.combined_task(rules).name} suite=full rules={rules}",
            )
        )
    return items
