"""A foreign model's tokenizer as its files define it, and as transformers 4.51.3 uses it (the official pipeline's pin).

``AutoTokenizer`` of transformers 5 rebuilds many tokenizers from their class and vocabulary: normalizers and
pre-tokenizers that only ``tokenizer.json`` defines are lost silently, and the answers change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import first_line

AGAIN = "save the tokenizer again (save_pretrained)"
FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
RETURN_TOKEN_TYPE_IDS = frozenset(
    {
        *("pretrained", "tokenizersbackend", "albert", "bert", "convbert", "deberta", "debertav2", "electra"),
        *("fnet", "funnel", "herbert", "layoutlm", "lxmert", "mobilebert", "rembert", "roformer", "splinter"),
        *("squeezebert", "xlnet"),
    }
)
"""Fast tokenizer classes that return ``token_type_ids`` in 4.51.3."""


def load(folder: Path, trust: bool) -> Any:
    """The fast tokenizer that ``tokenizer.json`` describes; with ``trust``, that of the folder's code if any."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if trust and "auto_map" in settings(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(f"{folder}: {type(tokenizer).__name__} is no fast tokenizer, whose offsets scoring needs")
        return tokenizer
    files.read_json(folder / FILE, AGAIN)  # the library's error names neither file nor place
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises Exception itself of a file that it does not understand
        raise ValueError(f"{folder / FILE}: no fast tokenizer: {first_line(error)}; {AGAIN}") from None


def returns_token_type_ids(folder: Path, model_type: str) -> bool:
    """Whether the tokenizer returns ``token_type_ids`` in 4.51.3; ``model_type`` is used if it names no class."""
    described = settings(folder)
    if described.get("model_input_names"):
        return "token_type_ids" in described["model_input_names"]
    name = described.get("tokenizer_class") or f"{model_type}Tokenizer"
    return name.removesuffix("Fast").removesuffix("Tokenizer").lower().replace("-", "") in RETURN_TOKEN_TYPE_IDS


def settings(folder: Path) -> dict[str, Any]:
    """The content of ``tokenizer_config.json``; empty if there is none."""
    file = folder / SETTINGS
    return files.read_json(file, AGAIN) if file.is_file() else {}
