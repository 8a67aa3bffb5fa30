"""Prepare the text of a run: read, count words, train the tokenizer, encode, pack; training does it too if needed.

    python -m babylm.prepare CONFIG [key=value ...]

    python -m babylm.prepare configs/strict_small.yaml
    python -m babylm.prepare configs/strict_small.yaml tokenizer.vocab_size=8192
    python -m babylm.prepare configs/laptop.yaml corpus.path=my/transcripts corpus.cleaning=[strip_chat]

A corpus that is packed already is checked byte by byte, and rebuilt if damaged. Prints the datasheet, how the tokenizer
fits the text, and the folder, which is named after everything its content depends on. Which files are read, the
cleaning functions, and a tokenizer of your own: corpora/README.md.

Exit codes: 0 done; 1 an unexpected error; 2 wrong configuration or corpus.
"""

from __future__ import annotations

from typing import Any

from babylm import cli, console, files
from babylm.config.schema import Config
from babylm.tables import text_table


def main(config: Config) -> int:
    """Prepare the corpus of a configuration and print its datasheet."""
    from babylm.corpora.build import prepare

    log = console.Log()
    corpus = prepare(config.corpus, config.tokenizer, log)
    sheet = files.read_json(corpus.folder / "datasheet.json")
    log()
    log(_datasheet(sheet, corpus.manifest))
    if config.corpus.cleaning:
        log(f"  words before cleaning: {corpus.manifest['raw_words']:,}; after: {corpus.word_count:,}")
    log()
    log(_tokenizer(corpus.manifest["tokenizer"]["quality"]))
    log()
    log(f"prepared: {corpus.folder}")
    return 0


def _datasheet(sheet: dict[str, Any], manifest: dict[str, Any]) -> str:
    read = {source["name"]: source for source in manifest["sources"]} | {"total": manifest}
    per_word = {name: f"{row['tokens'] / max(row['words'], 1):.2f}" for name, row in read.items()}
    rows = [
        (
            name,
            f"{row['words']:,}",
            f"{row['lines']:,}",
            f"{row['documents']:,}",
            f"{row['types']:,}",
            f"{row['words_per_line']['mean']:.1f}",
            f"{row['characters_per_word']:.1f}",
            f"{row['duplicate_line_share']:.1%}",
            per_word.get(name, ""),
        )
        for name, row in [*sheet["sources"].items(), ("total", sheet["total"])]
    ]
    header = (
        *("source", "words", "lines", "documents", "types"),
        *("words/line", "characters/word", "duplicates", "tokens/word"),
    )
    return text_table(header, rows)


def _tokenizer(quality: dict[str, Any]) -> str:
    return (
        f"  tokenizer: {quality['vocabulary']:,} entries, {quality['tokens_per_word']:.3f} tokens per word, "
        f"{quality['unused_entries']:,} unused and {quality['rare_entries']:,} rare (below 20) entries, "
        f"{quality['single_byte_share']:.2%} single letters"
    )


if __name__ == "__main__":
    cli.leave(cli.config_command(__doc__, main))
