"""A user's own ``tokenizer.json`` (``tokenizer.path``), of any kind: what training needs of it, all said at once.

Packing, objectives and scoring need four special tokens, and a template that puts BOS in front of a text and nothing
behind it: causal scoring and generation read on after the last token. Tokens that play these roles are named by
``tokenizer.bos`` and the like; a name that the tokenizer lacks becomes a new entry, and then the template is written.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import yaml
from tokenizers import AddedToken, Tokenizer

from babylm import files
from babylm.config.schema import TokenizerConfig
from babylm.corpora import tokenizer as tokenization

CANDIDATES = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]", "[BOS]", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[SEP]", "[EOS]", "<|im_end|>"),
    "pad": ("<pad>", "[PAD]", "<|pad|>", "<|padding|>", "<|finetune_right_pad_id|>"),
    "mask": ("<mask>", "[MASK]"),
}
"""What known tokenizers call their tokens, to suggest what can be named; a missing ``pad`` may be the EOS."""
_MOST_UNUSED = 10_000
"""Ids without an entry that are put up with: each costs a row of the embedding."""


def read(config: TokenizerConfig, report: Callable[[str], None]) -> tuple[Tokenizer, dict[str, str]]:
    """The tokenizer of ``tokenizer.path``, ready for training, and its special tokens by role (``bos``, ...).

    ``report`` receives a line for each thing that was added or is unusual. ``ValueError`` names everything that is
    lacking at once, and the settings that mend it.
    """
    tokenizer, size, entries = _load(config)
    if size > entries:
        report(f"warning: {size - entries:,} of the {size:,} ids of {config.path} have no entry and stay unused")
    named = {role: token for role in tokenization.ROLES if (token := getattr(config, role)) is not None}
    roles = tokenization.ROLES | named
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    problems = _lacking(tokenizer, roles, named, special)
    if not problems and roles["mask"] in (roles["bos"], roles["pad"]):
        problems.append(f"the mask token {roles['mask']} is the BOS or padding token too")
    if not named and tokenizer.token_to_id(roles["bos"]) is not None:
        problems += _template_problems(tokenizer, roles["bos"])
    if problems:
        raise ValueError(
            f"tokenizer.path: {config.path} is not ready for training: {'; '.join(problems)}. Name its tokens, for "
            f"example {_suggestion(tokenizer, named)} (a name that it lacks becomes a new entry; the template is then "
            "written)"
        )
    roles = {role: token for role, token in roles.items() if role != "unk" or tokenizer.token_to_id(token) is not None}
    _register(tokenizer, roles, special, report)
    if _template_problems(tokenizer, roles["bos"]):
        tokenizer.post_processor = tokenization.template(tokenizer, roles["bos"], roles["eos"])
        report(f"the template of {config.path} is written anew: {roles['bos']} in front of a text, nothing behind it")
    if tokenizer.truncation is not None:
        tokenizer.no_truncation()
    if _ids(tokenizer, "cup") != _ids(tokenizer, "the cup")[-len(_ids(tokenizer, "cup")) :]:
        report(
            f"warning: {config.path} reads a word otherwise at the beginning of a text than behind a space, so scores "
            "of bare words (reading times, age of acquisition) are of other tokens than those trained on"
        )
    return tokenizer, roles


def fingerprint_parts(config: TokenizerConfig) -> dict[str, object]:
    """The settings that the prepared tokens depend on, if ``tokenizer.path`` is set."""
    named = {role: token for role in tokenization.ROLES if (token := getattr(config, role)) is not None}
    parts: dict[str, object] = {"sha256": files.sha256_json(_load(config)[0].to_str())}
    return {**parts, "special_tokens": named} if named else parts


def _load(config: TokenizerConfig) -> tuple[Tokenizer, int, int]:
    """The tokenizer, the number above its largest id, and how many entries it has."""
    assert config.path is not None
    tokenizer = tokenization.load(config.path)
    size, entries = tokenization.size(tokenizer), tokenizer.get_vocab_size(with_added_tokens=True)
    if size > entries + _MOST_UNUSED:  # the library would also take a time and memory of that size to write it down
        raise ValueError(
            f"tokenizer.path: {config.path} has {entries:,} entries with ids up to {size - 1:,}; number them without "
            "gaps, as each id costs a row of the embedding"
        )
    return tokenizer, size, entries


def _lacking(tokenizer: Tokenizer, roles: dict[str, str], named: dict[str, str], special: set[str]) -> list[str]:
    problems = []
    for role, token in roles.items():
        if tokenizer.token_to_id(token) is not None:
            continue
        if role in named:
            # The usual name, which we suggest ourselves, is no slip: </s> is near <s>.
            others = special - {token} if token != tokenization.ROLES[role] else ()
            near = difflib.get_close_matches(token, others, n=1, cutoff=0.8)
            problems += [f"tokenizer.{role}={token} is no entry of it; did you mean {near[0]}?"] if near else []
        elif role != "unk":  # a byte-level vocabulary needs none, and others bring one
            problems.append(f"it has no {role} token {token}")
    return problems


def _template_problems(tokenizer: Tokenizer, bos: str) -> list[str]:
    plain, whole = _ids(tokenizer, "a"), tokenizer.encode("a").ids
    at = next((i for i in range(len(whole)) if whole[i : i + len(plain)] == plain), len(whole))
    front, behind = whole[:at], whole[at + len(plain) :]
    problems = []
    if front != [tokenizer.token_to_id(bos)]:
        prefix = " ".join(str(tokenizer.id_to_token(i)) for i in front) or "nothing"
        problems.append(f"it puts {prefix} in front of a text, not {bos}")
    if behind:
        problems.append(f"it puts {' '.join(str(tokenizer.id_to_token(i)) for i in behind)} behind a text")
    return problems


def _suggestion(tokenizer: Tokenizer, named: dict[str, str]) -> str:
    chosen = dict(named)
    for role, candidates in CANDIDATES.items():
        there = [token for token in candidates if tokenizer.token_to_id(token) is not None]
        new = chosen["eos"] if role == "pad" else tokenization.ROLES[role]
        chosen.setdefault(role, there[0] if there else new)
    return " ".join(f"tokenizer.{role}='{_as_yaml(token)}'" for role, token in chosen.items())


def _as_yaml(token: str) -> str:
    """A token as the value of an override: ``[CLS]`` alone would be a list."""
    try:
        plain = yaml.safe_load(token) == token
    except yaml.YAMLError:
        plain = False
    return token if plain else f'"{token}"'


def _register(tokenizer: Tokenizer, roles: dict[str, str], special: set[str], report: Callable[[str], None]) -> None:
    """Make every token with a role a special token; those that are no entry yet are added at the vocabulary's end."""
    new = [token for token in dict.fromkeys(roles.values()) if token not in special]
    added = [token for token in new if tokenizer.token_to_id(token) is None]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, lstrip=token == roles["mask"]) for token in new]
    )
    if added:
        report(f"added to the tokenizer: {', '.join(f'{token} ({tokenizer.token_to_id(token):,})' for token in added)}")


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids
