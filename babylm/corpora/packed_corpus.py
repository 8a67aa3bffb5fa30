"""The packed corpus on disk: ``corpora/prepared/<fingerprint>/``, memory-mapped, complete or absent.

``tokens.bin`` holds the documents one after the other (no BOS), ``words.bin`` how many rule words end in each token,
``offsets.bin`` where documents begin, ``document_sources.bin`` the source of each; beside them are the tokenizer and
the datasheet. ``manifest.json`` is written last and holds counts, sizes and checksums. All of it is checked at every
opening: 100M words (0.5 GB) take 0.4 s of a core.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from babylm import files
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.documents import Document
from babylm.corpora.encoding import Encoder, index_dtype

FORMAT = 1
"""Version of this layout; part of the fingerprint."""
TOKENIZER = "tokenizer"
DATASHEET, DATASHEET_TEXT = "datasheet.json", "datasheet.md"
_ARRAYS = ("tokens", "words", "offsets", "document_sources")
_DTYPES = ("uint8", "uint16", "uint32", "int64")


@dataclass(frozen=True)
class PackedCorpus:
    """An opened packed corpus; its arrays are read-only memory maps, as in `babylm.corpora.encoding.Encoded`."""

    folder: Path
    manifest: dict[str, Any]
    tokens: NDArray[Any]
    words: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    document_sources: NDArray[Any]

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
    def open(cls, folder: str | Path) -> PackedCorpus:
        """Open a packed folder, after checking every byte of it.

        Raises:
            files.DamagedFile: A file is missing or damaged; the message names it and how to rebuild it.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name, file in manifest["files"].items():
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size != file["bytes"]:
                raise _damaged(path, "is missing" if size is None else f"has {size} bytes instead of {file['bytes']}")
            if files.sha256_file(path) != file["sha256"]:
                raise _damaged(path, "does not have the checksum it was written with")
        if strange := _strange_file(folder, manifest):
            raise _damaged(strange, "is no file of a prepared corpus, and would be copied into every revision")
        arrays = {
            name: np.memmap(folder / f"{name}.bin", dtype=np.dtype(manifest["dtypes"][name]), mode="r")
            for name in _ARRAYS
        }
        offsets = arrays["offsets"]
        if len(offsets) != manifest["documents"] + 1 or offsets[0] != 0 or offsets[-1] != manifest["tokens"]:
            raise _damaged(folder / "offsets.bin", "does not fit the manifest")
        if int(arrays["words"].sum(dtype=np.int64)) != manifest["words"]:
            raise _damaged(folder / "words.bin", "does not fit the manifest")
        return cls(folder, manifest, **arrays)


