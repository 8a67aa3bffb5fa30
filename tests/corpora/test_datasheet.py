"""The datasheet's figures on a text small enough to count by hand."""

from pathlib import Path

from babylm.corpora import datasheet, sources
from babylm.corpora.sources import Document, SourceFile
from babylm.sections import CorpusConfig


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
    assert "| a | 2 | 100.0% | 1 | 1 | 2 | 1.0000 | 2.0 | 0.0% |" in lines
    assert any(line.startswith("| total | 2 |") for line in lines)
    assert "- `a.train`: 12 bytes, SHA-256 `abc`" in lines
