"""``hybrid-llm doctor`` and ``collect`` on real servers: what they refuse, what they cut, and what a crash leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hybrid_llm.collect import AskSettings, ModelName, PairFolder, aexamine, client_of, what_went_wrong
from hybrid_llm.prices import Prices
from tests.collect.stub_server import stub_server
from tests.live._chaos import ChaosServers
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS, Servers

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

HELLO: Final = [{"role": "user", "content": "Hello, who are you?"}]
REAL: Final = f"http://127.0.0.1:{os.environ.get('SPORT', '18082')}"


def named(servers: Any) -> tuple[str, str]:
    return f"ollama:tiny-small@{servers.ollama}", f"openai:tiny-large@{servers.openai}"


def command(small: str, large: str, out: Path, prompts: Path, *more: str) -> list[str]:
    pair = ["--small", small, "--large", large, "--out", str(out)]
    return [sys.executable, "-m", "hybrid_llm.cli", "collect", str(prompts), *pair, *more]


def collect(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("".join(f"What is {n} plus {n}?\n" for n in range(30)))
    return file


def texts(out: Path) -> dict[str, list[str]]:
    with PairFolder.existing(out) as folder:
        setup = folder.setup()
        assert setup is not None
        return {
            model.name: [one.reply.text for one in folder.answers(setup, model) if one.error is None]
            for model in setup.models
        }


async def ask(model: ModelName, **settings: Any) -> Any:
    client = client_of(model)
    try:
        return await client.ask(HELLO, AskSettings(**settings))
    finally:
        await client.close()


def test_both_servers_answer_every_prompt_in_their_own_words(servers: Servers, tmp_path: Path, prompts: Path) -> None:
    done = collect(*named(servers), tmp_path / "pair", prompts, "--json", "--max-tokens", "30")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answered"] == {"tiny-small": 30, "tiny-large": 30}
    assert texts(tmp_path / "pair") == {"tiny-small": [SMALL_SAYS] * 30, "tiny-large": [LARGE_SAYS] * 30}
    with PairFolder.existing(tmp_path / "pair") as folder:
        answer = next(folder.answers(folder.setup(), ModelName.read(named(servers)[1])))
    assert answer.reply.logprobs is not None  # llama.cpp gives them, an old Ollama does not
    assert (answer.reply.finish, answer.reply.input_tokens > 5) == ("stop", True)


async def test_the_doctor_finds_what_these_servers_can_do(servers: Servers) -> None:
    small, large, missing = await aexamine(
        [
            ("small", ModelName.read(named(servers)[0])),
            ("large", ModelName.read(named(servers)[1])),
            ("checker", ModelName.read(f"ollama:nobody@{servers.ollama}")),
        ],
        Prices(),
    )
    assert (small.answers, small.local, small.tools, small.thinking, small.context) == (True, True, True, False, 2048)
    assert small.digest
    assert small.advice == ("no log-probabilities: Ollama 0.12.11 or later",)
    assert (large.answers, large.logprobs, large.price) == (True, True, (0, 0))
    assert missing.advice == ("model not pulled: ollama pull nobody",)


async def test_a_model_that_is_not_there_is_told(servers: Servers) -> None:
    model = ModelName.read(f"ollama:nobody@{servers.ollama}")
    with pytest.raises(Exception, match="not found") as caught:
        await ask(model)
    assert what_went_wrong(caught.value, model) == "model 'nobody' not found: ollama pull nobody"


async def test_thinking_that_a_model_cannot_do_is_told(servers: Servers) -> None:
    model = ModelName.read(named(servers)[0])
    with pytest.raises(Exception, match="thinking") as caught:
        await ask(model, think=True)
    assert "HTTP status 400" in what_went_wrong(caught.value, model)
    (found,) = await aexamine([("small", model)], Prices(), AskSettings(think=True))
    assert "it cannot think aloud: leave out --think on" in found.advice


@pytest.mark.parametrize("arm", [0, 1])
async def test_an_answer_that_is_cut_off_says_so(servers: Servers, arm: int) -> None:
    reply = await ask(ModelName.read(named(servers)[arm]), max_tokens=2)
    assert (reply.finish, reply.output_tokens) == ("length", 2)
    assert (SMALL_SAYS, LARGE_SAYS)[arm].startswith(reply.text)


def test_a_small_server_that_is_killed_and_comes_back_is_waited_for(
    chaos: ChaosServers, tmp_path: Path, prompts: Path
) -> None:
    with subprocess.Popen(command(*named(chaos), tmp_path / "pair", prompts, "--max-tokens", "30")) as started:
        wait_for(tmp_path / "pair")
        chaos.kill_small()
        time.sleep(2)
        chaos.bring_small_back()
        assert started.wait(timeout=120) == 0
    assert texts(tmp_path / "pair") == {"tiny-small": [SMALL_SAYS] * 30, "tiny-large": [LARGE_SAYS] * 30}


def test_a_command_that_is_killed_goes_on_where_it_was(servers: Servers, tmp_path: Path, prompts: Path) -> None:
    arguments = (*named(servers), tmp_path / "pair", prompts, "--max-tokens", "30")
    for _ in range(2):
        with subprocess.Popen(command(*arguments)) as started:
            wait_for(tmp_path / "pair")
            started.kill()
    assert collect(*arguments).returncode == 0
    assert texts(tmp_path / "pair") == {"tiny-small": [SMALL_SAYS] * 30, "tiny-large": [LARGE_SAYS] * 30}


def heed_interrupts() -> None:
    """Take back what a shell does to the jobs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_within_a_second_and_says_what_is_kept(tmp_path: Path, prompts: Path) -> None:
    def says(text: str) -> str:
        if "7" in text:
            time.sleep(30)  # a server that hangs
        return "Fine"

    with stub_server(says=says) as stub:
        arguments = command(stub.ollama(), stub.openai(), tmp_path / "pair", prompts)
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts) as started:
            while len(stub.texts) < 16:
                time.sleep(0.01)
            began = time.monotonic()
            started.send_signal(signal.SIGINT)
            assert started.stderr is not None
            said = started.stderr.read()
            assert started.wait() == 130
        assert time.monotonic() - began < 3  # a second, on a machine that does nothing else
    assert "Stopped. 14 answers are kept; the same command goes on." in said
    assert "Traceback" not in said


async def test_a_real_model_gives_a_log_probability_for_each_token_of_its_answer() -> None:
    try:
        httpx.get(f"{REAL}/health", timeout=5).raise_for_status()
    except httpx.HTTPError:
        pytest.skip("the real language models do not run: servers.sh setup-real, then start-real")
    model = ModelName.read(f"openai:real-small@{REAL}/v1")
    reply = await ask(model, max_tokens=24)
    assert reply.text
    assert reply.logprobs is not None
    assert abs(len(reply.logprobs) - reply.output_tokens) <= 1  # the mark of the end is no part of the text
    assert all(number <= 0 for number in reply.logprobs)
    assert len(set(reply.logprobs)) > 3


def wait_for(out: Path) -> None:
    """Wait until some answers are stored; the process that writes holds the database, but not its log."""
    until, before = time.monotonic() + 60, -1
    while time.monotonic() < until:
        log = out / "pair.sqlite-wal"
        size = log.stat().st_size if log.exists() else 0
        if size > max(before, 0) + 60_000:
            return
        before = size if before < 0 else before
        time.sleep(0.02)
    raise TimeoutError("Nothing was stored.")
