"""Rounds of an interaction: every word in the ledger, nothing learnt twice, the same seed gives the same weights."""

from __future__ import annotations

import json
import math
import random
import re
import signal

import pytest
import torch

from babylm import config as configuration
from babylm import interact as command
from babylm import report
from babylm.corpora import microlanguage
from babylm.generation import sampler
from babylm.interaction import episodes, teachers
from babylm.interaction.environments.microlanguage import MicroLanguage
from babylm.interaction.episodes import Turn
from babylm.interaction.interact import interact
from babylm.interaction.ledger import Ledger
from babylm.interaction.rounds import Rounds
from babylm.interaction.teachers.grammar import Grammarian
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.randomness import Purpose, derive_seed
from babylm.runs import Run
from babylm.tracks import TRACKS
from babylm.training.errors import RunStopped
from tests.training.test_resume import stop_at

YAML = """
name: i
track: free
milestones: [200, 500]
corpus: {source: microlanguage, toy: {words: 3000, errors: 0.5}}
tokenizer: {vocab_size: 400}
model: {preset: smoke, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48,
        max_position_embeddings: 64, dropout: 0.1}
objective: {name: grpo}
optimizer: {lr: 0.003}
schedule: {name: constant, warmup: 0.0}
phases: [{sequence_length: 32, tokens_per_step: 128}]
training: {precision: fp32, attention: sdpa, log_every: 2}
evaluation: {tasks: []}
interaction: {feedback: score, rounds: 2, prompts: 8, samples: 3, groups_per_step: 4, test_prompts: 4,
              max_new_tokens: 8}
"""


def make(folder, *overrides):
    folder.mkdir(exist_ok=True)
    (folder / "i.yaml").write_text(YAML)
    words = [f"corpus.prepared={folder}/prepared", f"checkpoints={folder}/checkpoints", *overrides]
    return configuration.load(folder / "i.yaml", words)


