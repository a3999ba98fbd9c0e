"""How a client of the proxy says that a request is private."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_llm.errors import PrivateError
from litellm_hybrid._private import is_private, lock


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
        {"metadata": {"hybrid_private": None}},
        {**with_header("x-hybrid-private", "true"), "metadata": {"hybrid_private": "perhaps"}},
    ],
)
def test_a_slip_is_an_error_and_not_a_request_that_leaves(data: dict[str, Any]) -> None:
    with pytest.raises(PrivateError):
        is_private(data)


def test_a_private_request_has_no_way_out_of_its_group_and_no_text_in_logs() -> None:
    metadata = {"headers": {"litellm-disable-message-redaction": "true", "user-agent": "me"}}
    data: dict[str, Any] = {"model": "small", "fallbacks": ["large"], "turn_off_message_logging": False}
    lock(data, metadata)
    assert "fallbacks" not in data
    assert data["disable_fallbacks"]
    assert data["cache"] == {"no-cache": True, "no-store": True}
    assert data["turn_off_message_logging"]
    assert metadata["headers"] == {"user-agent": "me", "x-litellm-enable-message-redaction": "true"}
