"""The official data from a server of our own on this machine, with made-up archives; and what is said without one."""

import contextlib
import hashlib
import http.server
import io
import json
import sys
import threading
import zipfile
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from babylm import evaluate
from babylm.console import Log
from babylm.evaluation.data import download, ewok, fetch
from tests.evaluation import fixtures


class Server:
    """Serves bytes by path, counts what was asked, knows ranges, and breaks off where it is told to."""

    def __init__(self):
        self.files, self.asked, self.break_at = {}, [], {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.lstrip("/")
                owner.asked.append((path, self.headers.get("Range")))
                if path not in owner.files:
                    self.send_error(404)
                    return
                content, first = owner.files[path], 0
                if asked := self.headers.get("Range"):
                    first = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(content) - first))
                self.end_headers()
                end = owner.break_at.pop(path, len(content))
                self.wfile.write(content[first:end])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def folder(self, listing, entries):
        """An OSF folder: ``entries`` maps a path to bytes, or to the listing of a folder below."""
        data = []
        for path, content in entries.items():
            about = {"materialized_path": f"/{path}", "kind": "file"}
            if isinstance(content, str):
                href = {"href": self.address + content}
                files = {"links": {"related": href}}
                data.append({"attributes": about | {"kind": "folder"}, "relationships": {"files": files}, "links": {}})
                continue
            self.files[f"files/{path}"] = content
            hashes = {"hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
            links = {"download": f"{self.address}files/{path}"}
            data.append({"attributes": about | {"size": len(content), "extra": hashes}, "links": links})
        half = max(1, len(data) // 2)
        self.files[listing] = json.dumps(
            {"data": data[:half], "links": {"next": f"{self.address}{listing}-2"}}
        ).encode()
        self.files[f"{listing}-2"] = json.dumps({"data": data[half:], "links": {"next": None}}).encode()


@pytest.fixture
def server():
    made = Server()
    with contextlib.closing(made):
        yield made


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def official(server, tmp_path, monkeypatch):
    """A project like the official one: the data as an archive, a folder, and training text that nobody wants."""
    fixtures.write_all(tmp_path / "made")
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    members = {f"evaluation_data/{path.relative_to(tmp_path / 'made')}": path.read_text() for path in files}
    loose = {name: text for name, text in members.items() if "glue_filtered" in name}
    archive = {name: text for name, text in members.items() if name not in loose and "ewok" not in name}
    archive["__MACOSX/evaluation_data/fast_eval/blimp_fast/._x.jsonl"] = "rubbish"
    server.folder("loose", {name: text.encode() for name, text in loose.items()})
    server.folder(
        "root",
        {"evaluation_data.zip": zipped(archive), "evaluation_data": "loose", "train_100M.zip": b"text of training"},
    )
    monkeypatch.setattr(download, "OSF", f"{server.address}root")
    return members


def get(folder, *words):
    return evaluate._command(["--get", str(folder), "source=2025", *words])


def test_everything_arrives_once(server, official, tmp_path, capsys):
    folder = tmp_path / "data"
    assert get(folder) == 0
    shown = capsys.readouterr().out
    for name, text in official.items():
        if "ewok" not in name:
            assert (folder / PurePosixPath(name).relative_to("evaluation_data")).read_text() == text
    assert {path.name for path in folder.iterdir()} == {"fast_eval", "full_eval", "downloaded.json"}
    assert not list(folder.rglob(".*"))
    missing = [line for line in shown.splitlines() if line.startswith("no data of ")]
    assert [line.split()[3] for line in missing] == ["ewok", "ewok"]
    assert "--get source=ewok" in missing[1]
    assert ("files/train_100M.zip", None) not in server.asked

    server.asked.clear()
    (folder / "full_eval/glue_filtered/rte.train.jsonl").write_text("altered")
    assert get(folder) == 0
    fetched = [path for path, _ in server.asked if path.startswith("files/")]
    assert fetched == ["files/evaluation_data/full_eval/glue_filtered/rte.train.jsonl"]


def test_what_broke_off_goes_on(server, official, tmp_path, capsys):
    server.break_at["files/evaluation_data.zip"] = 3000
    assert get(tmp_path / "data") == 2
    assert "broken off after 3,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "data/evaluation_data.zip").exists()
    assert get(tmp_path / "data") == 0
    assert ("files/evaluation_data.zip", "bytes=3000-") in server.asked


def test_other_bytes_than_promised_are_thrown_away(server, official, tmp_path, capsys):
    name = "files/evaluation_data/full_eval/glue_filtered/rte.train.jsonl"
    right = server.files[name]
    server.files[name] = right.replace(b"cat", b"dog")
    assert get(tmp_path / "data") == 2
    assert "thrown away" in capsys.readouterr().err
    assert not list((tmp_path / "data").rglob("*rte.train*"))
    server.files[name] = right
    assert get(tmp_path / "data") == 0


def test_an_archive_with_a_password_is_kept_until_it_is_given(server, tmp_path, monkeypatch, capsys):
    content = bytearray(zipped({"ewok_fast/social.jsonl": "{}"}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1  # as an encrypted member is marked
    server.folder("root", {"ewok_fast.zip": bytes(content)})
    monkeypatch.setattr(download, "OSF", f"{server.address}root")
    monkeypatch.setattr(evaluate, "_missing", lambda folder: [])
    for word, reason in ((None, "password required"), ("password=wrong", "Bad password")):
        assert get(tmp_path / "data", *([word] if word else [])) == 0
        shown = capsys.readouterr().out
        assert reason in shown
        assert "repeat with password=" in shown
        assert (tmp_path / "data/ewok_fast.zip").exists()
    assert len([path for path, _ in server.asked if path == "files/ewok_fast.zip"]) == 1


@pytest.mark.parametrize(
    ("path", "archive", "place"),
    [
        ("evaluation_data/fast_eval/a/b.jsonl", "", "fast_eval/a/b.jsonl"),
        ("full_eval/a.csv", "x.zip", "full_eval/a.csv"),
        ("ewok_fast/social.jsonl", "ewok_fast.zip", "fast_eval/ewok_fast/social.jsonl"),
        ("social.jsonl", "ewok_fast.zip", "fast_eval/ewok_fast/social.jsonl"),
        ("some/evaluation_data.zip", "", "evaluation_data.zip"),
        ("train_10M.zip", "", None),
        ("README.md", "", None),
        ("fast_eval/.DS_Store", "", None),
    ],
)
def test_where_files_belong(path, archive, place):
    assert download.placed(PurePosixPath(path), archive) == (None if place is None else PurePosixPath(place))


def test_a_name_that_leads_out_is_refused(tmp_path):
    (tmp_path / "bad.zip").write_bytes(zipped({"fast_eval/../../escaped.jsonl": "x"}))
    with pytest.raises(ValueError, match="leads out of the folder"):
        fetch.unpack(tmp_path / "bad.zip", tmp_path / "data", download.placed)
    assert not (tmp_path / "escaped.jsonl").exists()


@pytest.mark.parametrize("source", ["2025", "2026"])
def test_without_network_one_line_says_what_to_put_where(tmp_path, monkeypatch, capsys, source):
    monkeypatch.setattr(download, "OSF", "http://127.0.0.1:9/nothing")  # nobody listens there
    assert evaluate._command(["--get", str(tmp_path / "data"), f"source={source}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    for part in ("osf.io/ryjfm", "BabyLM-2026-Strict-Evals", "fast_eval and full_eval", str(tmp_path / "data")):
        assert part in line
    assert not (tmp_path / "data").exists()


def test_the_hub_goes_the_same_way(tmp_path, monkeypatch):
    import huggingface_hub

    (tmp_path / "cached.jsonl").write_text("{}")
    sibling = SimpleNamespace(rfilename="evaluation_data/fast_eval/blimp_fast/x.jsonl", size=2, lfs=None)
    other = SimpleNamespace(rfilename="README.md", size=9, lfs=None)
    info = SimpleNamespace(sha="abc", siblings=[sibling, other])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: info)
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *a, **k: asked.append((a, k)) or str(tmp_path / "cached.jsonl")
    )
    assert download.main([str(tmp_path / "data")], Log(quiet=True), lambda folder: []) == 0
    assert (tmp_path / "data/fast_eval/blimp_fast/x.jsonl").read_text() == "{}"
    assert download.main([str(tmp_path / "data")], Log(quiet=True), lambda folder: []) == 0
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [(["a", "b"], "one folder"), (["sorce=2025"], "did you mean source"), (["source=2024"], "source: unknown value")],
)
def test_mistakes(words, message, capsys):
    assert evaluate._command(["--get", *words]) == 2
    assert message in capsys.readouterr().err


ROW = {"Domain": "social", "Context1": "A b.", "Context2": "C d.", "Target1": "E.", "Target2": "F.", "ConceptA": "x"}


def test_ewok_keeps_items_of_known_words_and_their_twins():
    def words(text):
        return text.replace(".", " .").split()

    found = ewok.filtered([ROW, ROW | {"Target2": "Unknown."}], set("abcdef."), words)
    assert list(found) == ["social"]
    twin = ROW | {"Context1": "C d.", "Context2": "A b.", "Target1": "F.", "Target2": "E."}
    assert found["social"] == [ROW, twin]


def test_ewok_from_the_gated_source(server, tmp_path, monkeypatch, capsys):
    import datasets

    vocabulary = "\n".join("abcdef.").encode()
    server.files["vocab.txt"] = vocabulary
    monkeypatch.setattr(ewok, "VOCABULARY", f"{server.address}vocab.txt")
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: [ROW] if split == "test" else [])
    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(word_tokenize=lambda t: t.replace(".", " .").split()))
    words = ["--get", str(tmp_path / "data"), "source=ewok"]
    assert evaluate._command(words) == 2  # not the official vocabulary
    assert "that were promised" in capsys.readouterr().err
    monkeypatch.setattr(ewok, "VOCABULARY_SHA256", hashlib.sha256(vocabulary).hexdigest())
    assert evaluate._command(words) == 0
    assert "2 lines in 1 domains" in capsys.readouterr().out
    lines = (tmp_path / "data/full_eval/ewok_filtered/social.jsonl").read_text().splitlines()
    assert [json.loads(line)["Target1"] for line in lines] == ["E.", "F."]


def test_ewok_without_access_or_nltk(tmp_path, monkeypatch, capsys):
    words = ["--get", str(tmp_path / "data"), "source=ewok"]
    monkeypatch.setitem(sys.modules, "nltk", None)
    assert evaluate._command(words) == 2
    assert "pip install nltk" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(word_tokenize=str.split))
    assert evaluate._command(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Accept its terms" in line
    assert not Path(tmp_path / "data").exists()
