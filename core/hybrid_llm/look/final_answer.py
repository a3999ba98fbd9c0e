r"""The final answer in a text, in a form that two models' answers can be compared in.

Agreement compares final answers, never whole texts: two models reason in different words and may still say 18. Where
the answer stands is found by ``spans``; it is an option, a number, or a few words.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final, Literal

from hybrid_llm.look.choices import final_choice
from hybrid_llm.look.spans import boxed, marked, without_thoughts
from hybrid_llm.look.written_numbers import Number, final_number, same_number

Kind = Literal["choice", "number", "text"]

FEW_WORDS: Final = 8
"""A text of at most so many words is its own final answer."""
SENTENCE: Final = 20
"""A text of at most so many words, without an option or a number, is compared as a whole."""
_FIELDS: Final = ("final_answer", "answer", "result")
_FENCE: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL)
_LETTER: Final = re.compile(r"[\W_]*[A-Za-z](?![\w'])")
_IDLE: Final = re.compile(r"\b(?:the|a|an|is|are|it|its|it's)\b")
_LATEX: Final = re.compile(r"\\(?:left|right|[!,;: ]|[dt](?=frac)|text(?:bf|rm|it)?|mathrm|boxed|displaystyle)|[\s{}$]")
_ONLY_NUMBER: Final = re.compile(r"[^\w]*[-\u2212+]?[\d.,/ ]*\d(?:\s?(?:%|\\%|percent|[A-Za-z]{1,12}))?[^\w]*")


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    r"""A final answer.

    Args:
        kind: An option's letter, a number, or a few words.
        text: It, in one spelling.
        number: Its value, of a number.

    Example:
        >>> FinalAnswer.of(r"So \boxed{18}.").agrees(FinalAnswer.of("The answer is $18."))
        True
    """

    kind: Kind
    text: str
    number: Number | None = None

    @classmethod
    def of(cls, text: str) -> FinalAnswer | None:
        """Return the final answer in a text, or None when it has none that can be told.

        The places in their order: the answer's field of a JSON object, a box, what follows "the answer is", a short
        text as a whole; of a long text the option that it names or else its last number.

        Example:
            >>> FinalAnswer.of('{"answer": "B"}').text, FinalAnswer.of("Lima.").text, FinalAnswer.of("  ") is None
            ('B', 'lima', True)
        """
        text = without_thoughts(text)
        if not text.strip():
            return None
        span = _field(text) or boxed(text) or marked(text)
        if span is None and len(text.split()) <= FEW_WORDS:
            span = text
        if span is not None:
            return _of_span(span.strip())
        if letter := final_choice(text):
            return cls("choice", letter)
        if number := final_number(text):
            return cls("number", str(number.value), number)
        words = text.split()
        return cls("text", plain) if len(words) <= SENTENCE and (plain := _plain(text)) else None

    def agrees(self, other: FinalAnswer | None) -> bool:
        """Return whether another model said the same: a few words may stand in a sentence of the other's.

        With one that said nothing nobody agrees.
        """
        if other is None:
            return False
        if self.number is not None and other.number is not None:
            return same_number(self.number, other.number)
        if self.kind != other.kind:
            return False
        short, long = sorted((self.text, other.text), key=len)
        return short == long or (self.kind == "text" and f" {short} " in f" {long} ")


def _field(text: str) -> str | None:
    """Return the answer's field of a text that is a JSON object."""
    if not text.lstrip().startswith(("{", "```")):
        return None
    fenced = _FENCE.match(text)
    try:
        value: Any = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    found = next((value[name] for name in _FIELDS if name in value), None) if isinstance(value, dict) else None
    return str(found) if isinstance(found, (str, int, float)) else None


def _of_span(span: str) -> FinalAnswer | None:
    first = span.splitlines()[0] if span else ""
    lettered = _LETTER.match(first) and (len(first) <= 3 or len(first.split()) > 1)
    if lettered and (letter := final_choice(first)):
        return FinalAnswer("choice", letter)
    number = final_number(first)
    if number is not None and (_ONLY_NUMBER.fullmatch(first) or len(first.split()) > 1):
        return FinalAnswer("number", str(number.value), number)
    plain = _plain(first)
    return FinalAnswer("text", plain, number) if plain else None


def _plain(text: str) -> str:
    """Return a text in one spelling: letters alike, no white space of LaTeX, no articles, no full stop."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if "\\" in text or "^" in text:
        return _LATEX.sub("", text).strip(".")
    words = re.findall(r"\w+(?:[-'.]\w+)*|[^\w\s.,;:!?\"'*_`()]", _IDLE.sub(" ", text))
    return " ".join(words)
