"""A whole package by both years' rules: its keys, its scores, its result tree, its bytes."""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from babylm import files, submit
from babylm.console import Log
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task_registry import groups, load_task
from babylm.submission import (
    checks,
    collate,
    description,
    official,
    official_layout,
    package,
    reading_reports,
    rescoring,
    settings,
)
from babylm.submission import submit as submitting
from tests.evaluation import fixtures

GLUE = [task.name for task in groups()["glue"]]

SHARED = Path(os.environ.get("BABYLM_SHARED_DATA", "../shared/data"))
PARITY = SHARED / "parity" / "official" / "gpt2-tiny" / "causal"


def opened(folder, rules, **given):
    return settings.open_run(folder, {"rules": str(rules), "backend": "causal", **given})


def test_official_counts_add_up():
    totals = {
        ("blimp", "full"): 59_875, ("blimp", "fast"): 13_400, ("supplement", "full"): 5_218,
        ("supplement", "fast"): 250, ("ewok", "full"): 7_618, ("ewok", "fast"): 1_100,
        ("comps", "full"): 91_028, ("reading", "fast"): 1_726,
    }  # fmt: skip
    for (task, which), total in totals.items():
        assert sum(official.counts(task, which, 2025).values()) == total
    assert len(official.counts("blimp", "full", 2026)) == 67
    assert [sum(official.counts("entity_tracking", "full", year).values()) for year in (2025, 2026)] == [9_483, 6_780]
    assert [sum(official.counts("entity_tracking", "fast", year).values()) for year in (2025, 2026)] == [3_152, 2_238]
    assert sum(sum(official.counts(task, "full", 2025).values()) for task in GLUE) == 29_577
    assert official.counts("toy_pairs", "fast", 2026) is None


@pytest.mark.parametrize("rules", [2025, 2026])
def test_collated_file_has_the_official_keys(mini, data, rules):
    wanted = opened(mini, rules)
    assert checks.problems(wanted) == []
    found = collate.collate(wanted, collate.Gold(data, rules))
    shared = ["blimp", "blimp_supplement", "ewok"]
    if rules == 2025:
        keys = [*shared, "entity_tracking", "comps", "wug_adj", "wug_past", "reading", "aoa", "glue"]
        fast = [*shared, "entity_tracking", "wug_adj", "wug_past", "reading"]
    else:
        piqa = ["global_piqa_parallel", "global_piqa_nonparallel"]
        keys = [*shared, "entity_tracking_filtered", "comps", *piqa, "reading", "aoa", "aoa_surprisals", "glue"]
        fast = [*shared, "entity_tracking_filtered", *piqa, "reading"]
    assert list(found) == [*keys, "fast_eval_results"]
    assert list(found["fast_eval_results"]) == fast
    assert all(len(scores) == 5 for scores in found["fast_eval_results"].values())
    assert found["fast_eval_results"]["reading"][0].keys() == {"spr", "rt"}
    assert list(found["glue"]) == list(GLUE)
    assert found["blimp"]["agreement_1"]["predictions"][3]["id"] == "agreement_1_3"
    assert isinstance(found["glue"]["rte"]["predictions"][0]["pred"], int)
    surprisals = found["aoa" if rules == 2025 else "aoa_surprisals"]
    assert list(surprisals) == ["metadata", "results"]
    assert surprisals["metadata"]["model_name"] == "mini"
    assert list(surprisals["results"][0]) == ["step", "word_count", "target_word", "context_id", "context", "surprisal"]
    if rules == 2026:
        assert list(found["aoa"]) == ["aoa"]
        assert all(len(own["predictions"]) == 1 for own in found["global_piqa_parallel"].values())
    first = next(line for line in found["reading"]["reading"]["predictions"] if line["prev_pred"] != line["prev_pred"])
    assert math.isnan(first["prev_pred"])  # NaN, not null, as the official file has it


