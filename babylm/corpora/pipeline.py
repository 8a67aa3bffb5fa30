"""Raw text to prepared shards: read, train the tokenizer, encode, describe, pack. Opens what is there when it is
complete.

The folder's name is a fingerprint of everything its bytes depend on, so nothing is ever reused because "it exists".
Two processes that prepare the same corpus at once take turns, and the second one opens what the first one wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from babylm import environment, files
from babylm.corpora import cleaning, datasheet, shards, sources
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.shards import Shards
from babylm.corpora.sources import Document, Source
from babylm.sections import CorpusConfig, TokenizerConfig


def prepare(
    corpus: CorpusConfig,
    tokenizer: TokenizerConfig,
    report: Callable[[str], None] = lambda line: None,
    verify: bool = False,
) -> Shards:
    """Open the prepared corpus of these settings, building it when it is absent or damaged.

    ``report`` receives one line a stage. ``verify`` also compares the checksums of what is there. ``ValueError`` for
    whatever the user can mend (no files, bad bytes, unknown cleaning, a vocabulary too small).
    """
    clean = cleaning.cleaner(corpus.cleaning)
    source = sources.read(corpus)
    for file in source.files:
        if file.bytes == 0:
            report(f"warning: {file.path} is empty")
    parts = _parts(corpus, tokenizer, source)
    fingerprint = files.sha256_json(parts)[:16]
    folder = Path(corpus.prepared) / fingerprint
    with _turn(folder):
        if folder.exists():
            try:
                opened = Shards.open(folder, verify=verify)
            except ValueError as error:
                report(f"{error} Rebuilding it now.")
            else:
                report(f"prepared corpus {folder}: {opened.word_count:,} words, {opened.token_count:,} tokens")
                return opened
        with files.atomic_folder(folder) as work:
            _build(work, source, corpus, tokenizer, clean, {"fingerprint": fingerprint, "made_of": parts}, report)
    return Shards.open(folder)


def _parts(corpus: CorpusConfig, tokenizer: TokenizerConfig, source: Source) -> dict[str, Any]:
    """Everything the prepared bytes depend on."""
    settings = {
        "vocabulary": tokenizer.vocabulary,
        "normalization": tokenizer.normalization,
        "min_frequency": tokenizer.min_frequency,
        "split": tokenization.SPLIT,
        "special_tokens": list(tokenization.SPECIAL_TOKENS),
    }
    if tokenizer.path is not None:
        settings = {"sha256": files.sha256_json(tokenization.load(tokenizer.path).to_str())}
    return {
        "format": shards.FORMAT,
        "corpus": source.identity,
        "cleaning": list(corpus.cleaning),
        "document_words": corpus.document_words,
        "tokenizer": settings,
    }


def _build(
    work: Path,
    source: Source,
    corpus: CorpusConfig,
    config: TokenizerConfig,
    clean: Callable[[str], str],
    manifest: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    tokenizer = _tokenizer(source, config, clean, report)
    tokenization.save(tokenizer, work / shards.TOKENIZER)
    report("encoding")
    sheet = datasheet.Datasheet(source.files)
    documents = (Document(d.source, clean(d.text)) for d in sheet.watch(source.documents()))
    names = [file.name for file in source.files]
    counts, occurrences = shards.write(work, tokenizer, documents, names)
    described = sheet.as_dict()
    files.write_json(work / "datasheet.json", described)
    files.write_text(work / "datasheet.md", datasheet.as_markdown(described))
    for row in counts["sources"]:
        row["raw_words"] = described["sources"][row["name"]]["words"]
    vocabulary = {
        "vocabulary": tokenizer.get_vocab_size(),
        "sha256": files.sha256_file(work / shards.TOKENIZER / "tokenizer.json"),
        "quality": tokenization.describe(tokenizer, occurrences, counts["words"]),
    }
    made_with = {name: environment.record()["packages"].get(name) for name in ("tokenizers", "numpy")}
    shards.finish(
        work, {**manifest, **counts, "raw_words": sheet.words, "tokenizer": vocabulary, "made_with": made_with}
    )
    report(f"prepared {counts['words']:,} words as {counts['tokens']:,} tokens in {counts['documents']:,} documents")


def _tokenizer(
    source: Source, config: TokenizerConfig, clean: Callable[[str], str], report: Callable[[str], None]
) -> Tokenizer:
    if config.path is not None:
        return tokenization.load(config.path)
    report(f"training a tokenizer of {config.vocabulary:,} entries")
    return tokenization.train((clean(document.text) for document in source.documents()), config)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold the lock of a prepared folder; a file system without locks is used without (the rename still is atomic).

    So is a place that cannot be written to, when the folder is there: it is only read.
    """
    import fcntl

    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(folder.with_name(f".{folder.name}.lock"), "w"))
        except OSError:
            if not folder.exists():
                raise
        else:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
