"""Files become documents without losing, doubling or joining a word."""

import codecs
import gzip
import os
import random
import re
import socket
import time
import tracemalloc

import pytest

from babylm.config.schema import CorpusConfig
from babylm.corpora import sources, textfiles, word_count
from babylm.corpora.documents import Document, is_heading, split_documents


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
        made = list(split_documents(lines, limit))
        assert [w for text in made for w in text.split()] == [w for line in lines for w in line.split()], trial
        assert all(0 < word_count.count(text) <= limit for text in made)


def test_blank_lines_end_and_headings_begin_documents():
    lines = ["a b", "c", "", "d", "= = = T = = =", "e", "= = = U = = =", "", "f", "", "g"]
    assert list(split_documents(lines, 100)) == ["a b\nc", "d", "= = = T = = =\ne", "= = = U = = =\nf", "g"]


def test_headings_are_what_the_first_releases_pattern_took_for_one():
    pattern = re.compile(r"= (?:= )+.* =(?: =)+\s*")
    generator = random.Random(0)
    taken = 0
    for trial in range(40_000):
        parts = ["= ", " =", "= = ", " = =", *"= a\t\n\r\x0b\u2003"] if trial % 2 else [*"= a\t\n"]
        text = "".join(generator.choices(parts, k=generator.randrange(14)))
        assert is_heading(text.rstrip()) == (pattern.fullmatch(text) is not None), repr(text)
        taken += is_heading(text.rstrip())
    assert taken > 200


def test_a_line_of_heading_marks_takes_no_time():
    begin = time.perf_counter()
    for end, whole in (("", "= " * 20_000), ("a", "= " * 20_000 + "a")):
        assert "\n".join(split_documents([whole, end], 100_000)) == (f"{whole}\n{end}" if end else whole)
    assert time.perf_counter() - begin < 1


def test_long_documents_are_cut_at_line_ends_and_long_lines_at_words():
    assert list(split_documents(["a b c", "d e", "f"], 4)) == ["a b c", "d e\nf"]
    assert list(split_documents(["x", "a  b\tc d e", "f"], 2)) == ["x", "a  b", "c d", "e\nf"]


def test_line_ends_and_byte_order_marks(tmp_path):
    write(tmp_path, "one.train", b"\xef\xbb\xbfa b\r\nc\r\rd")
    assert [d.text for d in documents(tmp_path)] == ["a b\nc", "d"]


def test_lines_are_whole_across_read_blocks(tmp_path, monkeypatch):
    text = "héllo wörld\r\nzwei — drei\n\nvier\n"
    path = write(tmp_path, "one.train", text)
    for size in range(1, 30):
        monkeypatch.setattr(textfiles, "BLOCK_BYTES", size)
        lines = "".join(line + ("" if goes_on else "\n") for line, goes_on in textfiles.read_lines(path))
        assert lines == "héllo wörld\nzwei — drei\n\nvier\n\n"


def test_empty_files_give_no_documents_but_are_listed(tmp_path):
    write(tmp_path, "empty.train", "")
    write(tmp_path, "full.train", "a b\n")
    source = sources.read(CorpusConfig(path=str(tmp_path)))
    assert [f.name for f in source.files] == ["empty", "full"]
    assert [d.source for d in source.documents()] == ["full"]


def test_bad_bytes_are_refused_with_file_and_offset(tmp_path, monkeypatch):
    monkeypatch.setattr(textfiles, "BLOCK_BYTES", 4)
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


def test_endings_in_capitals_are_taken_and_folders_walked_into(tmp_path):
    write(tmp_path, "A.TRAIN", "a\n")
    write(tmp_path, "._b.train", "a\n")
    (tmp_path / "y.train").mkdir()
    write(tmp_path / "y.train", "c.train", "c\n")
    assert [d.source for d in documents(tmp_path)] == ["A", "y.train/c"]


def test_a_thousand_files_in_nested_folders(tmp_path):
    for number in range(1000):
        folder = tmp_path / f"part {number % 10}"
        folder.mkdir(exist_ok=True)
        write(folder, f"{number:04}.txt", f"w{number}\n")
    made = documents(tmp_path)
    assert len(made) == 1000
    assert {d.text for d in made} == {f"w{number}" for number in range(1000)}
    assert made[0].source == "part 0/0000"


@pytest.mark.parametrize("name", ["my story.txt", "a.train", "b.md", "packed.txt.gz", "c.train.gz", "d.gz"])
def test_one_file_of_any_name_and_a_home_folder(tmp_path, monkeypatch, name):
    content = b"one word\n"
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
    assert [d.text for d in documents(f"~/{name}")] == ["one word"]
    if name != "b.md":
        assert [d.text for d in documents("~")] == ["one word"]


