"""Speed of generation: ours in turn with transformers' ``generate``, on the same model, prompts and number type.

    python benchmarks/generation_speed.py MODEL [--rounds 5] [--rows 64] [--new 64] [--threads 1] [--dtype float32]
                                          [--text FILE] [--cases "sampled,greedy mixed"]

``MODEL`` is an exported revision of about 9M parameters (``configs/laptop.yaml``, a few steps of it are enough to make
completions of different lengths). Cases:

* ``sampled``: temperature 1, top-k 50, top-p 0.9, log-probability and entropy of each token; both sides make the full
  number of tokens, so both do the same number of steps. transformers gives logits (``output_logits``), from which the
  figures are taken after each batch.
* ``sampled top-p``: the same without top-k.
* ``greedy equal``: prompts of equal length, the full number of tokens for every row, no figures.
* ``greedy mixed``: prompts of 4 to 48 tokens; rows end at a full stop, question or exclamation mark, a line's end or
  EOS: the token sequences of both sides are compared.

Turns are interleaved, so a busy machine slows both alike; ratios are medians over rounds, by the clock and by CPU time.
Prompts are beginnings of lines of ``--text``, or random tokens.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from babylm import generation
from babylm.generation import sampler


def main() -> None:
    """Run the cases and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--cases", default="sampled,sampled top-p,greedy equal,greedy mixed")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    loaded = generation.load(given.model, "auto")
    model = loaded.model.to(getattr(torch, given.dtype))
    ends = [token for token in range(len(loaded.tokenizer)) if _ends_sentence(loaded.tokenizer.decode([token]))]
    ends += [loaded.tokenizer.eos_token_id]
    equal = prompts(loaded.tokenizer, given.rows, 16, 16, given.text)
    mixed = prompts(loaded.tokenizer, given.rows, 4, 48, given.text)
    print(
        f"{model.num_parameters():,} parameters, {given.rows} rows, {given.new} new tokens, {given.dtype}, "
        f"{model.device}, {given.threads} threads, {given.rounds} rounds"
    )
    sampled = {"temperature": 1.0, "top_k": 50, "top_p": 0.9}
    cases: dict[str, tuple[list[list[int]], list[int], dict[str, Any]]] = {
        "sampled": (equal, [], sampled),
        "sampled top-p": (equal, [], {**sampled, "top_k": 0}),
        "greedy equal": (equal, [], {}),
        "greedy mixed": (mixed, ends, {}),
    }
    for name in given.cases.split(","):
        rows, stops, sampling = cases[name]
        our_side = partial(ours, model, rows, given.new, stops, **sampling)
        compare(name, our_side, partial(theirs, model, rows, given.new, stops, **sampling), given.rounds)


def _ends_sentence(text: str) -> bool:
    return text.strip(" ") in (".", "?", "!", "\n")


def prompts(tokenizer: Any, rows: int, shortest: int, longest: int, text: Path | None) -> list[list[int]]:
    """Token ids of ``rows`` prompts of ``shortest`` to ``longest`` tokens, BOS first."""
    generator = random.Random(0)
    lengths = [generator.randint(shortest, longest) for _ in range(rows)]
    bos = tokenizer.bos_token_id
    if text is None:
        return [[bos, *(generator.randrange(4, len(tokenizer)) for _ in range(length - 1))] for length in lengths]
    ids = tokenizer(text.read_text(encoding="utf-8")[:2_000_000], add_special_tokens=False)["input_ids"]
    starts = [generator.randrange(len(ids) - longest) for _ in lengths]
    return [[bos, *ids[start : start + length - 1]] for start, length in zip(starts, lengths, strict=True)]


def ours(model: Any, prompts: list[list[int]], new: int, ends: list[int], **sampling: Any) -> list[list[int]]:
    """Our sampler; greedy without ``sampling``."""
    made = sampler.sample(
        model,
        prompts,
        max_new_tokens=new,
        ends=ends,
        seeds=range(len(prompts)),
        with_figures=bool(sampling),
        **(sampling or {"temperature": 0}),
    )
    return [completion.ids for completion in made]


@torch.no_grad()
def theirs(model: Any, prompts: list[list[int]], new: int, ends: list[int], **sampling: Any) -> list[list[int]]:
    """transformers' generate, with the figures of each token where it samples."""
    width = max(map(len, prompts))
    ids = torch.tensor([[2] * (width - len(row)) + row for row in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=model.device)
    model.generation_config.eos_token_id = ends or None
    made = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=new,
        do_sample=bool(sampling),
        pad_token_id=2,
        output_logits=bool(sampling),
        return_dict_in_generate=True,
        **sampling,
    )
    tokens = made.sequences[:, width:]
    for step, logits in enumerate(made.logits if sampling else ()):
        log_probs = logits.float().log_softmax(-1)
        log_probs.gather(1, tokens[:, step, None]).tolist()
        (-(log_probs.exp() * log_probs).sum(-1)).tolist()
    rows = []
    for row in tokens.tolist():
        end = next((at for at, token in enumerate(row) if token in ends), len(row) - 1)
        rows.append(row[: end + 1])
    return rows


def compare(name: str, our_side: Callable[[], Any], their_side: Callable[[], Any], rounds: int) -> None:
    """Time both in turn; the first, untimed turn warms up and compares what is made."""
    first, second = our_side(), their_side()
    equal = sum(a == b for a, b in zip(first, second, strict=True))
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "transformers": []}
    for _ in range(rounds):
        for side, run in (("transformers", their_side), ("ours", our_side)):
            clock, cpu = time.perf_counter(), time.process_time()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[side].append((time.perf_counter() - clock, time.process_time() - cpu))
    pairs = list(zip(times["transformers"], times["ours"], strict=True))
    by_clock, by_cpu = (statistics.median(slow[kind] / fast[kind] for slow, fast in pairs) for kind in (0, 1))
    medians = {side: statistics.median(clock for clock, _ in values) for side, values in times.items()}
    speed = sum(map(len, first)) / medians["ours"]
    same = f"; {equal} of {len(first)} rows equal" if name.startswith("greedy") else ""
    print(
        f"{name:14} ours {medians['ours']:.3f} s ({speed:,.0f} tokens/s), transformers "
        f"{medians['transformers']:.3f} s: {by_clock:.2f} times by the clock, {by_cpu:.2f} by CPU time{same}",
        flush=True,
    )


if __name__ == "__main__":
    main()
