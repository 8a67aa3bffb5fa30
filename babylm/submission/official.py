"""Names and counts of the official evaluation: where each task's results lie, what it is called, how many items it has.

Source: the official pipeline's collator and size tables (2025), and the leaderboard's rules of 2026. UIDs are compared
in lower case, as the collator does.
"""

from __future__ import annotations

from dataclasses import dataclass

from babylm.config.schema import Config
from babylm.evaluation.results.averages import GLUE
from babylm.evaluation.suite import SUITES

READING_ROWS = 1726
AOA_ROWS = 8005
"""Contexts a revision, over all words."""


@dataclass(frozen=True)
class Place:
    """Where the official pipeline puts a task, below ``zero_shot/<backend>``, and what the collated file calls it."""

    key: str
    task: str
    full: str
    fast: str


PLACES = {
    "blimp": Place("blimp", "blimp", "blimp_filtered", "blimp_fast"),
    "supplement": Place("blimp_supplement", "blimp", "supplement_filtered", "supplement_fast"),
    "ewok": Place("ewok", "ewok", "ewok_filtered", "ewok_fast"),
    "entity_tracking": Place("entity_tracking", "entity_tracking", "entity_tracking", "entity_tracking_fast"),
    "wug_adj": Place("wug_adj", "wug_adj", "wug_adj_nominalization", "wug_adj_nominalization"),
    "wug_past": Place("wug_past", "wug_past", "wug_past_tense", "wug_past_tense"),
    "comps": Place("comps", "comps", "comps", "comps"),
}
VISION = ("vqa", "winoground", "devbench")
"""Of the multimodal track; they need images."""

_BLIMP = """
adjunct_island 928 anaphor_gender_agreement 971 anaphor_number_agreement 931 animate_subject_passive 895
animate_subject_trans 923 causative 818 complex_np_island 846 coordinate_structure_constraint_complex_left_branch 906
coordinate_structure_constraint_object_extraction 949 determiner_noun_agreement_1 929 determiner_noun_agreement_2 931
determiner_noun_agreement_irregular_1 681 determiner_noun_agreement_irregular_2 820
determiner_noun_agreement_with_adj_2 941 determiner_noun_agreement_with_adj_irregular_1 718
determiner_noun_agreement_with_adj_irregular_2 840 determiner_noun_agreement_with_adjective_1 933
distractor_agreement_relational_noun 788 distractor_agreement_relative_clause 871 drop_argument 920 ellipsis_n_bar_1 802
ellipsis_n_bar_2 828 existential_there_object_raising 812 existential_there_quantifiers_1 930
existential_there_quantifiers_2 911 existential_there_subject_raising 924 expletive_it_object_raising 759 inchoative 855
intransitive 868 irregular_past_participle_adjectives 961 irregular_past_participle_verbs 942
irregular_plural_subject_verb_agreement_1 804 irregular_plural_subject_verb_agreement_2 892
left_branch_island_echo_question 947 left_branch_island_simple_question 951 matrix_question_npi_licensor_present 929
npi_present_1 909 npi_present_2 914 only_npi_licensor_present 882 only_npi_scope 837 passive_1 840 passive_2 903
principle_a_c_command 946 principle_a_case_1 912 principle_a_case_2 915 principle_a_domain_1 914
principle_a_domain_2 915 principle_a_domain_3 941 principle_a_reconstruction 967
regular_plural_subject_verb_agreement_1 890 regular_plural_subject_verb_agreement_2 945
sentential_negation_npi_licensor_present 919 sentential_negation_npi_scope 871 sentential_subject_island 961
superlative_quantifiers_1 979 superlative_quantifiers_2 986 tough_vs_raising_1 948 tough_vs_raising_2 920 transitive 868
wh_island 960 wh_questions_object_gap 859 wh_questions_subject_gap 898 wh_questions_subject_gap_long_distance 857
wh_vs_that_no_gap 861 wh_vs_that_no_gap_long_distance 875 wh_vs_that_with_gap 919 wh_vs_that_with_gap_long_distance 910
"""
_SUPPLEMENT = "hypernym 842 qa_congruence_easy 64 qa_congruence_tricky 165 subject_aux_inversion 3867 turn_taking 280"
_EWOK = """
agent-properties 2210 social-relations 1548 physical-relations 818 material-dynamics 770 physical-interactions 556
spatial-relations 490 social-properties 328 quantitative-properties 314 social-interactions 294 material-properties 170
physical-dynamics 120
"""
_COMPS = "base 49340 wugs_dist_before 13896 wugs_dist_in_between 13896 wugs 13896"
_ENTITY = {
    2025: {
        "regular": (606, 607, 606, 606, 568, 159),
        "ambiref": (607, 607, 604, 604, 615, 187),
        "move_contents": (605, 606, 605, 606, 529, 156),
    },
    2026: {
        "regular": (517, 409, 405, 425, 388, 94),
        "ambiref": (508, 428, 413, 409, 434, 123),
        "move_contents": (516, 437, 399, 406, 353, 116),
    },
}
_GLUE = {"boolq": 1635, "mnli": 4908, "mrpc": 204, "multirc": 2424, "qqp": 20215, "rte": 139, "wsc": 52}
_PIQA = {"parallel": 103, "nonparallel": 100}


def counts(task: str, suite: str, rules: int) -> dict[str, int] | None:
    """Items by UID (lower case); none where the official tables know no such task.

    Of GlobalPIQA, whose items are UIDs of their own, the counts are by part.
    """
    if task in GLUE:
        return {task: _GLUE[task]}
    if task == "entity_tracking":
        table = _ENTITY[rules]
        splits = ("regular",) if suite == "fast" else tuple(table)
        return {f"{split}_{k}_ops": n for split in splits for k, n in enumerate(table[split])}
    listed = {
        "blimp": (_table(_BLIMP), 200),
        "supplement": (_table(_SUPPLEMENT), 50),
        "ewok": (_table(_EWOK), 100),
        "comps": (_table(_COMPS), None),
        "wug_adj": ({"wug_adj": 200}, None),
        "wug_past": ({"wug_past": 50}, None),
        "global_piqa": (_PIQA, None),
        "reading": ({"reading": READING_ROWS}, None),
        "aoa": ({"aoa": AOA_ROWS}, None),
    }
    if task not in listed:
        return None
    full, fast = listed[task]
    return dict.fromkeys(full, fast) if suite == "fast" and fast else full


def required(config: Config, rules: int, revisions: list[str]) -> list[tuple[str, str, str]]:
    """(revision, task, suite) of every result a submission holds: the fast suite of each milestone, all of ``main``.

    A run of the track ``free``, which is no track of the challenge, holds the tasks of its configuration.
    """
    if config.track == "free":
        return [(name, task, "fast") for name in [*revisions, "main"] for task in config.evaluation.tasks]
    milestones = [(name, task, "fast") for name in revisions for task in SUITES["fast", rules]]
    surprisals = [(name, "aoa", "full") for name in revisions]
    final = [("main", task, "full") for task in SUITES["full", rules] if task != "aoa"]
    return [*milestones, *surprisals, *final]


def _table(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}
