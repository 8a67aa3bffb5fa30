"""Text in other people's frames: CHAT transcripts, subtitles, Gutenberg's books; recognised, and taken out of them.

These cleaners read a source's lines before documents are cut, as their frames reach over blank lines. What is no part
of a frame is left alone, so cleaning twice is cleaning once. None is applied unless ``corpus.cleaning`` names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

_CHAT_HEADER = re.compile(r"@(?:UTF8|Begin|End|Blank|New Episode|[A-Z][A-Za-z ]*:(?:\s.*)?)\s*$")
_CHAT_TIER = re.compile(r"%[a-z]{3,7}\d?:")
_CHAT_SPEAKER = re.compile(r"(?:\*[A-Za-z0-9_'-]{1,8}:\s*)+")
_CHAT_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\x15[^\x15]*\x15?|[·•]\d+_\d+[·•]", " "),  # time stamps
        (r"\(\d*\.+\d*\)|\(\d+:\d+\.?\d*\)", " "),  # pauses: (.) (..) (1.5)
        (r"\+\.\.\.(?!\S)", "..."),
        (r"\+(?:/\.|//\.|\"/\.|\"\.|\.)(?!\S)", "."),
        (r"\+(?:/\?|//\?|\.\.\?|!\?)(?!\S)", "?"),
        (r"(?<!\S)\+[\"^<,+]*", ""),  # links to the utterance before
        (r"[<>]", ""),  # the scope of a code: what was said in it stays
        (r"(?<!\S)&-(?=\w)", ""),  # a filled pause, &-um, is said
        (r"(?<!\S)&[=+~*&]?\S*", " "),  # events, fragments, non-words, another's word
        (r"(?<!\S)0\S*", " "),  # an action without speech, and words left out
        (r"(?<!\S)(?:xxx|xx|yyy|yy|www)(?:@\S+)?(?=[\s.,!?;:]|$)", " "),  # not understood, not transcribed
        (r"@(?:[a-z]{1,3}(?:\$\w+|:\w+)?)(?=\W|$)", ""),  # word@s:spa, gaga@o
        (r"(?<=[^\W\d]):+(?=[^\W\d])|[ˈˌˑː↑↓⇗↗→↘⇘∞≈≋≡∙⌈⌉⌊⌋]", ""),  # length, stress, pitch, overlap
        (r"[‡„]", ","),  # vocatives and tags
        (r"(?<=\w)\(([\w']+)\)|\(([\w']+)\)(?=\w)", r"\1\2"),  # (be)cause
        (r"(?<=[^\W_])[_+](?=[^\W_])", " "),  # Mary_Jane, black+bird
    )
)
_BRACKET = re.compile(r"\[[^\[\]]*\]")

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[,.:]\d{1,3}"
_TIME_CODE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_TAG = re.compile(r"</?(?:[ibus]|font|c|v|lang|ruby|rt)(?:[ .][^<>]*)?>|<\d[\d:.]*>|\{\\[^{}]*\}|[♪♫♬]")
_ENTITY = re.compile(r"&(amp|lt|gt|nbsp|lrm|rlm|quot|#39);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "nbsp": " ", "lrm": "", "rlm": "", "quot": '"', "#39": "'"}
_CREDIT = re.compile(
    r"(?i)(?:sub(?:title|bed|bing|s)?(?:s|d)?|captions?|captioned|transcript(?:s|ion)?|transcribed|synch?(?:ed|ro(?:nized)?)?|"
    r"re-?synch?(?:ed)?|correct(?:ed|ions?)|ripped|encoded|translat(?:ed|ion)|edited|timing)\b[\w ,&]*\bby\b.*|"
    r".*(?:opensubtitles|addic7ed|subscene|podnapisi|yify|tvsubtitles|www\.|https?://|\.(?:com|org|net)\b).*|"
    r"advertise your product or brand here.*|support us and become vip member.*|closed captions? .*"
)

_GUTENBERG_MARK = re.compile(r"\s*\*{3}\s*(START|END)\s+OF\s+(?:THE|THIS)\s+PROJECT\s+GUTENBERG\b.*", re.IGNORECASE)
_GUTENBERG_END = re.compile(r"\bEnd of (?:the |this )?Project Gutenberg\b.*", re.IGNORECASE)
_GUTENBERG_CREDIT = re.compile(
    r"\s*(?:Produced|Transcribed|E-?text (?:prepared|produced)|Prepared) by\b", re.IGNORECASE
)
_FRAME_LINES = 1000
"""A licence or header is never longer (about 370 lines); what is longer is a text, and kept."""


def strip_chat(lines: Iterable[str]) -> Iterator[str]:
    """What was said in CHAT transcripts (CHILDES, TalkBank): no headers, dependent tiers, speakers, codes, time stamps.

    Words behind ``&-`` are said and stay; those of retracings and repetitions too. A continued utterance becomes one
    line, a transcript's end a blank line. Lines that begin with no mark of CHAT are left as they are.
    """
    said: str | None = None  # an utterance whose continuation may come
    within = False  # in a header or tier that may be continued
    for line in lines:
        if line[:1] == "\t" and (within or said is not None):
            said = None if said is None else f"{said} {line.strip()}"
            continue
        if said is not None:
            yield from _utterance(said)
        said, within = None, False
        if speaker := _CHAT_SPEAKER.match(line):
            said = line[speaker.end() :]
        elif _CHAT_TIER.match(line) or _CHAT_HEADER.match(line):
            within = True
            if line.startswith(("@Begin", "@End")):
                yield ""
        else:
            yield line
    if said is not None:
        yield from _utterance(said)


def _utterance(text: str) -> Iterator[str]:
    while (shorter := _BRACKET.sub(" ", text)) != text:
        text = shorter
    for pattern, replacement in _CHAT_RULES:
        text = pattern.sub(replacement, text)
    text = " ".join(text.split()).lstrip("*@% ")
    if any(character.isalnum() for character in text):
        yield text


def strip_subtitles(lines: Iterable[str]) -> Iterator[str]:
    """The text of subtitles (SubRip, WebVTT): no numbers, time codes, tags, notes, credits; a film is one document."""
    held: str | None = None  # a line that may be the number or the name of the next cue
    begun = skipping = vtt = False
    for line in lines:
        if _TIME_CODE.match(line):
            if begun and held is not None and held.strip() == "1":
                yield ""  # numbers begin again: another film
            held, begun, skipping = None, True, False
            continue
        if held is not None:
            yield from _caption(held) if begun else [held]
            held = None
        if line.startswith("WEBVTT"):
            begun = skipping = vtt = True
            yield ""
        elif not line.strip():
            skipping = False
            if not begun:
                yield line
        elif skipping or (vtt and line.startswith(("NOTE", "STYLE", "REGION"))):
            skipping = True
        else:
            held = line
    if held is not None:
        yield from _caption(held) if begun else [held]


def _caption(line: str) -> Iterator[str]:
    before = None
    while line != before:
        before = line
        line = _TAG.sub("", _ENTITY.sub(lambda entity: _ENTITIES[entity[1]], line))
    line = line.strip()
    if not any(character.isalnum() for character in line) or _TIME_CODE.match(line) or line.startswith("WEBVTT"):
        return
    if not _CREDIT.fullmatch(line.strip("-– ")):
        yield line


def strip_gutenberg(lines: Iterable[str]) -> Iterator[str]:
    """Books of Project Gutenberg without the frame around them, the text before START OF and after END OF."""
    outside: list[str] | None = []  # lines that belong to a frame if a mark follows; None within a book
    behind = False  # behind an END: then the end of the file closes the frame too
    lines = iter(lines)
    for line in lines:
        mark = _GUTENBERG_MARK.match(line)
        if mark is None:
            if outside is None:
                yield from _without_end(line)
            else:
                outside.append(line)
                if len(outside) > _FRAME_LINES:
                    for outside_line in outside:
                        yield from _without_end(outside_line)
                    outside, behind = None, False
            continue
        for _ in range(5):  # a long title continues in the next lines
            if line.rstrip().endswith("***"):
                break
            line = next(lines, "***")
        yield ""
        if mark[1].upper() == "START":
            outside, behind = None, False
        else:
            outside, behind = [], True
    if outside is not None and not behind:
        for outside_line in outside:
            yield from _without_end(outside_line)


def _without_end(line: str) -> Iterator[str]:
    if _GUTENBERG_CREDIT.match(line):
        return
    before_end = _GUTENBERG_END.sub("", line)
    if before_end == line or before_end.strip():
        yield before_end if before_end == line else before_end.rstrip()


CLEANERS: dict[str, Callable[[Iterable[str]], Iterator[str]]] = {
    function.__name__: function for function in (strip_chat, strip_subtitles, strip_gutenberg)
}

_CHAT_HEADERS = re.compile(r"^@(?:Begin|End|UTF8|Languages:|Participants:|ID:)", re.MULTILINE)
_CHAT_TIERS = re.compile(r"^%[a-z]{3}:\s", re.MULTILINE)
_TIME_CODES = re.compile(rf"^\s*{_TIME}\s*-->", re.MULTILINE)
_GUTENBERG_MARKS = re.compile(r"^\*{3}\s*(?:START|END) OF (?:THE|THIS) PROJECT GUTENBERG", re.MULTILINE)


def marks(text: str) -> Counter[str]:
    """How often the marks of each format occur in a piece of raw text."""
    counts: Counter[str] = Counter()
    if "@" in text:
        counts["chat_headers"] = len(_CHAT_HEADERS.findall(text))
    if "%" in text:
        counts["chat_tiers"] = len(_CHAT_TIERS.findall(text))
    if "-->" in text:
        counts["time_codes"] = len(_TIME_CODES.findall(text))
    if "PROJECT GUTENBERG" in text:
        counts["gutenberg_marks"] = len(_GUTENBERG_MARKS.findall(text))
    return counts


def looks_like(counts: Mapping[str, int], lines: int) -> dict[str, str]:
    """Cleaner -> what its format is and by which marks, for a source of ``lines`` lines with these `marks`.

    A single dependent tier or time code is no format: the official corpora hold some, and are meant to be read as
    they are.
    """
    headers, tiers, times, frames = (
        counts.get(name, 0) for name in ("chat_headers", "chat_tiers", "time_codes", "gutenberg_marks")
    )
    formats = {}
    if headers or tiers > lines / 20:
        formats["strip_chat"] = f"CHAT transcripts ({headers:,} header lines, {tiers:,} dependent tiers)"
    if times > lines / 20:
        formats["strip_subtitles"] = f"subtitles ({times:,} time codes)"
    if frames:
        formats["strip_gutenberg"] = f"books of Project Gutenberg ({frames:,} START and END lines)"
    return formats
