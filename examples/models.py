r"""The two models of the examples: real ones where they are named, stand-ins where not.

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/langchain_chat.py

A program of your own makes its two models here and needs nothing of this file.
"""

import os
from collections.abc import Callable
from typing import Any

SMALL, LARGE = os.environ.get("SMALL_MODEL"), os.environ.get("LARGE_MODEL")
STAND_IN = "(an answer of the {} stand-in)"


def chat_models(stand_in: Callable[[str], Any] | None = None, temperature: float | None = None) -> tuple[Any, Any]:
    """Return the small and the large model, for LangChain.

    Args:
        stand_in: Makes a stand-in that says a text.
        temperature: Of the small model.
    """
    from langchain_core.language_models import FakeListChatModel

    _say()
    small, large = (
        (stand_in or (lambda text: FakeListChatModel(responses=[text])))(STAND_IN.format(side))
        for side in ("small", "large")
    )
    if SMALL:
        from langchain_ollama import ChatOllama

        small = ChatOllama(model=SMALL, base_url=os.environ.get("OLLAMA_HOST"), temperature=temperature)
    if LARGE:
        from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

        large = ChatOpenAI(model=LARGE, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    return small, large


def llms(stand_in: Callable[[str], Any] | None = None) -> tuple[Any, Any]:
    """Return the small and the large model, for LlamaIndex.

    Args:
        stand_in: Makes a stand-in that says a text.
    """
    _say()
    small, large = ((stand_in or _says)(STAND_IN.format(side)) for side in ("small", "large"))
    if SMALL:
        from llama_index.llms.ollama import Ollama

        host = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
        # with a context window of its own it asks its server for none, and the server keeps less memory
        small = Ollama(model=SMALL, base_url=host, context_window=8192, request_timeout=120)
    if LARGE:
        from llama_index.llms.openai_like import OpenAILike  # reads OPENAI_API_KEY itself

        url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
        can: dict[str, Any] = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 32768}
        large = OpenAILike(model=LARGE, api_base=url, **can)
    return small, large


def _says(text: str) -> Any:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.llms.mock import MockFunctionCallingLLM

    answer = ChatMessage(text, role="assistant")
    return MockFunctionCallingLLM(response_generator=lambda messages, **kwargs: answer, is_chat_model=True)


def _say() -> None:
    called = "a stand-in, no model is called; set"
    print(f"small: {SMALL}, on Ollama" if SMALL else f"small: {called} SMALL_MODEL, and OLLAMA_HOST if needed")
    large = f"large: {called} LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY"
    print(f"large: {LARGE}, on the OpenAI-compatible server" if LARGE else large)
