"""A model's log-probabilities at the positions asked, whatever class it is of.

Three ways to save work, each tried once against the plain call and given up where it does not agree:

* positions that nobody asks for are left out from the last attention on (``early``), or from the output embedding on
  (``late``); the output embedding is then applied to a few positions at a time, so logits never leave the cache;
* rows that are trees of texts (`babylm.evaluation.scoring.prefix_tree`): a mask of ones who see, and explicit
  positions;
* `fuse` gives GELUs that are written out in Python their one kernel.
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

from babylm.evaluation.scoring import limits, prefix_tree

TOLERANCE = 1e-4
"""Nats by which rounding may change a log-probability where positions are left out."""
TREE_TOLERANCE, TREE_SHARE = 1e-3, 0.01
"""Nats by which a tree's log-probabilities may differ from those of its texts alone (longer sums in another order), and
the share of what they would differ by if every token saw all before it."""
LEAST = -50.0
"""Log-probability below which rounding of the logits hides everything."""
SETTLED = 256
"""Tokens of the texts with which trees are tried for a model that will be narrowed."""
REFUSED = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, AssertionError)
"""What a model answers to arguments that it does not know."""
LOGITS = {"cpu": 2**21, "cuda": 2**27}
"""Logits at a time: on a CPU what stays in its cache (and in memory that is not given back after each use)."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


CACHE = 2**18
"""Logits that are normalised at a time on a CPU."""


