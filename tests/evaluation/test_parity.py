"""Equal to the official pipeline, item by item, on the tiny reference models."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from babylm.evaluation.results import choose
from babylm.evaluation.suite import load_scorer
from babylm.evaluation.tasks import _minimal_pairs

ROOT = Path(__file__).parents[2]
DATA = (ROOT / os.environ.get("BABYLM_SHARED_DATA", "../shared/data")).resolve()
FAST = DATA / "evaluation_data" / "fast_eval"
pytestmark = pytest.mark.skipif(not (DATA / "parity").is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")

CAUSAL_FILES = [
    "anaphor_number_agreement", "wh_vs_that_with_gap_long_distance", "principle_A_c_command", "complex_NP_island",
    "existential_there_quantifiers_1", "matrix_question_npi_licensor_present",
]  # fmt: skip
MASKED_FILES = ["anaphor_gender_agreement", "only_npi_scope", "principle_A_case_1", "wh_island", "passive_1"]


def compare(model, backend, task, folder, files, keep):
    """Every prediction of ``files``, in which the official run saw the lines that ``keep`` selects."""
    scorer = load_scorer(DATA / "parity" / model, backend)
    official = json.loads(
        (DATA / "parity/official" / model / backend / "blimp" / task / "predictions.json").read_text()
    )
    items, expected = [], []
    for file in files:
        lines = (FAST / folder / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
        pairs = [json.loads(line) for number, line in enumerate(lines) if keep(number)]
        items += _minimal_pairs.from_pairs({file: pairs})
        expected += [p["pred"] for p in official[file]["predictions"]]
    texts = [(sentence, sentence) for item in items for sentence in item.sentences]
    result = choose(items, scorer.score(texts).log_probability)
    assert len(expected) == len(items)
    chosen = [item.sentences[pick] for item, pick in zip(items, result.chosen, strict=True)]
    different = [i for i in range(len(items)) if chosen[i].strip() != expected[i].strip()]
    # In the last digits of fp32 a decision is anybody's.
    assert all(abs(result.margins[i]) < 1e-4 for i in different), [(expected[i], result.margins[i]) for i in different]
    return result


def printed(model, backend, task):
    """The accuracies by UID that the official pipeline printed, in %."""
    text = (DATA / "parity/official" / model / backend / "blimp" / task / "best_temperature_report.txt").read_text()
    lines = text.split("### UID ACCURACY")[1].split("###")[0].strip().splitlines()
    return {uid: float(value) for uid, value in (line.rsplit(": ", 1) for line in lines if ": " in line)}


def test_causal_blimp():
    result = compare("gpt2-tiny", "causal", "blimp_fast", "blimp_fast", CAUSAL_FILES, lambda number: True)
    expected = printed("gpt2-tiny", "causal", "blimp_fast")
    assert {uid: round(100 * tally.official, 2) for uid, tally in result.by_uid.items()} == {
        uid: expected[uid] for uid in CAUSAL_FILES
    }


def test_causal_supplement():
    files = [file.stem for file in sorted((FAST / "supplement_fast").glob("*.jsonl"))]
    result = compare("gpt2-tiny", "causal", "supplement_fast", "supplement_fast", files, lambda number: True)
    expected = printed("gpt2-tiny", "causal", "supplement_fast")
    assert {uid: round(100 * tally.official, 2) for uid, tally in result.by_uid.items()} == expected


@pytest.mark.parametrize("backend", ["mlm", "mntp"])
def test_masked_blimp(backend):
    compare("bert-tiny", backend, "blimp_fast", "blimp_fast", MASKED_FILES, lambda number: number % 20 == 0)


@pytest.mark.parametrize(("model", "backend"), [("gpt2-tiny", "causal"), ("bert-tiny", "mlm"), ("bert-tiny", "mntp")])
def test_equal_to_one_sentence_at_a_time(model, backend):
    scorer = load_scorer(DATA / "parity" / model, backend)
    rows = [json.loads(line) for line in (FAST / "supplement_fast/turn_taking.jsonl").read_text().splitlines()[:6]]
    sentences = [row["sentence_good"] for row in rows]
    items = [(sentence, sentence[len(sentence) // 2 :]) for sentence in sentences]
    fast = scorer.score(items)
    for index, (sentence, completion) in enumerate(items):
        encoded = scorer.tokenizer(sentence, return_offsets_mapping=True)
        ids, start, total, count = encoded["input_ids"], len(sentence) - len(completion), 0.0, 0
        for k, (_, end) in enumerate(encoded["offset_mapping"]):
            if end <= start:
                continue
            seen = ids[:k] if backend == "causal" else [*ids[:k], scorer.tokenizer.mask_token_id, *ids[k + 1 :]]
            with torch.no_grad():
                logits = scorer.model(input_ids=torch.tensor([seen]))["logits"][0]
            at = k if backend == "mlm" else k - 1
            total += float(logits[at].double().log_softmax(-1)[ids[k]])
            count += 1
        assert fast.tokens[index] == count > 0
        assert np.isclose(fast.log_probability[index], total, atol=1e-4)
