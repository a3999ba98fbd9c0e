"""Private requests at the proxy: how a client says so, and what keeps LiteLLM from sending them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final

from hybrid_llm.errors import PrivateError, shown

HEADER: Final = "x-hybrid-private"
"""The header of a request that must not leave the machine."""
KEY: Final = "hybrid_private"
"""The same in a request's metadata."""
_METADATA: Final = ("metadata", "litellm_metadata")
_YES: Final = frozenset({"true", "1", "yes"})
_NO: Final = frozenset({"false", "0", "no"})
_REDACT: Final = "x-litellm-enable-message-redaction"
_SHOW: Final = "litellm-disable-message-redaction"
_SPOKEN: Final = ("messages", "input", "prompt")
"""What LiteLLM takes out of its logs by itself, once it is told to."""
_UNTOLD: Final = (
    *("system", "instructions", "tools", "functions", "stop", "prediction", "response_format", "text", "suffix"),
)
"""What else a request says in words; LiteLLM leaves that in its logs."""
_NAMES: Final = frozenset({"model", "stream", "user", *_METADATA})
"""What of a request that is refused may be logged."""
_OTHERS: Final = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


def is_private(data: Mapping[str, Any], *, ours: bool = True) -> bool:
    """Return whether a request says that it is private, by its header or its metadata; ``false`` takes nothing back.

    Args:
        data: The request.
        ours: Whether it asks our model. Metadata of other requests is their own, as long as it is no slip of ours.

    Raises:
        PrivateError: It says something else than true or false, or nearly uses our names: what it means would be lost.
    """
    said = [_truth(name, value) for name, value in _said(data, ours)]  # all of them: a slip in one is told
    return any(said)


def _said(data: Mapping[str, Any], ours: bool) -> Iterator[tuple[str, object]]:
    """Yield what stands under the names that are ours."""
    headers = (data.get("proxy_server_request") or {}).get("headers") or {}
    for name, value in headers.items():
        if name.lower().startswith("x-hybrid"):
            if name.lower() != HEADER:
                raise PrivateError(f"There is no request header {name!r}; a private request has {HEADER}: true.")
            yield f"the header {HEADER}", value
    for place in _METADATA:
        metadata = data.get(place)
        for name, value in metadata.items() if isinstance(metadata, Mapping) else ():
            if name == KEY:
                yield f"{KEY} in metadata", value
            elif isinstance(name, str) and _is_slip(name.lower(), ours):
                raise PrivateError(f"There is no {name!r} in metadata; a private request has {KEY!r}: true.")


def _is_slip(name: str, ours: bool) -> bool:
    return (ours and name.startswith("hybrid_")) or bool(get_close_matches(name, [KEY], cutoff=0.8))


def _truth(name: str, value: object) -> bool:
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise PrivateError(f"{name} is true or false; got {shown(value)}.")
    return word in _YES


def lock(data: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Keep a private request in its group: no fallbacks, no cache, no text in LiteLLM's logs.

    Args:
        data: The request as LiteLLM goes on with it; changed.
        metadata: Its metadata for LiteLLM's logs; changed.
    """
    for name in _OTHERS:
        data.pop(name, None)
    data["disable_fallbacks"] = True
    data["cache"] = {"no-cache": True, "no-store": True}
    headers = {name: value for name, value in dict(metadata.get("headers") or {}).items() if name.lower() != _SHOW}
    metadata["headers"] = {**headers, _REDACT: "true"}
    data["turn_off_message_logging"] = True
    with suppress(
        KeyError, AttributeError, TypeError
    ):  # made before any hook is asked, in whatever form a version keeps it
        data["litellm_logging_obj"].standard_callback_dynamic_params["turn_off_message_logging"] = True


def forget(data: dict[str, Any]) -> None:
    """Take all texts out of a request that goes nowhere: LiteLLM logs what is refused, too."""
    body = (data.get("proxy_server_request") or {}).get("body")  # which the log has in its hands already
    body = body if isinstance(body, dict) else {}
    for name in {*_SPOKEN, *_UNTOLD, *body} - _NAMES:
        data.pop(name, None)
        body.pop(name, None)


def clear(logged: dict[str, Any]) -> None:
    """Take out of what LiteLLM logs of a private call what it leaves there itself.

    Args:
        logged: Its ``model_call_details``; changed, but nothing within it, which the call itself may need.
    """
    for name in _UNTOLD:
        logged.pop(name, None)
    logged.update({name: None for name in ("additional_args", "original_response") if logged.get(name)})
    logged["optional_params"] = _untold(logged.get("optional_params"))
    params = _untold(logged.get("litellm_params"))
    if sent := params.get("proxy_server_request"):
        params["proxy_server_request"] = {**sent, "body": _untold(sent.get("body"))}
    logged["litellm_params"] = params
    if line := logged.get("standard_logging_object"):
        logged["standard_logging_object"] = {**line, "model_parameters": _untold(line.get("model_parameters"))}


def _untold(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if name not in _UNTOLD}
