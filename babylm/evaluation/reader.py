"""A foreign model's tokenizer, as its files say and as transformers 4.51.3, which the official pipeline pins, uses it.

``AutoTokenizer`` of transformers 5 makes many tokenizers anew from their class and vocabulary: normalizers and
pre-tokenizers that stand in ``tokenizer.json`` alone are lost without a word, and with them the answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
GIVE_TYPES = frozenset(
    {
        *("pretrained", "tokenizersbackend", "albert", "bert", "convbert", "deberta", "debertav2", "electra"),
        *("fnet", "funnel", "herbert", "layoutlm", "lxmert", "mobilebert", "rembert", "roformer", "splinter"),
        *("squeezebert", "xlnet"),
    }
)
"""Fast tokenizer classes that give ``token_type_ids`` in 4.51.3."""


def load(folder: Path, trust: bool) -> Any:
    """The fast tokenizer that ``tokenizer.json`` describes; the folder's own code where it is there and trusted."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if trust and "auto_map" in settings(folder):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def gives_types(folder: Path, model_type: str) -> bool:
    """Whether the folder's tokenizer, in 4.51.3, gives ``token_type_ids``; ``model_type`` where it names no class."""
    own = settings(folder)
    if own.get("model_input_names"):
        return "token_type_ids" in own["model_input_names"]
    name = own.get("tokenizer_class") or f"{model_type}Tokenizer"
    return name.removesuffix("Fast").removesuffix("Tokenizer").lower().replace("-", "") in GIVE_TYPES


def settings(folder: Path) -> dict[str, Any]:
    """``tokenizer_config.json``, where there is one."""
    file = folder / SETTINGS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
