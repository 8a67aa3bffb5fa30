"""The language models: causal and masked.

The causal LM is also the network that trains: `BabyLMForCausalLM.token_losses` takes packed rows and returns the loss
of each target, causal and masked ones alike.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GenerationMixin
from transformers.modeling_outputs import MaskedLMOutput

# Also modules that only others import: transformers 4 copies just those that the file in auto_map imports itself.
from .arguments import CACHE, GENERATE_ONLY
from .attention import attend  # noqa: F401
from .blocks import Block  # noqa: F401
from .configuration_babylm import BabyLMConfig
from .dropout import drop  # noqa: F401
from .head import Head
from .images import ImageEncoder  # noqa: F401
from .kernels import rms_norm  # noqa: F401
from .layers import Linear
from .pointer import CausalLMOutputWithItems, ItemScores
from .positions import rotary_table  # noqa: F401
from .row_order import row_order  # noqa: F401
from .token_loss import TokenLosses
from .transformer import BabyLMModel, BabyLMPreTrainedModel


class _LanguageModel(BabyLMPreTrainedModel):
    """Transformer and head."""

    _tied_weights_keys = {"head.output.weight": "model.embedding.weight"}  # noqa: RUF012 (a list fails in transformers 5)

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.model = BabyLMModel(config)
        self.head = Head(config)
        self.post_init()

    def get_output_embeddings(self) -> Linear:
        """The output embedding, which is the input embedding if ``config.tie_embeddings``."""
        return self.head.output

    def set_output_embeddings(self, value: Linear) -> None:
        """Replace the output embedding."""
        self.head.output = value


class BabyLMForCausalLM(_LanguageModel, GenerationMixin):
    """Hugging Face's causal LM: logits[t] predicts token t + 1, attention is causal. Also the network that trains."""

    def token_losses(
        self,
        input_ids: Tensor,
        document_ids: Tensor,
        bidirectional: Tensor,
        target_positions: Tensor,
        targets: Tensor,
        pixel_values: Tensor | None = None,
        item_positions: Tensor | None = None,
        item_labels: Tensor | None = None,
    ) -> TokenLosses:
        """The loss of each target, (N,), of packed rows: the call that training makes.

        ``input_ids``: (B, T) int64; ``document_ids``: (B, T), non-decreasing in a row, documents never attend to each
        other; ``bidirectional``: (B,) bool, False for causal rows; ``target_positions``: (N,) flat indices into B * T
        of the outputs that predict; ``targets``: (N,) the tokens to predict. ``pixel_values``, ``item_positions`` and
        ``item_labels`` as in `forward`.

        Two rows of three tokens: in row 0 the tokens 5 and 6 are predicted causally, from the outputs before them; in
        row 1 the mask (3) hides a 7, which is predicted from the output before it (MNTP).

        >>> shape = {"vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        >>> model = BabyLMForCausalLM(BabyLMConfig(**shape))
        >>> input_ids = torch.tensor([[4, 5, 6], [4, 3, 6]])
        >>> target_positions, targets = torch.tensor([0, 1, 3]), torch.tensor([5, 6, 7])
        >>> losses = model.token_losses(
        ...     input_ids, torch.zeros_like(input_ids), torch.tensor([False, True]), target_positions, targets
        ... )
        >>> losses.nll.shape, losses.log_z.shape
        (torch.Size([3]), torch.Size([3]))
        """
        hidden = self.model.forward_packed(input_ids, document_ids, bidirectional, pixel_values)  # (B, T, hidden_size)
        scores = None
        if item_labels is not None:
            keys = self.head.item_keys(hidden, item_positions)
            scores = self.head.item_scores(hidden, keys, item_labels, item_positions)
            scores = scores and scores.map(lambda values: values.flatten(0, 1)[target_positions])  # (N, I)
        # Logits for the N targets alone, which are a fraction of B * T in masked rows.
        return self.state_losses(hidden.flatten(0, 1)[target_positions], targets, scores)

    def target_states(
        self, input_ids: Tensor, document_ids: Tensor, bidirectional: Tensor, target_positions: Tensor
    ) -> Tensor:
        """The hidden states (N, hidden_size) that predict the targets of text alone; arguments as in `token_losses`."""
        hidden = self.model.forward_packed(input_ids, document_ids, bidirectional)  # (B, T, hidden_size)
        return hidden.flatten(0, 1)[target_positions]

    def state_losses(self, states: Tensor, targets: Tensor, scores: ItemScores | None = None) -> TokenLosses:
        """The loss of each target (N,), predicted from the hidden states (N, hidden_size)."""
        with torch.autocast(states.device.type, enabled=False, cache_enabled=False):
            return self.head.loss(states, targets, scores)

    def state_logits(self, states: Tensor) -> Tensor:
        """Float32 logits (N, vocab_size) of the hidden states (N, hidden_size)."""
        with torch.autocast(states.device.type, enabled=False, cache_enabled=False):
            logits: Tensor = self.head(states)
        return logits

    def forward(
        self,
        input_ids: Tensor | None = None,
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
        target_positions: Tensor | None = None,
        cache: Any = None,
        pixel_values: Tensor | None = None,
        item_positions: Tensor | None = None,
        item_labels: Tensor | None = None,
        item_keys: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithItems | tuple[Any, ...]:
        """Float32 logits (B, T, vocab_size), or (N, vocab_size) of the flat ``target_positions`` (N,) into B * T.

        ``labels`` (B, T), -100 ignored, give the mean loss of the next tokens. All else as in `BabyLMModel.forward`.

        With a pointer over items: ``item_positions`` (B, I) are their places in the padded rows, ``item_labels`` (B, I)
        the tokens that name them, -1 for none. The output then has ``item_keys``, which later steps with a cache take
        in place of ``item_positions``.

        Raises:
            ValueError: for ``labels`` together with a selection of logits.
        """
        if labels is not None and (target_positions is not None or _keeps_some(logits_to_keep)):
            raise ValueError("labels need the logits of all tokens: leave out target_positions and logits_to_keep")
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
            pixel_values=pixel_values,
            **kwargs,
        )
        hidden = output.last_hidden_state
        if item_keys is None:
            item_keys = self.head.item_keys(hidden, item_positions)
        scores = self.head.item_scores(hidden, item_keys, item_labels, item_positions)
        logits = _logits(self.head, hidden, target_positions, logits_to_keep, scores)
        # The output at t predicts token t + 1, so the last output and the first label have no partner.
        loss = None if labels is None else mean_loss(logits[:, :-1], labels[:, 1:], num_items_in_batch)
        result = CausalLMOutputWithItems(
            loss=loss,
            logits=logits,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            item_keys=item_keys,
            **{CACHE: output.get(CACHE)},
        )
        return self._output_or_tuple(result, return_dict)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, *, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The arguments of the forward of one step, without those that transformers 5 passes on but uses itself.

        ``generate(stop_strings=..., tokenizer=...)`` passes the tokenizer on, as most forwards ignore it.
        ``inputs_embeds`` is named here because ``generate`` looks for the name.
        """
        for name in GENERATE_ONLY:
            kwargs.pop(name, None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)
        return inputs

    def _update_model_kwargs_for_generation(
        self, outputs: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """For the next step of ``generate``: pictures and items have been read, and the keys of the items are kept."""
        kept: dict[str, Any] = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)
        if outputs.get("item_keys") is not None:
            kept.update(item_keys=outputs["item_keys"], item_positions=None)
        return {**kept, "pixel_values": None} if "pixel_values" in kept else kept


class BabyLMForMaskedLM(_LanguageModel):
    """The same weights with bidirectional attention; raw logits.

    A masked token k is predicted by the output at k - 1 if ``config.prediction_mode`` is ``mntp``, else at k.
    ``labels`` are at the positions of the masks in both cases.
    """

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        target_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[Any, ...]:
        """Float32 logits (B, T, vocab_size), or (N, vocab_size) of the flat ``target_positions`` (N,) into B * T.

        Raises:
            ValueError: for ``labels`` together with ``target_positions``.
        """
        if labels is not None and target_positions is not None:
            raise ValueError("labels need the logits of all tokens: leave out target_positions")
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
        logits = _logits(self.head, output.last_hidden_state, target_positions, 0)
        loss = None
        if labels is not None:
            # MNTP (masked next-token prediction): the output at k - 1 predicts the masked token k, as in a causal row.
            shifted = self.config.prediction_mode == "mntp"
            predictions, answers = (logits[:, :-1], labels[:, 1:]) if shifted else (logits, labels)
            loss = mean_loss(predictions, answers, num_items_in_batch)
        result = MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=output.hidden_states, attentions=output.attentions
        )
        return self._output_or_tuple(result, return_dict)


def mean_loss(logits: Tensor, labels: Tensor, count: Tensor | int | None) -> Tensor:
    """Cross entropy of ``logits`` (..., classes) and ``labels`` (...): the mean over labels that are not -100.

    If ``count`` is given, the sum divided by it: the Trainer of transformers passes ``num_items_in_batch`` when it
    accumulates several batches.

    >>> mean_loss(torch.zeros(3, 2), torch.tensor([0, 1, -100]), None)
    tensor(0.6931)
    """
    reduction = "mean" if count is None else "sum"
    loss = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction=reduction)
    return loss if count is None else loss / count


def _logits(
    head: Head, hidden: Tensor, target_positions: Tensor | None, keep: int | Tensor, scores: ItemScores | None = None
) -> Tensor:
    """Logits of the selected positions: flat ``target_positions``, or ``logits_to_keep`` (indices, or the last few)."""

    def select(values: Tensor) -> Tensor:
        if target_positions is not None:
            return values.flatten(0, 1)[target_positions]
        if isinstance(keep, Tensor):
            return values[:, keep]
        return values[:, -keep:] if keep else values

    return head(select(hidden), scores and scores.map(select))


def _keeps_some(keep: int | Tensor) -> bool:
    return isinstance(keep, Tensor) or bool(keep)
