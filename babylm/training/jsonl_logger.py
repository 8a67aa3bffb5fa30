"""``metrics.jsonl``: one JSON object per line with ``step`` and ``words``; always written, beside any other logger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from babylm import files


class JsonlLogger(Logger):
    """A Lightning logger that appends to a file; a resumed run first drops the lines after its step."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """The file's stem."""
        return self.path.stem

    @property
    def version(self) -> str:
        """Empty: there is one version."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one line."""
        line = json.dumps({"step": step, **{key: _plain(value) for key, value in metrics.items()}})
        files.append_text(self.path, line + "\n")

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's ``config.yaml`` holds them."""

    def cut(self, step: int, warn: Callable[[str], None] = print) -> None:
        """Keep the lines of the first ``step`` steps: the others will be written again.

        A damaged line is left out with a warning: a gap in a curve is no reason to stop training.
        """
        with open(files.open_in_place(self.path, os.O_RDONLY), "rb") as file:
            lines, texts = [], file.read().split(b"\n")
        for number, text in enumerate(texts, 1):
            try:
                line = json.loads(text) if text.strip() else None
            except ValueError:
                if number < len(texts):  # else a kill in the middle of a write
                    warn(f"{self.path}: line {number} is damaged and left out")
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int) and line["step"] <= step:
                lines.append(line)
        files.write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return round(number, 6) if isinstance(number, float) and abs(number) >= 1e-3 else number
