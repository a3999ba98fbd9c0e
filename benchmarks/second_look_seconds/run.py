"""What a second look costs in time: seconds to the first token and to the end, and what it adds to a call itself.

Needs two OpenAI-compatible servers with real models, a small and a larger one. Writes
docs/measured/second_look_seconds.md:

    python -m benchmarks.second_look_seconds.run --small http://127.0.0.1:18082/v1 --large http://127.0.0.1:18083/v1
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

from benchmarks.common.places import ROOT
from benchmarks.common.results import file_of, keep
from benchmarks.second_look_seconds.page import PAGE, write_page
from hybrid_llm import Router
from hybrid_llm.look import LOGPROBS, Bound, Ladder, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.look import Path as LookPath
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel

QUESTIONS = ROOT / "tests" / "live" / "plain_questions.jsonl"
MOST = 32
CALLS = 300


def main() -> None:
    """Measure, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", default="http://127.0.0.1:18082/v1")
    options.add_argument("--large", default="http://127.0.0.1:18083/v1")
    options.add_argument("--questions", type=int, default=20)
    given = options.parse_args()
    questions = [json.loads(line)["query"] for line in QUESTIONS.read_text().splitlines()[: given.questions]]
    small, large = model(given.small, "small"), model(given.large, "large")
    router = looking(given.small, questions)
    pairs: dict[str, Any] = {
        "always large": ChatHybrid(small, large, router, threshold=2),
        "query only": ChatHybrid(small, large, halves(questions), threshold=0.5),
        "second look": ChatHybrid(small, large, router, second_look="logprobs", cost_advantage=0.5),
    }
    results = {
        "n": len(questions),
        "small": name_of(given.small),
        "large": name_of(given.large),
        "most": MOST,
        "ways": {name: figures([timed(pair, question) for question in questions]) for name, pair in pairs.items()},
        "calls": CALLS,
        "invoke": overhead("invoke"),
        "stream": overhead("stream"),
    }
    write_page(PAGE, keep(file_of("second_look_seconds"), results))


def model(url: str, name: str) -> ChatOpenAI:
    """Return a chat model on a server, which does not know the newer word for its limit."""
    limit = {"max_tokens": MOST}
    return ChatOpenAI(model=name, base_url=url, api_key="none", temperature=0, extra_body=limit, stream_usage=True)


def name_of(url: str) -> str:
    """Return the name of a server's model, without the folder that it lies in."""
    return Path(str(httpx.get(f"{url}/models").json()["data"][0]["id"])).stem


def halves(questions: list[str]) -> Router:
    """Return a router that sends every second question to small."""
    return Router(FixedScorer({question: float(place % 2) for place, question in enumerate(questions)}))


def looking(url: str, questions: list[str]) -> Router:
    """Return a router with an untrained look whose levels are quantiles of small's answers to other questions."""
    return _router(np.array([sureness(url, f"{question} Answer in a sentence.") for question in questions]))


def sureness(url: str, question: str) -> float:
    """Return the geometric mean of the probabilities of an answer's tokens."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": MOST, "logprobs": True}
    choice = httpx.post(f"{url}/chat/completions", json=body, timeout=300).json()["choices"][0]
    return math.exp(statistics.fmean(token["logprob"] for token in choice["logprobs"]["content"] if token["token"]))


def timed(pair: Any, question: str) -> tuple[float, float, str]:
    """Return seconds to the first token and to the end of a streamed answer, and who answered."""
    start, first, route = time.perf_counter(), None, ""
    for chunk in pair.stream(question, max_tokens=MOST):
        if first is None and chunk.text:
            first = time.perf_counter() - start
        route = route or chunk.response_metadata.get("hybrid", {}).get("route", "")
    end = time.perf_counter() - start
    return first or end, end, route


def figures(times: list[tuple[float, float, str]]) -> dict[str, Any]:
    """Return the median and the 95 % quantile of both times, and the share that small answered."""
    firsts, ends = ([each[place] for each in times] for place in (0, 1))
    seconds = [float(np.quantile(numbers, share)) for numbers in (firsts, ends) for share in (0.5, 0.95)]
    return {"seconds": seconds, "by small": float(np.mean([route == "small" for _, _, route in times]))}


def overhead(verb: str) -> float:
    """Return the milliseconds that holding, looking and replaying add to a call."""
    words = [f"word{place}" for place in range(200)]  # no loop, which a check would reject
    tokens = [{"token": f"{' ' if place else ''}{word}", "logprob": -0.1} for place, word in enumerate(words)]
    said = AIMessage(" ".join(words), response_metadata={"logprobs": {"content": tokens}, "finish_reason": "stop"})
    small, large = FakeChatModel(model="small", says=lambda _: said), FakeChatModel(model="large")
    router = _router(np.linspace(0.01, 0.99, 99))
    plain = ChatHybrid(small, large, router, threshold=0)
    held = ChatHybrid(small, large, router, second_look="logprobs", cost_advantage=0.5)
    return 1000 * min(median(held, verb) - median(plain, verb) for _ in range(3))


def median(pair: Any, verb: str) -> float:
    """Return the median seconds of a call."""
    times = []
    for _ in range(CALLS):
        start = time.process_time()  # the machine may be busy
        pair.invoke("2+2?") if verb == "invoke" else list(pair.stream("2+2?"))
        times.append(time.process_time() - start)
    return statistics.median(times)


def _router(scores: Any) -> Router:
    ladder, ones = Ladder.level(scores), np.ones(len(scores))
    measured = PathCalibration.of(ladder, None, scores, ones.astype(bool), ones)
    look = SecondLook("logprobs", Bound("small"), {(LOGPROBS,): LookPath(logprobs_head(), ladder, measured)})
    return Router(FixedScorer(0.5), looks={"logprobs": look})


if __name__ == "__main__":
    main()
