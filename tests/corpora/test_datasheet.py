"""The datasheet's figures on a text small enough to count by hand."""

from pathlib import Path

import pytest

from babylm.config.schema import CorpusConfig
from babylm.corpora import datasheet, sources
from babylm.corpora.documents import Document
from babylm.corpora.sources import SourceFile


def test_figures():
    file = SourceFile("a", Path("somewhere/a.train"), 12, "abc")
    sheet = datasheet.Datasheet([file, SourceFile("empty", Path("empty.train"), 0, "0")])
    documents = [Document("a", "the cat\nthe dog sat"), Document("a", "the cat"), Document("b", "the cat \n\nno")]
    assert list(sheet.watch(documents)) == documents
    made = sheet.as_dict()
    a, b, total = made["sources"]["a"], made["sources"]["b"], made["total"]
    assert (a["words"], a["lines"], a["documents"], a["types"], a["duplicate_lines"]) == (7, 3, 2, 4, 1)
    assert a["words_per_line"] == {"mean": 2.333, "median": 2, "p95": 2, "max": 3}
    assert (a["file"], a["bytes"], a["sha256"]) == ("a.train", 12, "abc")
    assert (b["words"], b["lines"], b["types"], b["duplicate_lines"]) == (3, 2, 3, 0)
    assert (total["words"], total["types"], total["lines"], total["duplicate_lines"]) == (10, 5, 5, 2)
    assert made["sources"]["empty"]["words"] == 0
    assert sheet.words == 10


def test_lines_are_those_of_the_file_however_they_are_cut(tmp_path):
    long = " ".join(["word"] * 1234)
    (tmp_path / "a.train").write_text(f"one two\n{long}\nthree\n\n{long} more\n{long}\none two\n")
    (tmp_path / "b.train").write_text(long)
    made = {}
    for limit in (5, 100, 617, 10_000):
        source = sources.read(CorpusConfig(path=str(tmp_path), document_words=limit))
        sheet = datasheet.Datasheet(source.files)
        assert all(len(document.text.split()) <= limit for document in sheet.watch(source.documents()))
        a = sheet.as_dict()["sources"]["a"]
        made[limit] = [a[key] for key in ("words", "lines", "words_per_line", "duplicate_lines")]
        assert (a["lines"], a["duplicate_lines"], a["words_per_line"]["max"]) == (6, 2, 1235)
        total = sheet.as_dict()["total"]
        assert (total["lines"], total["duplicate_lines"]) == (7, 3)
    assert all(figures == made[10_000] for figures in made.values())


def test_markdown_has_a_row_a_source_and_the_checksums():
    sheet = datasheet.Datasheet([SourceFile("a", Path("a.train"), 12, "abc")])
    list(sheet.watch([Document("a", "one two")]))
    lines = datasheet.as_markdown(sheet.as_dict()).splitlines()
    assert "| a | 2 | 100.0% | 1 | 1 | 2 | 1.0000 | 2.0 | 3.5 | 0.0% |" in lines
    assert any(line.startswith("| total | 2 |") for line in lines)
    assert "- `a.train`: 12 bytes, SHA-256 `abc`" in lines


def warnings_of(text, *cleaners):
    sheet = datasheet.Datasheet()
    for document in sheet.watch([Document("a", text)]):
        sheet.cleaned(document.text)
    described = sheet.as_dict()
    warned = datasheet.warnings(described, cleaners)
    assert all(line in datasheet.as_markdown(described) for line in warned)
    return warned


@pytest.mark.parametrize(
    ("text", "divided"),
    [
        ("the cat sat on the mat\n", True),
        ("epäjärjestelmällistyttämättömyydellänsäkään on sana muiden joukossa\n", True),
        ("今天 天气 很 好 , 我们 去 公园\n", True),  # words set apart
        ("今天天气很好，我们去公园\n", False),
        ("你好\n我们去公园吧，好不好\n在哪里呢妈妈\n", False),
        ("วันนี้อากาศดีมาก เราไปสวนสาธารณะกันเถอะ\n", False),
        ("ACGTACGTACGTACGTACGTACGT TTTTACGATCGATCGATTTACG\n", False),
    ],
)
def test_text_that_white_space_does_not_divide_is_warned_of(text, divided):
    warned = warnings_of(text * 20)
    assert len(warned) == (0 if divided else 1)
    if not divided:
        words, characters = len((text * 20).split()), len(text * 20)
        assert f"({characters:,} characters, {words:,} words)" in warned[0]


def test_special_tokens_that_are_spelt_out_are_counted():
    (line,) = warnings_of("the <s> cat <s> [MASK] <|endoftext|> <b>bold</b> [laughs] a < b > c")
    assert "(<s> 2, [MASK] 1, <|endoftext|> 1)" in line
    assert "never as the tokens" in line


def test_formats_are_named_unless_their_cleaner_is_applied():
    chat = "@Begin\n*MOT:\tlook .\n%mor:\tv|look .\n@End"
    (line,) = warnings_of(chat)
    assert line.startswith(
        "a looks like CHAT transcripts (2 header lines, 1 dependent tiers): corpus.cleaning=[strip_chat]"
    )
    assert "subtitles (1 time codes)" in warnings_of("1\n00:00:01,000 --> 00:00:02,000\nhi there")[0]
    assert "Project Gutenberg" in warnings_of("*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\nEmma")[0]
    sheet = datasheet.Datasheet()
    list(sheet.watch([Document("a", chat)]))
    assert datasheet.warnings(sheet.as_dict(), ["strip_chat"]) == []


def test_a_stray_mark_is_no_format():
    lines = ["*MOT:\tlook ."] * 100
    assert (
        warnings_of("\n".join([*lines, "%add:\tBRO", "00:00:01,000 --> 00:00:02,000", "End of Project Gutenberg's"]))
        == []
    )
