"""One file adds an objective, an optimizer, a task or a cleaner: trained, counted, logged, scored, reported, packed."""

from __future__ import annotations

import json

import pytest

from babylm import api, cli, config, evaluate, registry, report, submit, train
from babylm.config import manual, schema
from babylm.runs import Run
from tests.training import runs

OBJECTIVE = '''
"""Next-token prediction of every second position."""
from dataclasses import dataclass
from babylm.config.fields import number
from babylm.config.schema import ObjectiveConfig
from babylm.objectives import Objective
from babylm.objectives._modes import Causal


@dataclass
class Settings(ObjectiveConfig):
    """Its settings."""

    share: float = number(0.5, "(0, 1]")
    """Share of the positions that are predicted."""

    def head_fraction(self, progress):
        return self.share


class Sparse(Causal):
    metric_names = ("sparse",)

    def corrupt(self, batch, uniforms, progress):
        made = super().corrupt(batch, uniforms, progress)
        made.weights[:: round(1 / self.config.share)] = 0
        return made


def build(settings, special):
    return Sparse(settings, special)
'''
OPTIMIZER = '''
"""Plain gradient descent."""
from torch.optim import SGD


def build(config, named_parameters):
    parameters = [parameter for _, parameter in named_parameters if parameter.requires_grad]
    return SGD([{"params": parameters, "lr": config.lr, "base_lr": config.lr}], lr=config.lr)
'''
TASK = '''
"""Which of two spellings is more probable."""
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks._multiple_choice import ChoiceTask


def items(data, limit=None, *, suite="fast", rules=2026):
    pairs = [("THE DOG SEES A BALL .", "the dog sees a ball ."), ("MY FRIEND HAS IT .", "my friend has it .")]
    return [Item("letters", pair, pair) for pair in pairs][:limit]


TASK = ChoiceTask(name="capitals", version=1, chance=0.5, title="Capital letters", read=items)
'''
CLEANER = '''
"""Shouts."""


def clean(text):
    return text.upper()
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A folder of plug-ins, added for one test."""
    monkeypatch.setattr(registry, "_ADDED", {folder: {} for folder in registry.FOLDERS})
    for name, text in (
        ("objectives/sparse", OBJECTIVE),
        ("optimizers/plain_sgd", OPTIMIZER),
        ("corpora/cleaners/shout", CLEANER),
        ("evaluation/tasks/capitals", TASK),
    ):
        file = tmp_path / "plugins" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "plugins"


def test_one_file_each_goes_through_everything(added, tmp_path, capsys):
    """Planned, trained, logged, scored, reported and packed with plug-ins, through the commands."""
    made = runs.make(tmp_path)
    plugins = ["--plugins", str(added)]
    words = [
        *plugins,
        str(tmp_path / "run.yaml"),
        f"corpus.path={made.corpus.path}",
        f"corpus.prepared={made.corpus.prepared}",
        f"checkpoints={made.checkpoints}",
        f"corpus.dev={tmp_path}/held",
        "corpus.cleaning=[shout]",
        "objective={name: sparse, share: 0.5}",
        "optimizer={name: plain_sgd, lr: 0.1}",
        "evaluation={held_out_loss_when: end, tasks: [capitals], when: end}",
    ]
    (tmp_path / "held").write_text(runs.sentences(40))
    assert cli.config_command("", train.main, words) == 0
    folder = tmp_path / "checkpoints" / "run"
    run = Run(folder)
    assert (run.config.objective.share, run.config.optimizer.name) == (0.5, "plain_sgd")
    line = run.metrics[0]
    assert {"sparse", "loss"} <= line.keys()
    assert not {"causal", "masked"} & line.keys()
    assert any("dev/sparse" in line for line in run.metrics)
    log = (folder / "log.txt").read_text()
    assert "   sparse" in log
    assert "capitals" in log
    # Half of the positions have logits, so the plan counts fewer FLOPs than with all of them.
    capsys.readouterr()
    whole = runs.make(
        tmp_path,
        "corpus.cleaning=[shout]",
        "objective={name: sparse, share: 1.0}",
        "name=whole",
        "training.dry_run=true",
    )
    assert train.main(whole) == 0
    assert f"{run.plan['flops']:.3g} FLOPs" not in capsys.readouterr().out
    merges = json.dumps(json.loads((folder / "main" / "tokenizer.json").read_text())["model"]["merges"])
    assert "T" in merges
    assert "t" not in merges, "the cleaner made capitals of all letters"

    assert evaluate._command([*plugins, str(folder), "tasks=capitals"]) == 0
    assert "capitals" in capsys.readouterr().out
    assert report._command([*plugins, str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "Capital letters" in page
    assert "sparse" in page
    assert submit._command([*plugins, str(folder), "incomplete=true", "load=false"]) == 0
    assert "sparse" in next((folder / "submission").rglob("README.md")).read_text()


def test_without_its_plugin_a_run_says_what_is_missing(added, tmp_path, monkeypatch, capsys):
    registry.add(added)
    made = runs.make(tmp_path, "objective.name=sparse")
    assert train.main(made) == 0
    monkeypatch.setattr(registry, "_ADDED", {folder: {} for folder in registry.FOLDERS})
    assert evaluate._command([str(tmp_path / "checkpoints/run"), "tasks=toy_pairs"]) == 2
    assert "objective.name: unknown value 'sparse'" in capsys.readouterr().err


def test_settings_of_a_plugin_are_checked_and_listed(added, tmp_path):
    registry.add(added)
    runs.make(tmp_path)
    with pytest.raises(ValueError, match=r"objective.share: must be at most 1, not 2"):
        runs.make(tmp_path, "objective={name: sparse, share: 2}")
    with pytest.raises(ValueError, match=r"did you mean objective.share\?"):
        runs.make(tmp_path, "objective={name: sparse, shar: 0.2}")
    assert "objective.share=0.5" in manual.describe(schema.Config)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "--plugins: no folder or file"),
        ("empty", r"has no \*.py file in objectives/"),
        ("mine.py", r"must be a \*.py file in a folder named objectives"),
        ("taken", "objectives has a plug-in causal already"),
    ],
)
def test_a_wrong_path_says_what_is_expected(tmp_path, path, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.py").touch()
    (tmp_path / "taken" / "objectives").mkdir(parents=True)
    (tmp_path / "taken" / "objectives" / "causal.py").touch()
    with pytest.raises(ValueError, match=message):
        registry.add(tmp_path / path)


def test_no_key_of_a_configuration_adds_code(added, tmp_path):
    runs.make(tmp_path)
    for key in ("plugins", "objective.plugins", "training.plugins"):
        with pytest.raises(config.ConfigError, match="unknown key"):
            config.load(tmp_path / "run.yaml", [f"{key}={added}"])


def test_plugins_come_from_installed_packages(monkeypatch, tmp_path):
    """An entry point names a module; its name is the plug-in's. The package is laid out as pip installs it."""
    info = tmp_path / "far-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[babylm.objectives]\nfar = far_module\n")
    (tmp_path / "far_module.py").write_text(OBJECTIVE)
    assert "far" not in registry.names("objectives")
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    try:
        assert "far" in registry.names("objectives")
        assert runs.make(tmp_path, "objective={name: far, share: 0.25}").objective.share == 0.25
    finally:
        registry._installed.cache_clear()


def test_the_library_takes_plugins_too(added):
    assert "objectives/sparse" in api.add_plugins(added)
