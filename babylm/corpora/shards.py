"""The packed corpus on disk: ``corpora/prepared/<fingerprint>/``, memory-mapped and never half there.

``tokens.bin`` holds the documents one after the other (no BOS), ``words.bin`` how many rule words end in each token,
``offsets.bin`` where documents begin, ``document_sources.bin`` where each comes from; beside them the tokenizer and
the datasheet. ``manifest.json`` is written last and holds counts, sizes and checksums. Sizes are checked at every
opening, checksums when asked.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from babylm import files
from babylm.corpora.encoding import Encoder
from babylm.corpora.sources import Document

FORMAT = 1
"""Version of this layout; part of the fingerprint."""
TOKENIZER = "tokenizer"
_ARRAYS = ("tokens", "words", "offsets", "document_sources")


@dataclass(frozen=True)
class Shards:
    """A prepared corpus, opened. Arrays are read-only memory maps with the layout of
    :class:`babylm.corpora.encoding.Encoded`.
    """

    folder: Path
    manifest: dict[str, Any]
    tokens: NDArray[Any]
    words: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    document_sources: NDArray[np.uint8]

    @property
    def fingerprint(self) -> str:
        """Names text, cleaning, tokenizer settings and format: equal fingerprints hold equal bytes."""
        return self.manifest["fingerprint"]

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources, in the order ``document_sources`` counts them."""
        return tuple(source["name"] for source in self.manifest["sources"])

    @property
    def word_count(self) -> int:
        """Rule words of the text as the model reads it (after cleaning)."""
        return self.manifest["words"]

    @property
    def token_count(self) -> int:
        """Tokens, BOS not included."""
        return self.manifest["tokens"]

    @property
    def document_count(self) -> int:
        """Documents."""
        return self.manifest["documents"]

    @property
    def vocabulary(self) -> int:
        """Entries of the tokenizer: every id is below it. A small corpus may fill fewer than asked for."""
        return self.manifest["tokenizer"]["vocabulary"]

    @property
    def tokenizer_folder(self) -> Path:
        """The Hugging Face tokenizer folder."""
        return self.folder / TOKENIZER

    @classmethod
    def open(cls, folder: str | Path, verify: bool = False) -> Shards:
        """Open a prepared folder; ``verify`` reads every byte and compares checksums.

        ``ValueError`` names the damaged or missing file and how to rebuild it.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name, file in manifest["files"].items():
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size != file["bytes"]:
                found = "is missing" if size is None else f"has {size} bytes instead of {file['bytes']}"
                raise _damaged(path, found)
            if verify and files.sha256_file(path) != file["sha256"]:
                raise _damaged(path, "does not have the checksum it was written with")
        arrays = {
            name: np.memmap(folder / f"{name}.bin", dtype=np.dtype(manifest["dtypes"][name]), mode="r")
            for name in _ARRAYS
        }
        offsets = arrays["offsets"]
        if len(offsets) != manifest["documents"] + 1 or offsets[0] != 0 or offsets[-1] != manifest["tokens"]:
            raise _damaged(folder / "offsets.bin", "does not fit the manifest")
        return cls(folder, manifest, **arrays)


def write(
    folder: Path, tokenizer: Tokenizer, documents: Iterable[Document], names: Iterable[str] = ()
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Encode a stream of documents into the four array files of ``folder``; :func:`finish` then makes it a prepared
    corpus.

    ``names`` fixes the order of sources that are known beforehand. Returns the counts for the manifest, and how often
    each vocabulary entry occurs. Memory does not grow with the corpus, but for 9 bytes a document.
    """
    encoder = Encoder(tokenizer)
    vocabulary = tokenizer.get_vocab_size()
    occurrences = np.zeros(vocabulary, dtype=np.int64)
    sources: dict[str, int] = {name: i for i, name in enumerate(names)}
    totals: dict[str, list[int]] = {name: [0, 0, 0] for name in sources}
    offsets, document_sources = array("q", [0]), array("B")
    with open(folder / "tokens.bin", "wb") as tokens_file, open(folder / "words.bin", "wb") as words_file:
        for batch, encoded in encoder.stream(documents):
            counted = np.bincount(encoded.tokens, minlength=vocabulary)
            assert len(counted) == vocabulary, "a token id beyond the vocabulary"
            occurrences += counted
            encoded.tokens.tofile(tokens_file)
            encoded.words.tofile(words_file)
            offsets.extend((offsets[-1] + np.cumsum(encoded.lengths)).tolist())
            for document, length, words in zip(batch, encoded.lengths, encoded.word_counts, strict=True):
                index = sources.setdefault(document.source, len(sources))
                if index > 255:
                    raise ValueError("corpus.path: more than 256 source files; join some of them")
                document_sources.append(index)
                total = totals.setdefault(document.source, [0, 0, 0])
                total[0] += int(words)
                total[1] += int(length)
                total[2] += 1
    if not document_sources:
        raise ValueError("corpus: not a single word left to train on (empty files, or cleaning removed everything)")
    np.array(offsets, dtype=np.int64).tofile(folder / "offsets.bin")
    np.array(document_sources, dtype=np.uint8).tofile(folder / "document_sources.bin")
    by_source = [
        {"name": name, "words": words, "tokens": tokens, "documents": count}
        for name, (words, tokens, count) in totals.items()
    ]
    counts: dict[str, Any] = {key: sum(source[key] for source in by_source) for key in ("words", "tokens", "documents")}
    dtypes = {"tokens": encoder.dtype.name, "words": "uint8", "offsets": "int64", "document_sources": "uint8"}
    return {**counts, "sources": by_source, "dtypes": dtypes}, occurrences


def finish(folder: Path, manifest: dict[str, Any]) -> None:
    """Add sizes and checksums of everything in ``folder`` and write the manifest, the last file."""
    entries = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": files.sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files.write_json(folder / files.MANIFEST, {"format": FORMAT, **manifest, "files": entries})


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / files.MANIFEST
    if not path.is_file():
        raise _damaged(path, "is missing")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"is unreadable ({error})") from error
    if version != FORMAT:
        raise _damaged(path, f"has format {version}, this version of babylm reads format {FORMAT}")
    return manifest


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(f"{path} {what}. Rebuild the prepared corpus with: python -m babylm.prepare CONFIG")
