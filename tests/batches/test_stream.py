"""The stream: every token once an epoch, words counted exactly, documents kept apart."""

import numpy as np
import pytest

from babylm.randomness import permutation
from tests import small


def test_permutation_is_a_permutation_and_depends_on_every_part_of_its_key():
    orders = {key: permutation(1000, *key) for key in [(1, 1, 0), (2, 1, 0), (1, 2, 0), (1, 1, 1), (0, 0, 0)]}
    for order in orders.values():
        assert sorted(order) == list(range(1000))
    assert len({order.tobytes() for order in orders.values()}) == len(orders)


def test_permutation_is_the_same_on_every_machine():
    # Values of the first release: the order of the words of every published run hangs on them.
    assert permutation(8, 1, 1, 0).tolist() == [5, 4, 3, 7, 0, 2, 6, 1]


def test_permutation_has_no_preferred_places():
    places = np.stack([permutation(16, seed, 1, 0) for seed in range(2000)])
    counts = np.stack([np.bincount(places[:, column], minlength=16) for column in range(16)])
    chi_square = ((counts - 125.0) ** 2 / 125.0).sum()
    assert chi_square < 225 + 6 * np.sqrt(2 * 225)  # 15 * 15 degrees of freedom, six standard deviations


@pytest.mark.parametrize("seed", [3, None])
def test_each_epoch_holds_each_token_once_with_a_bos_before_each_document(seed):
    stream = small.stream(seed)
    for epoch in (0, 1):
        row = stream.rows(np.array([epoch * stream.epoch_length]), stream.epoch_length + 1)
        tokens = row.tokens[0, 1:]
        assert (np.bincount(tokens[tokens >= 5] - 5, minlength=len(stream.corpus.tokens)) == 1).all()
        assert (tokens == small.BOS).sum() == stream.documents
        assert row.words.sum() == stream.epoch_words


def test_documents_are_contiguous_and_numbered_from_their_bos():
    stream = small.stream()
    rows = stream.rows(np.arange(0, stream.epoch_length, 15), 16)
    assert (rows.document_ids[:, 0] == 0).all()
    steps = np.diff(rows.document_ids, axis=1)
    assert ((steps == 1) == (rows.tokens[:, 1:] == small.BOS)).all()
    ends = stream.offsets[1:]
    inside = (rows.tokens[:, 1:] >= 5) & (rows.tokens[:, :-1] >= 5)
    follows = rows.tokens[:, 1:] == rows.tokens[:, :-1] + 1
    assert (follows[inside]).all(), "tokens of one document follow each other"
    assert not np.isin(rows.tokens[:, 1:][inside] - 5, ends[:-1][np.diff(stream.offsets)[1:] > 0]).any()


def test_words_before_equals_counting():
    stream = small.stream()
    positions = np.arange(0, 2 * stream.epoch_length + 7)
    row = stream.rows(np.array([0]), len(positions) + 1)
    counted = np.concatenate(([0], np.cumsum(row.words[0, 1:])))[:-1]
    assert (stream.words_before(positions) == counted).all()


@pytest.mark.parametrize("words", [1, 2, 57, 3124, 3125, 3126, 6250, 6251])
def test_position_after_is_the_first_position_past_a_word(words):
    stream = small.stream()
    position = stream.position_after(words)
    before, at = stream.words_before(np.array([position - 1, position]))
    assert (before, at) == (words - 1, words)


def test_rows_past_the_end_are_pads_in_a_document_of_their_own():
    stream = small.stream()
    end = stream.position_after(100)
    rows = stream.rows(np.array([end - 5, end, end + 40]), 16, end)
    assert rows.tokens[0, 6:].tolist() == [small.PAD] * 10
    assert rows.document_ids[0, 6] == rows.document_ids[0, 5] + 1
    assert len(set(rows.document_ids[0, 6:].tolist())) == 1
    assert (rows.tokens[1:] == small.PAD).all()
    assert rows.words[0, 6:].sum() == rows.words[1:].sum() == 0


def test_documents_in_names_the_documents_of_rows():
    stream = small.stream()
    starts = np.array([40, 700, stream.epoch_length - 3])
    expected = set()
    for tokens in stream.rows(starts, 16).tokens.numpy():
        ordinary = tokens[tokens >= 5] - 5
        expected |= set(np.searchsorted(stream.offsets, ordinary, side="right") - 1)
    assert expected <= set(stream.documents_in(starts, 16))  # a document seen with its BOS alone is named too
