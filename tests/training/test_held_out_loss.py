"""The loss on held-out text: the same however many rows are read at once, on a network that is never initialised."""

import types

import numpy as np
import pytest
import torch

from babylm import objectives
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.training import held_out_loss
from babylm.training.setup import TrainingSetup
from tests import small
from tests.models import variants

from . import runs

LENGTH = 16


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = BabyLMForCausalLM(variants.config(dropout=0.0)).eval()
    network.set_attention("eager")
    return network


@pytest.fixture(scope="module")
def text(network):
    """Two sources of documents of several lengths: more rows than are masked together."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 40, 120)
    encoded = types.SimpleNamespace(
        source_names=["one", "two"],
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        document_sources=np.arange(120) % 2,
        tokens=generator.integers(16, network.config.vocab_size, lengths.sum()),
        words=generator.integers(0, 2, lengths.sum()).astype(np.uint8),
    )
    return held_out_loss.HeldOutText("dev", encoded, bos=0, pad=2, sequence_length=LENGTH)


def modes(network):
    special = objectives.SpecialTokens(0, 2, 3, network.config.vocab_size, 16)
    return {name: objectives.build(small.objective_settings(name), special) for name in ("causal", "masked")}


def flat(losses):
    return [value for part in losses.values() for value in part.values()]


def test_rows_read_at_once_do_not_change_the_loss(monkeypatch, network, text):
    """Masks are drawn for 32 rows together: which ones does not follow from what a device likes to read."""
    losses = []
    for tokens in (0, 64 * LENGTH, 10**9):
        monkeypatch.setitem(held_out_loss.BATCH_TOKENS, "cpu", tokens)
        losses.append(text.loss(network, modes(network), torch.device("cpu")))
    for other in losses[1:]:
        assert list(other) == list(losses[0]) == ["one", "two", "all"]
        np.testing.assert_allclose(flat(other), flat(losses[0]), rtol=1e-6)


def test_one_batch_is_one_forward_of_whole_groups(monkeypatch, network, text):
    seen = []
    embedding = network.get_input_embeddings()
    hook = embedding.register_forward_pre_hook(lambda module, arguments: seen.append(len(arguments[0])))
    monkeypatch.setitem(held_out_loss.BATCH_TOKENS, "cpu", 2 * held_out_loss.ROWS * LENGTH + 5)
    try:
        text.loss(network, modes(network), torch.device("cpu"))
    finally:
        hook.remove()
    assert max(seen) == 2 * held_out_loss.ROWS
    assert sum(seen) == 2 * sum(len(rows.tokens) for rows in text.parts.values())


def test_the_network_that_is_measured_takes_no_random_numbers_and_shares_nothing(network):
    session = types.SimpleNamespace(device=torch.device("cpu"), attention="eager")
    with torch.device("meta"):
        session.skeleton = BabyLMForCausalLM(network.config)
    random = torch.random.get_rng_state()
    copy = TrainingSetup.network_with(session, network.state_dict())
    assert torch.equal(torch.random.get_rng_state(), random)
    ids = torch.randint(16, 40, (2, 9), generator=torch.Generator().manual_seed(0))
    assert torch.equal(copy.eval()(ids).logits, network(ids).logits)
    assert not {p.data_ptr() for p in copy.parameters()} & {p.data_ptr() for p in network.parameters()}
    assert next(session.skeleton.parameters()).device.type == "meta", "for the next time"


def test_progress_counts_every_row_once(tmp_path, monkeypatch, capsys):
    from babylm.evaluation import progress

    monkeypatch.setattr(progress, "SLOW", 0.0)
    monkeypatch.setattr(held_out_loss, "ROWS", 4)
    monkeypatch.setattr(held_out_loss, "BATCH_TOKENS", {})
    (tmp_path / "held").write_text(runs.sentences(60))
    runs.run(tmp_path, f"corpus.dev={tmp_path}/held", "evaluation.held_out_loss_when=end")
    told = [line for line in capsys.readouterr().out.splitlines() if "held-out loss (dev): " in line]
    assert told
    assert all(" rows, about " in line for line in told)
