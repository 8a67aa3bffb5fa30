"""The README's commands run, its files exist, its promises name tests that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from babylm import config, evaluate, prepare, report, submit, train
from tests.evaluation import fixtures
from tests.training import runs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
TINY = (
    "track=free", "milestones=[300]", "tokenizer.vocabulary=320", "corpus.source=files", "training.accumulate=1",
    "model={hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}",
    "phases=[{until: 0.5, sequence_length: 16, tokens: 128}, {sequence_length: 32, tokens: 128}]",
    "budget={words: 600}", "training.precision=fp32",
)  # fmt: skip
"""What makes any shipped run finish in a second; the rest of its configuration is as shipped."""


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("make")])
def test_make_targets_exist(line):
    subprocess.run(["make", "--dry-run", *shlex.split(line)[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("line", [c for c in COMMANDS if " babylm.train " in c or " babylm.prepare " in c])
def test_run_commands_run(line, tmp_path, monkeypatch):
    made = runs.make(tmp_path)
    words = shlex.split(line)
    module = {"babylm.train": train, "babylm.prepare": prepare}[words[2]]
    places = [f"corpus.path={made.corpus.path}", f"corpus.prepared={tmp_path}/prepared", f"checkpoints={tmp_path}/runs"]
    asked = config.load(ROOT / words[3], words[4:])  # as written
    assert config.command(module.__doc__, module.main, [str(ROOT / words[3]), *words[4:], *TINY, *places]) == 0
    if module is train and not asked.training.plan_only:
        assert (tmp_path / "runs" / asked.name / "main" / "manifest.json").exists()


EVALUATIONS = [c for c in COMMANDS if " babylm.evaluate " in c]
ELSEWHERE = ("--get", "--list", "compare", "my/", "owner/name")
"""They need the network, two runs, or data of one's own: test_download, test_comparison, test_command, and
test_targets."""


@pytest.mark.parametrize("line", [c for c in EVALUATIONS if not any(word in c for word in ELSEWHERE)])
def test_evaluate_commands_run(line, tmp_path, monkeypatch, capsys):
    words = shlex.split(line)[3:]
    runs.run(tmp_path, f"name={Path(words[0]).name}", "milestones=[]")
    fixtures.write_all(tmp_path / "evaluation_data")
    monkeypatch.chdir(tmp_path)
    more = ["limit=2", "glue.epochs=1"] if "suite=full" in words else ["limit=2"]
    assert evaluate._command([*words, *more]) == 0
    assert "results are in" in capsys.readouterr().out


@pytest.mark.parametrize("line", [c for c in COMMANDS if " babylm.submit " in c or " babylm.report " in c])
def test_what_follows_runs(line, tmp_path, monkeypatch, capsys):
    words = shlex.split(line)[2:]
    runs.run(
        tmp_path, f"name={Path(words[1]).name}", "milestones=[]", "evaluation.tasks=[grammar]", "evaluation.at=none"
    )
    monkeypatch.chdir(tmp_path)
    assert evaluate._command([words[1]]) == 0
    if words[0] == "babylm.report":
        assert report._command(words[1:]) == 0
        assert (tmp_path / words[1] / "report.html").is_file()
    else:
        assert "push" not in line
        assert submit._command([*words[1:], "load=false"]) == 0
        assert "equal" in capsys.readouterr().out


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    runs.run(tmp_path, "name=smoke", "milestones=[]")
    monkeypatch.chdir(tmp_path)
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    exec(compile(code, "README.md", "exec"), {})
    assert "the dog" in capsys.readouterr().out


def test_promised_tests_exist():
    promised = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", README)
    assert len(promised) >= 10
    for path, name in promised:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{path}::{name}"


def test_the_tree_names_what_exists():
    (tree,) = [block for kind, block in BLOCKS if not kind]
    folder = ROOT
    for line in tree.strip().splitlines():
        names = re.match(r"\s*((?:[\w./]+ )*[\w./]+)(?:\s{2,}|$)", line)
        assert names, line
        folder = ROOT / "babylm" if line.startswith(" ") else ROOT
        for name in names[1].split():
            assert (folder / name).exists(), name
