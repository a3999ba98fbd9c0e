"""What can be expected of a model: found out with its server's own words and one short question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.collect.ask import what_went_wrong
from hybrid_llm.collect.clients import Asks, client_of
from hybrid_llm.collect.models import AskSettings, ModelName, Reply
from hybrid_llm.dispatch import remote_host_of, window_of
from hybrid_llm.errors import ConfigError, MissingExtraError
from hybrid_llm.prices import Price, Prices

if TYPE_CHECKING:
    import httpx

QUESTION: Final = "Write the numbers from 1 to 20."
SHORT: Final = 64
"""Tokens of the answer at most."""
PATIENCE: Final = 10.0
"""Seconds that a server has to say something that it need not compute."""
COLD: Final = 5.0
"""Seconds to load, beyond which a user should know of it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a model; ``None`` where its server does not say.

    Args:
        model: The model.
        role: ``"small"``, ``"large"`` or ``"checker"``.
        reachable: Whether its server answers.
        pulled: Whether the model is there.
        local: Whether answers come from this machine or the private network it is in.
        tools: Whether it calls tools.
        thinking: Whether it can think aloud.
        logprobs: Whether its answers come with log-probabilities.
        context: Tokens that it reads.
        cold_seconds: How long it took to load.
        tokens_per_second: How fast it writes.
        price: Dollars for a million tokens, read and written.
        digest: Which weights these are.
        cost_usd: What the question cost, in dollars.
        error: Why it gave no answer.
        advice: What to do, a line each.
    """

    model: str
    role: str
    reachable: bool = False
    pulled: bool | None = None
    local: bool | None = None
    tools: bool | None = None
    thinking: bool | None = None
    logprobs: bool | None = None
    context: int | None = None
    cold_seconds: float | None = None
    tokens_per_second: float | None = None
    price: tuple[float, float] | None = None
    digest: str | None = None
    cost_usd: float | None = None
    error: str | None = None
    advice: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether it gave an answer."""
        return self.reachable and self.pulled is not False and self.error is None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def examine(
    models: Sequence[tuple[str, ModelName]],
    prices: Prices,
    settings: AskSettings | None = None,
    client: Callable[[ModelName], Asks] = client_of,
) -> list[Examined]:
    """Examine models side by side; see :func:`aexamine`."""
    return asyncio.run(aexamine(models, prices, settings, client))


async def aexamine(
    models: Sequence[tuple[str, ModelName]],
    prices: Prices,
    settings: AskSettings | None = None,
    client: Callable[[ModelName], Asks] = client_of,
) -> list[Examined]:
    """Examine models side by side; each is asked one short question at most.

    Args:
        models: (role, model) of each.
        prices: The prices.
        settings: How they will be asked: what a model refuses of it is found out here.
        client: Makes what asks a model.

    Raises:
        MissingExtraError: A client is not installed.
        ConfigError: A key is not set.
    """
    settings = settings or AskSettings()
    settings = replace(settings, max_tokens=min(SHORT, settings.max_tokens))
    arms = [client(model) for _, model in models]  # says what is not installed, or which key is missing
    jobs = zip(models, arms, strict=True)
    return list(await asyncio.gather(*(_examine(role, model, prices, settings, asks) for (role, model), asks in jobs)))


async def _examine(role: str, model: ModelName, prices: Prices, settings: AskSettings, asks: Asks) -> Examined:
    import httpx

    found = _priced(Examined(str(model), role), role, model, prices)
    try:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            found = await (_of_ollama if model.kind == "ollama" else _of_openai)(found, model, http)
        if found.pulled is not False and (found.reachable or model.kind == "openai"):
            found = await _asked(found, model, settings, asks)
    finally:
        await asks.close()
    return _with_advice(found, model, settings)


def _priced(found: Examined, role: str, model: ModelName, prices: Prices) -> Examined:
    try:
        price = prices.of(model.name, model.url, local=model.local)
    except (ConfigError, MissingExtraError):
        return found
    return replace(found, price=(price.input, price.output))


