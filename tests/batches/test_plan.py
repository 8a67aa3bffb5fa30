"""The plan: exact words at every step, milestones, budgets refused with the sum."""

import time
from itertools import pairwise

import numpy as np
import pytest

from babylm.batches import plan
from babylm.randomness import permutation
from babylm.tracks import TRACKS, milestone_name
from babylm.training import plan_summary
from tests import small

TWO_PHASES = ((0.5, 16, 128), (1.0, 32, 256))


def test_words_at_each_step_equal_the_words_of_the_rows():
    made = small.build(small.config(*TWO_PHASES, epochs=2.5), small.stream())
    read = 0
    for step in range(made.steps):
        read += int(made.batch(step).words.sum())
        assert read == made.words_at[step + 1]
    assert read == made.words == round(2.5 * made.stream.epoch_words)


def test_every_token_is_read_once_an_epoch_and_none_is_dropped():
    made = small.build(small.config(*TWO_PHASES, epochs=2), small.stream())
    seen = np.zeros(len(made.stream.corpus.tokens), dtype=int)
    for step in range(made.steps):
        tokens = made.batch(step).tokens.numpy()
        np.add.at(seen, tokens[tokens >= 5] - 5, 1)
    last_word = np.flatnonzero(made.stream.corpus.words)
    assert (seen[last_word] == 2).all()
    assert seen.max() == 2
    assert (seen < 2).sum() < 60  # wordless tokens after the very last word


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_share_each_step_without_overlap(world):
    made = small.build(small.config(*TWO_PHASES, epochs=1), small.stream())
    for step in (0, 20, made.steps - 1):
        whole = made.batch(step)
        count = len(whole.tokens) // world
        parts = [made.batch(step, rank, world) for rank in range(world)]
        assert (np.concatenate([p.tokens for p in parts]) == whole.tokens.numpy()).all()
        assert [p.first_row for p in parts] == [whole.first_row + rank * count for rank in range(world)]


def test_a_batch_is_a_function_of_its_number():
    made, again = (small.build(small.config(*TWO_PHASES, epochs=2), small.stream()) for _ in range(2))
    for step in (made.steps - 1, 0, 50, 3):
        assert (made.batch(step).tokens == again.batch(step).tokens).all()


def test_epochs_and_seeds_have_different_orders():
    stream = small.stream()
    assert (stream.order(0).documents != stream.order(1).documents).any()
    assert (stream.order(0).documents != small.stream(seed=4).order(0).documents).any()


