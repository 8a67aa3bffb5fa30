"""Minimal pairs in BLiMP's schema: a folder of ``*.jsonl`` with ``sentence_good`` and ``sentence_bad`` in each line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babylm.evaluation.results import Item, Result, choose
from babylm.evaluation.scorer import Scorer


def read(folder: Path, limit: int | None = None) -> list[Item]:
    """The pairs of all files of ``folder``, by file name; at most ``limit`` a file, evenly spaced.

    ``ValueError`` for a folder without files and for a line that is no pair, with its place.
    """
    files = sorted(Path(folder).glob("*.jsonl"))
    if not files:
        raise ValueError(f"{folder}: no minimal pairs there (*.jsonl)")
    items: list[Item] = []
    for file in files:
        pairs = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                pairs.append(_item(json.loads(line), file.stem))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{file}:{number}: not a minimal pair ({error!r})") from None
        items += evenly(pairs, limit)
    return items


def from_pairs(pairs: Mapping[str, Sequence[Mapping[str, Any]]], limit: int | None = None) -> list[Item]:
    """The same from memory: name -> lines."""
    return [item for name in sorted(pairs) for item in evenly([_item(pair, name) for pair in pairs[name]], limit)]


def score(scorer: Scorer, items: Sequence[Item]) -> Result:
    """Which sentence of each pair is likelier as a whole."""
    texts = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
    return choose(items, scorer.score(texts).log_probability)


def evenly(items: Sequence[Item], limit: int | None) -> list[Item]:
    """All items, or ``limit`` of them at even distances."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def official(data: Path, folders: Iterable[str], limit: int | None) -> list[Item]:
    """The pairs of the first of ``folders`` below ``data`` that exists; else a ``ValueError`` with their source."""
    folders = list(folders)
    for folder in folders:
        if (Path(data) / folder).is_dir():
            return read(Path(data) / folder, limit)
    raise ValueError(
        f"evaluation.data: {data} has no {' or '.join(folders)}; unpack the official evaluation data there "
        "(https://osf.io/ryjfm, its fast_eval and full_eval folders)"
    )


def _item(pair: Mapping[str, Any], name: str) -> Item:
    # As the official reader: files of BLiMP carry their UID, those of the supplement are named by it.
    uid = pair["UID"] if "field" in pair else name
    sentences = (str(pair["sentence_good"]), str(pair["sentence_bad"]))
    return Item(str(uid), sentences, sentences)
