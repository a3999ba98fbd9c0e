r"""The process that compares mathematics, for :mod:`hybrid_llm.collect.grade.math`: one JSON line in, one out.

``math-verify`` reads LaTeX and plain expressions into sympy, which can work for ever, or eat all memory, on a single
answer. Here that ends one process, and the parent starts the next.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

from hybrid_llm.collect.grade.texts import exact
from hybrid_llm.look import boxed, marked, without_thoughts

MEMORY: Final = 4 * 2**30
_DELIMITED: Final = re.compile(r"\$|\\\(|\\\[|\\boxed|\\begin")
_WORD: Final = re.compile(r"(?<!\\)\b(?!(?:sqrt|frac|cdot|pi|sin|cos|tan|log|ln|exp|infty|cup|cap)\b)[A-Za-z]{3,}")


def main() -> None:
    """Answer each line of standard input until it ends."""
    _limit_memory()
    logging.disable(logging.CRITICAL)
    math_verify = importlib.import_module("math_verify")  # it brings no types
    compare(math_verify, "$1$", ["1"])  # the first one loads the parsers, which must not count against an answer

    print_line({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            print_line({"score": compare(math_verify, asked["answer"], asked["references"])})
        except Exception as error:  # noqa: BLE001 - whatever sympy raises, this answer is not graded
            print_line({"score": None, "error": repr(error)})


def compare(math_verify: Any, answer: str, references: Sequence[str]) -> float:
    """Return 1 if an answer equals a reference, else 0; references that are no mathematics are compared as texts."""
    answer = without_thoughts(answer)
    wanted = [read for reference in references if (read := math_verify.parse(expression(reference), **NO_TIMEOUT))]
    if not wanted:
        return exact(boxed(answer) or marked(answer) or answer, references)
    given = math_verify.parse(expression(answer), **NO_TIMEOUT)
    return float(any(math_verify.verify(gold, given, timeout_seconds=None) for gold in wanted))


NO_TIMEOUT: Final[dict[str, Any]] = {"parsing_timeout": None}


def expression(text: str) -> str:
    r"""Return the part of a text that is its answer, in the delimiters by which math-verify knows mathematics.

    Example:
        >>> expression("So we get 44√2, I say. The answer is 32π/3.")
        '$32\\pi /3$'
    """
    if (box := boxed(text)) is not None:
        return f"${_latex(box)}$"
    if _DELIMITED.search(text):
        return text
    span = (marked(text) or text).strip().rstrip(".")
    return text if "\n" in span or _WORD.search(span) else f"${_latex(span)}$"


def _latex(text: str) -> str:
    text = text.replace("\\\\", "\\").replace("π", "\\pi ").replace("∞", "\\infty ").replace("\u2212", "-")
    return re.sub(r"√\s*(?:\(([^()]*)\)|(\w+))", lambda root: f"\\sqrt{{{root[1] or root[2]}}}", text)


def print_line(value: dict[str, Any]) -> None:
    """Write one JSON line and send it."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
