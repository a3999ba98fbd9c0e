"""Collect in a process that is killed again and again; prints what each model was asked after each kill, as JSON.

Run as a program: ``killed.py FOLDER KILLS``. A model's server is a file that has a line for each request.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hybrid_llm.collect import AskSettings, Budget, ModelName, PairFolder, Reply, Setup, ask_all, plans
from hybrid_llm.prices import Prices
from hybrid_llm.table import Prompt

PROMPTS = 400
PARALLEL = 4
SETUP = Setup(ModelName.read("ollama:tiny"), ModelName.read("openai:big"), settings=AskSettings(max_tokens=10))
PRICES = Prices.read(["big=1:1"])


class Server:
    """Writes down what it is asked, and answers a moment later."""

    def __init__(self, log: Path, model: ModelName) -> None:
        self.model = model
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def ask(self, messages: Any, settings: AskSettings) -> Reply:
        text = messages[-1]["content"]
        os.write(self._log, f"{self.model.name} {text}\n".encode())
        await asyncio.sleep(random.uniform(0, 0.004))
        return Reply(f"answer of {self.model.name} to {text}", "stop", (-0.5,) * 40, 0.1, 5, 5)

    async def close(self) -> None:
        os.close(self._log)


def collect(path: Path) -> None:
    with PairFolder(path) as folder:
        folder.begin(SETUP)
        texts = [f"prompt-{n}" for n in range(PROMPTS)]
        folder.add_prompts(Prompt("here", text, {}, ({"role": "user", "content": text},)) for text in texts)
        todo = plans(SETUP, folder.prompts(), folder.answered(SETUP), PRICES, folder.usual_tokens(SETUP))
        parallel = dict.fromkeys(SETUP.models, PARALLEL)
        server = lambda model: Server(path.parent / "log", model)  # noqa: E731
        asyncio.run(ask_all(folder, SETUP, todo, Budget(100.0, folder.spent()), parallel, client=server))


def answered(path: Path) -> list[str]:
    """Return what is answered, and check that each answer is whole."""
    if not (path / "pair.sqlite").exists():
        return []
    with PairFolder(path) as folder:
        texts = {prompt.id: prompt.query for prompt in folder.prompts()}
        found = [(one.model, texts[one.prompt], one.reply.text, one.reply.logprobs) for one in folder.answers(SETUP)]
    assert all(said == f"answer of {model} to {text}" for model, text, said, _ in found)
    assert all(logprobs == (-0.5,) * 40 for *_, logprobs in found)
    return [f"{model} {text}" for model, text, *_ in found]


def wait_for_a_moment(path: Path) -> None:
    """Wait until some more requests were sent, and a little longer; now and then only as long as opening takes."""
    more, until = random.randrange(30), time.monotonic() + random.choice([0.02, 5, 5, 5])
    before = len(lines(path))
    while len(lines(path)) < before + more and time.monotonic() < until:
        time.sleep(0.0005)
    time.sleep(random.uniform(0, 0.003))


def main(path: Path, kills: int) -> None:
    with TemporaryDirectory() as other:
        collect(Path(other, "pair"))  # whatever is imported is imported once
    rounds = []
    for _ in range(kills):
        child = os.fork()
        if not child:
            collect(path)
            os._exit(0)
        wait_for_a_moment(path)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        rounds.append({"asked": lines(path), "answered": answered(path)})
    collect(path)
    rounds.append({"asked": lines(path), "answered": answered(path)})
    print(json.dumps(rounds))  # noqa: T201


def lines(path: Path) -> list[str]:
    log = path.parent / "log"
    return log.read_text().splitlines() if log.exists() else []


if __name__ == "__main__":
    random.seed(7)
    main(Path(sys.argv[1]), int(sys.argv[2]))
