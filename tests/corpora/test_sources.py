"""Files become documents without losing, doubling or joining a word."""

import codecs
import os
import random
import re
import time

import pytest

from babylm.corpora import sources, words
from babylm.sections import CorpusConfig


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def documents(folder, **settings):
    return list(sources.read(CorpusConfig(path=str(folder), **settings)).documents())


def test_no_word_is_lost_whatever_the_lines_are():
    generator = random.Random(0)
    kinds = [
        "",
        " ",
        "\t",
        "= = = A title = = =",
        "one",
        "two words",
        "\x0b\u2003",
        " ".join(f"w{i}" for i in range(37)),
    ]
    for trial in range(300):
        lines = [generator.choice(kinds) for _ in range(generator.randrange(30))]
        limit = generator.randrange(1, 12)
        made = list(sources.split_documents(lines, limit))
        assert [w for text in made for w in text.split()] == [w for line in lines for w in line.split()], trial
        assert all(0 < words.count(text) <= limit for text in made)


def test_blank_lines_end_and_headings_begin_documents():
    lines = ["a b", "c", "", "d", "= = = T = = =", "e", "= = = U = = =", "", "f", "", "g"]
    assert list(sources.split_documents(lines, 100)) == ["a b\nc", "d", "= = = T = = =\ne", "= = = U = = =\nf", "g"]


def test_headings_are_what_the_first_releases_pattern_took_for_one():
    pattern = re.compile(r"= (?:= )+.* =(?: =)+\s*")
    generator = random.Random(0)
    taken = 0
    for trial in range(40_000):
        parts = ["= ", " =", "= = ", " = =", *"= a\t\n\r\x0b\u2003"] if trial % 2 else [*"= a\t\n"]
        text = "".join(generator.choices(parts, k=generator.randrange(14)))
        assert sources.is_heading(text.rstrip()) == (pattern.fullmatch(text) is not None), repr(text)
        taken += sources.is_heading(text.rstrip())
    assert taken > 200


def test_a_line_of_heading_marks_takes_no_time():
    begin = time.perf_counter()
    for end, whole in (("", "= " * 20_000), ("a", "= " * 20_000 + "a")):
        assert "\n".join(sources.split_documents([whole, end], 100_000)) == (f"{whole}\n{end}" if end else whole)
    assert time.perf_counter() - begin < 1


def test_long_documents_are_cut_at_line_ends_and_long_lines_at_words():
    assert list(sources.split_documents(["a b c", "d e", "f"], 4)) == ["a b c", "d e\nf"]
    assert list(sources.split_documents(["x", "a  b\tc d e", "f"], 2)) == ["x", "a  b", "c d", "e\nf"]


def test_line_ends_and_byte_order_marks(tmp_path):
    write(tmp_path, "one.train", b"\xef\xbb\xbfa b\r\nc\r\rd")
    assert [d.text for d in documents(tmp_path)] == ["a b\nc", "d"]


def test_lines_are_whole_across_read_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 7)
    text = "héllo wörld\r\nzwei — drei\n\nvier\n"
    path = write(tmp_path, "one.train", text)
    assert list(sources.read_lines(path)) == ["héllo wörld", "zwei — drei", "", "vier"]


def test_empty_files_give_no_documents_but_are_listed(tmp_path):
    write(tmp_path, "empty.train", "")
    write(tmp_path, "full.train", "a b\n")
    source = sources.read(CorpusConfig(path=str(tmp_path)))
    assert [f.name for f in source.files] == ["empty", "full"]
    assert [d.source for d in source.documents()] == ["full"]


def test_bad_bytes_are_refused_with_file_and_offset(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 4)
    write(tmp_path, "one.train", b"fine\nfine\nbad \xff here\n")
    with pytest.raises(ValueError, match=r"one\.train: byte 14 is not UTF-8"):
        documents(tmp_path)
    write(tmp_path, "one.train", "é\nnul \0 here\n")
    with pytest.raises(ValueError, match=r"one\.train: NUL byte at offset 7"):
        documents(tmp_path)


