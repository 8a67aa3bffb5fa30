"""Speed of evaluation: ours alone on two sizes of model, and in turn with the official 2025 pipeline.

    python benchmarks/eval_speed.py --data DIR                                ours alone: tokens/s, share in the network
    python benchmarks/eval_speed.py --data DIR --official DIR [--rounds 3]    both, in turns, on the same models

``--data`` is a folder with ``evaluation_data/{fast,full}_eval`` and, below ``parity``, the models ``gpt2-tiny`` and
``bert-tiny``; ``--official`` the official pipeline's work tree. It pins transformers 4.51.3: what has to stand in front
of the installed packages for it (that, and its datasets 3.6.0) is named by ``--official-path A:B``.

In turns: each contender works in a process of its own that has loaded its models; a turn is reading the data, scoring
and writing results and predictions. Turns are interleaved, so a busy machine slows all alike; ratios are medians over
rounds, by the clock and by CPU time. Predictions are compared too. ``ours-bf16`` is ours with the model in bf16.

Alone: the fast suite of 2025 and BLiMP full, on the models above and on random ones of GPT-2's size (12 x 768), with
one item in so many of the slower combinations (beginnings are then shared less than in the whole). A token counts once
for each text in which it is scored; ``network`` is the share of the time in the model, its head and the softmax.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from babylm.evaluation.scoring import load_model
from babylm.evaluation.task_registry import load_task, suite_names

HERE = Path(__file__).resolve().parents[1]


class Job(NamedTuple):
    """What both contenders are asked."""

    model: str
    backend: str
    task: str
    suite: str
    folder: str
    """Below ``evaluation_data/<suite>_eval``, and by the same name in the data of the benchmark."""
    lines: int
    """One line in so many of each file is used."""


JOBS = {
    "causal blimp_fast": Job("gpt2-tiny", "causal", "blimp", "fast", "blimp_fast", 1),
    "causal entity sample": Job("gpt2-tiny", "causal", "entity_tracking", "full", "entity_tracking", 12),
    "causal reading": Job("gpt2-tiny", "causal", "reading", "full", "reading", 1),
    "mlm blimp sample": Job("bert-tiny", "mlm", "blimp", "fast", "blimp_fast", 20),
    "mntp blimp sample": Job("bert-tiny", "mntp", "blimp", "fast", "blimp_fast", 20),
    "fine-tuning epoch": Job("bert-tiny", "mlm", "mrpc", "full", "glue_filtered", 1),
}
ALONE = [("tiny", "causal", 1), ("tiny", "mlm", 20), ("tiny", "mntp", 20)]
ALONE += [("small", "causal", 40), ("small", "mlm", 400), ("small", "mntp", 400)]
"""Size, backend, and one item in how many is scored."""
NEAR = 1e-4
"""Nats within which surprisals are equal."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with evaluation_data and parity")
    parser.add_argument("--official", type=Path, help="the official pipeline")
    parser.add_argument("--official-path", default="", help="folders of packages that it alone sees")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of: {', '.join(JOBS)}")
    parser.add_argument("--alone", default="tiny,small", help="sizes of model measured alone, without --official")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def sample(data: Path, target: Path, jobs: list[Job]) -> None:
    """The lines that ``jobs`` ask about, below ``target/<task>.<lines>/<suite>_eval``."""
    for job in jobs:
        folder = target / f"{job.task}.{job.lines}" / f"{job.suite}_eval" / job.folder
        if folder.exists():
            continue
        folder.mkdir(parents=True)
        for file in (data / "evaluation_data" / f"{job.suite}_eval" / job.folder).iterdir():
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / file.name).write_text("".join(lines[:: job.lines]), encoding="utf-8")


