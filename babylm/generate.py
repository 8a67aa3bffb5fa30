r"""Let a model continue texts: a run, one of its revisions, or any causal Hugging Face folder.

    python -m babylm.generate FOLDER [PROMPT ...] [key=value ...]

    python -m babylm.generate checkpoints/smoke "the dog"                    its main, or its last revision
    python -m babylm.generate checkpoints/smoke/chck_50K "the dog" "a cat" max_new_tokens=20 temperature=0
    python -m babylm.generate checkpoints/smoke "the dog" num_return_sequences=3 top_p=0.9 seed=7
    python -m babylm.generate checkpoints/smoke "the dog" beams=4 stop="."
    python -m babylm.generate checkpoints/smoke < prompts.txt                a prompt per line
    python -m babylm.generate checkpoints/smoke                              on a terminal: line by line, a small chat

An empty prompt ("") begins at BOS. Options, with what they are when not given: max_new_tokens=50; temperature=1 (0: the
likeliest token each time); top_k=0 (all tokens); top_p=1; num_return_sequences=1; beams=1 (more: beam search instead of
sampling); seed=1 (the same seed gives the same text, alone or among other prompts); stop= (a text that ends each
continuation; \n is a line's end); device=auto (cpu, cuda); trust=false (true runs a foreign model's own code);
chat=false (true: talk to it, whatever stdin is; each line continues what was said, of which as much is kept as fits).

A prompt with a name and = in it, or with - in front, goes behind --. Continuations go to stdout, behind their prompts,
a blank line between two; everything else to stderr. Exit codes: 0 done; 1 an unexpected error; 2 a wrong folder, option
or prompt; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import cli, places, registry, revisions
from babylm.evaluation.scoring import weight_files

if TYPE_CHECKING:
    from babylm.generation import Generator, Sampling

NUMBERS: dict[str, tuple[Callable[[str], float], float, float]] = {
    "max_new_tokens": (int, 1, 1_000_000),
    "temperature": (float, 0, 100),
    "top_k": (int, 0, 1_000_000),
    "top_p": (float, 0.001, 1),
    "num_return_sequences": (int, 1, 10_000),
    "beams": (int, 1, 1000),
    "seed": (int, 0, 9e12),
}
"""Option -> its type, smallest and largest value."""
CHOICES = {"device": ("auto", "cpu", "cuda"), "trust": ("false", "true"), "chat": ("false", "true")}
KEYS = (*NUMBERS, *CHOICES, "stop")


def parse(words: Sequence[str]) -> tuple[Path, list[str], dict[str, Any]]:
    """Folder, prompts and options of a command line; ``ValueError`` for what is wrong with the options.

    A word with ``=`` whose left side is a name is an option; any other is a prompt, as is every word behind ``--``.
    """
    rest = list(words[1:])
    at = rest.index("--") if "--" in rest else len(rest)
    given: list[str] = []
    prompts: list[str] = []
    for word in rest[:at]:
        if word.startswith("-") and len(word) > 1 and not word[1].isspace():
            raise ValueError(f"{word!r}: an option is written key=value; a prompt that begins with - goes behind --")
        (given if word.partition("=")[0].isidentifier() and "=" in word else prompts).append(word)
    prompts += rest[at + 1 :]
    options: dict[str, Any] = {}
    for key, value in registry.options(given, KEYS).items():
        options[key] = _number(key, value) if key in NUMBERS else value
        if key in CHOICES:
            registry.check(value, CHOICES[key], key)
    for key in ("trust", "chat"):
        options[key] = options.get(key) == "true"
    if "stop" in options:
        options["stop"] = options["stop"].replace("\\n", "\n").replace("\\t", "\t")
    _check_together(options)
    return places.given(words[0]), prompts, options


def _number(key: str, text: str) -> float:
    kind, low, high = NUMBERS[key]
    try:
        value = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{key}: must be {what}, not {text!r}") from None
    if not low <= value <= high:
        raise ValueError(f"{key}: must be at least {low:g} and at most {high:g}, not {text}")
    return value


def _check_together(options: dict[str, Any]) -> None:
    beams, number = options.get("beams", 1), options.get("num_return_sequences", 1)
    sampling = sorted({"temperature", "top_k", "top_p"} & options.keys())
    if beams > 1 and sampling:
        raise ValueError(f"beams={beams} searches instead of sampling: leave {', '.join(sampling)} out, or beams")
    if beams > 1 and number > beams:
        raise ValueError(f"num_return_sequences={number}: a search with beams={beams} has no more than {beams} results")
    if beams == 1 and number > 1 and options.get("temperature") == 0:
        raise ValueError(f"num_return_sequences={number}: with temperature=0 all would be the same")


def model_folder(folder: Path) -> Path:
    """The folder of a model: ``folder``, or ``main`` or else the last revision of a run; said on stderr when chosen."""
    if (folder / "config.json").is_file():
        return folder
    if names := revisions.revision_names(folder):
        note = "" if len(names) == 1 else f" (of {len(names)} revisions)"
        print(f"{folder / names[-1]}{note}", file=sys.stderr)
        return folder / names[-1]
    if folder.is_dir():
        form = weight_files.other_form(folder)
        raise ValueError(
            f"{folder} holds neither a model nor revisions (folders with a config.json){f'; {form}' if form else ''}"
        )
    raise ValueError(places.no_folder(folder))


def main(words: Sequence[str]) -> int:
    """Generate as asked; returns the exit code."""
    folder, prompts, options = parse(words)
    folder = model_folder(folder)
    interactive = options.pop("chat") or (not prompts and sys.stdin is not None and sys.stdin.isatty())
    if not prompts and not interactive:
        try:
            text = "" if sys.stdin is None else sys.stdin.read()
        except UnicodeDecodeError:
            raise ValueError("stdin: not UTF-8; write the prompts in UTF-8") from None
        prompts = text.removesuffix("\n").split("\n") if text else []
        if not prompts:
            raise ValueError(f'no prompt: give one (python -m babylm.generate {folder} "the dog"), or lines on stdin')
    from babylm import generation

    generator = generation.load(folder, options.pop("device", "auto"), options.pop("trust"))
    generation.warn_if_masked(folder)
    sampling = generation.Sampling(**options)
    if interactive:
        return chat(generator, sampling, prompts)
    show(prompts, generator.continuations(prompts, sampling), generator, sampling)
    return 0


def show(prompts: Sequence[str], continuations: Iterable[list[str]], generator: Generator, sampling: Sampling) -> None:
    """Print each prompt with its continuations."""
    between = ""
    for prompt, texts in zip(prompts, continuations, strict=True):
        room = generator.room(prompt)
        if room is not None and room < sampling.max_new_tokens:
            print(
                f"note: the model reads {generator.longest:,} tokens, which leaves {room:,} new ones", file=sys.stderr
            )
        for text in texts:
            print(f"{between}{prompt}{text if prompt else text.lstrip(' ')}", flush=True)
            between = "\n"


def chat(generator: Generator, sampling: Sampling, prompts: Sequence[str]) -> int:
    """Read lines and continue them until the end of the input; what was said is the context of the next line."""
    from dataclasses import replace

    if sys.stdin.isatty():
        import readline  # noqa: F401 (line editing and history for input())

    sampling = replace(sampling, stop=sampling.stop or "\n", num_return_sequences=1)
    said: list[str] = []
    waiting = list(prompts)
    while True:
        try:
            line = waiting.pop(0) if waiting else input("> " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            print()
            return 0
        said.append(line)
        while (
            len(said) > 1 and (room := generator.room("\n".join(said))) is not None and room < sampling.max_new_tokens
        ):
            said.pop(0)  # the oldest is forgotten
        try:
            (answers,) = generator.continuations(["\n".join(said)], sampling)
        except ValueError as error:  # the line alone is too long
            print(f"error: {error}", file=sys.stderr)
            said.pop()
            continue
        print(answers[0].strip(), flush=True)
        said[-1] += answers[0]


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, main, words)


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
