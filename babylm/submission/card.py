"""The model card: ``README.md`` of the Hub repository.

It says only what the run recorded or the configuration states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import ModelCardData

from babylm import places, publication, revisions
from babylm.corpora import packed_corpus
from babylm.evaluation.results.averages import Average
from babylm.runs import Run
from babylm.submission import description
from babylm.submission.ledger import budget
from babylm.submission.rescoring import Score
from babylm.tables import markdown_table

FRONT_MATTER = ("license", "language", "library_name", "pipeline_tag", "tags")
"""Order of the metadata."""


def card(run: Run, scores: Sequence[Score], averages: Mapping[str, Average], missing: Sequence[str]) -> str:
    """The whole card; ``missing`` are lines about what the package lacks."""
    parts = [
        f"---\n{_metadata(run)}\n---",
        f"# {run.config.name}",
        run.config.submission.description or description.description(run),
        _loading(run),
        "## Scores",
        _scores(run, scores, averages, missing),
        "## Budget",
        _rows(budget(run)),
        "## Training",
        _rows(_settings(run)),
        "## Revisions",
        _revisions(run),
        "## Training text",
        _datasheet(run),
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(run: Run) -> str:
    """The YAML block by which the Hub lists a model."""
    settings = run.config.submission
    return ModelCardData(
        license=settings.license,
        language=[publication.language_code(language) for language in settings.languages],
        library_name="transformers",
        pipeline_tag="fill-mask" if run.config.objective.backend != "causal" else "text-generation",
        tags=["babylm", f"babylm-{run.rules}", run.config.track, *settings.tags],
    ).to_yaml(original_order=list(FRONT_MATTER))


def _loading(run: Run) -> str:
    """How to load ``main``, from the repository if there is one, and which other moments there are."""
    repo = run.config.submission.repo
    kind = "AutoModelForMaskedLM" if run.config.objective.backend != "causal" else "AutoModelForCausalLM"
    name = repo or f"{run.config.name}/main"
    where = "" if repo else "  # the run's folder"
    code = (
        f"```python\nfrom transformers import {kind}, AutoTokenizer\n\n"
        f'name = "{name}"{where}\n'
        "tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)\n"
        f"model = {kind}.from_pretrained(name, trust_remote_code=True)\n```"
    )
    if not run.present:
        return code
    others = f'branches: `revision="{run.present[-1]}"`' if repo else f"folders beside it: `{run.present[-1]}`"
    return f"{code}\n\nOther moments of the training are {others}, and those listed below."


def _scores(run: Run, scores: Sequence[Score], averages: Mapping[str, Average], missing: Sequence[str]) -> str:
    rows = []
    for score in scores:
        result = run.result("main", score.task, "fast" if run.config.track == "free" else "full")
        interval = result.content["interval"] if result is not None else None
        ties = result.content["ties"] if result is not None else "-"
        bounds = "-" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"
        n = f"{result.content['n']:,}" if result is not None else "-"
        rows.append((score.task, f"{100 * score.counted:.2f}", bounds, n, str(ties)))
    text = markdown_table(("task", "score", "95 % interval", "items", "ties"), rows)
    if run.config.track != "free":
        official = [
            (name, "-" if average.value is None else f"{100 * average.value:.2f}", ", ".join(average.missing) or "-")
            for name, average in averages.items()
        ]
        text += "\n\n" + markdown_table(("average", "score", "missing"), official, left=(0, 2))
    if missing:
        text += "\n\nNot in this package:\n\n" + "\n".join(f"* {line}" for line in missing)
    return f"Scored {run.backend}, by the rules of {run.rules}, in percent.\n\n{text}"


def _settings(run: Run) -> dict[str, Any]:
    config, environment = run.config, run.environment
    return {
        "objective": run.config.objective.describe(),
        "optimizer": description.optimizer(run),
        "schedule": description.schedule(run),
        "seed": config.seed,
        "steps": run.plan["steps"],
        "weights (sha256)": description.facts(run)["weights_sha256"],
        "code": environment.get("code"),
        "packages": ", ".join(f"{name} {version}" for name, version in environment["packages"].items()),
        "machine": f"{environment['processor']}, {environment['cores']} cores",
    }


def _revisions(run: Run) -> str:
    rows = []
    for name in [*run.present, "main"]:
        facts = revisions.facts(run.folder / name)
        rows.append((name, f"{facts['words']:,}", f"{facts['step']:,}", facts["weights_sha256"][:16]))
    return markdown_table(("revision", "words read", "step", "weights (sha256)"), rows, left=(0, 3))


def _datasheet(run: Run) -> str:
    corpus = description.facts(run).get("corpus")
    folder = places.given(run.config.corpus.prepared) / str(corpus)
    if not (folder / packed_corpus.DATASHEET_TEXT).is_file():
        return f"Prepared corpus {corpus}; its datasheet is written by `python -m babylm.prepare`."
    lines = packed_corpus.read_datasheet(folder).strip().splitlines()
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines)


def _rows(values: Mapping[str, Any]) -> str:
    """A table of names and values; ``{"used": ..., "allowed": ...}`` is one value."""

    def show(value: Any) -> str:
        if isinstance(value, dict):
            return f"{value['used']:,} of {'no limit' if value['allowed'] is None else format(value['allowed'], ',')}"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    rows = [(key.replace("_", " "), show(value)) for key, value in values.items()]
    return markdown_table(("", ""), rows, left=(0, 1))
