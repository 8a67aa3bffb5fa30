"""Optimizers equal slow references, treat each parameter once, and continue to the bit after saving."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from babylm import optimizers
from babylm.config.schema import OptimizerConfig
from babylm.optimizers import _newton_schulz, _param_groups


class Net(nn.Module):
    """Parameters of every kind: tables, standing, lying and square matrices, vectors, a scalar, a narrow matrix."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(40, 32)
        self.up, self.down = nn.Linear(32, 48, bias=False), nn.Linear(48, 32, bias=False)
        self.square, self.other = nn.Linear(32, 32), nn.Linear(32, 32)
        self.gate = nn.Linear(32, 2)
        self.scale = nn.Parameter(torch.ones(()))
        self.lm_head = nn.Linear(32, 40)
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        x = x + self.down(self.up(x).relu()) * self.scale
        x = x + self.other(self.square(x).tanh()) * self.gate(x).sigmoid().mean(-1, keepdim=True)
        return self.lm_head(x)


def train(network, optimizer, first, last):
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        tokens = torch.randint(40, (4, 8), generator=generator)
        loss = nn.functional.cross_entropy(network(tokens).flatten(0, 1), (tokens.flatten() * 7 + 3) % 40)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def make(name, network, **settings):
    defaults = {"lr": 0.02 if name == "muon" else 0.01, "adam_lr": 0.01, "eps": 1e-8}
    return optimizers.build(OptimizerConfig(name=name, **{**defaults, **settings}), network.named_parameters())


NAMES = ["muon", "adamw", "lamb"]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_exactly_one_group_and_vectors_are_not_decayed(name):
    network = Net()
    optimizer = make(name, network, weight_decay=0.1, adam_weight_decay=0.1)
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in network.parameters() if p.requires_grad}
    for group in optimizer.param_groups:
        assert group["base_lr"] == group["lr"] > 0
        if any(p.ndim < 2 for p in group["params"]):
            assert group["weight_decay"] == 0


def test_muon_takes_the_matrices_of_the_body_only():
    network = Net()
    groups = make("muon", network).param_groups
    muon = [p for group in groups if "momentum" in group for p in group["params"]]
    layers = (network.up, network.down, network.square, network.other)
    assert {id(p) for p in muon} == {id(layer.weight) for layer in layers}


@pytest.mark.parametrize("name", NAMES)
def test_learns(name):
    network = Net()
    optimizer = make(name, network)
    first = train(network, optimizer, 0, 1)
    assert train(network, optimizer, 1, 150) < first / 4


