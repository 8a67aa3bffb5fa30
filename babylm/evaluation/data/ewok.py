"""EWoK's items, filtered as officially, built from the gated source by the user's own access and shipped by nobody.

An item stays when every word of it is in the official vocabulary, which is fetched from the official repository and
checked by its hash; words are what ``nltk.word_tokenize`` calls so. Each item is followed by its twin, contexts and
targets exchanged.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import first_line
from babylm.evaluation.data import fetch

SOURCE = "ewok-core/ewok-core-1.0"
VOCABULARY = (
    "https://raw.githubusercontent.com/babylm/evaluation-pipeline-2025/"
    "bf55c1131e53654c2a87418f5629c26959acd710/evaluation_pipeline/ewok/vocab.txt"
)
VOCABULARY_SHA256 = "f812e2f4b723598964d3cbbd860e7b18a8d7e4902859fe74f4a6104694a41ceb"
LINES = 7618
"""In the official filtered set."""
TEXTS = ("Context1", "Context2", "Target1", "Target2")


def build(folder: Path) -> str:
    """Write ``folder/<domain>.jsonl``; returns what to tell. ``ValueError`` without access, network or nltk."""
    words = _tokenizer()
    try:
        import datasets

        rows: Any = datasets.load_dataset(SOURCE, split="test")
    except Exception as error:  # offline, or without access, the libraries raise errors of several libraries
        raise ValueError(
            f"--get source=ewok: {SOURCE} could not be downloaded ({first_line(error)}). Accept its terms on "
            f"https://huggingface.co/datasets/{SOURCE}, log in (hf auth login), and repeat"
        ) from None
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "vocab.txt"
        fetch.download(VOCABULARY, file, sha256=VOCABULARY_SHA256)
        vocabulary = {line.strip() for line in file.read_text(encoding="utf-8").splitlines()}
    domains = filtered(rows, vocabulary, words)
    with files.atomic_folder(folder) as work:
        for domain, rows_of_domain in domains.items():
            text = "".join(json.dumps(line) + "\n" for line in rows_of_domain)
            files.write_text(work / f"{domain}.jsonl", text)
    count = sum(map(len, domains.values()))
    note = "" if count == LINES else f", not the {LINES} of the official set: another version of the source or of nltk?"
    return f"EWoK: {count} lines in {len(domains)} domains are in {folder}{note}"


def filtered(
    rows: Iterable[Mapping[str, Any]], vocabulary: set[str], words: Callable[[str], list[str]]
) -> dict[str, list[dict[str, Any]]]:
    """The items by domain whose words are all known, each followed by its twin."""
    domains: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if all(word in vocabulary for key in TEXTS for word in words(row[key].lower())):
            exchanged = dict(
                zip(TEXTS, (row[key] for key in ("Context2", "Context1", "Target2", "Target1")), strict=True)
            )
            domains.setdefault(row["Domain"], []).extend([dict(row), dict(row) | exchanged])
    return domains


def _tokenizer() -> Callable[[str], list[str]]:
    try:
        import nltk
    except ImportError:
        raise ValueError("--get source=ewok: the official filter cuts words with nltk: pip install nltk") from None
    try:
        nltk.word_tokenize("a b.")
    except LookupError:
        if not nltk.download("punkt_tab", quiet=True):
            raise ValueError("--get source=ewok: nltk cannot download its punkt_tab; see nltk.org/data") from None
    return nltk.word_tokenize
