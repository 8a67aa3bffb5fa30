"""The command's options: a slip is told with what would be right, before torch is imported; the list of tasks."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from babylm import evaluate, revisions
from babylm.evaluation import model_paths
from tests.evaluation import fixtures


@pytest.fixture(scope="module")
def model(tmp_path_factory, causal_model, tokenizer_folder):
    folder = tmp_path_factory.mktemp("model") / "m"
    revisions.save(folder, causal_model, tokenizer_folder, {"words": 5})
    return folder


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("limit=0", "limit=0: give the largest number of items per file, 1 or more, or none for all"),
        ("limit=-1", "limit=-1: give the largest"),
        ("limit=x", "limit=x: give the largest"),
        ("limit=1.5", "limit=1.5: give the largest"),
        ("limit=", "limit: no value given"),
        ("part=", "part: no value given"),
        ("part=1", "part=1: give i/n"),
        ("part=3/3", "part=3/3: give i/n"),
        ("tasks=", "tasks: no value given"),
        ("tasks=toypairs", "did you mean toy_pairs"),
        ("tasks=my/pairs", "no folder my/pairs"),
        ("tasks=my/times.csv", "no file my/times.csv"),
        ("suite=ful", "did you mean full"),
        ("rules=2024", "rules: unknown value '2024'"),
        ("backend=mlmm", "did you mean mlm"),
        ("dtype=bf61", "dtype"),
        ("device=gpu", "device: unknown value 'gpu'"),
        ("trust=yes", "trust: unknown value 'yes'"),
        ("limmit=3", "did you mean limit"),
        ("glue.epoch=3", "did you mean glue.epochs"),
        ("glue.epochs=0", "glue.epochs: must be at least 1, not 0"),
        ("reading_csv.tme=[RT]", "did you mean reading_csv.time"),
        ("reading_csv.time=[]", "must name at least one column"),
        ("reading_csv.time=[RT,RT]", "reading_csv.time: RT is there twice"),
        ("reading_csv.time=[RT]", "tasks has no folder or file of that"),
        ("revisions=man", "did you mean"),
    ],
)
def test_a_slip_is_told_before_torch_is_imported(model, monkeypatch, capsys, word, message):
    monkeypatch.setitem(sys.modules, "babylm.evaluation.suite", None)  # an import of it would fail otherwise
    words = [str(model), *([] if word.startswith("tasks") else ["tasks=toy_pairs"]), word]
    if word.startswith("revisions"):
        (model.parent / "main").mkdir(exist_ok=True)
        (model.parent / "main" / "config.json").write_text("{}")
        words[0] = str(model.parent)
    assert evaluate._command(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_slip_imports_no_torch(model):
    """In a process of its own."""
    code = (
        "import sys; from babylm import evaluate; "
        f"code = evaluate._command([{str(model)!r}, 'tasks=toy_pairs', 'limit=0']); "
        "sys.exit(9 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: limit=0: give")


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["some/folder", "tasks=x", "--help"]])
def test_help(words, capsys):
    assert evaluate._command(words) == 0
    shown = capsys.readouterr().out
    for part in (*evaluate.KEYS, *evaluate.SECTIONS, "--list", "--get", "compare"):
        assert part in shown, part


def test_an_unknown_switch(capsys):
    assert evaluate._command(["--lst"]) == 2
    assert "--lst: no such option; --get, --list, --help" in capsys.readouterr().err


def test_the_list_of_tasks_says_what_is_there_and_how_to_get_the_rest(data, tmp_path, capsys):
    own = shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(own / "fast_eval/ewok_fast")
    (own / "full_eval/glue_filtered/rte.train.jsonl").unlink()
    (own / "full_eval/comps/comps_base.jsonl").write_text('{"id": 1}\n')
    assert evaluate._command(["--list", f"data={own}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: " ".join(line.split()) for line in lines if line.startswith("  ")}
    assert rows["blimp"] == "blimp fast 2025, fast 2026, full 2025, full 2026 50.0 blimp_fast, blimp_filtered 6 items"
    assert rows["ewok"].endswith("fast: missing; full: 12 items")
    assert rows["rte"].endswith("missing")
    assert rows["comps"].endswith("damaged")
    assert rows["toy_pairs"].startswith("toy_pairs none 50.0 none ")
    assert "global_piqa fast 2026, full 2026 37.5" in rows["global_piqa"]
    told = {line.split(",")[0]: line for line in lines if not line.startswith("  ")}
    missing = [line for line in lines if line.startswith("missing: ")]
    assert any("fast_eval/ewok_fast; unpack ewok_fast.zip" in line for line in missing)
    assert any("glue_filtered/rte.train.jsonl; python -m babylm.evaluate --get brings it" in line for line in missing)
    assert "comps_base.jsonl, line 1: no field property_phrase" in told["comps"]
    assert evaluate._command(["--list", f"data={tmp_path / 'none'}"]) == 0
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing: ")]
    assert len({line.rpartition("; ")[2] for line in missing}) == len(missing), "one line per source"
    assert evaluate._command(["--list", "date=x"]) == 2
    assert "did you mean data" in capsys.readouterr().err


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(model, monkeypatch, capsys):
    from babylm.evaluation import progress

    words = [str(model), "tasks=toy_pairs", "limit=4"]
    assert evaluate._command(words) == 0
    quiet = capsys.readouterr()
    assert "left" not in quiet.out
    assert "it/s" not in quiet.err
    monkeypatch.setattr(progress, "SLOW", 0.0)
    [file] = (model / "evaluation/m").glob("toy_pairs.*.json")
    file.unlink()
    assert evaluate._command(words) == 0
    out, err = capsys.readouterr()
    assert "  toy_pairs: " in out
    assert " % of " in out
    assert " left" in out
    assert "it/s" not in err, "no bar in a log"
    assert json.loads(file.read_text())["n"] > 0


def test_the_paths_of_own_data_may_hold_spaces(model, tmp_path):
    fixtures.lines(tmp_path / "my pairs/a.jsonl", [fixtures.pair(i) for i in range(3)])
    assert evaluate._command([str(model), f"tasks={tmp_path / 'my pairs'}, toy_pairs", "limit=2"]) == 0


ROOT = Path(__file__).parent.parent.parent
WRITTEN = sorted(
    {
        " ".join(re.split(r"\s{2,}|\s#", line.strip())[0].split()[3:])
        for text in (evaluate.__doc__, (ROOT / "README.md").read_text(encoding="utf-8"))
        for line in text.splitlines()
        if line.strip().startswith("python -m babylm.evaluate ")
    }
    - {"FOLDER [key=value ...]", "compare A B", "--get [FOLDER]", "--list [data=FOLDER]"}
)
"""What help and README say, without the remarks behind it."""


@pytest.fixture
def place(tmp_path, monkeypatch, model):
    """A folder with what the commands name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, tmp_path / "checkpoints/s1/main", ignore=shutil.ignore_patterns("evaluation"))
    for name in ("laptop", "smoke", "strict_small"):
        (tmp_path / "checkpoints" / name).symlink_to("s1")
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "some").mkdir()
    (tmp_path / "some/model").symlink_to(tmp_path / "checkpoints/s1/main")
    (tmp_path / "checkpoints/s1/config.yaml").write_text("evaluation: {tasks: [toy_pairs]}\n")
    fixtures.lines(tmp_path / "my/pairs/a.jsonl", [fixtures.pair(i) for i in range(3)])
    (tmp_path / "my/pairs.csv").write_text("ok,star\nThe cat sees.,The cat see.\n")
    words = ["the", "dogs", "see", "a", "cat", "and", "two", "red", "birds", "near", "ships"]
    rows = [
        (s, k, word, 100 + 7 * len(word) + (s * 31 + k * 17) % 23) for s in range(3) for k, word in enumerate(words)
    ]
    header = ["sentence,word,RT\n", "who,text,item,zone,word,RT,time\n"]
    (tmp_path / "my/times.csv").write_text(header[0] + "".join(f"{s},{word},{rt}\n" for s, _, word, rt in rows))
    lines = [f"{reader},1,{s},{k},{word},{rt + reader},{rt}\n" for reader in range(2) for s, k, word, rt in rows]
    (tmp_path / "my/readers.csv").write_text(header[1] + "".join(lines))
    return tmp_path


