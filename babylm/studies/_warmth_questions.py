"""Short factual questions with enumerable answers, for real subjects: capitals, small sums, inflected forms."""

from __future__ import annotations

import numpy as np

from babylm.randomness import Purpose, derive_seed
from babylm.studies._warmth_prompts import Question

CAPITALS = """
France Paris|Italy Rome|Spain Madrid|Germany Berlin|Portugal Lisbon|Greece Athens|Austria Vienna|Poland Warsaw
Hungary Budapest|Ireland Dublin|Norway Oslo|Sweden Stockholm|Finland Helsinki|Denmark Copenhagen|Belgium Brussels
Russia Moscow|Ukraine Kyiv|Romania Bucharest|Bulgaria Sofia|Serbia Belgrade|Croatia Zagreb|Turkey Ankara|Egypt Cairo
Kenya Nairobi|Nigeria Abuja|Ghana Accra|Ethiopia Addis|Morocco Rabat|Tunisia Tunis|Algeria Algiers|Libya Tripoli
Japan Tokyo|China Beijing|India Delhi|Thailand Bangkok|Vietnam Hanoi|Indonesia Jakarta|Iran Tehran|Iraq Baghdad
Syria Damascus|Lebanon Beirut|Jordan Amman|Afghanistan Kabul|Nepal Kathmandu|Canada Ottawa|Cuba Havana|Peru Lima
Chile Santiago|Argentina Buenos|Venezuela Caracas|Colombia Bogota|Ecuador Quito|Australia Canberra|Iceland Reykjavik
Latvia Riga|Estonia Tallinn|Lithuania Vilnius|Qatar Doha|Uganda Kampala|Senegal Dakar|Angola Luanda|Zambia Lusaka
""".replace("Addis", "Addis Ababa").replace("Buenos", "Buenos Aires")
PLURALS = """
mouse mice|goose geese|child children|man men|woman women|tooth teeth|foot feet|ox oxen|leaf leaves|wolf wolves
knife knives|wife wives|life lives|shelf shelves|loaf loaves|baby babies|city cities|box boxes|church churches
potato potatoes|hero heroes|party parties|lady ladies|story stories|fox foxes|bus buses|dish dishes
half halves|calf calves|thief thieves
"""
COMPARATIVES = """
good better|bad worse|big bigger|hot hotter|happy happier|easy easier|thin thinner|fat fatter|wet wetter|sad sadder
heavy heavier|early earlier|pretty prettier|busy busier|dirty dirtier|funny funnier|dry drier|large larger|nice nicer
tall taller|small smaller|old older|young younger|cold colder|fast faster|slow slower|long longer|short shorter
dark darker|light lighter|wide wider|strong stronger
"""
PASTS = """
go went|see saw|take took|come came|give gave|eat ate|run ran|write wrote|speak spoke|break broke|drive drove|fly flew
know knew|grow grew|throw threw|sing sang|drink drank|swim swam|begin began|find found|think thought|buy bought
teach taught|catch caught|sleep slept|keep kept|leave left|tell told|sell sold|make made|stand stood|hold held
win won|feel felt
"""
NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
)
CHOICES = 6


def questions(seed: int) -> list[Question]:
    """All questions in random order, each with the right answer among six of its kind; one of the others is stated.

    Wrong plurals and past forms are those that a rule would give and those of other words.
    """
    generator = np.random.default_rng(derive_seed(seed, Purpose.EPISODES, 4))
    made = []
    for kind, text, pairs in (
        ("capital", "What is the capital of {}?", _pairs(CAPITALS)),
        ("sum", "What is {}?", _sums()),
        ("plural", 'What is the plural of "{}"?', _pairs(PLURALS)),
        ("comparative", 'What is the comparative of "{}"?', _pairs(COMPARATIVES)),
        ("past", 'What is the past tense of "{}"?', _pairs(PASTS)),
    ):
        answers = sorted(set(pairs.values()))
        for question, correct in pairs.items():
            regular = _regular(kind, question)
            others = [answer for answer in answers if answer != correct]
            if kind == "sum":  # of about the same size
                others.sort(key=lambda word: abs(NUMBERS.index(word) - NUMBERS.index(correct)))
                others = others[: CHOICES + 1]
            drawn = [str(word) for word in generator.choice(others, CHOICES - 1, replace=False)]
            if regular not in ("", correct):
                drawn[0] = regular
            choices = tuple(sorted({correct, *drawn}))
            made.append(Question(f"{kind}: {question}", text.format(question), correct, drawn[0], choices, kind))
    return [made[number] for number in generator.permutation(len(made))]


def _pairs(text: str) -> dict[str, str]:
    """Word before the first space -> the rest."""
    return dict(entry.split(" ", 1) for line in text.strip().splitlines() for entry in line.split("|"))


def _sums() -> dict[str, str]:
    words = NUMBERS[:9]
    return {f"{a} plus {b}": NUMBERS[x + y + 1] for x, a in enumerate(words) for y, b in enumerate(words) if x <= y}


def _regular(kind: str, word: str) -> str:
    """The form by rule; empty for kinds without."""
    if kind == "plural":
        return f"{word}s"
    ending = {"past": "ed", "comparative": "er"}.get(kind, "")
    return ending and word.removesuffix("e") + ending
