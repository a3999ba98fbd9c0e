"""How a client of the proxy says that a request is private."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_llm.errors import PrivateError
from litellm_hybrid._private import clear, forget, is_private, lock


def with_header(name: str, value: Any) -> dict[str, Any]:
    return {"proxy_server_request": {"headers": {name: value}}}


@pytest.mark.parametrize(
    "data",
    [
        with_header("x-hybrid-private", "true"),
        with_header("X-Hybrid-Private", " 1 "),
        {"metadata": {"hybrid_private": True}},
        {"litellm_metadata": {"hybrid_private": "yes"}},
        {**with_header("x-hybrid-private", "false"), "metadata": {"hybrid_private": True}},
    ],
)
def test_a_header_or_the_metadata_say_so(data: dict[str, Any]) -> None:
    assert is_private(data)


@pytest.mark.parametrize("data", [{}, with_header("x-hybrid-private", "false"), {"metadata": {"user": "me"}}])
def test_without_them_a_request_is_not_private(data: dict[str, Any]) -> None:
    assert not is_private(data)


@pytest.mark.parametrize(
    "data",
    [
        with_header("x-hybrid-privat", "true"),
        with_header("x-hybrid-private", "tru"),
        {"metadata": {"hybrid_privte": True}},
        {"metadata": {"hybrid-private": True}},
        {"metadata": {"hybrid_private": None}},
        {**with_header("x-hybrid-private", "true"), "metadata": {"hybrid_private": "perhaps"}},
    ],
)
def test_a_slip_is_an_error_and_not_a_request_that_leaves(data: dict[str, Any]) -> None:
    with pytest.raises(PrivateError):
        is_private(data)


def test_metadata_for_another_model_is_its_own_but_for_a_slip() -> None:
    assert not is_private({"metadata": {"hybrid_search": True}}, ours=False)
    with pytest.raises(PrivateError, match="hybrid_privte"):
        is_private({"metadata": {"hybrid_privte": True}}, ours=False)


def test_of_a_refused_request_no_text_is_left_to_log() -> None:
    body = {"model": "gpt", "messages": ["secret"], "system": "secret", "contents": ["secret"], "stream": True}
    data: dict[str, Any] = {**body, "input": "secret", "proxy_server_request": {"body": body}}
    forget(data)
    assert data == {"model": "gpt", "stream": True, "proxy_server_request": {"body": {"model": "gpt", "stream": True}}}


def test_what_litellm_leaves_in_a_log_is_taken_out_and_the_call_keeps_it() -> None:
    params = {"instructions": "secret", "tools": ["secret"], "temperature": 0.5}
    logged = {
        **params,
        "additional_args": {"complete_input_dict": {"input": "secret"}},
        "original_response": "secret",
        "optional_params": params,
        "litellm_params": {"instructions": "secret", "proxy_server_request": {"body": {"system": "secret"}}},
        "standard_logging_object": {"model_parameters": params, "id": "1"},
    }
    clear(logged)
    assert "secret" not in str(logged)
    assert logged["standard_logging_object"] == {"model_parameters": {"temperature": 0.5}, "id": "1"}
    assert params["instructions"] == "secret"


def test_a_private_request_has_no_way_out_of_its_group_and_no_text_in_logs() -> None:
    metadata = {"headers": {"litellm-disable-message-redaction": "true", "user-agent": "me"}}
    data: dict[str, Any] = {"model": "small", "fallbacks": ["large"], "turn_off_message_logging": False}
    lock(data, metadata)
    assert "fallbacks" not in data
    assert data["disable_fallbacks"]
    assert data["cache"] == {"no-cache": True, "no-store": True}
    assert data["turn_off_message_logging"]
    assert metadata["headers"] == {"user-agent": "me", "x-litellm-enable-message-redaction": "true"}
