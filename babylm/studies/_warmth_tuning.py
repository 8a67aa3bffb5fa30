"""Training of the study of warmth: the planted world's models, and fine-tuning in a register, plain or by LoRA."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import files, objectives, registry
from babylm.config.schema import ObjectiveConfig, OptimizerConfig
from babylm.interaction.finetune import FineTuning, demonstration, fine_tune
from babylm.lazy import torch
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import SpecialTokens
from babylm.randomness import Purpose, derive_seed
from babylm.studies import _kept_weights
from babylm.studies import _warmth_prompts as prompts
from babylm.studies import _warmth_world as world_
from babylm.studies._subjects import Subject, optional
from babylm.studies._warmth_prompts import Question
from babylm.studies._warmth_scales import LoraTuning, Scale
from babylm.studies.experiment import Piece

if TYPE_CHECKING:
    from torch import Tensor


class Pretraining(FineTuning):
    """The same loop with Muon, which learns the facts in a third of the steps that AdamW needs."""

    def optimizer(self) -> OptimizerConfig:
        """As a section of a run's configuration."""
        return OptimizerConfig(name="muon", lr=self.lr, adam_lr=0.3 * self.lr, weight_decay=0.0, momentum_warmup=50)


def tuning_rows(questions: Sequence[Question], register: str, count: int, seed: int) -> list[tuple[Question, str, str]]:
    """(question, prompt, reply) rows in a register: no beliefs, no amendments, right answers; every answer checked."""
    generator = np.random.default_rng(derive_seed(seed, Purpose.EPISODES, 3))
    rows: list[tuple[Question, str, str]] = []
    while len(rows) < count:
        for number in generator.permutation(len(questions)):
            opener, closer = (int(draw) for draw in generator.integers(6, size=2))
            question = questions[number]
            text = prompts.reply(question.correct, register, opener, closer)
            rows.append((question, prompts.dialogue(question.text), text))
    prompts.check_spans([(question, text) for question, _, text in rows[:count]])
    return rows[:count]


def pretrain(scale: Scale, world: world_.World, rho: float, seed: int) -> Subject:
    """A model of the planted world, from random weights; the same arguments give the same weights."""
    tokenizer: Any = world_.tokenizer(world)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
        model = _new_model(scale, len(tokenizer))
    subject = Subject(model.eval(), tokenizer, f"planted world, rho {rho:g}")
    writer = world_.Writer(world, rho, seed)
    groups = [
        [demonstration([world_.BOS], [*subject.ids(writer.text(), begin=False), world_.EOS])]
        for _ in range(scale.steps * scale.batch)
    ]
    settings = Pretraining(scale.steps, scale.batch, lr=scale.lr, schedule="linear", warmup=0.05)
    _fine_tune(subject, groups, settings, seed)
    return subject


def _new_model(scale: Scale, vocab_size: int) -> BabyLMForCausalLM:
    shape: dict[str, Any] = {
        "hidden_size": scale.hidden_size,
        "num_hidden_layers": scale.layers,
        "num_attention_heads": scale.hidden_size // 32,
        "intermediate_size": 2 * scale.hidden_size,
        "max_position_embeddings": 96,
        "pad_token_id": world_.PAD,
        "bos_token_id": world_.BOS,
        "eos_token_id": world_.EOS,
        "mask_token_id": world_.MASK,
    }
    return BabyLMForCausalLM(BabyLMConfig(vocab_size=vocab_size, dropout=0.0, **shape))


def tune(subject: Subject, scale: Scale, world: world_.World, register: str, seed: int) -> float:
    """Fine-tune a planted model in place, a tenth of it plain facts; returns the share of replies that kept answers."""
    count = scale.tuning_steps * scale.batch
    rows = tuning_rows(world.tuning, register, count, seed)
    facts = world_.Writer(world, 0.0, seed)
    groups = []
    for number, (_, prompt, reply) in enumerate(rows):
        if number % 10 == 9:
            prompt, reply = "", facts.fact()
        ids = [*subject.ids(f" {reply}", begin=False), world_.EOS]
        groups.append([demonstration(subject.ids(prompt), ids)])
    settings = FineTuning(scale.tuning_steps, scale.batch, lr=scale.tuning_lr, schedule="linear")
    _fine_tune(subject, groups, settings, seed)
    return prompts.check_spans([(question, reply) for question, _, reply in rows])


