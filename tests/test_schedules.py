"""Schedules are continuous, hit their ends, and average to what their shape says."""

import itertools

import pytest
import torch

from babylm import schedules
from babylm.config.schema import OptimizerConfig, ScheduleConfig
from tests import small

NAMES = ["trapezoid", "cosine", "linear", "constant"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("warmup", "cooldown"), [(0.016, 0.5), (0.0, 0.0), (0.0, 1.0), (0.7, 0.7), (1.0, 0.0)])
def test_continuous_and_bounded(name, warmup, cooldown):
    config = ScheduleConfig(name=name, warmup=warmup, cooldown=cooldown, final_lr_factor=0.1)
    values = [schedules.shape(config, i / 100_000) for i in range(100_001)]
    assert all(0 <= value <= 1 for value in values)
    # A share of w is climbed in w * 100,000 steps; a cosine is at most pi / 2 times as steep.
    steepest = max(1 / share for share in (warmup, cooldown, 1 - warmup, 1.0) if share > 0) * 1.6 / 100_000
    assert max(abs(b - a) for a, b in itertools.pairwise(values)) <= steepest


@pytest.mark.parametrize("name", NAMES)
def test_ends(name):
    config = ScheduleConfig(name=name, warmup=0.1, cooldown=0.5, final_lr_factor=0.2)
    assert schedules.shape(config, 0.0) == 0.0
    assert schedules.shape(config, 0.1) == pytest.approx(1.0)
    assert schedules.shape(config, 1.0) == pytest.approx(1.0 if name == "constant" else 0.2)
    no_warmup = ScheduleConfig(name=name, warmup=0.0)
    assert schedules.shape(no_warmup, 0.0) == 1.0


def test_trapezoid_holds_and_the_steps_average_to_its_area():
    config = ScheduleConfig(name="trapezoid", warmup=0.1, cooldown=0.4, final_lr_factor=0.0)
    assert {schedules.shape(config, p) for p in (0.11, 0.3, 0.59)} == {1.0}
    factors = [schedules.shape(config, (step + 0.5) / 50) for step in range(50)]
    assert sum(factors) / 50 == pytest.approx(0.1 / 2 + 0.5 + 0.4 / 2)
    assert min(factors) > 0


def test_mask_rate_is_linear_and_clamped():
    settings = small.objective_settings("masked", mask_rate=[0.3, 0.15])
    assert [settings.mask_rate_at(p) for p in (-1, 0, 0.5, 1, 2)] == pytest.approx([0.3, 0.3, 0.225, 0.15, 0.15])


def test_apply_sets_rates_and_momentum():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [parameter], "base_lr": 0.5}], lr=0.0, momentum=0.1)
    schedule = ScheduleConfig(warmup=0.0, cooldown=0.5)
    config = OptimizerConfig(momentum=0.95, momentum_warmup=10)
    assert schedules.apply(optimizer, schedule, config, 0, 0.005) == 1.0
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["momentum"] == 0.85
    schedules.apply(optimizer, schedule, config, 99, 0.995)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.005)
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.95)
    assert schedules.momentum(OptimizerConfig(momentum=0.5, momentum_warmup=0), 0) == 0.5
