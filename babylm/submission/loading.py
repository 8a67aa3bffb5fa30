"""Whether strangers can load the revisions: in a fresh process, with the remote code in the folder, as the official
pipeline does it; under the installed transformers and, where it is at hand, under the version that pipeline pins.
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

from babylm.models.modeling import BabyLMForMaskedLM
from babylm.submission import revision, stranger
from babylm.submission.checks import Problem

PINNED = "4.51.3"
"""transformers of the official 2025 pipeline."""
OVERLAY = Path(sys.prefix) / "compat-4.51"
"""Where `make env` puts it."""
TOLERANCE = 1e-4


def outputs(folders: Sequence[Path], overlay: Path | None = None) -> dict[str, Any]:
    """What `stranger` says of the folders, by path, and the ``version`` of transformers; ``ValueError`` if it fails."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out.pt"
        environment = {
            **os.environ,
            "HF_MODULES_CACHE": str(Path(temporary) / "modules"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": "" if overlay is None else str(overlay),
        }
        words = [sys.executable, stranger.__file__, str(out), *(str(folder.resolve()) for folder in folders)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=temporary, check=False)
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["no message"])[-1])
        found = torch.load(out, weights_only=True)
    return {"version": found.pop("version"), **dict(zip(map(str, folders), found.values(), strict=True))}


def problems(folders: Sequence[Path]) -> tuple[list[Problem], list[str]]:
    """What is wrong, and the versions of transformers that were tried."""
    found, versions = [], []
    for overlay in (None, OVERLAY) if OVERLAY.is_dir() else (None,):
        try:
            seen = outputs(folders, overlay)
        except ValueError as error:
            what = (
                f"a fresh process cannot load the revisions{f' (overlay {overlay.name})' if overlay else ''}: {error}"
            )
            found.append(Problem(what, "see the error; python -m babylm.submit ... load=false leaves this check out"))
            continue
        versions.append(seen["version"])
        for folder in folders:
            wrong = _differing(folder, seen[str(folder)])
            if wrong:
                what = f"{folder}: {wrong} differ between this package and transformers {seen['version']}"
                found.append(
                    Problem(what, "the folder's code is not the code it was trained with: restore the revision")
                )
    return found, versions


@torch.no_grad()
def _differing(folder: Path, seen: dict[str, Any]) -> str:
    """Which outputs are not those of the package itself."""
    logging.disable_progress_bar()
    causal, _ = revision.load(folder)
    masked = BabyLMForMaskedLM.from_pretrained(folder).eval()
    inputs = {"input_ids": seen["ids"], "attention_mask": seen["mask"]}
    real = seen["mask"].bool()
    pairs = {"causal": causal(**inputs).logits, "masked": masked(**inputs).logits}
    wrong = [name for name, own in pairs.items() if not torch.allclose(own[real], seen[name][real], atol=TOLERANCE)]
    return " and ".join(f"{name} logits" for name in wrong)
