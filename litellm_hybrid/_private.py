"""Private requests at the proxy: how a client says so, and what keeps LiteLLM from sending them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
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
_OTHERS: Final = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


def is_private(data: Mapping[str, Any]) -> bool:
    """Return whether a request says that it is private, by its header or its metadata; ``false`` takes nothing back.

    Raises:
        PrivateError: It says something else than true or false, or nearly uses our names: what it means would be lost.
    """
    said = [_truth(name, value) for name, value in _said(data)]  # all of them: a slip in one is told
    return any(said)


def _said(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
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
            if isinstance(name, str) and name.lower().startswith("hybrid_"):
                if name != KEY:
                    raise PrivateError(f"There is no {name!r} in metadata; a private request has {KEY!r}: true.")
                yield f"{KEY} in metadata", value


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
