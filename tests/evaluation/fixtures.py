"""Small evaluation data in the official schema, written by us."""

import csv
import json
import math

NOUNS = ("cat", "dog", "ship", "house", "bird", "book")


def write_all(data):
    """Every task's folder below ``data/{fast,full}_eval``."""
    for suite, names in {
        "fast": ("blimp_fast", "supplement_fast", "ewok_fast", "entity_tracking_fast"),
        "full": ("blimp_filtered", "supplement_filtered", "ewok_filtered", "entity_tracking"),
    }.items():
        root = data / f"{suite}_eval"
        blimp, supplement, ewok, entity = (root / name for name in names)
        lines(blimp / "agreement_1.jsonl", [pair(i) | {"UID": "agreement_1", "field": "syntax"} for i in range(6)])
        lines(supplement / "turns.jsonl", [pair(i) for i in range(4)])
        for domain in ("social", "spatial"):
            lines(ewok / f"{domain}.jsonl", [line for i in range(3) for line in twins(domain, i)])
        for split in ("regular",) if suite == "fast" else ("regular", "ambiref", "move_contents"):
            lines(entity / f"{split}.jsonl", [boxes(numops, i) for numops in range(6) for i in range(2)])
        for name in ("wug_adj_nominalization", "wug_past_tense"):
            lines(root / name / f"{name}.jsonl", [forms(i) for i in range(8)])
        for name, count in (("global_piqa_parallel", 4), ("global_piqa_nonparallel", 2)):
            lines(root / name / "eng_latn.jsonl", [solutions(name, i, count) for i in range(5)])
        reading(root / "reading" / "reading_data.csv")
    full = data / "full_eval"
    for name in ("comps_base", "comps_wugs", "comps_wugs_dist-before", "comps_wugs_dist-in-between"):
        lines(full / "comps" / f"{name}.jsonl", [concepts(i) for i in range(5)])
    lines(full / "winoground_filtered" / "winoground.jsonl", [captions(i) for i in range(4)])
    lines(full / "vqa_filtered" / "vqa_distractors.jsonl", [question(i) for i in range(3)])
    aoa(full / "aoa")
    glue(full / "glue_filtered")


def lines(file, rows):
    """Write JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def pair(i):
    noun = NOUNS[i % len(NOUNS)]
    return {"sentence_good": f"The {noun} sees {i} birds.", "sentence_bad": f"The {noun} see {i} birds."}


def twins(domain, i):
    first, second = f"The {NOUNS[i]} is near the lake.", f"The {NOUNS[i]} is far from the lake."
    one, two = "It sees the red ships.", "It never sees them."
    line = {"Domain": domain, "ConceptA": "near", "ConceptB": "far", "ContextType": "direct"}
    yield line | {"Context1": first, "Context2": second, "Target1": one, "Target2": two}
    yield line | {"Context1": second, "Context2": first, "Target1": two, "Target2": one}


def boxes(numops, i):
    empty = "nothing." if i else "the bird."
    prefix = f"Box 0 contains the {NOUNS[numops]}, Box 1 contains the ship. " + "Move it into Box 0. " * numops
    return {
        "sample_id": i,
        "numops": numops,
        "input_prefix": f"{prefix}Box {i} contains ",
        "options": ["the cat.", "the dog and the cat.", empty, "the house.", "the book and the ship."],
        "example_id": 6 * numops + i,
    }


def forms(i):
    return {"sentences": f"The {NOUNS[i % 6]}{i}able {i}.\tThe {NOUNS[i % 6]}{i}ity.", "ratio": (i * 5 % 8) / 8}


def concepts(i):
    good, bad = NOUNS[i], NOUNS[i + 1]
    return {
        "id": i,
        "property_phrase": "sees the lake.",
        "prefix_acceptable": f"A {good}",
        "prefix_unacceptable": f"A {bad}",
    }


def solutions(name, i, count):
    line = {"prompt": f"The {NOUNS[i]} reads.", "label": i % count, "example_id": f"{name}-{i}"}
    return line | {f"solution{k}": f"It sees {'the ' * k}red {NOUNS[k]}." for k in range(count)}


def captions(i):
    return {"id": i, "caption_0": f"a {NOUNS[i]} near a lake", "caption_1": f"a lake near a {NOUNS[i]}"}


def question(i):
    answers = ["red", "two", "a ship", "birds", "no", "yes", "the lake", "a girl"]
    return {"question": f"What is the {NOUNS[i]}?", "target_ans": answers[0], "distractors": answers[1:]}


def reading(file):
    """Three sentences, word by word from the second one on, with made-up times and some missing values."""
    columns = [
        *("", "item", "word", "sentence", "context_length", "Subtlex_log10", "length", "RTfirstfix", "RTfirstpass"),
        *("RTgopast", "RTrightbound", "self_paced_reading_time", "prev_word", "prev_item", "prev_length"),
    ]
    rows = []
    for sentence in (
        "The cat sees the dogs near two red ships and houses.",
        "None has ever seen the book about birds, she reads.",
        "A girl who likes birds reads a book about the ships.",
        "Nobody likes the red houses near the two lakes, ever.",
        "The dogs see a cat and two birds near the ships.",
    ):
        words = sentence.split()
        for k in range(1, len(words)):
            i = len(rows)
            times = [100 + 7 * len(words[k]) + (i * (17 + 7 * t)) % 43 for t in range(5)]
            previous = [words[k - 1], " ".join(words[: k - 1]), len(words[k - 1])] if k > 1 else [words[0], "", ""]
            log10 = "" if i == 7 else 3 + (i * 29 % 17) / 4
            about = [i, " ".join(words[:k]), words[k], sentence, k, log10, len(words[k])]
            rows.append([*about, *times, *previous])
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([columns, *rows])


def aoa(folder):
    """Contexts of four words and the shares of children who say them, from 16 to 30 months."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {"cat": (18.5, 0.6), "dog": (22, 0.5), "ship": (27, 0.7), "house": (20, 0.55)}
    contexts = {
        word: [{"context": f"The two girls see the {x}", "word_in_context_stats": {}} for x in "ab"] for word in words
    }
    (folder / "cdi_childes.json").write_text(json.dumps(contexts))
    ages = range(16, 31)
    with open(folder / "cdi_human.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["word", *ages])
        for word, (centre, slope) in words.items():
            writer.writerow([word, *(0.95 / (1 + math.exp(-slope * (age - centre))) for age in ages)])


GLUE = {
    "boolq": ("question", "passage"),
    "mnli": ("premise", "hypothesis"),
    "mrpc": ("sentence1", "sentence2"),
    "multirc": ("question", "paragraph"),
    "qqp": ("question1", "question2"),
    "rte": ("sentence1", "sentence2"),
    "wsc": ("span2_text", "text"),
}
"""Fields of the first and the second text; two tasks have one more."""


def glue(folder, train=24, valid=9):
    """Seven tasks whose class is the thing that the second text sees; rows of several lengths."""
    things = ("the red ships.", "two birds.", "a book.")
    for name, (first, second) in GLUE.items():
        labels = 3 if name == "mnli" else 2
        more = {"multirc": {"answer": "It does."}, "wsc": {"span1_text": "A cat", "span1_index": 0, "span2_index": 3}}
        for which, count in (("train", train), ("valid", valid)):
            rows = []
            for i in range(count):
                text = f"The {NOUNS[i % 6]} sees {'the cat and ' * (i % 5)}{things[i * 7 % labels]}"
                rows.append(
                    {first: f"It is {i}.", second: text, "label": i * 7 % labels, "idx": i, **more.get(name, {})}
                )
            lines(folder / f"{name}.{which}.jsonl", rows)
