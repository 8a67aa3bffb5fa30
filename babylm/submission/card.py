"""What a person reads: the model card, and the answers to the submission form of 2026.

Both say only what the run recorded or the configuration states; a field nobody has filled says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from babylm import files, places, publication, revisions
from babylm.evaluation.results.averages import Average
from babylm.submission import revision
from babylm.submission.rescoring import Score
from babylm.submission.results import Run

UNKNOWN = "(please fill in)"
ARTICLES = {"2025": "arXiv 2502.10645", "2026": "arXiv 2602.20092"}


def hours(run: Run) -> float:
    """Hours of training by the meters of ``metrics.jsonl``: words between two lines over words per second."""
    seconds, before = 0.0, 0
    for line in run.metrics:
        if line.get("words_per_second") and "words" in line:
            seconds += max(0, line["words"] - before) / line["words_per_second"]
            before = max(before, line["words"])
    return seconds / 3600


def ledger(run: Run) -> dict[str, Any]:
    """The budget: what the track allows and what was used, in words; FLOPs and hours beside it."""
    plan, track = run.plan, run.track
    return {
        "track": run.config.track,
        "rules": run.rules,
        "corpus_words": {"used": plan["corpus_words"], "allowed": track.unique_words},
        "words_read": {"used": plan["words"], "allowed": track.exposure_words},
        "epochs": plan["epochs"],
        "training_flops": plan["flops"],
        "training_hours": round(hours(run), 3),
        "words_from_teachers": 0,
        "words_generated": 0,
        "tokenizer_trained_on": "the training corpus alone" if run.config.tokenizer.path is None else UNKNOWN,
    }


def card(run: Run, scores: Sequence[Score], averages: Mapping[str, Average], missing: Sequence[str]) -> str:
    """``README.md`` of the Hub repository, with its metadata in front."""
    wanted = run.config.submission
    front = {
        "license": wanted.license,
        "language": [publication.language_code(language) for language in wanted.languages],
        "library_name": "transformers",
        "pipeline_tag": "fill-mask" if run.config.objective.name == "masked" else "text-generation",
        "tags": ["babylm", f"babylm-{run.rules}", run.config.track, *wanted.tags],
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {run.config.name}",
        wanted.description or _description(run),
        _loading(run),
        "## Scores",
        _scores(run, scores, averages, missing),
        "## Budget",
        _rows(ledger(run)),
        "## Training",
        _rows(_settings(run)),
        "## Revisions",
        _revisions(run),
        "## Training text",
        _datasheet(run),
    ]
    return "\n\n".join(parts) + "\n"


def form(run: Run, package: Mapping[str, str]) -> dict[str, Any]:
    """Answers to the fields of the 2026 form; ``package``: names of the results and the predictions file."""
    config, wanted, plan = run.config, run.config.submission, run.plan
    shape = _shape(run)
    phases = config.phases
    return {
        "model name": config.name,
        "model revision": "main",
        "Hugging Face repository": wanted.repo or UNKNOWN,
        "track": config.track,
        "results file": package["results"],
        "predictions file": package["predictions"],
        "model type": _kind(run),
        "approach tags": ", ".join(wanted.tags) or _kind(run),
        "base model": _base(run),
        "learning-rate scheduler": _schedule(run),
        "epochs": round(plan["epochs"], 4),
        "tokenizer": f"byte-level BPE, {shape['vocab_size']:,} entries, "
        + ("trained on the training corpus" if config.tokenizer.path is None else "not trained by this run"),
        "random seed": config.seed,
        "attention heads": shape["num_attention_heads"],
        "maximum sequence length": max(phase.sequence_length for phase in phases),
        "GPU-hours (development)": UNKNOWN if wanted.development_hours is None else wanted.development_hours,
        "GPU-hours (training)": round(hours(run), 2),
        "training data": wanted.training_data or _corpus(run),
        "data size (words)": plan["corpus_words"],
        "data genre": wanted.genre or UNKNOWN,
        "learning rate": config.optimizer.lr,
        "optimizer": _optimizer(run),
        "batch size (tokens)": ", ".join(str(phase.tokens_per_step) for phase in phases),
        "vocabulary size": shape["vocab_size"],
        "layers": shape["num_hidden_layers"],
        "hidden size": shape["hidden_size"],
        "parameters": _facts(run)["parameters"],
        "training FLOPs": plan["flops"],
        "human annotation": wanted.human_annotation,
        "preprocessing": ", ".join(config.corpus.cleaning) or "none",
        "synthetic data or augmentation": wanted.synthetic,
        "teacher models": "none",
        "languages": ", ".join(wanted.languages),
        "words per language": f"{wanted.languages[0]}: {plan['corpus_words']:,}",
        "words read in total": plan["words"],
        "scoring backend": run.backend,
        "code": run.environment.get("code") or UNKNOWN,
        "description": wanted.description or _description(run),
        "other notes": wanted.notes or "none",
    }


def _base(run: Run) -> str:
    """The weights that training started from: their folder's name alone, as a path is nobody's business."""
    initial = _facts(run).get("init_from")
    if initial is None:
        return "none: trained from scratch"
    words = "unknown words" if initial["words"] is None else f"{initial['words']:,} words"
    path = Path(initial["path"])
    return f"{path.parent.parent.name}/{path.parent.name} (sha256 {initial['sha256'][:16]}, {words} read before)"


def _start(run: Run) -> str:
    return "trained from scratch" if _facts(run).get("init_from") is None else f"trained from {_base(run)}"


def _description(run: Run) -> str:
    shape = _shape(run)
    return (
        f"A transformer of {_facts(run)['parameters']:,} parameters ({shape['num_hidden_layers']} layers of "
        f"{shape['hidden_size']}), {_start(run)} on {run.plan['corpus_words']:,} words read "
        f"{run.plan['epochs']:.2f} times, with the objective {run.config.objective.name}, for the BabyLM challenge "
        f"({run.config.track}, rules of {run.rules}, {ARTICLES[str(run.rules)]})."
    )


def _loading(run: Run) -> str:
    """How to load ``main``, from the repository if there is one, and which other moments there are."""
    repo = run.config.submission.repo
    kind = "AutoModelForMaskedLM" if run.config.objective.name == "masked" else "AutoModelForCausalLM"
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
    text = _markdown(("task", "score", "95 % interval", "items", "ties"), rows)
    if run.config.track != "free":
        known = [
            (name, "-" if a.value is None else f"{100 * a.value:.2f}", ", ".join(a.missing) or "-")
            for name, a in averages.items()
        ]
        text += "\n\n" + _markdown(("average", "score", "missing"), known)
    if missing:
        text += "\n\nNot in this package:\n\n" + "\n".join(f"* {line}" for line in missing)
    return f"Scored {run.backend}, by the rules of {run.rules}, in percent.\n\n{text}"


def _settings(run: Run) -> dict[str, Any]:
    config, environment = run.config, run.environment
    return {
        "objective": _kind(run),
        "optimizer": _optimizer(run),
        "schedule": _schedule(run),
        "seed": config.seed,
        "steps": run.plan["steps"],
        "weights (sha256)": _facts(run)["weights_sha256"],
        "code": environment.get("code"),
        "packages": ", ".join(f"{name} {version}" for name, version in environment["packages"].items()),
        "machine": f"{environment['processor']}, {environment['cores']} cores",
    }


def _revisions(run: Run) -> str:
    rows = []
    for name in [*run.present, "main"]:
        facts = revision.facts(run.folder / name)
        rows.append((name, f"{facts['words']:,}", f"{facts['step']:,}", facts["weights_sha256"][:16]))
    return _markdown(("revision", "words read", "step", "weights (sha256)"), rows)


def _datasheet(run: Run) -> str:
    file = places.given(run.config.corpus.prepared) / str(_facts(run).get("corpus")) / "datasheet.md"
    if not file.is_file():
        return f"Prepared corpus {_facts(run).get('corpus')}; its datasheet is written by `python -m babylm.prepare`."
    text = files.read_text(file, "prepare the corpus again").strip()
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines())


def _corpus(run: Run) -> str:
    corpus = run.config.corpus
    return "the bundled grammar" if corpus.source == "toy" else corpus.hub_dataset or Path(corpus.path).name


def _kind(run: Run) -> str:
    objective = run.config.objective
    if objective.name != "hybrid":
        return objective.name
    return f"hybrid ({100 * objective.causal_ratio:.0f} % causal, else masked, {objective.masked_prediction})"


def _optimizer(run: Run) -> str:
    wanted = run.config.optimizer
    return f"{wanted.name} (lr {wanted.lr:g}, weight decay {wanted.weight_decay:g}" + (
        f"; Adam for the rest, lr {wanted.adam_lr:g})" if wanted.name == "muon" else ")"
    )


def _schedule(run: Run) -> str:
    wanted = run.config.schedule
    return f"{wanted.name} (warm-up {100 * wanted.warmup:g} %, cool-down {100 * wanted.cooldown:g} % of the steps)"


def _shape(run: Run) -> dict[str, Any]:
    return files.read_json(run.folder / "main" / revisions.CONFIG, revisions.RESTORE)


def _facts(run: Run) -> dict[str, Any]:
    return revision.facts(run.folder / "main")


def _rows(values: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, dict):
            return f"{value['used']:,} of {'no limit' if value['allowed'] is None else format(value['allowed'], ',')}"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return _markdown(("", ""), [(key.replace("_", " "), shown(value)) for key, value in values.items()])


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