@pytest.mark.parametrize("rules", [2025, 2026])
def test_scores_counted_from_the_file_are_the_stored_ones(mini, data, rules):
    wanted, gold = opened(mini, rules), collate.Gold(data, rules)
    found = rescoring.scores(collate.collate(wanted, gold), wanted, gold)
    assert {score.task for score in found} == {
        *("blimp", "supplement", "ewok", "entity_tracking", "comps", "reading", "aoa", *GLUE),
        *(["global_piqa"] if rules == 2026 else ["wug_adj", "wug_past"]),
    }
    assert [score.task for score in found if not score.equal] == []
    assert not any(part.missing for part in rescoring.averages(found, rules).values())


def test_a_changed_answer_is_refused(mini, data):
    file = mini / "evaluation" / "main" / "predictions" / "blimp.full.2026.causal.json"
    stored = json.loads(file.read_text())
    lines = stored["agreement_1"]["predictions"]
    pairs = [fixtures.pair(i) for i in range(6)]
    sentences = {pair["sentence_good"]: pair["sentence_bad"] for pair in pairs}
    both = sentences | {bad: good for good, bad in sentences.items()}
    lines[0]["pred"] = both[lines[0]["pred"]]
    file.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"blimp: 0\.\d+ counted"):
        package.write(opened(mini, 2026), data)


def test_made_twice_is_byte_identical(mini, data):
    hashes = []
    for _ in range(2):
        written = package.write(opened(mini, 2026), data)
        hashes.append(files.sha256_file(written.archive))
        os.utime(mini / "plan.json", (1, 1))
    assert hashes[0] == hashes[1]
    sums = (written.folder / package.CHECKSUMS).read_text().splitlines()
    listed = {line.split("  ")[1]: line.split("  ")[0] for line in sums}
    with tarfile.open(written.archive) as tar:
        inside = {name.split("/", 1)[1]: tar.extractfile(name).read() for name in tar.getnames()}
    assert inside.keys() == {*listed, package.CHECKSUMS}
    assert all(hashlib.sha256(inside[name]).hexdigest() == own for name, own in listed.items())


def test_result_tree_is_laid_out_officially(mini, data, tmp_path):
    wanted = opened(mini, 2025)
    files = {
        str(file.relative_to(tmp_path))
        for file in official_layout.write_tree(tmp_path, wanted, collate.Gold(data, 2025))
    }
    zero_shot = "mini/main/zero_shot/causal"
    names = "blimp/blimp_filtered blimp/supplement_filtered ewok/ewok_filtered comps/comps wug_past/wug_past_tense"
    for name in (*names.split(), "entity_tracking/entity_tracking", "wug_adj/wug_adj_nominalization"):
        assert {f"{zero_shot}/{name}/predictions.json", f"{zero_shot}/{name}/best_temperature_report.txt"} <= files
    for name in ("predictions.json", "report.txt", "correlations.txt", "predictive_power.jsonl", "prediction.jsonl"):
        assert f"{zero_shot}/reading/{name}" in files
    assert f"{zero_shot}/AoA_word/surprisal.json" in files
    assert {
        f"mini/main/finetune/{task}/{name}" for task in GLUE for name in ("predictions.json", "results.txt")
    } <= files
    assert "mini/chck_3K/zero_shot/causal/ewok/ewok_fast/predictions.json" in files
    report = (tmp_path / zero_shot / "entity_tracking/entity_tracking/best_temperature_report.txt").read_text()
    assert re.search(r"^ambiref_0_ops: \d+\.\d\d$", report, re.M)
    assert re.search(r"^move_contents: \d+\.\d\d$", report, re.M)
    report = (tmp_path / zero_shot / "blimp/blimp_filtered/best_temperature_report.txt").read_text()
    assert [line for line in report.splitlines() if line.startswith("###")] == [
        *("### FIELD ACCURACY", "### UID ACCURACY", "### LINGUISTICS_TERM ACCURACY", "### AVERAGE ACCURACY")
    ]


