"""What a run is: configuration, budget, weights, environment; and what is missing, with the command that brings it."""

from __future__ import annotations

import yaml

from babylm.console import count
from babylm.evaluation import task_registry
from babylm.reporting.charts import COLOURS
from babylm.reporting.gather import Run
from babylm.reporting.markup import Html, esc, folded, join, note, table, tag
from babylm.tracks import TRACKS

ENOUGH = 3
"""Scored revisions that make a curve."""
ENOUGH_FOR_AOA = 5


def legend(runs: list[Run]) -> Html:
    """The runs and their colours; nothing for one run."""
    if len(runs) == 1:
        return Html("")
    chips = [tag("span", tag("span", class_="chip", style=f"background:{c}"), run.name) for run, c in coloured(runs)]
    return tag("div", *chips, class_="legend")


def coloured(runs: list[Run]) -> list[tuple[Run, str]]:
    """Each run and its colour."""
    return [(run, COLOURS[k % len(COLOURS)]) for k, run in enumerate(runs)]


def facts(runs: list[Run]) -> Html:
    """A column a run."""
    columns = [_facts(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(column.get(name, "–") for column in columns)] for name in names]
    header = ["", *(run.name for run in runs)] if len(runs) > 1 else []
    shown = table(header, rows, style="facts", text=range(1, len(runs) + 1))
    configs = [folded(f"whole configuration of {run.name}", tag("pre", run.config_text)) for run in runs]
    configs = [part for part, run in zip(configs, runs, strict=True) if run.config_text]
    return join([shown, *configs, _differences(runs), _losses(runs)])


def _facts(run: Run) -> dict[str, object]:
    about, plan, config, environment = run.facts, run.plan, run.config, run.environment
    found: dict[str, object] = {}
    if config is not None:
        model, track = config.model, TRACKS[config.track]
        found["track"] = f"{config.track}, rules of {config.rules}, seed {config.seed}"
        found["model"] = (
            f"{model.num_hidden_layers} layers of {model.hidden_size}, {model.num_attention_heads} heads, "
            f"feed-forward {model.intermediate_size}, {model.position}, {model.activation}"
        )
        objective = config.objective.name
        mixed = f", {100 * config.objective.causal_ratio:g} % of rows causal" if objective == "hybrid" else ""
        found["objective"] = objective + mixed
        found["optimizer"] = (
            f"{config.optimizer.name}, learning rate {config.optimizer.lr:g}, {config.schedule.name} schedule, "
            f"averaging {config.averaging.name}"
        )
        phases = [f"{phase.sequence_length} tokens a row, {phase.tokens_per_step:,} a step" for phase in config.phases]
        found["phases"] = "; ".join(phases)
    if about.get("parameters"):
        found["parameters"] = f"{about['parameters']:,}"
    words = about.get("words") or plan.get("words")
    if words:
        allowed = track.exposure_words if config is not None else None
        share = f" of {allowed:,} that the track allows ({100 * words / allowed:.1f} %)" if allowed else ""
        found["words read"] = f"{words:,}{share}"
    corpus = plan.get("corpus_words") or about.get("corpus_words")
    if corpus:
        allowed = track.unique_words if config is not None else None
        share = f" of {allowed:,} that the track allows" if allowed else ""
        found["corpus"] = f"{corpus:,} words{share}; fingerprint {about.get('corpus', '–')}"
    if plan:
        found["plan"] = f"epochs {plan['epochs']:g}, steps {plan['steps']:,}, training FLOPs {plan['flops']:.3g}"
        planned = [milestone["name"] for milestone in plan["milestones"]]
        there = [name for name in planned if name in run.revisions]
        end = "main is there" if "main" in run.revisions else "main is not there yet"
        found["revisions"] = f"{len(there)} of {len(planned)} milestones; {end}"
    speed = [line["words_per_second"] for line in run.metrics if "words_per_second" in line]
    if speed:
        found["speed"] = f"{count(sorted(speed)[len(speed) // 2])} words a second (median)"
    if run.vocabulary:
        found["tokenizer"] = join([f"{run.vocabulary:,} entries, SHA-256 ", _hash(run.tokenizer_sha256)], "")
    if about.get("weights_sha256"):
        found["weights"] = join([f"{about.get('milestone', '')} SHA-256 ", _hash(about["weights_sha256"])], "")
    if environment:
        packages = environment["packages"]
        found["machine"] = f"{environment['processor']}, {environment['cores']} cores, {environment['platform']}"
        found["software"] = ", ".join([f"Python {environment['python']}", *(f"{k} {v}" for k, v in packages.items())])
        found["code"] = tag("code", environment.get("code") or "no checkout")
        found["command"] = tag("code", " ".join(environment["command"]))
    return found


