"""The named cleaning functions."""

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
