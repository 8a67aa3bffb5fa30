"""The transformer without a head: embedding, layers, connections between layers, final norm.

Shapes: B rows, T tokens, H heads, D dimensions of a head; hidden states are (B, T, H * D).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput

from .arguments import CACHE, check_extra_arguments, check_positions, resolve_cache
from .attention import BACKENDS, AttentionLayout, packed_layout, padded_layout
from .blocks import Block, SharedInputs
from .configuration_babylm import BabyLMConfig
from .dropout import drop
from .head import Head
from .images import ImageEncoder, place_images
from .layers import Norm, initialise
from .positions import bucket_index, rotary_table


class BabyLMPreTrainedModel(PreTrainedModel):
    """Base of all classes: configuration, initial values, choice of the attention backend."""

    config_class = BabyLMConfig
    config: BabyLMConfig
    base_model_prefix = "model"
    _no_split_modules = ["Block"]  # noqa: RUF012 (transformers reads plain lists here)
    _supports_sdpa = True
    _supports_cache_class = True
    _supports_static_cache = False
    supports_gradient_checkpointing = True

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module, self.config)

    def set_attention(self, backend: str, max_documents: dict[int, int] | None = None) -> None:
        """Use this backend (see ``attention.py``) for packed rows; not stored in the configuration.

        ``max_documents``: length of a row -> upper bound on the documents in a training batch of such rows.

        Raises:
            ValueError: for an unknown backend.
        """
        if backend not in BACKENDS:
            raise ValueError(f"unknown attention backend {backend!r} (one of: {', '.join(BACKENDS)})")
        for module in self.modules():
            if isinstance(module, BabyLMModel):
                module.backend, module.max_documents = backend, max_documents or {}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the parts in place, for training alone: evaluation has too many shapes to compile each.

        Blocks are compiled one by one, so that one graph serves all layers alike. Takes what ``torch.compile`` takes.
        """
        for module in self.modules():
            if isinstance(module, BabyLMModel):
                module.compile_blocks(*args, **kwargs)
            elif isinstance(module, Head):
                module.compile(*args, **kwargs)

    def _output_or_tuple(self, output: ModelOutput, return_dict: bool | None) -> Any:
        """``output``, or its tuple if ``return_dict`` (by default that of the configuration) is false."""
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()


