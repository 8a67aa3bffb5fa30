"""Classifiers over the transformer: of whole texts, of tokens, and of the span that answers a question.

They attend as the weights were trained: causally if ``config.prediction_mode`` is ``causal``, else bidirectionally.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_outputs import (
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

# Also modules that only others import: transformers 4 copies just those that the file in auto_map imports itself.
from .arguments import resolve_cache  # noqa: F401
from .attention import attend  # noqa: F401
from .blocks import Block  # noqa: F401
from .configuration_babylm import BabyLMConfig
from .dropout import drop  # noqa: F401
from .head import Head  # noqa: F401
from .kernels import project  # noqa: F401
from .layers import Linear, Norm
from .modeling_babylm import mean_loss
from .positions import rotary_table  # noqa: F401
from .transformer import BabyLMModel, BabyLMPreTrainedModel


class _Classifier(BabyLMPreTrainedModel):
    """The transformer; the head of a language model in the same file is not loaded."""

    _keys_to_ignore_on_load_unexpected = [r"^head\."]  # noqa: RUF012


class BabyLMForSequenceClassification(_Classifier):
    """A two-layer classifier over the mean hidden state of a text, so padding can be on either side."""

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
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Float32 logits (B, num_labels).

        ``labels`` give the loss that ``config.problem_type`` names. By default that is the squared error if
        ``num_labels`` is 1, the cross entropy for integers (B,), the binary cross entropy for floats (B, num_labels).
        """
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            **kwargs,
        )
        hidden = output.last_hidden_state.float()  # (B, T, hidden_size)
        weights = torch.ones(hidden.shape[:2], device=hidden.device)  # (B, T), 0 for padding
        if attention_mask is not None and attention_mask.dim() == 2:
            weights = attention_mask.to(weights)
        # The mean over real tokens, (B, hidden_size).
        pooled = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        inner = self.norm(F.gelu(self.dense(pooled)))
        logits = self.classifier(F.dropout(inner, self.config.dropout, self.training)).float()
        result = SequenceClassifierOutput(
            loss=None if labels is None else self._loss(logits, labels, num_items_in_batch),
            logits=logits,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )
        return self._output_or_tuple(result, return_dict)

    def _loss(self, logits: Tensor, labels: Tensor, count: Tensor | int | None) -> Tensor:
        problem: str | None = self.config.problem_type
        if problem is None:
            several = "single_label_classification" if not labels.is_floating_point() else "multi_label_classification"
            problem = "regression" if self.num_labels == 1 else several
        if problem == "single_label_classification":
            return mean_loss(logits, labels, count)
        compare = F.mse_loss if problem == "regression" else F.binary_cross_entropy_with_logits
        loss = compare(logits, labels.to(logits).view_as(logits), reduction="mean" if count is None else "sum")
        return loss if count is None else loss / count


class BabyLMForTokenClassification(_Classifier):
    """A linear classifier over the hidden state of each token."""

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.num_labels = int(config.num_labels or 2)
        self.model = BabyLMModel(config)
        self.classifier = Linear(config.hidden_size, self.num_labels, bias=True)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> TokenClassifierOutput | tuple[Any, ...]:
        """Float32 logits (B, T, num_labels); ``labels`` (B, T), -100 ignored, give the cross entropy."""
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            **kwargs,
        )
        hidden = F.dropout(output.last_hidden_state.float(), self.config.dropout, self.training)
        logits = self.classifier(hidden).float()
        result = TokenClassifierOutput(
            loss=None if labels is None else mean_loss(logits, labels, num_items_in_batch),
            logits=logits,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )
        return self._output_or_tuple(result, return_dict)


class BabyLMForQuestionAnswering(_Classifier):
    """Two logits per token: that the answer starts there, and that it ends there."""

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.model = BabyLMModel(config)
        self.span = Linear(config.hidden_size, 2, bias=True)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> QuestionAnsweringModelOutput | tuple[Any, ...]:
        """Float32 logits of starts and of ends, (B, T) each.

        ``start_positions`` and ``end_positions`` (B,) give the mean of their two cross entropies; a position outside of
        the row (an answer that was cut off) is ignored.

        Raises:
            ValueError: for one of the two without the other.
        """
        if (start_positions is None) != (end_positions is None):
            raise ValueError("give both start_positions and end_positions, or neither")
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            **kwargs,
        )
        # (B, T, 2) to (B, T) each.
        starts, ends = self.span(output.last_hidden_state.float()).float().unbind(-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            losses = [
                mean_loss(logits, _inside(positions, logits.shape[1]), num_items_in_batch)
                for logits, positions in ((starts, start_positions), (ends, end_positions))
            ]
            loss = (losses[0] + losses[1]) / 2
        result = QuestionAnsweringModelOutput(
            loss=loss,
            start_logits=starts,
            end_logits=ends,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )
        return self._output_or_tuple(result, return_dict)


def _inside(positions: Tensor, length: int) -> Tensor:
    """``positions`` (B,) or (B, 1) as (B,), with -100 for those outside of a row of this length."""
    positions = positions.view(-1)
    return positions.masked_fill((positions < 0) | (positions >= length), -100)
