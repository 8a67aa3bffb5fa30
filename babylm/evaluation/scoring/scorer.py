"""Log-probabilities of text under a causal or masked model: what every task and every psycholinguist asks for.

The tokens that count, and the three backends, are those of the official pipeline:

* a token is scored when it ends after the completion begins, so special tokens (which end at 0) never are;
* ``causal``: a token given the ones before it; the first of a text without BOS has no score;
* ``mlm``: a token given all others, itself replaced by the mask (pseudo-log-likelihood, one copy of the text a token);
* ``mntp``: the same copies, read one position earlier (masked next-token prediction).

Unusual: texts with the same tokens are scored once, so a tie is a tie to the bit; a causal model reads what texts begin
with in common once (`babylm.evaluation.scoring.prefix_tree`). Rows are sorted by length and batched by tokens, and only
the positions asked go through the softmax, in fp32 whatever the model computes in.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from babylm import files, registry
from babylm.evaluation.progress import Progress
from babylm.evaluation.scoring import limits, prefix_tree
from babylm.evaluation.scoring.log_probs import Network

BACKENDS = ("causal", "mntp", "mlm")
BATCH_TOKENS = {"cpu": 2048, "cuda": 32_768}
"""Tokens a batch: enough to fill the machine, little enough to stay near its caches."""
WORTH_A_TREE = 0.25
"""Share of tokens that must be saved before texts are packed into trees."""
KEPT_TEXTS = 800_000
"""Encoded texts kept in memory for the next model with the same tokenizer."""


@dataclass(frozen=True)
class Scores:
    """One entry a text."""

    log_probability: np.ndarray
    """(texts,) float64: sum over the scored tokens, in nats; NaN where the model gave NaN."""
    tokens: np.ndarray
    """(texts,) int64: how many tokens were scored."""


@dataclass(frozen=True)
class Surprisal:
    """Negative log-probability of each token of a text."""

    tokens: list[str]
    offsets: list[tuple[int, int]]
    """First and past-the-last character of each token in the text."""
    nats: np.ndarray
    """(tokens,) float64; NaN where the backend gives no score (special tokens, a first token without BOS)."""


class Text(NamedTuple):
    """What decides a score: the tokens, and which of them are scored."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]


class _Batch(NamedTuple):
    """Rows of about one length, and what is asked of them."""

    ids: np.ndarray
    lengths: np.ndarray
    at: np.ndarray
    targets: np.ndarray
    asked: np.ndarray
    """Index of each answer among all that are asked."""


_ENCODED: OrderedDict[tuple[str, str], list[Text]] = OrderedDict()
"""Encoded texts by tokenizer and items: revisions of a run share both."""


