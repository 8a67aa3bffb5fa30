"""BLiMP's twelve phenomena."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from babylm.evaluation.results import blimp_phenomena, learning_curves
from babylm.reporting import learning_curves as learning_curve_page
from babylm.reporting.blocks import Page, Section
from babylm.reporting.page import render
from tests.evaluation import stored_results

UIDS = [uid for uids in blimp_phenomena.BLIMP.values() for uid in uids]


def revision(folder, words, right):
    """A revision that has ``right[uid]`` of ten pairs of each UID right, five of those not named."""
    items = stored_results.pairs(dict.fromkeys(UIDS, 10))
    answers = np.concatenate([np.arange(10) < right.get(uid, 5) for uid in UIDS])
    scores = np.stack([np.where(answers, 0.0, -2.0), np.full(len(items), -1.0)], 1)
    stored_results.store(folder, items, scores, words=words, weights_sha256=str(words))


@pytest.fixture
def curve(tmp_path):
    revision(tmp_path / "chck_1M", 10**6, {})
    revision(tmp_path / "main", 2 * 10**6, {"ellipsis_n_bar_1": 10, "ellipsis_n_bar_2": 8, "wh_island": 9})
    (found,) = learning_curves.curves(tmp_path)
    return found


def test_a_phenomenon_is_the_mean_of_its_paradigms(curve):
    found = blimp_phenomena.grouped(curve)
    assert len(found.by_uid) == 12
    np.testing.assert_allclose(found.by_uid["ellipsis"], [0.5, 0.9])
    np.testing.assert_allclose(found.by_uid["island effects"], [0.5, (7 * 0.5 + 0.9) / 8])
    assert (found.items["ellipsis"], found.items["argument structure"]) == (20, 90)
    assert next(iter(found.acquired)) == "ellipsis"
    assert found.acquired["ellipsis"].words == pytest.approx(1e6 * np.sqrt(2))
    assert len(curve.by_uid) == 67  # the curve itself is as it was


def test_other_paradigms_have_no_phenomena(tmp_path):
    items = stored_results.pairs({"anaphor_gender_agreement": 4})
    for words in (1, 2):
        stored_results.store(
            tmp_path / f"chck_{words}M", items, np.zeros((4, 2)), words=words, weights_sha256=f"{words}"
        )
    (found,) = learning_curves.curves(tmp_path)
    assert blimp_phenomena.grouped(found) is None


def test_the_page_shows_phenomena_first(curve):
    blocks = learning_curve_page.phenomena([SimpleNamespace(name="r", curves=[curve])])
    page = render(Page("r", ["r"], [Section("Phenomena", blocks)]))
    assert page.index("BLiMP: 12 phenomena") < page.index("control/raising") < page.index("BLiMP: 67 paradigms")
    assert page.count("<details open") == 1


def test_the_groups_are_those_of_the_data(shared_data):
    found: dict[str, set[str]] = {}
    for file in (shared_data / "evaluation_data/full_eval/blimp_filtered").glob("*.jsonl"):
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
        term = line["linguistics_term"].replace("s-selection", "argument_structure")
        found.setdefault(term, set()).add(line["UID"])
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, blimp_phenomena.BLIMP.values()))
