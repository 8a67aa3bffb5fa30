"""Settings of the teachers of an interaction: who they are, how they are asked, where an endpoint is."""

from __future__ import annotations

import ipaddress
import os
import re
import string
from dataclasses import dataclass, field, fields
from typing import Literal
from urllib.parse import urlsplit

from babylm import redaction
from babylm.config.fields import number


@dataclass
class InstructionConfig:
    """What a teacher that follows instructions is told; {prompt} and {completion} stand for the student's text.

    A teacher that only continues texts (``endpoint.api=completions``, or a base model) needs a text to continue.
    """

    complete: str = "Continue this text. Write the continuation only.\n\n{prompt}"
    """Asks for a continuation."""
    correct: str = (
        "A learner of English was to continue a text.\n\nText: {prompt}\nContinuation: {completion}\n\nRewrite the "
        "continuation so that it is grammatical and fits the text. If it makes no sense, write your own of the same "
        "length. Write the continuation only."
    )
    """Asks for a better completion."""
    reply: str = "You talk with a young child. The child says: {prompt} {completion}\n\nReply in one short sentence."
    """Asks what the teacher would say next."""
    score: str = (
        "A learner of English continued a text.\n\nText: {prompt}\nContinuation: {completion}\n\nHow grammatical and "
        "coherent is the continuation? Answer with one whole number from 0 (worst) to {score_max} (best) and nothing "
        "else."
    )
    """Asks for a number from 0 to ``teaching.score_max``."""
    judge: str = (
        "Two learners of English continued a text.\n\nText: {prompt}\nA: {completion}\nB: {other}\n\nWhich "
        "continuation is better? Answer with A or B and nothing else."
    )
    """Asks which of {completion} (A) and {other} (B) is better."""


@dataclass
class TeachingConfig:
    """Who the teacher is, and how it is asked."""

    name: str = ""
    """Name of the model that teaches, as the rules call it; empty: that of its folder or endpoint."""
    parameters: int | None = number(None, "[1, 1e14]")
    """Its number of parameters; null: counted for a folder, unknown for an endpoint."""
    inside_budget: bool = False
    """Whether it was trained on this track's words alone; else it is external, and the year's rules must name it."""
    temperature: float = number(0.7, "[0, 100]")
    """Of its answers in words; scores and judgements are asked for at 0."""
    top_p: float = number(0.95, "(0, 1]")
    """Only the likeliest tokens that have this probability together."""
    max_tokens: int = number(0, "[0, 100_000]")
    """Longest answer in words, in tokens; 0: as ``interaction.max_new_tokens``."""
    stop: str = ""
    """A text that ends an answer and is left out, such as a line's end for a base model that would go on."""
    score_max: int = number(9, "[1, 1000]")
    """Best score; rewards are scores divided by it."""
    unparsable: float = number(0.5, "[0, 1]")
    """Reward for an answer that is no score; such answers are counted in ``teacher.json``."""
    cache: str | None = None
    """File of replies that several runs share; a run keeps its own in ``teacher/`` in any case."""
    replies: str | None = None
    """``replay``: folder of the run whose teacher's answers are replayed, or its ``teacher/answers.jsonl``."""
    instructions: InstructionConfig = field(default_factory=InstructionConfig)


@dataclass
class EndpointConfig:
    """``endpoint``: an OpenAI-compatible server (vLLM, llama.cpp, ``transformers serve``, a provider)."""

    url: str | None = None
    """Base address, with its version: ``http://127.0.0.1:8000/v1``."""
    model: str | None = None
    """Name of the model on the server."""
    api: Literal["chat", "completions"] = "chat"
    """``chat`` (instruct models) or ``completions`` (base models)."""
    key_variable: str = ""
    """Name of the environment variable that holds the key; the key itself is never written down. Empty: no key."""
    timeout: float = number(120.0, "(0, 86_400]")
    """Seconds for a whole answer."""
    retries: int = number(5, "[0, 100]")
    """Further attempts after a lost connection, a time-out, 429, 5xx or an answer that cannot be read."""
    concurrency: int = number(8, "[1, 1024]")
    """Questions that are asked at once."""


