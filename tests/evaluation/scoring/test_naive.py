"""Every zero-shot task, backend and kind of model equals one sentence at a time; what a scorer without a clue gets."""

import copy
from itertools import permutations

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    LlamaConfig,
    RobertaConfig,
)

from babylm import evaluate
from babylm.evaluation.scoring import load_model
from babylm.evaluation.scoring.scorer import Scorer, SequenceLogProbs
from babylm.evaluation.task_registry import load_task
from babylm.evaluation.tasks import _minimal_pairs, aoa, reading
from tests.evaluation import fixtures

CHOICES = ("blimp", "supplement", "ewok", "entity_tracking", "comps", "global_piqa", "winoground", "vqa")
TASKS = (*CHOICES, "wug_adj", "wug_past")
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
SCORERS = [("ours", "causal"), ("ours", "mlm"), ("ours", "mntp")]
SCORERS += [("llama", "causal"), ("roberta", "mlm"), ("roberta", "mntp")]


@pytest.fixture(scope="session")
def folders(tmp_path_factory, tokenizer):
    """Random models of other people's classes, saved with a tokenizer."""
    root = tmp_path_factory.mktemp("foreign")
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    length = {"max_position_embeddings": 256, "vocab_size": len(tokenizer)}
    for name, config, auto in (
        ("llama", LlamaConfig(**SHAPE, **length, **ids, num_key_value_heads=1), AutoModelForCausalLM),
        ("roberta", RobertaConfig(**SHAPE, **length, **ids), AutoModelForMaskedLM),
        ("headless", RobertaConfig(**SHAPE, **length, **ids), AutoModel),
    ):
        torch.manual_seed(0)
        model = auto.from_config(config)
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=0.3)
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture(scope="session")
def scorers(folders, causal_model, masked_model, tokenizer):
    ours = {b: Scorer(causal_model if b == "causal" else masked_model, tokenizer, b) for _, b in SCORERS[:3]}
    foreign = {(name, b): load_model.load_scorer(folders / name, b) for name, b in SCORERS[3:]}
    return {("ours", b): scorer for b, scorer in ours.items()} | foreign


def log_prob(scorer, ids, k, target=None):
    """Of token ``k`` of ``ids`` (or of ``target`` in its place), from one row without padding, in fp32."""
    seen = ids[:k] if scorer.backend == "causal" else [*ids[:k], scorer.tokenizer.mask_token_id, *ids[k + 1 :]]
    with torch.no_grad():
        logits = scorer.model(input_ids=torch.tensor([seen])).logits[0]
    return float(logits[k if scorer.backend == "mlm" else k - 1].log_softmax(-1)[ids[k] if target is None else target])


def naive(scorer, sentence, completion):
    """(sum, number) over the tokens that end after the completion begins."""
    encoded = scorer.tokenizer(sentence, return_offsets_mapping=True)
    begin = len(sentence) - len(completion)
    scored = [k for k, (_, end) in enumerate(encoded["offset_mapping"]) if end > begin]
    return sum(log_prob(scorer, encoded["input_ids"], k) for k in scored), len(scored)


def test_foreign_models_are_read_the_fast_way(scorers):
    for key, scorer in scorers.items():
        scorer.sequence_log_probs(
            [("The cat sees the dogs. " * 3 + end, end) for end in ("Who?", "A book.", "A ship.")]
        )
        assert scorer.log_prob_model.position_shortcut == (
            "after_attention" if key[0] == "roberta" else "before_output"
        )
        assert scorer.log_prob_model.trees == ("bool" if key[1] == "causal" else None)
        assert scorer.model.dtype == torch.float32


@pytest.mark.parametrize("which", SCORERS)
def test_every_choice_task_equals_one_sentence_at_a_time(data, scorers, which):
    scorer = scorers[which]
    generator = np.random.default_rng(0)
    for rules in (2025, 2026):
        for name in TASKS if rules == 2025 else ("ewok", "entity_tracking"):
            module = load_task(name)
            items = module.items(data, suite="full", rules=rules)
            # Among all the others, so that batches and shared beginnings are as in earnest.
            texts = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
            found = scorer.sequence_log_probs(texts)
            for index in generator.choice(len(texts), 6 if which[1] == "causal" else 2, replace=False):
                total, count = naive(scorer, *texts[index])
                assert found.tokens[index] == count > 0, (name, texts[index])
                assert found.log_probability[index] == pytest.approx(total, abs=1e-4), (name, texts[index])


@pytest.mark.parametrize("which", SCORERS)
def test_reading_equals_one_word_at_a_time(data, scorers, which):
    pytest.importorskip("pandas")
    scorer = scorers[which]
    tokenizer, masked = scorer.tokenizer, scorer.backend != "causal"
    words = [(word.context, word.word) for word in reading.TASK.items(data)]
    found = reading.surprisals(scorer, words)
    for index in np.random.default_rng(1).choice(len(words), 5, replace=False):
        context, word = words[index]
        total = 0.0
        for k, piece in enumerate(tokenizer(word, add_special_tokens=False)["input_ids"]):
            text = tokenizer.decode(piece)
            target = tokenizer(text, add_special_tokens=False)["input_ids"][0] if k else piece
            ids = tokenizer(context + (tokenizer.mask_token * 3 if masked else ""))["input_ids"]
            place = len(ids)
            if masked:
                place -= 3 if ids[-1] == tokenizer.mask_token_id else 4
            total -= log_prob(scorer, ids if masked else [*ids, target], place, target)
            context += text
        assert found[index] == pytest.approx(total, abs=1e-4), words[index]


