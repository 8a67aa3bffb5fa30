"""Rows that begin where lines do: every word once an epoch, counts and milestones exact, the device's rows the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from babylm.batches.device_stream import DeviceStream
from babylm.batches.feed import TokenBatch
from babylm.batches.loader import FeedData, FeedDataset
from babylm.batches.rows import EvenRows, LineRows
from babylm.batches.stream import TokenStream
from tests import small

NEWLINE = 4
PHASES = ((0.3, 8, 64), (0.7, 16, 128), (1.0, 32, 256))


def stream(documents: int = 60, seed: int = 3, long_lines: bool = False) -> TokenStream:
    """Documents of 0 to 5 lines of 1 to 9 tokens (or to 40), each line but a document's last one with its newline.

    A token's id says where it stands (5 + position); a word ends in every token but newlines.
    """
    generator = np.random.default_rng(7)
    lengths, tokens = [], []
    for _ in range(documents):
        begin = len(tokens)
        for line in range(count := int(generator.integers(0, 6))):
            tokens += [1] * int(generator.integers(1, 41 if long_lines else 10)) + [0] * (line < count - 1)
        lengths.append(len(tokens) - begin)
    is_text = np.array(tokens, dtype=bool)
    ids = np.where(is_text, np.arange(len(tokens)) + 5, NEWLINE)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    line_ends = np.zeros(len(tokens) + 5, dtype=bool)
    line_ends[NEWLINE] = True
    corpus = small.Tokens(ids, is_text.astype(np.uint8), offsets)
    return TokenStream(corpus, bos=small.BOS, pad=small.PAD, seed=seed, line_ends=line_ends)


def test_rows_of_a_small_text_by_hand():
    """Three documents: "a b / c", "d e" and a line of six tokens; rows of a BOS and four positions."""
    ids = np.array([5, 6, NEWLINE, 7, 10, 11, 20, 21, 22, 23, 24, 25])
    words = np.array([1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1], dtype=np.uint8)
    line_ends = np.zeros(30, dtype=bool)
    line_ends[NEWLINE] = True
    source = TokenStream(
        small.Tokens(ids, words, np.array([0, 4, 6, 12])), bos=0, pad=2, seed=None, line_ends=line_ends
    )
    cuts = LineRows(source)
    rows = cuts.spans(0, 4, 0, 0, 4)
    # positions: 0 BOS, 1 a, 2 b, 3 newline, 4 c, 5 BOS, 6 d, 7 e, 8 BOS, 9 to 14 the long line
    assert rows.starts.tolist() == [1, 6, 9, 13]
    assert rows.ends.tolist() == [5, 8, 13, 15]
    batch = source.rows(rows.starts, 5, rows.ends)
    assert batch.tokens.tolist() == [[0, 5, 6, 4, 7], [0, 10, 11, 2, 2], [0, 20, 21, 22, 23], [0, 24, 25, 2, 2]]
    assert batch.document_ids.tolist() == [[0] * 5, [0, 0, 0, 1, 1], [0] * 5, [0, 0, 0, 1, 1]]
    assert batch.words.sum(1).tolist() == [3, 2, 3, 2]
    # In the next epoch the same again: rows end with the epoch.
    assert cuts.count(0, 30, 4) == 8
    assert cuts.position(0, 4, 4) == 16
    assert cuts.epoch_rows(0, 6, 4).tolist() == [0, 4, 6]


@pytest.mark.parametrize("long_lines", [False, True])
def test_every_token_is_read_once_an_epoch_and_words_are_exact(long_lines):
    source = stream(long_lines=long_lines)
    planned = small.build(small.config(*PHASES, epochs=3, milestones=(100, 333, 901)), source)
    seen, read = np.zeros(len(source.corpus.tokens) + 5, dtype=int), 0
    for step in range(planned.steps):
        batch = planned.batch(step)
        seen += np.bincount(batch.tokens.flatten(), minlength=len(seen))
        read += int(batch.words.sum())
        assert planned.words_at[step + 1] == read
    assert read == planned.words == 3 * source.epoch_words
    assert (seen[5:][source.corpus.tokens[source.corpus.words > 0] - 5] == 3).all()
    for milestone in planned.milestones:
        assert planned.words_at[milestone.step - 1] < milestone.nominal <= milestone.words


def test_rows_begin_with_lines_and_hold_as_many_as_fit():
    source = stream()
    planned = small.build(small.config((1.0, 16, 128), epochs=2), source)
    first_of_line = {int(token) + 5 for token in source.line_tokens[0]} | {int(o) + 5 for o in source.offsets[:-1]}
    filled = 0
    for step in range(planned.steps):
        batch = planned.batch(step)
        text = batch.tokens[:, 1] >= 5
        assert {int(token) for token in batch.tokens[text, 1]} <= first_of_line, "lines are shorter than rows here"
        filled += int((batch.tokens != small.PAD).sum())
    even = small.build(small.config((1.0, 16, 128), epochs=2), small_even(source))
    assert planned.steps >= even.steps
    assert filled / (planned.steps * 128) > 0.6


def small_even(source: TokenStream) -> TokenStream:
    return TokenStream(source.corpus, bos=small.BOS, pad=small.PAD, seed=source.seed)


def test_even_rows_are_the_default_and_have_no_gaps():
    source = small_even(stream())
    planned = small.build(small.config(*PHASES, epochs=2), source)
    assert isinstance(planned.cuts, EvenRows)
    assert planned.cuts.mean_width(15) == 15.0
    spans = planned._spans(0, 0)
    assert (spans.starts[1:] == spans.ends[:-1]).all()


@pytest.mark.parametrize("rank", [0, 1])
def test_rows_gathered_on_the_device_equal_the_loaders(rank):
    source = stream(long_lines=True)
    planned = small.build(small.config(*PHASES, epochs=2.4), source)
    cut = {"accumulate": 2, "rank": rank, "world": 2}
    loaded, placed = FeedDataset(planned, **cut), FeedDataset(planned, **cut, starts_only=True)
    corpus = DeviceStream(source, torch.device("cpu"))
    data = FeedData(planned, first_step=0, accumulate=2, workers=0, device_stream=corpus)
    for index in range(len(loaded)):
        one, other = loaded[index], data.on_after_batch_transfer(placed[index], 0)
        for field in dataclasses.fields(TokenBatch):
            mine, its = getattr(one, field.name), getattr(other, field.name)
            assert torch.equal(mine, its) if isinstance(mine, torch.Tensor) else mine == its


def test_a_budget_of_flops_counts_padding():
    """The positions that are computed cost, whether they hold text or not."""
    source = stream()
    costs = {"phases": [(1.0, 16, 128)], "epochs": 3}
    whole = small.build(small.config(*costs["phases"], epochs=costs["epochs"]), source)
    half = small.build(small.config(*costs["phases"], flops=float(whole.flops_at[-1]) / 2), source)
    assert half.words == pytest.approx(whole.words / 2, rel=0.05)
    assert half.flops_at[-1] == pytest.approx(whole.flops_at[-1] / 2, rel=0.1)


def test_the_bound_on_documents_holds():
    source = stream()
    planned = small.build(small.config(*PHASES, epochs=2), source)
    most = planned.max_documents_per_step()
    for step in range(planned.steps):
        documents = planned.batch(step).document_ids
        assert int((documents[:, -1] + 1).sum()) <= most[documents.shape[1]]
