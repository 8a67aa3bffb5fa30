"""A study's summary that somebody damaged or wrote is told as such; nothing outside its folder is shown."""

from __future__ import annotations

import json
import math

import pytest

from babylm import report
from babylm.files import DamagedFile
from babylm.reporting import study_summary

PNG = study_summary.PNG + b"picture"
WHOLE = {
    "study": "mine",
    "title": "A title",
    "remarks": ["A remark."],
    "conditions": ["a", "b"],
    "seeds": [1, 2],
    "pieces": 4,
    "seconds": 12.5,
    "failed": [{"condition": "a", "seed": 1, "reason": "no luck"}],
    "settings": {"seeds": [1, 2]},
    "figure": "figure.png",
    "tables": {
        "results": {
            "caption": "results",
            "columns": [{"title": "arm", "format": "", "align": "left"}, {"title": "score", "format": ".2f"}],
            "rows": [["a", 0.5], ["b", None]],
        }
    },
}


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.yaml").write_text("study: mine\n")
    (folder / "figure.png").write_bytes(PNG)
    return folder


def write(study, content):
    (study / study_summary.SUMMARY).write_text(json.dumps(content))


def test_a_whole_summary_is_a_page(study, capsys):
    write(study, WHOLE)
    ((title, table),) = study_summary.read(study)["tables"]
    assert (title, table.rows) == ("results", [["a", 0.5], ["b", None]])
    assert report._command([str(study)]) == 0
    page = (study / "report.html").read_text()
    assert all(text in page for text in ("A title", "A remark.", "no luck", "0.50"))


def damaged(*path, value):
    """`WHOLE` with ``value`` at the place of ``path``."""
    content = json.loads(json.dumps(WHOLE))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), "\ud800"),
        (("title",), 3),
        (("remarks",), None),
        (("remarks",), [1]),
        (("seconds",), None),
        (("seconds",), "x"),
        (("pieces",), True),
        (("seeds",), 3),
        (("conditions",), {}),
        (("settings",), []),
        (("settings", "seeds"), 1),
        (("failed",), ["x"]),
        (("failed",), [{}]),
        (("figure",), 7),
        (("tables",), []),
        (("tables",), {"a": 1}),
        (("tables", "results", "caption"), None),
        (("tables", "results", "columns"), 1),
        (("tables", "results", "columns", 0), {"title": "arm", "colour": "red"}),
        (("tables", "results", "columns", 1), {"title": "score", "format": "wide"}),
        (("tables", "results", "rows", 0), ["a"]),
        (("tables", "results", "rows", 0), ["a", {}]),
        (("seconds",), 10**40),
        (("pieces",), math.inf),
    ],
)
def test_damage_is_one_line_and_hides_no_other_study(study, capsys, path, value):
    write(study, damaged(*path, value=value))
    assert report._command([str(study)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {study}/summary.json: ")
    assert report._command([str(study.parent)]) == 0
    assert "summary.json: " in (study.parent / "report.html").read_text()


@pytest.mark.parametrize("name", ["../private.txt", "private.txt", "link.png", "{}/private.txt"])
def test_no_file_but_a_picture_of_the_study_is_shown(study, capsys, name):
    private = study.parent / "private.txt"
    private.write_text("secret")
    (study / "private.txt").write_text("secret")
    (study / "link.png").symlink_to(private)
    write(study, WHOLE | {"figure": name.format(study.parent)})
    assert report._command([str(study)]) == 2
    assert "summary.json: figure is" in (error := capsys.readouterr().err) or "is no PNG picture" in error
    with pytest.raises(DamagedFile):
        study_summary.figure(study, name.format(study.parent))
    assert not (study / "report.html").exists()
