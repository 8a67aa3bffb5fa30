"""Every backend equals the eager one where it runs; the choice probes, measures and says why."""

import importlib.util
import itertools
import sys
import types
import warnings

import pytest
import torch
import torch.nn.functional as F

from babylm.models import attention
from babylm.models.attention import attend, packed_layout, padded_layout
from babylm.training.attention_backend import choose, preferred, probe

from .variants import config

DOCUMENTS = torch.tensor([[0] * 16, [0] * 5 + [1] * 11, [0] * 3 + [1] * 4 + [2] * 9, [0] * 15 + [1]]).int()
MIXTURE = torch.tensor([True, False, True, False])
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def heads(dtype=torch.float32, device="cpu", length=16, size=32):
    torch.manual_seed(0)
    return torch.randn(3, len(DOCUMENTS), length, 2, size, device=device).to(dtype).requires_grad_()


def visible_by_hand(documents, bidirectional):
    rows, length = documents.shape
    seen = torch.zeros(rows, length, length, dtype=torch.bool)
    for row in range(rows):
        for i in range(length):
            for j in range(length):
                seen[row, i, j] = documents[row, i] == documents[row, j] and (bool(bidirectional[row]) or j <= i)
    return seen


def run(backend, documents, bidirectional, packed, **arguments):
    layout = packed_layout(documents, bidirectional, backend, like=packed)
    query, key, value = packed if layout.order is None else packed[:, layout.order]
    out = attend(query, key, value, layout, **arguments)
    out = out if layout.order is None else out[layout.order.argsort()]
    return out, torch.autograd.grad(out.square().sum(), packed)[0]


def test_eager_by_hand():
    query, key, value = heads().detach()
    scores = torch.einsum("rqhd,rkhd->rhqk", query, key) / 32**0.5
    scores = scores.masked_fill(~visible_by_hand(DOCUMENTS, MIXTURE)[:, None], -torch.inf)
    expected = torch.einsum("rhqk,rkhd->rqhd", scores.softmax(-1), value)
    layout = packed_layout(DOCUMENTS, MIXTURE, "eager", like=query)
    torch.testing.assert_close(attend(query, key, value, layout), expected)


modes = pytest.mark.parametrize(
    "bidirectional", [MIXTURE, MIXTURE & False, MIXTURE | True], ids=["mixture", "causal", "both"]
)
rows = pytest.mark.parametrize("documents", [DOCUMENTS, DOCUMENTS * 0], ids=["packed", "single"])


@modes
@rows
def test_sdpa_equals_eager(bidirectional, documents):
    ours, right = (run(name, documents, bidirectional, heads()) for name in ("sdpa", "eager"))
    torch.testing.assert_close(ours, right, atol=5e-5, rtol=1e-4)