def test_packed_text_is_the_same_text(tmp_path):
    for folder in ("plain", "packed"):
        (tmp_path / folder).mkdir()
    text = "the cat\r\nsat\n\ndown\n"
    write(tmp_path / "plain", "a.train", text)
    write(tmp_path / "packed", "a.train.gz", gzip.compress(text.encode()))
    plain, packed = (sources.read(CorpusConfig(path=str(tmp_path / f))) for f in ("plain", "packed"))
    assert plain.identity == packed.identity
    assert list(plain.documents()) == list(packed.documents())
    whole = (tmp_path / "packed" / "a.train.gz").read_bytes()
    for damaged in (whole[:-5], whole[:12] + b"xxx" + whole[15:], b"no gzip"):
        write(tmp_path / "packed", "a.train.gz", damaged)
        with pytest.raises(ValueError, match=r"a\.train\.gz: not a whole \.gz file"):
            documents(tmp_path / "packed")


def test_what_is_there_instead_of_text_is_counted(tmp_path):
    for number in range(10):
        write(tmp_path, f"{number}.json", "{}")
    for number in range(2):
        write(tmp_path, f"{number}.csv", "a,b")
    with pytest.raises(ValueError, match=r"holds 12 files: 10 \.json, 2 \.csv\. Text is read from \*\.train"):
        documents(tmp_path)
    with pytest.raises(ValueError, match=r"0\.json is JSON, not plain text\. Text is read from"):
        documents(tmp_path / "0.json")
    with pytest.raises(ValueError, match=r"no file or folder .*0\.jso; did you mean .*0\.json"):
        documents(tmp_path / "0.jso")
    with pytest.raises(ValueError, match=r"corpus\.dev: no text in .* 10 \.json"):
        sources.held_out(tmp_path, key="corpus.dev")


def test_held_out_text_is_not_trained_on(tmp_path):
    for name in ("train.txt", "valid.txt", "wiki_test.txt", "notes.md"):
        write(tmp_path, name, f"{name}\n")
    (tmp_path / "dev").mkdir()
    write(tmp_path / "dev", "a.txt", "dev\n")
    write(tmp_path, "mine", "mine\n")
    source = sources.read(CorpusConfig(path=str(tmp_path)))
    assert [d.text for d in source.documents()] == ["train.txt"]
    assert [note.split(":")[0] for note in source.notes] == [
        f"{tmp_path}/dev is not read",
        "not read, by its name it is held-out text (corpus.dev, corpus.test)",
        "not read, not plain text by its ending",
    ]
    assert "valid.txt, wiki_test.txt" in source.notes[1]
    (tmp_path / "train.txt").unlink()
    assert len(documents(tmp_path)) == 2, "then nothing else was meant"
    assert [d.text for d in documents(tmp_path, dev=str(tmp_path / "valid.txt"))] == ["wiki_test.txt"]


def test_held_out_text_that_is_missing_or_trained_on_is_refused(tmp_path):
    path = write(tmp_path, "a.train", "a b\n")
    write(tmp_path, "copy.dev", "a b\n")
    for setting, message in (
        ({"dev": str(tmp_path / "none")}, r"corpus\.dev: there is no file or folder .*none"),
        ({"test": str(tmp_path / "copy.dev")}, r"corpus\.test: .*copy\.dev holds the same text as .*a\.train"),
    ):
        config = CorpusConfig(path=str(tmp_path), **setting)
        with pytest.raises(ValueError, match=message):
            sources.check_held_out(config, sources.read(config))
    sources.check_held_out(CorpusConfig(path=str(path)), sources.read(CorpusConfig(path=str(path))))


def test_links_sockets_and_the_same_text_twice_are_named(tmp_path):
    path = write(tmp_path, "a.train", "a\n")
    (tmp_path / "b.train").symlink_to(path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "again").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "c.train")
    with socket.socket(socket.AF_UNIX) as unix:
        monkey = os.getcwd()
        os.chdir(tmp_path)  # a socket's name is short
        try:
            unix.bind("d.train")
        finally:
            os.chdir(monkey)
        notes = sources.read(CorpusConfig(path=str(tmp_path))).notes
    for end in (
        "inner/again is not read: it is a link to a folder that is read already",
        "c.train is not read: it is a pipe, not a file",
        "d.train is not read: it is a socket, not a file",
        "b.train hold the same text, which is read twice",
    ):
        assert any(note.endswith(end) for note in notes), end
    with pytest.raises(ValueError, match=r"corpus\.path: .*c\.train is a pipe"):
        documents(tmp_path / "c.train")


def test_strange_ends_of_lines_join_and_lose_no_word(tmp_path):
    text = "\ufeffthe cat\u2028on the mat\u2029slept\x0bwell\x0cnext page\x85end\rmac line\r\n\r\nlast\u00a0one\r"
    write(tmp_path, "a.train", text)
    made = documents(tmp_path)
    assert [w for d in made for w in d.text.split()] == text.removeprefix("\ufeff").split()
    assert len(made) == 2


