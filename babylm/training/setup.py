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
from babylm import console, environment, files, hardware, objectives, places, revisions, run_folder, tracks
from babylm.batches import plan
from babylm.batches.stream import TokenStream
from babylm.config.schema import Config
from babylm.corpora import tokenizer
from babylm.corpora.packed_corpus import PackedCorpus
from babylm.models import flops
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.training import attention_backend as kernels
from babylm.training import checkpoint, extension, preflight
from babylm.training.initial_weights import InitialWeights
from babylm.training.initial_weights import describe as describe_initial
from babylm.training.initial_weights import load as load_initial
from babylm.training.module import seed_of
from babylm.training.plan_summary import describe, disk_needed

INIT = 3
"""Purpose of the numbers that the weights start from."""
NOT_IDENTITY = ("submission", "checkpoints", "name", "training", "evaluation", "logging")
"""Sections that do not change what is learnt (but for training.precision, .attention and .deterministic)."""
CORPUS_PLACES = ("path", "prepared", "dev", "test", "hub")
"""Where text lies is not what it says: the fingerprint stands for the training text."""


@dataclass
class TrainingSetup:
    """Everything of one run."""

    config: Config
    shards: PackedCorpus
    plan: plan.Plan
    folder: run_folder.RunFolder
    log: console.Log
    device: torch.device
    precision: str
    attention: str
    saved: dict[str, Any] | None
    initial: InitialWeights | None = None

    @property
    def special(self) -> objectives.SpecialTokens:
        """Token ids of the prepared tokenizer."""
        return special_ids(self.shards)

    def network(self) -> BabyLMForCausalLM:
        """A new network with the weights that this run starts from: a function of seed and configuration."""
        torch.manual_seed(seed_of(self.config.seed, INIT))
        network = BabyLMForCausalLM(model_config(self.config, self.shards))
        if self.initial is not None:
            network.load_state_dict(self.initial.state, strict=False)  # checked: only tied names are absent
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
            **({"init_from": self.initial.facts()} if self.initial is not None else {}),
        }

    @cached_property
    def skeleton(self) -> BabyLMForCausalLM:
        """The network's shape without numbers: what names and checks the weights of a revision."""
        with torch.device("meta"):  # takes no memory and no random numbers from the run
            return BabyLMForCausalLM(model_config(self.config, self.shards))

    def save_revision(self, folder: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a complete Hugging Face folder; fit for another thread once ``skeleton`` is there."""
        revisions.save(
            folder, self.skeleton, self.shards.tokenizer_folder, {**self.facts(), **facts}, state_dict=weights
        )


def special_ids(shards: PackedCorpus) -> objectives.SpecialTokens:
    """The ids that objectives and packing need, from the prepared tokenizer."""
    ids = tokenizer.special_ids(shards.tokenizer_folder)
    first, last = tokenizer.ordinary_ids(tokenizer.load(shards.tokenizer_folder))
    return objectives.SpecialTokens(ids["bos"], ids["pad"], ids["mask"], shards.vocabulary, first, last)


def model_config(config: Config, shards: PackedCorpus) -> BabyLMConfig:
    """The model section with the prepared tokenizer's sizes and ids."""
    fields = configuration.as_dict(config.model)
    fields.pop("preset")
    special = special_ids(shards)
    return BabyLMConfig(
        **fields,
        vocab_size=special.vocabulary,
        bos_token_id=special.bos,
        eos_token_id=tokenizer.special_ids(shards.tokenizer_folder)["eos"],
        pad_token_id=special.pad,
        mask_token_id=special.mask,
        prediction_mode="causal" if config.objective.name == "causal" else config.objective.masked_prediction,
    )


def flops_per_token(config: Config, shape: BabyLMConfig) -> Callable[[int], float]:
    """Training FLOPs of one token by sequence length; masked rows ask the head for the masked positions alone."""
    rate = sum(config.objective.mask_rate) / 2
    causal = {"causal": 1.0, "masked": 0.0}.get(config.objective.name, config.objective.causal_ratio)
    asked = causal + (1 - causal) * rate
    return lambda length: flops.training_flops_per_token(shape, length, asked)


def initial_weights(config: Config, shards: PackedCorpus, shape: BabyLMConfig) -> InitialWeights:
    """The checked weights of ``init_from``."""
    assert config.init_from is not None
    with torch.device("meta"):
        skeleton = BabyLMForCausalLM(shape)
    return load_initial(config.init_from, skeleton, tokenizer.load(shards.tokenizer_folder).get_vocab())


def check_words_before(config: Config, initial: InitialWeights | None, words: int) -> None:
    """``ValueError`` when the words that the initial weights have read break the track's budget."""
    limit = tracks.TRACKS[config.track].exposure_words
    if initial is None or initial.words is None or limit is None or initial.words + words <= limit:
        return
    raise ValueError(
        f"budget: {initial.words:,} words that init_from has read and {words:,} of this run are "
        f"{initial.words + words - limit:,} more than the {limit:,} that track {config.track} allows; lower the "
        "budget, or choose track=free for a run outside the challenge"
    )


def identity(config: Config, shards: PackedCorpus, initial: InitialWeights | None = None) -> dict[str, Any]:
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
    if initial is not None:
        flat["init_from"] = initial.sha256  # not where they lie, but what they are
    else:
        flat.pop("init_from")
    return {**flat, "corpus fingerprint": shards.fingerprint}


def open_run(config: Config, shards: PackedCorpus, log: console.Log) -> TrainingSetup | None:
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
    stream = TokenStream(shards, bos=special.bos, pad=special.pad, seed=config.seed)
    shape = model_config(config, shards)
    folder = run_folder.RunFolder(places.given(config.checkpoints) / config.name)
    initial = initial_weights(config, shards, shape) if config.init_from is not None else None
    same = identity(config, shards, initial)
    earlier = extension.earlier_budgets(folder, same)
    planned = plan.build(config, stream, flops_per_token(config, shape), earlier)
    extension.check(config, earlier, planned.words)
    check_words_before(config, initial, planned.words)
    if earlier:
        same[extension.EARLIER] = earlier
    need = max(0, disk_needed(config, shape, planned) - files.used_bytes(folder.path))
    free = files.free_bytes(folder.path)
    finished = folder.finished and revisions.facts(folder.main)["words"] == planned.words
    if not finished:
        preflight.check(config)
    choices = None if folder.known else choose_for_host(config, device, shape)
    text = describe(config, planned, flops.parameter_count(shape), need, free)
    saved = None
    if initial is not None:
        text += f"\n       {describe_initial(initial, challenge=config.track != 'free')}"
    if config.training.dry_run:
        log(text)
    else:
        if need > free:
            raise ValueError(
                f"{folder.path}: the run needs {console.size(need)} of disk, {console.size(free)} are free"
            )
        recorded = choices.as_dict() if choices is not None else None
        if folder.known and earlier and files.read_json(folder.identity).get(extension.EARLIER) != earlier:
            log(extension.describe(earlier, planned.words))
            folder.extend(configuration.dump(config), same)
        known = folder.open(configuration.dump(config), same, recorded)
        log.attach(folder.log)
        if known and finished:
            log(f"{folder.path} is finished: nothing to do (choose another name=... for another run)")
            return None
        log(text)
        files.write_json(folder.path / "plan.json", planned.as_dict())
        saved = checkpoint.load(folder.path, log.warn) if known else None
        if known and saved is None:
            log("no saved state: starting from step 0")
        if saved is not None:
            warn_of_changed_code(config, planned, folder, saved["step"], log)
        if known:
            choices = keep_recorded_choices(config, device, shape, {**folder.environment(), **(saved or {})}, log)
    if choices is None:
        choices = choose_for_host(config, device, shape)
    log(f"precision {choices.precision}: {choices.why_precision}")
    log(f"attention {choices.attention}: {choices.why_attention}")
    return TrainingSetup(
        config, shards, planned, folder, log, device, choices.precision, choices.attention, saved, initial
    )


def warn_of_changed_code(
    config: Config, planned: plan.Plan, folder: run_folder.RunFolder, step: int, log: console.Log
) -> None:
    """Say what makes a run that goes on after ``step`` another than one without a pause: other code, lost revisions."""
    recorded = folder.environment()
    if recorded and recorded.get("code") != (now := environment.code_revision()):
        was = recorded.get("code")
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


@dataclass(frozen=True)
class HostChoices:
    """What a run decided by its host: arithmetic and attention backend, each with why."""

    host: str
    precision: str
    why_precision: str
    attention: str
    why_attention: str

    def as_dict(self) -> dict[str, str]:
        """What is kept with the run."""
        return {"host": self.host, "precision": self.precision, "attention": self.attention}


def choose_for_host(config: Config, device: torch.device, shape: BabyLMConfig) -> HostChoices:
    """The choices of a new run: a function of configuration, kind of host and versions, not of the machine's load.

    ``ValueError`` when what is asked for does not run here.
    """
    dtype, why = hardware.choose_precision(config.training.precision, device)
    attention, reason = _choose_attention(config, device, shape, dtype, config.training.attention)
    return HostChoices(hardware.host_kind(device), dtype, why, attention, reason)


def keep_recorded_choices(
    config: Config, device: torch.device, shape: BabyLMConfig, recorded: dict[str, Any], log: console.Log
) -> HostChoices:
    """The choices of a run that goes on: those it began with, ``recorded``. Another kind of host is announced."""
    if not {"precision", "attention"} <= recorded.keys():
        return choose_for_host(config, device, shape)
    here, began = hardware.host_kind(device), recorded.get("host")
    if began is not None and began != here:
        log.warn(f"the run began on another kind of host ({began}; here: {here}): it may end at another model")
    dtype, attention, why = recorded["precision"], recorded["attention"], "as the run began"
    problem = kernels.probe(attention, device, _torch_dtype(dtype), shape.head_dim)
    if problem:
        log.warn(f"attention {attention}, with which the run began, does not run here: {problem}")
        attention, why = _choose_attention(config, device, shape, dtype, "auto")
    return HostChoices(here, dtype, "as the run began", attention, why)


def _choose_attention(
    config: Config, device: torch.device, shape: BabyLMConfig, dtype: str, wanted: str
) -> tuple[str, str]:
    return kernels.choose(shape, device, _torch_dtype(dtype), wanted=wanted, length=config.phases[0].sequence_length)


def _torch_dtype(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bf16" else torch.float32
