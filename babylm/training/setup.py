"""The parts of a run, each built from its section: tokenizer ids, model, objective, feed, hardware choices."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babylm import config as configuration
from babylm import console, environment, files, folders, objectives, places, processes, revisions, run_folder
from babylm.batches import plan
from babylm.batches.feed import Feed
from babylm.batches.stream import TokenStream
from babylm.config import checks
from babylm.config.schema import Config, ModelConfig
from babylm.corpora import tokenizer
from babylm.corpora.packed_corpus import PackedCorpus
from babylm.models import flops
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Objective, RunFacts, SpecialTokens
from babylm.randomness import Purpose, derive_seed
from babylm.training import extension, host_choices, opening, plan_summary, preflight, replay
from babylm.training.initial_weights import InitialWeights
from babylm.training.initial_weights import describe as describe_initial
from babylm.training.initial_weights import load as load_initial

MakeFeed = Callable[[TokenStream, Callable[[int], float]], Feed]
"""(token stream of the corpus, sequence length -> training FLOPs per token) -> what the run reads."""


@dataclass
class TrainingSetup:
    """Everything of one run."""

    config: Config
    corpus: PackedCorpus
    special: SpecialTokens
    shape: BabyLMConfig
    objective: Objective
    feed: Feed
    folder: run_folder.RunFolder
    log: console.Log
    device: torch.device
    precision: str
    attention: str
    replay: bool = False
    """Whether steps are replayed as CUDA graphs."""
    saved: dict[str, Any] | None = None
    """The state that the run is continued from."""
    initial: InitialWeights | None = None

    def network(self) -> BabyLMForCausalLM:
        """A new network with the run's initial weights: a function of seed and configuration."""
        torch.manual_seed(derive_seed(self.config.seed, Purpose.WEIGHTS))
        network = BabyLMForCausalLM(self.shape)
        if self.initial is not None:
            network.load_state_dict(self.initial.state, strict=False)  # checked: only tied names are absent
        network.set_attention(self.attention)
        torch.nn.Module.to(network, self.device)
        return network

    def network_with(self, weights: dict[str, Tensor]) -> BabyLMForCausalLM:
        """Another network with a copy of ``weights``, to measure; no random numbers are drawn."""
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
            "corpus": self.corpus.fingerprint,
            "corpus_words": self.corpus.word_count,
            "code": environment.code_revision(),
            "objective": self.config.objective.name,
            **self.objective.facts(),
            **({"init_from": self.initial.facts()} if self.initial is not None else {}),
        }

    @cached_property
    def skeleton(self) -> BabyLMForCausalLM:
        """The network on the meta device, by which the weights of a revision are named and checked."""
        with torch.device("meta"):  # takes no memory and no random numbers from the run
            return BabyLMForCausalLM(self.shape)

    def save_revision(self, folder: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a complete Hugging Face folder; may be called in another thread once ``skeleton`` is there."""
        revisions.save(
            folder, self.skeleton, self.corpus.tokenizer_folder, {**self.facts(), **facts}, state_dict=weights
        )


def special_tokens(corpus: PackedCorpus) -> SpecialTokens:
    """The ids that objectives and packing need, from the prepared tokenizer."""
    ids = tokenizer.special_ids(corpus.tokenizer_folder)
    first, last = tokenizer.ordinary_ids(tokenizer.load(corpus.tokenizer_folder))
    return SpecialTokens(ids["bos"], ids["pad"], ids["mask"], corpus.vocabulary, first, last)


def model_config(model: ModelConfig, prediction_mode: str, corpus: PackedCorpus) -> BabyLMConfig:
    """The model section with the prepared tokenizer's sizes and ids."""
    settings = configuration.as_dict(model)
    settings.pop("preset")
    ids = tokenizer.special_ids(corpus.tokenizer_folder)
    return BabyLMConfig(
        **settings,
        vocab_size=corpus.vocabulary,
        bos_token_id=ids["bos"],
        eos_token_id=ids["eos"],
        pad_token_id=ids["pad"],
        mask_token_id=ids["mask"],
        image_token_id=tokenizer.image_token_id(corpus.tokenizer_folder) if model.image_size else None,
        prediction_mode=prediction_mode,
    )


def flops_per_token(shape: BabyLMConfig, objective: Objective) -> Callable[[int], float]:
    """Sequence length -> FLOPs of training on one token: the model's, and what the objective computes beside it."""
    head_fraction = objective.config.head_fraction(0.5)  # it is linear in the progress, so this is its mean

    def per_token(length: int) -> float:
        training = flops.training_flops_per_token(shape, length, head_fraction)
        return training + objective.flops_per_token(length, head_fraction, training)

    return per_token


@dataclass
class Parts:
    """What a run is built from, before its folder is opened."""

    special: SpecialTokens
    shape: BabyLMConfig
    objective: Objective
    feed: Feed
    initial: InitialWeights | None
    identity: dict[str, Any]
    """What must be equal for a run to be continued."""
    earlier: list[int]
    """Budgets, in words, that the run had before it was made longer."""

    @property
    def words(self) -> int | None:
        """Words of the whole run; None if its length is not known."""
        return self.feed.words_after(self.feed.length) if self.feed.length is not None else None


def build_parts(
    config: Config, corpus: PackedCorpus, folder: run_folder.RunFolder, make_feed: MakeFeed | None = None
) -> Parts:
    """Tokenizer ids, model shape, objective, initial weights and feed, each from its section."""
    special = special_tokens(corpus)
    shape = model_config(config.model, config.objective.prediction_mode, corpus)
    objective = objectives.build(config.objective, special)
    vocabulary = tokenizer.load(corpus.tokenizer_folder).get_vocab()
    objective.open(RunFacts(config.track, corpus.fingerprint, vocabulary))
    line_ends = _line_ends(config, corpus, make_feed is not None)
    stream = TokenStream(corpus, bos=special.bos, pad=special.pad, seed=config.seed, line_ends=line_ends)
    initial = _initial_weights(config, corpus, shape) if config.init_from is not None else None
    sha256 = initial.sha256 if initial is not None else None
    identity = opening.identity(config, corpus.fingerprint, sha256, interaction=make_feed is not None)
    identity.update(objective.identity())
    earlier = extension.earlier_budgets(folder, identity)
    if earlier:
        identity[extension.EARLIER] = earlier
    per_token = flops_per_token(shape, objective)
    feed = (
        make_feed(stream, per_token)
        if make_feed is not None
        else plan.build(
            stream,
            phases=config.phases,
            budget=config.budget,
            track=config.track,
            flops_per_token=per_token,
            milestones=config.milestones,
            earlier=earlier,
        )
    )
    return Parts(special, shape, objective, feed, initial, identity, earlier)


def _line_ends(config: Config, corpus: PackedCorpus, interaction: bool) -> NDArray[np.bool_] | None:
    """Which tokens end a line, for rows that begin with lines; None for rows that begin anywhere."""
    if config.corpus.rows == "anywhere":
        return None
    if interaction:
        raise ValueError("corpus.rows=lines: the corpus rows of an interaction begin anywhere; leave corpus.rows out")
    line_ends = tokenizer.line_ends(corpus.tokenizer_folder)
    if not line_ends.any() and config.corpus.documents != "lines":
        raise ValueError(
            "corpus.rows=lines: no token of this tokenizer holds a newline, so the ends of lines are lost; set "
            "corpus.documents=lines too, or use another tokenizer.path"
        )
    return line_ends


def open_run(
    config: Config, corpus: PackedCorpus, log: console.Log, make_feed: MakeFeed | None = None
) -> TrainingSetup | None:
    """Build the parts of a run, print its plan, and open its folder; None if the run is finished already.

    Whatever can be refused (a plan, a precision, missing text or task data) is refused before a folder is made, as
    its name would be taken by a run that cannot start. ``make_feed``: makes a feed instead of the corpus's plan.
    """
    _set_up_torch(config)
    checks.check_cut(config, processes.world_size(config.training.devices, config.training.nodes))
    folder = run_folder.RunFolder(places.given(config.checkpoints) / config.name)
    device = host_choices.pick_device(config.training.accelerator)
    parts = build_parts(config, corpus, folder, make_feed)
    length = config.phases[0].sequence_length
    finished = folder.finished and (parts.words is None or revisions.facts(folder.main)["words"] == parts.words)
    _check(config, parts)
    if not finished:
        preflight.check(config)
    choices = None
    if not folder.known:
        choices = host_choices.choose_for_host(config.training, device, parts.shape, length)
    needed = max(0, plan_summary.disk_needed(config, parts.shape, parts.feed) - folders.used_bytes(folder.path))
    summary = _summary(config, parts, folder, needed)
    saved = None
    if config.training.dry_run:
        log(summary)
    else:
        opening.check_disk(folder, needed)
        recorded = choices.as_dict() if choices is not None else None
        existed = opening.open_folder(config, folder, parts.identity, parts.earlier, parts.words, recorded, log)
        if existed and finished:
            log(f"{folder.path} is finished: nothing to do (choose another name=... for another run)")
            return None
        log(summary)
        saved = opening.load_state(config, folder, parts.feed, log) if existed else None
        files.write_json(folder.path / "plan.json", parts.feed.as_dict())
        if existed:
            recorded = {**folder.environment(), **(saved or {})}
            choices = host_choices.keep_recorded_choices(config.training, device, parts.shape, length, recorded, log)
    choices = choices or host_choices.choose_for_host(config.training, device, parts.shape, length)
    log(f"precision {choices.precision}: {choices.why_precision}")
    log(f"attention {choices.attention}: {choices.why_attention}")
    setting, problem = config.training.cuda_graphs, replay.obstacle(config, parts.objective, parts.feed, device)
    replayed, why = replay.choose(setting, problem)
    if setting is not False:
        log(f"CUDA graphs {'on' if replayed else 'off'}: {why}")
    return TrainingSetup(
        config=config,
        corpus=corpus,
        special=parts.special,
        shape=parts.shape,
        objective=parts.objective,
        feed=parts.feed,
        folder=folder,
        log=log,
        device=device,
        precision=choices.precision,
        attention=choices.attention,
        replay=replayed,
        saved=saved,
        initial=parts.initial,
    )


def _check(config: Config, parts: Parts) -> None:
    """Raise ValueError for a run whose length its schedule, its track or its averaging does not allow."""
    if parts.words is not None:
        extension.check(config, parts.earlier, parts.words)
        opening.check_words_before(config.track, parts.initial, parts.words)
    elif config.averaging.name == "tail":
        raise ValueError("averaging.name=tail: the length of this run is not known beforehand; use ema or none")


def _summary(config: Config, parts: Parts, folder: run_folder.RunFolder, needed: int) -> str:
    """The plan as a person reads it, and what the run starts from."""
    free = folders.free_bytes(folder.path)
    summary = plan_summary.describe(config, parts.feed, flops.parameter_count(parts.shape), needed, free)
    if parts.initial is not None:
        summary += f"\n       {describe_initial(parts.initial, challenge=config.track != 'free')}"
    for remark in parts.objective.remarks():
        summary += f"\n       {remark}"
    return summary


def _set_up_torch(config: Config) -> None:
    if config.training.threads is not None:
        torch.set_num_threads(config.training.threads)
    if config.training.deterministic:  # Lightning asks for it too, but after the dry run
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def _initial_weights(config: Config, corpus: PackedCorpus, shape: BabyLMConfig) -> InitialWeights:
    """The checked weights of ``init_from``."""
    assert config.init_from is not None
    with torch.device("meta"):
        skeleton = BabyLMForCausalLM(shape)
    return load_initial(config.init_from, skeleton, tokenizer.load(corpus.tokenizer_folder).get_vocab())
