"""Corpora from the Hugging Face Hub, written as ``*.train`` files into a folder; used once, when the folder is empty.

The 2026 corpora are repositories of text files, which are downloaded unchanged. A repository without such files is read
through ``datasets``, and its ``text`` rows become one file. A download is complete or absent.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from babylm import files, registry
from babylm.console import first_line

OFFICIAL = {
    "2026-strict": "BabyLM-community/BabyLM-2026-Strict",
    "2026-strict-small": "BabyLM-community/BabyLM-2026-Strict-Small",
}
"""Official corpora by our short names."""
BY_HAND = {
    "2025-strict": "the 100M-word training text",
    "2025-strict-small": "the 10M-word training text",
}
"""Official corpora that we know only as archives of the Open Science Framework (project ryjfm)."""


def download(name: str | None, folder: Path) -> None:
    """Fill ``folder`` with the files of an official corpus or of a Hub dataset ``owner/name``.

    ``ValueError`` for an unknown name, and with the files to put there by hand when the Hub cannot be reached.
    """
    repository = _repository(name, folder)
    try:
        _fetch(repository, folder)
    except Exception as error:  # offline, the libraries raise errors of three different network libraries
        raise ValueError(
            f"corpus.hub_dataset: cannot download {repository} ({first_line(error)}). Without network, put its "
            f"*.train files into {folder} by hand: https://huggingface.co/datasets/{repository}"
        ) from error


def _repository(name: str | None, folder: Path) -> str:
    if name is None:
        raise ValueError(f"corpus.hub_dataset: name a dataset ({', '.join(OFFICIAL)} or owner/name) to fill {folder}")
    if name in BY_HAND:
        raise ValueError(
            f"corpus.hub_dataset: {name} is no Hub dataset; download {BY_HAND[name]} from https://osf.io/ryjfm and "
            f"put its *.train files into {folder}"
        )
    return name if "/" in name else OFFICIAL[registry.check(name, OFFICIAL, "corpus.hub_dataset")]


def _fetch(repository: str, folder: Path) -> None:
    import huggingface_hub

    # dataset_info asks once; the listing calls try for half a minute before they say that there is no network.
    info = huggingface_hub.HfApi().dataset_info(repository, timeout=20)
    names = [sibling.rfilename for sibling in info.siblings or ()]
    texts = [name for name in names if name.endswith((".train", ".train.txt"))]
    if not texts:
        _write_rows(repository, folder)
        return
    for name in texts:
        cached = huggingface_hub.hf_hub_download(repository, name, repo_type="dataset", revision=info.sha)
        with open(cached, "rb") as source, files.atomic_file(folder / Path(name).name) as target:
            shutil.copyfileobj(source, target)


def _write_rows(repository: str, folder: Path) -> None:
    """The ``text`` rows of the training split as one file; a row that spans lines is one document."""
    import datasets

    rows: Any = datasets.load_dataset(repository, split="train", streaming=True)
    with files.atomic_file(folder / f"{repository.rpartition('/')[2]}.train", "w") as file:
        for row in rows:
            if "text" not in row:
                raise ValueError(f"{repository} has no column 'text', only {', '.join(map(str, row))}")
            text = str(row["text"]).rstrip("\n")
            file.write(f"{text}\n\n" if "\n" in text else f"{text}\n")
