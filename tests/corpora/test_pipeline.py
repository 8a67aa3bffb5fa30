"""From raw text to shards: built once, opened afterwards, rebuilt when damaged, never reused for other settings."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babylm import files
from babylm import prepare as command
from babylm.corpora import pipeline, toy
from babylm.corpora.pipeline import prepare
from babylm.sections import Config, CorpusConfig, TokenizerConfig

SMALL = TokenizerConfig(vocabulary=400)


@pytest.fixture
def corpus(tmp_path):
    return CorpusConfig(source="toy", words=1500, seed=3, prepared=str(tmp_path / "prepared"))


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, seed in (("childes", 0), ("simple_wiki", 1)):
        (folder / f"{name}.train").write_text("\n\n".join(d.text for d in toy.write(800, seed)))
    return CorpusConfig(path=str(folder), prepared=str(tmp_path / "prepared"))


def test_building_once_and_opening_afterwards(corpus, monkeypatch):
    lines: list[str] = []
    built = prepare(corpus, SMALL, lines.append)
    monkeypatch.setattr(pipeline, "_build", lambda *arguments: pytest.fail("built again"))
    opened = prepare(corpus, SMALL, lines.append)
    assert opened.folder == built.folder
    assert opened.fingerprint == opened.folder.name
    assert built.word_count == sum(len(d.text.split()) for d in toy.write(1500, 3))
    assert any("training a tokenizer" in line for line in lines)
    assert lines[-1].startswith("prepared corpus")


def test_files_are_counted_by_source(raw):
    built = prepare(raw, SMALL)
    assert built.source_names == ("childes", "simple_wiki")
    for source in built.manifest["sources"]:
        text = Path(raw.path, f"{source['name']}.train").read_text()
        assert source["words"] == source["raw_words"] == len(text.split())
    assert built.manifest["made_of"]["corpus"]["files"][0][0] == "childes"


def test_cleaning_changes_what_is_read_and_both_counts_are_kept(raw):
    built = prepare(replace(raw, cleaning=["strip_speakers", "strip_headings"]), SMALL)
    assert built.word_count < built.manifest["raw_words"]
    plain = prepare(raw, SMALL)
    assert plain.word_count == plain.manifest["raw_words"] == built.manifest["raw_words"]
    assert plain.folder != built.folder


def test_every_setting_that_matters_makes_another_folder(corpus):
    variants = [
        (corpus, SMALL),
        (replace(corpus, words=1400), SMALL),
        (replace(corpus, seed=4), SMALL),
        (replace(corpus, document_words=50), SMALL),
        (replace(corpus, cleaning=["lowercase"]), SMALL),
        (corpus, replace(SMALL, vocabulary=401)),
        (corpus, replace(SMALL, normalization="none")),
        (corpus, replace(SMALL, min_frequency=3)),
    ]
    assert len({prepare(*settings).folder for settings in variants}) == len(variants)
    assert prepare(replace(corpus, document_words=50), SMALL).document_count > prepare(corpus, SMALL).document_count


def test_an_empty_file_is_warned_of(raw):
    Path(raw.path, "switchboard.train").touch()
    lines: list[str] = []
    assert prepare(raw, SMALL, lines.append).source_names == ("childes", "simple_wiki", "switchboard")
    assert lines[0] == f"warning: {raw.path}/switchboard.train is empty"


def test_changed_files_are_never_mistaken_for_the_old_ones(raw):
    before = prepare(raw, SMALL)
    file = Path(raw.path, "childes.train")
    stat = file.stat()
    file.write_text(file.read_text().replace("e", "i", 1))
    os.utime(file, (stat.st_atime, stat.st_mtime))
    assert prepare(raw, SMALL).folder != before.folder


def test_the_bytes_are_the_same_wherever_it_is_built(corpus, tmp_path):
    one = prepare(corpus, SMALL)
    two = prepare(replace(corpus, prepared=str(tmp_path / "elsewhere")), SMALL)
    assert one.manifest == two.manifest
    assert files.sha256_file(one.folder / "manifest.json") == files.sha256_file(two.folder / "manifest.json")


def test_a_damaged_corpus_is_rebuilt_and_said_to_be(corpus):
    built = prepare(corpus, SMALL)
    good = np.array(built.tokens)
    tokens = built.folder / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    lines: list[str] = []
    assert np.array_equal(prepare(corpus, SMALL, lines.append).tokens, good)
    assert "tokens.bin has" in lines[0]
    data = bytearray(tokens.read_bytes())
    data[10] ^= 1
    tokens.write_bytes(bytes(data))
    assert np.array_equal(prepare(corpus, SMALL).tokens, good)


def test_a_prepared_corpus_is_opened_where_nothing_can_be_written(corpus, tmp_path):
    built = prepare(corpus, SMALL)
    lock = built.folder.with_name(f".{built.folder.name}.lock")
    lock.unlink()
    lock.mkdir()  # opening it fails, as on a read-only place, whoever runs the tests
    assert prepare(corpus, SMALL).folder == built.folder
    built.folder.rename(tmp_path / "away")
    with pytest.raises(IsADirectoryError):
        prepare(corpus, SMALL)


def test_an_interrupted_build_leaves_nothing(corpus, monkeypatch, tmp_path):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.shards, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, SMALL)
    assert [p.name for p in (tmp_path / "prepared").iterdir() if not p.name.endswith(".lock")] == []


def test_a_given_tokenizer_is_used_as_it_is(corpus):
    first = prepare(corpus, SMALL)
    given = TokenizerConfig(vocabulary=999, path=str(first.tokenizer_folder))
    second = prepare(replace(corpus, seed=9), given)
    assert second.vocabulary == first.vocabulary
    one, two = (s.tokenizer_folder / "tokenizer.json" for s in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_two_processes_at_once_give_one_whole_corpus(corpus, tmp_path, root):
    code = (
        "import sys; from babylm.corpora.pipeline import prepare; from babylm.sections import *; "
        "corpus = CorpusConfig(source='toy', words=6000, prepared=sys.argv[1]); "
        "s = prepare(corpus, TokenizerConfig(vocabulary=500)); "
        "print(s.folder, s.word_count)"
    )
    folder = str(tmp_path / "prepared")
    started = [
        subprocess.Popen([sys.executable, "-c", code, folder], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert said[0]
    assert len(set(said)) == 1


def test_the_datasheet_lies_beside_the_tokens(raw):
    built = prepare(raw, SMALL)
    sheet = json.loads((built.folder / "datasheet.json").read_text())
    assert sheet["total"]["words"] == built.word_count
    assert sheet["sources"]["childes"]["sha256"] == files.sha256_file(f"{raw.path}/childes.train")
    assert "| childes |" in (built.folder / "datasheet.md").read_text()


def test_the_command_prints_what_was_prepared(corpus, capsys):
    assert command.main(Config(corpus=corpus, tokenizer=SMALL)) == 0
    printed = capsys.readouterr().out
    assert "dialogue" in printed
    assert "tokens a word" in printed
    assert printed.strip().splitlines()[-1].startswith(f"prepared: {corpus.prepared}")


def test_wrong_corpora_end_the_command_with_one_line(tmp_path, root):
    file = tmp_path / "c.yaml"
    file.write_text(f"corpus: {{path: {tmp_path}/none}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "babylm.prepare", str(file)], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: corpus.path: no *.train files")
    assert len(done.stderr.splitlines()) == 1
