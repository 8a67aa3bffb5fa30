"""A revision: ``config.json`` under its names of now, this package's code, a new manifest; the weights stay.

The code that the revision brought is not run. Whether it computed the same as this package's is not compared here;
`tests/test_convert.py` shows it for what this project wrote.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from babylm import files, revisions
from babylm.conversion import settings
from babylm.conversion.changes import Changes, link_or_copy


def is_ours(folder: Path) -> bool:
    """Whether a folder holds a model of this package, of any version."""
    content = _config(folder)
    return content is not None and content.get("model_type") == revisions.MODEL_TYPE


def is_old(folder: Path) -> bool:
    """Whether ``config.json`` has a key under its old name."""
    return is_ours(folder) and bool(settings.REVISION_KEYS.keys() & (_config(folder) or {}).keys())


def convert(folder: Path, changes: Changes) -> None:
    """Bring one revision over; nothing happens to one that is new, and a damaged one is refused."""
    if not is_old(folder):
        return
    problems = revisions.find_damage(folder)
    of_weights = [problem for problem in problems if problem.startswith(f"{folder / revisions.WEIGHTS}: ")]
    accepting = bool(problems) and problems == of_weights and changes.accept_weights
    if problems and not accepting:
        remedy = "restore it from a copy"
        if problems == of_weights and (folder / revisions.WEIGHTS).is_file():
            remedy += ", or seal the weights that are there, if they fit the model: accept_weights=true"
        changes.refuse(f"{folder}: damaged: {problems[0]}; {remedy}")
        return
    try:
        config = config_json(files.read_json(folder / revisions.CONFIG))
        _check_weights(folder / revisions.WEIGHTS, config, finite=accepting)
    except ValueError as error:
        changes.refuse(f"{folder}: {error}")
        return
    what = "config.json, code and manifest"
    if accepting:
        what += f"; weights sealed as they are, which is not as they were written ({of_weights[0].rpartition(': ')[2]})"
    changes.change(f"{folder}: {what}", lambda: _rewrite(folder, config, accepting))


def config_json(old: dict[str, Any]) -> dict[str, Any]:
    """The content of ``config.json`` under its names of now, sorted as it is written today.

    Raises:
        ValueError: the model of this package has no such shape or choice.
    """
    from babylm.models.configuration_babylm import AUTO_MAP, BabyLMConfig

    new = settings.model(old, settings.REVISION_KEYS)
    BabyLMConfig(**{key: value for key, value in new.items() if key not in ("auto_map", "torch_dtype", "dtype")})
    last = ("architectures", "torch_dtype", "tokenizer_class")
    new = {**new, "auto_map": dict(AUTO_MAP), "tokenizer_class": "PreTrainedTokenizerFast"}
    return {key: new[key] for key in [*sorted(new.keys() - set(last)), *(key for key in last if key in new)]}


def _check_weights(file: Path, config: dict[str, Any], *, finite: bool) -> None:
    """``ValueError`` unless the tensors in ``file`` have the names and shapes of the model, and are ``finite``."""
    import torch
    from safetensors import SafetensorError, safe_open

    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    with torch.device("meta"):
        model = BabyLMForCausalLM(BabyLMConfig(**config))
    expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    try:
        with safe_open(file, framework="pt") as stored:
            shapes = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
            broken = [name for name in shapes if finite and not torch.isfinite(stored.get_tensor(name)).all()]
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{revisions.WEIGHTS} cannot be read: {error}") from None
    differing = sorted(name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name))
    if differing:
        name = differing[0]
        has, needs = shapes.get(name, "nothing"), expected.get(name, "nothing")
        raise ValueError(f"its weights do not fit the model: {name} is {has}, the model has {needs}")
    if broken:
        raise ValueError(f"{broken[0]} in {revisions.WEIGHTS} is not finite")


def _rewrite(folder: Path, config: dict[str, Any], accepting: bool) -> None:
    entries = revisions.read_manifest(folder)
    with files.atomic_folder(folder.resolve()) as work:  # a link to another disk stays one
        replaced = {name for name in entries if name.endswith(".py")} | {revisions.CONFIG, files.MANIFEST}
        for path in folder.iterdir():
            if path.name in replaced:
                continue
            if path.is_dir() and not path.is_symlink():  # results may be in it
                shutil.copytree(path, work / path.name, symlinks=True, copy_function=link_or_copy)
            else:
                link_or_copy(path, work / path.name)
        files.write_json(work / revisions.CONFIG, config)
        for name, file in revisions.code_files().items():
            shutil.copyfile(file, work / name)
        if accepting:
            described = files.read_json(work / revisions.FACTS)
            described["weights_sha256"] = files.sha256_file(work / revisions.WEIGHTS)
            files.write_json(work / revisions.FACTS, described)
        sealed = (set(entries) - replaced) | {revisions.CONFIG, *revisions.code_files()}
        written = {name: work / name for name in sorted(sealed)}
        manifest = {
            name: {"bytes": file.stat().st_size, "sha256": files.sha256_file(file)} for name, file in written.items()
        }
        files.write_json(work / files.MANIFEST, {"files": manifest})


def _config(folder: Path) -> dict[str, Any] | None:
    try:
        return files.read_json(folder / revisions.CONFIG)
    except files.DamagedFile:
        return None
