"""Which errors of an arm mean that it is down."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socket import gaierror
from typing import Final

from hybrid_llm.dispatch.rubbish import is_rubbish, said_of
from hybrid_llm.errors import CutAnswerError, NoAnswerError

_UNREACHABLE: Final = frozenset(
    {
        ("httpx", "TransportError"),
        ("httpx2", "TransportError"),
        ("httpcore", "NetworkError"),
        ("httpcore", "TimeoutException"),
        ("requests", "ConnectionError"),
        ("requests", "Timeout"),
        ("requests", "ChunkedEncodingError"),
        ("aiohttp", "ClientConnectionError"),
        ("aiohttp", "ClientPayloadError"),
        ("urllib", "URLError"),
        ("urllib3", "HTTPError"),
        ("openai", "APIConnectionError"),
        ("anthropic", "APIConnectionError"),
        ("langchain_core", "ModelConnectionError"),
        ("langchain_core", "ModelTimeoutError"),
        ("langchain_core", "ModelAPIError"),
        ("langchain_core", "ModelNotFoundError"),
        ("langchain_core", "ModelRateLimitError"),
    }
)
"""(package, class) of what clients raise when there is no answer or no model; by name, to import none of them."""


_MISTAKEN: Final = frozenset({"UnsupportedProtocol", "LocalProtocolError", "InvalidURL"})
"""What HTTP clients raise for an address that cannot be one, or a request they would not send."""
_UNREACHED: Final = frozenset({"ConnectTimeout", "PoolTimeout"})
"""Timeouts before a server was reached."""
_NO_ROUTE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


def is_outage(error: BaseException) -> bool:
    """Return whether an arm's error means that it is down, so that the other arm should answer.

    True for a lost or refused connection, a timeout, an HTTP status of 5xx, 404 (the model is not there), 408 or 429,
    for an error that a server reports in the middle of its stream, and for an answer that is none: empty, broken off,
    or no JSON. False for any other status and error. An error that was raised ``from`` another one is judged by that
    one when it says nothing itself.

    Example:
        >>> is_outage(ConnectionRefusedError()), is_outage(ValueError())
        (True, False)
    """
    causes = list(_causes(error))
    if any(type(cause).__name__ in _MISTAKEN for cause in causes):
        return False  # a typing error in an address, which large would hide
    for cause in causes:
        status = status_of(cause)
        if status is not None:
            return status in (404, 408, 429) or status >= 500 or status < 0
        if isinstance(cause, (ConnectionError, TimeoutError, gaierror, NoAnswerError, CutAnswerError)):
            return True
        if isinstance(cause, OSError) and cause.errno in _NO_ROUTE:
            return True
        if any((base.__module__.partition(".")[0], base.__name__) in _UNREACHABLE for base in type(cause).__mro__):
            return True
        if is_rubbish(cause):
            return True
    return False


def timed_out(error: BaseException) -> bool:
    """Return whether a server was reached, as far as is known, and gave no answer in time."""
    return any(
        (isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__)
        and type(cause).__name__ not in _UNREACHED
        and status_of(cause) is None
        for cause in _causes(error)
    ) and is_outage(error)


def reason_of(error: BaseException, model: str) -> str:
    """Say why a model did not answer, in words that hold nothing of what it was asked.

    Args:
        error: What its client raised; :func:`is_outage` holds for it.
        model: Its name, or what else to call it.

    Example:
        >>> reason_of(ConnectionRefusedError("connection refused"), "qwen3:4b")
        "model 'qwen3:4b' cannot be reached (ConnectionRefusedError)"
    """
    status = next((found for cause in _causes(error) if (found := status_of(cause)) is not None), None)
    kind = _kinds(error)
    if status == HTTPStatus.NOT_FOUND:
        hint = f": ollama pull {model}" if any(map(_is_ollamas, _causes(error))) else " on its server"
        return f"model {model!r} not found{hint}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"model {model!r} takes no more requests just now (HTTP status 429)"
    if status is not None and status > 0:
        return f"the server of model {model!r} failed (HTTP status {status})"
    if status is not None:
        return f"the server of model {model!r} reported an error in its answer"
    said = next((cause.said for cause in _causes(error) if isinstance(cause, NoAnswerError)), None)
    if said is not None:
        return f"model {model!r} answered with nothing to show ({said})"
    if any(isinstance(cause, CutAnswerError) for cause in _causes(error)):
        return f"the answer of model {model!r} broke off ({kind})"
    rubbish = next(filter(is_rubbish, _causes(error)), None)
    if rubbish is not None:
        return f"model {model!r} answered with nothing that can be read ({said_of(rubbish)})"
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in _causes(error)):
        return f"model {model!r} gave no answer in time ({kind})"
    return f"model {model!r} cannot be reached ({kind})"


def _is_ollamas(error: BaseException) -> bool:
    """Return whether an error of a missing model came from an Ollama, by its client or by its own words."""
    return type(error).__module__.partition(".")[0] == "ollama" or "try pulling it first" in str(error)


def _kinds(error: BaseException) -> str:
    """Name an error and what it came from: "APIConnectionError" alone does not say whether a connection was refused."""
    names = [type(cause).__name__ for cause in _causes(error)] or [type(error).__name__]
    return names[0] if names[0] == names[-1] else f"{names[0]}, from {names[-1]}"


def _causes(error: BaseException) -> Iterator[Exception]:
    """Yield the error and what it was raised from, up to what is no error: Ctrl-C, a cancelled task, sys.exit()."""
    cause: BaseException | None = error
    seen: set[int] = set()  # causes may run in a circle
    while isinstance(cause, Exception) and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def says_why(error: BaseException) -> bool:
    """Return whether a server that refused a request said a word on why.

    Example:
        >>> says_why(ValueError("400: logprobs is not supported"))
        True
    """
    try:
        content = getattr(getattr(error, "response", None), "content", None)
    except RuntimeError:  # a stream that nobody read
        content = None
    return content != b""


@contextmanager
def second_try() -> Iterator[None]:
    """Take a second refusal without a word for an outage: llama.cpp answers so, status 400, while it is being stopped.

    Raises:
        NoAnswerError: In place of that refusal.
    """
    try:
        yield
    except Exception as error:
        if status_of(error) == HTTPStatus.BAD_REQUEST and not says_why(error):
            raise NoAnswerError("HTTP status 400, without a word on why") from error
        raise


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error carries (-1: the Ollama client's word for "none, in a stream")."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (error, "status"), (error, "code"), (response, "status_code")):
        value = getattr(holder, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and (value == -1 or 400 <= value <= 599):
            return value
    return None