def test_long_lines_are_read_in_fragments_and_cut_as_if_whole(tmp_path, monkeypatch):
    generator = random.Random(0)
    for trial in range(200):
        lines = [
            generator.choice([" ", "  ", "\t"]).join(
                "x" * generator.randrange(1, 9) for _ in range(generator.randrange(40))
            )
            for length in generator.choices(range(40), k=generator.randrange(6))
        ]
        text = "\n".join(lines)
        write(tmp_path, "a.train", text)
        limit = generator.randrange(1, 30)
        monkeypatch.setattr(textfiles, "BLOCK_BYTES", 1 << 20)
        whole = documents(tmp_path, document_words=limit)
        monkeypatch.setattr(textfiles, "BLOCK_BYTES", generator.randrange(3, 40))
        assert documents(tmp_path, document_words=limit) == whole, trial
        assert [w for d in whole for w in d.text.split()] == text.split()


def test_the_time_of_a_long_line_is_linear_and_its_memory_bounded(tmp_path):
    def seconds(words_in_line: int) -> float:
        path = write(tmp_path, "a.train", "word " * words_in_line)
        begin = time.perf_counter()
        assert sum(len(d.text.split()) for d in documents(path)) == words_in_line
        return time.perf_counter() - begin

    seconds(1000)
    once, four = min(seconds(400_000) for _ in range(2)), seconds(1_600_000)
    assert four < 10 * once, "quadratic time would be 16 times"
    tracemalloc.start()
    for _ in sources.read(CorpusConfig(path=str(tmp_path))).documents():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6, "of a file of 8 MB"


def test_many_empty_lines_and_many_lines_of_one_word(tmp_path):
    begin = time.perf_counter()
    assert documents(write(tmp_path, "a.train", "\n" * 300_000 + "end")) == [Document("a", "end")]
    assert len(documents(write(tmp_path, "b.train", "word\n" * 300_000))) == 300
    assert time.perf_counter() - begin < 10


def test_a_word_without_end_is_refused_before_any_work(tmp_path):
    write(tmp_path, "a.train", "the " + "x" * (2 << 20))
    with pytest.raises(ValueError, match=r"a\.train: more than 1,048,576 bytes without white space before offset 2,"):
        documents(tmp_path)


def test_both_official_endings_and_one_file_a_source(tmp_path):
    write(tmp_path, "childes.train.txt", "a\n")
    write(tmp_path, "bnc_spoken.train", "b\n")
    write(tmp_path, "notes.txt", "not a corpus\n")
    assert [d.source for d in documents(tmp_path)] == ["bnc_spoken", "childes"]
    write(tmp_path, "childes.train", "c\n")
    with pytest.raises(ValueError, match="two files for the source 'childes'"):
        documents(tmp_path)


def test_a_missing_corpus_says_which_files_to_put_where(tmp_path):
    with pytest.raises(ValueError, match=r"corpus\.path: there is no .*nowhere.*childes\.train"):
        documents(tmp_path / "nowhere")


def test_held_out_takes_a_file_or_a_folder(tmp_path):
    write(tmp_path, "childes.test", "a b\n")
    write(tmp_path, "wiki.dev", "c\n")
    assert [(d.source, d.text) for d in sources.held_out(tmp_path).documents()] == [("childes", "a b"), ("wiki", "c")]
    assert [d.source for d in sources.held_out(tmp_path / "wiki.dev").documents()] == ["wiki"]
    with pytest.raises(ValueError, match="there is no file or folder"):
        sources.held_out(tmp_path / "absent")


def test_identity_follows_the_bytes(tmp_path):
    write(tmp_path, "one.train", "a\n")
    before = sources.read(CorpusConfig(path=str(tmp_path))).identity
    write(tmp_path, "one.train", "b\n")
    assert sources.read(CorpusConfig(path=str(tmp_path))).identity != before


def test_a_link_to_itself_and_a_name_that_is_not_utf8_are_named(tmp_path):
    write(tmp_path, "a.train", "some words\n")
    loop = tmp_path / "loop.train"
    loop.symlink_to("loop.train")
    with pytest.raises(ValueError, match=r"corpus\.path: .*loop\.train .*; mend the link or remove it"):
        textfiles.find(tmp_path, "corpus.path")
    loop.unlink()
    try:
        write(tmp_path, os.fsdecode(b"caf\xe9.train"), "some words\n")
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(ValueError, match=r"corpus\.path: the name of .*caf\ufffd\.train is not UTF-8; rename it"):
        textfiles.find(tmp_path, "corpus.path")
