"""The sampler: transformers' greedy tokens, the softmax's frequencies, the same row alone and in any batch."""

from __future__ import annotations

import pytest
import torch
import transformers

from babylm.generation import decoders, one_of, sampler
from babylm.generation.captured_step import CapturedDecoder
from babylm.generation.cpu_step import CpuDecoder
from babylm.generation.decoders import PreallocatedDecoder
from babylm.generation.key_value_cache import compact_order
from babylm.generation.output_layer import OutputLayer
from babylm.generation.packed_linear import packing_works
from babylm.generation.selection import argmax, topk
from babylm.generation.token_choice import TokenChoice, figures, gumbel, log_normaliser
from tests.models.variants import VARIANTS, network

PROMPTS = [[0, 5, 9], [0, 7], [0, 11, 12, 13, 14, 15, 16, 17, 18], [0, 20, 21], [0, 7]]
ENDS = [1, *range(30, 45)]
STEP_VARIANTS = {
    "plain": VARIANTS["plain"],
    "swiglu": {"activation": "swiglu", "partial_rotary_factor": 1.0, "attention_gate": "elementwise"},
    "three heads": {"hidden_size": 48, "num_attention_heads": 3},
    "head": {"logit_softcap": 5.0, "head_transform": True, "tie_embeddings": False},
}
"""Other forms that `CpuDecoder` computes."""


def gpt2():
    torch.manual_seed(0)
    shape = transformers.GPT2Config(
        vocab_size=61, n_positions=64, n_embd=32, n_layer=2, n_head=2, initializer_range=0.2
    )
    return transformers.GPT2LMHeadModel(shape).eval()


@pytest.fixture(scope="module", params=[*VARIANTS, "gpt2"])
def model(request):
    return gpt2() if request.param == "gpt2" else network(**VARIANTS[request.param])


def greedy(model, prompt, ends, steps=12):
    ids = torch.tensor([prompt])
    settings = {"do_sample": False, "eos_token_id": ends or None, "pad_token_id": 2, "max_new_tokens": steps}
    model.generation_config.eos_token_id = None
    return model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :].tolist()


def draw(model, prompts=PROMPTS, seeds=(1, 2, 3, 4, 5), **settings):
    return sampler.sample(model, prompts, **{"max_new_tokens": 12, "ends": ENDS, "seeds": seeds, **settings})


def test_greedy_is_that_of_transformers(model):
    free = draw(model, temperature=0, ends=[])
    assert [completion.ids for completion in free] == [greedy(model, prompt, []) for prompt in PROMPTS]
    ends = [free[0].ids[2], free[2].ids[5]]  # some rows end early, and leave the batch
    made = draw(model, temperature=0, ends=ends)
    assert [completion.ids for completion in made] == [greedy(model, prompt, ends) for prompt in PROMPTS]


@pytest.mark.parametrize(
    "settings", [{}, {"top_k": 5, "top_p": 0.8}, {"top_p": 0.6, "temperature": 1.5}], ids=["plain", "top-k", "top-p"]
)
def test_a_row_is_the_same_alone_and_in_any_batch(model, settings):
    together = draw(model, **settings)
    backwards = draw(model, PROMPTS[::-1], (5, 4, 3, 2, 1), **settings)[::-1]
    for prompt, seed, row, other in zip(PROMPTS, (1, 2, 3, 4, 5), together, backwards, strict=True):
        (alone,) = draw(model, [prompt], [seed], **settings)
        assert alone.ids == row.ids == other.ids
        assert alone.logp == pytest.approx(row.logp, abs=1e-3)


def test_figures_are_those_of_the_model(model):
    made = draw(model, top_k=7, top_p=0.9, temperature=0.7)
    pairs = [(prompt, completion.ids) for prompt, completion in zip(PROMPTS, made, strict=True)]
    for completion, expected in zip(made, sampler.log_probs(model, pairs, pad=2), strict=True):
        assert completion.logp == pytest.approx(expected.logp, abs=2e-3)
        assert completion.entropy == pytest.approx(expected.entropy, abs=2e-3)
    assert draw(model, with_figures=False)[0].logp == []


