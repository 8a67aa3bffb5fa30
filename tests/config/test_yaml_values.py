"""Text is taken as it is written, and what YAML 1.1 would misread is refused."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from babylm import config
from babylm.config import studies
from tests.conftest import ROOT


@pytest.fixture
def smoke():
    return ROOT / "configs" / "smoke.yaml"


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("name=010", "name", "010"),
        ("name=no", "name", "no"),
        ("name=1_000", "name", "1_000"),
        ("name=1e5", "name", "1e5"),
        ("corpus.path=010", "corpus.path", "010"),
        ("corpus.path=2024-01-01", "corpus.path", "2024-01-01"),
        ("corpus.cleaning=[strip_chat]", "corpus.cleaning", ["strip_chat"]),
        ("corpus.dev=null", "corpus.dev", None),
        ("seed=16_384", "seed", 16384),
        ("corpus.path=${name}", "corpus.path", "smoke"),
    ],
)
@pytest.mark.parametrize("where", ["file", "command line"])
def test_a_text_is_taken_as_it_is_written(smoke, tmp_path, word, key, value, where):
    """YAML 1.1 reads 010 as 8, no as false, 1_000 as 1000."""
    if where == "file":
        section, _, last = key.rpartition(".")
        written = f"{last}: {word.partition('=')[2]}  # so"
        path = tmp_path / "x.yaml"
        path.write_text(f"base: {smoke}\n{section}:\n  {written}\n" if section else f"base: {smoke}\n{written}\n")
        loaded = config.load(path)
    else:
        loaded = config.load(smoke, [word])
    assert OmegaConf.select(OmegaConf.structured(loaded), key) == value


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("seed", "010", "seed: 010: write a number in decimals"),
        ("seed", "008", "seed: 008: write a number in decimals"),
        ("seed", "1:30", "seed: 1:30: write a number in decimals"),
        ("seed", "0x1F", "seed: 0x1F: write a number in decimals"),
        ("optimizer.lr", "1:30", "optimizer.lr: 1:30: write"),
        ("milestones", "[1000, 0200]", r"milestones\[1\]: 0200: write"),
        ("training.dry_run", "2", "training.dry_run: must be true or false, not 2"),
        ("seed", "???", r"seed: \?\?\? marks a missing value"),
        ("corpus.path", "???", r"corpus.path: \?\?\? marks a missing value"),
        ("corpus", "[]", "corpus: must hold keys and values, not a list"),
    ],
)
@pytest.mark.parametrize("where", ["file", "command line"])
def test_what_yaml_would_misread_is_refused(smoke, tmp_path, key, text, message, where):
    path, words = smoke, [f"{key}={text}"]
    if where == "file":
        section, _, last = key.rpartition(".")
        path, words = tmp_path / "x.yaml", []
        path.write_text(f"base: {smoke}\n{section}:\n  {last}: {text}\n" if section else f"{last}: {text}\n")
    with pytest.raises(ValueError, match=message):
        config.load(path, words)


def test_text_of_a_study_is_taken_as_it_is_written(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: interaction_methods\nname: 007\ntext: 010\nseeds: [1]\n")
    settings = studies.load_study(path)
    assert (settings.name, settings.text) == ("007", "010")
    path.write_text("study: interaction_methods\nseeds: [01]\n")
    with pytest.raises(ValueError, match=r"seeds\[0\]: 01: write a number in decimals"):
        studies.load_study(path)
