"""``init_from``: weights of a revision or a file are what training starts from; what does not fit is named."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from babylm import revisions, train
from babylm.training import setup

from . import runs


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("base"), "budget.epochs=1")


def start(tmp_path, base, path, *more):
    """A configuration of a run that starts from ``path``, on the base's corpus and tokenizer."""
    tokenizer = base / "main" / "tokenizer.json"
    return runs.make(tmp_path, f"init_from={path}", f"tokenizer.path={tokenizer}", "budget.epochs=1", *more)


@pytest.mark.parametrize("form", ["run", "revision", "safetensors", "pickle"])
def test_training_starts_from_the_weights(tmp_path, base, form, capsys, monkeypatch):
    weights = load_file(base / "main" / "model.safetensors")
    path = {"run": base, "revision": base / "main"}.get(form, tmp_path / "weights")
    if form == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(weights, path)
    elif form == "pickle":
        path = path.with_suffix(".bin")
        torch.save(weights, path)
    begun = []
    network = setup.TrainingSetup.network
    monkeypatch.setattr(setup.TrainingSetup, "network", lambda self: (begun.append(network(self)), begun[-1])[1])
    assert train.main(start(tmp_path, base, path)) == 0
    first = dict(begun[0].named_parameters())
    assert set(first) == set(weights)
    folder = tmp_path / "checkpoints" / "run"
    facts = revisions.facts(folder / "main")["init_from"]
    words = json.loads((base / "plan.json").read_text())["words"]
    assert facts["words"] == (words if form in ("run", "revision") else None)
    assert "starts from " in capsys.readouterr().out
    after = load_file(folder / "main" / "model.safetensors")
    assert not all(torch.equal(after[name], weights[name]) for name in weights)


def test_the_start_is_the_weights_to_the_bit(tmp_path, base, monkeypatch):
    seen = {}
    build = setup.TrainingSetup.network

    def network(self):
        made = build(self)
        seen.update({name: value.detach().clone() for name, value in made.named_parameters()})
        return made

    monkeypatch.setattr(setup.TrainingSetup, "network", network)

    def stop(*_):
        raise RuntimeError("seen")

    monkeypatch.setattr("babylm.training.trainer.dry_run", stop)
    with pytest.raises(RuntimeError, match="seen"):
        train.main(start(tmp_path, base, base / "main"))
    for name, value in load_file(base / "main" / "model.safetensors").items():
        assert torch.equal(seen[name], value), name


def test_another_start_is_another_run_wherever_it_lies(tmp_path, base):
    assert train.main(start(tmp_path, base, base)) == 0
    shutil.copytree(base / "main", tmp_path / "moved")
    assert train.main(start(tmp_path, base, tmp_path / "moved")) == 0, "the same weights elsewhere"
    with pytest.raises(ValueError, match=r"init_from was '.*', now None"):
        train.main(runs.make(tmp_path, f"tokenizer.path={base}/main/tokenizer.json", "budget.epochs=1"))


@pytest.mark.parametrize(
    ("spoil", "more", "message"),
    [
        (lambda f: None, ["model.num_hidden_layers=1"], r"unknown \[.*num_hidden_layers 2 \(here 1\)"),
        (lambda f: None, ["model.hidden_size=64"], r"has the shape .*its shape: hidden_size 32 \(here 64\)"),
        (lambda f: flip(f / "model.safetensors"), [], "model.safetensors: its hash is not the manifest's"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), [], "model.safetensors: 1 bytes, not"),
        (lambda f: unmanaged(f, b"x" * 100), [], "model.safetensors cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), [], "no weights there; name a revision"),
        (lambda f: shutil.rmtree(f), [], "no such folder and no file of weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_the_folder_is_made(tmp_path, base, spoil, more, message):
    copy = tmp_path / "copy"
    shutil.copytree(base / "main", copy)
    spoil(copy)
    with pytest.raises(ValueError, match=message):
        train.main(start(tmp_path, base, copy, *more))
    assert not (tmp_path / "checkpoints").exists()


def flip(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def unmanaged(folder, content):
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(content)


def test_another_tokenizer_is_refused(tmp_path, base):
    made = runs.make(tmp_path, f"init_from={base}", "tokenizer.vocab_size=330")
    with pytest.raises(ValueError, match=r"its tokenizer is another .*tokenizer.path=.*takes it over"):
        train.main(made)


def test_a_pickle_of_a_stranger_is_not_executed(tmp_path, base):
    class Payload:
        def __reduce__(self):
            import os

            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"x": Payload()}, tmp_path / "weights.bin")
    with pytest.raises(ValueError, match="holds more than tensors"):
        train.main(start(tmp_path, base, tmp_path / "weights.bin"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.to(torch.complex64), "is of type complex64, not dense real numbers"),
        (lambda value: value.to(torch.int64), "is of type int64, not dense real numbers"),
        (lambda value: value.to_sparse(), "is of type sparse_coo, not dense real numbers"),
        (lambda value: value.to("meta"), "is of type meta, not dense real numbers"),
        (lambda value: torch.nested.nested_tensor([value]), "is of type nested, not dense real numbers"),
    ],
)
def test_numbers_of_another_kind_are_refused(tmp_path, base, change, message):
    weights = load_file(base / "main" / "model.safetensors")
    torch.save({name: change(value) for name, value in weights.items()}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=message):
        train.main(start(tmp_path, base, tmp_path / "weights.pt"))


def test_an_empty_file_of_weights_is_one_line(tmp_path, base):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"weights.pt cannot be read"):
        train.main(start(tmp_path, base, tmp_path / "weights.pt"))


def test_words_read_before_count_towards_the_tracks_budget(tmp_path, base, monkeypatch):
    from babylm import tracks

    words = json.loads((base / "plan.json").read_text())["words"]
    monkeypatch.setitem(tracks.TRACKS, "strict-small", tracks.Track(10 * words, words + 10, (100,)))
    made = start(tmp_path, base, base, "track=strict-small", "milestones=[]")
    with pytest.raises(ValueError, match=f"{words - 10:,} more than the {words + 10:,} that track strict-small allows"):
        train.main(made)


def test_weights_beside_foreign_code_are_said(tmp_path, base, capsys):
    folder = shutil.copytree(base / "main", tmp_path / "theirs")
    (folder / "manifest.json").unlink()
    code = folder / "modeling_babylm.py"
    code.write_text(code.read_text() + f"\nopen({str(tmp_path / 'executed')!r}, 'w').close()\n")
    assert train.main(start(tmp_path, base, folder)) == 0
    out = capsys.readouterr().out
    assert "the code in it is not this package's (modeling_babylm.py)" in out
    assert not (tmp_path / "executed").exists()
