"""Agents that are models: a causal model by path with a cache over turns, and an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies._relational_episodes import Act, Row

if TYPE_CHECKING:
    from torch import Tensor

    from babylm.config.teaching import EndpointConfig
    from babylm.studies._subjects import Subject

INTRODUCTION = """\
A program solves tasks in a terminal. After each > it writes one line:
run COMMAND, read FILE, answer TEXT, or stop REASON.

Goal: Say how many lines fruit.txt has.
Files: fruit.txt
> run wc -l fruit.txt
4
> answer 4

Goal: Say the first line of cities.txt.
Files: cities.txt
> run head -n 1 cities.txt
error 1
> run head -n 1 cities.txt
error 1
> run head -n 1 cities.txt
error 1
> run head -n 1 cities.txt
error 1
> run head -n 1 cities.txt
Paris
> answer Paris

Goal: Say the sum of costs.txt.
Files: costs.txt
> run sum costs.txt
error 1
> run sum costs.txt
error 1
> run sum costs.txt
error 1
> run sum costs.txt
error 1
> run sum costs.txt
error 1
> read costs.txt
error 1
> run sum costs.txt
error 1
> stop no tool works

"""
"""What a model that has not learnt the REPL reads first: one episode that works, one repaired, one stopped."""
MAX_NEW_TOKENS = 16


class TurnCache:
    """A key-value cache over turns of different length: rows are padded on the left of each turn, and pads are masked.

    Two rows, turns of 3 and 1, then of 1 and 2 tokens (``.`` is a pad)::

        a b c . d
        . . e f g
    """

    def __init__(self, model: Any, rows: int) -> None:
        from babylm.models.modeling_babylm import BabyLMForCausalLM

        self.model, self.cache = model, None
        self.mask = torch.zeros(rows, 0, dtype=torch.int64, device=next(model.parameters()).device)
        self.last_alone = {} if isinstance(model, BabyLMForCausalLM) else {"logits_to_keep": 1}

    def extend(self, new: Sequence[Sequence[int]]) -> Tensor:
        """Float32 logits (rows, vocabulary) after more tokens; those of a row without new tokens mean nothing."""
        from babylm.models.arguments import CACHE

        width, device = max(map(len, new)), self.mask.device
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in new], device=device)
        added = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in new], device=device)
        self.mask = torch.cat([self.mask, added], 1)
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -width:]
        given: dict[str, Any] = {"position_ids": positions, CACHE: self.cache, **self.last_alone}
        with torch.no_grad():
            output = self.model(input_ids=ids, attention_mask=self.mask, use_cache=True, **given)
        self.cache = getattr(output, CACHE)
        return output.logits[:, -1].float()

    def keep(self, order: Sequence[int]) -> None:
        """Rows become those of ``order``; one may occur several times."""
        index = torch.tensor(list(order), device=self.mask.device)
        self.mask = self.mask[index]
        if self.cache is not None:
            self.cache.batch_select_indices(index)


class ModelAgent:
    """A causal model that continues the transcript after ``>`` up to the end of the line.

    The token at a place of a task is drawn with the same uniform number in all six conditions.
    """

    def __init__(self, subject: Subject, seed: int, temperature: float) -> None:
        self.subject, self.seed, self.temperature = subject, seed, temperature
        self.cache: TurnCache | None = None
        self.slots: list[int] = []
        """Row of each row of the cache."""
        self.said: dict[int, list[int]] = {}
        """Row -> tokens of its last action that are not in the cache yet."""

    def encode(self, text: str, begin: bool = False) -> list[int]:
        """Tokens of the subject's tokenizer."""
        return self.subject.ids(text, begin)

    def begin(self, rows: Sequence[Row]) -> None:
        """See `Agent`."""
        self.slots, self.said = list(range(len(rows))), {}
        self.cache = TurnCache(self.subject.model, len(rows))

    def fork(self, order: Sequence[int]) -> None:
        """See `Agent`."""
        assert self.cache is not None
        self.cache.keep([self.slots.index(row) for row in order])
        self.said = {number: self.said[row] for number, row in enumerate(order)}
        self.slots = list(range(len(order)))

    def act(self, rows: Sequence[Row], active: Sequence[int]) -> dict[int, Act]:
        """See `Agent`."""
        assert self.cache is not None
        stay = [slot for slot, row in enumerate(self.slots) if not rows[row].tool.over]
        if len(stay) < len(self.slots):
            self.cache.keep(stay)
            self.slots = [self.slots[slot] for slot in stay]
        going = set(active)
        new = [[*self.said.get(row, []), *rows[row].unread] if row in going else [] for row in self.slots]
        made: dict[int, list[int]] = {row: [] for row in active}
        entropies: dict[int, list[float]] = {row: [] for row in active}
        texts: dict[int, str] = dict.fromkeys(active, "")
        for step in range(MAX_NEW_TOKENS):
            logits = self.cache.extend(new)[[slot for slot, row in enumerate(self.slots) if row in going]]
            rows_going = [row for row in self.slots if row in going]
            tokens, entropy = self._draw(logits, [rows[row] for row in rows_going], step)
            drawn = dict(zip(rows_going, tokens, strict=True))
            for row, of_token in zip(rows_going, entropy, strict=True):
                entropies[row].append(of_token)
                ended = drawn[row] in self.subject.ends
                made[row] += [] if ended else [drawn[row]]
                texts[row] = self.subject.tokenizer.decode(made[row], skip_special_tokens=True)
                if ended or "\n" in texts[row]:
                    going.remove(row)
            if not going:
                break
            new = [[drawn[row]] if row in going else [] for row in self.slots]
        acts = {}
        for row in active:
            # All drawn tokens but the last have been fed to rows that went on.
            self.said[row] = made[row][len(entropies[row]) - 1 :]
            line, end, _ = texts[row].partition("\n")
            acts[row] = Act(line + end, made[row], float(np.mean(entropies[row])))
        return acts

    def _draw(self, logits: Tensor, rows: Sequence[Row], step: int) -> tuple[list[int], list[float]]:
        """A token and the entropy of the model's own distribution per row."""
        log_probs = logits.log_softmax(-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        if self.temperature == 0:
            return logits.argmax(-1).tolist(), entropy.tolist()
        mass = (logits / self.temperature).softmax(-1).double().cumsum(-1)  # (rows, vocabulary)
        seeds = [derive_seed(self.seed, Purpose.SAMPLING, row.task.number, len(row.tool.log), step) for row in rows]
        uniform = torch.tensor([np.random.default_rng(seed).random() for seed in seeds], dtype=torch.float64)
        below = uniform.to(mass.device)[:, None] * mass[:, -1:]
        return torch.searchsorted(mass, below, right=True).clamp(max=mass.shape[1] - 1)[:, 0].tolist(), entropy.tolist()


class EndpointAgent:
    """A model behind an OpenAI-compatible server, which reads the whole transcript each turn; behaviour alone."""

    def __init__(self, endpoint: EndpointConfig, seed: int, temperature: float) -> None:
        from babylm.config.teaching import key_of
        from babylm.interaction.teachers._http import JsonClient

        assert endpoint.url is not None
        self.endpoint, self.seed, self.temperature = endpoint, seed, temperature
        key = key_of(endpoint, "endpoint")
        self.client = JsonClient(
            endpoint.url, key, endpoint.timeout, endpoint.retries, endpoint.concurrency, setting="endpoint"
        )
        self._words: dict[str, int] = {}

    def encode(self, text: str, begin: bool = False) -> list[int]:
        """A number per word: the server's tokens are not known."""
        return [self._words.setdefault(word, len(self._words)) for word in text.split()]

    def begin(self, rows: Sequence[Row]) -> None:
        """Nothing is kept between turns."""

    def fork(self, order: Sequence[int]) -> None:
        """Nothing is kept between turns."""

    def act(self, rows: Sequence[Row], active: Sequence[int]) -> dict[int, Act]:
        """See `Agent`; questions are asked concurrently."""
        with ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            lines = list(pool.map(lambda number: self._ask(rows[number]), active))
        return {number: Act(line, self.encode(line)) for number, line in zip(active, lines, strict=True)}

    def _ask(self, row: Row) -> str:
        from babylm.interaction.teachers.endpoint import _chat_answer, _completion

        seed = derive_seed(self.seed, Purpose.SAMPLING, row.task.number, len(row.tool.log))
        body: dict[str, Any] = {"model": self.endpoint.model, "max_tokens": 2 * MAX_NEW_TOKENS}
        body |= {"temperature": self.temperature, "seed": seed % 2**31, "stop": ["\n"]}
        if self.endpoint.api == "chat":
            text = f"{row.text}\n\nWrite the next line after >, and nothing else."
            content = {**body, "stop": None, "messages": [{"role": "user", "content": text}]}
            answer = self.client.post("chat/completions", content, _chat_answer)
        else:
            answer = self.client.post("completions", {**body, "prompt": row.text}, _completion)
        lines = answer.strip().lstrip(">").strip().splitlines() or [""]
        return f" {lines[0].strip()}\n"
