"""Tables of reading times as people have them: read as they are meant, or refused with the rows that decide."""

import math

import pytest

from babylm import files
from babylm.config.evaluation import ReadingCsvConfig
from babylm.config.schema import EvaluationConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.tasks import _reading_csv, _reading_csv_checks, _reading_csv_layout

pytest.importorskip("pandas")
SENTENCES = {"1": "the small dog ran home", "2": "we saw a red ship", "3": "nobody likes the red houses"}
WORDS = [(s, k + 1, word) for s, text in SENTENCES.items() for k, word in enumerate(text.split())]


@pytest.fixture
def table(tmp_path):
    """Writes rows under a header."""

    def write(header, rows, separator=",", name="times.csv", encoding="utf-8", end="\n"):
        lines = [separator.join(map(str, row)) for row in (header, *rows)]
        file = tmp_path / name
        file.write_bytes((end.join(lines) + end).encode(encoding))
        return file

    return write


def frame(file, **columns):
    settings = ReadingCsvConfig(**columns)
    rows = _reading_csv.task("times.csv", file, EvaluationConfig(reading_csv=settings)).items(None)
    return _reading_csv.words(rows, settings)


def contexts(found):
    return list(zip(found["context"], found["word"], strict=True))


EXPECTED = [(" ".join(SENTENCES[s].split()[: k - 1]), word) for s, k, word in WORDS]


