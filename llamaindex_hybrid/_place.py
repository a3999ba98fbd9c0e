"""Where an LLM runs, as far as its class and its client tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.llms import LLM

from hybrid_llm.dispatch import OllamaServer, Place, host_of, is_loopback, model_named, proxy_of

_IN_THIS_PROGRAM: Final = frozenset(
    {
        ("llama_index.core.llms.mock", "MockLLM"),
        ("llamaindex_hybrid.testing", "FakeLLM"),
        ("llama_index.llms.llama_cpp.base", "LlamaCPP"),
        ("llama_index.llms.huggingface.base", "HuggingFaceLLM"),
    }
)
"""(module, class) of LLMs that no server stands behind; by name, to import none of them."""


def asked_for_by(llm: LLM, name: str) -> str:
    """Return the model that an LLM asks its server for: the one of its name, unless its own extras name another."""
    return str(model_named(getattr(llm, "additional_kwargs", None) or {}) or name)


def place_of(llm: LLM, server: OllamaServer | None = None) -> Place | None:
    """Return where an LLM runs; ``None`` where nothing tells, or where its output parser asks a model of its own.

    Args:
        llm: The LLM.
        server: Its server, where it is an Ollama.
    """
    if _holds_model(llm.output_parser):
        return None
    names = {(base.__module__, base.__name__) for base in type(llm).__mro__}
    if names & _IN_THIS_PROGRAM:
        return Place()
    if server is not None:
        return _place_of_ollama(llm, server)
    if ("llama_index.llms.openai.base", "OpenAI") in names:
        return _place_of_openai(llm)
    urls = (found for name in ("api_base", "base_url") if isinstance(found := getattr(llm, name, None), str) and found)
    return next(map(Place, urls), None)


def _holds_model(part: Any, depth: int = 4) -> bool:
    """Return whether an output parser, or what it is made of, is a model of this framework or of LangChain."""
    if isinstance(part, BaseLLM) or any(base.__name__ == "BaseLanguageModel" for base in type(part).__mro__):
        return True
    if isinstance(part, Mapping):
        inner = [*part.values()]
    else:
        inner = [*part] if isinstance(part, (list, tuple)) else [*getattr(part, "__dict__", {}).values()]
    return depth > 0 and any(_holds_model(each, depth - 1) for each in inner)


def _place_of_ollama(model: Any, server: OllamaServer) -> Place | None:
    clients = [model.client._client, getattr(model._async_client, "_client", None)]
    url = _address(clients, model.base_url)
    if url is None:
        return None
    proxy = proxy_of(url, *clients)
    return Place(url, proxy=proxy, shown=server.shown, ollama=True, digest=server.digest)


def _place_of_openai(model: Any) -> Place | None:
    clients = [model._client, model._aclient] if model.reuse_client else [None, None]
    url = _address(clients, model.api_base)
    if url is None:
        return None
    root = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    # an Ollama speaks as OpenAI does, too
    asked = OllamaServer(lambda: model._get_client()._client, asked_for_by(model, model.model), root=root)
    made_with = [getattr(client, "_client", None) for client in clients]
    proxy = proxy_of(url, *made_with, model._http_client, model._async_http_client)
    return Place(url, proxy=proxy, shown=asked.shown, digest=asked.digest)


def _address(clients: Sequence[Any], own: str | None) -> str | None:
    """Return where clients send, that of another machine before this one; ``None`` where there are several such.

    Args:
        clients: Both clients of an LLM; in the place of one that is not made yet ``None``.
        own: The address that the LLM would make it with.
    """
    urls = [url for client in clients if (url := own if client is None else str(client.base_url))]
    away = [url for url in urls if not is_loopback(host_of(url))]
    if len({host_of(url) for url in away}) > 1:
        return None
    return next(iter((*away, *urls)), None)