def weights(folder):
    return json.loads((folder / "main" / "babylm.json").read_text())["weights_sha256"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return interact(make(folder))


def test_the_ledger_is_that_of_a_count_by_hand(whole):
    run, ledger = Run(whole), json.loads((whole / "ledger.json").read_text())
    turns = [turn for number in (1, 2) for turn in episodes.read(whole / "rounds" / f"round_{number:04d}.jsonl")]
    said = sum(len(turn.text.split()) for turn in turns)
    prompts = {(turn.round, turn.episode): turn.prompt for turn in turns}
    assert ledger["generated"] == said
    assert ledger["teacher_shown"] == sum(len(prompt.split()) for prompt in prompts.values())
    assert ledger["rewards"] == len(turns) == 2 * 8 * 3
    assert ledger["episodes_read"] == sum(len(f"{turn.prompt} {turn.text}".split()) for turn in turns)
    assert ledger["teacher_input"] == ledger["episodes_read"], "the teacher judges each sequence once"
    assert ledger["read"] == ledger["corpus_read"] + ledger["episodes_read"] + said == run.plan["words"]
    assert run.plan["flops"] == pytest.approx(ledger["learning_flops"] + ledger["generation_flops"])
    assert ledger["teacher_flops"] == ledger["teacher_tokens"] == 0, "the teacher is a program"
    assert run.plan["steps"] == 2 * 2 * 2, "two steps of sequences per round, each followed by one of text"
    assert run.revisions == ["chck_200", "chck_500", "main"]
    names = {m["name"]: m["words"] for m in run.plan["milestones"]}
    assert names["chck_200"] >= 200


def test_flops_of_a_round_by_hand():
    turn = Turn(1, 0, 0, "student", "a b", "c d e", [0, 1], [2, 3, 4, 5], [], [])
    usage = {"words_read": 2, "tokens": 10}
    turn.meta["teacher_usage"] = usage
    facts = {"corpus_prompts": False, "flops_per_token": lambda length: 30.0 * length}
    ledger = Ledger()
    assert ledger.add_round([turn], feedback="score", teacher_parameters=7, **facts) == 6 * (10 * 6) * 2
    assert (ledger.generation_flops, ledger.teacher_flops, ledger.teacher_tokens) == (720.0, 2 * 7 * 10, 10)
    assert (ledger.generated, ledger.teacher_shown, ledger.teacher_input, ledger.rewards) == (3, 2, 2, 1)
    assert Ledger.from_dict(ledger.as_dict()) == ledger
    ledger.add_round([turn], feedback="score", teacher_parameters=None, **facts)
    assert ledger.teacher_flops == 2 * 7 * 10, "a size that is not known adds nothing"


def test_results_are_kept_by_round_and_the_run_is_reported(whole, capsys):
    results = json.loads((whole / "rounds" / "results.json").read_text())["rounds"]
    assert [result["round"] for result in results] == [0, 1, 2]
    assert all(0 <= result["gold"] <= 1 for result in results)
    assert report._command([str(whole)]) == 0
    assert Run(whole).ledger["from_teachers"] > 0


@pytest.mark.parametrize("step", [1, 3, 5])
def test_an_interrupted_interaction_ends_at_the_same_weights(whole, tmp_path, monkeypatch, step):
    made = make(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, step, signal.SIGTERM)
        with pytest.raises(RunStopped):
            interact(made)
    before = [file.read_bytes() for file in sorted((tmp_path / "checkpoints/i/rounds").glob("round_*"))]
    asked = []
    correct = Grammarian.score
    monkeypatch.setattr(Grammarian, "score", lambda self, *given: asked.append(1) or correct(self, *given))
    folder = interact(made)
    assert weights(folder) == weights(whole)
    assert len(asked) == 2 - len(before), "no round is asked for twice"
    assert (folder / "ledger.json").read_text() == (whole / "ledger.json").read_text()


def test_recorded_replies_reproduce_the_run_without_a_teacher(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(Grammarian, "score", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(Rounds, "round_file", lambda self, number: whole / "rounds" / f"round_{number:04d}.jsonl")
    assert weights(interact(make(tmp_path))) == weights(whole)


def test_no_learner_reads_gold(whole, tmp_path, monkeypatch):
    gold = MicroLanguage.gold
    monkeypatch.setattr(MicroLanguage, "gold", lambda self, *given: [1 - value for value in gold(self, *given)])
    assert weights(interact(make(tmp_path))) == weights(whole)


def test_it_stops_at_the_budget_in_the_middle_of_a_round(tmp_path):
    run = Run(interact(make(tmp_path, "budget.words=350", "interaction.rounds=50")))
    assert 350 - 250 < run.plan["words"] <= 350, "never more than the budget"
    assert run.plan["steps"] % 4, "not at the end of a round"


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"corpus_read": 99_999_999, "generated": 1}, "exposure"),
        ({"teacher_shown": 9_000_000}, "unique"),
        ({"generated": 10**7}, "generated"),
    ],
)
def test_each_limit_of_a_track_ends_it(changes, limit):
    ledger = Ledger(corpus=1_000_000)
    assert min(ledger.room(TRACKS["strict-small"])) > 0
    for name, value in changes.items():
        setattr(ledger, name, value)
    assert getattr(ledger.room(TRACKS["strict-small"]), limit) == 0
    assert min(ledger.room(TRACKS["free"])) == math.inf


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("averaging={name: ema}", "averaging.name: an interaction acts with the weights that learn"),
        ("training={accumulate_grad_batches: 2} interaction.groups_per_step=3", "groups_per_step: must be a multiple"),
        ("interaction.teacher=gramar", "interaction.teacher: .*did you mean grammar"),
        ("interaction.environment=micro", "interaction.environment: .*did you mean microlanguage"),
        ("objective={name: hybrid}", "objective.name=hybrid: learns from text alone"),
        ("interaction.max_new_tokens=64", "longer than model.max_position_embeddings"),
        ("interaction.samples=1", "objective.name=grpo compares the completions of a prompt, and would learn nothing"),
        ("budget.words=20", "one prompt and one step may take 132 words"),
        ("interaction.teacher_model=m", "interaction.teacher=grammar does not read it; add interaction.teacher=model"),
        ("interaction.endpoint.url=http://a/v1", "interaction.endpoint.url: .*add interaction.teacher=endpoint"),
        ("interaction.teaching.replies=r", "interaction.teaching.replies: .*add interaction.teacher=replay"),
    ],
)
def test_mistakes_are_told_before_anything_begins(tmp_path, override, message):
    with pytest.raises(ValueError, match=message):
        interact(make(tmp_path, *override.rsplit(" ", 1) if override.startswith("training") else [override]))
    assert not (tmp_path / "checkpoints").exists()


def test_a_dry_run_makes_no_run_and_ends_well(tmp_path, capsys):
    assert command.main(make(tmp_path, "training={dry_run: true}")) == 0
    assert "plan   i: track free" in capsys.readouterr().out
    assert not (tmp_path / "checkpoints" / "i").exists()


def test_kto_learns_from_bad_completions_too(tmp_path):
    """A teacher's 0 is bad, and not neutral."""
    run = Run(interact(make(tmp_path, "objective={name: kto}", "interaction.rounds=1", "interaction.corpus_steps=0")))
    assert "neutral_reward: 0.5" in (run.folder / "config.yaml").read_text()
    rewards = {turn.reward for turn in episodes.read(run.folder / "rounds" / "round_0001.jsonl")}
    assert rewards == {0.0}, "new weights say nothing that is grammatical"
    assert json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[-1])["sequence"] > 0