@pytest.mark.parametrize(("separator", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.csv")])
@pytest.mark.parametrize(("encoding", "end"), [("utf-8", "\n"), ("utf-8-sig", "\r\n")])
def test_separators_and_encodings(table, separator, name, encoding, end):
    rows = [(s, word, 100 + k) for s, k, word in WORDS]
    found = frame(table(("sentence", "word", "time"), rows, separator, name, encoding, end))
    assert contexts(found) == EXPECTED
    assert found["column time"].tolist() == [100 + k for _, k, _ in WORDS]


def test_missing_values_of_r_are_missing(table):
    cells = ["NA", "", "NaN", "350.5", "."]
    rows = [(s, word, cells[k - 1], "NA" if k == 2 else k) for s, k, word in WORDS]
    found = frame(table(("sentence", "word", "time", "logfreq"), rows), frequency="logfreq")
    assert [math.isnan(x) for x in found["column time"][:5]] == [True, True, True, False, True]
    assert found["frequency"].isna().sum() == 3
    assert contexts(found) == EXPECTED, "the words are there"
    for cell in ("", "NA"):
        file = table(("sentence", "word", "time"), [("1", "the", 3), ("1", cell, 4), ("1", "dog", 5)])
        with pytest.raises(ValueError, match=r"times.csv, line 3: no word in column word .*fill it in, or remove"):
            frame(file)


def test_several_columns_name_a_sentence(table):
    rows = [(text, s, k, word, 7) for text in "AB" for s, k, word in WORDS]
    header = ("Text_ID", "Sentence_Number", "Word_Number", "Word", "RT")
    columns = {"time": ["RT"], "word": "Word"}
    file = table(header, rows)
    for position in (None, "Word_Number"):
        found = frame(file, sentence=["Text_ID", "Sentence_Number"], position=position, **columns)
        assert contexts(found) == EXPECTED * 2
        assert found["sentence"].nunique() == 6
    with pytest.raises(ValueError, match=r"two places: line 6 \(1: home\) and line 17 \(1: the\); .*TEXT"):
        frame(file, sentence="Sentence_Number", **columns)
    other = [(text, s, k, word + (text == "B") * "s", 7) for text, s, k, word, _ in rows]
    with pytest.raises(ValueError, match=r"1 has two words: line 2 \(1: the\) and line 17 \(1: thes\)"):
        frame(table(header, other), sentence="Sentence_Number", position="Word_Number", **columns)


READERS = ("ann", "bob", "eve")
BY_READER = [(r, s, k, word, 100 * k + 10 * n) for n, r in enumerate(READERS) for s, k, word in WORDS]
ORDERS = {
    "by reader": lambda row: 0,
    "by sentence, then reader": lambda row: row[1],
    "by word": lambda row: (row[1], row[2]),
    "in no order": lambda row: (row[2] * 7 + len(row[4:]) + int(row[1]) * 5 + READERS.index(row[0]) * 3) % 11,
    "backwards": lambda row: (-int(row[1]), -row[2]),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("reader", [None, "reader"])
def test_readers_are_averaged_and_contexts_follow_positions(table, order, reader):
    rows = sorted(BY_READER, key=order)
    file = table(("reader", "item", "zone", "word", "RT"), rows)
    found = frame(file, time="RT", sentence="item", position="zone", reader=reader)
    assert sorted(contexts(found)) == sorted(EXPECTED)
    assert len(found) == len(WORDS), "each word once"
    assert found.groupby("sentence")["column RT"].apply(list).tolist() == [[110, 210, 310, 410, 510]] * 3


@pytest.mark.parametrize("order", ["by reader", "by sentence, then reader", "by word"])
def test_readers_without_a_position_are_refused(table, order):
    file = table(("reader", "item", "zone", "word", "RT"), sorted(BY_READER, key=ORDERS[order]))
    with pytest.raises(ValueError, match=r"line \d+ \(1: .*\) and line \d+ \(1: .*reading_csv.position=COLUMN"):
        frame(file, time="RT", sentence="item")


def test_one_reader_twice_is_refused(table):
    file = table(("reader", "item", "zone", "word", "RT"), [*BY_READER, BY_READER[0]])
    frame(file, time="RT", sentence="item", position="zone")
    with pytest.raises(ValueError, match=r"one reader has position 1 of sentence 1 twice: line 2 .* and line 47"):
        frame(file, time="RT", sentence="item", position="zone", reader="reader")
    with pytest.raises(ValueError, match=r"reading_csv.reader: say with reading_csv.position"):
        frame(file, time="RT", sentence="item", reader="reader")


def test_gaps_and_averages_are_said(table, caplog):
    rows = [row for row in BY_READER if row[2] != 3]
    frame(table(("reader", "item", "zone", "word", "RT"), rows), time="RT", sentence="item", position="zone")
    assert "36 rows are of 12 words, averaged" in caplog.text
    assert "no row has the word before position 4 ('ran') of sentence 1" in caplog.text
    assert "(3 such gaps)" in caplog.text


def test_a_sentence_that_repeats_itself_is_a_sentence(table):
    texts = ["no no no no", "the dog the dog", "a b c d e", "f g h i j", "k l m n o"]
    rows = [(n, word, 5) for n, text in enumerate(texts) for word in text.split()]
    assert len(frame(table(("sentence", "word", "time"), rows))) == len(rows)


@pytest.mark.parametrize(
    ("cells", "separator", "values"),
    [
        (["1,5", "2,25", "3"], ";", [1.5, 2.25, 3]),
        (["1,500", "2,250"], ";", [1.5, 2.25]),
        (['"1,5"', '"2,25"'], ",", [1.5, 2.25]),
        (["1.5", "2e2", ".5"], ",", [1.5, 200, 0.5]),
        ([" 1.5", "-3 "], "\t", [1.5, -3]),
    ],
)
def test_numbers(cells, separator, values, table):
    file = table(("x", "y"), [(cell, 1) for cell in cells], separator)
    read = delimited.read(file)
    found = delimited.numbers([(line, row["x"]) for line, row in read.rows], file, "x", read.separator)
    assert found == values


@pytest.mark.parametrize(
    ("cells", "separator", "message"),
    [
        (["1,5", "2.5"], ";", r"column x has decimal commas and points \(1,5 in line 2 and 2.5 in line 3\)"),
        (['"1,500"', '"2,250"'], ",", "is 1,500 in line 2 a thousand or a fraction"),
        (["1", "fast"], ",", "line 3: 'fast' is no number"),
        (["1", "inf"], ",", "line 3: 'inf' is no number"),
        (["1", "1e999"], ",", "line 3: '1e999' is no number"),
        (["1", "1_000"], ",", "line 3: '1_000' is no number"),
        (["1", "0x10"], ",", "line 3: '0x10' is no number"),
    ],
)
def test_what_is_no_number(cells, separator, message, table):
    file = table(("x", "y"), [(cell, 1) for cell in cells], separator)
    read = delimited.read(file)
    with pytest.raises(ValueError, match=message):
        delimited.numbers([(line, row["x"]) for line, row in read.rows], file, "x", read.separator)


def test_a_header_with_two_separators_is_decided_by_the_rows(table):
    header = "sentence;word, as read;time"
    rows = [(f"{s};{word};{k}",) for s, k, word in WORDS]
    assert delimited.read(table((header,), rows)).columns == ["sentence", "word, as read", "time"]
    with pytest.raises(files.DamagedFile, match="both comma and semicolon may separate the columns"):
        delimited.read(table((header,), [("1;a,1;2",)] * 3, name="b.csv"))


def test_columns_that_are_not_there_are_named_with_the_nearest(table):
    file = table(("sentence", "word", "meanItemRT"), [(s, word, k) for s, k, word in WORDS])
    for columns, message in (
        ({"time": "meanItemRt"}, r"times.csv: reading_csv.time: column: .*did you mean meanItemRT"),
        (
            {"time": "meanItemRT", "sentence": ["text", "sentence"]},
            r"reading_csv.sentence: column: unknown",
        ),
        ({"time": "meanItemRT", "position": "zone"}, r"reading_csv.position: column: unknown value 'zone'"),
        ({"time": "meanItemRT", "reader": "who", "position": "word"}, r"reading_csv.reader: column"),
        ({"time": "word"}, r"column word, line 2: 'the' is no number"),
    ):
        with pytest.raises(ValueError, match=message):
            frame(file, **columns)


def test_latin_1_names_the_file_and_the_remedy(table):
    rows = [(s, word.replace("e", "\u00e9"), k) for s, k, word in WORDS]
    file = table(("sentence", "word", "time"), rows, encoding="latin1")
    with pytest.raises(ValueError, match=r"times.csv: not UTF-8 text \(byte 0xe9 in line 2\); save it as UTF-8.*iconv"):
        frame(file)


def test_one_sentence_has_no_interval(causal_model, tokenizer, table):
    from babylm.evaluation.scoring.scorer import Scorer

    pytest.importorskip("statsmodels")
    words = ("the dogs see a cat and two red birds near ships " * 4).split()[:40]
    rows = [(1, word, 100 + 7 * len(word) + (k * 17) % 23) for k, word in enumerate(words)]
    file = table(("sentence", "word", "time"), rows)
    result = _reading_csv.task("times.csv", file).score(
        Scorer(causal_model, tokenizer), _reading_csv.task("times.csv", file).items(None)
    )
    assert result.interval is None
    assert result.as_dict()["interval"] is None
    assert result.details["rows"] == result.n == 40
    constant = table(("sentence", "word", "time"), [(s, word, 5) for s, word, _ in rows], name="c.csv")
    with pytest.raises(ValueError, match="column time has one value in all"):
        _reading_csv.task("times.csv", constant).score(
            Scorer(causal_model, tokenizer), _reading_csv.task("times.csv", constant).items(None)
        )


def test_a_repetition_in_words():
    assert _reading_csv_checks.repetition(["the", "dog", "ran", "the", "dog", "ran"]) == 3
    assert _reading_csv_checks.repetition(["the", "the", "dog", "dog", "dog"]) == 1
    for text in ("the dog saw the dog", "no no no", "a b", "very very good"):
        assert _reading_csv_checks.repetition(text.split()) == 0


@pytest.mark.parametrize("stand_in", [-999, -9999, -1, -5])
def test_a_number_that_stands_for_a_missing_time_is_refused(table, stand_in):
    rows = [(s, word, stand_in if k == 2 else 300 + k) for s, k, word in WORDS]
    with pytest.raises(ValueError, match=rf"times.csv, line 3: time is {stand_in}, .*3 rows.*write NA"):
        frame(table(("sentence", "word", "time"), rows))


def test_several_numbers_that_stand_for_missing_times_are_refused(table):
    rows = [(s, word, {2: -999, 4: -1}.get(k, 300 + k)) for s, k, word in WORDS]
    with pytest.raises(ValueError, match=r"line 3: time is -999, and no time of its column is negative but -999 or -1"):
        frame(table(("sentence", "word", "time"), rows))


def test_nines_far_above_all_others_are_said(table, caplog):
    frame(table(("sentence", "word", "time"), [(s, word, 9999 if k == 2 else 300 + k) for s, k, word in WORDS]))
    assert "3 of 15 values of time are 9999, far above all others" in caplog.text


@pytest.mark.parametrize("order", [lambda row: (row[0], -row[1]), lambda row: (row[0], row[2])])
def test_a_column_that_numbers_the_words_otherwise_than_the_rows_is_refused(table, order):
    """Every word would be read after another one's context, and the score would look like any other."""
    rows = [(s, word, 300, k + 4) for s, k, word in sorted(WORDS, key=order)]
    file = table(("sentence", "word", "time", "word_index"), rows)
    with pytest.raises(
        ValueError, match=r"column word_index numbers .*: line \d+ .* and line \d+ .*position=word_index"
    ):
        frame(file)
    assert contexts(frame(file, position="word_index")) == [*EXPECTED]
    frame(table(("sentence", "word", "time", "n"), [(s, word, 300, k) for s, k, word in WORDS]))
    frame(table(("sentence", "word", "time", "rank"), [(s, word, 300, 9 - k % 2) for s, k, word in WORDS]))


def test_a_passage_of_too_many_words_is_refused_at_once(table, monkeypatch):
    monkeypatch.setattr(_reading_csv_layout, "MOST_WORDS", 4)
    file = table(("sentence", "word", "time", "before"), [(s, word, 300, "") for s, _, word in WORDS])
    with pytest.raises(ValueError, match="sentence 1 has 5 words, of which each is read after all before it"):
        frame(file)
    assert len(frame(file, context="before")) == len(WORDS)


def test_what_cannot_be_measured_is_refused(table):
    rows = [(s, word, "1e200" if k == 3 else 300) for s, k, word in WORDS]
    with pytest.raises(ValueError, match="column time, line 4: 1e200 is too large"):
        frame(table(("sentence", "word", "time"), rows))
    rows = [(s, word, 300, "NA") for s, k, word in WORDS]
    with pytest.raises(ValueError, match="column freq has no number in 15 rows: nothing to explain with"):
        frame(table(("sentence", "word", "time", "freq"), rows), covariates=["freq"])
    with pytest.raises(ValueError, match=r"line 2: no word in column word .<NA>."):
        frame(table(("sentence", "word", "time"), [("1", "<NA>", 3), ("1", "the", 4)]))


def test_measures_around_zero_are_no_stand_ins(table, caplog):
    rows = [(s, word, k - 2.5 + int(s) / 10) for s, k, word in WORDS]
    assert (frame(table(("sentence", "word", "time"), rows))["column time"] < 0).sum() == 6
    assert "6 of 15 values of time are negative" in caplog.text


def test_a_column_without_a_number_is_refused_before_scoring(table):
    rows = [(s, word, "NA") for s, _, word in WORDS]
    with pytest.raises(ValueError, match=r"times.csv: column time has no number in 15 rows"):
        frame(table(("sentence", "word", "time"), rows))


def test_readers_who_lack_words_are_not_joined_to_one_sentence(table):
    rows = [
        (s, reader, word, 300 + k)
        for s in SENTENCES
        for reader in "ab"
        for t, k, word in WORDS
        if t == s and k != (2 if reader == "a" else 4)
    ]
    with pytest.raises(
        ValueError, match=r"column who .*line 2 \(1: the\) and line 6 \(1: the\).*reading_csv.reader=who"
    ):
        frame(table(("sentence", "who", "word", "time"), rows))
    regions = [(s, "NP" if k < 3 else "VP", word, 300 + k) for s, k, word in WORDS]
    assert contexts(frame(table(("sentence", "region", "word", "time"), regions))) == EXPECTED


def test_a_copied_row_is_named(table, caplog):
    rows = [(s, word, 300 + k) for s, k, word in WORDS]
    frame(table(("sentence", "word", "time"), [*rows[:2], *rows[1:]], name="copied.csv"))
    assert "copied.csv: lines 3 and 4 are the same row" in caplog.text


@pytest.mark.parametrize(
    "columns",
    [{"covariates": ["time"]}, {"length": "time"}, {"position": "time"}, {"position": "time", "reader": "word"}],
)
def test_a_column_has_one_role(table, columns):
    rows = [(s, word, 300 + k) for s, k, word in WORDS]
    with pytest.raises(ValueError, match=r"reading_csv\.\w+ and reading_csv\.\w+ are both the column (time|word)"):
        frame(table(("sentence", "word", "time"), rows), **columns)


def test_remedies_name_the_true_cause(table):
    header, rows = ("sentence", "word", "time"), [(s, word, 300 + k) for s, k, word in WORDS]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(files.DamagedFile, match=r"iconv -f utf-16"):
            frame(table(header, rows, encoding=encoding))
    with pytest.raises(files.DamagedFile, match=r"line 2: 4 cells.*a cell with a comma needs quotation marks"):
        frame(table(header, [(1, "no, thanks", 300), *rows]))
    file = table(header, rows)
    file.write_bytes(b"PK\x03\x04\x00\x00")
    with pytest.raises(files.DamagedFile, match="xlsx"):
        frame(file)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["312", "1.023", "987"], None),
        (["312", "1.023.456"], None),
        (["1.023", "2.345"], [1.023, 2.345]),
        (["0.312", "1.023", "12"], [0.312, 1.023, 12.0]),
        (["312", "1.5", "1.023"], [312.0, 1.5, 1.023]),
    ],
)
def test_points_between_thousands_are_not_taken_for_fractions(tmp_path, cells, values):
    column = list(enumerate(cells, 2))
    if values is None:
        with pytest.raises(ValueError, match=r"column time: has 1\.023.* in line 3 and 312 in line 2: does the point"):
            delimited.numbers(column, tmp_path / "times.csv", "time", ";")
    else:
        assert delimited.numbers(column, tmp_path / "times.csv", "time", ";") == values
