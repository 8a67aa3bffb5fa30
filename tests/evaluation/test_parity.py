"""Equal to the official pipeline, item by item, on the tiny reference models.

``BABYLM_PARITY=all`` compares every stored prediction and every printed digit (a minute or two). Without it, that is
done for the causal model's smaller tasks, and evenly spaced items are compared of what takes long. What a run of the
official pipeline itself predicts is compared whole by ``benchmarks/eval_speed.py --official``.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from babylm.evaluation.results import task_result
from babylm.evaluation.scoring.load_model import load_scorer
from babylm.evaluation.task_registry import load_task

ROOT = Path(__file__).parents[2]
DATA = (ROOT / os.environ.get("BABYLM_SHARED_DATA", "../shared/data")).resolve()
WHOLE = os.environ.get("BABYLM_PARITY") == "all"
FAST, FULL = DATA / "evaluation_data" / "fast_eval", DATA / "evaluation_data" / "full_eval"
HALF = 0.005 + 1e-9
"""Of the last printed digit."""
pytestmark = pytest.mark.skipif(not (DATA / "parity").is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")

ADJECTIVES, BOXES = FULL / "wug_adj_nominalization", FULL / "entity_tracking"
# model, backend, task, folder of the official results, suite, folder of data, lines of each file the official run saw
# (one in ...), items of those compared here (one in ...)
CASES = [
    ("gpt2-tiny", "causal", "blimp", "blimp/blimp_fast", "fast", FAST / "blimp_fast", 1, 10),
    ("gpt2-tiny", "causal", "supplement", "blimp/supplement_fast", "fast", FAST / "supplement_fast", 1, 1),
    ("gpt2-tiny", "causal", "wug_adj", "wug_adj/wug_adj_nominalization", "full", ADJECTIVES, 1, 1),
    ("gpt2-tiny", "causal", "entity_tracking", "entity_tracking/entity_tracking", "full", BOXES, 12, 3),
    ("gpt2-tiny", "causal", "comps", "comps/comps", "full", DATA / "comps_like", 60, 1),
    ("bert-tiny", "mlm", "blimp", "blimp/blimp_fast", "fast", FAST / "blimp_fast", 20, 4),
    ("bert-tiny", "mlm", "supplement", "blimp/supplement_fast", "fast", FAST / "supplement_fast", 1, 12),
    ("bert-tiny", "mlm", "wug_adj", "wug_adj/wug_adj_nominalization", "full", ADJECTIVES, 1, 20),
    ("bert-tiny", "mntp", "blimp", "blimp/blimp_fast", "fast", FAST / "blimp_fast", 20, 10),
    ("bert-tiny", "mntp", "supplement", "blimp/supplement_fast", "fast", FAST / "supplement_fast", 1, 5),
    ("bert-tiny", "mntp", "wug_adj", "wug_adj/wug_adj_nominalization", "full", ADJECTIVES, 1, 6),
]


def official(model, backend, folder):
    """Predictions by UID, and the numbers by name that were printed, of the official run."""
    folder = DATA / "parity/official" / model / backend / folder
    sections = (folder / "best_temperature_report.txt").read_text().split("### ")
    [uids] = [section for section in sections if section.startswith("UID ")]
    numbers = {line.rsplit(": ", 1)[0]: float(line.rsplit(": ", 1)[1]) for line in uids.splitlines() if ": " in line}
    return json.loads((folder / "predictions.json").read_text()), numbers, float(sections[-1].split()[-1])


def linked(source, one_in, target):
    """``target`` with the lines 1, 1 + one_in, ... of each file."""
    target.mkdir(parents=True)
    for file in source.glob("*.jsonl"):
        kept = file.read_text(encoding="utf-8").splitlines(keepends=True)[::one_in]
        (target / file.name).write_text("".join(kept), encoding="utf-8")


@pytest.mark.parametrize(("model", "backend", "task", "folder", "which", "source", "seen", "compared"), CASES)
def test_every_prediction(tmp_path, model, backend, task, folder, which, source, seen, compared):
    module = load_task(task)
    names = module.official.subfolders
    linked(source, seen, tmp_path / f"{which}_eval" / names[which])
    stored, numbers, average = official(model, backend, folder)
    items = module.items(tmp_path, suite=which, rules=2025)
    answers = {uid: iter(own["predictions"]) for uid, own in stored.items()}
    expected = [next(answers[item.uid]) for item in items]
    assert not any(list(rest) for rest in answers.values())  # as many items as the official run had
    step = 1 if WHOLE else compared
    items, expected = items[::step], expected[::step]

    scorer = load_scorer(DATA / "parity" / model, backend)
    result = module.score(scorer, items, rules=2025)
    names = {uid: iter(own["predictions"]) for uid, own in result.predictions.items()}
    given = [next(names[item.uid]) for item in items]
    same = [one["pred"].strip() == other["pred"].strip() for one, other in zip(given, expected, strict=True)]
    near = {
        f"{expected[i]['id']} ({result.margins[i]:+.1e})": result.margins[i] for i in np.flatnonzero(~np.array(same))
    }
    print(f"{model} {backend} {task}: {len(items)} items, {len(near)} differ: {', '.join(near) or '-'}")
    # In the last digits of fp32 a decision is anybody's; nowhere else.
    assert max(map(abs, near.values()), default=0) < 1e-4, near
    if "prob" in expected[0]:
        probabilities = [[line["prob"] for line in lines] for lines in (given, expected)]
        np.testing.assert_allclose(*probabilities, atol=1e-4)
    if step > 1:
        return
    assert [line["id"] for line in given] == [line["id"] for line in expected]
    if "prob" in expected[0]:
        assert result.official == pytest.approx(average, abs=HALF)
        return
    # Every printed digit, with the official choice where it was anybody's.
    answers = [[text.strip() for text in item.answers or item.completions] for item in items]
    scores = [
        float(k == (chosen if agreed else own.index(line["pred"].strip())))
        for own, line, chosen, agreed in zip(answers, expected, result.chosen, same, strict=True)
        for k in range(len(own))
    ]
    ours = task_result.score_choices(items, np.array(scores))
    assert 100 * ours.official == pytest.approx(average, abs=HALF)
    parts = {uid: tally.official for uid, tally in ours.by_uid.items()} | ours.by_split
    assert {uid: 100 * value for uid, value in parts.items()} == pytest.approx(numbers, abs=HALF)


@pytest.mark.parametrize(("model", "backend"), [("gpt2-tiny", "causal"), ("bert-tiny", "mlm"), ("bert-tiny", "mntp")])
def test_equal_to_one_sentence_at_a_time(model, backend):
    scorer = load_scorer(DATA / "parity" / model, backend)
    rows = [json.loads(line) for line in (FAST / "supplement_fast/turn_taking.jsonl").read_text().splitlines()[:6]]
    sentences = [row["sentence_good"] for row in rows]
    items = [(sentence, sentence[len(sentence) // 2 :]) for sentence in sentences]
    fast = scorer.sequence_log_probs(items)
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