@pytest.mark.parametrize("line", [line for line in WRITTEN if "my/" in line])
def test_what_is_written_of_own_data_works_as_written(place, line, capsys):
    pytest.importorskip("statsmodels")
    assert evaluate._command(shlex.split(line)) == 0, capsys.readouterr().err
    assert "results are in" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", [line for line in WRITTEN if "my/" not in line and not line.startswith(("-", "compare"))]
)
def test_what_is_written_is_understood(place, line, monkeypatch):
    """(The commands of the README are run by tests/test_readme.py.)"""
    monkeypatch.setattr(model_paths, "_snapshot", lambda *_: place / "checkpoints/s1/main")
    target, *words = shlex.split(line)
    asked = evaluate.registry.options(words, evaluate.KEYS, evaluate.SECTIONS)
    request = evaluate.request_of(target, asked)
    assert request.models or request.part


def test_an_option_given_twice_is_refused(model, capsys):
    assert evaluate._command([str(model), "tasks=toy_pairs", "limit=3", "limit=4"]) == 2
    assert "limit: given twice (limit=3 and limit=4); keep one" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "option"), sorted(evaluate.SYNONYMS.items()))
def test_what_others_call_an_option_is_answered_with_ours(word, option, capsys):
    assert option in evaluate.KEYS or option.startswith(evaluate.SECTIONS)
    assert evaluate._command(["checkpoints/x", f"{word}=1"]) == 2
    assert f"did you mean {option}?" in capsys.readouterr().err