@pytest.mark.parametrize("name", NAMES)
def test_reduces_a_quadratic(name):
    torch.manual_seed(0)
    target, weight = torch.randn(32, 40), nn.Parameter(torch.randn(32, 40))
    lr = 0.2 if name == "muon" else 0.05  # a singular value moves by lr a step, and the largest here has 17 to go
    optimizer = optimizers.build(OptimizerConfig(name=name, lr=lr, weight_decay=0.0), [("layer.weight", weight)])
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * (1 - step / 200)
        optimizer.zero_grad()
        loss = (weight - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_continues_to_the_bit(name):
    whole = Net()
    train(whole, make(name, whole), 0, 8)
    network = Net()
    optimizer = make(name, network)
    train(network, optimizer, 0, 5)
    file = io.BytesIO()
    torch.save((network.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    again = Net(seed=9)
    again.load_state_dict(weights)
    optimizer = make(name, again)
    optimizer.load_state_dict(state)
    train(again, optimizer, 5, 8)
    for (key, value), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


@pytest.mark.parametrize("coefficients", ["POLAR_EXPRESS", "QUINTIC"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5, 64, 64), (3, 64, 200), (3, 200, 64), (2, 128, 128)])
def test_singular_values_come_out_near_one(coefficients, dtype, shape, monkeypatch):
    monkeypatch.setattr(_newton_schulz, "dtype_for", lambda device: dtype)
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(shape, generator=generator)
    spread = torch.logspace(0, -2, min(shape[1:]))
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    matrices = u @ (spread[:, None] * vh)
    out = _newton_schulz.orthogonalize(matrices, 5, getattr(_newton_schulz, coefficients))
    assert out.dtype == dtype
    values = torch.linalg.svdvals(out.float())
    # The one quintic oscillates, by design, between .68 and 1.21.
    low, high = (0.7, 1.2) if coefficients == "POLAR_EXPRESS" else (0.67, 1.22)
    assert values.min() >= low, values.min()
    assert values.max() <= high, values.max()
    exact = u @ vh
    assert nn.functional.cosine_similarity(out.float().flatten(), exact.flatten(), dim=0) > 0.97


def slow_muon(weight, gradients, config, momentum=0.95):
    """One matrix at a time, in the words of the papers; NumPy and double precision but for the orthogonalisation."""
    buffer = np.zeros(weight.shape)
    standing = weight.shape[0] >= weight.shape[1]
    squares = np.zeros(max(weight.shape))
    for gradient in gradients:
        buffer = momentum * buffer + (1 - momentum) * gradient
        look = momentum * buffer + (1 - momentum) * gradient
        flat = torch.from_numpy(look.T.copy() if standing else look).float()  # a transposed matrix, to test that too
        update = _newton_schulz.orthogonalize(flat[None], config.newton_schulz_steps)[0].double().numpy()
        update = update.T if standing else update
        if config.normuon:
            axis = 1 if standing else 0
            squares = config.betas[1] * squares + (1 - config.betas[1]) * (update**2).mean(axis)
            scaled = update / np.expand_dims(np.sqrt(squares), axis)
            update = scaled * np.linalg.norm(update) / np.linalg.norm(scaled)
        update = update * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
        decayed = (update * weight >= 0) if config.cautious_weight_decay else 1.0
        weight = weight - config.lr * update - config.lr * config.weight_decay * weight * decayed
    return weight


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("cautious", [True, False])
def test_muon_batched_equals_one_matrix_at_a_time(normalized, cautious, monkeypatch):
    monkeypatch.setattr(_newton_schulz, "dtype_for", lambda device: torch.float32)
    config = OptimizerConfig(lr=0.05, weight_decay=0.4, normuon=normalized, cautious_weight_decay=cautious)
    generator = np.random.default_rng(0)
    shapes = [(32, 48), (48, 32), (32, 32), (32, 48), (48, 32), (32, 32), (40, 32)]
    start = [generator.normal(size=shape).astype(np.float32) * 0.2 for shape in shapes]
    gradients = [[generator.normal(size=shape).astype(np.float32) for _ in range(4)] for shape in shapes]
    parameters = [nn.Parameter(torch.from_numpy(weight.copy())) for weight in start]
    optimizer = optimizers.build(config, [(f"layer.{i}.weight", p) for i, p in enumerate(parameters)])
    for step in range(4):
        for parameter, own in zip(parameters, gradients, strict=True):
            parameter.grad = torch.from_numpy(own[step])
        optimizer.step()
    for parameter, weight, own in zip(parameters, start, gradients, strict=True):
        expected = slow_muon(weight.astype(np.float64), own, config)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, atol=2e-4)


def test_muon_adam_part_is_adamw():
    ours, theirs = Net(), Net()
    settings = {"adam_lr": 0.01, "adam_weight_decay": 0.1, "betas": [0.9, 0.95], "eps": 1e-10, "lr": 0.0}
    muon = make("muon", ours, **settings)
    parts = _param_groups.split(theirs.named_parameters())
    groups = [{"params": parts.tables, "weight_decay": 0.1}, {"params": parts.vectors, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-10)
    for network, optimizer in ((ours, muon), (theirs, adam)):
        train(network, optimizer, 0, 6)
    for (key, value), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, msg=key, rtol=1e-4, atol=1e-6)


def test_lamb_equals_numpy():
    torch.manual_seed(0)
    weight, vector = nn.Parameter(torch.randn(6, 5)), nn.Parameter(torch.zeros(5))
    config = OptimizerConfig(name="lamb", lr=0.01, weight_decay=0.1, betas=[0.9, 0.98], eps=1e-8)
    optimizer = optimizers.build(config, [("w", weight), ("b", vector)])
    expected = {"w": weight.detach().double().numpy(), "b": vector.detach().double().numpy()}
    moments = {key: (np.zeros(value.shape), np.zeros(value.shape)) for key, value in expected.items()}
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 6):
        for key, parameter in (("w", weight), ("b", vector)):
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            gradient, (mean, square) = parameter.grad.double().numpy(), moments[key]
            mean, square = 0.9 * mean + 0.1 * gradient, 0.98 * square + 0.02 * gradient**2
            moments[key] = mean, square
            update = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.98**step)) + 1e-8)
            if key == "w":
                update += 0.1 * expected[key]
                update *= np.linalg.norm(expected[key]) / np.linalg.norm(update)
            expected[key] = expected[key] - 0.01 * update
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), expected["w"], atol=1e-5)
    np.testing.assert_allclose(vector.detach().numpy(), expected["b"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_without_gradient_stays(name):
    network = Net()
    optimizer = make(name, network, weight_decay=0.5)
    before = copy.deepcopy(network.state_dict())
    optimizer.step()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_unknown_name_suggests():
    with pytest.raises(ValueError, match=r"optimizers.name.*did you mean muon"):
        optimizers.build(OptimizerConfig(name="moun"), [])
