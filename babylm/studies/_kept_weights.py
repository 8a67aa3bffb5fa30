"""Weights that pieces of a study share: written with a checksum, read back as they were written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from babylm import files

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, CHECKSUM = "weights.safetensors", "weights.safetensors.sha256"


def write(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights and their checksum into a folder that other pieces do not read yet."""
    from safetensors.torch import save_file

    save_file({name: weight.detach().clone().contiguous() for name, weight in weights.items()}, folder / WEIGHTS)
    (folder / CHECKSUM).write_text(files.sha256_file(folder / WEIGHTS) + "\n", encoding="utf-8")


def exist(folder: Path) -> bool:
    """Whether `write` has been there."""
    return (folder / WEIGHTS).is_file()


def read(folder: Path) -> dict[str, Tensor]:
    """The weights of a folder. Those without a checksum, of an earlier version, are taken as they are.

    Raises:
        files.DamagedFile: They are not what was written.
    """
    from safetensors.torch import load_file

    checksum = folder / CHECKSUM
    if checksum.is_file() and checksum.read_text(encoding="utf-8").strip() != files.sha256_unchanged(folder / WEIGHTS):
        raise files.DamagedFile(
            f"{folder / WEIGHTS}: its content is not what was written; remove the folder {folder} and repeat the "
            "command: it is made again"
        )
    return load_file(folder / WEIGHTS)


def load_into(model: nn.Module, folder: Path) -> None:
    """Give ``model`` the weights of a folder; the copies of tied weights are absent there."""
    model.load_state_dict(read(folder), strict=False)
