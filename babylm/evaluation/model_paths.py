"""What is evaluated: a run's revisions, one model folder, or a model of the Hugging Face Hub.

A Hub model is made to look like a run: its files stay in the Hub's own cache, and ``evaluation/<name>/models`` holds a
link to each revision that was asked for, so that its results lie in ``evaluation/<name>/<revision>``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from babylm import places, registry
from babylm.config.schema import Config, EvaluationConfig
from babylm.console import first_line
from babylm.evaluation.scoring import weight_files
from babylm.revisions import revision_names
from babylm.runs import Run

HUB = re.compile(r"(?P<model>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
RESULTS = Path("evaluation")
"""Where results of Hub models go, in the working directory."""
WEIGHTS = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)")
KINDS = (".safetensors", ".bin")
"""The first kind that is there is taken."""
READ = (".json", ".txt", ".py", ".model", ".jinja")
"""Files of a Hub model that are read beside its weights."""


def check(target: str) -> None:
    """``ValueError`` where ``target`` can be neither a model's folder nor a model of the Hub."""
    folder = places.given(target)
    if folder.is_dir():
        if not (folder / "config.yaml").is_file():
            revisions(folder, ())
    elif _hub(target) is None or Path("checkpoints", target).is_dir():
        raise ValueError(places.no_folder(folder))


def _hub(target: str) -> re.Match[str] | None:
    """``owner/name@revision``, unless a misspelt folder is likelier."""
    parts = places.given(target).parts
    beside = len(parts) > 1 and places.given(target).parent.is_dir()
    if beside or parts[:1] == ("checkpoints",) or Path(target).suffix in (".yaml", ".yml"):
        return None
    return HUB.fullmatch(target)


def find(target: str, names: Sequence[str] = ()) -> tuple[list[Path], Path]:
    """The model folders of ``target`` and the folder of their results.

    ``target``: a folder, or ``owner/name`` or ``owner/name@revision`` on the Hub; ``names``: revisions, none for all
    (of a Hub model: ``main``).
    """
    folder = places.given(target)
    if folder.is_dir():
        return revisions(folder, names), folder / "evaluation"
    if folder.is_file():
        raise ValueError(f"{folder} is a file: give the model's folder ({folder.parent})")
    hub = _hub(target)
    if hub is None:
        raise ValueError(places.no_folder(folder))
    results = RESULTS / hub["model"].replace("/", "_")
    wanted = list(names) or [hub["revision"] or "main"]
    return [_linked(results / "models" / name.replace("/", "_"), hub["model"], name) for name in wanted], results


def revisions(folder: Path, names: Sequence[str]) -> list[Path]:
    """The model folders: those named, else all of a run by words, ``main`` last, else the folder itself."""
    found = {name: folder / name for name in revision_names(folder)}
    if not found and not names and (folder / "config.json").is_file():
        return [folder]
    if names:
        return [found[registry.check(name, found, "revisions")] for name in names]
    if not found:
        form = weight_files.other_form(folder)
        raise ValueError(
            f"{folder} holds neither a model nor revisions (folders with a config.json){f'; {form}' if form else ''}"
        )
    return list(found.values())


def part(models: Sequence[Path], which: str) -> list[Path]:
    """Of ``models`` those with the numbers i, i + n, i + 2n, ..., for ``which`` as ``i/n``; i from 0 to n - 1."""
    found = re.fullmatch(r"(\d+)/(\d+)", which)
    if found is None or int(found[1]) >= int(found[2]):
        raise ValueError(f"part={which}: give i/n with i from 0 to n - 1, for example part=0/4 to part=3/4")
    return list(models)[int(found[1]) :: int(found[2])]


def defaults(folder: Path) -> tuple[EvaluationConfig, str, int]:
    """The evaluation section of a run, its way of scoring, and its rules; without a run, the defaults and ``auto``."""
    file = folder / "config.yaml"
    if not file.is_file():
        return EvaluationConfig(), "auto", Config().rules
    run = Run(folder)
    return run.config.evaluation, run.backend, run.rules


def needed(names: Sequence[str]) -> list[str]:
    """Of a Hub model's files those that are read: its weights in one file or in shards, with what is read beside them.

    Pickles only where there are no safetensors; neither other formats nor other precisions of the same weights.
    """
    here = [name for name in names if "/" not in name]
    kinds = [[name for name in here if WEIGHTS.fullmatch(name) and name.endswith(kind)] for kind in KINDS]
    weights = next((kind for kind in kinds if kind), [])
    return [name for name in here if name.endswith(READ)] + weights


def _linked(link: Path, model: str, revision: str) -> Path:
    snapshot = _snapshot(model, revision)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(snapshot.resolve(), target_is_directory=True)
    return link


def _snapshot(model: str, revision: str) -> Path:
    """The folder of a Hub model in the Hub's cache, downloaded where it is not there."""
    import huggingface_hub
    from huggingface_hub import constants

    wanted, reason = None, "HF_HUB_OFFLINE is set"
    if not constants.HF_HUB_OFFLINE:
        try:
            info = huggingface_hub.HfApi().model_info(model, revision=revision, timeout=20)
        except Exception as error:  # offline, the libraries raise errors of three different network libraries
            reason = first_line(error)
        else:
            wanted = needed([sibling.rfilename for sibling in info.siblings or ()])
    try:
        folder = huggingface_hub.snapshot_download(
            model, revision=revision, allow_patterns=wanted, local_files_only=wanted is None
        )
    except Exception as error:  # as above
        raise ValueError(
            f"no folder {model}, and no such model was had from the Hugging Face Hub "
            f"({first_line(error) if wanted else reason}). Without network, download "
            f"https://huggingface.co/{model} (revision {revision}) elsewhere and give its folder"
        ) from None
    return Path(folder)
