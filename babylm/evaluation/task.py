"""What a task is: its items, its score, and every fact about it that the rest of the package reads.

A task is a plug-in: a file of ``babylm/evaluation/tasks`` (or of a user's folder) whose ``TASK`` is a `Task`. The
suites, averages, titles, official names and official item counts are read from there, so adding a file adds a task, and
nothing else knows its name:

    def items(data, limit=None, *, suite="fast", rules=2025):
        return [Item("number", ("The cats see.", "The cats sees."), ("The cats see.", "The cats sees."))]

    TASK = ChoiceTask(name="agreement", version=1, chance=0.5, title="Agreement", read=items, average="syntax")

A task without `Official` is scored, averaged and reported like any other, and is no part of an official submission.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm.config.evaluation import EvaluationConfig
from babylm.evaluation.results.task_result import Result

if TYPE_CHECKING:  # facts about tasks are read without torch
    from babylm.evaluation.scoring.scorer import Scorer

SUITES = ("fast", "full")
YEARS = (2025, 2026)
BOTH_SUITES = tuple((suite, rules) for suite in SUITES for rules in YEARS)
"""(suite, year of the rules) of a task that is in all official suites."""
FINETUNED = "tuned"
"""What result files name instead of the backend if the task fine-tunes the model."""
LAST = 1000
"""`Task.order` of tasks that set none: after the official ones."""


@dataclass(frozen=True)
class Official:
    """A task in the official pipeline: its names, its folders, its item counts, the form of its report."""

    key: str
    """Name in the collated file of predictions."""
    counts: Callable[[str, int], dict[str, int]]
    """(suite, year) -> items per UID in lower case; per part for a task with `parts`."""
    folder: str = ""
    """Folder of its results below ``zero_shot/<backend>``; with `parts`, of each part ``<key>_<part>``."""
    subfolders: Mapping[str, str] = field(default_factory=dict)
    """Folder of its data in ``<suite>_eval``, by suite; also the folder of its results inside `folder`."""
    key_by_year: Mapping[int, str] = field(default_factory=dict)
    """Another `key` in some years."""
    parts: tuple[str, ...] = ()
    """Splits that the collated file holds apart, as ``<key>_<part>``."""
    report: str = "accuracy"
    """Form of the report files: ``accuracy``, ``correlation`` or ``reading_times``."""
    report_fields: Mapping[str, str | None] = field(default_factory=lambda: {"UID": "UID"})
    """Heading of the report -> field of the data by which accuracies are given; None: one line for the whole task."""
    uid_field: str = "UID"
    """Field of the data that holds the UID; without it, the UID is the file's name."""

    def key_in(self, rules: int) -> str:
        """Name in the collated file of a year.

        >>> Official("boxes", lambda suite, rules: {}, key_by_year={2026: "boxes_filtered"}).key_in(2026)
        'boxes_filtered'
        """
        return self.key_by_year.get(rules, self.key)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. Subclasses implement `items` and `score`; the fields are what others need to know about it."""

    name: str
    """Name on the command line and in result files: that of its file, or the path of a user's data."""
    version: int
    """Raised when the same model and data would get another score; older results are then computed again."""
    chance: float
    """Score of guessing, as a share; 0 if there is no such thing."""
    title: str = ""
    """Name in tables; empty: `name`."""
    suites: tuple[tuple[str, int], ...] = ()
    """(suite, year of the rules) that include the task."""
    order: float = LAST
    """Position in suites, averages and tables."""
    average: str = ""
    """Average that the task enters in the full suite: ``nlp``, ``human_likeness``, or one of your own; empty: none."""
    group: str = ""
    """Tasks of one group are averaged first, and that mean enters the `average`; also a name for all of them."""
    finetuned: bool = False
    """Whether the model is fine-tuned: then it is scored with the stored weights, on the last revision of a suite."""
    over_revisions: bool = False
    """Whether the score needs all revisions (see `combine`); the result of one revision then has none."""
    numeric: bool = False
    """Whether the predictions are numbers (surprisals), not choices: then NaN among them is counted by `count_nan`."""
    needs_images: bool = False
    """Whether the official task shows images, which this package leaves out."""
    shows_examples: bool = True
    """Whether stored items may include texts; False if the authors of the data ask not to spread them."""
    official: Official | None = None
    """Facts of the official pipeline; None if it does not know the task."""

    def items(self, data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> Any:
        """The items in ``data`` (the folder with ``fast_eval`` and ``full_eval``), at most ``limit`` per file.

        Raises: ``tasks._data.MissingData`` if the data is not there, ``ValueError`` for a line that does not fit.
        """
        raise NotImplementedError

    def score(
        self, scorer: Scorer, items: Sequence[Any], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """The result of ``items`` by the rules of a year."""
        raise NotImplementedError

    def identity(self, settings: EvaluationConfig, items: Sequence[Any]) -> dict[str, Any]:
        """What decides the result besides model and items, as JSON; a stored result with another is computed again."""
        return {}

    def count_answers(self, items: Sequence[Any]) -> Mapping[str, int]:
        """Number of predictions per UID that belong to ``items``."""
        return Counter(item.uid for item in items)

    def rescore(self, items: Sequence[Any], predictions: Mapping[str, Any]) -> dict[str, float]:
        """Official score per UID of stored ``predictions``: the share of answers that are the right one's text."""
        answers: dict[str, list[str]] = {}
        for item in items:
            answers.setdefault(item.uid, []).append(right_answer(item))
        scores = {}
        for uid, part in predictions.items():
            right = [line["pred"].strip() == good for line, good in zip(part["predictions"], answers[uid], strict=True)]
            scores[uid] = sum(right) / len(right)
        return scores

    def count_nan(self, predictions: Mapping[str, Any]) -> int:
        """How many numbers of stored ``predictions`` are NaN and must not be; for `numeric` tasks."""
        raise NotImplementedError

    def combine(
        self, predictions: Sequence[Mapping[str, Any]], steps: Sequence[tuple[str, float]], metric: str
    ) -> dict[str, Any]:
        """The score of several revisions from their stored predictions; for `over_revisions` tasks.

        ``steps``: (name, words read) of each revision. Returns ``score``, ``words`` and ``surprisals`` among others.
        """
        raise NotImplementedError

    def rescore_revisions(
        self, lines: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], items: Sequence[Any], metric: str
    ) -> float:
        """The score of several revisions from the collated file; for `over_revisions` tasks.

        ``lines``: results in that file; ``metadata``: of the stored predictions, which the file lacks.
        """
        raise NotImplementedError


def right_answer(item: Any) -> str:
    """The right candidate of an item as the official predictions name it, stripped."""
    return (item.answers or item.completions)[item.label].strip()


def table(text: str) -> dict[str, int]:
    """Counts written as words: ``name number name number ...``.

    >>> table("easy 64 tricky 165")
    {'easy': 64, 'tricky': 165}
    """
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


def fixed_counts(full: Mapping[str, int], fast: int | None = None) -> Callable[[str, int], dict[str, int]]:
    """`Official.counts` of a task with the same UIDs in all suites and years.

    ``fast``: items per UID in the fast suite; None if it is the full one.

    >>> fixed_counts({"a": 900, "b": 800}, fast=200)("fast", 2026)
    {'a': 200, 'b': 200}
    """

    def counts(suite: str, rules: int) -> dict[str, int]:
        return dict.fromkeys(full, fast) if suite == "fast" and fast is not None else dict(full)

    return counts
