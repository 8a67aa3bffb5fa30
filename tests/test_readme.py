"""The README's files exist, its promises name tests that exist; its commands are run by test_commands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


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
