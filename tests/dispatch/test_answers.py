"""An answer that is none: nothing to show before the first token is an outage, an end without its word is an error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import ollama
import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Answers, Capabilities, Failover, is_outage
from hybrid_llm.errors import CutAnswerError, NoAnswerError
from tests.ways import LARGE, SMALL, Arms, by_call, every_stream, every_way, text_of

END = "<stop>"
SAYS_ITS_END = Answers(ended=lambda chunk: "stop" if chunk.endswith(END) else None)
MODEL = Capabilities(model="qwen3:4b", speaks=True)
CLOSING = Capabilities(model="qwen3:4b", speaks=True, closes=True)


def failover(serves: Capabilities = MODEL, **options: object) -> Failover:
    return Failover(serves=lambda _: serves, **{"answers": SAYS_ITS_END, **options})


@every_way
@pytest.mark.parametrize("chunks", [[""], [" ", "\n"], []], ids=["empty", "white space", "no chunk"])
async def test_nothing_to_show_is_an_outage(way, chunks, caplog):
    with caplog.at_level(logging.WARNING, "hybrid_llm"):
        items = await way(failover(), SMALL, Arms(chunks))
    assert (text_of(items), items[0][1].reason) == ("from large", "fallback")
    assert "model 'qwen3:4b' answered with nothing to show" in caplog.text


@every_way
async def test_three_such_answers_in_a_row_close_the_way_to_small(way):
    pair, arms = failover(), Arms([""])
    reasons = [(await way(pair, SMALL, arms))[0][1].reason for _ in range(4)]
    assert reasons == ["fallback", "fallback", "fallback", "cooldown"]


@every_way
@pytest.mark.parametrize(
    ("decision", "options"),
    [(Decision("small", reason="forced"), {}), (SMALL, {"to_large": False}), (LARGE, {"to_small": True})],
    ids=["forced", "nobody steps in", "large"],
)
async def test_where_nobody_else_answers_nothing_is_handed_on_as_it_came(way, decision, options):
    items = await way(failover(**options), decision, Arms([" "], [" "]))
    assert (text_of(items), items[0][1]) == (" ", decision)


@every_way
async def test_an_arm_that_need_not_speak_may_say_nothing(way):
    items = await way(failover(Capabilities.unlimited()), SMALL, Arms([""]))
    assert items == [("", SMALL)]


@every_stream
async def test_a_stream_that_ends_without_its_word_is_an_error_and_never_whole(way):
    pair, arms = failover(CLOSING), Arms(["half an ", "answer"])
    with pytest.raises(CutAnswerError, match="broke off"):
        await way(pair, SMALL, arms)
    assert arms.asked == ["small"]


@every_stream
async def test_so_it_is_with_large(way):
    with pytest.raises(CutAnswerError):
        await way(failover(CLOSING), LARGE, Arms([], ["half"]))


async def test_half_an_answer_in_one_piece_is_an_outage_since_nobody_has_seen_it():
    items = await by_call(failover(CLOSING), SMALL, Arms(["half"], ["whole", END]))
    assert (text_of(items), items[0][1].reason) == ("whole<stop>", "fallback")


@every_way
async def test_a_whole_answer_passes(way):
    items = await way(failover(CLOSING), SMALL, Arms(["whole", END]))
    assert text_of(items) == "whole<stop>"


@every_stream
async def test_an_arm_that_never_says_why_it_ends_is_left_in_peace(way):
    pair = failover()
    assert [text_of(await way(pair, SMALL, Arms(["one"]))) for _ in range(2)] == ["one", "one"]


@every_stream
async def test_an_arm_that_has_said_so_once_always_does(way):
    pair = failover()
    await way(pair, SMALL, Arms(["whole", END]))
    with pytest.raises(CutAnswerError):
        await way(pair, SMALL, Arms(["half"]))


def test_a_reader_who_stops_early_is_no_broken_stream():
    stream = failover(CLOSING).stream(SMALL, Arms(["half", " an answer"]))
    assert next(stream)[0] == "half"
    stream.close()


def ollama_said(body: bytes) -> ollama.Client:
    return ollama.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"model": "m", "mess', b"[]\n", b'{"ok": true}\n', b""])
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_client_cannot_read_is_an_outage(body, stream):
    def read() -> None:
        answer = ollama_said(body).chat("m", [{"role": "user", "content": "hi"}], stream=stream)
        list(answer if isinstance(answer, Iterator) else ())

    if stream and not body:
        return  # no error: an empty stream
    with pytest.raises(Exception, match=r".") as raised:
        read()
    assert is_outage(raised.value)


def test_a_body_that_cannot_be_unpacked_is_an_outage():
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"no"))
    with pytest.raises(httpx.DecodingError) as raised:
        ollama.Client(transport=transport).chat("m", [{"role": "user", "content": "hi"}])
    assert is_outage(raised.value)


def users_json() -> None:
    json.loads("<html>")


def users_http() -> None:
    httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"<html>"))).get("http://x").json()


def users_message() -> None:
    ollama_said(b"").chat("m", [{"role": 7, "content": "hi"}])  # type: ignore[list-item]


@pytest.mark.parametrize("mistake", [users_json, users_http, users_message])
def test_the_same_error_of_the_users_own_program_is_none(mistake):
    with pytest.raises(ValueError, match=r".") as raised:
        mistake()
    assert not is_outage(raised.value)


def test_both_errors_are_outages_by_name():
    assert is_outage(NoAnswerError("an empty stream"))
    assert is_outage(CutAnswerError())
