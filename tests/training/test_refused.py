"""What cannot be is refused before anything is made: the name of the run stays free, and no hour is lost."""

from __future__ import annotations

import pytest
import torch

from babylm import train
from babylm.models.configuration import BabyLMConfig
from babylm.training import attention, metrics

from . import runs


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["corpus.dev={0}/nope"], "corpus.dev: there is no file or folder .*nope"),
        (["corpus.test={0}/nope"], "corpus.test: there is no file or folder .*nope"),
        (["corpus.dev={0}/blank"], "corpus.dev: .*blank holds no word"),
        (["corpus.test={0}/latin"], "byte 3 is not UTF-8"),
        (["evaluation.tasks=[blimp]", "evaluation.data={0}/nope"], "nope has no fast_eval/blimp_fast"),
        (["training.attention=flash"], "flash does not run here: the package flash-attn is not installed"),
    ],
)
def test_what_is_missing_is_told_before_the_folder_is_made(tmp_path, monkeypatch, overrides, said):
    monkeypatch.setattr(attention.kernels, "flash_attn_varlen_func", None)
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "blank").write_bytes(b"\n \n")
    for more in ([], ["training.plan_only=true"]):
        with pytest.raises(ValueError, match=said):
            train.main(runs.make(tmp_path, *[text.format(tmp_path) for text in overrides], *more))
    assert not (tmp_path / "checkpoints").exists()
    assert train.main(runs.make(tmp_path)) == 0, "the corrected command has the name"


def test_tasks_that_are_never_scored_need_no_data(tmp_path):
    runs.run(tmp_path, "evaluation.tasks=[blimp]", "evaluation.at=none", f"evaluation.data={tmp_path}/nope")


def test_a_finished_run_needs_its_texts_no_more(tmp_path, capsys):
    (tmp_path / "held").write_text(runs.sentences(10))
    made = runs.make(tmp_path, f"corpus.test={tmp_path}/held")
    assert train.main(made) == 0
    (tmp_path / "held").unlink()
    assert train.main(made) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_ranks_agree_on_attention_without_a_clock(monkeypatch):
    shape = BabyLMConfig(hidden_size=32, num_attention_heads=2, vocab_size=100)
    timed = []
    measure = attention._measure
    monkeypatch.setattr(
        attention, "_measure", lambda *args, **kw: (timed.append(kw.get("repeat")), measure(*args, **kw))[1]
    )
    choice = attention.choose(shape, torch.device("cpu"), torch.float32, timed=False)
    assert choice.name == "sdpa"
    assert choice.reason == "first of sdpa, naive that runs, untimed: all ranks must agree"
    assert set(timed) == {1}


def test_a_run_without_a_state_begins_its_metrics_again(tmp_path, capsys):
    folder = runs.run(tmp_path)
    steps = [line["step"] for line in metrics.read(folder / "metrics.jsonl")]
    for name in ("last.ckpt", "previous.ckpt", "main/manifest.json"):
        (folder / name).unlink()
    capsys.readouterr()
    assert train.main(runs.make(tmp_path)) == 0
    assert "no saved state: starting from step 0" in capsys.readouterr().out
    assert [line["step"] for line in metrics.read(folder / "metrics.jsonl")] == steps