def write(
    folder: Path,
    tokenizer: Tokenizer,
    documents: Iterable[Document],
    names: Iterable[str] = (),
    forbidden: Iterable[int] = (),
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Encode a stream of documents into the four array files of ``folder``; `finish` then makes it a packed corpus.

    ``ValueError`` when no word is left, and when text becomes one of the ``forbidden`` token ids (a user's tokenizer
    may read a spelt-out ``<s>`` as the token, whatever it is asked). ``names`` fixes the order of sources that are
    known beforehand. Returns the counts for the manifest, and how often each vocabulary entry occurs. Memory does not
    grow with the corpus, but for 12 bytes per document.
    """
    encoder = Encoder(tokenizer)
    vocabulary = tokenization.size(tokenizer)
    occurrences = np.zeros(vocabulary, dtype=np.int64)
    sources: dict[str, int] = {name: i for i, name in enumerate(names)}
    totals: dict[str, list[int]] = {name: [0, 0, 0] for name in sources}
    offsets, document_sources = array("q", [0]), array("I")
    with open(folder / "tokens.bin", "wb") as tokens_file, open(folder / "words.bin", "wb") as words_file:
        for batch, encoded in encoder.stream(documents):
            counted = np.bincount(encoded.tokens, minlength=vocabulary)
            assert len(counted) == vocabulary, "a token id beyond the vocabulary"
            occurrences += counted
            tokens_file.write(encoded.tokens.data)  # tofile's errors do not say that the disk is full
            words_file.write(encoded.words.data)
            offsets.extend((offsets[-1] + np.cumsum(encoded.lengths)).tolist())
            for document, length, words in zip(batch, encoded.lengths, encoded.word_counts, strict=True):
                index = sources.setdefault(document.source, len(sources))
                document_sources.append(index)
                total = totals.setdefault(document.source, [0, 0, 0])
                total[0] += int(words)
                total[1] += int(length)
                total[2] += 1
    if not document_sources:
        raise ValueError("corpus: not a single word left to train on (empty files, or cleaning removed everything)")
    if spelt := [f"{tokenizer.id_to_token(i)} {occurrences[i]:,} times" for i in forbidden if occurrences[i]]:
        raise ValueError(
            f"tokenizer.path: this tokenizer reads text as special tokens ({', '.join(spelt)}), which mark where "
            "documents begin and end; remove them from the text (corpus.cleaning=[drop_special_tokens])"
        )
    source_dtype = index_dtype(len(sources))
    (folder / "offsets.bin").write_bytes(np.array(offsets, dtype=np.int64).data)
    (folder / "document_sources.bin").write_bytes(np.array(document_sources, dtype=source_dtype).data)
    by_source = [
        {"name": name, "words": words, "tokens": tokens, "documents": count}
        for name, (words, tokens, count) in totals.items()
    ]
    counts: dict[str, Any] = {key: sum(source[key] for source in by_source) for key in ("words", "tokens", "documents")}
    dtypes = {"tokens": encoder.dtype.name, "words": "uint8", "offsets": "int64", "document_sources": source_dtype.name}
    return {**counts, "sources": by_source, "dtypes": dtypes}, occurrences


def finish(folder: Path, manifest: dict[str, Any]) -> None:
    """Add sizes and checksums of everything in ``folder`` and write the manifest, the last file."""
    entries = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": files.sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files.write_json(folder / files.MANIFEST, {"format": FORMAT, **manifest, "files": entries})


_REMEDY = "Rebuild the prepared corpus with: python -m babylm.prepare CONFIG"


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / files.MANIFEST
    manifest = files.read_json(path, _REMEDY)
    if manifest.get("format") != FORMAT:
        raise _damaged(path, f"has format {manifest.get('format')}, this version of babylm reads format {FORMAT}")
    expected = {"fingerprint": str, "words": int, "tokens": int, "documents": int, "sources": list, "tokenizer": dict}
    for key, kind in (expected | {"files": dict, "dtypes": dict}).items():
        if not isinstance(manifest.get(key), kind):
            raise _damaged(path, f"has no proper {key!r}")
    names = {f"{name}.bin" for name in _ARRAYS}
    entries = manifest["files"].values()
    if not (
        names <= manifest["files"].keys()
        and all(isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in entries)
        and all(manifest["dtypes"].get(name) in _DTYPES for name in _ARRAYS)
    ):
        raise _damaged(path, "does not list the files of a prepared corpus")
    return manifest


def _strange_file(folder: Path, manifest: dict[str, Any]) -> Path | None:
    """The first link, or file that the manifest does not list, in the tokenizer's folder; None if there is none."""
    for path in sorted((folder / TOKENIZER).iterdir()):
        if path.is_symlink() or str(path.relative_to(folder)) not in manifest["files"]:
            return path
    return None


def read_datasheet(folder: Path) -> str:
    """The datasheet of a prepared corpus as Markdown, to be published.

    Raises:
        files.DamagedFile: It is not what `finish` has seen, or a link: anybody's file could be behind it.
    """
    path, entry = folder / DATASHEET_TEXT, _read_manifest(folder)["files"].get(DATASHEET_TEXT)
    if path.is_symlink():
        raise _damaged(path, "is a link")
    text = files.read_text(path, _REMEDY)
    if entry is None or files.sha256_file(path) != entry["sha256"]:
        raise _damaged(path, "does not have the checksum it was written with")
    return text


def _damaged(path: Path, what: str) -> files.DamagedFile:
    return files.DamagedFile(f"{path} {what}. {_REMEDY}")
