"""Lightning's trainer for a setup: module, loader, callbacks, loggers, and the dry run that comes first."""

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from babylm import hardware, processes, weight_averaging
from babylm.batches.device_stream import DeviceStream, fits_on_device
from babylm.batches.loader import FeedData
from babylm.batches.plan import Plan
from babylm.training import strategies
from babylm.training.callbacks.base import StopAtEnd
from babylm.training.callbacks.checkpointing import Checkpointing, Restore, restore
from babylm.training.callbacks.evaluation import Evaluation, measures_loss, scores_tasks
from babylm.training.callbacks.milestones import Milestones
from babylm.training.callbacks.progress import Progress
from babylm.training.callbacks.throughput import ThroughputMonitor, log_interval
from babylm.training.jsonl_logger import JsonlLogger
from babylm.training.module import Pretraining
from babylm.training.peers import Peers
from babylm.training.setup import TrainingSetup
from babylm.training.time_left import TimeLeft


def build_module(setup: TrainingSetup) -> Pretraining:
    """Network, objective and average of the run, in the LightningModule."""
    config = setup.config
    network = setup.network()
    average = None
    if config.averaging.name != "none":
        steps = setup.feed.length or 0  # only the tail needs it, which a feed of unknown length cannot have
        average = weight_averaging.WeightAverage(config.averaging, network.named_parameters(), steps)
    module = Pretraining(network, setup.objective, setup.feed, config.optimizer, config.schedule, config.seed, average)
    if setup.device.type == "cuda" and isinstance(setup.feed, Plan):
        network.set_attention(setup.attention, setup.feed.max_documents_per_step())
    if config.training.compile:
        keep_compiled(config.training.compile_cache)
        # A kind of block is compiled for each phase's length; past torch's limit of 8 it would run uncompiled. Blocks
        # are small already: cutting them further, as torch does for several ranks, only adds launches.
        torch._dynamo.config.recompile_limit = 64
        torch._dynamo.config.optimize_ddp = False
        network.compile()
    if setup.replay:
        may_fail = config.training.cuda_graphs == "auto"
        module.replay_steps(True, compiled=config.training.compile, tell=setup.log.warn if may_fail else None)
    return module


def keep_compiled(folder: str) -> None:
    """Cache what torch compiles (triton's kernels too) in ``folder``, unless the user has named another."""
    # Importing lightning has already set the variable to torch's default, a folder that a reboot empties.
    default = default_cache_dir()
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR", default) == default:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder).resolve())


def quiet() -> None:
    """Keep Lightning's greetings, and its warnings about its own code, out of the log."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*srun.*")
    # The values of the first layer, which nothing changes in place.
    warnings.filterwarnings("ignore", message=".*FSDP2-wrapped module .* returned a view tensor.*")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)


def build_trainer(
    setup: TrainingSetup, module: Pretraining, peers: Peers | None = None
) -> tuple[L.Trainer, Checkpointing]:
    """Lightning's trainer with our callbacks; nothing of it saves, samples or requeues by itself."""
    quiet()
    config, saved, feed = setup.config, setup.saved, setup.feed
    devices, nodes = processes.layout(config.training.devices, config.training.nodes)
    left = TimeLeft(feed.flops_after, feed.length, _pauses(setup))
    monitor = ThroughputMonitor(log_interval(config.training.log_every, feed.length), left, setup.log)
    # The skeleton is made now, in the main thread: another thread writes the revisions.
    assert config.training.revisions == "none" or setup.skeleton is not None
    revisions = Milestones(setup.folder.path, setup.save_revision, setup.log, left.pause)
    checkpointing = Checkpointing(
        setup.folder.path,
        minutes=config.training.checkpoint_minutes,
        at_milestones=config.training.revisions == "all",
        extra={"precision": setup.precision, "attention": setup.attention},
        flush=revisions.flush,
        pause=left.pause,
    )
    callbacks: list[L.Callback] = [peers] if peers is not None else []
    callbacks += [Restore(saved)] if saved is not None else []
    # In this order: a checkpoint is not written before its step's line is in metrics.jsonl (a resumed run would not
    # write it again); a revision follows its step's checkpoint, and if a kill comes between, resuming writes it.
    callbacks += [monitor, checkpointing]
    if config.training.revisions == "all":
        callbacks.append(revisions)
    callbacks.append(Progress())
    if (evaluation := Evaluation.build(setup, monitor)) is not None:
        callbacks.append(evaluation)
    callbacks.append(StopAtEnd())
    trainer = L.Trainer(
        accelerator="gpu" if setup.device.type == "cuda" else "cpu",
        devices=devices,
        num_nodes=nodes,
        strategy=strategies.build(config.training.strategy, devices, nodes),
        precision=hardware.lightning_precision(setup.precision),  # type: ignore[arg-type]
        max_epochs=1,
        accumulate_grad_batches=config.training.accumulate_grad_batches,
        logger=loggers(setup),
        callbacks=callbacks,
        plugins=[strategies.cluster_environment()],
        default_root_dir=setup.folder.path,
        deterministic=config.training.deterministic,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=monitor.every,
    )
    return trainer, checkpointing


