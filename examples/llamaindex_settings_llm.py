r"""HybridLLM as the LLM of everything: query and chat engines over one index, each question routed by itself.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/llamaindex_settings_llm.py
"""

import os
from typing import Any

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer

from hybrid_llm import Router
from hybrid_llm.scoring import Encoder
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Summarise the plot of Hamlet in two sentences.",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute the remainder when 7 to the power 2024 is divided by 1000.",
]
TEXTS = ["Paris is the capital of France.", "Mars is the red planet.", "Hamlet is a tragedy by Shakespeare."]


class EncoderEmbedding(BaseEmbedding):
    """The router's encoder as the embedding of the index, so that no other model is needed."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(value) for value in ENCODER.encode([text]).embeddings[0]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class ShowRoute(BaseEventHandler):
    """Prints where each call goes, as it goes there; a cost report would add it up."""

    def handle(self, event: Any, **kwargs: Any) -> None:
        """Print a routing event."""
        if isinstance(event, HybridRoutingEvent):
            print(f"  {event.decision['route']} ({event.decision['reason']})  ", end="")


def stand_in(answer: str) -> MockFunctionCallingLLM:
    """Return a model that calls nothing and says one thing."""
    return MockFunctionCallingLLM(
        response_generator=lambda messages, **kwargs: ChatMessage(answer, role="assistant"), is_chat_model=True
    )


if name := os.environ.get("SMALL_MODEL"):
    from llama_index.llms.ollama import Ollama

    host = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
    # with a context window of its own it asks its server for none, and the server keeps less memory
    small = Ollama(model=name, base_url=host, context_window=8192, request_timeout=120)
    print(f"small: {name}, on Ollama")
else:
    small = stand_in("(an answer of the small stand-in)")
    print("small: a stand-in, no model is called; set SMALL_MODEL, and OLLAMA_HOST if needed, for a real one")

if name := os.environ.get("LARGE_MODEL"):
    from llama_index.llms.openai_like import OpenAILike  # reads OPENAI_API_KEY itself

    url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    large = OpenAILike(
        model=name, api_base=url, is_chat_model=True, is_function_calling_model=True, context_window=32768
    )
    print(f"large: {name}, on the OpenAI-compatible server")
else:
    large = stand_in("(an answer of the large stand-in)")
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

ENCODER = Encoder.load()
# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
Settings.llm = HybridLLM(small, large, Router.load(), cost_advantage=0.3)
Settings.embed_model = EncoderEmbedding()
index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS])
get_dispatcher().add_event_handler(ShowRoute())

print("\nA query engine:")
engine = index.as_query_engine(similarity_top_k=1)
for question in QUESTIONS:
    print(f"{question}\n      {engine.query(question)}")

print("\nA stream:")
for token in index.as_query_engine(streaming=True).query(QUESTIONS[0]).response_gen:
    print(token, end="", flush=True)

print("\n\nA conversation; a short follow-up stays where it is:")
chat = index.as_chat_engine(chat_mode="context", memory=ChatMemoryBuffer.from_defaults(token_limit=2000))
for question in (QUESTIONS[3], "Why is that so?", QUESTIONS[0]):
    print(f"{question}\n      {chat.chat(question)}")
