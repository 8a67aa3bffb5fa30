"""A run's folder: configuration, identity, environment, saved states, metrics; then its results and revisions.

``config.yaml`` and ``identity.json`` come last: until they are converted no command takes the run for a new one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from babylm import config as configuration
from babylm import files, run_folder, runs
from babylm.config.older import old_keys
from babylm.config.schema import Config
from babylm.conversion import results, revision, settings
from babylm.conversion.changes import Changes

OLD_GRAMMAR = "06234fc2b8e07517"
"""`babylm.corpora.toy.version` before: a hash of code whose imports have changed since, but no word that it writes."""
STATES = ("last.ckpt", "previous.ckpt")
NOT_SETTINGS = ("corpus fingerprint", "init_from", "earlier budgets")
"""Keys of ``identity.json`` that are no settings, or not the configuration's value."""


def convert(folder: Path, changes: Changes) -> None:
    """Bring a run's folder over, as far as it is not new already.

    Raises:
        ValueError: another process trains the run.
    """
    if not changes.dry_run:
        if (folder / run_folder.LOCK).is_file():
            run_folder.lock_run(folder)
        files.remove_partial(folder)
    results.convert(folder / "evaluation", changes)
    results.convert_metrics(folder / "metrics.jsonl", changes)
    for path in sorted(folder.glob("*")):
        if path.is_symlink() and not changes.dry_run:
            files.restore_replaced(path.resolve().parent)
        if path.is_dir():
            revision.convert(path, changes)
    for name in STATES:
        _convert_state(folder / name, changes)
    _convert_environment(folder / "environment.json", changes)
    _convert_settings(folder, changes)


def _convert_settings(folder: Path, changes: Changes) -> None:
    file = folder / runs.CONFIG
    try:
        content = yaml.safe_load(files.read_text(file))
    except (yaml.YAMLError, ValueError) as error:
        changes.refuse(f"{file}: {' '.join(str(error).split())}")
        return
    if not isinstance(content, dict):
        changes.refuse(f"{file}: holds no settings")
        return
    sections = settings.run(content)
    try:
        identity = _new_identity(folder / "identity.json", sections)
        config = load(sections) if _is_old(content) else None
    except ValueError as error:
        changes.refuse(f"{file}: {error}")
        return
    if config is not None:
        changes.change(f"{file}: names of settings", partial(files.write_text, file, configuration.dump(config)))
    if identity is not None:
        file = folder / "identity.json"
        changes.change(f"{file}: names of settings", partial(files.write_json, file, identity))


def load(sections: Mapping[str, Any]) -> Config:
    """The checked configuration of plain sections; ``ValueError`` for one that cannot be."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / runs.CONFIG
        file.write_text(yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True), encoding="utf-8")
        return configuration.load(file)


def _is_old(content: Mapping[str, Any]) -> bool:
    model = content.get("model") or {}
    return bool(old_keys(content)) or ("position" in model and "partial_rotary_factor" not in model)


def _new_identity(file: Path, sections: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of ``identity.json`` under its names of now; None if it has them or there is none.

    ``sections``: the configuration under its names of now, for what an identity does not have.
    """
    from babylm.training import extension, opening

    if not file.is_file():
        return None
    old = files.read_json(file, "restore it from a copy")
    flat = {key: value for key, value in old.items() if key not in NOT_SETTINGS}
    if not _is_old(settings.sections(flat)):
        return None
    config = load(settings.merged(sections, settings.run(settings.sections(flat))))
    new = opening.identity(config, _fingerprint(config, old["corpus fingerprint"]), old.get("init_from"))
    return {**new, **{key: old[key] for key in (extension.EARLIER,) if key in old}}


def _fingerprint(config: Config, old: str) -> str:
    """The corpus's fingerprint now, if its text is the bundled grammar's of `OLD_GRAMMAR`; else ``old``."""
    from babylm.corpora import build, sources, toy

    if config.corpus.source != "toy":
        return old
    parts = build.fingerprint_parts(config.corpus, config.tokenizer, sources.read(config.corpus))

    def by(version: str) -> str:
        return files.sha256_json({**parts, "corpus": {**parts["corpus"], "toy": version}})[:16]

    return by(toy.version()) if old == by(OLD_GRAMMAR) else old


def _convert_environment(file: Path, changes: Changes) -> None:
    if not file.is_file():
        return
    try:
        content: dict[str, Any] = files.read_json(file, "restore it from a copy, or remove it")
    except files.DamagedFile as error:
        changes.refuse(str(error))
        return
    backend = settings.ATTENTION.get(content.get("attention", ""))
    if backend is not None:
        changes.change(
            f"{file}: attention {backend}", partial(files.write_json, file, {**content, "attention": backend})
        )


def _convert_state(file: Path, changes: Changes) -> None:
    """The name of the attention backend in a saved state; tensors stay as they are, to the bit."""
    from babylm.training import checkpoint

    if not file.is_file():
        return
    with tempfile.TemporaryDirectory(prefix=".convert.", suffix=files.PARTIAL, dir=file.parent) as work:
        area = Path(work)
        (area / checkpoint.LAST).symlink_to(file.resolve())
        try:
            state = checkpoint.load(area, lambda reason: None)
        except ValueError:
            changes.refuse(f"{file}: cannot be read, and is passed over when the run is continued")
            return
        backend = settings.ATTENTION.get((state or {}).get("attention", ""))
        if state is None or backend is None:
            return
        (area / checkpoint.LAST).unlink()

        def rewrite() -> None:
            checkpoint.save(area, {**state, "attention": backend})
            (area / checkpoint.LAST).replace(file)

        changes.change(f"{file}: attention {backend}", rewrite)
