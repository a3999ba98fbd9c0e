"""Tokenizers of strangers: known steps, known regular expressions, and nothing that makes a text longer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hybrid_llm
from hybrid_llm.untrusted import BadFileError, check_tokenizer

GOOD: dict[str, Any] = {
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}},
    "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
}


def replace(pattern: Any, content: Any) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def test_usual_ones_pass() -> None:
    check_tokenizer(json.dumps(GOOD).encode())
    check_tokenizer((Path(hybrid_llm.__file__).parent / "pretrained" / "tokenizer.json").read_bytes())
    for step in (replace({"Regex": " {2,}"}, "▁"), replace({"String": "``"}, '"'), replace({"String": " "}, "▁")):
        check_tokenizer(json.dumps(GOOD | {"normalizer": step}).encode())


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"normalizer": replace({"String": "a"}, "a" * 1000)}, "by a longer one"),
        ({"normalizer": replace({"String": ""}, "a")}, "by a longer one"),
        ({"normalizer": replace({"String": "a"}, None)}, "by a longer one"),
        ({"normalizer": replace({"Regex": "(a+)+$"}, "")}, "none of the known regular expressions"),
        ({"normalizer": {"type": "Sequence", "normalizers": [replace({"Regex": "(a|aa)+$"}, "")]}}, "known regular"),
        ({"normalizer": {"type": "Prepend", "prepend": "a" * 1000}}, "long text before"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}] * 100}}, "more than 20 steps"),
        ({"normalizer": {"type": "Made up\x1b"}}, r"normalizer Made up\\x1b"),
        ({"normalizer": "NFC"}, "normalizer NFC"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}}}, "known regular"),
        ({"pre_tokenizer": {"type": "Split", "pattern": 3}}, "known regular"),
        ({"post_processor": {"type": "TemplateProcessing", "single": ["a"] * 100, "pair": []}}, "too many special"),
        ({"post_processor": {"type": "TemplateProcessing", "single": "a"}}, "no list"),
        ({"added_tokens": [{}] * 20_001}, "adds more than 20,000"),
        ({"added_tokens": 3}, "adds more than"),
        ({"model": {"type": "WordPiece", "max_input_chars_per_word": 10**9}}, "more than 1,000 characters"),
        ({"model": {"type": "BPE", "dropout": 0.5}}, "at random"),
        ({"model": {"type": "Python"}}, "type Python"),
        ({"model": None}, "no model"),
        ({"decoder": {"type": "x" * 20_000}}, "decoder"),
    ],
)
def test_a_step_that_could_hurt_is_refused(change: dict[str, Any], wrong: str) -> None:
    with pytest.raises(BadFileError, match=wrong):
        check_tokenizer(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
def test_what_is_no_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(BadFileError, match="no tokenizer"):
        check_tokenizer(content)
