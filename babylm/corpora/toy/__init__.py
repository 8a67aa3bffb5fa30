"""The bundled corpus: a grammar that writes child-level English, any number of words from a seed, and tests on it.

:func:`write` gives dialogues, stories and facts; :func:`minimal_pairs` gives pairs of a right and a wrong sentence
built on word combinations that no text of any seed holds (see ``vocabulary.py``). Everything is a pure function of the
seed: the same on every machine, in every process and Python version.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babylm.corpora.documents import Document
from babylm.corpora.toy import texts
from babylm.corpora.toy.grammar import Grammar
from babylm.corpora.toy.pairs import minimal_pairs, write_pairs

__all__ = ["minimal_pairs", "version", "write", "write_pairs"]


def write(words: int, seed: int) -> Iterator[Document]:
    """At least this many words (the last document may pass it), documents of three sources mixed."""
    kinds = [(name, make) for name, make, weight in texts.KINDS for _ in range(weight)]
    written = index = 0
    while written < words:
        # A generator a document: the first documents do not depend on how many follow.
        g = Grammar(random.Random(f"toy corpus {seed} {index}"))
        name, make = g.pick(kinds)
        text = make(g)
        written += len(text.split())
        index += 1
        yield Document(name, text)


@cache
def version() -> str:
    """Checksum of the grammar's own source code: a changed grammar is a different corpus."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