def _hash(value: str | None) -> Html:
    return tag("code", (value or "–")[:16], title=value or "")


def _losses(runs: list[Run]) -> Html:
    """Held-out loss by source of the runs that have it."""
    parts = []
    for run in runs:
        if run.test_loss:
            modes = list(dict.fromkeys(mode for own in run.test_loss.values() for mode in own))
            rows = [
                [source, *(f"{own[mode]:.3f}" if mode in own else "–" for mode in modes)]
                for source, own in run.test_loss.items()
            ]
            caption = f"{run.name}: loss on the test text, nats a target (causal_word: a word)"
            parts.append(table(["source", *modes], rows, caption=caption, ours=[len(rows) - 1]))
    return tag("div", *parts, class_="side") if parts else Html("")


def gaps(runs: list[Run]) -> Html:
    """What is not there, and the command that makes it."""
    items = []
    for run in runs:
        for what, how in _gaps(run):
            name = f"{run.name}: " if len(runs) > 1 else ""
            items.append(tag("li", f"{name}{what}: ", tag("code", how)))
    return tag("ul", *items, class_="gaps") if items else Html("")


def _gaps(run: Run) -> list[tuple[str, str]]:
    command = f"python -m babylm.evaluate {run.folder}"
    found = []
    if run.config is not None and "main" not in run.revisions:
        found.append(("The run has not ended", "repeat its training command"))
    if run.config is not None and run.config.corpus.dev is None:
        found.append(("No held-out loss was measured", "train with corpus.dev=FOLDER corpus.test=FOLDER"))
    if not run.last:
        return [*found, ("Nothing is scored yet", f"{command} suite=fast")]
    if len(run.revisions) >= ENOUGH and max((len(curve.words) for curve in run.curves), default=0) < ENOUGH:
        found.append(("Too few revisions are scored for curves", f"{command} suite=fast"))
    rules = run.config.rules if run.config is not None else run.last[0].content["rules"]
    full = {one.content["task"] for one in run.last if one.content["suite"] == "full"}
    last = f" revisions={run.revisions[-1]}" if run.revisions else ""
    if not full:
        return [*found, ("The full suite is not scored", f"{command} suite=full rules={rules}{last}")]
    tasks = [task for task in task_registry.suite_tasks("full", rules) if not task.over_revisions]
    missing = list(dict.fromkeys(task.group or task.name for task in tasks if task.name not in full))
    if missing:
        options = f"tasks={','.join(missing)} suite=full rules={rules}{last}"
        found.append((f"Of the full suite there is no {', '.join(missing)}", f"{command} {options}"))
    if not any(year == rules for year, _, _ in run.acquisition) and len(run.revisions) > ENOUGH_FOR_AOA:
        found.append(
            (
                "No age of acquisition",
                f"{command} tasks={task_registry.combined_task(rules).name} suite=full rules={rules}",
            )
        )
    return found


def _differences(runs: list[Run]) -> Html:
    """Settings in which the configurations of several runs differ."""
    flat = [_flat(yaml.safe_load(run.config_text) or {}) if run.config_text else {} for run in runs]
    keys = [
        key for key in dict.fromkeys(k for own in flat for k in own) if len({str(own.get(key)) for own in flat}) > 1
    ]
    rows = [[tag("code", key), *(esc(own.get(key, "–")) for own in flat)] for key in keys if key != "name"]
    if len(runs) == 1 or not rows:
        return Html("")
    return join([note("Settings that differ:"), table(["", *(run.name for run in runs)], rows)])


def _flat(value: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, own in value.items():
        found |= _flat(own, f"{prefix}{key}.") if isinstance(own, dict) else {f"{prefix}{key}": own}
    return found
