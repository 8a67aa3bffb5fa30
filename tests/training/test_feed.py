"""Training from a feed whose length shows only at its end: trained through to revisions, report and results."""

from __future__ import annotations

import json
import signal

import pytest

from babylm import report
from babylm.batches.feed import Milestone, TokenBatch
from babylm.runs import Run
from babylm.training.errors import RunStopped
from babylm.training.pretrain import pretrain
from tests.training import runs
from tests.training.test_resume import stop_at


class Episodes:
    """Rows of the corpus in order until a number of words is read: how many steps that takes, nobody knows before."""

    length = None
    ROWS, LENGTH = 4, 16

    def __init__(self, stream, flops_per_token, words=400, milestones=(100, 250)):
        self.stream, self.per_token, self.limit, self.nominal = stream, flops_per_token, words, milestones
        self.words = [0]
        self.asked = []

    def batch(self, step, part=0, parts=1):
        assert step == len(self.words) - 1 or (step, part) in self.asked or part, "asked before the step before is done"
        import numpy as np

        starts = np.arange(step * self.ROWS, (step + 1) * self.ROWS) * (self.LENGTH - 1)
        whole = self.stream.rows(starts, self.LENGTH)
        if len(self.words) == step + 1:
            self.words.append(self.words[-1] + int(whole.words.sum()))
        self.asked.append((step, part))
        count = self.ROWS // parts
        rows = whole[part * count : (part + 1) * count]
        return TokenBatch(
            rows.tokens, rows.document_ids, rows.words, step, part * count, step * self.ROWS + part * count, self.ROWS
        )

    def is_over(self, step):
        return self.words_after(step) >= self.limit

    def words_after(self, step):
        return self.words[step]

    def tokens_after(self, step):
        return step * self.ROWS * self.LENGTH

    def flops_after(self, step):
        return self.tokens_after(step) * self.per_token(self.LENGTH)

    def epochs_after(self, step):
        return self.words[step] / self.stream.epoch_words

    def progress(self, step):
        return min(1.0, self.words[int(step)] / self.limit)

    def due(self, step):
        if not 0 < step < len(self.words):
            return []
        passed = [n for n in self.nominal if self.words[step - 1] < n <= self.words[step]]
        return [Milestone(f"chck_{n}", n, step, self.words[step]) for n in passed]

    def facts(self):
        return {}

    def describe_step(self, step):
        return f"episode {step}"

    def state_dict(self):
        return {"words": list(self.words)}

    def load_state_dict(self, state):
        if state:
            self.words = list(state["words"])

    def as_dict(self):
        steps = len(self.words) - 1
        return {
            "words": self.words[-1],
            "epochs": self.epochs_after(steps),
            "steps": steps,
            "flops": float(self.flops_after(steps)),
            "corpus_words": self.stream.epoch_words,
            "milestones": [
                {"name": m.name, "step": m.step, "words": m.words} for s in range(steps + 1) for m in self.due(s)
            ],
        }


def test_a_feed_of_unknown_length_is_trained_through_to_its_report(tmp_path, capsys):
    made = runs.make(tmp_path, f"corpus.dev={tmp_path}/held", "evaluation.held_out_loss_when=milestones")
    (tmp_path / "held").write_text(runs.sentences(40))
    folder = pretrain(made, make_feed=Episodes)
    run = Run(folder)
    assert run.revisions == ["chck_100", "chck_250", "main"]
    assert run.plan["words"] == json.loads((folder / "main" / "babylm.json").read_text())["words"] >= 400
    assert run.plan["steps"] == run.metrics[-1]["step"]
    words = {m["name"]: m["words"] for m in run.plan["milestones"]}
    assert words["chck_100"] >= 100
    measured = [line["words"] for line in run.metrics if "dev/causal" in line]
    assert measured == [words["chck_100"], words["chck_250"], run.plan["words"]]
    assert report._command([str(folder)]) == 0
    assert "its length shows only at its end" in capsys.readouterr().out


def test_it_is_continued_to_the_same_weights(tmp_path, monkeypatch):
    whole = pretrain(runs.make(tmp_path, "name=whole"), make_feed=Episodes)
    cut = runs.make(tmp_path, "name=cut")
    with monkeypatch.context() as patch:
        stop_at(patch, 3, signal.SIGTERM)
        with pytest.raises(RunStopped):
            pretrain(cut, make_feed=Episodes)
    again = pretrain(cut, make_feed=Episodes)
    sums = [json.loads((f / "main" / "babylm.json").read_text())["weights_sha256"] for f in (whole, again)]
    assert sums[0] == sums[1]
    assert Run(whole).plan == Run(again).plan


def test_a_tail_average_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the length of this run is not known"):
        pretrain(runs.make(tmp_path, "averaging={name: tail}"), make_feed=Episodes)
    assert not (tmp_path / "checkpoints" / "run").exists()
