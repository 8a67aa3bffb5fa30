"""Every setting of a run, with its meaning, unit and default: the manual of the configuration files.

A configuration file sets any of these keys; a command line overrides them (``optimizer.lr=0.01``). Nothing else is a
setting. Values are checked in :mod:`babylm.config`, numbers against the interval of their field; this module
holds no logic and imports nothing heavy. The settings of evaluation are in
``babylm/config/evaluation.py``, those of objective and optimizer in ``babylm/config/learning.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from babylm.config.evaluation import EvaluationConfig
from babylm.config.evaluation import GlueConfig as GlueConfig
from babylm.config.evaluation import ReadingCsvConfig as ReadingCsvConfig
from babylm.config.fields import number, plugin_section
from babylm.config.interaction import InteractionConfig
from babylm.config.learning import AveragingConfig as AveragingConfig
from babylm.config.learning import ObjectiveConfig as ObjectiveConfig
from babylm.config.learning import OptimizerConfig as OptimizerConfig
from babylm.config.learning import ScheduleConfig as ScheduleConfig


@dataclass
class ToyConfig:
    """The text that the bundled grammar writes."""

    words: int = number(200_000, "[1, 1e8]")
    """Words to write (the last story may pass it by a few)."""
    seed: int = number(0, "[0, 9e15]")
    """Seed of the text."""
    errors: float = number(0.0, "[0, 1]")
    """``microlanguage``: share of the sentences that have an error."""
    lines: int = number(1, "[1, 1e6]")
    """``microlanguage``: sentences per document, one per line; dialogues need several."""


@dataclass
class CorpusConfig:
    """The training text and the held-out text beside it."""

    source: Literal["files", "hub", "toy", "microlanguage"] = "files"
    """``files``: local text; ``hub``: the same, downloaded when empty; ``toy``: the bundled grammar; ``microlanguage``:
    single sentences of a language whose grammar is exact, for interactions."""
    path: str = "corpora/strict_small"
    """Folder of ``*.train`` files, or else of ``*.txt`` files, packed (``.gz``) or not, with all folders below it; or
    one file. Relative to the working directory; ``~`` is your home."""
    hub_dataset: str | None = None
    """Dataset for ``hub``: an official name (``2026-strict-small``; ``babylm/corpora/hub.py``) or ``owner/name``."""
    dev: str | None = None
    """Held-out file, or folder of files, for the loss by milestone; never trained on, never counted."""
    test: str | None = None
    """Held-out file, or folder of files, for the final loss by source."""
    toy: ToyConfig = field(default_factory=ToyConfig)
    """``toy`` and ``microlanguage``: how much is written."""
    cleaning: list[str] = field(default_factory=list)
    """Names of cleaning functions, applied in this order; empty for official corpora. Those for CHAT transcripts,
    subtitles and Gutenberg's frames (``babylm/corpora/formats.py``) come first, then ``babylm/corpora/cleaning.py``."""
    documents: Literal["blocks", "lines"] = "blocks"
    """A document is a block between blank lines (``blocks``) or each line (``lines``); of held-out text too."""
    document_words: int = number(1000, "[8, 1e9]")
    """Longer documents are cut, at line ends if there are any, into documents of at most this many words."""
    rows: Literal["anywhere", "lines"] = "anywhere"
    """Rows of training text are cut anywhere, or end at the last line end that fits and begin with a line (``lines``):
    each word is still read once an epoch, and the rest of a row is padding."""
    prepared: str = "corpora/prepared"
    """Folder of packed corpora, one sub-folder per fingerprint."""


@dataclass
class TokenizerConfig:
    """A byte-level BPE trained on the training words alone."""

    vocab_size: int = number(16_384, "[300, 1e6]")
    """Entries, the special tokens included."""
    normalization: Literal["nfkc", "nfc", "none"] = "nfkc"
    """Unicode normalisation before splitting; a space is put before the text and after each newline in any case."""
    min_frequency: int = number(2, "[1, 1e9]")
    """A pair seen less often is not merged."""
    path: str | None = None
    """Use this ``tokenizer.json`` (of any kind, or its folder) instead of training one (its training text counts
    against the budget)."""
    bos: str | None = None
    """With ``path``: its token in front of each document, if that is not ``<s>``. A name that it lacks is added."""
    eos: str | None = None
    """The same for ``</s>``."""
    pad: str | None = None
    """The same for ``<pad>``; may be the EOS."""
    mask: str | None = None
    """The same for ``<mask>``."""
    unk: str | None = None
    """The same for ``<unk>``, which a byte-level vocabulary does without."""


