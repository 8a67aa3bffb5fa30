"""The options of the commands that take ``key=value`` words but no configuration, as ``--help`` lists them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from babylm.config import manual
from babylm.config.evaluation import GlueConfig, PairsConfig, ReadingCsvConfig
from babylm.config.schema import SubmissionConfig

TITLE = "Options, with their defaults:"


@dataclass
class EvaluateOptions:
    """Of ``babylm.evaluate``; what the ``config.yaml`` of a run says goes before the defaults."""

    tasks: list[str] = field(default_factory=list)
    """Tasks by name (``--list``), or paths of your data; empty: those of ``suite`` if it is given, else of the run."""
    suite: Literal["fast", "full"] = "fast"
    """Which tasks, and whose data."""
    rules: Literal[2025, 2026] = 2026
    """Year of the rules."""
    revisions: list[str] = field(default_factory=list)
    """Names of revisions; empty: all."""
    backend: Literal["auto", "causal", "mntp", "mlm"] = "auto"
    """How sentences are scored; ``auto``: causally unless the objective is masked only."""
    data: str = "evaluation_data"
    """Folder of the official evaluation data."""
    limit: int | None = None
    """At most this many items per file, evenly spaced; none: all."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the model; ``auto``: fp32, as officially."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: a GPU if torch sees one."""
    trust: bool = False
    """Run the code that a model's folder brings."""
    part: str = ""
    """``i/n``: score revisions i, i + n, ... (from 0); without it once at the end, for what needs every revision."""
    glue: GlueConfig = field(default_factory=GlueConfig)
    reading_csv: ReadingCsvConfig = field(default_factory=ReadingCsvConfig)
    pairs: PairsConfig = field(default_factory=PairsConfig)


@dataclass
class CompareOptions:
    """Of ``babylm.evaluate compare``."""

    tasks: list[str] = field(default_factory=list)
    """Tasks by name; empty: all that both models have results of."""
    suite: Literal["fast", "full"] | None = None
    """Results on whose data; null: of both suites."""
    rules: Literal[2025, 2026] | None = None
    """Results by the rules of one year; null: of both."""
    backend: str = ""
    """Which results, where a model has several; two (``causal,mntp``) are A's and B's."""
    out: str = ""
    """File to write the comparison into, as JSON."""


@dataclass
class SubmitOptions:
    """Of ``babylm.submit``, before those of the card and the form (`SubmissionConfig`)."""

    rules: Literal[2025, 2026] = 2026
    """Year of the rules; the run's, if it is not given."""
    backend: Literal["auto", "causal", "mntp", "mlm"] = "auto"
    """Whose results are packed."""
    data: str = "evaluation_data"
    """Folder of the official evaluation data; the run's, if it is not given."""
    incomplete: bool = False
    """Write what there is, and say what is missing."""
    load: bool = True
    """Load each revision in a fresh process, to see that it works."""
    trust: bool = False
    """Also run code in a revision that is not this package's."""
    reexport: bool = False
    """Put this version's code into revisions of an older one; weights stay, predictions are checked."""
    push: bool = False
    """Send the revisions to ``repo``."""
    private: bool = False
    """Make that repository a private one."""


@dataclass
class ReportOptions:
    """Of ``babylm.report``."""

    out: str = ""
    """File to write; empty: ``report.html`` in the first folder."""
    samples: bool = False
    """Let each revision continue some prompts first; the texts are stored in the run's folder."""


@dataclass
class ConvertOptions:
    """Of ``babylm.convert``."""

    dry_run: bool = False
    """Say what would be changed, and change nothing."""
    accept_weights: bool = False
    """Seal a revision whose weights are not those of its manifest, if names and shapes fit and all are finite; results
    stay those of the weights that they were made with."""


def keys(options: type) -> tuple[str, ...]:
    """The names of the options; sections (``glue.epochs``) are left out.

    >>> keys(ReportOptions)
    ('out', 'samples')
    """
    defaults: Any = options()
    return tuple(each.name for each in fields(options) if not is_dataclass(getattr(defaults, each.name)))


def describe(options: type) -> str:
    """The options as ``--help`` lists them."""
    more = f"\n{manual.describe(SubmissionConfig)}" if options is SubmitOptions else ""
    return f"{TITLE}\n\n{manual.describe(options)}{more}"