class BabyLMModel(BabyLMPreTrainedModel):
    """The transformer without a head: ``last_hidden_state`` (B, T, hidden_size), no logits.

    Called by itself it attends bidirectionally, unless the weights were trained causally only
    (``config.prediction_mode: causal``).
    """

    _keys_to_ignore_on_load_unexpected = [r"^head\."]  # noqa: RUF012

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.backend = "sdpa"
        self.max_documents: dict[int, int] = {}
        self.compiled: list[tuple[Callable[..., Any], ...]] | None = None
        self.gradient_checkpointing = False
        """Set by ``gradient_checkpointing_enable``: layers save inputs only and are recomputed in the backward."""
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.image_encoder = ImageEncoder(config) if config.image_size else None
        self.embedding_norm = Norm(config.hidden_size, config)
        self.relative = self.relative_norm = None
        if config.position == "relative":
            self.relative = nn.Embedding(2 * config.position_buckets - 1, config.hidden_size)
            self.relative_norm = Norm(config.hidden_size, config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.depth_mix = None
        if config.layer_connections == "denseformer":
            # Before branch k: the last output, plus a learned share of each of the k outputs before it.
            counts = range(1, 2 * config.num_hidden_layers)
            self.depth_mix = nn.ParameterList(nn.Parameter(torch.zeros(count)) for count in counts)
        self.norm = Norm(config.hidden_size, config)
        self.post_init()

    def compile_blocks(self, *args: Any, **kwargs: Any) -> None:
        """Compile each block for use in training mode, or its two halves if outputs are mixed between (denseformer)."""
        kwargs.setdefault("dynamic", False)
        self.compiled = []
        for block in self.blocks:
            assert isinstance(block, Block)
            parts = (block.forward,) if self.depth_mix is None else (block.attention_branch, block.mlp_branch)
            self.compiled.append(tuple(torch.compile(part, *args, **kwargs) for part in parts))

    def get_input_embeddings(self) -> nn.Embedding:
        """The token embedding."""
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embedding."""
        assert isinstance(value, nn.Embedding)
        self.embedding = value

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        causal: bool | None = None,
        cache: Any = None,
        pixel_values: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """Hidden states (B, T, hidden_size); ``attention_mask`` (B, T) is 1 for tokens, 0 for padding on either side.

        ``cache``: the other name of ``past_key_values`` (`babylm.models.arguments`). Attention weights (B, H, Tq, Tk)
        are those before dropout. ``pixel_values`` (B, I, 3, size, size) take the places of image tokens, in order.

        Raises:
            ValueError: for arguments that exclude each other, or that this model cannot follow.
            TypeError: for an unknown argument.
        """
        config = self.config
        causal = config.prediction_mode == "causal" if causal is None else causal
        if output_hidden_states is None:
            output_hidden_states = config.output_hidden_states
        output_attentions = config.output_attentions if output_attentions is None else output_attentions
        cache = resolve_cache(past_key_values, cache)
        if (use_cache or cache is not None) and not causal:
            raise ValueError("a cache needs causal attention: else each new token changes the states of all others")
        if use_cache and cache is None:
            cache = DynamicCache()
        embeds = self._embed(input_ids, inputs_embeds, pixel_values)
        # Queries are the new tokens; keys are the cached tokens and the new ones.
        past = 0 if cache is None else int(cache.get_seq_length())
        queries = embeds.shape[1]
        check_extra_arguments(kwargs, past, queries)
        backend = "eager" if config._attn_implementation == "eager" else self.backend
        hidden = embeds.to(_compute_dtype(embeds))  # (B, T, hidden_size)
        layout = padded_layout(attention_mask, queries, past + queries, causal, backend, like=hidden)
        if position_ids is None:
            position_ids = torch.arange(past, past + queries, device=embeds.device)[None]
        elif config.position == "relative":
            check_positions(position_ids, attention_mask)
        attentions: list[Tensor] | None = [] if output_attentions else None
        hidden, states = self.forward_layers(
            hidden, layout, position_ids, cache, bool(output_hidden_states), attentions
        )
        output = BaseModelOutputWithPast(
            last_hidden_state=hidden,
            hidden_states=states,
            attentions=None if attentions is None else tuple(attentions),
            **{CACHE: cache if use_cache else None},
        )
        return self._output_or_tuple(output, return_dict)

    def forward_packed(
        self, input_ids: Tensor, document_ids: Tensor, bidirectional: Tensor, pixel_values: Tensor | None = None
    ) -> Tensor:
        """Hidden states (B, T, hidden_size) of packed rows, in the compute dtype; see ``packed_layout``."""
        embeds = self._embed(input_ids, None, pixel_values)
        hidden = embeds.to(_compute_dtype(embeds))
        max_documents = self.max_documents.get(input_ids.shape[1]) if self.training else None
        layout = packed_layout(document_ids, bidirectional, self.backend, like=hidden, max_documents=max_documents)
        # A varlen kernel takes causal and bidirectional rows in one call each: sorted here once, not in each layer.
        if layout.order is not None:
            hidden = hidden[layout.order]
        # Positions count from the start of the row, not of the document: only differences within a document matter.
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]  # (1, T)
        hidden, _ = self.forward_layers(hidden, layout, positions)
        return hidden if layout.back is None else hidden[layout.back]

    def forward_layers(
        self,
        hidden: Tensor,
        layout: AttentionLayout,
        positions: Tensor,
        cache: Any = None,
        output_hidden_states: bool = False,
        attentions: list[Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """Embedded tokens (B, T, hidden_size) through all layers and the final norm.

        Also the hidden states before and after each layer if ``output_hidden_states``, else None. Each layer appends
        its attention weights to ``attentions``, if that is a list.
        """
        # The compute dtype is chosen already; autocast would only add casts. (The compiler looks at its cache too.)
        with torch.autocast(hidden.device.type, enabled=False, cache_enabled=False):
            shared = self._shared_inputs(hidden, layout, positions, cache)._replace(attentions=attentions)
            dropout = self.config.dropout if self.training else 0.0
            x0 = drop(self.embedding_norm(hidden), dropout)
            states = self._plain(x0, shared) if self.depth_mix is None else self._dense_average(x0, shared)
            hidden = self.norm(states[-1])
        return hidden, (*states[:-1], hidden) if output_hidden_states else None

    def _plain(self, x0: Tensor, shared: SharedInputs) -> list[Tensor]:
        """Hidden states before the first and after each layer, each computed from the one before.

        With U-net skips, layer k of the second half also gets the output of its mirror image: of 6 layers, layer 3 gets
        that of layer 2, layer 4 that of layer 1, layer 5 that of layer 0 (``states[last - k + 1]``).
        """
        states = [x0]
        first_value = None
        last = len(self.blocks) - 1
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            forward = self.compiled[layer][0] if self.compiled and self.training else block
            skip = states[last - layer + 1] if block.skip_mix is not None else None
            hidden, value = self._layer(forward, shared, states[-1], x0, first_value, skip)
            first_value = value if first_value is None else first_value
            states.append(hidden)
        return states

    def _dense_average(self, x0: Tensor, shared: SharedInputs) -> list[Tensor]:
        """The same with DenseFormer's connections: each branch gets a weighted sum of all outputs before it."""
        first_value = None
        outputs = [x0]  # then that of each attention and of each feed-forward branch in turn
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            branches = (block.attention_branch, block.mlp_branch)
            attention, mlp = self.compiled[layer] if self.compiled and self.training else branches
            hidden, value = self._layer(attention, shared, self._sum_outputs(outputs), x0, first_value, None)
            first_value = value if first_value is None else first_value
            outputs.append(hidden)
            outputs.append(self._layer(mlp, None, self._sum_outputs(outputs)))
        return outputs[::2]

    def _layer(self, forward: Callable[..., Any], shared: SharedInputs | None, *tensors: Tensor | None) -> Any:
        """``forward(*tensors, shared)``, computed again in the backward under gradient checkpointing.

        Not if the layer also writes to a cache or to the list of attention weights: it would write twice.
        """
        last = () if shared is None else (shared,)
        writes = shared is not None and (shared.cache is not None or shared.attentions is not None)
        if not (self.gradient_checkpointing and self.training and torch.is_grad_enabled()) or writes:
            return forward(*tensors, *last)
        # The reentrant form follows gradients of tensors among its arguments alone, not of those inside of `shared`.
        table = None if shared is None else shared.relative_table

        def recompute(table: Tensor | None, *tensors: Tensor | None) -> Any:
            return forward(*tensors, *(inputs._replace(relative_table=table) for inputs in last))

        return self._gradient_checkpointing_func(recompute, table, *tensors)

    def _sum_outputs(self, outputs: list[Tensor]) -> Tensor:
        """The last output plus a learned share of each output before it (DenseFormer, arXiv 2402.02622)."""
        if len(outputs) == 1 or self.depth_mix is None:
            return outputs[-1]
        weights = self.depth_mix[len(outputs) - 2].to(outputs[-1].dtype)  # one per output before the last
        mixed = outputs[-1]
        for weight, output in zip(weights, outputs[:-1], strict=True):
            mixed = mixed + weight * output
        return mixed

    def _shared_inputs(self, hidden: Tensor, layout: AttentionLayout, positions: Tensor, cache: Any) -> SharedInputs:
        config = self.config
        queries = hidden.shape[1]
        keys = queries + (int(cache.get_seq_length()) if cache is not None else 0)
        if self.relative is not None and self.relative_norm is not None:
            longest = config.max_position_embeddings
            # One table for all layers, normed once per forward.
            index = bucket_index(queries, keys, config.position_buckets, longest, hidden.device)
            table = self.relative_norm(self.relative.weight.to(hidden.dtype))
            return SharedInputs(layout, None, table, index, cache, keys)
        rotary = rotary_table(positions, config.head_dim, config.rotary_dim, config.rope_theta, hidden.dtype)
        return SharedInputs(layout, rotary, cache=cache, total_length=keys)

    def _embed(
        self, input_ids: Tensor | None, inputs_embeds: Tensor | None, pixel_values: Tensor | None = None
    ) -> Tensor:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        embeds = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        if pixel_values is None:
            return embeds
        if input_ids is None or self.image_encoder is None:
            reason = "input_ids are needed beside them"
            if self.image_encoder is None:
                reason = "this model has no image encoder (model.image_size=0)"
            raise ValueError(f"pixel_values: {reason}")
        return place_images(embeds, input_ids, self.config.image_token_id, self.image_encoder(pixel_values))


def _compute_dtype(embeds: Tensor) -> torch.dtype:
    """The dtype of hidden states: that of autocast if it is on, else that of the embedding."""
    device = embeds.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeds.dtype
