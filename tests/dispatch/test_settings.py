"""What the settings of one call become in the words of each family, whoever wrote them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from hybrid_llm import HybridLLMWarning, Pair
from hybrid_llm.dispatch import Dialect, dialect_of, is_setting, translated
from hybrid_llm.testing import FixedScorer

SCHEMA = {"title": "A city", "type": "object", "properties": {"name": {"type": "string"}}}
ENVELOPE = {"type": "json_schema", "json_schema": {"name": "A_city", "schema": SCHEMA}}
JSON_MODE = {"type": "json_object"}


class City(BaseModel):
    name: str


def ollama(**options: Any) -> dict[str, Any]:
    return {"options": options}


@pytest.mark.parametrize(
    ("given", "at_ollama", "at_chat", "at_responses", "at_completions"),
    [
        *(
            ({name: 1}, ollama(**{name: 1}), {name: 1}, responses and {name: 1}, {name: 1})
            for name, responses in [("temperature", True), ("top_p", True), ("seed", None)]
        ),
        *(
            ({name: 0.5}, ollama(**{name: 0.5}), {name: 0.5}, None, {name: 0.5})
            for name in ("frequency_penalty", "presence_penalty")
        ),
        ({"max_tokens": 5}, ollama(num_predict=5), {"max_tokens": 5}, {"max_output_tokens": 5}, {"max_tokens": 5}),
        ({"num_predict": 5}, ollama(num_predict=5), {"max_tokens": 5}, {"max_output_tokens": 5}, {"max_tokens": 5}),
        (
            {"max_completion_tokens": 5},
            ollama(num_predict=5),
            {"max_completion_tokens": 5},
            {"max_output_tokens": 5},
            {"max_tokens": 5},
        ),
        ({"stop": "."}, ollama(stop=["."]), {"stop": "."}, None, {"stop": "."}),
        ({"stop": ["."]}, ollama(stop=["."]), {"stop": ["."]}, None, {"stop": ["."]}),
        ({"logprobs": True}, {"logprobs": True}, {"logprobs": True}, None, None),
        ({"top_logprobs": 2}, {"top_logprobs": 2}, {"top_logprobs": 2}, {"top_logprobs": 2}, None),
        *(({name: 4}, ollama(**{name: 4}), None, None, None) for name in ("top_k", "min_p", "num_ctx", "mirostat")),
        ({"keep_alive": "1h"}, {"keep_alive": "1h"}, None, None, None),
        ({"user": "u"}, None, {"user": "u"}, {"user": "u"}, {"user": "u"}),
        ({"parallel_tool_calls": False}, None, *[{"parallel_tool_calls": False}] * 2, None),
        ({"tool_choice": "any"}, None, *[{"tool_choice": "any"}] * 2, None),
        ({"extra_body": {"top_k": 4}}, None, *[{"extra_body": {"top_k": 4}}] * 3),
        ({"format": "json"}, {"format": "json"}, {"response_format": JSON_MODE}, {"text": {"format": JSON_MODE}}, None),
        (
            {"response_format": JSON_MODE},
            {"format": "json"},
            {"response_format": JSON_MODE},
            {"text": {"format": JSON_MODE}},
            None,
        ),
        (
            {"format": SCHEMA},
            {"format": SCHEMA},
            {"response_format": ENVELOPE},
            {"text": {"format": {"type": "json_schema", "name": "A_city", "schema": SCHEMA}}},
            None,
        ),
        (
            {"response_format": ENVELOPE},
            {"format": SCHEMA},
            {"response_format": ENVELOPE},
            {"text": {"format": {"type": "json_schema", "name": "A_city", "schema": SCHEMA}}},
            None,
        ),
        ({"text": {"format": JSON_MODE}}, {"format": "json"}, ..., ..., None),
        ({"text": {"verbosity": "low"}}, None, ..., ..., None),
        ({"response_format": City}, {"format": City.model_json_schema()}, {"response_format": City}, ..., None),
        ({"reasoning": True}, {"think": True}, None, None, None),
        ({"think": "low"}, {"think": "low"}, None, None, None),
        ({"reasoning_effort": "low"}, None, {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}, None),
        (
            {"reasoning_effort": "none"},
            {"think": False},
            {"reasoning_effort": "none"},
            {"reasoning": {"effort": "none"}},
            None,
        ),
        (
            {"reasoning": {"effort": "low"}},
            None,
            {"reasoning": {"effort": "low"}},
            {"reasoning": {"effort": "low"}},
            None,
        ),
        ({"a_word_of_nobody": 1}, *[{"a_word_of_nobody": 1}] * 4),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_setting_is_said_in_the_words_of_the_family_or_named_as_left_out(
    given: dict[str, Any], at_ollama: Any, at_chat: Any, at_responses: Any, at_completions: Any
) -> None:
    wanted = {"ollama": at_ollama, "chat": at_chat, "responses": at_responses, "completions": at_completions}
    for dialect, settings in wanted.items():
        found = translated(given, dialect)  # type: ignore[arg-type]
        expected = given if settings is ... else settings or {}
        assert (found.settings, found.left_out) == (expected, () if settings else tuple(given)), dialect


@pytest.mark.parametrize(
    "given",
    [
        {"parallel_tool_calls": True, "tool_choice": "auto"},
        {"n": 1, "stream_options": {"include_usage": True}, "stream_usage": True, "strict": True},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "cache_control": {"type": "ephemeral"}},
        {"response_format": {"type": "text"}, "seed": None, "user": None, "format": ""},
    ],
    ids=str,
)
def test_what_asks_for_nothing_more_than_ollama_does_anyway_is_left_out_in_silence(given: dict[str, Any]) -> None:
    assert translated(given, "ollama") == translated({}, "ollama")


@pytest.mark.parametrize("dialect", ["chat", "completions"])
def test_options_of_ollama_are_read_one_by_one_elsewhere(dialect: Dialect) -> None:
    found = translated({"options": {"num_predict": 5, "temperature": 0, "top_k": 1}}, dialect)
    assert found.settings == {"max_tokens": 5, "temperature": 0}
    assert found.left_out == ("top_k",)


def test_where_a_setting_is_given_twice_the_arms_own_word_counts() -> None:
    given = {"num_predict": 1, "max_tokens": 2}
    for order in (given, dict(reversed(given.items()))):
        assert translated(order, "ollama").settings == {"options": {"num_predict": 1}}
        assert translated(order, "chat").settings == {"max_tokens": 2}


def test_no_tool_is_to_be_called_means_no_tools_for_ollama() -> None:
    given = {"tools": ["a tool"], "tool_choice": "none"}
    assert translated(given, "ollama") == translated({}, "ollama")
    assert translated(given, "chat").settings == given


@pytest.mark.parametrize(("thinks", "said"), [("low", "high"), (True, True), (False, None), (None, None)])
def test_ollama_is_asked_to_think_by_another_familys_word_only_if_it_was_made_to(thinks: Any, said: Any) -> None:
    found = translated({"reasoning_effort": "xhigh"}, "ollama", thinks=thinks)
    assert found.settings.get("think") == said
    assert bool(found.left_out) is not bool(said)


def test_openai_is_asked_to_think_by_ollamas_word_only_if_it_was_made_to() -> None:
    assert translated({"think": "low"}, "chat", thinks="high").settings == {"reasoning_effort": "low"}
    assert translated({"think": True}, "chat", thinks="high").left_out == ("think",)


def test_not_to_think_is_nothing_to_tell_openai_unless_it_was_made_to() -> None:
    assert translated({"think": False}, "ollama", thinks=True).settings == {"think": False}
    assert translated({"think": False}, "chat") == translated({}, "chat")
    assert translated({"think": False}, "chat", thinks="high").left_out == ("think",)


def test_families_are_known_by_the_names_of_their_classes() -> None:
    base = type("BaseChatOpenAI", (), {})
    assert dialect_of(type("ChatElsewhere", (base,), {})) == "chat"
    assert dialect_of(type("ChatOllama", (), {})) == dialect_of(type("Ollama", (), {})) == "ollama"
    assert dialect_of(type("OpenAIResponses", (), {})) == "responses"
    assert dialect_of(type("ChatAnthropic", (), {})) is None


def test_the_settings_of_a_call_are_told_from_other_names() -> None:
    assert all(map(is_setting, ("temperature", "num_predict", "options", "response_format", "cache_control")))
    assert not any(map(is_setting, ("method", "include_raw", "tools", "a_word_of_nobody")))


def test_a_setting_that_is_left_out_is_named_once_for_each_arm() -> None:
    pair = Pair(FixedScorer(0.9), threshold=0.5)
    with pytest.warns(HybridLLMWarning, match=r"small \(small\) does not know user=, n=:"):
        pair.leave_out("small", ["user", "n"])
    pair.leave_out("small", ["n", "user"])
    pair.leave_out("small", [])
    with pytest.warns(HybridLLMWarning, match=r"large .* top_k="):
        pair.leave_out("large", ["top_k"])
