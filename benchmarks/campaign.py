"""The record campaign: find a recipe for strict-small on one GPU, train it, score it, beside the published baselines.

    python benchmarks/campaign.py --dry-run                     the whole plan: runs, FLOPs, hours
    python benchmarks/campaign.py --time-limit 540              do what fits nine minutes; repeat until exit code 0
    python benchmarks/campaign.py --only speed,compare training.compile=true        some stages; overrides for all runs
    python benchmarks/campaign.py --cpu-smoke --state DIR       every stage in miniature, on the bundled corpus

Stages: speed (tokens/s of three shapes, eager and compiled), compare (one-epoch runs, one question after the other,
each from the best answers so far), final (the winner for ten epochs, three seeds), score (fast suite at each revision,
full suite at the end), report (a table beside the baselines, rows for docs/log.md).

Choices are made on the held-out loss of both modes, and between runs closer than its noise on the fast suite; never on
the full suite. The way of scoring the final models is declared before they are trained. Each finished piece is a file
in the state folder, and a piece that the time limit stops goes on at the next call, so the same command is repeated
while it ends with exit code 75. Runs are made in this process: imports are paid once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from campaign_plan import GPU, ROOT, SMOKE, Scale, baselines, dry_run, log_rows, mean

EXIT_AGAIN = 75
CLOSE = 0.01
"""Nats, two to three standard deviations of seeds. Runs whose losses are closer are told apart by the fast suite."""
MARGIN = 25.0
"""Seconds before the time limit at which to stop: saving a state takes some."""


class TimeUp(BaseException):
    """The time limit has come outside of a training loop (inside it, training saves its state and stops)."""


class Campaign:
    """The state folder and the pieces of work; each piece runs once and its values are stored."""

    def __init__(self, scale: Scale, state: Path, overrides: Sequence[str], seconds: float | None) -> None:
        self.scale, self.state, self.overrides = scale, state, list(overrides)
        self.until = None if seconds is None else time.monotonic() + seconds - min(MARGIN, seconds / 4)

    def piece(self, name: str, work: Any) -> dict[str, Any]:
        """The stored values of ``name``, or those that ``work`` gives, stored."""
        from babylm import files

        file = self.state / f"{name}.json"
        if not file.exists():
            if self.until is not None and time.monotonic() >= self.until:
                raise TimeUp
            print(f"== {name}", flush=True)
            begin = time.monotonic()
            values = work()
            files.write_json(file, {**values, "seconds": round(time.monotonic() - begin, 1)})
        return json.loads(file.read_text(encoding="utf-8"))

    def settings(self, changes: Sequence[str]) -> list[str]:
        """Overrides of a run; later ones win."""
        places = [f"checkpoints={self.state / 'runs'}"]
        if self.scale is SMOKE:
            places += [f"corpus.prepared={self.state / 'prepared'}", f"corpus.dev={self.state / 'dev.txt'}"]
        return [*self.scale.common, *places, *self.overrides, *changes]

    def speed(self) -> None:
        """Tokens a second of each shape, by a program of its own: that also measures the start."""
        for shape, changes in self.scale.speed.items():
            for compiled in ("false", "true") if self.scale is GPU else ("false",):
                name = f"speed-{_hash([shape, compiled])}"
                made = [*changes, f"training.compile={compiled}"]
                self.piece(name, lambda name=name, made=made, shape=shape: self._measured(name, made, shape))

    def _measured(self, name: str, changes: list[str], shape: str) -> dict[str, Any]:
        out = self.state / f"{name}.partial"
        words = [sys.executable, ROOT / "benchmarks" / "profile_step.py", ROOT / self.scale.config]
        words += [*self.settings(changes), *self.scale.speed_options, "--json", out]
        left = None if self.until is None else max(1.0, self.until - time.monotonic())
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        try:
            code = subprocess.run([str(w) for w in words], timeout=left, env=environment, check=False).returncode
        except subprocess.TimeoutExpired:
            raise TimeUp from None
        found = json.loads(out.read_text()) if code == 0 else {"failed": code}
        out.unlink(missing_ok=True)
        return {"shape": shape, "changes": changes, **found}

    def trained(self, name: str, changes: Sequence[str]) -> dict[str, Any]:
        """Train a run to its end; its last losses on the held-out text."""
        from babylm import config as configuration
        from babylm import runs, train

        made = configuration.load(ROOT / self.scale.config, self.settings([*changes, f"name={name}"]))
        code = train.main(made)
        _tidy()
        if code == train.EXIT_STOPPED:
            raise TimeUp
        if code:
            return {"changes": list(changes), "failed": code}
        lines = runs.Run(Path(made.checkpoints) / name).metrics
        found = {k.removeprefix("dev/"): v for line in lines for k, v in line.items() if k.startswith("dev/")}
        speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
        for old in (Path(made.checkpoints) / name).glob("*.ckpt"):
            old.unlink()  # four times the weights; the revisions stay
        return {"changes": list(changes), "loss": found, "tokens_per_second": statistics.median(speeds)}

    def scored(self, name: str, words: Sequence[str]) -> dict[str, float]:
        """Task -> official score of the last revision, after an evaluation."""
        from babylm import evaluate

        folder = self.state / "runs" / name
        code = evaluate._command([str(folder), *words])
        _tidy()
        if code:
            raise RuntimeError(f"evaluation of {folder} with {' '.join(words)} ended with {code}")
        scorer = next(word.partition("=")[2] for word in words if word.startswith("backend="))
        files = (folder / "evaluation" / "main").glob(f"*.fast.*.{scorer}.json")
        found = {file.name.split(".")[0]: json.loads(file.read_text())["official"] for file in files}
        return {task: score for task, score in found.items() if score is not None}

    def one_epoch(self, changes: Sequence[str]) -> dict[str, Any]:
        """A comparison: trained, and scored by the fast suite in both ways."""
        name = f"c-{_hash(sorted(changes))}"
        found = self.piece(f"train-{name}", lambda: self.trained(name, [*self.scale.compare, *changes]))
        if "failed" in found:
            return {"name": name, "changes": list(changes), "loss": {}, "fast": {}}
        fast = {}
        for scorer in ("causal", "mntp"):
            words = [*self.scale.fast, "revisions=main", f"backend={scorer}"]
            piece = f"fast-{scorer}-{name}"
            fast[scorer] = self.piece(piece, lambda words=words: {"scores": self.scored(name, words)})["scores"]
        speed = found["tokens_per_second"]
        return {"name": name, "changes": list(changes), "loss": found["loss"], "fast": fast, "speed": speed}

    def compare(self) -> dict[str, Any]:
        """One question after the other; the winner's changes and how its models will be scored."""
        best: list[str] = []
        rows: list[dict[str, Any]] = []
        winner: dict[str, Any] = {}
        for question, key, values, modes in self.scale.rounds:
            tried = [self.one_epoch(best if value == values[0] else [*best, f"{key}={value}"]) for value in values]
            winner = choose(tried, modes)
            best = winner["changes"]
            rows += [{"question": question, "chosen": one is winner, **one} for one in tried]
        seeds = [self.one_epoch([*best, f"seed={seed}"]) for seed in self.scale.seeds[1:]]
        rows += [{"question": "seed", "chosen": False, **one} for one in seeds]
        scorer = max(winner["fast"], key=lambda name: mean(winner["fast"][name].values()))
        return {"changes": best, "scorer": scorer, "rows": rows}

    def final(self, choice: dict[str, Any]) -> list[str]:
        """The winner at full length; names of the runs."""
        names = []
        for seed in self.scale.seeds:
            changes = [*self.scale.final, *choice["changes"], f"seed={seed}"]
            name = f"final-{_hash(choice['changes'])}-s{seed}"
            found = self.piece(f"train-{name}", lambda name=name, changes=changes: self.trained(name, changes))
            if "failed" in found:
                raise RuntimeError(f"{name} ended with {found['failed']}; its log is in {self.state / 'runs' / name}")
            names.append(name)
        return names

    def score(self, names: Sequence[str], scorer: str) -> None:
        """Fast suite at each revision, then the full suite."""
        for name in names:
            for words in (self.scale.fast, *self.scale.full):
                asked = [*words, f"backend={scorer}"]
                self.piece(
                    f"score-{name}-{_hash(asked)}", lambda name=name, asked=asked: {"fast": self.scored(name, asked)}
                )

    def report(self, choice: dict[str, Any], names: Sequence[str]) -> str:
        """The tables, and rows for docs/log.md, as Markdown; also written to the state folder."""
        from babylm import files

        lines = ["# Campaign", "", f"Winner: `{' '.join(choice['changes']) or 'the recipe as it is'}`", ""]
        lines += [f"Scored by {choice['scorer']}, chosen on the fast suite before the final runs.", "", "## Speed", ""]
        for file in sorted(self.state.glob("speed-*.json")):
            one = json.loads(file.read_text())
            speed = f"{one['tokens_per_second']:,.0f} tokens/s" if "failed" not in one else f"failed ({one['failed']})"
            mfu = f", MFU {100 * one['mfu']:.1f} %" if "mfu" in one else ""
            first = f", first step after {one['seconds_to_first_step']:.0f} s" if "failed" not in one else ""
            lines.append(f"- {one['shape']}, {one['changes'][-1]}: {speed}{mfu}{first}")
        lines += ["", "## Comparisons of one epoch", "", *log_rows(choice["rows"])]
        folders = [self.state / "runs" / name / "evaluation" for name in names]
        for rules in (2025, 2026):
            lines += ["", f"## Full suite, rules of {rules}, %", "", *baselines(folders, rules, choice["scorer"])]
        text = "\n".join(lines) + "\n"
        files.write_text(self.state / "report.md", text)
        return text


