"""Check that others can load the revisions: in a fresh process, with the remote code in the folder, as the official
pipeline does, under the installed transformers and the older versions that `make env` installs beside it.

That process runs the code in the folders, so it is started only for code that equals this package's byte for byte, or
that the user trusts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from babylm import revisions
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from babylm.submission import remote_code_probe
from babylm.submission.problems import Problem

PINNED = "4.51.3"
"""transformers of the official 2025 pipeline."""
OVERLAYS = {PINNED: Path(sys.prefix) / "compat-4.51", "5.23.0": Path(sys.prefix) / "compat-5.23"}
"""Older versions of transformers where `make env` puts them; 5.23 is the last that passes ``past_key_values``."""
TOLERANCE = 1e-4


def outputs(folders: Sequence[Path], overlay: Path | None = None) -> dict[str, Any]:
    """Outputs of `remote_code_probe` by folder, and the ``version`` of transformers; ``ValueError`` if it fails.

    Runs the code in the folders.
    """
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out.pt"
        done = run_apart(
            [remote_code_probe.__file__, out, *(folder.resolve() for folder in folders)], Path(temporary), overlay
        )
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["no message"])[-1])
        results = torch.load(out, weights_only=True)
    return {"version": results.pop("version"), **dict(zip(map(str, folders), results.values(), strict=True))}


def run_apart(words: Sequence[str | Path], work: Path, overlay: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python script (and its words) in a fresh process offline, in ``work``, under an overlay of packages."""
    environment = {
        **os.environ,
        "HF_MODULES_CACHE": str(work / "modules"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": "" if overlay is None else str(overlay),
    }
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=work, check=False)


def problems(run: Path, names: Sequence[str], trust: bool = False) -> tuple[list[Problem], list[str]]:
    """What is wrong with these revisions of a run, and the versions of transformers that were tried.

    Folders with foreign code are named and not loaded, unless ``trust``.
    """
    wrong, versions = [], []
    foreign = _foreign(run, names)
    if foreign and not trust:
        remedy = f"it was not run. If you trust it, {_again(run)}; trust=true alone runs it as it is"
        wrong.append(Problem(_describe(foreign), remedy))
    folders = [run / name for name in names if trust or name not in foreign]
    overlays = [path for path in OVERLAYS.values() if path.is_dir()]
    for overlay in (None, *overlays) if folders else ():
        # Their code is the same, so in a version that no pipeline pins one of them is enough.
        tried = folders if overlay in (None, OVERLAYS[PINNED]) else folders[-1:]
        try:
            results = outputs(tried, overlay)
        except ValueError as error:
            under = f" (overlay {overlay.name})" if overlay else ""
            what = f"a fresh process cannot load the revisions{under}: {error}"
            wrong.append(Problem(what, "see the error; python -m babylm.submit ... load=false leaves this check out"))
            continue
        versions.append(results["version"])
        for folder in tried:
            if differing := find_differences(folder, results[str(folder)]):
                what = f"{folder}: {differing} differ between this package and transformers {results['version']}"
                wrong.append(Problem(what, f"the code in the folder computes something else: {_again(run)}"))
    return wrong, versions


def foreign_code(run: Path, names: Sequence[str]) -> list[str]:
    """One line if the code in these revisions is not this package's, else none."""
    foreign = _foreign(run, names)
    return [f"{_describe(foreign)}; {_again(run)}"] if foreign else []


def _foreign(run: Path, names: Sequence[str]) -> dict[str, list[str]]:
    return {name: differences for name in names if (differences := revisions.find_foreign_code(run / name))}


def _describe(foreign: dict[str, list[str]]) -> str:
    first, differences = next(iter(foreign.items()))
    names = first if len(foreign) == 1 else f"{first} and {len(foreign) - 1} other revision(s)"
    shown = ", ".join(differences[:4]) + (f" and {len(differences) - 4} more" if len(differences) > 4 else "")
    return f"the code in {names} is not this package's ({shown}): of another version of it, or of somebody else"


def _again(run: Path) -> str:
    return f"python -m babylm.submit {run} reexport=true trust=true puts this package's code there, weights untouched"


def reexport(run: Path, names: Sequence[str]) -> list[str]:
    """Put this package's code into the revisions whose code is another; returns their names.

    Runs the old code: what it predicts must be what this package predicts from the same weights. ``ValueError``
    otherwise, with nothing changed. Weights, tokenizer and facts stay as they are.
    """
    old = [name for name in names if revisions.find_foreign_code(run / name)]
    if not old:
        return []
    try:
        results = outputs([run / name for name in old])
    except ValueError as error:
        raise ValueError(f"the old code of {', '.join(old)} does not run, so nothing was exported: {error}") from None
    for name in old:
        if wrong := find_differences(run / name, results[str(run / name)], generation=False):
            raise ValueError(f"{run / name}: {wrong} of the old code differ from this package's; nothing was exported")
    for name in old:
        revisions.replace_code(run / name)
    return old


@torch.no_grad()
def find_differences(folder: Path, seen: dict[str, Any], generation: bool = True) -> str:
    """Which outputs are not those of the package itself; empty when all are."""
    logging.disable_progress_bar()
    causal, _ = revisions.load(folder)
    masked = BabyLMForMaskedLM(causal.config).eval()
    masked.load_state_dict(causal.state_dict())
    inputs = {"input_ids": seen["ids"], "attention_mask": seen["mask"]}
    real = seen["mask"].bool()
    ours = {"causal": causal(**inputs).logits, "masked": masked(**inputs).logits}
    wrong = [
        f"{name} logits"
        for name, logits in ours.items()
        if not torch.allclose(logits[real], seen[name][real], atol=TOLERANCE)
    ]
    if generation and not _is_greedy(causal, seen["generated"], int(seen["mask"][0].sum())):
        wrong.append("generated texts")
    return " and ".join(wrong)


def _is_greedy(causal: BabyLMForCausalLM, ids: torch.Tensor, prompt: int) -> bool:
    """Whether each token of ``ids`` (1, length) after the prompt is the likeliest, up to rounding."""
    logits = causal(input_ids=ids).logits[:, prompt - 1 : -1]
    chosen = logits.gather(-1, ids[:, prompt:, None]).squeeze(-1)
    return bool((logits.amax(-1) - chosen <= TOLERANCE).all())
