"""How long a prompt is, and a server that is asked how much of it its model reads."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from hybrid_llm import Pair
from hybrid_llm.dispatch import ASSUMED, Capabilities, OllamaServer, Request, Window, tokens_in
from hybrid_llm.testing import FixedScorer

CHINESE = "今天天气很好我们去公园散步然后回家吃饭。" * 300
HOSTED = Capabilities(100_000)


class Server:
    """Says how long its model reads, and counts how often it was asked."""

    def __init__(self, *answers: int | Exception, seconds: float = 0) -> None:
        self.answers, self.seconds, self.asked = list(answers), seconds, 0
        self.threads: set[int] = set()

    def __call__(self) -> int:
        self.asked += 1
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def pair(window: Any) -> Pair:
    return Pair(FixedScorer(0.9), threshold=0.5, small=Capabilities(window), large=HOSTED)


def test_four_bytes_are_a_token_so_that_no_script_is_counted_for_a_third():
    assert len(CHINESE) == 6000
    assert tokens_in(CHINESE) >= 3600
    assert tokens_in("word " * 400) == 501


def test_nobody_is_asked_before_a_prompt_may_be_too_long():
    server = Server(2048)
    one = pair(Window(server))
    assert one.decide(Request("hi", tokens=1024)).decision.reason == "score"
    assert server.asked == 0
    assert one.decide(Request("hi", tokens=2049)).decision.reason == "context"
    assert one.decide(Request("hi", tokens=2048)).decision.reason == "score"
    assert server.asked == 1


def test_a_server_that_does_not_answer_is_assumed_to_read_4096_and_asked_again_later():
    now = [0.0]
    server = Server(ConnectionError(), 8192)
    window = Window(server, clock=lambda: now[0])
    assert [window(5000), window(5000), server.asked] == [ASSUMED, ASSUMED, 1]
    now[0] = 30.0
    assert [window(5000), window(5000), server.asked] == [8192, 8192, 2]


def test_many_threads_ask_once():
    server = Server(2048, seconds=0.02)
    window = Window(server)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(window, [5000] * 8)) == {2048}
    assert server.asked == 1


async def test_an_event_loop_is_not_kept_waiting():
    server = Server(2048, seconds=0.1)
    deciding = asyncio.create_task(pair(Window(server)).adecide(Request("hi", tokens=5000)))
    beats = 0
    while not deciding.done():
        await asyncio.sleep(0.005)
        beats += 1
    assert (await deciding).decision.reason == "context"
    assert beats > 3
    assert server.threads != {threading.get_ident()}


def ollama(parameters: str | None, length: int | None, status: int = 200) -> OllamaServer:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.url.path, json.loads(request.content)) == ("/api/show", {"model": "m"})
        info = {"general.architecture": "llama", **({"llama.context_length": length} if length else {})}
        return httpx.Response(status, json={"parameters": parameters, "model_info": info})

    return OllamaServer(lambda: httpx.Client(base_url="http://small", transport=httpx.MockTransport(answer)), "m")


@pytest.mark.parametrize(
    ("parameters", "length", "num_ctx", "window"),
    [
        ("num_ctx                        2048\nnum_thread                     1", 131_072, None, 2048),
        ('stop                           "<|end|>"', 131_072, None, ASSUMED),
        (None, 131_072, None, ASSUMED),
        (None, 2048, None, 2048),
        (None, None, None, ASSUMED),
        ("num_ctx 2048", 131_072, 8192, 8192),
        ("num_ctx 2048", 4096, 8192, 4096),
    ],
    ids=["its Modelfile", "the default", "no parameters", "a short model", "unknown", "the call", "too much"],
)
def test_an_ollama_reads_what_the_call_or_the_modelfile_says_and_never_more_than_the_model_can(
    parameters, length, num_ctx, window
):
    assert ollama(parameters, length).window(num_ctx) == window


def test_a_model_that_is_not_there_is_not_remembered_as_anything():
    window = Window(ollama(None, None, 404).window)
    assert window(5000) == ASSUMED
    assert window._known is None
