"""The Dockerfile's steps: what is copied is enough for `make env`, with a Python that the package supports."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib

from tests.conftest import ROOT


def instructions():
    """(instruction, arguments) of each line, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_environment_is_made_from_what_is_copied_before(tmp_path):
    """With the files of the COPY lines alone, in their order, make knows what to install."""
    made = False
    for name, arguments in instructions():
        if name == "COPY" and arguments != ". .":
            *sources, target = shlex.split(arguments)
            for source in sources:
                copied = tmp_path / target / source if target.endswith("/") else tmp_path / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, copied, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, copied)
        if name == "RUN" and arguments.startswith("make "):
            words = [word for word in shlex.split(arguments) if "$" not in word]
            done = subprocess.run(["make", "-n", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
            assert "--require-hashes -r requirements/env.txt" in done.stdout
            assert "--editable ." in done.stdout
            described = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
            assert (tmp_path / described["readme"]).is_file(), "the package cannot be built without its readme"
            made = True
    assert made


def test_its_python_is_one_that_the_package_supports():
    image = next(arguments for name, arguments in instructions() if name == "FROM")
    version = tuple(map(int, re.search(r"python:(\d+)\.(\d+)", image).groups()))
    least = re.search(
        r">=\s*(\d+)\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    assert version >= tuple(map(int, least.groups()))


def test_what_is_private_or_large_stays_out():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "checkpoints/*", "corpora/*"} <= set(ignored)
