"""A teacher behind an OpenAI-compatible server: vLLM, llama.cpp, ``transformers serve``, or a provider.

``interaction.endpoint`` says where; nothing is contacted unless this teacher is configured. Questions are asked
concurrently, each until it is answered or the attempts are used up, and an answer is on disk before the next is read.
Only texts are asked for: no ``logprobs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from babylm.config.interaction import InteractionConfig
from babylm.config.teaching import check_endpoint, key_of
from babylm.interaction.teachers._asked import SAMPLED, AskedTeacher
from babylm.interaction.teachers._http import JsonClient
from babylm.interaction.teachers._replies import Done, Question
from babylm.interaction.teachers._types import Identity

SETTING = "interaction.endpoint"
SHORT = 16
"""Tokens of a score or a judgement."""


class EndpointTeacher(AskedTeacher):
    """Asks a server."""

    def __init__(self, config: InteractionConfig, key: str = "", setting: str = SETTING) -> None:
        super().__init__(config)
        endpoint, teaching = config.endpoint, config.teaching
        assert endpoint.url is not None
        assert endpoint.model is not None
        self.endpoint = endpoint
        self.identity = Identity(teaching.name or endpoint.model, "model", teaching.parameters, teaching.inside_budget)
        self.client = JsonClient(endpoint.url, key, endpoint.timeout, endpoint.retries, endpoint.concurrency, setting)

    def asked_as(self) -> dict[str, Any]:
        """See `AskedTeacher`; the address may change, the model and the form of the question may not."""
        return {**super().asked_as(), "model": self.endpoint.model, "api": self.endpoint.api}

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """See `AskedTeacher`. The first failure cancels what has not begun; answers that come are kept."""

        def ask(question: Question) -> None:
            done(question, *self._post(question))

        with ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            pending = [pool.submit(ask, question) for question in questions]
            try:
                for future in as_completed(pending):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _post(self, question: Question) -> tuple[str, int]:
        """The answer, and the tokens that the server says were read and written."""
        sampled = question.kind in SAMPLED
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "max_tokens": self.max_tokens if sampled else SHORT,
            "temperature": self.teaching.temperature if sampled else 0,
            "top_p": self.teaching.top_p if sampled else 1,
        }
        if question.seed:  # another one for each text: servers draw the same numbers for the same seed
            body["seed"] = int(question.key(), 16) % 2**31
        if self.teaching.stop:
            body["stop"] = [self.teaching.stop]
        text = self.instruction(question)
        if self.endpoint.api == "chat":
            body["messages"] = [{"role": "user", "content": text}]
            return self.client.post("chat/completions", body, lambda answer: (_chat_answer(answer), _tokens(answer)))
        body["prompt"] = text
        return self.client.post("completions", body, lambda answer: (_completion(answer), _tokens(answer)))


def _chat_answer(answer: Any) -> str:
    return _text(answer["choices"][0]["message"]["content"])


def _completion(answer: Any) -> str:
    return _text(answer["choices"][0]["text"])


def _tokens(answer: Any) -> int:
    """``usage.total_tokens``, which a server may leave out; 0 then."""
    usage = answer.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) and total > 0 else 0


def _text(content: Any) -> str:
    """A text; nothing (null) is an empty one."""
    if content is None:
        return ""
    if not isinstance(content, str):
        raise TypeError(f"an answer must be a text, not {type(content).__name__}")
    content.encode()  # ValueError for half a character (\ud800 alone), which JSON can hold and files cannot
    return content


def build(config: InteractionConfig, setting: str = SETTING) -> EndpointTeacher:
    """The teacher at ``interaction.endpoint.url``; the key is read from the environment now.

    ``setting``: what the user knows ``interaction.endpoint`` as, for errors.
    """
    check_endpoint(config.endpoint, setting)
    return EndpointTeacher(config, key_of(config.endpoint, setting), setting)
