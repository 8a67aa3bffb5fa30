"""The page of a run: whole, self-contained, escaped, and made of whatever is there."""

import html.parser
import json
import os
import re
import shutil

import numpy as np
import pytest

from babylm import report
from babylm.reporting import baselines, blocks, charts, job_logs, page, runs_table
from babylm.reporting.report import report as write_report
from tests.evaluation import stored_results
from tests.training import runs

pytest.importorskip("matplotlib")
VOID = {"meta", "br", "img", "path", "use", "rect", "input"}


class Nesting(html.parser.HTMLParser):
    """Every element that is opened is closed, in order; keeps the ids and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, name, attributes):
        self.ids += [value for key, value in attributes if key == "id"]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        if name not in VOID:
            assert self.open.pop() == name

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run with three revisions, nothing evaluated."""
    return runs.run(tmp_path_factory.mktemp("run"), "name=tiny", "milestones=[300,600]")


def regressions(run):
    """A stored result of a file of reading times."""
    numbers = ("delta_log_likelihood", "delta_r2", "share", "r2_baseline", "standard_error", "p")
    times = {"RT<1>": dict.fromkeys(numbers, 0.5) | {"n": 77, "per_nat": 12.3456}}
    items = stored_results.pairs({"u": 4})
    stored_results.store(
        *(run / "evaluation/main", items, np.zeros((4, 2)), "my/times.csv"), details={"times": times}, words=900
    )


