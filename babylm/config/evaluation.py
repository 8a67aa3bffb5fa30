"""Every setting of evaluation: what is measured, fine-tuning, files of reading times."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from babylm import places


@dataclass
class GlueConfig:
    """Fine-tuning on the seven (Super)GLUE tasks; with the defaults, as the official pipeline does it."""

    epochs: int | None = None
    """Passes over a task's training set; None: 10, and 30 for WSC."""
    batch: int | None = None
    """Rows per step; None: 32, and 16 for BoolQ and MultiRC."""
    lr: float = 3e-5
    """Highest learning rate of AdamW; a cosine reduces it to a tenth."""
    warmup: float = 0.06
    """Share of the steps with a rising learning rate."""
    weight_decay: float = 0.01
    """On all parameters."""
    dropout: float = 0.1
    """Dropout before the last layer of the classifier; the encoder keeps its rate."""
    length: int = 512
    """Longest row in tokens; less for a model with fewer positions."""
    pooling: Literal["auto", "first", "last"] = "auto"
    """Token whose state is classified. ``auto``: by the rules of 2026 the last; by those of 2025 the first, but the
    last for a causal model (the official scripts take its first, which sees no other token)."""
    patience: int | None = None
    """Epochs without a better validation score after which training stops; None: never. The best epoch counts."""
    seeds: list[int] = field(default_factory=lambda: [42])
    """One fine-tuning per seed; the score is their mean, the predictions are those of the first."""
    buckets: bool = True
    """Whether a batch has rows of about one length, which saves padding; officially they are drawn from all rows."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """As in ``training``; the official pipeline computes in fp32."""


@dataclass
class ReadingCsvConfig:
    """Columns of a file of reading times that is a task (``tasks=my/times.csv``), one row per word in reading order."""

    time: list[str] = field(default_factory=lambda: ["time"])
    """One or several measured times, each with a regression."""
    word: str = "word"
    sentence: list[str] = field(default_factory=lambda: ["sentence"])
    """Same value, same sentence (or passage: whatever the model should have read before a word). Several columns where
    numbers begin again, as ``[Text_ID,Sentence_Number]``."""
    context: str | None = None
    """Text before the word; None: the words of its sentence before it."""
    position: str | None = None
    """Number of the word in its sentence, which orders the words; rows of one position (several readers) are averaged.
    None: the rows are the words in their order."""
    reader: str | None = None
    """Reader of the word, if there are several; a word that a reader has twice is then refused."""
    frequency: str | None = None
    """Log frequency; None: the baseline has no frequency."""
    length: str | None = None
    """Length of the word; None: its characters."""
    covariates: list[str] = field(default_factory=list)
    """Further predictors of the baseline."""
    spillover: int = 1
    """Number of previous words in the baseline, each with length, frequency and surprisal."""

    def __post_init__(self) -> None:
        """Accept a single name for a list of names."""
        for key in ("time", "sentence", "covariates"):
            if isinstance(value := getattr(self, key), str):
                setattr(self, key, [value])


@dataclass
class PairsConfig:
    """Fields of minimal pairs that are a task (``tasks=my/pairs``, a folder or a file); None: found by their names."""

    good: str | None = None
    """The right sentence; None: ``sentence_good``, or another name that says it (good, acceptable, ...)."""
    bad: str | None = None
    """The wrong one."""
    uid: str | None = None
    """The UID, by which scores are given; None: BLiMP's ``UID`` if there is a ``field`` too, else the file's name."""


@dataclass
class EvaluationConfig:
    """What is measured inside training."""

    when: Literal["none", "milestones", "end"] = "end"
    """When ``tasks`` are scored: never, at every milestone and the end, or at the end."""
    milestones: list[str] = field(default_factory=list)
    """The milestones of ``when: milestones``, as [chck_1M, chck_10M]; empty: all. The end is always one."""
    held_out_loss_when: Literal["none", "milestones", "end"] = "milestones"
    """When the loss on ``corpus.dev`` is measured (that on ``corpus.test`` only at the end)."""
    loss_tokens: int = 65_536
    """Tokens of ``corpus.dev``, in evenly spaced rows, for the loss at a milestone; at the end all are used."""
    tasks: list[str] = field(default_factory=list)
    """Names of tasks (``babylm/evaluation/tasks``), or paths of your own data (`task_path`)."""
    data: str = "evaluation_data"
    """Folder of the official evaluation data."""
    backend: Literal["auto", "causal", "mntp", "mlm"] = "auto"
    """How sentences are scored; ``auto``: causal, unless the objective is masked only."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Dtype of weights and activations (the softmax is always fp32). ``auto``: fp32, as officially; ``bf16``: results
    are named so and report how many decisions of a sample flip."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of ``babylm.evaluate``; ``auto``: a GPU if torch sees one. (Inside training, that of training.)"""
    limit: int | None = None
    """Items per file at most (evenly spaced), for a quick look inside training."""
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
"""Ending of a file name -> what to do with a file of that form."""


def task_path(name: str) -> Path | None:
    """The folder or file that a task's name is; None for the name of a plug-in. ``ValueError`` if it does not exist."""
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
