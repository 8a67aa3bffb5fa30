"""A model's log-probabilities at the positions asked, whatever class it is of.

Three ways to save work, each tried once against the plain call and given up where it does not agree:

* positions that nobody asks for are left out from the last attention on (``early``), or from the output embedding on
  (``late``); the output embedding is then applied to a few positions at a time, so logits never leave the cache;
* rows that are trees of texts (`babylm.evaluation.tree`): a mask of ones who see, and explicit positions;
* `fuse` gives GELUs that are written out in Python their one kernel.
"""

from __future__ import annotations

import ctypes
import inspect
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TOLERANCE = 1e-3
"""Nats. Both ways compute the same sums in another order; a mask that is ignored errs by far more."""
REFUSED = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, NotImplementedError)
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
        self.takes_at = "at" in known
        self.takes_types = "token_type_ids" in known
        self.picks: str | None = None
        """``early``, ``late`` or ``never``, once tried."""
        self.trees: str | None = None

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

    def can_read_trees(self) -> bool:
        """Whether a tree gives what its texts give alone; tried once."""
        if self.trees is None:
            self.trees = next((style for style in ("bool", "additive") if self._reads_tree(style)), "")
            if not self.trees:
                logging.getLogger(__name__).warning(
                    "%s takes no attention mask of trees: beginnings that texts share are read again for each",
                    type(self.model).__name__,
                )
        return bool(self.trees)

    def _reads_tree(self, style: str) -> bool:
        """Two texts, 0 1 2 and 0 1 3 4, as one row 0 1 2 3 4 against each alone."""
        self.trees = style
        ids = torch.arange(1, 6, device=self.device)[None]
        seen = torch.ones(5, 5, dtype=torch.bool, device=self.device).tril()[None].clone()
        seen[0, 3:, 2] = False
        depths = torch.tensor([[0, 1, 2, 2, 3]], device=self.device)
        try:
            found = self.logits(ids, at=torch.arange(5, device=self.device), **self.tree_inputs(seen, depths))
            for places in ([0, 1, 2], [0, 1, 3, 4]):
                own = ids[:, places]
                alone = self.logits(own, torch.ones_like(own), torch.arange(len(places), device=self.device))
                if not _close(found[places], alone, self.dtype):
                    return False
        except REFUSED:
            return False
        return True

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
            return _logits(self.model(**inputs, at=at)).float()
        return _logits(self.model(**inputs)).flatten(0, 1)[at].float()

    def _can_pick(self, inputs: dict[str, Tensor]) -> str:
        if not isinstance(getattr(_output_embedding(self.model), "weight", None), nn.Parameter):
            return "never"
        # Not all positions: a head that looks at others than its own must be found out.
        at = torch.arange(0, inputs["input_ids"].numel(), 2, device=self.device).flip(0)
        expected = self._plain(inputs, at)
        for way in ("early", "late"):
            try:
                if _close(_output_embedding(self.model)(self._hidden(inputs, at, way)).float(), expected, self.dtype):
                    return way
            except REFUSED:
                continue
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
            self.model(**inputs, **({"at": at} if self.takes_at else {}))
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


def _close(one: Tensor, other: Tensor, dtype: torch.dtype) -> bool:
    """Whether logits of a model that computes in ``dtype`` are the same distributions."""
    if one.shape != other.shape:
        return False
    # In a narrow type rounding alone differs by a few units of its last place.
    slack = TOLERANCE if dtype == torch.float32 else 64 * torch.finfo(dtype).eps
    return bool(torch.allclose(one.log_softmax(-1), other.log_softmax(-1), atol=slack, rtol=slack))
