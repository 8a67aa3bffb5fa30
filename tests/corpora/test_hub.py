"""Filling an empty folder from the Hub, with the network replaced by a stub."""

from types import SimpleNamespace

import pytest

from babylm.config.schema import CorpusConfig
from babylm.corpora import hub, sources


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A dataset repository with two text files."""
    import huggingface_hub

    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "childes.train.txt").write_text("*MOT:\tlook\n")
    (remote / "switchboard.train.txt").write_text("A:\thello there\n")
    (remote / "README.md").write_text("read me")
    asked = []

    class Api:
        def dataset_info(self, name, timeout):
            asked.append(name)
            return SimpleNamespace(sha="1" * 40, siblings=[SimpleNamespace(rfilename=f.name) for f in remote.iterdir()])

    def fetch(name, file, repo_type, revision):
        assert (repo_type, revision) == ("dataset", "1" * 40)
        return str(remote / file)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return SimpleNamespace(asked=asked, remote=remote)


def test_an_empty_folder_is_filled_once(repository, tmp_path):
    config = CorpusConfig(source="hub", hub_dataset="2026-strict-small", path=str(tmp_path / "raw"))
    assert [d.source for d in sources.read(config).documents()] == ["childes", "switchboard"]
    assert sorted(f.name for f in (tmp_path / "raw").iterdir()) == ["childes.train.txt", "switchboard.train.txt"]
    assert repository.asked == ["BabyLM-community/BabyLM-2026-Strict-Small"]
    sources.read(config)
    assert len(repository.asked) == 1


def test_rows_become_a_file_when_the_repository_has_no_text_files(repository, tmp_path, monkeypatch):
    import datasets

    for file in repository.remote.glob("*.train.txt"):
        file.unlink()
    rows = [{"text": "one line"}, {"text": "another line\n"}, {"text": "a\ndocument"}, {"text": "last"}]
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split, streaming: iter(rows))
    config = CorpusConfig(source="hub", hub_dataset="someone/corpus", path=str(tmp_path / "raw"))
    made = [(d.source, d.text) for d in sources.read(config).documents()]
    assert made == [("corpus", "one line\nanother line\na\ndocument"), ("corpus", "last")]


def test_rows_without_text_leave_no_file(repository, tmp_path, monkeypatch):
    import datasets

    for file in repository.remote.glob("*.train.txt"):
        file.unlink()
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split, streaming: iter([{"tokens": [1]}]))
    with pytest.raises(ValueError, match="no column 'text', only tokens"):
        hub.download("someone/corpus", tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_without_network_the_error_says_what_to_put_where(tmp_path, monkeypatch):
    import huggingface_hub

    def fail(*arguments, **settings):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", fail)
    with pytest.raises(ValueError, match=r"cannot download BabyLM-community/BabyLM-2026-Strict \(no route\).*by hand"):
        hub.download("2026-strict", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "name a dataset"),
        ("2026-strict-smal", "did you mean 2026-strict-small"),
        ("2025-strict-small", r"https://osf\.io/ryjfm"),
    ],
)
def test_names(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        hub.download(name, tmp_path)
