"""Every command that is written down anywhere runs as written, on a tiny run; what needs hours or a network is planned.

A new command is picked up by itself. One that nothing here covers fails `test_each_command`: cover it below.
"""

from __future__ import annotations

import io
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch

from babylm import (
    cli,
    config,
    convert,
    evaluate,
    generate,
    interact,
    prepare,
    registry,
    report,
    study,
    submit,
    sweep,
    train,
)
from babylm.cli import config_command
from babylm.config import studies as study_config
from babylm.config import sweeps
from babylm.corpora import toy
from tests import commands
from tests.commands import ROOT, STANDING_FOR, Command
from tests.corpora.test_given_tokenizer import gpt2
from tests.evaluation import fixtures
from tests.interaction.openai_server import Server, says
from tests.studies import planted
from tests.test_docs import PAGES
from tests.training import runs

TINY = (
    "track=free", "milestones=[300]", "tokenizer.vocab_size=320", "corpus.source=files",
    "model={hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}",
    "phases=[{until: 0.5, sequence_length: 16, tokens_per_step: 128}, {sequence_length: 32, tokens_per_step: 128}]",
    "budget={words: 600}", "training.accumulate_grad_batches=1", "training.precision=fp32", "training.compile=false",
)  # fmt: skip
"""What makes any shipped run finish in a second; the rest of its configuration is as shipped."""
FOLLOWED = "docs/interaction.md"
"""A page whose commands are run one after the other, each on what those before have made."""
STEPS = {f"babylm.{name}": name for name in ("train", "interact", "report", "evaluate", "submit")}
COMMANDS = [
    command for command in commands.collect() if command.file != FOLLOWED or not STEPS.keys() & set(command.words)
]
NETWORK = ("--get", "owner/name", "push=true")
"""What needs the network is run up to it, or without it."""


@pytest.fixture(scope="module", autouse=True)
def _few_pairs():
    """Five of the bundled grammar's pairs of each kind, so that a run is scored in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "minimal_pairs", partial(toy.minimal_pairs, count=5))
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run that was trained and scored."""
    torch.set_num_threads(1)  # as in every test, but this comes before them
    folder = tmp_path_factory.mktemp("tiny")
    made = runs.run(folder, "milestones=[]", "evaluation.tasks=[toy_pairs]", "evaluation.when=none", "name=tiny")
    assert evaluate._command([str(made)]) == 0
    return made