async def _of_ollama(found: Examined, model: ModelName, http: httpx.AsyncClient) -> Examined:
    """Ask an Ollama what it says of a model."""
    listed = await _json(http, "GET", f"{model.url}/api/tags")
    if listed is None:
        return found
    names = {model.name, f"{model.name}:latest"}
    entry = next((one for one in listed.get("models") or () if names & {one.get("name"), one.get("model")}), None)
    if entry is None:
        return replace(found, reachable=True, pulled=False)
    shown = await _json(http, "POST", f"{model.url}/api/show", {"model": model.name}) or {}
    can = shown.get("capabilities")
    remote = remote_host_of(entry) or remote_host_of(shown)
    return replace(
        found,
        reachable=True,
        pulled=True,
        local=model.local and not remote,
        tools=None if can is None else "tools" in can,
        thinking=None if can is None else "thinking" in can,
        context=window_of(shown) if shown else None,
        digest=entry.get("digest"),
    )


async def _of_openai(found: Examined, model: ModelName, http: httpx.AsyncClient) -> Examined:
    """Ask a server that speaks as OpenAI does what it lists; the hosted one only answers questions with a key."""
    if model.hosted_by_openai:
        return replace(found, local=False)
    listed = await _json(http, "GET", f"{model.url}/models") or {}
    entries = listed.get("data") or ()
    entry: Mapping[str, Any] = next((one for one in entries if one.get("id") == model.name), {})
    meta = entry.get("meta") or {}
    return replace(
        found,
        local=model.local,
        context=entry.get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train"),
    )


async def _json(
    http: httpx.AsyncClient, method: str, url: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return what a server says, ``None`` where it says nothing that can be read."""
    import httpx

    try:
        answer = await http.request(method, url, json=body)
        answer.raise_for_status()
        said = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return said if isinstance(said, dict) else None


async def _asked(found: Examined, model: ModelName, settings: AskSettings, asks: Asks) -> Examined:
    """Ask the one question."""
    began = time.perf_counter()
    try:
        reply: Reply = await asks.ask([{"role": "user", "content": QUESTION}], settings)
    except Exception as error:  # noqa: BLE001 - whatever a server or its client does, it is what we want to know
        return replace(found, error=what_went_wrong(error, model))
    seconds = time.perf_counter() - began
    return replace(
        found,
        reachable=True,
        pulled=True,
        logprobs=reply.logprobs is not None,
        thinking=reply.thought or found.thinking,
        cold_seconds=reply.load_seconds,
        tokens_per_second=_speed(reply, seconds),
        digest=found.digest or reply.digest,
        cost_usd=found.price and Price(*found.price).of(reply.input_tokens, reply.output_tokens),
    )


def _speed(reply: Reply, seconds: float) -> float | None:
    writing = seconds - (reply.load_seconds or 0)
    return reply.output_tokens / writing if reply.output_tokens and writing > 0 else None


def _with_advice(found: Examined, model: ModelName, settings: AskSettings) -> Examined:
    advice = []
    if not found.reachable and found.error is None:
        advice.append(f"{model.url} does not answer: start it" + (", ollama serve" if model.kind == "ollama" else ""))
    if found.pulled is False:
        advice.append(f"model not pulled: ollama pull {model.name}")
    if found.error:
        advice.append(found.error)
    if found.error and settings.think and found.thinking is False:
        advice.append("it cannot think aloud: leave out --think on")
    if found.role != "large" and found.local is False:
        advice.append("answers come from a remote host: not local")
    if found.answers and found.logprobs is False and found.role != "large":
        needs = "Ollama 0.12.11 or later" if model.kind == "ollama" else "a server that gives them (llama.cpp, vLLM)"
        advice.append(f"no log-probabilities: {needs}")
    if found.price is None:
        advice.append(f"no price known: --price {model.name}=IN:OUT, dollars per million tokens")
    if found.cold_seconds is not None and found.cold_seconds > COLD:
        advice.append(f"took {found.cold_seconds:.0f} s to load: keep it loaded (keep_alive), or set small_timeout")
    return replace(found, advice=tuple(advice))
