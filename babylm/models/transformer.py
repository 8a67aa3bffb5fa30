"""The transformer without a head, and what all classes share: embedding, layers, connections over depth, final norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput

from .arguments import CACHE, check_positions, check_unnamed, resolve_cache
from .attention import BACKENDS, Layout, packed_layout, padded_layout
from .blocks import Block, Context
from .configuration_babylm import BabyLMConfig
from .dropout import drop
from .head import Head
from .layers import Norm, initialise
from .positions import bucket_index, rotary_table


class BabyLMPreTrainedModel(PreTrainedModel):
    """What the classes share: configuration, initial values, choice of the attention backend."""

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

    def set_attention(self, backend: str, most: dict[int, int] | None = None) -> None:
        """Use this backend (see ``attention.py``) for packed rows; not stored in the configuration.

        ``most``: length of a row -> documents that a training batch of such rows surely does not pass.
        """
        if backend not in BACKENDS:
            raise ValueError(f"unknown attention backend {backend!r} (one of: {', '.join(BACKENDS)})")
        for module in self.modules():
            if isinstance(module, BabyLMModel):
                module.backend, module.most = backend, most or {}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the parts in place, for training alone: evaluation sees too many shapes to compile each.

        Blocks are compiled one by one, so that one graph serves all layers alike. Takes what ``torch.compile`` takes.
        """
        for module in self.modules():
            if isinstance(module, BabyLMModel):
                module.compile_blocks(*args, **kwargs)
            elif isinstance(module, Head):
                module.compile(*args, **kwargs)

    def _as_asked(self, output: ModelOutput, return_dict: bool | None) -> Any:
        """``output``, or its tuple where the call or the configuration wants one."""
        wants_dict = self.config.return_dict if return_dict is None else return_dict
        return output if wants_dict else output.to_tuple()