def test_a_fixed_step_gives_what_a_growing_one_gives(monkeypatch):
    """The step that a GPU captures, here uncaptured."""
    for changes in (VARIANTS["default"], VARIANTS["affine"], VARIANTS["unet"]):
        model = network(**changes)
        expected = draw(model, top_k=20)
        with monkeypatch.context() as patch:
            patch.setattr(CapturedDecoder, "captures", False)
            patch.setattr(decoders, "decoder", CapturedDecoder)
            patch.setattr(sampler, "decoder", CapturedDecoder)
            fixed = draw(model, top_k=20)
        for a, b in zip(fixed, expected, strict=True):
            assert a.ids == b.ids
            assert a.logp == pytest.approx(b.logp, abs=1e-4)


def test_a_capture_that_fails_is_told_and_done_without(monkeypatch, capsys):
    model = network()
    expected = draw(model)
    monkeypatch.setattr(sampler, "decoder", CapturedDecoder)  # no GPU here: capturing raises
    assert [a.ids for a in draw(model)] == [b.ids for b in expected]
    assert "note: decoding is not captured as a CUDA graph" in capsys.readouterr().err
    assert not CapturedDecoder.fits(model)


# Choosing


SCORES = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, [0.4, 0.3, 0.15, 0.1, 0.05]),
        ({"top_k": 3}, [0.4, 0.3, 0.15, 0, 0]),
        ({"top_p": 0.69}, [0.4, 0.3, 0, 0, 0]),
        ({"top_p": 0.71}, [0.4, 0.3, 0.15, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0.4, 0.3, 0, 0, 0]),  # of the three, the first two have 0.82
        ({"top_p": 0.01}, [1, 0, 0, 0, 0]),
        ({"temperature": 0.5}, [0.16, 0.09, 0.0225, 0.01, 0.0025]),
        ({"temperature": 0}, [1, 0, 0, 0, 0]),
    ],
)
def test_frequencies_are_those_of_the_cut_softmax(settings, kept):
    rows = 20_000
    choice = TokenChoice(range(rows), torch.device("cpu"), **settings)
    tokens = choice(SCORES.expand(rows, 5), 3)
    share = torch.bincount(tokens, minlength=5) / rows
    expected = torch.tensor(kept, dtype=torch.float32)
    assert torch.allclose(share, expected / expected.sum(), atol=0.012)
    assert (share[expected == 0] == 0).all()


def test_top_p_without_sorting_keeps_what_transformers_keeps():
    torch.manual_seed(0)
    scores = 3 * torch.randn(40, 200)
    for top_p in (0.3, 0.9, 0.99):
        kept = transformers.TopPLogitsWarper(top_p)(None, scores) > -torch.inf
        for step in range(60):
            tokens = TokenChoice(range(40), torch.device("cpu"), top_p=top_p)(scores, step)
            assert kept.gather(1, tokens[:, None]).all()


def test_noise_is_gumbel_and_belongs_to_row_step_and_token():
    keys, ids = torch.arange(300), torch.arange(400)[None]
    noise = gumbel(keys, 0, ids)
    assert noise.isfinite().all()
    assert abs(noise.mean().item() - 0.5772) < 0.02
    assert abs(noise.var().item() - 1.6449) < 0.03
    for other in (gumbel(keys, 1, ids), noise.roll(1, 0), noise.roll(1, 1)):
        assert abs(torch.corrcoef(torch.stack([noise.flatten(), other.flatten()]))[0, 1].item()) < 0.015
    assert torch.equal(gumbel(keys[7:8], 0, ids[:, 9:11]), noise[7:8, 9:11])


def test_fast_normaliser_and_figures_are_torchs():
    logits = 5 * torch.randn(6, 50)
    logits[0, :10] = -torch.inf
    tokens = torch.arange(20, 26)
    log_probs = logits.log_softmax(-1)
    chosen, entropy = figures(logits, tokens)
    assert torch.allclose(chosen, log_probs.gather(1, tokens[:, None])[:, 0], atol=1e-5)
    expected = torch.distributions.Categorical(logits=logits[1:]).entropy()
    assert torch.allclose(entropy[1:], expected, atol=1e-5)
    assert entropy.isfinite().all()
    assert torch.allclose(log_normaliser(logits)[:, 0], logits.logsumexp(-1), atol=1e-5)


# Ends


def test_choices_are_kept_to():
    model = network()
    choices = [[5, 6, 1], [5, 7, 8, 1], [9, 1]]
    made = draw(model, PROMPTS * 8, range(40), allowed=one_of(choices))
    assert {tuple(completion.ids) for completion in made} == {tuple(choice) for choice in choices}
    per_row = [one_of([[40 + row]]) for row in range(5)]
    assert [completion.ids for completion in draw(model, allowed=per_row)] == [[40 + row] for row in range(5)]
    best = draw(model, [[0, 5]], [1], allowed=one_of([[3], [4]]), temperature=0)[0].ids[0]
    with torch.no_grad():
        logits = model(torch.tensor([[0, 5]])).logits[0, -1]
    assert best == (3 if logits[3] > logits[4] else 4)
    with pytest.raises(ValueError, match="nothing may follow"):
        draw(model, allowed=one_of([]))


