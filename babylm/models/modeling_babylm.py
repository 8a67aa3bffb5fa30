"""The language models over the trunk: causal and masked.

The causal LM is also the network that trains: ``network(tokens, documents, bidirectional, at, targets)`` reads packed
rows and returns the loss of each target. Hugging Face's own arguments are keywords.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast, MaskedLMOutput

# Also the modules that only the trunk needs: transformers 4 copies those that the file in auto_map imports itself.
from .arguments import CACHE, GENERATES_OWN
from .attention import attend  # noqa: F401
from .blocks import Block  # noqa: F401
from .configuration_babylm import BabyLMConfig
from .dropout import drop  # noqa: F401
from .head import Head, TokenLoss
from .layers import Linear
from .positions import rotate  # noqa: F401
from .transformer import BabyLMModel, BabyLMPreTrainedModel


class _LanguageModel(BabyLMPreTrainedModel):
    """Trunk and head."""

    _tied_weights_keys = {"head.output.weight": "model.embedding.weight"}  # noqa: RUF012 (a list fails in transformers 5)

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.model = BabyLMModel(config)
        self.head = Head(config)
        self.post_init()

    def get_output_embeddings(self) -> Linear:
        """The output embedding, tied to the input's when configured."""
        return self.head.output

    def set_output_embeddings(self, value: Linear) -> None:
        """Replace the output embedding."""
        self.head.output = value


class BabyLMForCausalLM(_LanguageModel, GenerationMixin):
    """The network that trains, and Hugging Face's causal LM: logits[t] predicts token t + 1, attention is causal."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        documents: Tensor | None = None,
        bidirectional: Tensor | None = None,
        at: Tensor | None = None,
        targets: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        cache: Any = None,
        **kwargs: Any,
    ) -> TokenLoss | Tensor | CausalLMOutputWithPast | tuple[Any, ...]:
        """Packed rows when ``documents`` is given, else Hugging Face's call.

        Packed: ``input_ids`` (rows, length) int64, ``documents`` (rows, length) non-decreasing numbers of documents,
        which never see each other, ``bidirectional`` (rows,) bool (none: all causal), ``at`` (n,) flat positions into
        rows * length, ``targets`` (n,). Returns the :class:`TokenLoss` of each target, or float32 logits (n,
        vocabulary) without targets.

        Hugging Face: float32 logits (rows, length, vocabulary), or (n, vocabulary) with ``at``; ``labels`` (-100
        ignored) give the mean loss of the next tokens. The rest is as `BabyLMModel` takes it.
        """
        if documents is not None:
            assert input_ids is not None
            assert at is not None
            if bidirectional is None:
                bidirectional = torch.zeros(len(input_ids), dtype=torch.bool)
            hidden = self.model.packed(input_ids, documents, bidirectional).flatten(0, 1)[at]
            with torch.autocast(hidden.device.type, enabled=False, cache_enabled=False):
                return self.head(hidden) if targets is None else self.head.loss(hidden, targets)
        if bidirectional is not None or targets is not None:
            raise ValueError("bidirectional and targets belong to packed rows: give documents too, or labels instead")
        if labels is not None and (at is not None or _keeps_some(logits_to_keep)):
            raise ValueError("labels need the logits of all tokens: leave out at and logits_to_keep")
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            causal=True,
            cache=cache,
            **kwargs,
        )
        logits = _logits(self.head, output.last_hidden_state, at, logits_to_keep)
        loss = None if labels is None else mean_loss(logits[:, :-1], labels[:, 1:], num_items_in_batch)
        result = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            **{CACHE: output.get(CACHE)},
        )
        return self._as_asked(result, return_dict)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, *, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The arguments of a step's forward, without those that transformers 5 leaves among them and means for itself.

        ``generate(stop_strings=..., tokenizer=...)`` passes the tokenizer on, as most forwards swallow it.
        ``inputs_embeds`` has a name since ``generate`` looks for it.
        """
        for name in GENERATES_OWN:
            kwargs.pop(name, None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)
        return inputs


class BabyLMForMaskedLM(_LanguageModel):
    """The same weights with attention both ways; raw logits.

    ``config.reading`` says where the prediction of a mask at position k stands: at k - 1 (``mntp``) or k (``mlm``).
    ``labels`` lie at the masks' own positions in both cases.
    """

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        at: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[Any, ...]:
        """Float32 logits (rows, length, vocabulary), or (n, vocabulary) for the flat positions ``at``."""
        if labels is not None and at is not None:
            raise ValueError("labels need the logits of all tokens: leave out at")
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            causal=False,
            **kwargs,
        )
        logits = _logits(self.head, output.last_hidden_state, at, 0)
        loss = None
        if labels is not None:
            shifted = self.config.reading == "mntp"
            read, answers = (logits[:, :-1], labels[:, 1:]) if shifted else (logits, labels)
            loss = mean_loss(read, answers, num_items_in_batch)
        result = MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=output.hidden_states, attentions=output.attentions
        )
        return self._as_asked(result, return_dict)


def mean_loss(logits: Tensor, labels: Tensor, count: Tensor | int | None) -> Tensor:
    """Cross entropy: the mean over the labels that are not -100, or their sum over ``count``.

    transformers' Trainer gives ``count`` (``num_items_in_batch``) where it accumulates several batches.
    """
    reduction = "mean" if count is None else "sum"
    loss = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction=reduction)
    return loss if count is None else loss / count


def _logits(head: Head, hidden: Tensor, at: Tensor | None, keep: int | Tensor) -> Tensor:
    if at is not None:
        hidden = hidden.flatten(0, 1)[at]
    elif isinstance(keep, Tensor):
        hidden = hidden[:, keep]
    elif keep:
        hidden = hidden[:, -keep:]
    return head(hidden)


def _keeps_some(keep: int | Tensor) -> bool:
    return isinstance(keep, Tensor) or bool(keep)