def choose(tried: Sequence[dict[str, Any]], modes: Sequence[str]) -> dict[str, Any]:
    """The run with the smallest mean loss over ``modes``; of those within `CLOSE` of it, the best on the fast suite."""
    done = [one for one in tried if all(mode in one["loss"] for mode in modes)]
    if not done:
        raise RuntimeError(f"no run of {[one['changes'] for one in tried]} came to its end")
    losses = [mean([one["loss"][mode] for mode in modes]) for one in done]
    near = [one for one, loss in zip(done, losses, strict=True) if loss <= min(losses) + CLOSE]
    return max(near, key=lambda one: mean([score for scores in one["fast"].values() for score in scores.values()]))


def _hash(words: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def _tidy() -> None:
    """Forget what the last run compiled and cached on the GPU, and take our signal back."""
    import gc

    import torch

    signal.signal(signal.SIGUSR1, _time_up)
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _time_up(number: int, frame: Any) -> None:
    raise TimeUp


def _watch(until: float | None) -> None:
    """SIGUSR1 to this process at the limit, and again: training saves its state at it, everything else stops."""
    signal.signal(signal.SIGUSR1, _time_up)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    if until is not None:
        signal.setitimer(signal.ITIMER_REAL, max(0.1, until - time.monotonic()), 10.0)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="key=value for every run")
    parser.add_argument("--state", type=Path, default=Path("checkpoints/campaign"))
    parser.add_argument("--time-limit", type=float, help="seconds; then stop cleanly with exit code 75")
    parser.add_argument("--only", default="speed,compare,final,score,report", help="stages")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and what it costs")
    parser.add_argument("--tokens-per-second", type=float, default=800_000, help="for --dry-run")
    parser.add_argument("--cpu-smoke", action="store_true", help="every stage in miniature")
    return parser.parse_intermixed_args()


