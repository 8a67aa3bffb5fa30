"""The model's configuration: every choice of shape and layer, as stored in ``config.json``.

Field names are those of ``babylm.config.schema.ModelConfig`` plus what only an exported model needs (vocabulary,
special tokens, how a masked token is read). The same object builds the model that trains and the model that is loaded
later.
"""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

CHOICES: dict[str, tuple[str, ...]] = {
    "norm": ("rms", "layer"),
    "position": ("rotary", "half_rotary", "relative"),
    "activation": ("geglu", "swiglu", "relu2"),
    "attention_gate": ("none", "head", "element"),
    "depth": ("plain", "unet", "average"),
    "initializer": ("scaled", "zero"),
    "reading": ("causal", "mntp", "mlm"),
}
"""The allowed values of the fields that name a variant."""

AUTO_MAP: dict[str, str] = {
    "AutoConfig": "configuration_babylm.BabyLMConfig",
    "AutoModel": "modeling_babylm.BabyLMModel",
    "AutoModelForCausalLM": "modeling_babylm.BabyLMForCausalLM",
    "AutoModelForMaskedLM": "modeling_babylm.BabyLMForMaskedLM",
    "AutoModelForSequenceClassification": "classification.BabyLMForSequenceClassification",
    "AutoModelForTokenClassification": "classification.BabyLMForTokenClassification",
    "AutoModelForQuestionAnswering": "classification.BabyLMForQuestionAnswering",
}
"""Where Hugging Face's auto classes find ours in an exported folder."""


class BabyLMConfig(PretrainedConfig):
    """Shape and choices of a BabyLM transformer; meanings are in ``babylm.config.schema.ModelConfig``.

    ``reading`` says how the weights were trained to fill a mask at position k: from the output at k-1 (``mntp``), at k
    (``mlm``), or not at all (``causal``: the base model and the classifier then attend causally, else both ways).
    ``ValueError`` for an unknown choice or a shape that does not divide.
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
        position: str = "half_rotary",
        rotary_base: float = 10_000.0,
        position_buckets: int = 32,
        qk_norm: bool = True,
        activation: str = "geglu",
        inner_norm: bool = False,
        attention_gate: str = "head",
        value_residual: bool = True,
        input_skip: bool = True,
        depth: str = "plain",
        tie_embeddings: bool = True,
        head_transform: bool = False,
        soft_cap: float = 0.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        initializer: str = "scaled",
        reading: str = "mntp",
        use_cache: bool = True,
        bos_token_id: int | None = 0,
        eos_token_id: int | None = 1,
        pad_token_id: int | None = 2,
        mask_token_id: int | None = 3,
        **kwargs: Any,
    ) -> None:
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
        self.rotary_base = rotary_base
        self.position_buckets = position_buckets
        self.qk_norm = qk_norm
        self.activation = activation
        self.inner_norm = inner_norm
        self.attention_gate = attention_gate
        self.value_residual = value_residual
        self.input_skip = input_skip
        self.depth = depth
        self.tie_embeddings = tie_embeddings
        self.head_transform = head_transform
        self.soft_cap = soft_cap
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.initializer = initializer
        self.reading = reading
        self.use_cache = use_cache
        self.mask_token_id = mask_token_id
        kwargs["tie_word_embeddings"] = tie_embeddings
        kwargs.setdefault("auto_map", dict(AUTO_MAP))
        kwargs.update(bos_token_id=bos_token_id, eos_token_id=eos_token_id, pad_token_id=pad_token_id)
        super().__init__(**kwargs)
        self._check()

    @property
    def head_dim(self) -> int:
        """Dimensions of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def _check(self) -> None:
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise ValueError(f"model.{key}: unknown value {getattr(self, key)!r} (one of: {', '.join(choices)})")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"model.hidden_size ({self.hidden_size}) must be a multiple of "
                f"model.num_attention_heads ({self.num_attention_heads})"
            )
        if self.position != "relative" and self.head_dim % 4:
            raise ValueError(
                f"model.position={self.position} needs heads of a multiple of 4 dimensions, not {self.head_dim} "
                "(model.hidden_size / model.num_attention_heads)"
            )
