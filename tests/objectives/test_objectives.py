"""Objectives ask the right positions for the right tokens, and their sums can be cut anywhere."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from babylm import objectives
from babylm.objectives import SpecialTokens, TokenBatch
from tests import small

SPECIAL = SpecialTokens(bos=0, pad=1, mask=2, vocab_size=300, first_ordinary_id=5)


def make_batch(rows=8, length=64, seed=0, first_row=0, pads=True):
    """Rows of documents of 3 to 20 tokens, each opened by BOS; words of 1 to 4 tokens; some rows end in pads."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high):
        return int(torch.randint(low, high + 1, (), generator=generator))

    tokens = torch.randint(5, 300, (rows, length), generator=generator)
    documents, words = torch.zeros(rows, length, dtype=torch.int32), torch.zeros(rows, length, dtype=torch.uint8)
    for row in range(rows):
        start, number = 0, 0
        while start < length:
            end = min(length, start + draw(3, 20))
            documents[row, start:end], tokens[row, start] = number, SPECIAL.bos
            at = start
            while at < end - 1:
                at = min(end - 1, at + draw(1, 4))
                words[row, at] = 1
            start, number = end, number + 1
        if pads and row % 3 == 0:
            tokens[row, -7:], words[row, -7:], documents[row, -7:] = SPECIAL.pad, 0, number
    return TokenBatch(tokens, documents, words, first_row=first_row)


def answer(tokens, documents, bidirectional, at, targets):
    """A deterministic stand-in whose answers depend on the row's own content at and around the position asked."""
    state = (tokens.double() * 0.01).cos() + documents * 0.1 + bidirectional[:, None] * 0.5
    nll = 3 + (state.flatten()[at] * (1 + targets * 0.01)).sin()
    return SimpleNamespace(nll=nll.float(), log_z=(nll * 0.7).float())


network = SimpleNamespace(token_losses=answer)


def build(name, **settings):
    return objectives.build(small.objective_settings(name, **settings), SPECIAL)


def example_of(objective, batch, progress=0.3, seed=1):
    noise = objective.draw_uniforms(*batch.tokens.shape, torch.Generator().manual_seed(seed))
    return objective.corrupt(batch, noise, progress)