def main() -> int:
    """Do what is left, in order, as far as the time goes."""
    given = arguments()
    sys.path.insert(0, str(ROOT))
    scale = SMOKE if given.cpu_smoke else GPU
    from babylm import cli

    cli.share_cores()
    if given.dry_run:
        print(dry_run(scale, given.overrides, given.tokens_per_second))
        return 0
    given.state.mkdir(parents=True, exist_ok=True)
    campaign, stages = Campaign(scale, given.state, given.overrides, given.time_limit), given.only.split(",")
    if scale is SMOKE:
        from babylm.corpora import toy

        (given.state / "dev.txt").write_text("\n\n".join(d.text for d in toy.write(1000, seed=7)))
    try:
        _watch(campaign.until)
        if "speed" in stages:
            campaign.speed()
        if not {"compare", "final", "score", "report"} & set(stages):
            return 0
        choice = campaign.compare()
        names = campaign.final(choice) if {"final", "score", "report"} & set(stages) else []
        if {"score", "report"} & set(stages):
            campaign.score(names, choice["scorer"])
        if "report" in stages:
            print(campaign.report(choice, names))
    except TimeUp:
        print(f"time is up: what is done is in {given.state}; repeat the command to go on", flush=True)
        return EXIT_AGAIN
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return cli.EXIT_CONFIG
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