def our_turns(given: argparse.Namespace, jobs: dict[str, Job], bf16: bool) -> dict[str, Callable[[], Any]]:
    """The package's tasks on loaded models."""
    from babylm import files
    from babylm.config.schema import EvaluationConfig, GlueConfig
    from babylm.evaluation.results.task_result import nan_to_none
    from babylm.evaluation.scoring import scorer as scoring

    settings = EvaluationConfig(glue=GlueConfig(epochs=1, precision="bf16" if bf16 else "fp32"))

    if any(job.task == "reading" for job in jobs.values()):
        import statsmodels.formula.api  # noqa: F401

    def turn(job: Job, scorer: scoring.Scorer, out: Path) -> Path:
        scoring._ENCODED.clear()
        module = load_task(job.task)
        items = module.items(given.sample / f"{job.task}.{job.lines}", suite=job.suite, rules=2025)
        options = {"settings": settings} if job.task == "mrpc" else {}
        result = module.score(scorer, items, rules=2025, **options)
        files.write_json(out / "result.json", result.as_dict())
        files.write_json(out / "predictions.json", nan_to_none(result.predictions))
        if job.task != "reading":
            margins: dict[str, list[float]] = {item.uid: [] for item in items}
            for item, margin in zip(items, result.margins, strict=True):
                margins[item.uid].append(float(margin))
            files.write_json(out / "margins.json", nan_to_none(margins))
        return out

    turns = {}
    for name, job in jobs.items():
        dtype = "bf16" if bf16 else "fp32"
        scorer = load_model.load_scorer(given.data / "parity" / job.model, job.backend, dtype=dtype)
        out = Path(tempfile.mkdtemp(dir=given.sample))
        turns[name] = lambda job=job, scorer=scorer, out=out: turn(job, scorer, out)
    return turns


def official_turns(given: argparse.Namespace, jobs: dict[str, Job]) -> dict[str, Callable[[], Any]]:
    """The official programs from their first line to their last, but for imports and for what they load."""
    import datasets  # noqa: F401
    import statsmodels.formula.api  # noqa: F401
    import transformers

    # Fine-tuning there imports it, and uses it only when asked to log.
    sys.modules.setdefault("wandb", types.ModuleType("wandb"))
    loaded: dict[Any, Any] = {}
    for name in ("AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoProcessor"):
        one = getattr(transformers, name)

        def load(path: str, *, one: Any = one, original: Any = one.from_pretrained, **options: Any) -> Any:
            if (one, path) not in loaded:
                loaded[one, path] = original(path, **options)
            return loaded[one, path]

        one.from_pretrained = load

    def turn(job: Job, out: Path) -> Path:
        folder = given.sample / f"{job.task}.{job.lines}" / f"{job.suite}_eval" / job.folder
        model = str(given.data / "parity" / job.model)
        module = {"reading": "reading", "mrpc": "finetune"}.get(job.task, "sentence_zero_shot")
        words = ["--model_path_or_name", model, "--backend", job.backend, "--output_dir", str(out)]
        if module == "reading":
            words += ["--data_path", str(next(folder.glob("*.csv")))]
        elif module == "finetune":
            train, valid = (str(folder / f"{job.task}.{which}.jsonl") for which in ("train", "valid"))
            words = ["--model_name_or_path", model, "--results_dir", str(out), "--task", job.task, "--num_labels", "2"]
            words += ["--train_data", train, "--valid_data", valid, "--predict_data", valid, "--num_epochs", "1"]
            words += ["--batch_size", "32", "--metrics", "accuracy", "f1", "mcc", "--metric_for_valid", "f1"]
        else:
            words += ["--data_path", str(folder), "--task", job.task, "--save_predictions"]
        sys.argv = ["run", *words]
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_module(f"evaluation_pipeline.{module}.run", run_name="__main__")
        return out

    turns = {}
    for name, job in jobs.items():
        path = str(given.data / "parity" / job.model)
        one = transformers.AutoModelForCausalLM if job.backend == "causal" else transformers.AutoModelForMaskedLM
        one.from_pretrained(path, trust_remote_code=True, revision=None)
        transformers.AutoProcessor.from_pretrained(path, trust_remote_code=True, revision=None, padding_side="right")
        turns[name] = lambda job=job: turn(job, Path(tempfile.mkdtemp(dir=given.sample)))
    return turns


