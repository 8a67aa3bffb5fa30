"""What is uploaded is what the manifests list: no link, no dot-file, nothing unknown, nothing from elsewhere."""

import json
import os

import pytest

from babylm import cli, files, revisions, submit
from babylm.console import Log
from babylm.submission import package, push, settings
from tests.submission.test_checks import problems, resealed


def opened(mini, **given):
    return settings.open_run(mini, {"rules": "2026", "backend": "causal", **given})


def link(folder, tmp_path):
    secret = tmp_path / "id_rsa"
    secret.write_text("private")
    (folder / "notes.txt").symlink_to(secret)
    return "notes.txt is a link"


def listed_link(folder, tmp_path):
    content = (folder / "babylm.json").read_bytes()
    (folder / "babylm.json").unlink()
    (tmp_path / "elsewhere.json").write_bytes(content)
    (folder / "babylm.json").symlink_to(tmp_path / "elsewhere.json")
    return "babylm.json is a link"


def dot_file(folder, tmp_path):
    (folder / ".env").write_text("TOKEN=1")
    return ".env is no file of a revision"


def listed_dot_file(folder, tmp_path):
    dot_file(folder, tmp_path)
    resealed(folder)
    return "names '.env', which is no file of a revision"


def unknown(folder, tmp_path):
    (folder / "optimizer.pt").write_bytes(b"x")
    resealed(folder)  # a manifest alone makes no file a part of the format
    return "optimizer.pt is no file of a revision"


def directory(folder, tmp_path):
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text("")
    return "custom_generate is a folder"


def named_like_a_file(folder, tmp_path):
    (folder / "special_tokens_map.json").unlink()
    (folder / "special_tokens_map.json").mkdir()
    return "special_tokens_map.json: a folder, not a file"


def fifo(folder, tmp_path):
    os.mkfifo(folder / "added_tokens.json")
    return "added_tokens.json is not a regular file"


def linked_folder(folder, tmp_path):
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved", target_is_directory=True)
    return "chck_2K is a link"


@pytest.mark.parametrize(
    "spoil",
    [link, listed_link, dot_file, listed_dot_file, unknown, directory, named_like_a_file, fifo, linked_folder],
)
def test_what_is_no_part_of_a_revision_is_refused_by_name(mini, tmp_path, spoil):
    message = spoil(mini / "chck_2K", tmp_path)
    (problem,) = problems(mini)
    assert message in problem.what
    assert problem.fatal
    with pytest.raises(ValueError, match="chck_2K"):  # and once more where files are taken
        push.branches(opened(mini), mini)


@pytest.mark.parametrize("name", ["../main/config.json", "/etc/passwd", "a/b.json", "..", ".", "", "a\\b", "x\0y"])
def test_a_manifest_names_files_of_its_folder_alone(mini, name):
    file = mini / "chck_2K" / files.MANIFEST
    entries = json.loads(file.read_text())["files"]
    file.write_text(json.dumps({"files": {**entries, name: {"bytes": 1, "sha256": "0"}}}))
    assert "which is no file of a revision" in revisions.find_damage(mini / "chck_2K")[0]
    assert "which is no file of a revision" in problems(mini)[0].what


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": []}', '{"files": {"a.json": 3}}', '{"files": {"a": {}}}']
)
def test_a_damaged_manifest_is_one_line(mini, content):
    (mini / "chck_2K" / files.MANIFEST).write_text(content)
    (line,) = revisions.find_damage(mini / "chck_2K")
    assert line.startswith(f"{mini / 'chck_2K' / files.MANIFEST}: ")
    assert "\n" not in line


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "modeling_babylm.py"])
def test_a_flipped_byte_is_noticed_before_loading(mini, name):
    folder = mini / "chck_2K"
    revisions.check_whole(folder)
    with open(folder / name, "r+b") as file:
        file.seek(-9, os.SEEK_END)
        byte = file.read(1)
        file.seek(-9, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ValueError, match=f"damaged revision: .*{name}: its hash is not the manifest's; restore"):
        revisions.check_whole(folder)


def test_hashes_are_computed_once(mini, monkeypatch):
    revisions.check_whole(mini / "chck_1K")
    monkeypatch.setattr(files, "sha256_file", lambda path: pytest.fail("hashed again"))
    revisions.check_whole(mini / "chck_1K")


def test_a_link_in_place_of_the_package_is_refused(mini, tmp_path, data):
    (tmp_path / "elsewhere").mkdir()
    (mini / "submission").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ValueError, match="submission is a link"):
        submit.main(mini, {"load": "false"}, Log(quiet=True))
    (mini / "submission").unlink()
    (mini / "submission").mkdir()
    (mini / "submission" / "2026").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ValueError, match="2026 is a link"):
        package.write(opened(mini), data)
    (mini / "submission" / "2026").unlink()
    (mini / "submission" / "2026").write_text("mine")
    with pytest.raises(ValueError, match="2026 is not a folder"):
        package.write(opened(mini), data)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"license": "apache2.0"}, "submission.license: .* did you mean apache-2.0"),
        ({"license": "MIT License"}, "submission.license: .*mit"),
        ({"repo": "https://huggingface.co/me/mini"}, "submission.repo: .* write owner/name, not an address"),
        ({"repo": "mini"}, "submission.repo: 'mini' is no repository"),
        ({"repo": "me/a--b"}, "submission.repo"),
        ({"repo": "me/../you"}, "submission.repo"),
        ({"languages": "[Englsh]"}, "submission.languages: .*did you mean english"),
        ({"notes": "log in with hf_abcdefghijklmnopqrstuvwx"}, "notes: .*Hugging Face token"),
        ({"description": "key sk-abcdefghijklmnopqrstuvwx"}, "description: .*API key"),
        ({"tags": "[small,wandb_v1_abcdefghijklmnopqrstuvwx]"}, r"tags.*: .*W&B key"),
        ({"notes": "5f1d7a84db00d2fce00b31a7fc73224f5f1d7a84"}, "submission.notes: .*W&B key"),
    ],
)
def test_what_cannot_be_published_is_refused_with_its_key(mini, given, message):
    with pytest.raises(ValueError, match=message) as refused:
        opened(mini, **given)
    assert "abcdefghijklmnopqrstuvwx" not in str(refused.value)