@dataclass
class ModelConfig:
    """The transformer; the same names as in the exported ``config.json`` (`babylm.models.configuration_babylm`)."""

    preset: str | None = "small"
    """A shape from ``babylm/config/presets.py``; keys set beside it win."""
    hidden_size: int = number(384, "[4, 16384]")
    """Width of the hidden states."""
    num_hidden_layers: int = number(12, "[1, 1000]")
    """Transformer layers."""
    num_attention_heads: int = number(6, "[1, 4096]")
    """Heads of each attention layer; divides ``hidden_size``."""
    intermediate_size: int = number(1024, "[1, 65536]")
    """Inner width of the feed-forward part (of each half, when gated)."""
    max_position_embeddings: int = number(512, "[8, 1e6]")
    """Longest sequence; a rotary model accepts longer input, a ``relative`` one clips distances."""
    norm: Literal["rms", "layer"] = "rms"
    """Root-mean-square norm or LayerNorm."""
    norm_affine: bool = False
    """Learned gains (and biases for ``layer``) in the norms."""
    norm_eps: float = number(1e-5, "(0, 0.1]")
    """Added to the variance in a norm."""
    position: Literal["rotary", "relative"] = "rotary"
    """Rotary embedding (RoPE), or the bucketed relative bias of LTG-BERT."""
    partial_rotary_factor: float = number(0.5, "(0, 1]")
    """``rotary``: share of the dimensions of a head that are rotated (1: all)."""
    rope_theta: float = number(10_000.0, "[1, 1e9]")
    """``rotary``: base of the wavelengths."""
    position_buckets: int = number(32, "[2, 65536]")
    """``relative``: number of distance buckets."""
    qk_norm: bool = True
    """Norm of queries and keys."""
    activation: Literal["geglu", "swiglu", "relu2"] = "geglu"
    """Of the feed-forward part; ``relu2`` is not gated."""
    sub_norm: bool = False
    """A norm before the output projections of attention and feed-forward (as in GPT-BERT)."""
    attention_gate: Literal["none", "headwise", "elementwise"] = "headwise"
    """Sigmoid gate on the attention output: one value per head, or one per channel."""
    value_residual: bool = True
    """Mix the first layer's values into later layers with a learned weight."""
    x0_skip: bool = True
    """Add the embedding (x0) to the hidden states before each layer, with a learned weight."""
    layer_connections: Literal["standard", "unet", "denseformer"] = "standard"
    """``unet``: skips from the first to the second half; ``denseformer``: learned average of all earlier outputs."""
    tie_embeddings: bool = True
    """Input and output embedding share their weights."""
    head_transform: bool = False
    """Linear, GELU and norm before the output embedding."""
    logit_softcap: float = number(0.0, "[0, 1e6]")
    """Logits become ``cap * tanh(logits / cap)``; 0 for no cap."""
    dropout: float = number(0.1, "[0, 1)")
    """On the embedding and on the output of each branch."""
    attention_dropout: float = number(0.0, "[0, 1)")
    """Dropout on attention weights; only the backends ``eager`` and ``sdpa`` can do it."""
    initializer: Literal["scaled", "zero"] = "scaled"
    """Output projections of each branch: smaller by 1/sqrt(2 layers), or zero."""
    image_size: int = number(0, "[0, 1024]")
    """Pixels per side of pictures that the model can read, a multiple of 8; 0: none, and no image encoder."""
    item_pointer: bool = False
    """A pointer over the items of a row, added to the logits of their labels."""


@dataclass
class PhaseConfig:
    """A part of training with one shape."""

    until: float = number(1.0, "(0, 1]")
    """Ends when this share of the run's tokens has been read; the last phase has 1."""
    sequence_length: int = number(128, "[8, 1e6]")
    """Tokens per row, the BOS in front included."""
    tokens_per_step: int = number(16_384, "[8, 2147483648]")
    """Tokens per step, over all ranks and accumulated batches: a multiple of the sequence length."""


@dataclass
class BudgetConfig:
    """How much is read; the run ends at the smallest budget given. All null: the track's word budget."""

    words: int | None = number(None, "[1, 1e10]")
    """Words, repetitions counted."""
    epochs: float | None = number(None, "(0, 1000]")
    """Passes over the corpus."""
    flops: float | None = number(None, "(0, 1e22]")
    """Training FLOPs, by the formula of ``babylm/models/flops.py``."""


