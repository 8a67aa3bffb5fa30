"""A run's folder, read: ``checkpoints/<name>/``, as training, evaluation and submission leave it.

``Run(folder)`` answers "what is in checkpoints/x?" for every reader. It loads neither torch nor lightning, writes
nothing, and reads each file when it is first asked for. A lone model folder with results beside it is read too: it has
no configuration, plan or metrics.

>>> import tempfile
>>> folder = Path(tempfile.mkdtemp(), "s1")
>>> files.write_text(folder / "config.yaml", "seed: 3")
>>> run = Run(folder)
>>> print(run.state, run.config.seed, run.revisions, run.plan)
never started 3 [] {}
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from babylm import config as configuration
from babylm import files, locks, metrics, places, revisions, tracks
from babylm.config.schema import Config
from babylm.run_folder import LOCK, RunState, last_words
from babylm.run_results import LEFT_OUT, NUMBER, RunResults, Types

CONFIG = "config.yaml"
MAIN = "main"
ROUNDS = "rounds/results.json"
LEDGER = {
    "corpus": "corpus, each word once",
    "base_read": "read before by the initial weights",
    "corpus_read": "corpus text read",
    "episodes_read": "prompts and completions learnt from",
    "generated": "said by the student",
    "read": "exposure: all that counts",
    "teacher_shown": "teacher's words (and prompts), each when first shown",
    "teacher_input": "read by the teacher (does not count)",
    "rewards": "numbers received (no words)",
}
"""Key of ``ledger.json`` -> what it counts, in the order of the table."""
FLOPS = {
    "learning_flops": "learning",
    "generation_flops": "acting: completions, and the reference's scores of them",
    "teacher_flops": "a teacher model's, where its size and tokens are known (do not count)",
}
"""The same of the table of FLOPs."""
LABELS = {"gold": "gold quality", "words": "words per completion"}
"""Key of ``rounds/results.json`` -> what is measured on test prompts."""
RESTORE = "restore it from a copy of the run's folder"
PLAN: Types = {
    **dict.fromkeys(("words", "steps", "corpus_words"), (int,)),
    **dict.fromkeys(("epochs", "flops"), NUMBER),
    "milestones": (list,),
}
ENVIRONMENT: Types = {
    **dict.fromkeys(("processor", "platform", "python"), (str,)),
    **{"packages": (dict,), "command": (list,), "cores": (int,)},
}
TEACHER: Types = {
    **dict.fromkeys(("name", "kind", "feedback"), (str,)),
    **dict.fromkeys(("external", "trained_inside_budget"), (bool,)),
    "parameters": (int, type(None)),
}


class Run(RunResults):
    """A run's folder, or a model folder, as far as its files are there.

    Args:
        folder: ``checkpoints/<name>``, or a folder with ``config.json``.
        changes: ``key=value`` over the stored configuration (``submission.repo=me/s1``).
        rules: year by whose rules `result`, `predictions` and `acquisition` read; None for the run's.
        backend: how those results were scored; None for the run's.

    Raises:
        ValueError: there is neither a run nor a model in ``folder``.
    """

    def __init__(
        self, folder: str | Path, changes: Sequence[str] = (), *, rules: int | None = None, backend: str | None = None
    ) -> None:
        self.folder = places.given(folder)
        self._changes, self._rules, self._backend = list(changes), rules, backend
        if not self.folder.is_dir():
            raise ValueError(places.no_folder(self.folder))
        if not self.has_config and not self.revisions and not (self.folder / revisions.CONFIG).is_file():
            raise ValueError(f"{self.folder} is neither a run ({CONFIG}) nor a model folder ({revisions.CONFIG})")
        self.name = self.folder.resolve().name

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    # Configuration, plan, surroundings

    @property
    def has_config(self) -> bool:
        """Whether it is a run; a model folder has no ``config.yaml``."""
        return (self.folder / CONFIG).is_file()

    @cached_property
    def config(self) -> Config:
        """The configuration; the defaults for a model folder."""
        return configuration.load(self.folder / CONFIG, self._changes) if self.has_config else Config()

    @property
    def config_text(self) -> str:
        """``config.yaml`` as it is stored; empty for a model folder."""
        return files.read_text(self.folder / CONFIG) if self.has_config else ""

    @property
    def rules(self) -> int:
        """The year by whose rules results are read."""
        return self.config.rules if self._rules is None else self._rules

    @property
    def backend(self) -> str:
        """The backend whose results are read."""
        backend = self._backend or self.config.evaluation.backend
        return self.config.objective.backend if backend == "auto" else backend

    @property
    def track(self) -> tracks.Track:
        """Budget and milestones of its track."""
        return tracks.TRACKS[self.config.track]

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Words, epochs, steps, FLOPs and milestones of the whole run; empty without ``plan.json``."""
        file = self.folder / "plan.json"
        plan = files.read_typed(file, PLAN, LEFT_OUT)
        for milestone in plan.get("milestones", ()):
            files.check_keys(file, milestone, ("name", "words"), LEFT_OUT)
        return plan

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Code revision, versions and machine; empty without ``environment.json``."""
        return files.read_typed(self.folder / "environment.json", ENVIRONMENT, LEFT_OUT)

    @cached_property
    def ledger(self) -> dict[str, int]:
        """Words by origin: ``corpus`` (distinct), ``read``, ``from_teachers``, ``generated``.

        The last two are 0 unless an interaction has metered them in ``ledger.json``.
        """
        words = {"corpus": self.plan.get("corpus_words", 0), "read": self.plan.get("words", 0)}
        return {
            **words,
            "from_teachers": 0,
            "generated": 0,
            **files.read_typed(self.folder / "ledger.json", {}, LEFT_OUT),
        }

    @property
    def words_before(self) -> int:
        """Words that the base of an interaction had read; 0 for other runs."""
        return self.ledger.get("base_read", 0)

    def require_whole(self) -> None:
        """``ValueError`` that names what a submission needs of the folder and is not there."""
        if not self.has_config:
            raise ValueError(f"{self.folder} is not the folder of a run (it has no {CONFIG})")
        if not self.is_finished:
            raise ValueError(
                f"{self.folder} is not finished (it has no main): repeat its python -m babylm.train command"
            )
        for name in ("plan.json", "environment.json", "metrics.jsonl"):
            if not (self.folder / name).is_file():
                raise files.DamagedFile(f"{self.folder / name}: there is no such file; {RESTORE}")

    # How far it is

    @property
    def is_finished(self) -> bool:
        """Whether the final revision is complete."""
        return (self.folder / MAIN / files.MANIFEST).is_file()

    @property
    def state(self) -> RunState:
        """Finished, running, stopped (with the reason) or never started."""
        words = max((line["words"] for line in self.metrics if "words" in line), default=0)
        if self.is_finished or not self.has_config:
            return RunState("finished", words=int(words or self.facts.get("words") or 0))
        if locks.is_held(self.folder / LOCK):
            return RunState("running", words=int(words))
        if not words and not self.revisions and not (self.folder / "last.ckpt").is_file():
            return RunState("never started", last_words(self.folder / "log.txt"))
        return RunState(
            "stopped",
            last_words(self.folder / "log.txt") or "no word of an end: killed, or the machine stopped",
            int(words),
        )

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``, without values that are null; a last line that a kill has cut is left out."""
        return metrics.read(self.folder / "metrics.jsonl")

    def series(self, metric: str, over: str = "words") -> tuple[np.ndarray, np.ndarray]:
        """(``over``, values), both (points,) float64, of a logged metric."""
        return metrics.series(self.metrics, metric, over)

    @cached_property
    def hours(self) -> float:
        """Hours of training, without measuring and pauses."""
        return metrics.hours(self.metrics, self.words_before)

    # Revisions

    @property
    def revisions(self) -> list[str]:
        """Names of the revisions that are there, by words, ``main`` last."""
        return revisions.revision_names(self.folder)

    @property
    def milestones(self) -> list[str]:
        """Names of the revisions that its track requires, without ``main``; those it planned, for the track free."""
        if self.track.milestones:
            return [tracks.milestone_name(words) for words in self.track.milestones]
        return [milestone["name"] for milestone in self.plan.get("milestones", ())]

    @property
    def present(self) -> list[str]:
        """The `milestones` that are there."""
        return [name for name in self.milestones if (self.folder / name / revisions.CONFIG).is_file()]

    @property
    def last_folder(self) -> Path:
        """The folder of the last revision; of a model folder, itself."""
        return self.folder / self.revisions[-1] if self.revisions else self.folder

    @cached_property
    def facts(self) -> dict[str, Any]:
        """``babylm.json`` of the last revision; empty if it has none."""
        return files.read_typed(self.last_folder / revisions.FACTS, {}, LEFT_OUT)

    @cached_property
    def model_config(self) -> dict[str, Any]:
        """``config.json`` of the last revision; empty if it has none."""
        return files.read_typed(self.last_folder / revisions.CONFIG, {}, LEFT_OUT)

    @cached_property
    def tokenizer_sha256(self) -> str | None:
        """Hash of the last revision's ``tokenizer.json``; None without one."""
        file = self.last_folder / revisions.TOKENIZER
        return files.sha256_file(file) if file.is_file() else None

    @cached_property
    def datasheet(self) -> dict[str, Any]:
        """Counts of the training text by source; empty if the prepared corpus is not there any more."""
        if not self.has_config or "corpus" not in self.facts:
            return {}
        file = places.given(self.config.corpus.prepared) / str(self.facts["corpus"]) / "datasheet.json"
        return files.read_typed(file, {"sources": (dict,), "total": (dict,)}, LEFT_OUT)

    @cached_property
    def teacher(self) -> dict[str, Any]:
        """Who taught an interaction: name, kind, parameters, external, feedback; empty for other runs."""
        return files.read_typed(self.folder / "teacher.json", TEACHER, LEFT_OUT)

    @cached_property
    def rounds(self) -> list[dict[str, Any]]:
        """The student of an interaction before its first round and after each: round, exposure, measures."""
        rounds: list[dict[str, Any]] = files.read_typed(self.folder / ROUNDS, {"rounds": (list,)}, LEFT_OUT).get(
            "rounds", []
        )
        for result in rounds:
            files.check_keys(self.folder / ROUNDS, result, ("round", "exposure"), LEFT_OUT)
        return rounds

    @property
    def samples_file(self) -> Path:
        """Where generated texts are stored."""
        return self.folder / "samples.json"

    @cached_property
    def samples(self) -> dict[str, Any]:
        """Texts that the revisions generated: ``prompts``, ``sampling``, and ``revisions`` by name; empty without."""
        return files.read_typed(self.samples_file, {"prompts": (list,), "revisions": (dict,)}, LEFT_OUT)
