"""Secrets are recognised by their form, so that none reaches a stored or published file."""

from __future__ import annotations

import re

PATTERNS = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{16,}",
    "an API key": r"\bsk-[A-Za-z0-9_-]{16,}",
    "a GitHub token": r"\b(?:gh[opsu]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{16,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{30,}",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a W&B key": r"\bwandb_v\d_[A-Za-z0-9_-]{20,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",
    "a password in a URL": r"[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@",
}
"""Kind of secret -> regular expression. A hash of 40 hexadecimal digits is not among them: commits look the same."""

_ANY = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS.values()))


def secret_kind(text: str) -> str | None:
    """The kind of secret that ``text`` seems to hold; None if it holds none.

    >>> secret_kind("hf_abcdefghijklmnopqrstuvwx")
    'a Hugging Face token'
    """
    return next((kind for kind, pattern in PATTERNS.items() if re.search(pattern, text)), None)


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret replaced by ``***``."""
    return _ANY.sub("***", text)
