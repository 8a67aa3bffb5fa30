"""Shared by all commands: help, exit codes, and every expected error as one line.

A command is ``python -m babylm.X``; its module's docstring is its help. ``ValueError`` is the user's mistake (exit
code 2), as is a file that cannot be read or written, a full disk, too little memory or a package that is not there.
Any other exception is ours, and shows its traceback (exit code 1).
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from babylm import interrupts, processes, registry, returned
from babylm.config.schema import Config
from babylm.console import drop_output
from babylm.interrupts import EXIT_INTERRUPTED, EXIT_STOPPED, MESSAGE

EXIT_CONFIG = 2
"""Exit code of a wrong command line, configuration, plan or file."""
EXIT_UNREAD = 141
"""Exit code that a shell reports for a program ended by SIGPIPE."""

EXTRAS = {
    "scipy": "eval", "statsmodels": "eval", "pandas": "eval", "sklearn": "eval", "matplotlib": "report",
    "tensorboard": "track", "wandb": "track", "flash_attn": "flash", "pynvml": "energy", "accelerate": "bench",
    "optuna": "optuna",
}  # fmt: skip
"""Package -> the extra of pyproject.toml that brings it."""


def command(
    doc: str | None,
    run: Callable[[list[str]], int | None],
    argv: Sequence[str] | None = None,
    settings: Callable[[], str] = lambda: "",
    *,
    needs_words: bool = True,
) -> int:
    """Run a command with its words (default: those of the process); returns the process's exit code.

    ``--help``, anywhere, prints ``doc`` and what ``settings`` returns; a call without a word, where the command
    ``needs_words``, prints ``doc`` alone (exit code 2).
    ``--plugins PATH``, anywhere, adds the user's plug-ins (`babylm.registry`).
    ``BABYLM_TRACEBACK=1`` in the environment shows the traceback of an error that would be one line.
    """
    if sys.platform == "win32":
        print("error: babylm runs on Linux and macOS; on Windows use it inside WSL 2", file=sys.stderr)
        return EXIT_CONFIG
    share_cores()
    words = list(sys.argv[1:] if argv is None else argv)
    show_everything()
    try:
        check_utf8(words)
        words = add_plugins(words)
        if (needs_words and not words) or {"-h", "--help"} & set(words):
            print("\n\n".join(filter(None, [(doc or "").strip(), settings() if words else ""])), flush=True)
            return 0 if words else EXIT_CONFIG
        return run(words) or 0
    except BrokenPipeError:
        drop_output()
        return EXIT_UNREAD
    except KeyboardInterrupt:
        print(f"\n{MESSAGE}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except SystemExit as ended:
        reason = f"a plug-in has ended the program (sys.exit({ended.code!r})); let it raise ValueError"
        print(f"error: {reason}", file=sys.stderr)
        return EXIT_CONFIG
    except Exception as error:
        if interrupts.came():
            print(f"\n{MESSAGE}", file=sys.stderr)
            return EXIT_INTERRUPTED
        message = explain(error)
        rank = _rank()
        if message is None or os.environ.get("BABYLM_TRACEBACK"):
            if rank:
                print(f"error: {rank}{type(error).__name__}: {error}", file=sys.stderr)
            raise
        print(f"error: {rank}{message}", file=sys.stderr)
        return EXIT_CONFIG


def _rank() -> str:
    """Which process of several this is, in front of its error; empty for the first, or in a wrong environment."""
    try:
        rank = processes.global_rank()
    except ValueError:
        return ""
    return f"rank {rank}: " if rank else ""


def show_everything() -> None:
    """Let stdout and stderr write characters that their encoding lacks as escapes, as ``LC_ALL=C`` needs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="backslashreplace")


def check_utf8(words: Sequence[str]) -> None:
    """`ValueError` for a word of the command line that is not UTF-8: it could not be written into any file of a run."""
    for word in words:
        if not returned.is_text(word):
            raise ValueError(f"{word!a}: not UTF-8: rename the file or folder, or write the text in UTF-8")


def add_plugins(words: list[str]) -> list[str]:
    """Take ``--plugins PATH`` (also ``--plugins=PATH``, several times) out of the words, and add what is there.

    >>> add_plugins(["configs/smoke.yaml", "seed=2"])
    ['configs/smoke.yaml', 'seed=2']
    """
    rest, waiting = [], iter(words)
    for word in waiting:
        if word != "--plugins" and not word.startswith("--plugins="):
            rest.append(word)
            continue
        path = word.partition("=")[2] or next(waiting, "")
        if not path:
            raise ValueError("--plugins: name a folder or a file after it")
        registry.add(path)
    return rest


def config_command(doc: str | None, run: Callable[[Config], int | None], argv: Sequence[str] | None = None) -> int:
    """`command` for ``python -m babylm.X CONFIG [key=value ...]``: ``run`` receives the checked configuration."""

    def load_and_run(words: list[str]) -> int | None:
        from babylm import config, publication

        check_config_words(words)
        loaded = config.load(words[0], words[1:])
        config.check_paths(loaded)
        publication.check(loaded.submission)
        return run(loaded)

    def settings() -> str:
        from babylm.config import manual

        return "Settings, with their defaults:\n\n" + manual.describe(Config)

    return command(doc, load_and_run, argv, settings)


def check_config_words(words: Sequence[str], example: str = "optimizer.lr=0.01") -> None:
    """`ValueError` unless ``words`` are a configuration's file, then overrides of which no key comes twice.

    >>> check_config_words(["configs/smoke.yaml", "seed=2"])
    """
    if "=" in words[0] or words[0].startswith("-"):
        raise ValueError(f"{words[0]!r}: the configuration's file comes first, then changes to it ({example})")
    keys = [word.partition("=")[0] for word in words[1:]]
    if repeated := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
        raise ValueError(f"{repeated[0]}: given twice; keep one")


def leave(code: int) -> NoReturn:
    """End the process; a Ctrl-C from here on ends it without a word, as nothing is left to be done.

    If a signal has stopped the command, others like it no longer count: they would hide the exit code, and Python takes
    a second to end once it has loaded torch.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if code == EXIT_STOPPED:
        for name in ("SIGTERM", "SIGUSR1", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.exit(code)


def explain(error: Exception) -> str | None:
    """One line for an error that the user can correct; None for a bug of ours."""
    if isinstance(error, UnicodeError):  # a ValueError too, but what Python says of it names no file
        return None
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        name = f"{error.filename}: " if error.filename is not None else ""
        return f"{name}{error.strerror or errno.errorcode.get(error.errno, 'error')}{_REMEDIES.get(error.errno, '')}"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # Path.resolve of Python 3.11
        return f"{str(error).removeprefix('Symlink loop from ')}: a link that leads back to itself; remove it"
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) in EXTRAS:
        return f"the package {package} is not installed: pip install 'babylm[{EXTRAS[package]}]'"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        reason = (str(error).strip().splitlines() or ["too little memory"])[0]
        remedy = "lower phases[].tokens_per_step or raise training.accumulate_grad_batches, or take a smaller model"
        return f"out of memory ({reason}): {remedy}"
    return None


_FULL = ": free some space and repeat the command; what was complete is kept"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: ": raise the limit of a file's size (ulimit -f)",
    errno.EMFILE: ": raise the limit of open files (ulimit -n)",
}


def share_cores() -> None:
    """Let idle OpenMP threads wait instead of spinning; before torch is imported, and unless the user has chosen.

    Where another program uses a core, two spinning threads on two cores trained at a third of the speed.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
