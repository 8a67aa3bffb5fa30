"""Our own norm and dropout against torch's."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models.dropout import add_branch, drop
from babylm.models.layers import Linear, Norm, project

from .variants import config


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("size", [24, 64])
def test_rms_norm(affine, size):
    torch.manual_seed(0)
    norm = Norm(size, config(norm_affine=affine))
    x = torch.randn(5, 7, size, requires_grad=True)
    if affine:
        torch.nn.init.normal_(norm.weight)
    ours, right = norm(x), F.rms_norm(x, (size,), norm.weight, 1e-5)
    torch.testing.assert_close(ours, right, atol=1e-5, rtol=1e-5)
    leaves = (x, norm.weight) if affine else (x,)
    upstream = torch.randn_like(x)
    for mine, theirs in zip(*(torch.autograd.grad(y, leaves, upstream) for y in (ours, right)), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_rms_norm_of_strided_bfloat16():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 2, 64).bfloat16()[:, :, 1].requires_grad_()
    ours, right = Norm(64, config())(x), F.rms_norm(x.float(), (64,), None, 1e-5)
    torch.testing.assert_close(ours.float(), right, atol=0.03, rtol=0.02)
    upstream = torch.randn(3, 5, 64)
    mine, theirs = torch.autograd.grad(ours, x, upstream.bfloat16())[0], torch.autograd.grad(right, x, upstream)[0]
    assert (mine - theirs).float().norm() < 0.02 * theirs.float().norm()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.003])
def test_dropout(share):
    torch.manual_seed(0)
    x = torch.ones(401, 997, requires_grad=True)
    dropped = drop(x, share)
    zeros = (dropped == 0).float().mean().item()
    assert zeros == pytest.approx(share, abs=4 * (share * (1 - share) / x.numel()) ** 0.5 + 1e-5)
    assert dropped.max().item() == pytest.approx(1 / (1 - share), rel=1e-4)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(torch.autograd.grad(dropped.sum(), x)[0], dropped)
    lanes = (dropped.flatten()[: 4 * (x.numel() // 4)].view(-1, 4) == 0).float().mean(0)
    assert (lanes - share).abs().max() < 0.01, "each quarter of a random number is as random as the others"


@pytest.mark.parametrize("shape", [(5, 7), (64, 48), (3, 5, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_and_eager_code_drop_the_same_elements(shape, dtype, monkeypatch):
    def masks():
        torch.manual_seed(5)
        return [drop(torch.ones(shape, dtype=dtype), 0.3) for _ in range(2)]

    eager = masks()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert all(torch.equal(one, other) for one, other in zip(eager, masks(), strict=True))
    assert not torch.equal(*eager), "each call drops others"


def test_masks_are_independent_of_places_and_of_each_other():
    torch.manual_seed(1)
    kept = torch.stack([drop(torch.ones(2**18), 0.5) > 0 for _ in range(6)]).float() * 2 - 1
    noise = 4.5 / 2**9  # standard deviations of a mean of 2**18 signs
    assert kept.mean(1).abs().max() < noise
    for distance in (1, 2, 3, 4, 64, 128, 384, 512, 1024, 2**16):
        assert (kept[:, distance:] * kept[:, :-distance]).mean(1).abs().max() < 1.2 * noise, distance
    between = kept @ kept.T / kept.shape[1] - torch.eye(len(kept))
    assert between.abs().max() < noise


def test_branches_are_added_with_dropout():
    stream, branch = torch.randn(9, 33, requires_grad=True), torch.randn(9, 33, requires_grad=True)
    assert torch.equal(add_branch(stream, branch, 0.0), stream + branch)
    torch.manual_seed(3)
    result = add_branch(stream, branch, 0.4)
    torch.manual_seed(3)
    torch.testing.assert_close(result, stream + drop(branch, 0.4))
    gradients = torch.autograd.grad(result.sum(), (stream, branch))
    assert torch.equal(gradients[0], torch.ones_like(stream))
    assert 0 < (gradients[1] == 0).float().mean() < 1


def test_projection_is_the_layers():
    layers = [Linear(8, size) for size in (3, 5)]
    x = torch.randn(2, 4, 8)
    for result, layer in zip(project(x, *layers), layers, strict=True):
        torch.testing.assert_close(result, F.linear(x, layer.weight))


def test_the_exact_gelu_is_near_the_tanh_form():
    x = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    assert (torch.nn.functional.gelu(x) - torch.nn.functional.gelu(x, approximate="tanh")).abs().max() < 5e-4