class Network:
    """``model(input_ids=, attention_mask=)`` gives logits (rows, length, vocabulary), as ``["logits"]`` or first."""

    def __init__(self, model: Any) -> None:
        self.model = model
        weight = next(model.parameters())
        self.device, self.dtype = weight.device, weight.dtype
        known = inspect.signature(model.forward).parameters
        self.takes_at = "target_positions" in known
        self.takes_types = "token_type_ids" in known
        self.entries = limits.entries(model)
        """Tokens in the input embedding; none where the model does not say."""
        self.longest = 0
        """Tokens that it is known to read at once (`babylm.evaluation.scoring.limits`)."""
        self.picks: str | None = None
        """``early``, ``late`` or ``never``, once tried."""
        self.trees: str | None = None
        """Kind of mask that trees are given as; empty: none works."""
        self._tried = 0

    def log_probs(
        self, ids: Tensor, mask: Tensor, at: Tensor, targets: np.ndarray, answers: np.ndarray, **inputs: Tensor
    ) -> np.ndarray:
        """Float64 (answers,), in nats: of token ``targets[k]`` at the flat position ``at[answers[k]]``.

        ``ids`` (rows, length); ``mask`` as the model takes it; ``at`` (n,) into rows * length; ``answers`` rises.
        Softmax in fp32, whatever the model computes in.
        """
        found, begin = [], 0
        for logits in self._pieces({"input_ids": ids, "attention_mask": mask, **inputs}, at):
            first, last = np.searchsorted(answers, (begin, begin + len(logits)))
            row = torch.from_numpy(answers[first:last] - begin).to(self.device)
            wanted = logits[row, torch.from_numpy(targets[first:last]).to(self.device)]
            found.append(wanted.double() - _log_normaliser(logits).double()[row])
            begin += len(logits)
        return torch.cat(found).cpu().numpy()

    def logits(self, ids: Tensor, mask: Tensor, at: Tensor, **inputs: Tensor) -> Tensor:
        """Float32 (n, vocabulary) at the flat positions ``at`` into rows * length."""
        return torch.cat(list(self._pieces({"input_ids": ids, "attention_mask": mask, **inputs}, at)))

    def tree_inputs(self, seen: Tensor, depths: Tensor) -> dict[str, Tensor]:
        """Arguments for rows that are trees: ``seen`` (rows, length, length) bool, ``depths`` (rows, length)."""
        mask = seen[:, None]
        if self.trees == "additive":
            mask = torch.zeros(mask.shape, device=self.device).masked_fill_(~mask, torch.finfo(self.dtype).min)
            mask = mask.to(self.dtype)
        return {"mask": mask, "position_ids": depths}

    def can_read_trees(self, depth: int) -> bool:
        """Whether a tree gives what its texts, of up to ``depth`` tokens, give alone; tried once, and where it grows.

        Only in fp32: in a narrower type a mask that is ignored cannot be told from rounding (see `settle`).
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

    def settle(self, causal: bool) -> None:
        """Find out now, in fp32, which ways of saving work the model allows; for a model that will be narrowed."""
        with _still(self.model):
            ids = self._made_up(2, 12)
            mask = torch.ones_like(ids)
            mask[1, 9:] = 0
            self.picks = self._can_pick({"input_ids": ids, "attention_mask": mask})
            if causal:
                longest = getattr(getattr(self.model, "config", None), "max_position_embeddings", None)
                self.can_read_trees(min(SETTLED, longest or SETTLED))

    def looks_ahead(self) -> bool:
        """Whether another last token changes what is predicted before it."""
        with _still(self.model):
            ids = self._made_up(1, 8).repeat(2, 1)
            ids[1, -1] = ids[1, 0]
            ids[0, -1] = ids[0, 1]
            found = self._plain({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, torch.arange(16).to(ids))
            return not _close(found[:7], found[8:15])

    def _made_up(self, rows: int, length: int) -> Tensor:
        """Always the same ids, of ordinary tokens where special ones come first."""
        size = getattr(getattr(self.model, "config", None), "vocab_size", None) or 8
        generator = torch.Generator().manual_seed(0)
        return torch.randint(min(16, size // 2), size, (rows, length), generator=generator).to(self.device)

    def _reads_trees(self, style: str, depth: int) -> bool:
        """Texts that begin alike, packed, against each alone and against a pack in which all see all before them.

        As deep as the texts that are asked: a model with a window of its own may give up the window for the mask.
        """
        if self.dtype != torch.float32:
            return False
        self.trees = style
        depth = max(depth, 4)
        parts = self._made_up(5, depth).tolist()
        shared = (depth, depth // 2, 2, depth - 1, depth // 4)
        texts = [tuple(parts[0][:count] + own[count:]) for count, own in zip(shared, parts, strict=True)]
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
                    own = torch.tensor([texts[index]], device=self.device)
                    places = torch.from_numpy(path).to(self.device)
                    alone = self.logits(own, torch.ones_like(own), torch.arange(depth, device=self.device))
                    alone = alone.log_softmax(-1)
                    error = max(error, _distance(packed[places], alone))
                    control = max(control, _distance(blind[places], alone))
        except REFUSED:
            return False
        return error <= min(TREE_TOLERANCE, TREE_SHARE * control)

    def _pieces(self, inputs: dict[str, Tensor], at: Tensor) -> Iterator[Tensor]:
        """The logits of ``at``, in order, float32, some at a time."""
        if self.picks is None:
            self.picks = self._can_pick({name: value[:2] for name, value in inputs.items()})
        if self.picks == "never":
            yield self._plain(inputs, at)
            return
        hidden = self._hidden(inputs, at, self.picks)
        output = _output_embedding(self.model)
        size = max(1, LOGITS.get(self.device.type, 2**21) // output.weight.shape[0])
        for part in hidden.split(size):
            yield output(part).float()

    def _plain(self, inputs: dict[str, Tensor], at: Tensor) -> Tensor:
        if self.takes_at:
            return _logits(self.model(**inputs, target_positions=at)).float()
        return _logits(self.model(**inputs)).flatten(0, 1)[at].float()

    def _can_pick(self, inputs: dict[str, Tensor]) -> str:
        output = _output_embedding(self.model)
        if not isinstance(getattr(output, "weight", None), nn.Parameter):
            return "never"
        # The output embedding must be one product, and what it gives the logits to the bit: nothing mixes its
        # positions, and nothing scales or caps them afterwards.
        given: list[Tensor] = []

        def keep(module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> None:
            product = nn.functional.linear(args[0], output.weight, getattr(output, "bias", None))
            given.append(result if torch.equal(product, result) else result.new_empty(0))

        hook = output.register_forward_hook(keep)
        try:
            logits = _logits(self.model(**inputs)).float()
        finally:
            hook.remove()
        if len(given) != 1 or given[0].shape != logits.shape or not torch.equal(given[0].float(), logits):
            return "never"
        # Not all positions: one that is given others than its own must be found out.
        at = torch.arange(0, inputs["input_ids"].numel(), 2, device=self.device).flip(0)
        expected = logits.flatten(0, 1)[at]
        try:
            if self.dtype == torch.float32 and _close(output(self._hidden(inputs, at, "early")).float(), expected):
                return "early"
        except REFUSED:
            pass
        try:
            return "late" if output(self._hidden(inputs, at, "late")).shape == expected.shape else "never"
        except REFUSED:
            return "never"

    def _hidden(self, inputs: dict[str, Tensor], at: Tensor, way: str) -> Tensor:
        """(n, width): what the output embedding is given at the positions ``at``; it itself sees one of them."""
        seen: list[Tensor] = []
        rows = inputs["input_ids"].shape
        picked = self.takes_at

        def pick(value: Any) -> Any:
            positions = isinstance(value, Tensor) and value.dim() == 3 and value.shape[:2] == rows
            return value.flatten(0, 1)[at][None] if positions else value

        def early(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(map(pick, args))

        def late(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden = args[0].flatten(0, -2)
            seen.append(hidden if picked else hidden[at])
            return args[0].flatten(0, -2)[:1].view(*(1 for _ in args[0].shape[:-1]), -1), *args[1:]

        hooks = [_output_embedding(self.model).register_forward_pre_hook(late)]
        if way == "early":
            cut = _after_last_attention(self.model)
            if cut is None or picked:
                hooks[0].remove()
                raise NotImplementedError("no known place to leave positions out")
            picked = True
            hooks.append(cut.register_forward_pre_hook(early))
        try:
            self.model(**inputs, **({"target_positions": at} if self.takes_at else {}))
        finally:
            for hook in hooks:
                hook.remove()
        return seen[0]


def fuse(model: Any) -> None:
    """Replace GELU's tanh form written in Python (GPT-2 and its kin) by the same function in one kernel."""
    from transformers.activations import NewGELUActivation

    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(parent, name, nn.GELU(approximate="tanh"))


