"""What an environment is."""

from __future__ import annotations

from collections.abc import Sequence


class Environment:
    """Base of the environments."""

    corpus_text = False
    """Whether prompts are text of the corpus, whose words are counted already."""

    stop = ""
    """A completion ends with this text, which belongs to it; empty: with EOS alone."""

    def prompts(self, seed: int, count: int) -> list[str]:
        """``count`` prompts, a function of the seed."""
        raise NotImplementedError

    def gold(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float] | None:
        """The true quality of completions, from 0 to 1, for measuring alone; None if it is not known."""
        return None
