"""Lines as documents, and rows that begin with lines, in whole runs."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch

from babylm import train
from babylm.config.schema import CorpusConfig
from babylm.corpora import packed_corpus, sources, tokenizer
from babylm.corpora.build import prepare
from tests.training import runs

from .test_resume import same_run, stop_at

LINES = ("corpus.documents=lines", "corpus.rows=lines")
TEXT = "= = = Title = = =\n\nthe dog sees it .\nthe cat runs\n\n  \na long line of words that is cut here\n"


def test_each_line_is_a_document_and_no_word_is_lost(tmp_path):
    (tmp_path / "a.train").write_text(TEXT)
    corpus = CorpusConfig(path=str(tmp_path), documents="lines", document_words=8)
    texts = [(document.text, document.continues) for document in sources.read(corpus).documents()]
    assert texts == [
        ("= = = Title = = =", False),
        ("the dog sees it .", False),
        ("the cat runs", False),
        ("a long line of words that is cut", True),
        ("here", False),
    ]
    assert " ".join(text for text, _ in texts).split() == TEXT.split()
    blocks = CorpusConfig(path=str(tmp_path))
    assert len(list(sources.read(blocks).documents())) == 2
    assert len(list(sources.held_out(tmp_path / "a.train", documents="lines").documents())) == 4


def test_documents_are_part_of_the_fingerprint_and_blocks_keep_theirs(tmp_path):
    made = runs.make(tmp_path)
    default = prepare(made.corpus, made.tokenizer)
    made.corpus.documents = "lines"
    lines = prepare(made.corpus, made.tokenizer)
    assert lines.fingerprint != default.fingerprint
    assert lines.word_count == default.word_count
    assert lines.document_count == 150
    assert lines.manifest["made_of"]["documents"] == "lines"
    assert "documents" not in default.manifest["made_of"], "folders prepared before the setting existed are found"


def test_a_run_on_lines_counts_every_word_and_resumes_to_the_bit(tmp_path, monkeypatch):
    whole = runs.run(tmp_path / "whole", *LINES)
    plan = json.loads((whole / "plan.json").read_text())
    words = len(runs.sentences().split())
    assert (plan["corpus_words"], plan["words"], plan["corpus_documents"]) == (words, 2 * words, 150)
    made = runs.make(tmp_path / "cut", *LINES)
    with monkeypatch.context() as patch:
        stop_at(patch, 5, signal.SIGTERM)
        assert train.main(made) != 0
    assert train.main(made) == 0
    same_run(whole, tmp_path / "cut" / "checkpoints" / "run")


def test_rows_of_lines_begin_with_lines_of_the_text(tmp_path):
    made = runs.make(tmp_path, "corpus.rows=lines", "training.dry_run=true")
    from babylm import console
    from babylm.training.setup import open_run

    prepared = prepare(made.corpus, made.tokenizer)
    setup = open_run(made, prepared, console.Log(quiet=True))
    assert setup is not None
    read = tokenizer.load(prepared.folder / packed_corpus.TOKENIZER)
    lines = {line.strip() for line in runs.sentences().splitlines()}
    phase = setup.feed.phases[1]
    starts = 0
    for step in range(phase.first_step, phase.first_step + 3):
        batch = setup.feed.batch(step)
        for row, documents in zip(batch.tokens, batch.document_ids, strict=True):
            ids = row[(documents == 0) & (row != setup.special.pad)][1:].tolist()
            first = read.decode(ids).split("\n")[0].strip()
            starts += any(line == first or line.startswith(first) for line in lines if first)
        assert np.asarray(batch.words).sum() == setup.feed.words_after(step + 1) - setup.feed.words_after(step)
    assert starts == 3 * phase.rows


def test_padding_at_the_ends_of_rows_changes_no_prediction(tmp_path):
    """A row of lines gives each token what its document gives alone."""
    from tests.models.variants import network, packed_logits

    model = network()
    row = torch.tensor([[0, 7, 8, 9, 4, 11, 12, 2, 2, 2]])
    documents = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]]).int()
    for both in (False, True):
        mode = torch.tensor([both])
        packed = packed_logits(model, row, documents, mode).view(10, -1)[:7]
        alone = packed_logits(model, row[:, :7], documents[:, :7], mode).view(7, -1)
        torch.testing.assert_close(packed, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("corpus.rows=lines", "tokenizer.path={folder}/words.json", "tokenizer.mask=<mask>"),
            "set corpus.documents=lines too",
        ),
        (("corpus.rows=sentences",), "corpus.rows: Invalid value 'sentences'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, capsys, words, message):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", "<pad>", "<mask>", "the", "."])}
    words_only = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words_only.pre_tokenizer = pre_tokenizers.Whitespace()
    words_only.save(str(tmp_path / "words.json"))
    with pytest.raises(ValueError, match=message):
        train.main(runs.make(tmp_path, *(word.format(folder=tmp_path) for word in words)))


def test_an_older_run_is_continued_though_it_knows_neither_setting(tmp_path):
    from babylm.training.opening import identity

    keys = identity(runs.make(tmp_path), "fingerprint")
    assert not {"corpus.documents", "corpus.rows"} & keys.keys()
    assert identity(runs.make(tmp_path, *LINES), "fingerprint")["corpus.rows"] == "lines"
