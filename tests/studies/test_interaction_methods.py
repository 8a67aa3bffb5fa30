"""The study of interaction methods: faults, texts, what arms learn from, tables, the study in miniature."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf

from babylm.config.schema import CorpusConfig
from babylm.config.studies import load_study
from babylm.generation import sampler
from babylm.interaction import finetune
from babylm.interaction.sequence_rows import sequence_rows
from babylm.runs import Run
from babylm.studies import _methods_ages as word_ages
from babylm.studies import _methods_caregiver as caregiver
from babylm.studies import _methods_runs as runs
from babylm.studies import _methods_stories as stories
from babylm.studies import _methods_tables as tables
from babylm.studies import _methods_texts as texts
from babylm.studies import interaction_methods
from babylm.studies._methods_shared import Scale, SharedInputs
from babylm.studies._subjects import load_subject
from babylm.studies.experiment import Measurement, Measurements, run_study
from tests.conftest import ROOT
from tests.training import runs as small_runs

CONFIG = ROOT / "configs" / "studies" / "interaction_methods.yaml"
TINY = Scale(rounds=1, contexts=8, steps=2, corpus_steps=1, rows=4, tests=6, new_tokens=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return small_runs.run(folder, "budget.epochs=0.5", "averaging.name=none", "milestones=[]")


class Teacher:
    """Likes long texts, and continues with a fixed one."""

    def __init__(self):
        self.asked = Counter()

    def score(self, prompts, completions, seed):
        self.asked["score"] += len(prompts)
        return [float(len(text)) for text in completions]

    def correct(self, prompts, completions, seed):
        self.asked["correct"] += len(prompts)
        return ["the dog sees it" for _ in prompts]


@pytest.fixture
def shared(base, monkeypatch):
    monkeypatch.setitem(runs.SCALES, "smoke", TINY)
    learnt, held_out = texts.read(Run(base).config.corpus, None, None)
    return SharedInputs(load_subject(base / "main"), base / "main", Teacher(), learnt, held_out, TINY)


def test_a_corruption_has_one_fault_and_as_many_words():
    generator = random.Random(1)
    words = ["the", "small", "dog", "that", "I", "saw", "ran", "to", "a", "very", "old", "house"]
    kinds = Counter()
    for _ in range(400):
        changed = texts.corrupt(words, ["table", "green"], generator)
        places = [index for index, (a, b) in enumerate(zip(words, changed, strict=True)) if a != b]
        if len(places) == 2:
            first, second = places
            assert (changed[first], changed[second]) == (words[second], words[first])
            kinds["adjacent" if second == first + 1 else "distant"] += 1
            assert second - first not in (0, 2)
        else:
            (place,) = places
            is_function = words[place].lower() in texts.FUNCTION_WORDS
            assert (changed[place] in texts.FUNCTION_WORDS) == is_function
            kinds["function" if is_function else "content"] += 1
    assert min(kinds[kind] for kind in ("adjacent", "distant", "function", "content")) > 70


def test_marks_of_speakers_are_left_out_and_a_reply_is_another_speakers(tmp_path):
    lines = []
    for number in range(150):
        lines += [f"*CHI:\tI want the {number} ball", f"*MOT:\tyou have the {number} ball", "*MOT:\there it is now", ""]
    (tmp_path / "childes.train").write_text("\n".join(lines))
    corpus = CorpusConfig(source="local", path=str(tmp_path))
    learnt, held_out = texts.read(corpus, None, None)
    assert all(":" not in sentence for sentence in learnt.sentences)
    assert not {sentence for sentence in held_out.sentences if "ball" in sentence} & set(learnt.sentences)
    assert all(exchange.reply.startswith("you have the") for exchange in learnt.exchanges)
    said, reply, other = learnt.replies(1, random.Random(1))[0]
    assert said.split()[3] == reply.split()[3] != other.split()[3]
    (tmp_path / "dev.txt").write_text("a b c d e\n")
    with pytest.raises(ValueError, match=r"held_out: \d+ sentences .* too few"):
        texts.read(corpus, None, str(tmp_path / "dev.txt"))


@pytest.mark.parametrize(
    ("learn_from", "asked"),
    [("corruptions", {}), ("replies", {}), ("random", {}), ("scores", {"score": 8}), ("corrections", {"correct": 8})],
)
def test_arms_ask_the_teacher_only_what_they_learn_from(shared, learn_from, asked):
    groups = runs._groups(shared, shared.base.model, learn_from, random.Random(1), 1)
    assert dict(shared.teacher.asked) == asked
    rewards = [[turn.reward for turn in group] for group in groups]
    flat = [reward for group in rewards for reward in group]
    if learn_from in ("scores", "random"):
        assert {len(group) for group in groups} == {runs.SAMPLES}
        expected = [float(len(turn.text)) for group in groups for turn in group]
        if learn_from == "scores":
            assert flat == expected
    else:
        assert all(group == [1.0, 0.0] for group in rewards)
        starts = [{tuple(turn.prompt_ids) for turn in group} for group in groups]
        assert all(len(prompts) == 1 for prompts in starts), "both sequences answer one prompt"


def test_every_arm_takes_as_many_steps_of_as_many_sequences(shared, monkeypatch):
    read = []

    def record(model, groups, objective, settings, **_):
        read.append(settings.steps * settings.groups_per_step * sum(map(len, groups)) / len(groups))

    monkeypatch.setattr(finetune, "fine_tune", record)
    settings = load_study(CONFIG, ["scale=smoke"])
    for condition in interaction_methods.conditions(settings):
        if not condition.settings["arm"]:
            continue
        read.clear()
        runs.learn(shared, condition.settings["arm"], 1e-4, 1)
        assert sum(read) == 3 * TINY.rows, condition.name


def test_stories_are_rewarded_for_what_the_teacher_likes_and_for_words(shared):
    rewarded = stories.story_groups(shared, shared.base.model, None, 1, 1)
    told = stories.tell(shared, shared.base.model, TINY.tests, 1)
    assert all(turn.prompt == stories.PROMPT for turn in told)
    known, _ = stories.story_rewards(shared, told, 1)
    ordered = sorted(zip(known, (len(turn.text) for turn in told), strict=True))
    assert [length for _, length in ordered] == sorted(length for _, length in ordered) or len(ordered) < 2
    assert all(0 <= turn.reward <= 1 for (turn,) in rewarded)
    by_chance = stories.story_groups(shared, shared.base.model, random.Random(1), 1, 1)
    assert [turn.ids for (turn,) in by_chance] == [turn.ids for (turn,) in rewarded]
    dealt, earned = ([turn.reward for (turn,) in groups] for groups in (by_chance, rewarded))
    assert dealt != earned
    assert sorted(dealt) == sorted(earned), "as large and as different: PPO does not standardise them"


def test_trials_and_demonstrations_are_measured_by_the_trials(shared):
    contexts = shared.learnt.contexts(6, random.Random(1))
    model = shared.base.model
    groups = {name: stories.trial_groups(shared, model, contexts, sides, 1) for name, sides in runs.SIDES.items()}
    trials = [turn.reward for (turn,) in groups["trials"]]
    assert sum(trials) == pytest.approx(0, abs=1e-6)
    both = [turn.reward for (turn,) in groups["trials and demonstrations"]]
    assert both == trials + [turn.reward for (turn,) in groups["demonstrations"]]
    turns = [turn for (turn,) in groups["demonstrations"]]
    assert len(turns) == len(contexts)
    read = sampler.log_probs(model, [(turn.prompt_ids, turn.ids) for turn in turns], shared.base.pad)
    for turn, completion in zip(turns, read, strict=True):
        assert turn.logp == pytest.approx(completion.logp, abs=1e-5), "of the student that learns from it"


def test_demonstrations_are_imitated_whatever_the_teacher_thinks_of_them(shared):
    """They stand beside arms with as many sequences in each step."""
    settings = load_study(CONFIG, ["scale=smoke"])
    shared.teacher.score = lambda prompts, texts, seed: [-float(text == "the dog sees it") for text in texts]
    count = 0
    for condition in interaction_methods.conditions(settings):
        arm = condition.settings["arm"]
        if arm.get("learn from") == "demonstrations":
            groups = runs._groups(shared, shared.base.model, "demonstrations", random.Random(1), seed=1)
            assert max(turn.reward for (turn,) in groups) < 0
            objective = runs.objective_of(shared.folder, arm["objective"], arm["settings"])
            batch = sequence_rows(groups, pad=shared.base.pad, step=0, divisor=1.0)
            loss = objective.loss(shared.base.model, objective.corrupt(batch, batch.tokens.new_zeros(0), 0.0))
            imitated, of_all = loss.metrics["imitated"]
            assert int(imitated) == int(of_all) == len(groups), condition.name
            count += 1
    assert count == 2


def test_words_known_are_what_the_model_gives_them_in_their_contexts(shared):
    words = stories.frequent_words(shared.learnt)
    assert not set(words) & set(texts.FUNCTION_WORDS)
    lines = shared.held_out.sentences[:60]
    known = stories.word_log_probs(shared, shared.base.model, lines, words)
    assert known
    word = next(iter(known))
    values = []
    for line in dict.fromkeys(lines):
        spoken = line.split()
        for at, said in enumerate(spoken):
            if at and said.lower() == word:
                prompt = [*shared.bos, *shared.ids(" ".join(spoken[:at]))]
                (read,) = sampler.log_probs(shared.base.model, [(prompt, shared.ids(said, True))], shared.base.pad)
                values.append(sum(read.logp))
    assert known[word] == pytest.approx(sum(values) / len(values), abs=1e-3)


def test_students_of_word_ages_begin_alike_and_take_as_many_steps(shared, monkeypatch):
    made, steps, planned = [], Counter(), {}

    def step(tuner, groups):
        steps.update([len(groups)])
        planned[tuner.objective.config.name] = tuner.settings.steps

    monkeypatch.setattr(finetune.Tuner, "step", step)
    settings = load_study(CONFIG, ["scale=smoke"])
    sizes = {"rounds": 2, "contexts": 8, "steps": 6, "corpus_steps": 2}
    for condition in interaction_methods.conditions(settings):
        if "from scratch" in condition.settings:
            steps.clear()
            planned.clear()
            made.append(word_ages.measure(shared, condition.settings["arm"], sizes, 1e-3, 1))
            assert steps == {TINY.rows: 16}, condition.name
            assert sum(planned.values()) == 16, f"{condition.name}: the rate rises over a share of the steps there are"
    assert len(made) == 4
    first = [{row[1]: row[2] for row in rows if row[0] == word_ages.SURPRISAL.format(0)} for rows in made]
    assert first[0]
    assert all(start == first[0] for start in first), "the same random weights"
    guessing = {item: value for measure, item, value in made[0] if measure == word_ages.GUESSING}
    assert guessing.keys() == first[0].keys()
    assert sum(abs(guessing[item] - value) for item, value in first[0].items()) / len(guessing) < 1.0


def test_ages_of_planted_curves():
    """Sigmoids with their middle at known steps, from 6 nats (guessing) to 2, or to 4 for a student that ends worse."""
    rows, steps = [], [0, *range(16, 400, 16)]
    for arm, middle, least in ((word_ages.PLAIN, 60, 2.0), (word_ages.TND, 30, 2.0), (word_ages.TRIALS, 25, 4.0)):
        for seed, word in ((1, "w:a"), (1, "w:b"), (2, "w:b"), (2, "w:c")):
            rows.append(Measurement(arm, seed, word, word_ages.GUESSING, 6.0))
            for step in steps:
                risen = 1 / (1 + (middle / (step + 1)) ** 6)
                value = 6.0 - (6.0 - least) * risen
                rows.append(Measurement(arm, seed, word, word_ages.SURPRISAL.format(step), value))
    measured = Measurements(rows)
    table = {row[0]: tuple(row[1:]) for row in word_ages.table(measured).rows}
    assert table[word_ages.PLAIN] == (
        pytest.approx(59, abs=1),
        pytest.approx(59, abs=1),
        "4/4",
        pytest.approx(2, abs=0.01),
    )
    assert table[word_ages.TND][:3] == (pytest.approx(29, abs=1), pytest.approx(29, abs=1), "4/4")
    assert table[word_ages.TRIALS][0] == pytest.approx(24, abs=1), "of its own curve, which ends at 4 nats"
    assert table[word_ages.TRIALS][1] is None or table[word_ages.TRIALS][1] > 100, "it hardly comes to plain's mark"
    gates = {row[0]: (row[2], row[-1]) for row in word_ages.gates(measured)}
    assert gates["TnD learns words earlier"] == (pytest.approx(50, abs=1), "met")
    assert gates["earlier than from trials alone"] == (pytest.approx(-20, abs=1), "missed")
    assert set(gates) == {title for title, other, _ in word_ages.GATES if other != word_ages.DEMONSTRATIONS}


def test_a_text_without_words_that_are_frequent_enough_has_no_ages():
    measured = Measurements([Measurement(arm, 1, "", "tokens learnt from", 9.0) for arm in word_ages.ARMS])
    assert not word_ages.table(measured).rows
    assert not word_ages.gates(measured)
    assert word_ages.remarks(measured) == [word_ages.NO_WORDS]
    assert not word_ages.remarks(Measurements([Measurement("MPO", 1, "", "tokens learnt from", 9.0)]))


def test_a_childs_utterances_are_those_that_somebody_else_answers():
    lines = ["*CHI: a red ball .", "*MOT: what?", "*MOT: a ball ?", "*CHI: the dog runs .", "*MOT: yes it does ."]
    lines += ["*FAT: it runs fast .", "*CHI: again again .", "*CHI: and again ."]
    found = texts._texts(["\n".join(lines)])
    assert found.answered == [("a red ball .", 0.0), ("the dog runs .", 1.0)]
    assert ("a red ball .", "what?") not in found.exchanges, "a word is no reply to tell from others"
    unmarked = texts._texts(["is it red ?\nyes it is .\nis it small ?"])
    assert unmarked.answered == [("is it red ?", 1.0), ("yes it is .", 0.5)]


def test_a_reward_model_learns_what_is_asked_back_about(shared):
    sentences = random.Random(0).sample(shared.learnt.sentences, len(shared.learnt.sentences))
    disliked = set(sorted({line.split()[0] for line in sentences})[::2])
    answered = [texts.Answered(line, float(line.split()[0] not in disliked)) for line in sentences]
    shared.learnt = replace(shared.learnt, answered=answered)
    made = caregiver.reward_model(shared, caregiver.STUDENTS, 1)
    assert caregiver.reward_model(shared, caregiver.STUDENTS, 1) is made
    others = answered[len(answered) // 2 :]
    rewards = made.rewards([pair.utterance for pair in others])
    assert all(0 <= value <= 1 for value in rewards)
    liked, asked_back = ([r for r, pair in zip(rewards, others, strict=True) if pair.reward == kind] for kind in (1, 0))
    assert sum(liked) / len(liked) > sum(asked_back) / len(asked_back) + 0.1
    assert caregiver.agreement(shared, 1) > 0.3
    dealt = [
        [turn.reward for group in caregiver.groups(shared, shared.base.model, chance, 4, 3, 1, 1) for turn in group]
        for chance in (None, random.Random(0))
    ]
    assert sorted(dealt[0]) == sorted(dealt[1]), "the same rewards"
    assert dealt[0] != dealt[1]


def test_what_a_student_says_depends_on_the_seed_alone(shared):
    arm = {"learn from": "scores", "objective": "grpo", "settings": {}}
    made = [runs.learn(shared, arm, 1e-3, seed)[0] for seed in (1, 1, 2)]
    weights = [torch.cat([p.flatten() for p in model.parameters()]) for model in made]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert runs.measure(shared, made[0], 1) == runs.measure(shared, made[1], 1)
    assert not torch.equal(weights[0], torch.cat([p.flatten() for p in shared.base.model.parameters()]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tasks=[blimp]", "data=/nowhere"], r"^data: /nowhere has no fast_eval/blimp_fast"),
        ([f"text={CONFIG}", "held_out=/nowhere"], "^held_out: there is no file or folder /nowhere"),
        (["text=/nowhere"], "^text: there is no file or folder /nowhere"),
        ([], "^text: give a file or folder to learn from: the base's own is not here .*corpora/elsewhere"),
    ],
)
def test_missing_texts_and_data_are_told_before_any_piece(base, tmp_path, words, message):
    """A base comes from another machine, where its corpus is."""
    moved = tmp_path / "base"
    shutil.copytree(base, moved)
    config = OmegaConf.load(moved / "config.yaml")
    config.corpus.source, config.corpus.path = "files", "corpora/elsewhere"
    OmegaConf.save(config, moved / "config.yaml")
    with pytest.raises(ValueError, match=message):
        run_study(
            load_study(CONFIG, ["scale=smoke", "seeds=[1]", "tasks=[]", f"folder={tmp_path}", f"base={moved}", *words])
        )
    assert not (tmp_path / "interaction_methods").exists()


def test_gates_and_differences_of_planted_values():
    rows = []
    for arm, right in (("base", 0.5), ("plain", 0.5), ("MPO", 0.6)):
        for index in range(100):
            rows.append(Measurement(arm, 1, f"c{index}", "corruptions told", float(index < 100 * right)))
            rows.append(Measurement(arm, 1, f"u{index}", "blimp", 0.7 - 0.01 * (arm == "MPO")))
    measured = Measurements(rows)
    gates = {row[0]: (row[2], row[-1]) for row in tables.gates(measured, ["blimp"]).rows}
    assert gates["MPO tells corruptions"] == (pytest.approx(10.0), "met")
    assert gates["MPO keeps blimp"] == (pytest.approx(-1.0), "missed")
    assert set(gates) == {"MPO tells corruptions", "MPO keeps blimp"}, "what is not measured has no gate"


def test_the_study_in_miniature(base, tmp_path, monkeypatch):
    monkeypatch.setitem(runs.SCALES, "smoke", TINY)
    words = ["scale=smoke", "seeds=[1]", f"folder={tmp_path}", f"base={base}", "tasks=[]"]
    run_study(load_study(CONFIG, words))
    with (tmp_path / "interaction_methods/results.csv").open(newline="") as file:
        results = {row["arm"]: row["tokens learnt from"] for row in csv.DictReader(file)}
    assert list(results) == [condition.name for condition in interaction_methods.conditions(load_study(CONFIG, words))]
    for base_arm in ("base", tables.control("base", tables.STORIES), tables.control("base", tables.CHILDREN)):
        assert results.pop(base_arm) == ""
    with (tmp_path / "interaction_methods/measurements.csv").open(newline="") as file:
        measured = {(row["condition"], row["measure"]) for row in csv.DictReader(file)}
    assert ("TnD", "words known") in measured
    assert {(arm, "caregiver's reward") for arm in ("caregiver reward", "random caregiver reward")} <= measured
    assert ("plain", "words known") not in measured, "the first arms are measured as before"
    gates = (tmp_path / "interaction_methods/gates.csv").read_text()
    assert "TnD needs trials" in gates
    assert min(map(float, results.values())) > 50
    replies = (tmp_path / "interaction_methods/teacher/replies.jsonl").read_text().splitlines()
    assert len(replies) == len(set(replies)), "no question is asked twice"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["part=0/2"], "base: the jobs of an array share a finished run"),
        (["base=/nowhere"], "base: no folder /nowhere"),
        (["teacher=/nowhere"], r"teacher=.*no model's folder"),
        (["arms=[TND]"], "arms: unknown value 'TND'"),
        (["changes=[seed]"], "an override is written key=value"),
    ],
)
def test_wrong_settings_are_refused_before_the_start(words, message):
    with pytest.raises(ValueError, match=message):
        load_study(CONFIG, words)


def test_a_base_without_its_last_model_is_refused_before_the_start(base, tmp_path):
    (tmp_path / "config.yaml").write_bytes((base / "config.yaml").read_bytes())
    with pytest.raises(ValueError, match="this run has no last model"):
        load_study(CONFIG, [f"base={tmp_path}"])
    with pytest.raises(ValueError, match=r"teacher=.*no model's folder"):
        load_study(CONFIG, [f"base={base}", f"teacher={tmp_path}"])


def test_a_word_is_replaced_by_each_other_word_as_often_as_it_occurs():
    words = ["ball"] * 6 + ["dog"] * 3 + ["Ball", "cat"]
    generator = random.Random(0)
    drawn = [texts._another("ball", words, generator) for _ in range(4000)]
    assert set(drawn) == {"dog", "cat"}
    assert drawn.count("dog") / 4000 == pytest.approx(0.75, abs=0.03)