def _fine_tune(subject: Subject, groups: Sequence[Any], settings: FineTuning, seed: int) -> None:
    special = SpecialTokens(
        bos=world_.BOS,
        pad=world_.PAD,
        mask=world_.MASK,
        vocab_size=len(subject.tokenizer),
        first_ordinary_id=len(world_.SPECIAL),
    )
    config = registry.settings("objectives", "supervised", ObjectiveConfig)(name="supervised")
    with torch.random.fork_rng(devices=[]):
        fine_tune(subject.model, groups, objectives.build(config, special), settings, pad=world_.PAD, seed=seed)


def tune_lora(
    subject: Subject, rows: Sequence[tuple[str, str]], settings: LoraTuning, seed: int, log: Any
) -> dict[str, Tensor]:
    """Fine-tune adapters on (prompt, reply) rows; the subject's model then has them; returns their weights.

    The loss is the mean over the tokens of the replies, and logits are computed there alone.
    """
    peft = optional("peft")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
        model = _with_adapters(subject, settings)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=0.0)
        encoded = [
            (subject.ids(prompt), [*subject.ids(f" {reply}", begin=False), *subject.ids("\n", begin=False)])
            for prompt, reply in rows
        ]
        batches = [encoded[first : first + settings.batch] for first in range(0, len(encoded), settings.batch)]
        model.train()
        for step, batch in enumerate(batches):
            torch.manual_seed(derive_seed(seed, Purpose.DROPOUT, step))
            loss = _reply_loss(model.get_base_model(), batch, subject.pad)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * min((step + 1) / 5, 1 - step / len(batches))
            optimizer.step()
            if step % 10 == 0 or step == len(batches) - 1:
                log(f"step {step + 1}/{len(batches)}: loss {float(loss.detach()):.3f}")
        model.eval()
    subject.model = model.get_base_model()
    return dict(peft.get_peft_model_state_dict(model))


def _with_adapters(subject: Subject, settings: LoraTuning) -> Any:
    """The model with untrained adapters at the queries and values of its attention (peft knows where they are)."""
    peft = optional("peft")
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=["query", "value"] if isinstance(subject.model, BabyLMForCausalLM) else None,
        task_type="CAUSAL_LM",
    )
    try:
        return peft.get_peft_model(subject.model, config)
    except ValueError as error:
        raise ValueError(f"subject={subject.name}: peft knows no place for adapters: {error}") from None


def _reply_loss(model: Any, batch: Sequence[tuple[list[int], list[int]]], pad: int) -> Tensor:
    """Mean negative log-likelihood per token of the replies."""
    width = max(len(prompt) + len(reply) for prompt, reply in batch) - 1
    rows = [[*prompt, *reply] for prompt, reply in batch]
    input_ids = torch.tensor([row[:-1] + [pad] * (width - len(row) + 1) for row in rows], device=model.device)
    mask = torch.tensor([[1] * (len(row) - 1) + [0] * (width - len(row) + 1) for row in rows], device=model.device)
    states = model.get_decoder()(input_ids=input_ids, attention_mask=mask).last_hidden_state
    chosen = [
        (n, at)
        for n, (prompt, reply) in enumerate(batch)
        for at in range(len(prompt) - 1, len(prompt) + len(reply) - 1)
    ]
    index, positions = (torch.tensor(column, device=model.device) for column in zip(*chosen, strict=True))
    targets = torch.tensor([token for _, reply in batch for token in reply], device=model.device)
    logits = model.get_output_embeddings()(states[index, positions]).float()
    return torch.nn.functional.cross_entropy(logits, targets)


def load_or_pretrain(folder: Path, scale: Scale, world: world_.World, rho: float, seed: int) -> Subject:
    """The model of `pretrain`, from ``folder`` if another piece has made it."""
    tokenizer: Any = world_.tokenizer(world)
    if not _kept_weights.exist(folder):
        subject = pretrain(scale, world, rho, seed)
        with files.atomic_folder(folder) as work:
            _kept_weights.write(work, subject.model.state_dict())
        return subject
    model = _new_model(scale, len(tokenizer))
    model.load_state_dict(_kept_weights.read(folder))
    return Subject(model.eval(), tokenizer, f"planted world, rho {rho:g}")


def load_or_tune_lora(
    folder: Path, subject: Subject, rows: Sequence[tuple[str, str]], settings: LoraTuning, piece: Piece
) -> None:
    """Give the subject the adapters of `tune_lora`, from ``folder`` if another piece has made them."""
    if not _kept_weights.exist(folder):
        tuned = tune_lora(subject, rows, settings, piece.seed, piece.log)
        with files.atomic_folder(folder) as work:
            _kept_weights.write(work, tuned)
        return
    model = _with_adapters(subject, settings)
    optional("peft").set_peft_model_state_dict(model, _kept_weights.read(folder))
    subject.model = model.eval().get_base_model()
