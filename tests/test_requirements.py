"""What `make env` installs: one version per package and platform, with hashes, within the bounds, without CUDA."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = [Requirement(text) for text in (*PROJECT["dependencies"], *EXTRAS["eval"])]
INSTALLED = [*CORE, *(Requirement(text) for text in (*EXTRAS["dev"], *EXTRAS["report"]))]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def locked(file):
    """(requirement, its hashes) of every entry."""
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n| *#.*$", "", file.read_text(encoding="utf-8"), flags=re.M))
    for entry in filter(None, map(str.strip, entries)):
        yield Requirement(entry.split("\\")[0].strip()), re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.stem)
def test_every_entry_is_one_version_with_hashes(file):
    entries = list(locked(file))
    assert entries
    for requirement, hashes in entries:
        assert re.fullmatch(r"==[^*]+", str(requirement.specifier)), requirement
        assert hashes, requirement


def test_the_lock_keeps_the_bounds_and_leaves_torch_to_the_machine():
    entries = {}
    for requirement, _ in locked(ROOT / "requirements" / "env.txt"):
        entries.setdefault(requirement.name, []).append(requirement)
    cuda = re.compile(r"torch$|triton|nvidia|cuda")
    assert [name for name in entries if cuda.match(name)] == []
    for bound in INSTALLED:
        for requirement in entries.get(bound.name, []):
            (version,) = (part.version for part in requirement.specifier)
            assert bound.specifier.contains(version), (bound, version)
        assert bound.name in entries or bound.name == "torch", bound


def test_what_results_depend_on_has_upper_bounds():
    """A new minor version of transformers has changed what generate computes."""
    assert [str(bound) for bound in CORE if not any(part.operator == "<" for part in bound.specifier)] == []


def test_the_makefile_and_the_load_check_agree_on_the_overlays():
    from babylm.submission import load_check

    names = (ROOT / "Makefile").read_text(encoding="utf-8").split("COMPAT := ")[1].splitlines()[0].split()
    assert sorted(path.name for path in load_check.OVERLAYS.values()) == sorted(names)
    for version, path in load_check.OVERLAYS.items():
        versions = {entry.name: str(entry.specifier) for entry, _ in locked(ROOT / "requirements" / f"{path.name}.txt")}
        assert versions["transformers"] == f"=={version}"
