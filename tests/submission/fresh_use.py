"""What people do with exported folders, in a process that knows the folders alone: ``python fresh_use.py FOLDER...``.

Prints JSON: the version of transformers, and by folder the names of what went wrong.
"""

import json
import re
import sys
import warnings

import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

REMOTE = {"trust_remote_code": True}
GREEDY = {"max_new_tokens": 7, "do_sample": False, "eos_token_id": 10_000, "pad_token_id": 2}  # never ends by itself
BEAMS = {**GREEDY, "num_beams": 3, "num_return_sequences": 2}
SAMPLES = {**GREEDY, "do_sample": True, "temperature": 1.5, "top_k": 40}
CACHE = (
    "cache" if "cache" in transformers.modeling_outputs.CausalLMOutputWithPast.__annotations__ else "past_key_values"
)


@torch.no_grad()
def by_hand(model, ids, steps=7):
    """Repeated argmax over forwards of the whole text."""
    for _ in range(steps):
        ids = torch.cat((ids, model(input_ids=ids).logits[:, -1:].argmax(-1)), 1)
    return ids


def generation(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, **REMOTE).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **REMOTE)
    ids = tokenizer("the cat sat on", return_tensors="pt")["input_ids"]
    short = tokenizer("a dog", return_tensors="pt")["input_ids"]
    right = by_hand(model, ids)
    new = right[:, ids.shape[1] :]
    batch = tokenizer(["a dog", "the cat sat on"], return_tensors="pt", padding=True)
    assert batch["attention_mask"].min() == 0

    def sampled(**more):
        torch.manual_seed(0)
        return model.generate(ids, **SAMPLES, **more)

    def padded(**more):
        texts = model.generate(**batch, **GREEDY, **more)[:, batch["input_ids"].shape[1] :]
        return torch.equal(texts[1:], new) and torch.equal(texts[:1], by_hand(model, short)[:, short.shape[1] :])

    def continued():
        with torch.no_grad():
            output = model(input_ids=right[:, :9], use_cache=True)
        assert output[CACHE].get_seq_length() == 9
        after = model.generate(right[:, :10], **{CACHE: output[CACHE]}, **{**GREEDY, "max_new_tokens": 3})
        return torch.equal(after, by_hand(model, right[:, :10], 3))

    def both_names():
        with torch.no_grad():
            full = model(input_ids=ids).logits
            for name in ("cache", "past_key_values"):
                begun = model(input_ids=ids[:, :3], use_cache=True)[CACHE]
                rest = model(input_ids=ids[:, 3:], **{name: begun}, use_cache=True)
                if not torch.allclose(rest.logits, full[:, 3:], atol=1e-4) or rest[CACHE] is not begun:
                    return False
        return True

    def embedded():
        embeds = model.get_input_embeddings()(ids)
        return torch.equal(model.generate(inputs_embeds=embeds, attention_mask=torch.ones_like(ids), **GREEDY), new)

    def stopped():
        # Two characters of the continuation end it; not of a token that is a part of a character.
        end = re.search("[ -~]+", tokenizer.decode(new[0]))[0][:2]
        texts = model.generate(ids, stop_strings=[end], tokenizer=tokenizer, **GREEDY)
        text = tokenizer.decode(texts[0, ids.shape[1] :])
        return end in text and torch.equal(texts, right[:, : texts.shape[1]]) and texts.shape[1] < right.shape[1]

    def attentions():
        output = model.generate(ids, output_attentions=True, return_dict_in_generate=True, **GREEDY)
        shapes = [layers[0].shape[-1] for layers in output.attentions]
        return torch.equal(output.sequences, right) and shapes == list(range(ids.shape[1], right.shape[1]))

    def refused(error, **arguments):
        try:
            model(input_ids=ids, **arguments)
        except error:
            return True
        return False

    def no_static_cache():
        try:
            texts = model.generate(ids, cache_implementation="static", **GREEDY)
        except ValueError:
            return True
        return torch.equal(texts, right)

    return {
        "cache": lambda: torch.equal(model.generate(ids, **GREEDY), right),
        "no cache": lambda: torch.equal(model.generate(ids, use_cache=False, **GREEDY), right),
        "padded": padded,
        "padded, no cache": lambda: padded(use_cache=False),
        "beams": lambda: torch.equal(
            model.generate(**batch, **BEAMS), model.generate(**batch, use_cache=False, **BEAMS)
        ),
        "samples": lambda: torch.equal(sampled(), sampled(use_cache=False)),
        "look-up": lambda: torch.equal(
            model.generate(ids, prompt_lookup_num_tokens=3, **{**GREEDY, "max_new_tokens": 6}), right[:, :-1]
        ),
        "continued": continued,
        "both names": both_names,
        "embedded": embedded,
        "attentions": attentions,
        "stopped": stopped,
        "static cache": no_static_cache,
        "unknown name": lambda: refused(TypeError, past_kv=1),
        "token types": lambda: refused(ValueError, token_type_ids=torch.ones_like(ids)),
        "cache position": lambda: refused(ValueError, cache_position=torch.arange(1, 1 + ids.shape[1])),
        "zeros": lambda: not refused((TypeError, ValueError), token_type_ids=ids * 0, head_mask=None),
    }


