"""Where evaluation computes: every tensor goes to the model's device, a GPU that is not there is told at once."""

import contextlib
import json

import numpy as np
import pytest
import torch

from babylm import evaluate, revisions
from babylm.evaluation import score_model
from babylm.evaluation.finetuning import classifier, loop
from babylm.evaluation.scoring import device, load_model
from babylm.evaluation.scoring.scorer import ScoredText, Scorer

TEXTS = [ScoredText((1, 5, 6, 7, 8, last), (1, 2, 3, 4, 5)) for last in range(9, 19)] + [ScoredText((1, 4, 6), (1, 2))]


class Plain(torch.nn.Module):
    """A class of nobody's that never looks into a tensor, which a device without memory does not allow."""

    def __init__(self, entries: int = 40, width: int = 8) -> None:
        super().__init__()
        self.words, self.places = torch.nn.Embedding(entries, width), torch.nn.Embedding(32, width)
        self.output = torch.nn.Linear(width, entries)

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.output

    def states(self, input_ids, attention_mask, position_ids=None):
        length = input_ids.shape[1]
        places = torch.arange(length, device=input_ids.device) if position_ids is None else position_ids
        seen = attention_mask if attention_mask.dim() == 4 else attention_mask[:, None, None]
        seen = seen.to(self.output.weight.dtype)
        hidden = self.words(input_ids) + self.places(places)
        return seen.expand(-1, -1, length, -1)[:, 0] @ hidden

    def forward(self, input_ids, attention_mask, position_ids=None, token_type_ids=None):
        return {"logits": self.output(self.states(input_ids, attention_mask, position_ids))}


class Encoder(Plain):
    def forward(self, input_ids, attention_mask):
        return (self.states(input_ids, attention_mask),)


@pytest.mark.parametrize("backend", ["causal", "mntp", "mlm"])
@pytest.mark.parametrize(
    ("trees", "shortcut"), [("additive", "before_output"), ("bool", "none"), ("", "before_output"), ("", "none")]
)
def test_scoring_mixes_in_no_tensor_of_the_host(monkeypatch, tokenizer, backend, trees, shortcut):
    """On torch's device without memory, which stands for any other than the host, such a mixture is an error."""
    with torch.device("meta"):
        model = Plain().eval()
    scorer = Scorer(model, tokenizer, backend)
    assert scorer.device.type == "meta"
    # What is found out by trying, and compared: there are no numbers to compare.
    scorer.log_prob_model.trees, scorer.log_prob_model.position_shortcut, scorer.log_prob_model._tried = (
        trees,
        shortcut,
        99,
    )
    brought = []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: brought.append(self.device.type) or torch.zeros(self.shape))
    values = scorer.log_probs(TEXTS, types=True)
    assert [len(own) for own in values] == [len(text.positions) for text in TEXTS]
    assert set(brought) == {"meta"}, "answers are computed there, and brought to the host once per batch"


def test_a_step_of_fine_tuning_mixes_in_no_tensor_of_the_host(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # there is none on this device
    with torch.device("meta"):
        model = classifier.Classifier(Encoder(), 8, 2, "last", 0.1)
    split = loop.Split([[1, 5, 6], [1, 7]], np.array([0, 1]))
    run = loop._Finetuning(model, split, split, loop.FinetuneSettings(1, 2, 1e-3, 0.1, 0.0, "accuracy"), 0, "rte")
    logits, mask = run._logits(split, [0, 1])
    assert (logits.device.type, mask.device.type) == ("meta", "meta")
    logits.sum().backward()
    assert all(parameter.grad.device.type == "meta" for parameter in model.head.parameters())


def test_what_the_device_may_be(monkeypatch):
    assert device.choose("cpu").type == "cpu"
    for there, expected in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device.choose("auto").type == expected
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"evaluation\.device=cuda: torch sees no GPU; use auto or cpu"):
        device.choose("cuda")
    with pytest.raises(ValueError, match=r"device=mps: .*float64.*use cpu"):
        device.check("mps")


def test_the_command_places_the_model_and_says_where(tmp_path, causal_model, tokenizer_folder, capsys, monkeypatch):
    folder = tmp_path / "m"
    revisions.save(folder, causal_model, tokenizer_folder, {"words": 5})
    words = [str(folder), "tasks=toy_pairs", "limit=1"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for wrong, message in (("cuda", "torch sees no GPU"), ("mps", "float64"), ("gpu", "one of: auto, cpu, cuda")):
        assert evaluate._command([*words, f"device={wrong}"]) == 2
        assert message in capsys.readouterr().err
    assert not (folder / "evaluation").exists(), "before anything is written"
    placed = []
    original = load_model.load_scorer
    monkeypatch.setattr(
        score_model, "load_scorer", lambda *a, **given: placed.append(given["device"]) or original(*a, **given)
    )
    assert evaluate._command([*words, "device=cpu"]) == 0
    assert placed == [torch.device("cpu")]
    [file] = (folder / "evaluation/m").glob("*.json")
    assert json.loads(file.read_text())["device"] == "cpu"
    assert evaluate._command([*words, "device=auto"]) == 0, "where it was computed does not make another result"
    assert len(placed) == 1
