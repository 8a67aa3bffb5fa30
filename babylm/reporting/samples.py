"""What the revisions of a run write, and how that is made and stored (``samples.json`` in the run's folder)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from babylm import files, revisions
from babylm.reporting.blocks import Block, Folded, Note, Sample
from babylm.runs import Run

PROMPTS = ("", "The dog", "I want to", "When it rains ,", "She asked him if")
"""What is continued by default; the empty prompt begins at BOS."""
MAX_REVISIONS = 12
MAX_NEW_TOKENS = 40


def samples(runs: Sequence[Run]) -> list[Block]:
    """The stored continuations, the last revision first."""
    blocks: list[Block] = []
    for run in runs:
        stored = run.samples.get("revisions", {})
        for name in reversed(run.revisions):
            if name in stored:
                title = f"{run.name}, {name}" if len(runs) > 1 else name
                parts = [
                    Sample(prompt, texts) for prompt, texts in zip(run.samples["prompts"], stored[name], strict=True)
                ]
                blocks.append(Folded(title, parts, is_open=not blocks))
    if not blocks:
        return []
    settings = ", ".join(f"{key}={value}" for key, value in runs[0].samples.get("sampling", {}).items())
    return [Note(f"Sampled by babylm.generation ({settings}); prompts are bold."), *blocks]


def generate(run: Run, log: Callable[[str], None], prompts: Sequence[str] = PROMPTS) -> dict[str, Any]:
    """Continue the prompts with each revision (at most `MAX_REVISIONS`, evenly chosen), and store the texts.

    Revisions whose texts are stored for the same prompts and weights are not run again.
    """
    from babylm import generation

    sampling = generation.Sampling(max_new_tokens=MAX_NEW_TOKENS, temperature=0.8, top_p=0.95)
    settings = {
        key: value
        for key, value in asdict(sampling).items()
        if key in ("max_new_tokens", "temperature", "top_p", "seed")
    }
    made_with = {"prompts": list(prompts), "sampling": settings}
    old = run.samples if {key: run.samples.get(key) for key in made_with} == made_with else {}
    texts: dict[str, list[list[str]]] = {}
    weights: dict[str, str] = {}
    for name in evenly(run.revisions, MAX_REVISIONS):
        weights[name] = revisions.facts(run.folder / name)["weights_sha256"]
        if old.get("weights", {}).get(name) == weights[name]:
            texts[name] = old["revisions"][name]
            continue
        log(f"{run.folder / name}: generating {len(prompts)} samples")
        generator = generation.load(run.folder / name, "auto", False)
        texts[name] = list(generator.continuations(prompts, sampling))
    content = {**made_with, "weights": weights, "revisions": texts}
    files.write_json(run.samples_file, content)
    return content


def evenly(names: Sequence[str], number: int) -> list[str]:
    """At most ``number`` of ``names``, evenly spaced, first and last among them.

    >>> evenly(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    if len(names) <= number:
        return list(names)
    return [names[round(k * (len(names) - 1) / (number - 1))] for k in range(number)]
