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
        ("normalize_dashes", "00:01 --> 00:02 <!-- so ---> <-- no!--he", "00:01 --> 00:02 <!-- so ---> <-- no! -- he"),
        ("drop_special_tokens", "a <s>b</s> <<s>s> <|im_end|> [MASK] [x] <b>", "a b    [x] <b>"),
        ("drop_control_characters", "a\u200bb\x07c\td\n", "abc\td\n"),
        ("collapse_spaces", " a \u00a0 b\t\n\n\n c \n", "a b\nc"),
        ("lowercase", "ABC é", "abc é"),
    ],
)
def test_each_function(name, text, cleaned):
    assert cleaning.CLEANERS[name](text) == cleaned


CHAT = """@UTF8
@Begin
@Participants:\tCHI Toto Target_Child,
\tMOT Lena Mother
*MOT:\twhat is that , Toto ? \x15100_900\x15
%mor:\tpro:int|what cop|be&3S
\tpro:dem|that ?
*CHI:\t&-um <a big> [/] a big doggie [: dog] [*] .
*CHI:\txxx want (th)em [=! cries [a lot]] (1.5) &=laughs &+fr +...
*MOT1:\t+" yes , you want Mary_Jane@f
\tvery mu:ch +/.
*INV:\t0 [=! laughs] .
@End
plain *CHI: text [stays]"""


def test_chat_transcripts_become_what_was_said():
    assert cleaning.cleaner(["strip_chat"])(CHAT).split("\n") == [
        "",
        "what is that , Toto ?",
        "um a big a big doggie .",
        "want them ...",
        "yes , you want Mary Jane very much .",
        "",
        "plain *CHI: text [stays]",
    ]


def test_subtitles_become_their_text():
    srt = """1
00:00:01,000 --> 00:00:02,500 X1:10
<i>Where are we going?</i>

2
00:00:03,000 --> 00:00:04,000
{\\an8}- To the <b>sea</b>, at 10 &amp; 12!
1984

3
00:00:05,000 --> 00:00:06,000
<font color="#ffff00">♪ la la ♪</font>

4
00:00:07,000 --> 00:00:08,000
Subtitles by somebody
www.example.org

1
00:00:01,000 --> 00:00:02,000
Another film."""
    text = ["Where are we going?", "- To the sea, at 10 & 12!", "1984", "la la", "", "Another film."]
    assert cleaning.cleaner(["strip_subtitles"])(srt).split("\n") == text
    vtt = "WEBVTT\nKind: captions\n\nNOTE made up\nby hand\n\nintro\n00:01.000 --> 00:02.000 align:start\n"
    vtt += "<v Ann>So<00:01.500> it <c.a>is</c>"
    assert cleaning.cleaner(["strip_subtitles"])(vtt) == "\nSo it is"
    plain = "1\n\nNOTE this --> that\n<i>stays</i>\n\n2"
    assert cleaning.cleaner(["strip_subtitles"])(plain) == plain


def test_gutenberg_frames_are_taken_off_each_book():
    start, end = (
        "*** START OF THE PROJECT GUTENBERG EBOOK A\nLONG TITLE ***",
        "***END OF THIS PROJECT GUTENBERG ETEXT A***",
    )
    book = "Chapter I.\n\nText.\n\nEnd of the Project Gutenberg EBook of A, by B"
    whole = f"The Project Gutenberg eBook\n\n{start}\n\nProduced by C\n\n{book}\n\n{end}\nLicence"
    stripped = cleaning.cleaner(["strip_gutenberg"])(f"{whole}\n\n{whole}")
    assert stripped.split() == ["Chapter", "I.", "Text.", "Chapter", "I.", "Text."]
    assert cleaning.cleaner(["strip_gutenberg"])("No frame.\n\nAt all.") == "No frame.\n\nAt all."
    long = "\n".join(["a text that is no licence"] * 1500)
    assert long in cleaning.cleaner(["strip_gutenberg"])(f"{whole}\n{long}"), "text without a frame is never lost"


PARTS = (
    *("*MOT:\t", "%mor:\t", "@Begin", "@End", "\n", "\t", "\n\n", "1\n", "00:00:01,000 --> 00:00:02,000\n"),
    *(
        "WEBVTT\n",
        "NOTE x",
        "<i>",
        "</i>",
        "&lt;",
        "&amp;",
        "[",
        "]",
        "<",
        ">",
        "&-um",
        "&=x",
        "0",
        "xxx",
        "+...",
        "+/.",
    ),
    *(
        "(th)em",
        "word",
        " ",
        ".",
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
        "*** END OF THE PROJECT GUTENBERG",
    ),
    *(
        "End of Project Gutenberg's",
        "-->",
        "--",
        "—",
        "<s>",
        "[MASK]",
        "<|im_start|>",
        "subtitles by me",
        "a_b",
        "no:o",
    ),
    *("\x1512_3\x15", "Produced by X", "♪"),
)


@pytest.mark.parametrize(
    "name", ["strip_chat", "strip_subtitles", "strip_gutenberg", "normalize_dashes", "drop_special_tokens"]
)
def test_any_text_cleaned_twice_is_cleaned_once(name):
    generator, clean = random.Random(1), cleaning.cleaner([name])
    for _ in range(4000):
        once = clean("".join(generator.choices(PARTS, k=generator.randrange(14))))
        assert clean(once) == once


def test_cleaners_of_lines_come_first_and_long_lines_reach_them_whole():
    with pytest.raises(ValueError, match="strip_chat reads lines as the files have them, so it must come first"):
        cleaning.cleaner(["lowercase", "strip_chat"])
    both = cleaning.cleaner(["strip_chat", "lowercase"])
    lines = both.lines([("*MOT:\tLook ", True), ("[x] HERE", False), ("@End", False)])
    assert list(lines) == [("Look HERE", False), ("", False)]
    assert both("*MOT:\tLook [x] HERE") == "look here"


@pytest.mark.parametrize("name", cleaning.names())
@pytest.mark.parametrize("piece", [" ", "[", "<", "_", "- ", "a b ", "<i>", "*A:\t"])
def test_time_is_linear_in_the_length_of_a_line(name, piece):
    clean, text = cleaning.cleaner([name]), piece * 60_000
    begin = time.process_time()
    clean(f"*MOT:\t{text}")
    assert time.process_time() - begin < 2


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
