"""A revision is whole, says what it is, and gives a stranger's process the same logits under transformers 4 and 5."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from babylm import files, revisions
from babylm.config.schema import TokenizerConfig
from babylm.corpora import tokenizer as tokenizers
from babylm.models.modeling_babylm import BabyLMForMaskedLM
from babylm.submission import load_check
from tests.models.variants import VARIANTS, network
from tests.submission import fresh_use

VERSIONS = ["installed", *load_check.OVERLAYS]
TEXT = ["the cat sat on the mat. a dog saw the cat; the dog and the cat ran."] * 8


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizers.save(tokenizers.train(TEXT, TokenizerConfig(vocab_size=300, min_frequency=1)), folder)
    return folder


@pytest.fixture
def model(tokenizer_folder):
    return network(
        vocab_size=tokenizers.load(tokenizer_folder).get_vocab_size(), layer_connections="unet", logit_softcap=8.0
    )


@pytest.fixture
def saved(tmp_path, tokenizer_folder, model):
    revisions.save(tmp_path / "chck_1M", model, tokenizer_folder, {"words": 1_000_123, "step": 7})
    return tmp_path / "chck_1M"


def test_round_trip(saved, model):
    assert revisions.verify(saved) == []
    loaded, tokenizer = revisions.load(saved)
    assert not loaded.training
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ids = torch.tensor([tokenizer("the cat sat").input_ids])
    assert torch.equal(model(input_ids=ids).logits, loaded(input_ids=ids).logits)
    assert loaded.head.output.weight is loaded.model.embedding.weight


def test_facts_and_contents(saved):
    facts = revisions.facts(saved)
    assert (facts["words"], facts["step"]) == (1_000_123, 7)
    assert facts["weights_sha256"] == files.sha256_file(saved / "model.safetensors")
    for file in revisions.CODE.glob("*.py"):
        if file.name != "__init__.py":
            assert (saved / file.name).read_bytes() == file.read_bytes()
    stored = load_file(saved / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float32}
    assert "head.output.weight" not in stored
    assert facts["parameters"] == sum(weight.numel() for weight in stored.values())
    config = json.loads((saved / "config.json").read_text())
    assert config["architectures"] == ["BabyLMForCausalLM"]
    assert len(config["auto_map"]) == 7
    listed = json.loads((saved / "manifest.json").read_text())["files"]
    assert {file.name for file in saved.iterdir()} == {*listed, "manifest.json"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_round_trips(variant, tmp_path, tokenizer_folder):
    model = network(**VARIANTS[variant])
    revisions.save(tmp_path / "main", model, tokenizer_folder, {})
    loaded, _ = revisions.load(tmp_path / "main")
    ids = torch.arange(4, 30)[None]
    assert torch.equal(model(input_ids=ids).logits, loaded(input_ids=ids).logits)


def test_averaged_weights(tmp_path, tokenizer_folder, model):
    halved = {name: weight / 2 for name, weight in model.named_parameters()}
    revisions.save(tmp_path / "main", model, tokenizer_folder, {}, state_dict=halved)
    loaded, _ = revisions.load(tmp_path / "main")
    assert all(torch.equal(weight, halved[name]) for name, weight in loaded.named_parameters())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.update(extra=torch.zeros(1)), "unknown.*extra"),
        (lambda state: state.pop("model.blocks.1.attention.out.weight"), "missing.*attention.out.weight"),
        (lambda state: state["model.blocks.1.attention.out.weight"].fill_(torch.nan), "not finite"),
        (lambda state: state.update({"head.output.bias": torch.zeros(3)}), "shape"),
    ],
    ids=["unknown", "missing", "nan", "shape"],
)
def test_broken_weights_are_never_written(spoil, message, tmp_path, tokenizer_folder, model):
    state = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    spoil(state)
    with pytest.raises(ValueError, match=message):
        revisions.save(tmp_path / "main", model, tokenizer_folder, {}, state_dict=state)
    assert list(tmp_path.iterdir()) == []


def test_verify_finds_everything_at_once(saved):
    (saved / "config.json").unlink()
    (saved / "attention.py").write_text("changed")
    weights = bytearray((saved / "model.safetensors").read_bytes())
    weights[-3] ^= 1
    (saved / "model.safetensors").write_bytes(weights)
    problems = "\n".join(revisions.verify(saved))
    assert "config.json: missing" in problems
    assert "attention.py: 7 bytes" in problems
    assert "model.safetensors: its hash" in problems


def test_verify_finds_nan_and_a_missing_manifest(saved):
    weights = load_file(saved / "model.safetensors")
    weights["model.embedding.weight"][3, 3] = torch.nan
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"]["model.safetensors"]["sha256"] = files.sha256_file(saved / "model.safetensors")
    (saved / "manifest.json").write_text(json.dumps(manifest))
    assert revisions.verify(saved) == [f"{saved / 'model.safetensors'}: model.embedding.weight is not finite"]
    (saved / "manifest.json").unlink()
    assert "manifest.json" in revisions.verify(saved)[0]
    with pytest.raises(ValueError, match=r"manifest\.json: there is no such file"):
        revisions.load(saved)


def test_an_old_configuration_is_refused_with_the_command_that_converts_it(saved):
    config = json.loads((saved / "config.json").read_text())
    config["depth"] = config.pop("layer_connections")
    files.write_json(saved / "config.json", config)
    entries = json.loads((saved / "manifest.json").read_text())["files"]
    entries["config.json"] = {
        "bytes": (saved / "config.json").stat().st_size,
        "sha256": files.sha256_file(saved / "config.json"),
    }
    files.write_json(saved / "manifest.json", {"files": entries})
    with pytest.raises(ValueError, match=r"^config.json is from an older .* python -m babylm\.convert FOLDER"):
        revisions.load(saved)


def test_an_older_revision_is_replaced(saved, tokenizer_folder, model):
    revisions.save(saved, model, tokenizer_folder, {"words": 2})
    assert revisions.facts(saved)["words"] == 2
    assert revisions.verify(saved) == []
    assert [place.name for place in saved.parent.iterdir()] == ["chck_1M"]


@pytest.mark.parametrize("version", VERSIONS)
def test_export_matches(version, tmp_path, tokenizer_folder):
    """The same logits from a fresh process that knows the folders alone."""
    overlay = load_check.OVERLAYS.get(version)
    if overlay is not None and not (overlay / "transformers").is_dir():
        pytest.skip(f"no transformers {version} in {overlay} (make env puts it there)")
    vocabulary = tokenizers.load(tokenizer_folder).get_vocab_size()
    models = {name: network(vocab_size=vocabulary, **VARIANTS[name]) for name in ("default", "gpt-bert")}
    for name, model in models.items():
        model.generation_config.eos_token_id = None
        revisions.save(tmp_path / name, model, tokenizer_folder, {})
    loaded = load_check.outputs([tmp_path / name for name in models], overlay)
    assert version in ("installed", loaded.pop("version"))
    for name, model in models.items():
        _compare(model, loaded[str(tmp_path / name)])


@pytest.mark.parametrize("version", VERSIONS)
def test_what_people_do_with_a_folder_works(version, tmp_path, tokenizer_folder):
    """Generation in all its forms, every class, pipelines: in a fresh process that knows the folders alone."""
    overlay = load_check.OVERLAYS.get(version)
    if overlay is not None and not (overlay / "transformers").is_dir():
        pytest.skip(f"no transformers {version} in {overlay} (make env puts it there)")
    vocabulary = tokenizers.load(tokenizer_folder).get_vocab_size()
    folders = [tmp_path / name for name in ("default", "gpt-bert")]
    for folder in folders:
        revisions.save(folder, network(vocab_size=vocabulary, **VARIANTS[folder.name]), tokenizer_folder, {})
    done = load_check.run_apart([Path(fresh_use.__file__), *folders], tmp_path, overlay)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert version in ("installed", report.pop("version"))
    report.pop("version", None)
    assert report == {str(folder): [] for folder in folders}


def _compare(model, theirs):
    assert theirs["tied"]
    ids, mask = theirs["ids"], theirs["mask"]
    masked = BabyLMForMaskedLM(model.config).eval()
    masked.load_state_dict(model.state_dict())
    with torch.no_grad():
        ours = {
            "causal": model(input_ids=ids, attention_mask=mask).logits,
            "masked": masked(input_ids=ids, attention_mask=mask).logits,
            "hidden": masked.model(input_ids=ids, attention_mask=mask).last_hidden_state,
        }
    for name, expected in ours.items():
        assert (theirs[name] - expected).abs().max() <= 1e-5, name
    length = theirs["generated"].shape[1]
    mine = model.generate(ids[:1], attention_mask=mask[:1], max_new_tokens=6, do_sample=False)
    assert torch.equal(theirs["generated"], mine[:, :length])
