"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168) read from a folder of the user: questions, answers, exact scoring."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from babylm import files, places, returned

NUMBER = r"[-+]?\$?\s?\d[\d,]*(?:\.\d+)?"


@dataclass(frozen=True)
class Problem:
    """A word problem with its worked answer."""

    question: str
    solution: str
    """The worked answer, without the line of the final number and without calculator annotations."""
    answer: Decimal

    @property
    def prompt(self) -> str:
        """What a model continues."""
        return f"Question: {self.question}\nAnswer:"


def load(folder: str | Path, split: str) -> list[Problem]:
    """The problems of ``folder/<split>.jsonl`` (``train`` or ``test``).

    Raises:
        ValueError: There is no such file, or a line is not a problem of GSM8K; it is named.
    """
    file = places.given(str(folder)) / f"{split}.jsonl"
    if not file.is_file():
        raise ValueError(f"gsm8k={folder}: no file {split}.jsonl there; it has the lines of GSM8K's {split} split")
    problems = []
    for number, line in files.numbered_jsonl(file):
        where = f"gsm8k={folder}: line {number} of {split}.jsonl is no problem of GSM8K"
        for key in ("question", "answer"):
            if not returned.is_text(line.get(key)) or not line[key].strip():
                raise ValueError(f"{where}: {key} must be a text; found {returned.shown(line.get(key))}")
        text, separator, final = line["answer"].partition("####")
        value = number_of(final)
        if not separator or value is None:
            end = returned.shown(line["answer"][-40:])
            raise ValueError(f"{where}: an answer ends with #### and one number; found {end}")
        solution = re.sub(r"<<.*?>>", "", text).strip()
        problems.append(Problem(line["question"].strip(), solution, value))
    if not problems:
        raise ValueError(f"gsm8k={folder}: {split}.jsonl is empty; it has the lines of GSM8K's {split} split")
    return problems


def number_of(text: str) -> Decimal | None:
    """The number that a text is, exactly: a sign, a dollar sign, digits in threes and a full stop are allowed.

    >>> number_of(" 1,234 "), number_of("$-2.50."), number_of("7.0") == number_of("7"), number_of("about 7")
    (Decimal('1234'), Decimal('-2.50'), True, None)
    >>> [number_of(text) for text in ("5 6", "1,2,3", "1.000,50", "1_000", "1e5", "0x10")]
    [None, None, None, None, None, None]
    """
    number = re.fullmatch(r"([-+]?)\$?\s?([-+]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]+)?)\.?", text.strip())
    if number is None or not number[3] or (number[1] and number[2]):
        return None
    return Decimal(f"{number[1]}{number[2]}{number[3].replace(',', '')}")


def _loosely(text: str) -> Decimal | None:
    """The number that a model wrote, blanks and commas in it left out."""
    cleaned = text.strip().rstrip(".").replace(",", "").replace("$", "").replace(" ", "")
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def final_answer(text: str) -> Decimal | None:
    r"""The final number of a model's solution: in the last ``\boxed{}``, else after the last ``####``, else the last.

    >>> final_answer(r"3 + 4 = 7, so \boxed{1,007} of 9"), final_answer("so\n#### $70"), final_answer("it is 3, or 4.")
    (Decimal('1007'), Decimal('70'), Decimal('4'))
    >>> final_answer("none")
    """
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", text)
    if boxed:
        return _loosely(boxed[-1])
    marked = re.findall(rf"####\s*({NUMBER})", text)
    numbers = marked or re.findall(NUMBER, text)
    return _loosely(numbers[-1]) if numbers else None
