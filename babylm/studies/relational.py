"""Relational and technical messages to an agent whose tool is broken; planted effects check the tests alone.

After *Relational Intervention During Functional Collapse in LLMs* (Santana and Vico, arXiv 2606.00935), of which only
abstract and notes were at hand: a protocol to run again. An agent works in a text REPL whose tool fails
(`babylm.studies._relational_tool`). When it has collapsed (five failed calls), one of six messages comes
(`_relational_messages`), and what it does then is measured without calling a direction better: persistence,
abandonment, change of strategy, recovery; and for models attention to the message, states, entropy.

Subjects: a planted and a null agent (controls of the tests, gated), a student that is fine-tuned here on transcripts
without any message, a model by path, an endpoint (behaviour alone).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from babylm import places
from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.config.teaching import EndpointConfig, check_endpoint, key_of
from babylm.studies import _gates
from babylm.studies._relational_episodes import Limits
from babylm.studies._relational_scales import SCALES, Scale
from babylm.studies._relational_state_tables import (
    attention_table,
    collapses_table,
    states_table,
    surprisal_table,
)
from babylm.studies._relational_tables import (
    FAMILIES,
    Paired,
    contrasts_table,
    draw_contrasts,
    gates_table,
    power_table,
    results_table,
    sizes,
)
from babylm.studies._subject_checks import check_usable
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs

PLANTED, NULL, STUDENT, MODEL, ENDPOINT = "planted agent", "null agent", "student", "model", "endpoint"
REMARKS = (
    "A: no message; B: technical, impersonal; C: relational, first person; D: the words of C in random order; "
    "E: technical, first person; F: relational, impersonal. Episodes of a task share their tokens up to the message.",
    "The planted agent's effects were put in: they show what the tests can find, not what models do. Persistence and "
    "abandonment are counted; neither is better.",
    "A model is read as plain text, without a chat template. The original's messages and tasks are not public: this is "
    "no replication of it.",
)


@dataclass
class Settings(StudyConfig):
    """The settings of the relational study."""

    scale: Literal["smoke", "cpu", "gpu"] = "cpu"
    """``cpu``: 50 tasks per seed and model; ``gpu``: 200; ``smoke``: the same in miniature, which shows nothing."""
    controls: bool = True
    """The planted and the null agent, with seeds of their own."""
    student: bool = True
    """A student, fine-tuned in the study on transcripts without messages."""
    student_base: str | None = None
    """A revision of this codebase that the student begins from; null: a small transformer from scratch."""
    model: str | None = None
    """A causal Hugging Face folder, a revision of this codebase or a ``.gguf`` file; read as plain text."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """An OpenAI-compatible server; with ``endpoint.url`` it is a subject."""
    tasks: int | None = number(None, "[1, 1e5]")
    """Tasks per seed of a model or student; null: as the scale says."""
    state_tasks: int | None = number(None, "[1, 1e5]")
    """Of these, how many are read again for attention and states; null: as the scale says."""
    text: str | None = None
    """A text file for the unigram surprisal of messages; null: labelled sentences and transcripts."""
    temperature: float = number(0.7, "[0, 100]")
    """Of models' sampling."""
    entropy_required: bool = False
    """Whether a collapse needs raised entropy, besides five failed calls."""
    failures: int = number(5, "[1, 100]")
    """Failed calls that make a collapse."""
    before: int = number(12, "[1, 1000]")
    """Actions before the message at most."""
    after: int = number(8, "[4, 1000]")
    """Actions after the message at most."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """What decides a piece is in its condition."""
        return tuple(vars(self))

    @property
    def parts(self) -> Scale:
        """The sizes."""
        scale = SCALES[self.scale]
        return replace(scale, tasks=self.tasks or scale.tasks, state_tasks=self.state_tasks or scale.state_tasks)

    @property
    def limits(self) -> Limits:
        """How long episodes are."""
        return Limits(self.failures, self.before, self.after, self.entropy_required)

    def check_before_run(self) -> None:
        """Models that are there; a student begins from a revision of ours; the server's key."""
        key_of(self.endpoint, "endpoint")
        for key, path in (("model", self.model), ("student_base", self.student_base)):
            if path is not None:
                check_usable(path, key)

    def check(self) -> None:
        """A subject; a whole endpoint; files that are there."""
        if not (self.controls or self.student or self.model or self.endpoint.url):
            raise ValueError("controls, student, model, endpoint.url: give at least one subject")
        if self.endpoint.url:
            check_endpoint(self.endpoint, "endpoint")
        if self.before < self.failures:
            raise ValueError(f"before={self.before}: must be at least failures={self.failures}")
        for key in ("model", "student_base", "text"):
            path = getattr(self, key)
            if path is not None and not places.given(path).exists():
                raise ValueError(f"{key}={path}: there is no such file or folder")


