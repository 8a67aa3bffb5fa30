"""Arguments of a forward under every supported transformers: used, checked, or refused, never ignored.

The key-value cache is ``past_key_values`` up to transformers 5.23 and ``cache`` from 5.24 on, both as an argument from
``generate`` and as a field of outputs. An argument that a forward does not name is an error: with a cache that is
ignored because its name is new, ``generate`` continues from the last token alone, without an error.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE = "cache" if any(field.name == "cache" for field in fields(BaseModelOutputWithPast)) else "past_key_values"
"""Name of the cache in the outputs of the installed transformers."""

GENERATE_ONLY = ("tokenizer", "assistant_tokenizer")
"""Arguments of ``generate`` for stopping and for speculative decoding, which a forward cannot use."""


def resolve_cache(past_key_values: Any, cache: Any) -> Any:
    """The cache of a call, under either name; None if there is none.

    Raises:
        ValueError: for two different caches, and for tuples of tensors (transformers before 4.36).
    """
    if past_key_values is not None and cache is not None and past_key_values is not cache:
        raise ValueError("past_key_values and cache are two names of one argument; give one of them")
    cache = past_key_values if cache is None else cache
    if cache is None:
        return None
    if not hasattr(cache, "update") or not hasattr(cache, "get_seq_length"):
        raise ValueError(
            f"the cache is a {type(cache).__name__}; give a transformers.DynamicCache (as use_cache=True returns it)"
        )
    return cache


def check_cached(keys: Tensor, expected: int, cache: Any) -> None:
    """Check that a cache returned ``expected`` keys (rows, heads, keys, head_dim).

    A cache of a fixed size also returns its unused part, and one with a window forgets tokens; the attention masks of
    this model support neither.

    Raises:
        ValueError: if the number of keys differs.
    """
    if keys.shape[2] != expected:
        kind = type(cache).__name__
        raise ValueError(f"this {kind} gives {keys.shape[2]} keys for {expected} tokens; use transformers.DynamicCache")


def check_extra_arguments(arguments: dict[str, Any], past: int, queries: int) -> None:
    """Refuse arguments that a forward does not name, except redundant ones; a value of None counts as absent.

    ``cache_position`` (transformers 4 and early 5) must be the ``queries`` positions that follow the ``past`` cached
    ones, and ``token_type_ids`` must be all zero.

    Raises:
        ValueError: if one of these two has another value.
        TypeError: for any other argument, as Python does.
    """
    for name, value in arguments.items():
        if value is None:
            continue
        if name == "cache_position":
            if value.tolist() != list(range(past, past + queries)):
                raise ValueError(
                    f"cache_position must be {past} to {past + queries - 1}: the tokens after the cached ones"
                )
        elif name == "token_type_ids":
            if bool((value != 0).any()):
                raise ValueError("token_type_ids must be all zero: this model has one kind of segment")
        else:
            raise TypeError(f"forward() got an unexpected keyword argument {name!r}")


def check_positions(position_ids: Tensor, attention_mask: Tensor | None) -> None:
    """Check ``position_ids`` (rows or 1, length) of a model with relative positions, which the token order determines.

    They must rise by one from token to token; those of padding are not checked.

    Raises:
        ValueError: if they do not.
    """
    wrong = position_ids.diff(dim=-1) != 1
    if attention_mask is not None and attention_mask.dim() == 2:
        # The mask covers cached tokens too. A step counts only between two tokens that are both real.
        real = attention_mask[:, -position_ids.shape[-1] :].to(position_ids.device) > 0
        wrong = wrong & real[:, 1:] & real[:, :-1]
    if bool(wrong.any()):
        raise ValueError("position_ids must rise by one from token to token: this model's positions are relative")
