"""The RAG example scores the question and not the passages."""

from __future__ import annotations

import re

from hybrid_llm import Router
from tests.examples.test_examples import output_of


def test_the_question_is_scored_and_not_the_stuffed_prompt() -> None:
    output = output_of("langchain_rag.py")
    found = re.findall(
        r"^(small|large)  score (\d\.\d\d)  (.*)\n +found: .*\n +\(an answer of the (\w+) stand-in\)", output, re.M
    )
    assert len(found) == 4
    assert {route for route, *_ in found} == {"small", "large"}
    assert all(route == answered for route, _, _, answered in found)
    questions = [question for _, _, question, _ in found]
    assert [score for _, score, _, _ in found] == [f"{score:.2f}" for score in Router.load().score(questions)]
