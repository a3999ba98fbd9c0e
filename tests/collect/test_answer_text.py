"""The answer in what a server sent: thinking is left out of the text and of the log-probabilities."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.collect.answer_text import without_thought
from hybrid_llm.dispatch import content_logprobs


def tokens(*pieces: str, start: float = -1.0):
    return [{"token": piece, "logprob": start - number} for number, piece in enumerate(pieces)]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("4", "4"),
        (None, ""),
        ("<think>\nTwo and two.\n</think>\n\n4", "4"),
        ("  <think></think>4", "4"),
        ("A <think>b</think> c", "A <think>b</think> c"),
        ("<think>never ends", "<think>never ends"),
        ("half \ud83d", "half ?"),
    ],
)
def test_thinking_at_the_start_of_a_text_is_no_part_of_the_answer(sent: str | None, text: str) -> None:
    assert without_thought(sent) == text


def test_tokens_of_the_thinking_and_of_marks_are_left_out() -> None:
    sent = tokens("<think>", "Lima", " it is", "</think>", "\n\n", "Lima", " it is", ".", "<|im_end|>")
    assert content_logprobs(sent, "Lima it is.") == (-6.0, -7.0, -8.0)


def test_a_token_that_holds_the_end_of_the_thinking_and_the_start_of_the_answer_counts() -> None:
    assert content_logprobs(tokens("</think>4", "2"), "42") == (-1.0, -2.0)


def test_a_character_may_be_spread_over_tokens() -> None:
    parts = [{"token": "\ufffd", "bytes": list(raw), "logprob": -0.5} for raw in (b"\xe5\x88", b"\xa9")]
    assert content_logprobs(parts, "\u5229") == (-0.5, -0.5)


@pytest.mark.parametrize("raw", [[300], [None], "yes", 3, -1])
def test_bytes_that_are_none_leave_the_text_of_the_token(raw) -> None:
    assert content_logprobs([{"token": "yes", "bytes": raw, "logprob": -0.5}], "yes") == (-0.5,)


@pytest.mark.parametrize(
    "sent", [None, [], [{"token": "else", "logprob": -1}], [{"token": "yes", "logprob": math.nan}]]
)
def test_log_probabilities_that_are_not_those_of_the_text_are_none(sent) -> None:
    assert content_logprobs(sent, "yes") is None


def test_log_probabilities_are_finite_and_at_most_nothing() -> None:
    sent = [{"token": "a", "logprob": -math.inf}, {"token": "b", "logprob": 1e-7}]
    assert content_logprobs(sent, "ab") == (-9999.0, 0.0)


words = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8)


@given(words, words)
def test_whatever_was_thought_the_answer_has_its_own_tokens(thought: list[str], answer: list[str]) -> None:
    text = "".join(answer)
    if not text.strip():
        return
    numbers = content_logprobs(tokens(*thought, "</think>") + tokens(*answer, start=-100), text)
    assert numbers is not None
    assert len(numbers) <= len(answer)
    assert all(number <= -100 for number in numbers)
