"""Which habits of thought let a small model improve by reinforcement learning? Countdown, after arXiv 2503.01307.

Gandhi et al. found that language models gain from reinforcement learning when they verify, backtrack, set subgoals and
work backwards, that a small priming set with these behaviours is enough, and that its answers may be wrong. Here a
small transformer is pretrained on exercises in calculating and copying (`_habits_exercises`), primed on traces of an
honest scripted search with some of the behaviours (`_habits_sets`), and then trained by GRPO with exact rewards, with
as many samples, steps and tokens at most in every arm. Two arms without priming compare a base whose text holds the
behaviours with one whose text holds the same problems without them.

What the base must be able to do was fixed before, and reinforcement learning begins only if it can
(`_habits_gates.PRECONDITIONS`). Nothing is planted in the rewards; that the traces help to search is what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babylm import files, registry
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.config.teaching import EndpointConfig, key_of
from babylm.studies import _gates
from babylm.studies import _habits_gates as gates
from babylm.studies import _habits_judge as judge
from babylm.studies import _habits_models as models
from babylm.studies import _habits_reinforcement as reinforcement
from babylm.studies import _habits_sets as sets
from babylm.studies import _habits_shown as shown
from babylm.studies import _habits_tables as tables
from babylm.studies._habits_problems import Domain
from babylm.studies._habits_scales import SCALES, SECONDS, Scale
from babylm.studies._habits_traces import HABITS, count
from babylm.studies._subject_checks import check_usable
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs

if TYPE_CHECKING:
    from babylm.models.modeling_babylm import BabyLMForCausalLM

ARMS = (*sets.SETS, *models.TEXTS)
BASE = "base"
VERSION = models.VERSION  # of the pieces, too
JUDGE_KEYS = ("judge", "judge_model", "judged")
GIVEN_KEYS = ("student", "model", "endpoint", "shots", "problems")
REMARK = (
    "Accuracies are shares of right samples at temperature 1 on held-out problems, which all seeds share; differences "
    "are paired by seed and problem, intervals resample both. One base for all arms and seeds: nothing is shown about "
    "other bases, nor about thought in natural language."
)


@dataclass
class Settings(StudyConfig):
    """The settings of the study of habits."""

    scale: Literal["smoke", "cpu", "gpu"] = "cpu"
    """``cpu``: 0.5M parameters, one core; ``gpu``: 25M; ``smoke``: everything in miniature, which shows nothing."""
    arms: list[str] = field(default_factory=lambda: list(ARMS))
    """Priming sets; ``enriched text`` and ``matched text`` for a base with and without the behaviours in its text."""
    first_seed_arms: list[str] = field(default_factory=list)
    """Further arms, with the first seed alone."""
    base_seed: int = number(1, "[0, 9e15]")
    """Of the base, which all arms and seeds share."""
    gate: bool = True
    """Begin reinforcement learning only if the preconditions hold."""
    numbers: int = number(3, "[2, 6]")
    """Numbers per problem."""
    largest: int = number(15, "[2, 99]")
    """The largest number of a problem."""
    targets: list[int] = number([16, 60], "[1, 98]")
    """Least and greatest target; the texts of bases have greater ones, up to 99."""
    format_reward: float = number(0.02, "[0, 1)")
    """For an answer that can be read but is wrong; the paper has 0.1, which small models learn to be content with."""
    kl: float = number(0.0, "[0, 1e4]")
    """Weight of the divergence from the model before reinforcement learning (estimator k3)."""
    judge: EndpointConfig = field(default_factory=EndpointConfig)
    """With ``judge.url``: a language model at an OpenAI-compatible server counts the behaviours, too."""
    judge_model: str | None = None
    """The same by a model here: a revision of ours or a Hugging Face folder."""
    judged: int = number(40, "[3, 1e5]")
    """Traces per arm, seed and stage that the judge reads."""
    student: bool = True
    """Models that are trained in the study; false: the given model alone."""
    model: str | None = None
    """A given model is asked, too, after worked problems of each set: a revision of ours, a Hugging Face folder, a
    ``.gguf`` file."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """The same for the model of an OpenAI-compatible server."""
    shots: int = number(4, "[1, 100]")
    """Worked problems that a given model reads."""
    problems: int = number(100, "[2, 1000]")
    """Held-out problems that a given model is asked."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """Which arms there are, and what the conditions hold."""
        in_conditions = ("scale", "arms", "first_seed_arms", "gate", "format_reward", "kl", *JUDGE_KEYS, *GIVEN_KEYS)
        return (*super().not_deciding, *in_conditions)

    @property
    def inputs(self) -> dict[str, Any]:
        """The problems; the sizes are in the conditions."""
        return {"domain": self.domain}

    @property
    def has_given(self) -> bool:
        """Whether a given model is asked."""
        return bool(self.model or self.endpoint.url)

    @property
    def has_judge(self) -> bool:
        """Whether a language model counts, too."""
        return bool(self.judge.url or self.judge_model)

    @property
    def parts(self) -> Scale:
        """The sizes."""
        return SCALES[self.scale]

    @property
    def domain(self) -> Domain:
        """Which problems there are."""
        least, greatest = self.targets
        return Domain(self.numbers, 1, self.largest, least, greatest)

    def check(self) -> None:
        """Known arms, each once, with those that the preconditions and the comparison need; targets in order."""
        registry.check_all([*self.arms, *self.first_seed_arms], ARMS, "arms, first_seed_arms")
        missing = [name for name in gates.NEEDED if name not in self.arms]
        if missing and self.student:
            raise ValueError(f"arms: must hold {', '.join(missing)}: the preconditions are about them")
        judge.check(self.judge, self.judge_model)
        shown.check(self.model, self.endpoint, self.student, self.arms)
        if len(self.targets) != 2 or not self.largest < self.targets[0] < self.targets[1]:
            raise ValueError(f"targets: {self.targets}: give [least, greatest], above largest={self.largest}")

    def check_before_run(self) -> None:
        """A given model and a judge that can be used; the servers' keys."""
        key_of(self.endpoint, "endpoint")
        key_of(self.judge, "judge")
        for key, path in (("model", self.model), ("judge_model", self.judge_model)):
            if path is not None:
                check_usable(path, key, gguf=key == "model")