def test_rows_end_by_their_own_limits_and_stops():
    model = network()
    limits = [1, 2, 3, 4, 5]
    assert [len(c.ids) for c in draw(model, max_new_tokens=limits, ends=[])] == limits
    stopped = draw(model, ends=[], stop=lambda ids: sum(ids) > 150)
    assert all(sum(c.ids[:-1]) <= 150 for c in stopped)
    assert any(len(c.ids) < 12 for c in stopped)
    assert draw(model, [], []) == []
    with pytest.raises(ValueError, match="max_new_tokens=0"):
        draw(model, max_new_tokens=0)


def test_rows_move_only_into_holes():
    assert compact_order([True] * 3) == [0, 1, 2]
    assert sorted(compact_order([False, True, True, False, True])) == [1, 2, 4]
    assert compact_order([False, True, True, False, True])[1] == 1


def test_the_packed_output_layer_gives_the_same_logits(monkeypatch):
    for changes in ({}, {"logit_softcap": 5.0}, {"head_transform": True}):
        model = network(**changes)
        hidden = torch.randn(7, 32)
        monkeypatch.setattr("babylm.generation.output_layer.LARGE", 1)
        layer = OutputLayer(model.head, 7)
        assert layer.product is not None
        assert layer.product.is_packed == packing_works()
        with torch.no_grad():
            assert torch.allclose(layer(hidden), model.head(hidden), atol=1e-4)


# On a CPU


@pytest.mark.parametrize("columns", [40, 1024, 5000, 16_384, 16_385])
def test_best_and_k_best_are_torchs(columns):
    values = torch.randn(9, columns, generator=torch.Generator().manual_seed(1))
    values[0, columns // 2] = values[0, columns - 1] = 9.0  # a tie: the first one counts
    values[1] = 0.0
    values[2, : columns - 8] = -torch.inf
    assert torch.equal(argmax(values), values.argmax(-1))
    for k in (1, 5, 33):
        best, ids = topk(values, k)
        assert torch.equal(best, values.topk(k).values)
        assert torch.equal(values.gather(1, ids), best)
        assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("changes", [{}, *STEP_VARIANTS.values()], ids=["default", *STEP_VARIANTS])
@pytest.mark.parametrize("packed", [True, False])
def test_a_step_on_a_cpu_is_the_models(changes, packed, monkeypatch):
    monkeypatch.setattr("babylm.generation.packed_linear.packing_works", lambda: packed and packing_works())
    monkeypatch.setattr("babylm.generation.cpu_step.COLUMNS", 5)  # the cache grows, with and without padding in front
    model = network(**changes)
    assert CpuDecoder.fits(model)
    prompts = [*PROMPTS, [0, *range(20, 35)]]  # the longest ends first: what only it has used is left out
    ids = torch.randint(5, 40, (20, 6), generator=torch.Generator().manual_seed(2))
    one, other = CpuDecoder(model), PreallocatedDecoder(model)
    with torch.no_grad():
        assert torch.allclose(one.prefill(prompts, 20), other.prefill(prompts, 20), atol=1e-5)
        rows = 6
        for step, tokens in enumerate(ids):
            assert torch.allclose(one.step(tokens[:rows]), other.step(tokens[:rows]), atol=2e-5)
            if step in (3, 4, 9):
                ended = rows - 1 if step == 3 else 0
                order = compact_order([row != ended for row in range(rows)])
                rows -= 1
                one.keep(order)
                other.keep(order)


def test_a_step_on_a_cpu_is_for_models_of_its_form(monkeypatch):
    for changes in VARIANTS.values():
        model = network(**changes)
        fits = CpuDecoder.fits(model)
        assert isinstance(decoders.decoder(model), CpuDecoder if fits else PreallocatedDecoder)
    assert not CpuDecoder.fits(network().double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not CpuDecoder.fits(network())


def test_a_completion_without_a_prompt_has_no_log_probabilities():
    with pytest.raises(ValueError, match="at least one token"):
        sampler.log_probs(None, [([0], [1]), ([], [1])])