def keep_memory() -> None:
    """Let the C library keep what a batch frees for the next one, instead of asking for zeroed pages each time.

    About a tenth of the time on a CPU; for a process that does nothing but score. Nothing where there is no glibc.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _log_normaliser(logits: Tensor) -> Tensor:
    """(n, vocabulary) to the logarithm of the softmax' normaliser (n,); on a CPU a few rows that stay in its cache."""
    size = len(logits) if logits.device.type != "cpu" else CACHE // logits.shape[1]
    return torch.cat([part.logsumexp(-1) for part in logits.split(max(1, size))])


def _after_last_attention(model: Any) -> nn.Module | None:
    """The module of BERT and its kin from which on positions no longer meet: it is given attention's output."""
    layers = getattr(getattr(getattr(model, "base_model", None), "encoder", None), "layer", None)
    last = layers[-1] if isinstance(layers, nn.ModuleList) and len(layers) else None
    found = getattr(getattr(last, "attention", None), "output", None)
    return found if isinstance(found, nn.Module) else None


def _output_embedding(model: Any) -> Any:
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def _logits(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output["logits"]


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether logits in fp32 are the same distributions."""
    return one.shape == other.shape and _distance(one.log_softmax(-1), other.log_softmax(-1)) <= TOLERANCE


def _distance(one: Tensor, other: Tensor) -> float:
    """The largest difference, in nats of tokens that are not all but impossible; NaN is far from everything."""
    likely = torch.maximum(one, other) > LEAST
    apart = torch.where(likely, one - other, 0.0).abs().max()
    return float("inf") if apart.isnan() else float(apart)


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, for a while."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