def conditions(settings: Settings) -> list[Condition]:
    """A given model, and the base alone: what follows depends on what it can do."""
    given = shown.conditions(settings.arms, settings.model, settings.endpoint, settings.shots, settings.problems)
    if not settings.student:
        return given
    stage, seconds = {"stage": BASE, "sizes": settings.parts.deciding(BASE)}, SECONDS[settings.scale][BASE]
    return [*given, Condition(BASE, stage, [settings.base_seed], seconds, kind=BASE)]


def expected_conditions(settings: Settings) -> list[Condition]:
    """All of them, for an estimate."""
    if not settings.student:
        return conditions(settings)
    return [
        *conditions(settings),
        *_before(settings),
        *_after(settings),
        *_judged(settings, [*_before(settings), *_after(settings)]),
    ]


def next_conditions(measurements: Measurements, settings: Settings) -> list[Condition]:
    """Priming if the base can calculate and copy; reinforcement learning if the primed models are as they must be.

    Then the judge reads what there is.
    """
    if not settings.student:
        return []
    done: list[Condition] = []
    stages = (_before(settings), _after(settings))
    preconditions_of = (gates.of_base(measurements), gates.of_primed(measurements))
    for stage, preconditions in zip(stages, preconditions_of, strict=True):
        if settings.gate and not all(precondition.is_met for precondition in preconditions):
            break
        if not any(measurements.has_run(condition.name) for condition in stage):
            return stage
        done += stage
    judged = _judged(settings, done)
    return [] if any(measurements.has_run(condition.name) for condition in judged) else judged


def _before(settings: Settings) -> list[Condition]:
    made, seconds = [], SECONDS[settings.scale]
    for name in (*settings.arms, *settings.first_seed_arms):
        kind = "text" if name in models.TEXTS else "priming"
        seeds = _seeds(settings, name) if kind == "priming" else [settings.base_seed]
        sizes = {**settings.parts.deciding(kind), "test_samples": settings.parts.test_samples}
        deciding = {"stage": "before", "arm": name, "sizes": sizes}
        made.append(Condition(gates.before(name), deciding, seeds, seconds[kind], kind))
    return made


def _after(settings: Settings) -> list[Condition]:
    shared = {"sizes": asdict(settings.parts), "format_reward": settings.format_reward, "kl": settings.kl}
    return [
        Condition(
            name, {"stage": "after", "arm": name, **shared}, _seeds(settings, name), SECONDS[settings.scale]["rl"], "rl"
        )
        for name in (*settings.arms, *settings.first_seed_arms)
    ]


def _judged(settings: Settings, conditions: Sequence[Condition]) -> list[Condition]:
    if not settings.has_judge:
        return []
    cost = SECONDS[settings.scale]["judge"]
    return judge.conditions(settings.judge, settings.judge_model, settings.judged, conditions, cost)


