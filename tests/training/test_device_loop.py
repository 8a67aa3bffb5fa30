"""The loop without waiting: rows gathered on the device, a guard that takes steps back, no look at a tensor a step."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from babylm import objectives, optimizers, train
from babylm.batches import device_stream
from babylm.batches.feed import TokenBatch
from babylm.batches.loader import FeedData, FeedDataset
from babylm.config.schema import OptimizerConfig
from babylm.models import attention
from babylm.training.callbacks import throughput
from babylm.training.module import Pretraining
from babylm.training.nonfinite import NonFiniteGuard
from tests import small
from tests.models import variants

from . import runs
from .test_nonfinite import poison

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "unique_consecutive")
"""Operations whose result, or whose shape, the host must wait for."""
NEW_TORCH = pytest.mark.skipif(torch.__version__ < "2.11", reason="varlen attention of torch 2.10 takes no scale")


@pytest.mark.parametrize("sizes", [{"documents": 40, "mean": 30}, {"documents": 3, "mean": 4}])
def test_rows_gathered_on_the_device_equal_the_loaders(sizes):
    """All steps of two phases over several epochs, padding included, cut for accumulation and two ranks."""
    source = small.stream(**sizes)
    planned = small.build(small.config((0.5, 8, 64), (1.0, 16, 64), epochs=3.3), source)
    corpus = device_stream.DeviceStream(source, torch.device("cpu"))
    for rank in (0, 1):
        cut = {"accumulate": 2, "rank": rank, "world": 2}
        loaded, placed = FeedDataset(planned, **cut), FeedDataset(planned, **cut, starts_only=True)
        data = FeedData(planned, first_step=0, accumulate=2, workers=0, device_stream=corpus)
        assert len(loaded) == 2 * planned.steps
        for index in range(len(loaded)):
            one, other = loaded[index], data.on_after_batch_transfer(placed[index], 0)
            for field in dataclasses.fields(TokenBatch):
                mine, its = getattr(one, field.name), getattr(other, field.name)
                if isinstance(mine, torch.Tensor):
                    assert mine.dtype == its.dtype
                    assert torch.equal(mine, its)
                else:
                    assert mine == its


def test_a_run_with_the_corpus_on_the_device_is_the_same_to_the_bit(tmp_path):
    folders = [runs.run(tmp_path / str(on), f"training.corpus_on_device={on}") for on in ("true", "false")]
    assert "corpus on the device" in (folders[0] / "log.txt").read_text()
    assert runs.digest(runs.state(folders[0])) == runs.digest(runs.state(folders[1]))


def test_auto_leaves_the_corpus_to_the_loader_on_a_cpu():
    assert not device_stream.fits_on_device("auto", torch.device("cpu"), 10**6)[0]
    assert device_stream.fits_on_device(True, torch.device("cpu"), 10**6)[0]


def test_a_deferred_guard_takes_back_every_step_from_the_first_bad_one():
    parameters = [torch.randn(3, 5), torch.randn(7)]
    guard = NonFiniteGuard(parameters, deferred=True)
    for step, norm in enumerate([1.0, 2.0, float("nan"), 1.0]):
        before = [p.clone() for p in parameters]
        assert guard.check(torch.tensor(norm))
        for p in parameters:
            p.copy_(torch.full_like(p, torch.nan) if step == 2 else p * 1.7 - 0.3)
        expected = [p.clone() for p in parameters] if step < 2 else before
        guard.revert()
        for p, wanted in zip(parameters, expected, strict=True):
            assert torch.equal(p.view(torch.int32), wanted.view(torch.int32))
        assert guard.bad_step() == (None if step < 2 else 2)


@pytest.fixture
def deferred(monkeypatch):
    """The guard as on a GPU."""
    original = NonFiniteGuard.__init__
    monkeypatch.setattr(NonFiniteGuard, "__init__", lambda self, parameters, _: original(self, parameters, True))


def test_the_deferred_guard_changes_no_run_and_stops_a_bad_one(tmp_path, monkeypatch, deferred, capsys):
    with monkeypatch.context() as patch:
        kept = poison(patch, 5, float("nan"))
        made = runs.make(tmp_path)
        assert train.main(made) == train.EXIT_NOT_FINITE
    assert "step 5: the gradient is not finite (documents " in capsys.readouterr().out
    module = kept.pop("module")
    assert module.completed == 8, "found at the next line of the log"
    for name, tensor in module.network.state_dict().items():
        assert torch.equal(tensor.cpu(), kept[name]), name
    folder = tmp_path / "checkpoints" / "run"
    assert runs.state(folder)["step"] == 4
    assert not (folder / "chck_900").exists(), "no revision holds what came after"
    assert train.main(made) == 0
    monkeypatch.undo()
    assert runs.digest(runs.state(folder)) == runs.digest(runs.state(runs.run(tmp_path / "plain")))


class Forbid(TorchDispatchMode):
    """Notes operations that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        boolean_index = name == "index" and any(t is not None and t.dtype == torch.bool for t in args[1])
        if name in WAITS or boolean_index:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_no_step_waits_for_the_device(tmp_path, monkeypatch, deferred, optimizer):
    """From a batch's arrival to the step's end, without a line of the log. (The attention's layout: see its own test;
    on a CPU it may look at what lies on the host.)"""
    from babylm.models import transformer

    watch, steps = Forbid(), []
    layout = transformer.packed_layout

    def unwatched(*args, **kwargs):
        watch.__exit__(None, None, None)
        try:
            return layout(*args, **kwargs)
        finally:
            watch.__enter__()

    original = Pretraining.on_train_batch_start, Pretraining.on_train_batch_end

    def begin(self, batch, batch_idx):
        if steps == [] or 1 <= self.completed % 4 <= 2:
            steps.append(self.completed)
            monkeypatch.setattr(transformer, "packed_layout", unwatched)
            watch.__enter__()
            self.watched = True
        return original[0](self, batch, batch_idx)

    def end(self, outputs, batch, batch_idx):
        if getattr(self, "watched", False):
            watch.__exit__(None, None, None)
            self.watched = False
            monkeypatch.setattr(transformer, "packed_layout", layout)
        return original[1](self, outputs, batch, batch_idx)

    monkeypatch.setattr(Pretraining, "on_train_batch_start", begin)
    monkeypatch.setattr(Pretraining, "on_train_batch_end", end)
    monkeypatch.setattr(throughput, "peak_memory", lambda device: 0.0)
    runs.run(tmp_path, f"optimizer.name={optimizer}", "training.corpus_on_device=true", "training.revisions=none")
    assert len(steps) > 8
    assert watch.seen == []