def asked(example, length):
    """The real targets as a set of (row, position, target, masked)."""
    real = example.weights > 0
    rows = zip(
        example.target_positions[real].tolist(),
        example.targets[real].tolist(),
        example.masked[real].tolist(),
        strict=True,
    )
    return [(at // length, at % length, target, masked) for at, target, masked in rows]


def assert_same(a, b):
    for field in dataclasses.fields(a):
        assert torch.equal(getattr(a, field.name), getattr(b, field.name)), field.name


@pytest.mark.parametrize(("ratio", "pure"), [(1.0, "causal"), (0.0, "masked")])
def test_hybrid_at_its_ends_is_the_pure_objective(ratio, pure):
    batch = make_batch(first_row=37)
    noise = build("masked").draw_uniforms(8, 64, torch.Generator().manual_seed(1))
    hybrid = build("hybrid", causal_ratio=ratio)
    mixed, alone = hybrid.corrupt(batch, noise, 0.5), build(pure).corrupt(batch, noise, 0.5)
    assert_same(mixed, alone)
    assert torch.equal(hybrid.loss(network, mixed).total, build(pure).loss(network, alone).total)


def test_hybrid_spreads_causal_rows_exactly():
    objective = build("hybrid", causal_ratio=0.3)
    flags = torch.cat([~example_of(objective, make_batch(7, 16, first_row=7 * i)).bidirectional for i in range(30)])
    assert flags.sum() == 63
    assert all(2 <= flags[i : i + 10].sum() <= 4 for i in range(200))
    wanted = [((i + 1) * 3) // 10 > (i * 3) // 10 for i in range(210)]
    assert flags.tolist() == wanted


def test_causal_targets_equal_a_slow_loop():
    batch = make_batch()
    example = example_of(build("causal"), batch)
    slow = []
    for row in range(8):
        for t in range(63):
            target = int(batch.tokens[row, t + 1])
            if batch.document_ids[row, t] == batch.document_ids[row, t + 1] and target not in (
                SPECIAL.bos,
                SPECIAL.pad,
            ):
                slow.append((row, t, target, False))
    assert asked(example, 64) == slow
    assert torch.equal(example.tokens, batch.tokens)
    assert not example.bidirectional.any()


@pytest.mark.parametrize("reading", ["mntp", "mlm"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_masked_targets_are_the_originals(reading, whole_words):
    batch = make_batch(32)
    objective = build("masked", masked_prediction=reading, whole_words=whole_words, keep=0.0, random=0.0)
    example = example_of(objective, batch)
    shift = 1 if reading == "mntp" else 0
    hidden = {(row, at + shift) for row, at, _, _ in asked(example, 64)}
    assert len(hidden) == len(asked(example, 64)) > 200
    assert hidden == set(map(tuple, (example.tokens == SPECIAL.mask).nonzero().tolist()))
    for row, at, target, masked in asked(example, 64):
        assert masked
        assert target == batch.tokens[row, at + shift]
        assert target not in (SPECIAL.bos, SPECIAL.pad)
        assert batch.document_ids[row, at] == batch.document_ids[row, at + shift]
    kept = example.tokens != SPECIAL.mask
    assert torch.equal(example.tokens[kept], batch.tokens[kept])


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("span", [1, 3])
def test_rate_and_position_uniformity(whole_words, span):
    batch = make_batch(4000, 32, pads=False)
    objective = build("masked", mask_rate=[0.2, 0.2], span=span, whole_words=whole_words, keep=0.0, random=0.0)
    example = example_of(objective, batch)
    candidates = batch.tokens != SPECIAL.bos
    chosen = example.tokens == SPECIAL.mask
    share = (0.2 * candidates.sum(1)).round().long()
    rate = float(share.sum() / candidates.sum())
    assert rate == pytest.approx(0.2, abs=0.01)
    assert chosen.sum() / candidates.sum() == pytest.approx(rate, abs=0.003)
    by_position = (chosen.sum(0) / candidates.sum(0).clamp(min=1))[1:]
    # 4,000 rows at .2: one standard error is .0063.
    assert (by_position - rate).abs().max() < 0.03
    if not whole_words:
        assert torch.equal(chosen.sum(1), share)


def test_a_masked_row_weighs_its_candidates():
    batch = make_batch(64)
    example = example_of(build("masked"), batch)
    candidates = ((batch.tokens != SPECIAL.bos) & (batch.tokens != SPECIAL.pad)).sum(1)
    weight = torch.zeros(64).index_add(0, example.target_positions // 64, example.weights)
    assert torch.allclose(weight, candidates.float())
    rate = small.objective_settings("masked").mask_rate_at(0.3)
    assert example.weights[example.weights > 0].mean() == pytest.approx(1 / rate, rel=0.03)


def test_spans_are_contiguous_and_of_all_lengths():
    batch = make_batch(500, 64, pads=False)
    objective = build("masked", mask_rate=[0.05, 0.05], span=3, keep=0.0, random=0.0)
    chosen = example_of(objective, batch).tokens == SPECIAL.mask
    runs = [len(run) for row in chosen.tolist() for run in "".join("x" if c else " " for c in row).split()]
    # Spans of 1, 2, 3, some cut by the share (3 a row) or a BOS: far more than singles, few beyond 3.
    assert sum(run > 1 for run in runs) / len(runs) > 0.4
    assert sum(run > 3 for run in runs) / len(runs) < 0.1


def test_whole_words_are_whole():
    batch = make_batch(200)
    chosen = example_of(build("masked", whole_words=True, keep=0.0, random=0.0), batch).tokens == SPECIAL.mask
    checked = 0
    for row in range(200):
        word = []
        for t in range(64):
            if batch.tokens[row, t] != SPECIAL.bos:
                word.append(bool(chosen[row, t]))
            if batch.words[row, t] or batch.tokens[row, t] == SPECIAL.bos:
                assert all(word) or not any(word)
                checked += len(word) > 1 and all(word)
                word = []
    assert checked > 100


def test_keep_and_random_shares():
    batch = make_batch(500, pads=False)
    plain = example_of(build("masked", keep=0.0, random=0.0), batch)
    mixed = example_of(build("masked", keep=0.1, random=0.2), batch)
    hidden = plain.tokens == SPECIAL.mask
    assert torch.equal(plain.target_positions, mixed.target_positions)
    same, mask = mixed.tokens == batch.tokens, mixed.tokens == SPECIAL.mask
    assert same[~hidden].all()
    assert mask[hidden].float().mean() == pytest.approx(0.7, abs=0.02)
    assert same[hidden].float().mean() == pytest.approx(0.1, abs=0.015)
    replaced = mixed.tokens[hidden & ~same & ~mask]
    assert replaced.min() >= 5
    assert replaced.max() < 300
    assert len(replaced.unique()) > 250


@pytest.mark.parametrize("name", ["causal", "masked", "hybrid"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_slices_of_the_batch_and_the_noise_give_the_whole(name, whole_words):
    settings = {"hybrid": {"causal_ratio": 0.4, "whole_words": whole_words}, "masked": {"whole_words": whole_words}}
    objective = build(name, **settings.get(name, {}))
    batch = make_batch(12, first_row=24)
    noise = objective.draw_uniforms(12, 64, torch.Generator().manual_seed(5))
    whole = objective.corrupt(batch, noise, 0.6)
    total = objective.loss(network, whole)
    parts, sums = [], torch.tensor(0.0)
    metrics = {key: [0.0, 0] for key in total.metrics}
    for cut in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = TokenBatch(
            batch.tokens[cut], batch.document_ids[cut], batch.words[cut], first_row=batch.first_row + cut.start
        )
        example = objective.corrupt(part, noise[cut], 0.6)
        assert torch.equal(example.tokens, whole.tokens[cut])
        assert torch.equal(example.bidirectional, whole.bidirectional[cut])
        parts += [(row + cut.start, *rest) for row, *rest in asked(example, 64)]
        loss = objective.loss(network, example)
        sums += loss.total
        for key, (value, count) in loss.metrics.items():
            metrics[key][0] += float(value)
            metrics[key][1] += float(count)
    assert sorted(parts) == sorted(asked(whole, 64))
    assert sums == pytest.approx(float(total.total), rel=1e-5)
    for key, (value, count) in total.metrics.items():
        assert metrics[key][0] == pytest.approx(float(value), rel=1e-5)
        if key == "loss":  # divided by weights, which are fractions
            assert metrics[key][1] == pytest.approx(float(count), rel=1e-6)
            assert float(value) == float(total.total)
        else:
            assert metrics[key][1] == int(count)


@pytest.mark.parametrize("whole_words", [False, True])
def test_shapes_do_not_depend_on_the_data(whole_words):
    objective = build("hybrid", whole_words=whole_words)
    shapes = {len(example_of(objective, make_batch(seed=seed), seed=seed).target_positions) for seed in range(5)}
    assert len(shapes) == 1


def test_z_loss_and_metrics():
    batch = make_batch()
    objective, plain = build("hybrid", z_loss=0.5), build("hybrid", z_loss=0.0)
    example = example_of(objective, batch)
    scored = answer(
        example.tokens, example.document_ids, example.bidirectional, example.target_positions, example.targets
    )
    difference = objective.loss(network, example).total - plain.loss(network, example).total
    assert difference == pytest.approx(float((0.5 * scored.log_z.square() * example.weights).sum()), rel=1e-4)
    metrics = plain.loss(network, example).metrics
    assert set(metrics) == {"loss", "causal", "masked", "z"}
    real = example.weights > 0
    assert metrics["causal"][1] + metrics["masked"][1] == real.sum() == metrics["z"][1]
    assert metrics["masked"][0] == pytest.approx(float(scored.nll[real & example.masked].sum()), rel=1e-6)


def test_a_row_of_pads_asks_nothing():
    batch = make_batch(4)
    batch.tokens[:, 1:], batch.document_ids[:, 1:], batch.words[:] = SPECIAL.pad, 1, 0
    for name in ("causal", "masked", "hybrid"):
        for whole_words in (False, True):
            example = example_of(build(name, **({} if name == "causal" else {"whole_words": whole_words})), batch)
            assert (example.weights == 0).all()
            assert torch.equal(example.tokens, batch.tokens)


def test_unknown_name_suggests():
    with pytest.raises(ValueError, match=r"objectives.name.*did you mean masked"):
        build("maskd")
