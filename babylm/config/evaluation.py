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
    """Passes over a task's training set; none: 10, and 30 of WSC."""
    batch: int | None = number(None, "[1, 65536]")
    """Rows a step; none: 32, and 16 of BoolQ and MultiRC."""
    lr: float = number(3e-5, "(0, 100]")
    """Highest learning rate of AdamW; a cosine takes it to a tenth."""
    warmup: float = number(0.06, "[0, 1)")
    """Share of the steps in which the rate rises."""
    weight_decay: float = number(0.01, "[0, 100]")
    """On all parameters."""
    dropout: float = number(0.1, "[0, 1)")
    """Before the last layer of the classifier; the encoder keeps its own."""
    length: int = number(512, "[8, 1e6]")
    """Longest row in tokens; a model with fewer positions sets its own limit."""
    pooling: Literal["auto", "first", "last"] = "auto"
    """Which token's state is classified. ``auto``: by the rules of 2026 the last; by those of 2025 the first, but of a
    model that only looks back the last (the official scripts take its first, which has seen nothing)."""
    patience: int | None = number(None, "[1, 1e6]")
    """Epochs without a better validation score after which a task ends; none: never. The best epoch counts anyway."""
    seeds: list[int] = number([42], "[0, 9e15]")
    """One fine-tuning each; the score is their mean, the predictions are the first one's."""
    buckets: bool = True
    """Rows of about one length in a batch, which saves padding; else batches are drawn from all rows, as officially."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """As in ``training``; the official pipeline computes in fp32."""


@dataclass
class ReadingCsvConfig:
    """Columns of a file of reading times that is a task (``tasks=my/times.csv``), one row a word in reading order."""

    time: list[str] = field(default_factory=lambda: ["time"])
    """One or several measured times, each explained on its own."""
    word: str = "word"
    sentence: list[str] = field(default_factory=lambda: ["sentence"])
    """Same value, same sentence (or passage: whatever the model should have read before a word). Several columns where
    numbers begin again, as ``[Text_ID,Sentence_Number]``."""
    context: str | None = None
    """Text before the word; none: the words of its sentence before it."""
    position: str | None = None
    """Number of the word in its sentence, which orders the words; rows of one position (several readers) are averaged.
    None: the rows are the words in their order."""
    reader: str | None = None
    """Who read the word, where rows are of several readers: then a word that one reader has twice is refused."""
    frequency: str | None = None
    """Log frequency; none: the baseline has no frequency."""
    length: str | None = None
    """None: characters of the word."""
    covariates: list[str] = field(default_factory=list)
    """Further numbers that the baseline explains the time with."""
    spillover: int = number(1, "[0, 100]")
    """How many words before are in the baseline, each with length, frequency and surprisal."""

    def __post_init__(self) -> None:
        """A single name may be given where several may be."""
        for key in ("time", "sentence", "covariates"):
            if isinstance(value := getattr(self, key), str):
                setattr(self, key, [value])


@dataclass
class PairsConfig:
    """Fields of minimal pairs that are a task (``tasks=my/pairs``, a folder or a file); none: their names say it."""

    good: str | None = None
    """The right sentence; none: ``sentence_good``, or another name that says it (good, acceptable, ...)."""
    bad: str | None = None
    """The wrong one."""
    uid: str | None = None
    """What the score is given by; none: BLiMP's ``UID`` where there is a ``field`` too, else the file's name."""


@dataclass
class EvaluationConfig:
    """What is measured inside training."""

    when: Literal["none", "milestones", "end"] = "end"
    """When ``tasks`` are scored: never, at every milestone and the end, or at the end."""
    milestones: list[str] = field(default_factory=list)
    """Which ones ``when: milestones`` means, as [chck_1M, chck_10M]; none: all. The end counts anyway."""
    held_out_loss_when: Literal["none", "milestones", "end"] = "milestones"
    """When the loss on ``corpus.dev`` is measured (``corpus.test`` at the end alone)."""
    loss_tokens: int = number(65_536, "[1, 1e10]")
    """Tokens of ``corpus.dev``, in evenly spaced rows, that the loss is measured on at a milestone; at the end all."""
    tasks: list[str] = field(default_factory=list)
    """Tasks by name (``babylm/evaluation/tasks``), or paths of one's own data (`task_path`)."""
    data: str = "evaluation_data"
    """Folder of the official evaluation data."""
    backend: Literal["auto", "causal", "mntp", "mlm"] = "auto"
    """How sentences are scored; ``auto``: causally unless the objective is masked only."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """What models compute in (the softmax is fp32 always). ``auto``: fp32, as officially; ``bf16``: its results bear
    that in their name and say how many decisions of a sample it flips."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where ``babylm.evaluate`` computes; ``auto``: on a GPU where torch sees one. (Inside training: where that is.)"""
    limit: int | None = number(None, "[1, 1e9]")
    """At most this many items a file (evenly spaced), for a quick look inside training."""
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
    """The folder or file that a task's name is; none for a task that is named. ``ValueError`` where it is not there."""
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
        known = ", ".join(f"*{suffix}" for suffix in TASK_FILES)
        raise ValueError(f"evaluation.tasks: {name} is no folder, and none of {known}{remedy}")
    return path
