"""Speed of evaluation: ours alone on two sizes of model, and in turn with the official 2025 pipeline.

    python benchmarks/eval_speed.py --data DIR                                ours alone: tokens/s, share in the model
    python benchmarks/eval_speed.py --data DIR --official DIR [--rounds 3]    both, in turns, on the same models and data

``--data`` is a folder with ``evaluation_data/{fast,full}_eval`` and, below ``parity``, the models ``gpt2-tiny`` and
``bert-tiny``; ``--official`` the official pipeline's work tree. It pins transformers 4.51.3: what has to stand in front
of the installed packages for it (that, and its datasets 3.6.0) is named by ``--official-path A:B``.

Each contender works in a process of its own that has loaded its models; a turn is reading the data, scoring and writing
results and predictions. Turns are interleaved, so a busy machine slows all alike; ratios are medians over rounds, by
the clock and by CPU time. ``ours-bf16`` is ours with the model in bf16.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
}
ALONE = (("tiny", "causal", 1), ("tiny", "mlm", 20), ("tiny", "mntp", 20)) + (
    ("small", "causal", 40), ("small", "mlm", 400), ("small", "mntp", 400),
)  # fmt: skip
"""Size, backend, and one item in how many is scored."""


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
    import torch

    from babylm import run
    from babylm.evaluation import scorer as scoring
    from babylm.evaluation import suite

    def turn(job: Job, scorer: scoring.Scorer, out: Path) -> None:
        scoring._ENCODED.clear()
        module = suite.task(job.task)
        items = module.items(given.sample / f"{job.task}.{job.lines}", suite=job.suite, rules=2025)
        result = module.score(scorer, items, rules=2025)
        run.write_json(out / "predictions.json", result.predictions)
        run.write_json(out / "result.json", result.as_dict())

    turns = {}
    for name, job in jobs.items():
        scorer = suite.load_scorer(given.data / "parity" / job.model, job.backend)
        if bf16:
            scorer.model.to(torch.bfloat16)
        out = Path(tempfile.mkdtemp(dir=given.sample))
        turns[name] = lambda job=job, scorer=scorer, out=out: turn(job, scorer, out)
    return turns


def official_turns(given: argparse.Namespace, jobs: dict[str, Job]) -> dict[str, Callable[[], Any]]:
    """The official programs from their first line to their last, but for imports and for what they load."""
    import datasets  # noqa: F401
    import statsmodels.formula.api  # noqa: F401
    import transformers

    loaded: dict[Any, Any] = {}
    for name in ("AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoProcessor"):
        one = getattr(transformers, name)

        def load(path: str, *, one: Any = one, original: Any = one.from_pretrained, **options: Any) -> Any:
            if (one, path) not in loaded:
                loaded[one, path] = original(path, **options)
            return loaded[one, path]

        one.from_pretrained = load

    def turn(job: Job, out: Path) -> None:
        folder = given.sample / f"{job.task}.{job.lines}" / f"{job.suite}_eval" / job.folder
        module = "reading" if job.task == "reading" else "sentence_zero_shot"
        words = ["--model_path_or_name", str(given.data / "parity" / job.model), "--backend", job.backend]
        words += ["--output_dir", str(out)]
        if job.task == "reading":
            words += ["--data_path", str(next(folder.glob("*.csv")))]
        else:
            words += ["--data_path", str(folder), "--task", job.task, "--save_predictions"]
        sys.argv = ["run", *words]
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_module(f"evaluation_pipeline.{module}.run", run_name="__main__")

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
        turns = our_turns(given, jobs, given.contender == "ours-bf16")
    print("ready", flush=True)
    for name in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        turns[name.strip()]()
        print(f"seconds {time.perf_counter() - wall} {time.process_time() - cpu}", flush=True)


def compete(given: argparse.Namespace, jobs: dict[str, Job]) -> None:
    """The parent: start the contenders, then give them turns, and compare."""
    contenders = ("official", "ours", "ours-bf16")
    seconds: dict[tuple[str, str], list[list[float]]] = {}
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
                        values = [float(value) for value in _answer(child, "seconds").split()]
                        seconds.setdefault((job, name), []).append(values)
                        print(f"round {turn + 1} {job:21} {name:9} {values[0]:7.2f} s {values[1]:7.2f} CPU s", flush=True)
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
        print(f"{job:21} {'   '.join(parts)}")


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


if __name__ == "__main__":
    main()
