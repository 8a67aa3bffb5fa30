"""The official pipeline's result tree, ``results/<model>/<revision>/...``, so that its own collator runs on a package.

File names, headings and number formats are the official ones (``best_temperature_report.txt``, ``predictions.json``,
the reports of reading, ``surprisal.json``, ``results.txt`` of the fine-tuned tasks). Reports break scores down by the
fields of the official data, which is read for that alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm.evaluation.results.averages import GLUE
from babylm.evaluation.tasks import _data, reading
from babylm.runs import Run
from babylm.submission import official, reading_reports
from babylm.submission.collate import Gold, reading_scores, write

FIELDS = {
    "blimp": ("field", "UID", "linguistics_term"),
    "supplement": ("field", "UID", "linguistics_term"),
    "ewok": ("UID", "context_type", "context_contrast", "target_contrast"),
}
"""What the official reports break scores down by; all others by UID alone."""
SUPPLEMENT = "supplement"
EWOK_KEYS = {"context_type": "ContextType", "context_contrast": "ContextDiff", "target_contrast": "TargetDiff"}


def write_tree(folder: Path, run: Run, gold: Gold) -> list[Path]:
    """Write every stored result of ``run`` below ``folder``; returns the files."""
    root = folder / run.config.name
    wanted = official.required(run.config, run.rules, run.milestones)
    for name, task, which in wanted:
        if task == "aoa" or run.result(name, task, which) is None:
            continue
        predictions = run.predictions(name, task, which)
        zero_shot = root / name / "zero_shot" / run.backend
        if task in GLUE:
            _glue(root / name / "finetune" / task, run, task, predictions)
        elif task == "reading":
            _reading(zero_shot / "reading", gold, which, predictions)
        else:
            for place, own in _places(zero_shot, task, which, predictions, gold):
                write(place / "predictions.json", own)
                (place / "best_temperature_report.txt").write_text(_report(task, which, own, gold), encoding="utf-8")
    acquired = run.acquisition()
    if acquired is not None:
        place = root / "main" / "zero_shot" / run.backend / "AoA_word"
        place.mkdir(parents=True, exist_ok=True)
        (place / "surprisal.json").write_text(json.dumps(acquired[1], indent=2), encoding="utf-8")
        if run.rules == 2026:
            (place / "aoa_score.json").write_text(json.dumps({"aoa": acquired[0]["score"]}), encoding="utf-8")
    return sorted(file for file in root.rglob("*") if file.is_file())


def _places(
    zero_shot: Path, task: str, which: str, predictions: Mapping[str, Any], gold: Gold
) -> Iterable[tuple[Path, Mapping[str, Any]]]:
    """The folder of a task, or the folders of its parts."""
    if task == "global_piqa":
        for part, own in gold.parts(task, which, predictions).items():
            yield zero_shot / f"global_piqa_{part}" / f"global_piqa_{part}", own
        return
    place = official.PLACES.get(task)
    names = (task, task) if place is None else (place.task, place.fast if which == "fast" else place.full)
    folder = zero_shot / names[0] / names[1]
    folder.mkdir(parents=True, exist_ok=True)
    yield folder, predictions


def _report(task: str, which: str, predictions: Mapping[str, Any], gold: Gold) -> str:
    """``best_temperature_report.txt``: scores in percent by each field; of invented words Spearman's rho."""
    lines = ["TEMPERATURE: 1.00", ""]
    if task.startswith("wug_"):
        (rho,) = gold.score(task, which, predictions).values()
        lines += ["### UID SPEARMAN'S RHO", f"avg: {rho:.2f}", "", "### AVERAGE SPEARMAN'S RHO", f"{rho:.2f}", ""]
        return "\n".join(lines) + "\n"
    gold_answers = gold.answers(task, which)
    right = {
        uid: [line["pred"].strip() == good for line, good in zip(own["predictions"], gold_answers[uid], strict=True)]
        for uid, own in predictions.items()
    }
    by_uid = {uid: 100 * sum(own) / len(own) for uid, own in right.items()}
    values = list(by_uid.values())
    shown = dict(by_uid)
    if task == "entity_tracking":
        splits: dict[str, list[float]] = {}
        for uid, value in by_uid.items():
            splits.setdefault(uid.rsplit("_", 2)[0], []).append(value)
        means = {split: sum(own) / len(own) for split, own in splits.items()}
        shown, values = by_uid | means, list(means.values())
    for field in FIELDS.get(task, ("UID",)):
        table = shown if field == "UID" else _by_field(task, which, field, right, gold)
        lines += [f"### {field.upper()} ACCURACY", *(f"{name}: {value:.2f}" for name, value in table.items()), ""]
    lines += ["### AVERAGE ACCURACY", f"{sum(values) / len(values):.2f}", ""]
    return "\n".join(lines) + "\n"


def _by_field(task: str, which: str, field: str, right: Mapping[str, Sequence[bool]], gold: Gold) -> dict[str, float]:
    """Percent right by a field of the data's lines, which stand in the order of the predictions."""
    if task == "supplement":
        answers = [one for own in right.values() for one in own]
        return {SUPPLEMENT: 100 * sum(answers) / len(answers)}
    place = official.PLACES[task]
    root = gold.data / f"{which}_eval" / (place.fast if which == "fast" else place.full)
    root = root if root.is_dir() else gold.data / root.name
    found: dict[str, list[bool]] = {}
    taken: dict[str, int] = dict.fromkeys(right, 0)
    for file in sorted(root.glob("*.jsonl")):
        for text in file.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            uid = line["Domain"] if task == "ewok" else line.get("UID", file.stem)
            value = str(line.get(EWOK_KEYS.get(field, field), "-")).replace("syntax_semantics", "syntax/semantics")
            found.setdefault(value, []).append(right[uid][taken[uid]])
            taken[uid] += 1
    return {value: 100 * sum(own) / len(own) for value, own in found.items()}


def _glue(place: Path, run: Run, task: str, predictions: Mapping[str, Any]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    write(place / "predictions.json", predictions)
    result = run.result("main", task, "full")
    assert result is not None
    first = result.content["details"]["seeds"][0]
    names = [name for name in ("accuracy", "f1", "mcc") if name in first]
    (place / "results.txt").write_text("\n".join(f"{name}: {first[name]}" for name in names), encoding="utf-8")


def _reading(place: Path, gold: Gold, which: str, predictions: Mapping[str, Any]) -> None:
    """Predictions, score, correlations and the two tables of regressions."""
    items: Sequence[reading.Word] = gold.items("reading", which)
    lines = predictions["reading"]["predictions"]
    write(place / "predictions.json", predictions)
    scores = reading_scores(items, lines)
    texts = reading_reports.reports(_data.find(gold.data, which, reading.FILE), lines)
    texts["report.txt"] = (
        f"EYE TRACKING SCORE: {100 * scores['rt']:.2f}\nSELF-PACED READING SCORE: {100 * scores['spr']:.2f}\n"
    )
    rows = [
        {
            "Index": i,
            "Sentence": item.context,
            "Word": item.word,
            "Logprob": line["pred"],
            "Prev_Logprob": line["prev_pred"],
        }
        for i, (item, line) in enumerate(zip(items, lines, strict=True))
    ]
    texts["prediction.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows)
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