def _pauses(setup: TrainingSetup) -> dict[str, set[int]]:
    """Kind of pause -> steps that it follows, as far as they are known; for the remaining time."""
    feed = setup.feed
    if feed.length is None:
        return {"state": set(), "revision": set(), "tasks": set(), "loss": set()}
    milestones = {step for step in range(feed.length + 1) if feed.due(step)}
    measured = milestones | {feed.length}
    tasks = {step for step in measured if scores_tasks(setup, step)}
    losses = {step for step in measured if measures_loss(setup, step)}
    revisions = setup.config.training.revisions == "all"
    return {
        "state": measured if revisions else {feed.length},
        "revision": milestones if revisions else set(),
        "tasks": tasks,
        "loss": losses - tasks,  # what is measured together is timed together
    }


def loggers(setup: TrainingSetup) -> list[Any]:
    """The loggers: ``metrics.jsonl`` always, TensorBoard and W&B if configured."""
    settings = setup.config.logging
    lines = JsonlLogger(setup.folder.metrics)
    # Also without a state: a run killed before its first one has lines of steps that come again.
    if processes.global_rank() == 0 and setup.folder.metrics.exists():
        lines.cut(setup.saved["step"] if setup.saved is not None else 0, setup.log.warn)
    result: list[Any] = [lines]
    if settings.tensorboard:
        result.append(TensorBoardLogger(setup.folder.path, name="tensorboard", version=""))
    if settings.wandb is not None:
        result.append(WandbLogger(project=settings.wandb, name=setup.config.name, save_dir=setup.folder.path))
    return result


def fit(loop: L.Trainer, setup: TrainingSetup, module: Pretraining) -> None:
    """Run the remaining steps. If none remain (a kill came after the last one), load the saved weights.

    Lightning calls no callback in that case, so a revision of the last step that is missing is written here.
    """
    first = setup.saved["step"] if setup.saved is not None else 0
    if setup.saved is not None and setup.feed.is_over(first):
        restore(module, setup.saved)
        for callback in loop.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Milestones) and loop.is_global_zero:
                callback.write_missing(module)
        return
    training, device_stream = setup.config.training, None
    if isinstance(setup.feed, Plan):
        corpus_tokens = len(setup.feed.stream.corpus.tokens)
        on_device, why = fits_on_device(training.corpus_on_device, setup.device, corpus_tokens)
        if on_device:
            setup.log(f"corpus on the device: {why}")
            device_stream = DeviceStream(setup.feed.stream, setup.device)
    data = FeedData(
        setup.feed,
        first_step=first,
        accumulate=training.accumulate_grad_batches,
        workers=training.workers,
        device_stream=device_stream,
    )
    loop.fit(module, data)


def dry_run(setup: TrainingSetup, module: Pretraining) -> float:
    """Seconds that the whole run would take, from one batch of each phase forward and backward, timed the second time.

    Out-of-memory and compile errors appear here, in the first minute. Weights and random numbers stay unchanged.
    """
    assert isinstance(setup.feed, Plan)
    seconds = 0.0
    training = setup.config.training
    parts = training.accumulate_grad_batches * processes.world_size(training.devices, training.nodes)
    module.network.train()
    for phase in setup.feed.phases:
        batch = setup.feed.batch(phase.first_step, 0, parts).to(setup.device)
        for _ in range(2):
            begin = time.perf_counter()
            # Autocast as Lightning does it: the compiler specialises on each of these settings.
            bf16 = setup.precision == "bf16"
            with torch.autocast(setup.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
                loss = module.batch_loss(batch)
            loss.total.backward()
            if setup.device.type == "cuda":
                torch.cuda.synchronize()
            took = time.perf_counter() - begin
            module.network.zero_grad(set_to_none=True)
        seconds += took * training.accumulate_grad_batches * phase.steps
    return seconds
