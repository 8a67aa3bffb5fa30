"""Log-probabilities of text under a causal or masked model.

The tokens that count, and the three backends, are those of the official pipeline:

* a token is scored when it ends after the completion begins, so special tokens (which end at 0) never are;
* ``causal``: a token given the ones before it; the first of a text without BOS has no score;
* ``mlm``: a token given all others, itself replaced by the mask (pseudo-log-likelihood, one copy of the text per
token);
* ``mntp``: the same copies, read one position earlier (masked next-token prediction).

Unusual: texts with the same tokens are scored once, so a tie is a tie to the bit; a causal model reads the common
prefix of several texts once (`babylm.evaluation.scoring.prefix_tree`). Rows are sorted by length and batched by tokens,
and only scored positions go through the softmax, in fp32 whatever the model computes in.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from babylm import files, registry
from babylm.evaluation.progress import Progress
from babylm.evaluation.scoring import limits, prefix_tree
from babylm.evaluation.scoring.log_probs import LogProbModel

BACKENDS = ("causal", "mntp", "mlm")
BATCH_TOKENS = {"cpu": 2048, "cuda": 32_768}
"""Tokens per batch: enough to fill the machine, few enough for its caches."""
WORTH_A_TREE = 0.25
"""Share of tokens that trees must save to be used."""
KEPT_TEXTS = 800_000
"""Encoded texts cached for the next model with the same tokenizer."""


@dataclass(frozen=True)
class SequenceLogProbs:
    """Log-probabilities of texts, one entry per text."""

    log_probability: np.ndarray
    """(texts,) float64, nats: sum over the scored tokens; NaN if the model gave NaN."""
    tokens: np.ndarray
    """(texts,) int64: number of scored tokens."""


@dataclass(frozen=True)
class Surprisal:
    """Negative log-probability of each token of a text."""

    tokens: list[str]
    offsets: list[tuple[int, int]]
    """First and past-the-last character of each token in the text."""
    nats: np.ndarray
    """(tokens,) float64; NaN for tokens without a score (special tokens, a first token without BOS)."""


class ScoredText(NamedTuple):
    """The tokens of a text, and the positions of those that are scored: all that a score depends on."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]


class _Batch(NamedTuple):
    """Rows of about one length, and the answers wanted from them."""

    ids: np.ndarray
    lengths: np.ndarray
    at: np.ndarray
    targets: np.ndarray
    answers: np.ndarray
    """Index of each answer among those of all batches."""


_ENCODED: OrderedDict[tuple[str, str], list[ScoredText]] = OrderedDict()
"""Encoded texts by tokenizer and items: revisions of a run share both."""


