"""The Dockerfile's steps: what is copied is enough for `make env`, with a Python that the package supports."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

from tests.conftest import ROOT


def instructions():
    """(instruction, arguments) of each line, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def copy_until_make(folder):
    """Copy what the COPY lines before ``RUN make`` copy; returns the words of that make."""
    for name, arguments in instructions():
        if name == "COPY":
            *sources, target = shlex.split(arguments)
            for source in sources:
                copied = folder / target / source if target.endswith("/") else folder / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, copied, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, copied)
        if name == "RUN" and arguments.startswith("make "):
            return [word for word in shlex.split(arguments) if "$" not in word]
    raise AssertionError("no RUN make in the Dockerfile")


def test_the_environment_is_made_from_what_is_copied_before(tmp_path):
    """With the files of the COPY lines alone, in their order, make knows what to install."""
    words = copy_until_make(tmp_path)
    done = subprocess.run(["make", "-n", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--require-hashes -r requirements/env.txt" in done.stdout
    assert "--editable ." in done.stdout
    described = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    assert (tmp_path / described["readme"]).is_file(), "the package cannot be built without its readme"


@pytest.mark.skipif(
    "BABYLM_BUILD" not in os.environ, reason="installs 2 GB from the package index: BABYLM_BUILD=1 runs it"
)
@pytest.mark.timeout(1800)
def test_it_builds(tmp_path):
    """By docker where its daemon answers, else its steps in a fresh virtual environment."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "version"], capture_output=True, check=False).returncode == 0:
        subprocess.run([docker, "build", "--tag", "babylm-test", "."], cwd=ROOT, check=True)
        subprocess.run([docker, "run", "--rm", "babylm-test"], check=True)
        return
    words = copy_until_make(tmp_path)
    subprocess.run(words, cwd=tmp_path, check=True)
    command = next(arguments for name, arguments in instructions() if name == "CMD")
    python, *rest = json.loads(command)
    done = subprocess.run(
        [tmp_path / ".venv/bin" / python, *rest], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "babylm.train CONFIG" in done.stdout


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
