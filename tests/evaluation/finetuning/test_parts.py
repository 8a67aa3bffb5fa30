"""Metrics, batches and the head, each against what it should be by hand."""

import numpy as np
import pytest
import torch

from babylm.evaluation.finetuning import batches, classifier, loop, metrics

ANSWERS = np.array([1, 1, 0, 0, 1, 0, 1, 1, 0, 0])
LABELS = np.array([1, 0, 0, 1, 1, 0, 1, 1, 1, 0])


def test_metrics_by_hand():
    right, called, missed, left = 4, 1, 2, 3  # of class 1: found, wrongly called, missed; of class 0: found
    found = metrics.measure(ANSWERS, LABELS)
    assert found["accuracy"] == (right + left) / 10
    precision, recall = right / (right + called), right / (right + missed)
    assert found["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    product = (right + called) * (right + missed) * (left + called) * (left + missed)
    assert found["mcc"] == pytest.approx((right * left - called * missed) / product**0.5)


def test_metrics_equal_those_of_scikit_learn():
    theirs = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    for classes in (2, 3):
        answers, labels = generator.integers(0, classes, (2, 50))
        found = metrics.measure(answers, labels)
        assert found["mcc"] == pytest.approx(theirs.matthews_corrcoef(labels, answers))
        assert found["accuracy"] == pytest.approx(theirs.accuracy_score(labels, answers))
        assert ("f1" in found) == (classes == 2)
        if classes == 2:
            assert found["f1"] == pytest.approx(theirs.f1_score(labels, answers))


@pytest.mark.parametrize(("answer", "f1"), [(0, 0.0), (1, 0.75)])
def test_constant_answers_have_no_correlation(answer, f1):
    found = metrics.measure(np.full(10, answer), LABELS)
    assert found["mcc"] == 0
    assert found["f1"] == f1
    assert metrics.f1(np.zeros(3), np.zeros(3)) == 0


def test_batches_hold_rows_of_about_one_length():
    lengths = np.random.default_rng(1).integers(5, 200, 1003)
    plain = batches.epoch_batches(lengths, 16, seed=3, epoch=2, buckets=False)
    own = batches.epoch_batches(lengths, 16, seed=3, epoch=2)
    for made in (plain, own):
        assert [len(batch) for batch in made] == [16] * 62
        assert len(set(np.concatenate(made))) == 62 * 16  # no row twice
    assert set(np.concatenate(plain)) == set(np.concatenate(own))  # buckets change the company, not the rows

    def padding(made):
        return 1 - sum(lengths[b].sum() for b in made) / sum(lengths[b].max() * len(b) for b in made)

    assert padding(plain) > 0.4
    assert padding(own) < 0.05
    longest = [lengths[b].max() for b in own]
    assert longest != sorted(longest)  # the short ones do not come first


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = np.arange(100) % 17 + 1
    first = batches.epoch_batches(lengths, 8, 1, 0)
    again = batches.epoch_batches(lengths, 8, 1, 0)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    for seed, epoch in ((1, 1), (2, 0)):
        other = batches.epoch_batches(lengths, 8, seed, epoch)
        assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert [len(batch) for batch in batches.epoch_batches(lengths[:5], 8, 1, 0)] == [5]
    assert sorted(np.concatenate(batches.by_length(lengths, 30))) == list(range(100))


def test_padding():
    ids, mask = batches.pad([[5, 6, 7], [8]], 0, torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    widths = [batches.pad([[1] * n], 0, torch.device("cpu"), 4, 10)[0].shape[1] for n in (3, 4, 5, 9, 10)]
    assert widths == [4, 4, 8, 10, 10]


@pytest.mark.parametrize("pooling", ["first", "last"])
@pytest.mark.parametrize("which", ["causal_model", "masked_model", "bert", "gpt2"])
def test_a_row_has_the_same_logits_alone_and_padded(which, pooling, request):
    encoder = foreign(which) if which in ("bert", "gpt2") else request.getfixturevalue(which).base_model
    torch.manual_seed(1)
    model = classifier.Classifier(encoder, 32, 3, pooling, dropout=0.1).eval()
    rows = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17]]
    with torch.no_grad():
        together = model(*batches.pad(rows, 0, torch.device("cpu")))
        for row, logits in zip(rows, together, strict=True):
            alone = model(*batches.pad([row], 0, torch.device("cpu")))[0]
            torch.testing.assert_close(logits, alone, atol=1e-5, rtol=1e-5)
        # What is not padding decides: the token that is pooled, whatever stands in the padding.
        ids, mask = batches.pad(rows, 9, torch.device("cpu"))
        torch.testing.assert_close(model(ids, mask), together, atol=1e-5, rtol=1e-5)


def foreign(which):
    """A random model of transformers' own."""
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    torch.manual_seed(0)
    if which == "gpt2":
        return GPT2Model(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2, n_positions=32)).eval()
    config = BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.mark.parametrize("which", ["ours", "bert", "gpt2"])
def test_plain_attention_computes_the_same(which, causal_model):
    encoder = causal_model.base_model if which == "ours" else foreign(which)
    torch.manual_seed(0)
    ids = torch.randint(5, 40, (3, 12))
    mask = (torch.arange(12) < torch.tensor([[12], [7], [1]])).long()
    kernels = []

    def called(model):
        with torch.profiler.profile() as profile:
            found = classifier.states(model(input_ids=ids, attention_mask=mask))
        kernels.append(any("scaled_dot_product" in event.key for event in profile.key_averages()))
        return found[mask.bool()]

    own = classifier.copied(encoder)
    classifier.plain_attention(own)
    torch.testing.assert_close(called(own), called(encoder), atol=1e-5, rtol=1e-5)
    chooses = hasattr(own, "set_attention") or hasattr(own, "set_attn_implementation")  # newer transformers
    assert kernels == [not chooses, True]  # and the model that was copied keeps its own way


def test_who_sees_what_comes_after_is_found_by_trying(causal_model):
    device = torch.device("cpu")
    assert classifier.probe(foreign("bert"), device) == (32, True)
    assert classifier.probe(foreign("gpt2"), device) == (32, False)
    # Ours says in its configuration how the encoder attends.
    assert classifier.probe(causal_model.base_model, device) == (32, causal_model.config.prediction_mode != "causal")


@pytest.mark.parametrize(
    ("wanted", "rules", "is_bidirectional", "expected"),
    [
        ("auto", 2026, True, "last"), ("auto", 2026, False, "last"), ("auto", 2025, True, "first"),
        ("auto", 2025, False, "last"), ("first", 2026, True, "first"), ("last", 2025, True, "last"),
    ],
)  # fmt: skip
def test_pooling_by_the_rules(wanted, rules, is_bidirectional, expected):
    assert classifier.pooling_of(wanted, rules, is_bidirectional) == expected


def test_the_first_token_of_a_model_that_only_looks_back_is_warned_of(caplog):
    assert classifier.pooling_of("first", 2025, is_bidirectional=False) == "first"
    assert "has seen no other" in caplog.text


def test_the_learning_rate_is_the_official_one():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = loop.schedule(optimizer, 0.1, 100)
    rates = []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates[:11] == pytest.approx([k / 10 for k in range(11)])
    assert rates[55] == pytest.approx(0.55)
    assert scheduler.get_last_lr()[0] == pytest.approx(0.1)
    assert (np.diff(rates[10:]) < 0).all()