@modes
@rows
def test_flex_equals_eager_forward(bidirectional, documents):
    """Its backward needs a GPU."""
    query, key, value = heads().detach()
    ours, right = (packed_layout(documents, bidirectional, name, like=query) for name in ("flex", "eager"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is slow when not compiled
        result = attend(query, key, value, ours)
    torch.testing.assert_close(result, attend(query, key, value, right), atol=5e-5, rtol=1e-4)


def test_causal_single_documents_need_no_mask():
    layout = packed_layout(DOCUMENTS * 0, MIXTURE & False, "sdpa", like=heads())
    assert layout.causal
    assert layout.mask is None


def test_bias_and_scale():
    bias = torch.randn(4, 2, 16, 16)
    for bidirectional, documents in ((MIXTURE, DOCUMENTS), (MIXTURE & False, DOCUMENTS * 0)):
        results = [run(name, documents, bidirectional, heads(), bias=bias, scale=0.1)[0] for name in ("eager", "sdpa")]
        torch.testing.assert_close(*results)


def test_dropout_of_weights_is_unbiased():
    query, key, value = heads().detach()
    layout = packed_layout(DOCUMENTS, MIXTURE, "eager", like=query)
    torch.manual_seed(0)
    mean = torch.stack([attend(query, key, value, layout, dropout=0.3) for _ in range(400)]).mean(0)
    assert (mean - attend(query, key, value, layout)).abs().mean() < 0.04


def test_varlen_offsets_follow_documents_with_causal_rows_first():
    layout = packed_layout(DOCUMENTS, MIXTURE, "varlen", like=heads())
    assert layout.order.tolist() == [1, 3, 0, 2]
    causal, both = layout.groups
    assert (causal.start, causal.stop, causal.causal, both.start, both.stop, both.causal) == (0, 2, True, 2, 4, False)
    assert causal.offsets.tolist() == [0, 5, 16, 31, 32]
    assert both.offsets.tolist() == [0, 16, 19, 23, 32]
    assert causal.offsets.dtype == torch.int32
    three = packed_layout(DOCUMENTS[:2], MIXTURE[:2] | True, "varlen", like=heads())
    assert three.order is None
    assert three.groups[0].offsets.tolist() == [0, 16, 21, 32, 32], "padded to a power of two of sequences"


@pytest.mark.parametrize("with_sums", [False, True])
def test_flash_attention_is_called_with_documents_and_equals_eager(monkeypatch, with_sums):
    """By a stand-in with the signature of the packages: 2 returns the states, some of 3 a tuple."""

    def varlen(query, key, value, q_offsets, k_offsets, q_longest, k_longest, *, softmax_scale, causal):
        assert torch.equal(q_offsets, k_offsets)
        assert q_longest == k_longest == int(DOCUMENTS.shape[1])
        parts = []
        for start, stop in itertools.pairwise(q_offsets.tolist()):
            one = [x[start:stop].transpose(0, 1)[None] for x in (query, key, value)]
            out = F.scaled_dot_product_attention(*one, scale=softmax_scale, is_causal=causal)
            parts.append(out[0].transpose(0, 1))
        states = torch.cat(parts)
        return (states, states.sum()) if with_sums else states

    monkeypatch.setattr(attention, "flash_attn_varlen_func", varlen)
    ours = run("flash", DOCUMENTS, MIXTURE, heads())
    for mine, right in zip(ours, run("eager", DOCUMENTS, MIXTURE, heads()), strict=True):
        torch.testing.assert_close(mine, right, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("installed", "version"), [((), None), (("2",), "2"), (("3",), "3"), (("2", "3"), "3")])
def test_flash_attention_3_goes_before_2(monkeypatch, installed, version):
    names = {"2": "flash_attn", "3": "flash_attn_interface"}
    for number, name in names.items():
        module = types.ModuleType(name)
        module.flash_attn_varlen_func = number
        monkeypatch.setitem(sys.modules, name, module if number in installed else None)
    spec = importlib.util.spec_from_file_location("babylm.models.attention_again", attention.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.flash_attn_varlen_func == version


@CUDA
@pytest.mark.parametrize("backend", ["sdpa", "flex", "varlen", "flash"])
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_equals_eager_on_cuda(backend, where):
    device = torch.device("cuda")
    if problem := probe(backend, device, torch.bfloat16, 32):
        pytest.skip(f"{backend} does not run here: {problem}")
    documents, modes = DOCUMENTS.to(where), MIXTURE.to(where)
    ours = run(backend, documents, modes, heads(torch.bfloat16, "cuda"))
    for mine, right in zip(ours, run("eager", documents, modes, heads(torch.bfloat16, "cuda")), strict=True):
        torch.testing.assert_close(mine, right, atol=0.05, rtol=0.05)


def test_padded_layout():
    like = torch.zeros(1)
    assert padded_layout(None, 5, 5, True, "sdpa", like) == padded_layout(torch.ones(2, 5), 5, 5, True, "flash", like)
    assert padded_layout(None, 1, 9, True, "sdpa", like) == padded_layout(None, 5, 5, False, "sdpa", like)
    seen = padded_layout(torch.tensor([[0, 0, 1, 1]]), 2, 4, True, "sdpa", like).mask[0, 0] == 0
    assert seen.tolist() == [[False, False, True, False], [False, False, True, True]]
    seen = padded_layout(torch.tensor([[0, 1, 1]]), 3, 3, True, "sdpa", like).mask[0, 0] == 0
    assert seen.tolist() == [[True, False, False], [False, True, False], [False, True, True]], "padding sees itself"
    cube = torch.ones(1, 3, 3).tril()
    both = padded_layout(cube, 3, 3, False, "sdpa", like).mask
    assert torch.equal(both, padded_layout(None, 3, 3, False, "sdpa", like)._replace(mask=both).mask)
    assert (both[0, 0] == 0).tolist() == cube[0].bool().tolist()
    additive = torch.zeros(1, 1, 3, 3).masked_fill(cube[:, None] == 0, torch.finfo(torch.float32).min)
    assert torch.equal(padded_layout(additive, 3, 3, False, "sdpa", like).mask, both)
    with pytest.raises(ValueError, match="attention_mask"):
        padded_layout(torch.zeros(1, 2), 3, 3, True, "sdpa", like)


@pytest.mark.parametrize(("dtype", "name"), [(torch.float32, "sdpa"), (torch.bfloat16, "eager")])
@pytest.mark.parametrize("length", [16, 512])
def test_the_choice_is_a_rule_and_says_why(dtype, name, length):
    choice = choose(config(), torch.device("cpu"), dtype, length=length)
    assert choice.name == name
    assert choice.reason.startswith(f"first of {name}, ")
    assert f"rows of {length} tokens" in choice.reason
    assert "\n" not in choice.reason


def test_on_a_gpu_long_rows_leave_the_dense_mask():
    gpu = torch.device("cuda")
    assert preferred(gpu, torch.bfloat16, 128, dense=False) == ["flash", "sdpa", "varlen", "flex"]
    assert preferred(gpu, torch.bfloat16, 512, dense=False) == ["flash", "varlen", "sdpa", "flex"]
    assert preferred(gpu, torch.bfloat16, 512, dense=True) == ["sdpa", "eager"]


def test_explicit_choice_is_taken():
    assert choose(config(), torch.device("cpu"), torch.float32, requested="eager").name == "eager"


def test_choice_refuses_what_cannot_run():
    cpu = torch.device("cpu")
    with pytest.raises(ValueError, match=r"training\.attention.*one of: auto"):
        choose(config(), cpu, torch.float32, requested="fast")
    with pytest.raises(ValueError, match=r"training\.attention=varlen does not run here"):
        choose(config(), cpu, torch.float32, requested="varlen")
    with pytest.raises(ValueError, match="relative bias"):
        choose(config(position="relative"), cpu, torch.float32, requested="flex")


def test_a_kernel_that_imports_and_fails_is_passed_over(monkeypatch):
    def broken(*_):
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setitem(attention._KERNELS, "sdpa", broken)
    choice = choose(config(), torch.device("cpu"), torch.float32, length=16)
    assert choice.name == "eager"
    assert "sdpa does not run (RuntimeError: no kernel image)" in choice.reason
