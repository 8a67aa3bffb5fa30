"""Dropout on the CPU: the right share, as random as it should be, and the same elements eagerly and compiled."""

import pytest
import torch

from babylm.models.dropout import add_branch, drop


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
    residual, branch = torch.randn(9, 33, requires_grad=True), torch.randn(9, 33, requires_grad=True)
    assert torch.equal(add_branch(residual, branch, 0.0), residual + branch)
    torch.manual_seed(3)
    result = add_branch(residual, branch, 0.4)
    torch.manual_seed(3)
    torch.testing.assert_close(result, residual + drop(branch, 0.4))
    gradients = torch.autograd.grad(result.sum(), (residual, branch))
    assert torch.equal(gradients[0], torch.ones_like(residual))
    assert 0 < (gradients[1] == 0).float().mean() < 1
