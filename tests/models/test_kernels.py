"""Every fast form equals the plain form beside it, in values and in gradients, eagerly and as compiled."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F

from babylm.models import dropout, kernels, token_loss
from babylm.models.layers import Linear
from babylm.models.positions import rotary_table


class Pair(NamedTuple):
    """Two forms of one function of ``inputs`` (floating-point tensors, each with a gradient)."""

    fast: Callable
    reference: Callable
    inputs: tuple


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(dtype, rotary_dim, rows=1):
    positions = torch.arange(7).expand(rows, 7) + 3 * torch.arange(rows)[:, None]
    return rotary_table(positions, 8, rotary_dim, 100.0, dtype)


HEADS = normal(3, 7, 2, 8)  # rows, length, heads, head_dim
LAYERS = [Linear(8, size).double() for size in (3, 5)]
VALUE = normal(3, 7, 8)
VOCABULARY, TARGETS = 97, torch.randint(97, (150,), generator=torch.Generator().manual_seed(0))
HIDDEN, WEIGHT, BIAS = normal(150, 24), normal(VOCABULARY, 24) * 0.5, normal(VOCABULARY)


def rotated(fast, rotary_dim, *eps, rows=1):
    def call(x):
        return fast(x, rotation(x.dtype, rotary_dim, rows), *eps)

    return call


def losses(function, cap):
    return lambda hidden, weight, bias: function(hidden, weight, bias, TARGETS, cap)


def on_a_gpu(x, *layers):
    """`kernels.project` as on a GPU: the branch is chosen by the device alone."""
    weight = torch.cat([layer.weight for layer in layers]).to(x.dtype)
    return F.linear(x, weight).split([layer.out_features for layer in layers], dim=-1)


def with_dropout(function):
    def call(residual, branch):
        torch.manual_seed(3)
        return function(residual, branch, 0.4)

    return call


# A large epsilon, so that its part in the gradient shows.
PAIRS = {
    "rms_norm": Pair(
        lambda x: kernels.rms_norm(x, None, 0.3), lambda x: kernels.rms_norm_reference(x, None, 0.3), (VALUE,)
    ),
    "rms_norm with gain": Pair(
        lambda x, w: kernels.rms_norm(x, w, 1e-5),
        lambda x, w: kernels.rms_norm_reference(x, w, 1e-5),
        (VALUE, normal(8, seed=1)),
    ),
    **{
        f"rotate {size} of 8": Pair(rotated(kernels.rotate, size), rotated(kernels.rotate_reference, size), (HEADS,))
        for size in (2, 4, 6, 8)
    },
    "rotate by row": Pair(rotated(kernels.rotate, 4, rows=3), rotated(kernels.rotate_reference, 4, rows=3), (HEADS,)),
    **{
        f"rms_norm_and_rotate {size} of 8": Pair(
            rotated(kernels.rms_norm_and_rotate, size, 0.3),
            rotated(kernels.rms_norm_and_rotate_reference, size, 0.3),
            (HEADS,),
        )
        for size in (4, 6, 8)
    },
    "attention_scores": Pair(
        lambda q, k: kernels.attention_scores(q, k, 0.3),
        lambda q, k: kernels.attention_scores_reference(q, k, 0.3),
        (normal(6, 5, 8), normal(6, 7, 8, seed=1)),
    ),
    "project": Pair(lambda x: kernels.project(x, *LAYERS), lambda x: kernels.project_reference(x, *LAYERS), (VALUE,)),
    "project as one product": Pair(
        lambda x: on_a_gpu(x, *LAYERS), lambda x: kernels.project_reference(x, *LAYERS), (VALUE,)
    ),
    "mix": Pair(kernels.mix, kernels.mix_reference, (VALUE, normal(3, 7, 8, seed=1), torch.tensor([0.3]).double())),
    **{
        f"token_losses, cap {cap:g}": Pair(
            losses(token_loss.token_losses, cap), losses(token_loss.token_losses_reference, cap), (HIDDEN, WEIGHT, BIAS)
        )
        for cap in (0.0, 4.0)
    },
    "add_branch": Pair(
        with_dropout(dropout.add_branch), with_dropout(dropout.add_branch_reference), (VALUE, normal(3, 7, 8, seed=1))
    ),
}


def results(function, inputs, dtype):
    """The outputs, and the gradients of a weighted sum of all of them."""
    leaves = [x.to(dtype, copy=True).requires_grad_() for x in inputs]
    outputs = function(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    total = sum((normal(*out.shape, seed=9).to(out.dtype) * out).sum() for out in outputs)
    return [out.detach() for out in outputs], torch.autograd.grad(total, leaves)


@pytest.fixture(params=[False, True], ids=["eager", "as compiled"])
def form(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


@pytest.mark.parametrize("name", PAIRS)
def test_the_fast_form_equals_the_reference(name, form):
    fast, reference, inputs = PAIRS[name]
    (outputs, gradients), expected = (results(function, inputs, torch.float32) for function in (fast, reference))
    torch.testing.assert_close(outputs, expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, expected[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in PAIRS if "project" not in name])
def test_in_bfloat16_within_its_rounding(name, form):
    """Both against the reference in float32: the error of the fast form is small, or no larger than the plain one's."""
    fast, reference, inputs = PAIRS[name]
    inputs = [x.bfloat16() for x in inputs]
    exact, ours, plain = (
        [y.float() for part in results(function, inputs, dtype) for y in part]
        for function, dtype in ((reference, torch.float32), (fast, torch.bfloat16), (reference, torch.bfloat16))
    )
    for mine, theirs, right in zip(ours, plain, exact, strict=True):
        if name == "add_branch" or (theirs - right).norm() == 0:  # the same elements are dropped, so equal
            torch.testing.assert_close(mine, theirs, atol=0.03, rtol=0.02)
        else:
            assert (mine - right).norm() <= max(0.02 * right.norm(), 1.1 * (theirs - right).norm())


