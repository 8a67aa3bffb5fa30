"""Find a training recipe on the held-out loss, train it with several seeds, score it beside the published baselines.

Stages: speed (tokens per second of some shapes, eager and compiled), compare (short runs, one question after the other,
each from the best answers so far), final (the winner at full length, every seed), score (the fast suite at each
revision, the full suite at the end).

Choices are made on the held-out loss of both modes, and between runs closer than its noise on the fast suite; never on
the full suite. How the final models are scored is declared before they are trained. Runs are made in this process:
imports are paid once. A run that the time limit stops saves its state and continues at the next call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from babylm import files
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.studies import _recipe_choice as choice
from babylm.studies import _recipe_runs as runs
from babylm.studies import _recipe_tables as tables
from babylm.studies._recipe_scales import SCALES, Scale
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, draw_means, inputs

STAGES = ("speed", "compare", "final", "score")


@dataclass
class Settings(StudyConfig):
    """The settings of a recipe search."""

    scale: Literal["smoke", "cpu", "gpu"] = "smoke"
    """``gpu``: strict-small on one GPU; ``cpu``: the same questions with a 1M model on 200k words of it, on one core;
    ``smoke``: every stage in miniature, with the bundled text."""
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    """Which of speed, compare, final and score are run; final and score need what comes before them."""
    questions: list[str] = field(default_factory=list)
    """Settings that are asked about, as [model.dropout,corpus.rows], in the scale's order; empty: all it has."""
    changes: list[str] = field(default_factory=list)
    """Overrides of all runs, as [training.compile=true]."""
    tokens_per_second: float = number(0.0, "[0, 1e12]")
    """``dry_run``: speed of the recipe that is assumed; 0 for the scale's."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """All: a piece's condition holds all overrides of its run."""
        return (*super().not_deciding, "scale", "stages", "questions", "changes", "tokens_per_second")

    def check(self) -> None:
        """Known stages and questions, and changes that are overrides of what is not asked about."""
        from babylm import registry

        registry.check_all(self.stages, STAGES, "stages")
        keys = [question.key for question in SCALES[self.scale].questions]
        registry.check_all(self.questions, keys, "questions")
        for word in self.changes:
            if "=" not in word:
                raise ValueError(f"changes: {word!r}: an override is written key=value")
            if word.split("=")[0] in {question.key for question in self.parts.questions}:
                raise ValueError(f"changes: {word}: this is asked about; name the other questions (questions=[...])")

    @property
    def parts(self) -> Scale:
        """What the search is made of."""
        scale = SCALES[self.scale]
        if not self.questions:
            return scale
        return replace(scale, questions=tuple(each for each in scale.questions if each.key in self.questions))


def conditions(settings: Settings) -> list[Condition]:
    """Speeds, and the runs of the first question."""
    return [*_speeds(settings), *next_conditions(Measurements(), settings)]


def next_conditions(measurements: Measurements, settings: Settings) -> list[Condition]:
    """The runs of the next question; the recipe and the winner with the other seeds, final runs, their scores."""
    if not set(settings.stages) - {"speed"}:
        return []
    state = choice.search(measurements, settings.parts, settings.seeds)
    first, others = settings.seeds[:1], settings.seeds[1:]
    name, recipe = choice.condition_name(state.best), choice.condition_name(())
    # Its noise says what the differences mean.
    missing = [seed for seed in others if not measurements.has_run(recipe, seed)]
    if state.rows and missing:
        return [_compare(settings, (), missing, "seed")]
    if state.open_trials:
        return [_compare(settings, changes, first, state.open_question) for changes in state.open_trials]
    if missing := [seed for seed in others if not measurements.has_run(name, seed)]:
        return [_compare(settings, state.best, missing, "seed")]
    if not {"final", "score"} & set(settings.stages):
        return []
    final = _final(settings, state.best)
    if not measurements.has_run(final.name):
        return [final]
    finished = measurements.select(final.name).seeds
    scores = _scores(settings, state.best, state.backend, finished) if "score" in settings.stages else []
    return [condition for condition in scores if not measurements.has_run(condition.name)] if finished else []


