"""Held-out minimal pairs of the bundled corpus, in BLiMP's schema: a file of JSON lines for each phenomenon."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import files
from babylm.corpora.toy import agreement_pairs as agreement
from babylm.corpora.toy import structure_pairs as structure
from babylm.corpora.toy.agreement_pairs import Pair
from babylm.corpora.toy.grammar import Grammar
from babylm.corpora.toy.vocabulary import held_out

PAIRS = 200
"""Pairs of each phenomenon, half of them on each side."""
_SHARE = 0.4
"""Pairs keep to the more frequent part of the word lists: they ask for grammar, not for rare words."""


@dataclass(frozen=True)
class Paradigm:
    """A phenomenon under BLiMP's names: its ``UID``, ``field`` and ``linguistics_term``."""

    uid: str
    field: str
    term: str
    make: Callable[[Grammar, bool], Pair]


PARADIGMS = (
    Paradigm("subject_verb_agreement", "morphology", "subject_verb_agreement", agreement.subject_verb),
    Paradigm("auxiliary_agreement", "morphology", "subject_verb_agreement", agreement.auxiliary_verb),
    Paradigm("agreement_across_phrase", "morphology", "subject_verb_agreement", agreement.across_phrase),
    Paradigm("agreement_across_relative_clause", "morphology", "subject_verb_agreement", agreement.across_relative),
    Paradigm("irregular_plural_agreement", "morphology", "subject_verb_agreement", agreement.irregular_plural),
    Paradigm("question_agreement", "syntax", "subject_auxiliary_inversion", agreement.question_agreement),
    Paradigm("existential_there_agreement", "syntax", "existential_there", agreement.existential_agreement),
    Paradigm("determiner_noun_agreement", "morphology", "determiner_noun_agreement", agreement.determiner_noun),
    Paradigm(
        "determiner_noun_agreement_with_adjective",
        "morphology",
        "determiner_noun_agreement",
        agreement.determiner_adjective_noun,
    ),
    Paradigm("quantifier_noun_agreement", "semantics", "quantifiers", agreement.quantifier_noun),
    Paradigm("anaphor_gender_agreement", "morphology", "anaphor_agreement", agreement.anaphor_gender),
    Paradigm("anaphor_number_agreement", "morphology", "anaphor_agreement", agreement.anaphor_number),
    Paradigm("reflexive_domain", "syntax_semantics", "binding", agreement.reflexive_domain),
    Paradigm("npi_ever", "semantics", "npi_licensing", structure.npi_ever),
    Paradigm("npi_any", "semantics", "npi_licensing", structure.npi_any),
    Paradigm("filler_gap", "syntax", "filler_gap_dependency", structure.filler_gap),
    Paradigm("argument_structure", "syntax", "argument_structure", structure.argument_structure),
    Paradigm("comparative", "morphology", "comparatives", structure.comparative),
    Paradigm("irregular_participle", "morphology", "irregular_forms", structure.irregular_participle),
    Paradigm("verb_form_after_auxiliary", "morphology", "verb_forms", structure.verb_form),
    Paradigm("pronoun_case", "syntax", "case", structure.pronoun_case),
    Paradigm("indefinite_article", "morphology", "articles", structure.indefinite_article),
    Paradigm("much_many", "semantics", "mass_and_count", structure.much_many),
)  # fmt: skip


def minimal_pairs(seed: int = 0, count: int = PAIRS) -> dict[str, list[dict[str, Any]]]:
    """``{UID: [{sentence_good, sentence_bad, UID, field, linguistics_term, pair_id}, ...]}``, ``count`` pairs each.

    Every right sentence holds a word combination that no generated text holds, of whatever seed.
    """
    pairs: dict[str, list[dict[str, Any]]] = {}
    for paradigm in PARADIGMS:
        g = Grammar(random.Random(f"toy pairs {seed} {paradigm.uid}"), share=_SHARE)
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        while len(rows) < count:
            good, bad = paradigm.make(g, len(rows) % 2 == 0)
            if good == bad or good in seen or not held_out(good):
                continue
            seen.add(good)
            names = {"UID": paradigm.uid, "field": paradigm.field, "linguistics_term": paradigm.term}
            rows.append({"sentence_good": good, "sentence_bad": bad, **names, "pair_id": len(rows)})
        pairs[paradigm.uid] = rows
    return pairs


def write_pairs(folder: str | Path, seed: int = 0, count: int = PAIRS) -> None:
    """Write ``<UID>.jsonl`` for each phenomenon into ``folder``."""
    for uid, rows in minimal_pairs(seed, count).items():
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        files.write_text(Path(folder) / f"{uid}.jsonl", "".join(f"{line}\n" for line in lines))