@pytest.fixture
def scratch(tmp_path, tiny, data, monkeypatch):
    """The working directory, like the repository's root: its configurations, a tiny corpus, evaluation data."""
    for name in ("configs", "slurm", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "evaluation_data").symlink_to(data)
    for name in ("strict_small", "strict"):
        for split in ("", "dev", "test"):
            text = tmp_path / "corpora" / name / split
            text.mkdir(parents=True, exist_ok=True)
            (text / f"open_subtitles.{split or 'train'}").write_text(runs.sentences() + split)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "transcripts").mkdir()
    (tmp_path / "my" / "transcripts" / "a.cha").write_text("@Begin\n" + "*MOT:\tlook at the dog .\n" * 200 + "@End\n")
    fixtures.write_all(tmp_path / "my" / "data")
    shutil.copytree(next((tmp_path / "my" / "data").rglob("*blimp*")), tmp_path / "my" / "pairs")
    generator = random.Random(0)
    rows = [
        f"{n},{word},{generator.uniform(200, 400):.0f},{generator.uniform(1, 9):.2f}\n"
        for n, line in enumerate(runs.sentences(20).split("\n"))
        for word in line.split()
    ]
    (tmp_path / "my" / "times.csv").write_text("sentence,word,RT,log_freq\n" + "".join(rows))
    rows = [
        f"1,{n},{zone},{word},{generator.uniform(200, 400):.0f},{who}\n"
        for n, line in enumerate(filter(None, runs.sentences(20).split("\n")))
        for who in ("r1", "r2")
        for zone, word in enumerate(line.split(), 1)
    ]
    (tmp_path / "my" / "readers.csv").write_text("text,item,zone,word,RT,who\n" + "".join(rows))
    pairs = [("ok", "star"), *((f"the dog sees {n}", f"the dog see {n}") for n in ("it", "a cat", "me"))]
    for name, separator in (("pairs.csv", ","), ("pairs.tsv", "\t")):
        (tmp_path / "my" / name).write_text("".join(separator.join(pair) + "\n" for pair in pairs))
    planted.write(tmp_path / "my")
    (tmp_path / "my" / "gpt2").mkdir()
    gpt2().save(str(tmp_path / "my" / "gpt2" / "tokenizer.json"))
    (tmp_path / "prompts.txt").write_text("the dog\na cat\n")
    (tmp_path / "my" / "text").mkdir()
    (tmp_path / "my" / "text" / "a.txt").write_text(runs.sentences())
    for page in sorted(ROOT.glob("docs/*.md")):
        for name, text in commands.page_files(page.read_text(encoding="utf-8")).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    planted.forget_plugins(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def provide_runs(words: list[str], scratch: Path, tiny: Path) -> None:
    """Copies of the tiny run and of its models, wherever a command names one."""
    for word in (re.sub(r"^(init_from|interaction.teacher_model|base|teacher)=", "", word) for word in words):
        if named := re.match(r"(checkpoints/[\w-]+)(/[\w-]+)?$", word):
            run = scratch / named[1]
            if not run.exists():
                shutil.copytree(tiny, run)
            if named[2] and not (scratch / word).exists():
                shutil.copytree(tiny / "main", scratch / word)
        elif word.startswith("some/") and not (scratch / word).exists():
            shutil.copytree(tiny / "main", scratch / word)


def changed(words: list[str], more: Sequence[str]) -> list[str]:
    """A command's words with these settings instead of its own: one that is given twice is refused."""
    keys = {word.partition("=")[0] for word in more}
    return [word for word in words if "=" not in word or word.partition("=")[0] not in keys] + list(more)


def run_train_or_prepare(command: Command, words: list[str], scratch: Path) -> None:
    module = {"babylm.train": train, "babylm.prepare": prepare}[words[0]]
    written = config.load(words[1], words[2:])  # as written
    more = [f"checkpoints={scratch}/made", f"corpus.prepared={scratch}/prepared", *TINY]
    # Several devices: the other ranks would be started as this process was, so they would be tests too.
    here = written.training.devices in (None, 1)
    to_the_end = here and (command.file == "README.md" or command.file.startswith("docs/"))
    if module is train and not to_the_end:
        more.append("training.dry_run=true")
    if not Path(written.corpus.path).exists():
        more.append("corpus.path=corpora/strict_small")
    if teachers := getattr(written.objective, "teachers", []):  # one that is trained here stands for each of them
        of_teacher = [word for word in more if not word.startswith("training.dry_run")]
        assert train.main(config.load("configs/ablations/causal.yaml", [*of_teacher, "name=teacher"])) == 0
        more.append(f"objective.teachers=[{','.join([f'{scratch}/made/teacher'] * len(teachers))}]")
    assert config_command(module.__doc__, module.main, changed(words[1:], more)) == 0
    if module is train and to_the_end and not written.training.dry_run:
        assert (scratch / "made" / written.name / "main" / "manifest.json").exists()


class Terminal(io.StringIO):
    """Somebody who types the same line again and again."""

    def isatty(self) -> bool:
        return True


def run_interact(words: list[str], scratch: Path) -> None:
    """As written, but with two rounds of few prompts, and from random weights: those of the tiny run do not fit.

    A server is one of this process, a person types the same line; answers to be repeated are recorded before.
    """
    if words[0] == STANDING_FOR["CONFIG"]:  # any configuration with a learner
        words = ["configs/interaction.yaml", *words[1:]]
    config.load(words[0], [word for word in words[1:] if "plugins" not in word])
    more = [f"checkpoints={scratch}/made", f"corpus.prepared={scratch}/prepared", "corpus.toy.words=2000"]
    more += ["tokenizer.vocab_size=320", "interaction.rounds=2", "interaction.prompts=8"]
    more += ["interaction.groups_per_step=4", "training.precision=fp32"]
    words = [word for word in words if not word.startswith("init_from=")]
    with Server(says("5")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", Terminal("5\n" * 1000))
        replies = [word for word in words if word.startswith("interaction.teaching.replies=")]
        if replies or "interaction.teacher=endpoint" in words:
            more += [f"interaction.endpoint.url={server.url}"]
        if replies:
            recorded = Path(replies[0].partition("=")[2])
            new = [f"checkpoints={recorded.parent}", f"name={recorded.name}"]
            new += ["interaction.teacher=endpoint", "interaction.endpoint.model=tiny"]
            first = [word for word in changed(words, [*more, *new]) if word not in replies and word != more[0]]
            assert config_command(interact.__doc__, interact.main, first) == 0
        assert config_command(interact.__doc__, interact.main, changed(words, more)) == 0
    assert list((scratch / "made").glob("*/ledger.json"))


def run_evaluate(words: list[str], scratch: Path, capsys) -> None:
    if words[1] == "compare":
        more = [] if any(word.startswith("tasks=") for word in words) else ["tasks=toy_pairs"]
        assert evaluate._command(changed(words[1:], more)) == 0
        return
    if words[1] == "--list":
        assert evaluate._command(words[1:]) == 0
        assert "blimp" in capsys.readouterr().out
        return
    more = [] if any(word.startswith("glue.") for word in words) else ["glue.epochs=1"]
    more += ["glue.seeds=[1]", "limit=2"]
    if any(name in word for word in words for name in ("times.csv", "readers.csv")) or "part=" in " ".join(words):
        more = []
    assert evaluate._command(changed(words[1:], more)) == 0
    assert re.search(r"results are in|is done, in", capsys.readouterr().out)


def run_up_to_the_network(words: list[str], monkeypatch, capsys) -> None:
    """The options are known, and what ends it is the network that is not there."""

    def refuse(*arguments, **named):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    if "push=true" in words:
        assert {word.partition("=")[0] for word in words[2:]} <= set(submit.KEYS)
        return
    if any(re.search(r"password=$|source=ewok", word) for word in words):
        return  # test_download: its data is behind a login
    assert evaluate._command(words[1:]) == 2
    said = capsys.readouterr().err
    assert re.search(r"network|Hub|download", said), said
    assert "unknown value" not in said


def plan_study(words: list[str], scratch: Path, capsys) -> None:
    """Its pieces are listed; tests/studies runs them."""
    assert study._command(changed(words, ["dry_run=true", f"folder={scratch}"])) == 0
    assert re.search(r"\d+ pieces, \d+ to do", capsys.readouterr().out)


def check_benchmark(text: str, script: str) -> None:
    """The script is there and has these options, the optional ones too."""
    code = (ROOT / script).read_text(encoding="utf-8")
    for option in re.findall(r"(?<=[\s\[])--[\w-]+", text):
        assert f'"{option}"' in code, option
    for name in re.findall(r"configs/\S+\.yaml", text):
        config.load(name)


def check_job(command: Command, words: list[str], scratch: Path, tiny: Path) -> None:
    """The script is there and whole, and the command that it runs loads what it is given."""
    script, *given = [word for word in words if not word.startswith("-")]
    if not script.endswith(".sbatch"):
        return  # options alone, with the rest left out
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    module = re.findall(r"(?:run_and_requeue|-m) (babylm\.\w+)", (ROOT / script).read_text())[-1]
    if module in ("babylm.train", "babylm.interact"):
        config.load(given[0], [word for word in given[1:] if "=" in word])
        # A file that `python -m babylm.sweep` writes first is there only if its command was run before.
        assert all((scratch / word).exists() for word in given if word.endswith(".txt") and word != "runs.txt")
    elif module == "babylm.evaluate":
        given = [word for word in given if word not in ("key=value",)]
        assert evaluate._command([*given, "limit=2", "part=0/2"]) == 0
    else:
        assert module == "babylm.study"
        registry.add("my/plugins")
        study_config.load_study(given[0], [word for word in given[1:] if "=" in word and word != "key=value"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.file}: {command.text}")
def test_each_command(command, scratch, tiny, monkeypatch, capsys):
    words = command.words
    if "--plugins" in words:
        words = cli.add_plugins(words)
    if words[-1:] == ["<"] or "<" in words:
        at = words.index("<")
        monkeypatch.setattr("sys.stdin", open(words[at + 1], encoding="utf-8"))  # noqa: SIM115 (the command reads it)
        words = words[:at]
    provide_runs(words, scratch, tiny)
    match words:
        case ["python", "-m", module] if (
            module.startswith("babylm.") and (ROOT / f"{module.replace('.', '/')}.py").exists()
        ):
            pass  # the name of a command alone
        case ["python", "-m", module, *_] if "--help" in words:
            assert cli.command("what it does", lambda words: 1, words) == 0
            subprocess.run([sys.executable, *words[1:]], cwd=ROOT, check=True, capture_output=True)
        case ["python", "-m", "babylm.train" | "babylm.prepare", *_]:
            run_train_or_prepare(command, words[2:], scratch)
        case ["python", "-m", "babylm.interact", *arguments]:
            run_interact(arguments, scratch)
        case ["python", "-m", "babylm.evaluate" | "babylm.submit", *_] if any(n in " ".join(words) for n in NETWORK):
            run_up_to_the_network(words[2:], monkeypatch, capsys)
        case ["python", "-m", "babylm.evaluate", *_]:
            run_evaluate(words[2:], scratch, capsys)
        case ["python", "-m", "babylm.report", *arguments]:
            if "checkpoints" in arguments:  # a folder of runs
                shutil.copytree(tiny, scratch / "checkpoints" / "tiny", dirs_exist_ok=True)
            assert report._command(arguments) == 0
            assert any((scratch / word / "report.html").is_file() for word in arguments) or "out=" in " ".join(words)
        case ["python", "-m", "babylm.convert", *arguments]:
            if "checkpoints" in arguments:
                shutil.copytree(tiny, scratch / "checkpoints" / "tiny", dirs_exist_ok=True)
            assert convert._command(arguments) == 0
        case ["python", "-m", "babylm.submit", *arguments]:
            if scored := [word for word in arguments if word.startswith(("rules=", "backend="))]:
                assert evaluate._command([arguments[0], *scored]) == 0
            assert submit._command([*arguments, "load=false"]) == 0
            assert "equal" in capsys.readouterr().out
        case ["python", "-m", "babylm.study", *arguments]:
            plan_study(arguments, scratch, capsys)
        case ["python", "-m", "babylm.sweep", *arguments]:
            redirected = arguments.index(">") if ">" in arguments else len(arguments)
            assert sweep._command(arguments[:redirected]) == 0
            if redirected < len(arguments):
                (scratch / arguments[redirected + 1]).write_text(capsys.readouterr().out)
        case ["python", "-m", "babylm.search", *arguments]:
            sweeps.check_search(sweeps.load_sweep(arguments[0], arguments[1:]))  # tests/test_search.py makes the runs
        case ["python", "-m", "babylm.generate", *arguments]:
            if not any("chat" in word or not re.match(r"\w+=|checkpoints/", word) for word in arguments) and (
                "<" not in command.words
            ):
                arguments = [*arguments, "the dog"]  # the test has no terminal to chat on
            assert generate._command(changed(arguments, ["max_new_tokens=2"])) == 0
        case ["python", script, *_] if script.startswith("benchmarks/"):
            check_benchmark(command.text, script)
        case ["python", "-m", "pytest", *arguments]:
            assert all((ROOT / file).exists() for file in arguments if not file.startswith("-"))
        case ["torchrun", *arguments]:  # tests/training/test_devices.py starts it
            at = arguments.index("-m")
            assert arguments[at + 1] == "babylm.train"
            config.load(arguments[at + 2], arguments[at + 3 :])
        case ["sbatch", *arguments]:
            check_job(command, arguments, scratch, tiny)
        case ["make", *targets]:
            subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, check=True, capture_output=True)
        case ["source", script]:
            assert script == ".venv/bin/activate", "what `make env` makes"
        case ["pip", "install", package]:
            extra = re.fullmatch(r"babylm\[(\w+)\]|\.\[(\w+)\]|-e|\.", package)
            assert extra, package
        case _:
            raise AssertionError(f"{command.file}: {command.text}: no test covers such a command; add it here")


SMALL = (
    "corpus.toy.words=2000", "tokenizer.vocab_size=320", "interaction.rounds=1", "interaction.prompts=8",
    "interaction.test_prompts=4", "interaction.groups_per_step=4", "training.precision=fp32",
)  # fmt: skip


def test_a_page_is_followed_from_top_to_bottom(scratch, capsys):
    """As printed, but for the sizes of the runs; what a command needs, those before it have made."""
    followed = [Command(text, FOLLOWED).words for text in commands.read(ROOT / FOLLOWED)]
    followed = [words for words in followed if words[:2] == ["python", "-m"] and "CONFIG" not in words]
    for words in followed:
        module, arguments = words[2], words[3:]
        if module not in STEPS or not arguments:
            continue
        match STEPS[module]:
            case "train":
                assert config_command(train.__doc__, train.main, [*arguments, *SMALL]) == 0
            case "interact":
                assert config_command(interact.__doc__, interact.main, [*arguments, *SMALL]) == 0
            case "report":
                assert report._command(arguments) == 0
            case "evaluate":
                assert evaluate._command(arguments) == 0
            case "submit":
                assert submit._command([*arguments, "load=false"]) == 0  # loading takes long
        assert "error" not in capsys.readouterr().err
    assert {words[2] for words in followed} >= set(STEPS)
    assert {path.name for path in Path("checkpoints").iterdir()} >= {"base", "interaction", "random", "talk"}


MARKDOWN = [ROOT / "README.md", *sorted(ROOT.glob("*/*.md"))]
"""Their pieces of Python stand alone; those of `tests/test_docs.py` are read one after the other."""
PYTHON = [
    (path.name, code)
    for path in MARKDOWN
    if path.name not in PAGES
    for kind, code in commands.code_blocks(path.read_text(encoding="utf-8"))
    if kind == "python"
]


@pytest.mark.parametrize(("name", "code"), PYTHON)
def test_each_piece_of_python(name, code, scratch, tiny, capsys):
    provide_runs(re.findall(r"checkpoints/[\w/-]+", code), scratch, tiny)
    exec(compile(code, name, "exec"), {})
    assert capsys.readouterr().out.strip()


def test_commands_are_collected_from_everywhere():
    files = {command.file for command in COMMANDS}
    assert {"README.md", "slurm/README.md", "babylm/evaluate.py", "babylm/study.py"} <= files
    assert any(file.startswith("configs/ablations/") for file in files)
    assert any(file.startswith("slurm/") and file.endswith(".sbatch") for file in files)
    assert len(COMMANDS) > 50


def test_a_command_in_each_place_is_found(tmp_path):
    samples = {
        "a.md": "Run `make smoke` or\n```bash\npython -m babylm.train X  # why\nls\n```\n",
        "b.py": '"""Doc.\n\n    python -m babylm.train X a=[1,2]      what it does\n    no command\n"""\n',
        "c.yaml": "# Command:   python -m babylm.train X\n# sbatch slurm/x.sbatch\nname: a\n",
    }
    expected = {
        "a.md": ["python -m babylm.train X", "make smoke"],
        "b.py": ["python -m babylm.train X a=[1,2]"],
        "c.yaml": ["python -m babylm.train X", "sbatch slurm/x.sbatch"],
    }
    for name, text in samples.items():
        (tmp_path / name).write_text(text)
        assert commands.read(tmp_path / name) == expected[name]
    assert Command("python -m babylm.train CONFIG [key=value ...] a=[1]", "").words == [
        *("python", "-m", "babylm.train", "configs/smoke.yaml", "a=[1]")
    ]


def test_an_uncovered_command_fails(scratch, tiny, monkeypatch, capsys):
    with pytest.raises(AssertionError, match="no test covers such a command"):
        test_each_command(Command(shlex.join(["git", "frobnicate"]), "README.md"), scratch, tiny, monkeypatch, capsys)