def row_starts_of_the_first_release(made, step):
    """As it was written first: every epoch is looked at for every batch."""
    phase = made.phase_of(step)
    width, length = phase.sequence_length - 1, made.stream.epoch_length
    last = phase.start + (phase.row_count - 1) * width
    edges = [0]
    for epoch in range(phase.start // length + 1, last // length + 1):
        edges.append(-(-(epoch * length - phase.start) // width))
    edges.append(phase.row_count)
    begin = (step - phase.first_step) * phase.rows
    rows = np.arange(begin, begin + phase.rows)
    found = rows.copy()
    for index, (low, high) in enumerate(pairwise(edges)):
        mine = (rows >= low) & (rows < high)
        if mine.any():
            found[mine] = permutation(high - low, made.seed, 2, phase.index, index)[rows[mine] - low] + low
    return phase.start + found * width


@pytest.mark.parametrize(
    ("documents", "mean", "epochs"),
    [(200, 30, 3.3), (200, 30, 0.4), (20, 10, 30), (3, 4, 400)],  # rows longer than the whole text, at last
)
def test_the_order_of_rows_is_that_of_the_first_release(documents, mean, epochs):
    phases = ((0.3, 16, 128), (0.6, 32, 256), (1.0, 64, 256))
    made = small.build(small.config(*phases, epochs=epochs), small.stream(documents=documents, mean=mean))
    for step in range(made.steps):
        rows, _ = made.row_spans(step)
        assert rows.starts.tolist() == row_starts_of_the_first_release(made, step).tolist(), step
    read = [0, *(int(made.batch(step).words.sum()) for step in range(made.steps))]
    assert made.words_at.tolist() == np.cumsum(read).tolist()


def test_many_epochs_are_planned_in_linear_time():
    begin = time.perf_counter()
    made = small.build(small.config(epochs=5000), small.stream(documents=3, mean=20))
    made.max_documents_per_step()
    for step in range(0, made.steps, made.steps // 500):
        made.batch(step)
    assert time.perf_counter() - begin < 10


def test_rows_of_a_long_document_are_spread():
    made = small.build(small.config((1.0, 16, 128), epochs=1), small.stream(documents=4, mean=2000))
    assert np.mean([made.describe_step(step).count(",") + 1 for step in range(made.steps)]) > 2


def test_milestones_are_the_first_step_that_reaches_them():
    made = small.build(small.config(epochs=2, milestones=(500, 1000, 3000, 5000, 10**6)), small.stream())
    assert [m.name for m in made.milestones] == ["chck_500", "chck_1K", "chck_3K", "chck_5K"]
    for milestone in made.milestones:
        assert made.words_at[milestone.step - 1] < milestone.nominal <= made.words_at[milestone.step] == milestone.words


def test_the_budget_is_reached_exactly_and_is_a_milestone():
    made = small.build(small.config(words=4001, milestones=(4001,)), small.stream())
    assert made.milestones[-1].words == made.words == made.words_at[-1] == 4001
    assert made.milestones[-1].step == made.steps


@pytest.mark.parametrize(
    ("track", "count", "last"),
    [
        ("strict-small", 19, "chck_100M"),
        ("strict", 28, "chck_1000M"),
        ("multimodal", 28, "chck_1000M"),
        ("interaction", 28, "chck_1000M"),
    ],
)
def test_official_milestones(track, count, last):
    names = [milestone_name(words) for words in TRACKS[track].milestones]
    assert len(names) == len(set(names)) == count
    assert names[:11] == [*(f"chck_{i}M" for i in range(1, 11)), "chck_20M"]
    assert names[-1] == last


def test_over_budget_is_refused_with_the_sum():
    source = small.stream()
    source.epoch_words = 9_949_721  # a strict-small corpus, as far as the budget is concerned
    with pytest.raises(
        ValueError,
        match=r"budget\.epochs=12 x 9,949,721 words = 119,396,652 words, 19,396,652 more than the 100,000,000",
    ):
        small.build(small.config(track="strict-small", epochs=12), source)
    source.epoch_words = 10_500_000
    with pytest.raises(ValueError, match="500,000 more than the 10,000,000"):
        small.build(small.config(track="strict-small"), source)


def test_a_free_run_needs_a_budget():
    with pytest.raises(ValueError, match=r"budget\.words, budget\.epochs or budget\.flops"):
        small.build(small.config(), small.stream())


def test_the_smallest_budget_ends_the_run():
    assert small.build(small.config(epochs=2, words=1234), small.stream()).words == 1234


def test_flops_derive_the_number_of_steps():
    def flops(length):
        return 1000.0 + length

    planned = small.config(*TWO_PHASES, flops=5e6)
    made = plan.build(small.stream(), phases=planned.phases, budget=planned.budget, track="free", flops_per_token=flops)
    expected = sum(p.steps * p.rows * p.sequence_length * flops(p.sequence_length) for p in made.phases)
    assert made.flops_at[-1] == pytest.approx(expected)
    assert made.flops_at[-1] == pytest.approx(5e6, rel=0.03)  # whole steps


def test_phases_switch_at_their_share_of_the_tokens():
    made = small.build(small.config((0.25, 16, 128), (0.5, 32, 256), (1.0, 64, 256), epochs=8), small.stream())
    shares = [phase.start / made.phases[-1].end for phase in made.phases]
    assert shares == pytest.approx([0, 0.25, 0.5], abs=0.005)
    assert [phase.first_step for phase in made.phases][1:] == list(np.cumsum([p.steps for p in made.phases])[:-1])


def test_a_phase_without_steps_is_refused():
    with pytest.raises(ValueError, match=r"phases\[0\]: no step is left"):
        small.build(small.config((0.01, 16, 12800), (1.0, 16, 128), words=500), small.stream())


def printed(made, source):
    return plan_summary.describe(made, small.build(made, source), 1000, 1, 2)


def test_revisions_beyond_the_budget_are_named():
    source = small.stream()
    due = (500, 1000, 3000, 10**6)
    text = printed(small.config(epochs=1.3, milestones=due), source)
    assert "1 of 4 revisions are beyond the budget and will not exist: chck_1M\n" in text
    assert "beyond" not in printed(small.config(epochs=1.3, milestones=due[:3]), source)
    assert "19 of 19 required revisions are beyond the budget and will not exist: chck_1M chck_2M" in printed(
        small.config(track="strict-small", epochs=2), source
    )


def test_very_many_epochs_are_warned_of():
    source = small.stream(documents=20)
    assert "warning: the text is read 101 times" in printed(small.config(epochs=101), source)
    assert "warning" not in printed(small.config(epochs=100), source)


def test_a_budget_beyond_all_sense_is_refused_before_it_is_planned():
    with pytest.raises(ValueError, match=r"budget.flops=1e\+22 = [\d,]+ words, more than 10,000"):
        small.build(small.config(flops=1e22), small.stream())
