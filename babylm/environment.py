"""Environment of a run: code revision, versions of packages, machine; recorded without importing torch."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from babylm.redaction import redact


def record() -> dict[str, Any]:
    """The content of ``environment.json``: code revision, versions, machine, and the command without secrets."""
    versions = {}
    for package in (
        "torch",
        "lightning",
        "transformers",
        "tokenizers",
        "datasets",
        "omegaconf",
        "numpy",
        "safetensors",
    ):
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "code": code_revision(),
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "command": [redact(word) for word in sys.argv],
    }


def code_revision() -> str | None:
    """The git commit of the source tree, with ``+changes`` if it is not clean; None outside a checkout."""
    here = Path(__file__).parent
    # Without optional locks: a run that is killed meanwhile would leave index.lock, which stops the user's next commit.
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "--no-optional-locks", "status", "--porcelain", "--", "."],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
