"""A real LiteLLM proxy with our plug-in, started from the example's config, in front of real servers of its own.

The proxy runs in its own environment: ``HYBRID_LIVE_LITELLM`` is its ``litellm``, else the one beside this Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

from hybrid_llm import Router
from tests.live._chaos import ChaosServers
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
]

ROOT: Final = Path(__file__).resolve().parents[2]
KEY: Final = "sk-5f1c9a3e7b2d4860a1c3e5f7092b4d6e"
SAYS: Final = {"small": SMALL_SAYS, "large": LARGE_SAYS}
EASY: Final = "What is the capital of Peru?"
QUESTIONS: Final = (EASY, "What is 2 + 2?", "Is water wet?", "Write a lock-free hash map in C++ and prove it right.")
WEATHER: Final[Any] = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Return the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LOGS: Final = """
import json
from litellm.integrations.custom_logger import CustomLogger

class Seen(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        logged = kwargs["standard_logging_object"]
        line = {key: logged[key] for key in ("model_group", "messages")}
        line.update(logged["metadata"]["spend_logs_metadata"])
        with open(PATH, "a") as file:
            file.write(json.dumps(line) + "\\n")

seen = Seen()
"""


@dataclass
class Gateway:
    """The proxy that runs, and a second one whose config names one model."""

    url: str
    logs: Path
    broken: subprocess.Popen[str]

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, http_client=httpx.Client(timeout=120)
        )

    @property
    def async_client(self) -> openai.AsyncOpenAI:
        limits = httpx.Limits(max_connections=None)
        http = httpx.AsyncClient(timeout=300, limits=limits)
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, http_client=http)

    def ask(self, question: str = EASY, model: str = "hybrid", **more: Any) -> tuple[Any, httpx.Headers]:
        with self.client as client:
            raw = client.chat.completions.with_raw_response.create(model=model, messages=said(question), **more)
            return raw.parse(), raw.headers

    def logged(self) -> dict[str, Any]:
        """Return the newest line of the log, which LiteLLM writes after it has answered."""
        before = self.logs.read_text() if self.logs.exists() else ""
        self.ask()
        for _ in range(100):
            now = self.logs.read_text() if self.logs.exists() else ""
            if len(now.splitlines()) > len(before.splitlines()):
                break
            time.sleep(0.1)
        return json.loads(now.splitlines()[-1])


def said(question: str) -> Any:
    return [{"role": "user", "content": question}]


def program() -> str:
    """Return the ``litellm`` to run."""
    found = os.environ.get("HYBRID_LIVE_LITELLM") or str(Path(sys.executable).with_name("litellm"))
    if not Path(found).is_file():
        pytest.skip("LiteLLM's proxy is not here: name its program in HYBRID_LIVE_LITELLM (make litellm makes one)")
    return found


def started(config: Path, port: int, log: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'core'}:{ROOT}",
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "none",
        "NO_PROXY": "127.0.0.1",
    }
    command = [program(), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True)


def config_of(chaos: ChaosServers) -> str:
    """Return the example's config, with these servers and their models in place of its own."""
    text = (ROOT / "examples" / "litellm" / "config.yaml").read_text(encoding="utf-8")
    for old, new in {
        "ollama_chat/qwen3:4b": "ollama_chat/tiny-small",
        "http://127.0.0.1:11434": chaos.ollama,
        "openai/gpt-4o": "openai/tiny-large",
        "https://api.openai.com/v1": chaos.openai,
    }.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def gateway(chaos: ChaosServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Start the proxy, which takes a minute on a slow machine."""
    folder = tmp_path_factory.mktemp("litellm")
    logs = folder / "log.jsonl"
    (folder / "logs.py").write_text(LOGS.replace("PATH", repr(str(logs))))
    whole, one = folder / "config.yaml", folder / "one.yaml"
    # 200 calls at a time are more than the large server takes connections at once: LiteLLM tries again
    busy = config_of(chaos).replace("num_retries: 0", "num_retries: 3")
    whole.write_text(busy.replace('["litellm_hybrid.hybrid"]', '["litellm_hybrid.hybrid", "logs.seen"]'))
    one.write_text(config_of(chaos).replace("    large: large\n", ""))
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    running = [started(path, port, path.with_suffix(".log")) for path, port in zip((whole, one), ports, strict=True)]
    try:
        url = f"http://127.0.0.1:{ports[0]}"
        wait_for(url, running[0], whole.with_suffix(".log"))
        yield Gateway(url, logs, running[1])
    finally:
        for process in running:
            process.kill()  # when asked to end, it waits for what is under way
            process.wait()


def wait_for(url: str, process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/health/liveliness", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_proxy_decides_as_the_router_does_and_its_headers_say_so(gateway: Gateway, question: str) -> None:
    expected = Router.load().decide(question, cost_advantage=0.4)
    answer, headers = gateway.ask(question)
    assert answer.choices[0].message.content == SAYS[expected.route]
    assert headers["x-hybrid-route"] == expected.route
    assert headers["x-hybrid-score"] == f"{expected.score:.4f}"
    assert headers["x-hybrid-level"] == "cost_advantage=0.4"


def test_a_level_is_a_model_in_the_list_and_any_other_may_be_named(gateway: Gateway) -> None:
    with gateway.client as client:
        assert {"hybrid", "hybrid-0.95"} <= {model.id for model in client.models.list()}
    for level in (0.95, 0.97):
        expected = Router.load().decide(EASY, quality=level)
        answer, headers = gateway.ask(model=f"hybrid-{level}")
        assert answer.choices[0].message.content == SAYS[expected.route]
        assert headers["x-hybrid-level"] == f"quality={level}"


def test_a_level_that_does_not_exist_is_a_clear_error(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError, match=r"no model 'hybrid-1\.5'.*hybrid-0\.95 keeps 95 %"):
        gateway.ask(model="hybrid-1.5")


@pytest.mark.parametrize("model", ["hybrid", "hybrid-0.5"])
async def test_a_stream_says_who_answers_before_its_first_chunk(gateway: Gateway, model: str) -> None:
    async with gateway.async_client as client:
        ask = client.chat.completions.with_raw_response.create
        raw = await ask(model=model, messages=said(EASY), stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in raw.parse() if chunk.choices]
    assert "".join(words) == SAYS[raw.headers["x-hybrid-route"]]
    assert len(words) > 2


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_by_whichever_model_was_chosen(gateway: Gateway, stream: bool) -> None:
    with gateway.client as client:
        ask = client.chat.completions.with_raw_response.create
        raw = ask(model="hybrid-0.5", messages=said("What is the weather in Toronto?"), tools=[WEATHER], stream=stream)
        answer, headers = raw.parse(), raw.headers
        if stream:
            deltas = [chunk.choices[0].delta.tool_calls for chunk in answer if chunk.choices]
            (name,) = [call.function.name for calls in deltas if calls for call in calls if call.function.name]
        else:
            name = answer.choices[0].message.tool_calls[0].function.name
    assert name == "get_current_weather"
    assert headers["x-hybrid-route"] == "small"


def test_what_small_cannot_serve_goes_to_large(gateway: Gateway) -> None:
    _, headers = gateway.ask(tools=[WEATHER], tool_choice="required")
    assert (headers["x-hybrid-route"], headers["x-hybrid-reason"]) == ("large", "tools")
    _, headers = gateway.ask("So it goes. " * 2000 + EASY, max_tokens=5)
    assert (headers["x-hybrid-route"], headers["x-hybrid-reason"]) == ("large", "context")


HARD: Final = QUESTIONS[-1]


@pytest.mark.parametrize(
    "marked",
    [{"extra_headers": {"x-hybrid-private": "true"}}, {"extra_body": {"metadata": {"hybrid_private": True}}}],
    ids=["header", "metadata"],
)
def test_a_private_request_is_answered_by_small_whatever_it_asks(gateway: Gateway, marked: dict[str, Any]) -> None:
    answer, headers = gateway.ask(HARD, **marked)
    assert answer.choices[0].message.content == SMALL_SAYS
    assert (headers["x-hybrid-reason"], headers["x-hybrid-private"]) == ("private", "true")
    with pytest.raises(openai.BadRequestError, match="may run anywhere"):
        gateway.ask(HARD, "large", **marked)


def test_anthropics_messages_and_responses_are_routed_too(gateway: Gateway) -> None:
    bodies: dict[str, Any] = {
        "messages": {"model": "hybrid", "max_tokens": 20, "messages": said(HARD)},
        "responses": {"model": "hybrid", "input": HARD},
    }
    for path, body in bodies.items():
        ask = {"headers": {"authorization": f"Bearer {KEY}", "x-hybrid-private": "true"}, "timeout": 120}
        answer = httpx.post(f"{gateway.url}/v1/{path}", json=body, trust_env=False, **ask)
        assert answer.headers["x-hybrid-reason"] == "private"
        assert SMALL_SAYS in answer.text


def test_the_logs_of_litellm_hold_the_decision_and_no_private_text(gateway: Gateway) -> None:
    logged = gateway.logged()
    assert logged["hybrid"]["route"] == logged["model_group"]
    private = [line for line in map(json.loads, gateway.logs.read_text().splitlines()) if line["hybrid"]["private"]]
    assert private
    assert HARD not in json.dumps(private)


async def test_two_hundred_requests_at_a_time_each_get_their_own_answer(gateway: Gateway) -> None:
    async with gateway.async_client as client:

        async def one(number: int) -> bool:
            question = f"{QUESTIONS[number % len(QUESTIONS)]} ({number})"
            raw = await client.chat.completions.with_raw_response.create(model="hybrid", messages=said(question))
            return raw.parse().choices[0].message.content == SAYS[raw.headers["x-hybrid-route"]]

        assert all(await asyncio.gather(*map(one, range(200))))


def test_while_small_is_down_large_answers_and_nobody_answers_what_is_private(
    gateway: Gateway, chaos: ChaosServers
) -> None:
    chaos.kill_small()
    try:
        answer, headers = gateway.ask(model="hybrid-0.5")
        assert answer.choices[0].message.content == LARGE_SAYS
        assert (headers["x-hybrid-route"], headers["x-hybrid-reason"]) == ("large", "fallback")
        assert gateway.logged()["model_group"] == "large"
        with pytest.raises(openai.APIStatusError) as raised:
            gateway.ask(model="hybrid-0.5", extra_headers={"x-hybrid-private": "true"})
        assert LARGE_SAYS not in str(raised.value)
    finally:
        chaos.bring_small_back()


def test_a_config_that_names_one_model_does_not_start(gateway: Gateway) -> None:
    assert gateway.broken.wait(200) != 0
    log = gateway.logs.with_name("one.log").read_text()
    assert "callback_settings.hybrid has no large: it names two groups of model_list" in log