def expected_conditions(settings: Settings) -> list[Condition]:
    """All runs, with the recipe's answers to all questions: other answers change the later runs."""
    from babylm.studies._recipe_costs import run_cost

    scale, seeds = settings.parts, settings.seeds
    costs, recipe = scale.costs, run_cost(scale, settings.changes)
    speed = settings.tokens_per_second or costs.tokens_per_second

    def priced(condition: Condition, changes: Sequence[str], extra: float = 0.0) -> Condition:
        cost = run_cost(scale, [*settings.changes, *changes])
        seconds = costs.start + cost.seconds(recipe, speed) + extra
        return replace(condition, seconds=seconds, detail=f"{cost.flops:.2g} FLOPs {condition.detail}".strip())

    planned = [replace(condition, seconds=costs.speed) for condition in _speeds(settings)]
    if set(settings.stages) - {"speed"}:
        seen: set[tuple[str, ...]] = set()
        for question in scale.questions:
            for changes in choice.changes_of(question, ()):
                if changes not in seen:
                    trial = _compare(settings, changes, seeds[:1], question.title)
                    planned.append(priced(trial, (*scale.compare, *changes), costs.fast))
                seen.add(changes)
        planned.append(priced(_compare(settings, (), seeds[1:], "seed"), scale.compare, costs.fast))
    if {"final", "score"} & set(settings.stages):
        planned.append(priced(_final(settings, ()), scale.final))
    if "score" in settings.stages:
        fast, *full = _scores(settings, (), choice.BACKENDS[0], seeds)
        planned.append(replace(fast, seconds=costs.fast_all))
        for condition in full:
            seconds = costs.combined if "tasks=" in condition.name else costs.full
            planned.append(replace(condition, seconds=seconds))
    return planned


def _speeds(settings: Settings) -> list[Condition]:
    if "speed" not in settings.stages:
        return []
    scale = settings.parts
    return [
        Condition(
            f"speed: {shape}{', compiled' if compiled == 'true' else ''}",
            _of("speed", scale, [*scale.common, *settings.changes, *changes, f"training.compile={compiled}"]),
            seeds=settings.seeds[:1],
            kind="speed",
            inputs=_inputs(scale, [*settings.changes, *changes]) | {"options": scale.speed_options},
        )
        for shape, changes in scale.speed.items()
        for compiled in scale.compiled
    ]


def _compare(settings: Settings, changes: Sequence[str], seeds: Sequence[int], question: str) -> Condition:
    overrides = [*settings.changes, *settings.parts.compare, *changes]
    return Condition(
        choice.condition_name(changes),
        {**_of("compare", settings.parts, overrides), "fast": list(settings.parts.fast)},
        seeds=seeds,
        kind="compare",
        resumable=True,
        detail=question,
        inputs=_inputs(settings.parts, overrides) | {"backends": settings.parts.backends},
    )


def _final(settings: Settings, changes: Sequence[str]) -> Condition:
    overrides = [*settings.changes, *settings.parts.final, *changes]
    deciding = _of("final", settings.parts, overrides)
    read = _inputs(settings.parts, overrides)
    return Condition("final: the winner", deciding, kind="final", resumable=True, inputs=read)


def _scores(settings: Settings, changes: Sequence[str], backend: str, seeds: Sequence[int]) -> list[Condition]:
    """The fast suite at each revision, then the full suite."""
    final = _final(settings, changes)
    return [
        Condition(
            f"score: {' '.join(words)}",
            {**final.settings, "stage": "score", "words": list(words), "backend": backend},
            seeds=seeds,
            kind=f"score {words[0]}",
            resumable=True,
            inputs=final.inputs,
        )
        for words in (settings.parts.fast, *settings.parts.full)
    ]