def test_rewards_of_which_nothing_is_learnt_are_warned_of(tmp_path, capsys):
    interact(make(tmp_path, "interaction.rounds=1"))
    assert "warning: nothing good is learnt from round 1: objective.name=grpo compares" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["supervised", "kto", "reinforce"])
def test_log_probabilities_are_no_scores_for_a_learner_of_good_and_bad(tmp_path, name):
    changes = [f"objective={{name: {name}}}", "interaction.teacher=model", "interaction.teacher_model=anywhere"]
    with pytest.raises(ValueError, match=f"all below 0, of which objective.name={name} learns nothing good"):
        interact(make(tmp_path, *changes))


def test_corrections_pair_each_completion_with_a_grammatical_one(tmp_path, capsys):
    words = [str(tmp_path / "i.yaml"), "interaction.feedback=correction", "objective={name: simpo, lm_weight: 0.2}"]
    make(tmp_path)
    places = [f"corpus.prepared={tmp_path}/prepared", f"checkpoints={tmp_path}/checkpoints"]
    from babylm import cli

    assert cli.config_command("", command.main, [*words, *places, "interaction.rounds=1"]) == 0
    said = capsys.readouterr().out
    assert "round 1 of 1: exposure " in said
    assert re.search(r"on test prompts: words per completion \d\.\d{3}, gold quality [01]\.\d{3}\n", said)
    closing = said[said.index("\nledger\n") :]
    assert "teacher's words (and prompts), each when first shown" in closing
    assert "_" not in closing, "names of keys are for files"
    turns = episodes.read(tmp_path / "checkpoints/i/rounds/round_0001.jsonl")
    teachers = [turn for turn in turns if turn.speaker == "teacher"]
    assert teachers
    assert all(microlanguage.is_grammatical(f"{turn.prompt} {turn.text}") for turn in teachers)
    assert all(len(turn.logp) == len(turn.ids) == len(turn.meta["reference_logp"]) for turn in turns)
    ledger = json.loads((tmp_path / "checkpoints/i/ledger.json").read_text())
    prompts = sum(len(prompt.split()) for prompt in {turn.episode: turn.prompt for turn in turns}.values())
    assert ledger["teacher_shown"] == prompts + sum(len(turn.text.split()) for turn in teachers)


def test_a_changed_reward_of_a_round_is_noticed(whole, tmp_path):
    kept = whole / "rounds" / "round_0001.jsonl"
    turns = episodes.read(kept)
    file = tmp_path / "round_0001.jsonl"
    episodes.write(file, turns)
    assert file.read_bytes() == kept.read_bytes()
    lines = kept.read_text().splitlines(keepends=True)
    turn = json.loads(lines[1])
    lines[1] = json.dumps({**turn, "reward": turn["reward"] + 1}) + "\n"
    file.write_text("".join(lines))
    with pytest.raises(ValueError, match=r"round_0001.jsonl: line 2: its content is not what was written"):
        episodes.read(file)


def test_a_model_teaches_by_scores_and_continuations(whole, tmp_path):
    made = make(tmp_path, "interaction.teacher=model", f"interaction.teacher_model={whole}", "interaction.rounds=1")
    folder = interact(made)
    turns = episodes.read(folder / "rounds/round_0001.jsonl")
    assert all(turn.reward < 0 for turn in turns), "mean log-probabilities"
    teacher = teachers.build(made.interaction)
    prompts = ["the dog", "two cats"]
    tokenizer, pairs = teacher._generator.tokenizer, []
    for prompt, text in zip(prompts, ["sees a ball .", "find the ball ."], strict=True):
        before, ids = tokenizer(prompt)["input_ids"], tokenizer(f"{prompt} {text}")["input_ids"]
        assert ids[: len(before)] == before
        pairs.append((before, ids[len(before) :]))
    expected = [sum(c.logp) / len(c.logp) for c in sampler.log_probs(teacher._generator.model, pairs, pad=2)]
    assert teacher.score(prompts, ["sees a ball .", "find the ball ."], 0) == pytest.approx(expected, abs=1e-4)
    assert teacher.score(["the dog"], [" "], 0) == [-100.0]
    corrected = teacher.correct(prompts, ["a b c", ""], 1)
    assert corrected == teacher.correct(prompts, ["a b c", ""], 1) != teacher.correct(prompts, ["a b c", ""], 2)
    assert [len(text.split()) <= count for text, count in zip(corrected, (3, 1), strict=True)] == [True, True]
    assert teacher.asked_as()["random numbers"] == "of each prompt", "older answers, which were not, are not used"


