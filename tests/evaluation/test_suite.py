"""Tasks by name, models by folder, results as files that are not made twice."""

import json
import shutil

import pytest
import torch

from babylm import evaluate, revisions
from babylm.corpora import toy
from babylm.evaluation import score_model, suite
from babylm.evaluation.results import averages
from babylm.evaluation.score_model import evaluate_model
from babylm.evaluation.task_registry import load_task, result_stem, suite_names
from babylm.evaluation.tasks import _data, _minimal_pairs, _pairs_files
from tests.evaluation import fixtures


def write_pairs(folder, files=("first", "second"), n=6):
    folder.mkdir(parents=True)
    for name in files:
        lines = [
            {"sentence_good": f"The cat {i} sees.", "sentence_bad": f"The cat {i} see.", "UID": "x"} for i in range(n)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def run_folder(tmp_path, causal_model, tokenizer_folder):
    """A run with two revisions."""
    for name, words in (("chck_2K", 2000), ("chck_10K", 10_000), ("main", 10_500)):
        revisions.save(tmp_path / "run" / name, causal_model, tokenizer_folder, {"words": words})
    write_pairs(tmp_path / "pairs")
    return tmp_path / "run"


def test_a_folder_of_pairs(tmp_path):
    write_pairs(tmp_path / "pairs", n=9)
    items = load_task(str(tmp_path / "pairs")).items(None, 5)
    # Without a `field` the file's name is the UID, as in the official reader.
    assert [item.uid for item in items] == ["first"] * 5 + ["second"] * 5
    assert [item.sentences[0] for item in items[:5]] == [f"The cat {i} sees." for i in (0, 2, 4, 6, 8)]
    assert len(_minimal_pairs.read(tmp_path / "pairs")) == 18


def test_broken_pairs_name_their_place(tmp_path):
    write_pairs(tmp_path / "pairs")
    with open(tmp_path / "pairs/second.jsonl", "a") as file:
        file.write('{"sentence_good": "a"}\n')
    with pytest.raises(ValueError, match=r"second.jsonl, line 7: no field sentence_bad.*expected a minimal pair"):
        _minimal_pairs.read(tmp_path / "pairs")
    (tmp_path / "empty").mkdir()
    for read in (_minimal_pairs.read, _pairs_files.read):
        with pytest.raises(_data.MissingData, match="empty"):
            read(tmp_path / "empty")
    with pytest.raises(ValueError, match="no folder"):
        load_task("no/such")


@pytest.mark.parametrize(("name", "folder"), [("blimp", "blimp_fast"), ("supplement", "supplement_fast")])
def test_official_folders(tmp_path, name, folder):
    with pytest.raises(ValueError, match=rf"evaluation.data.*fast_eval/{folder}"):
        load_task(name).items(tmp_path)
    write_pairs(tmp_path / "fast_eval" / folder)
    assert len(load_task(name).items(tmp_path, limit=4)) == 8


@pytest.mark.skipif(not hasattr(toy, "minimal_pairs"), reason="the bundled corpus has no pairs yet")
def test_grammar_needs_no_data():
    items = load_task("toy_pairs").items(None)
    assert len({item.uid for item in items}) >= 12
    assert items == load_task("toy_pairs").items(None)


def test_unknown_task_suggests():
    with pytest.raises(ValueError, match=r"evaluation.tasks.*did you mean blimp"):
        load_task("blmp")


@pytest.mark.parametrize("backend", ["causal", "mntp", "mlm"])
def test_in_memory_equals_from_disk_and_changes_nothing(tmp_path, causal_model, tokenizer_folder, run_folder, backend):
    before = {name: value.clone() for name, value in causal_model.state_dict().items()}
    causal_model.train()
    task = str(tmp_path / "pairs")
    random = torch.random.get_rng_state()
    in_memory = suite.run(causal_model, tokenizer_folder, [task], backend=backend)[task]
    assert torch.equal(torch.random.get_rng_state(), random)
    assert causal_model.training
    causal_model.eval()
    assert all(torch.equal(value, before[name]) for name, value in causal_model.state_dict().items())
    [result] = evaluate_model(run_folder / "main", {task: load_task(task).items(None)}, backend, tmp_path / "results")
    stored = result.content
    assert stored["official"] == in_memory.official
    assert stored["backend"] == backend
    assert stored["dtype"] == "float32"


def test_command_writes_results_once(tmp_path, run_folder, capsys, monkeypatch):
    words = [str(run_folder), f"tasks={tmp_path / 'pairs'}", "limit=3"]
    assert evaluate._command(words) == 0
    shown = capsys.readouterr().out
    assert "custom code" not in shown  # no question on the way
    table = shown[shown.index("  revision") :]
    assert [line.split()[0] for line in table.splitlines()[1:4]] == ["chck_2K", "chck_10K", "main"]
    assert "10,500" in table
    files = sorted(run_folder.glob("evaluation/*/*.json"))
    assert [file.parent.name for file in files] == ["chck_10K", "chck_2K", "main"]
    stored = json.loads(files[0].read_text())
    assert stored["n"] == 6
    assert set(stored["by_uid"]) == {"first", "second"}
    assert stored["weights_sha256"] == revisions.facts(run_folder / "main")["weights_sha256"]

    monkeypatch.setattr(score_model, "load_scorer", lambda *_, **__: pytest.fail("scored twice"))
    assert evaluate._command(words) == 0
    with pytest.raises(pytest.fail.Exception):
        evaluate._command([*words[:2], "limit=4"])


def test_command_takes_a_model_folder(tmp_path, run_folder, capsys):
    assert evaluate._command([str(run_folder / "main"), f"tasks={tmp_path / 'pairs'}", "backend=mntp"]) == 0
    assert "mntp" in capsys.readouterr().out
    assert list((run_folder / "main/evaluation/main").glob("*.mntp.json"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "task=toy_pairs"], "did you mean tasks"),
        (["{run}", "tasks"], "key=value"),
        (["{run}", "tasks=toy_pair"], "did you mean toy_pairs"),
        (["{run}", "tasks=toy_pairs", "revisions=man"], "did you mean main"),
        (["{run}", "tasks=toy_pairs", "backend=casual"], "did you mean causal"),
        (["{run}/nothing", "tasks=toy_pairs"], "no folder"),
        (["{run}"], "tasks: none given"),
    ],
)
def test_mistakes_answer_with_exit_code_2(run_folder, capsys, words, message):
    assert evaluate._command([word.format(run=run_folder) for word in words]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def official_data(tmp_path):
    fixtures.write_all(tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("rules", [2025, 2026])
@pytest.mark.parametrize("name", ["fast", "full"])
def test_suites(run_folder, official_data, capsys, name, rules):
    words = [str(run_folder), f"suite={name}", f"rules={rules}", f"data={official_data}", "revisions=main"]
    assert evaluate._command(words) == 0
    shown = capsys.readouterr().out
    tasks = suite_names(name, rules)
    for task in tasks:
        stem = result_stem(task, name, rules, "causal")
        stored = json.loads((run_folder / f"evaluation/main/{stem}.json").read_text())
        assert stem == ".".join([stored["task"], stored["suite"], str(stored["rules"]), stored["backend"]])
        assert (stored["rules"], stored["suite"]) == (rules, name)
        assert (run_folder / f"evaluation/main/predictions/{stem}.json").is_file()
        assert f"[1/1] main {task}: " in shown
    if name == "full":
        stored = json.loads((run_folder / f"evaluation/main/averages.{rules}.causal.json").read_text())
        last = "macro" if rules == 2025 else "overall"
        assert stored[last]["missing"] == ["aoa"]
        assert (stored[last]["value"] is None) == (rules == 2025)
        assert f"main {last} {rules}: " in shown
        assert "without: aoa" in shown


def test_missing_data_is_named_and_the_rest_scored(run_folder, official_data, capsys):
    shutil.rmtree(official_data / "fast_eval/ewok_fast")
    (official_data / "fast_eval/global_piqa_parallel/eng_latn.jsonl").unlink()
    words = [str(run_folder), "suite=fast", f"data={official_data}", "revisions=main", "limit=20"]
    assert evaluate._command(words) == 0
    shown = capsys.readouterr().out
    left_out = [line for line in shown.splitlines() if "left out" in line]
    assert [line.split()[0] for line in left_out] == ["ewok", "global_piqa"]
    assert "fast_eval/ewok_fast; unpack ewok_fast.zip" in left_out[0]
    assert "main entity_tracking" in shown
    # A task that is asked for by name is not left out in silence.
    assert evaluate._command([*words, "tasks=ewok"]) == 2
    assert evaluate._command([str(run_folder), "suite=full", f"data={official_data / 'none'}"]) == 2


def test_age_of_acquisition_over_revisions(tmp_path, run_folder, official_data, causal_model, tokenizer_folder, capsys):
    words = [str(run_folder), "tasks=aoa", "suite=full", f"data={official_data}"]
    assert evaluate._command(words) == 0
    assert "2 revisions named by words (chck_*) are too few" in capsys.readouterr().out
    for thousand in (20, 30, 40):
        revisions.save(run_folder / f"chck_{thousand}K", causal_model, tokenizer_folder, {"words": thousand * 1000})
    assert evaluate._command(words) == 0
    assert "over 5 revisions" in capsys.readouterr().out
    found = json.loads((run_folder / "evaluation/aoa.full.2026.causal.json").read_text())
    assert found["revisions"] == ["chck_2K", "chck_10K", "chck_20K", "chck_30K", "chck_40K"]
    assert found["score"] == 0  # no revision has learned anything
    surprisals = json.loads((run_folder / "evaluation/predictions/aoa.full.2026.causal.json").read_text())
    assert len(surprisals["results"]) == 5 * 8
    assert surprisals["results"][0]["word_count"] == 2000


def test_parts_share_the_revisions_and_the_whole_adds_the_rest(run_folder, official_data, capsys, monkeypatch):
    """Three revisions for five tasks of an array: each once, fine-tuning on the last alone, averages at the end."""
    words = [str(run_folder), "suite=full", f"data={official_data}", "rules=2025", "limit=4"]
    scored = []
    for number in range(5):
        assert evaluate._command([*words, f"part={number}/5"]) == 0
        scored += [line for line in capsys.readouterr().out.splitlines() if " blimp: " in line]
    assert [line.split()[1] for line in scored] == ["chck_2K", "chck_10K", "main"]
    tuned = {file.parent.name for file in run_folder.glob("evaluation/*/rte.*.json")}
    assert tuned == {"main"}
    assert not list(run_folder.glob("evaluation/*/averages.*"))
    monkeypatch.setattr(score_model, "load_scorer", lambda *_, **__: pytest.fail("scored twice"))
    assert evaluate._command(words) == 0
    assert len(list(run_folder.glob("evaluation/*/averages.*"))) == 3
    for wrong in ("5/5", "1", "-1/4", "a/b", "0/0"):
        assert evaluate._command([*words, f"part={wrong}"]) == 2
        assert "part=0/4 to part=3/4" in capsys.readouterr().err


def test_aggregates():
    columns = dict.fromkeys(("blimp", "supplement", "ewok", "entity_tracking", "comps", "glue"), 0.6)
    columns |= {"wug_adj": 0.4, "wug_past": 0.2, "reading": 0.06, "aoa": -0.02}
    found = averages.official_averages(columns, 2025)
    assert found["nlp"].value == pytest.approx(0.6)
    assert found["human_likeness"].value == pytest.approx(0.16)
    assert found["macro"].value == pytest.approx(0.38)
    found = averages.official_averages(columns | {"global_piqa": 0.4}, 2026)
    assert found["overall"].value == pytest.approx((6 * 0.6 + 0.4 + 0.06 - 0.02) / 9)
    assert found["overall"].missing == ()
    found = averages.official_averages(columns, 2026)
    assert found["overall"].value == pytest.approx((6 * 0.6 + 0.06 - 0.02) / 9)  # as on the leaderboard
    assert found["overall"].present == pytest.approx((6 * 0.6 + 0.06 - 0.02) / 8)
    assert found["overall"].missing == ("global_piqa",)
    assert averages.official_averages({}, 2025)["macro"].present is None