def test_bad_bytes_are_found_before_any_document_is_read(tmp_path):
    write(tmp_path, "a.train", "fine\n")
    write(tmp_path, "b.train", b"\xff")
    with pytest.raises(ValueError, match=r"b\.train: byte 0 is not UTF-8 .*iconv -f LATIN1"):
        sources.read(CorpusConfig(path=str(tmp_path)))


@pytest.mark.parametrize(
    "content", [codecs.BOM_UTF16_LE + "a b\n".encode("utf-16-le"), codecs.BOM_UTF16_BE + "a b\n".encode("utf-16-be")]
)
def test_utf_16_is_named(tmp_path, content):
    write(tmp_path, "a.train", content)
    with pytest.raises(ValueError, match=r"a\.train: byte 0 is not UTF-8 .*iconv -f UTF-16 -t UTF-8"):
        documents(tmp_path)


def test_only_visible_regular_files_are_taken(tmp_path):
    write(tmp_path, "a.train", "a\n")
    write(tmp_path, "._a.train", b"\xff")
    (tmp_path / "b.train").mkdir()
    os.mkfifo(tmp_path / "c.train")
    elsewhere = write(tmp_path, "elsewhere", "d\n")
    (tmp_path / "d.train").symlink_to(elsewhere)
    assert [d.source for d in documents(tmp_path)] == ["a", "d"]
    elsewhere.unlink()
    with pytest.raises(ValueError, match=r"d\.train is a link to .*elsewhere, which is not there"):
        documents(tmp_path)


def test_what_was_perhaps_meant_is_named(tmp_path):
    write(tmp_path, "A.TRAIN", "a\n")
    write(tmp_path, "._b.train", "a\n")
    (tmp_path / "y.train").mkdir()
    with pytest.raises(ValueError, match=r"no \*\.train files.*; A\.TRAIN is not taken \(.*small letters\)") as raised:
        documents(tmp_path)
    assert str(raised.value).endswith("; y.train is not taken (no regular file)")


def test_too_many_files_are_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_FILES", 2)
    for name in "abc":
        assert write(tmp_path, f"{name}.train", "a\n").is_file()
    with pytest.raises(ValueError, match="3 files, more than 2 sources; join some of them"):
        sources.read(CorpusConfig(path=str(tmp_path)))


def test_both_official_endings_and_one_file_a_source(tmp_path):
    write(tmp_path, "childes.train.txt", "a\n")
    write(tmp_path, "bnc_spoken.train", "b\n")
    write(tmp_path, "notes.txt", "not a corpus\n")
    assert [d.source for d in documents(tmp_path)] == ["bnc_spoken", "childes"]
    write(tmp_path, "childes.train", "c\n")
    with pytest.raises(ValueError, match="two files for the source 'childes'"):
        documents(tmp_path)


def test_a_missing_corpus_says_which_files_to_put_where(tmp_path):
    with pytest.raises(ValueError, match=r"corpus\.path: no \*\.train files in .*nowhere.*childes\.train"):
        documents(tmp_path / "nowhere")


def test_held_out_takes_a_file_or_a_folder(tmp_path):
    write(tmp_path, "childes.test", "a b\n")
    write(tmp_path, "wiki.dev", "c\n")
    assert [(d.source, d.text) for d in sources.held_out(tmp_path).documents()] == [("childes", "a b"), ("wiki", "c")]
    assert [d.source for d in sources.held_out(tmp_path / "wiki.dev").documents()] == ["wiki"]
    with pytest.raises(ValueError, match="neither a text file nor a folder"):
        sources.held_out(tmp_path / "absent")


def test_identity_follows_the_bytes(tmp_path):
    write(tmp_path, "one.train", "a\n")
    before = sources.read(CorpusConfig(path=str(tmp_path))).identity
    write(tmp_path, "one.train", "b\n")
    assert sources.read(CorpusConfig(path=str(tmp_path))).identity != before