@pytest.mark.parametrize(("path", "message"), [(None, "name the folder of the model"), ("nothing", "no folder")])
def test_a_teacher_that_is_not_there_is_told_first(tmp_path, path, message):
    overrides = [] if path is None else [f"interaction.teacher_model={tmp_path / path}"]
    with pytest.raises(ValueError, match=f"interaction.teacher_model: .*{message}"):
        interact(make(tmp_path, "interaction.teacher=model", *overrides))


def test_no_round_has_a_test_prompt(whole):
    seed = derive_seed(1, Purpose.EPISODES, 0)
    tested = set(MicroLanguage().prompts(seed, 4))
    for number in (1, 2):
        assert tested.isdisjoint(turn.prompt for turn in episodes.read(whole / "rounds" / f"round_{number:04d}.jsonl"))


def test_too_few_other_prompts_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(MicroLanguage, "prompts", lambda self, seed, count: ["the dog"] * count)
    with pytest.raises(ValueError, match=r"interaction.test_prompts=4: .* are no test prompts"):
        interact(make(tmp_path))


def test_a_correction_without_a_word_is_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(Grammarian, "correct", lambda self, prompts, texts, seed: [""] * len(prompts))
    folder = interact(make(tmp_path, "interaction.feedback=correction", "objective.name=dpo", "interaction.rounds=1"))
    said = [turn.ids for turn in episodes.read(folder / "rounds/round_0001.jsonl") if turn.speaker == "teacher"]
    assert said
    assert all(len(ids) == 1 for ids in said)


# The micro-language


def test_sentences_are_grammatical_errors_are_not_and_repairs_are():
    generator = random.Random(0)
    for _ in range(500):
        text = microlanguage.sentence(generator)
        assert microlanguage.is_grammatical(text), text
        wrong = microlanguage.corrupted(text, generator)
        assert not microlanguage.is_grammatical(wrong), wrong
        count = generator.randint(1, 4)
        prompt, rest = " ".join(text.split()[:count]), " ".join(wrong.split()[count:])
        repaired = microlanguage.repaired(prompt, rest, generator)
        assert microlanguage.is_grammatical(f"{prompt} {repaired}"), (prompt, rest, repaired)
    assert microlanguage.repaired("the dog", "sees a cat .", generator) == "sees a cat ."


# Sampling


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ids = {"bos_token_id": 0, "pad_token_id": 2, "mask_token_id": 3, "eos_token_id": 1}
    return BabyLMForCausalLM(BabyLMConfig(vocab_size=60, initializer="scaled", **shape, **ids)).eval()


PROMPTS = [[0, 5, 9], [0, 7], [0, 11, 12, 13, 14, 15], [0, 20, 21]]


def draw(model, prompts, seeds, **settings):
    return sampler.sample(model, prompts, max_new_tokens=10, ends={1}, pad=2, seeds=seeds, **settings)


def test_a_row_is_the_same_alone_and_in_a_batch(model):
    together = draw(model, PROMPTS, [1, 2, 3, 4])
    for prompt, seed, completion in zip(PROMPTS, [1, 2, 3, 4], together, strict=True):
        (alone,) = draw(model, [prompt], [seed])
        assert alone.ids == completion.ids
        assert alone.logp == pytest.approx(completion.logp, abs=1e-4)
    assert len({tuple(c.ids) for c in draw(model, [PROMPTS[0]] * 8, range(8))}) > 4


def test_log_probabilities_are_those_of_the_model(model):
    completions = draw(model, PROMPTS, [5, 6, 7, 8], temperature=0.7, top_p=0.9)
    again = sampler.log_probs(model, [(p, c.ids) for p, c in zip(PROMPTS, completions, strict=True)], pad=2)
    for completion, expected in zip(completions, again, strict=True):
        assert completion.logp == pytest.approx(expected.logp, abs=1e-4)
        assert completion.entropy == pytest.approx(expected.entropy, abs=1e-4)


def test_cold_samples_are_transformers_greedy_ones(model):
    for prompt, completion in zip(PROMPTS, draw(model, PROMPTS, [1] * 4, temperature=1e-6), strict=True):
        ids, settings = torch.tensor([prompt]), {"eos_token_id": 1, "pad_token_id": 2, "do_sample": False}
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, **settings)
        assert completion.ids == made[0, len(prompt) :].tolist()


def test_frequencies_are_those_of_the_softmax(model):
    first = [c.ids[0] for c in draw(model, [[0, 5]] * 3000, range(3000), top_p=1.0)]
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([[0, 5]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor(first), minlength=60) / 3000
    assert (counts - expected).abs().max() < 0.03
