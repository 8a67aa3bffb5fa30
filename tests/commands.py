"""Every command that is written down for a user, collected from where it stands; `tests/test_commands.py` runs them.

A command stands in a block of code or between backquotes in a Markdown file, in the head of a configuration or a job
script, or in a module's docstring (which is the command's ``--help``). What is described there as optional
(``[key=value ...]``) is left out, names in capitals stand for something that the tests have.
"""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGINNINGS = (
    "python ",
    "make ",
    "make",
    "sbatch ",
    "source ",
    "pip ",
    "git ",
    "cd ",
    "bash ",
    "./",
    "torchrun ",
    "srun ",
    "nohup ",
)
_COMMAND = re.compile(r"(?:python3? (?:-m babylm|benchmarks/)|make \w|sbatch )")
STANDING_FOR = {
    "babylm.X": "babylm.train",
    "CONFIG": "configs/smoke.yaml",
    "STUDY": "configs/studies/recipe_search.yaml",
    "SWEEP": "configs/sweeps/weight_decay.yaml",
    "SEARCH": "configs/sweeps/search.yaml",
    "FOLDER": "checkpoints/smoke",
    "checkpoints/RUN": "checkpoints/smoke",
    "checkpoints/RUN2": "checkpoints/s2",
    "A": "checkpoints/s1",
    "B": "checkpoints/s2",
    "DIR": "scratch",
    "PROMPT": "the dog",
}
"""Names in capitals, and what a test puts there."""


@dataclass(frozen=True)
class Command:
    """A command and the file it stands in."""

    text: str
    file: str

    @property
    def words(self) -> list[str]:
        """Its words, with what is optional left out and names in capitals filled in."""
        plain = re.sub(r"(?<=\s)\[[^\]]*\]", " ", self.text)  # not the list of key=[a,b]
        words = [STANDING_FOR.get(word, word) for word in shlex.split(plain)]
        return [word for word in words if "..." not in word]

    @property
    def key(self) -> str:
        """What is run: equal for commands that differ in the name of a run alone."""
        return re.sub(r"checkpoints/[\w-]+", "checkpoints/x", shlex.join(self.words))


def collect() -> list[Command]:
    """All commands, each once (the first place counts: the README comes first)."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("*/*.md"))]
    paths += [*sorted(ROOT.glob("configs/**/*.yaml")), *sorted(ROOT.glob("slurm/*")), ROOT / "Makefile"]
    paths += [*sorted(ROOT.glob("babylm/**/*.py")), *sorted(ROOT.glob("benchmarks/*.py"))]
    unique: dict[str, Command] = {}
    for path in paths:
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            for text in read(path):
                command = Command(text, str(path.relative_to(ROOT)))
                if command.words:
                    unique.setdefault(command.key, command)
    return list(unique.values())


def read(path: Path) -> list[str]:
    """The commands of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blocks = [block for kind, block in code_blocks(text) if kind in ("", "bash", "sh", "shell", "console")]
        lines = [line for block in blocks for line in _joined(block)]
        spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        return [*map(_without_comment, filter(_is_command, lines)), *filter(_COMMAND.match, spans)]
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text), clean=False) or ""
        lines = [line[4:] for line in _joined(text) if re.match(r" {4}\S", line)]
        spans = [" ".join(span.split()) for span in re.findall(r"``([^`]+)``", text)]
        return [*map(_without_comment, filter(_COMMAND.match, lines)), *filter(_COMMAND.match, spans)]
    if path.name == "Makefile":
        values = dict(re.findall(r"^(\w+) := (.+)$", text, flags=re.MULTILINE))
        matches = [re.match(r"\t@?\$\(BIN\)/(python -m babylm.*)", line) for line in _joined(text)]
        return [re.sub(r"\$\((\w+)\)", lambda name: values[name[1]], match[1]) for match in matches if match]
    lines = [re.sub(r"^# ?(Command:|Smoke:)?", "", line).strip() for line in text.splitlines() if line[:1] == "#"]
    return [_without_comment(line) for line in lines if _COMMAND.match(line)]


def code_blocks(markdown: str) -> list[tuple[str, str]]:
    """(language, code) of each block of a Markdown text."""
    return re.findall(r"```(\w*)\n(.*?)```", markdown, flags=re.DOTALL)


def page_files(markdown: str) -> dict[str, str]:
    """Path -> text of the blocks that are whole files: their first line is a comment with the path."""
    files = {}
    for _, code in code_blocks(markdown):
        if named := re.match(r"# ([\w/-]+\.(?:py|yaml))\n", code):
            files[named[1]] = code
    return files


def _joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def _is_command(line: str) -> bool:
    return line.removeprefix("$ ").startswith(BEGINNINGS)


def _without_comment(line: str) -> str:
    """A line up to a comment, which two spaces set apart."""
    return re.split(r"\s+#\s|\s{2,}(?!\s)", line.removeprefix("$ ").strip())[0].strip()
