"""Weights that pieces share are read as they were written, or not at all."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from babylm import files
from babylm.studies import _kept_weights


def test_a_changed_byte_is_noticed_and_older_folders_are_read(tmp_path):
    torch.manual_seed(0)
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    assert not _kept_weights.exist(tmp_path / "base")
    with files.atomic_folder(tmp_path / "base") as work:
        _kept_weights.write(work, model.state_dict())
    assert _kept_weights.exist(tmp_path / "base")
    _kept_weights.load_into(other, tmp_path / "base")
    assert torch.equal(other.weight, model.weight)

    file = tmp_path / "base" / _kept_weights.WEIGHTS
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(files.DamagedFile, match="not what was written; remove the folder"):
        _kept_weights.read(tmp_path / "base")
    (tmp_path / "base" / _kept_weights.CHECKSUM).unlink()
    assert set(_kept_weights.read(tmp_path / "base")) == {"weight", "bias"}