@pytest.mark.parametrize(
    ("variant", "backend", "optimizer"),
    [(name, "eager", "muon") for name in variants.VARIANTS]
    + [
        pytest.param(name, "varlen", "lamb", marks=NEW_TORCH)
        for name, own in variants.VARIANTS.items()
        if own.get("position") != "relative"
    ],
)
@pytest.mark.parametrize("objective", [{"name": "hybrid"}, {"name": "masked", "whole_words": True}, {"name": "causal"}])
def test_a_step_runs_where_nothing_can_be_read(monkeypatch, variant, backend, optimizer, objective):
    """On torch's device without memory waiting for a number fails, and so does mixing in tensors of the host."""
    from babylm.models import transformer
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    shape = variants.config(**variants.VARIANTS[variant], hidden_size=64, dropout=0.1)
    monkeypatch.setattr(
        transformer, "_compute_dtype", lambda embeds: torch.bfloat16
    )  # there is no autocast on this device
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    rows, length = 6, 32
    with torch.device("meta"):
        network = BabyLMForCausalLM(shape)
        tokens = torch.zeros(rows, length, dtype=torch.int64)
        documents, words = torch.zeros_like(tokens, dtype=torch.int32), torch.zeros_like(tokens, dtype=torch.uint8)
    network.train()
    network.set_attention(backend, {length: 8})
    special = objectives.SpecialTokens(0, 2, 3, shape.vocab_size, 16)
    asking = objectives.build(small.objective_settings(**objective), special)
    noise = torch.zeros(rows, asking.uniforms_per_token, length, device="meta")
    loss = asking.loss(network, asking.corrupt(TokenBatch(tokens, documents, words, first_row=0), noise, 0.5))
    loss.total.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    guard = NonFiniteGuard(list(network.parameters()), deferred=True)
    step = optimizers.build(OptimizerConfig(name=optimizer), network.named_parameters())
    guard.check(norm)
    step.step()
    guard.revert()
    with pytest.raises(RuntimeError, match="meta"):
        guard.bad_step()  # which reads


def test_gathering_rows_does_not_wait():
    source = small.stream()
    planned = small.build(small.config((1.0, 16, 128), epochs=2), source)
    corpus = device_stream.DeviceStream(source, torch.device("cpu"))
    with Forbid() as watch:
        corpus.rows(planned.row_spans(3)[0].starts.astype(np.int64), 16, planned.phases[0].end)
    assert watch.seen == []


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_the_layout_of_varlen_needs_no_look_at_the_documents(ratio):
    """The sequences that the host finds, then empty ones, in one shape for all steps of a phase."""
    source = small.stream(mean=6)
    planned = small.build(small.config((0.5, 8, 64), (1.0, 16, 128), epochs=3.3), source)
    most, shapes = planned.max_documents_per_step(), set()
    passed = dict.fromkeys(most, 0)
    for step in range(planned.steps):
        documents = planned.batch(step).document_ids
        rows, length = documents.shape
        bidirectional = torch.arange(rows) % 10 >= round(10 * ratio)
        like = torch.zeros(1)
        known = attention.packed_layout(documents, bidirectional, "varlen", like)
        with Forbid() as watch:
            found = attention.packed_layout(documents, bidirectional, "varlen", like, most[length])
        assert set(watch.seen) <= {"_local_scalar_dense"}
        assert (found.order is None) == (known.order is None)
        for one, other in zip(found.groups, known.groups, strict=True):
            assert one[:3] == other[:3]
            count = int((other.offsets < other.offsets[-1]).sum())
            assert torch.equal(one.offsets[:count], other.offsets[:count])
            assert set(one.offsets[count:].tolist()) == {(one.stop - one.start) * length}
            shapes.add((length, tuple(one.offsets.shape)))
        count = int((documents[:, -1] + 1).sum())
        assert count <= most[length]
        passed[length] = max(passed[length], count)
    assert len(shapes) == 2
    assert all(most[length] <= 2 * count for length, count in passed.items()), "the bound is not far"


def test_what_is_compiled_is_kept_where_the_configuration_says(tmp_path, monkeypatch):
    """Lightning's import sets the variable to torch's default; a folder that the user has named stays."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir, default_cache_dir

    from babylm.training.trainer import keep_compiled

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())
    keep_compiled(str(tmp_path / "kept"))
    assert cache_dir() == str(tmp_path / "kept")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "own"))
    keep_compiled(str(tmp_path / "kept"))
    assert cache_dir() == str(tmp_path / "own")
