"""One repository, a branch a revision, read back and compared; a token is never shown."""

import pytest
from huggingface_hub import constants, utils

from babylm import submit
from babylm.console import Log
from tests.submission.hub import LARGE, Hub

TOKEN = "hf_aVerySecretToken"


@pytest.fixture
def hub(monkeypatch):
    stand_in = Hub()
    if hasattr(
        utils, "reset_sessions"
    ):  # before 1.0 a thread kept its connections, and with them whether it is offline
        utils.reset_sessions()
    for name, value in {"ENDPOINT": stand_in.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(constants, name, value, raising=False)
    template = f"{stand_in.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield stand_in
    stand_in.close()


def push(mini, **given):
    return submit.main(mini, {"load": "false", "repo": "me/mini", "push": "true", **given}, Log())


def test_every_revision_arrives_and_is_read_back(mini, hub, capsys):
    assert push(mini) == 0
    out = capsys.readouterr()
    repo = hub.repos["me/mini"]
    assert sorted(repo) == ["chck_1K", "chck_2K", "chck_3K", "chck_4K", "chck_5K", "main"]
    for name, files in repo.items():
        there = {file.name: file.read_bytes() for file in (mini / name).iterdir() if file.is_file()}
        card = {"README.md": (mini / "submission/2026/README.md").read_bytes()} if name == "main" else {}
        assert files == there | card
    assert any(len(content) >= LARGE for content in repo["main"].values())  # both ways of sending were used
    assert hub.tokens == {f"Bearer {TOKEN}"} | (hub.tokens & {None})
    assert TOKEN not in out.out + out.err
    assert all(TOKEN not in file.read_text(errors="ignore") for file in mini.rglob("*") if file.is_file())
    assert "me/mini@chck_3K: read back" in out.out


def test_a_second_push_sends_nothing_and_a_third_mends(mini, hub):
    assert push(mini) == 0
    hub.requests.clear()
    assert push(mini) == 0
    assert not [path for method, path in hub.requests if "/commit/" in path]
    hub.repos["me/mini"]["chck_2K"]["left_over.txt"] = b"old"
    hub.repos["me/mini"]["chck_2K"].pop("config.json")
    assert push(mini) == 0
    assert hub.repos["me/mini"]["chck_2K"].keys() == {file.name for file in (mini / "chck_2K").iterdir()}
    assert [path for _, path in hub.requests if "/commit/" in path] == ["/api/models/me/mini/commit/chck_2K"]


def test_dry_by_default(mini, hub, capsys):
    assert push(mini, push="false") == 0
    assert hub.requests == []
    assert "me/mini@main: " in capsys.readouterr().out


def test_what_arrives_differently_is_noticed(mini, hub):
    hub.corrupt = "config.json"
    with pytest.raises(ValueError, match=r"me/mini@main differs after the upload: config.json"):
        push(mini)


def test_a_refused_token_and_a_hub_out_of_reach_say_what_to_do(mini, hub, monkeypatch):
    hub.refuse = True
    with pytest.raises(ValueError, match="hf auth login") as refused:
        push(mini)
    assert TOKEN not in str(refused.value)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="cannot be reached"):
        push(mini)


def test_a_push_needs_a_repository(mini, hub):
    with pytest.raises(ValueError, match="repo=owner/name"):
        submit.main(mini, {"load": "false", "push": "true", "repo": "null"}, Log())