@dataclass
class TrainingConfig:
    """How the loop runs; nothing here changes what is learnt, up to rounding."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """``auto``: an NVIDIA GPU if torch sees one, else the CPU. Apple's GPUs (mps) are not supported."""
    devices: int | None = number(None, "[1, 4096]")
    """Devices of each node that share each step; null: as many as torchrun or srun has started processes, else 1."""
    nodes: int | None = number(None, "[1, 4096]")
    """Nodes with so many devices each; null: those on which torchrun or srun has started processes, else 1."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """Of several devices: every device has all parameters (``ddp``, ``auto``), or a shard of each (``fsdp``: FSDP2)."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """``auto``: bf16 on hardware that multiplies bf16 matrices, else fp32."""
    accumulate_grad_batches: int = number(1, "[1, 65536]")
    """Batches that a step is cut into, to save memory."""
    attention: Literal["auto", "eager", "sdpa", "flex", "varlen", "flash"] = "auto"
    """Attention backend of ``babylm/models/attention.py``; ``auto``: a rule of the kind of host
    (``babylm/training/attention_backend.py``)."""
    compile: bool = False
    """Compile the model's blocks and the loss with torch.compile, for training alone."""
    cuda_graphs: Literal["auto", True, False] = False
    """Capture each phase's step as a CUDA graph and replay it; ``auto``: where that is possible, with a line that says
    why not elsewhere. The capture has not been run on a GPU yet."""
    compile_cache: str = "checkpoints/.compiled"
    """Cache folder of compiled code, unless ``TORCHINDUCTOR_CACHE_DIR`` names one."""
    corpus_on_device: Literal["auto", True, False] = "auto"
    """Hold the whole corpus on the device and gather rows there. ``auto``: on a GPU, if it fits into a tenth of its
    memory."""
    workers: int = number(0, "[0, 1024]")
    """Loader processes."""
    threads: int | None = number(None, "[1, 1024]")
    """CPU threads for torch; null: torch's choice."""
    log_every: int | None = number(None, "[1, 1e9]")
    """Steps between two lines of the log, after the first step's; null: at most 50, and at least thirty lines."""
    checkpoint_minutes: float = number(10.0, "(0, inf]")
    """Minutes between two writes of ``last.ckpt``."""
    revisions: Literal["all", "none"] = "all"
    """Write the revisions at milestones, with a state before each, or (for sweeps) only ``main``."""
    dry_run: bool = False
    """Print the plan, run one batch, and stop."""
    deterministic: bool = False
    """Ask torch for deterministic kernels only (slower on a GPU; a CPU is deterministic anyway)."""


@dataclass
class LoggingConfig:
    """Loggers beside ``metrics.jsonl``, which is always written."""

    tensorboard: bool = False
    """Also write TensorBoard's event files into the run's folder."""
    wandb: str | None = None
    """Project name."""


@dataclass
class SubmissionConfig:
    """Text of the model card and the submission form that the run does not record."""

    repo: str | None = None
    """Hub repository, ``owner/name``."""
    license: str = "mit"
    """Licence of the weights, from the Hub's list (``mit``, ``apache-2.0``, ``cc-by-4.0``, ``other``, ...)."""
    description: str = ""
    """A paragraph about the model; empty: written from the run."""
    tags: list[str] = field(default_factory=list)
    """Further tags of the card, and the form's approach tags."""
    training_data: str = ""
    """Name of the corpus; empty: its folder or Hub name."""
    genre: str = ""
    """Genres of the training text."""
    languages: list[str] = field(default_factory=lambda: ["English"])
    """Languages of the training text: English names or ISO codes."""
    human_annotation: str = "none"
    """Human annotation that training used."""
    synthetic: str = "none"
    """Synthetic data or augmentation."""
    development_hours: float | None = number(None, "[0, 1e9]")
    """GPU-hours of development, the final training not counted."""
    notes: str = ""
    """Anything else for the form."""


@dataclass
class Config:
    """One run."""

    name: str = "run"
    """Folder under ``checkpoints``; letters, digits, _ and - (the official code cuts a name at its last dot)."""
    track: str = "strict-small"
    """``strict-small``, ``strict``, ``multimodal``, ``interaction`` or ``free`` (``babylm/tracks.py``)."""
    rules: Literal[2025, 2026] = number(2026, "[2025, 2026]")
    """Year of the rules."""
    seed: int = number(1, "[0, 9e15]")
    """Seed of weights, order, masks and dropout."""
    init_from: str | None = None
    """Weights to start from instead of random ones: a revision, a finished run, or a file of the same names and shapes.
    What they have read counts towards a track's budget."""
    checkpoints: str = "checkpoints"
    """Parent of the run's folder."""
    milestones: list[int] = number([], "[1, 1e10]")
    """Words read at each revision; empty: the track's list."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = plugin_section("objectives", ObjectiveConfig)
    optimizer: OptimizerConfig = plugin_section("optimizers", OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    phases: list[PhaseConfig] = field(default_factory=lambda: [PhaseConfig()])
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    interaction: InteractionConfig = field(default_factory=InteractionConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
