"""The server behind a ``ChatOllama``."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel

from hybrid_llm.dispatch import OllamaServer
from langchain_hybrid._answers import classes_of


def ollama_of(model: BaseChatModel | None, named: str | None = None) -> OllamaServer | None:
    """Return the server of a ``ChatOllama``; ``None`` for any other chat model.

    Args:
        model: The chat model.
        named: The model of the server's that it is asked for, where that is another one than its own.
    """
    if ("langchain_ollama", "ChatOllama") not in classes_of(model):
        return None
    chat: Any = model

    def settings() -> dict[str, Any]:
        asked = chat._chat_params([])
        return {name: asked[name] for name in ("options", "keep_alive") if asked.get(name) is not None}

    return OllamaServer(lambda: chat._client._client, named or chat.model, settings)
