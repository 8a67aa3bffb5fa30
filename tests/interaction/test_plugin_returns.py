"""Users' teachers and environments that return what they must not: one line names file and function."""

from __future__ import annotations

import numpy as np
import pytest

from babylm import registry, returned
from babylm.config.interaction import InteractionConfig
from babylm.interaction import environments, teachers
from babylm.interaction.interact import interact
from tests.interaction.test_interact import make
from tests.studies.planted import forget_plugins

TEACHER = """
from babylm.interaction.teachers import Identity, Teacher
import numpy as np
nan, inf = float("nan"), float("inf")

class Mine(Teacher):
    identity = Identity("brief")

    def score(self, prompts, completions, seed):
        return {score}

    def judge_pair(self, prompts, first, second, seed):
        return {score}

    def correct(self, prompts, completions, seed):
        return {text}

    def reply(self, prompts, completions, seed):
        return {text}

    def complete(self, prompts, seed):
        return {text}

def build(config):
    return Mine()
"""

ENVIRONMENT = """
from babylm.interaction.environments import Environment
nan = float("nan")

class Mine(Environment):
    stop = {stop}

    def prompts(self, seed, count):
        return {prompts}

    def gold(self, prompts, completions):
        return {gold}

def build(config, texts):
    return Mine()
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a plug-in of a folder under the name ``mine`` and adds it."""
    forget_plugins(monkeypatch)

    def write_plugin(folder, text):
        file = tmp_path / "plugins" / folder / "mine.py"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        registry.add(tmp_path / "plugins")

    return write_plugin


def teacher(write, score="[0.5, 1.0]", text="['a', 'b']"):
    write("interaction/teachers", TEACHER.format(score=score, text=text))
    return teachers.build(InteractionConfig(teacher="mine"))


def environment(write, stop="'.'", prompts="['the dog'] * count", gold="[1.0] * len(prompts)"):
    write("interaction/environments", ENVIRONMENT.format(stop=stop, prompts=prompts, gold=gold))
    return environments.build(InteractionConfig(environment="mine"), list)


@pytest.mark.parametrize(
    ("score", "found"),
    [
        ("[0.5, nan]", r"nan \(float\) as number 2"),
        ("[-inf, 1]", r"-inf \(float\) as number 1"),
        ("[0.5, 1e300]", r"1e\+300 .* as number 2"),
        ("[0.5, 10**400]", "as number 2"),
        ("['1'] * 2", r"'1' \(str\) as number 1"),
        ("[True, False]", r"True \(bool\) as number 1"),
        ("[np.bool_(True), 1]", "as number 1"),
        ("np.array([True, False])", "True .* as number 1"),
        ("[None, None]", "None as number 1"),
        ("[[1.0], [1.0]]", r"\[1.0\] \(list\) as number 1"),
        ("[1j, 1]", "as number 1"),
        ("np.ones((2, 1))", r"\[1.0\] \(list\)"),
        ("[1.0]", "found 1 value"),
        ("[1.0] * 3", "found 3 values"),
        ("[]", "found 0 values"),
        ("completions.clear() or []", "found 0 values"),
        ("None", "found None"),
        ("1.0", r"found 1.0 \(float\)"),
        ("'10'", r"found '10' \(str\)"),
        ("{0.5, 1.0}", r"\(set\)"),
    ],
)
def test_scores_that_are_no_finite_numbers_are_told(write, score, found):
    made, texts = teacher(write, score), ["x", "y"]
    said = rf"^interaction.teacher: brief: mine.py: score\(\) must return .* finite number .* 2 in all; .*{found}"
    with pytest.raises(ValueError, match=said):
        made.score(["a", "b"], texts, 0)
    assert texts == ["x", "y"], "the turns are as they were"
    if "completions" not in score:
        with pytest.raises(ValueError, match=r"mine.py: judge_pair\(\) must return .* from 0 to 1 for each pair"):
            made.judge_pair(["a", "b"], ["x", "y"], ["u", "v"], 0)


