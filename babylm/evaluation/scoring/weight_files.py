"""The weight files of a model's folder, one or several with an index, checked without loading them.

A missing or cut file is named before torch reads gigabytes, or transformers fills the gap with random numbers.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from babylm import files

WHOLE = ("model.safetensors", "pytorch_model.bin")
INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""As transformers chooses: safetensors before pickles, one file before shards."""
OTHER = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax", "model.ckpt.index": "TensorFlow"}
LONGEST_HEADER = 100 * 2**20
"""Bytes; the limit of the safetensors library."""
LFS = b"version https://git-lfs"
AGAIN = "download or save the model again"


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights, an index first if there is one; ``ValueError`` if any is missing or cut."""
    for whole, index in zip(WHOLE, INDEX, strict=True):
        if (folder / whole).is_file():
            return [_checked(folder / whole)]
        if (folder / index).is_file():
            return [folder / index, *(_checked(file) for file in _shards(folder / index))]
    names = ", ".join((*WHOLE, *INDEX))
    remedy = other_form(folder) or AGAIN
    raise ValueError(f"{folder} has no weights that torch reads ({names}); {remedy}")


def other_form(folder: Path) -> str:
    """What a folder without weights holds instead, and what to do; empty if unknown."""
    if (folder / "adapter_config.json").is_file():
        return "it holds a LoRA adapter: merge it into its base model (peft: merge_and_unload) and save that"
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.suffix == ".gguf":
            return f"it holds weights for llama.cpp ({file.name}): take the model's safetensors, or convert them back"
        if file.name in OTHER:
            return f"it holds weights for {OTHER[file.name]} alone ({file.name}): convert them to safetensors"
    if (folder / "tokenizer.json").is_file() and not (folder / "config.json").is_file():
        return "it holds a tokenizer alone"
    return ""


def sha256(folder: Path) -> str:
    """Hash of the weights: a single file's own; of shards, of the index and of each shard."""
    hashes = [files.sha256_file(file) for file in weight_files(folder)]
    return hashes[0] if len(hashes) == 1 else files.sha256_json(hashes)


def _shards(index: Path) -> list[Path]:
    by_weight = files.read_json(index, AGAIN).get("weight_map")
    if not isinstance(by_weight, dict) or not by_weight:
        raise files.DamagedFile(f"{index}: has no weight_map; {AGAIN}")
    names = sorted({str(name) for name in by_weight.values()})
    strange = [name for name in names if Path(name).name != name]
    if strange:
        raise files.DamagedFile(f"{index}: {strange[0]!r} is no file beside it; {AGAIN}")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ValueError(
            f"{index.parent} lacks {len(missing)} of {len(names)} shards: {', '.join(missing[:3])}; {AGAIN}"
        )
    return [index.parent / name for name in names]


def _checked(file: Path) -> Path:
    """``file``, after its length was compared with its header."""
    size = os.path.getsize(file)
    with open(file, "rb") as opened:
        if opened.read(len(LFS)) == LFS:
            raise files.DamagedFile(f"{file}: only a pointer of Git LFS; git lfs pull brings the weights")
    if file.suffix != ".safetensors":
        with open(file, "rb") as opened:
            begin = opened.read(2)
        # torch.save writes zip archives, whose directory is at the end; before torch 1.6 it wrote plain pickles.
        if not size or (begin == b"PK" and not zipfile.is_zipfile(file)):
            raise files.DamagedFile(f"{file}: cut or empty ({size:,} bytes); {AGAIN}")
        return file
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length) if size >= 8 and length <= min(size, LONGEST_HEADER) else b""
    try:
        tensors = json.loads(header)
        ends = [tensors[name]["data_offsets"][1] for name in tensors if name != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError):
        raise files.DamagedFile(f"{file}: its header is damaged ({size:,} bytes); {AGAIN}") from None
    if size != expected:
        raise files.DamagedFile(f"{file}: {size:,} bytes, and its header says {expected:,}; {AGAIN}")
    return file
