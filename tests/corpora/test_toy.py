"""The bundled corpus: the same everywhere, rich enough, and its minimal pairs truly held out and balanced."""

import collections
import json
import math
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from babylm.corpora import toy
from babylm.corpora.toy import inflection, vocabulary

WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


@pytest.fixture(scope="module")
def text():
    return [d.text for d in toy.write(120_000, 5)]


@pytest.fixture(scope="module")
def pairs():
    return toy.minimal_pairs(0, 100)


@pytest.fixture(scope="module")
def counts(text):
    return collections.Counter(word for t in text for word in WORD.findall(t.lower()))


def test_a_seed_is_a_text():
    one = [(d.source, d.text) for d in toy.write(3000, 1)]
    assert one == [(d.source, d.text) for d in toy.write(3000, 1)]
    assert one != [(d.source, d.text) for d in toy.write(3000, 2)]
    # A longer text begins with the shorter one.
    assert one == [(d.source, d.text) for d in toy.write(4000, 1)][: len(one)]


def test_every_process_writes_the_same(root):
    code = (
        "import hashlib; from babylm.corpora import toy; "
        "t = repr([d.text for d in toy.write(2000, 1)]) + repr(toy.minimal_pairs(1, 10)) + toy.version(); "
        "print(hashlib.sha256(t.encode()).hexdigest())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root, env={"PYTHONHASHSEED": str(seed), "PATH": ""}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in (0, 1, 2)
    }  # fmt: skip
    assert len(made) == 1


def test_any_number_of_words():
    for words in (1, 100, 5000):
        written = [len(d.text.split()) for d in toy.write(words, 0)]
        assert sum(written) >= words > sum(written[:-1])


def test_three_sources_and_thousands_of_words(text, counts):
    assert {d.source for d in toy.write(2000, 0)} == {"dialogue", "stories", "facts"}
    assert len(counts) > 2500
    assert sum(count >= 5 for count in counts.values()) > 1500
    assert sum("? " in t or "?\n" in t or t.endswith("?") for t in text) > 100


def test_no_sentence_of_any_text_holds_a_reserved_combination(text):
    for t in text:
        for sentence in re.split(r"(?<=[.?!])[\s\"]", t):
            assert not vocabulary.held_out(sentence), sentence


def test_every_right_sentence_of_a_pair_holds_one_and_is_in_no_text(text, pairs):
    sentences = {s.strip('"*:\t ').lower() for t in text for s in re.split(r"(?<=[.?!])\s", t)}
    for rows in pairs.values():
        for row in rows:
            assert vocabulary.held_out(row["sentence_good"])
            assert row["sentence_good"].lower() not in sentences


def test_reserved_words_never_stand_side_by_side(text):
    """The same from the text's side, without the function that the generator asks."""
    beside = {(a, b) for t in text for line in re.split(r"[.?!\n]", t.lower()) for a, b in _bigrams(line)}
    forms = {
        kind: [(n.singular, f) for n in nouns for f in (n.singular, n.plural)]
        for kind, nouns in vocabulary.NOUNS.items()
    }
    checked = 0
    for lemma, noun in forms["animal"] + forms["male"] + forms["female"]:
        for v in vocabulary.VERBS["animate alone"] + vocabulary.VERBS["animate meets"]:
            if vocabulary.reserved(lemma, v.base):
                checked += 1
                assert not {(noun, form) for form in (v.base, v.third, v.past)} & beside
    assert checked > 1000


def _bigrams(line):
    words = WORD.findall(line)
    return pairwise(words)


def test_there_are_enough_phenomena_in_blimps_schema(pairs, tmp_path):
    assert len(pairs) >= 12
    toy.write_pairs(tmp_path, seed=0, count=100)
    assert {file.stem for file in tmp_path.iterdir()} == set(pairs)
    for uid, rows in pairs.items():
        assert [json.loads(line) for line in (tmp_path / f"{uid}.jsonl").read_text().splitlines()] == rows
        assert len({row["sentence_good"] for row in rows}) == len(rows) == 100
        assert [row["pair_id"] for row in rows] == list(range(100))
        assert all(row["sentence_good"] != row["sentence_bad"] and row["UID"] == uid for row in rows)
        assert {"sentence_good", "sentence_bad", "UID", "field", "linguistics_term", "pair_id"} == set(rows[0])


def test_neither_length_nor_word_frequency_tells_right_from_wrong(pairs, counts):
    total = sum(counts.values())

    def frequency(sentence):
        return sum(math.log((counts[word] + 0.5) / total) for word in WORD.findall(sentence.lower()))

    def better(rows, score):
        differences = [score(row["sentence_good"]) - score(row["sentence_bad"]) for row in rows]
        return sum(0.5 if abs(d) < 1e-9 else d > 0 for d in differences) / len(rows)

    for uid, rows in pairs.items():
        assert 0.25 < better(rows, frequency) < 0.67, uid
        assert 0.3 < better(rows, len) < 0.7, uid
        words = [len(row["sentence_good"].split()) - len(row["sentence_bad"].split()) for row in rows]
        assert abs(sum(words)) <= 10, uid


def test_pairs_use_words_that_the_text_teaches(pairs, counts):
    rare = [
        w for rows in pairs.values() for r in rows for w in WORD.findall(r["sentence_good"].lower()) if counts[w] < 3
    ]
    assert len(rare) < 0.01 * sum(len(r["sentence_good"].split()) for rows in pairs.values() for r in rows)


@pytest.mark.parametrize(
    ("function", "forms"),
    [
        (inflection.plural, "box:boxes berry:berries toy:toys bus:buses witch:witches dog:dogs potato:potatoes"),
        (inflection.third_person, "watch:watches cry:cries play:plays do:does fix:fixes"),
        (inflection.past, "stop:stopped cry:cried bake:baked play:played open:opened mix:mixed visit:visited"),
        (inflection.progressive, "sit:sitting bake:baking lie:lying see:seeing forget:forgetting listen:listening"),
        (inflection.comparative, "big:bigger happy:happier nice:nicer good:better slow:slower shy:shier gray:grayer"),
        (inflection.superlative, "big:biggest funny:funniest good:best late:latest"),
        (inflection.article, "apple:an unicorn:a honest:an honey:a ugly:an useful:a onion:an"),
    ],
)  # fmt: skip
def test_inflection(function, forms):
    for pair in forms.split():
        word, form = pair.split(":")
        assert function(word) == form