def _of(stage: str, scale: Scale, overrides: Sequence[str]) -> dict[str, Any]:
    return {"stage": stage, "config": scale.config, "overrides": list(overrides)}


def _inputs(scale: Scale, overrides: Sequence[str]) -> dict[str, Any]:
    """What decides the runs of some overrides: the whole configuration with its text, and how much of it is read."""
    config = runs.configured(scale, overrides)
    return {"run": inputs.of_run(config), "sample": [scale.sample_words, scale.dev_words]}


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """The work of one stage."""
    scale, overrides = settings.parts, piece.settings["overrides"]
    match piece.settings["stage"]:
        case "speed":
            return runs.measure_speed(piece, scale, overrides)
        case "compare":
            name = f"c-{piece.key}"
            measured = runs.train(piece, scale, name, overrides)
            for backend in scale.backends:
                words = [*piece.settings["fast"], "revisions=main"]
                scores = runs.score(piece.folder / "runs" / name, words, backend, piece.log)
                measured += [piece.measurement(score, task, f"fast {backend}") for task, score in scores.items()]
            return measured
        case "final":
            return runs.train(piece, scale, _final_name(piece), overrides)
        case _:
            return _score(piece)


def _final_name(piece: Piece) -> str:
    return f"final-{files.sha256_json(inputs.as_json(piece.condition.inputs))[:8]}-s{piece.seed}"


def _score(piece: Piece) -> list[Measurement]:
    """Scores of a final run: of the fast suite those of ``main``, of the full one all that are there by now."""
    folder, words, backend = (
        piece.folder / "runs" / _final_name(piece),
        piece.settings["words"],
        piece.settings["backend"],
    )
    scores = runs.score(folder, words, backend, piece.log)
    if "suite=full" not in words:
        return [piece.measurement(score, task, f"fast {backend}") for task, score in scores.items()]
    measured = []
    for rules in tables.YEARS:
        full = runs.full_scores(runs.Run(folder), rules, backend)
        measured += [piece.measurement(value, name, tables.full_measure(rules)) for name, value in full.items()]
    return measured


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Comparisons, speeds, and the final models beside the published ones; the figure shows the held-out losses."""
    blocks = {}
    remarks: list[str] = []
    title, draw = "Recipe search", None
    if set(settings.stages) - {"speed"}:
        state = choice.search(measurements, settings.parts, settings.seeds)
        repeated = dict.fromkeys(((), state.best))
        seeds = [choice.read_trial(measurements, changes, seed) for changes in repeated for seed in settings.seeds[1:]]
        rows = [*state.rows, *(choice.Row("seed", trial, False) for trial in seeds)]
        title = f"Recipe search: winner {' '.join(state.best) or 'the recipe as it is'}"
        remarks += filter(None, (choice.RULE, choice.noise(measurements, settings.seeds)))
        keys = {question.key for question in SCALES[settings.scale].questions}
        if answered := [word for word in settings.changes if word.split("=")[0] in keys]:
            remarks.append(f"All runs have {', '.join(answered)}, beside the changes that are named.")
        if state.backend:
            remarks.append(
                f"The winner's models are scored by {state.backend}, the scoring with the better fast suite, which was "
                "declared before they were trained."
            )
        blocks["comparisons"] = tables.comparisons(rows)
        names = dict.fromkeys(choice.condition_name(row.trial.changes) for row in rows)
        losses = tables.mean_losses(measurements, list(names))
        draw = draw_means(losses, choice.LOSS, label="held-out loss (nats), mean of causal and masked")
    if "speed" in settings.stages:
        blocks["speed"] = tables.speeds(measurements)
    if "score" in settings.stages:
        for rules in tables.YEARS:
            blocks[f"full_{rules}"] = tables.beside_published(measurements, rules)
    return Summary(title, blocks, draw, remarks)
