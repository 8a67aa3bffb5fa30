"""Which models may teach: the external models that the rules of a year name.

Source: the calls for papers of 2025 (arXiv 2502.10645) and 2026 (arXiv 2602.20092) and the challenge's web site. They
may be fine-tuned without limit, but their weights, hidden states and output distributions must not be shown to the
student. A model that was trained on the track's words alone is not external, and needs no approval.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BILLION = 1_000_000_000
SMALL = BILLION
"""Any language model with fewer parameters may teach, masked ones included."""


@dataclass(frozen=True)
class Family:
    """Models that the rules name."""

    title: str
    pattern: str
    """Regular expression of the name in lower case, without the owner and without a suffix of quantisation."""
    largest: float = float("inf")
    """Most parameters."""


_LLAMA = (
    Family("Llama-3.1-8B-Instruct", r"(meta-)?llama-3\.1-8b-instruct"),
    Family("Llama-3.2-3B-Instruct", r"(meta-)?llama-3\.2-3b-instruct"),
    Family("Llama-3.2-1B-Instruct", r"(meta-)?llama-3\.2-1b-instruct"),
)
_QWEN = tuple(
    Family(f"Qwen {version} up to 9B", rf"qwen-?{re.escape(version)}-[\w.-]+", 9 * BILLION)
    for version in ("2.5", "3", "3.5")
)
APPROVED: dict[int, tuple[Family, ...]] = {2025: _LLAMA, 2026: (*_LLAMA, *_QWEN)}
"""Year of the rules -> families of models."""
_QUANTISED = r"([-_.](gguf|awq|gptq|fp8|bf16|f16|int[48]|q\d\w*|[48]bit))+$"


def approved(identity: str, parameters: int | None, rules: int) -> str | None:
    """None if the rules of a year name this external model; else why not, in one sentence.

    ``identity``: the model's name, with or without its owner; ``parameters``: their number, None if unknown.

    >>> approved("meta-llama/Llama-3.1-8B-Instruct", None, 2025), approved("gpt2", 124_000_000, 2025)
    (None, None)
    >>> approved("Qwen/Qwen3-8B", 8_200_000_000, 2025)
    'the rules of 2025 do not name Qwen3-8B (8.2B parameters): Llama-3.1-8B-Instruct, Llama-3.2-3B-Instruct, \
Llama-3.2-1B-Instruct, and any language model below 1B parameters'
    >>> approved("Qwen/Qwen3-8B", 8_200_000_000, 2026)
    """
    name = re.sub(r"[/\\]+$", "", identity).replace("\\", "/").rpartition("/")[2]
    plain = re.sub(_QUANTISED, "", name.lower())
    size = _size(plain) if parameters is None else parameters
    if parameters is not None and parameters < SMALL:
        return None
    for family in APPROVED[rules]:
        if re.fullmatch(family.pattern, plain):
            if size is None and family.largest < float("inf"):
                return f"the size of {name} is not known: declare interaction.teaching.parameters"
            if size is None or size <= family.largest:
                return None
    titles = ", ".join(family.title for family in APPROVED[rules])
    known = "of unknown size" if size is None else f"{size / BILLION:.1f}B parameters"
    return (
        f"the rules of {rules} do not name {name} ({known}): {titles}, and any language model below 1B parameters"
        + ("; declare interaction.teaching.parameters if it is one" if parameters is None else "")
    )


def _size(name: str) -> float | None:
    """Parameters that a name tells (``qwen3-8b``); None if it tells none."""
    told = re.search(r"(?<![\d.a-z])(\d+(?:\.\d+)?)b(?![a-z])", name)
    return None if told is None else float(told[1]) * BILLION
