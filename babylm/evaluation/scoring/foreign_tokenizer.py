"""A foreign model's tokenizer, as its files say and as transformers 4.51.3, which the official pipeline pins, uses it.

``AutoTokenizer`` of transformers 5 makes many tokenizers anew from their class and vocabulary: normalizers and
pre-tokenizers that stand in ``tokenizer.json`` alone are lost without a word, and with them the answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import first_line

AGAIN = "save the tokenizer again (save_pretrained)"
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
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(f"{folder}: {type(tokenizer).__name__} is no fast tokenizer, whose offsets scoring needs")
        return tokenizer
    files.read_json(folder / FILE, AGAIN)  # the library's error names neither file nor place
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises Exception itself of a file that it does not understand
        raise ValueError(f"{folder / FILE}: no fast tokenizer: {first_line(error)}; {AGAIN}") from None


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
    return files.read_json(file, AGAIN) if file.is_file() else {}
