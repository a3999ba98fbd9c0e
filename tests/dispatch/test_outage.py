"""Which errors of real clients mean that an arm is down; none of them was raised over a network."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import urllib.error
from email.message import Message

import aiohttp
import httpcore
import httpx
import httpx2
import langchain_core.exceptions as langchain
import langchain_openai.chat_models.base as langchain_openai
import ollama
import openai
import pytest
import requests
import urllib3.exceptions
from langchain_openai.chat_models._client_utils import StreamChunkTimeoutError

from hybrid_llm.dispatch import is_outage, reason_of

ASKED = httpx.Request("POST", "http://localhost/v1")
STATUSES = {400: False, 401: False, 403: False, 404: True, 408: True, 422: False, 429: True, 500: True, 503: True}
OPENAI = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


def said(status: int) -> httpx.Response:
    return httpx.Response(status, request=ASKED)


def requests_said(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def aiohttp_said(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(None, (), status=status)


def openai_said(status: int) -> openai.APIStatusError:
    return OPENAI.get(status, openai.APIStatusError)("said", response=said(status), body=None)


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(lambda status: httpx.HTTPStatusError("said", request=ASKED, response=said(status)), id="httpx"),
        pytest.param(openai_said, id="openai"),
        pytest.param(lambda status: ollama.ResponseError("said", status), id="ollama"),
        pytest.param(requests_said, id="requests"),
        pytest.param(aiohttp_said, id="aiohttp"),
        pytest.param(lambda status: urllib.error.HTTPError("", status, "said", Message(), None), id="urllib"),
    ],
)
@pytest.mark.parametrize(("status", "outage"), STATUSES.items())
def test_a_status_says_the_same_whichever_client_reports_it(client, status, outage):
    assert is_outage(client(status)) is outage


@pytest.mark.parametrize(("code", "outage"), [(500, True), (400, False), ("invalid_prompt", False), (None, False)])
def test_an_error_inside_an_openai_stream_is_judged_by_the_code_it_names(code, outage):
    assert is_outage(openai.APIError("said", ASKED, body={"code": code})) is outage


def test_an_answer_that_is_no_answer_of_the_kind_is_not_an_outage():
    assert not is_outage(openai.APIResponseValidationError(said(200), None))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(),
        http.client.RemoteDisconnected(),
        urllib.error.URLError(ConnectionRefusedError()),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.PoolTimeout("busy"),
        httpx.ReadError("cut"),
        httpx.RemoteProtocolError("cut"),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpcore.ConnectError("refused"),
        httpcore.ReadTimeout("slow"),
        requests.ConnectionError(),
        requests.ConnectTimeout(),
        requests.ReadTimeout(),
        requests.exceptions.ChunkedEncodingError(),
        urllib3.exceptions.ProtocolError(),
        aiohttp.ClientConnectionError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ServerTimeoutError(),
        aiohttp.ClientPayloadError(),
        openai.APIConnectionError(request=ASKED),
        openai.APITimeoutError(ASKED),
        ollama.ResponseError("the runner has stopped"),  # in the middle of a stream: no status
        langchain.ModelConnectionError(),
        langchain.ModelTimeoutError(),
        langchain.ModelAPIError(),
        langchain.ModelNotFoundError(),
        langchain.ModelRateLimitError(),
        langchain_openai.OpenAIConnectionError(request=ASKED),
        langchain_openai.OpenAITimeoutError(ASKED),
        StreamChunkTimeoutError(1.0),
    ],
    ids=lambda error: f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}",
)
def test_an_arm_that_cannot_be_reached_is_down_also_behind_an_error_of_its_wrapper(error):
    assert is_outage(error)
    assert is_outage(caused(RuntimeError("wrapped"), caused(ValueError("wrapped"), error)))


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError("a bug"),
        PermissionError(),
        FileNotFoundError(),
        httpx.InvalidURL("no URL"),
        httpx.DecodingError("no text"),
        requests.exceptions.InvalidURL(),
        aiohttp.InvalidURL("no URL"),
        ollama.RequestError("must provide a model"),
        openai.OpenAIError("no key"),
        langchain.ModelAuthenticationError(),
        langchain.ModelInvalidRequestError(),
        langchain.ContextOverflowError(),
        langchain.OutputParserException("no JSON"),
        langchain_openai.OpenAIRefusalError("I won't"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        GeneratorExit(),
        SystemExit(-1),  # a number that looks like a status
        SystemExit(503),
    ],
    ids=lambda error: f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}",
)
def test_a_refusal_a_bug_and_a_cancelled_call_are_not_outages_even_behind_a_wrapper(error):
    assert not is_outage(error)
    assert not is_outage(caused(RuntimeError("wrapped"), error))


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """Return what ``raise error from cause`` raises."""
    error.__cause__ = cause
    return error


def test_the_first_status_in_the_chain_decides():
    assert not is_outage(caused(openai_said(400), httpx.ConnectError("refused")))
    assert is_outage(caused(openai_said(503), ValueError()))
    assert not is_outage(caused(ValueError(), openai_said(400)))


def test_ctrl_c_is_no_outage_whatever_it_interrupted():
    assert not is_outage(caused(KeyboardInterrupt(), ConnectionRefusedError()))


def test_an_error_raised_while_another_was_handled_is_judged_alone():
    error = KeyError("a bug in the handler")
    error.__context__ = ConnectionRefusedError()
    assert not is_outage(error)


def test_causes_that_run_in_a_circle_come_to_an_end():
    first, second = ValueError(), ValueError()
    assert not is_outage(caused(first, caused(second, first)))


def test_an_address_that_cannot_be_one_is_a_mistake_to_see_and_not_an_outage():
    mistake = httpx.UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.")
    wrapped = openai.APIConnectionError(request=ASKED)
    wrapped.__cause__ = mistake
    assert not is_outage(mistake)
    assert not is_outage(wrapped)


@pytest.mark.parametrize(
    ("number", "outage"), [(errno.EHOSTUNREACH, True), (errno.ENETUNREACH, True), (errno.ENOENT, False)]
)
def test_a_host_without_a_way_to_it_is_down_and_a_missing_file_is_not(number, outage):
    assert is_outage(OSError(number, "said the system")) is outage


def test_a_reason_names_the_error_and_what_it_came_from_and_nothing_that_was_said():
    wrapped = openai.APIConnectionError(message="asked: a secret", request=ASKED)
    wrapped.__cause__ = caused(httpx.ReadError("a secret"), ConnectionResetError("a secret"))
    reason = "model 'qwen3:4b' cannot be reached (APIConnectionError, from ConnectionResetError)"
    assert reason_of(wrapped, "qwen3:4b") == reason
