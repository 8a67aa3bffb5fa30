"""The student of the relational study: a model of ours, fine-tuned on scripted transcripts that hold no message.

In 70 % of the transcripts the tool works; in 30 % it is broken, and the scripted agent tries again, at times with the
other tool, and stops with a constant probability after each failure. So what the student does after a message was not
trained in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies._relational_scales import Scale
from babylm.studies._relational_tool import FAULTS, PROMPT, TOOLS, BrokenTool, Fault, Task, make_task

if TYPE_CHECKING:
    from babylm.studies._subjects import Subject

WORKS = 0.7
STOP = 0.1
"""Probability of stopping after a failure."""
OTHER_TOOL = 0.15
"""Probability that a further call is of the other tool."""
LONGEST = 16
"""Actions at most."""
TRANSCRIPTS, TOKENIZER = 1, 2
"""Numbers of the random streams."""
VOCABULARY = 512
SPECIAL = ("<s>", "</s>", "<pad>", "<mask>")


class Transcript(NamedTuple):
    """An episode as texts in the pieces in which the REPL encodes them."""

    task: Task
    introduction: str
    pieces: list[str]
    """``>``, action, output, ``>``, action, ..."""


def transcript(number: int, generator: random.Random) -> Transcript:
    """One scripted episode."""
    works = generator.random() < WORKS
    fault = Fault("works") if works else Fault(generator.choice(FAULTS), generator.choice((1, 2, 126, 127)))
    fault = Fault(fault.mode, fault.code, k=generator.randint(1, 8))
    task = make_task(generator.randrange(10**6) + number, generator, fault)
    tool = BrokenTool(task)
    tool.collapsed()  # here a repair counts from the start
    pieces: list[str] = []
    while not tool.over:
        text = f" {_say(tool, generator)}\n"
        entry = tool.act(text)
        pieces += [PROMPT, text, f"{entry.output}\n"]
    return Transcript(task, task.introduction, pieces)


def _say(tool: BrokenTool, generator: random.Random) -> str:
    last = tool.log[-1] if tool.log else None
    if last is not None and not last.failed:
        return f"answer {tool.task.gold}"
    if last is not None and (generator.random() < STOP or len(tool.log) >= LONGEST):
        return "stop the tool does not work"
    verb = last.action.verb if last is not None else "run"
    if last is not None and generator.random() < OTHER_TOOL:
        verb = TOOLS[1 - TOOLS.index(verb)]
    return f"run {tool.task.command}" if verb == "run" else f"read {next(iter(tool.task.files))}"


def transcripts(count: int, seed: int) -> list[Transcript]:
    """Scripted episodes of a seed."""
    generator = random.Random(derive_seed(seed, Purpose.CONDITION, TRANSCRIPTS))
    return [transcript(number, generator) for number in range(count)]


def make_student(seed: int, scale: Scale, base: str | None) -> tuple[Subject, dict[str, float]]:
    """A student and facts about its training: a given revision of ours, or a small transformer from scratch."""
    from babylm.interaction.finetune import FineTuning, demonstration, fine_tune
    from babylm.objectives import SpecialTokens
    from babylm.objectives.supervised import Settings, build
    from babylm.studies._subjects import load_subject

    if base is None:
        drawn = transcripts(scale.transcripts, seed)
        subject = _from_scratch(drawn, seed, scale)
        settings = FineTuning(scale.steps, 16, lr=0.01, schedule="trapezoid", optimizer_name="muon")
    else:
        subject = load_subject(base)
        settings = FineTuning(scale.base_steps, 12, lr=3e-4, schedule="cosine")
        drawn = transcripts(settings.steps * settings.groups_per_step, seed)
    config, tokenizer = subject.model.config, subject.tokenizer
    groups = [
        [demonstration(*_encoded(transcript, subject.ids), episode=number)] for number, transcript in enumerate(drawn)
    ]
    special = SpecialTokens(config.bos_token_id, config.pad_token_id, config.mask_token_id, config.vocab_size, 4)
    objective = build(Settings(name="supervised"), special)
    losses = fine_tune(subject.model, groups, objective, settings, pad=tokenizer.pad_token_id, seed=seed)
    few = max(1, len(losses) // 10)
    facts = {"first loss": sum(losses[:few]) / few, "last loss": sum(losses[-few:]) / few}
    return subject, facts


def _encoded(transcript: Transcript, ids: Callable[[str, bool], list[int]]) -> tuple[list[int], list[int]]:
    """(introduction, rest) in tokens, piece by piece as in the episodes."""
    return ids(transcript.introduction, True), [token for piece in transcript.pieces for token in ids(piece, False)]


def _from_scratch(drawn: Sequence[Transcript], seed: int, scale: Scale) -> Subject:
    """A transformer with random weights and a byte-level tokenizer of the transcripts."""
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.modeling_babylm import BabyLMForCausalLM
    from babylm.studies._subjects import Subject

    tokenizer = _tokenizer([transcript.introduction + "".join(transcript.pieces) for transcript in drawn])
    torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
    model = BabyLMForCausalLM(
        BabyLMConfig(
            vocab_size=len(tokenizer),
            hidden_size=scale.hidden_size,
            num_hidden_layers=scale.layers,
            num_attention_heads=max(1, scale.hidden_size // 32),
            intermediate_size=3 * scale.hidden_size,
            max_position_embeddings=1024,
            dropout=0.0,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
            mask_token_id=3,
        )
    )
    return Subject(model.eval(), tokenizer, "student")


def _tokenizer(texts: Sequence[str]) -> Any:
    """A byte-level BPE of transformers that puts BOS in front."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    names = dict(zip(("bos_token", "eos_token", "pad_token", "mask_token"), SPECIAL, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)
