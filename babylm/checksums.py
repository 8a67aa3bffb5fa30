"""A checksum inside each JSON object that decides what comes after it, so that a changed byte is noticed.

A disk or a hand may change a digit and leave valid JSON: a kept reward or result would then be another one, in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babylm import files

KEY = "content_sha256"


def add(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` as JSON will give it back, with the SHA-256 of all other keys under `KEY`.

    >>> sorted(add({"reward": 0.5}))
    ['content_sha256', 'reward']
    """
    plain = json.loads(json.dumps({key: value for key, value in content.items() if key != KEY}))
    return {**plain, KEY: files.sha256_json(plain)}


def verify(content: Mapping[str, Any], file: Path, remedy: str = "", line: int | None = None) -> dict[str, Any]:
    """``content`` without its checksum; content without one (from elsewhere) is taken as it is.

    Raises:
        files.DamagedFile: It is not what was written.

    >>> verify(add({"reward": 0.5}), Path("round.jsonl"))
    {'reward': 0.5}
    >>> verify({**add({"reward": 0.5}), "reward": 0.9}, Path("round.jsonl"), "remove it", line=3)
    Traceback (most recent call last):
    ...
    babylm.files.DamagedFile: round.jsonl: line 3: its content is not what was written; remove it
    """
    plain = {key: value for key, value in content.items() if key != KEY}
    checksum = content.get(KEY)
    if checksum is not None and checksum != files.sha256_json(plain):
        where = f"{file}: line {line}" if line is not None else str(file)
        raise files.DamagedFile(f"{where}: its content is not what was written" + (f"; {remedy}" if remedy else ""))
    return plain
