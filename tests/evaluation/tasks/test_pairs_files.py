"""Minimal pairs as people have them: scored, or refused with the file, the line and what would help."""

import json
import logging
import os

import pytest

from babylm import evaluate, revisions
from babylm.config.evaluation import EvaluationConfig, PairsConfig
from babylm.evaluation.task_registry import load_task
from babylm.evaluation.tasks import _pairs_files

GOOD, BAD = "The cat sees it.", "The cat see it."
OTHER = ("The dogs see it.", "The dogs sees it.")
LAYOUTS = [
    ("sentence_good", "sentence_bad"),
    ("good", "bad"),
    ("good_sentence", "bad_sentence"),
    ("grammatical", "ungrammatical"),
    ("Grammatical Sentence", "Ungrammatical Sentence"),
    ("sentence-acceptable", "sentence-unacceptable"),
    ("correct", "incorrect"),
]


def write(file, good="sentence_good", bad="sentence_bad", separator=None, end="\n", encoding="utf-8", **more):
    """Two pairs as JSONL, or with a separator as a table."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{good: one, bad: two, **more} for one, two in ((GOOD, BAD), OTHER)]
    if separator is None:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    else:
        lines = [separator.join(rows[0])] + [separator.join(f'"{cell}"' for cell in row.values()) for row in rows]
    file.write_bytes((end.join(lines) + end).encode(encoding))
    return file


def items(path, limit=None, **settings):
    return load_task(str(path), EvaluationConfig(pairs=PairsConfig(**settings))).items(None, limit)


@pytest.mark.parametrize(("good", "bad"), LAYOUTS)
@pytest.mark.parametrize(("ending", "separator"), [("jsonl", None), ("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_layouts_whose_names_say_which_is_right(tmp_path, good, bad, ending, separator):
    file = write(tmp_path / f"agree.{ending}", good, bad, separator)
    for path in (file, tmp_path):
        found = items(path)
        assert [item.sentences for item in found] == [(GOOD, BAD), OTHER]
        assert {item.uid for item in found} == {"agree"}, "the file's name"
    assert len(items(file, limit=1)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r\n \r\n"])
@pytest.mark.parametrize(("ending", "separator"), [("jsonl", None), ("tsv", "\t")])
def test_byte_order_marks_line_ends_and_blank_lines(tmp_path, encoding, end, ending, separator):
    file = write(tmp_path / f"a.{ending}", separator=separator, end=end, encoding=encoding)
    assert [item.sentences for item in items(file)] == [(GOOD, BAD), OTHER]


def test_options_name_the_fields(tmp_path):
    file = write(tmp_path / "a.csv", "ok", "star", ",", paradigm="agreement")
    found = items(file, good="ok", bad="star", uid="paradigm")
    assert [item.uid for item in found] == ["agreement"] * 2
    assert [item.sentences for item in items(file, good="star", bad="ok")] == [(BAD, GOOD), OTHER[::-1]]


@pytest.mark.parametrize(
    ("more", "uid"),
    [
        ({}, "x/agree"),
        ({"field": "morphology"}, "x/agree"),
        ({"UID": "own"}, "x/agree"),
        ({"UID": "own", "field": "morphology"}, "own"),
        ({"UID": 7, "field": None}, "7"),
    ],
)
def test_uids_of_nested_folders(tmp_path, more, uid):
    write(tmp_path / "pairs/x/agree.jsonl", **more)
    write(tmp_path / "pairs/y/agree.jsonl")
    write(tmp_path / "pairs/.git/agree.jsonl", "a", "b")
    (tmp_path / "pairs/README.md").write_text("about")
    assert [item.uid for item in items(tmp_path / "pairs")] == [uid] * 2 + ["y/agree"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sentence_a": "x", "sentence_b": "y", "label": 0}', "line 1: no field's name says which sentence is right"),
        (
            '{"good": "x", "bad": "y", "correct": "x", "incorrect": "y"}',
            "several fields may hold the pair",
        ),
        ('{"good": "x", "bad": "y"}\n\n{"good": "x", "bad": null}', "line 3: bad is null, not a text"),
        ('{"good": "x", "bad": "y"}\n{"good": "x"}', "line 2: no field bad"),
        ('{"good": "x", "bad": "None"}', "line 1: bad is 'None', which stands for a missing text"),
        ('{"good": "x", "bad": "NA"}', "line 1: bad is 'NA'"),
        ('[{"good": "x", "bad": "y"}]', "line 1 holds a list, not an object"),
        ("", "is empty; expected a minimal pair"),
    ],
)
def test_what_is_no_pair(tmp_path, content, message):
    (tmp_path / "p.jsonl").write_text(content)
    with pytest.raises(ValueError, match=r"\S") as error:
        items(tmp_path)
    assert str(error.value).startswith(str(tmp_path / "p.jsonl"))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    if "say which" not in message and "field" in message and "no field bad" not in message:
        assert "pairs.good=FIELD pairs.bad=FIELD" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good,bad\nx,y\nx\n", "line 3: 1 cells, and the header has 2"),
        (
            b"good,bad\n1,x,y\n",
            "line 2: 3 cells, and the header has 2 (a cell with a comma needs quotation marks; R's row names",
        ),
        (b"good,bad\nx,\n", "line 2: bad is an empty text"),
        (b"good,bad\nx,NA\n", "line 2: bad is 'NA', which stands for a missing text"),
        (b'good,bad\nx,"y\n', "line 2: a cell's quotation marks do not fit"),
        (b"good,good,bad\nx,y,z\n", "line 1: two columns are named good"),
        (b"good\nx\n", "line 1: one column ('good'): nothing separates cells (comma, semicolon, tab)"),
        (b"good,bad\n", "a header without rows"),
        ("good,bad\nd\u00e9j\u00e0 vu,y\n".encode("latin1"), "not UTF-8 text (byte 0xe9 in line 2); save it as UTF-8"),
        ("good,bad\nx,y\n".encode("utf-16"), "UTF-16 text, not UTF-8; save it as UTF-8"),
        (b"a,b\nx,y\n", "nor of minimal pairs (pairs.good=... pairs.bad=...)"),
    ],
)
def test_what_is_no_table_of_pairs(tmp_path, content, message):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"\S") as error:
        items(tmp_path / "p.csv")
    assert str(error.value).startswith(str(tmp_path / "p.csv"))
    assert message in str(error.value)


def test_options_that_do_not_fit(tmp_path):
    file = write(tmp_path / "a.jsonl")
    for settings, message in (
        ({"good": "sentence_good"}, "give both, or neither"),
        ({"good": "sentence_goood", "bad": "sentence_bad"}, "line 1: pairs.good: .*did you mean sentence_good"),
        ({"good": "sentence_good", "bad": "sentence_good"}, "are both sentence_good"),
    ):
        with pytest.raises(ValueError, match=message):
            items(file, **settings)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "pairs.json").write_text("[]")
    with pytest.raises(ValueError, match=r"no minimal pairs there, \*\.jsonl, .*there are pairs\.json"):
        items(tmp_path / "none")


def test_equal_sentences_are_ties_and_said(tmp_path, caplog, causal_model, tokenizer):
    from babylm.evaluation.scoring.scorer import Scorer

    file = tmp_path / "same.jsonl"
    file.write_text(json.dumps({"good": GOOD, "bad": GOOD}) + "\n")
    with caplog.at_level(logging.WARNING):
        found = items(file)
    assert f"{file}, line 1: both sentences are the same text" in caplog.text
    result = load_task(str(file)).score(Scorer(causal_model, tokenizer), found)
    assert (result.tie_aware, result.ties) == (0.5, 1)


def test_reading_times_and_pairs_are_told_apart(tmp_path):
    both = tmp_path / "both.csv"
    both.write_text("sentence,word,time,good,bad\n1,the,3,x,y\n")
    with pytest.raises(ValueError, match="are those of reading times and of minimal pairs: say which"):
        items(both)
    assert items(both, good="good", bad="bad")[0].sentences == ("x", "y")
    assert _pairs_files.recognised(["WorkerId", "item", "zone", "RT", "word"]) == []


def test_through_the_command(tmp_path, causal_model, tokenizer_folder, capsys):
    revisions.save(tmp_path / "m", causal_model, tokenizer_folder, {"words": 5})
    file = write(tmp_path / "my pairs" / "a.tsv", "ok", "star", "\t")
    words = [str(tmp_path / "m"), f"tasks={file}", "pairs.good=ok", "pairs.bad=star"]
    assert evaluate._command(words) == 0
    [stored] = (tmp_path / "m/evaluation/m").glob("*.json")
    assert json.loads(stored.read_text())["by_uid"]["a"]["n"] == 2
    assert evaluate._command([*words[:1], "tasks=toy_pairs", "pairs.good=ok"]) == 2
    assert "tasks has no folder or file of that" in capsys.readouterr().err
    assert evaluate._command([*words, "pairs.god=ok"]) == 2
    assert "did you mean pairs.good" in capsys.readouterr().err
    (tmp_path / "pairs.txt").write_text("x")
    assert evaluate._command([*words[:1], f"tasks={tmp_path / 'pairs.txt'}"]) == 2
    assert "is no folder, and none of *.jsonl, *.csv, *.tsv" in capsys.readouterr().err


def test_a_label_per_line_is_refused_even_where_fields_are_named(tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [{"a": GOOD, "b": BAD, "label": 0}, {"a": OTHER[1], "b": OTHER[0], "label": 1}]
    file.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ValueError, match=r"line 1: .*a label per line is not read"):
        items(file)
    with pytest.raises(ValueError, match=r"line 2: label is the number 1, and the number 0 in line 1"):
        items(file, good="a", bad="b")
    file.write_text(json.dumps(rows[0]) + "\n" + json.dumps({"a": OTHER[0], "b": OTHER[1], "label": 0}))
    assert [item.sentences for item in items(file, good="a", bad="b")] == [(GOOD, BAD), OTHER]
    texts = [{**row, "label": f"from text {k}"} for k, row in enumerate(rows)]
    file.write_text("\n".join(map(json.dumps, texts)))
    assert len(items(file, good="a", bad="b")) == 2, "a name of the pair, not a label"


def test_a_key_with_two_values_is_refused_with_its_line(tmp_path):
    file = write(tmp_path / "a.jsonl")
    with open(file, "a", encoding="utf-8") as opened:
        opened.write(f'{{"sentence_good": "{GOOD}", "sentence_good": "{BAD}", "sentence_bad": "{BAD}"}}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl: line 3: the key sentence_good has two values"):
        items(file)


@pytest.mark.parametrize(
    ("name", "indent", "rows"), [("a.json", None, list), ("a.jsonl", 1, list), ("a.jsonl", 1, lambda rows: rows[0])]
)
def test_json_over_several_lines_says_what_to_write(tmp_path, name, indent, rows):
    content = rows([{"sentence_good": GOOD, "sentence_bad": BAD}])
    (tmp_path / name).write_text(json.dumps(content, indent=indent))
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ValueError, match="write one object per line"):
            items(path)


def test_a_packed_file_says_how_to_unpack_it(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(b"\x1f\x8b")
    for path in (tmp_path, tmp_path / "a.jsonl.gz"):
        with pytest.raises(ValueError, match="gunzip"):
            items(path)


def test_columns_that_differ_in_case_alone_are_not_joined(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(f"good,Good,bad\n{GOOD},{OTHER[0]},{BAD}\n")
    with pytest.raises(ValueError, match=r"several fields may hold the pair \(good/bad and Good/bad\)"):
        items(file)
    assert items(file, good="good", bad="bad")[0].sentences == (GOOD, BAD)


def test_folders_behind_links_are_read_once(tmp_path):
    write(tmp_path / "elsewhere/more/b.jsonl")
    write(tmp_path / "pairs/a.jsonl")
    (tmp_path / "pairs/linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "pairs", target_is_directory=True)
    assert [item.uid for item in items(tmp_path / "pairs")] == ["a", "a", "linked/more/b", "linked/more/b"]


def test_pairs_that_are_there_twice_are_said(tmp_path, caplog):
    write(tmp_path / "a.jsonl")
    assert not caplog.text
    write(tmp_path / "a.csv", separator=",")
    items(tmp_path)
    assert f"{tmp_path / 'a.jsonl'}, line 1 has the pair of {tmp_path / 'a.csv'}, line 2 (2 such pairs" in caplog.text


def test_what_is_left_out_of_a_folder_is_said(tmp_path, caplog):
    write(tmp_path / "a.jsonl")
    (tmp_path / "README.md").write_text("about the pairs")
    (tmp_path / "c.json").write_text("[]")
    (tmp_path / "d.jsonl.gz").write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        assert len(items(tmp_path)) == 2
    assert "left out, as they are not *.jsonl, *.csv, *.tsv: c.json, d.jsonl.gz" in caplog.text
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(ValueError, match=r"b\.jsonl: a link to nothing"):
        items(tmp_path)
    (tmp_path / "b.jsonl").unlink()
    os.mkfifo(tmp_path / "b.jsonl")
    with pytest.raises(ValueError, match=r"b\.jsonl: no regular file"):
        items(tmp_path)


@pytest.mark.parametrize("column", ["correct", "winner", "gold_label", "chosen"])
def test_a_label_by_any_name_is_noticed(tmp_path, column):
    file = tmp_path / "a.csv"
    file.write_text(f"one,two,{column}\n{GOOD},{BAD},one\n{BAD},{GOOD},two\n")
    with pytest.raises(ValueError, match=f"{column} is the text 'two', and the text 'one' in line 2"):
        items(file, good="one", bad="two")


def test_a_mark_at_the_begin_of_a_text_does_not_swallow_lines(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text(f'good\tbad\n"{GOOD}\t{BAD}\n{OTHER[0]}"\t{OTHER[1]}\n')
    with pytest.raises(ValueError, match="line 2: a cell begins with a quotation mark and goes on over tabs and lines"):
        items(file)
