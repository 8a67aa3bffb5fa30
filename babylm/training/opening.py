"""A run's folder before the first step: is this the same run, may it continue, is there room for it."""

from __future__ import annotations

from typing import Any

from babylm import config as configuration
from babylm import console, environment, files, folders, run_folder, tracks
from babylm.batches.feed import Feed
from babylm.config.schema import Config
from babylm.training import checkpoint, extension
from babylm.training.initial_weights import InitialWeights

NOT_IDENTITY = ("submission", "interaction", "checkpoints", "name", "training", "evaluation", "logging")
"""Sections that do not change what is learnt (but for training.precision, .attention and .deterministic)."""
CORPUS_PATHS = ("path", "prepared", "dev", "test", "hub_dataset")
"""Where text is found does not change what is learnt: the fingerprint identifies the training text."""
NEWER = {"documents": "blocks", "rows": "anywhere", "turns": 3, "lines": 1}
"""Settings of corpus and interaction that older runs lack, with what they did (or could not do): named only if they say
something else."""
NOT_LEARNT_FROM = {"endpoint": ("url", "key_variable", "timeout", "retries", "concurrency"), "teaching": ("cache",)}
"""Settings of an interaction that say how a teacher is reached, not what it is asked: a server may move."""


def identity(
    config: Config, fingerprint: str, initial_sha256: str | None = None, interaction: bool = False
) -> dict[str, Any]:
    """What must be equal for a run to be continued, as flat keys; of an interaction its section too."""
    sections = configuration.as_dict(config)
    parts = {key: value for key, value in sections.items() if key not in NOT_IDENTITY}
    parts["corpus"] = {k: v for k, v in _older(parts["corpus"]).items() if k not in CORPUS_PATHS}
    parts["training"] = {k: sections["training"][k] for k in ("precision", "attention", "deterministic")}
    if interaction:
        parts["interaction"] = {
            key: {k: v for k, v in value.items() if k not in NOT_LEARNT_FROM[key]} if key in NOT_LEARNT_FROM else value
            for key, value in _older(sections["interaction"]).items()
        }
    flat = {}
    for section, value in parts.items():
        if isinstance(value, dict):
            flat.update({f"{section}.{key}": inner for key, inner in value.items()})
        else:
            flat[section] = value
    if initial_sha256 is not None:
        flat["init_from"] = initial_sha256  # not where the weights are, but what they are
    else:
        flat.pop("init_from")
    return {**flat, "corpus fingerprint": fingerprint}


def _older(section: dict[str, Any]) -> dict[str, Any]:
    """A section without the settings of `NEWER` that say what older runs did."""
    return {
        key: _older(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if key not in NEWER or NEWER[key] != value
    }


def check_words_before(track: str, initial: InitialWeights | None, words: int) -> None:
    """Raise ValueError if the words that the initial weights have read break the track's budget."""
    limit = tracks.TRACKS[track].exposure_words
    if initial is None or initial.words is None or limit is None or initial.words + words <= limit:
        return
    raise ValueError(
        f"budget: {initial.words:,} words that init_from has read and {words:,} of this run are "
        f"{initial.words + words - limit:,} more than the {limit:,} that track {track} allows; lower the "
        "budget, or choose track=free for a run outside the challenge"
    )


def check_disk(folder: run_folder.RunFolder, needed: int) -> None:
    """Raise ValueError if the disk has no room for ``needed`` bytes."""
    free = folders.free_bytes(folder.path)
    if needed > free:
        raise ValueError(f"{folder.path}: the run needs {console.size(needed)} of disk, {console.size(free)} are free")


def open_folder(
    config: Config,
    folder: run_folder.RunFolder,
    same: dict[str, Any],
    earlier: list[int],
    words: int | None,
    choices: dict[str, str] | None,
    log: console.Log,
) -> bool:
    """Make the run's folder, or check that it holds this run; returns whether it existed.

    ``same``: the identity; ``earlier``: budgets before this one, of a run made longer to ``words``; ``choices``: what a
    new run decided by its host.
    """
    if folder.known and earlier and files.read_json(folder.identity).get(extension.EARLIER) != earlier:
        assert words is not None
        log(extension.describe(earlier, words))
        folder.extend(configuration.dump(config), same)
    existed = folder.open(configuration.dump(config), same, choices)
    log.attach(folder.log)
    return existed


def load_state(config: Config, folder: run_folder.RunFolder, feed: Feed, log: console.Log) -> dict[str, Any] | None:
    """The last state of a run that is continued; None, with a line in the log, if it has none."""
    saved = checkpoint.load(folder.path, log.warn)
    if saved is None:
        log("no saved state: starting from step 0")
        return None
    feed.load_state_dict(saved.get("feed", {}))
    _warn_of_changes(config, feed, folder, saved["step"], log)
    return saved


def _warn_of_changes(config: Config, feed: Feed, folder: run_folder.RunFolder, step: int, log: console.Log) -> None:
    """Say what makes a run continued after ``step`` differ from an uninterrupted one: other code, lost revisions."""
    recorded = folder.environment()
    if recorded and recorded.get("code") != (now := environment.code_revision()):
        was = recorded.get("code")
        log.warn(f"code was {was}, now {now}: the run may end at another model than either alone")
    due = [m.name for before in range(step) for m in feed.due(before)] if config.training.revisions == "all" else []
    lost = [name for name in due if not (folder.path / name / files.MANIFEST).exists()]
    if lost:
        log.warn(f"revisions due before step {step:,} are missing and will not be made again: {', '.join(lost)}")
