"""The packed corpus: what is written is what is read, and damage is named."""

import json

import numpy as np
import pytest

from babylm import files
from babylm.config.schema import TokenizerConfig
from babylm.corpora import packed_corpus, toy
from babylm.corpora import tokenizer as tokenization
from babylm.corpora.documents import Document
from babylm.corpora.encoding import encode
from babylm.corpora.packed_corpus import PackedCorpus


@pytest.fixture(scope="module")
def documents():
    return list(toy.write(4000, 0))


@pytest.fixture(scope="module")
def tokenizer(documents):
    return tokenization.train((d.text for d in documents), TokenizerConfig(vocab_size=600))


@pytest.fixture
def folder(documents, tokenizer, tmp_path):
    counts, occurrences = packed_corpus.write(tmp_path, tokenizer, documents)
    assert occurrences.sum() == counts["tokens"]
    tokenization.save(tokenizer, tmp_path / packed_corpus.TOKENIZER)
    packed_corpus.finish(
        tmp_path, {"fingerprint": "f", **counts, "tokenizer": {"vocabulary": tokenizer.get_vocab_size()}}
    )
    return tmp_path


def test_what_is_written_is_what_is_read(folder, documents, tokenizer):
    opened = PackedCorpus.open(folder)
    expected = encode(tokenizer, documents)
    for name in ("tokens", "words", "offsets", "document_sources"):
        assert np.array_equal(getattr(opened, name), getattr(expected, name)), name
    assert opened.source_names == expected.source_names
    assert opened.tokens.dtype == np.uint16
    assert opened.tokens.max() < opened.vocabulary == 600
    assert opened.word_count == opened.words.sum() == sum(len(d.text.split()) for d in documents)
    assert (opened.token_count, opened.document_count) == (len(opened.tokens), len(documents))
    assert opened.fingerprint == "f"
    texts = [
        tokenizer.decode(opened.tokens[a:b].tolist()) for a, b in zip(opened.offsets, opened.offsets[1:], strict=False)
    ]
    assert [t.split() for t in texts] == [d.text.split() for d in documents]
    by_source = {s["name"]: s["words"] for s in opened.manifest["sources"]}
    assert by_source["facts"] == sum(len(d.text.split()) for d in documents if d.source == "facts")


def test_arrays_cannot_be_written(folder):
    with pytest.raises(ValueError, match="read-only"):
        PackedCorpus.open(folder).tokens[0] = 1


def test_more_than_65536_entries_need_four_bytes(documents, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("babylm.corpora.encoding.token_dtype", lambda vocabulary: np.dtype(np.uint32))
    counts, _ = packed_corpus.write(tmp_path, tokenizer, documents[:5])
    assert counts["dtypes"]["tokens"] == "uint32"
    assert (tmp_path / "tokens.bin").stat().st_size == 4 * counts["tokens"]


@pytest.mark.parametrize(
    "name", ["tokens.bin", "words.bin", "offsets.bin", "document_sources.bin", "tokenizer/tokenizer.json"]
)
def test_truncated_files_are_found_at_every_opening(folder, name):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{name} has \d+ bytes instead of \d+\. Rebuild .*python -m babylm\.prepare"):
        PackedCorpus.open(folder)


def test_a_missing_file_is_found(folder):
    (folder / "words.bin").unlink()
    with pytest.raises(ValueError, match=r"words\.bin is missing"):
        PackedCorpus.open(folder)


@pytest.mark.parametrize("name", ["tokens.bin", "words.bin", "tokenizer/tokenizer.json"])
def test_a_flipped_bit_is_found_at_every_opening(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ValueError, match=rf"{name} does not have the checksum"):
        PackedCorpus.open(folder)


@pytest.mark.parametrize("make", [lambda file, private: file.symlink_to(private), lambda file, _: file.write_text("")])
def test_what_the_manifest_does_not_list_is_no_part_of_the_tokenizer(folder, tmp_path_factory, make):
    """A revision gets the tokenizer's files: a link would publish what it names."""
    private = tmp_path_factory.mktemp("home") / "id_rsa"
    private.write_text("private")
    make(folder / packed_corpus.TOKENIZER / "chat_template.jinja", private)
    with pytest.raises(files.DamagedFile, match=r"chat_template\.jinja is no file of a prepared corpus"):
        PackedCorpus.open(folder)


@pytest.mark.parametrize("kind", ["link", "other text", "not listed"])
def test_a_datasheet_is_read_only_as_it_was_written(folder, tmp_path_factory, kind):
    file = folder / packed_corpus.DATASHEET_TEXT
    if kind != "not listed":
        manifest = json.loads((folder / files.MANIFEST).read_text())
        (folder / files.MANIFEST).unlink()
        file.write_text("# Words\n")
        packed_corpus.finish(folder, {key: value for key, value in manifest.items() if key not in ("files", "format")})
        assert packed_corpus.read_datasheet(folder) == "# Words\n"
        file.unlink()
    if kind == "link":
        private = tmp_path_factory.mktemp("home") / "diary"
        private.write_text("# Words\n")
        file.symlink_to(private)
    else:
        file.write_text("# Other words\n")
    with pytest.raises(files.DamagedFile, match=r"datasheet.md (is a link|does not have the checksum)"):
        packed_corpus.read_datasheet(folder)


def test_offsets_that_do_not_fit_are_found(folder):
    offsets = np.fromfile(folder / "offsets.bin", dtype=np.int64)
    offsets[-1] -= 1
    offsets.tofile(folder / "offsets.bin")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["offsets.bin"]["sha256"] = files.sha256_file(folder / "offsets.bin")
    files.write_json(folder / "manifest.json", manifest)
    with pytest.raises(ValueError, match=r"offsets\.bin does not fit the manifest"):
        PackedCorpus.open(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 0}', '{"format": 1}', "\xff", "[" * 100_000])
def test_a_bad_manifest_is_no_corpus(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(files.DamagedFile, match=r"manifest\.json.*Rebuild"):
        PackedCorpus.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"words": 1},
        {"documents": 3},
        {"words": "many"},
        {"files": {}},
        {"files": {"tokens.bin": 3}},
        {"dtypes": {"tokens": "object"}},
        {"tokenizer": None},
    ],
)
def test_a_manifest_that_is_not_of_these_files_is_refused(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    files.write_json(folder / "manifest.json", manifest | change)
    with pytest.raises(files.DamagedFile, match=r"(manifest\.json|words\.bin|offsets\.bin) .*Rebuild"):
        PackedCorpus.open(folder)


def test_more_than_256_sources_take_two_bytes(tokenizer, tmp_path):
    counts, _ = packed_corpus.write(tmp_path, tokenizer, [Document(f"s{i}", "a cat") for i in range(1000)])
    assert counts["dtypes"]["document_sources"] == "uint16"
    assert np.fromfile(tmp_path / "document_sources.bin", dtype=np.uint16).tolist() == list(range(1000))
    held_out = encode(tokenizer, [Document(f"s{i}", "a cat") for i in range(300)])
    assert held_out.document_sources.tolist() == list(range(300))


def test_without_a_manifest_nothing_is_there(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"manifest\.json: there is no such file"):
        PackedCorpus.open(folder)


def test_an_empty_corpus_is_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="not a single word left"):
        packed_corpus.write(tmp_path, tokenizer, [Document("a", " ")])


def test_the_manifest_is_plain_json(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == packed_corpus.FORMAT
    assert "manifest.json" not in manifest["files"]
