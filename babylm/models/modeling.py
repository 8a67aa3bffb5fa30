"""The Hugging Face classes over the trunk: causal LM, masked LM and sequence classifier.

The causal LM is also the network that trains: ``network(tokens, documents, bidirectional, at, targets)`` reads packed
rows and returns the loss of each target. Hugging Face's own arguments are keywords.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast, MaskedLMOutput, SequenceClassifierOutput

# Also the modules that only the trunk needs: transformers 4 copies those that the file in auto_map imports itself.
from .attention import attend  # noqa: F401
from .blocks import Block  # noqa: F401
from .configuration import BabyLMConfig
from .dropout import drop  # noqa: F401
from .head import Head, TokenLoss
from .layers import Linear, Norm
from .position import rotate  # noqa: F401
from .trunk import BabyLMModel, BabyLMPreTrainedModel


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
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> TokenLoss | Tensor | CausalLMOutputWithPast | tuple[Any, ...]:
        """Packed rows when ``documents`` is given, else Hugging Face's call.

        Packed: ``input_ids`` (rows, length) int64, ``documents`` (rows, length) non-decreasing numbers of documents,
        which never see each other, ``bidirectional`` (rows,) bool (none: all causal), ``at`` (n,) flat positions into
        rows * length, ``targets`` (n,). Returns the :class:`TokenLoss` of each target, or float32 logits (n,
        vocabulary) without targets.

        Hugging Face: float32 logits (rows, length, vocabulary), or (n, vocabulary) with ``at``; ``labels`` (-100
        ignored) give the mean loss of the next tokens.
        """
        if documents is not None:
            assert input_ids is not None
            assert at is not None
            if bidirectional is None:
                bidirectional = torch.zeros(len(input_ids), dtype=torch.bool)
            hidden = self.model.packed(input_ids, documents, bidirectional).flatten(0, 1)[at]
            with torch.autocast(hidden.device.type, enabled=False):
                return self.head(hidden) if targets is None else self.head.loss(hidden, targets)
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            causal=True,
        )
        logits = _logits(self.head, output.last_hidden_state, at, logits_to_keep)
        loss = None if labels is None else _mean_loss(logits[:, :-1], labels[:, 1:], kwargs.get("num_items_in_batch"))
        result = CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=output.past_key_values, hidden_states=output.hidden_states
        )
        return result.to_tuple() if return_dict is False else result


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
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[Any, ...]:
        """Float32 logits (rows, length, vocabulary), or (n, vocabulary) for the flat positions ``at``."""
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_hidden_states=output_hidden_states,
            causal=False,
        )
        logits = _logits(self.head, output.last_hidden_state, at, 0)
        loss = None
        if labels is not None:
            shifted = self.config.reading == "mntp"
            read, asked = (logits[:, :-1], labels[:, 1:]) if shifted else (logits, labels)
            loss = _mean_loss(read, asked, kwargs.get("num_items_in_batch"))
        result = MaskedLMOutput(loss=loss, logits=logits, hidden_states=output.hidden_states)
        return result.to_tuple() if return_dict is False else result


class BabyLMForSequenceClassification(BabyLMPreTrainedModel):
    """A two-layer classifier over the mean of a text's states, so padding can be on either side."""

    _keys_to_ignore_on_load_unexpected = [r"^head\."]  # noqa: RUF012

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.num_labels = int(config.num_labels or 2)
        self.model = BabyLMModel(config)
        self.dense = Linear(config.hidden_size, config.hidden_size, bias=True)
        self.norm = Norm(config.hidden_size, config)
        self.classifier = Linear(config.hidden_size, self.num_labels, bias=True)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Float32 logits (rows, labels); ``labels`` (rows,) give the cross entropy, or squared error of one label."""
        output = self.model(
            input_ids, attention_mask=attention_mask, position_ids=position_ids, inputs_embeds=inputs_embeds
        )
        hidden = output.last_hidden_state.float()
        weights = torch.ones(hidden.shape[:2], device=hidden.device)
        if attention_mask is not None and attention_mask.dim() == 2:
            weights = attention_mask.to(weights)
        pooled = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        inner = self.norm(F.gelu(self.dense(pooled)))
        logits = self.classifier(F.dropout(inner, self.config.dropout, self.training))
        loss = None
        if labels is not None:
            one = self.num_labels == 1
            loss = F.mse_loss(logits.squeeze(-1), labels.float()) if one else F.cross_entropy(logits, labels)
        result = SequenceClassifierOutput(loss=loss, logits=logits)
        return result.to_tuple() if return_dict is False else result


def _logits(head: Head, hidden: Tensor, at: Tensor | None, keep: int) -> Tensor:
    if at is not None:
        hidden = hidden.flatten(0, 1)[at]
    elif keep:
        hidden = hidden[:, -keep:]
    return head(hidden)


def _mean_loss(logits: Tensor, labels: Tensor, count: Tensor | int | None) -> Tensor:
    """Mean over the labels, or their sum over ``count`` (how transformers' Trainer accumulates)."""
    reduction = "mean" if count is None else "sum"
    loss = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction=reduction)
    return loss if count is None else loss / count
