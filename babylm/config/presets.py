"""Shapes of the model by name, from about 1M to about 120M parameters.

Counts are with a 16,384-entry tied vocabulary unless said otherwise; ``python -m babylm.train CONFIG
training.dry_run=true`` prints the exact one.
"""

from __future__ import annotations

PRESETS: dict[str, dict[str, object]] = {
    # About 1M with a 2k vocabulary: the smoke run.
    "smoke": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 344},
    # About 9M: what two CPU cores train on 10M words in well under an hour.
    "tiny": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 688},
    # About 28M: the width of GPT-BERT small.
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1024},
    # About 48M: recipe R1 of the strict-small track.
    "medium": {"hidden_size": 512, "num_hidden_layers": 12, "num_attention_heads": 8, "intermediate_size": 1408},
    # About 100M: strict.
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 2048},
    # The layer of GPT-BERT, for comparison: relative bias, gated output, sub-norms, DenseFormer connections.
    "gpt-bert-small": {
        "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1280,
        "norm": "layer", "position": "relative", "qk_norm": False, "sub_norm": True, "attention_gate": "elementwise",
        "value_residual": False, "x0_skip": False, "layer_connections": "denseformer", "head_transform": True,
        "attention_dropout": 0.1,
    },
    "gpt-bert-base": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 2560,
        "norm": "layer", "position": "relative", "qk_norm": False, "sub_norm": True, "attention_gate": "elementwise",
        "value_residual": False, "x0_skip": False, "layer_connections": "denseformer", "head_transform": True,
        "attention_dropout": 0.1,
    },
}  # fmt: skip
