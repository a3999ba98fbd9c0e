"""A tokenizer.json, looked at before it is parsed: steps that we know, and none that unfolds a text.

The library can be told to search for any regular expression and to put any text in place of what it finds. Either can
make a short query take all time and memory, so of the first there are those that published tokenizers use, and what is
put in a text's place is no longer than what it replaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hybrid_llm.untrusted.files import BadFileError
from hybrid_llm.untrusted.json_text import parse_json, printable

STEPS: Final = 20
"""Steps that a part of a tokenizer may have."""
ADDED: Final = 20_000
"""Tokens that may be added to a vocabulary."""
WORD: Final = 1_000
"""Characters up to which WordPiece may look at a word: it takes the square of them. The usual number is 100."""
INSERTED: Final = 4
"""Characters that may be put before a text."""

MODELS: Final = frozenset({"WordPiece", "WordLevel", "BPE", "Unigram"})
NORMALIZERS: Final = frozenset(
    {
        "BertNormalizer",
        "ByteLevel",
        "Lowercase",
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Nmt",
        "Precompiled",
        "Prepend",
        "Replace",
        "Sequence",
        "Strip",
        "StripAccents",
    }
)
PRE_TOKENIZERS: Final = frozenset(
    {
        "BertPreTokenizer",
        "ByteLevel",
        "CharDelimiterSplit",
        "Digits",
        "Metaspace",
        "Punctuation",
        "Sequence",
        "Split",
        "UnicodeScripts",
        "Whitespace",
        "WhitespaceSplit",
    }
)
POST_PROCESSORS: Final = frozenset(
    {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"}
)
_WORDS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_OTHERS: Final = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS: Final = frozenset(
    {
        " {2,}",
        r"\s+",
        r"\s{2,}|[\n\r\t]",  # what a SentencePiece vocabulary becomes
        # GPT-2, CLIP, Llama 3, Qwen 2
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        rf"{_WORDS}|\p{{N}}{{1,3}}|{_OTHERS}",
        rf"{_WORDS}|\p{{N}}|{_OTHERS}",
    }
)
"""Regular expressions that published tokenizers use; each takes time in proportion to the text."""
_LISTS: Final = ("normalizers", "pretokenizers", "processors")


def check_tokenizer(content: bytes) -> None:
    """Refuse a tokenizer with a step that could take all time and memory, or is not known.

    Args:
        content: The file tokenizer.json.

    Raises:
        BadFileError: It has one.
        ValueError: It is no JSON.
    """
    data = parse_json(content)
    if not isinstance(data, dict):
        raise BadFileError("is no tokenizer")
    _check_model(data.get("model"))
    for step in _steps(data.get("normalizer"), NORMALIZERS, "normalizer"):
        _check_normalizer(step)
    for step in _steps(data.get("pre_tokenizer"), PRE_TOKENIZERS, "pre-tokenizer"):
        _check_pattern(step)
    for step in _steps(data.get("post_processor"), POST_PROCESSORS, "post-processor"):
        _check_template(step)
    if data.get("decoder") is not None and len(str(data["decoder"])) > 10_000:
        raise BadFileError("has a decoder that is too long")
    added = data.get("added_tokens") or []
    if not isinstance(added, list) or len(added) > ADDED:
        raise BadFileError(f"adds more than {ADDED:,} tokens")


def _check_model(model: Any) -> None:
    if not isinstance(model, dict):
        raise BadFileError("has no model")
    kind = model.get("type", _kind_of_before(model))
    if kind not in MODELS:
        raise BadFileError(f"has a model of the type {printable(kind, 40)}; known are {', '.join(sorted(MODELS))}")
    if model.get("dropout"):
        raise BadFileError("drops tokens at random")
    longest = model.get("max_input_chars_per_word", 0)
    if type(longest) is not int or not 0 <= longest <= WORD:
        raise BadFileError(f"looks at words of more than {WORD:,} characters")


def _kind_of_before(model: Mapping[str, Any]) -> str:
    """Return the type of a model that does not say it, as old files do not."""
    return "BPE" if "merges" in model else "WordPiece" if "max_input_chars_per_word" in model else "unknown"


def _steps(step: Any, known: frozenset[str], what: str) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a part, those inside of sequences too."""
    found = 0
    waiting = [] if step is None else [step]
    while waiting:
        each = waiting.pop()
        found += 1
        if found > STEPS:
            raise BadFileError(f"has more than {STEPS} steps in its {what}")
        if not isinstance(each, dict) or (kind := each.get("type")) not in known:
            shown = printable(each.get("type") if isinstance(each, dict) else each, 40)
            raise BadFileError(f"has the {what} {shown}, which is not known to be harmless")
        if kind == "Sequence":
            for name in _LISTS:
                inside = each.get(name, [])
                waiting += inside if isinstance(inside, list) else [inside]
        yield each


def _check_normalizer(step: Mapping[str, Any]) -> None:
    if step["type"] == "Replace":
        searched, put = _check_pattern(step), step.get("content")
        if not isinstance(put, str) or len(put) > max(1, len(searched)) or not searched:
            raise BadFileError("replaces a text by a longer one")
    if step["type"] == "Prepend" and not (isinstance(put := step.get("prepend"), str) and len(put) <= INSERTED):
        raise BadFileError("puts a long text before each")


def _check_pattern(step: Mapping[str, Any]) -> str:
    """Return the text that a step searches for, one character for a regular expression, after a look at it."""
    pattern = step.get("pattern", {"String": " "})
    if isinstance(pattern, dict) and len(pattern) == 1:
        kind, searched = next(iter(pattern.items()))
        if kind == "String" and isinstance(searched, str):
            return searched
        if kind == "Regex" and isinstance(searched, str) and searched in PATTERNS:
            return "."
    raise BadFileError(f"searches for {printable(pattern, 80)}, which is none of the known regular expressions")


def _check_template(step: Mapping[str, Any]) -> None:
    pieces = [*_listed(step.get("single")), *_listed(step.get("pair"))]
    special = step.get("special_tokens", {})
    ids = [entry.get("ids") if isinstance(entry, dict) else None for entry in special.values()] if special else []
    if len(pieces) > STEPS or len(ids) > STEPS or any(not isinstance(i, list) or len(i) > STEPS for i in ids):
        raise BadFileError("puts too many special tokens around a text")


def _listed(pieces: Any) -> list[Any]:
    if pieces is None:
        return []
    if not isinstance(pieces, list):
        raise BadFileError("has a template that is no list")
    return pieces