def test_numbers_of_any_kind_are_taken(write):
    made = teacher(write, "np.array([0.5, 1], dtype=np.float32)")
    assert made.score(["a", "b"], ["x", "y"], 0) == [0.5, 1.0]
    assert returned.numbers((number for number in (np.float64(2), np.int32(3))), len, 2) == [2.0, 3.0]


def test_a_judgement_is_from_0_to_1(write):
    with pytest.raises(ValueError, match=r"judge_pair\(\) must return .* found 2 \(int\)"):
        teacher(write, "[2, 0]").judge_pair(["a", "b"], ["x", "y"], ["u", "v"], 0)


@pytest.mark.parametrize("text", ["None", "[5, 'a']", "'ab'", "['a']", r"['a', '\ud800']", "[b'a', 'b']", "[nan, 'b']"])
def test_texts_that_are_none_are_told(write, text):
    made = teacher(write, text=text)
    for call in ("correct", "reply"):
        with pytest.raises(ValueError, match=rf"brief: mine.py: {call}\(\) must return a list of one text or None"):
            getattr(made, call)(["a", "b"], ["x", "y"], 0)
    with pytest.raises(ValueError, match=r"brief: mine.py: complete\(\) must return .* one text for each prompt"):
        made.complete(["a", "b"], 0)


def test_nothing_is_learnt_from_a_score_that_is_no_number(tmp_path, write):
    write("interaction/teachers", TEACHER.format(score="[nan] * len(prompts)", text="None"))
    with pytest.raises(ValueError, match=r"brief: mine.py: score\(\) must return .* nan"):
        interact(make(tmp_path, "interaction.teacher=mine", "interaction.rounds=1"))
    assert not list(tmp_path.rglob("round_0001.jsonl"))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("def build(config): return None", r"build\(\) must return an object of a class over .*Teacher; found None"),
        ("build = 5", "mine.py: has no function build, which makes the Teacher"),
        ("", "mine.py: has no function build"),
        (
            "from babylm.interaction.teachers import Teacher\nclass A(Teacher):\n    identity = 'me'\n"
            "def build(config): return A()",
            r"mine.py: A.identity must be a .*Identity; found 'me'",
        ),
    ],
)
def test_a_file_that_builds_no_teacher_is_told(write, build, said):
    write("interaction/teachers", build)
    with pytest.raises(ValueError, match=said):
        teachers.build(InteractionConfig(teacher="mine"))


def test_a_method_with_other_arguments_is_told_before_it_is_called(write):
    write(
        "interaction/teachers", TEACHER.format(score="[1.0]", text="['a']").replace("completions, seed", "completions")
    )
    said = r"mine.py: Mine.score must take the arguments of score\(prompts, completions, seed\): too many positional"
    with pytest.raises(ValueError, match=said):
        teachers.build(InteractionConfig(teacher="mine"))


@pytest.mark.parametrize(
    "prompts", ["None", "[1] * count", r"['\ud800'] * count", "['a']", "['a'] * 7", "'abc'", "[None] * count", "[]"]
)
def test_prompts_that_are_none_are_told(write, prompts):
    made = environment(write, prompts=prompts)
    with pytest.raises(ValueError, match=r"^mine.py: prompts\(\) must return a list of one text .* 3 in all; found "):
        made.prompts(0, 3)


@pytest.mark.parametrize("gold", ["[1.0]", "['1', '1']", "[None, 1]", "[nan, 1]", "[2.0, 0]", "5", "[True, True]"])
def test_qualities_that_are_no_numbers_are_told(write, gold):
    made = environment(write, gold=gold)
    with pytest.raises(ValueError, match=r"^mine.py: gold\(\) must return a list of one number from 0 to 1 .*2 in all"):
        made.gold(["a", "b"], ["x", "y"])


def test_what_an_environment_may_return_is_taken(write):
    made = environment(write, gold="None")
    assert made.prompts(0, 2) == ["the dog", "the dog"]
    assert made.gold(["a"], ["x"]) is None


@pytest.mark.parametrize("stop", ["5", "None", r"'\ud800'", "['.']"])
def test_a_stop_that_is_no_text_is_told(write, stop):
    with pytest.raises(ValueError, match=r"^mine.py: Mine.stop must be a text, empty for none"):
        environment(write, stop=stop)
