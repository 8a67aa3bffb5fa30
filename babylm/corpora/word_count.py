"""The rules' word: a whitespace-separated unit of the text (``wc -w``, ``len(text.split())`` in the official
scripts).
"""

from __future__ import annotations


def count(text: str) -> int:
    """Words of ``text`` as the rules count them (call for papers, 2025 and 2026)."""
    return len(text.split())
