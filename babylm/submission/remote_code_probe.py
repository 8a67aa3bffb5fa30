"""Script that loads revisions without this package, in a separate process, with the remote code in their folders.

``python remote_code_probe.py OUT FOLDER...`` writes the outputs of each auto class for a fixed text to OUT, a torch
file. It runs the code in the folders.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoProcessor, AutoTokenizer

TEXTS = ("the cat sat on the mat.", "a dog saw")


def main() -> None:
    """The command line."""
    out, *folders = sys.argv[1:]
    torch.set_num_threads(1)
    torch.save({"version": transformers.__version__, **{folder: outputs(folder) for folder in folders}}, out)


def outputs(folder: str) -> dict[str, Any]:
    """Token ids, hidden states, both kinds of logits, and a few generated tokens."""
    remote = {"trust_remote_code": True}
    processor = AutoProcessor.from_pretrained(folder, padding_side="right", **remote)
    tokenizer = AutoTokenizer.from_pretrained(folder, **remote)
    texts = list(TEXTS)
    inputs = processor(text=texts, return_tensors="pt", padding=True, return_offsets_mapping=True)
    inputs.pop("offset_mapping")
    assert torch.equal(inputs["input_ids"], tokenizer(texts, return_tensors="pt", padding=True)["input_ids"])
    classes = [name for name in AutoConfig.from_pretrained(folder, **remote).auto_map if name != "AutoConfig"]
    loaded = {name: getattr(transformers, name).from_pretrained(folder, **remote).eval() for name in classes}
    assert "babylm.models" not in sys.modules, "the revision must not need the package"
    causal = loaded["AutoModelForCausalLM"]
    prompt = {name: value[:1] for name, value in inputs.items()}
    with torch.no_grad():
        results = {name: model(**inputs) for name, model in loaded.items()}
        generated = causal.generate(**prompt, max_new_tokens=6, do_sample=False)
    assert results["AutoModelForSequenceClassification"]["logits"].shape == (2, 2)
    return {
        "ids": inputs["input_ids"],
        "mask": inputs["attention_mask"],
        "hidden": results["AutoModel"]["last_hidden_state"],
        "causal": results["AutoModelForCausalLM"]["logits"],
        "masked": results["AutoModelForMaskedLM"]["logits"],
        "generated": generated,
        "tied": causal.get_output_embeddings().weight is causal.get_input_embeddings().weight,
    }


if __name__ == "__main__":
    main()
