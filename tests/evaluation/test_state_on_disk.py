"""Results on disk: what is damaged is computed again, or named in one line; a folder that is not ours is told first."""

import json

import pytest

from babylm import checksums, evaluate, files, revisions
from babylm.evaluation import score_model
from babylm.evaluation.results import comparison, item_results
from tests.evaluation.tasks.test_pairs_files import write


@pytest.fixture(scope="module")
def model(tmp_path_factory, causal_model, tokenizer_folder):
    folder = tmp_path_factory.mktemp("model") / "m"
    revisions.save(folder, causal_model, tokenizer_folder, {"words": 5})
    return folder


@pytest.fixture
def scored(model, tmp_path, monkeypatch):
    """(command, its result's file) of two tasks; the one asked about is `pairs`."""
    import shutil

    folder = shutil.copytree(model, tmp_path / "m", ignore=shutil.ignore_patterns("evaluation"))
    write(tmp_path / "pairs/a.jsonl")
    words = [str(folder), f"tasks={tmp_path / 'pairs'}"]
    assert evaluate._command(words) == 0
    [file] = (folder / "evaluation/m").glob("*.json")
    return words, file


def flipped(file):
    """One digit of a number is another, and it is JSON still."""
    text = file.read_text()
    at = next(k for k in range(text.index('"tie_aware"'), len(text)) if text[k].isdigit())
    file.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


def rewritten(**changes):
    """As an older version would have written it, without a checksum, with fields that are not what they should be."""

    def apply(file):
        content = {k: v for k, v in json.loads(file.read_text()).items() if k != checksums.KEY}
        file.write_text(json.dumps(content | changes))

    return apply


DAMAGES = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-40]),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(500)),
    "no UTF-8": lambda file: file.write_bytes(b"\xff" + file.read_bytes()),
    "a list": lambda file: file.write_text("[]"),
    "flipped": flipped,
    "wrong type": rewritten(official="high"),
    "no list": rewritten(interval=0.5),
    "no parts": rewritten(by_uid={"a": 3}),
    "a part of another type": rewritten(by_uid={"a": {"n": [], "official": 0.5, "tie_aware": 0.5, "ties": 0}}),
    "a part that lacks a number": rewritten(by_uid={"a": {"n": 1, "official": 0.5, "ties": 0}}),
    "an interval of words": rewritten(interval=["low", "high"]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_result_is_computed_again_and_named(scored, capsys, damage):
    words, file = scored
    before = json.loads(file.read_text())
    damage(file)
    capsys.readouterr()
    assert evaluate._command(words) == 0
    out, err = capsys.readouterr()
    [line] = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert line.startswith(f"warning: {file}: ")
    assert line.endswith("; computed again")
    assert not err
    after = json.loads(file.read_text())
    for key in ("official", "by_uid", "items_sha256"):
        assert after[key] == before[key]
    capsys.readouterr()
    assert evaluate._command(words) == 0
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["predictions", item_results.FOLDER])
def test_what_lies_beside_a_result_belongs_to_it(scored, capsys, folder):
    words, file = scored
    other = file.parent / folder / file.name
    kept = other.read_bytes()
    other.write_bytes(kept[:-9])
    assert evaluate._command(words) == 0
    assert f"warning: {other}: missing, or not what was written" in capsys.readouterr().out
    assert other.read_bytes() == kept


def test_another_damaged_result_does_not_stop_an_evaluation(scored, tmp_path, capsys):
    words, file = scored
    damaged = file.with_name("blimp.fast.2026.causal.json")
    damaged.write_text("{")
    assert evaluate._command(words) == 0
    assert f"warning: {damaged}: not valid JSON" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["result", "items"])
@pytest.mark.parametrize("damage", [DAMAGES["cut"], DAMAGES["empty"], DAMAGES["a list"]])
def test_a_comparison_names_what_is_damaged(scored, capsys, part, damage):
    words, file = scored
    damaged = file if part == "result" else file.parent / item_results.FOLDER / file.name
    damage(damaged)
    assert evaluate._command(["compare", words[0], words[0]]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {damaged}: ")
    assert line.endswith("remove it, and repeat the python -m babylm.evaluate command that made it")


def test_evidence_of_another_shape_is_damaged(scored):
    _, file = scored
    kept = file.parent / item_results.FOLDER / file.name
    content = json.loads(kept.read_text())
    for changes in ({"credit": [1.0]}, {"uid": [7, 7]}, {"margin": "x"}, {"examples": []}, {"human": {}}):
        kept.write_text(json.dumps(content | changes))
        with pytest.raises(files.DamagedFile, match="its columns are"):
            item_results.read(kept)


def test_results_of_an_older_version_are_read(scored, capsys):
    words, file = scored
    rewritten()(file)
    assert evaluate._command(words) == 0
    assert "warning" not in capsys.readouterr().out
    assert comparison.main(words[0], words[0], {}, evaluate.Log()) == 0


def test_a_folder_for_results_that_is_none_is_told_before_scoring(model, tmp_path, monkeypatch, capsys):
    import shutil

    folder = shutil.copytree(model, tmp_path / "m", ignore=shutil.ignore_patterns("evaluation"))
    (folder / "evaluation").write_text("a file")
    monkeypatch.setattr(score_model, "load_scorer", lambda *_, **__: pytest.fail("scored"))
    assert evaluate._command([str(folder), "tasks=toy_pairs"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"error: {folder / 'evaluation'}: results cannot be written there: File exists"


def test_a_full_disk_is_one_line_that_names_the_file(scored, monkeypatch, capsys):
    words, file = scored
    original = files.os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    file.unlink()
    capsys.readouterr()
    assert evaluate._command(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"error: {file.parent / 'predictions' / file.name}: No space left on device: free some space"
    )
    monkeypatch.setattr(files.os, "fsync", original)
    assert not list(file.parent.rglob(f"*{files.PARTIAL}"))
    assert evaluate._command(words) == 0
