"""The named cleaning functions."""

import random
import re
import time

import pytest

from babylm.corpora import cleaning


@pytest.mark.parametrize(
    ("name", "text", "cleaned"),
    [
        ("strip_speakers", "*MOT:\tlook!\nA: yes.\nNote: 3 p.m.: go", "look!\nyes.\nNote: 3 p.m.: go"),
        ("strip_headings", "= = = Cats = = =\nA cat.\n= = Sub = =\nx = y", "A cat.\nx = y"),
        ("drop_annotations", "oh [laughs] yes xxx .\nxxx want it\nboxxx", "oh yes .\nwant it\nboxxx"),
        ("drop_emphasis", "do _not_ go_there or _this way_", "do not go_there or this way"),
        ("normalize_quotes", "“don’t” ``go'' «so»", '"don\'t" "go" "so"'),
        ("normalize_dashes", "a—b c -- d", "a -- b c -- d"),
        ("drop_control_characters", "a\u200bb\x07c\td\n", "abc\td\n"),
        ("collapse_spaces", " a \u00a0 b\t\n\n\n c \n", "a b\nc"),
        ("lowercase", "ABC é", "abc é"),
    ],
)
def test_each_function(name, text, cleaned):
    assert cleaning.CLEANERS[name](text) == cleaned


def test_functions_apply_in_order_and_none_leaves_the_text_alone():
    text = "*MOT:\tLook  HERE"
    assert cleaning.cleaner([])(text) == text
    assert cleaning.cleaner(["strip_speakers", "lowercase", "collapse_spaces"])(text) == "look here"
    assert cleaning.cleaner(["lowercase", "strip_speakers"])(text) == "*mot:\tlook  here"


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"corpus\.cleaning: unknown value 'strip_speaker'; did you mean strip_speakers"
    ):
        cleaning.cleaner(["strip_speaker"])


@pytest.mark.parametrize("name", sorted(cleaning.CLEANERS))
def test_cleaning_twice_is_cleaning_once(name):
    text = "*MOT:\tOh – “no” [x] xxx, _so_ -- it's\u200b\n\n= = = T = = =\nA:  b\n"
    once = cleaning.CLEANERS[name](text)
    assert cleaning.CLEANERS[name](once) == once


def test_headings_are_what_the_first_releases_pattern_took_for_one():
    pattern = re.compile(r"^= (?:= )+.*? =(?: =)+[ \t]*$\n?", re.MULTILINE)
    generator = random.Random(0)
    taken = 0
    for _ in range(20_000):
        parts = generator.choices(["= ", " =", "= = ", " = =", *"= a\t\n\r"], k=generator.randrange(14))
        text = "".join(parts)
        assert cleaning.strip_headings(text) == pattern.sub("", text), repr(text)
        taken += pattern.search(text) is not None
    for _ in range(20_000):
        text = "".join(generator.choices("= a\t\n", k=generator.randrange(16)))
        assert cleaning.strip_headings(text) == pattern.sub("", text), repr(text)
    assert taken > 200


def test_a_line_of_heading_marks_takes_no_time():
    begin = time.perf_counter()
    assert cleaning.strip_headings("= " * 20_000 + "a\nb") == "= " * 20_000 + "a\nb"
    assert cleaning.strip_headings("= " * 20_000 + "\nb") == "b"
    assert time.perf_counter() - begin < 1