class Scorer:
    """Scores text with a Hugging Face style model and a fast tokenizer.

    ``model(input_ids=, attention_mask=)`` returns ``["logits"]`` (rows, length, vocabulary); if its forward also takes
    ``target_positions`` (flat), only those are computed. The model stays on its device and its mode is restored.
    """

    def __init__(self, model: Any, tokenizer: Any, backend: str = "causal", batch_tokens: int | None = None) -> None:
        self.backend = registry.check(backend, BACKENDS, "evaluation.backend")
        self.model, self.tokenizer = model, tokenizer
        self.log_prob_model = LogProbModel(model)
        self.device = self.log_prob_model.device
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(self.device.type, 2048)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError("scoring needs a fast tokenizer: token offsets say which tokens count")
        if backend != "causal" and tokenizer.mask_token_id is None:
            raise ValueError(f"evaluation.backend={backend}: the tokenizer has no mask token")
        self.returns_token_type_ids = _returns_token_type_ids(tokenizer)
        """Whether the tokenizer returns ``token_type_ids`` in the transformers of the official pipeline."""
        size = self.log_prob_model.entries
        if backend != "causal" and size is not None and tokenizer.mask_token_id >= size:
            raise ValueError(
                f"the mask token {tokenizer.mask_token!r} has the id {tokenizer.mask_token_id}, and the embedding has "
                f"{size} entries: the model was not trained with masks; score it with backend=causal"
            )
        spare = tokenizer.eos_token_id if backend == "causal" else tokenizer.cls_token_id
        ids = (tokenizer.pad_token_id, spare, 0)
        self.pad = next(i for i in ids if i is not None and (size is None or i < size))
        self.task = ""
        """Name at the progress bar."""
        described = tokenizer.backend_tokenizer.to_str() + backend
        self.identity = hashlib.sha256(described.encode()).hexdigest()

    def sequence_log_probs(self, items: Sequence[tuple[str, str]]) -> SequenceLogProbs:
        """Log-probabilities of (sentence, completion) pairs; the completion is the end of the sentence that counts."""
        for sentence, completion in items:
            assert sentence.endswith(completion), (sentence, completion)
        texts = self.encoded(items)
        unique = list(dict.fromkeys(texts))
        sums = {text: float(values.sum()) for text, values in zip(unique, self.log_probs(unique), strict=True)}
        total = np.array([sums[text] for text in texts], dtype=np.float64)
        return SequenceLogProbs(total, np.array([len(text.positions) for text in texts], dtype=np.int64))

    def surprisals(self, sentences: Sequence[str]) -> list[Surprisal]:
        """The surprisal of every token of each sentence."""
        texts, offsets = self._encode(sentences, [0] * len(sentences))
        result = []
        for text, spans, values in zip(texts, offsets, self.log_probs(texts), strict=True):
            nats = np.full(len(text.ids), np.nan)
            nats[list(text.positions)] = -values
            tokens = self.tokenizer.convert_ids_to_tokens(list(text.ids))
            result.append(Surprisal(tokens, [tuple(span) for span in spans], nats))
        return result

    def _encode(self, sentences: Sequence[str], starts: Sequence[int]) -> tuple[list[ScoredText], list[Any]]:
        if not sentences:
            return [], []
        unused = {"return_attention_mask": False, "return_token_type_ids": False}
        encoded = self.tokenizer(list(sentences), return_offsets_mapping=True, **unused)
        # Nothing precedes the first token. (The official MNTP reader takes the row's end there when a BOS is defined
        # but not inserted; that is its bug, not a score.)
        first = 0 if self.backend == "mlm" else 1
        texts = []
        for ids, offsets, start in zip(encoded["input_ids"], encoded["offset_mapping"], starts, strict=True):
            positions = tuple(k for k, (_, end) in enumerate(offsets) if end > start and k >= first)
            texts.append(ScoredText(tuple(ids), positions))
        return texts, encoded["offset_mapping"]

    def encoded(self, items: Sequence[tuple[str, str]]) -> list[ScoredText]:
        """The tokens of (sentence, completion) pairs, cached for the next model with this tokenizer."""
        key = (self.identity, files.sha256_json(items))
        if key not in _ENCODED:
            starts = [len(sentence) - len(completion) for sentence, completion in items]
            _ENCODED[key] = self._encode([sentence for sentence, _ in items], starts)[0]
            while len(_ENCODED) > 1 and sum(map(len, _ENCODED.values())) > KEPT_TEXTS:
                _ENCODED.popitem(last=False)
        _ENCODED.move_to_end(key)
        return _ENCODED[key]

    def check(self, texts: Sequence[ScoredText], named: Callable[[int], str] | None = None) -> None:
        """`limits.BeyondModel` for a text that the model cannot read; ``named`` gives a text's name by its number."""
        unread = 1 if self.backend == "causal" else 0  # nothing is predicted from the last token
        limits.check(self.log_prob_model, self.tokenizer, [text.ids for text in texts], unread, named)

    @torch.no_grad()
    def log_probs(self, texts: Sequence[ScoredText], *, types: bool = False) -> list[np.ndarray]:
        """Log-probability (float64, in nats) of each scored token of each text.

        ``types``: also pass ``token_type_ids`` (all 0) if model and tokenizer know them, as the official reading task
        does (and no other).

        Raises: `limits.BeyondModel` for a text that the model cannot read.
        """
        if not texts:
            return []
        self.check(texts)
        counts = [len(text.positions) for text in texts]
        values = np.zeros(sum(counts), dtype=np.float64)
        types = types and self.log_prob_model.takes_types and self.returns_token_type_ids
        training = self.model.training
        self.model.eval()
        try:
            packs = self._packs(texts) if self.backend == "causal" else None
            with Progress(self.task or "scoring", len(values), "token") as progress:
                if packs is not None:
                    for answers, log_probs in self._score_trees(texts, packs, types):
                        values[answers] = log_probs
                        progress.update(len(answers))
                else:
                    for batch in self._batches(texts):
                        values[batch.answers] = self._score_batch(batch, types)
                        progress.update(len(batch.answers))
        finally:
            self.model.train(training)
        return np.split(values, np.cumsum(counts)[:-1])

    def _packs(self, texts: Sequence[ScoredText]) -> list[prefix_tree.Pack] | None:
        """Trees of the tokens that the model reads; None if they save too little, or the model cannot read them."""
        read = [text.ids[: text.positions[-1]] if text.positions else () for text in texts]
        if not any(read):
            return None
        ranks, common = prefix_tree.order(read)
        if prefix_tree.saving(read, common) < WORTH_A_TREE or not self.log_prob_model.can_read_trees(
            max(map(len, read))
        ):
            return None
        return prefix_tree.pack(read, ranks, common)

    def _score_trees(
        self, texts: Sequence[ScoredText], packs: Sequence[prefix_tree.Pack], types: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(indices among all answers, log-probabilities), batch by batch."""
        first_answer = np.concatenate([[0], np.cumsum([len(text.positions) for text in texts])])
        packs = sorted(packs, key=lambda pack: len(pack.ids))
        lengths = np.array([len(pack.ids) for pack in packs])
        for chosen in _cut(np.arange(len(packs)), lengths, self.batch_tokens):
            width = int(lengths[chosen].max())
            ids = np.full((len(chosen), width), self.pad, dtype=np.int64)
            depths = np.zeros((len(chosen), width), dtype=np.int64)
            seen = np.stack([packs[k].mask(width) for k in chosen])
            answers_of, positions_of, targets = [], [], []
            for row, k in enumerate(chosen):
                ids[row, : lengths[k]] = packs[k].ids
                depths[row, : lengths[k]] = packs[k].depths
                for index, path in zip(packs[k].texts, packs[k].paths, strict=True):
                    text = texts[index]
                    answers_of.append(np.arange(first_answer[index], first_answer[index + 1]))
                    # A token is predicted at the position before it, its parent in the tree.
                    positions_of.append(row * width + path[np.array(text.positions, dtype=np.int64) - 1])
                    targets += [text.ids[position] for position in text.positions]
            at, answers = np.unique(np.concatenate(positions_of), return_inverse=True)
            if not len(at):
                continue
            order = np.argsort(answers, kind="stable")
            on_device = [torch.from_numpy(x).to(self.device) for x in (ids, seen, depths, at)]
            inputs = self.log_prob_model.tree_inputs(*on_device[1:3])
            if types:
                inputs["token_type_ids"] = torch.zeros_like(on_device[0])
            sorted_targets = np.array(targets, dtype=np.int64)[order]
            log_probs = self.log_prob_model.log_probs(
                on_device[0], at=on_device[3], targets=sorted_targets, answers=answers[order], **inputs
            )
            yield np.concatenate(answers_of)[order], log_probs

    def _batches(self, texts: Sequence[ScoredText]) -> Iterator[_Batch]:
        """Rows sorted by length, as many per batch as have ``batch_tokens`` tokens, padding included.

        A causal row answers for all its scored positions; a masked row is a copy of the text for one of them.
        """
        causal = self.backend == "causal"
        # A causal model need not read the last token: nothing is predicted from it.
        lengths = np.array([len(text.ids) - causal for text in texts], dtype=np.int64)
        counts = np.array([len(text.positions) for text in texts], dtype=np.int64)
        flat = np.array([token for text in texts for token in text.ids], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths + causal)])[:-1]
        position = np.array([k for text in texts for k in text.positions], dtype=np.int64)
        owner = np.repeat(np.arange(len(texts)), counts)
        rows = np.flatnonzero(counts) if causal else owner
        order = np.argsort(lengths[rows], kind="stable")
        first_answer = np.concatenate([[0], np.cumsum(counts)])
        for chosen in _cut(order, lengths[rows], self.batch_tokens, even=True):
            text = rows[chosen]
            width = int(lengths[text].max())
            column = np.arange(width)
            real = column < lengths[text][:, None]
            ids = np.where(real, flat[np.minimum(starts[text][:, None] + column, len(flat) - 1)], self.pad)
            if causal:
                answers = np.concatenate([np.arange(first_answer[t], first_answer[t + 1]) for t in text])
                row = np.repeat(np.arange(len(text)), counts[text])
            else:
                answers, row = chosen, np.arange(len(text))
                ids[row, position[answers]] = self.tokenizer.mask_token_id
            column = position[answers] - (self.backend != "mlm")
            targets = flat[starts[owner[answers]] + position[answers]]
            yield _Batch(ids, lengths[text], row * width + column, targets, answers)

    def _score_batch(self, batch: _Batch, types: bool) -> np.ndarray:
        ids, at, lengths = (
            torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in (batch.ids, batch.at, batch.lengths)
        )
        mask = (torch.arange(ids.shape[1], device=self.device) < lengths[:, None]).long()
        inputs = {"token_type_ids": torch.zeros_like(ids)} if types else {}
        return self.log_prob_model.log_probs(ids, mask, at, batch.targets, np.arange(len(batch.at)), **inputs)


def _returns_token_type_ids(tokenizer: Any) -> bool:
    """Whether the tokenizer returns ``token_type_ids`` in the transformers of the official pipeline (4.51.3).

    There, the generic class does unless its configuration says otherwise; since 5.0 it does not.
    """
    names = getattr(tokenizer, "init_kwargs", {}).get("model_input_names")
    if names is None and type(tokenizer).__name__ in ("PreTrainedTokenizerFast", "TokenizersBackend"):
        return True
    return "token_type_ids" in (names or tokenizer.model_input_names)


def _cut(order: np.ndarray, lengths: np.ndarray, batch_tokens: int, even: bool = False) -> Iterator[np.ndarray]:
    """Slices of ``order``, which is sorted by length, with at most ``batch_tokens`` tokens each, padding counted.

    ``even``: a slice that is at least half full ends at the end of a length; rows of one length need no mask, which
    makes their attention faster.

    >>> [s.tolist() for s in _cut(np.arange(4), np.array([1, 2, 2, 6]), 6)]
    [[0, 1, 2], [3]]
    """
    begin = 0
    while begin < len(order):
        # No row is empty, so a slice has at most `batch_tokens` rows; one more shows whether its last length continues.
        rising = lengths[order[begin : begin + batch_tokens + 1]]
        # The longest row of a slice is its last one.
        size = max(1, int(np.searchsorted(rising * np.arange(1, len(rising) + 1), batch_tokens, side="right")))
        ends = np.flatnonzero(np.diff(rising[:size])) + 1
        if even and size < len(rising) and len(ends) and 2 * ends[-1] >= size:
            size = int(ends[-1])
        yield order[begin : begin + size]
        begin += size
