"""The token loss against torch's cross entropy: values and all gradients."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models import head


def problem(dtype=torch.float32, n=150, width=24, vocabulary=97):
    torch.manual_seed(0)
    hidden = torch.randn(n, width).to(dtype).requires_grad_()
    weight = (torch.randn(vocabulary, width) * 0.5).requires_grad_()
    bias = torch.randn(vocabulary).requires_grad_()
    return (hidden, weight, bias), torch.randint(vocabulary, (n,)), torch.rand(n)


def reference(hidden, weight, bias, targets, soft_cap):
    logits = F.linear(hidden.float(), weight, bias)
    logits = soft_cap * torch.tanh(logits / soft_cap) if soft_cap else logits
    return F.cross_entropy(logits, targets, reduction="none"), logits.logsumexp(-1)


@pytest.mark.parametrize("soft_cap", [0.0, 4.0])
@pytest.mark.parametrize("z_loss", [0.0, 0.3])
def test_values_and_gradients(soft_cap, z_loss):
    leaves, targets, weights = problem()
    nll, log_z = head.token_loss(*leaves, targets, soft_cap)
    expected = reference(*leaves, targets, soft_cap)
    torch.testing.assert_close((nll, log_z), expected)
    ours = torch.autograd.grad(((nll + z_loss * log_z.square()) * weights).sum(), leaves)
    theirs = torch.autograd.grad(((expected[0] + z_loss * expected[1].square()) * weights).sum(), leaves)
    for mine, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, right, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("soft_cap", [0.0, 4.0])
def test_bfloat16_within_its_rounding(soft_cap):
    leaves, targets, weights = problem(torch.bfloat16)
    nll, log_z = head.token_loss(*leaves, targets, soft_cap)
    assert nll.dtype == log_z.dtype == torch.float32
    ours = torch.autograd.grad((nll * weights).sum(), leaves)
    expected = reference(*leaves, targets, soft_cap)[0]
    theirs = torch.autograd.grad((expected * weights).sum(), leaves)
    torch.testing.assert_close(nll, expected, atol=0.06, rtol=0.02)
    for mine, right in zip(ours, theirs, strict=True):
        assert mine.dtype == right.dtype
        assert (mine.float() - right.float()).norm() < 0.02 * right.float().norm()


def test_numerically_exact_gradient():
    leaves, targets, _ = problem(torch.float64, n=5, width=3, vocabulary=7)
    leaves = tuple(leaf.detach().double().requires_grad_() for leaf in leaves)

    def loss(hidden, weight, bias):
        nll, log_z = head._TokenLoss.apply(hidden, weight, bias, targets % 7, 3.0, head.EAGER)
        return (nll + 0.1 * log_z.square()).double().sum()

    eps, leaf = 1e-3, leaves[1]
    gradient = torch.autograd.grad(loss(*leaves), leaf)[0]
    with torch.no_grad():
        for place in ((0, 0), (3, 2), (6, 1)):
            leaf[place] += eps
            above = loss(*leaves)
            leaf[place] -= 2 * eps
            below = loss(*leaves)
            leaf[place] += eps
            assert abs((above - below) / (2 * eps) - gradient[place]) < 1e-3


def test_chunks_do_not_matter(monkeypatch):
    leaves, targets, weights = problem()
    results = []
    for size in (7, 1000):
        monkeypatch.setitem(head.CHUNK, "cpu", size)
        nll, log_z = head.token_loss(*leaves, targets)
        results.append((nll, log_z, *torch.autograd.grad(((nll + log_z) * weights).sum(), leaves)))
    torch.testing.assert_close(results[0], results[1])


def test_second_backward_is_refused():
    leaves, targets, _ = problem()
    loss = head.token_loss(*leaves, targets).nll.sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once only"):
        loss.backward()


def test_no_targets():
    leaves, targets, _ = problem()
    nll, _ = head.token_loss(leaves[0][:0], *leaves[1:], targets[:0])
    nll.sum().backward()
    assert leaves[1].grad.abs().max() == 0
