"""Whether an answer can be used at all; each rejection names itself."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import LookError
from hybrid_llm.look import Answer, ToolCall, Wanted, rejected, repeats


def why(answer, **wanted):
    return rejected("What is 2+2?", answer, Wanted(**wanted))


def test_an_answer_that_was_cut_off_is_rejected():
    assert why(Answer("The answer is", finish="length")) == "cut_off"


def test_where_the_caller_set_the_limit_it_is_meant():
    assert why(Answer("The answer is", finish="length"), length_is_meant=True) is None


@pytest.mark.parametrize("text", ["", "  \n", "\u3000"])
def test_nothing_is_no_answer(text):
    assert why(Answer(text)) == "empty"


def test_nothing_is_an_answer_when_it_calls_a_tool():
    assert why(Answer("", tool_calls=[ToolCall("add", {"a": 2})]), tools={"add": None}) is None


@pytest.mark.parametrize("tools", [None, {}, {"subtract": None}])
def test_a_tool_that_was_not_offered_is_rejected(tools):
    assert why(Answer("", tool_calls=[ToolCall("add", {})]), tools=tools) == "unknown_tool"


@pytest.mark.parametrize("arguments", ["{broken", {"b": 1}])
def test_arguments_that_break_their_schema_are_rejected(arguments):
    tools = {"add": lambda value: "a" in value}
    assert why(Answer("", tool_calls=[ToolCall("add", arguments)]), tools=tools) == "tool_arguments"


def test_of_several_calls_one_is_enough_to_reject_all():
    calls = [ToolCall("add", {}), ToolCall("nope", {})]
    assert why(Answer("", tool_calls=calls), tools={"add": None}) == "unknown_tool"


@pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', "[1]"])
def test_json_is_read_with_a_fence_around_it_too(text):
    assert why(Answer(text), json=True) is None


@pytest.mark.parametrize("text", ["four", '{"a": 1', "[" * 100_000])
def test_what_is_no_json_is_rejected(text):
    assert why(Answer(text), json=True) == "json"


def test_json_that_breaks_the_schema_is_rejected():
    assert why(Answer('{"b": 1}'), schema=lambda value: "a" in value) == "schema"


def test_the_callers_own_rule_rejects_by_false_alone():
    assert why(Answer("4"), check=lambda query, answer: "five" in answer) == "check"
    assert why(Answer("4"), check=lambda query, answer: None) is None
    assert why(Answer("4"), check=lambda query, answer: np.mean([1, 0]) > 0.6) == "check"  # numpy's own False
    assert why(Answer("4"), check=lambda query, answer: np.zeros(2)) is None


def test_a_loop_is_found():
    assert why(Answer("Let me think. " + "Wait, that is not right. " * 30)) == "repeats"


@pytest.mark.parametrize(
    "text",
    [
        "-" * 500,
        "| a | b |\n|---|---|\n" + "".join(f"| {i} | {i * i} |\n" for i in range(40)),
        "ha " * 5,
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16",
    ],
)
def test_lines_tables_and_lists_are_no_loops(text):
    assert not repeats(text)


@given(st.text(max_size=300), st.text(st.characters(categories=["L"]), min_size=12, max_size=60))
def test_whatever_comes_before_a_loop(before, passage):
    if len(set(passage)) > 2:
        assert repeats(before + passage * 6 + passage[:5])


@given(st.text())
def test_any_text_is_judged(text):
    assert why(Answer(text)) in (None, "empty", "repeats")


def test_a_long_answer_is_judged_at_once():
    start = time.process_time()
    repeats("abcde fghij " * 200_000)
    repeats("x" * 1_000_000)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("number", [math.nan, math.inf, 0.5])
def test_what_is_no_log_probability_is_refused(number):
    with pytest.raises(LookError, match="Log-probability 1"):
        Answer("4", logprobs=[-0.5, number])


def test_as_many_log_probabilities_as_tokens():
    with pytest.raises(LookError, match="2 log-probabilities and 3 tokens"):
        Answer("4", logprobs=[-0.5, -1], tokens=3)


def test_an_answer_without_tokens_has_no_log_probabilities():
    assert Answer("", logprobs=[]).logprobs is None
    assert Answer("").mean_logprob is None
