"""What a student has read before its first round: the words of ``init_from`` count, and its revisions are the first.

An interaction that begins from a run of ours continues it: exposure starts at the words that those weights have read,
and the revisions that the run saved on the way belong to the package of the interaction. They are copied once, with
their stored results.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from babylm import files, places, revisions
from babylm.batches.feed import Milestone
from babylm.runs import Run


@dataclass(frozen=True)
class Base:
    """Weights to start from, and what is known of how they were trained."""

    folder: Path | None = None
    """The run that saved them; None for a lone revision or file."""
    words: int = 0
    """Words that they have read, repetitions counted; 0 if their folder does not say."""
    flops: float = 0.0
    """FLOPs of their training; 0 if it is not known."""
    corpus: str = ""
    """Fingerprint of their prepared corpus."""
    corpus_words: int = 0
    """Words of that corpus, each counted once."""
    milestones: tuple[Milestone, ...] = ()
    """The revisions that their run saved until then."""

    def unique_words(self, fingerprint: str, corpus_words: int) -> int:
        """Distinct words of the texts of base and interaction: one corpus counts once, two count both.

        >>> base = Base(corpus="a", corpus_words=100)
        >>> base.unique_words("a", 100), base.unique_words("b", 70)
        (100, 170)
        """
        return corpus_words if self.corpus == fingerprint else corpus_words + self.corpus_words


def read(init_from: str | None) -> Base:
    """What ``init_from`` (a run, a revision or a file of weights) tells; an empty `Base` without one."""
    if init_from is None:
        return Base()
    path = places.given(init_from)
    folder = path if path.is_dir() else path.parent
    folder = folder if (folder / revisions.FACTS).is_file() else folder / "main"
    if not (folder / revisions.FACTS).is_file():
        return Base()
    facts = revisions.facts(folder)
    words = int(facts.get("words") or 0)
    text = {"corpus": str(facts.get("corpus", "")), "corpus_words": int(facts.get("corpus_words") or 0)}
    if not (folder.parent / "config.yaml").is_file():
        return Base(words=words, **text)  # type: ignore[arg-type]
    run = Run(folder.parent)
    listed = run.plan.get("milestones", [])
    saved = [m for m in listed if m["words"] <= words and (run.folder / m["name"] / files.MANIFEST).is_file()]
    milestones = tuple(Milestone(m["name"], m.get("nominal", m["words"]), m["step"], m["words"]) for m in saved)
    return Base(run.folder, words, _flops(run, words), milestones=milestones, **text)  # type: ignore[arg-type]


def _flops(run: Run, words: int) -> float:
    """FLOPs until ``words`` words, by the log; all of the run's if the log does not say."""
    read_words, spent = run.series("flops")
    until = spent[read_words <= words]
    return float(until[-1]) if len(until) else float(run.plan.get("flops", 0.0))


def adopt(base: Base, names: Collection[str], folder: Path, log: Callable[[str], None]) -> None:
    """Copy the base's revisions of these names, and their results, into a run's ``folder``, unless they are there.

    Raises:
        ValueError: A revision is damaged; nothing of it is copied.
    """
    copied = []
    for milestone in base.milestones:
        if milestone.name not in names or (folder / milestone.name / files.MANIFEST).is_file():
            continue
        assert base.folder is not None
        source = base.folder / milestone.name
        if problems := revisions.verify(source) or revisions.find_private_files(source):
            raise ValueError(f"init_from: {problems[0]}; restore it, or start from the revision's folder alone")
        results = base.folder / "evaluation" / milestone.name
        if results.is_dir():
            _copy(results, folder / "evaluation" / milestone.name)
        _copy(source, folder / milestone.name)
        copied.append(milestone.name)
    if copied:
        log(f"{len(copied)} revisions of {base.folder} are the first of this run: {', '.join(copied)}")


def _copy(source: Path, target: Path) -> None:
    with files.atomic_folder(target) as work:
        shutil.copytree(source, work, dirs_exist_ok=True, ignore=_links)


def _links(folder: str, names: list[str]) -> list[str]:
    """The entries of a folder that are links: what they name is not part of it."""
    return [name for name in names if Path(folder, name).is_symlink()]
