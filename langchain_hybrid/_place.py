"""Where an arm's model runs, as far as its class and its client tell."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence

from hybrid_llm.dispatch import OllamaServer, Place, model_named, proxy_of
from langchain_hybrid._answers import classes_of
from langchain_hybrid._ollama import ollama_of

_IN_THIS_PROGRAM: Final = frozenset(
    {
        *(("langchain_core", name) for name in ("FakeListChatModel", "FakeMessagesListChatModel", "FakeListLLM")),
        *(("langchain_core", name) for name in ("GenericFakeChatModel", "ParrotFakeChatModel", "FakeChatModel")),
        ("langchain_hybrid", "FakeChatModel"),
        *(("langchain_community", name) for name in ("ChatLlamaCpp", "LlamaCpp", "ChatMLX", "MLXPipeline")),
        ("langchain_huggingface", "HuggingFacePipeline"),
    }
)
"""(package, class) of models that no server stands behind; by name, to import none of them."""
_ADDRESSES: Final = ("base_url", "api_base", "openai_api_base", "anthropic_api_url", "endpoint_url")
"""What the integrations call the address of their server."""
_HARMLESS: Final = frozenset({"BasePromptTemplate", "BaseMessagePromptTemplate", "BaseLLMOutputParser"})
"""Steps of a chain, and their parts, that call nobody, unless something that does is in them."""


def place_of(arm: Runnable[Any, Any]) -> Place | None:
    """Return where the model of an arm runs; ``None`` where nothing tells.

    A chain runs where its one model does, when its other steps are prompts and parsers. Of a function, or of a step
    that may call anybody, nothing tells.
    """
    named: str | None = None  # bound to a model, another one is asked for by its name
    while isinstance(arm, RunnableBinding):
        named = named or model_named(arm.kwargs)
        arm = arm.bound
    if isinstance(arm, RunnableSequence):
        steps = [step for step in arm.steps if not _calls_nobody(step)]
        return place_of(steps[0].bind(model=named) if named else steps[0]) if len(steps) == 1 else None
    return _place_of_model(arm, named) if isinstance(arm, BaseLanguageModel) else None


def _calls_nobody(step: Any) -> bool:
    """Return whether a step, or what it holds, is a prompt or a parser without a model of its own to mend or choose."""
    if isinstance(step, (list, tuple)):
        return all(map(_calls_nobody, step))
    names = {name for _, name in classes_of(step)}
    if _HARMLESS & names:
        return all(map(_calls_nobody, getattr(step, "__dict__", {}).values()))
    return not isinstance(step, Runnable) and "BaseExampleSelector" not in names


def _place_of_model(model: Any, named: str | None) -> Place | None:
    classes = classes_of(model)
    if classes & _IN_THIS_PROGRAM:
        return Place()
    server = ollama_of(model, named)
    if server is not None:
        url = str(model._client._client.base_url)
        proxy = proxy_of(url, model._client._client, model._async_client._client)
        return Place(url, proxy=proxy, shown=server.shown, ollama=True, digest=server.digest)
    if ("langchain_openai", "BaseChatOpenAI") in classes and getattr(model, "root_client", None) is not None:
        client = model.root_client
        url = str(client.base_url)
        # an Ollama speaks as OpenAI does, too
        root = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        named = model_named({"extra_body": model.extra_body}) or named or model.model_name
        asked = OllamaServer(lambda: client._client, named, root=root)
        proxy = model.openai_proxy or proxy_of(url, client._client, getattr(model.root_async_client, "_client", None))
        return Place(url, proxy=proxy, shown=asked.shown, digest=asked.digest)
    urls = (found for name in _ADDRESSES if isinstance(found := getattr(model, name, None), str) and found)
    return next(map(Place, urls), None)
