"""Log-probabilities of given tokens at given positions, for a model of any class.

Foreign models are scored through shortcuts, and which of them a model allows is found out by trying each once against
the plain call:

* positions without a scored token are skipped after the last attention (``after_attention``) or before the output
  embedding (``before_output``), which is applied to a few positions at a time, so that logits never leave the cache;
* texts that begin alike are read as one row, a tree (`babylm.evaluation.scoring.prefix_tree`), with a mask of who sees
  whom and explicit positions;
* `fuse_gelu` replaces GELUs that are written out in Python by one kernel.

Shapes: R rows, L tokens per row, V tokens in the vocabulary, n positions.
"""

from __future__ import annotations

import ctypes
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from babylm.evaluation.scoring import model_size, prefix_tree

TOLERANCE = 1e-4
"""Nats by which rounding may change a log-probability when positions are skipped."""
TREE_TOLERANCE, TREE_SHARE = 1e-3, 0.01
"""Largest difference, in nats, between a tree's log-probabilities and those of its texts alone (longer sums in another
order); and as a share of the difference if every token saw all tokens before it, which is what an ignored mask
gives."""
LEAST = -50.0
"""Log-probabilities below this are not compared: rounding of the logits dominates them."""
PROBE_LENGTH = 256
"""Length of the random texts on which prefix-tree masks are tested before a model is converted to bf16."""
UNSUPPORTED = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, AssertionError)
"""Errors that a model raises for arguments it does not support."""
LOGITS = {"cpu": 2**21, "cuda": 2**27}
"""Logits computed at a time: on a CPU as many as stay in its cache (and in memory that malloc does not give back)."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


CACHE = 2**18
"""Logits normalised at a time on a CPU."""


class LogProbModel:
    """A model whose call ``model(input_ids=, attention_mask=)`` returns logits (R, L, V), ``["logits"]`` or first."""

    def __init__(self, model: Any) -> None:
        self.model = model
        weight = next(model.parameters())
        self.device, self.dtype = weight.device, weight.dtype
        parameters = inspect.signature(model.forward).parameters
        self.takes_target_positions = "target_positions" in parameters
        self.takes_types = "token_type_ids" in parameters
        self.entries = model_size.entries(model)
        """Tokens in the input embedding; None if the model does not say."""
        self.longest = 0
        """Longest row that it has been seen to read (`babylm.evaluation.scoring.limits`)."""
        self.position_shortcut: str | None = None
        """``after_attention``, ``before_output`` or ``none``; None until it was tried."""
        self.trees: str | None = None
        """Kind of mask for trees, ``bool`` or ``additive``; empty if none works, None until it was tried."""
        self._tried = 0

    def log_probs(
        self, ids: Tensor, mask: Tensor, at: Tensor, targets: np.ndarray, answers: np.ndarray, **inputs: Tensor
    ) -> np.ndarray:
        """Float64 (answers,), in nats: answer k is token ``targets[k]`` at the flat position ``at[answers[k]]``.

        ``ids`` (R, L); ``mask`` as the model takes it; ``at`` (n,) indexes the flattened R * L positions; ``answers``
        (answers,) indexes ``at`` and is sorted. Softmax in fp32, whatever the model computes in.

        Two rows of three tokens are the flat positions 0 1 2 / 3 4 5. With ``at`` = [1, 4], ``answers`` = [0, 0, 1] and
        ``targets`` = [7, 8, 9], the answers are log p(7) and log p(8) after token 1 of the first row, and log p(9)
        after token 1 of the second.
        """
        values, begin = [], 0
        for logits in self._logit_chunks({"input_ids": ids, "attention_mask": mask, **inputs}, at):
            first, last = np.searchsorted(answers, (begin, begin + len(logits)))
            row = torch.from_numpy(answers[first:last] - begin).to(self.device)
            target_logits = logits[row, torch.from_numpy(targets[first:last]).to(self.device)]
            values.append(target_logits.double() - _log_normaliser(logits).double()[row])
            begin += len(logits)
        return torch.cat(values).cpu().numpy()

    def logits(self, ids: Tensor, mask: Tensor, at: Tensor, **inputs: Tensor) -> Tensor:
        """Float32 (n, V) at the flat positions ``at`` (n,)."""
        return torch.cat(list(self._logit_chunks({"input_ids": ids, "attention_mask": mask, **inputs}, at)))

    def tree_inputs(self, seen: Tensor, depths: Tensor) -> dict[str, Tensor]:
        """Arguments for rows that are trees: ``seen`` (R, L, L) bool, row i sees column j; ``depths`` (R, L)."""
        mask = seen[:, None]
        if self.trees == "additive":
            mask = torch.zeros(mask.shape, device=self.device).masked_fill_(~mask, torch.finfo(self.dtype).min)
            mask = mask.to(self.dtype)
        return {"mask": mask, "position_ids": depths}

    def can_read_trees(self, depth: int) -> bool:
        """Whether a tree has the log-probabilities of its texts alone; tried once, and again if ``depth`` has grown.

        ``depth``: tokens of the longest text. Only in fp32: in bf16 an ignored mask cannot be told from rounding (see
        `probe_shortcuts`).
        """
        if self.trees is None or (self.trees and depth > self._tried and self.dtype == torch.float32):
            self.trees = next((style for style in ("bool", "additive") if self._reads_trees(style, depth)), "")
            self._tried = depth
            if not self.trees:
                logging.getLogger(__name__).warning(
                    "%s takes no attention mask of trees: beginnings that texts share are read again for each",
                    type(self.model).__name__,
                )
        return bool(self.trees)

    def probe_shortcuts(self, causal: bool) -> None:
        """Find out now, in fp32, which shortcuts the model allows; for a model that will be converted to bf16."""
        with _eval_mode(self.model):
            ids = self._random_ids(2, 12)
            mask = torch.ones_like(ids)
            mask[1, 9:] = 0
            self.position_shortcut = self._probe_positions({"input_ids": ids, "attention_mask": mask})
            if causal:
                longest = getattr(getattr(self.model, "config", None), "max_position_embeddings", None)
                self.can_read_trees(min(PROBE_LENGTH, longest or PROBE_LENGTH))

    def is_bidirectional(self) -> bool:
        """Whether another last token changes the predictions before it."""
        with _eval_mode(self.model):
            ids = self._random_ids(1, 8).repeat(2, 1)
            ids[1, -1] = ids[1, 0]
            ids[0, -1] = ids[0, 1]
            logits = self._plain({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, torch.arange(16).to(ids))
            return not _close(logits[:7], logits[8:15])

    def _random_ids(self, rows: int, length: int) -> Tensor:
        """(rows, length) token ids from a fixed seed, without the first ids, which are often special tokens."""
        size = getattr(getattr(self.model, "config", None), "vocab_size", None) or 8
        generator = torch.Generator().manual_seed(0)
        return torch.randint(min(16, size // 2), size, (rows, length), generator=generator).to(self.device)

    def _reads_trees(self, style: str, depth: int) -> bool:
        """Compare texts that begin alike as a tree with each text alone, and with a tree under a plain causal mask.

        The texts are as long as those to be scored: a model with a sliding window may drop it when it gets a mask.
        """
        if self.dtype != torch.float32:
            return False
        self.trees = style
        depth = max(depth, 4)
        parts = self._random_ids(5, depth).tolist()
        shared = (depth, depth // 2, 2, depth - 1, depth // 4)
        texts = [tuple(parts[0][:count] + part[count:]) for count, part in zip(shared, parts, strict=True)]
        error = control = 0.0
        try:
            for pack in prefix_tree.pack(texts, *prefix_tree.order(texts)):
                ids = torch.tensor([pack.ids], device=self.device)
                depths = torch.tensor([pack.depths], device=self.device)
                at = torch.arange(len(pack.ids), device=self.device)
                seen = (pack.mask(len(pack.ids)), np.tri(len(pack.ids), dtype=bool))
                masks = [torch.from_numpy(mask)[None].to(self.device) for mask in seen]
                packed, blind = (self.logits(ids, at=at, **self.tree_inputs(m, depths)).log_softmax(-1) for m in masks)
                for index, path in zip(pack.texts, pack.paths, strict=True):
                    text = torch.tensor([texts[index]], device=self.device)
                    positions = torch.from_numpy(path).to(self.device)
                    alone = self.logits(text, torch.ones_like(text), torch.arange(depth, device=self.device))
                    alone = alone.log_softmax(-1)
                    error = max(error, _distance(packed[positions], alone))
                    control = max(control, _distance(blind[positions], alone))
        except UNSUPPORTED:
            return False
        return error <= min(TREE_TOLERANCE, TREE_SHARE * control)

    def _logit_chunks(self, inputs: dict[str, Tensor], at: Tensor) -> Iterator[Tensor]:
        """The logits at ``at``, in order, float32 (some, V) at a time."""
        if self.position_shortcut is None:
            self.position_shortcut = self._probe_positions({name: value[:2] for name, value in inputs.items()})
        if self.position_shortcut == "none":
            yield self._plain(inputs, at)
            return
        hidden = self._hidden(inputs, at, self.position_shortcut)
        output = _output_embedding(self.model)
        size = max(1, LOGITS.get(self.device.type, 2**21) // output.weight.shape[0])
        for part in hidden.split(size):
            yield output(part).float()

    def _plain(self, inputs: dict[str, Tensor], at: Tensor) -> Tensor:
        if self.takes_target_positions:
            return _logits(self.model(**inputs, target_positions=at)).float()
        return _logits(self.model(**inputs)).flatten(0, 1)[at].float()

    def _probe_positions(self, inputs: dict[str, Tensor]) -> str:
        """The `position_shortcut` that gives the plain call's logits."""
        output = _output_embedding(self.model)
        if not isinstance(getattr(output, "weight", None), nn.Parameter):
            return "none"
        # The output embedding must be one matrix product whose result is the logits to the bit: then nothing mixes
        # its positions, and nothing scales or caps them afterwards.
        products: list[Tensor] = []

        def record(module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> None:
            product = nn.functional.linear(args[0], output.weight, getattr(output, "bias", None))
            products.append(result if torch.equal(product, result) else result.new_empty(0))

        hook = output.register_forward_hook(record)
        try:
            logits = _logits(self.model(**inputs)).float()
        finally:
            hook.remove()
        if len(products) != 1 or products[0].shape != logits.shape or not torch.equal(products[0].float(), logits):
            return "none"
        # Every other position, in reverse: a model that returns the wrong positions must be found out.
        at = torch.arange(0, inputs["input_ids"].numel(), 2, device=self.device).flip(0)
        expected = logits.flatten(0, 1)[at]
        try:
            if self.dtype == torch.float32 and _close(
                output(self._hidden(inputs, at, "after_attention")).float(), expected
            ):
                return "after_attention"
        except UNSUPPORTED:
            pass
        try:
            return (
                "before_output" if output(self._hidden(inputs, at, "before_output")).shape == expected.shape else "none"
            )
        except UNSUPPORTED:
            return "none"

    def _hidden(self, inputs: dict[str, Tensor], at: Tensor, shortcut: str) -> Tensor:
        """(n, width): input of the output embedding at the positions ``at``.

        Hooks do it: the one before the output embedding stores its input and passes a single position on, so that the
        product with the embedding costs next to nothing; the one after the last attention keeps the positions ``at``
        of every argument (R, L, width), as (1, n, width).
        """
        hidden_states: list[Tensor] = []
        rows = inputs["input_ids"].shape
        selected = self.takes_target_positions

        def select(value: Any) -> Any:
            by_position = isinstance(value, Tensor) and value.dim() == 3 and value.shape[:2] == rows
            return value.flatten(0, 1)[at][None] if by_position else value

        def after_attention(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(map(select, args))

        def before_output(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden = args[0].flatten(0, -2)  # (R * L, width), or (n, width) once selected
            hidden_states.append(hidden if selected else hidden[at])
            return args[0].flatten(0, -2)[:1].view(*(1 for _ in args[0].shape[:-1]), -1), *args[1:]

        hooks = [_output_embedding(self.model).register_forward_pre_hook(before_output)]
        if shortcut == "after_attention":
            cut = _after_last_attention(self.model)
            if cut is None or selected:
                hooks[0].remove()
                raise NotImplementedError("no module after which positions can be skipped")
            selected = True
            hooks.append(cut.register_forward_pre_hook(after_attention))
        try:
            self.model(**inputs, **({"target_positions": at} if self.takes_target_positions else {}))
        finally:
            for hook in hooks:
                hook.remove()
        return hidden_states[0]


def fuse_gelu(model: Any) -> None:
    """Replace GELU's tanh form written in Python (GPT-2 and its kin) by the same function in one kernel."""
    from transformers.activations import NewGELUActivation

    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(parent, name, nn.GELU(approximate="tanh"))


def tune_malloc() -> None:
    """Make glibc's malloc keep the memory that a batch frees, instead of asking for zeroed pages each time.

    Saves about a tenth of the time on a CPU; for a process that does nothing but score. No effect without glibc.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _log_normaliser(logits: Tensor) -> Tensor:
    """(n, V) logits -> (n,) log of the softmax' normaliser; on a CPU a few rows at a time, which stay in its cache."""
    size = len(logits) if logits.device.type != "cpu" else CACHE // logits.shape[1]
    return torch.cat([part.logsumexp(-1) for part in logits.split(max(1, size))])


def _after_last_attention(model: Any) -> nn.Module | None:
    """In models like BERT, the module behind the last attention, from which on positions are independent; else None."""
    layers = getattr(getattr(getattr(model, "base_model", None), "encoder", None), "layer", None)
    last = layers[-1] if isinstance(layers, nn.ModuleList) and len(layers) else None
    output = getattr(getattr(last, "attention", None), "output", None)
    return output if isinstance(output, nn.Module) else None


def _output_embedding(model: Any) -> Any:
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def _logits(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output["logits"]


def _close(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of fp32 logits are the same distributions."""
    return a.shape == b.shape and _distance(a.log_softmax(-1), b.log_softmax(-1)) <= TOLERANCE


def _distance(a: Tensor, b: Tensor) -> float:
    """The largest difference of log-probabilities, in nats, among those above `LEAST`; infinite if any is NaN."""
    likely = torch.maximum(a, b) > LEAST
    difference = torch.where(likely, a - b, 0.0).abs().max()
    return float("inf") if difference.isnan() else float(difference)


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients inside the block."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
