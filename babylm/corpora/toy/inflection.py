"""Regular English inflection and the articles; irregular forms come with the words in ``lexicon.py``."""

from __future__ import annotations

import re

_VOWELS = "aeiou"
_DOUBLING = re.compile(r"(?:^|[^aeiou])(?:qu)?[aeiouy][bdfgklmnprtvz]$")
_LIKE_YOU = re.compile(r"(?:uni|use|eu|one)")


def plural(noun: str) -> str:
    """``box`` -> ``boxes``, ``berry`` -> ``berries``."""
    if re.search(r"(?:s|x|z|ch|sh)$", noun) or noun in ("potato", "tomato", "mango"):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if _consonant_y(noun) else f"{noun}s"


def third_person(verb: str) -> str:
    """``watch`` -> ``watches``, ``cry`` -> ``cries``."""
    if verb in ("do", "go"):
        return f"{verb}es"
    return plural(verb)


def past(verb: str) -> str:
    """``stop`` -> ``stopped``, ``cry`` -> ``cried``, ``bake`` -> ``baked``."""
    if verb.endswith("e"):
        return f"{verb}d"
    if _consonant_y(verb):
        return f"{verb[:-1]}ied"
    return f"{_doubled(verb)}ed"


def progressive(verb: str) -> str:
    """``sit`` -> ``sitting``, ``bake`` -> ``baking``, ``lie`` -> ``lying``."""
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not re.search(r"(?:ee|oe|ye)$", verb) and verb != "be":
        return f"{verb[:-1]}ing"
    return f"{_doubled(verb)}ing"


def comparative(adjective: str) -> str:
    """``big`` -> ``bigger``, ``happy`` -> ``happier``, ``good`` -> ``better``."""
    return {"good": "better"}.get(adjective) or f"{_stem(adjective)}er"


def superlative(adjective: str) -> str:
    """``big`` -> ``biggest``, ``happy`` -> ``happiest``, ``good`` -> ``best``."""
    return {"good": "best"}.get(adjective) or f"{_stem(adjective)}est"


def article(following: str) -> str:
    """``a`` or ``an`` before these words, by sound."""
    word = following.lower()
    vowel = (word[:1] in _VOWELS and not _LIKE_YOU.match(word)) or word.startswith("hon")
    # "honest" is silent, "honey" is not.
    return "an" if vowel and not word.startswith("honey") else "a"


def possessive(noun_phrase: str) -> str:
    """``the boys`` -> ``the boys'``, ``Mia`` -> ``Mia's``."""
    return f"{noun_phrase}'" if noun_phrase.endswith("s") else f"{noun_phrase}'s"


def capitalize(sentence: str) -> str:
    """The first letter made large, the rest left alone."""
    return sentence[:1].upper() + sentence[1:]


def _stem(adjective: str) -> str:
    if adjective.endswith("e"):
        return adjective[:-1]
    return f"{adjective[:-1]}i" if _consonant_y(adjective) else _doubled(adjective)


def _consonant_y(word: str) -> bool:
    return len(word) > 2 and word.endswith("y") and word[-2] not in _VOWELS


def _doubled(word: str) -> str:
    """The last consonant twice, where a stressed short vowel stands before it: one-syllable words, and a few."""
    one_syllable = len(re.findall(r"[aeiouy]+", word.replace("qu", "q"))) == 1
    if (one_syllable and _DOUBLING.search(word)) or word in ("forget", "unwrap", "unzip", "prefer", "trek"):
        return word + word[-1]
    return word
