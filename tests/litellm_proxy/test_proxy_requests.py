"""What the router is asked of a request to the proxy, in every form that clients send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.dispatch import MEDIA_TOKENS
from litellm_hybrid._messages import request_of

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
QUESTION = "What is the capital of the country that Lake Titicaca lies in?"


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    "body",
    [
        {
            "messages": [
                {"role": "system", "content": "Be short."},
                user("Hello there!"),
                assistant("Hi."),
                user(QUESTION),
            ]
        },
        {"messages": [user([{"type": "text", "text": QUESTION}])], "system": "Be short."},
        {"input": QUESTION, "instructions": "Be short."},
        {"input": [user([{"type": "input_text", "text": QUESTION}])]},
        {"prompt": QUESTION},
        {"prompt": [QUESTION]},
    ],
    ids=["chat", "anthropic", "response of a text", "response of items", "completion", "completion of a list"],
)
def test_the_users_last_words_are_scored(body: dict[str, Any]) -> None:
    assert request_of(body).text == QUESTION


@pytest.mark.parametrize(
    "steps",
    [
        [assistant(None), {"role": "tool", "tool_call_id": "1", "content": "sunny"}],
        [assistant([{"type": "tool_use", "id": "1"}]), user([{"type": "tool_result", "content": "sunny"}])],
        [
            assistant([{"type": "tool_use", "id": "1"}]),
            user(
                [{"type": "tool_result", "content": "sunny"}, {"type": "text", "text": "<reminder>Be kind.</reminder>"}]
            ),
        ],
    ],
    ids=["openai", "anthropic", "anthropic with words of the client"],
)
def test_a_step_of_an_agent_is_scored_by_the_users_words_before_it(steps: list[dict[str, Any]]) -> None:
    assert request_of({"messages": [user(QUESTION), *steps]}).text == QUESTION


def test_the_steps_of_a_response_are_no_words_of_the_user() -> None:
    steps = [{"type": "function_call", "name": "f"}, {"type": "function_call_output", "output": "sunny"}]
    assert request_of({"input": [user(QUESTION), *steps]}).text == QUESTION


def test_a_follow_up_comes_with_the_turns_that_were_answered() -> None:
    request = request_of({"messages": [user(QUESTION), assistant("Lima, or La Paz."), user("And then?")]})
    assert request.is_follow_up
    assert request.turns == (QUESTION,)


@pytest.mark.parametrize("where", [user([PICTURE]), user([{"type": "tool_result", "content": [PICTURE]}])])
def test_a_picture_is_seen_wherever_it_is_and_counts_as_one(where: dict[str, Any]) -> None:
    request = request_of({"messages": [where, user(QUESTION)]})
    assert request.modalities == {"image"}
    assert request.tokens < 2 * MEDIA_TOKENS


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ({"type": "function", "function": {"name": "f"}}, "function"),
        ({"name": "f", "input_schema": {}}, "function"),
        ({"type": "web_search_20250305", "name": "web_search"}, "web_search_20250305"),
    ],
)
def test_tools_are_functions_or_a_providers_own(tool: dict[str, Any], kind: str) -> None:
    assert request_of({"messages": [user(QUESTION)], "tools": [tool]}).tools == {kind}


def test_tools_and_the_system_prompt_count_for_the_window() -> None:
    bare = request_of({"messages": [user(QUESTION)]}).tokens
    long = {"messages": [user(QUESTION)], "system": "x" * 4000, "tools": [{"description": "y" * 4000}]}
    assert request_of(long).tokens > bare + 2000


@pytest.mark.parametrize(
    ("choice", "forced"),
    [("auto", False), ("none", False), ("required", True), ({"type": "any"}, True), ({"type": "auto"}, False)],
)
def test_a_tool_that_must_be_called_is_seen(choice: Any, forced: bool) -> None:
    assert request_of({"messages": [user(QUESTION)], "tool_choice": choice}).forced_tool is forced


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema"}},
        {"text": {"format": {"type": "json_schema"}}},
        {"output_config": {"format": {"type": "json_schema"}}},
    ],
)
def test_a_schema_is_seen(body: dict[str, Any]) -> None:
    assert request_of({"messages": [user(QUESTION)], **body}).structured


def test_all_that_would_leave_is_told_to_a_function_that_judges_it() -> None:
    body = {"messages": [user([{"type": "tool_result", "content": "IBAN DE89"}]), user(QUESTION)], "system": "Ours."}
    said = request_of(body).said
    assert said is not None
    assert {"IBAN DE89", QUESTION, "Ours."} <= set(said())


JSON = st.recursive(
    st.sampled_from([None, True, 7, "", "Why?", "user", "assistant", "image", "tool_result", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "kwargs", "output"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["messages", "input", "prompt", "tools", "tool_choice", "text", "system"]), JSON)
)
def test_whatever_a_client_sends_is_read(body: dict[str, Any]) -> None:
    request = request_of(body)
    assert isinstance(request.text, str)
    assert all(isinstance(turn, str) for turn in request.turns)


@pytest.mark.usefixtures("proxy")
def test_of_several_ollamas_the_one_that_hands_its_calls_on_speaks_for_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from litellm_hybrid import _groups

    said = {"cloud": {"remote_host": "https://ollama.com"}, "here": {}}
    monkeypatch.setattr(_groups.OllamaServer, "shown", lambda server: said[server._model])
    entries = [{"model_name": "small", "litellm_params": {"model": f"ollama/{name}"}} for name in said]
    place = _groups.capabilities_of("small", entries).place
    assert place is not None
    assert place.shown is not None
    assert place.shown() == said["cloud"]


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("says", [{"remote_host": "https://ollama.com"}, ValueError("no JSON"), ["no object"]])
def test_a_local_server_that_speaks_as_openai_does_is_asked_whether_it_is_an_ollama(
    says: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from litellm_hybrid import _groups

    def post(server: Any, path: str, body: Any, seconds: float) -> Any:
        assert (server._root, path) == ("http://127.0.0.1:11434", "/api/show")
        if isinstance(says, ValueError):
            raise says
        return says

    monkeypatch.setattr(_groups.OllamaServer, "_post", post)
    params = {"model": "openai/gpt-oss:120b-cloud", "api_base": "http://127.0.0.1:11434/v1"}
    place = _groups.capabilities_of("small", [{"model_name": "small", "litellm_params": params}]).place
    assert place is not None
    assert place.shown is not None
    assert place.shown() == (says if isinstance(says, dict) else {})


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "system", "content": "Be brief."}]},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}]},
        {"system": [{"type": "text", "text": "Be brief."}], "messages": [{"role": "user", "content": "2+2?"}]},
        {"instructions": "Be brief.", "input": "2+2?"},
    ],
)
def test_a_request_says_how_it_asks_as_a_certificate_is_for_what_was_asked_alike(body: dict[str, Any]) -> None:
    assert request_of({**body, "temperature": 0.7}).asked == {"system": "Be brief.", "temperature": 0.7}
    assert request_of({"prompt": "2+2?"}).asked == {"system": None}


@pytest.mark.usefixtures("proxy")
def test_a_group_is_asked_as_all_its_entries_say() -> None:
    from litellm_hybrid._groups import capabilities_of

    both = ({"model": "openai/m", "temperature": 0, "max_tokens": n} for n in (100, 200))
    entries = [{"model_name": "small", "litellm_params": params} for params in both]
    assert capabilities_of("small", entries).asked == {"temperature": 0}
    assert capabilities_of("small", entries[:1]).asked == {"temperature": 0, "max_tokens": 100}


@pytest.mark.usefixtures("proxy")
def test_a_group_at_two_hosts_is_nowhere_that_a_private_request_may_go() -> None:
    from litellm_hybrid._groups import capabilities_of

    places = ({"model": "openai/m", "api_base": f"http://{host}/v1"} for host in ("gpu.lan", "other.lan"))
    entries = [{"model_name": "small", "litellm_params": params} for params in places]
    assert capabilities_of("small", entries).place is None
    assert capabilities_of("small", entries[:1]).place is not None
