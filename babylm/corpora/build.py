"""Build a packed corpus from raw text: read, train the tokenizer, encode, describe, pack; or open a complete one.

The folder's name is a fingerprint of everything its bytes depend on, so a folder is never reused only because it
exists. Of two processes that prepare the same corpus at once, the second waits and opens the first one's result.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from babylm import environment, files, locks, places
from babylm.config.schema import CorpusConfig, TokenizerConfig
from babylm.corpora import cleaning, datasheet, given_tokenizer, packed_corpus, sources
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.documents import Document
from babylm.corpora.packed_corpus import PackedCorpus
from babylm.corpora.sources import Source

Report = Callable[[str], None]


def prepare(
    corpus: CorpusConfig,
    tokenizer: TokenizerConfig,
    report: Report = lambda line: None,
    held_out: bool = True,
) -> PackedCorpus:
    """Open the prepared corpus of these settings, building it when it is absent or damaged.

    ``report`` receives one line per stage and per warning; ``held_out=False``: ``corpus.dev`` and ``corpus.test`` will
    not be read, so they are not looked at. ``ValueError`` for whatever the user can mend: no files,
    bad bytes, held-out text that is missing or trained on, a tokenizer that lacks something, a folder that cannot be
    written.
    """
    clean = cleaning.cleaner(corpus.cleaning)
    _check_roles(tokenizer)
    source = sources.read(corpus)
    if held_out:
        sources.check_held_out(corpus, source)
    for note in source.notes:
        report(f"warning: {note}")
    parts = fingerprint_parts(corpus, tokenizer, source)
    fingerprint = files.sha256_json(parts)[:16]
    folder = places.given(corpus.prepared) / fingerprint
    damage = ""
    with _writable(folder.parent, lambda: damage), _lock(folder, report):
        opened = None
        if os.path.lexists(folder):
            try:
                opened = PackedCorpus.open(folder)
            except ValueError as error:
                damage = str(error)
                report(f"{error} Rebuilding it now.")
            else:
                report(f"prepared corpus {folder}: {opened.word_count:,} words, {opened.token_count:,} tokens")
        if opened is None:
            made_of = {"fingerprint": fingerprint, "made_of": parts}
            with files.atomic_folder(folder) as work:
                _build(work, source, corpus, tokenizer, clean, made_of, report)
            opened = PackedCorpus.open(folder)
    for line in datasheet.warnings(files.read_json(folder / packed_corpus.DATASHEET), corpus.cleaning):
        report(f"warning: {line}")
    return opened


def _check_roles(tokenizer: TokenizerConfig) -> None:
    if tokenizer.path is None:
        for role in tokenization.ROLES:
            if getattr(tokenizer, role) is not None:
                raise ValueError(
                    f"tokenizer.{role}: names a token of the tokenizer given by tokenizer.path; the one that is "
                    f"trained here calls it {tokenization.ROLES[role]}"
                )


def fingerprint_parts(corpus: CorpusConfig, tokenizer: TokenizerConfig, source: Source) -> dict[str, Any]:
    """Everything that the packed bytes depend on, for the fingerprint."""
    settings: dict[str, Any] = {
        "vocabulary": tokenizer.vocab_size,
        "normalization": tokenizer.normalization,
        "min_frequency": tokenizer.min_frequency,
        "split": tokenization.SPLIT,
        "special_tokens": list(tokenization.SPECIAL_TOKENS),
    }
    if tokenizer.path is not None:
        settings = given_tokenizer.fingerprint_parts(tokenizer)
    plugins = cleaning.plugin_files(corpus.cleaning)
    return {
        **({"cleaner code": plugins} if plugins else {}),
        "format": packed_corpus.FORMAT,
        "corpus": source.identity,
        "cleaning": list(corpus.cleaning),
        "document_words": corpus.document_words,
        # Named only if it is not the default: corpora prepared before the setting existed are still right.
        **({"documents": corpus.documents} if corpus.documents != "blocks" else {}),
        "tokenizer": settings,
    }


def _build(
    work: Path,
    source: Source,
    corpus: CorpusConfig,
    config: TokenizerConfig,
    clean: cleaning.Cleaning,
    manifest: dict[str, Any],
    report: Report,
) -> None:
    tokenizer, roles = _tokenizer(source, config, clean, report)
    tokenization.save(tokenizer, work / packed_corpus.TOKENIZER, roles)
    report("encoding")
    sheet = datasheet.Datasheet(source.files)
    names = [file.name for file in source.files]
    forbidden = {tokenizer.get_vocab()[roles[role]] for role in ("bos", "pad", "mask")}
    documents = _cleaned(source, clean, sheet)
    counts, occurrences = packed_corpus.write(work, tokenizer, documents, names, sorted(forbidden))
    described = sheet.as_dict()
    files.write_json(work / packed_corpus.DATASHEET, described)
    files.write_text(work / packed_corpus.DATASHEET_TEXT, datasheet.as_markdown(described))
    for row in counts["sources"]:
        row["raw_words"] = described["sources"][row["name"]]["words"]
    vocabulary = {
        "vocabulary": tokenization.size(tokenizer),
        "sha256": files.sha256_file(work / packed_corpus.TOKENIZER / "tokenizer.json"),
        "quality": tokenization.describe(tokenizer, occurrences, counts["words"]),
    }
    unknown = 0 if "unk" not in roles else int(occurrences[tokenizer.token_to_id(roles["unk"])])
    if unknown:
        report(
            f"warning: {unknown:,} of {counts['tokens']:,} tokens ({unknown / counts['tokens']:.2%}) are {roles['unk']}"
            ": the tokenizer cannot spell this text"
        )
    made_with = {name: environment.record()["packages"].get(name) for name in ("tokenizers", "numpy")}
    packed_corpus.finish(
        work, {**manifest, **counts, "raw_words": sheet.words, "tokenizer": vocabulary, "made_with": made_with}
    )
    report(f"prepared {counts['words']:,} words as {counts['tokens']:,} tokens in {counts['documents']:,} documents")


def _cleaned(source: Source, clean: cleaning.Cleaning, sheet: datasheet.Datasheet) -> Iterator[Document]:
    """The cleaned documents, to be encoded; the datasheet counts the raw ones."""
    if clean.of_lines:  # then documents are cut elsewhere: the raw ones are read separately
        for _ in sheet.watch(source.documents()):
            pass
        documents = source.documents(clean.lines)
    else:
        documents = sheet.watch(source.documents())
    for document in documents:
        yield Document(document.source, sheet.cleaned(clean.text(document.text)))


def _tokenizer(
    source: Source, config: TokenizerConfig, clean: cleaning.Cleaning, report: Report
) -> tuple[Tokenizer, dict[str, str]]:
    if config.path is not None:
        return given_tokenizer.read(config, report)
    report(f"training a tokenizer of {config.vocab_size:,} entries")
    texts = (clean.text(document.text) for document in source.documents(clean.lines if clean.of_lines else None))
    return tokenization.train(texts, config), dict(tokenization.ROLES)


@contextmanager
def _writable(folder: Path, damage: Callable[[], str]) -> Iterator[None]:
    """Raise errors of writing below ``folder`` as ValueError with a remedy; ``damage``: why it must be rebuilt."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        wrong = error.strerror or str(error)
        remedy = (
            "make room there, or set corpus.prepared=FOLDER on another disk"
            if full
            else ("set corpus.prepared=FOLDER to a place that you can write to")
        )
        where = error.filename if error.filename is not None else folder
        because = f"{damage()} It cannot be rebuilt in place: " if damage() else ""
        raise ValueError(f"{because}{where}: {wrong}; nothing was prepared: {remedy}") from error


@contextmanager
def _lock(folder: Path, report: Report) -> Iterator[None]:
    """Hold the lock of a packed folder; without locks in the file system, no lock (the rename is atomic anyway).

    So is a place that cannot be written to if the folder exists: it is only read.
    """
    lock = folder.with_name(f".{folder.name}.lock")
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            waits = locks.hold(lock, lambda: report(f"another process is preparing {folder}: waiting for it"))
            stack.enter_context(waits)
        except OSError:
            if not folder.exists():
                raise
        yield
