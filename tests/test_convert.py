"""Runs of the version before are brought over: everything loads, reads and continues to the same bits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest
import torch

from babylm import config as configuration
from babylm import convert, evaluate, files, report, revisions, train
from babylm.conversion import folders, results, run
from babylm.corpora import build, sources, toy
from babylm.evaluation.results import store
from babylm.runs import Run
from babylm.training.module import Pretraining
from tests import older_runs
from tests.commands import ROOT
from tests.training import runs

OPTIONS = ("training.attention=eager", "evaluation.tasks=[toy_pairs]", "evaluation.when=end", "name=run")


@pytest.fixture(scope="module", autouse=True)
def _few_pairs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "minimal_pairs", partial(toy.minimal_pairs, count=5))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished and scored run of this version; read, never written to."""
    torch.set_num_threads(1)
    folder = runs.run(tmp_path_factory.mktemp("whole"), *OPTIONS)
    assert evaluate._command([str(folder)]) == 0
    return folder


@pytest.fixture
def old(whole, tmp_path):
    """A copy of it as the version before would have written it."""
    return older_runs.write_back(shutil.copytree(whole, tmp_path / "checkpoints" / "run"))


def content(folder):
    """Relative path -> bytes of every file, but for locks and for what a saved state's archive looks like."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.suffix != ".ckpt"
    }


def command(capsys, *words):
    code = convert._command([str(word) for word in words])
    return code, "".join(capsys.readouterr())


def test_everything_is_as_this_version_writes_it(whole, old, capsys):
    before = content(old)
    code, said = command(capsys, old)
    assert code == 0, said
    assert "identity.json" in said
    new, expected = content(old), content(whole)
    assert new.keys() == expected.keys()
    assert {name for name in new if new[name] != expected[name]} == set()
    states = [torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, old)]
    assert runs.digest({k: v for k, v in states[0].items() if k != "feed"}) == runs.digest(states[1])
    for name in revisions.revision_names(old):
        assert revisions.verify(old / name) == []
        assert revisions.find_foreign_code(old / name) == []
    assert before.keys() != new.keys()

    inodes = {path: path.stat().st_ino for path in old.rglob("*")}
    code, said = command(capsys, old)
    assert (code, "nothing to do" in said) == (0, True)
    assert {path: path.stat().st_ino for path in old.rglob("*")} == inodes


def test_it_loads_scores_and_reports_without_computing_again(whole, old, capsys, monkeypatch):
    assert command(capsys, old)[0] == 0
    model, tokenizer = revisions.load(old / "main")
    expected, _ = revisions.load(whole / "main")
    tokens = torch.tensor([tokenizer("the dog sees a ball .")["input_ids"]])
    assert torch.equal(model(tokens).logits, expected(tokens).logits)

    from babylm.evaluation import score_model

    monkeypatch.setattr(score_model, "_scored_and_stored", lambda *arguments: pytest.fail("scored again"))
    assert evaluate._command([str(old)]) == 0
    assert [r.content for r in Run(old).last_results] == [r.content for r in Run(whole).last_results]
    assert report._command([str(old)]) == 0


def test_a_stopped_run_continues_to_the_same_bits(whole, tmp_path, monkeypatch, capsys):
    made = runs.make(tmp_path, *OPTIONS)
    original = Pretraining.training_step

    def stopping(self, batch, batch_idx=0):
        if self.completed == 9:
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "training_step", stopping)
        assert train.main(made) == train.EXIT_STOPPED
    folder = older_runs.write_back(tmp_path / "checkpoints" / "run")
    with pytest.raises(ValueError, match=rf"python -m babylm\.convert {folder} brings it over"):
        train.main(made)
    assert command(capsys, folder)[0] == 0
    assert train.main(made) == 0
    assert runs.digest(runs.state(folder)) == runs.digest(runs.state(whole))
    hashes = [revisions.facts(path / "main")["weights_sha256"] for path in (folder, whole)]
    assert hashes[0] == hashes[1]


def test_reading_an_old_run_names_the_command(old, capsys):
    for program in (evaluate._command, report._command):
        assert program([str(old)]) == 2
        assert f"python -m babylm.convert {old} brings it over" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"python -m babylm\.convert FOLDER brings it over"):
        revisions.load(old / "main")
    [file] = (old / "evaluation" / "main").glob("*.json")
    with pytest.raises(files.DamagedFile, match=r"python -m babylm\.convert FOLDER brings it over"):
        store.load(file)


def test_a_kill_anywhere_leaves_each_part_old_or_new_and_repeating_finishes(whole, old, monkeypatch, capsys):
    """Every seventh system call that changes a name is the last one, in turn; all of them were tried once."""
    expected, start = content(whole), content(old)
    shutil.copytree(old, old.parent / "start")
    shutil.rmtree(old / "chck_400")  # fewer revisions are fewer places
    shutil.rmtree(old.parent / "start" / "chck_400")

    class Killed(BaseException):
        pass

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # which is most of the time

    def dying(function, calls):
        def call(*arguments, **options):
            if calls[0] == 0:
                raise Killed
            calls[0] -= 1
            return function(*arguments, **options)

        return call

    for number in range(0, 1000, 7):
        shutil.rmtree(old)
        shutil.copytree(old.parent / "start", old)
        calls = [number]
        try:
            with monkeypatch.context() as patch:
                for name in ("replace", "link", "unlink", "rename"):
                    patch.setattr(os, name, dying(getattr(os, name), calls))
                folders.convert(old)
            break
        except Killed:
            pass
        left = content(old)
        for name, stored in left.items():
            if ".partial" not in name:
                assert stored in (start.get(name), expected.get(name)), f"{name} after {number} calls"
        for name in ("main", "chck_900"):
            folder = old / name if (old / name).is_dir() else old / f".{name}{files.REPLACED}"
            assert revisions.find_damage(folder) == []
            stems = [f"evaluation/{name}/{task}.fast.2026.causal.json" for task in ("grammar", "toy_pairs")]
            assert set(stems) & left.keys()
        assert folders.convert(old).refused == []
        new = content(old)
        assert {name for name in expected if not name.startswith("chck_400/")} == new.keys(), f"after {number} calls"
        assert all(new[name] == expected[name] for name in new), f"after {number} calls"
        assert not list(old.rglob("*.partial"))
    assert number > 20


def test_a_damaged_revision_is_left_and_named_and_the_others_are_converted(old, capsys):
    weights = old / "chck_400" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    before = content(old / "chck_400")
    code, said = command(capsys, old)
    assert code == 2
    assert f"left as it is: {old / 'chck_400'}: damaged: {weights}: its hash is not the manifest's" in said
    assert content(old / "chck_400") == before
    assert revisions.find_foreign_code(old / "main") == []
    assert "1 thing was left" in said


def test_damaged_results_are_left_and_named(old, capsys):
    [file] = (old / "evaluation" / "main").glob("*.json")
    file.write_text(file.read_text().replace('"ties": 0', '"ties": 1'))
    code, said = command(capsys, old)
    assert (code, str(file) in said, file.is_file()) == (2, True, True)


def test_weights_that_fit_are_sealed_when_the_user_says_so(old, capsys):
    from safetensors.torch import load_file, save_file

    weights = old / "main" / "model.safetensors"
    rounded = {name: tensor.bfloat16() for name, tensor in load_file(weights).items()}
    save_file(rounded, weights, metadata={"format": "pt"})
    code, said = command(capsys, old / "main")
    assert (code, "accept_weights=true" in said) == (2, True)
    code, said = command(capsys, old / "main", "accept_weights=true")
    assert (code, "sealed as they are" in said) == (0, True)
    assert revisions.verify(old / "main") == []
    assert revisions.facts(old / "main")["weights_sha256"] == files.sha256_file(weights)

    weights = old / "chck_400" / "model.safetensors"
    name = next(iter(rounded))
    save_file({**rounded, name: torch.zeros(3)}, weights, metadata={"format": "pt"})
    code, said = command(capsys, old, "accept_weights=true")
    assert (code, f"its weights do not fit the model: {name} is (3,)" in said) == (2, True)


def test_a_dry_run_changes_nothing(old, capsys):
    before = content(old)
    code, said = command(capsys, old, "dry_run=true")
    assert code == 0
    assert said.count("would convert") > 5
    assert content(old) == before
    assert not (old / ".convert").exists()


def test_a_folder_of_runs_and_a_revision_with_its_results(whole, old, capsys):
    (old.parent / ".compiled").mkdir()
    other = shutil.copytree(old, old.parent / "other")
    code, _ = command(capsys, other / "main")
    assert code == 0
    assert Run(other).model_config["prediction_mode"] == "mntp"
    assert [file.name for file in (other / "evaluation" / "main").glob("*.json")] == [
        file.name for file in (whole / "evaluation" / "main").glob("*.json")
    ]
    assert command(capsys, old.parent)[0] == 0
    assert content(old) == content(other) == content(whole)


def test_files_of_the_user_stay(old, capsys):
    (old / "main" / "notes.md").write_text("mine")
    (old / "main" / "evaluation" / "main").mkdir(parents=True)
    (old / "main" / "evaluation" / "main" / "a.txt").write_text("mine")
    assert command(capsys, old)[0] == 0
    assert (old / "main" / "notes.md").read_text() == "mine"
    assert (old / "main" / "evaluation" / "main" / "a.txt").read_text() == "mine"


def test_what_is_refused(old, tmp_path, capsys):
    foreign = tmp_path / "gpt2"
    foreign.mkdir()
    files.write_json(foreign / "config.json", {"model_type": "gpt2"})
    code, said = command(capsys, foreign)
    assert (code, said) == (2, f"error: {foreign}: not a model of babylm (see model_type in its config.json)\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is neither a run" in command(capsys, empty)[1]
    assert "no folder" in command(capsys, tmp_path / "absent")[1]
    assert "name one folder" in command(capsys, old, foreign)[1]
    assert "dry_run: unknown value" in command(capsys, old, "dry_run=yes")[1]
    program = "import sys; from babylm import run_folder as r; from pathlib import Path; "
    program += "r.lock_run(Path(sys.argv[1])); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program, old], **pipes) as other:
        other.stdout.readline()
        code, said = command(capsys, old)
        other.communicate("\n")
    assert (code, "another process is training this run" in said) == (2, True)


@pytest.mark.parametrize(
    ("task", "more", "of_parts"),
    [
        ("rte", {"settings": {}}, True),
        ("reading", {}, True),
        ("my/times.csv", {"reading_csv": {}}, True),
        ("wug_adj", {}, False),
        ("my/pairs", {}, False),
    ],
)
def test_other_parts_than_uids_have_their_own_key(task, more, of_parts):
    parts = {"f1": {"n": 1, "official": 0.5, "tie_aware": 0.5, "ties": 0}}
    converted = results.result({"task": task, "items_sha256": "", "scorer": "x", "by_uid": parts, "n": 1, **more})
    expected = ({}, parts) if of_parts else (parts, {})
    assert (converted["by_uid"], converted["by_part"], converted["backend"]) == (*expected, "x")


def test_a_run_on_the_bundled_text_keeps_its_text():
    """The text is of before, word by word, though a hash of the code that writes it names the corpus."""
    text = hashlib.sha256()
    for document in toy.write(60_000, 0):
        text.update(repr((document.source, document.text)).encode())
    assert text.hexdigest() == "d1665e0ceb67a27a2f4fd9fd3a790e4bf7dde44d6cb5e7e31e7ce69fc9206376"
    config = configuration.load(ROOT / "configs" / "smoke.yaml", ["corpus.toy.words=60000"])
    parts = build.fingerprint_parts(config.corpus, config.tokenizer, sources.read(config.corpus))
    assert run._fingerprint(config, "0642bf8c791e188f") == files.sha256_json(parts)[:16]
    assert run._fingerprint(config, "another") == "another"


def test_rotations_of_all_dimensions_keep_their_meaning(old, capsys):
    path = old / "main" / "config.json"
    described = json.loads(path.read_text())
    files.write_json(path, described | {"position": "rotary"})
    older_runs.seal(old / "main")
    text = (old / "config.yaml").read_text().replace("position: half_rotary", "position: rotary")
    (old / "config.yaml").write_text(text)
    identity = json.loads((old / "identity.json").read_text())
    files.write_json(old / "identity.json", identity | {"model.position": "rotary"})
    assert command(capsys, old)[0] == 0
    assert json.loads(path.read_text())["partial_rotary_factor"] == 1.0
    assert Run(old).config.model.partial_rotary_factor == 1.0
    assert json.loads((old / "identity.json").read_text())["model.partial_rotary_factor"] == 1.0
