"""The page of a run: whole, self-contained, escaped, and made of whatever is there."""

import html.parser
import json
import re

import numpy as np
import pytest

from babylm import report
from babylm.reporting import baselines, charts, markup
from tests.evaluation import stored_results
from tests.training import runs

pytest.importorskip("matplotlib")
VOID = {"meta", "br", "img", "path", "use", "rect"}


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
        if "style" not in self.open:
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
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert not re.search(r"<(?:script|link|iframe)\b|@import|url\((?!#)", text)


def test_a_run_without_any_evaluation(trained, tmp_path, capsys):
    make(trained, f"out={tmp_path}/r.html")
    text = (tmp_path / "r.html").read_text()
    shown = Nesting(text).text
    self_contained(text)
    assert f"Nothing is scored yet: python -m babylm.evaluate {trained} suite=fast" in shown
    assert "training loss" in shown
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
        *("Scores", "Tasks over words", "Phenomena", "Published baselines", "Calibration", "Examples"),
        *("part_3", f"{facts['parameters']:,}", facts["weights_sha256"][:16], "The full suite is not scored"),
        *("times.csv: RT<1>", "12.35 ± 0.50"),
    ):
        assert part in found.text, part
    assert "<b>cat</b>" in found.text  # the word of the example is text, not markup
    assert "<b>cat</b>" not in text


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


def test_escaping_and_tables():
    assert markup.esc('<a href="x">') == "&lt;a href=&quot;x&quot;&gt;"
    assert markup.tag("b", "<", markup.Html("<i></i>"), class_='"') == '<b class="&quot;">&lt;<i></i></b>'
    assert markup.table(["a"], []) == ""
    assert "<td>&amp;</td>" in markup.table(["a"], [["&"]])


def test_charts_do_not_depend_on_when_they_are_made():
    line = charts.Line(np.array([1e6, 2e6]), np.array([1.0, 2.0]), charts.COLOURS[0])
    one, two = (charts.over_words([line], "nats", name="a & b") for _ in range(2))
    assert one == two
    assert 'aria-label="a &amp; b"' in one
    assert "1M" in one
    assert not re.search(r'<svg[^>]*\swidth="', one)  # it fills its place
    charts.over_words([charts.Line(np.array([5.0]), np.array([1.0]), "red", np.array([[0.5, 1.5]]))], "%", 0.7)
    charts.over_words([charts.Line(np.array([5.0]), np.array([1.0]), "red", np.array([[np.nan, np.nan]]))], "%")


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
