"""Asking a model once, through the clients that people know: ``ollama`` and ``openai``.

Keys are read from the environment by the clients, and are neither stored nor shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from hybrid_llm.collect.models import AskSettings, ModelName, Reply
from hybrid_llm.dispatch import is_outage, tokens_in
from hybrid_llm.errors import ConfigError, MissingExtraError, NoAnswerError

if TYPE_CHECKING:
    from ollama import AsyncClient
    from openai import AsyncOpenAI

Messages = Sequence[Mapping[str, Any]]

PATIENCE: Final = 600.0
"""Seconds that an answer may take: a cold model may take minutes to load."""
TRIES: Final = 4
"""How often a local server that is down is asked in all."""
HOSTED_RETRIES: Final = 5
"""How often the client of a hosted model tries again by itself."""
_MAY_GO: Final = ("logprobs", "temperature", "max_tokens")
"""What a server may refuse, and is then asked without (``max_tokens`` by its newer name)."""


class Asks(Protocol):
    """What asks a model."""

    model: ModelName

    async def ask(self, messages: Messages, settings: AskSettings) -> Reply:
        """Return the model's answer."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def client_of(model: ModelName, *, patience: float = PATIENCE) -> Asks:
    """Return what asks a model.

    Args:
        model: The model.
        patience: Seconds that an answer may take.

    Raises:
        MissingExtraError: The client is not installed.
        ConfigError: The model needs a key and there is none.
    """
    return (OllamaClient if model.kind == "ollama" else OpenAIClient)(model, patience)


class OllamaClient:
    """Asks a model of an Ollama.

    Args:
        model: The model.
        patience: Seconds that an answer may take.
    """

    def __init__(self, model: ModelName, patience: float = PATIENCE) -> None:
        try:
            from ollama import AsyncClient
        except ImportError as error:
            raise MissingExtraError(f"{model} needs Ollama's client: pip install 'hybrid-llm[collect]'") from error
        self.model = model
        self._client: AsyncClient = AsyncClient(host=model.url, timeout=patience)

    async def ask(self, messages: Messages, settings: AskSettings) -> Reply:
        """Return the model's answer; a server that is down is asked again a few times.

        Raises:
            NoAnswerError: It answered with nothing at all.
            Exception: What the client raised.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

        # a model that is not there is an outage for a router, which has another one; here waiting does not help
        passing = retry_if_exception(lambda error: is_outage(error) and getattr(error, "status_code", 0) != 404)
        tries = AsyncRetrying(stop=stop_after_attempt(TRIES), wait=wait_exponential(0.5), retry=passing, reraise=True)
        reply: Reply = await tries(self._ask, messages, settings)
        return reply

    async def _ask(self, messages: Messages, settings: AskSettings) -> Reply:
        options: dict[str, Any] = {"num_predict": settings.max_tokens}
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        sent = with_system(messages, settings.system)
        began = time.perf_counter()
        found: Any = await self._client.chat(
            self.model.name, sent, options=options, think=settings.think, logprobs=True
        )
        seconds = time.perf_counter() - began
        text, thought = found.message.content or "", bool(found.message.thinking)
        if not (text.strip() or thought or found.message.tool_calls) and found.done_reason == "load":
            raise NoAnswerError("it was loaded, and not asked")
        entries = found.logprobs or ()
        return Reply(
            text=text,
            finish=found.done_reason or "",
            # those of thinking stand in the same list
            logprobs=tuple(float(entry.logprob) for entry in entries) if entries and not thought else None,
            seconds=seconds,
            input_tokens=found.prompt_eval_count or _estimate(sent),
            output_tokens=found.eval_count or tokens_in(text),
            thought=thought,
            load_seconds=(found.load_duration or 0) / 1e9,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client._client.aclose()


class OpenAIClient:
    """Asks a model of OpenAI, or of a server that speaks as it does.

    Args:
        model: The model.
        patience: Seconds that an answer may take.
    """

    def __init__(self, model: ModelName, patience: float = PATIENCE) -> None:
        try:
            from openai import AsyncOpenAI
        except ImportError as error:
            raise MissingExtraError(f"{model} needs OpenAI's client: pip install 'hybrid-llm[collect]'") from error
        self.model = model
        key = os.environ.get("OPENAI_API_KEY")
        if not key and not model.base_url:
            raise ConfigError(f"{model} needs a key, and OPENAI_API_KEY is not set.")
        self._client: AsyncOpenAI = AsyncOpenAI(
            api_key=key or "none", base_url=model.url, timeout=patience, max_retries=HOSTED_RETRIES
        )
        self._refused: frozenset[str] = frozenset()

    async def ask(self, messages: Messages, settings: AskSettings) -> Reply:
        """Return the model's answer; what the server refuses of the settings that we added is left out.

        Raises:
            NoAnswerError: It answered with nothing at all.
            Exception: What the client raised.
        """
        from openai import BadRequestError

        while True:
            try:
                return await self._ask(messages, settings)
            except BadRequestError as error:
                named = f"{error.param or ''} {error.message}"
                blamed = {name for name in _MAY_GO if name in named} - self._refused
                if settings.temperature:  # the user's own wish
                    blamed.discard("temperature")
                if not blamed:
                    raise
                self._refused |= blamed

    async def _ask(self, messages: Messages, settings: AskSettings) -> Reply:
        sent = with_system(messages, settings.system)
        longest = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        options: dict[str, Any] = {longest: settings.max_tokens}
        if settings.temperature is not None and "temperature" not in self._refused:
            options["temperature"] = settings.temperature
        if "logprobs" not in self._refused:
            options["logprobs"] = True
        if settings.think is not None and self.model.base_url:  # as llama.cpp and vLLM call it
            options["extra_body"] = {"chat_template_kwargs": {"enable_thinking": settings.think}}
        began = time.perf_counter()
        found: Any = await self._client.chat.completions.create(model=self.model.name, messages=sent, **options)
        seconds = time.perf_counter() - began
        if not getattr(found, "choices", None):
            raise NoAnswerError("no choices")
        choice, usage = found.choices[0], found.usage
        text = choice.message.content or ""
        thought = bool(getattr(choice.message, "reasoning_content", None))
        entries = (choice.logprobs.content if choice.logprobs else None) or ()
        return Reply(
            text=text,
            finish=choice.finish_reason or "",
            logprobs=tuple(float(entry.logprob) for entry in entries) if entries and not thought else None,
            seconds=seconds,
            input_tokens=usage.prompt_tokens if usage else _estimate(sent),
            output_tokens=usage.completion_tokens if usage else tokens_in(text),
            digest=found.system_fingerprint,
            thought=thought,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def with_system(messages: Messages, system: str | None) -> list[Any]:
    """Return messages with a system prompt before them, in the place of one that is there."""
    if system is None:
        return list(messages)
    rest = [message for message in messages if message.get("role") not in ("system", "developer")]
    return [{"role": "system", "content": system}, *rest]


def _estimate(messages: Messages) -> int:
    return sum(tokens_in(str(message.get("content") or "")) for message in messages)
