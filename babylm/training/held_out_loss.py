"""The loss on held-out text, by the objective's validation modes and by source: what recipes are chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from babylm.batches.feed import TokenBatch
from babylm.batches.stream import TokenStream
from babylm.evaluation.progress import Progress
from babylm.objectives import Objective
from babylm.randomness import Purpose, derive_seed

ROWS = 32
"""Rows whose masks are drawn together: another number would give other masks, and another loss."""
BATCH_TOKENS = {"cuda": 32_768}
"""Device type -> tokens per forward, in whole groups of `ROWS`, so that a GPU is not limited by kernel launches. A CPU
is as fast with one group."""


class HeldOutText:
    """Held-out documents, packed once in their order; their ``loss`` is a deterministic function of the weights."""

    def __init__(self, name: str, encoded: Any, *, bos: int, pad: int, sequence_length: int) -> None:
        self.name, self.sources = name, list(encoded.source_names)
        self.parts: dict[str, TokenBatch] = {}
        for index, source in enumerate(self.sources):
            stream = TokenStream(_only(encoded, index), bos=bos, pad=pad, seed=None)
            starts = np.arange(0, stream.epoch_length, sequence_length - 1)
            self.parts[source] = stream.rows(starts, sequence_length, stream.epoch_length)
        self.tokens = sum(rows.tokens.numel() for rows in self.parts.values())

    @torch.no_grad()
    def loss(
        self, network: torch.nn.Module, modes: Mapping[str, Objective], device: torch.device, tokens: int | None = None
    ) -> dict[str, dict[str, float]]:
        """Losses by source, and of ``all``: ``<mode>`` in nats per target, and ``causal_word`` in nats per word.

        ``tokens``: about how many to read, in evenly spaced rows of each source; None for all.
        """
        every = 1 if tokens is None else max(1, round(self.tokens / tokens))
        training = network.training
        total_rows = len(modes) * sum(len(part.tokens[::every]) for part in self.parts.values())
        progress = Progress(f"held-out loss ({self.name})", total_rows, "row")
        network.eval()
        results: dict[str, dict[str, float]] = {}
        whole: dict[str, list[float]] = {mode: [0.0, 0.0] for mode in modes}
        try:
            read = 0
            for source, whole_part in self.parts.items():
                rows = whole_part[::every]
                words = int(rows.words.sum())
                read += words
                results[source] = {}
                for mode, objective in modes.items():
                    total, targets = self._sum(network, objective, mode, rows, device, progress)
                    whole[mode] = [whole[mode][0] + total, whole[mode][1] + targets]
                    results[source][mode] = total / max(targets, 1)
                    if mode == "causal":
                        results[source]["causal_word"] = total / max(words, 1)
        finally:
            progress.bar.close()
            network.train(training)
        results["all"] = {mode: total / max(targets, 1) for mode, (total, targets) in whole.items()}
        if "causal" in whole:
            results["all"]["causal_word"] = whole["causal"][0] / max(read, 1)
        return results

    def _sum(
        self,
        network: Any,
        objective: Objective,
        mode: str,
        rows: TokenBatch,
        device: torch.device,
        progress: Progress,
    ) -> tuple[float, float]:
        count, length = rows.shape
        size = ROWS * max(1, BATCH_TOKENS.get(device.type, 0) // (ROWS * length))
        sums: list[torch.Tensor] = []
        for first in range(0, count, size):
            batch = rows[first : first + size].to(device)
            batch.first_row = first
            uniforms = []
            for start in range(first, min(first + size, count), ROWS):
                generator = torch.Generator(device).manual_seed(derive_seed(0, Purpose.MASKS, start))
                uniforms.append(objective.draw_uniforms(min(ROWS, count - start), length, generator))
            corrupted = objective.corrupt(batch, torch.cat(uniforms), 1.0)
            sums += objective.loss(network, corrupted).metrics[mode]
            progress.update(len(batch))
        # Copied to the host once: reading each batch's sum would make the device wait for the host.
        values = torch.stack([value.double() for value in sums]).tolist() if sums else []
        return sum(values[::2], 0.0), sum(values[1::2], 0.0)


def _only(encoded: Any, source: int) -> Any:
    """The documents of one source, as a corpus."""
    offsets = np.asarray(encoded.offsets)
    documents = np.flatnonzero(np.asarray(encoded.document_sources) == source)
    spans = [np.arange(offsets[i], offsets[i + 1]) for i in documents]
    token_indices = np.concatenate(spans) if spans else np.zeros(0, dtype=np.int64)
    lengths = np.array([len(span) for span in spans], dtype=np.int64)
    return _Part(
        np.asarray(encoded.tokens)[token_indices],
        np.asarray(encoded.words)[token_indices],
        np.concatenate(([0], np.cumsum(lengths))),
    )


class _Part:
    def __init__(self, tokens: Any, words: Any, offsets: Any) -> None:
        self.tokens, self.words, self.offsets = tokens, words, offsets