def official_report(task, name):
    return sorted((PARITY / task / name / "best_temperature_report.txt").read_text().splitlines())


@pytest.mark.skipif(not PARITY.is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")
@pytest.mark.parametrize(("task", "folder"), [("blimp", "blimp_fast"), ("supplement", "supplement_fast")])
def test_reports_equal_the_official_ones(task, folder):
    """From the official predictions, the official report, line by line (their order is that of the file system)."""
    predictions = json.loads((PARITY / "blimp" / folder / "predictions.json").read_text())
    ours = official_layout._report(load_task(task), "fast", predictions, collate.Gold(SHARED / "evaluation_data", 2025))
    assert sorted(ours.splitlines()) == official_report("blimp", folder)


@pytest.mark.skipif(not PARITY.is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")
def test_reading_reports_equal_the_official_ones():
    lines = json.loads((PARITY / "reading" / "predictions.json").read_text())["reading"]["predictions"]
    found = reading_reports.reports(SHARED / "evaluation_data/full_eval/reading/reading_data.csv", lines)
    assert found["correlations.txt"] == (PARITY / "reading" / "correlations.txt").read_text()
    for name in reading_reports.TABLES:
        for ours, theirs in zip(
            found[name].splitlines(), (PARITY / "reading" / name).read_text().splitlines(), strict=True
        ):
            one, two = json.loads(ours), json.loads(theirs)
            assert list(one) == list(two)
            assert all(one[key] == pytest.approx(two[key], rel=1e-9) for key in one if key != "Predicted variable")


def test_reading_reports_leave_out_measures_that_are_not_there(data):
    file = data / "fast_eval/reading/reading_data.csv"
    with open(file) as rows:
        count = len(list(csv.reader(rows))) - 1
    lines = [{"pred": float(i % 7), "prev_pred": float(i % 5)} for i in range(count)]
    assert "N400" not in reading_reports.reports(file, lines)["correlations.txt"]


def test_card_and_form_say_what_the_run_recorded(mini, data):
    wanted = opened(mini, 2026, description="A model of ours.", genre="child-directed speech")
    written = package.write(wanted, data)
    text = (written.folder / "README.md").read_text()
    assert text.startswith("---\nlicense: mit\nlanguage:\n- en\n")
    for expected in ("A model of ours.", "| chck_3K | 3,007 |", "2,000 of 10,000", "5,007 of 100,000", "| rte |"):
        assert expected in text
    form = json.loads((written.folder / "form.json").read_text())
    assert len(form) == 39
    assert form["data genre"] == "child-directed speech"
    assert form["GPU-hours (development)"] == description.UNKNOWN
    assert (form["parameters"], form["training FLOPs"], form["data size (words)"]) == (
        json.loads((mini / "main/babylm.json").read_text())["parameters"], 1e9, 2_000,
    )  # fmt: skip
    assert wanted.hours == pytest.approx(5.007 / 3600)


def test_command_lists_everything_at_once(mini, capsys):
    (mini / "chck_2K" / "model.safetensors").unlink()
    (mini / "evaluation/main/comps.full.2026.causal.json").unlink()
    (mini / "evaluation/main/rte.full.2026.tuned.json").unlink()
    assert submit.main(mini, {"load": "false"}, Log()) == 2
    out = capsys.readouterr().out
    assert "1. damaged revision" in out
    assert "model.safetensors: missing" in out
    assert "comps, rte" in out
    assert (
        f"python -m babylm.evaluate {mini} tasks=comps,rte suite=full rules=2026 backend=causal revisions=main" in out
    )
    assert not (mini / "submission").exists()


def test_incomplete_says_what_is_missing(mini, capsys):
    (mini / "evaluation/main/comps.full.2026.causal.json").unlink()
    assert submit.main(mini, {"load": "false"}, Log()) == 2
    assert submit.main(mini, {"load": "false", "incomplete": "true"}, Log()) == 0
    stored = json.loads((mini / "submission/2026/all_full_preds_and_fast_scores_causal.json").read_text())
    assert stored["comps"] is None
    assert "comps" in (mini / "submission/2026/README.md").read_text().split("Not in this package:")[1]
    assert "nothing was sent" in capsys.readouterr().out


def test_command_line_errors_are_fast_and_clear(tmp_path):
    def ask(*words):
        done = subprocess.run([sys.executable, "-m", "babylm.submit", *words], capture_output=True, text=True)
        return done.returncode, done.stderr

    code, error = ask(str(tmp_path), "rule=2025")
    assert code == 2
    assert "rules" in error
    assert ask(str(tmp_path / "none"))[0] == 2  # before torch is imported
    assert "not the folder of a run" in ask(str(tmp_path))[1]


def test_an_incomplete_run_of_its_own_tasks_leaves_out_what_it_lacks():
    """A free run's tasks, of which a revision has no results with this scorer."""
    answers = {"agree": {"predictions": [{"id": "agree_0", "pred": "the dogs run"}]}}
    gold = collate.Gold(Path(), 2026)
    gold._items["toy_pairs", "fast"] = [
        Item("agree", ("the dogs run", "the dogs runs"), ("the dogs run", "the dogs runs"))
    ]
    run = SimpleNamespace(
        config=SimpleNamespace(track="free", evaluation=SimpleNamespace(tasks=["toy_pairs"])),
        milestones=["chck_1M", "chck_2M"],
        result=lambda name, task, which: None if name == "chck_1M" else answers,
        predictions=lambda name, task, which: answers,
    )
    assert collate.collate(run, gold) == {
        "toy_pairs": answers,
        "fast_eval_results": {"toy_pairs": [None, {"agree": 1.0}]},
    }
    gold._items["toy_pairs", "fast"] *= 2
    with pytest.raises(
        ValueError, match=r"toy_pairs \(fast\): 1 predictions of agree, which has 2 items; .*without limit"
    ):
        collate.collate(run, gold)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda lines: lines[:-1], "3 predictions of turns, which has 4 items"),
        (lambda lines: lines * 2, "8 predictions of turns, which has 4 items"),
    ],
)
def test_predictions_of_other_items_are_named(mini, data, change, count):
    """A limited result of a free run, or one of other data: no pairing of answers and items by chance."""
    predictions = opened(mini, 2026).predictions("main", "supplement", "full")
    predictions["turns"]["predictions"] = change(predictions["turns"]["predictions"])
    with pytest.raises(ValueError, match=rf"supplement \(full\): {count}.*without limit"):
        collate.Gold(data, 2026).score("supplement", "full", predictions)
    with pytest.raises(ValueError, match="predictions of other, which has 0 items"):
        collate.Gold(data, 2026).score("supplement", "full", {"other": predictions["turns"]})


def test_the_library_call_raises_ordinary_exceptions(mini, capsys):
    """Without a word on the terminal; `NotReady` has the problems with their remedies."""
    result = submitting.submit(settings.open_run(mini, {"backend": "causal"}), load=False)
    assert result.package.archive.is_file()
    assert (result.missing, result.branches[-1].name, result.pushed) == ([], "main", False)
    (mini / "evaluation/main/comps.full.2026.causal.json").unlink()
    with pytest.raises(submitting.NotReady, match=r"1 thing\(s\) to do before .*; incomplete=true") as refused:
        submitting.submit(settings.open_run(mini, {"backend": "causal"}), load=False)
    assert "tasks=comps" in refused.value.problems[0].remedy
    result = submitting.submit(settings.open_run(mini, {"backend": "causal"}), load=False, incomplete=True)
    assert "comps" in result.missing[0]
    shutil.rmtree(mini / "main")
    with pytest.raises(ValueError, match="not finished"):
        settings.open_run(mini)
    assert capsys.readouterr() == ("", "")
