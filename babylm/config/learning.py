"""Settings of what is learnt and how: objective, optimizer, schedule, averaging of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from babylm.config.fields import number


@dataclass
class ObjectiveConfig:
    """Which tokens are predicted. An objective adds settings in its file (``babylm/objectives/<name>.py``).

    The methods are facts about the objective that need no torch; an objective overrides those that differ.
    """

    name: str = "hybrid"
    """A plug-in of ``babylm/objectives``: ``hybrid``, ``causal``, ``masked``, ..."""
    z_loss: float = number(1e-4, "[0, 100]")
    """Weight of the squared log-normaliser in the loss; 0: without it."""

    @property
    def prediction_mode(self) -> str:
        """How the trained model fills a mask, for its ``config.json``: ``causal`` (not at all), ``mntp`` or ``mlm``."""
        return "causal"

    @property
    def backend(self) -> str:
        """The backend by which the trained model is scored: ``causal``, ``mntp`` or ``mlm``."""
        return self.prediction_mode

    def head_fraction(self, progress: float) -> float:
        """Share of the positions whose logits are computed, for FLOPs; ``progress`` goes from 0 to 1."""
        return 1.0

    def check(self) -> None:
        """Raise ValueError, naming the keys, for settings that cannot be together."""

    def describe(self) -> str:
        """The objective in words, for a model card and the report."""
        return self.name


@dataclass
class OptimizerConfig:
    """Matrices of the body by ``name``; embeddings, head, gains and biases by Adam if ``name`` is ``muon``."""

    name: str = "muon"
    """``muon``, ``adamw`` or ``lamb`` (a plug-in of ``babylm/optimizers``)."""
    lr: float = number(0.02, "(0, 100]")
    """Highest learning rate."""
    weight_decay: float = number(0.1, "[0, 100]")
    """Decoupled and multiplied by the learning rate; never on gains and biases."""
    cautious_weight_decay: bool = True
    """``muon``: decay a weight only if the update has its sign."""
    normuon: bool = True
    """``muon``: scale the rows of the update to one norm (NorMuon)."""
    momentum: float = number(0.95, "[0, 1)")
    """``muon``: Nesterov momentum."""
    momentum_warmup: int = number(300, "[0, 1e9]")
    """``muon``: steps over which the momentum rises from 0.85."""
    newton_schulz_steps: int = number(5, "[1, 20]")
    """``muon``: iterations of the orthogonalisation."""
    betas: list[float] = number([0.9, 0.95], "[0, 1)")
    """Betas of Adam (``adamw``, ``lamb``, and the Adam part of ``muon``)."""
    eps: float = number(1e-10, "(0, 1]")
    """Added to Adam's denominator."""
    adam_lr: float = number(0.006, "(0, 100]")
    """``muon``: learning rate of the Adam part."""
    adam_weight_decay: float = number(0.0, "[0, 100]")
    """``muon``: weight decay of the Adam part."""
    max_grad_norm: float = number(2.0, "[0, 1e9]")
    """Largest global gradient norm; 0: no clipping."""


@dataclass
class ScheduleConfig:
    """Learning rate as a factor, a pure function of progress (``babylm/schedules.py``)."""

    name: Literal["trapezoid", "cosine", "linear", "constant"] = "trapezoid"
    """Shape over the run; ``trapezoid`` is warm-up, constant, linear cool-down."""
    warmup: float = number(0.016, "[0, 1]")
    """Share of all steps over which the rate rises from zero."""
    cooldown: float = number(0.5, "[0, 1]")
    """``trapezoid``: share of all steps over which it falls to ``final_lr_factor``."""
    final_lr_factor: float = number(0.0, "[0, 1]")
    """Factor at the end."""


@dataclass
class AveragingConfig:
    """Averages of the weights; revisions hold the average if there is one."""

    name: Literal["none", "ema", "tail"] = "none"
    """Exponential moving average, or the mean over the last share of the run."""
    decay: float = number(0.999, "[0, 1)")
    """``ema``: decay per step."""
    tail: float = number(0.2, "(0, 1]")
    """``tail``: share of all steps, at the end, that is averaged uniformly."""
    every: int = number(5, "[1, 1e6]")
    """Steps between updates of the average."""
