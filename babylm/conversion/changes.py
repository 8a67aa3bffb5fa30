"""What a conversion does or would do: each change by a line, each thing that cannot be converted by its reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Changes:
    """The changes of one conversion, made at once or, with ``dry_run``, only named."""

    log: Callable[[str], None]
    dry_run: bool = False
    accept_weights: bool = False
    """Seal revisions whose weights are not those of the manifest, if they fit the model."""
    made: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def change(self, what: str, action: Callable[[], None]) -> None:
        """Make a change, or name it."""
        if not self.dry_run:
            action()
        self.made.append(what)
        self.log(f"{'would convert' if self.dry_run else 'converted'} {what}")

    def refuse(self, why: str) -> None:
        """Leave something as it is; the conversion continues, and ends with an error."""
        self.refused.append(why)
        self.log(f"left as it is: {why}")


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The same file under another name, which takes no room; a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
