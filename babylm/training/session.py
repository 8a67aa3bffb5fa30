"""A run before its loop: plan, folder, and the choices of device, precision and attention."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from babylm import config as configuration
from babylm import console, environment, files, objectives, plan, run
from babylm.corpora import tokenizer
from babylm.corpora.shards import Shards
from babylm.models import flops
from babylm.models.configuration import BabyLMConfig
from babylm.models.modeling import BabyLMForCausalLM
from babylm.packing import Stream
from babylm.sections import Config
from babylm.submission import revision
from babylm.training import attention as kernels
from babylm.training import inputs, precision, state
from babylm.training.module import seed_of
from babylm.training.printout import describe, disk_needed

INIT = 3
"""Purpose of the numbers that the weights start from."""
NOT_IDENTITY = ("submission", "checkpoints", "name", "training", "evaluation", "logging")
"""Sections that do not change what is learnt (but for training.precision, .attention and .deterministic)."""
CORPUS_PLACES = ("path", "prepared", "dev", "test", "hub")
"""Where text lies is not what it says: the fingerprint stands for the training text."""


@dataclass
class Session:
    """Everything of one run."""

    config: Config
    shards: Shards
    plan: plan.Plan
    folder: run.RunFolder
    log: console.Log
    device: torch.device
    precision: str
    attention: str
    saved: dict[str, Any] | None

    @property
    def special(self) -> objectives.Special:
        """Token ids of the prepared tokenizer."""
        return special_ids(self.shards)

    def network(self) -> BabyLMForCausalLM:
        """A new network with the weights that this run starts from: a function of seed and configuration."""
        torch.manual_seed(seed_of(self.config.seed, INIT))
        network = BabyLMForCausalLM(model_config(self.config, self.shards))
        network.set_attention(self.attention)
        torch.nn.Module.to(network, self.device)
        return network

    def network_with(self, weights: dict[str, Tensor]) -> BabyLMForCausalLM:
        """A network of its own with a copy of ``weights``, to be measured; it takes no random numbers to make."""
        network = copy.deepcopy(self.skeleton).to_empty(device=self.device)
        network.load_state_dict(weights)
        network.set_attention(self.attention)
        return network

    def facts(self) -> dict[str, Any]:
        """What every revision records."""
        return {
            "run": self.config.name,
            "track": self.config.track,
            "rules": self.config.rules,
            "seed": self.config.seed,
            "corpus": self.shards.fingerprint,
            "corpus_words": self.shards.word_count,
            "code": environment.code_revision(),
            "objective": self.config.objective.name,
        }

    @cached_property
    def skeleton(self) -> BabyLMForCausalLM:
        """The network's shape without numbers: what names and checks the weights of a revision."""
        with torch.device("meta"):  # takes no memory and no random numbers from the run
            return BabyLMForCausalLM(model_config(self.config, self.shards))

    def save_revision(self, folder: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a complete Hugging Face folder; fit for another thread once ``skeleton`` is there."""
        revision.save(
            folder, self.skeleton, self.shards.tokenizer_folder, {**self.facts(), **facts}, state_dict=weights
        )


def special_ids(shards: Shards) -> objectives.Special:
    """The ids that objectives and packing need, from the prepared tokenizer."""
    loaded = tokenizer.load(shards.tokenizer_folder)
    bos, pad, mask = (tokenizer.special_id(loaded, t) for t in (tokenizer.BOS, tokenizer.PAD, tokenizer.MASK))
    return objectives.Special(bos, pad, mask, loaded.get_vocab_size(), len(tokenizer.SPECIAL_TOKENS))


def model_config(config: Config, shards: Shards) -> BabyLMConfig:
    """The model section with the prepared tokenizer's sizes and ids."""
    fields = configuration.as_dict(config.model)
    fields.pop("preset")
    special = special_ids(shards)
    return BabyLMConfig(
        **fields,
        vocab_size=special.vocabulary,
        bos_token_id=special.bos,
        eos_token_id=tokenizer.special_id(tokenizer.load(shards.tokenizer_folder), tokenizer.EOS),
        pad_token_id=special.pad,
        mask_token_id=special.mask,
        reading="causal" if config.objective.name == "causal" else config.objective.reading,
    )


def flops_per_token(config: Config, shape: BabyLMConfig) -> Callable[[int], float]:
    """Training FLOPs of one token by sequence length; masked rows ask the head for the masked positions alone."""
    rate = sum(config.objective.mask_rate) / 2
    causal = {"causal": 1.0, "masked": 0.0}.get(config.objective.name, config.objective.causal_ratio)
    asked = causal + (1 - causal) * rate
    return lambda length: flops.training_flops_per_token(shape, length, asked)


def identity(config: Config, shards: Shards) -> dict[str, Any]:
    """What must be equal for a run to be continued, as flat keys."""
    sections = configuration.as_dict(config)
    kept = {key: value for key, value in sections.items() if key not in NOT_IDENTITY}
    kept["corpus"] = {k: v for k, v in kept["corpus"].items() if k not in CORPUS_PLACES}
    kept["training"] = {k: sections["training"][k] for k in ("precision", "attention", "deterministic")}
    flat = {}
    for section, value in kept.items():
        if isinstance(value, dict):
            flat.update({f"{section}.{key}": inner for key, inner in value.items()})
        else:
            flat[section] = value
    return {**flat, "corpus fingerprint": shards.fingerprint}


def open_session(config: Config, shards: Shards, log: console.Log) -> Session | None:
    """Plan the run, print the plan, and open its folder; ``None`` when it is finished already.

    What can be refused (a plan, a precision, a text or task that is not there) is refused before a folder is made: its
    name would be taken by a run that cannot be.
    """
    if config.training.threads is not None:
        torch.set_num_threads(config.training.threads)
    device = pick_device(config.training.accelerator)
    if config.training.deterministic:  # Lightning asks for it too, but after the dry run
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    special = special_ids(shards)
    stream = Stream(shards, bos=special.bos, pad=special.pad, seed=config.seed)
    shape = model_config(config, shards)
    planned = plan.build(config, stream, flops_per_token(config, shape))
    folder = run.RunFolder(Path(config.checkpoints) / config.name)
    need = max(0, disk_needed(config, shape, planned) - files.used_bytes(folder.path))
    free = files.free_bytes(folder.path)
    if not folder.finished:
        inputs.check(config)
    chosen = None if folder.known else choose(config, device, shape, None)
    text = describe(config, planned, flops.parameter_count(shape), need, free)
    saved = None
    if config.training.plan_only:
        log(text)
    else:
        if need > free:
            raise ValueError(
                f"{folder.path}: the run needs {console.size(need)} of disk, {console.size(free)} are free"
            )
        known = folder.open(configuration.dump(config), identity(config, shards))
        log.attach(folder.log)
        if known and folder.finished:
            log(f"{folder.path} is finished: nothing to do (choose another name=... for another run)")
            return None
        log(text)
        files.write_json(folder.path / "plan.json", planned.as_dict())
        saved = state.load(folder.path, log.warn) if known else None
        if known and saved is None:
            log("no saved state: starting from step 0")
        if saved is not None:
            warn_of_changes(config, planned, folder, saved["step"], log)
    if chosen is None or saved is not None:
        chosen = choose(config, device, shape, saved)
    for what, choice in zip(("precision", "attention"), chosen, strict=True):
        log(f"{what} {choice[0]}: {choice[1]}")
    (precise, _), (attention, _) = chosen
    return Session(config, shards, planned, folder, log, device, precise, attention, saved)


def warn_of_changes(config: Config, planned: plan.Plan, folder: run.RunFolder, step: int, log: console.Log) -> None:
    """Say what makes a run that goes on after ``step`` another than one without a pause: other code, lost revisions."""
    stored = folder.path / "environment.json"
    if stored.exists():
        was, now = files.read_json(stored).get("code"), environment.code_revision()
        if was != now:
            log.warn(f"code was {was}, now {now}: the run may end at another model than either alone")
    due = [m.name for m in planned.milestones if m.step < step] if config.training.revisions == "all" else []
    lost = [name for name in due if not (folder.path / name / files.MANIFEST).exists()]
    if lost:
        log.warn(f"revisions due before step {step:,} are missing and will not be made again: {', '.join(lost)}")


def pick_device(accelerator: str) -> torch.device:
    """The device of this process; ``ValueError`` when a GPU is asked for and there is none."""
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("training.accelerator=gpu: torch sees no GPU; use auto or cpu")
    use_gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    if not use_gpu:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(device)
    return device


def choose(
    config: Config, device: torch.device, shape: BabyLMConfig, saved: dict[str, Any] | None
) -> tuple[tuple[str, str], tuple[str, str]]:
    """Precision and attention backend, each with why; ``ValueError`` when what is asked for does not run here."""
    chosen = choose_precision(config, device, saved)
    return chosen, choose_attention_backend(config, device, chosen[0], shape, saved)


def choose_precision(config: Config, device: torch.device, saved: dict[str, Any] | None) -> tuple[str, str]:
    """The saved choice of a resumed run, else what the probe says."""
    if saved is not None:
        return saved["precision"], "as the run began"
    return precision.choose(config.training.precision, device)


def choose_attention_backend(
    config: Config, device: torch.device, chosen: str, shape: BabyLMConfig, saved: dict[str, Any] | None
) -> tuple[str, str]:
    """The saved choice of a resumed run, else what the probe measures on the run's shape."""
    if saved is not None:
        return saved["attention"], "as the run began"
    phase = config.phases[0]
    dtype = torch.bfloat16 if chosen == "bf16" else torch.float32
    rows = phase.tokens // phase.sequence_length // config.training.accumulate // config.training.devices
    return kernels.choose(
        shape,
        device,
        dtype,
        wanted=config.training.attention,
        rows=rows,
        length=phase.sequence_length,
        timed=config.training.devices == 1,
    )
