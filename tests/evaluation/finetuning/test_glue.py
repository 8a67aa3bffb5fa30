"""The seven tasks on small files in the official schema: what is learnt, kept, stored and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from babylm import evaluate, interrupts, revisions
from babylm.config.schema import EvaluationConfig, GlueConfig
from babylm.evaluation import suite
from babylm.evaluation.finetuning import loop, metrics
from babylm.evaluation.results import averages
from babylm.evaluation.scoring import load_model
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.task_registry import expand, groups, load_task
from babylm.evaluation.tasks import _glue
from babylm.evaluation.tasks._data import MissingData
from tests.evaluation import fixtures

GLUE = [task.name for task in groups()["glue"]]

QUICK = GlueConfig(epochs=6, batch=8, lr=3e-3, precision="fp32")


@pytest.fixture
def data(tmp_path):
    fixtures.glue(tmp_path / "data/full_eval/glue_filtered", train=48, valid=15)
    return tmp_path / "data"


@pytest.fixture
def scorer(causal_model, tokenizer):
    return Scorer(causal_model, tokenizer, "causal")


def settings(**changes):
    return EvaluationConfig(glue=replace(QUICK, **changes))


@pytest.mark.parametrize("name", GLUE)
def test_every_task_is_learnt(name, data, scorer):
    task = load_task(name)
    items = task.items(data)
    assert (len(items), len(items.train)) == (15, 48)
    result = task.score(scorer, items, rules=2025, settings=settings())
    labels = np.array([item.label for item in items])
    assert result.official > max(0.95, result.details["constant_answer"])
    metric = "f1" if name in ("mrpc", "qqp") else "accuracy"
    assert result.details["metric"] == metric
    assert result.official == metrics.METRICS[metric](result.chosen, labels)
    lines = result.predictions[name]["predictions"]
    assert lines == [{"id": f"{name}_{i}", "pred": int(pick)} for i, pick in enumerate(result.chosen)]
    assert result.interval[0] <= result.official <= result.interval[1]
    assert ((result.margins > 0) == (result.chosen == labels)).all()


def test_texts_are_put_together_as_officially(data):
    first = {name: load_task(name).items(data)[1] for name in GLUE}
    assert (first["rte"].first, first["rte"].second) == ("It is 1.", "The dog sees the cat and two birds.")
    assert first["multirc"].first == "Question: It is 1. Answer: It does."
    assert first["wsc"].first == 'Does "It is 1." refer to "A cat" in this passage?'
    assert {name: len(item.sentences) for name, item in first.items()} == dict.fromkeys(first, 2) | {"mnli": 3}
    modules = {name: load_task(name) for name in GLUE}
    assert {name: (t.epochs, t.batch) for name, t in modules.items() if (t.epochs, t.batch) != (10, 32)} == {
        "boolq": (10, 16), "multirc": (10, 16), "wsc": (30, 32),
    }  # fmt: skip


def test_the_same_seed_is_the_same_to_the_bit_and_the_model_stays(data, scorer, causal_model):
    task = load_task("rte")
    items = task.items(data)
    before = {name: value.clone() for name, value in causal_model.state_dict().items()}
    random = torch.random.get_rng_state()
    results = [task.score(scorer, items, settings=settings(epochs=2, seeds=[seed])) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in causal_model.state_dict().items())
    assert not causal_model.training
    assert (results[0].margins == results[1].margins).all()
    assert (results[0].margins != results[2].margins).any()
    both = task.score(scorer, items, settings=settings(epochs=2, seeds=[1, 2]))
    assert both.official == pytest.approx((results[0].official + results[2].official) / 2)
    assert (both.margins == results[0].margins).all()  # predictions are the first seed's
    assert [own["seed"] for own in both.details["seeds"]] == [1, 2]


class Scripted(torch.nn.Module):
    """Answers the validation set right in given epochs only."""

    def __init__(self, right_in):
        super().__init__()
        self.weight, self.right_in, self.epoch = torch.nn.Parameter(torch.ones(1)), right_in, -1

    def train(self, mode=True):
        self.epoch += bool(mode)
        return super().train(mode)

    def forward(self, ids, mask):
        label = ids[:, 0] % 2
        share = self.right_in.get(self.epoch, 0) if not self.training else 1.0
        wrong = (ids[:, 1] / 10 >= share).long()
        return torch.nn.functional.one_hot((label + wrong) % 2, 2) * self.weight


@pytest.mark.parametrize(("patience", "epochs"), [(None, 6), (2, 4), (1, 3)])
def test_the_best_epoch_counts_and_patience_ends(patience, epochs):
    rows = loop.Split([[k % 2, k] for k in range(10)], np.arange(10) % 2)
    plan = loop.FinetuneSettings(6, 5, 1e-3, 0.0, 0.0, "accuracy", patience)
    shares = {0: 0.3, 1: 0.8, 2: 0.5, 3: 0.8, 4: 0.1, 5: 0.7}
    found = loop.finetune(lambda: Scripted(shares), rows, rows, plan, 0, "scripted")
    assert found.epoch == 2  # strictly better: an equal one later does not replace it
    assert len(found.epochs) == epochs
    assert [round(one["accuracy"], 1) for one in found.epochs] == list(shares.values())[:epochs]
    assert metrics.accuracy(found.logits.argmax(1), rows.labels) == 0.8
    assert found.steps == 2 * epochs


def test_a_loss_that_is_not_finite_is_said(data, scorer):
    task = load_task("rte")
    with pytest.raises(ValueError, match=r"rte: the loss is not finite; try a lower glue.lr"):
        task.score(scorer, task.items(data), settings=settings(lr=1e30))


def test_long_rows_are_cut(data, scorer):
    items = load_task("rte").items(data)
    assert max(map(len, _glue.encode(scorer, items, 512).rows)) > 20
    assert max(map(len, _glue.encode(scorer, items, 12).rows)) == 12


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"sentence1": "a", "label": 0}', "sentence2"),
        ('{"sentence1": "a", "sentence2": "b", "label": 2}', "label is the number 2, not a whole number from 0 to 1"),
        ('{"sentence1": "a", "sentence2": "b", "label": "1"}', "label is the text '1'"),
        ('{"sentence1": "a", "sentence2": 3, "label": 1}', "sentence2 is the number 3, not a text"),
        ("nothing", "not valid JSON"),
    ],
)
def test_bad_lines_name_their_place(data, line, message):
    with open(data / "full_eval/glue_filtered/rte.train.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=rf"rte.train.jsonl(?=.*line 49).*{message}"):
        load_task("rte").items(data)


def test_missing_and_empty_files_are_missing_data(data):
    folder = data / "full_eval/glue_filtered"
    (folder / "boolq.train.jsonl").write_text("")
    (folder / "multirc.train.jsonl").unlink()
    with pytest.raises(MissingData, match=r"boolq.train.jsonl is empty; python -m babylm"):
        load_task("boolq").items(data)
    with pytest.raises(MissingData, match=r"full_eval/glue_filtered/multirc.train.jsonl; python -m babylm"):
        load_task("multirc").items(data)


@pytest.fixture
def run_folder(tmp_path, causal_model, tokenizer_folder):
    for name, words in (("chck_2K", 2000), ("main", 10_500)):
        revisions.save(tmp_path / "run" / name, causal_model, tokenizer_folder, {"words": words})
    return tmp_path / "run"


def words_of(run_folder, data, *more):
    given = {word.partition("=")[0] for word in more}
    quick = [w for w in ("glue.epochs=1", "glue.batch=8", "glue.precision=fp32") if w.partition("=")[0] not in given]
    return [str(run_folder), f"data={data}", "revisions=main", *quick, *more]


def test_the_command_and_what_it_stores(run_folder, data, capsys):
    assert evaluate._command(words_of(run_folder, data, "tasks=glue", "backend=mntp")) == 0
    shown = capsys.readouterr().out
    for name in GLUE:
        assert f"[1/1] main {name}: " in shown
        stored = json.loads((run_folder / f"evaluation/main/{name}.full.2026.tuned.json").read_text())
        assert (stored["dtype"], stored["settings"]["epochs"], stored["n"]) == ("float32", 1, 15)
        assert stored["details"]["pooling"] == "last"
        assert stored["details"]["seeds"][0]["steps"] == 6
        assert 0 <= stored["details"]["seeds"][0]["padding"] < 1
        assert set(stored["by_part"]) >= {"accuracy", "mcc"}
        predictions = json.loads((run_folder / f"evaluation/main/predictions/{name}.full.2026.tuned.json").read_text())
        assert len(predictions[name]["predictions"]) == 15


def test_a_killed_command_goes_on_where_it_was(run_folder, data, monkeypatch):
    """Each task is stored when it is done; what is stored is not made again, unless a setting or the data changed."""
    made = []
    finetune = loop.finetune

    def killed(*args, **kwargs):
        made.append(args[-1])
        if len(made) == 3:
            raise KeyboardInterrupt
        return finetune(*args, **kwargs)

    monkeypatch.setattr(loop, "finetune", killed)
    words = words_of(run_folder, data, "tasks=rte,wsc,mrpc")
    assert evaluate._command(words) == interrupts.EXIT_INTERRUPTED
    assert made == ["rte", "wsc", "mrpc"]
    assert evaluate._command(words) == 0
    assert made[3:] == ["mrpc"]
    assert evaluate._command([*words, "glue.lr=1e-4"]) == 0
    assert made[4:] == ["rte", "wsc", "mrpc"]
    with open(data / "full_eval/glue_filtered/rte.train.jsonl", "a") as file:
        file.write('{"sentence1": "a", "sentence2": "b", "label": 1}\n')
    assert evaluate._command([*words, "glue.lr=1e-4"]) == 0
    assert made[7:] == ["rte"]


def test_a_suite_fine_tunes_the_last_revision_alone(run_folder, data, capsys):
    words = words_of(run_folder, data, "suite=full", "limit=4")
    (data / "full_eval/glue_filtered/boolq.train.jsonl").unlink()
    assert evaluate._command([word for word in words if word != "revisions=main"]) == 0
    shown = capsys.readouterr().out
    assert "boolq is left out" in shown
    assert [path.parent.name for path in run_folder.glob("evaluation/*/rte.*.json")] == ["main"]
    stored = json.loads((run_folder / "evaluation/main/averages.2026.causal.json").read_text())
    assert stored["nlp"]["missing"][-2:] == ["boolq", "global_piqa"]
    # Named outright, all are fine-tuned, and missing data is an error.
    assert evaluate._command([*[w for w in words[:2] + words[3:] if w != "suite=full"], "tasks=rte"]) == 0
    assert len(list(run_folder.glob("evaluation/*/rte.*.json"))) == 2
    assert evaluate._command([*words, "tasks=boolq"]) == 2


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("glue.epoch=3", "glue.epoch: unknown key; did you mean glue.epochs?"),
        ("glue.epochs=many", "glue.epochs"),
        ("glue.epochs=0", "glue.epochs: must be at least 1"),
        ("glue.seeds=[1,1]", "glue.seeds: 1 is there twice"),
        ("glue.pooling=middle", "glue.pooling"),
    ],
)
def test_mistakes_in_settings(run_folder, data, capsys, word, message):
    assert evaluate._command(words_of(run_folder, data, "tasks=rte", word)) == 2
    assert message in capsys.readouterr().err


def test_seven_tasks_are_one_column():
    columns = dict.fromkeys(("blimp", "supplement", "ewok", "entity_tracking", "comps"), 0.5)
    glue = dict(zip(GLUE, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), strict=True))
    found = averages.official_averages(columns | glue, 2025)["nlp"]
    assert found.value == pytest.approx((5 * 0.5 + 0.4) / 6)
    del glue["wsc"]
    found = averages.official_averages(columns | glue, 2025)["nlp"]
    assert (found.value, found.missing) == (None, ("wsc",))
    assert found.present == pytest.approx((5 * 0.5 + 0.35) / 6)
    found = averages.official_averages(columns | glue | {"global_piqa": 0.5}, 2026)["nlp"]
    assert found.value == pytest.approx((6 * 0.5 + 2.1 / 7) / 7)  # on the leaderboard a missing task counts 0


@pytest.mark.parametrize(("model", "backend"), [("gpt2-tiny", "causal"), ("bert-tiny", "mlm")])
def test_foreign_models_on_real_data(shared_data, model, backend):
    real = shared_data / "evaluation_data"
    if not (real / "full_eval/glue_filtered").is_dir():
        pytest.skip("no GLUE data")
    task = load_task("rte")
    scorer = load_model.load_scorer(shared_data / "parity" / model, backend)
    items = task.items(real, 24)
    result = task.score(scorer, items, rules=2025, settings=settings(epochs=1, lr=3e-5))
    assert result.details["pooling"] == ("last" if backend == "causal" else "first")
    assert 0.2 < result.official < 0.8
    items = task.items(real)
    assert (len(items), len(items.train)) == (139, 2490)
    assert sum(item.label == 0 for item in items) == 75


def test_in_bf16_it_learns_too(data, scorer):
    task = load_task("rte")
    items = task.items(data)
    result = task.score(scorer, items, settings=settings(precision="bf16"))
    assert result.details["dtype"] == "bfloat16"
    assert result.official > max(0.95, result.details["constant_answer"])


def test_a_long_epoch_is_told(data, scorer, monkeypatch, capsys):
    monkeypatch.setattr(loop, "SLOW_EPOCH", 0.0)
    task = load_task("rte")
    task.score(scorer, task.items(data, 8), settings=settings(epochs=2))
    assert "rte seed 42: epoch 1 of 2, accuracy " in capsys.readouterr().out


def test_glue_stands_for_the_seven(data, causal_model, tokenizer_folder):
    assert expand(["blimp", "glue", "aoa"]) == ["blimp", *GLUE, "aoa"]
    own = settings(epochs=1, batch=8)
    found = suite.run(causal_model, tokenizer_folder, ["glue"], data=data, limit=8, settings=own)
    assert list(found) == list(GLUE)


def test_scoring_in_bf16_does_not_touch_fine_tuning(data, run_folder):
    """It begins with the stored weights, not with rounded ones, and its result has one name."""
    file = run_folder / "evaluation/main/rte.full.2026.tuned.json"
    scores = []
    for dtype in ("fp32", "bf16"):
        assert evaluate._command(words_of(run_folder, data, "tasks=rte", f"dtype={dtype}")) == 0
        scores.append(json.loads(file.read_text())["details"]["seeds"][0]["epochs"])
        file.unlink()
    assert scores[0] == scores[1]