@pytest.mark.parametrize("which", SCORERS)
def test_acquisition_equals_one_context_at_a_time(data, scorers, which):
    items = aoa.TASK.items(data)
    lines = aoa.TASK.score(scorers[which], items).predictions["results"]
    for index in (1, 6):
        sentence = f"{items[index].context} {items[index].word}"
        assert lines[index]["surprisal"] == pytest.approx(
            -naive(scorers[which], sentence, items[index].word)[0], abs=1e-4
        )


class Constant:
    """All candidates are equally good."""

    def sequence_log_probs(self, texts):
        return SequenceLogProbs(np.full(len(texts), -7.0), np.ones(len(texts), dtype=np.int64))


@pytest.mark.parametrize("name", CHOICES)
def test_a_constant_scorer(data, name):
    module = load_task(name)
    items = module.items(data, suite="full", rules=2025)
    k = len(items[0].sentences)
    found = module.score(Constant(), items, rules=2025)
    # The first of equal candidates is taken, and the first is the right one (but in GlobalPIQA).
    first = np.mean([item.label == 0 for item in items]) if name == "global_piqa" else 1.0
    assert found.official == pytest.approx(first, abs=0.2 if name == "global_piqa" else 0)
    if name != "global_piqa":
        assert found.tie_aware == pytest.approx(1 / k)
        assert pytest.approx(1 / k) == module.chance
    assert found.ties == found.n == len(items)
    drawn = module.score(Constant(), items, rules=2026)
    assert drawn.tie_aware == pytest.approx(found.tie_aware)
    assert drawn.chosen.tolist() != found.chosen.tolist()


def test_a_model_with_constant_logits(causal_model, tokenizer):
    """Only the number of tokens decides, to the bit: pairs of the same words in another order tie."""
    flat = type(causal_model)(causal_model.config).eval()
    with torch.no_grad():
        for weight in flat.parameters():
            weight.zero_()
    scorer = Scorer(flat, tokenizer)
    pairs = [
        {"sentence_good": f"{a} {b} {c}", "sentence_bad": f"{c} {a} {b}"} for a, b, c in permutations(fixtures.NOUNS, 3)
    ]
    items = _minimal_pairs.from_pairs({"order": pairs})
    same = [item for item in items if len({len(tokenizer(text)["input_ids"]) for text in item.sentences}) == 1]
    assert len(same) > 50
    result = load_task("blimp").score(scorer, same)
    assert (result.official, result.tie_aware, result.ties) == (1.0, 0.5, len(same))


def test_what_cannot_be_scored_is_said(tmp_path, folders, data, capsys):
    with pytest.raises(ValueError, match=r"type llama cannot be scored with masks: use backend=causal"):
        load_model.load_scorer(folders / "llama", "mlm")
    with pytest.raises(ValueError, match=r"RobertaForMaskedLM is a masked model; score it with backend=mlm"):
        load_model.load_scorer(folders / "roberta", "causal")
    with pytest.raises(ValueError, match=r"weights lack lm_head.*would be random"):
        load_model.load_scorer(folders / "headless", "mlm")
    bare = tmp_path / "bare"
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folders / "llama")).save_pretrained(bare)
    with pytest.raises(ValueError, match=r"has no tokenizer.json: scoring needs the model's fast tokenizer"):
        load_model.load_scorer(bare, "auto")
    assert evaluate._command([str(bare), "tasks=blimp", f"data={data}"]) == 2
    assert "has no tokenizer.json" in capsys.readouterr().err


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_bf16_is_a_choice_that_counts_flips(tmp_path, folders, data, stored, capsys):
    model = AutoModelForCausalLM.from_pretrained(folders / "llama").to(stored)
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((folders / "llama" / file).read_bytes())
    # What the file holds does not decide: fp32 is what the official pipeline computes in.
    assert load_model.load_scorer(folder, "causal").log_prob_model.dtype == torch.float32
    asked = [str(folder), "tasks=blimp,entity_tracking,reading", f"data={data}", "rules=2026"]
    for dtype in ("auto", "bf16"):
        assert evaluate._command([*asked, f"dtype={dtype}"]) == 0
    results = folder / "evaluation" / "model"
    wide, narrow = (
        {
            task: load_model.read_json(results / f"{task}.fast.2026.{name}.json")
            for task in ("blimp", "entity_tracking", "reading")
        }
        for name in ("causal", "causal-bf16")
    )
    for task in ("blimp", "entity_tracking"):
        assert "against_fp32" not in wide[task]["details"]
        assert (wide[task]["dtype"], narrow[task]["dtype"]) == ("float32", "bfloat16")
        counted = narrow[task]["details"]["against_fp32"]
        assert counted["compared"] == narrow[task]["n"]
        assert 0 <= counted["flipped"] <= counted["compared"] // 2
    assert "against_fp32" not in narrow["reading"]["details"]  # which decides nothing
    assert "decisions flip" in capsys.readouterr().out
    assert evaluate._command([*asked, "dtype=fp16"]) == 2
    assert "dtype" in capsys.readouterr().err


def test_log_softmax_is_fp32(causal_model, tokenizer):
    """Of logits in bf16, sums of probabilities are still one to seven digits."""
    narrow = Scorer(copy.deepcopy(causal_model).to(torch.bfloat16), tokenizer)
    ids = torch.tensor([[tokenizer.bos_token_id, 7]])
    targets = np.arange(len(tokenizer))
    with torch.no_grad():
        found = narrow.log_prob_model.log_probs(
            ids, torch.ones_like(ids), torch.tensor([1]), targets, np.zeros_like(targets)
        )
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-6)
