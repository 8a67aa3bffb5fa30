"""From raw text to shards: built once, opened afterwards, rebuilt when damaged, never reused for other settings."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babylm import files
from babylm import prepare as command
from babylm.config.schema import Config, CorpusConfig, TokenizerConfig, ToyConfig
from babylm.corpora import build, toy
from babylm.corpora.build import prepare

SMALL = TokenizerConfig(vocab_size=400)


@pytest.fixture
def corpus(tmp_path):
    return CorpusConfig(source="toy", toy=ToyConfig(1500, 3), prepared=str(tmp_path / "prepared"))


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
    monkeypatch.setattr(build, "_build", lambda *arguments: pytest.fail("built again"))
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
        (replace(corpus, toy=ToyConfig(1400, 3)), SMALL),
        (replace(corpus, toy=ToyConfig(1500, 4)), SMALL),
        (replace(corpus, document_words=50), SMALL),
        (replace(corpus, cleaning=["lowercase"]), SMALL),
        (corpus, replace(SMALL, vocab_size=401)),
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
    with pytest.raises(ValueError, match=r"\.lock: Is a directory; nothing was prepared: set corpus\.prepared=FOLDER"):
        prepare(corpus, SMALL)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_damaged_corpus_where_nothing_can_be_written_says_both_and_the_way_out(corpus, monkeypatch, number):
    built = prepare(corpus, SMALL)
    data = bytearray((built.folder / "tokens.bin").read_bytes())
    data[10] ^= 1
    (built.folder / "tokens.bin").write_bytes(bytes(data))

    def refuse(**arguments):
        raise OSError(number, os.strerror(number), str(built.folder.parent))

    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    message = (
        rf"tokens\.bin does not have the checksum .*: {os.strerror(number)}; nothing was .*corpus\.prepared=FOLDER"
    )
    with pytest.raises(ValueError, match=message):
        prepare(corpus, SMALL)
    assert (built.folder / "tokens.bin").read_bytes() == bytes(data)


def limited(bytes_a_file, *words):
    """The command in a process whose files may have so many bytes: a full disk in miniature."""
    code = (
        "import resource, runpy, sys; limit = int(sys.argv.pop(1)); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); "
        "runpy.run_module('babylm.prepare', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(bytes_a_file), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("bytes_a_file", [0, 3000, 30_000])
def test_a_full_disk_ends_the_command_with_one_line(bytes_a_file, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(
        f"corpus: {{source: toy, toy: {{words: 9000}}, prepared: '{tmp_path}/prepared'}}\n"
        "tokenizer: {vocab_size: 400}"
    )
    done = limited(bytes_a_file, str(config))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "File too large; nothing was prepared: make room there, or set corpus.prepared=FOLDER" in done.stderr
    assert [p.name for p in (tmp_path / "prepared").iterdir() if not p.name.endswith(".lock")] == []


def test_a_killed_build_is_cleared_and_made_anew(corpus, tmp_path, monkeypatch):
    process = os.fork()
    if process == 0:
        build.packed_corpus.finish = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        prepare(corpus, SMALL)
        os._exit(1)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    left = [p for p in (tmp_path / "prepared").iterdir() if p.name.endswith(files.PARTIAL)]
    assert len(left) == 1
    built = prepare(corpus, SMALL)
    assert (built.folder / "manifest.json").is_file()
    assert not left[0].exists()


def test_who_waits_for_another_process_says_so(corpus):
    built = prepare(corpus, SMALL)
    said: list[str] = []
    with open(built.folder.with_name(f".{built.folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=prepare, args=(corpus, SMALL, said.append))
        waiting.start()
        begin = time.monotonic()
        while not said and time.monotonic() < begin + 20:
            time.sleep(0.01)
        assert said == [f"another process is preparing {built.folder}: waiting for it"]
    waiting.join(timeout=20)
    assert said[-1].startswith("prepared corpus")


def test_held_out_text_is_looked_at_before_anything_is_made(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"corpus\.dev: there is no file or folder"):
        prepare(replace(corpus, dev=str(tmp_path / "none")), SMALL)
    assert not Path(corpus.prepared).exists()


def test_what_a_person_should_know_is_said_when_built_and_when_opened(raw):
    (Path(raw.path) / "zh.train").write_text("今天天气很好，我们去公园吧。\n" * 50 + "<s> well\n")
    for _ in range(2):
        lines: list[str] = []
        prepare(raw, SMALL, lines.append)
        assert sum(line.startswith("warning: zh: 1") and "characters per word" in line for line in lines) == 1
        assert sum(line.startswith("warning: the text spells out special tokens (<s> 1)") for line in lines) == 1


def test_a_transcript_is_cleaned_across_its_documents_and_both_counts_are_kept(raw):
    chat = "@Begin\n@ID:\teng|x\n" + "*MOT:\tthe cat sees it .\n%mor:\tdet|the\n\tn|cat\n" * 300 + "@End\n"
    (Path(raw.path) / "chat.train").write_text(chat)
    lines: list[str] = []
    plain = prepare(raw, SMALL, lines.append)
    assert any("chat looks like CHAT transcripts (3 header lines, 300 dependent tiers)" in line for line in lines)
    lines.clear()
    cleaned = prepare(replace(raw, cleaning=["strip_chat", "lowercase"]), SMALL, lines.append)
    assert not any("looks like" in line for line in lines)
    by_name = {source["name"]: source for source in cleaned.manifest["sources"]}
    assert by_name["chat"]["words"] == 300 * 5
    assert by_name["chat"]["raw_words"] == len(chat.split())
    assert cleaned.manifest["raw_words"] == plain.word_count == plain.words.sum()
    assert cleaned.words.sum() == cleaned.word_count


def test_an_interrupted_build_leaves_nothing(corpus, monkeypatch, tmp_path):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.packed_corpus, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, SMALL)
    assert [p.name for p in (tmp_path / "prepared").iterdir() if not p.name.endswith(".lock")] == []


def test_a_given_tokenizer_is_used_as_it_is(corpus):
    first = prepare(corpus, SMALL)
    given = TokenizerConfig(vocab_size=999, path=str(first.tokenizer_folder))
    second = prepare(replace(corpus, toy=ToyConfig(1500, 9)), given)
    assert second.vocabulary == first.vocabulary
    one, two = (s.tokenizer_folder / "tokenizer.json" for s in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_two_processes_at_once_give_one_whole_corpus(corpus, tmp_path, root):
    code = (
        "import sys; from babylm.corpora.build import prepare; from babylm.config.schema import *; "
        "corpus = CorpusConfig(source='toy', toy=ToyConfig(6000), prepared=sys.argv[1]); "
        "s = prepare(corpus, TokenizerConfig(vocab_size=500)); "
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
    assert "tokens per word" in printed
    assert printed.strip().splitlines()[-1].startswith(f"prepared: {corpus.prepared}")


def test_wrong_corpora_end_the_command_with_one_line(tmp_path, root):
    file = tmp_path / "c.yaml"
    file.write_text(f"corpus: {{path: {tmp_path}/none}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "babylm.prepare", str(file)], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: corpus.path: there is no file or folder")
    assert len(done.stderr.splitlines()) == 1
