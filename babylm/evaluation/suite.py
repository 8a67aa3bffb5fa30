"""Tasks by name over one loaded model.

A task is a plug-in of ``babylm/evaluation/tasks``, or the path of a folder of minimal pairs in BLiMP's schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from babylm import registry
from babylm.evaluation.results import Result
from babylm.evaluation.scorer import BACKENDS, Scorer
from babylm.evaluation.tasks import _minimal_pairs
from babylm.models.modeling import BabyLMForCausalLM, BabyLMForMaskedLM

FOLDER = "evaluation/tasks"


def task(name: str) -> Any:
    """The task module ``name``, or one made of a folder; ``ValueError`` with the nearest names for neither."""
    if "/" in name or Path(name).is_dir():
        if not Path(name).is_dir():
            raise ValueError(f"evaluation.tasks: no folder {name}")
        return SimpleNamespace(
            VERSION=1, items=lambda data, limit=None: _minimal_pairs.read(Path(name), limit), score=_minimal_pairs.score
        )
    registry.check(name, registry.names(FOLDER), "evaluation.tasks")
    return registry.load(FOLDER, name)


def run(
    network: BabyLMForCausalLM,
    tokenizer_folder: Path,
    tasks: Sequence[str],
    *,
    backend: str = "causal",
    data: str | Path = "evaluation_data",
    limit: int | None = None,
) -> dict[str, Result]:
    """Results by task of a network in memory, in the dtype of its weights; its mode and weights stay as they are."""
    scorer = scorer_for(network, tokenizer_folder, backend)
    results = {}
    for name in tasks:
        chosen = task(name)
        results[name] = chosen.score(scorer, chosen.items(Path(data), limit))
    return results


def scorer_for(network: BabyLMForCausalLM, tokenizer_folder: Path, backend: str) -> Scorer:
    """A scorer of our own network in memory; masked backends get the masked class with a copy of the weights."""
    from transformers import AutoTokenizer

    registry.check(backend, BACKENDS, "evaluation.scorer")
    model: Any = network
    if backend != "causal":
        model = BabyLMForMaskedLM(network.config).to(next(network.parameters()).device)
        model.load_state_dict(network.state_dict())
    return Scorer(model, AutoTokenizer.from_pretrained(tokenizer_folder), backend)


def load_scorer(folder: Path, backend: str) -> Scorer:
    """A scorer of a model folder: a revision of ours, or any local Hugging Face model without code of its own.

    ``backend`` ``auto``: as the model was trained, causal where it can be both.
    """
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    registry.check(backend, (*BACKENDS, "auto"), "evaluation.scorer")
    described = _read_json(folder / "config.json")
    if backend == "auto":
        masked = any("MaskedLM" in name for name in described.get("architectures") or [])
        backend = "mlm" if masked else "causal"
    causal = backend == "causal"
    if described.get("model_type") == "babylm":
        loader: Any = BabyLMForCausalLM if causal else BabyLMForMaskedLM
    else:
        loader = AutoModelForCausalLM if causal else AutoModelForMaskedLM
    model = loader.from_pretrained(folder)
    return Scorer(model.eval(), AutoTokenizer.from_pretrained(folder), backend)


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ValueError(f"{file.parent} is not a model folder: it has no {file.name}")
    return json.loads(file.read_text(encoding="utf-8"))