class Scorer:
    """Scores text with a Hugging Face style model and a fast tokenizer.

    ``model(input_ids=, attention_mask=)`` gives ``["logits"]`` (rows, length, vocabulary); where its forward also knows
    ``at`` (flat positions), only those are computed. The model stays on its device and its mode is restored.
    """

    def __init__(self, model: Any, tokenizer: Any, backend: str = "causal", batch_tokens: int | None = None) -> None:
        self.backend = registry.check(backend, BACKENDS, "evaluation.scorer")
        self.model, self.tokenizer = model, tokenizer
        self.network = Network(model)
        self.device = self.network.device
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(self.device.type, 2048)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError("scoring needs a fast tokenizer: token offsets say which tokens count")
        if backend != "causal" and tokenizer.mask_token_id is None:
            raise ValueError(f"evaluation.scorer={backend}: the tokenizer has no mask token")
        self.gives_types = _gives_types(tokenizer)
        """Whether the tokenizer gives ``token_type_ids`` in the transformers of the official pipeline."""
        size = self.network.entries
        if backend != "causal" and size is not None and tokenizer.mask_token_id >= size:
            raise ValueError(
                f"the mask token {tokenizer.mask_token!r} has the id {tokenizer.mask_token_id}, and the embedding has "
                f"{size} entries: the model was not trained with masks; score it with scorer=causal"
            )
        spare = tokenizer.eos_token_id if backend == "causal" else tokenizer.cls_token_id
        ids = (tokenizer.pad_token_id, spare, 0)
        self.pad = next(i for i in ids if i is not None and (size is None or i < size))
        self.task = ""
        """What is scored, for the bar."""
        described = tokenizer.backend_tokenizer.to_str() + backend
        self.identity = hashlib.sha256(described.encode()).hexdigest()

    def score(self, items: Sequence[tuple[str, str]]) -> Scores:
        """Scores of (sentence, completion) pairs: the completion is the end of the sentence whose tokens count."""
        for sentence, completion in items:
            assert sentence.endswith(completion), (sentence, completion)
        texts = self.encoded(items)
        unique = list(dict.fromkeys(texts))
        sums = {text: float(values.sum()) for text, values in zip(unique, self.log_probs(unique), strict=True)}
        total = np.array([sums[text] for text in texts], dtype=np.float64)
        return Scores(total, np.array([len(text.positions) for text in texts], dtype=np.int64))

    def surprisals(self, sentences: Sequence[str]) -> list[Surprisal]:
        """The surprisal of every token of each sentence."""
        texts, offsets = self._encode(sentences, [0] * len(sentences))
        result = []
        for text, places, values in zip(texts, offsets, self.log_probs(texts), strict=True):
            nats = np.full(len(text.ids), np.nan)
            nats[list(text.positions)] = -values
            tokens = self.tokenizer.convert_ids_to_tokens(list(text.ids))
            result.append(Surprisal(tokens, [tuple(place) for place in places], nats))
        return result

    def _encode(self, sentences: Sequence[str], starts: Sequence[int]) -> tuple[list[Text], list[Any]]:
        if not sentences:
            return [], []
        unused = {"return_attention_mask": False, "return_token_type_ids": False}
        encoded = self.tokenizer(list(sentences), return_offsets_mapping=True, **unused)
        # Nothing stands before the first token. (The official MNTP reader takes the row's end there when a BOS is
        # defined but not inserted; that is its bug, not a score.)
        first = 0 if self.backend == "mlm" else 1
        texts = []
        for ids, offsets, start in zip(encoded["input_ids"], encoded["offset_mapping"], starts, strict=True):
            positions = tuple(k for k, (_, end) in enumerate(offsets) if end > start and k >= first)
            texts.append(Text(tuple(ids), positions))
        return texts, encoded["offset_mapping"]

    def encoded(self, items: Sequence[tuple[str, str]]) -> list[Text]:
        """The tokens of (sentence, completion) pairs, kept for the next model with this tokenizer."""
        key = (self.identity, files.sha256_json(items))
        if key not in _ENCODED:
            starts = [len(sentence) - len(completion) for sentence, completion in items]
            _ENCODED[key] = self._encode([sentence for sentence, _ in items], starts)[0]
            while len(_ENCODED) > 1 and sum(map(len, _ENCODED.values())) > KEPT_TEXTS:
                _ENCODED.popitem(last=False)
        _ENCODED.move_to_end(key)
        return _ENCODED[key]

    @torch.no_grad()
    def log_probs(self, texts: Sequence[Text], *, types: bool = False) -> list[np.ndarray]:
        """Log-probability (float64, in nats) of each scored token of each text.

        ``types`` also gives the model ``token_type_ids`` (all 0) where it and its tokenizer know them, as the official
        reading task does (and it alone). `limits.BeyondModel` for a text that the model cannot read.
        """
        if not texts:
            return []
        limits.check(self, texts)
        counts = [len(text.positions) for text in texts]
        values = np.zeros(sum(counts), dtype=np.float64)
        types = types and self.network.takes_types and self.gives_types
        training = self.model.training
        self.model.eval()
        try:
            packs = self._packs(texts) if self.backend == "causal" else None
            with Progress(self.task or "scoring", len(values), "token") as progress:
                if packs is not None:
                    for asked, found in self._ask_trees(texts, packs, types):
                        values[asked] = found
                        progress.update(len(asked))
                else:
                    for batch in self._batches(texts):
                        values[batch.asked] = self._ask(batch, types)
                        progress.update(len(batch.asked))
        finally:
            self.model.train(training)
        return np.split(values, np.cumsum(counts)[:-1])

    def _packs(self, texts: Sequence[Text]) -> list[prefix_tree.Pack] | None:
        """Trees of what the model reads of each text, or none where they would not pay or are not understood."""
        read = [text.ids[: text.positions[-1]] if text.positions else () for text in texts]
        if not any(read):
            return None
        ranks, common = prefix_tree.order(read)
        if prefix_tree.saving(read, common) < WORTH_A_TREE or not self.network.can_read_trees(max(map(len, read))):
            return None
        return prefix_tree.pack(read, ranks, common)

    def _ask_trees(
        self, texts: Sequence[Text], packs: Sequence[prefix_tree.Pack], types: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indices of answers among all that are asked, and the answers, batch by batch."""
        asked_from = np.concatenate([[0], np.cumsum([len(text.positions) for text in texts])])
        packs = sorted(packs, key=lambda pack: len(pack.ids))
        lengths = np.array([len(pack.ids) for pack in packs])
        for chosen in _cut(np.arange(len(packs)), lengths, self.batch_tokens):
            width = int(lengths[chosen].max())
            ids = np.full((len(chosen), width), self.pad, dtype=np.int64)
            depths = np.zeros((len(chosen), width), dtype=np.int64)
            seen = np.stack([packs[k].mask(width) for k in chosen])
            asked, places, targets = [], [], []
            for row, k in enumerate(chosen):
                ids[row, : lengths[k]] = packs[k].ids
                depths[row, : lengths[k]] = packs[k].depths
                for index, path in zip(packs[k].texts, packs[k].paths, strict=True):
                    text = texts[index]
                    asked.append(np.arange(asked_from[index], asked_from[index + 1]))
                    places.append(row * width + path[np.array(text.positions, dtype=np.int64) - 1])
                    targets += [text.ids[position] for position in text.positions]
            at, answers = np.unique(np.concatenate(places), return_inverse=True)
            if not len(at):
                continue
            order = np.argsort(answers, kind="stable")
            on_device = [torch.from_numpy(x).to(self.device) for x in (ids, seen, depths, at)]
            inputs = self.network.tree_inputs(*on_device[1:3])
            if types:
                inputs["token_type_ids"] = torch.zeros_like(on_device[0])
            wanted = np.array(targets, dtype=np.int64)[order]
            found = self.network.log_probs(
                on_device[0], at=on_device[3], targets=wanted, answers=answers[order], **inputs
            )
            yield np.concatenate(asked)[order], found

    def _batches(self, texts: Sequence[Text]) -> Iterator[_Batch]:
        """Rows sorted by length, as many at once as have ``batch_tokens`` tokens with the padding."""
        causal = self.backend == "causal"
        # A causal model need not read the last token: nothing is predicted from it.
        lengths = np.array([len(text.ids) - causal for text in texts], dtype=np.int64)
        counts = np.array([len(text.positions) for text in texts], dtype=np.int64)
        flat = np.array([token for text in texts for token in text.ids], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths + causal)])[:-1]
        position = np.array([k for text in texts for k in text.positions], dtype=np.int64)
        owner = np.repeat(np.arange(len(texts)), counts)
        # A causal row answers for all its positions; a masked row is a copy for one.
        rows = np.flatnonzero(counts) if causal else owner
        order = np.argsort(lengths[rows], kind="stable")
        asked_from = np.concatenate([[0], np.cumsum(counts)])
        for chosen in _cut(order, lengths[rows], self.batch_tokens, even=True):
            text = rows[chosen]
            width = int(lengths[text].max())
            column = np.arange(width)
            real = column < lengths[text][:, None]
            ids = np.where(real, flat[np.minimum(starts[text][:, None] + column, len(flat) - 1)], self.pad)
            if causal:
                asked = np.concatenate([np.arange(asked_from[t], asked_from[t + 1]) for t in text])
                row = np.repeat(np.arange(len(text)), counts[text])
            else:
                asked, row = chosen, np.arange(len(text))
                ids[row, position[asked]] = self.tokenizer.mask_token_id
            place = position[asked] - (self.backend != "mlm")
            targets = flat[starts[owner[asked]] + position[asked]]
            yield _Batch(ids, lengths[text], row * width + place, targets, asked)

    def _ask(self, batch: _Batch, types: bool) -> np.ndarray:
        ids, at, lengths = (
            torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in (batch.ids, batch.at, batch.lengths)
        )
        mask = (torch.arange(ids.shape[1], device=self.device) < lengths[:, None]).long()
        inputs = {"token_type_ids": torch.zeros_like(ids)} if types else {}
        return self.network.log_probs(ids, mask, at, batch.targets, np.arange(len(batch.at)), **inputs)


def _gives_types(tokenizer: Any) -> bool:
    """Whether the tokenizer, in the transformers of the official pipeline (4.51.3), gives ``token_type_ids``.

    A class that stands for any tokenizer does there unless its configuration says otherwise; since 5.0 it does not.
    """
    names = getattr(tokenizer, "init_kwargs", {}).get("model_input_names")
    if names is None and type(tokenizer).__name__ in ("PreTrainedTokenizerFast", "TokenizersBackend"):
        return True
    return "token_type_ids" in (names or tokenizer.model_input_names)


def _cut(order: np.ndarray, lengths: np.ndarray, batch_tokens: int, even: bool = False) -> Iterator[np.ndarray]:
    """Pieces of ``order``, whose lengths rise, with at most ``batch_tokens`` tokens each, padding counted.

    ``even``: a piece that is half full ends where a length does; rows of one length need no mask, which makes their
    attention faster.
    """
    begin = 0
    while begin < len(order):
        # No row is empty, so a piece has at most `batch_tokens` of them; one more tells whether a length goes on.
        rising = lengths[order[begin : begin + batch_tokens + 1]]
        # The longest row of a piece is its last one.
        size = max(1, int(np.searchsorted(rising * np.arange(1, len(rising) + 1), batch_tokens, side="right")))
        ends = np.flatnonzero(np.diff(rising[:size])) + 1
        if even and size < len(rising) and len(ends) and 2 * ends[-1] >= size:
            size = int(ends[-1])
        yield order[begin : begin + size]
        begin += size
