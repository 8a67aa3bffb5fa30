"""What a model costs: parameters, and training FLOPs a token, by formula.

Counted, as ``torch.utils.flop_counter`` counts them: two FLOPs a multiply-add of every matrix product, the backward as twice
the forward. Attention is counted for the full square of the sequence in both modes, since the dense kernels compute it (a
kernel that skips the causal half does less than is counted). Not counted: norms, activations, softmax, the optimizer.
"""

from __future__ import annotations

from .configuration import BabyLMConfig


def parameter_count(config: BabyLMConfig) -> int:
    """Parameters of the causal LM, tied weights once."""
    d, layers, vocabulary = config.hidden_size, config.num_hidden_layers, config.vocab_size
    per_norm = _norm_size(config, d)
    branches = _attention_matrices(config) + _feed_forward_matrices(config)
    per_layer = branches + 2 * per_norm
    if config.qk_norm:
        per_layer += 2 * _norm_size(config, config.head_dim)
    if config.inner_norm:
        per_layer += per_norm + _norm_size(config, config.intermediate_size)
    mixes = (layers - 1) * (int(config.value_residual) + int(config.input_skip))
    if config.depth == "unet":
        mixes += layers // 2
    elif config.depth == "average":
        mixes += layers * (2 * layers - 1)
    total = vocabulary * d + layers * per_layer + 2 * per_norm + mixes + vocabulary
    if not config.tie_embeddings:
        total += vocabulary * d
    if config.head_transform:
        total += d * d + d + per_norm
    if config.position == "relative":
        total += (2 * config.position_buckets - 1) * d + per_norm
    return total


def training_flops_per_token(config: BabyLMConfig, sequence_length: int, head_fraction: float = 1.0) -> float:
    """FLOPs of forward and backward for one token of a row of ``sequence_length`` tokens.

    ``head_fraction``: share of the positions for which logits are computed.
    """
    d, layers = config.hidden_size, config.num_hidden_layers
    head = d * config.vocab_size + (d * d if config.head_transform else 0)
    layer = _attention_matrices(config) + _feed_forward_matrices(config) + 2 * sequence_length * d
    if config.position == "relative":
        buckets = 2 * config.position_buckets - 1
        # The table through two projections once a forward (here: once a row), and two products with it.
        layer += 2 * buckets * d
    return 6.0 * (layers * layer + head_fraction * head)


def _norm_size(config: BabyLMConfig, size: int) -> int:
    return size * (2 if config.norm == "layer" else 1) if config.norm_affine else 0


def _attention_matrices(config: BabyLMConfig) -> int:
    d = config.hidden_size
    gate = {"none": 0, "head": config.num_attention_heads * d, "element": d * d}[config.attention_gate]
    return 4 * d * d + gate


def _feed_forward_matrices(config: BabyLMConfig) -> int:
    return (2 if config.activation == "relu2" else 3) * config.hidden_size * config.intermediate_size