def check_teaching(teaching: TeachingConfig, prefix: str = "interaction.teaching") -> None:
    """Raise ValueError for an instruction with a placeholder that it does not have, or without one that it needs."""
    placeholders = {"prompt", "completion", "other", "score_max"}
    needed = {"complete": {"prompt"}, "judge": {"completion", "other"}}
    for setting in fields(teaching.instructions):
        text, key = getattr(teaching.instructions, setting.name), f"{prefix}.instructions.{setting.name}"
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise ValueError(f"{key}: {error}; write a brace that is no placeholder twice: {{{{ }}}}") from None
        if wrong := sorted(names - placeholders):
            raise ValueError(f"{key}: unknown placeholder {{{wrong[0]}}} (one of: {', '.join(sorted(placeholders))})")
        if missing := sorted(needed.get(setting.name, {"completion"}) - names):
            raise ValueError(f"{key}: lacks {{{missing[0]}}}, without which the teacher does not see the text")


def check_endpoint(endpoint: EndpointConfig, prefix: str = "interaction.endpoint") -> None:
    """Raise ValueError for an address that cannot be asked, and for a secret in a setting."""
    if not endpoint.url or not endpoint.model:
        missing = "url" if not endpoint.url else "model"
        raise ValueError(f"{prefix}.{missing}: name the server's address and model (url=http://127.0.0.1:8000/v1)")
    for name in ("url", "model", "key_variable"):
        if kind := redaction.secret_kind(getattr(endpoint, name)):
            raise ValueError(
                f"{prefix}.{name}: this looks like {kind}; put it into an environment variable and name that"
            )
    _check_url(endpoint.url, f"{prefix}.url")
    if endpoint.key_variable and not endpoint.key_variable.isidentifier():
        raise ValueError(f"{prefix}.key_variable: must be the name of an environment variable, not its value")


def _check_url(url: str, key: str) -> None:
    """Raise ValueError for an address that no request can have; ``key``: the setting's name."""
    if wrong := next((letter for letter in url if not "!" <= letter <= "~"), None):
        raise ValueError(
            f"{key}: holds U+{ord(wrong):04X}, a character that an address cannot have (names of hosts with other "
            "letters are written xn--...)"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(f"{key}: must be like http://127.0.0.1:8000/v1 (an IPv6 address is in [brackets])") from None
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(f"{key}: the port of {parts.netloc} must be from 0 to 65535") from None
    if parts.scheme not in ("http", "https") or not host or any(mark in url for mark in "@?#"):
        raise ValueError(
            f"{key}: must be like http://127.0.0.1:8000/v1, without a user, a key, a query or a fragment (@, ?, #)"
        )
    if not _is_host(host, in_brackets=parts.netloc.startswith("[")):
        raise ValueError(f"{key}: {host} is no name or address of a host")


def _is_host(host: str, in_brackets: bool) -> bool:
    """Whether a request can be sent to a host of this name or address.

    >>> [_is_host(host, False) for host in ("a-b.example.org", "127.0.0.1", "999.1.1.1", "..", "x" * 70)]
    [True, True, False, False, False]
    """
    labels = host.removesuffix(".").split(".")
    if in_brackets or labels[-1].isdigit():
        try:
            return ipaddress.ip_address(host).version == (6 if in_brackets else 4)
        except ValueError:
            return False
    return len(host) < 254 and all(re.fullmatch(r"[A-Za-z0-9_-]{1,63}", label) for label in labels)


def key_of(endpoint: EndpointConfig, setting: str) -> str:
    """The key in the environment variable that the endpoint names; empty without one.

    Raises:
        ValueError: The variable is unset, or holds what no request can carry. (A library that is given such a key
            writes it into its error.)
    """
    variable = endpoint.key_variable
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise ValueError(f"{setting}.key_variable={variable}: this environment variable is not set")
    if not all("!" <= letter <= "~" for letter in key):
        raise ValueError(
            f"{setting}.key_variable={variable}: the key in this environment variable holds white space, a line break "
            "or a character that is not ASCII; copy the key anew"
        )
    return key
