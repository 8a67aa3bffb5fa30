"""A model's logits at the positions asked, whatever class it is of.

Three ways to save work, each tried once against the plain call and given up, with a word, where it does not agree:

* the model's own ``at`` argument, or the hidden states of other positions kept from its output embedding;
* rows that are trees of texts (`babylm.evaluation.tree`): a mask of ones who see, and explicit positions.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-3
"""Nats. Both ways compute the same sums in another order; a mask that is ignored errs by far more."""
REFUSED = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, NotImplementedError)
"""What a model answers to arguments that it does not know."""


class Network:
    """``model(input_ids=, attention_mask=)`` gives logits (rows, length, vocabulary), as ``["logits"]`` or first."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        known = inspect.signature(model.forward).parameters
        self.takes_at = "at" in known
        self.takes_types = "token_type_ids" in known
        self.picks: bool | None = None
        self.trees: str | None = None

    def logits(self, ids: Tensor, mask: Tensor, at: Tensor, **inputs: Tensor) -> Tensor:
        """Float32 (n, vocabulary) at the flat positions ``at`` into rows * length."""
        inputs = {"input_ids": ids, "attention_mask": mask, **inputs}
        if self.takes_at:
            return _logits(self.model(**inputs, at=at)).float()
        if self.picks is None:
            self.picks = self._can_pick({name: value[:1] for name, value in inputs.items()})
        if self.picks:
            return self._pick(inputs, at).float()
        return _logits(self.model(**inputs)).flatten(0, 1)[at].float()

    def tree_logits(self, ids: Tensor, seen: Tensor, depths: Tensor, at: Tensor, **inputs: Tensor) -> Tensor:
        """The same of rows that are trees: ``seen`` (rows, length, length) bool, ``depths`` (rows, length)."""
        mask = seen[:, None]
        if self.trees == "additive":
            mask = torch.zeros(mask.shape, device=ids.device).masked_fill_(~mask, torch.finfo(self.model.dtype).min)
            mask = mask.to(self.model.dtype)
        return self.logits(ids, mask, at, position_ids=depths, **inputs)

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
            found = self.tree_logits(ids, seen, depths, torch.arange(5, device=self.device))
            for places in ([0, 1, 2], [0, 1, 3, 4]):
                own = ids[:, places]
                alone = self.logits(own, torch.ones_like(own), torch.arange(len(places), device=self.device))
                if not _close(found[places], alone):
                    return False
        except REFUSED:
            return False
        return True

    def _can_pick(self, inputs: dict[str, Tensor]) -> bool:
        if not isinstance(_output_embedding(self.model), nn.Module):
            return False
        # Not all positions: a head that looks at others than its own must be found out.
        at = torch.arange(0, inputs["input_ids"].shape[1], 2, device=self.device).flip(0)
        try:
            return _close(self._pick(inputs, at), _logits(self.model(**inputs))[0, at])
        except REFUSED:
            return False

    def _pick(self, inputs: dict[str, Tensor], at: Tensor) -> Tensor:
        """The model with an output embedding that sees the asked positions alone, as one row."""

        def keep(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return args[0].flatten(0, -2)[at][None], *args[1:]

        handle = _output_embedding(self.model).register_forward_pre_hook(keep)
        try:
            return _logits(self.model(**inputs)).flatten(0, 1)
        finally:
            handle.remove()


def _output_embedding(model: Any) -> Any:
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def _logits(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output["logits"]


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    # In a narrow type rounding alone differs by a few units of its last place.
    slack = TOLERANCE if one.dtype == torch.float32 else 64 * torch.finfo(one.dtype).eps
    return bool(torch.allclose(one.float().log_softmax(-1), other.float().log_softmax(-1), atol=slack, rtol=slack))
