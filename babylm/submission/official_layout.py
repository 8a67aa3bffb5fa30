"""The official pipeline's result folders, ``results/<model>/<revision>/...``, so that its collator runs on a package.

File names, headings and number formats are the official ones (``best_temperature_report.txt``, ``predictions.json``,
the reports of reading, ``surprisal.json``, ``results.txt`` of the fine-tuned tasks). Reports break scores down by the
fields of the official data, which is read for nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm.evaluation.task import Official, Task
from babylm.evaluation.task_registry import combined_task, load_task
from babylm.evaluation.tasks import _data, reading
from babylm.runs import Run
from babylm.submission import official, reading_reports
from babylm.submission.collate import Gold, write


def write_tree(folder: Path, run: Run, gold: Gold) -> list[Path]:
    """Write every stored result of ``run`` below ``folder``; returns the files."""
    root = folder / run.config.name
    for revision, name, suite in official.required(run.config, run.rules, run.milestones):
        task = load_task(name)
        if task.over_revisions or run.result(revision, name, suite) is None:
            continue
        predictions = run.predictions(revision, name, suite)
        zero_shot = root / revision / "zero_shot" / run.backend
        if task.finetuned:
            _finetuned(root / revision / "finetune" / name, run, task, predictions)
        elif task.official is not None and task.official.report == "reading_times":
            _reading(zero_shot / task.official.folder, task, gold, suite, predictions)
        else:
            for task_folder, part in _parts(zero_shot, task, suite, predictions, gold):
                write(task_folder / "predictions.json", part)
                (task_folder / "best_temperature_report.txt").write_text(
                    _report(task, suite, part, gold), encoding="utf-8"
                )
    _over_revisions(root, run)
    return sorted(file for file in root.rglob("*") if file.is_file())


def _over_revisions(root: Path, run: Run) -> None:
    """Age of acquisition."""
    acquisition = run.acquisition()
    task_official = combined_task(run.rules).official
    if acquisition is None or task_official is None:
        return
    score, surprisals = acquisition
    task_folder = root / "main" / "zero_shot" / run.backend / task_official.folder
    task_folder.mkdir(parents=True, exist_ok=True)
    (task_folder / "surprisal.json").write_text(json.dumps(surprisals, indent=2), encoding="utf-8")
    if run.rules == 2026:
        text = json.dumps({task_official.key: score["score"]})
        (task_folder / f"{task_official.key}_score.json").write_text(text, encoding="utf-8")


def _parts(
    zero_shot: Path, task: Task, suite: str, predictions: Mapping[str, Any], gold: Gold
) -> list[tuple[Path, Mapping[str, Any]]]:
    """(folder, predictions) of a task, or of each of its parts."""
    if task.official is not None and task.official.parts:
        return [(zero_shot / key / key, part) for key, part in gold.parts(task, suite, predictions).items() if part]
    task_official = task.official or Official(task.name, lambda suite, rules: {}, folder=task.name)
    folder = zero_shot / task_official.folder / task_official.subfolders.get(suite, task.name)
    folder.mkdir(parents=True, exist_ok=True)
    return [(folder, predictions)]


def _report(task: Task, suite: str, predictions: Mapping[str, Any], gold: Gold) -> str:
    """``best_temperature_report.txt``: accuracy in percent by each field, or Spearman's rho."""
    lines = ["TEMPERATURE: 1.00", ""]
    if task.official is not None and task.official.report == "correlation":
        (rho,) = gold.score(task.name, suite, predictions).values()
        lines += ["### UID SPEARMAN'S RHO", f"avg: {rho:.2f}", "", "### AVERAGE SPEARMAN'S RHO", f"{rho:.2f}", ""]
        return "\n".join(lines) + "\n"
    gold_answers = gold.answers(task.name, suite)
    right = {
        uid: [line["pred"].strip() == good for line, good in zip(part["predictions"], gold_answers[uid], strict=True)]
        for uid, part in predictions.items()
    }
    by_uid = {uid: 100 * sum(answers) / len(answers) for uid, answers in right.items()}
    by_split = _by_split(task, suite, by_uid, gold)
    values = list(by_split.values() or by_uid.values())
    fields: Mapping[str, str | None] = {"UID": "UID"} if task.official is None else task.official.report_fields
    for heading, field in fields.items():
        table = by_uid | by_split if heading == "UID" else _by_field(task, suite, field, right, gold)
        lines += [f"### {heading.upper()} ACCURACY", *(f"{name}: {value:.2f}" for name, value in table.items()), ""]
    lines += ["### AVERAGE ACCURACY", f"{sum(values) / len(values):.2f}", ""]
    return "\n".join(lines) + "\n"


def _by_split(task: Task, suite: str, by_uid: Mapping[str, float], gold: Gold) -> dict[str, float]:
    """Mean over the UIDs of each split; empty without splits, or if they have a file each."""
    if task.official is not None and task.official.parts:
        return {}
    split = {item.uid: item.split for item in gold.items(task.name, suite)}
    values: dict[str, list[float]] = {}
    for uid, value in by_uid.items():
        if split[uid]:
            values.setdefault(split[uid], []).append(value)
    return {name: sum(part) / len(part) for name, part in values.items()}


def _by_field(
    task: Task, suite: str, field: str | None, right: Mapping[str, Sequence[bool]], gold: Gold
) -> dict[str, float]:
    """Percent right by a field of the data's lines, which have the order of the predictions."""
    if field is None or task.official is None:
        answers = [answer for part in right.values() for answer in part]
        return {task.name: 100 * sum(answers) / len(answers)}
    root = gold.data / f"{suite}_eval" / task.official.subfolders[suite]
    root = root if root.is_dir() else gold.data / root.name
    by_value: dict[str, list[bool]] = {}
    taken: dict[str, int] = dict.fromkeys(right, 0)
    for file in sorted(root.glob("*.jsonl")):
        for text in file.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            uid = line.get(task.official.uid_field, file.stem)
            value = str(line.get(field, "-")).replace("syntax_semantics", "syntax/semantics")
            by_value.setdefault(value, []).append(right[uid][taken[uid]])
            taken[uid] += 1
    return {value: 100 * sum(answers) / len(answers) for value, answers in by_value.items()}


def _finetuned(task_folder: Path, run: Run, task: Task, predictions: Mapping[str, Any]) -> None:
    task_folder.mkdir(parents=True, exist_ok=True)
    write(task_folder / "predictions.json", predictions)
    result = run.result("main", task.name, "full")
    assert result is not None
    first = result.content["details"]["seeds"][0]
    names = [name for name in ("accuracy", "f1", "mcc") if name in first]
    (task_folder / "results.txt").write_text("\n".join(f"{name}: {first[name]}" for name in names), encoding="utf-8")


def _reading(task_folder: Path, task: Task, gold: Gold, suite: str, predictions: Mapping[str, Any]) -> None:
    """Predictions, score, correlations and the two tables of regressions."""
    items: Sequence[reading.Word] = gold.items(task.name, suite)
    lines = predictions[task.name]["predictions"]
    write(task_folder / "predictions.json", predictions)
    scores = task.rescore(items, predictions)
    texts = reading_reports.reports(_data.find(gold.data, suite, reading.FILE), lines)
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
        (task_folder / name).write_text(text, encoding="utf-8")