def classes(folder):
    text = AutoTokenizer.from_pretrained(folder, **REMOTE)(["the cat sat", "a dog"], return_tensors="pt", padding=True)
    rows, length = text["input_ids"].shape

    def loss(kind, **labels):
        model = kind.from_pretrained(folder, num_labels=3, **REMOTE)
        model.gradient_checkpointing_enable()
        value = model.train()(**text, **labels).loss
        value.backward()
        trained = [weight for weight in model.parameters() if weight.grad is not None and weight.grad.abs().max() > 0]
        return bool(value.isfinite()) and len(trained) > 10

    labels = torch.tensor([0, 2])
    each = {
        AutoModelForSequenceClassification: {"labels": labels},
        AutoModelForTokenClassification: {"labels": labels[:, None].expand(rows, length)},
        AutoModelForQuestionAnswering: {"start_positions": labels, "end_positions": labels + 1},
        AutoModelForMaskedLM: {"labels": text["input_ids"]},
        AutoModelForCausalLM: {"labels": text["input_ids"]},
    }
    checks = {kind.__name__: lambda kind=kind, given=given: loss(kind, **given) for kind, given in each.items()}

    def configured():
        model = AutoModel.from_pretrained(
            folder, output_hidden_states=True, output_attentions=True, attn_implementation="eager", **REMOTE
        )
        output = model.eval()(**text)
        layers = model.config.num_hidden_layers
        return len(output.hidden_states) == layers + 1 and len(output.attentions) == layers

    return checks | {"configured": configured}


def pipelines(folder):
    def generated():
        made = pipeline("text-generation", model=folder, **REMOTE)
        ids = made.tokenizer("the cat sat on", return_tensors="pt")["input_ids"]
        right = made.tokenizer.decode(by_hand(made.model, ids)[0], skip_special_tokens=True)
        return made("the cat sat on", **GREEDY)[0]["generated_text"].strip() == right.strip()

    def filled():
        made = pipeline("fill-mask", model=folder, **REMOTE)
        return len(made(f"the {made.tokenizer.mask_token} sat")) == 5

    def classified(task):
        return bool(pipeline(task, model=folder, **REMOTE)("the cat sat"))

    tasks = ("text-classification", "token-classification", "feature-extraction")
    return {"text-generation": generated, "fill-mask": filled} | {
        task: lambda task=task: classified(task) for task in tasks
    }


def failures(checks):
    failed = []
    for name, check in checks.items():
        try:
            if not check():
                failed.append(name)
        except Exception as error:  # everything that goes wrong is reported at once
            failed.append(f"{name}: {type(error).__name__}: {error}")
    return failed


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    report = {"version": transformers.__version__}
    for number, folder in enumerate(sys.argv[1:]):
        checks = generation(folder)
        if number == 0:
            checks |= classes(folder) | pipelines(folder)
        report[folder] = failures(checks)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