def _seeds(settings: Settings, name: str) -> list[int] | None:
    return settings.seeds[:1] if name in settings.first_seed_arms else None


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Train the base, prime it, or reinforce a primed model; and measure."""
    match piece.settings["stage"]:
        case "base":
            return _run_base(piece, settings)
        case "before":
            return _run_before(piece, settings)
        case "judge":
            return _run_judge(piece, settings)
        case "shown":
            return shown.run(piece, settings.domain, settings.model, settings.endpoint)
        case _:
            return _run_after(piece, settings)


def _run_base(piece: Piece, settings: Settings) -> list[Measurement]:
    base = _models(piece, settings).base()
    measured = []
    for measure, values in (
        (gates.ARITHMETIC, models.arithmetic_accuracy(settings.domain, base)),
        (gates.COPYING, models.copying_accuracy(settings.domain, base)),
    ):
        measured += [piece.measurement(value, f"{measure} {index}", measure) for index, value in enumerate(values)]
        piece.log(f"{measure}: {100 * sum(values) / len(values):.1f} %")
    return measured


def _run_before(piece: Piece, settings: Settings) -> list[Measurement]:
    domain, scale, name = settings.domain, settings.parts, piece.settings["arm"]
    model = _models(piece, settings).started(name, piece.seed)
    measured = _observed(piece, settings, model, 0, scale.test_samples, is_last=True)
    if name in sets.SETS:
        made = models.priming_examples(domain, scale, name, piece.seed)
        tokens = sum(len(domain.encode(example.text)) + 1 for example in made)
        read = scale.priming_steps * scale.rows * scale.row_length(domain.count)
        facts = {"problems": float(len(made)), "tokens of traces": float(tokens), "tokens read": float(read)}
        counts = [count(example.text) for example in made]
        facts |= {f"{habit} in the set": sum(each[habit] for each in counts) / len(made) for habit in HABITS}
        measured += [piece.measurement(value, "", measure) for measure, value in facts.items()]
    return measured


def _run_after(piece: Piece, settings: Settings) -> list[Measurement]:
    domain, scale = settings.domain, settings.parts
    model = _models(piece, settings).started(piece.settings["arm"], piece.seed)
    measured, sampled = [], 0

    def after(step: int, tokens: int) -> None:
        nonlocal measured, sampled
        sampled += tokens
        is_last = step == scale.rl_steps
        if is_last or step % scale.evaluate_every == 0:
            measured += _observed(piece, settings, model, step, scale.test_samples if is_last else 1, is_last)

    format_reward, kl = piece.settings["format_reward"], piece.settings["kl"]
    reinforcement.reinforce(domain, scale, model, piece.seed, format_reward, kl, after)
    return [*measured, piece.measurement(sampled, "", "tokens sampled")]


def _run_judge(piece: Piece, settings: Settings) -> list[Measurement]:
    traces = judge.read_traces(_traces_file(piece, settings, piece.settings["of"]))[: settings.judged]
    teacher = judge.build(settings.judge, settings.judge_model, piece.folder / "judge")
    return [piece.measurement(value, item, measure) for value, item, measure in judge.measure(teacher, traces)]


def _traces_file(piece: Piece, settings: Settings, of: Mapping[str, Any]) -> Path:
    """Where the traces of an arm before or after reinforcement learning are kept, named by what decides them."""
    deciding = inputs.as_json([dict(of), settings.inputs, settings.base_seed, piece.seed, models.VERSION])
    return piece.folder / "traces" / f"{files.sha256_json(deciding)[:16]}.txt"


def _models(piece: Piece, settings: Settings) -> models.KeptModels:
    return models.KeptModels(settings.domain, settings.parts, settings.base_seed, piece.folder / "models")


def _observed(
    piece: Piece, settings: Settings, model: BabyLMForCausalLM, step: int, samples: int, is_last: bool
) -> list[Measurement]:
    """What a model does at a step; its traces are kept at the last step of a piece."""
    domain, scale = settings.domain, settings.parts
    problems = models.test_problems(domain, scale)
    seen = reinforcement.observe(domain, scale, model, problems, samples, piece.seed)
    piece.log(f"step {step}: {100 * sum(seen.right) / len(seen.right):.1f} % right, {seen.tokens:.0f} tokens")
    if is_last:
        judge.write_traces(_traces_file(piece, settings, piece.settings), seen.traces)
    of_problems = {tables.RIGHT: seen.right, **seen.counts}
    measured = [
        piece.measurement(value, f"p{index}", tables.at(measure, step))
        for measure, values in of_problems.items()
        for index, value in enumerate(values)
    ]
    for measure, value in ((tables.TOKENS, seen.tokens), (tables.WRONG, seen.wrong_calculations)):
        measured.append(piece.measurement(value, "", tables.at(measure, step)))
    return measured


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Preconditions, accuracies, expectations, behaviours, budgets; the figure shows both over the steps."""
    names = [name for name in (*settings.arms, *settings.first_seed_arms) if measurements.has_run(gates.before(name))]
    steps = settings.parts.rl_steps
    blocks = {
        "results": tables.results(measurements, names, steps),
        "gains": tables.gains(measurements, names, steps),
        "expectations": gates.expectations(measurements, steps),
        "behaviours": tables.behaviours(measurements, names, steps),
        "budgets": tables.budgets(measurements, names),
        "judge": judge.agreement(measurements),
        "given_model": shown.table(measurements, settings.arms),
    }
    filled = {name: table for name, table in blocks.items() if table.rows}
    if not settings.student:
        return Summary(shown.TITLE, filled, shown.draw(measurements, settings.arms), [shown.REMARK])
    expected = _gates.remarks(blocks["expectations"], "expected", "Expectations")
    remarks = [
        *gates.remarks(measurements, settings.gate),
        *expected,
        REMARK,
        *([shown.REMARK] if settings.has_given else []),
    ]
    return Summary(
        "Habits of thought before reinforcement learning, on Countdown with a scripted search",
        filled,
        tables.draw(measurements, names, steps),
        remarks,
    )
