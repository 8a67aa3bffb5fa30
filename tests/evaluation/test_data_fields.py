"""Fields of data are what they should be, or refused with file, line, what is there and what is expected."""

import json
import shutil

import pytest

from babylm.evaluation.task_registry import load_task
from babylm.evaluation.tasks import _data

WRONG = {
    "null": ("null", "is null, not a text"),
    "a number": ("7", "is the number 7, not a text"),
    "true": ("true", "is true, not a text"),
    "a list": ('["a"]', "is a list, not a text"),
    "an object": ('{"a": 1}', "is an object, not a text"),
    "empty": ('""', "is an empty text"),
    "spaces": (r'" \t\u00a0"', "is a text of spaces alone"),
    "half a character": (r'"the \ud800 cat"', r"holds \\ud800, half of a character"),
    "a whole file": (json.dumps("a " * _data.LONGEST), "characters, more than 200,000"),
}
FIELDS = {
    "blimp": ("full", "blimp_filtered/agreement_1.jsonl", ("sentence_good", "sentence_bad")),
    "supplement": ("full", "supplement_filtered/turns.jsonl", ("sentence_bad",)),
    "ewok": ("full", "ewok_filtered/social.jsonl", ("Context1", "Context2", "Target1", "Domain")),
    "entity_tracking": ("full", "entity_tracking/regular.jsonl", ("input_prefix",)),
    "comps": ("full", "comps/comps_base.jsonl", ("property_phrase", "prefix_acceptable")),
    "global_piqa": ("full", "global_piqa_parallel/eng_latn.jsonl", ("prompt", "solution1")),
    "winoground": ("full", "winoground_filtered/winoground.jsonl", ("caption_0",)),
    "vqa": ("full", "vqa_filtered/vqa_distractors.jsonl", ("question", "target_ans")),
    "wug_past": ("full", "wug_past_tense/wug_past_tense.jsonl", ("sentences",)),
    "rte": ("full", "glue_filtered/rte.valid.jsonl", ("sentence1", "sentence2")),
    "boolq": ("full", "glue_filtered/boolq.train.jsonl", ("question",)),
    "multirc": ("full", "glue_filtered/multirc.train.jsonl", ("question", "paragraph")),
    "wsc": ("full", "glue_filtered/wsc.train.jsonl", ("text", "span1_text")),
}


@pytest.fixture(scope="module")
def own_data(data, tmp_path_factory):
    """A copy that may be written to."""
    return shutil.copytree(data, tmp_path_factory.mktemp("own") / "data")


@pytest.fixture
def change(own_data):
    """Replaces the second line of a task's file as it was; puts it back afterwards."""
    originals = {}

    def apply(task, replace):
        which, name, _ = FIELDS[task]
        file = own_data / f"{which}_eval" / name
        lines = originals.setdefault(file, file.read_text(encoding="utf-8")).split("\n")
        lines[1] = replace(json.loads(lines[1]))
        file.write_text("\n".join(lines), encoding="utf-8")
        return file

    yield apply
    for file, text in originals.items():
        file.write_text(text, encoding="utf-8")


def refused(own_data, task):
    with pytest.raises(ValueError, match=r"\S") as error:
        load_task(task).items(own_data, suite="full", rules=2026)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("task", FIELDS)
def test_every_task_reads_its_texts_in_one_way(own_data, change, task):
    for field in FIELDS[task][2]:
        file = change(task, lambda line, field=field: json.dumps(line | {field: None}))
        message = refused(own_data, task)
        assert message.startswith(f"{file}, line 2: {field} is null, not a text; expected ")


@pytest.mark.parametrize(("value", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_text(own_data, change, value, message):
    file = change("blimp", lambda line: json.dumps(line | {"sentence_bad": "@"}).replace('"@"', value))
    found = refused(own_data, "blimp")
    assert found.startswith(f"{file}, line 2: sentence_bad")
    assert message.replace("\\\\", "\\") in found
    assert len(found) < 600


@pytest.mark.parametrize(
    ("task", "fields", "message"),
    [
        ("blimp", {"sentence_good": ...}, "no field sentence_good (did you mean sentence_bad?) among"),
        ("entity_tracking", {"options": "a b"}, "options is the text 'a b', not a list of texts"),
        ("entity_tracking", {"options": ["the cat.", None]}, "options[1] is null, not a text"),
        ("entity_tracking", {"options": ["the cat."]}, "options has one entry"),
        ("entity_tracking", {"numops": "3"}, "numops is the text '3', not a whole number from 0"),
        ("global_piqa", {"label": 4}, "label is the number 4, not a whole number from 0 to 3"),
        ("global_piqa", {"label": True}, "label is true, not a whole number"),
        (
            "global_piqa",
            {"example_id": "global_piqa_parallel-0"},
            "example_id global_piqa_parallel-0 is that",
        ),
        ("wug_past", {"ratio": None}, "ratio is null, not a number"),
        ("wug_past", {"ratio": 1.5}, "ratio is 1.5, not a number from 0 to 1"),
        ("wug_past", {"sentences": "one form"}, "sentences is 1 texts"),
        ("rte", {"label": None}, "label is null, not a whole number from 0 to 1"),
    ],
)
def test_other_fields(own_data, change, task, fields, message):
    file = change(task, lambda line: json.dumps({k: v for k, v in (line | fields).items() if v is not ...}))
    found = refused(own_data, task)
    assert found.startswith(f"{file}, line 2: {message}"), found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", "line 2 holds a list, not an object"),
        ("null", "line 2 holds null, not an object"),
        ('{"sentence_good": ', "not valid JSON (line 2, column"),
        ("[" * 100_000, "nested too deeply"),
        ('{"numops": ' + "9" * 5000 + "}", "not valid JSON"),
    ],
)
def test_what_is_no_line(own_data, change, line, message):
    file = change("blimp", lambda _: line)
    found = refused(own_data, "blimp")
    assert found.startswith(str(file))
    assert message in found


def test_numbers_that_are_none(own_data, change):
    for value in ("NaN", "Infinity", "1e999"):
        change("wug_past", lambda line, value=value: json.dumps(line | {"ratio": "@"}).replace('"@"', value))
        assert "not a number" in refused(own_data, "wug_past")


def test_a_file_that_a_file_manager_left_is_no_data(own_data):
    hidden = own_data / "full_eval/blimp_filtered/._agreement_1.jsonl"
    hidden.write_bytes(b"\0\1")
    try:
        assert len(load_task("blimp").items(own_data, suite="full")) == 6
    finally:
        hidden.unlink()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("aoa/cdi_childes.json", "{", "cdi_childes.json: not valid JSON"),
        (
            "aoa/cdi_childes.json",
            '{"cat": [{"context": null}]}',
            "'cat' are a list, not a list of objects",
        ),
        ("aoa/cdi_childes.json", '{"cat": "the"}', "the contexts of 'cat' are the text 'the'"),
        ("aoa/cdi_human.csv", "word,16\ncat,x\n", "'x' is no number"),
        ("reading/reading_data.csv", "word,item\na,b\n", "no columns prev_item"),
        ("reading/reading_data.csv", "", "reading_data.csv: "),
    ],
)
def test_tables_that_are_damaged_are_named(own_data, name, text, message):
    file = own_data / "full_eval" / name
    kept = file.read_bytes()
    file.write_text(text)
    try:
        found = refused(own_data, name.split("/")[0])
    finally:
        file.write_bytes(kept)
    assert message in found
    assert "--get brings it" in found
