"""Averages equal their definitions, survive saving to the bit, and leave the weights alone."""

import io

import pytest
import torch

from babylm import weight_averaging
from babylm.config.schema import AveragingConfig
from babylm.weight_averaging import WeightAverage


def walk(config, steps=23, average=None, start=0, stop=None):
    """A parameter that takes a known path, and its average after each step."""
    parameter = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    average = average or WeightAverage(config, [("p", parameter)], steps)
    path = []
    for step in range(start, stop or steps):
        with torch.no_grad():
            average.parameters[0].copy_(torch.tensor([step, step**2, 1.0 / (step + 1)], dtype=torch.float64))
        average.update(step)
        path.append(average.parameters[0].detach().clone())
    return average, path


@pytest.mark.parametrize(("tail", "every", "due"), [(0.2, 1, 4), (0.2, 2, 2), (1.0, 5, 5), (0.01, 5, 1), (0.5, 3, 4)])
def test_tail_is_the_mean_of_the_last_share(tail, every, due):
    config = AveragingConfig(name="tail", tail=tail, every=every)
    average, path = walk(config)
    chosen = [s for s in range(23) if weight_averaging.weight(config, s, 23) > 0]
    assert chosen == [s for s in range(23) if s >= 23 - max(1, int(tail * 23)) and (22 - s) % every == 0]
    assert len(chosen) == due == weight_averaging.count(config, 22, 23)
    torch.testing.assert_close(average.averaged_state()["p"], torch.stack([path[s] for s in chosen]).mean(0))


@pytest.mark.parametrize("every", [1, 4])
def test_ema_is_the_corrected_weighted_mean(every):
    config = AveragingConfig(name="ema", decay=0.9, every=every)
    average, path = walk(config)
    chosen = [s for s in range(23) if (22 - s) % every == 0]
    weights = torch.tensor([0.9 ** (every * i) for i in reversed(range(len(chosen)))], dtype=torch.float64)
    wanted = (weights[:, None] * torch.stack([path[s] for s in chosen])).sum(0) / weights.sum()
    torch.testing.assert_close(average.averaged_state()["p"], wanted)


def test_none_does_nothing():
    average, _ = walk(AveragingConfig(name="none"))
    assert average.averaged_state() is None
    assert average.state_dict() == {}
    with average.swap() as swapped:
        assert not swapped


@pytest.mark.parametrize("name", ["ema", "tail"])
def test_saved_and_loaded_equals_uninterrupted(name):
    config = AveragingConfig(name=name, decay=0.97, tail=0.7, every=2)
    whole, _ = walk(config)
    for cut in (3, 11, 20):
        half, _ = walk(config, stop=cut)
        file = io.BytesIO()
        torch.save(half.state_dict(), file)
        file.seek(0)
        resumed = WeightAverage(config, [("p", torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)))], 23)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        walk(config, average=resumed, start=cut)
        assert torch.equal(resumed.averaged_state()["p"], whole.averaged_state()["p"])


def test_swap_gives_back_the_weights_even_after_an_error():
    average, _ = walk(AveragingConfig(name="tail", tail=0.5, every=1))
    own = average.parameters[0].detach().clone()

    def fail():
        with average.swap() as swapped:
            assert swapped
            assert torch.equal(average.parameters[0], average.averaged_state()["p"])
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(average.parameters[0], own)


def test_refuses_the_average_of_another_model():
    average, _ = walk(AveragingConfig(name="ema"))
    with pytest.raises(ValueError, match="averaging"):
        average.load_state_dict({"q": torch.zeros(3)})
