"""Configuration of the model: every choice of shape and layer, as stored in ``config.json``.

The fields are those of ``babylm.config.schema.ModelConfig``, and those that only an exported model needs (vocabulary,
special tokens, where masked tokens are predicted). The same object builds the model for training and for loading.
"""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

CHOICES: dict[str, tuple[str, ...]] = {
    "norm": ("rms", "layer"),
    "position": ("rotary", "relative"),
    "activation": ("geglu", "swiglu", "relu2"),
    "attention_gate": ("none", "headwise", "elementwise"),
    "layer_connections": ("standard", "unet", "denseformer"),
    "initializer": ("scaled", "zero"),
    "prediction_mode": ("causal", "mntp", "mlm"),
}
"""Allowed values of the fields that name a variant."""

OLD_KEYS = frozenset(("rotary_base", "input_skip", "depth", "soft_cap", "inner_norm", "reading"))
"""Keys of a ``config.json`` from before they were renamed: ignored, they would give another model."""

AUTO_MAP: dict[str, str] = {
    "AutoConfig": "configuration_babylm.BabyLMConfig",
    "AutoModel": "modeling_babylm.BabyLMModel",
    "AutoModelForCausalLM": "modeling_babylm.BabyLMForCausalLM",
    "AutoModelForMaskedLM": "modeling_babylm.BabyLMForMaskedLM",
    "AutoModelForSequenceClassification": "classification.BabyLMForSequenceClassification",
    "AutoModelForTokenClassification": "classification.BabyLMForTokenClassification",
    "AutoModelForQuestionAnswering": "classification.BabyLMForQuestionAnswering",
}
"""Classes for Hugging Face's auto classes, by file of an exported folder."""


class BabyLMConfig(PretrainedConfig):
    """Shape and choices of a BabyLM transformer, as described in ``babylm.config.schema.ModelConfig``.

    ``prediction_mode``: how the weights were trained to predict a masked token k: from the output at k - 1 (``mntp``),
    from that at k (``mlm``), or not at all (``causal``; the base model and the classifiers then attend causally, else
    bidirectionally).

    Raises:
        ValueError: for an unknown choice, a shape that does not divide, or keys of an older version.

    >>> BabyLMConfig(hidden_size=64, num_attention_heads=4, partial_rotary_factor=0.5).rotary_dim
    8
    """

    model_type = "babylm"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]  # noqa: RUF012 (transformers reads a plain list)

    def __init__(
        self,
        vocab_size: int = 16_384,
        hidden_size: int = 384,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 6,
        intermediate_size: int = 1024,
        max_position_embeddings: int = 512,
        norm: str = "rms",
        norm_affine: bool = False,
        norm_eps: float = 1e-5,
        position: str = "rotary",
        partial_rotary_factor: float = 0.5,
        rope_theta: float = 10_000.0,
        position_buckets: int = 32,
        qk_norm: bool = True,
        activation: str = "geglu",
        sub_norm: bool = False,
        attention_gate: str = "headwise",
        value_residual: bool = True,
        x0_skip: bool = True,
        layer_connections: str = "standard",
        tie_embeddings: bool = True,
        head_transform: bool = False,
        logit_softcap: float = 0.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        initializer: str = "scaled",
        image_size: int = 0,
        item_pointer: bool = False,
        prediction_mode: str = "mntp",
        use_cache: bool = True,
        bos_token_id: int | None = 0,
        eos_token_id: int | None = 1,
        pad_token_id: int | None = 2,
        mask_token_id: int | None = 3,
        image_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        if old := sorted(OLD_KEYS & kwargs.keys()):
            raise ValueError(
                f"config.json is from an older version of babylm (it has {', '.join(old)}): "
                "python -m babylm.convert FOLDER brings it over"
            )
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        self.norm = norm
        self.norm_affine = norm_affine
        self.norm_eps = norm_eps
        self.position = position
        self.partial_rotary_factor = partial_rotary_factor
        self.rope_theta = rope_theta
        self.position_buckets = position_buckets
        self.qk_norm = qk_norm
        self.activation = activation
        self.sub_norm = sub_norm
        self.attention_gate = attention_gate
        self.value_residual = value_residual
        self.x0_skip = x0_skip
        self.layer_connections = layer_connections
        self.tie_embeddings = tie_embeddings
        self.head_transform = head_transform
        self.logit_softcap = logit_softcap
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.initializer = initializer
        self.image_size = image_size
        self.item_pointer = item_pointer
        self.prediction_mode = prediction_mode
        self.use_cache = use_cache
        self.mask_token_id = mask_token_id
        self.image_token_id = image_token_id
        # The base class of transformers has its own names and defaults for these.
        kwargs["tie_word_embeddings"] = tie_embeddings
        kwargs.setdefault("auto_map", dict(AUTO_MAP))
        kwargs.update(bos_token_id=bos_token_id, eos_token_id=eos_token_id, pad_token_id=pad_token_id)
        super().__init__(**kwargs)
        self._check()

    @property
    def head_dim(self) -> int:
        """Dimensions per attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def rotary_dim(self) -> int:
        """Dimensions per head that are rotated by position."""
        return round(self.head_dim * self.partial_rotary_factor)

    def _check(self) -> None:
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise ValueError(f"model.{key}: unknown value {getattr(self, key)!r} (one of: {', '.join(choices)})")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"model.hidden_size ({self.hidden_size}) must be a multiple of "
                f"model.num_attention_heads ({self.num_attention_heads})"
            )
        if self.image_size % 8:
            raise ValueError(f"model.image_size ({self.image_size}) must be a multiple of 8, the side of a patch")
        rotated = self.head_dim * self.partial_rotary_factor
        valid = 0 < self.partial_rotary_factor <= 1 and self.rotary_dim >= 2 and self.rotary_dim % 2 == 0
        if self.position == "rotary" and not (valid and abs(rotated - self.rotary_dim) < 1e-6):
            raise ValueError(
                f"model.partial_rotary_factor ({self.partial_rotary_factor:g}) of heads of {self.head_dim} dimensions "
                f"(model.hidden_size / model.num_attention_heads) is {rotated:g}; it must be an even whole number"
            )