class BabyLMModel(BabyLMPreTrainedModel):
    """The transformer without a head: ``last_hidden_state`` (rows, length, hidden), no logits.

    Called by itself it attends both ways, unless the weights were trained causally only (``config.reading: causal``).
    """

    _keys_to_ignore_on_load_unexpected = [r"^head\."]  # noqa: RUF012

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__(config)
        self.backend = "sdpa"
        self.most: dict[int, int] = {}
        self.compiled: list[tuple[Callable[..., Any], ...]] | None = None
        self.gradient_checkpointing = False
        """Set by ``gradient_checkpointing_enable``: layers keep only inputs, and compute again in the backward."""
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.embedding_norm = Norm(config.hidden_size, config)
        self.relative = self.relative_norm = None
        if config.position == "relative":
            self.relative = nn.Embedding(2 * config.position_buckets - 1, config.hidden_size)
            self.relative_norm = Norm(config.hidden_size, config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.depth_mix = None
        if config.depth == "average":
            # Before branch k: the stream, plus a learned share of each of the k earlier outputs.
            counts = range(1, 2 * config.num_hidden_layers)
            self.depth_mix = nn.ParameterList(nn.Parameter(torch.zeros(count)) for count in counts)
        self.norm = Norm(config.hidden_size, config)
        self.post_init()

    def compile_blocks(self, *args: Any, **kwargs: Any) -> None:
        """Compile each block for use in training mode (its two halves apart when the depth is averaged)."""
        kwargs.setdefault("dynamic", False)
        self.compiled = []
        for block in self.blocks:
            assert isinstance(block, Block)
            parts = (block.forward,) if self.depth_mix is None else (block.attend, block.feed)
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
        **kwargs: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """Hidden states of rows; ``attention_mask`` (rows, length) is 1 for tokens, 0 for padding on either side.

        ``cache``: the other name of ``past_key_values`` (`babylm.models.arguments`). Attention weights (rows, heads,
        queries, keys) are those before dropout. ``ValueError`` for what cannot be computed as asked, ``TypeError`` for
        an unknown argument.
        """
        config = self.config
        causal = config.reading == "causal" if causal is None else causal
        keep_states = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        keep_attentions = config.output_attentions if output_attentions is None else output_attentions
        cache = resolve_cache(past_key_values, cache)
        if (use_cache or cache is not None) and not causal:
            raise ValueError("a cache needs causal attention: what attends both ways is computed anew with each token")
        if use_cache and cache is None:
            cache = DynamicCache()
        embeds = self._embed(input_ids, inputs_embeds)
        past = 0 if cache is None else int(cache.get_seq_length())
        queries = embeds.shape[1]
        check_unnamed(kwargs, past, queries)
        backend = "naive" if config._attn_implementation == "eager" else self.backend
        stream = embeds.to(_compute_dtype(embeds))
        layout = padded_layout(attention_mask, queries, past + queries, causal, backend, like=stream)
        if position_ids is None:
            position_ids = torch.arange(past, past + queries, device=embeds.device)[None]
        elif config.position == "relative":
            check_positions(position_ids, attention_mask)
        attentions: list[Tensor] | None = [] if keep_attentions else None
        hidden, states = self.run(stream, layout, position_ids, cache, bool(keep_states), attentions)
        output = BaseModelOutputWithPast(
            last_hidden_state=hidden,
            hidden_states=states,
            attentions=None if attentions is None else tuple(attentions),
            **{CACHE: cache if use_cache else None},
        )
        return self._as_asked(output, return_dict)

    def packed(self, tokens: Tensor, documents: Tensor, bidirectional: Tensor) -> Tensor:
        """Hidden states (rows, length, hidden) of packed rows, in the compute dtype; see ``packed_layout``."""
        embeds = self.embedding(tokens)
        stream = embeds.to(_compute_dtype(embeds))
        most = self.most.get(tokens.shape[1]) if self.training else None
        layout = packed_layout(documents, bidirectional, self.backend, like=stream, most=most)
        if layout.order is not None:
            stream = stream[layout.order]
        positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
        hidden, _ = self.run(stream, layout, positions)
        return hidden if layout.order is None else hidden[layout.order.argsort()]

    def run(
        self,
        stream: Tensor,
        layout: Layout,
        positions: Tensor,
        cache: Any = None,
        keep: bool = False,
        attentions: list[Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """Embedded text (rows, length, hidden) through all layers; ``keep``: also the stream before and after each.

        Each layer adds its attention weights to ``attentions``, if that is a list.
        """
        # The stream's dtype is chosen already; autocast would only add casts. (The compiler looks at its cache too.)
        with torch.autocast(stream.device.type, enabled=False, cache_enabled=False):
            context = self._context(stream, layout, positions, cache)._replace(attentions=attentions)
            dropout = self.config.dropout if self.training else 0.0
            inputs = drop(self.embedding_norm(stream), dropout)
            states = [inputs]
            if self.depth_mix is not None:
                states = self._averaged(inputs, context)
            else:
                self._stacked(states, context)
            hidden = self.norm(states[-1])
        return hidden, (*states[:-1], hidden) if keep else None

    def _stacked(self, states: list[Tensor], context: Context) -> None:
        first_value = None
        last = len(self.blocks) - 1
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            forward = self.compiled[layer][0] if self.compiled and self.training else block
            skip = states[last - layer + 1] if block.skip_mix is not None else None
            stream, value = self._layer(forward, context, states[-1], states[0], first_value, skip)
            first_value = value if first_value is None else first_value
            states.append(stream)

    def _averaged(self, inputs: Tensor, context: Context) -> list[Tensor]:
        first_value = None
        outputs = [inputs]
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            attend, feed = self.compiled[layer] if self.compiled and self.training else (block.attend, block.feed)
            stream, value = self._layer(attend, context, self._mixed(outputs), inputs, first_value, None)
            first_value = value if first_value is None else first_value
            outputs.append(stream)
            outputs.append(self._layer(feed, None, self._mixed(outputs)))
        return outputs[::2]

    def _layer(self, forward: Callable[..., Any], context: Context | None, *tensors: Tensor | None) -> Any:
        """``forward(*tensors, context)``, computed again in the backward under gradient checkpointing.

        Not where a layer also writes to the context (a cache, attention weights): it would write twice.
        """
        last = () if context is None else (context,)
        writes = context is not None and (context.cache is not None or context.attentions is not None)
        if not (self.gradient_checkpointing and self.training and torch.is_grad_enabled()) or writes:
            return forward(*tensors, *last)
        # The reentrant form sees gradients of the tensors among its arguments alone, not of those inside the context.
        relative = None if context is None else context.relative

        def again(relative: Tensor | None, *tensors: Tensor | None) -> Any:
            return forward(*tensors, *(part._replace(relative=relative) for part in last))

        return self._gradient_checkpointing_func(again, relative, *tensors)

    def _mixed(self, outputs: list[Tensor]) -> Tensor:
        """The last output, plus a learned share of each of all so far (DenseFormer, arXiv 2402.02622)."""
        if len(outputs) == 1 or self.depth_mix is None:
            return outputs[-1]
        weights = self.depth_mix[len(outputs) - 2].to(outputs[-1].dtype)
        mixed = outputs[-1]
        for weight, output in zip(weights, outputs[:-1], strict=True):
            mixed = mixed + weight * output
        return mixed

    def _context(self, stream: Tensor, layout: Layout, positions: Tensor, cache: Any) -> Context:
        config = self.config
        queries = stream.shape[1]
        keys = queries + (int(cache.get_seq_length()) if cache is not None else 0)
        if self.relative is not None and self.relative_norm is not None:
            longest = config.max_position_embeddings
            index = bucket_index(queries, keys, config.position_buckets, longest, stream.device)
            return Context(layout, None, self.relative_norm(self.relative.weight.to(stream.dtype)), index, cache, keys)
        half = config.position == "half_rotary"
        table = rotary_table(positions, config.head_dim, config.rotary_base, half, stream.dtype)
        return Context(layout, table, cache=cache, keys=keys)

    def _embed(self, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        return self.embedding(input_ids) if inputs_embeds is None else inputs_embeds


def _compute_dtype(embeds: Tensor) -> torch.dtype:
    device = embeds.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeds.dtype
