"""The fine-tuning loop: AdamW, warm-up and cosine, validation after each epoch.

As in the official pipeline the best epoch on the validation set counts, and score and predictions are of that same set.
Predictions are made after every epoch, so the best ones are stored instead of the weights. On a CPU the same seed gives
the same result to the bit; the caller's random state is restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from babylm.console import Log, duration
from babylm.evaluation.finetuning import batches, metrics

LOWEST_RATE = 0.1
"""Last learning rate, as a share of the highest."""
READ_ROWS = 64
"""Rows read at once in validation."""
WIDTHS = 16
"""In bf16 the width of a batch is a multiple of this: a CPU caches kernels for every width, 10 MB each."""
SLOW_EPOCH = 20.0
"""Seconds; a longer epoch gets a line in the log."""


@dataclass(frozen=True)
class Split:
    """Encoded rows and their labels."""

    rows: list[list[int]]
    labels: np.ndarray
    """(rows,) int64."""

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens."""
        return np.array([len(row) for row in self.rows])


@dataclass(frozen=True)
class FinetuneSettings:
    """The hyperparameters of one fine-tuning."""

    epochs: int
    batch: int
    lr: float
    warmup: float
    weight_decay: float
    select: str
    """The metric (`metrics.METRICS`) that chooses the best epoch."""
    patience: int | None = None
    buckets: bool = True
    bf16: bool = False
    pad: int = 0
    longest: int | None = None
    """Tokens that the model reads at most."""


@dataclass(frozen=True)
class Outcome:
    """The result of one seed."""

    seed: int
    logits: np.ndarray
    """(validation rows, labels) float32, of the best epoch."""
    epoch: int
    """The best one, from 1."""
    epochs: list[dict[str, float]]
    """Validation metrics and mean training loss of each epoch."""
    steps: int
    tokens: int
    """Tokens trained on, repetitions counted, padding not."""
    padding: float
    """Share of padding in the training batches."""
    seconds: float
    """Spent in training steps."""


def finetune(
    build: Callable[[], nn.Module], train: Split, valid: Split, settings: FinetuneSettings, seed: int, name: str
) -> Outcome:
    """Train the model that ``build`` returns, and predict the validation set with its best epoch.

    ``build`` runs under the seed, so the seed decides the head too. ``name``: shown at the progress bar.
    """
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return _Finetuning(build(), train, valid, settings, seed, name).outcome()


class _Finetuning:
    def __init__(
        self, model: nn.Module, train: Split, valid: Split, settings: FinetuneSettings, seed: int, name: str
    ) -> None:
        self.model, self.train, self.valid, self.settings = model, train, valid, settings
        self.seed, self.name = seed, name
        self.device = next(model.parameters()).device
        self.total = max(1, len(train.rows) // settings.batch) * settings.epochs
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )
        self.scheduler = schedule(self.optimizer, settings.warmup, self.total)
        self.steps = self.tokens = self.padded_tokens = 0
        self.seconds = 0.0

    def outcome(self) -> Outcome:
        best, best_logits, history = -1, np.zeros(0), []
        # A progress bar on a terminal only.
        with tqdm(
            total=self.total, desc=f"{self.name} seed {self.seed}", unit="step", leave=False, disable=None
        ) as bar:
            for epoch in range(self.settings.epochs):
                begin = time.perf_counter()
                loss = self._epoch(epoch, bar)
                logits = self._predict()
                measures = metrics.measure(logits.argmax(1), self.valid.labels)
                history.append({**measures, "loss": loss})
                self._log_epoch(epoch, measures, time.perf_counter() - begin, bar)
                bar.set_postfix({self.settings.select: f"{measures[self.settings.select]:.3f}"})
                if best < 0 or measures[self.settings.select] > history[best][self.settings.select]:
                    best, best_logits = epoch, logits
                if self.settings.patience is not None and epoch - best >= self.settings.patience:
                    break
        padding = 1 - self.tokens / self.padded_tokens
        return Outcome(
            self.seed, best_logits, best + 1, history, self.steps, self.tokens, round(padding, 4), self.seconds
        )

    def _log_epoch(self, epoch: int, measures: dict[str, float], seconds: float, bar: tqdm) -> None:
        """Log a line if there is no progress bar and the epoch was long."""
        if bar.disable and seconds > SLOW_EPOCH:
            select = self.settings.select
            done = f"{self.name} seed {self.seed}: epoch {epoch + 1} of {self.settings.epochs}"
            Log()(f"  {done}, {select} {100 * measures[select]:.2f}, {duration(seconds)}")

    def _epoch(self, epoch: int, bar: tqdm) -> float:
        """One pass over the training set; returns the mean loss of its steps."""
        self.model.train()
        chosen = batches.epoch_batches(self.train.lengths, self.settings.batch, self.seed, epoch, self.settings.buckets)
        total = torch.zeros((), device=self.device)
        begin = time.perf_counter()
        for rows in chosen:
            labels = torch.from_numpy(self.train.labels[rows]).to(self.device)
            logits, mask = self._logits(self.train, rows)
            loss = F.cross_entropy(logits, labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            total += loss.detach()
            self.steps += 1
            self.padded_tokens += mask.numel()
            self.tokens += int(self.train.lengths[rows].sum())
            bar.update()
        mean = float(total) / len(chosen)
        self.seconds += time.perf_counter() - begin
        if not np.isfinite(mean):
            raise ValueError(f"{self.name}: the loss is not finite; try a lower glue.lr (now {self.settings.lr:g})")
        return mean

    @torch.no_grad()
    def _predict(self) -> np.ndarray:
        """(validation rows, labels) float32 logits."""
        self.model.eval()
        all_logits: np.ndarray | None = None
        for rows in batches.by_length(self.valid.lengths, READ_ROWS):
            logits = self._logits(self.valid, rows)[0].cpu().numpy()
            if all_logits is None:
                all_logits = np.zeros((len(self.valid.rows), logits.shape[1]), dtype=np.float32)
            all_logits[rows] = logits
        assert all_logits is not None
        return all_logits

    def _logits(self, split: Split, rows: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = batches.pad(
            [split.rows[k] for k in rows],
            self.settings.pad,
            self.device,
            WIDTHS if self.settings.bf16 else 1,
            self.settings.longest,
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            return self.model(ids, mask), mask


def schedule(optimizer: torch.optim.Optimizer, warmup: float, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The official learning rate: linear warm-up over the share ``warmup`` of the steps, then a cosine to a tenth."""
    from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

    return get_cosine_with_min_lr_schedule_with_warmup(optimizer, int(warmup * steps), steps, min_lr_rate=LOWEST_RATE)
