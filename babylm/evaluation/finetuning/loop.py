"""The fine-tuning itself: AdamW, a warm-up and a cosine, a look at the validation set after each epoch.

As in the official pipeline the best epoch on the validation set is the one that counts, and the score and the
predictions are of that same set. Since they are made after every epoch, the best epoch's are kept, not its weights.
On a CPU the same seed gives the same result to the bit; the caller's random state is left as it was.
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
"""Where the cosine ends, as a share of the highest learning rate."""
READ_ROWS = 64
"""Rows read at once in validation."""
WIDTHS = 16
"""In bf16 a batch is as wide as a multiple of this: a CPU keeps kernels for every width it has met, 10 MB each."""
SLOW_EPOCH = 20.0
"""Seconds from which on an epoch gets a line in the log."""


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
class Plan:
    """The numbers of one fine-tuning."""

    epochs: int
    batch: int
    lr: float
    warmup: float
    weight_decay: float
    select: str
    """The metric (`metrics.METRICS`) by which an epoch is better than another."""
    patience: int | None = None
    buckets: bool = True
    bf16: bool = False
    pad: int = 0
    longest: int | None = None
    """Tokens that the model can read at most."""


@dataclass(frozen=True)
class Outcome:
    """What came of one seed."""

    seed: int
    logits: np.ndarray
    """(validation rows, labels) float32, of the best epoch."""
    epoch: int
    """The best one, from 1."""
    epochs: list[dict[str, float]]
    """Metrics of the validation set and mean training loss after each epoch that was run."""
    steps: int
    tokens: int
    """Real tokens that were trained on, repetitions counted."""
    padding: float
    """Share of padding in what was trained on."""
    seconds: float
    """Spent in training steps."""


def finetune(build: Callable[[], nn.Module], train: Split, valid: Split, plan: Plan, seed: int, name: str) -> Outcome:
    """Train the model that ``build`` makes and keep what its best epoch answers; ``name`` stands at the bar.

    ``build`` runs under the seed, so a head it makes is the seed's own.
    """
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return _Run(build(), train, valid, plan, seed, name).outcome()


class _Run:
    def __init__(self, model: nn.Module, train: Split, valid: Split, plan: Plan, seed: int, name: str) -> None:
        self.model, self.train, self.valid, self.plan = model, train, valid, plan
        self.seed, self.name = seed, name
        self.device = next(model.parameters()).device
        self.total = max(1, len(train.rows) // plan.batch) * plan.epochs
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, weight_decay=plan.weight_decay, fused=True)
        self.scheduler = schedule(self.optimizer, plan.warmup, self.total)
        self.steps = self.tokens = self.places = 0
        self.seconds = 0.0

    def outcome(self) -> Outcome:
        best, best_logits, history = -1, np.zeros(0), []
        # A progress bar on a terminal only.
        with tqdm(
            total=self.total, desc=f"{self.name} seed {self.seed}", unit="step", leave=False, disable=None
        ) as bar:
            for epoch in range(self.plan.epochs):
                begin = time.perf_counter()
                loss = self._epoch(epoch, bar)
                logits = self._read()
                found = metrics.measure(logits.argmax(1), self.valid.labels)
                history.append({**found, "loss": loss})
                self._say(epoch, found, time.perf_counter() - begin, bar)
                bar.set_postfix({self.plan.select: f"{found[self.plan.select]:.3f}"})
                if best < 0 or found[self.plan.select] > history[best][self.plan.select]:
                    best, best_logits = epoch, logits
                if self.plan.patience is not None and epoch - best >= self.plan.patience:
                    break
        padding = 1 - self.tokens / self.places
        return Outcome(
            self.seed, best_logits, best + 1, history, self.steps, self.tokens, round(padding, 4), self.seconds
        )

    def _say(self, epoch: int, found: dict[str, float], seconds: float, bar: tqdm) -> None:
        """A line where there is no bar and one would wait long for the next."""
        if bar.disable and seconds > SLOW_EPOCH:
            select = self.plan.select
            done = f"{self.name} seed {self.seed}: epoch {epoch + 1} of {self.plan.epochs}"
            Log()(f"  {done}, {select} {100 * found[select]:.2f}, {duration(seconds)}")

    def _epoch(self, epoch: int, bar: tqdm) -> float:
        """One pass over the training set; returns the mean loss of its steps."""
        self.model.train()
        chosen = batches.epoch_batches(self.train.lengths, self.plan.batch, self.seed, epoch, self.plan.buckets)
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
            self.places += mask.numel()
            self.tokens += int(self.train.lengths[rows].sum())
            bar.update()
        mean = float(total) / len(chosen)
        self.seconds += time.perf_counter() - begin
        if not np.isfinite(mean):
            raise ValueError(f"{self.name}: the loss is not finite; try a lower glue.lr (now {self.plan.lr:g})")
        return mean

    @torch.no_grad()
    def _read(self) -> np.ndarray:
        self.model.eval()
        found: np.ndarray | None = None
        for rows in batches.by_length(self.valid.lengths, READ_ROWS):
            logits = self._logits(self.valid, rows)[0].cpu().numpy()
            if found is None:
                found = np.zeros((len(self.valid.rows), logits.shape[1]), dtype=np.float32)
            found[rows] = logits
        assert found is not None
        return found

    def _logits(self, split: Split, rows: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = batches.pad(
            [split.rows[k] for k in rows],
            self.plan.pad,
            self.device,
            WIDTHS if self.plan.bf16 else 1,
            self.plan.longest,
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            return self.model(ids, mask), mask


def schedule(optimizer: torch.optim.Optimizer, warmup: float, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The official learning rate: up from 0 over the share ``warmup`` of the steps, then a cosine to a tenth."""
    from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

    return get_cosine_with_min_lr_schedule_with_warmup(optimizer, int(warmup * steps), steps, min_lr_rate=LOWEST_RATE)
