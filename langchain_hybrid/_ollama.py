"""The server behind a ``ChatOllama``."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from hybrid_llm.dispatch import OllamaServer


def ollama_of(model: BaseChatModel) -> OllamaServer | None:
    """Return the server of a ``ChatOllama``, by its name, to import no provider; ``None`` for any other chat model."""
    if not any(
        (base.__module__.partition(".")[0], base.__name__) == ("langchain_ollama", "ChatOllama")
        for base in type(model).__mro__
    ):
        return None
    return OllamaServer(lambda: model._client._client, model.model)  # type: ignore[attr-defined]