def score(run, shift=0.0):
    """StoredResult results of every revision, as of a model that learns."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(("chck_300", "chck_600", "main")):
        for task, items in (
            ("blimp", stored_results.pairs({f"part_{k}": 40 for k in range(6)})),
            ("wug_adj", stored_results.pairs({"wug": 30}, human=True)),
        ):
            right = generator.normal(0.4 * number + shift, 1, len(items))
            stored_results.store(
                *(run / "evaluation" / name, items, np.stack([right, np.zeros(len(items))], 1), task),
                words=300 * (number + 1),
                weights_sha256=name,
                chance=0.5 if task == "blimp" else 0.0,
            )


def make(*words):
    assert report._command([str(word) for word in words]) == 0


def self_contained(text):
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)
    assert not re.search(
        r"<(?:script [^>]|link|iframe)\b|@import|url\((?!#)|fetch\(|XMLHttp|https?://(?!www.w3.org)", text
    )


def test_a_run_without_any_evaluation(trained, tmp_path, capsys):
    make(trained, f"out={tmp_path}/r.html")
    text = (tmp_path / "r.html").read_text()
    shown = Nesting(text).text
    self_contained(text)
    assert f"Nothing is scored yet: python -m babylm.evaluate {trained} suite=fast" in shown
    assert "Training loss" in shown
    assert "words read" in shown
    assert "Examples" not in shown
    assert "r.html" in capsys.readouterr().out


def test_everything_is_shown_and_escaped(trained, tmp_path):
    score(trained)
    regressions(trained)
    make(trained)
    text = (trained / "report.html").read_text()
    found = Nesting(text)
    self_contained(text)
    assert len(found.ids) == len(set(found.ids))
    facts = json.loads((trained / "main/babylm.json").read_text())
    for part in (
        *("Scores", "Training", "Tasks over words", "Phenomena", "All scores", "Calibration", "Examples", "Corpus"),
        *("GPT-2", "published", "Learning rate", "Gradient norm", "Throughput", "hours", "FLOPs", "characters/word"),
        *("part_3", f"{facts['parameters']:,}", facts["weights_sha256"][:16], "The full suite is not scored"),
        *("times.csv: RT<1>", "12.35 ± 0.50"),
    ):
        assert part in found.text, part
    assert "<b>cat</b>" in found.text  # the word of the example is text, not markup
    assert "<b>cat</b>" not in text
    parts = ("published by others", "Training loss", "part_3", "samples=true")
    order = [found.text.index(part) for part in parts]
    assert order == sorted(order), "scores first, what is missing last"


def test_several_runs_are_overlaid_and_compared(trained, tmp_path):
    score(trained)
    other = runs.run(tmp_path, "name=other", "milestones=[300,600]", "optimizer.lr=0.02")
    other = other.rename(other.with_name("a<b"))
    score(other, shift=0.5)
    make(trained, other, f"out={tmp_path}/r.html")
    found = Nesting((tmp_path / "r.html").read_text())
    for part in ("a<b", "Comparison of runs", "Order of acquisition", "optimizer.lr", "rho"):
        assert part in found.text, part
    assert "a<b" not in (tmp_path / "r.html").read_text()


def test_a_model_folder_is_enough(tmp_path):
    folder = stored_results.model(tmp_path / "m")
    make(folder)
    assert "Nothing is scored yet" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "no folder none"),
        (["."], "neither a run"),
        (["out=x.html"], "which run"),
        (["a", "ot=b"], "mean out"),
    ],
)
def test_mistakes(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert report._command(words) == 2
    assert message in capsys.readouterr().err


def test_everything_is_escaped():
    parts = [
        blocks.Note("<1>"),
        blocks.Heading("<2>"),
        blocks.Text("<3>"),
        blocks.Folded("<4>", [blocks.Sample("<5>", ["<6>"]), blocks.Missing([("<7>", "<8>")])]),
        blocks.Pair("<9>", 1.0, [(True, [blocks.Word("<10>", 1.0, 0.5)])]),
        blocks.Charts([blocks.Figure("<11>", {"<12>": "<svg></svg>", "b": ""})], [("<13>", 0)]),
    ]
    text = page.render(blocks.Page("<14>", ["<15>"], [blocks.Section("<16>", parts), blocks.Section("empty", [])]))
    assert not re.search(r"<\d", text)
    assert Nesting(text).text.count("<") == 18  # the title twice, the section's too
    assert "empty" not in text


def test_charts_do_not_depend_on_when_they_are_made():
    line, axis = charts.Line(np.array([1e6, 2e6]), np.array([1.0, 2.0]), charts.COLOURS[0]), charts.Axis("words read")
    one, two = (charts.line_chart([line], "nats", axis, name="a & b") for _ in range(2))
    assert one == two
    assert 'aria-label="a &amp; b"' in one
    assert "1M" in one
    assert not re.search(r'<svg[^>]*\swidth="', one)  # it fills its place
    assert "var(--c0, #2563a8)" in one, "the colour follows the theme"
    for interval in ((0.5, 1.5), (np.nan, np.nan)):
        point = charts.Line(np.array([5.0]), np.array([1.0]), "red", np.array([interval]))
        charts.line_chart([point], "%", axis, 0.7)


def test_words_have_ticks_at_milestones_that_can_be_read():
    official = [million * 1e6 for million in (*range(1, 10), *range(10, 101, 10))]
    assert charts.ticks(1e5, 1e8, official) == [1e6, 3e6, 1e7, 3e7, 1e8]
    assert charts.ticks(9e7, 1e8, official) == [9e7, 1e8]
    assert charts.ticks(300, 900, [300.0, 600.0, 900.0]) == [300, 600, 900]
    for low, high in ((1e6, 1e8), (1, 1e9), (5, 5), (1000, 1100)):
        assert 1 <= len(charts.ticks(low, high)) <= charts.MAX_LABELS


def test_published_rows_fit_their_columns():
    for one in baselines.PUBLISHED:
        assert len(one.scores) == len(baselines.COLUMNS[one.rules]), one.name
        assert one.source
    for track in ("strict-small", "strict", "interaction", "multimodal", "free"):
        assert all(baselines.of(track, rules) for rules in (2025, 2026))
    # The macro average of 2025 is the mean of the two others.
    for one in baselines.PUBLISHED:
        if one.rules == 2025:
            language, people, macro = one.scores[-3:]
            assert macro == pytest.approx((language + people) / 2, abs=0.11)


def test_a_folder_of_runs_is_a_table(tmp_path, capsys):
    """Seeds as mean and deviation; what did not end, with its reason."""
    for seed in (1, 2):
        run = runs.run(tmp_path, f"name=s{seed}", f"seed={seed}", "milestones=[300,600]")
        score(run, shift=0.3 * seed)
    shutil.copytree(tmp_path / "checkpoints/s1", tmp_path / "checkpoints/killed")
    shutil.rmtree(tmp_path / "checkpoints/killed/main")
    log = "# now  train\nerror: the loss is nan in step 7; the last saved state is here\n"
    (tmp_path / "checkpoints/killed/log.txt").write_text(log)
    (tmp_path / "checkpoints/odd").mkdir()
    (tmp_path / "checkpoints/odd/config.yaml").write_text("nam: x\n")
    metrics = tmp_path / "checkpoints/s2/metrics.jsonl"
    metrics.write_text(metrics.read_text() + json.dumps({"step": 9, "words": 600, "task/toy_pairs": 0.625}) + "\n")
    file = write_report(tmp_path / "checkpoints")
    assert file == tmp_path / "checkpoints/report.html"
    text = file.read_text()
    self_contained(text)
    shown = Nesting(text).text
    for part in ("4 runs, 2 finished", "stopped: the loss is nan in step 7", "cannot be read", "s1, s2", "±"):
        assert part in shown, part
    rows = [runs_table.read(folder) for folder in runs_table.runs_of(tmp_path / "checkpoints")]
    (losses,) = [[row.losses["loss"] for row in rows if row.name in ("s1", "s2")]]
    assert f"{np.mean(losses):.2f} ± {np.std(losses, ddof=1):.2f}" in shown
    assert rows[-1].scores["toy_pairs in training"] == 62.5
    (figure,) = runs_table.scores(rows)[0].figures
    assert ("toy_pairs in training", "s2", 62.5) in figure.rows
    assert {name for _, name, _ in figure.rows} >= {"s1", "s2"}


def test_runs_are_ordered_by_held_out_loss():
    losses = {"good": {"dev/causal": 2.0, "loss": 3.0}, "bad": {"dev/causal": 4.0, "loss": 1.0}, "none": {"loss": 0.5}}
    rows = [runs_table.Row(name, None, "finished", losses=losses[name]) for name in ("bad", "none", "good")]
    (block,) = runs_table.table(rows)
    assert [cells[0] for cells in block.table.rows] == ["good", "bad", "none"]


def test_a_job_that_ended_before_its_run_had_a_folder_is_named(tmp_path):
    """By the command in the newest log that names the run; not the jobs of other folders, or of runs that are there."""
    folder = tmp_path / "checkpoints"
    (folder / "there").mkdir(parents=True)
    command = "$ 'python' -m 'babylm.train' 'a.yaml' 'name={}'{}\n{}\n"
    for number, (name, setting, end) in enumerate(
        [
            ("typo", "", "error: optimizer.weight_decy: unknown key"),
            ("there", "", "error: no matter"),
            ("elsewhere", f" 'checkpoints={tmp_path}/other'", "error: no matter"),
            ("typo", "", "slurm/_run.sh: python: command not found"),
            ("waits", "", ""),
        ]
    ):
        log = folder / f"babylm-sweep-{number}_0.log"
        log.write_text(command.format(name, setting, end))
        os.utime(log, (number, number))
    (folder / "notes.log").write_text("anything\n$ a quote that 'ends nowhere\n")
    assert job_logs.runs_without_a_folder(folder) == {"typo": "slurm/_run.sh: python: command not found"}
    assert job_logs.runs_without_a_folder(tmp_path / "other") == {}, "its job's log is in another folder"
    (tmp_path / "x.log").write_text(command.format("far", f" 'checkpoints={tmp_path}/other'", "error: a reason"))
    (tmp_path / "other").mkdir()
    assert job_logs.runs_without_a_folder(tmp_path / "other") == {"far": "a reason"}
    rows = runs_table.read_all(folder)
    assert [(row.name, row.state) for row in rows] == [("typo", "no folder: slurm/_run.sh: python: command not found")]


def test_samples_are_generated_once_and_shown(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "tiny")
    said: list[str] = []
    for expected in (3, 0):
        said.clear()
        write_report(run, with_samples=True, log=said.append)
        assert len([line for line in said if "generating" in line]) == expected
    shown = Nesting((run / "report.html").read_text()).text
    assert "Samples" in shown
    assert "The dog" in shown
    assert "samples=true" not in shown


def test_only_a_page_of_ours_is_replaced(trained, tmp_path, capsys):
    """``out`` may name the wrong file."""
    for name, message in (("weights.safetensors", "ends in .html"), ("notes.html", "has not written")):
        (tmp_path / name).write_text("mine")
        assert report._command([str(trained), f"out={tmp_path}/{name}"]) == 2
        assert message in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
    os.mkfifo(tmp_path / "pipe.html")
    (tmp_path / "link.html").symlink_to(tmp_path / "notes.html")
    for name in ("pipe.html", "link.html"):
        assert report._command([str(trained), f"out={tmp_path}/{name}"]) == 2
        assert "is no regular file" in capsys.readouterr().err
    for _ in range(2):
        assert report._command([str(trained), f"out={tmp_path}/page.html"]) == 0
    assert (tmp_path / "page.html").read_text().startswith(page.BEGIN)
