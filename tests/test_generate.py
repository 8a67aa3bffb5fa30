"""Continuing texts: runs, revisions and foreign folders; the same text alone and in a batch; refusals in one line."""

from __future__ import annotations

import io
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import transformers

from babylm import generate, generation, revisions
from babylm.config.schema import TokenizerConfig
from babylm.corpora import tokenizer as tokenization
from babylm.generation import Sampling
from tests.models.variants import network
from tests.training import runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two revisions, of random weights."""
    folder = tmp_path_factory.mktemp("checkpoints") / "run"
    tokenizer = tmp_path_factory.mktemp("tokenizer")
    trained = tokenization.train(runs.sentences().split("\n"), TokenizerConfig(vocab_size=330))
    tokenization.save(trained, tokenizer)
    for number, name in enumerate(("chck_1K", "chck_2K", "main")):
        torch.manual_seed(number)
        model = network(vocab_size=trained.get_vocab_size(), max_position_embeddings=64)
        revisions.save(folder / name, model, tokenizer, {"words": 1, "objective": "hybrid"})
    return folder


@pytest.fixture(scope="module")
def gpt2(run, tmp_path_factory):
    """A foreign causal model of 32 learnt positions with our tokenizer."""
    folder = tmp_path_factory.mktemp("foreign") / "gpt2"
    torch.manual_seed(0)
    shape = transformers.GPT2Config(
        vocab_size=330, n_positions=32, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1
    )
    transformers.GPT2LMHeadModel(shape).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / "main" / file, folder)
    return folder


def command(*words, stdin=""):
    """The command in this process: exit code, stdout, stderr."""
    out, err, whole = io.StringIO(), io.StringIO(), (sys.stdin, sys.stdout, sys.stderr)
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(stdin), out, err
    try:
        code = generate._command([str(word) for word in words])
    finally:
        sys.stdin, sys.stdout, sys.stderr = whole
    return code, out.getvalue(), err.getvalue()


def test_a_run_gives_its_main_or_else_its_last_revision(run, tmp_path):
    code, out, err = command(run, "the dog", "max_new_tokens=5")
    assert (code, err) == (0, f"{run}/main (of 3 revisions)\n")
    assert out.startswith("the dog")
    assert command(run / "main", "the dog", "max_new_tokens=5") == (0, out, "")
    for name in ("chck_1K", "chck_2K"):
        shutil.copytree(run / name, tmp_path / "run" / name)
    assert f"{tmp_path}/run/chck_2K (of 2 revisions)" in command(tmp_path / "run", "a", "max_new_tokens=1")[2]


PROMPTS = ["the dog", "", "a small cat sees the red house and", "it"]


@pytest.mark.parametrize("where", ["run", "gpt2"])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_new_tokens=10, temperature=0),
        Sampling(max_new_tokens=10, num_return_sequences=3),
        Sampling(max_new_tokens=10, temperature=0.7, top_k=20, top_p=0.9, seed=5),
        Sampling(max_new_tokens=8, beams=3, num_return_sequences=2),
        Sampling(max_new_tokens=30, seed=2),
    ],
    ids=["greedy", "sampled", "warped", "beams", "long"],
)
def test_a_batch_gives_what_each_prompt_gives_alone(where, sampling, run, gpt2):
    generator = generation.load({"run": run / "main", "gpt2": gpt2}[where], "cpu")
    together = list(generator.continuations(PROMPTS, sampling))
    alone = [next(generator.continuations([prompt], sampling)) for prompt in PROMPTS]
    assert together == alone == list(generator.continuations(PROMPTS, sampling))
    assert all(len(texts) == sampling.num_return_sequences for texts in together)
    if sampling.num_return_sequences == 3:
        assert len(set(together[0])) == 3
        assert next(generator.continuations(PROMPTS, replace(sampling, seed=9))) != together[0]


def test_every_prompt_has_random_numbers_of_its_own(run):
    """With the same ones for all, texts after which much may come are all continued alike."""
    prompts = [f"the {a} {b}" for a in ("dog", "cat", "girl", "boy") for b in ("sees", "likes", "wants", "finds")]
    made = generation.load(run / "main", "cpu").continuations(prompts, Sampling(max_new_tokens=3))
    assert len({text for (text,) in made}) > 0.9 * len(prompts)


def test_prompts_come_from_the_words_or_line_by_line(run):
    options = ("max_new_tokens=5", "temperature=0")
    piped = command(run / "main", *options, stdin="the dog\n\na cat\n")
    assert piped == command(run / "main", "the dog", "", "a cat", *options)
    assert piped[1].startswith("the dog")
    assert command(run / "main", *options, "--", "x=1", "-y")[1].startswith("x=1")
    code, _, err = command(run / "main")
    assert code == 2
    assert "error: no prompt: give one" in err


def test_a_stop_ends_a_continuation_and_is_left_out(run):
    generator = generation.load(run / "main", "cpu")
    sampling = Sampling(max_new_tokens=20, temperature=0)
    ((whole,),) = generator.continuations(["the dog"], sampling)
    stop = whole[8:10]
    ((cut,),) = generator.continuations(["the dog"], replace(sampling, stop=stop))
    assert cut == whole.partition(stop)[0]
    assert generate.parse(["F", "stop=\\n"])[2]["stop"] == "\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}", "x", "max_new_token=3"], "unknown value 'max_new_token'; did you mean max_new_tokens"),
        (["{run}", "x", "--temperature=3"], "an option is written key=value"),
        (["{run}", "x", "temperature=hot"], "temperature: must be a number, not 'hot'"),
        (["{run}", "x", "top_k=1.5"], "top_k: must be a whole number, not '1.5'"),
        (["{run}", "x", "top_p=0"], "top_p: must be at least 0.001 and at most 1, not 0"),
        (["{run}", "x", "temperature=nan"], "temperature: must be at least 0"),
        (["{run}", "x", "max_new_tokens=0"], "max_new_tokens: must be at least 1"),
        (["{run}", "x", "device=gpu"], "device: unknown value 'gpu'"),
        (["{run}", "x", "beams=2", "top_p=0.5"], "beams=2 searches instead of sampling: leave top_p out"),
        (["{run}", "x", "beams=2", "num_return_sequences=3"], "a search with beams=2 has no more than 2 results"),
        (["{run}", "x", "temperature=0", "num_return_sequences=3"], "with temperature=0 all would be the same"),
        (["{run}x", "x"], "no folder {run}x; did you mean {run}?"),
        (["{run}/main/config.json", "x"], "{run}/main/config.json is a file, not a folder"),
    ],
)
def test_what_is_wrong_is_told_without_torch(words, said, run):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "babylm.generate", *(word.format(run=run) for word in words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said.format(run=run) in done.stderr
    assert not any(line.endswith((" torch", " transformers")) for line in done.stderr.splitlines())


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "babylm.generate", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "num_return_sequences=1" in done.stdout
    assert "\\n is a line's end" in done.stdout
    assert not any(line.endswith((" torch", " transformers")) for line in done.stderr.splitlines())


def test_a_prompt_that_is_too_long_is_refused_and_the_room_is_said(gpt2):
    code, out, err = command(gpt2, "it " * 31)
    assert (code, out) == (2, "")
    assert "tokens, and the model reads 32: shorten it by at least" in err
    code, _, err = command(gpt2, "the dog", "max_new_tokens=100")
    assert code == 0
    assert "note: the model reads 32 tokens, which leaves" in err


def test_a_damaged_revision_is_refused(run, tmp_path):
    shutil.copytree(run / "main", tmp_path / "main")
    data = bytearray((tmp_path / "main" / "model.safetensors").read_bytes())
    data[-5] ^= 1
    (tmp_path / "main" / "model.safetensors").write_bytes(bytes(data))
    code, _, err = command(tmp_path / "main", "x")
    assert code == 2
    assert "is damaged: " in err
    assert "model.safetensors" in err


def small(kind, **settings):
    torch.manual_seed(0)
    return kind(kind.config_class(vocab_size=330, **settings))


BERT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: small(transformers.BertForMaskedLM, **BERT), "BertForMaskedLM is a masked model"),
        (lambda: small(transformers.BertModel, **BERT), "its weights lack"),
        (
            lambda: small(
                transformers.T5ForConditionalGeneration, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2
            ),
            "a model of type t5 has an encoder",
        ),
    ],
    ids=["masked", "headless", "t5"],
)
def test_models_that_cannot_generate_are_refused(model, said, run, tmp_path):
    model().save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / "main" / file, tmp_path)
    code, out, err = command(tmp_path, "the dog")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_encoder_that_loads_as_causal_is_found_out(run, tmp_path):
    made = small(transformers.BertLMHeadModel, is_decoder=False, **BERT)
    made.save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / "main" / file, tmp_path)
    code, _, err = command(tmp_path, "the dog")
    assert code == 2
    assert "looks at the tokens to come, so it cannot generate" in err


def test_a_tokenizer_of_another_model_is_found_out(run, tmp_path):
    made = small(transformers.GPT2LMHeadModel, n_embd=32, n_layer=1, n_head=2)
    made.resize_token_embeddings(10)
    made.save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / "main" / file, tmp_path)
    code, _, err = command(tmp_path, "the dog")
    assert code == 2
    assert "belongs to another model" in err


def test_no_model_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = command(tmp_path / "empty", "x")
    assert code == 2
    assert "holds neither a model nor revisions" in err


def test_code_in_a_folder_of_ours_is_not_run_and_of_others_only_when_trusted(run, gpt2, tmp_path):
    shutil.copytree(run / "main", tmp_path / "ours")
    (tmp_path / "ours" / "manifest.json").unlink()
    (tmp_path / "ours" / "modeling_babylm.py").write_text("raise SystemExit('executed')")
    assert command(tmp_path / "ours", "the dog", "max_new_tokens=2")[0] == 0
    shutil.copytree(gpt2, tmp_path / "theirs")
    config = (gpt2 / "config.json").read_text().replace("{", '{"auto_map": {"AutoConfig": "code.Config"},', 1)
    (tmp_path / "theirs" / "config.json").write_text(config)
    (tmp_path / "theirs" / "code.py").write_text("raise ValueError('executed')")
    code, _, err = command(tmp_path / "theirs", "the dog")
    assert code == 2
    assert "this model brings code of its own; trust=true runs it" in err


def test_a_revision_of_masks_alone_is_warned_of(run, tmp_path):
    shutil.copytree(run / "main", tmp_path / "main")
    (tmp_path / "main" / "manifest.json").unlink()
    (tmp_path / "main" / "babylm.json").write_text('{"objective": "masked"}')
    code, _, err = command(tmp_path / "main", "x", "max_new_tokens=1")
    assert code == 0
    assert "was trained with masks alone and continues texts badly" in err


@pytest.mark.parametrize("end", [b"\x04", b"\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_a_chat_on_a_terminal_ends_quietly(run, end, root):
    process, terminal = pty.fork()
    if process == 0:
        words = ["-m", "babylm.generate", str(run / "main"), "max_new_tokens=4"]
        os.chdir(root)
        os.execv(sys.executable, [sys.executable, *words])
    seen, to_type, deadline = b"", [b"the dog\n", end], time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            # Quiet for a second: it waits for input. (What it says may look like a prompt, too.)
            if to_type and seen.endswith(b"> "):
                os.write(terminal, to_type.pop(0))
            continue
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        seen += read
    else:
        os.kill(process, signal.SIGKILL)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert b"Traceback" not in seen
    assert not to_type, seen


def test_a_piped_chat_keeps_what_was_said_as_far_as_it_fits(gpt2):
    code, out, err = command(gpt2, "chat=true", "max_new_tokens=6", stdin="the dog\n" + "it\n" * 12 + "it " * 40 + "\n")
    assert code == 0
    assert len(out.splitlines()) >= 13
    assert err.count("error: the prompt") == 1