def test_a_commit_is_no_secret(mini):
    opened(mini, notes="commit 5f1d7a84db00d2fce00b31a7fc73224f5f1d7a84", languages="[English,de]", license="cc-by-4.0")


def test_no_secret_reaches_the_card_by_another_way(mini, data):
    file = mini / "environment.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps(stored | {"processor": "https://me:secret@host/x"}))
    with pytest.raises(ValueError, match=r"README\.md: looks as if it holds a password in a URL"):
        package.write(opened(mini), data)
    assert not list(mini.glob("submission/2026"))


def test_repositories_are_named_as_the_hub_names_them():
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    from babylm.publication import check_repo

    names = (
        "me/x",
        "Me-1/x.y_z",
        "me/-x",
        "me/x.",
        "me/x..y",
        "me/x--y",
        "me/x.git",
        "me/" + "x" * 97,
        "me/x y",
        "me//x",
    )
    for name in names:
        try:
            validate_repo_id(name)
            right = name != "me/" + "x" * 97
        except HFValidationError:
            right = False
        try:
            check_repo(name)
            assert right, name
        except ValueError:
            assert not right, name


def command(mini, *words):
    return cli.command("", lambda words: submit.main(mini, dict(word.split("=") for word in words), Log()), words)


def test_a_full_disk_leaves_nothing_under_the_final_name(mini, monkeypatch, capsys):
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(package, "_archive", full)
    assert command(mini, "load=false") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "No space left on device" in error
    assert error.count("\n") == 1
    assert list((mini / "submission").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plan.json", "{"),
        ("plan.json", "{}"),
        ("environment.json", ""),
        ("environment.json", "[]"),
        ("metrics.jsonl", '{"words": 1}\n{"wor\n{"words": 2}\n'),
        ("config.yaml", "name: [\n"),
    ],
)
def test_damaged_state_is_one_line_with_file_and_remedy(mini, name, content, capsys):
    (mini / name).write_text(content)
    assert command(mini, "load=false") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {mini / name}: ")
    assert error.count("\n") == 1


def test_a_last_line_that_a_kill_has_cut_is_left_out(mini, data):
    with open(mini / "metrics.jsonl", "a") as file:
        file.write('{"words": 6007, "words_per')
    assert len(opened(mini).metrics) == 1


@pytest.mark.parametrize("content", ["", "null", "{}", '{"task": "blimp"'])
@pytest.mark.parametrize("place", ["blimp.full.2026.causal.json", "predictions/blimp.full.2026.causal.json"])
def test_a_damaged_result_is_named_with_the_command(mini, content, place):
    file = mini / "evaluation" / "main" / place
    file.write_text(content)
    if place.startswith("predictions") and content == "{}":
        assert "agreement_1 has 0 items" in problems(mini)[0].what
        return
    (problem,) = problems(mini)
    assert f"damaged result: {file}: " in problem.what
    assert "python -m babylm.evaluate" in problem.remedy


def test_nothing_scored_is_not_done(mini, capsys):
    for file in (mini / "evaluation" / "main").glob("*.json"):
        file.unlink()
    assert submit.main(mini, {"load": "false", "incomplete": "true"}, Log()) == 2
    out = capsys.readouterr()
    assert "no task of main has been scored" in out.out
    assert "done in" not in out.out
    assert not (mini / "submission").exists()


def test_a_changed_setting_is_used_or_reported(mini, tmp_path, monkeypatch, capsys):
    """Changed in the run's own file or on the command line it is used; in the file the run was made of, reported."""
    source = tmp_path / "mine.yaml"
    source.write_text((mini / "config.yaml").read_text().replace("license: mit", "license: apache-2.0"))
    file = mini / "environment.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps(stored | {"command": ["train.py", str(source), "submission.genre=speech"]}))
    lines = settings.unused_settings(opened(mini), [])
    assert len(lines) == 2
    assert "now says submission.license: 'apache-2.0'; the run has 'mit', which is used" in lines[0]
    assert "submission.genre" in lines[1]
    assert settings.unused_settings(opened(mini, license="cc0-1.0"), ["license", "genre"]) == []
    assert opened(mini, license="cc0-1.0").config.submission.license == "cc0-1.0"
    (mini / "config.yaml").write_text(source.read_text())
    assert opened(mini).config.submission.license == "apache-2.0"


@pytest.mark.parametrize("repo", ["null", "me/mini"])
def test_the_card_names_what_exists(mini, data, repo):
    text = (package.write(opened(mini, repo=repo), data).folder / "README.md").read_text()
    name = "me/mini" if repo != "null" else "mini/main"
    assert f'name = "{name}"' in text
    assert ('revision="chck_5K"' in text) == (repo != "null")
    assert "chck_1M" not in text
