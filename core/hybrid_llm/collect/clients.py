"""Asking a model once, through the clients that people know: ``ollama`` and ``openai``.

Keys are read from the environment by the clients, and are neither stored nor shown.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from hybrid_llm.collect.answer_text import without_thought
from hybrid_llm.collect.models import AskSettings, ModelName, Reply
from hybrid_llm.dispatch import content_logprobs, is_outage, tokens_in
from hybrid_llm.errors import ConfigError, MissingExtraError, NoAnswerError

if TYPE_CHECKING:
    import httpx
    from ollama import AsyncClient
    from openai import AsyncOpenAI

Messages = Sequence[Mapping[str, Any]]

PATIENCE: Final = 600.0
"""Seconds that an answer may take: a cold model may take minutes to load."""
TO_CONNECT: Final = 10.0
"""Seconds that a server has to take a connection."""
TRIES: Final = 6
"""How often a local server that is down is asked in all, over a quarter of a minute: it may be starting again."""
PAUSE: Final = 0.5
"""Seconds before it is asked again for the first time; then twice as long each time."""
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
        self._client: AsyncClient = AsyncClient(host=model.url, timeout=_timeout(patience))
        self._digest: str | None = None

    async def ask(self, messages: Messages, settings: AskSettings) -> Reply:
        """Return the model's answer; a server that is down is asked again a few times.

        Raises:
            NoAnswerError: It was loaded, and not asked.
            Exception: What the client raised.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

        # a model that is not there is an outage for a router, which has another one; here waiting does not help
        passing = retry_if_exception(lambda error: is_outage(error) and getattr(error, "status_code", 0) != 404)
        tries = AsyncRetrying(stop=stop_after_attempt(TRIES), wait=wait_exponential(PAUSE), retry=passing, reraise=True)
        reply: Reply = await tries(self._ask, messages, settings)
        return reply

    async def _ask(self, messages: Messages, settings: AskSettings) -> Reply:
        options: dict[str, Any] = {"num_predict": settings.max_tokens}
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        sent = [_for_ollama(message) for message in with_system(messages, settings.system)]
        if self._digest is None:
            self._digest = await self._digest_now()
        began = time.perf_counter()
        found: Any = await self._client.chat(
            self.model.name, sent, options=options, think=settings.think, logprobs=True
        )
        seconds = time.perf_counter() - began
        if found.done_reason == "load":
            raise NoAnswerError("it was loaded, and not asked")
        text = without_thought(found.message.content)
        return Reply(
            text=text,
            finish=found.done_reason or "",
            logprobs=content_logprobs(found.logprobs, text),
            seconds=seconds,
            input_tokens=found.prompt_eval_count or _estimate(sent),
            output_tokens=found.eval_count or tokens_in(text),
            digest=self._digest,
            thought=bool(found.message.thinking) or text != (found.message.content or ""),
            load_seconds=(found.load_duration or 0) / 1e9,
        )

    async def _digest_now(self) -> str | None:
        """Return the hash of the weights that the server has under this name, "" where it lists none."""
        listed = (await self._client.list()).models
        names = {self.model.name, f"{self.model.name}:latest"}
        return next((one.digest for one in listed if one.model in names and one.digest), None)

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
            from openai import AsyncOpenAI, OpenAIError, Timeout
        except ImportError as error:
            raise MissingExtraError(f"{model} needs OpenAI's client: pip install 'hybrid-llm[collect]'") from error
        self.model = model
        timeout = Timeout(patience, connect=TO_CONNECT)  # its own: from version 3 on it is not that of httpx
        try:
            self._client: AsyncOpenAI = AsyncOpenAI(
                base_url=model.url, timeout=timeout, max_retries=HOSTED_RETRIES, api_key=_no_key_for(model)
            )
        except OpenAIError as error:
            raise ConfigError(f"{model} needs a key, and OPENAI_API_KEY is not set.") from error
        self._refused: frozenset[str] = frozenset()

    async def ask(self, messages: Messages, settings: AskSettings) -> Reply:
        """Return the model's answer; what the server refuses of the settings that we added is left out.

        Raises:
            NoAnswerError: It answered with nothing at all.
            Exception: What the client raised.
        """
        from openai import BadRequestError, PermissionDeniedError

        while True:
            refused = self._refused  # of the request that is sent now: others run beside it
            try:
                return await self._ask(messages, settings)
            except (BadRequestError, PermissionDeniedError) as error:
                blamed = _blamed(error.param, error.message)
                own = blamed == "temperature" and settings.temperature  # a wish of the user's
                if blamed is None or blamed in refused or own:
                    raise
                self._refused |= {blamed}

    async def _ask(self, messages: Messages, settings: AskSettings) -> Reply:
        sent = with_system(messages, settings.system)
        longest = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        options: dict[str, Any] = {longest: settings.max_tokens}
        if settings.temperature is not None and "temperature" not in self._refused:
            options["temperature"] = settings.temperature
        if "logprobs" not in self._refused:
            options["logprobs"] = True
        if settings.think is not None and not self.model.hosted_by_openai:  # as llama.cpp and vLLM call it
            options["extra_body"] = {"chat_template_kwargs": {"enable_thinking": settings.think}}
        began = time.perf_counter()
        found: Any = await self._client.chat.completions.create(model=self.model.name, messages=sent, **options)
        seconds = time.perf_counter() - began
        if not getattr(found, "choices", None):
            raise NoAnswerError("no choices")
        choice, usage = found.choices[0], found.usage
        text = without_thought(choice.message.content)
        thought = getattr(choice.message, "reasoning_content", None) or text != (choice.message.content or "")
        return Reply(
            text=text,
            finish=choice.finish_reason or "",
            logprobs=content_logprobs(choice.logprobs and choice.logprobs.content, text),
            seconds=seconds,
            input_tokens=usage.prompt_tokens if usage else _estimate(sent),
            output_tokens=usage.completion_tokens if usage else tokens_in(text),
            digest=found.system_fingerprint or found.model,
            thought=bool(thought),
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


def _for_ollama(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message of OpenAI's form as Ollama has it: one text, pictures beside it, arguments as an object."""
    content = message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    given = dict(message)
    if parts:
        given["content"] = "\n".join(part["text"] for part in parts if part.get("text"))
        urls = [part["image_url"]["url"] for part in parts if part.get("type") == "image_url"]
        given["images"] = [url.partition("base64,")[2] for url in urls if "base64," in url]
    calls = [dict(call.get("function") or {}) for call in message.get("tool_calls") or ()]
    for call in calls:
        if isinstance(call.get("arguments"), str):
            call["arguments"] = json.loads(call["arguments"] or "{}")
    if calls:
        given["tool_calls"] = [{"function": call} for call in calls]
    return given


def _blamed(param: str | None, message: str) -> str | None:
    """Return which of the settings that may be left out a server refuses; servers tell it in many ways."""
    if "logprobs" in f"{param} {message}":
        return "logprobs"
    return next((name for name in _MAY_GO if name == param or f"'{name}'" in message), None)


def _timeout(patience: float) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(patience, connect=TO_CONNECT)


def _no_key_for(model: ModelName) -> str | None:
    """Return what stands for a key where none is needed; else the client reads the real one from the environment."""
    return "none" if model.local and not os.environ.get("OPENAI_API_KEY") else None


def _estimate(messages: Messages) -> int:
    return sum(tokens_in(str(message.get("content") or "")) for message in messages)