def conditions(settings: Settings) -> list[Condition]:
    """A condition per subject: the six messages are compared within its pieces, so that they share prefixes."""
    common = {"scale": vars(SCALES[settings.scale]), "limits": asdict(settings.limits)}
    models = {**common, "scale": vars(settings.parts), "temperature": settings.temperature}
    texts = {"text": inputs.contents(settings.text)}
    made = []
    if settings.controls:
        seeds = range(1, settings.parts.control_seeds + 1)
        made += [
            Condition(name, {"subject": name, **common}, seeds, seconds=3.0, kind="control") for name in (PLANTED, NULL)
        ]
    if settings.student:
        given = {"subject": STUDENT, **models}
        read = {"base": inputs.contents(settings.student_base), **texts}
        made.append(Condition(STUDENT, given, seconds=60.0, kind=STUDENT, resumable=True, inputs=read))
    first = settings.seeds[:1]
    if settings.model:
        given = {"subject": MODEL, **models}
        read = {"model": inputs.contents(settings.model), **texts}
        made.append(Condition(MODEL, given, first, kind=MODEL, resumable=True, detail=settings.model, inputs=read))
    if settings.endpoint.url:
        given = {"subject": ENDPOINT, "model": settings.endpoint.model, "api": settings.endpoint.api, **models}
        made.append(Condition(ENDPOINT, given, first, kind=ENDPOINT, resumable=True, detail=settings.endpoint.url))
    return made


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """All episodes of one subject with one seed."""
    from babylm.studies import _relational_runs as runs

    scale, limits = settings.parts, settings.limits
    match piece.settings["subject"]:
        case "student":
            return runs.student(piece, scale, limits, settings.student_base, settings.text)
        case "model":
            assert settings.model is not None
            return runs.given_model(piece, scale, limits, settings.model, settings.text)
        case "endpoint":
            return runs.endpoint(piece, scale, limits, settings.endpoint)
        case name:
            return runs.scripted(piece, scale, limits, planted=name == PLANTED)


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Behaviour, contrasts, gates of the controls, attention, states, power."""
    paired = Paired(measurements)
    resamples = 1000 if settings.scale == "smoke" else 10_000
    blocks = {
        "results": results_table(paired, ("abandonment", "persistence", "strategy change", "recovery", "answer")),
        "gates": gates_table(paired, PLANTED, NULL, min(resamples, 2000)),
        "contrasts": contrasts_table(paired, FAMILIES, resamples),
        "attention": attention_table(paired),
        "states": states_table(paired),
        "surprisal and attention": surprisal_table(paired),
        "collapses": collapses_table(paired),
        "power": power_table(sizes(paired, settings.parts.power_repeats), settings.parts.power_repeats),
    }
    return Summary(
        "Messages to an agent whose tool is broken (planted effects in the controls alone)",
        {name.replace(" ", "_"): table for name, table in blocks.items() if table.rows},
        draw_contrasts(paired),
        [*_gates.remarks(blocks["gates"]), *REMARKS],
    )