def contend(given: argparse.Namespace, jobs: dict[str, Job]) -> None:
    """A contender: a turn for each name of a job that is read, answered with its seconds."""
    import torch

    torch.set_num_threads(given.threads)
    if given.contender == "official":
        turns = official_turns(given, jobs)
    else:
        from babylm.evaluation.scoring import log_probs

        log_probs.tune_malloc()
        turns = our_turns(given, jobs, given.contender == "ours-bf16")
    print("ready", flush=True)
    for name in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        out = turns[name.strip()]()
        print(f"seconds {time.perf_counter() - wall} {time.process_time() - cpu} {out}", flush=True)


def compete(given: argparse.Namespace, jobs: dict[str, Job]) -> None:
    """The parent: start the contenders, then give them turns, and compare."""
    contenders = ("official", "ours", "ours-bf16")
    seconds: dict[tuple[str, str], list[list[float]]] = {}
    written: dict[tuple[str, str], str] = {}
    children: dict[str, subprocess.Popen[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sample(given.data, Path(folder), list(jobs.values()))
        try:
            for name in contenders:
                children[name] = _start(given, name, folder)
                _answer(children[name], "ready")
            for turn in range(given.rounds):
                for job in jobs:
                    for name, child in children.items():
                        assert child.stdin is not None
                        print(job, file=child.stdin, flush=True)
                        *times, written[job, name] = _answer(child, "seconds").split()
                        values = [float(value) for value in times]
                        seconds.setdefault((job, name), []).append(values)
                        print(
                            f"round {turn + 1} {job:21} {name:9} {values[0]:7.2f} s {values[1]:7.2f} CPU s", flush=True
                        )
            agreement = {job: _agreement(*(written[job, name] for name in contenders[:2])) for job in jobs}
        finally:
            for child in children.values():
                child.kill()
    print(f"\nmedians of {given.rounds} rounds, {given.threads} threads, clock (CPU); ratios to the official pipeline")
    for job in jobs:
        base = seconds[job, "official"]
        parts = [f"official {statistics.median(wall for wall, _ in base):6.2f} s"]
        for name in contenders[1:]:
            own = seconds[job, name]
            clock, cpu = (statistics.median(b[i] / o[i] for b, o in zip(base, own, strict=True)) for i in (0, 1))
            parts.append(f"{name} {statistics.median(wall for wall, _ in own):6.2f} s {clock:5.1f}x ({cpu:.1f}x)")
        print(job.ljust(21), *parts, agreement[job], sep="   ")


def _agreement(official: str, ours: str) -> str:
    theirs, own = (json.loads(next(Path(out).rglob("predictions.json")).read_text()) for out in (official, ours))
    assert set(theirs) == set(own)
    pairs = [pair for uid in own for pair in zip(theirs[uid]["predictions"], own[uid]["predictions"], strict=True)]
    if isinstance(pairs[0][0]["pred"], float):
        same = [abs(one["pred"] - other["pred"]) < NEAR for one, other in pairs]
        return f"{sum(same)} of {len(pairs)} surprisals within {NEAR:g} nats"
    if isinstance(pairs[0][0]["pred"], int):
        same = [one["pred"] == other["pred"] for one, other in pairs]
        return f"{sum(same)} of {len(pairs)} answers equal after two trainings in two orders"
    same = [one["pred"].strip() == other["pred"].strip() for one, other in pairs]
    kept = json.loads((Path(ours) / "margins.json").read_text())
    margins = [margin for uid in own for margin in kept[uid]]
    worst = max((abs(margin) for margin, equal in zip(margins, same, strict=True) if not equal), default=0.0)
    left = "" if all(same) else f"; the others have margins of at most {worst:.1e} nats"
    return f"{sum(same)} of {len(pairs)} predictions equal{left}"


def alone(given: argparse.Namespace) -> None:
    """Ours: seconds, tokens/s and the share of the time in the network, by model, backend and task."""
    import torch

    from babylm.console import Log
    from babylm.evaluation import suite

    torch.set_num_threads(given.threads)
    from babylm.evaluation.scoring import log_probs

    log_probs.tune_malloc()
    data = given.data / "evaluation_data"
    names = suite_names("fast", 2025)
    questions = dict(suite.load_items(names, data, None, "fast", 2025, Log(), ()))
    questions["blimp full"] = load_task("blimp").items(data, suite="full", rules=2025)
    print(
        f"{'model':6} {'scorer':7} {'task':16} {'items':>7} {'tokens':>9} {'seconds':>8} {'tokens/s':>9} {'network':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for size, backend, step in ALONE:
            if size not in given.alone.split(","):
                continue
            model = _model(given.data / "parity", size, backend, Path(folder))
            for dtype in ("fp32", "bf16"):
                scorer = load_model.load_scorer(model, backend, dtype=dtype)
                clock = _Clock(scorer)
                for name, items in questions.items():
                    if dtype == "bf16" and name != "blimp":
                        continue
                    task = load_task(name.split()[0])
                    # The regressions of reading need all words.
                    picked = items if name == "reading" else items[::step]
                    begin = clock.restart()
                    task.score(scorer, picked, rules=2025)
                    seconds = time.perf_counter() - begin
                    label = backend if dtype == "fp32" else f"{backend}-bf16"
                    print(
                        f"{size:6} {label:11} {name:16} {len(picked):7,} {clock.tokens:9,} {seconds:8.2f} "
                        f"{clock.tokens / seconds:9,.0f} {100 * clock.seconds / seconds:6.0f} %",
                        flush=True,
                    )


class _Clock:
    """Counts the scored tokens of a scorer, and the seconds in its network."""

    def __init__(self, scorer: Any) -> None:
        self.restart()
        whole, inner = scorer.log_probs, scorer.log_prob_model.log_probs

        def count(texts: Any, **options: Any) -> Any:
            self.tokens += sum(len(text.positions) for text in texts)
            return whole(texts, **options)

        def measure(*args: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            try:
                return inner(*args, **options)
            finally:
                self.seconds += time.perf_counter() - begin

        scorer.log_probs, scorer.log_prob_model.log_probs = count, measure

    def restart(self) -> float:
        self.tokens, self.seconds = 0, 0.0
        return time.perf_counter()


def _model(parity: Path, size: str, backend: str, folder: Path) -> Path:
    """The folder of a model: the tiny one, or a random one of GPT-2's (or BERT's) size with its tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

    tiny = parity / ("gpt2-tiny" if backend == "causal" else "bert-tiny")
    if size == "tiny":
        return tiny
    target = folder / tiny.name
    if not target.exists():
        torch.manual_seed(0)
        tokenizer = AutoTokenizer.from_pretrained(tiny)
        model = GPT2LMHeadModel(GPT2Config()) if backend == "causal" else BertForMaskedLM(BertConfig())
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return target


def _start(given: argparse.Namespace, name: str, folder: str) -> subprocess.Popen[str]:
    paths = [str(given.official.resolve()), *given.official_path.split(":")] if name == "official" else [str(HERE)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(given.threads))
    environment = {
        **os.environ, **threads, "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([*filter(None, paths), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
    }  # fmt: skip
    words = [*sys.argv, "--contender", name, "--sample", folder]
    return subprocess.Popen(
        [sys.executable, *words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=None if os.environ.get("SHOW_ERRORS") else subprocess.DEVNULL,
    )  # fmt: skip


def _answer(child: subprocess.Popen[str], word: str) -> str:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(word):
            return line[len(word) :].strip()
    sys.exit(f"a contender ended without {word!r}; SHOW_ERRORS=1 shows why")


def main() -> None:
    """Run what is asked for."""
    given = arguments()
    jobs = {name.strip(): JOBS[name.strip()] for name in given.jobs.split(",")}
    if given.contender:
        contend(given, jobs)
    elif given.official:
        compete(given, jobs)
    else:
        alone(given)


if __name__ == "__main__":
    main()