@pytest.mark.parametrize("shape", [(5, 7), (64, 48), (3, 5, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.003])
def test_dropout_masks_are_equal_to_the_bit(shape, dtype, share):
    like, seeds = torch.ones(shape, dtype=dtype), torch.tensor([123456789, -987654321], dtype=torch.int32)
    threshold = round(share * dropout.STEPS)
    masks = [form(like, seeds, threshold) for form in (dropout.mask_in_place, dropout.mask_reference)]
    assert torch.equal(*masks)
    assert masks[0].dtype == dtype


def test_rms_norm_of_strided_bfloat16():
    x = normal(3, 5, 2, 64).bfloat16()[:, :, 1].requires_grad_()
    result, expected = kernels.rms_norm(x, None, 1e-5), kernels.rms_norm_reference(x.float(), None, 1e-5)
    torch.testing.assert_close(result.float(), expected, atol=0.03, rtol=0.02)
    upstream = normal(3, 5, 64).float()
    mine, theirs = torch.autograd.grad(result, x, upstream.bfloat16())[0], torch.autograd.grad(expected, x, upstream)[0]
    assert (mine - theirs).float().norm() < 0.02 * theirs.float().norm()


@pytest.mark.parametrize("rotary_dim", [4, 6, 8])
def test_rotation_has_an_exact_gradient(rotary_dim, form):
    x = HEADS.clone().requires_grad_()
    table = rotation(torch.float64, rotary_dim)
    assert torch.autograd.gradcheck(lambda y: kernels.rotate(y, table), x)


def test_the_gradient_of_the_keys_is_contiguous():
    query, key = (normal(6, 5, 8, seed=seed).float().requires_grad_() for seed in (0, 1))
    scores = kernels.attention_scores(query, key, 0.3)
    assert torch.autograd.grad(scores.sum(), key)[0].is_contiguous()


def loss_inputs(dtype=torch.float32):
    return [x.to(dtype, copy=True).requires_grad_() for x in (HIDDEN, WEIGHT, BIAS)]


def test_token_losses_of_bfloat16_are_float32():
    hidden, weight, bias = loss_inputs()
    nll, log_z = token_loss.token_losses(hidden.bfloat16(), weight, bias, TARGETS)
    assert nll.dtype == log_z.dtype == torch.float32
    assert torch.autograd.grad(nll.sum(), weight)[0].dtype == torch.float32


def test_token_losses_have_a_numerically_right_gradient():
    hidden, weight, bias = (x[:7, :3].contiguous() if x.dim() == 2 else x[:7] for x in loss_inputs(torch.float64))
    hidden, weight, bias = (x.detach().clone().requires_grad_() for x in (hidden[:5], weight, bias))

    def loss():
        nll, log_z = token_loss.token_losses(hidden, weight, bias, TARGETS[:5] % 7, 3.0)
        return (nll + 0.1 * log_z.square()).double().sum()

    eps = 1e-3
    gradient = torch.autograd.grad(loss(), weight)[0]
    with torch.no_grad():
        for index in ((0, 0), (3, 2), (6, 1)):
            weight[index] += eps
            above = loss()
            weight[index] -= 2 * eps
            below = loss()
            weight[index] += eps
            assert abs((above - below) / (2 * eps) - gradient[index]) < 1e-3


def test_chunks_do_not_matter(monkeypatch):
    leaves, computed = loss_inputs(), []
    for size in (7, 1000):
        monkeypatch.setitem(token_loss.CHUNK, "cpu", size)
        nll, log_z = token_loss.token_losses(*leaves, TARGETS)
        computed.append((nll, log_z, *torch.autograd.grad((nll + log_z).square().sum(), leaves)))
    torch.testing.assert_close(computed[0], computed[1])


def test_second_backward_is_refused():
    loss = token_loss.token_losses(*loss_inputs(), TARGETS).nll.sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once only"):
        loss.backward()


def test_no_targets():
    hidden, weight, bias = loss_inputs()
    nll, _ = token_loss.token_losses(hidden[:0], weight, bias, TARGETS[:0])
    nll.sum().backward()
    assert weight.grad.abs().max() == 0
