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
from lightning.pytorch.plugins.environments import SLURMEnvironment
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from babylm import hardware, objectives, run_folder, weight_averaging
from babylm.batches.device_stream import DeviceStream, fits_on_device
from babylm.batches.loader import PlanData, PlanDataset, StepBatch
from babylm.training.callbacks.checkpointing import Checkpointing, Restore, restore
from babylm.training.callbacks.evaluation import Evaluation
from babylm.training.callbacks.milestones import Milestones
from babylm.training.callbacks.progress import Progress
from babylm.training.callbacks.throughput import ThroughputMonitor, log_interval
from babylm.training.jsonl_logger import JsonlLogger
from babylm.training.module import Pretraining
from babylm.training.setup import TrainingSetup
from babylm.training.time_left import TimeLeft


def build_module(setup: TrainingSetup) -> Pretraining:
    """Network, objective and average of the run, in the LightningModule."""
    config = setup.config
    network = setup.network()
    objective = objectives.build(config.objective, setup.special)
    average = None
    if config.averaging.name != "none":
        average = weight_averaging.WeightAverage(config.averaging, network.named_parameters(), setup.plan.steps)
    module = Pretraining(network, objective, setup.plan, config, average)
    if setup.device.type == "cuda":
        network.set_attention(setup.attention, setup.plan.max_documents_per_step())
    if config.training.compile:
        keep_compiled(config.training.compile_cache)
        # A kind of block is compiled for each phase's length; past torch's limit of 8 it would run uncompiled. Blocks
        # are small already: cutting them further, as torch does for several ranks, only adds launches.
        torch._dynamo.config.recompile_limit = 64
        torch._dynamo.config.optimize_ddp = False
        network.compile()
    return module


def keep_compiled(folder: str) -> None:
    """Let torch keep what it compiles (triton's kernels too) in ``folder``, unless the user has named another."""
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


def build_trainer(setup: TrainingSetup, module: Pretraining) -> tuple[L.Trainer, Checkpointing]:
    """Lightning's trainer with our callbacks; nothing of it saves, samples or requeues by itself."""
    quiet()
    config, saved = setup.config, setup.saved
    milestones = setup.plan.milestones if config.training.revisions == "all" else []
    saved_at = {m.step for m in setup.plan.milestones} | {setup.plan.steps}
    measured = Evaluation.steps_by_kind(setup)
    pauses = {
        "state": saved_at,
        "revision": {m.step for m in milestones},
        "tasks": measured["tasks"],
        "loss": measured["loss"] - measured["tasks"],  # what is measured together is timed together
    }
    left = TimeLeft(setup.plan.flops_at, pauses)
    meters = ThroughputMonitor(log_interval(config.training.log_every, setup.plan.steps), left, setup.log)
    # The skeleton is made here: a thread writes the revisions.
    assert not milestones or setup.skeleton is not None
    revisions = Milestones(setup.folder.path, milestones, setup.save_revision, setup.log, left.pause)
    resume = Checkpointing(
        setup.folder.path,
        minutes=config.training.checkpoint_minutes,
        milestones={m.step for m in setup.plan.milestones},
        extra={"precision": setup.precision, "attention": setup.attention},
        flush=revisions.flush,
        pause=left.pause,
    )
    callbacks: list[L.Callback] = [Restore(saved)] if saved is not None else []
    # In this order: a state is not saved before the line of its step is in metrics.jsonl (a resumed run would not write
    # it again), and the revision of a step that comes after its state is made up for when the run goes on.
    callbacks += [meters, resume, revisions, Progress()]
    if (evaluation := Evaluation.build(setup, meters)) is not None:
        callbacks.append(evaluation)
    trainer = L.Trainer(
        accelerator="gpu" if setup.device.type == "cuda" else "cpu",
        devices=config.training.devices,
        strategy="ddp" if config.training.devices > 1 else "auto",
        precision=hardware.lightning_precision(setup.precision),  # type: ignore[arg-type]
        max_epochs=1,
        accumulate_grad_batches=config.training.accumulate_grad_batches,
        logger=loggers(setup),
        callbacks=callbacks,
        plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
        default_root_dir=setup.folder.path,
        deterministic=config.training.deterministic,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=meters.every,
    )
    return trainer, resume


def loggers(setup: TrainingSetup) -> list[Any]:
    """``metrics.jsonl`` always; TensorBoard and W&B when asked for."""
    wanted = setup.config.logging
    lines = JsonlLogger(setup.folder.metrics)
    # Also without a state: a run killed before its first one has lines of steps that come again.
    if run_folder.global_rank() == 0 and setup.folder.metrics.exists():
        lines.cut(setup.saved["step"] if setup.saved is not None else 0, setup.log.warn)
    result: list[Any] = [lines]
    if wanted.tensorboard:
        result.append(TensorBoardLogger(setup.folder.path, name="tensorboard", version=""))
    if wanted.wandb is not None:
        result.append(WandbLogger(project=wanted.wandb, name=setup.config.name, save_dir=setup.folder.path))
    return result


def fit(loop: L.Trainer, setup: TrainingSetup, module: Pretraining) -> None:
    """Run the steps that are left; with none left (a kill after the last one), put the saved weights back.

    Lightning would call no callback then, so a revision of the last step that the kill has prevented is written here.
    """
    first = setup.saved["step"] if setup.saved is not None else 0
    if setup.saved is not None and first == setup.plan.steps:
        restore(module, setup.saved)
        for callback in loop.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Milestones) and loop.is_global_zero:
                callback.write_missing(module)
        return
    training = setup.config.training
    resident, why = fits_on_device(training.corpus_on_device, setup.device, len(setup.plan.stream.corpus.tokens))
    if resident:
        setup.log(f"corpus on the device: {why}")
    data = PlanData(
        setup.plan,
        first_step=first,
        accumulate=training.accumulate_grad_batches,
        workers=training.workers,
        resident=DeviceStream(setup.plan.stream, setup.device) if resident else None,
    )
    loop.fit(module, data)


def dry_run(setup: TrainingSetup, module: Pretraining) -> float:
    """Seconds the whole run would take: one batch of each phase forward and backward, timed after a first one.

    Out-of-memory and compile errors show here, in the first minute. Weights and random numbers are as before.
    """
    seconds = 0.0
    training = setup.config.training
    dataset = PlanDataset(setup.plan, accumulate=training.accumulate_grad_batches * training.devices)
    module.network.train()
    objective = module.objective
    for phase in setup.plan.phases:
        batch = dataset[phase.first_step * dataset.accumulate]
        assert isinstance(batch, StepBatch)
        tokens, documents, words = (t.to(setup.device) for t in batch[:3])
        moved = objectives.Batch(tokens, documents, words, batch.first_row)
        generator = torch.Generator(setup.device).manual_seed(0)
        uniforms = objective.draw_uniforms(phase.rows, phase.sequence_length, generator)[: len(moved.tokens)]
        for _ in range(2):
            begin = time.perf_counter()
            # As Lightning does it, since the compiler looks at each of these.
            bf16 = setup.precision == "bf16"
            with torch.autocast(setup.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
                loss = objective.loss(module.network, objective.corrupt(moved, uniforms, 0.0))
            loss.total.backward()
            if setup.device.type == "cuda":
                torch.cuda.synchronize()
            took = time.perf_counter() - begin
            module.network.zero_grad(set_to_none=True)
        seconds += took * training.accumulate_grad_batches * phase.steps
    return seconds
