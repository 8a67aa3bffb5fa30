"""Checks of what is published: licence, repository, languages, and that no secret is among it.

Checked before long work, since the Hub takes a wrong licence or language without a word.
"""

from __future__ import annotations

import re
from dataclasses import asdict

from babylm import redaction, registry
from babylm.config.schema import SubmissionConfig

_LICENSES = """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
    eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 grok2-community h-research
    intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit
    mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0 other pddl postgresql unknown
    unlicense wtfpl zlib
"""
LICENSES = tuple(_LICENSES.split())
"""Identifiers of the Hub's list of licences."""

LANGUAGES = {
    "afrikaans": "af", "arabic": "ar", "basque": "eu", "bengali": "bn", "bulgarian": "bg", "cantonese": "yue",
    "catalan": "ca", "chinese": "zh", "croatian": "hr", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "estonian": "et", "finnish": "fi", "french": "fr", "galician": "gl", "german": "de", "greek": "el", "hebrew": "he",
    "hindi": "hi", "hungarian": "hu", "icelandic": "is", "indonesian": "id", "irish": "ga", "italian": "it",
    "japanese": "ja", "javanese": "jv", "korean": "ko", "latvian": "lv", "lithuanian": "lt", "mandarin": "zh",
    "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "serbian": "sr", "sesotho": "st", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swahili": "sw",
    "swedish": "sv", "tamil": "ta", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur",
    "vietnamese": "vi", "welsh": "cy", "xhosa": "xh", "zulu": "zu",
}  # fmt: skip
"""English names of languages and their codes (ISO 639), by which the Hub lists models."""

PART = re.compile(r"(?!-|\.)(?!.*(--|\.\.))(?!.*\.git$)[\w.-]{1,96}(?<![-.])", re.ASCII)
"""One part of ``owner/name``, as huggingface_hub checks it."""
HEXADECIMAL = re.compile(r"(?<![\w/@])(?<!commit )(?<!sha )[0-9a-f]{40}(?!\w)")
"""A key of W&B; a commit has the same form, and is known by the word before it."""


def check(submission: SubmissionConfig) -> None:
    """Raise ValueError, naming the setting ``submission.*``, if one cannot be published as it is."""
    registry.check(submission.license, LICENSES, "submission.license")
    if submission.repo is not None:
        check_repo(submission.repo)
    for language in submission.languages:
        language_code(language)
    for key, value in asdict(submission).items():
        for text in value if isinstance(value, list) else [value]:
            check_text(f"submission.{key}", str(text))
            if HEXADECIMAL.search(str(text)):
                raise ValueError(
                    f"submission.{key}: looks as if it holds a W&B key, and would be published: take it out (a commit "
                    "is written 'commit ...')"
                )


def check_repo(repo: str, key: str = "submission.repo") -> None:
    """Raise ValueError if ``repo`` is no name of a repository on the Hub."""
    parts = repo.split("/")
    if len(parts) != 2 or not all(PART.fullmatch(part) for part in parts):
        hint = ", not an address" if "://" in repo or repo.startswith("huggingface.co") else ""
        raise ValueError(
            f"{key}: {repo!r} is no repository of the Hub: write owner/name{hint}, each of letters, digits, _, - "
            "and ., with no - or . at an end or twice"
        )


def language_code(language: str) -> str:
    """The code of a language given by its English name, or by its code; ``ValueError`` with the nearest name."""
    name = language.strip().lower()
    if name in LANGUAGES.values():
        return name
    return LANGUAGES[registry.check(name, LANGUAGES, "submission.languages")]


def check_text(where: str, text: str) -> None:
    """Raise ValueError, without repeating it, if a text that will be published seems to hold a secret."""
    kind = redaction.secret_kind(text)
    if kind is not None:
        raise ValueError(f"{where}: looks as if it holds {kind}, and would be published: take it out")
