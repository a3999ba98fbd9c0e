"""Where an LLM runs, as far as its class and its client tell."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from llama_index.core.llms import LLM

from hybrid_llm.dispatch import OllamaServer, Place, model_named

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
    """Return where an LLM runs; ``None`` where nothing tells.

    Args:
        llm: The LLM.
        server: Its server, where it is an Ollama.
    """
    names = {(base.__module__, base.__name__) for base in type(llm).__mro__}
    if names & _IN_THIS_PROGRAM:
        return Place()
    model: Any = llm
    if server is not None:
        return Place(str(model.client._client.base_url), shown=server.shown, ollama=True, digest=server.digest)
    url = next((found for name in ("api_base", "base_url") if isinstance(found := getattr(llm, name, None), str)), None)
    if not url:
        return None
    if ("llama_index.llms.openai.base", "OpenAI") not in names:
        return Place(url)
    root = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    # an Ollama speaks as OpenAI does, too
    asked = OllamaServer(lambda: model._get_client()._client, asked_for_by(model, model.model), root=root)
    return Place(url, shown=asked.shown, digest=asked.digest)
