"""Every setting of evaluation: what is measured, fine-tuning, files of reading times."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from babylm import places
from babylm.config.fields import number


@dataclass
class GlueConfig:
    """Fine-tuning on the seven (Super)GLUE tasks; with the defaults, as the official pipeline does it."""

    epochs: int | None = number(None, "[1, 1e4]")
    """Passes over a task's training set; null: 10, for WSC 30."""
    batch: int | None = number(None, "[1, 65536]")
    """Rows per step; null: 32, for BoolQ and MultiRC 16."""
    lr: float = number(3e-5, "(0, 100]")
    """Highest learning rate of AdamW; a cosine takes it to a tenth."""
    warmup: float = number(0.06, "[0, 1)")
    """Share of the steps in which the rate rises."""
    weight_decay: float = number(0.01, "[0, 100]")
    """On all parameters."""
    dropout: float = number(0.1, "[0, 1)")
    """Before the last layer of the classifier; the encoder keeps its rate."""
    length: int = number(512, "[8, 1e6]")
    """Longest row in tokens; a model with fewer positions sets its own limit."""
    pooling: Literal["auto", "first", "last"] = "auto"
    """The token whose state is classified. ``auto``: by the rules of 2026 the last; by those of 2025 the first, but for
    a causal model the last (the official scripts take the first, which has seen nothing)."""
    patience: int | None = number(None, "[1, 1e6]")
    """Epochs without a better validation score after which a task ends; null: never. The best epoch counts anyway."""
    seeds: list[int] = number([42], "[0, 9e15]")
    """One fine-tuning per seed; the score is their mean, the predictions are the first one's."""
    buckets: bool = True
    """Put rows of similar length into a batch, which saves padding; false: draw from all rows, as officially."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """As in ``training``; the official pipeline computes in fp32."""


@dataclass
class ReadingCsvConfig:
    """Columns of a file of reading times that is a task (``tasks=my/times.csv``), one row per word in order."""

    time: list[str] = field(default_factory=lambda: ["time"])
    """One or several measured times, each explained separately."""
    word: str = "word"
    sentence: list[str] = field(default_factory=lambda: ["sentence"])
    """Same value, same sentence (or passage: whatever the model should have read before a word). Several columns where
    numbers begin again, as ``[Text_ID,Sentence_Number]``."""
    context: str | None = None
    """Text before the word; null: the words of its sentence before it."""
    position: str | None = None
    """Number of the word in its sentence, which orders the words; rows of one position (several readers) are averaged.
    Null: the rows are the words in their order."""
    reader: str | None = None
    """Who read the word, if there are several readers: then a word that one reader has twice is refused."""
    frequency: str | None = None
    """Log frequency; null: the baseline has no frequency."""
    length: str | None = None
    """Length of the word; null: its characters."""
    covariates: list[str] = field(default_factory=list)
    """Further numbers that the baseline explains the time with."""
    spillover: int = number(1, "[0, 100]")
    """Number of earlier words in the baseline, each with length, frequency and surprisal."""

    def __post_init__(self) -> None:
        """A single name may be given where several may be."""
        for key in ("time", "sentence", "covariates"):
            if isinstance(value := getattr(self, key), str):
                setattr(self, key, [value])


@dataclass
class PairsConfig:
    """Fields of minimal pairs that are a task (``tasks=my/pairs``, a folder or a file); null: found by their names."""

    good: str | None = None
    """The right sentence; null: ``sentence_good``, or another name that says it (good, acceptable, ...)."""
    bad: str | None = None
    """The wrong one."""
    uid: str | None = None
    """Scores are given by its values; null: BLiMP's ``UID`` if there is a ``field`` too, else the file's name."""


@dataclass
class EvaluationConfig:
    """Measurements inside training, and the settings of evaluation."""

    when: Literal["none", "milestones", "end"] = "end"
    """When ``tasks`` are scored: never, at every milestone and the end, or at the end."""
    milestones: list[str] = field(default_factory=list)
    """Milestones for ``when: milestones``, as [chck_1M, chck_10M]; empty: all. Tasks are scored at the end anyway."""
    held_out_loss_when: Literal["none", "milestones", "end"] = "milestones"
    """When the loss on ``corpus.dev`` is measured (``corpus.test`` at the end alone)."""
    loss_tokens: int = number(65_536, "[1, 1e10]")
    """Tokens of ``corpus.dev``, in evenly spaced rows, for the loss at a milestone; at the end all are read."""
    tasks: list[str] = field(default_factory=list)
    """Tasks by name (``babylm/evaluation/tasks``), or paths of your data (`task_path`)."""
    data: str = "evaluation_data"
    """Folder of the official evaluation data."""
    backend: Literal["auto", "causal", "mntp", "mlm"] = "auto"
    """How sentences are scored; ``auto``: causally unless the objective is masked only."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of models (the softmax is always fp32). ``auto``: fp32, as officially; ``bf16``: named in its results,
    which report how many decisions of a sample it flips."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of ``babylm.evaluate``; ``auto``: a GPU if torch sees one. (Inside training: the training device.)"""
    limit: int | None = number(None, "[1, 1e9]")
    """At most this many items per file (evenly spaced), for a quick look inside training; null: all."""
    glue: GlueConfig = field(default_factory=GlueConfig)
    reading_csv: ReadingCsvConfig = field(default_factory=ReadingCsvConfig)
    pairs: PairsConfig = field(default_factory=PairsConfig)


TASK_FILES = (".jsonl", ".csv", ".tsv")
"""Minimal pairs (any of them) or reading times (the last two)."""


OTHER_FORMS = {
    ".json": "write one object per line, as .jsonl",
    ".gz": "unpack it (gunzip)",
    ".zip": "unpack it",
    ".xlsx": "save it as CSV in UTF-8",
    ".txt": "name it .csv or .tsv, with a header that names the columns",
    ".parquet": "write it as CSV or JSONL",
}
"""What to do with a file of another form, by the ending of its name."""


def task_path(name: str) -> Path | None:
    """The folder or file that a task's name is; None for a task of the package. ``ValueError`` if it is missing."""
    path = places.given(name)
    is_file = path.suffix.lower() in TASK_FILES
    if not is_file and "/" not in name and not (name and path.is_dir()):
        return None
    if is_file and not path.is_file() and not path.is_dir():
        raise ValueError(f"evaluation.tasks: no file {name}")
    if not path.exists():
        raise ValueError(f"evaluation.tasks: no folder {name}")
    if path.is_file() and not is_file:
        remedy = next((f"; {way}" for suffix, way in OTHER_FORMS.items() if name.lower().endswith(suffix)), "")
        patterns = ", ".join(f"*{suffix}" for suffix in TASK_FILES)
        raise ValueError(f"evaluation.tasks: {name} is no folder, and none of {patterns}{remedy}")
    return path
